//! Datagrams that no client would send: no answer worth sending them for, nothing
//! forwarded, and the call beside them loses nothing.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{
    net::Ipv4Addr,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use e2e::{
    call::{Call, ROOM},
    node::{Node, rust_peer},
    peer::{Peer, PeerOptions},
    tap::Tap,
    tokens,
    until::{PATIENCE, until},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::net::UdpSocket;

/// A call in which we hold Ada's wire.
async fn tapped_call() -> (Call, Arc<Tap>) {
    let node = Node::start().await.unwrap();
    let tap = Arc::new(Tap::to(node.shards()[0]).await.unwrap());
    let options = PeerOptions {
        publisher_tap: Some(Arc::clone(&tap)),
        ..PeerOptions::both()
    };
    (Call::on(node, options).await.unwrap(), tap)
}

/// Sends from an address the node has never seen, and answers with the bytes that came back
/// while the call went on.
async fn strangers_answer(call: &Call, datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let socket = stranger(call).await;
    for datagram in datagrams {
        socket.send(datagram).await.unwrap();
    }
    // Longer than any answer takes.
    call.goes_on().await.unwrap();
    answers(&socket)
}

/// An address the node has never seen.
async fn stranger(call: &Call) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(call.node.shards()[0]).await.unwrap();
    socket
}

/// What came back so far.
fn answers(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    let mut buffer = [0; 2048];
    while let Ok(length) = socket.try_recv(&mut buffer) {
        answers.push(buffer[..length].to_vec());
    }
    answers
}

/// Injects from Ada's validated address, and waits until all of it is counted as dropped.
async fn are_dropped(call: &Call, tap: &Tap, datagrams: &[Vec<u8>]) {
    let before = call.node.metrics().await.unwrap().dropped();
    for datagram in datagrams {
        tap.inject(datagram).await.unwrap();
    }
    let wanted = before + datagrams.len() as f64;
    until("the drops to be counted", PATIENCE, || async {
        (call.node.metrics().await.ok()?.dropped() >= wanted).then_some(())
    })
    .await
    .unwrap();
    call.goes_on().await.unwrap();
}

async fn captured(what: &str, tap: &Tap, choose: impl Fn(&Tap) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let wait = || async { Some(choose(tap)).filter(|captured| captured.len() >= 20) };
    until(what, PATIENCE, wait).await.unwrap()
}

#[tokio::test]
async fn bad_i1_i2_stun_without_or_with_wrong_integrity_is_no_amplifier() {
    let (call, tap) = tapped_call().await;
    let request = tap
        .captured()
        .into_iter()
        .find(|datagram| datagram[..2] == [0, 1] && datagram[4..8] == COOKIE)
        .expect("no connectivity check was captured");
    let username = attribute(&request, USERNAME)
        .expect("a check names its user")
        .to_vec();

    let mut tampered = request.clone();
    let integrity = attribute_at(&request, MESSAGE_INTEGRITY).expect("a check is signed");
    tampered[integrity] ^= 1;
    let mut many = Vec::new();
    for number in 0..300_u16 {
        many.push((0x8000 | number, vec![1; 4]));
    }
    let hostile = [
        ("no attributes", stun(1, &[])),
        (
            "a user, no integrity",
            stun(1, &[(USERNAME, username.clone())]),
        ),
        (
            "a user, an integrity of zeros",
            stun(
                1,
                &[
                    (USERNAME, username.clone()),
                    (MESSAGE_INTEGRITY, vec![0; 20]),
                ],
            ),
        ),
        ("an integrity off by a bit", tampered),
        (
            "an unknown user",
            stun(
                1,
                &[
                    (USERNAME, b"nobody:else".to_vec()),
                    (MESSAGE_INTEGRITY, vec![0; 20]),
                ],
            ),
        ),
        ("a long user", stun(1, &[(USERNAME, vec![b'u'; 600])])),
        (
            "an unknown attribute that must be understood",
            stun(1, &[(0x7f01, vec![0; 8])]),
        ),
        ("hundreds of attributes", stun(1, &many)),
        (
            "an indication",
            stun(0x0011, &[(USERNAME, username.clone())]),
        ),
        ("a response", stun(0x0101, &[(USERNAME, username.clone())])),
        (
            "an allocation",
            stun(0x0003, &[(0x0019, vec![17, 0, 0, 0])]),
        ),
        (
            "a length that lies",
            with_length(stun(1, &[(USERNAME, username)]), 2_000),
        ),
        ("half of one", request[..request.len() / 2].to_vec()),
        ("a header alone", request[..20].to_vec()),
        ("less than a header", request[..19].to_vec()),
    ];
    let mut asked = Vec::new();
    for (what, datagram) in hostile {
        let socket = stranger(&call).await;
        socket.send(&datagram).await.unwrap();
        asked.push((what, socket, datagram.len()));
    }
    call.goes_on().await.unwrap();
    for (what, socket, sent) in asked {
        let received: usize = answers(&socket).iter().map(Vec::len).sum();
        assert!(received <= sent, "{what}: {received} bytes for {sent}");
    }
}

