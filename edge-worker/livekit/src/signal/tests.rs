//! What clients are told, read back from the wire.

use std::sync::Arc;

use bytes::Bytes;
use media::{Codec, MediaKind, Mid};
use prost::Message;
use sfu::{
    Access, CodecDemand, ConnectionQuality, Encryption, Identity, LeaveReason, Loudness, Muted,
    Notice, ParticipantInfo, Permission, Playing, Quality, Refusal, RefusedWish, RoomInfo,
    SimulcastCodec, Source, Speaker, State, StreamState, Streaming, SubscriptionFailure, TrackInfo,
    VideoLayer, VideoQuality,
};

use super::*;
use crate::join::{JoinRequest, Mode};
use crate::proto::signal_response::Message as Wire;
use crate::{Client, Sdk, VideoGrants, proto};

fn room() -> RoomInfo {
    RoomInfo {
        id: "RM_abcdefghijkl".parse().unwrap(),
        name: "parlour".into(),
        metadata: "m".into(),
        created_at_ms: 1_700_000_000_123,
        empty_timeout_s: 300,
        departure_timeout_s: 20,
        max_participants: 9,
        playing: Playing::default(),
        participants: 2,
        publishers: 1,
        active_recording: false,
    }
}

fn permission() -> Permission {
    VideoGrants::default().permission()
}

fn participant(id: &str) -> ParticipantInfo {
    ParticipantInfo {
        id: id.parse().unwrap(),
        identity: Identity("ada".into()),
        name: "Ada".into(),
        metadata: "about her".into(),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        state: State::Active,
        joined_at_ms: 1_700_000_000_456,
        version: 3,
        permission: permission(),
        kind: 4,
        kind_details: vec![0],
        region: "lagos".into(),
        client_protocol: 2,
        capabilities: vec![1, 2],
        tracks: vec![Arc::new(camera())],
        data_tracks: Vec::new(),
    }
}

fn camera() -> TrackInfo {
    let layer = |quality, width| VideoLayer {
        quality,
        width,
        height: width / 2,
        bitrate: 1,
    };
    TrackInfo {
        id: "TR_VCabcdefghijkl".parse().unwrap(),
        kind: MediaKind::Video,
        name: "cam".into(),
        source: Source::Camera,
        muted: Muted::No,
        width: 640,
        height: 320,
        layers: vec![
            layer(VideoQuality::Low, 320),
            layer(VideoQuality::Medium, 640),
        ],
        simulcast: true,
        codec: Some(Codec::Vp8),
        stream: "camera".into(),
        encryption: Encryption::Gcm,
        stereo: false,
        disable_red: false,
        disable_dtx: false,
        audio_features: vec![],
        backup_codec_policy: 0,
        codecs: vec![SimulcastCodec {
            codec: Some(Codec::Vp8),
            cid: "c".into(),
        }],
    }
}

fn request(mode: Mode, protocol: i32) -> JoinRequest {
    let client = Client {
        protocol,
        ..Client::default()
    };
    JoinRequest {
        mode,
        client,
        ..JoinRequest::default()
    }
}

fn settings() -> JoinSettings {
    JoinSettings {
        region: "lagos".into(),
        node_id: "ND_1".into(),
        ice_servers: vec![],
        sif_trailer: Bytes::from_static(b"trailer"),
    }
}

fn join(request: &JoinRequest, permission: Permission) -> proto::JoinResponse {
    let joined = Joined {
        room: &room(),
        participant: &ParticipantInfo {
            permission,
            ..participant("PA_self")
        },
        others: &[Arc::new(participant("PA_other"))],
        request,
        settings: &settings(),
    };
    let Frame::Binary(bytes) = Response::join(&joined).frame(FrameFormat::Binary) else {
        panic!("binary")
    };
    let message = proto::SignalResponse::decode(bytes).unwrap().message;
    let Some(Wire::Join(join)) = message else {
        panic!("a join response")
    };
    join
}

