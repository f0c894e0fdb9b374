//! Reads one message of a client.

use media::TrackId;
use prost::Message;
use sfu::{
    Allowance, Command, Grantee, Identity, LeaveReason, Muted, ParticipantChange, Refusal, Share,
    TrackSettings, VideoQuality, Wanted,
};

use super::add_track::MAX_FEATURES;
use super::{
    AddTrack, Description, RawFrame, Response, Scenario, SyncState, Trickle, Unsupported,
    data_track,
};
use crate::proto::{self, signal_request::Message as Wire};
use crate::{leave_reason, wire};

/// Largest message, as LiveKit has it: offers with hundreds of sections.
pub const MAX_MESSAGE: usize = 2 * 1024 * 1024;

/// Largest message of a kind that is never large: two bytes of a list can decode to
/// a hundred, so lists may not fill the whole of [`MAX_MESSAGE`].
pub const MAX_SMALL_MESSAGE: usize = 256 * 1024;

/// Largest text message; only tools for developers write text.
pub const MAX_TEXT: usize = 512 * 1024;

/// More tracks than a room can have.
pub(super) const MAX_TRACKS: usize = 4096;

/// More participants than a publisher names one by one.
const MAX_GRANTEES: usize = 4096;

/// What a client says.
#[derive(Clone, Debug)]
pub enum Request {
    /// Describes the connection it offers.
    Offer(Description),
    /// Answers our offer.
    Answer(Description),
    /// A candidate of its, or the end of them.
    Trickle(Trickle),
    /// Announces a track; becomes a [`Command::Publish`] with a fresh id.
    AddTrack(Box<AddTrack>),
    /// A wish for the room.
    Command(Command),
    /// A wish that names no track of ours; to be answered.
    Refused(Response),
    /// Goes away on purpose.
    Leave(LeaveReason),
    /// The older liveness check; answered by [`Response::pong`].
    Ping,
    /// The newer liveness check; answered by [`Response::pong_resp`].
    PingReq {
        /// The client's clock, to be returned.
        timestamp: i64,
        /// Its last measured round trip in milliseconds.
        rtt_ms: i64,
    },
    /// What it believes, told when coming back.
    SyncState(Box<SyncState>),
    /// A mishap to be played.
    Simulate(Scenario),
    /// Understood, but not served.
    Unsupported(Unsupported),
    /// Of a newer protocol than ours; ignored.
    Unknown,
}

/// Why a frame is no message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// Over the limit of its kind.
    #[error("a message is too large")]
    TooLarge,
    /// Not protobuf.
    #[error("a binary frame is not a signal request")]
    Binary,
    /// Not the JSON form.
    #[error("a text frame is not a signal request")]
    Text,
    /// An offer that is no offer, or an answer that is none.
    #[error("a description has the wrong type")]
    DescriptionType,
}

/// Reads one frame.
pub fn decode(frame: RawFrame<'_>) -> Result<Request, DecodeError> {
    let message = match frame {
        RawFrame::Binary(bytes) => match peek(bytes)? {
            Peeked::SyncState(state) => {
                return SyncState::read(state).map(|state| Request::SyncState(Box::new(state)));
            }
            Peeked::Other => {
                proto::SignalRequest::decode(bytes)
                    .map_err(|_| DecodeError::Binary)?
                    .message
            }
        },
        RawFrame::Text(text) if text.len() > MAX_TEXT => return Err(DecodeError::TooLarge),
        RawFrame::Text(text) => {
            let request: proto::SignalRequest =
                serde_json::from_str(text).map_err(|_| DecodeError::Text)?;
            request.message
        }
    };
    message.map_or(Ok(Request::Unknown), read)
}

enum Peeked<'a> {
    SyncState(&'a [u8]),
    Other,
}

