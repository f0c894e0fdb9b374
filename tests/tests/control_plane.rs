//! A node and a control plane, as the wire between them says: who joins by its tokens, what it
//! hears, what it has done, and what is left of it all when it goes away or the node is killed.
//!
//! The control plane here is a page of rules without meetings: its own functions are tested
//! with it, and against the same examples.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::node::{Node, NodeOptions};
use e2e::peer::{Peer, PeerOptions, RELIABLE};
use e2e::signal::{Request, Response, Signal, V0};
use e2e::tokens::{token, unix_now};
use e2e::until::{PATIENCE, until};
use e2e::{http, server_api};
use livekit_protocol::{ChatMessage, DataPacket, UpdateParticipantMetadata, data_packet};
use prost::Message;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

const ROOM: &str = "ROOM-PHYSICS";
const KEY: [u8; 32] = [0xab; 32];

/// What the control plane knows.
#[derive(Default)]
struct Book {
    epoch: u64,
    known: HashMap<String, u64>,
    events: Vec<Value>,
    commands: Vec<Value>,
    acks: Vec<Value>,
    load: Value,
    syncs: u64,
    away: bool,
    desired: Value,
}

/// The control plane.
struct Convex {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    key: Ed25519KeyPair,
}

impl Convex {
    async fn start() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap();
        let public = URL_SAFE_NO_PAD.encode(key.public_key());
        let book = Arc::new(Mutex::new(Book {
            desired: json!({
                "hash": "first", "rooms": [], "peers": [], "scheduled": [], "revoked": [],
                "tokenKeys": [{ "kid": "k1", "key": public }], "draining": false,
            }),
            ..Book::default()
        }));
        let routes = Router::new()
            .route("/edge/v1/register", post(answer))
            .route("/edge/v1/sync", post(answer))
            .with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, book, key }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// A token as the join mutation makes it.
    fn token(&self, user: &str, room: &str) -> String {
        self.token_with(user, room, |_| ())
    }

    /// The same, with other claims.
    fn token_with(&self, user: &str, room: &str, change: impl FnOnce(&mut Value)) -> String {
        let now = unix_now();
        let head = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "k1" });
        let mut claims = json!({
            "iss": "tof-edge", "sub": format!("{user}#a1"), "name": user, "jti": "01",
            "nbf": now - 10, "exp": now + 600,
            "video": { "room": room, "roomJoin": true, "canPublish": true, "canSubscribe": true,
                       "canPublishData": true, "canUpdateOwnMetadata": true },
            "tof": { "meeting": "m1", "user": user, "stay": now + 7_200 },
        });
        change(&mut claims);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&head), part(&claims));
        let signature = self.key.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// Waits until the book says something.
    async fn until<T>(&self, what: &str, ask: impl Fn(&Book) -> Option<T>) -> T {
        // After an outage a node may wait for half a minute before it tries again.
        let found = until(what, 2 * PATIENCE, || {
            let found = ask(&self.book());
            async move { found }
        });
        match found.await {
            Ok(found) => found,
            Err(error) => panic!("{error}; told: {:#?}", self.book().events),
        }
    }

    /// Waits for an event of a type about somebody.
    async fn event(&self, kind: &str, identity: &str) -> Value {
        self.until(&format!("{kind} of {identity}"), |book| {
            let is_it = |event: &&Value| event["type"] == kind && event["identity"] == identity;
            book.events.iter().find(is_it).cloned()
        })
        .await
    }

    /// Has the node do something, and waits until it says what became of it.
    async fn command(&self, command: Value) -> Value {
        let id = command["id"].clone();
        self.book().commands.push(command);
        self.until("an acknowledgement", |book| {
            book.acks.iter().find(|ack| ack["id"] == id).cloned()
        })
        .await
    }
}

/// Who signed, and what.
fn is_genuine(uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers[name].to_str().unwrap();
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|it| format!("{it:02x}")).collect() };
    let signed = format!(
        "v1\nPOST\n{}\n{}\n{}\n{}",
        uri.path(),
        text("x-edge-timestamp"),
        text("x-edge-nonce"),
        hex(digest(&SHA256, body).as_ref()),
    );
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &KEY), b"sync");
    let key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
    let signature = hex(hmac::sign(&key, signed.as_bytes()).as_ref());
    text("x-edge-node") == "lagos-1" && signature == text("x-edge-signature")
}