/// Ada's connectivity checks so far.
fn checks(tap: &Tap) -> Vec<Vec<u8>> {
    let mut checks = tap.captured();
    checks.retain(|datagram| {
        datagram.len() > 20 && datagram[..2] == [0, 1] && datagram[4..8] == COOKIE
    });
    checks
}

#[tokio::test]
async fn bad_i3_a_check_of_ones_own_in_anothers_name_does_not_take_its_address() {
    let (call, tap) = tapped_call().await;
    // Mallory is a participant by right, if not in this room.
    let wire = Arc::new(Tap::to(call.node.shards()[0]).await.unwrap());
    let options = PeerOptions {
        publisher_tap: Some(Arc::clone(&wire)),
        ..PeerOptions::both()
    };
    let token = tokens::token("elsewhere", "mallory").unwrap();
    let mallory = Peer::join(&call.node.url(), &token, options).await.unwrap();
    mallory.connected().await.unwrap();
    let checks = checks(&wire);
    assert!(!checks.is_empty());
    for check in &checks {
        tap.inject(check).await.unwrap();
    }
    until("the checks to be refused", PATIENCE, || async {
        let metrics = call.node.metrics().await.ok()?;
        let refused = metrics.of("edge_datagrams_dropped_total", "address_taken");
        (refused >= checks.len() as f64).then_some(())
    })
    .await
    .unwrap();
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_i7_checks_sent_again_by_a_stranger_do_not_draw_the_call_to_it() {
    let (call, tap) = tapped_call().await;
    let mut overheard = checks(&tap);
    overheard.drain(..overheard.len().saturating_sub(10));
    assert!(!overheard.is_empty());
    let answers = strangers_answer(&call, &overheard).await;
    assert!(answers.is_empty(), "{answers:02x?}");
    let metrics = call.node.metrics().await.unwrap();
    let refused = metrics.of("edge_datagrams_dropped_total", "stun_replay");
    assert_eq!(refused, overheard.len() as f64);
}

#[tokio::test]
async fn bad_d1_dtls_from_an_address_that_passed_no_ice_is_ignored() {
    let (call, _tap) = tapped_call().await;
    let answers = strangers_answer(&call, &[client_hello(), client_hello(), alert()]).await;
    assert!(answers.is_empty(), "{answers:?}");
}

#[tokio::test]
async fn bad_r1_i6_media_and_noise_from_strangers_are_ignored() {
    let (call, tap) = tapped_call().await;
    let mut seeded = StdRng::seed_from_u64(7_882);
    let mut datagrams: Vec<Vec<u8>> = (0..5_000).map(|_| noise(&mut seeded)).collect();
    datagrams.extend(captured("Ada's media", &tap, Tap::captured_rtp).await);
    datagrams.extend(tap.captured_rtcp());
    let answers = strangers_answer(&call, &datagrams).await;
    assert!(answers.is_empty(), "{answers:?}");
}

#[tokio::test]
async fn bad_i6_a_flood_from_many_ports_does_not_reach_the_call() {
    let (call, _tap) = tapped_call().await;
    let at = call.node.shards()[0];
    let mut seeded = StdRng::seed_from_u64(17);
    for _ in 0..200 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        for _ in 0..50 {
            socket.send_to(&noise(&mut seeded), at).await.unwrap();
        }
    }
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_r2_rtp_with_a_bad_tag_is_dropped_and_counted() {
    let (call, tap) = tapped_call().await;
    let mut forged = captured("Ada's media", &tap, Tap::captured_rtp).await;
    for (ahead, datagram) in forged.iter_mut().enumerate() {
        // Ahead of all that was sent, so that nothing but the tag speaks against it.
        let number =
            u16::from_be_bytes([datagram[2], datagram[3]]).wrapping_add(500 + ahead as u16);
        datagram[2..4].copy_from_slice(&number.to_be_bytes());
        let last = datagram.len() - 1;
        datagram[last] ^= 0x55;
    }
    are_dropped(&call, &tap, &forged).await;
}

#[tokio::test]
async fn bad_r2_a_hundred_thousand_bad_tags_do_not_end_the_call() {
    let (call, tap) = tapped_call().await;
    let mut forged = captured("Ada's media", &tap, Tap::captured_rtp)
        .await
        .remove(0);
    let last = forged.len() - 1;
    for round in 0..100_000_u32 {
        forged[last] = forged[last].wrapping_add(1 + (round % 255) as u8);
        tap.inject(&forged).await.unwrap();
        // Lets Ada's own packets through between ours.
        if round % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // So much at once may push true packets out of a full socket; what counts is that it goes on.
    call.bayo.receives_more("ada", 50).await.unwrap();
    assert!(call.bayo.seen().end.is_none() && call.ada.seen().end.is_none());
}

#[tokio::test]
async fn bad_r3_what_was_received_once_is_not_received_again() {
    let (call, tap) = tapped_call().await;
    let replayed = captured("Ada's media", &tap, Tap::captured_rtp).await;
    are_dropped(&call, &tap, &replayed).await;
    let reports = tap.captured_rtcp();
    let all: Vec<_> = replayed.iter().rev().chain(&reports).cloned().collect();
    for datagram in &all {
        tap.inject(datagram).await.unwrap();
    }
    // Nobody gets anything twice: `goes_on` looks.
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_r1_r5_r13_rtp_and_rtcp_in_the_clear_are_dropped_even_from_a_known_address() {
    let (call, tap) = tapped_call().await;
    let sealed = captured("Ada's media", &tap, Tap::captured_rtp)
        .await
        .remove(0);
    let ssrc = sealed[8..12].to_vec();
    let rtp = |first: u8, length: usize, tail: &[u8]| {
        let mut datagram = vec![first, 96, 0x12, 0x34, 0, 0, 0, 1];
        datagram.extend(&ssrc);
        datagram.resize(12 + length, 0);
        datagram.extend(tail);
        datagram
    };
    let rtcp = |kind: u8, body: &[u8]| {
        let words = (4 + body.len() as u16) / 4;
        [&[0x81, kind][..], &words.to_be_bytes(), &ssrc, body].concat()
    };
    let datagrams = vec![
        rtp(0x80, 200, &[]),
        // Padding of 255 in a packet of 20, and of 0.
        rtp(0xa0, 20, &[0xff]),
        rtp(0xa0, 20, &[0x00]),
        // Fifteen contributing sources that are not there.
        rtp(0x8f, 4, &[]),
        // An extension of 65,535 words.
        rtp(0x90, 0, &[0xbe, 0xde, 0xff, 0xff, 1, 2, 3, 4]),
        rtp(0x80, 0, &[]),
        // Keyframe requests, a goodbye, a sender report, resends of everything.
        rtcp(206, &ssrc),
        rtcp(203, &[]),
        rtcp(200, &[0; 20]),
        rtcp(205, &[&ssrc[..], &[0, 0, 0xff, 0xff].repeat(300)].concat()),
        // A compound whose lengths lie.
        [rtcp(200, &[0; 20]), vec![0x81, 202, 0xff, 0xff, 1]].concat(),
    ];
    are_dropped(&call, &tap, &datagrams).await;
}

#[tokio::test]
async fn bad_d2_d5_d6_handshakes_and_alerts_in_the_clear_do_not_end_a_connection_that_is_up() {
    let (call, tap) = tapped_call().await;
    let zero_length = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0];
    let mut fragments = Vec::new();
    for number in 0..200_u8 {
        // One byte of a message of 16 MiB.
        let head = [1, 0xff, 0xff, 0xff, 0, number, 0, 0, number, 0, 0, 1, 7];
        fragments.push(
            [
                &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, number, 0, 13][..],
                &head,
            ]
            .concat(),
        );
    }
    let data = [
        &[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 99, 0, 64][..],
        &[7; 64],
    ]
    .concat();
    for datagram in [
        client_hello(),
        alert(),
        zero_length,
        data,
        vec![20],
        vec![22; 1400],
    ]
    .into_iter()
    .chain(fragments)
    {
        tap.inject(&datagram).await.unwrap();
    }
    call.goes_on().await.unwrap();
    // Nor later: channels still carry what is said.
    call.ada.send_data("_reliable", b"still here", &[]).unwrap();
    let heard = |seen: &e2e::seen::Seen| seen.messages.iter().any(|m| m.payload == b"still here");
    call.bayo.until("a message", heard).await.unwrap();
}

#[tokio::test]
async fn bad_c1_unknown_data_channels_and_garbage_on_known_ones_hurt_nobody() {
    let call = Call::start().await.unwrap();
    for channel in ["_reliable", "_lossy", "_data_track", "strange", "__proto__"] {
        for bytes in [vec![], vec![0xff; 100], vec![0; 60_000], b"text".to_vec()] {
            call.ada.send_raw_data(channel, bytes).unwrap();
        }
    }
    call.ada.send_data("_reliable", b"after all", &[]).unwrap();
    let heard = |seen: &e2e::seen::Seen| seen.messages.iter().any(|m| m.payload == b"after all");
    call.bayo.until("a message", heard).await.unwrap();
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_i5_who_vanishes_is_missed_before_long() {
    let node = Node::start().await.unwrap();
    let token = tokens::token(ROOM, "ada").unwrap();
    let mut ada = Command::new(rust_peer().unwrap())
        .args(["--url", &node.url(), "--token", &token])
        .args(["--publish", "audio,video", "--seconds", "120"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let token = tokens::token(ROOM, "bayo").unwrap();
    let bayo = Peer::join_call(&node.url(), &token).await.unwrap();
    bayo.until("ada", |seen| seen.sees_and_hears("ada", 20))
        .await
        .unwrap();
    // Not a word to anybody: its process is no more.
    ada.kill().unwrap();
    ada.wait().unwrap();
    let limit = Duration::from_secs(30);
    bayo.until_within(limit, "ada to be gone", |seen| seen.gone == ["ada"])
        .await
        .unwrap();
}

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;

/// A STUN message (RFC 8489) with these attributes.
fn stun(kind: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in attributes {
        body.extend(name.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let head = [
        &kind.to_be_bytes()[..],
        &(body.len() as u16).to_be_bytes(),
        &COOKIE,
        &[7; 12],
    ];
    [&head.concat()[..], &body].concat()
}

fn with_length(mut message: Vec<u8>, length: u16) -> Vec<u8> {
    message[2..4].copy_from_slice(&length.to_be_bytes());
    message
}

/// Where an attribute's value begins.
fn attribute_at(message: &[u8], name: u16) -> Option<usize> {
    let mut at = 20;
    while let Some(head) = message.get(at..at + 4) {
        if u16::from_be_bytes([head[0], head[1]]) == name {
            return Some(at + 4);
        }
        at += 4 + usize::from(u16::from_be_bytes([head[2], head[3]])).next_multiple_of(4);
    }
    None
}

fn attribute(message: &[u8], name: u16) -> Option<&[u8]> {
    let at = attribute_at(message, name)?;
    let length = u16::from_be_bytes([message[at - 2], message[at - 1]]);
    message.get(at..at + usize::from(length))
}

/// A DTLS 1.2 ClientHello (RFC 6347) that offers no encryption at all, in one fragment.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0xfe, 0xfd];
    hello.extend([0x5a; 32]);
    // No session, no cookie, TLS_NULL_WITH_NULL_NULL, no compression.
    hello.extend([0, 0, 0, 2, 0, 0, 1, 0]);
    let length = [0, 0, hello.len() as u8];
    let message = [&[1][..], &length, &[0, 0, 0, 0, 0], &length, &hello].concat();
    let record = [
        22,
        0xfe,
        0xfd,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        message.len() as u8,
    ];
    [&record[..], &message].concat()
}

/// A fatal alert in the clear.
fn alert() -> Vec<u8> {
    vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 5, 0, 2, 2, 40]
}

/// Random bytes behind a first byte of STUN, DTLS, RTP or nothing.
fn noise(seeded: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; seeded.random_range(1..1_400)];
    seeded.fill(&mut bytes[..]);
    let firsts = [0x00, 0x01, 0x14, 0x16, 0x17, 0x40, 0x80, 0x90, 0xbf, 0xff];
    bytes[0] = firsts[seeded.random_range(0..firsts.len())];
    bytes
}
