//! Coming back by another WebSocket: who may, what is told and in which order, and what
//! ends a membership instead.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::{
    call::{Call, ROOM},
    node::Node,
    peer::{Peer, PeerOptions},
    signal::{Heard, Packing, Request, Response, Signal, V0, join_request, v1},
    tokens,
    until::PATIENCE,
};
use livekit_protocol::{
    DisconnectReason, JoinRequest, LeaveRequest, SimulateScenario, SyncState, TrackInfo,
    TrackPublishedResponse, UpdateParticipantMetadata, leave_request::Action, participant_info,
    simulate_scenario::Scenario,
};
use serde_json::{Value, json};

/// The path by which `sid` comes back.
fn resume(sid: &str) -> String {
    format!("{V0}&reconnect=1&sid={sid}")
}

async fn open(node: &Node, path: &str, token: &str) -> Signal {
    Signal::open(&node.url(), path, token)
        .await
        .unwrap()
        .unwrap()
}

async fn farewell(signal: &mut Signal) -> LeaveRequest {
    let first = signal.hear(PATIENCE).await.unwrap();
    let Some(Response::Leave(leave)) = first.response() else {
        panic!("the first message is {first:?}")
    };
    let end = signal.hear(PATIENCE).await.unwrap();
    assert!(end.is_end(), "{end:?} after a farewell");
    leave.clone()
}