async fn answer(
    State(book): State<Arc<Mutex<Book>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let mut book = book.lock().unwrap();
    let now = unix_now() * 1_000;
    let refused = |status: StatusCode, error: &str| {
        let body = json!({ "error": error, "message": "", "serverTimeMs": now });
        (status, body.to_string())
    };
    if book.away {
        return (StatusCode::BAD_GATEWAY, "no backend".into());
    }
    if !is_genuine(&uri, &headers, &body) {
        return refused(StatusCode::UNAUTHORIZED, "signature");
    }
    let said: Value = serde_json::from_slice(&body).unwrap();
    let stream = said["stream"].as_str().unwrap().to_owned();
    if uri.path().ends_with("register") {
        book.epoch += 1;
        let known = *book.known.entry(stream).or_default();
        let answer = json!({
            "epoch": book.epoch, "serverTimeMs": now, "leaseMs": 20_000, "ackSeq": known,
            "desired": book.desired,
        });
        return (StatusCode::OK, answer.to_string());
    }
    if said["epoch"].as_u64() < Some(book.epoch) {
        return refused(StatusCode::CONFLICT, "stale_epoch");
    }
    book.syncs += 1;
    let mut known = book.known.get(&stream).copied().unwrap_or_default();
    let first = said["firstSeq"].as_u64().unwrap();
    for (seq, event) in (first..).zip(said["events"].as_array().unwrap()) {
        if seq == known + 1 {
            known = seq;
            book.events.push(event.clone());
        }
    }
    book.known.insert(stream, known);
    for ack in said["acks"].as_array().unwrap() {
        book.commands.retain(|command| command["id"] != ack["id"]);
        book.acks.push(ack.clone());
    }
    book.load = said["load"].clone();
    let mut answer = json!({
        "ackSeq": known, "serverTimeMs": now, "nextSyncMs": 500, "commands": book.commands,
    });
    if said["desiredHash"] != book.desired["hash"] {
        answer["desired"] = book.desired.clone();
    }
    (StatusCode::OK, answer.to_string())
}

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("edge-control-{}", rand::random::<u64>());
        Self(std::env::temp_dir().join(name))
    }

    async fn node(&self, convex: &Convex) -> Node {
        let key: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        let environment = [
            ("EDGE_NODE__ID", "lagos-1".to_owned()),
            ("EDGE_NODE__REGION", "lagos".to_owned()),
            ("EDGE_CONTROL__URL", format!("http://{}", convex.address)),
            ("EDGE_CONTROL__KEY", key),
            ("EDGE_CONTROL__PUBLIC_URL", "ws://127.0.0.1".to_owned()),
            ("EDGE_CONTROL__FOLDER", self.0.display().to_string()),
            ("EDGE_CONTROL__ONLY_JOIN_TOKENS", "true".to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        let options = NodeOptions {
            environment: environment.into(),
            ..NodeOptions::default()
        };
        let before = convex.book().syncs;
        let node = Node::start_with(options).await.unwrap();
        if !convex.book().away {
            let synced = |book: &Book| (book.syncs > before).then_some(());
            convex.until("a first sync", synced).await;
        }
        node
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn join(node: &Node, convex: &Convex, user: &str) -> Peer {
    let token = convex.token(user, ROOM);
    let peer = Peer::join(&node.url(), &token, PeerOptions::both()).await;
    let peer = peer.unwrap();
    peer.connected().await.unwrap();
    peer
}

fn say(peer: &Peer, id: &str, text: &str, to: &[&str]) {
    let chat = ChatMessage {
        id: id.into(),
        timestamp: 1_000,
        message: text.into(),
        ..ChatMessage::default()
    };
    let packet = DataPacket {
        destination_identities: to.iter().map(|to| (*to).to_owned()).collect(),
        value: Some(data_packet::Value::ChatMessage(chat)),
        ..DataPacket::default()
    };
    peer.send_raw_data(RELIABLE, packet.encode_to_vec())
        .unwrap();
}

fn raise_hand(peer: &Peer, value: &str) {
    let attributes = HashMap::from([("tof.hand".to_owned(), value.to_owned())]);
    let update = UpdateParticipantMetadata {
        attributes,
        ..UpdateParticipantMetadata::default()
    };
    peer.request(Request::UpdateMetadata(update)).unwrap();
}

#[tokio::test]
async fn a_call_is_told_from_its_first_join_to_its_last_leave() {
    let (convex, folder) = (Convex::start().await, Folder::new());
    let node = folder.node(&convex).await;
    let ada = join(&node, &convex, "ada").await;
    let joined = convex.event("joined", "ada#a1").await;
    assert_eq!(
        (&joined["userId"], &joined["meetingId"]),
        (&json!("ada"), &json!("m1"))
    );
    assert_eq!(
        (&joined["room"], &joined["region"]),
        (&json!(ROOM), &json!("lagos"))
    );
    assert!(joined["joinMs"].as_u64().unwrap() < 20_000, "{joined}");

    let bayo = join(&node, &convex, "bayo").await;
    say(&ada, "m1", "Ẹ káàárọ̀", &[]);
    say(&ada, "m2", "only you", &["bayo#a1"]);
    raise_hand(&ada, "up");
    let chats = |book: &Book| {
        let chats = book
            .events
            .iter()
            .filter(|it| it["type"] == "chat")
            .cloned();
        let chats: Vec<_> = chats.collect();
        (chats.len() == 2).then_some(chats)
    };
    let chats = convex.until("two messages", chats).await;
    assert_eq!(
        (&chats[0]["text"], &chats[0]["to"]),
        (&json!("Ẹ káàárọ̀"), &json!([]))
    );
    assert_eq!(chats[1]["to"], json!(["bayo#a1"]));
    assert_eq!(chats[1]["userId"], "ada");
    assert_eq!(convex.event("hand", "ada#a1").await["raised"], true);
    let load = |book: &Book| (book.load["participants"] == 2).then_some(());
    convex.until("the load", load).await;

    bayo.leave().await.unwrap();
    let left = convex.event("left", "bayo#a1").await;
    assert_eq!(left["reason"], "CLIENT_INITIATED");
    let order: Vec<_> = convex
        .book()
        .events
        .iter()
        .map(|it| it["type"].clone())
        .collect();
    assert_eq!(order[..2], ["room_started", "joined"]);
    let published = order.iter().filter(|it| **it == "track_published").count();
    let unpublished = order
        .iter()
        .filter(|it| **it == "track_unpublished")
        .count();
    assert_eq!((published, unpublished), (4, 2), "{order:?}");
    ada.leave().await.unwrap();
}

#[tokio::test]
async fn what_happens_while_nobody_listens_is_told_once_also_by_the_next_process() {
    let (convex, folder) = (Convex::start().await, Folder::new());
    let node = folder.node(&convex).await;
    let ada = join(&node, &convex, "ada").await;
    convex.event("joined", "ada#a1").await;

    convex.book().away = true;
    let bayo = join(&node, &convex, "bayo").await;
    say(&bayo, "m1", "alone", &[]);
    let waits = |count: f64| {
        let node = &node;
        until("events to wait", PATIENCE, move || async move {
            let waiting = node
                .metrics()
                .await
                .ok()?
                .total("edge_control_events_waiting");
            (waiting >= count).then_some(())
        })
    };
    // A join, two tracks, and what was said.
    waits(4.0).await.unwrap();
    bayo.leave().await.unwrap();
    let gone = |seen: &e2e::seen::Seen| seen.others.is_empty();
    ada.until("bayo to go", gone).await.unwrap();
    waits(7.0).await.unwrap();

    // Dropped, it is killed.
    drop(node);
    ada.crash();
    let told = convex.book().events.len();
    convex.book().away = false;
    let node = folder.node(&convex).await;
    let left = convex.event("left", "bayo#a1").await;
    assert_eq!(left["room"], ROOM);
    let cleo = join(&node, &convex, "cleo").await;
    convex.event("joined", "cleo#a1").await;
    let book = convex.book();
    assert!(book.events.len() > told);
    let all: std::collections::HashSet<String> = book.events.iter().map(Value::to_string).collect();
    assert_eq!(
        all.len(),
        book.events.len(),
        "told twice: {:#?}",
        book.events
    );
    let place = |kind: &str, who: &str| {
        let is_it = |event: &Value| event["type"] == kind && event["identity"] == who;
        book.events.iter().position(is_it).unwrap()
    };
    assert!(place("joined", "bayo#a1") < place("chat", "bayo#a1"));
    assert!(place("chat", "bayo#a1") < place("left", "bayo#a1"));
    assert!(place("left", "bayo#a1") < place("joined", "cleo#a1"));
    assert_eq!(book.epoch, 2);
    drop(book);
    drop(cleo);
}

#[tokio::test]
async fn a_class_of_twenty_in_a_city_that_is_cut_off_is_told_of_once_afterwards() {
    const CLASS: usize = 20;
    let (convex, folder) = (Convex::start().await, Folder::new());
    let node = folder.node(&convex).await;
    convex.book().away = true;
    let names: Vec<_> = (0..CLASS).map(|n| format!("p{n:02}")).collect();
    let mut class = Vec::new();
    for (n, name) in names.iter().enumerate() {
        // Two speak, all listen.
        let token = convex.token(name, ROOM);
        let silent = PeerOptions::default();
        let options = if n < 2 { PeerOptions::both() } else { silent };
        let peer = Peer::join(&node.url(), &token, options).await.unwrap();
        peer.connected().await.unwrap();
        class.push(peer);
    }
    for peer in &class {
        let all = |seen: &e2e::seen::Seen| seen.others.len() == CLASS - 1;
        peer.until("the whole class", all).await.unwrap();
    }
    for (peer, name) in class.iter().zip(&names) {
        say(peer, name, &format!("{name} is here"), &[]);
    }
    for peer in &class {
        let all = |seen: &e2e::seen::Seen| seen.messages.len() == CLASS - 1;
        peer.until("what the others say", all).await.unwrap();
    }
    class[2].receives_more("p00#a1", 20).await.unwrap();
    for peer in class {
        peer.leave().await.unwrap();
    }

    convex.book().away = false;
    let kinds = ["joined", "chat", "left"];
    let places = |book: &Book, kind: &str, who: &str| -> Vec<usize> {
        let is_it = |event: &Value| event["type"] == kind && event["identity"] == who;
        let events = book.events.iter().enumerate();
        let found = events.filter(|(_, event)| is_it(event));
        found.map(|(place, _)| place).collect()
    };
    let identities: Vec<_> = names.iter().map(|name| format!("{name}#a1")).collect();
    let whole = |book: &Book| {
        let gone = |who: &String| !places(book, "left", who).is_empty();
        identities.iter().all(gone).then_some(())
    };
    convex.until("all of it", whole).await;
    let book = convex.book();
    for who in &identities {
        let places = kinds.map(|kind| places(&book, kind, who));
        assert!(places.iter().all(|it| it.len() == 1), "{who}: {places:?}");
        assert!(places.is_sorted(), "{who}: {places:?}");
    }
}

#[tokio::test]
async fn commands_do_what_server_apis_do() {
    let (convex, folder) = (Convex::start().await, Folder::new());
    let node = folder.node(&convex).await;
    let ada = join(&node, &convex, "ada").await;
    let bayo = join(&node, &convex, "bayo").await;
    let muted = convex
        .command(
            json!({ "id": "c1", "type": "mute", "room": ROOM, "identity": "ada#a1",
                         "source": "microphone", "muted": true }),
        )
        .await;
    assert_eq!(muted["ok"], true, "{muted}");
    let permission = json!({ "canPublish": false, "canSubscribe": true, "canPublishData": true });
    let done = convex
        .command(json!({ "id": "c2", "type": "permissions", "room": ROOM,
                         "identity": "bayo#a1", "permission": permission }))
        .await;
    assert_eq!(done["ok"], true, "{done}");
    let data = json!({ "id": "c3", "type": "data", "room": ROOM, "topic": "tof.host",
                       "text": "hello", "to": [] });
    assert_eq!(convex.command(data).await["ok"], true);
    ada.until("the host's message", |seen| !seen.messages.is_empty())
        .await
        .unwrap();
    let nobody = json!({ "id": "c4", "type": "remove", "room": ROOM, "identity": "nobody" });
    assert_eq!(convex.command(nobody).await["ok"], false);

    let remove = json!({ "id": "c5", "type": "remove", "room": ROOM, "identity": "bayo#a1",
                         "revokeTokens": true });
    let old = convex.token("bayo", ROOM);
    assert_eq!(convex.command(remove).await["ok"], true);
    let left = convex.event("left", "bayo#a1").await;
    assert_eq!(left["reason"], "PARTICIPANT_REMOVED");
    bayo.ended().await.unwrap();
    let refused = Signal::open(&node.url(), V0, &old).await.unwrap();
    assert_eq!(refused.err().unwrap().status, 401);

    let close = json!({ "id": "c6", "type": "close_room", "room": ROOM, "reason": "ended" });
    assert_eq!(convex.command(close).await["ok"], true);
    ada.ended().await.unwrap();
    let ended = |book: &Book| {
        let mut events = book.events.iter();
        events.find(|it| it["type"] == "room_ended").cloned()
    };
    assert_eq!(convex.until("the end", ended).await["reason"], "deleted");

    let drain = json!({ "id": "c7", "type": "drain" });
    assert_eq!(convex.command(drain).await["ok"], true);
    let refused = Signal::open(&node.url(), V0, &convex.token("cleo", ROOM)).await;
    assert_eq!(refused.unwrap().err().unwrap().status, 503);
    let ready = http::get(node.admin(), "/readyz").await.unwrap();
    assert_eq!((ready.status, ready.body.trim()), (503, "draining"));
    let undrain = json!({ "id": "c8", "type": "undrain" });
    assert_eq!(convex.command(undrain).await["ok"], true);
    join(&node, &convex, "cleo").await;
}

#[tokio::test]
async fn who_is_moved_may_do_there_what_its_new_token_says_and_comes_back_there() {
    const GROUP: &str = "ROOM-PHYSICS__b1";
    let (convex, folder) = (Convex::start().await, Folder::new());
    let node = folder.node(&convex).await;
    let ada = join(&node, &convex, "ada").await;
    let bayo = join(&node, &convex, "bayo").await;
    ada.receives_more("bayo#a1", 20).await.unwrap();
    convex.event("joined", "bayo#a1").await;

    // By a token for somebody else, or for another room, nobody goes anywhere.
    let order = |id: &str, from: &str, to: &str, token: String| {
        json!({ "id": id, "type": "move", "room": from, "identity": "bayo#a1", "to": to,
                "token": token })
    };
    for (id, token) in [
        ("w1", convex.token("ada", GROUP)),
        ("w2", convex.token("bayo", ROOM)),
        ("w3", format!("{}x", convex.token("bayo", GROUP))),
    ] {
        let refused = convex.command(order(id, ROOM, GROUP, token)).await;
        assert_eq!(refused["ok"], false, "{refused}");
    }
    assert_eq!(bayo.seen().moved_to, None);

    let listens = convex.token_with("bayo", GROUP, |claims| {
        claims["video"]["canPublish"] = json!(false);
        claims["tof"]["meeting"] = json!("m2");
    });
    let moved = convex.command(order("m1", ROOM, GROUP, listens)).await;
    assert_eq!(moved["ok"], true, "{moved}");
    let there = |room: &'static str, publishes: bool| {
        move |seen: &e2e::seen::Seen| {
            let may = seen.own.permission.as_ref().map(|it| it.can_publish);
            seen.moved_to.as_deref() == Some(room) && may == Some(publishes)
        }
    };
    bayo.until("the group's room", there(GROUP, false))
        .await
        .unwrap();
    ada.until("bayo to go", |seen| seen.others.is_empty())
        .await
        .unwrap();
    let events = |kind: &'static str, count: usize| {
        convex.until("who was where", move |book| {
            let events = book.events.iter();
            let its = events.filter(|it| it["type"] == kind && it["identity"] == "bayo#a1");
            let its: Vec<_> = its.cloned().collect();
            (its.len() == count).then_some(its)
        })
    };
    let left = events("left", 1).await;
    assert_eq!(
        (&left[0]["room"], &left[0]["reason"]),
        (&json!(ROOM), &json!("MIGRATION"))
    );
    let joined = events("joined", 2).await;
    assert_eq!(joined[0]["sid"], joined[1]["sid"]);
    let place = |event: &Value| (event["room"].clone(), event["meetingId"].clone());
    let places: Vec<_> = joined.iter().map(place).collect();
    assert_eq!(
        places,
        [(json!(ROOM), json!("m1")), (json!(GROUP), json!("m2"))]
    );
    assert!(joined[1]["joinMs"].as_u64().unwrap() < 1_000, "{joined:?}");
    let tracks = |book: &Book| {
        let count = |kind: &str| {
            let events = book.events.iter();
            events
                .filter(|it| it["type"] == kind && it["sid"] == joined[0]["sid"])
                .count()
        };
        let counts = (count("track_published"), count("track_unpublished"));
        (counts.0 == counts.1).then_some(counts)
    };
    let (published, _) = convex.until("all of its tracks to end", tracks).await;
    assert!(published >= 2, "{published}");

    // It loses the connection, and finds itself where it was.
    let back = bayo.seen().token;
    bayo.crash();
    let (_signal, again) = Signal::join_by(&node.url(), V0, &back).await.unwrap();
    assert_eq!(again.room.unwrap().name, GROUP);
    let may = again.participant.unwrap().permission.unwrap();
    assert!(!may.can_publish, "{may:?}");
    drop(_signal);

    // Called back, it may do again what it may there.
    let bayo = Peer::join(&node.url(), &back, PeerOptions::default())
        .await
        .unwrap();
    bayo.connected().await.unwrap();
    let called = order("m2", GROUP, ROOM, convex.token("bayo", ROOM));
    let moved = convex.command(called).await;
    assert_eq!(moved["ok"], true, "{moved}");
    bayo.until("the first room", there(ROOM, true))
        .await
        .unwrap();
    assert!(bayo.seen().others.contains_key("ada#a1"));

    // Without a token it goes, too, but what it has leads back to where it was let in.
    let mut bare = order("m3", ROOM, GROUP, String::new());
    bare.as_object_mut().unwrap().remove("token");
    let moved = convex.command(bare).await;
    assert_eq!(moved["ok"], true, "{moved}");
    bayo.until("the group's room", there(GROUP, true))
        .await
        .unwrap();
    let back = bayo.seen().token;
    drop(bayo);
    let (_signal, again) = Signal::join_by(&node.url(), V0, &back).await.unwrap();
    assert_eq!(again.room.unwrap().name, ROOM);
}

#[tokio::test]
async fn the_door_follows_the_control_plane_and_its_last_word_when_it_is_away() {
    let (convex, folder) = (Convex::start().await, Folder::new());
    let node = folder.node(&convex).await;
    let refused = Signal::open(&node.url(), V0, &token(ROOM, "app").unwrap()).await;
    assert_eq!(
        refused.unwrap().err().unwrap().status,
        401,
        "an app's token"
    );
    let listed = server_api::names(&node).await.unwrap();
    assert!(listed.is_empty(), "server APIs still take the app's keys");

    let (mut signal, _) = Signal::join_by(&node.url(), V0, &convex.token("ada", ROOM))
        .await
        .unwrap();
    let refresh = signal
        .hear_until("a refresh token", PATIENCE, |heard| {
            let Response::RefreshToken(token) = heard.response()? else {
                return None;
            };
            Some(token.clone())
        })
        .await
        .unwrap();
    drop(signal);

    let room = json!({ "room": ROOM, "roomSid": "RM_abcdef", "generation": 4, "locked": true,
                       "maxParticipants": 5, "tokens": "ours", "nodes": ["lagos-1"] });
    {
        let mut book = convex.book();
        book.desired["rooms"] = json!([room]);
        book.desired["hash"] = json!("second");
    }
    let locked = || async {
        let opened = Signal::open(&node.url(), V0, &convex.token("bayo", ROOM)).await;
        let refused = opened.ok()?.err()?;
        (refused.status == 403).then_some(refused.body)
    };
    let body = until("the room to be locked", PATIENCE, locked)
        .await
        .unwrap();
    assert!(body.contains("locked"), "{body}");
    let back = Signal::join_by(&node.url(), V0, &refresh).await;
    assert!(
        back.is_ok(),
        "who was in comes back by what this node signed"
    );

    drop((back, node));
    convex.book().away = true;
    let node = folder.node(&convex).await;
    let refused = Signal::open(&node.url(), V0, &convex.token("bayo", ROOM)).await;
    let status = refused.unwrap().err().unwrap().status;
    assert_eq!(status, 403, "the last word holds");
    let (_signal, joined) = Signal::join_by(&node.url(), V0, &refresh).await.unwrap();
    let room = joined.room.unwrap();
    assert_eq!((room.sid.as_str(), room.max_participants), ("RM_abcdef", 5));
}
