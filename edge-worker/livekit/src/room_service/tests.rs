//! Calls as SDKs make them, and as nobody should.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use serde_json::{Value, json};
use sfu::{Identity, ParticipantInfo, Playing, RoomInfo, State, Streams, Visibility, Wanted};

use super::*;
use crate::join::Undone;
use crate::proto;
use crate::server_data::RpcError;
use crate::twirp::Code;

fn claims(video: Value) -> Claims {
    serde_json::from_value(json!({ "iss": "key", "video": video })).unwrap()
}

/// Somebody who may do everything in `room`, and with rooms.
fn admin(room: &str) -> Claims {
    claims(json!({
        "roomCreate": true, "roomList": true, "roomAdmin": true, "room": room,
        "destinationRoom": "chemistry",
    }))
}

fn call(method: &str, body: &Value, claims: &Claims) -> Result<Request, Error> {
    let body = body.to_string();
    Request::read(method, Encoding::Json, body.as_bytes(), Some(claims))
}

fn code(method: &str, body: &Value, claims: &Claims) -> Option<Code> {
    call(method, body, claims).err().map(|error| error.code())
}

fn task(method: &str, body: &Value) -> Task {
    match call(method, body, &admin("physics")) {
        Ok(Request::InRoom { room, task }) => {
            assert_eq!(&*room, "physics");
            task
        }
        other => panic!("{method} became {other:?}"),
    }
}

/// Every method with a body that works for an admin of the room "physics".
fn methods() -> Vec<(&'static str, Value)> {
    let ada = json!({ "room": "physics", "identity": "ada" });
    let with = |more: Value| {
        let mut body = ada.clone();
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body
    };
    vec![
        ("CreateRoom", json!({ "name": "physics" })),
        ("ListRooms", json!({})),
        ("DeleteRoom", json!({ "room": "physics" })),
        ("ListParticipants", json!({ "room": "physics" })),
        ("GetParticipant", ada.clone()),
        ("RemoveParticipant", ada.clone()),
        (
            "MutePublishedTrack",
            with(json!({ "trackSid": "TR_a", "muted": true })),
        ),
        ("UpdateParticipant", with(json!({ "name": "Ada" }))),
        (
            "UpdateSubscriptions",
            with(json!({ "trackSids": ["TR_a"], "subscribe": true })),
        ),
        ("SendData", json!({ "room": "physics", "data": "aGk=" })),
        (
            "UpdateRoomMetadata",
            json!({ "room": "physics", "metadata": "m" }),
        ),
        (
            "PerformRpc",
            json!({ "room": "physics", "destinationIdentity": "ada", "method": "greet" }),
        ),
        (
            "MoveParticipant",
            with(json!({ "destinationRoom": "chemistry" })),
        ),
        (
            "ForwardParticipant",
            with(json!({ "destinationRoom": "chemistry" })),
        ),
    ]
}

#[test]
fn tw_4_every_method_needs_its_own_grant() {
    let everything_else = |missing: &str| {
        let mut video = json!({
            "roomCreate": true, "roomList": true, "roomAdmin": true, "roomJoin": true,
            "roomRecord": true, "room": "physics", "destinationRoom": "chemistry",
        });
        video.as_object_mut().unwrap().remove(missing);
        claims(video)
    };
    for (method, body) in methods() {
        let grant = match method {
            "CreateRoom" | "DeleteRoom" => "roomCreate",
            "ListRooms" => "roomList",
            _ => "roomAdmin",
        };
        let refused = Some(Code::Unauthenticated);
        assert_eq!(
            code(method, &body, &everything_else(grant)),
            refused,
            "{method}"
        );
        let nobody = Request::read(method, Encoding::Json, body.to_string().as_bytes(), None);
        let error = nobody.unwrap_err();
        assert_eq!(Some(error.code()), refused, "{method} without a token");
        assert_eq!(error.to_string(), "permissions denied");
        let allowed = code(method, &body, &everything_else("roomJoin"));
        assert_eq!(allowed, None, "{method}");
        if grant == "roomAdmin" {
            assert_eq!(
                code(method, &body, &admin("biology")),
                refused,
                "{method} elsewhere"
            );
        }
    }
    let to_elsewhere =
        json!({ "room": "physics", "identity": "ada", "destinationRoom": "biology" });
    for method in ["MoveParticipant", "ForwardParticipant"] {
        let answer = code(method, &to_elsewhere, &admin("physics"));
        assert_eq!(answer, Some(Code::Unauthenticated), "{method}");
    }
}