/// Looks at the kind of a message before it is decoded: its size limit depends on it.
fn peek(bytes: &[u8]) -> Result<Peeked<'_>, DecodeError> {
    const OFFER: u32 = 1;
    const ANSWER: u32 = 2;
    const SYNC_STATE: u32 = 12;
    const UPDATE_METADATA: u32 = 15;
    if bytes.len() > MAX_MESSAGE {
        return Err(DecodeError::TooLarge);
    }
    let mut large = true;
    for field in wire::fields(bytes) {
        let field = field.map_err(|_| DecodeError::Binary)?;
        match field.number {
            SYNC_STATE => return Ok(Peeked::SyncState(field.content)),
            OFFER | ANSWER | UPDATE_METADATA => {}
            _ => large = false,
        }
    }
    if !large && bytes.len() > MAX_SMALL_MESSAGE {
        return Err(DecodeError::TooLarge);
    }
    Ok(Peeked::Other)
}

#[expect(deprecated, reason = "still sent, and ignored by name")]
fn read(message: Wire) -> Result<Request, DecodeError> {
    Ok(match message {
        Wire::Offer(offer) => Request::Offer(Description::offer_from_proto(offer)?),
        Wire::Answer(answer) => Request::Answer(Description::answer_from_proto(answer)?),
        Wire::Trickle(trickle) => match Trickle::from_proto(&trickle) {
            Some(trickle) => Request::Trickle(trickle),
            None => Request::Unsupported(Unsupported::candidate(trickle)),
        },
        Wire::AddTrack(track) => Request::AddTrack(Box::new(AddTrack::from_proto(track))),
        Wire::Mute(mute) => self::mute(&mute),
        Wire::Subscription(subscription) => subscribe(subscription),
        Wire::TrackSetting(settings) => track_settings(&settings),
        Wire::Leave(leave) => {
            Request::Leave(leave_reason(leave.reason).unwrap_or(LeaveReason::ClientInitiated))
        }
        Wire::Ping(_) => Request::Ping,
        Wire::PingReq(ping) => Request::PingReq {
            timestamp: ping.timestamp,
            rtt_ms: ping.rtt,
        },
        Wire::SyncState(state) => {
            Request::SyncState(Box::new(SyncState::read(&state.encode_to_vec())?))
        }
        Wire::UpdateMetadata(update) => update_metadata(update),
        Wire::PublishDataTrackRequest(request) => data_track::publish(request),
        Wire::UnpublishDataTrackRequest(request) => data_track::unpublish(request),
        Wire::UpdateDataSubscription(update) => data_track::subscribe(&update),
        Wire::StoreDataBlobRequest(request) => Request::Unsupported(Unsupported::data_blob(
            "store_data_blob_request",
            request.request_id,
        )),
        Wire::GetDataBlobRequest(request) => Request::Unsupported(Unsupported::data_blob(
            "get_data_blob_request",
            request.request_id,
        )),
        Wire::UpdateLayers(_) => Request::Unsupported(Unsupported::silent("update_layers")),
        Wire::SubscriptionPermission(permission) => {
            Request::Command(Command::Allow(allowance(permission)))
        }
        Wire::Simulate(scenario) => match Scenario::from_proto(scenario) {
            Some(scenario) => Request::Simulate(scenario),
            None => Request::Unsupported(Unsupported::silent("simulate")),
        },
        Wire::UpdateAudioTrack(update) => update_audio_track(update),
        Wire::UpdateVideoTrack(update) => update_video_track(&update),
    })
}

fn mute(message: &proto::MuteTrackRequest) -> Request {
    let muted = if message.muted { Muted::Yes } else { Muted::No };
    match message.sid.parse() {
        Ok(track) => Request::Command(Command::Mute { track, muted }),
        Err(_) => Request::Refused(Response::refused_mute(
            &message.sid,
            muted,
            Refusal::NotFound,
        )),
    }
}

fn update_audio_track(message: proto::UpdateLocalAudioTrack) -> Request {
    let Ok(track) = message.track_sid.parse() else {
        let not_found = Response::refused_update_audio(&message.track_sid, Refusal::NotFound);
        return Request::Refused(not_found);
    };
    let mut features = message.features;
    features.truncate(MAX_FEATURES);
    Request::Command(Command::UpdateAudioTrack { track, features })
}

fn update_video_track(message: &proto::UpdateLocalVideoTrack) -> Request {
    let Ok(track) = message.track_sid.parse() else {
        let not_found = Response::refused_update_video(&message.track_sid, Refusal::NotFound);
        return Request::Refused(not_found);
    };
    Request::Command(Command::UpdateVideoTrack {
        track,
        width: message.width,
        height: message.height,
    })
}

