//! Everything that nodes tell each other comes back as it was told, and nothing else is taken.

use std::sync::Arc;

use bytes::Bytes;
use media::{Bitrate, Codec, Layer, MediaKind, PlayoutDelay, Rid};
use sfu::{
    Allowance, ConnectionQuality, DataFrame, DataTrackInfo, Destinations, Encryption, Grantee,
    Identity, LeaveReason, LinkNews, Linked, LinkedTrack, Muted, ParticipantInfo, Permission,
    Playing, Profile, Quality, Reliability, RoomInfo, Setup, Share, SimulcastCodec, Source, State,
    Streams, Supply, TrackInfo, TrackKey, VideoLayer, VideoQuality, Visibility,
};

use super::{Call, Called, Question, Reply, Telling, TellingError, read, write};

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("an id")
}

fn camera() -> TrackInfo {
    let layer = |quality, width, height, bitrate| VideoLayer {
        quality,
        width,
        height,
        bitrate,
    };
    TrackInfo {
        id: id("TR_camera"),
        kind: MediaKind::Video,
        name: "front".into(),
        source: Source::Camera,
        muted: Muted::Yes,
        width: 1280,
        height: 720,
        layers: vec![
            layer(VideoQuality::Low, 320, 180, 150_000),
            layer(VideoQuality::High, 1280, 720, 1_700_000),
        ],
        simulcast: true,
        codec: Some(Codec::Vp8),
        stream: "camera".into(),
        encryption: Encryption::Gcm,
        stereo: false,
        disable_red: true,
        disable_dtx: true,
        audio_features: vec![3],
        backup_codec_policy: 1,
        codecs: vec![SimulcastCodec {
            codec: Some(Codec::Vp8),
            cid: "v:1".into(),
        }],
    }
}

fn ada() -> ParticipantInfo {
    ParticipantInfo {
        id: id("PA_ada"),
        identity: Identity("ada".into()),
        name: "Ada".into(),
        metadata: "{}".into(),
        attributes: [("role".to_owned(), "host".to_owned())].into(),
        state: State::Active,
        joined_at_ms: 1_700_000_000_123,
        version: 7,
        permission: Permission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: false,
            can_publish_sources: vec![Source::Camera, Source::ScreenShareAudio],
            can_update_metadata: true,
            can_subscribe_metrics: false,
            visibility: Visibility::Visible,
            recorder: true,
        },
        kind: 1,
        kind_details: vec![2],
        region: "lagos".into(),
        client_protocol: 1,
        capabilities: vec![1],
        tracks: vec![Arc::new(camera())],
        data_tracks: vec![Arc::new(DataTrackInfo {
            id: id("DTR_pen"),
            handle: 9,
            name: "pen".into(),
            encryption: Encryption::None,
            format: Bytes::new(),
        })],
    }
}

fn room() -> RoomInfo {
    RoomInfo {
        id: id("RM_maths"),
        name: "maths".into(),
        metadata: "m".into(),
        created_at_ms: 1_700_000_000_456,
        empty_timeout_s: 300,
        departure_timeout_s: 20,
        max_participants: 9,
        playing: Playing {
            streams: Streams::Together,
            delay: PlayoutDelay::from_ms(200, 400),
            profile: Profile::Low,
            loudest: 5,
        },
        participants: 2,
        publishers: 1,
        active_recording: true,
    }
}

fn linked(allowance: Allowance) -> Linked {
    let rids = ["q", "f"].map(|rid| Rid::new(rid.as_bytes()).expect("a rid"));
    let track = LinkedTrack {
        key: TrackKey(4),
        info: Arc::new(camera()),
        rids: rids.into(),
        backup: None,
    };
    let backup = LinkedTrack {
        key: TrackKey(5),
        info: Arc::new(TrackInfo {
            codec: Some(Codec::H264),
            codecs: vec![SimulcastCodec {
                codec: Some(Codec::H264),
                cid: "v:2".into(),
            }],
            ..camera()
        }),
        rids: Vec::new(),
        backup: Some(id("TR_backup")),
    };
    Linked {
        participant: Arc::new(ada()),
        tracks: vec![track, backup],
        allowance: Arc::new(allowance),
    }
}

fn message(reliability: Reliability) -> sfu::Message {
    sfu::Message {
        reliability,
        destinations: Destinations {
            identities: vec![Identity("bayo".into())],
            sids: vec![id("PA_chi")],
        },
        sequence: 5,
        payload: Bytes::from_static(b"hello"),
    }
}

