//! What every client may count on, over a bare WebSocket: which message comes first, what
//! follows it, that it is pinged, and that it is told before the socket closes.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use e2e::{
    http,
    node::{Node, NodeOptions},
    signal::{Packing, Request, Response, Signal, V0, join_request, v1},
    tokens::{KEY, SECRET, sign, token, unix_now},
    until::PATIENCE,
};
use livekit_protocol::{
    AddTrackRequest, DisconnectReason, JoinRequest, LeaveRequest, SessionDescription, TrackSource,
    TrackType, leave_request::Action,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const ROOM: &str = "physics";

async fn open(node: &Node, path: &str, identity: &str) -> Signal {
    let token = token(ROOM, identity).unwrap();
    let opened = Signal::open(&node.url(), path, &token).await;
    opened.unwrap().unwrap()
}

async fn joined(node: &Node, identity: &str) -> (Signal, String) {
    let token = token(ROOM, identity).unwrap();
    let (signal, join) = Signal::join(&node.url(), &token).await.unwrap();
    (signal, join.participant.unwrap().sid)
}

async fn ask(node: &Node, method: &str, body: Value) {
    let grants = json!({
        "roomCreate": true, "roomAdmin": true, "room": ROOM, "destinationRoom": "elsewhere",
    });
    let claims = json!({ "iss": KEY, "exp": unix_now() + 600, "video": grants });
    let bearer = format!("Bearer {}", sign(&claims, SECRET).unwrap());
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
    ];
    let path = format!("/twirp/livekit.RoomService/{method}");
    let body = body.to_string();
    let answer = http::send(node.http(), "POST", &path, &headers, body.as_bytes()).await;
    assert_eq!(answer.unwrap().status, 200, "{method}");
}

#[tokio::test]
async fn ws_4_one_first_message_follows_the_upgrade_join_reconnect_or_leave() {
    let node = Node::start().await.unwrap();
    let (_ada, sid) = joined(&node, "ada").await;
    let back = format!("{V0}&reconnect=1&sid={sid}");
    let nobody = format!("{V0}&reconnect=1&sid=PA_nobody");
    for (what, path, identity) in [
        ("join", V0, "bayo"),
        ("reconnect", &back, "ada"),
        ("leave", &nobody, "stranger"),
    ] {
        let mut signal = open(&node, path, identity).await;
        // Nothing was said to the server yet.
        let first = signal.hear(PATIENCE).await.unwrap();
        let said = match first.response() {
            Some(Response::Join(_)) => "join",
            Some(Response::Reconnect(_)) => "reconnect",
            Some(Response::Leave(_)) => "leave",
            _ => panic!("{first:?}"),
        };
        assert_eq!(said, what);
    }
}

#[tokio::test]
async fn jn_1_jr_7_join_comes_first_and_then_what_came_along_is_answered() {
    let node = Node::start().await.unwrap();
    // Others come and go meanwhile: their news come later too.
    let mut others = Vec::new();
    for number in 0..5 {
        others.push(joined(&node, &format!("other {number}")).await);
    }
    let offer = SessionDescription {
        r#type: "offer".into(),
        sdp: include_str!("../../edge-worker/transport/tests/fixtures/chromium_single_offer.sdp")
            .into(),
        id: 77,
        ..SessionDescription::default()
    };
    let microphone = AddTrackRequest {
        cid: "the microphone".into(),
        name: "microphone".into(),
        r#type: TrackType::Audio as i32,
        source: TrackSource::Microphone as i32,
        ..AddTrackRequest::default()
    };
    let request = JoinRequest {
        add_track_requests: vec![microphone],
        publisher_offer: Some(offer),
        ..join_request()
    };
    let path = v1(&request, Packing::Gzip).unwrap();
    for round in 0..5 {
        let mut signal = open(&node, &path, &format!("ada {round}")).await;
        drop(others.pop());
        let mut heard = Vec::new();
        signal
            .hear_until("all of it", PATIENCE, |news| {
                heard.push(match news.response() {
                    Some(Response::Join(_)) => "join",
                    Some(Response::TrackPublished(published)) => {
                        assert_eq!(published.cid, "the microphone");
                        "track"
                    }
                    Some(Response::Answer(answer)) => {
                        assert_eq!(answer.id, 77);
                        "answer"
                    }
                    _ => "other",
                });
                let all = heard.contains(&"track") && heard.contains(&"answer");
                all.then_some(())
            })
            .await
            .unwrap();
        assert_eq!(heard[0], "join", "{heard:?}");
        assert_eq!(heard.iter().filter(|it| **it == "join").count(), 1);
    }
}