#[test]
fn a_join_response_tells_what_clients_need() {
    let join = join(&request(Mode::Dual, 16), permission());
    let room = join.room.unwrap();
    assert_eq!(
        (room.sid.as_str(), room.name.as_str()),
        ("RM_abcdefghijkl", "parlour")
    );
    assert_eq!(
        (room.creation_time, room.creation_time_ms),
        (1_700_000_000, 1_700_000_000_123)
    );
    let own = join.participant.unwrap();
    assert_eq!(
        (own.sid.as_str(), own.identity.as_str()),
        ("PA_self", "ada")
    );
    assert!(own.permission.unwrap().can_publish);
    assert_eq!(
        join.other_participants[0].tracks[0].sid,
        "TR_VCabcdefghijkl"
    );
    let server = join.server_info.unwrap();
    assert_eq!((server.version.as_str(), server.protocol), ("1.13.0", 17));
    assert_eq!(
        (join.server_version.as_str(), join.server_region.as_str()),
        ("1.13.0", "lagos")
    );
    assert_eq!((join.ping_interval, join.ping_timeout), (2, 6));
    assert_eq!(join.sif_trailer, b"trailer");
    let codecs: Vec<_> = join
        .enabled_publish_codecs
        .iter()
        .map(|it| it.mime.as_str())
        .collect();
    assert_eq!(
        codecs,
        [
            "video/VP8",
            "video/H264",
            "video/VP9",
            "video/AV1",
            "audio/opus",
            "audio/red"
        ]
    );
}

#[test]
fn jn_4_subscriber_primary_and_fast_publish_follow_mode_and_permission() {
    for (mode, protocol, can_subscribe, can_publish, expected) in [
        (Mode::Dual, 16, true, true, (true, true)),
        (Mode::Dual, 16, false, true, (false, true)),
        (Mode::Dual, 16, true, false, (true, false)),
        (Mode::Dual, 2, true, true, (false, true)),
        (Mode::Single, 17, true, true, (false, true)),
    ] {
        let permission = Permission {
            can_subscribe,
            can_publish,
            ..permission()
        };
        let join = join(&request(mode, protocol), permission);
        assert_eq!((join.subscriber_primary, join.fast_publish), expected);
    }
}

#[test]
fn cc_1_a_client_is_told_what_its_device_does_badly_and_offered_the_rest() {
    const NONE: &[&str] = &[];
    const AV1: &[&str] = &["video/AV1"];
    const VP9: &[&str] = &["video/VP9"];
    const H264: &[&str] = &["video/H264"];
    for (browser, version, os, model, at_all, publish) in [
        ("Firefox", "140.0", "Linux", "", NONE, H264),
        ("firefox", "140.0", "android", "", NONE, H264),
        ("Firefox", "140.0", "macOS", "", NONE, NONE),
        ("Chrome", "150.0", "Linux", "", NONE, NONE),
        ("Safari", "17.6", "macOS", "", AV1, NONE),
        ("safari", "18.3", "iOS", "", AV1, NONE),
        ("safari", "18.3.1", "iOS", "", AV1, NONE),
        ("safari", "18.4", "iOS", "", AV1, VP9),
        ("safari", "26", "macOS", "", AV1, VP9),
        ("safari", "newest", "macOS", "", AV1, NONE),
        ("", "", "Android", "Xiaomi 2201117TI", NONE, H264),
        ("", "", "Android", "another", NONE, NONE),
    ] {
        let what = format!("{browser} {version} {os} {model}");
        let mut request = request(Mode::Single, 17);
        request.client.browser = browser.into();
        request.client.browser_version = version.into();
        request.client.os = os.into();
        request.client.device_model = model.into();
        let told = join(&request, permission());
        let names = |codecs: &[proto::Codec]| -> Vec<String> {
            codecs.iter().map(|codec| codec.mime.clone()).collect()
        };
        let disabled = told.client_configuration.and_then(|it| it.disabled_codecs);
        let disabled = disabled.unwrap_or_default();
        assert_eq!(names(&disabled.codecs), at_all, "{what}");
        assert_eq!(names(&disabled.publish), publish, "{what}");
        let enabled = names(&told.enabled_publish_codecs);
        assert_eq!(enabled[0], "video/VP8", "{what}");
        let weak = at_all.iter().chain(publish);
        assert_eq!(enabled.len(), Codec::ALL.len() - weak.clone().count());
        for codec in weak {
            assert!(!enabled.contains(&(*codec).to_owned()), "{what}");
        }
    }
}

#[test]
fn gotcha_10_a_participant_is_told_whole() {
    let told = crate::info::participant(&participant("PA_x"));
    assert_eq!(
        (told.client_protocol, told.capabilities.as_slice()),
        (2, &[1, 2][..])
    );
    assert_eq!(
        (told.joined_at, told.joined_at_ms),
        (1_700_000_000, 1_700_000_000_456)
    );
    assert_eq!(
        (told.version, told.kind, told.kind_details.as_slice()),
        (3, 4, &[0][..])
    );
    assert_eq!(
        (told.region.as_str(), told.metadata.as_str()),
        ("lagos", "about her")
    );
    assert!(told.is_publisher);
    assert_eq!(told.attributes["k"], "v");
}

