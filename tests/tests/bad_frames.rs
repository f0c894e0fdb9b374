//! Connections to the port for media over TCP that no client would make: they are closed in
//! time, and a call beside them goes on.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::{
    call::Call,
    node::{Node, NodeOptions},
    peer::PeerOptions,
    tap::Tap,
    until::{PATIENCE, until},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

/// What is refused at sight is closed after that long at most, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Who says nothing of use is closed after five seconds, and what a busy machine adds.
const IN_TIME: Duration = Duration::from_secs(9);

/// A call, the port for media over TCP beside it, and one of Ada's checks.
async fn call_with_port() -> (Call, SocketAddr, Vec<u8>) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = free.local_addr().unwrap();
    drop(free);
    let options = NodeOptions {
        environment: vec![("EDGE_RTC__TCP_PORT".into(), port.port().to_string())],
        ..NodeOptions::default()
    };
    let node = Node::start_with(options).await.unwrap();
    let tap = Arc::new(Tap::to(node.shards()[0]).await.unwrap());
    let ada = PeerOptions {
        publisher_tap: Some(Arc::clone(&tap)),
        ..PeerOptions::both()
    };
    let call = Call::on(node, ada).await.unwrap();
    let mut captured = tap.captured().into_iter();
    let check = captured
        .rfind(|datagram| datagram[..2] == [0, 1])
        .expect("no connectivity check was captured");
    (call, port, check)
}

fn framed(datagram: &[u8]) -> Vec<u8> {
    let mut frame = u16::try_from(datagram.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    frame.extend_from_slice(datagram);
    frame
}

/// How long the node takes to close a connection on which these pieces were said, and what it
/// answered.
async fn patience(mut socket: TcpStream, pieces: &[&[u8]]) -> (Duration, Vec<u8>) {
    let begun = Instant::now();
    for piece in pieces {
        // It may have closed by now, which reading tells.
        let _ = socket.write_all(piece).await;
        sleep(Duration::from_millis(2)).await;
    }
    let mut answer = Vec::new();
    // An error is a connection that was reset: it is closed.
    let _ = timeout(3 * PATIENCE, socket.read_to_end(&mut answer))
        .await
        .expect("never closed");
    (begun.elapsed(), answer)
}

/// How many connections the node says to have closed for this.
async fn closed(call: &Call, reason: &str) -> f64 {
    let metrics = call.node.metrics().await.unwrap();
    metrics.of("edge_tcp_connections_closed_total", reason)
}

#[tokio::test]
async fn bad_i8_frames_that_no_client_sends_are_closed_in_time() {
    let (call, port, check) = call_with_port().await;
    let whole = framed(&check);
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    let mut strange = check.clone();
    // Of the name in it, so that it is nobody's.
    let name = strange.windows(2).position(|two| two == [0, 6]).unwrap();
    strange[name + 4..name + 8].fill(b'-');
    let elsewhere = framed(&strange);
    let mut after = framed(&check);
    after.extend([0xff; 2]);
    let cases: [(&str, &[&[u8]], &str, Duration); 8] = [
        ("silence", &[], "slow", IN_TIME),
        ("lengths of 0", &[&[0; 64]], "slow", IN_TIME),
        ("half a length", &[&[0]], "slow", IN_TIME),
        ("65535 and silence", &[&[0xff; 2]], "no_check", AT_ONCE),
        (
            "a request of HTTP",
            &[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
            "no_check",
            AT_ONCE,
        ),
        ("a check of nobody", &[&elsewhere], "no_check", AT_ONCE),
        // Another's check, overheard: it is known where that came from.
        ("a check byte by byte", &bytes, "unproven", IN_TIME),
        ("65535 after a check", &[&after], "malformed", AT_ONCE),
    ];
    for (what, pieces, reason, limit) in cases {
        let before = closed(&call, reason).await;
        let (took, answer) = patience(TcpStream::connect(port).await.unwrap(), pieces).await;
        assert!(took < limit, "{what}: closed after {took:?}");
        assert!(answer.is_empty(), "{what}: answered {answer:?}");
        until(what, PATIENCE, || async {
            (closed(&call, reason).await > before).then_some(())
        })
        .await
        .unwrap();
    }
    // The port of signalling takes checks too, and knows them by their first byte.
    let before = closed(&call, "unproven").await;
    let signalling = TcpStream::connect(call.node.http()).await.unwrap();
    let (took, answer) = patience(signalling, &[&whole]).await;
    assert!(took < IN_TIME && answer.is_empty(), "{took:?}, {answer:?}");
    assert_eq!(closed(&call, "unproven").await, before + 1.0);
    call.goes_on().await.unwrap();
    let metrics = call.node.metrics().await.unwrap();
    assert_eq!(metrics.total("edge_tcp_connections"), 0.0);
}

#[tokio::test]
async fn bad_i8_idle_connections_are_few_and_short() {
    let (call, port, _) = call_with_port().await;
    let mut idle = JoinSet::new();
    for _ in 0..700 {
        // One after the other: the kernel forgets some of those that come all at once.
        let socket = TcpStream::connect(port).await.unwrap();
        idle.spawn(async move { patience(socket, &[]).await.0 });
    }
    let took = idle.join_all().await;
    let at_once = took.iter().filter(|took| **took < AT_ONCE).count();
    let slowest = took.iter().max().unwrap();
    assert!(at_once >= 188, "{at_once} were closed at once");
    assert!(*slowest < IN_TIME, "the last was closed after {slowest:?}");
    assert_eq!(closed(&call, "crowded").await, 188.0);
    assert_eq!(closed(&call, "slow").await, 512.0);
    call.goes_on().await.unwrap();
}