#[tokio::test]
async fn who_is_not_known_is_let_in_to_be_told_to_join_again() {
    let call = Call::start().await.unwrap();
    let ada = call.ada.seen().own.sid;
    let request = JoinRequest {
        reconnect: true,
        ..join_request()
    };
    let single = v1(&request, Packing::Gzip).unwrap();
    for (what, identity, path) in [
        ("a stranger", "stranger", resume("")),
        ("a stranger who names somebody", "stranger", resume(&ada)),
        ("an earlier membership", "ada", resume("PA_earlier")),
        (
            "one who had two connections, with one",
            "ada",
            single.clone(),
        ),
        ("a stranger with one connection", "stranger", single),
    ] {
        let token = tokens::token(ROOM, identity).unwrap();
        let mut signal = open(&call.node, &path, &token).await;
        let leave = farewell(&mut signal).await;
        assert_eq!(
            (leave.action(), leave.reason(), leave.can_reconnect),
            (Action::Reconnect, DisconnectReason::StateMismatch, true),
            "{what}"
        );
    }
    let token = tokens::token("no such room", "ada").unwrap();
    let leave = farewell(&mut open(&call.node, &resume(""), &token).await).await;
    assert_eq!(leave.action(), Action::Reconnect);
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn gotcha_4_who_comes_back_hears_first_that_it_is_back_and_then_what_it_missed() {
    let call = Call::start().await.unwrap();
    let (mut chidi, _) = Signal::join(&call.node.url(), &tokens::token(ROOM, "chidi").unwrap())
        .await
        .unwrap();
    let is_chidi = |seen: &e2e::seen::Seen| seen.others.contains_key("chidi");
    call.ada.until("chidi", is_chidi).await.unwrap();
    chidi
        .send(Request::Leave(LeaveRequest::default()))
        .await
        .unwrap();
    let gone = |seen: &e2e::seen::Seen| seen.gone == ["chidi"];
    call.bayo.until("chidi gone", gone).await.unwrap();

    let own = call.ada.seen().own.sid;
    let token = tokens::token(ROOM, "ada").unwrap();
    let mut signal = open(&call.node, &resume(&own), &token).await;
    let mut heard = Vec::new();
    while heard.len() < 5 {
        heard.push(signal.hear(PATIENCE).await.unwrap());
    }
    let [first, departed, present, room, token] = heard.as_slice() else {
        panic!("five")
    };
    let Some(Response::Reconnect(reconnect)) = first.response() else {
        panic!("{first:?}")
    };
    assert!(reconnect.server_info.is_some());
    let participants = |heard: &Heard| -> Vec<(String, i32)> {
        let Some(Response::Update(update)) = heard.response() else {
            panic!("{heard:?}")
        };
        let participants = update.participants.iter();
        participants
            .map(|participant| (participant.identity.clone(), participant.state))
            .collect()
    };
    let active = participant_info::State::Active as i32;
    let disconnected = participant_info::State::Disconnected as i32;
    assert_eq!(participants(departed), [("chidi".to_owned(), disconnected)]);
    assert_eq!(
        participants(present),
        [("ada".to_owned(), active), ("bayo".to_owned(), active)]
    );
    assert!(matches!(room.response(), Some(Response::RoomUpdate(_))));
    assert!(matches!(token.response(), Some(Response::RefreshToken(_))));
}

#[tokio::test]
async fn signalling_lost_before_media_came_up_ends_it_at_once_and_later_does_not() {
    let call = Call::start().await.unwrap();
    let token = tokens::token(ROOM, "chidi").unwrap();
    let (chidi, _) = Signal::join(&call.node.url(), &token).await.unwrap();
    let is_there = |seen: &e2e::seen::Seen| seen.others.contains_key("chidi");
    call.bayo.until("chidi", is_there).await.unwrap();
    drop(chidi);
    call.bayo
        .until_within(Duration::from_secs(3), "chidi gone", |seen| {
            seen.gone == ["chidi"]
        })
        .await
        .unwrap();
    // Another WebSocket takes ada over, and breaks too: her media goes on.
    let own = call.ada.seen().own.sid;
    let migrate = SimulateScenario {
        scenario: Some(Scenario::Migration(true)),
    };
    call.ada.request(Request::Simulate(migrate)).unwrap();
    let leave = call.ada.ended().await.unwrap().leave.unwrap();
    assert_eq!(
        (leave.action(), leave.reason()),
        (Action::Resume, DisconnectReason::Migration)
    );
    assert!(own.starts_with("PA_"));
}

#[tokio::test]
async fn a_track_nobody_knows_of_or_a_mishap_sends_away_as_it_should() {
    let unknown = SyncState {
        publish_tracks: vec![TrackPublishedResponse {
            cid: "mic".into(),
            track: Some(TrackInfo {
                sid: "TR_unknown".into(),
                ..TrackInfo::default()
            }),
        }],
        ..SyncState::default()
    };
    let simulate = |scenario| {
        Request::Simulate(SimulateScenario {
            scenario: Some(scenario),
        })
    };
    let node = Node::start().await.unwrap();
    for (request, expected) in [
        (
            Request::SyncState(unknown),
            Some((Action::Reconnect, DisconnectReason::StateMismatch)),
        ),
        (
            simulate(Scenario::ServerLeave(true)),
            Some((Action::Disconnect, DisconnectReason::ServerShutdown)),
        ),
        (
            simulate(Scenario::LeaveRequestFullReconnect(true)),
            Some((Action::Reconnect, DisconnectReason::StateMismatch)),
        ),
        (simulate(Scenario::NodeFailure(true)), None),
    ] {
        let token = tokens::token(ROOM, "ada").unwrap();
        let ada = Peer::join(&node.url(), &token, PeerOptions::both())
            .await
            .unwrap();
        ada.connected().await.unwrap();
        let own = ada.seen().own.sid;
        ada.request(request.clone()).unwrap();
        let seen = ada.ended().await.unwrap();
        let told = seen.leave.map(|leave| (leave.action(), leave.reason()));
        assert_eq!(told, expected, "{request:?}");
        let leave = farewell(&mut open(&node, &resume(&own), &token).await).await;
        assert_eq!(leave.action(), Action::Reconnect, "nothing is left of her");
    }
}

/// A normal close is taken for the end by some clients, and passed over by others.
#[tokio::test]
async fn lv_2_after_a_leave_the_socket_closes_and_says_normal_only_to_who_shall_stay_away() {
    let call = Call::start().await.unwrap();
    for (mishap, action, code) in [
        (Scenario::ServerLeave(true), Action::Disconnect, 1000),
        (
            Scenario::LeaveRequestFullReconnect(true),
            Action::Reconnect,
            1001,
        ),
        (Scenario::Migration(true), Action::Resume, 1001),
    ] {
        let mut signal = call.stranger(&format!("{action:?}")).await.unwrap();
        let request = Request::Simulate(SimulateScenario {
            scenario: Some(mishap),
        });
        signal.send(request).await.unwrap();
        let mut told = None;
        let closed = signal
            .hear_until("the close", PATIENCE, |heard| {
                if let Some(Response::Leave(leave)) = heard.response() {
                    told = Some(leave.action());
                }
                heard.is_end().then(|| heard.clone())
            })
            .await
            .unwrap();
        assert_eq!(told, Some(action));
        assert!(
            matches!(closed, Heard::Closed(with) if with == code),
            "{closed:?} after {action:?}"
        );
    }
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn st_5_a_token_for_coming_back_comes_with_the_join_and_with_every_change() {
    let node = Node::start().await.unwrap();
    let mut claims = tokens::claims(ROOM, "ada");
    claims["video"]["canUpdateOwnMetadata"] = json!(true);
    claims["exp"] = json!(tokens::unix_now() + 30);
    let token = tokens::sign(&claims, tokens::SECRET).unwrap();
    let (mut ada, _) = Signal::join(&node.url(), &token).await.unwrap();
    let first = refreshed(&mut ada).await;
    assert_eq!(
        (&first["name"], &first["sub"]),
        (&json!("ada"), &json!("ada"))
    );
    let left = first["exp"].as_u64().unwrap() - tokens::unix_now();
    assert!(
        (590..=600).contains(&left),
        "a short token lasts longer: {left}"
    );

    let change = UpdateParticipantMetadata {
        name: "Countess".into(),
        metadata: "of Lovelace".into(),
        attributes: [("hand".to_owned(), "up".to_owned())].into(),
        request_id: 1,
    };
    ada.send(Request::UpdateMetadata(change)).await.unwrap();
    let changed = refreshed(&mut ada).await;
    assert_eq!(
        (
            &changed["name"],
            &changed["metadata"],
            &changed["attributes"]
        ),
        (
            &json!("Countess"),
            &json!("of Lovelace"),
            &json!({ "hand": "up" })
        )
    );
    assert_eq!(changed["video"]["canUpdateOwnMetadata"], json!(true));
}

/// The claims of the next refresh token.
async fn refreshed(signal: &mut Signal) -> Value {
    let token = signal
        .hear_until("a token", PATIENCE, |heard| match heard.response() {
            Some(Response::RefreshToken(token)) => Some(token.clone()),
            _ => None,
        })
        .await
        .unwrap();
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