#[test]
fn tw_2_json_may_be_camel_or_snake_case_with_unknown_fields_and_enums_by_name_or_number() {
    for body in [
        json!({ "name": "physics", "emptyTimeout": 30, "maxParticipants": 5 }),
        json!({ "name": "physics", "empty_timeout": 30, "max_participants": "5" }),
        json!({ "name": "physics", "empty_timeout": 30, "maxParticipants": 5, "news": [1, {}] }),
    ] {
        let Ok(Request::CreateRoom { room, settings }) =
            call("CreateRoom", &body, &admin("physics"))
        else {
            panic!("{body}");
        };
        assert_eq!(&*room, "physics");
        let seen = (settings.empty_timeout_s, settings.max_participants);
        assert_eq!(seen, (Some(30), Some(5)), "{body}");
        assert_eq!(
            (settings.departure_timeout_s, settings.metadata),
            (None, None)
        );
    }
    for kind in [json!("LOSSY"), json!(1)] {
        let body = json!({ "room": "physics", "data": "aGk=", "kind": kind });
        let Task::SendData { message, nonce } = task("SendData", &body) else {
            panic!("{body}");
        };
        assert_eq!(message.into_message().reliability, sfu::Reliability::Lossy);
        assert_eq!(nonce, None);
    }
    for revoked in [json!(1_700_000_000), json!("1700000000")] {
        let body = json!({ "room": "physics", "identity": "ada", "revoke_token_ts": revoked });
        let Task::RemoveParticipant { revoke_until, .. } = task("RemoveParticipant", &body) else {
            panic!("{body}");
        };
        assert_eq!(revoke_until, Some(1_700_000_000));
    }
}

#[test]
fn rl_1_a_call_says_how_the_room_is_that_it_makes() {
    let body = json!({
        "name": "physics", "roomPreset": "lessons", "emptyTimeout": 30, "departureTimeout": 7,
        "maxParticipants": 5, "metadata": "m", "minPlayoutDelay": 200, "maxPlayoutDelay": 400,
        "syncStreams": true, "agents": [{ "agentName": "scribe" }], "tags": { "a": "b" },
        "nodeId": "ND_x", "replayEnabled": true,
    });
    let Ok(Request::CreateRoom { settings, .. }) = call("CreateRoom", &body, &admin("physics"))
    else {
        panic!("{body}");
    };
    let expected = RoomSettings {
        empty_timeout_s: Some(30),
        departure_timeout_s: Some(7),
        max_participants: Some(5),
        metadata: Some("m".into()),
        min_playout_delay_ms: Some(200),
        max_playout_delay_ms: Some(400),
        streams: Some(Streams::Together),
        profile: None,
        preset: Some("lessons".into()),
        undone: vec![Undone::Agents],
    };
    assert_eq!(settings, expected);
    let body = json!({ "name": "physics", "egress": { "room": { "roomName": "physics" } } });
    let Err(error) = call("CreateRoom", &body, &admin("physics")) else {
        panic!("{body}");
    };
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(error.to_string(), "egress not connected (redis required)");
}

#[test]
fn tw_1_protobuf_says_the_same_as_json() {
    let message = proto::UpdateSubscriptionsRequest {
        room: "physics".into(),
        identity: "ada".into(),
        track_sids: vec!["TR_a".into()],
        subscribe: false,
        participant_tracks: vec![proto::ParticipantTracks {
            participant_sid: "PA_x".into(),
            track_sids: vec!["TR_b".into()],
        }],
    };
    let body = message.encode_to_vec();
    let admin = admin("physics");
    let read = Request::read(
        "UpdateSubscriptions",
        Encoding::Protobuf,
        &body,
        Some(&admin),
    );
    let Ok(Request::InRoom {
        task:
            Task::UpdateSubscriptions {
                identity,
                tracks,
                wanted,
            },
        ..
    }) = read
    else {
        panic!("{read:?}");
    };
    assert_eq!((&*identity.0, wanted), ("ada", Wanted::No));
    assert_eq!(tracks.len(), 2);
    let error = Request::read("ListRooms", Encoding::Protobuf, b"\xff\xff", Some(&admin));
    assert_eq!(error.unwrap_err().code(), Code::Malformed);
}

