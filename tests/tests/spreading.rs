//! One room on two shards of a node: to its people, and to the app, it is one room.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::{
    http,
    node::{Node, NodeOptions},
    peer::{LOSSY, Peer, RELIABLE},
    seen::{DataMessage, Seen},
    signal::{Heard, Response, Signal, V0},
    tokens::{KEY, SECRET, sign, token, unix_now},
    until::{PATIENCE, until},
};
use livekit_protocol::{DisconnectReason, participant_info};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const ROOM: &str = "lecture";

/// Two shards; a room with two people on one goes on on the other.
async fn spreading(environment: &[(&str, String)]) -> Result<Node> {
    let spread = ("EDGE_RTC__SPREAD__AT_PARTICIPANTS", "2".to_owned());
    let environment = environment.iter().cloned().chain([spread]);
    Node::start_with(NodeOptions {
        shards: 2,
        environment: environment.map(|(key, it)| (key.to_owned(), it)).collect(),
        ..NodeOptions::default()
    })
    .await
}

async fn peer(node: &Node, identity: &str) -> Result<Peer> {
    Peer::join_call(&node.url(), &token(ROOM, identity)?).await
}

async fn signal(node: &Node, identity: &str) -> Result<Signal> {
    Ok(Signal::join(&node.url(), &token(ROOM, identity)?).await?.0)
}

/// On so many shards a room is open, over all rooms.
async fn is_on(node: &Node, shards: f64) -> Result<()> {
    until("the room to be on so many shards", PATIENCE, || async {
        let metrics = node.metrics().await.ok()?;
        (metrics.total("edge_rooms") == shards).then_some(())
    })
    .await
}

/// A call of RoomService: its status and answer.
async fn call(node: &Node, method: &str, body: Value) -> Result<(u16, Value)> {
    let video = json!({
        "roomCreate": true, "roomList": true, "roomAdmin": true, "room": ROOM,
        "destinationRoom": "elsewhere",
    });
    let claims = json!({
        "iss": KEY, "nbf": unix_now() - 10, "exp": unix_now() + 600, "video": video,
    });
    let bearer = format!("Bearer {}", sign(&claims, SECRET)?);
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
    ];
    let path = format!("/twirp/livekit.RoomService/{method}");
    let body = body.to_string();
    let answer = http::send(node.http(), "POST", &path, &headers, body.as_bytes()).await?;
    Ok((answer.status, serde_json::from_str(&answer.body)?))
}

async fn done(node: &Node, method: &str, body: Value) -> Result<Value> {
    let (status, answer) = call(node, method, body).await?;
    ensure!(status == 200, "{method}: {status} {answer}");
    Ok(answer)
}

fn who(identity: &str) -> Value {
    json!({ "room": ROOM, "identity": identity })
}

fn said(seen: &Seen, payload: &[u8]) -> usize {
    let is_it = |message: &&DataMessage| message.payload == payload;
    seen.messages.iter().filter(is_it).count()
}

/// Waits until somebody is told that somebody is as wanted.
async fn hears_of(
    signal: &mut Signal,
    identity: &str,
    wanted: impl Fn(&livekit_protocol::ParticipantInfo) -> bool,
) -> Result<()> {
    signal
        .hear_until("news of somebody", PATIENCE, |heard| {
            let Some(Response::Update(update)) = heard.response() else {
                return None;
            };
            let mut told = update.participants.iter();
            told.find(|it| it.identity == identity && wanted(it))
                .map(|_| ())
        })
        .await
}

