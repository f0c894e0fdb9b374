//! RoomService of a real node over HTTP: rooms that come and go, who may ask for what, and
//! calls as nobody should make them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::{
    http,
    node::{Node, NodeOptions},
    server_api::{self, JSON, call, done, post},
    signal::{Response, Signal, V0},
    tokens::{KEY, SECRET, claims, sign, token, unix_now},
    until::until,
};
use livekit_protocol as proto;
use prost::Message as _;
use serde_json::{Value, json};

const PROTOBUF: &str = "application/protobuf";
const SOON: Duration = Duration::from_secs(5);

/// A token with these grants, as an app's server makes it.
fn grants(video: Value) -> String {
    server_api::grants(&video).unwrap()
}

/// May do everything with rooms, and in `room`.
fn admin(room: &str) -> String {
    server_api::admin(room).unwrap()
}

async fn names(node: &Node) -> Result<BTreeSet<String>> {
    Ok(server_api::names(node).await?.into_iter().collect())
}

#[tokio::test]
async fn rl_1_rooms_are_made_listed_changed_and_deleted_without_anybody_in_them() -> Result<()> {
    let node = Node::start_with(NodeOptions {
        shards: 2,
        ..NodeOptions::default()
    })
    .await?;
    let admin_of = admin("physics");
    let made = done(
        &node,
        "CreateRoom",
        &admin_of,
        json!({ "name": "physics", "empty_timeout": 60, "maxParticipants": 2, "metadata": "m" }),
    )
    .await?;
    let sid = made["sid"].as_str().unwrap().to_owned();
    assert!(sid.starts_with("RM_"), "{made}");
    assert_eq!(made["emptyTimeout"], 60);
    assert_eq!(made["departureTimeout"], 20, "the node's default");
    assert_eq!(
        (&made["maxParticipants"], &made["metadata"]),
        (&json!(2), &json!("m"))
    );

    // Again: the same room, with what is named changed.
    let again = done(
        &node,
        "CreateRoom",
        &admin_of,
        json!({ "name": "physics", "departureTimeout": 5 }),
    )
    .await?;
    assert_eq!(again["sid"], sid.as_str());
    assert_eq!(
        (&again["emptyTimeout"], &again["departureTimeout"]),
        (&json!(60), &json!(5))
    );
    assert_eq!(again["metadata"], "m");

    // More rooms than shards: the list is of all of them.
    for room in ["chemistry", "biology", "history"] {
        done(&node, "CreateRoom", &admin_of, json!({ "name": room })).await?;
    }
    let expected = ["biology", "chemistry", "history", "physics"];
    assert_eq!(names(&node).await?, expected.map(str::to_owned).into());
    let some = done(
        &node,
        "ListRooms",
        &admin_of,
        json!({ "names": ["history", "nothing"] }),
    )
    .await?;
    assert_eq!(some["rooms"].as_array().unwrap().len(), 1);

    let changed = done(
        &node,
        "UpdateRoomMetadata",
        &admin_of,
        json!({ "room": "physics", "metadata": "new" }),
    )
    .await?;
    assert_eq!(
        (&changed["metadata"], &changed["sid"]),
        (&json!("new"), &json!(sid))
    );

    done(&node, "DeleteRoom", &admin_of, json!({ "room": "physics" })).await?;
    assert!(
        !names(&node).await?.contains("physics"),
        "it is gone when the answer is here"
    );
    let missing = call(&node, "DeleteRoom", &admin_of, json!({ "room": "physics" })).await?;
    let not_found = json!({ "code": "not_found", "msg": "requested room does not exist" });
    assert_eq!(missing, (404, not_found));
    assert_eq!(node.metrics().await?.total("edge_rooms"), 3.0);
    Ok(())
}

