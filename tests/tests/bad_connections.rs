//! TCP connections that no client would make: they are closed in time, and a call beside
//! them goes on.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{
    io::Write,
    time::{Duration, Instant},
};

use e2e::{
    call::Call,
    http,
    node::{Node, NodeOptions},
    peer::PeerOptions,
    signal::{Packing, Signal, join_request, wrapped},
    tokens,
    until::{PATIENCE, until},
};
use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// What the node counted of connections it closed.
async fn closed(call: &Call, reason: &str) -> f64 {
    let metrics = call.node.metrics().await.unwrap();
    metrics.of("edge_http_connections_closed_total", reason)
}

/// How long it takes the node to close a connection on which we say `bytes`, one a second.
async fn patience(mut socket: TcpStream, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut said = bytes.iter();
    let mut heard = [0; 1024];
    loop {
        let reading = timeout(Duration::from_secs(1), socket.read(&mut heard)).await;
        match reading {
            Ok(Ok(0) | Err(_)) => return begun.elapsed(),
            Ok(Ok(_)) => {}
            Err(_) => {
                let next = said.next().map(std::slice::from_ref).unwrap_or_default();
                // It may have closed by now, which the next read tells.
                let _ = socket.write_all(next).await;
            }
        }
        assert!(begun.elapsed() < 3 * PATIENCE, "never closed");
    }
}

#[tokio::test]
async fn bad_w2_w3_a7_who_does_not_finish_a_request_is_closed_after_ten_seconds() {
    let call = Call::start().await.unwrap();
    let token = tokens::token("elsewhere", "stranger").unwrap();
    let half_a_body = format!(
        "POST /twirp/livekit.RoomService/ListRooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{"
    );
    let http = call.node.http();
    let body = tokio::spawn(async move { http::exchange(http, half_a_body.as_bytes()).await });
    let mut waiting = JoinSet::new();
    for number in 0..200 {
        let socket = TcpStream::connect(call.node.http()).await.unwrap();
        let said: &'static [u8] = match number % 2 {
            0 => b"",
            _ => b"GET /rtc?access_token=eyJhbGciOiJIUzI1NiJ9 HTTP/1.1\r\nHost: x\r\n",
        };
        waiting.spawn(patience(socket, said));
    }
    let slowest = waiting.join_all().await.into_iter().max().unwrap();
    // Ten seconds, and what a busy machine adds.
    assert!(slowest < Duration::from_secs(15), "{slowest:?}");
    assert_eq!(closed(&call, "slow").await, 200.0);
    let answer = timeout(PATIENCE, body).await.expect("no answer").unwrap();
    let answer = String::from_utf8_lossy(&answer.unwrap()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_w2_a_head_without_end_is_refused_before_it_ends() {
    let call = Call::start().await.unwrap();
    let mut socket = TcpStream::connect(call.node.http()).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let line = [&[b'x'; 4_000][..], b": y\r\n"].concat();
    let mut said = 0;
    while said < 16 << 20 && socket.write_all(&line).await.is_ok() {
        said += line.len();
    }
    assert!(said < 16 << 20, "it reads on and on");
    until("the refusal to be counted", PATIENCE, || async {
        (closed(&call, "no_http").await == 1.0).then_some(())
    })
    .await
    .unwrap();
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn bad_w5_compression_is_never_agreed_on_and_a_packed_request_has_its_limit() {
    let call = Call::start().await.unwrap();
    let token = tokens::token("elsewhere", "stranger").unwrap();
    let mut socket = TcpStream::connect(call.node.http()).await.unwrap();
    let upgrade = format!(
        "GET /rtc?access_token={token} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    socket.write_all(upgrade.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0);
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    // A frame that says it is compressed, masked by zeros.
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![0; 20 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    let mut frame = vec![0xc2, 0xfe];
    frame.extend((packed.len() as u16).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(&packed);
    socket.write_all(&frame).await.unwrap();
    let end = async { while socket.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} };
    timeout(PATIENCE, end).await.expect("it does not close");

    let mut huge = join_request();
    huge.metadata = "m".repeat(20 << 20);
    let huge = wrapped(&huge, Packing::Gzip).unwrap();
    let path = format!("/rtc/v1/validate?access_token={token}&join_request={huge}");
    let answer = http::get(call.node.http(), &path).await.unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("too large"), "{answer:?}");
    call.goes_on().await.unwrap();
}

/// Of these the node keeps 64 for itself.
const FILES: u32 = 160;

#[tokio::test]
async fn bad_a10_without_files_new_connections_are_closed_and_calls_go_on() {
    let options = NodeOptions {
        files: Some(FILES),
        ..NodeOptions::default()
    };
    let node = Node::start_with(options).await.unwrap();
    let call = Call::on(node, PeerOptions::both()).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..2 * FILES {
        crowd.push(TcpStream::connect(call.node.http()).await.unwrap());
    }
    until("connections to be turned away", PATIENCE, || async {
        (closed(&call, "full").await >= f64::from(FILES)).then_some(())
    })
    .await
    .unwrap();
    let token = tokens::token("elsewhere", "stranger").unwrap();
    let refused = Signal::join(&call.node.url(), &token).await;
    assert!(refused.is_err(), "there was room");
    call.goes_on().await.unwrap();
    // Operators still see in, and there is room again when the crowd has gone.
    drop(crowd);
    let url = call.node.url();
    until("somebody new to be let in", PATIENCE, || async {
        Signal::join(&url, &token).await.ok()
    })
    .await
    .unwrap();
    call.goes_on().await.unwrap();
}
