//! Signalling that no client would send: each has its answer, and a call beside it goes on.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{net::Ipv4Addr, time::Duration};

use e2e::{
    call::{Call, ROOM},
    http,
    metrics::Metrics,
    seen::Seen,
    signal::{Heard, Packing, Request, Response, Signal, join_request, v1},
    tokens::{self, KEY, SECRET, sign, unix_now},
    until::{PATIENCE, until},
};
use livekit_protocol::{
    AddTrackRequest, MuteTrackRequest, Ping, SessionDescription, SignalRequest, SignalTarget,
    TrickleRequest, UpdateSubscription,
};
use prost::Message as _;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::net::UdpSocket;
use tokio_tungstenite::tungstenite::Message;

/// How the node takes it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It answers the next ping: what came before was passed over, or answered.
    GoesOn,
    /// It says goodbye, and then closes with this code.
    SentAway(u16),
    /// It closes with a code that is no farewell's: a client comes back.
    Closed(u16),
    /// It cuts the connection.
    Cut,
}

/// Asks for a sign of life, and looks what comes.
async fn outcome(signal: &mut Signal) -> Outcome {
    let ping = Ping {
        timestamp: 4_711,
        ..Ping::default()
    };
    if signal.send(Request::PingReq(ping)).await.is_err() {
        return Outcome::Cut;
    }
    let mut leave = false;
    signal
        .hear_until("a sign of life, or an end", PATIENCE, |heard| {
            leave |= matches!(heard.response(), Some(Response::Leave(_)));
            match heard {
                Heard::Closed(code) if leave => Some(Outcome::SentAway(*code)),
                Heard::Closed(code) => Some(Outcome::Closed(*code)),
                Heard::Broken(_) => Some(Outcome::Cut),
                Heard::Response(_) | Heard::Unknown => {
                    let Response::PongResp(pong) = heard.response()? else {
                        return None;
                    };
                    (pong.last_ping_timestamp == 4_711).then_some(Outcome::GoesOn)
                }
            }
        })
        .await
        .unwrap()
}

/// Whether somebody was sent away with `code`, and that was counted. Who goes on sending
/// may find the connection cut before it reads why.
async fn expelled(call: &Call, heard: &Outcome, code: u16, (reason, times): (&str, f64)) {
    assert!(
        matches!(heard, Outcome::Cut) || *heard == Outcome::SentAway(code),
        "{heard:?}"
    );
    let counted = || async {
        let metrics = call.node.metrics().await.ok()?;
        (metrics.of("edge_signal_errors_total", reason) == times).then_some(())
    };
    until("the refusal to be counted", PATIENCE, counted)
        .await
        .unwrap();
}

/// A close with 1000 and no farewell freezes some clients: never that.
fn is_defined(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Closed(1000 | 1005))
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(length as u64).fill(&mut bytes[..]);
    bytes
}