#[tokio::test]
async fn people_on_two_shards_see_hear_and_write_to_each_other() {
    let node = spreading(&[]).await.unwrap();
    let ada = peer(&node, "ada").await.unwrap();
    let bayo = peer(&node, "bayo").await.unwrap();
    is_on(&node, 1.0).await.unwrap();
    let chidi = peer(&node, "chidi").await.unwrap();
    is_on(&node, 2.0).await.unwrap();

    tokio::try_join!(
        ada.receives_more("bayo", 50),
        ada.receives_more("chidi", 50),
        bayo.receives_more("chidi", 50),
        chidi.receives_more("ada", 50),
        chidi.receives_more("bayo", 50),
    )
    .unwrap();
    let everybody = [&ada, &bayo, &chidi];
    for channel in [RELIABLE, LOSSY] {
        for from in everybody {
            let name = from.seen().own.identity;
            let first = format!("{name} on {channel}").into_bytes();
            let last = format!("{name} on {channel}, that was all").into_bytes();
            for text in [&first, &last] {
                from.send_data(channel, text, &[]).unwrap();
            }
            for to in everybody.iter().filter(|to| to.seen().own.identity != name) {
                to.until("the last message", |seen| said(seen, &last) > 0)
                    .await
                    .unwrap();
                assert_eq!(said(&to.seen(), &first), 1);
            }
        }
    }
    chidi.send_data(RELIABLE, b"for ada", &["ada"]).unwrap();
    ada.until("what is for her", |seen| said(seen, b"for ada") == 1)
        .await
        .unwrap();
    assert_eq!(said(&bayo.seen(), b"for ada"), 0);

    // What the app says reaches everybody, and once.
    for text in ["Zmlyc3Q=", "bGFzdA=="] {
        let body = json!({ "room": ROOM, "data": text, "kind": "RELIABLE" });
        done(&node, "SendData", body).await.unwrap();
    }
    for to in everybody {
        to.until("the app's last word", |seen| said(seen, b"last") > 0)
            .await
            .unwrap();
        assert_eq!(said(&to.seen(), b"first"), 1);
    }
}