fn everything() -> Vec<Telling> {
    let shares = vec![
        (Grantee::Identity(Identity("bayo".into())), Share::All),
        (
            Grantee::Id(id("PA_chi")),
            Share::Tracks(vec![id("TR_camera")]),
        ),
    ];
    let news = [
        LinkNews::Changed(linked(Allowance::Everybody)),
        LinkNews::Changed(linked(Allowance::Only(shares))),
        LinkNews::Changed(linked(Allowance::Only(Vec::new()))),
        LinkNews::Gone(id("PA_ada"), LeaveReason::ParticipantRemoved),
        LinkNews::Supply(Supply {
            track: id("TR_camera"),
            live: [Layer::LOW, Layer::HIGH].into_iter().collect(),
            rates: [
                Some(Bitrate::kilobits(150)),
                None,
                Some(Bitrate::kilobits(1_700)),
            ],
        }),
        LinkNews::Quality(ConnectionQuality {
            participant: id("PA_ada"),
            quality: Quality::Poor,
            score: 31.5,
        }),
        LinkNews::Demand {
            track: id("TR_camera"),
            quality: VideoQuality::Medium,
        },
        LinkNews::Data {
            from: Some(id("PA_ada")),
            message: message(Reliability::Reliable),
            nonce: None,
        },
        LinkNews::Data {
            from: None,
            message: message(Reliability::Lossy),
            nonce: Some([7; 16]),
        },
        LinkNews::Frame {
            from: id("PA_ada"),
            frame: DataFrame {
                handle: 9,
                number: 65_535,
                bytes: Bytes::from_static(b"frame"),
            },
        },
        LinkNews::Room(Setup {
            edition: 3,
            room: Arc::new(room()),
        }),
        LinkNews::Received(id("TR_camera")),
        LinkNews::Undecodable(id("TR_camera")),
        LinkNews::Kept,
        LinkNews::Closed(LeaveReason::RoomDeleted),
    ];
    let call = Call {
        method: "UpdateParticipant".into(),
        content_type: "application/json".into(),
        authorization: "Bearer x".into(),
        body: Bytes::from_static(b"{}"),
        hops: 1,
    };
    let called = Called {
        status: 404,
        content_type: "application/json".into(),
        body: Bytes::from_static(b"{\"code\":\"not_found\"}"),
    };
    let question = |question| Telling::Question {
        id: 1 << 60,
        question,
    };
    let reply = |reply| Telling::Reply { id: 3, reply };
    news.into_iter()
        .map(Telling::News)
        .chain([
            Telling::Numbered {
                number: 1 << 62,
                news: LinkNews::Kept,
            },
            Telling::Latest(7),
            Telling::Missing(2..=9),
            Telling::Retell,
            question(Question::Room("maths".into())),
            question(Question::Call(call)),
            question(Question::Begin(room())),
            reply(Reply::Room(None)),
            reply(Reply::Room(Some(room()))),
            reply(Reply::Called(called)),
            Telling::Revoked {
                room: "maths".into(),
                identity: "ada".into(),
                until: 1_700_000_000,
            },
        ])
        .collect()
}

#[test]
fn what_is_told_comes_back() {
    for telling in everything() {
        let told = Bytes::from(write(&telling));
        assert_eq!(read(&told), Ok(telling));
    }
}

#[test]
fn a_codec_that_is_not_negotiated_is_not_told_as_if_it_were() {
    let mut linked = linked(Allowance::Everybody);
    let mut track = camera();
    track.codec = None;
    linked.tracks[0].info = Arc::new(track.clone());
    let mut participant = ada();
    participant.tracks = vec![Arc::new(track)];
    linked.participant = Arc::new(participant);
    let telling = Telling::News(LinkNews::Changed(linked));
    assert_eq!(read(&write(&telling).into()), Ok(telling));
}

#[test]
fn what_a_newer_version_says_is_known_as_such() {
    // Field 99 of the message, and of what an instance says.
    for newer in [&[0x9a, 0x06, 1, 5][..], &[0x0a, 4, 0x9a, 0x06, 1, 5]] {
        let told = Bytes::copy_from_slice(newer);
        assert_eq!(read(&told), Err(TellingError::Unknown));
    }
}

#[test]
fn bytes_that_are_cut_or_damaged_never_do_worse_than_say_something_else() {
    let mut state = 1_u32;
    let mut draw = || {
        // xorshift32
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize
    };
    for telling in everything() {
        let whole = write(&telling);
        for len in 0..whole.len() {
            let _ = read(&Bytes::copy_from_slice(&whole[..len]));
        }
        for _ in 0..200 {
            let mut damaged = whole.clone();
            let at = draw() % damaged.len();
            damaged[at] = draw() as u8;
            let _ = read(&damaged.into());
        }
    }
}