#[tokio::test]
async fn ws_5_lv_2_whoever_has_to_go_is_told_why_and_then_the_socket_closes() {
    use DisconnectReason::{
        DuplicateIdentity, JoinFailure, Migration, ParticipantRemoved, RoomDeleted, StateMismatch,
    };
    let node = Node::start_with(NodeOptions {
        environment: vec![("EDGE_ROOM__MAX_PARTICIPANTS".into(), "1".into())],
        ..NodeOptions::default()
    })
    .await
    .unwrap();
    let ada = || json!({ "room": ROOM, "identity": "ada" });

    let (mut signal, _) = joined(&node, "ada").await;
    let mut full = open(&node, V0, "bayo").await;
    told(&mut full, JoinFailure, Action::Disconnect).await;
    let nobody = format!("{V0}&reconnect=1&sid=PA_nobody");
    let mut unknown = open(&node, &nobody, "stranger").await;
    told(&mut unknown, StateMismatch, Action::Reconnect).await;

    let (mut again, _) = joined(&node, "ada").await;
    told(&mut signal, DuplicateIdentity, Action::Disconnect).await;
    ask(&node, "DeleteRoom", json!({ "room": ROOM })).await;
    told(&mut again, RoomDeleted, Action::Disconnect).await;

    let older = "/rtc?sdk=android&version=2.0.0&protocol=13&auto_subscribe=1";
    let mut moved = open(&node, older, "ada").await;
    let to = json!({ "room": ROOM, "identity": "ada", "destinationRoom": "elsewhere" });
    moved.hear(PATIENCE).await.unwrap();
    ask(&node, "MoveParticipant", to).await;
    told(&mut moved, Migration, Action::Reconnect).await;

    let (mut garbled, _) = joined(&node, "ada").await;
    let garbage = Message::Binary(vec![0xff; 40].into());
    garbled.send_raw(garbage).await.unwrap();
    told(&mut garbled, StateMismatch, Action::Reconnect).await;

    // Last: an older token is of no use any more.
    let (mut removed, _) = joined(&node, "ada").await;
    ask(&node, "RemoveParticipant", ada()).await;
    told(&mut removed, ParticipantRemoved, Action::Disconnect).await;

    // Who leaves by itself knows: the socket closes without a word.
    let (mut leaving, _) = joined(&node, "chidi").await;
    let goodbye = Request::Leave(LeaveRequest::default());
    leaving.send(goodbye).await.unwrap();
    let over = leaving.hear_until("the end", PATIENCE, |heard| {
        assert!(!matches!(heard.response(), Some(Response::Leave(_))));
        heard.is_end().then_some(())
    });
    over.await.unwrap();
}

/// Waits for the goodbye, and for the end right after it.
async fn told(signal: &mut Signal, reason: DisconnectReason, action: Action) {
    let leave = signal
        .hear_until("a goodbye", PATIENCE, |heard| match heard.response() {
            Some(Response::Leave(leave)) => Some(leave.clone()),
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!((leave.reason(), leave.action()), (reason, action));
    // An answer to a ping that crosses the close makes it look broken off.
    let end = signal.hear(PATIENCE).await.unwrap();
    assert!(end.is_end(), "{end:?} after {reason:?}");
}