#[tokio::test]
async fn rl_1_settings_that_the_node_keeps_are_asked_for_by_name() -> Result<()> {
    let environment = [
        ("EDGE_ROOM__MAX_PARTICIPANTS", "9"),
        ("EDGE_ROOM__PRESETS__LESSONS__MAX_PARTICIPANTS", "7"),
        ("EDGE_ROOM__PRESETS__LESSONS__EMPTY_TIMEOUT_S", "60"),
    ];
    let node = Node::start_with(NodeOptions {
        environment: environment
            .map(|(key, it)| (key.to_owned(), it.to_owned()))
            .into(),
        ..NodeOptions::default()
    })
    .await?;
    let admin_of = admin("physics");
    let create = async |body: Value| done(&node, "CreateRoom", &admin_of, body).await;
    let limits = |room: &Value| {
        (
            room["maxParticipants"].clone(),
            room["emptyTimeout"].clone(),
        )
    };
    let preset = "lessons";
    let made = create(json!({ "name": "physics", "roomPreset": preset, "emptyTimeout": 30 }));
    assert_eq!(limits(&made.await?), (json!(7), json!(30)));
    let other = create(json!({ "name": "music" })).await?;
    assert_eq!(limits(&other), (json!(9), json!(300)));
    let changed = create(json!({ "name": "music", "roomPreset": preset })).await?;
    assert_eq!(limits(&changed), (json!(7), json!(60)));

    let mut claims = claims("maths", "ada");
    claims["roomPreset"] = json!(preset);
    claims["roomConfig"] = json!({ "emptyTimeout": 20, "agents": [{ "agentName": "scribe" }] });
    let (_ada, join) = Signal::join(&node.url(), &sign(&claims, SECRET)?).await?;
    let room = join.room.unwrap();
    assert_eq!((room.max_participants, room.empty_timeout), (7, 20));
    let warned = |line: &String| line.contains("nothing here calls any");
    assert_eq!(node.log().iter().filter(|line| warned(line)).count(), 1);

    let unknown = "unknown room configuration in create room request";
    let body = json!({ "name": "physics", "roomPreset": "parties" });
    let refused = call(&node, "CreateRoom", &admin_of, body).await?;
    let expected = json!({ "code": "invalid_argument", "msg": unknown });
    assert_eq!(refused, (400, expected));
    claims["roomPreset"] = json!("parties");
    let refused = Signal::open(&node.url(), V0, &sign(&claims, SECRET)?).await?;
    let refused = refused.unwrap_err();
    assert_eq!((refused.status, refused.body.as_str()), (400, unknown));
    Ok(())
}

#[tokio::test]
async fn rl_2_a_room_opened_again_is_a_new_one() -> Result<()> {
    let node = Node::start().await?;
    let admin = admin("physics");
    let room = || json!({ "name": "physics" });
    let mut sids = BTreeSet::new();
    for _ in 0..3 {
        let first = done(&node, "CreateRoom", &admin, room()).await?;
        let same = done(&node, "CreateRoom", &admin, room()).await?;
        assert_eq!(first["sid"], same["sid"]);
        let (_ada, join) = Signal::join(&node.url(), &token("physics", "ada")?).await?;
        assert_eq!(join.room.unwrap().sid, first["sid"].as_str().unwrap());
        sids.insert(first["sid"].to_string());
        done(&node, "DeleteRoom", &admin, json!({ "room": "physics" })).await?;
    }
    assert_eq!(sids.len(), 3, "{sids:?}");
    Ok(())
}