#[tokio::test]
async fn calls_find_those_on_the_second_shard() -> Result<()> {
    let node = spreading(&[]).await?;
    let created = done(
        &node,
        "CreateRoom",
        json!({ "name": ROOM, "maxParticipants": 5 }),
    )
    .await?;
    let mut ada = signal(&node, "ada").await?;
    let _bayo = signal(&node, "bayo").await?;
    let (mut chidi, join) = Signal::join(&node.url(), &token(ROOM, "chidi")?).await?;
    let room = join.room.context("a join names the room")?;
    assert_eq!(room.sid, created["sid"].as_str().unwrap());
    assert_eq!(room.max_participants, 5);
    let mut dayo = signal(&node, "dayo").await?;
    is_on(&node, 2.0).await?;

    let list = done(&node, "ListParticipants", json!({ "room": ROOM })).await?;
    let names = list["participants"].as_array().into_iter().flatten();
    let mut names: Vec<_> = names.map(|it| it["identity"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ada", "bayo", "chidi", "dayo"]);
    let counted = async || {
        let list = done(&node, "ListRooms", json!({})).await.ok()?;
        let rooms = list["rooms"].as_array()?;
        assert_eq!(rooms.len(), 1, "{list}");
        assert_eq!(rooms[0]["sid"], created["sid"]);
        (rooms[0]["numParticipants"] == 4).then_some(())
    };
    until("all to be counted", PATIENCE, &counted).await?;

    for (identity, other) in [("ada", &mut chidi), ("chidi", &mut ada)] {
        let found = done(&node, "GetParticipant", who(identity)).await?;
        assert_eq!(found["identity"], identity);
        let mut change = who(identity);
        change["metadata"] = "raised".into();
        let changed = done(&node, "UpdateParticipant", change).await?;
        assert_eq!(changed["metadata"], "raised");
        hears_of(other, identity, |it| it.metadata == "raised").await?;
    }
    let metadata = json!({ "room": ROOM, "metadata": "of the room" });
    done(&node, "UpdateRoomMetadata", metadata).await?;
    for heard_by in [&mut ada, &mut chidi, &mut dayo] {
        let is_it = |heard: &Heard| match heard.response() {
            Some(Response::RoomUpdate(update)) => {
                (update.room.as_ref()?.metadata == "of the room").then_some(())
            }
            _ => None,
        };
        heard_by.hear_until("the metadata", PATIENCE, is_it).await?;
    }

    // Full is full, wherever a newcomer would be.
    let _efe = signal(&node, "efe").await?;
    hears_of(&mut ada, "efe", |_| true).await?;
    hears_of(&mut chidi, "efe", |_| true).await?;
    let refused = Signal::join(&node.url(), &token(ROOM, "femi")?).await;
    assert!(refused.is_err(), "{refused:?}");

    // To a room beside the one it leaves.
    let sid = done(&node, "GetParticipant", who("dayo")).await?["sid"].clone();
    let mut to = who("dayo");
    to["destinationRoom"] = "elsewhere".into();
    done(&node, "MoveParticipant", to).await?;
    let moved = |heard: &Heard| match heard.response() {
        Some(Response::RoomMoved(moved)) => Some(moved.clone()),
        _ => None,
    };
    let moved = dayo.hear_until("where it is now", PATIENCE, moved).await?;
    assert_eq!(moved.participant.unwrap().sid, sid.as_str().unwrap());
    let gone = participant_info::State::Disconnected;
    hears_of(&mut ada, "dayo", |it| it.state() == gone).await?;

    let mut to = who("chidi");
    to["destinationRoom"] = "elsewhere".into();
    done(&node, "ForwardParticipant", to).await?;
    hears_of(&mut dayo, "chidi", |_| true).await?;

    done(&node, "RemoveParticipant", who("chidi")).await?;
    let told = |heard: &Heard| match heard.response() {
        Some(Response::Leave(leave)) => Some(leave.reason()),
        _ => None,
    };
    let reason = chidi.hear_until("a goodbye", PATIENCE, told).await?;
    assert_eq!(reason, DisconnectReason::ParticipantRemoved);
    hears_of(&mut ada, "chidi", |it| it.state() == gone).await?;
    Ok(())
}

#[tokio::test]
async fn who_comes_back_finds_its_place_on_whichever_shard_that_is() -> Result<()> {
    let node = spreading(&[]).await?;
    let mut sids = BTreeMap::new();
    let mut peers = Vec::new();
    for identity in ["ada", "bayo", "chidi", "dayo"] {
        let peer = peer(&node, identity).await?;
        sids.insert(identity, peer.seen().own.sid);
        peers.push(peer);
    }
    is_on(&node, 2.0).await?;
    for (identity, sid) in sids {
        let path = format!("{V0}&reconnect=1&sid={sid}");
        let mut signal = Signal::open(&node.url(), &path, &token(ROOM, identity)?)
            .await?
            .map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
        let first = signal.hear(PATIENCE).await?;
        let back = matches!(first.response(), Some(Response::Reconnect(_)));
        assert!(back, "{identity} heard {first:?}");
    }
    drop(peers);
    Ok(())
}

#[tokio::test]
async fn wh_6_a_shard_is_left_when_nobody_is_on_it_and_the_app_hears_of_everything_in_order()
-> Result<()> {
    let app = App::listen().await?;
    let url = format!("[\"http://{}/hook\"]", app.address);
    let node = spreading(&[("EDGE_WEBHOOK__URLS", url)]).await?;
    let ada = peer(&node, "ada").await?;
    let bayo = peer(&node, "bayo").await?;
    let chidi = peer(&node, "chidi").await?;
    is_on(&node, 2.0).await?;
    ada.receives_more("chidi", 10).await?;
    chidi.leave().await?;
    ada.until("chidi to be gone", |seen| {
        seen.gone.iter().any(|it| it == "chidi")
    })
    .await?;
    is_on(&node, 1.0).await?;
    tokio::try_join!(ada.receives_more("bayo", 50), bayo.receives_more("ada", 50))?;

    // Again, and this time the first one is left.
    let dayo = peer(&node, "dayo").await?;
    is_on(&node, 2.0).await?;
    dayo.receives_more("ada", 10).await?;
    ada.leave().await?;
    bayo.leave().await?;
    is_on(&node, 1.0).await?;
    assert!(dayo.seen().leave.is_none());
    let efe = peer(&node, "efe").await?;
    tokio::try_join!(dayo.receives_more("efe", 50), efe.receives_more("dayo", 50))?;
    let femi = peer(&node, "femi").await?;
    is_on(&node, 2.0).await?;
    femi.receives_more("efe", 10).await?;

    done(&node, "DeleteRoom", json!({ "room": ROOM })).await?;
    for peer in [&dayo, &efe, &femi] {
        peer.until("the goodbye", |seen| seen.leave.is_some())
            .await?;
    }
    is_on(&node, 0.0).await?;
    let (status, _) = call(&node, "DeleteRoom", json!({ "room": ROOM })).await?;
    assert_eq!(status, 404);

    let counts = [
        "room_started",
        "participant_joined",
        "participant_left",
        "room_finished",
    ];
    let counted = || counts.map(|event| app.count(event));
    let all = || async { (counted() == [1, 6, 6, 1]).then_some(()) };
    let told = until("the room's end", PATIENCE, all).await;
    anyhow::ensure!(told.is_ok(), "the app heard {:?}", counted());
    assert_eq!(app.rooms(), 1);
    // Whoever told it: the room's own come first and last, and who left had joined.
    let told = app.told();
    assert_eq!(told.first().unwrap().0, "room_started");
    assert_eq!(told.last().unwrap().0, "room_finished", "{told:?}");
    for (_, who) in told.iter().filter(|(event, _)| event == "participant_left") {
        let place = |word: &str| told.iter().position(|it| it.0 == word && it.1 == *who);
        assert!(
            place("participant_joined") < place("participant_left"),
            "{told:?}"
        );
    }
    Ok(())
}

/// The app's server.
struct App {
    address: std::net::SocketAddr,
    /// Events as they came, each once: they are repeated where an answer was lost. Written by a
    /// task, read by the test.
    events: Arc<Mutex<Vec<Value>>>,
}

impl App {
    async fn listen() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let events: Arc<Mutex<Vec<Value>>> = Arc::default();
        let heard = Arc::clone(&events);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(hear(connection, Arc::clone(&heard)));
            }
        });
        Ok(Self { address, events })
    }

    fn count(&self, event: &str) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|it| it["event"] == event).count()
    }

    /// What happened, and with whom.
    fn told(&self) -> Vec<(String, String)> {
        let events = self.events.lock().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = |it: &Value| (text(&it["event"]), text(&it["participant"]["identity"]));
        events.iter().map(told).collect()
    }

    fn rooms(&self) -> usize {
        let events = self.events.lock().unwrap();
        let sids = events.iter().map(|it| it["room"]["sid"].to_string());
        sids.collect::<std::collections::BTreeSet<_>>().len()
    }
}

async fn hear(mut connection: TcpStream, events: Arc<Mutex<Vec<Value>>>) {
    let mut bytes = Vec::new();
    while let Some((body, length)) = next_request(&mut connection, &mut bytes).await {
        let event: Value = serde_json::from_slice(&bytes[body..body + length]).unwrap();
        note(&events, event);
        bytes.drain(..body + length);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        if connection.write_all(answer).await.is_err() {
            return;
        }
    }
}

fn note(events: &Mutex<Vec<Value>>, event: Value) {
    let mut events = events.lock().unwrap();
    if events.iter().all(|it| it["id"] != event["id"]) {
        events.push(event);
    }
}

/// Where the body of the next request begins, and its length.
async fn next_request(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(usize, usize)> {
    const LIMIT: Duration = Duration::from_secs(60);
    loop {
        let head = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = head {
            let text = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))?;
            let length = length.trim().parse().ok()?;
            if bytes.len() >= end + 4 + length {
                return Some((end + 4, length));
            }
        }
        let read = tokio::time::timeout(LIMIT, connection.read_buf(bytes)).await;
        if read.ok()?.ok()? == 0 {
            return None;
        }
    }
}