/// Whoever is named in no way of ours can be nobody, and gets nothing.
fn allowance(message: proto::SubscriptionPermission) -> Allowance {
    if message.all_participants {
        return Allowance::Everybody;
    }
    let share = |message: proto::TrackPermission| {
        let grantee = if message.participant_identity.is_empty() {
            Grantee::Id(message.participant_sid.parse().ok()?)
        } else {
            Grantee::Identity(Identity(message.participant_identity.into()))
        };
        let share = if message.all_tracks {
            Share::All
        } else {
            Share::Tracks(track_ids(message.track_sids.iter()))
        };
        Some((grantee, share))
    };
    let shares = message.track_permissions.into_iter().filter_map(share);
    Allowance::Only(shares.take(MAX_GRANTEES).collect())
}

/// Clients leave a text empty to keep what it was; they cannot clear it.
fn update_metadata(message: proto::UpdateParticipantMetadata) -> Request {
    let proto::UpdateParticipantMetadata {
        metadata,
        name,
        attributes,
        request_id,
    } = message;
    let change = Box::new(ParticipantChange {
        metadata: Some(metadata).filter(|it| !it.is_empty()),
        name: Some(name).filter(|it| !it.is_empty()),
        attributes: attributes.into_iter().collect(),
        permission: None,
    });
    Request::Command(Command::UpdateMetadata { change, request_id })
}

/// Both lists count. What is no track id cannot be the id of a coming track either,
/// so it is left out.
fn subscribe(message: proto::UpdateSubscription) -> Request {
    let nested = message
        .participant_tracks
        .iter()
        .flat_map(|tracks| &tracks.track_sids);
    let tracks = track_ids(message.track_sids.iter().chain(nested));
    let wanted = if message.subscribe {
        Wanted::Yes
    } else {
        Wanted::No
    };
    Request::Command(Command::Subscribe { tracks, wanted })
}

fn track_settings(message: &proto::UpdateTrackSettings) -> Request {
    let quality = match proto::VideoQuality::try_from(message.quality) {
        Ok(proto::VideoQuality::Low) => Some(VideoQuality::Low),
        Ok(proto::VideoQuality::Medium) => Some(VideoQuality::Medium),
        Ok(proto::VideoQuality::High) => Some(VideoQuality::High),
        Ok(proto::VideoQuality::Off) | Err(_) => None,
    };
    let off = message.quality == i32::from(proto::VideoQuality::Off);
    Request::Command(Command::Settings {
        tracks: track_ids(message.track_sids.iter()),
        settings: TrackSettings {
            disabled: message.disabled || off,
            quality,
            width: message.width,
            height: message.height,
            fps: message.fps,
            priority: message.priority,
        },
    })
}