#[tokio::test]
async fn mu_3_the_app_unmutes_only_where_that_is_enabled() -> Result<()> {
    for (enabled, status, msg) in [
        ("false", 412, "remote unmute not enabled"),
        // It gets as far as to look for the track.
        ("true", 404, "track is not found"),
    ] {
        let node = Node::start_with(NodeOptions {
            environment: vec![("EDGE_ROOM__ENABLE_REMOTE_UNMUTE".into(), enabled.into())],
            ..NodeOptions::default()
        })
        .await?;
        let (_ada, _) = Signal::join(&node.url(), &token("physics", "ada")?).await?;
        let mute = |muted: bool| json!({ "room": "physics", "identity": "ada", "trackSid": "TR_a", "muted": muted });
        let admin = admin("physics");
        let (got, error) = call(&node, "MutePublishedTrack", &admin, mute(false)).await?;
        assert_eq!((got, error["msg"].as_str()), (status, Some(msg)));
        let (got, error) = call(&node, "MutePublishedTrack", &admin, mute(true)).await?;
        assert_eq!(
            (got, error["msg"].as_str()),
            (404, Some("track is not found"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn ep_3_a_body_in_chunks_that_is_too_large_is_not_read_to_its_end() -> Result<()> {
    let node = Node::start().await?;
    let path = "/twirp/livekit.RoomService/ListRooms";
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        admin("physics")
    );
    const CHUNK: usize = 1 << 20;
    let chunk = format!("{CHUNK:x}\r\n{}\r\n", " ".repeat(CHUNK));
    for (chunks, status) in [(9, "HTTP/1.1 200"), (11, "HTTP/1.1 413")] {
        let mut whole = head.clone();
        for _ in 0..chunks {
            whole.push_str(&chunk);
        }
        // What is refused is refused before its end.
        if chunks == 9 {
            whole.push_str("2\r\n{}\r\n0\r\n\r\n");
        }
        let answer = http::begin(node.http(), whole.as_bytes(), status.len()).await?;
        assert_eq!(String::from_utf8_lossy(&answer), status, "{chunks} MiB");
    }
    assert_eq!(names(&node).await?.len(), 0, "and the node goes on");
    Ok(())
}

#[tokio::test]
async fn tw_1_protobuf_is_answered_in_protobuf() -> Result<()> {
    let node = Node::start().await?;
    let token = admin("physics");
    let create = proto::CreateRoomRequest {
        name: "physics".into(),
        max_participants: 3,
        ..Default::default()
    };
    let path = "/twirp/livekit.RoomService/CreateRoom";
    let answer = post(&node, path, PROTOBUF, &token, &create.encode_to_vec()).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], PROTOBUF);
    let room = proto::Room::decode(answer.bytes.as_slice())?;
    assert_eq!((room.name.as_str(), room.max_participants), ("physics", 3));

    let path = "/twirp/livekit.RoomService/ListRooms";
    let answer = post(&node, path, PROTOBUF, &token, b"").await?;
    let list = proto::ListRoomsResponse::decode(answer.bytes.as_slice())?;
    assert_eq!(list.rooms.len(), 1);

    // Errors are JSON all the same.
    let path = "/twirp/livekit.RoomService/GetParticipant";
    let who = proto::RoomParticipantIdentity {
        room: "physics".into(),
        identity: "ada".into(),
        ..Default::default()
    };
    let answer = post(&node, path, PROTOBUF, &token, &who.encode_to_vec()).await?;
    assert_eq!(
        (answer.status, answer.headers["content-type"].as_str()),
        (404, "application/json")
    );
    let error: Value = serde_json::from_str(&answer.body)?;
    assert_eq!(
        error,
        json!({ "code": "not_found", "msg": "participant does not exist" })
    );
    Ok(())
}

#[tokio::test]
async fn tw_4_bad_t7_who_may_not_is_refused_with_the_right_status_and_content_type() -> Result<()> {
    let node = Node::start().await?;
    done(
        &node,
        "CreateRoom",
        &admin("physics"),
        json!({ "name": "physics" }),
    )
    .await?;
    let ada = json!({ "room": "physics", "identity": "ada" });
    let denied = json!({ "code": "unauthenticated", "msg": "permissions denied" });
    for (token, method, body) in [
        (String::new(), "ListRooms", json!({})),
        (token("physics", "ada")?, "ListRooms", json!({})),
        (
            token("physics", "ada")?,
            "DeleteRoom",
            json!({ "room": "physics" }),
        ),
        (admin("chemistry"), "GetParticipant", ada.clone()),
        (admin("chemistry"), "RemoveParticipant", ada.clone()),
        (
            grants(json!({ "roomAdmin": true, "room": "physics" })),
            "MoveParticipant",
            json!({ "room": "physics", "identity": "ada", "destinationRoom": "elsewhere" }),
        ),
        (
            grants(json!({ "roomAdmin": true })),
            "GetParticipant",
            ada.clone(),
        ),
        (
            grants(json!({ "roomList": true })),
            "CreateRoom",
            json!({ "name": "physics" }),
        ),
    ] {
        let answer = call(&node, method, &token, body.clone()).await?;
        assert_eq!(answer, (401, denied.clone()), "{method} {body}");
    }
    // A token that is none is refused before any service hears of it, in plain text.
    let path = "/twirp/livekit.RoomService/ListRooms";
    for (header, text) in [
        ("Bearer nonsense", "invalid authorization token"),
        (
            "Basic abc",
            "invalid authorization header. Must start with Bearer ",
        ),
    ] {
        let headers = [("Content-Type", JSON), ("Authorization", header)];
        let answer = http::send(node.http(), "POST", path, &headers, b"{}").await?;
        assert_eq!((answer.status, answer.body.as_str()), (401, text));
    }
    let forged = sign(
        &json!({ "iss": KEY, "exp": unix_now() + 60, "video": { "roomList": true } }),
        "wrong",
    )?;
    let answer = post(&node, path, JSON, &forged, b"{}").await?;
    assert_eq!(answer.status, 401);
    assert!(
        answer.body.starts_with("invalid authorization token"),
        "{}",
        answer.body
    );
    assert_eq!(names(&node).await?.len(), 1, "nothing happened");
    Ok(())
}

#[tokio::test]
async fn bad_a1_odd_names_are_names_and_long_ones_are_none() -> Result<()> {
    let node = Node::start().await?;
    let odd = [
        "../../../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "a%2e%2e%2fb",
        "\u{202e}moor",
        "\u{0440}hysics",
        "' OR 1=1 --",
        "{room_name}",
    ];
    for name in odd {
        let room = done(&node, "CreateRoom", &admin(""), json!({ "name": name })).await?;
        assert_eq!(room["name"], name);
        // Somebody with such a name, in such a room.
        let (mut signal, join) = Signal::join(&node.url(), &token(name, name)?).await?;
        assert_eq!(join.room.unwrap().name, name);
        assert_eq!(join.participant.unwrap().identity, name);
        let room = json!({ "room": name });
        done(&node, "DeleteRoom", &admin(name), room).await?;
        leave(&mut signal).await?;
    }
    assert_eq!(names(&node).await?.len(), 0);
    let long = json!({ "name": "r".repeat(257) });
    let refused = call(&node, "CreateRoom", &admin(""), long).await?;
    assert_eq!(
        (refused.0, &refused.1["code"]),
        (400, &json!("invalid_argument"))
    );
    Ok(())
}

#[tokio::test]
async fn bad_a7_calls_that_are_none_get_a_clear_answer_and_nothing_else_happens() -> Result<()> {
    let mut node = Node::start().await?;
    let token = admin("physics");
    let list = "/twirp/livekit.RoomService/ListRooms";
    let create = "/twirp/livekit.RoomService/CreateRoom";
    for (path, content_type, body, status, code) in [
        (list, "", &b"{}"[..], 404, "bad_route"),
        (list, "text/plain", b"{}", 404, "bad_route"),
        (list, "application/x-protobuf", b"", 404, "bad_route"),
        (list, JSON, b"", 400, "malformed"),
        (list, JSON, b"{", 400, "malformed"),
        (list, JSON, b"[]{}", 400, "malformed"),
        (list, JSON, b"\xff\xfe", 400, "malformed"),
        (
            list,
            PROTOBUF,
            b"\x0a\xff\xff\xff\xff\x0f",
            400,
            "malformed",
        ),
        (create, JSON, b"{\"name\":7}", 400, "malformed"),
        (create, JSON, b"{}", 400, "invalid_argument"),
        (
            create,
            JSON,
            b"{\"name\":\"r\",\"egress\":{}}",
            500,
            "internal",
        ),
        (
            "/twirp/livekit.RoomService/Nothing",
            JSON,
            b"{}",
            404,
            "bad_route",
        ),
        (
            "/twirp/livekit.Nothing/ListRooms",
            JSON,
            b"{}",
            404,
            "bad_route",
        ),
        ("/twirp/livekit.RoomService", JSON, b"{}", 404, "bad_route"),
        (
            "/twirp/livekit.RoomService/a/b/c",
            JSON,
            b"{}",
            404,
            "bad_route",
        ),
        ("/twirp/", JSON, b"{}", 404, ""),
    ] {
        let answer = post(&node, path, content_type, &token, body).await?;
        let what = format!(
            "{path} {content_type:?} {}: {answer:?}",
            String::from_utf8_lossy(body)
        );
        assert_eq!(answer.status, status, "{what}");
        if !code.is_empty() {
            assert_eq!(answer.headers["content-type"], "application/json", "{what}");
            let error: Value = serde_json::from_str(&answer.body)?;
            assert_eq!(error["code"], code, "{what}");
        }
    }
    for method in ["GET", "PUT", "DELETE"] {
        let headers = [("Content-Type", JSON)];
        let answer = http::send(node.http(), method, list, &headers, b"{}").await?;
        assert_eq!(answer.status, 404, "{method}");
        assert!(answer.body.contains("only POST is allowed"), "{answer:?}");
    }
    let preflight = http::send(node.http(), "OPTIONS", list, &[], b"").await?;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.headers["access-control-allow-origin"], "*");

    // EP-3: announced or not, what is too large is not read to its end.
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let announced = format!(
        "POST {list} HTTP/1.1\r\nHost: x\r\n{bearer}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    );
    let answer = http::exchange(node.http(), announced.as_bytes()).await?;
    assert!(
        answer.starts_with(b"HTTP/1.1 413"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let deep = "[".repeat(200_000);
    let answer = post(
        &node,
        list,
        JSON,
        &token,
        format!("{{\"names\":{deep}").as_bytes(),
    )
    .await?;
    assert_eq!(answer.status, 400);
    let many = format!("{{\"names\":[{}\"x\"]}}", "\"x\",".repeat(200_000));
    let answer = post(&node, list, JSON, &token, many.as_bytes()).await?;
    assert_eq!(answer.status, 200);

    assert_eq!(names(&node).await?.len(), 0);
    assert!(node.runs());
    Ok(())
}

#[tokio::test]
async fn services_without_a_backend_say_so() -> Result<()> {
    let node = Node::start().await?;
    let token = grants(json!({ "roomRecord": true, "ingressAdmin": true, "roomAdmin": true }));
    for (service, method, msg) in [
        (
            "Egress",
            "ListEgress",
            "egress not connected (redis required)",
        ),
        (
            "Egress",
            "StartRoomCompositeEgress",
            "egress not connected (redis required)",
        ),
        (
            "Ingress",
            "ListIngress",
            "ingress not connected (redis required)",
        ),
        ("SIP", "ListSIPTrunk", "sip not connected (redis required)"),
    ] {
        let path = format!("/twirp/livekit.{service}/{method}");
        let answer = post(&node, &path, JSON, &token, b"{}").await?;
        let error: Value = serde_json::from_str(&answer.body)?;
        let expected = json!({ "code": "internal", "msg": msg });
        assert_eq!((answer.status, error), (500, expected), "{path}");
        let answer = post(&node, &path, JSON, "", b"{}").await?;
        assert_eq!(answer.status, 401, "{path} without a token");
    }
    Ok(())
}

#[tokio::test]
async fn rl_1_without_auto_create_only_the_app_makes_rooms() -> Result<()> {
    let node = Node::start_with(NodeOptions {
        environment: vec![("EDGE_ROOM__AUTO_CREATE".into(), "false".into())],
        ..NodeOptions::default()
    })
    .await?;
    let ada = token("physics", "ada")?;
    let refused = Signal::open(&node.url(), V0, &ada).await?.unwrap_err();
    assert_eq!(refused.status, 404, "before the upgrade");
    assert!(refused.body.contains("requested room does not exist"));
    let path = format!("/rtc/validate?access_token={ada}");
    let answer = http::get(node.http(), &path).await?;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("requested room does not exist"));

    // Who may make rooms makes this one by joining.
    let mut creator = claims("chemistry", "grace");
    creator["video"]["roomCreate"] = json!(true);
    Signal::join(&node.url(), &sign(&creator, SECRET)?).await?;

    done(
        &node,
        "CreateRoom",
        &admin("physics"),
        json!({ "name": "physics", "maxParticipants": 1 }),
    )
    .await?;
    let (_ada, join) = Signal::join(&node.url(), &ada).await?;
    assert_eq!(join.room.unwrap().max_participants, 1);
    // As many as it may hold are there.
    let mut bayo = Signal::open(&node.url(), V0, &token("physics", "bayo")?)
        .await?
        .unwrap();
    let first = bayo.hear(SOON).await?;
    let Some(Response::Leave(leave)) = first.response() else {
        panic!("{first:?}");
    };
    assert_eq!(leave.reason(), proto::DisconnectReason::JoinFailure);
    Ok(())
}

#[tokio::test]
async fn rl_1_an_empty_room_ends_after_its_timeout() -> Result<()> {
    let node = Node::start().await?;
    let short = json!({ "name": "short", "emptyTimeout": 1 });
    done(&node, "CreateRoom", &admin(""), short).await?;
    assert_eq!(names(&node).await?.len(), 1);
    until("the room to end", SOON, || async {
        names(&node)
            .await
            .is_ok_and(|names| names.is_empty())
            .then_some(())
    })
    .await
}

/// The next leave this client is told.
async fn leave(signal: &mut Signal) -> Result<proto::LeaveRequest> {
    signal
        .hear_until("a goodbye", SOON, |heard| {
            if let Some(Response::Leave(leave)) = heard.response() {
                return Some(leave.clone());
            }
            None
        })
        .await
}

#[tokio::test]
async fn bad_t9_whoever_is_removed_stays_out_until_the_app_signs_anew() -> Result<()> {
    let node = Node::start().await?;
    let old = token("physics", "ada")?;
    let (mut ada, _) = Signal::join(&node.url(), &old).await?;
    let (_bayo, _) = Signal::join(&node.url(), &token("physics", "bayo")?).await?;
    let who = json!({ "room": "physics", "identity": "ada" });
    let seen = done(&node, "GetParticipant", &admin("physics"), who.clone()).await?;
    assert_eq!(seen["identity"], "ada");

    done(&node, "RemoveParticipant", &admin("physics"), who.clone()).await?;
    let told = leave(&mut ada).await?;
    assert_eq!(told.reason(), proto::DisconnectReason::ParticipantRemoved);
    assert_eq!(told.action(), proto::leave_request::Action::Disconnect);
    let missing = call(&node, "RemoveParticipant", &admin("physics"), who.clone()).await?;
    assert_eq!(missing.0, 404);

    let refused = Signal::open(&node.url(), V0, &old).await?.unwrap_err();
    assert_eq!(refused.status, 401, "{refused:?}");
    let path = format!("/rtc/validate?access_token={old}");
    assert_eq!(http::get(node.http(), &path).await?.status, 401);
    // Somewhere else, or signed later, it is welcome.
    Signal::join(&node.url(), &token("chemistry", "ada")?).await?;
    let mut later = claims("physics", "ada");
    later["nbf"] = json!(unix_now() + 30);
    let (_again, _) = Signal::join(&node.url(), &sign(&later, SECRET)?).await?;
    let list = done(
        &node,
        "ListParticipants",
        &admin("physics"),
        json!({ "room": "physics" }),
    )
    .await?;
    assert_eq!(list["participants"].as_array().unwrap().len(), 2);
    Ok(())
}

#[tokio::test]
async fn deleting_a_room_tells_everybody_and_answers_when_it_is_gone() -> Result<()> {
    let node = Node::start().await?;
    let mut everybody = Vec::new();
    for name in ["ada", "bayo", "chi"] {
        everybody.push(Signal::join(&node.url(), &token("physics", name)?).await?.0);
    }
    done(
        &node,
        "DeleteRoom",
        &admin(""),
        json!({ "room": "physics" }),
    )
    .await?;
    assert!(names(&node).await?.is_empty());
    for signal in &mut everybody {
        let told = leave(signal).await?;
        assert_eq!(told.reason(), proto::DisconnectReason::RoomDeleted);
        assert_eq!(told.action(), proto::leave_request::Action::Disconnect);
    }
    let none = done(
        &node,
        "ListParticipants",
        &admin("physics"),
        json!({ "room": "physics" }),
    )
    .await?;
    assert_eq!(none, json!({}), "LiveKit answers an empty list");
    Ok(())
}

#[tokio::test]
async fn hidden_participants_are_listed_for_the_app() -> Result<()> {
    let node = Node::start().await?;
    let mut hidden = claims("physics", "ghost");
    hidden["video"]["hidden"] = json!(true);
    let (_ghost, _) = Signal::join(&node.url(), &sign(&hidden, SECRET)?).await?;
    let list = done(
        &node,
        "ListParticipants",
        &admin("physics"),
        json!({ "room": "physics" }),
    )
    .await?;
    assert_eq!(list["participants"][0]["identity"], "ghost");
    Ok(())
}

#[tokio::test]
async fn whoever_is_moved_to_another_shard_is_given_the_token_to_join_there() -> Result<()> {
    let node = Node::start_with(NodeOptions {
        shards: 2,
        ..NodeOptions::default()
    })
    .await?;
    let (mut ada, _) = Signal::join(&node.url(), &token("physics", "ada")?).await?;
    // A new room goes where fewer are.
    let room = json!({ "name": "elsewhere", "maxParticipants": 1 });
    done(&node, "CreateRoom", &admin(""), room).await?;
    let (bayo, _) = Signal::join(&node.url(), &token("elsewhere", "bayo")?).await?;
    let full = call(&node, "MoveParticipant", &admin("physics"), to_elsewhere()).await?;
    assert_eq!(full.0, 429, "{full:?}");
    let who = json!({ "room": "elsewhere", "identity": "bayo" });
    done(&node, "RemoveParticipant", &admin("elsewhere"), who).await?;
    drop(bayo);
    done(&node, "MoveParticipant", &admin("physics"), to_elsewhere()).await?;
    let moved = moved(&mut ada).await?;
    assert_eq!(moved.room.unwrap().name, "elsewhere");
    let told = leave(&mut ada).await?;
    assert_eq!(told.reason(), proto::DisconnectReason::Migration);
    assert_eq!(told.action(), proto::leave_request::Action::Reconnect);
    let (_ada, join) = Signal::join(&node.url(), &moved.token).await?;
    assert_eq!(join.room.unwrap().name, "elsewhere");
    let who = json!({ "room": "physics", "identity": "ada" });
    let gone = call(&node, "GetParticipant", &admin("physics"), who).await?;
    assert_eq!(gone.0, 404);
    Ok(())
}

#[tokio::test]
async fn whoever_is_moved_on_one_shard_stays_connected_and_comes_back_to_the_new_room() -> Result<()>
{
    let node = Node::start_with(NodeOptions {
        shards: 2,
        ..NodeOptions::default()
    })
    .await?;
    let (mut ada, join) = Signal::join(&node.url(), &token("physics", "ada")?).await?;
    let sid = join.participant.unwrap().sid;
    let (mut bayo, _) = Signal::join(&node.url(), &token("physics", "bayo")?).await?;
    // The room is made for it, where it can be carried to.
    done(&node, "MoveParticipant", &admin("physics"), to_elsewhere()).await?;
    let news = moved(&mut ada).await?;
    assert_eq!(news.room.unwrap().name, "elsewhere");
    assert_eq!(news.participant.unwrap().sid, sid);
    assert!(news.other_participants.is_empty());
    let gone = |heard: &e2e::signal::Heard| {
        let Some(Response::Update(update)) = heard.response() else {
            return None;
        };
        let left = proto::participant_info::State::Disconnected;
        let mut told = update.participants.iter();
        told.find(|it| it.identity == "ada" && it.state() == left)
            .map(|_| ())
    };
    bayo.hear_until("that ada is gone", SOON, gone).await?;
    let who = json!({ "room": "elsewhere", "identity": "ada" });
    let found = done(&node, "GetParticipant", &admin("elsewhere"), who.clone()).await?;
    assert_eq!(found["sid"], sid.as_str());
    // What it hears from now on is of the new room.
    let metadata = json!({ "room": "elsewhere", "metadata": "there" });
    done(&node, "UpdateRoomMetadata", &admin("elsewhere"), metadata).await?;
    ada.hear_until("the room's news", SOON, |heard| match heard.response() {
        Some(Response::RoomUpdate(update)) => {
            (update.room.as_ref()?.metadata == "there").then_some(())
        }
        _ => None,
    })
    .await?;
    let claims = jwt_claims(&news.token);
    assert_eq!(claims["video"]["room"], "elsewhere");

    // Somebody of that name is there already: nobody is sent away for it.
    let (_other, _) = Signal::join(&node.url(), &token("physics", "ada")?).await?;
    let taken = call(&node, "MoveParticipant", &admin("physics"), to_elsewhere()).await?;
    assert_eq!(taken.0, 409, "{taken:?}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_cannot_be_moved_joins_the_other_room_anew() -> Result<()> {
    let node = Node::start().await?;
    let older = "/rtc?sdk=android&version=2.0.0&protocol=13&auto_subscribe=1";
    let (mut ada, _) = Signal::join_by(&node.url(), older, &token("physics", "ada")?).await?;
    done(&node, "MoveParticipant", &admin("physics"), to_elsewhere()).await?;
    let token = ada
        .hear_until("a token", SOON, |heard| match heard.response() {
            Some(Response::RoomMoved(_)) => panic!("it does not know what that is"),
            Some(Response::RefreshToken(token)) => {
                (jwt_claims(token)["video"]["room"] == "elsewhere").then(|| token.clone())
            }
            _ => None,
        })
        .await?;
    let told = leave(&mut ada).await?;
    assert_eq!(told.action(), proto::leave_request::Action::Reconnect);
    let (_ada, join) = Signal::join_by(&node.url(), older, &token).await?;
    assert_eq!(join.room.unwrap().name, "elsewhere");
    Ok(())
}

fn to_elsewhere() -> Value {
    json!({ "room": "physics", "identity": "ada", "destinationRoom": "elsewhere" })
}

async fn moved(signal: &mut Signal) -> Result<proto::RoomMovedResponse> {
    signal
        .hear_until("the move", SOON, |heard| match heard.response() {
            Some(Response::RoomMoved(moved)) => Some(moved.clone()),
            _ => None,
        })
        .await
}

/// What a token says, whoever signed it.
fn jwt_claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