#[tokio::test]
async fn bad_w6_frames_of_garbage_end_at_most_the_connection_they_came_by() {
    let call = Call::start().await.unwrap();
    let deep = "[".repeat(10_000);
    let cases = [
        ("no bytes", Message::Binary(Vec::new().into())),
        ("a byte", Message::Binary(vec![0xff].into())),
        ("random bytes", Message::Binary(random(1_000).into())),
        ("many random bytes", Message::Binary(random(100_000).into())),
        (
            "a length that lies",
            Message::Binary(vec![0x0a, 0xff, 0xff, 0xff, 0x7f].into()),
        ),
        (
            "no UTF-8 where text belongs",
            Message::Binary(vec![0x0a, 0x03, 0x0a, 0x01, 0xff].into()),
        ),
        ("text", Message::Text("hello".into())),
        (
            "the same announcement twice",
            Message::Binary([TWICE, TWICE].concat().into()),
        ),
        ("JSON of nothing", Message::Text("{}".into())),
        (
            "JSON of the unknown",
            Message::Text(r#"{"destroy":{"all":true}}"#.into()),
        ),
        ("deep JSON", Message::Text(deep.into())),
        ("a ping", Message::Ping(vec![1; 125].into())),
        (
            "a pong nobody asked for",
            Message::Pong(vec![1; 125].into()),
        ),
    ];
    let sane = call.node.metrics().await.unwrap();
    for (index, (what, message)) in cases.into_iter().enumerate() {
        let mut signal = call.stranger(&format!("stranger-{index}")).await.unwrap();
        signal.send_raw(message).await.unwrap();
        let outcome = outcome(&mut signal).await;
        assert!(is_defined(&outcome), "{what}: {outcome:?}");
    }
    let unreadable = |metrics: &Metrics| metrics.of("edge_signal_errors_total", "unreadable");
    let now = call.node.metrics().await.unwrap();
    assert!(unreadable(&now) > unreadable(&sane));
    call.goes_on().await.unwrap();
}

/// An AddTrack with a `cid`.
const TWICE: &[u8] = &[0x22, 3, 0x0a, 1, b'c'];

#[tokio::test]
async fn bad_w4_a_message_over_two_mebibytes_ends_its_connection() {
    let call = Call::start().await.unwrap();
    let mut signal = call.stranger("stranger").await.unwrap();
    // The rest may find the connection closed already.
    let _ = signal
        .send_raw(Message::Binary(vec![0; 2 * 1024 * 1024 + 1].into()))
        .await;
    let outcome = outcome(&mut signal).await;
    expelled(&call, &outcome, 1009, ("too_large", 1.0)).await;

    // In many frames it is no smaller.
    let mut signal = call.stranger("stranger").await.unwrap();
    let offer = offer("v=0\r\n".repeat(600_000));
    let _ = signal.send(offer).await;
    let outcome = self::outcome(&mut signal).await;
    assert!(
        is_defined(&outcome) && outcome != Outcome::GoesOn,
        "{outcome:?}"
    );
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_w11_what_is_unknown_or_out_of_order_is_passed_over() {
    let call = Call::start().await.unwrap();
    let answer = |id| SessionDescription {
        id,
        sdp: SDP.to_owned(),
        ..typed("answer")
    };
    let mute = MuteTrackRequest {
        sid: "TR_nobody".to_owned(),
        muted: true,
    };
    let subscription = UpdateSubscription {
        track_sids: (0..1_000).map(|number| format!("TR_{number}")).collect(),
        subscribe: true,
        ..UpdateSubscription::default()
    };
    // Field 99 of a request from the future, and a field of a known one.
    let unknown = Message::Binary(vec![0x9a, 0x06, 0x02, 0x08, 0x01].into());
    let mut signal = call.stranger("stranger").await.unwrap();
    signal.send_raw(unknown).await.unwrap();
    assert_eq!(
        outcome(&mut signal).await,
        Outcome::GoesOn,
        "an unknown message"
    );
    for (what, request) in [
        ("an answer to no offer", Request::Answer(answer(4_000_000))),
        ("a mute of nobody's track", Request::Mute(mute)),
        (
            "a wish for tracks that are not there",
            Request::Subscription(subscription),
        ),
        ("a ping of the past", Request::Ping(i64::MIN)),
    ] {
        signal.send(request).await.unwrap();
        assert_eq!(outcome(&mut signal).await, Outcome::GoesOn, "{what}");
    }
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_w8_s10_ten_thousand_candidates_hurt_nobody_and_none_is_sent_to() {
    let call = Call::start().await.unwrap();
    let mut signal = call.stranger("stranger").await.unwrap();
    let victim = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = victim.local_addr().unwrap().port();
    let by_number = format!("127.0.0.1 {port}");
    let by_name = format!("localhost {port}");
    // The same in a description, and chosen by it.
    let candidates: String = [&by_number, &by_name]
        .map(|place| format!("a=candidate:1 1 udp 2113937151 {place} typ host\r\n"))
        .concat();
    signal
        .send(offer(format!("{SDP}{candidates}")))
        .await
        .unwrap();
    assert_eq!(outcome(&mut signal).await, Outcome::GoesOn);
    let places = [
        by_number.as_str(),
        by_name.as_str(),
        "10.0.0.1 9",
        "0.0.0.0 1",
        "255.255.255.255 7",
        "224.0.0.1 5004",
        "127.0.0.1 22",
        "169.254.169.254 80",
        "::1 22",
        "::ffff:127.0.0.1 22",
        "example.org 80",
        "3f1a2b.local 5000",
        "1.2.3.4 99999",
        "1.2.3.4 -1",
        "1.2.3.4 0",
    ];
    for number in 0..10_000 {
        let place = places[number % places.len()];
        let candidate = format!("candidate:{number} 1 udp 2113937151 {place} typ host");
        let init = json!({ "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0 });
        let target = [SignalTarget::Publisher, SignalTarget::Subscriber][number % 2];
        let trickle = trickle(init.to_string(), target);
        // A node that has enough of it closes.
        if signal.send(trickle).await.is_err() {
            break;
        }
    }
    let outcome = outcome(&mut signal).await;
    expelled(&call, &outcome, 1008, ("too_many", 1.0)).await;
    call.goes_on().await.unwrap();
    assert!(victim.try_recv(&mut [0; 2048]).is_err(), "nothing came");
}

#[tokio::test]
async fn bad_w6_candidates_that_are_none_are_answered_or_passed_over() {
    let call = Call::start().await.unwrap();
    let mut signal = call.stranger("stranger").await.unwrap();
    for init in [
        "",
        "null",
        "[]",
        "{",
        "{}",
        r#"{"candidate":""}"#,
        r#"{"candidate":7}"#,
        r#"{"candidate":"candidate:"}"#,
        r#"{"candidate":"candidate:1 1 udp","sdpMLineIndex":-1}"#,
    ] {
        signal
            .send(trickle(init.to_owned(), SignalTarget::Publisher))
            .await
            .unwrap();
        assert_eq!(outcome(&mut signal).await, Outcome::GoesOn, "{init}");
    }
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_s1_s4_s5_s6_s9_a_hostile_description_is_refused_or_answered_and_nothing_else_happens()
{
    let call = Call::start().await.unwrap();
    for (index, (what, sdp)) in hostile_descriptions().into_iter().enumerate() {
        let mut signal = call.stranger(&format!("stranger-{index}")).await.unwrap();
        signal.send(offer(sdp.clone())).await.unwrap();
        let heard = outcome(&mut signal).await;
        assert!(is_defined(&heard), "{what}: {heard:?}");
        // The same as an answer to the server's first offer.
        let mut signal = call.stranger(&format!("answerer-{index}")).await.unwrap();
        let id = signal
            .hear_until("the server's offer", PATIENCE, |heard| {
                let Response::Offer(offer) = heard.response()? else {
                    return None;
                };
                Some(offer.id)
            })
            .await
            .unwrap();
        let answer = SessionDescription {
            id,
            sdp,
            ..typed("answer")
        };
        signal.send(Request::Answer(answer)).await.unwrap();
        let heard = outcome(&mut signal).await;
        assert!(is_defined(&heard), "{what}, as an answer: {heard:?}");
    }
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_w7_w10_a_flood_of_messages_or_pings_is_told_to_go() {
    let ping = Ping::default();
    let request = SignalRequest {
        message: Some(Request::PingReq(ping)),
    };
    let call = Call::start().await.unwrap();
    for (times, message) in [
        (1.0, Message::Binary(request.encode_to_vec().into())),
        (2.0, Message::Ping(vec![1; 125].into())),
    ] {
        let mut signal = call.stranger("stranger").await.unwrap();
        for _ in 0..1_500 {
            if signal.send_raw(message.clone()).await.is_err() {
                break;
            }
        }
        let outcome = outcome(&mut signal).await;
        expelled(&call, &outcome, 1008, ("too_many", times)).await;
    }
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_s8_who_renegotiates_without_end_is_told_to_go() {
    let call = Call::start().await.unwrap();
    let mut signal = call.stranger("stranger").await.unwrap();
    for id in 1..=400 {
        let again = SessionDescription {
            id,
            sdp: SDP.to_owned(),
            ..typed("offer")
        };
        if signal.send(Request::Offer(again)).await.is_err() {
            break;
        }
    }
    let outcome = outcome(&mut signal).await;
    expelled(&call, &outcome, 1008, ("too_many_descriptions", 1.0)).await;
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn sp_8_bad_w11_offers_that_come_all_at_once_are_answered_in_order() {
    let call = Call::start().await.unwrap();
    let mut signal = call.stranger("stranger").await.unwrap();
    let burst = 3..=30;
    for id in burst.clone() {
        let again = SessionDescription {
            id,
            sdp: SDP.to_owned(),
            ..typed("offer")
        };
        signal.send(Request::Offer(again)).await.unwrap();
    }
    let mut answered = Vec::new();
    signal
        .hear_until("an answer to each", PATIENCE, |heard| {
            if let Some(Response::Answer(answer)) = heard.response() {
                answered.push(answer.id);
            }
            (answered.last() == Some(burst.end())).then_some(())
        })
        .await
        .unwrap();
    assert_eq!(answered, burst.collect::<Vec<_>>());
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_w7_a_flood_of_requests_stays_with_its_sender() {
    let call = Call::start().await.unwrap();
    let mut signal = call.stranger("stranger").await.unwrap();
    for number in 0..300_u32 {
        let add = AddTrackRequest {
            cid: number.to_string(),
            ..AddTrackRequest::default()
        };
        let description = SessionDescription {
            id: number + 1,
            sdp: SDP.to_owned(),
            ..typed("offer")
        };
        let sent = [
            signal.send(Request::AddTrack(add)).await.is_ok(),
            signal.send(Request::Offer(description)).await.is_ok(),
            signal.send(Request::Ping(0)).await.is_ok(),
        ];
        if sent.contains(&false) {
            break;
        }
    }
    let outcome = outcome(&mut signal).await;
    assert!(is_defined(&outcome), "{outcome:?}");
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_w9_who_never_reads_does_not_hold_up_the_others() {
    let call = Call::start().await.unwrap();
    let token = tokens::token(ROOM, "deaf").unwrap();
    let (deaf, _) = Signal::join(&call.node.url(), &token).await.unwrap();
    call.ada
        .until("the deaf one", |seen| seen.others.contains_key("deaf"))
        .await
        .unwrap();
    // More than any socket keeps is said to everybody.
    let admin = json!({
        "iss": KEY, "nbf": unix_now() - 10, "exp": unix_now() + 600,
        "video": { "roomAdmin": true, "room": ROOM },
    });
    let bearer = format!("Bearer {}", sign(&admin, SECRET).unwrap());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    for round in 0..60 {
        let metadata = format!("{round}{}", "m".repeat(250_000));
        let body = json!({ "room": ROOM, "metadata": metadata }).to_string();
        let path = "/twirp/livekit.RoomService/UpdateRoomMetadata";
        let done = http::send(call.node.http(), "POST", path, &headers, body.as_bytes());
        assert_eq!(done.await.unwrap().status, 200);
    }
    call.goes_on().await.unwrap();
    let gone = |seen: &Seen| !seen.others.contains_key("deaf");
    call.ada
        .until_within(Duration::from_secs(30), "the deaf one to be gone", gone)
        .await
        .unwrap();
    drop(deaf);
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn ws_3_st_4_who_says_nothing_is_pinged_and_stays() {
    let call = Call::start().await.unwrap();
    // With one connection, which the server never offers to: nothing is owed to it.
    let path = v1(&join_request(), Packing::Plain).unwrap();
    let token = tokens::token("elsewhere", "silent").unwrap();
    let joined = Signal::join_by(&call.node.url(), &path, &token).await;
    let (mut silent, _) = joined.unwrap();
    // Half a minute: twice the time-out that clients have for the server.
    for _ in 0..4 {
        let ping = silent.hear_ping(Duration::from_secs(15)).await;
        ping.expect("a ping every ten seconds");
    }
    assert_eq!(outcome(&mut silent).await, Outcome::GoesOn);
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn st_4_whose_pings_are_held_up_hears_that_the_server_is_there() {
    let call = Call::start().await.unwrap();
    let mut held_up = call.stranger("held up").await.unwrap();
    let asked_for_nothing = async {
        loop {
            if let Some(Response::Pong(_)) = held_up.next().await.response() {
                return;
            }
        }
    };
    // Clients give up after six seconds without a word.
    let sign = tokio::time::timeout(Duration::from_secs(5), asked_for_nothing).await;
    sign.expect("a sign of life within five seconds");
}

#[tokio::test]
async fn bad_a7_what_is_no_http_is_refused() {
    let call = Call::start().await.unwrap();
    let at = call.node.http();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /rtc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n".to_vec(),
        [b"GET / HTTP/1.1\r\n".to_vec(), b"X: y\r\n".repeat(10_000), b"\r\n".to_vec()].concat(),
        [&[b'A'; 200_000][..], b"\r\n\r\n"].concat(),
    ] {
        // It may close while we still write.
        let answer = http::exchange(at, &bytes).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    call.goes_on().await.unwrap();
}

fn typed(kind: &str) -> SessionDescription {
    SessionDescription {
        r#type: kind.to_owned(),
        ..SessionDescription::default()
    }
}

fn offer(sdp: String) -> Request {
    Request::Offer(SessionDescription {
        id: 1,
        sdp,
        ..typed("offer")
    })
}

fn trickle(candidate_init: String, target: SignalTarget) -> Request {
    Request::Trickle(TrickleRequest {
        candidate_init,
        target: target as i32,
        r#final: false,
    })
}

/// An offer that is in order: sound, picture, data.
const SDP: &str = "v=0\r\n\
o=- 1 2 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0 1 2\r\n\
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
a=ice-ufrag:abcd\r\n\
a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
a=setup:actpass\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
c=IN IP4 0.0.0.0\r\n\
a=mid:0\r\n\
a=sendrecv\r\n\
a=rtcp-mux\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=ssrc:1111 cname:x\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n\
c=IN IP4 0.0.0.0\r\n\
a=mid:1\r\n\
a=sendrecv\r\n\
a=rtcp-mux\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=rtpmap:96 VP8/90000\r\n\
a=rtcp-fb:96 nack pli\r\n\
a=rtpmap:97 rtx/90000\r\n\
a=fmtp:97 apt=96\r\n\
a=ssrc-group:FID 2222 3333\r\n\
a=ssrc:2222 cname:x\r\n\
a=ssrc:3333 cname:x\r\n\
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
c=IN IP4 0.0.0.0\r\n\
a=mid:2\r\n\
a=sctp-port:5000\r\n";

fn hostile_descriptions() -> Vec<(&'static str, String)> {
    let swap = |from: &str, to: &str| {
        assert!(SDP.contains(from), "{from}");
        SDP.replace(from, to)
    };
    let audio = &SDP[SDP.find("m=audio").unwrap()..SDP.find("m=video").unwrap()];
    let sections = |count: usize| {
        let sections = (10..10 + count).map(|mid| audio.replace("mid:0", &format!("mid:{mid}")));
        format!("{SDP}{}", sections.collect::<String>())
    };
    let candidates = "a=candidate:1 1 udp 1 10.0.0.1 1 typ host\r\n".repeat(5_000);
    let rids: String = (0..20).map(|rid| format!("a=rid:{rid} send\r\n")).collect();
    let rids = format!(
        "a=mid:1\r\n{rids}a=simulcast:send {}\r\n",
        (0..20)
            .map(|rid| rid.to_string())
            .collect::<Vec<_>>()
            .join(";")
    );
    let fingerprint = SDP
        .lines()
        .find(|line| line.starts_with("a=fingerprint"))
        .unwrap();
    vec![
        ("nothing", String::new()),
        ("no SDP", "hello".to_owned()),
        ("cut in the head", SDP[..40].to_owned()),
        ("cut in a section", SDP[..SDP.len() / 2].to_owned()),
        ("cut in the last line", SDP[..SDP.len() - 3].to_owned()),
        (
            "a mebibyte",
            format!("{SDP}a=x:{}\r\n", "y".repeat(1 << 20)),
        ),
        ("ten thousand sections", sections(10_000)),
        ("five hundred sections", sections(500)),
        ("five thousand candidates", format!("{SDP}{candidates}")),
        (
            "a long line",
            swap("s=-", &format!("s={}", "s".repeat(10_000))),
        ),
        ("no fingerprint", swap(fingerprint, "a=x")),
        (
            "a weak fingerprint",
            swap(
                fingerprint,
                "a=fingerprint:sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33",
            ),
        ),
        (
            "a short fingerprint",
            swap(fingerprint, "a=fingerprint:sha-256 00:11"),
        ),
        ("setup:holdconn", swap("setup:actpass", "setup:holdconn")),
        ("no ufrag", swap("a=ice-ufrag:abcd\r\n", "")),
        (
            "a long ufrag",
            swap("ice-ufrag:abcd", &format!("ice-ufrag:{}", "u".repeat(300))),
        ),
        (
            "a long password",
            swap(
                "ice-pwd:abcdefghijklmnopqrstuvwx",
                &format!("ice-pwd:{}", "p".repeat(300)),
            ),
        ),
        ("a negative port", swap("m=audio 9", "m=audio -9")),
        (
            "a huge port",
            swap("m=audio 9", "m=audio 99999999999999999999"),
        ),
        ("an empty ssrc", swap("a=ssrc:1111", "a=ssrc:0")),
        ("a huge ssrc", swap("a=ssrc:1111", "a=ssrc:99999999999")),
        ("the same ssrc twice", swap("a=ssrc:1111", "a=ssrc:2222")),
        ("the same mid twice", swap("a=mid:1\r\n", "a=mid:0\r\n")),
        (
            "a long mid",
            swap("a=mid:1\r\n", &format!("a=mid:{}\r\n", "m".repeat(300))),
        ),
        ("extension 0", swap("extmap:1 ", "extmap:0 ")),
        ("extension 15", swap("extmap:1 ", "extmap:15 ")),
        ("extension 256", swap("extmap:1 ", "extmap:256 ")),
        ("a payload type of RTCP", SDP.replace("111", "72")),
        ("a payload type over 127", SDP.replace("111", "300")),
        ("an RTX of itself", swap("apt=96", "apt=97")),
        ("twenty rids", swap("a=mid:1\r\n", &rids)),
        ("NUL bytes", SDP.replace("s=-", "s=\0")),
        ("CR only", SDP.replace("\r\n", "\r")),
        ("no BUNDLE", swap("a=group:BUNDLE 0 1 2\r\n", "")),
        ("a BUNDLE of others", swap("BUNDLE 0 1 2", "BUNDLE 7 8 9")),
        ("no rtcp-mux", SDP.replace("a=rtcp-mux\r\n", "")),
        ("SCTP port 0", swap("sctp-port:5000", "sctp-port:0")),
        (
            "a candidate by name",
            format!("{SDP}a=candidate:1 1 udp 1 localhost 22 typ host\r\n"),
        ),
    ]
}