#[test]
fn pu_2_who_left_is_told_with_the_reason() {
    let gone = ParticipantInfo {
        state: State::Disconnected(LeaveReason::RoomClosed),
        ..participant("PA_x")
    };
    let told = crate::info::participant(&gone);
    assert_eq!((told.state, told.disconnect_reason), (3, 10));
}

#[test]
#[expect(deprecated, reason = "older clients read it only there")]
fn at_1_a_track_is_told_whole() {
    let track = crate::info::track(&camera());
    assert_eq!((track.r#type, track.source, track.muted), (1, 1, false));
    assert_eq!(
        (track.width, track.height, track.simulcast),
        (640, 320, true)
    );
    assert_eq!(
        (track.mime_type.as_str(), track.stream.as_str()),
        ("video/VP8", "camera")
    );
    assert_eq!(track.encryption, 1);
    let rids: Vec<_> = track
        .layers
        .iter()
        .map(|it| (it.rid.as_str(), it.quality))
        .collect();
    assert_eq!(rids, [("q", 0), ("h", 1)]);
    assert_eq!(
        (track.codecs.len(), track.codecs[0].mime_type.as_str()),
        (1, "video/VP8")
    );
    assert_eq!(track.codecs[0].layers, track.layers);
}

#[test]
fn the_codec_in_use_replaces_an_announced_one_that_was_not_taken() {
    for (announced, used, expected) in [
        (Some(Codec::H264), None, vec!["video/H264"]),
        (Some(Codec::H264), Some(Codec::Vp8), vec!["video/VP8"]),
        (Some(Codec::Vp8), Some(Codec::Vp8), vec!["video/VP8"]),
        (None, Some(Codec::Vp8), vec!["video/VP8"]),
        (None, None, vec![]),
    ] {
        let codecs = announced
            .map(|codec| SimulcastCodec {
                codec: Some(codec),
                cid: "c".into(),
            })
            .into_iter()
            .collect();
        let track = crate::info::track(&TrackInfo {
            codec: used,
            codecs,
            ..camera()
        });
        let seen: Vec<_> = track
            .codecs
            .iter()
            .map(|it| it.mime_type.as_str())
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(
            track.mime_type,
            expected.first().copied().unwrap_or_default()
        );
    }
}

#[test]
fn pu_4_a_large_roster_is_told_in_chunks() {
    let one = ParticipantInfo {
        metadata: "m".repeat(50_000),
        ..participant("PA_x")
    };
    let huge = ParticipantInfo {
        metadata: "m".repeat(300_000),
        ..participant("PA_y")
    };
    for (roster, expected) in [
        (vec![], vec![]),
        (vec![&one], vec![1]),
        (vec![&one; 5], vec![2, 2, 1]),
        (vec![&one, &huge, &one], vec![1, 1, 1]),
    ] {
        let sizes: Vec<_> = Response::participants(roster)
            .iter()
            .map(|response| {
                let Wire::Update(update) = response.wire() else {
                    panic!("an update")
                };
                update.participants.len()
            })
            .collect();
        assert_eq!(sizes, expected);
    }
}

#[test]
fn answers_echo_the_id_and_name_tracks_by_mid() {
    let placed = [(Mid::new(b"3").unwrap(), camera().id)];
    for id in [0, 1, 77] {
        let response = Response::answer(id, "v=0", placed);
        let Wire::Answer(answer) = response.wire() else {
            panic!("an answer")
        };
        assert_eq!(
            (answer.id, answer.r#type.as_str(), answer.sdp.as_str()),
            (id, "answer", "v=0")
        );
        assert_eq!(answer.mid_to_track_id["3"], "TR_VCabcdefghijkl");
    }
    let response = Response::offer(2, "v=0", []);
    let Wire::Offer(offer) = response.wire() else {
        panic!("an offer")
    };
    assert_eq!((offer.id, offer.r#type.as_str()), (2, "offer"));
    assert!(offer.mid_to_track_id.is_empty());
}

#[test]
fn lv_1_a_leave_speaks_to_old_and_new_clients() {
    for (reason, can_reconnect, action) in [
        (LeaveReason::DuplicateIdentity, false, 0),
        (LeaveReason::StateMismatch, true, 2),
        (LeaveReason::ServerShutdown, true, 2),
        (LeaveReason::JoinFailure, false, 0),
    ] {
        let response = Response::leave(reason);
        let Wire::Leave(leave) = response.wire() else {
            panic!("a leave")
        };
        assert_eq!(
            (leave.can_reconnect, leave.action),
            (can_reconnect, action),
            "{reason:?}"
        );
    }
}

#[test]
fn st_3_pings_of_both_kinds_are_answered() {
    assert_eq!(Response::pong(9).wire(), &Wire::Pong(9));
    let pong = proto::Pong {
        last_ping_timestamp: 4,
        timestamp: 9,
    };
    assert_eq!(Response::pong_resp(4, 9).wire(), &Wire::PongResp(pong));
}

#[test]
fn gotcha_4_a_reconnect_response_tells_the_last_sequence() {
    let response = Response::reconnect(&Client::default(), &settings(), 12);
    let Wire::Reconnect(reconnect) = response.wire() else {
        panic!("a reconnect")
    };
    assert_eq!(reconnect.last_message_seq, 12);
    assert!(reconnect.server_info.is_some());
}

#[test]
fn every_notice_becomes_its_message() {
    let track = camera().id;
    let refused = |wish| Notice::Refused {
        wish,
        refusal: Refusal::NotAllowed,
    };
    for (notice, expected) in [
        (
            Notice::Participants([Arc::new(participant("PA_x"))].into()),
            "Update(",
        ),
        (Notice::Room(Arc::new(room())), "RoomUpdate("),
        (
            Notice::Published {
                cid: "c".into(),
                track: Arc::new(camera()),
            },
            "TrackPublished(",
        ),
        (Notice::Unpublished { track }, "TrackUnpublished("),
        (
            Notice::Mute {
                track,
                muted: Muted::Yes,
            },
            "Mute(",
        ),
        (Notice::TrackSubscribed { track }, "TrackSubscribed("),
        (Notice::Speakers(vec![speaker(3)]), "SpeakersChanged("),
        (
            Notice::Qualities(vec![connection(Quality::Good)]),
            "ConnectionQuality(",
        ),
        (
            Notice::Access {
                publisher: "PA_x".parse().unwrap(),
                track,
                access: Access::Withheld,
            },
            "SubscriptionPermissionUpdate(SubscriptionPermissionUpdate { participant_sid: \"PA_x\"",
        ),
        (
            refused(RefusedWish::UpdateAudioTrack { track }),
            "RequestResponse(",
        ),
        (
            refused(RefusedWish::UpdateVideoTrack { track }),
            "RequestResponse(",
        ),
        (
            Notice::SubscriptionFailed {
                track,
                failure: SubscriptionFailure::TrackNotFound,
            },
            "SubscriptionResponse(",
        ),
        (
            refused(RefusedWish::Publish { cid: "c".into() }),
            "RequestResponse(",
        ),
        (
            refused(RefusedWish::Mute {
                track,
                muted: Muted::No,
            }),
            "RequestResponse(",
        ),
        (
            refused(RefusedWish::UpdateMetadata { request_id: 3 }),
            "RequestResponse(",
        ),
        (
            Notice::MetadataUpdated { request_id: 3 },
            "RequestResponse(",
        ),
        (
            Notice::Demand {
                track,
                codecs: Vec::new(),
            },
            "SubscribedQualityUpdate(",
        ),
        (Notice::StreamStates(Vec::new()), "StreamStateUpdate("),
        (Notice::Leave(LeaveReason::RoomClosed), "Leave("),
    ] {
        let told = super::notice(
            &notice,
            Recipient {
                protocol: 17,
                sdk: Sdk::Js,
            },
        );
        assert_eq!(told.len(), 1);
        let text = format!("{:?}", told[0].wire());
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
#[expect(deprecated, reason = "older clients know of one codec only")]
fn dy_1_the_best_quality_wanted_enables_those_below_in_each_codec() {
    use VideoQuality::{High, Low, Medium};
    for (highest, expected) in [
        (None, [false; 3]),
        (Some(Low), [true, false, false]),
        (Some(Medium), [true, true, false]),
        (Some(High), [true; 3]),
    ] {
        let demand = |codec| CodecDemand { codec, highest };
        let track = "TR_a".parse().unwrap();
        let codecs = [demand(Codec::H264), demand(Codec::Vp8)];
        let response = Response::subscribed_quality(track, &codecs);
        let Wire::SubscribedQualityUpdate(update) = response.wire() else {
            panic!("a wanted quality")
        };
        assert_eq!(update.track_sid, "TR_a");
        let names: Vec<_> = update.subscribed_codecs.iter().map(|c| &c.codec).collect();
        assert_eq!(names, ["h264", "vp8"]);
        for codec in &update.subscribed_codecs {
            let qualities: Vec<_> = codec.qualities.iter().map(|q| q.quality).collect();
            assert_eq!(qualities, [0, 1, 2]);
            let enabled: Vec<_> = codec.qualities.iter().map(|q| q.enabled).collect();
            assert_eq!(enabled, expected);
            assert_eq!(codec.qualities, update.subscribed_qualities);
        }
    }
}

#[test]
fn cg_3_pictures_that_stop_and_go_on_are_named() {
    for (streaming, expected) in [
        (Streaming::Active, proto::StreamState::Active),
        (Streaming::Paused, proto::StreamState::Paused),
    ] {
        let state = StreamState {
            publisher: "PA_a".parse().unwrap(),
            track: "TR_b".parse().unwrap(),
            streaming,
        };
        let response = Response::stream_states(&[state]);
        let Wire::StreamStateUpdate(update) = response.wire() else {
            panic!("states")
        };
        let told = &update.stream_states[0];
        let told = (
            told.participant_sid.as_str(),
            told.track_sid.as_str(),
            told.state(),
        );
        assert_eq!(told, ("PA_a", "TR_b", expected));
    }
}

#[test]
fn an_empty_update_is_never_sent() {
    let told = notice(&Notice::Participants([].into()), Recipient::default());
    assert_eq!(told, []);
}

#[test]
fn gotcha_18_nobody_is_told_what_its_protocol_does_not_know() {
    let track = camera().id;
    let refused = Notice::Refused {
        wish: RefusedWish::Publish { cid: "c".into() },
        refusal: Refusal::NotAllowed,
    };
    let qualities = || Notice::Qualities(vec![connection(Quality::Good)]);
    let granted = Notice::MetadataUpdated { request_id: 3 };
    for (notice, protocol, sdk, told) in [
        (Notice::Unpublished { track }, 6, Sdk::Js, false),
        (Notice::Unpublished { track }, 7, Sdk::Js, true),
        (Notice::TrackSubscribed { track }, 9, Sdk::Rust, false),
        (Notice::TrackSubscribed { track }, 10, Sdk::Rust, true),
        (Notice::TrackSubscribed { track }, 9, Sdk::Js, true),
        (refused.clone(), 9, Sdk::Python, false),
        (refused, 13, Sdk::Android, true),
        (Notice::Speakers(vec![speaker(3)]), 2, Sdk::Js, false),
        (Notice::Speakers(vec![speaker(3)]), 3, Sdk::Js, true),
        (qualities(), 4, Sdk::Js, false),
        (qualities(), 5, Sdk::Js, true),
        (granted.clone(), 14, Sdk::Android, false),
        (granted, 15, Sdk::Js, true),
    ] {
        let seen = !super::notice(&notice, Recipient { protocol, sdk }).is_empty();
        assert_eq!(seen, told, "{notice:?} {protocol} {sdk:?}");
    }
}

#[test]
fn ws_2_text_clients_are_answered_in_json() {
    let Frame::Text(text) = Response::pong_resp(4, 9).frame(FrameFormat::Text) else {
        panic!("text")
    };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["pongResp"]["lastPingTimestamp"], "4");

    let odd = ParticipantInfo {
        kind: 99,
        ..participant("PA_x")
    };
    let update = Response::participants([&odd]).remove(0);
    assert!(
        matches!(update.frame(FrameFormat::Text), Frame::Binary(_)),
        "no word for kind 99"
    );
}

#[test]
fn sp_4_a_requirement_for_no_section_is_still_a_message() {
    let Frame::Binary(bytes) =
        Response::media_sections_requirement(0, 0).frame(FrameFormat::Binary)
    else {
        panic!("binary")
    };
    let message = proto::SignalResponse::decode(bytes).unwrap().message;
    assert!(matches!(message, Some(Wire::MediaSectionsRequirement(_))));
}

fn speaker(loudness: u8) -> Speaker {
    Speaker {
        participant: "PA_x".parse().unwrap(),
        loudness: Loudness(loudness),
    }
}

#[test]
fn as_2_a_speaker_has_a_level_from_0_to_1_and_one_who_stopped_is_not_active() {
    let response = Response::speakers_changed(&[speaker(3), speaker(0), speaker(8)]);
    let Wire::SpeakersChanged(changed) = response.wire() else {
        panic!("speakers")
    };
    let seen: Vec<_> = changed
        .speakers
        .iter()
        .map(|it| (&*it.sid, it.level, it.active))
        .collect();
    assert_eq!(
        seen,
        [
            ("PA_x", 0.375, true),
            ("PA_x", 0.0, false),
            ("PA_x", 1.0, true)
        ]
    );
}

#[test]
fn cq_2_lost_is_poor_to_those_who_do_not_know_the_word() {
    use proto::ConnectionQuality as Told;
    for (quality, protocol, expected) in [
        (Quality::Excellent, 16, Told::Excellent),
        (Quality::Good, 16, Told::Good),
        (Quality::Poor, 16, Told::Poor),
        (Quality::Lost, 11, Told::Lost),
        (Quality::Lost, 10, Told::Poor),
    ] {
        let response = Response::connection_quality(&[connection(quality)], protocol);
        let Wire::ConnectionQuality(told) = response.wire() else {
            panic!("a quality")
        };
        assert_eq!(told.updates[0].quality(), expected);
        assert_eq!(told.updates[0].participant_sid, "PA_x");
        assert_eq!(told.updates[0].score, 12.5);
    }
}

fn connection(quality: Quality) -> ConnectionQuality {
    ConnectionQuality {
        participant: "PA_x".parse().unwrap(),
        quality,
        score: 12.5,
    }
}

#[test]
fn md_1_answers_to_a_change_carry_its_number() {
    use proto::request_response::{Reason, Request};
    for (response, reason) in [
        (Response::metadata_updated(9), Reason::Ok),
        (
            Response::refused_metadata(9, Refusal::NotAllowed),
            Reason::NotAllowed,
        ),
        (
            Response::refused_metadata(9, Refusal::LimitExceeded),
            Reason::LimitExceeded,
        ),
    ] {
        let Wire::RequestResponse(answer) = response.wire() else {
            panic!("an answer")
        };
        assert_eq!((answer.request_id, answer.reason()), (9, reason));
        let Some(Request::UpdateMetadata(copy)) = &answer.request else {
            panic!("a copy")
        };
        assert_eq!(copy.request_id, 9);
    }
}

#[test]
fn at_3_refusals_have_livekits_reasons_and_a_copy_of_the_request() {
    use proto::request_response::{Reason, Request};
    for (refusal, reason) in [
        (Refusal::NotAllowed, Reason::NotAllowed),
        (Refusal::NotFound, Reason::NotFound),
        (Refusal::LimitExceeded, Reason::LimitExceeded),
        (Refusal::Unsupported, Reason::UnsupportedType),
        (Refusal::Queued, Reason::Queued),
    ] {
        let response = Response::refused_publish("c", refusal);
        let Wire::RequestResponse(answer) = response.wire() else {
            panic!("an answer")
        };
        assert_eq!(answer.reason(), reason);
        let Some(Request::AddTrack(copy)) = &answer.request else {
            panic!("a copy")
        };
        assert_eq!(copy.cid, "c");
    }
}

#[test]
fn lv_1_who_shall_come_back_is_told_so_in_both_words() {
    use crate::ResumeReason;
    use crate::reason::Action;
    for (response, action, can_reconnect, reason) in [
        (
            Response::resume(ResumeReason::Migration),
            Action::Resume,
            true,
            8,
        ),
        (
            Response::resume(ResumeReason::ConnectionTimeout),
            Action::Resume,
            true,
            14,
        ),
        (
            Response::leave(LeaveReason::ServerShutdown),
            Action::Reconnect,
            true,
            3,
        ),
        (
            Response::leave_for_good(LeaveReason::ServerShutdown),
            Action::Disconnect,
            false,
            3,
        ),
    ] {
        let Wire::Leave(leave) = response.wire() else {
            panic!("a farewell")
        };
        assert_eq!(
            (leave.action(), leave.can_reconnect, leave.reason),
            (action.to_proto(), can_reconnect, reason)
        );
        assert_eq!(response.farewell_action(), Some(action));
    }
    assert_eq!(Response::pong(9).farewell_action(), None);
}