#[test]
fn bad_a1_what_can_never_work_is_an_invalid_argument() {
    let long = "x".repeat(257);
    let large = "m".repeat(512 * 1024 + 1);
    let in_physics = |more: Value| {
        let mut body = json!({ "room": "physics", "identity": "ada" });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body
    };
    use Code::{InvalidArgument, Malformed, NotFound};
    for (method, body, expected) in [
        ("CreateRoom", json!({}), InvalidArgument),
        ("CreateRoom", json!({ "name": "" }), InvalidArgument),
        ("CreateRoom", json!({ "name": long }), InvalidArgument),
        (
            "CreateRoom",
            json!({ "name": "r", "metadata": large }),
            InvalidArgument,
        ),
        (
            "CreateRoom",
            json!({ "name": "r", "egress": { "room": {} } }),
            Code::Internal,
        ),
        ("CreateRoom", json!([1]), Malformed),
        ("CreateRoom", json!({ "name": 7 }), Malformed),
        (
            "CreateRoom",
            json!({ "name": "r", "emptyTimeout": -1 }),
            Malformed,
        ),
        ("DeleteRoom", json!({}), InvalidArgument),
        (
            "GetParticipant",
            in_physics(json!({ "identity": "" })),
            InvalidArgument,
        ),
        (
            "GetParticipant",
            in_physics(json!({ "identity": long })),
            InvalidArgument,
        ),
        (
            "MutePublishedTrack",
            in_physics(json!({ "trackSid": "../etc" })),
            NotFound,
        ),
        (
            "SendData",
            json!({ "room": "physics", "nonce": "AAAA" }),
            InvalidArgument,
        ),
        (
            "SendData",
            json!({ "room": "physics", "data": "A".repeat(100_000) }),
            InvalidArgument,
        ),
        (
            "UpdateRoomMetadata",
            json!({ "room": "physics", "metadata": large }),
            InvalidArgument,
        ),
        (
            "PerformRpc",
            json!({ "room": "physics", "method": "greet" }),
            InvalidArgument,
        ),
        (
            "PerformRpc",
            json!({ "room": "physics", "destinationIdentity": "ada" }),
            InvalidArgument,
        ),
        (
            "PerformRpc",
            json!({
                "room": "physics", "destinationIdentity": "ada", "method": "greet",
                "payload": "p".repeat(15 * 1024 + 1),
            }),
            InvalidArgument,
        ),
    ] {
        let text: String = body.to_string().chars().take(100).collect();
        assert_eq!(
            code(method, &body, &admin("physics")),
            Some(expected),
            "{method} {text}"
        );
    }
    let same = claims(json!({ "roomAdmin": true, "room": "a", "destinationRoom": "a" }));
    let body = json!({ "room": "a", "identity": "ada", "destinationRoom": "a" });
    for method in ["MoveParticipant", "ForwardParticipant"] {
        assert_eq!(code(method, &body, &same), Some(InvalidArgument));
    }
    for method in ["", "listRooms", "CreateRoom2", "../CreateRoom"] {
        let unknown = code(method, &json!({}), &admin("physics"));
        assert_eq!(unknown, Some(Code::BadRoute), "{method}");
    }
}

#[test]
fn md_2_a_permission_replaces_the_old_one_as_a_whole_and_empty_texts_change_nothing() {
    let body = json!({
        "room": "physics", "identity": "ada", "metadata": "", "name": "Ada",
        "attributes": { "a": "1", "b": "" },
        "permission": { "canPublish": true, "hidden": true, "canPublishSources": ["CAMERA"] },
    });
    let Task::UpdateParticipant { identity, change } = task("UpdateParticipant", &body) else {
        panic!("{body}");
    };
    assert_eq!(identity, Identity("ada".into()));
    assert_eq!(
        (change.metadata, change.name.as_deref()),
        (None, Some("Ada"))
    );
    assert_eq!(change.attributes.len(), 2);
    let permission = change.permission.unwrap();
    assert!(permission.can_publish && !permission.can_subscribe && !permission.can_publish_data);
    assert_eq!(permission.visibility, Visibility::Hidden);
    assert_eq!(permission.can_publish_sources, [sfu::Source::Camera]);
}

