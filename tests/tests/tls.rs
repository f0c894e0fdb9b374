//! TLS at the node itself: on the port of signalling, beside everything else there.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use e2e::{
    call::Call,
    http,
    node::{Node, NodeOptions},
    peer::PeerOptions,
    tls::Certified,
    until::{PATIENCE, until},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// Handshakes that come to nothing are closed after ten seconds, and what a busy machine adds.
const IN_TIME: Duration = Duration::from_secs(14);

/// What is refused at sight is closed after that long at most, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn node(certified: &Certified) -> Node {
    let options = NodeOptions {
        environment: certified.environment(),
        ..NodeOptions::default()
    };
    Node::start_with(options).await.unwrap()
}

async fn metric(node: &Node, name: &str, label: &str) -> f64 {
    node.metrics().await.unwrap().of(name, label)
}

#[tokio::test]
async fn one_port_takes_requests_in_tls_and_in_the_clear() {
    let certified = Certified::new(HOUR).unwrap();
    let node = node(&certified).await;
    assert_eq!(http::get(node.http(), "/").await.unwrap().status, 200);
    let mut secured = certified.connect(node.http()).await.unwrap();
    secured.still_answers().await.unwrap();
    assert_eq!(
        metric(&node, "edge_tls_handshakes_total", "done").await,
        1.0
    );
    // Media has no business in TLS but by TURN, which nobody asked for here.
    let mut turn = certified.connect(node.http()).await.unwrap();
    turn.0
        .write_all(&[0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42])
        .await
        .unwrap();
    turn.0.write_all(&[0; 12]).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(AT_ONCE, turn.0.read_to_end(&mut answer)).await;
    assert!(ended.is_ok() && answer.is_empty(), "{ended:?} {answer:?}");
}

#[tokio::test]
async fn another_certificate_is_taken_while_connections_stay_and_a_bad_one_is_not() {
    let certified = Certified::new(HOUR).unwrap();
    let node = node(&certified).await;
    let mut open = certified.connect(node.http()).await.unwrap();
    let first = open.certificate();
    open.still_answers().await.unwrap();

    certified.write("no certificate", "no key").unwrap();
    node.hang_up().unwrap();
    until("the bad one to be refused", PATIENCE, || async {
        let failed = metric(&node, "edge_tls_reloads_total", "failed").await;
        (failed > 0.0).then_some(())
    })
    .await
    .unwrap();
    let told = node
        .log()
        .iter()
        .any(|line| line.contains("both files of [tls]"));
    assert!(told, "{}", node.tail());
    assert_eq!(
        certified.connect(node.http()).await.unwrap().certificate(),
        first
    );

    // It looks by itself every ten seconds.
    certified.renew(2 * HOUR).unwrap();
    let second = until("the new one to be shown", 2 * PATIENCE, || async {
        let shown = certified.connect(node.http()).await.unwrap().certificate();
        (shown != first).then_some(shown)
    })
    .await
    .unwrap();
    open.still_answers().await.unwrap();
    assert_ne!(second, first);
    let expires = node.metrics().await.unwrap();
    let expires = expires.total("edge_tls_certificate_expires_timestamp_seconds");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let left = expires - now.as_secs_f64();
    assert!((7_100.0..7_300.0).contains(&left), "{left} seconds");

    // Told to look, it looks at once.
    certified.renew(HOUR).unwrap();
    node.hang_up().unwrap();
    let (begun, done) = (Instant::now(), "edge_tls_reloads_total");
    until("a third one", PATIENCE, || async {
        (metric(&node, done, "done").await >= 2.0).then_some(())
    })
    .await
    .unwrap();
    assert!(begun.elapsed() < AT_ONCE, "after {:?}", begun.elapsed());
}

/// How long the node takes to close a connection on which this was said.
async fn patience(node: SocketAddr, said: &[u8]) -> Duration {
    let mut socket = TcpStream::connect(node).await.unwrap();
    let begun = Instant::now();
    socket.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    // An error is a connection that was reset: it is closed.
    let _ = timeout(3 * PATIENCE, socket.read_to_end(&mut answer))
        .await
        .expect("never closed");
    begun.elapsed()
}

#[tokio::test]
async fn bad_w2_handshakes_that_come_to_nothing_are_few_and_short() {
    let certified = Certified::new(HOUR).unwrap();
    let call = Call::on(node(&certified).await, PeerOptions::both())
        .await
        .unwrap();
    let address = call.node.http();
    for (what, said, outcome, limit) in [
        (
            "a length and silence",
            &[22, 3, 1, 2, 0][..],
            "slow",
            IN_TIME,
        ),
        (
            "nonsense",
            &[22, 3, 1, 0, 4, 9, 9, 9, 9][..],
            "failed",
            AT_ONCE,
        ),
        (
            "another record",
            &[22, 9, 9, 0, 1, 0][..],
            "failed",
            AT_ONCE,
        ),
    ] {
        let name = "edge_tls_handshakes_total";
        let before = metric(&call.node, name, outcome).await;
        let took = patience(address, said).await;
        assert!(took < limit, "{what}: closed after {took:?}");
        until(what, PATIENCE, || async {
            (metric(&call.node, name, outcome).await > before).then_some(())
        })
        .await
        .unwrap();
    }
    let mut begun = JoinSet::new();
    for _ in 0..700 {
        // One after the other: the kernel forgets some of those that come all at once.
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&[22, 3, 1]).await.unwrap();
        begun.spawn(async move {
            let begun = Instant::now();
            let _ = timeout(3 * PATIENCE, socket.read_to_end(&mut Vec::new())).await;
            begun.elapsed()
        });
    }
    let took = begun.join_all().await;
    let at_once = took.iter().filter(|took| **took < AT_ONCE).count();
    let slowest = took.iter().max().unwrap();
    assert!(at_once >= 188, "{at_once} were closed at once");
    assert!(*slowest < IN_TIME, "the last was closed after {slowest:?}");
    let crowded = metric(&call.node, "edge_tcp_connections_closed_total", "crowded").await;
    assert_eq!(crowded, 188.0);
    call.goes_on().await.unwrap();
    let mut secured = certified.connect(address).await.unwrap();
    secured.still_answers().await.unwrap();
}
