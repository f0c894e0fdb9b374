//! Events and signatures as receivers read them.

use std::sync::Arc;

use serde_json::{Value, json};
use sfu::{Playing, TrackInfo};

use super::*;
use crate::join::{JoinRequest, authorize};

fn participant() -> Arc<ParticipantInfo> {
    let claims: Claims = serde_json::from_value(json!({
        "sub": "ada", "name": "Ada", "video": { "roomJoin": true, "room": "physics" },
    }))
    .unwrap();
    let request = JoinRequest::default();
    let admission = authorize(Some(&claims), &request).unwrap();
    let id = "PA_x".parse().unwrap();
    Arc::new(
        admission
            .membership(&request, id, 1_000, "lagos")
            .participant,
    )
}

fn told(happened: Happened) -> Value {
    let room = RoomInfo {
        id: "RM_x".parse().unwrap(),
        name: "physics".into(),
        metadata: "about light".into(),
        created_at_ms: 1_700_000_000_123,
        empty_timeout_s: 300,
        departure_timeout_s: 20,
        max_participants: 0,
        playing: Playing::default(),
        participants: 1,
        publishers: 0,
        active_recording: false,
    };
    let fact = Fact {
        room: Arc::new(room),
        happened,
    };
    let body = event(&fact, "EV_1", 1_700_000_001).unwrap();
    serde_json::from_str(&body).unwrap()
}

#[test]
fn wh_1_an_event_is_protojson_with_its_id_and_time() {
    let event = told(Happened::RoomStarted);
    assert_eq!(event["event"], "room_started");
    assert_eq!(event["id"], "EV_1");
    assert_eq!(event["createdAt"], "1700000001");
    assert_eq!(event["room"]["sid"], "RM_x");
    assert_eq!(event["room"]["creationTimeMs"], "1700000000123");
    assert_eq!(event["room"]["metadata"], "about light");
    assert!(event.get("participant").is_none() && event.get("track").is_none());
    assert!(event.get("roomEndReason").is_none());

    for (reason, expected) in [
        (LeaveReason::RoomDeleted, json!("ROOM_END_API_DELETE")),
        (LeaveReason::RoomClosed, json!("ROOM_END_IDLE_TIMEOUT")),
        (
            LeaveReason::ServerShutdown,
            json!("ROOM_END_SERVER_SHUTDOWN"),
        ),
    ] {
        let event = told(Happened::RoomFinished(reason));
        assert_eq!(event["event"], "room_finished");
        assert_eq!(event["roomEndReason"], expected);
    }
}

#[test]
fn wh_3_participants_come_whole_and_tracks_with_names_only() {
    for (happened, name) in [
        (
            Happened::ParticipantJoined(participant()),
            "participant_joined",
        ),
        (Happened::ParticipantLeft(participant()), "participant_left"),
        (
            Happened::ParticipantAborted(participant()),
            "participant_connection_aborted",
        ),
    ] {
        let event = told(happened);
        assert_eq!(event["event"], name);
        assert_eq!(event["participant"]["identity"], "ada");
        assert_eq!(event["participant"]["name"], "Ada");
        assert_eq!(event["room"]["metadata"], "about light");
    }
    let track = Arc::new(TrackInfo {
        id: "TR_x".parse().unwrap(),
        kind: media::MediaKind::Audio,
        name: "mic".into(),
        source: sfu::Source::Microphone,
        muted: sfu::Muted::No,
        width: 0,
        height: 0,
        layers: Vec::new(),
        simulcast: false,
        codec: None,
        stream: String::new(),
        encryption: sfu::Encryption::None,
        stereo: false,
        disable_red: false,
        disable_dtx: false,
        audio_features: Vec::new(),
        backup_codec_policy: 0,
        codecs: Vec::new(),
    });
    let publisher = participant();
    for (happened, name) in [
        (
            Happened::TrackPublished {
                publisher: publisher.clone(),
                track: track.clone(),
            },
            "track_published",
        ),
        (
            Happened::TrackUnpublished { publisher, track },
            "track_unpublished",
        ),
    ] {
        let event = told(happened);
        assert_eq!(event["event"], name);
        assert_eq!(event["track"]["sid"], "TR_x");
        assert_eq!(event["track"]["source"], "MICROPHONE");
        assert_eq!(
            event["participant"],
            json!({ "sid": "PA_x", "identity": "ada" })
        );
        assert_eq!(event["room"], json!({ "sid": "RM_x", "name": "physics" }));
    }
}

#[test]
fn wh_2_the_signature_covers_the_body_and_holds_five_minutes() {
    const NOW: u64 = 1_700_000_000;
    let keys: Keys = [("devkey", "secret")].into_iter().collect();
    let body = br#"{"event":"room_started"}"#;
    let token = authorization(&keys, "devkey", body, NOW).unwrap();
    let claims = keys.verify(&token, NOW).unwrap();
    assert_eq!(claims.iss, "devkey");
    assert_eq!(claims.exp, Some(NOW + 300));
    assert_eq!(claims.sha256, BASE64_STANDARD.encode(Sha256::digest(body)));
    assert!(claims.sha256.len() == 44 && claims.sha256.ends_with('='));
    assert!(!claims.video.room_join && !claims.video.room_admin);
    assert_eq!(authorization(&keys, "other", body, NOW), None);
}

#[test]
fn a_fingerprint_tells_urls_apart_and_reveals_none() {
    let one = fingerprint("https://app.example/hook?secret=1");
    assert_ne!(one, fingerprint("https://app.example/hook?secret=2"));
    assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
}