#[test]
fn a_call_of_a_method_has_a_bounded_time() {
    for (given, expected) in [
        (json!(0), Duration::from_secs(15)),
        (json!(500), Duration::from_millis(500)),
        (json!(u32::MAX), Duration::from_secs(60)),
    ] {
        let body = json!({
            "room": "physics", "destination_identity": "ada", "method": "greet",
            "response_timeout_ms": given,
        });
        let Task::PerformRpc(rpc) = task("PerformRpc", &body) else {
            panic!("{body}");
        };
        assert_eq!(rpc.limit, expected, "{given}");
    }
}

#[test]
fn every_failure_has_the_code_callers_look_for() {
    let failed = |code| {
        Failure::RpcFailed(RpcError {
            code,
            message: "no".into(),
            data: "why".into(),
        })
    };
    for (failure, code, status, msg) in [
        (
            Failure::RoomMissing,
            Code::NotFound,
            404,
            "requested room does not exist",
        ),
        (
            Failure::ParticipantMissing,
            Code::NotFound,
            404,
            "participant does not exist",
        ),
        (
            Failure::TrackMissing,
            Code::NotFound,
            404,
            "track is not found",
        ),
        (
            Failure::RemoteUnmuteOff,
            Code::FailedPrecondition,
            412,
            "remote unmute not enabled",
        ),
        (
            Failure::PresetUnknown,
            Code::InvalidArgument,
            400,
            "unknown room configuration in create room request",
        ),
        (failed(1400), Code::NotFound, 404, "RPC error 1400: no"),
        (
            failed(101),
            Code::FailedPrecondition,
            412,
            "RPC error 101: no",
        ),
        (
            Failure::Late,
            Code::Unavailable,
            503,
            "the room did not answer in time",
        ),
    ] {
        let error = Error::from(failure);
        assert_eq!((error.code(), error.code().status()), (code, status));
        assert_eq!(error.to_string(), msg);
    }
    let body: Value = serde_json::from_str(&Error::from(failed(101)).body()).unwrap();
    assert_eq!(
        body["meta"],
        json!({ "rpc_code": "101", "rpc_data": "why" })
    );
    let unanswered: Value =
        serde_json::from_str(&Error::from(Failure::RpcUnanswered).body()).unwrap();
    assert_eq!(unanswered["code"], "deadline_exceeded");
    assert_eq!(unanswered["meta"]["rpc_code"], "1502");
}

#[test]
fn answers_are_written_in_the_form_that_was_asked_for() {
    let room = Arc::new(RoomInfo {
        id: "RM_x".parse().unwrap(),
        name: "physics".into(),
        metadata: "m".into(),
        created_at_ms: 1_700_000_000_123,
        empty_timeout_s: 300,
        departure_timeout_s: 20,
        max_participants: 7,
        playing: Playing::default(),
        participants: 2,
        publishers: 1,
        active_recording: false,
    });
    let json = |answer: Answer| -> Value {
        serde_json::from_slice(&answer.write(Encoding::Json).unwrap()).unwrap()
    };
    let read = json(Answer::Room(room.clone()));
    assert_eq!(
        (&read["sid"], &read["name"]),
        (&json!("RM_x"), &json!("physics"))
    );
    assert_eq!(read["creationTimeMs"], "1700000000123");
    assert_eq!(json(Answer::Rooms(vec![room.clone()]))["rooms"][0], read);
    assert_eq!(json(Answer::Done), json!({}));
    assert_eq!(
        json(Answer::Returned("hi".into())),
        json!({ "payload": "hi" })
    );
    let binary = Answer::Rooms(vec![room]).write(Encoding::Protobuf).unwrap();
    let list = proto::ListRoomsResponse::decode(binary.as_slice()).unwrap();
    assert_eq!(list.rooms[0].num_participants, 2);
    assert!(Answer::Done.write(Encoding::Protobuf).unwrap().is_empty());
    let somebody: ParticipantInfo = crate::join::authorize(
        Some(
            &serde_json::from_value::<Claims>(json!({
                "sub": "ada", "video": { "roomJoin": true, "room": "physics" },
            }))
            .unwrap(),
        ),
        &crate::join::JoinRequest::default(),
    )
    .unwrap()
    .membership(
        &crate::join::JoinRequest::default(),
        "PA_x".parse().unwrap(),
        0,
        "lagos",
    )
    .participant;
    assert_eq!(somebody.state, State::Joining);
    let listed = json(Answer::Participants(vec![Arc::new(somebody)]));
    assert_eq!(listed["participants"][0]["identity"], "ada");
}