pub(super) fn track_ids<'a>(sids: impl Iterator<Item = &'a String>) -> Vec<TrackId> {
    let mut tracks: Vec<_> = sids
        .filter_map(|sid| sid.parse().ok())
        .take(MAX_TRACKS)
        .collect();
    tracks.sort_unstable();
    tracks.dedup();
    tracks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{FrameFormat, Target};

    fn binary(message: Wire) -> Result<Request, DecodeError> {
        let bytes = proto::SignalRequest {
            message: Some(message),
        }
        .encode_to_vec();
        decode(RawFrame::Binary(&bytes))
    }

    fn description(kind: &str) -> proto::SessionDescription {
        proto::SessionDescription {
            r#type: kind.into(),
            sdp: "v=0".into(),
            id: 7,
            ..Default::default()
        }
    }

    fn track(text: &str) -> TrackId {
        text.parse().unwrap()
    }

    fn texts(sids: &[&str]) -> Vec<String> {
        sids.iter().map(|&sid| sid.to_owned()).collect()
    }

    #[test]
    fn offers_and_answers_keep_their_id() {
        let expected = Description {
            id: 7,
            sdp: "v=0".into(),
        };
        let Ok(Request::Offer(offer)) = binary(Wire::Offer(description("offer"))) else {
            panic!("an offer")
        };
        let Ok(Request::Answer(answer)) = binary(Wire::Answer(description("answer"))) else {
            panic!("an answer")
        };
        assert_eq!((&offer, &answer), (&expected, &expected));
    }

    #[test]
    fn sd_4_the_type_of_a_description_is_lower_case() {
        for kind in ["Offer", "OFFER", "answer", "pranswer", ""] {
            let error = binary(Wire::Offer(description(kind))).unwrap_err();
            assert_eq!(error, DecodeError::DescriptionType, "{kind}");
        }
    }

    #[test]
    fn a_subscription_names_tracks_in_two_lists() {
        let message = proto::UpdateSubscription {
            track_sids: texts(&["TR_a", "TR_b", "nonsense", ""]),
            subscribe: false,
            participant_tracks: vec![proto::ParticipantTracks {
                participant_sid: "PA_x".into(),
                track_sids: texts(&["TR_b", "TR_c"]),
            }],
        };
        let Ok(Request::Command(Command::Subscribe { tracks, wanted })) =
            binary(Wire::Subscription(message))
        else {
            panic!("a wish to subscribe")
        };
        assert_eq!(tracks, [track("TR_a"), track("TR_b"), track("TR_c")]);
        assert_eq!(wanted, Wanted::No);
    }

    #[test]
    fn su_2_track_settings_are_read_and_quality_off_disables() {
        for (quality, expected, disabled) in [
            (0, Some(VideoQuality::Low), false),
            (1, Some(VideoQuality::Medium), false),
            (2, Some(VideoQuality::High), false),
            (3, None, true),
            (9, None, false),
        ] {
            let message = proto::UpdateTrackSettings {
                track_sids: texts(&["TR_a"]),
                quality,
                width: 320,
                height: 180,
                fps: 15,
                priority: 2,
                ..Default::default()
            };
            let Ok(Request::Command(Command::Settings { tracks, settings })) =
                binary(Wire::TrackSetting(message))
            else {
                panic!("settings")
            };
            assert_eq!(tracks, [track("TR_a")]);
            assert_eq!((settings.quality, settings.disabled), (expected, disabled));
            assert_eq!(
                (settings.width, settings.height, settings.fps),
                (320, 180, 15)
            );
        }
    }

    #[test]
    fn md_1_an_empty_text_stays_what_it_was_and_an_empty_attribute_goes() {
        let message = proto::UpdateParticipantMetadata {
            name: "Ada".into(),
            attributes: [("hand".to_owned(), String::new())].into(),
            request_id: 3,
            ..Default::default()
        };
        let Ok(Request::Command(Command::UpdateMetadata { change, request_id })) =
            binary(Wire::UpdateMetadata(message))
        else {
            panic!("a change")
        };
        let expected = ParticipantChange {
            name: Some("Ada".into()),
            attributes: [("hand".to_owned(), String::new())].into(),
            ..ParticipantChange::default()
        };
        assert_eq!((*change, request_id), (expected, 3));
    }

    #[test]
    fn subscription_permissions_name_participants_by_identity_or_else_by_id() {
        let permission =
            |identity: &str, sid: &str, all_tracks, tracks: &[&str]| proto::TrackPermission {
                participant_identity: identity.into(),
                participant_sid: sid.into(),
                all_tracks,
                track_sids: texts(tracks),
            };
        let read = |all_participants, track_permissions| {
            let message = proto::SubscriptionPermission {
                all_participants,
                track_permissions,
            };
            match binary(Wire::SubscriptionPermission(message)) {
                Ok(Request::Command(Command::Allow(allowance))) => allowance,
                other => panic!("{other:?}"),
            }
        };
        let bob = || Grantee::Identity(Identity("bob".into()));
        assert_eq!(read(true, Vec::new()), Allowance::Everybody);
        assert_eq!(
            read(true, vec![permission("bob", "", false, &[])]),
            Allowance::Everybody
        );
        assert_eq!(read(false, Vec::new()), Allowance::Only(Vec::new()));
        assert_eq!(
            read(
                false,
                vec![
                    permission("bob", "PA_other", true, &["TR_a"]),
                    permission("", "PA_carol", false, &["TR_a", "nonsense"]),
                    permission("", "nonsense", true, &[]),
                    permission("", "", true, &[]),
                ]
            ),
            Allowance::Only(vec![
                (bob(), Share::All),
                (
                    Grantee::Id("PA_carol".parse().unwrap()),
                    Share::Tracks(vec![track("TR_a")])
                ),
            ])
        );
    }

    #[test]
    fn updates_of_tracks_are_read_and_those_of_no_track_answered_not_found() {
        let audio = |sid: &str| {
            binary(Wire::UpdateAudioTrack(proto::UpdateLocalAudioTrack {
                track_sid: sid.into(),
                features: vec![3; 100],
            }))
        };
        let video = |sid: &str| {
            binary(Wire::UpdateVideoTrack(proto::UpdateLocalVideoTrack {
                track_sid: sid.into(),
                width: 640,
                height: 360,
            }))
        };
        let Ok(Request::Command(Command::UpdateAudioTrack { features, .. })) = audio("TR_a") else {
            panic!("an update")
        };
        assert_eq!(features.len(), MAX_FEATURES);
        let Ok(Request::Command(Command::UpdateVideoTrack { width, height, .. })) = video("TR_a")
        else {
            panic!("an update")
        };
        assert_eq!((width, height), (640, 360));
        for refused in [audio("nonsense"), video("")] {
            let Ok(Request::Refused(response)) = refused else {
                panic!("refused")
            };
            let Wire2::RequestResponse(answer) = response.wire() else {
                panic!("an answer")
            };
            assert_eq!(answer.reason(), proto::request_response::Reason::NotFound);
        }
    }

    #[test]
    fn a_mute_of_no_track_of_ours_is_answered_not_found() {
        let mute = |sid: &str| {
            Wire::Mute(proto::MuteTrackRequest {
                sid: sid.into(),
                muted: true,
            })
        };
        let Ok(Request::Command(Command::Mute {
            muted: Muted::Yes, ..
        })) = binary(mute("TR_a"))
        else {
            panic!("a mute")
        };
        let Ok(Request::Refused(response)) = binary(mute("nonsense")) else {
            panic!("refused")
        };
        let Wire2::RequestResponse(answer) = response.wire() else {
            panic!("an answer")
        };
        assert_eq!(answer.reason(), proto::request_response::Reason::NotFound);
    }

    use crate::proto::signal_response::Message as Wire2;

    #[test]
    fn nothing_livekit_answers_stays_without_an_answer() {
        use proto::request_response::Reason;
        let cases = [
            (
                Wire::StoreDataBlobRequest(proto::StoreDataBlobRequest {
                    request_id: 4,
                    ..Default::default()
                }),
                "store_data_blob_request",
                Some((4, Reason::NotAllowed)),
            ),
            (
                Wire::GetDataBlobRequest(proto::GetDataBlobRequest {
                    request_id: 5,
                    ..Default::default()
                }),
                "get_data_blob_request",
                Some((5, Reason::NotAllowed)),
            ),
            (
                Wire::Trickle(proto::TrickleRequest {
                    candidate_init: "{".into(),
                    ..Default::default()
                }),
                "trickle",
                Some((0, Reason::UnclassifiedError)),
            ),
            (Wire::Simulate(Default::default()), "simulate", None),
        ];
        for (message, what, expected) in cases {
            let Ok(Request::Unsupported(unsupported)) = binary(message) else {
                panic!("{what}")
            };
            assert_eq!(unsupported.what(), what);
            let answer = unsupported.answer();
            let seen = answer.as_ref().map(|response| {
                let Wire2::RequestResponse(answer) = response.wire() else {
                    panic!("{what}")
                };
                (answer.request_id, answer.reason())
            });
            assert_eq!(seen, expected, "{what}");
        }
    }

    #[test]
    fn lv_3_a_leave_without_a_reason_was_wanted() {
        for (reason, expected) in [
            (0, LeaveReason::ClientInitiated),
            (2, LeaveReason::DuplicateIdentity),
        ] {
            let message = proto::LeaveRequest {
                reason,
                ..Default::default()
            };
            let Ok(Request::Leave(seen)) = binary(Wire::Leave(message)) else {
                panic!("leave")
            };
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn ws_2_text_frames_say_the_same_in_json() {
        for (json, expected) in [
            (
                r#"{"pingReq":{"timestamp":"5","rtt":7}}"#,
                "PingReq { timestamp: 5, rtt_ms: 7 }",
            ),
            (
                r#"{"ping_req":{"timestamp":5}}"#,
                "PingReq { timestamp: 5, rtt_ms: 0 }",
            ),
            (r#"{"ping":"5"}"#, "Ping"),
            (r#"{"ofTheFuture":{"x":[1]}}"#, "Unknown"),
            (r"{}", "Unknown"),
        ] {
            let frame = RawFrame::Text(json);
            assert_eq!(frame.format(), FrameFormat::Text);
            assert_eq!(format!("{:?}", decode(frame).unwrap()), expected, "{json}");
        }
        let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
        let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(MAX_TEXT));
        for (text, expected) in [
            ("", DecodeError::Text),
            ("hello", DecodeError::Text),
            (deep.as_str(), DecodeError::Text),
            (large.as_str(), DecodeError::TooLarge),
        ] {
            assert_eq!(
                decode(RawFrame::Text(text)).unwrap_err(),
                expected,
                "{text:.40}"
            );
        }
    }

    #[test]
    fn messages_of_the_future_are_ignored() {
        let mut bytes = Vec::new();
        wire::put(200, b"of the future", &mut bytes);
        assert!(matches!(
            decode(RawFrame::Binary(&bytes)),
            Ok(Request::Unknown)
        ));
        assert!(matches!(
            decode(RawFrame::Binary(&[])),
            Ok(Request::Unknown)
        ));
        bytes.extend(
            proto::SignalRequest {
                message: Some(Wire::Ping(1)),
            }
            .encode_to_vec(),
        );
        assert!(matches!(
            decode(RawFrame::Binary(&bytes)),
            Ok(Request::Ping)
        ));
    }

    #[test]
    fn ep_3_the_size_limit_depends_on_the_kind() {
        let sized = |number: u32, size: usize| {
            let mut bytes = Vec::new();
            wire::put(number, &vec![0; size], &mut bytes);
            decode(RawFrame::Binary(&bytes)).err()
        };
        let offer = proto::SessionDescription {
            sdp: "x".repeat(MAX_MESSAGE - 64),
            ..description("offer")
        };
        assert!(binary(Wire::Offer(offer)).is_ok());
        assert_eq!(sized(1, MAX_MESSAGE), Some(DecodeError::TooLarge));
        assert_eq!(sized(4, MAX_SMALL_MESSAGE), Some(DecodeError::TooLarge));
        assert_eq!(sized(200, MAX_SMALL_MESSAGE), Some(DecodeError::TooLarge));
        // The descriptions in a state are as long as offers are.
        let state = proto::SyncState {
            answer: Some(proto::SessionDescription {
                sdp: "x".repeat(MAX_MESSAGE - 64),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert!(binary(Wire::SyncState(state)).is_ok());
    }

    #[test]
    fn trickle_targets_a_connection() {
        let message = proto::TrickleRequest {
            candidate_init: r#"{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}"#.into(),
            target: 1,
            r#final: false,
        };
        let Ok(Request::Trickle(trickle)) = binary(Wire::Trickle(message)) else {
            panic!("a candidate")
        };
        assert_eq!(trickle.target, Target::Subscriber);
    }

    #[test]
    fn garbage_never_panics() {
        // A small generator (xorshift), so that every run sees the same bytes.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let message = proto::SignalRequest {
            message: Some(Wire::Subscription(proto::UpdateSubscription {
                track_sids: texts(&["TR_a", "TR_b"]),
                ..Default::default()
            })),
        };
        let good = message.encode_to_vec();
        for _ in 0..20_000 {
            let noise: Vec<u8> = (0..random() % 64).map(|_| random() as u8).collect();
            let _ = decode(RawFrame::Binary(&noise));
            let mut changed = good.clone();
            let at = random() as usize % changed.len();
            changed[at] = random() as u8;
            let _ = decode(RawFrame::Binary(&changed));
            let _ = decode(RawFrame::Binary(&good[..at]));
        }
    }
}
