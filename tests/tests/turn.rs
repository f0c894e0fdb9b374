//! TURN over TCP and in TLS, tried by the client that comes with coturn: whoever takes part gets in,
//! and gets nowhere but to this node. Where that client is not installed, the tests say SKIP.
#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test, and what is skipped is said"
)]

use std::{
    net::{Ipv4Addr, UdpSocket},
    process::Command,
    time::Duration,
};

use e2e::{
    call::Call,
    node::{Node, NodeOptions},
    peer::PeerOptions,
    signal::Signal,
    tls::Certified,
    tokens,
    until::{PATIENCE, until},
};
use livekit_protocol::IceServer;

/// The program, where it is installed.
const CLIENT: &str = "turnutils_uclient";

/// It begins to speak within six seconds, as it likes, and would go on to wait for answers.
const SECONDS: &str = "8";

/// A call on a node that offers TURN over TCP and in TLS.
struct Stage {
    call: Call,
    _certified: Certified,
}

/// How somebody comes.
#[derive(Clone, Copy, Debug)]
enum By {
    Tcp,
    Tls,
}

/// What counts tries that led nowhere.
#[derive(Clone, Copy, Debug)]
enum Counted {
    /// Answers of the TURN server.
    Answer(&'static str),
    /// What it dropped, and what led to the node and meant nothing there.
    Drop(&'static str),
}

impl Stage {
    async fn set() -> Self {
        let certified = Certified::new(Duration::from_secs(3_600)).unwrap();
        let mut environment = certified.environment();
        for (key, value) in [("TCP", "true"), ("TLS", "true"), ("HOST", "localhost")] {
            environment.push((format!("EDGE_TURN__{key}"), value.to_owned()));
        }
        let options = NodeOptions {
            environment,
            shards: 2,
            ..NodeOptions::default()
        };
        let node = Node::start_with(options).await.unwrap();
        let call = Call::on(node, PeerOptions::both()).await.unwrap();
        Self {
            call,
            _certified: certified,
        }
    }

    /// Somebody else, whose credentials are good while the signalling connection is.
    async fn eve(&self) -> (Signal, IceServer) {
        let token = tokens::token("elsewhere", "eve").unwrap();
        let (signal, join) = Signal::join(&self.call.node.url(), &token).await.unwrap();
        (signal, join.ice_servers[0].clone())
    }

    /// What the client says about trying to speak to `peer`.
    async fn tries(&self, by: By, eve: &IceServer, peer: (&str, u16), clients: u32) -> String {
        let mut command = Command::new("timeout");
        command.args([SECONDS, CLIENT, "-v", "-t", "-n", "3"]);
        // No second allocation for RTCP, and no channels: it takes numbers that are none any more
        // (RFC 8656 section 12).
        command.args(["-c", "-s", "-m", &clients.to_string()]);
        command.args(["-u", &eve.username, "-w", &eve.credential]);
        command.args(["-e", peer.0, "-r", &peer.1.to_string()]);
        command.args(["-p", &self.call.node.http().port().to_string()]);
        match by {
            By::Tcp => {}
            By::Tls => {
                command.arg("-S");
            }
        }
        command.arg("127.0.0.1");
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    }

    async fn count(&self, counted: Counted) -> f64 {
        let metrics = self.call.node.metrics().await.unwrap();
        match counted {
            Counted::Answer(outcome) => metrics.of("edge_turn_answers_total", outcome),
            Counted::Drop(reason) => metrics.of("edge_datagrams_dropped_total", reason),
        }
    }
}

/// The shard that credentials are for: it is the second part of the name.
fn shard_of(eve: &IceServer) -> usize {
    eve.username.split(':').nth(1).unwrap().parse().unwrap()
}

/// Whether there is such a client; that there is none is said.
fn is_installed() -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {CLIENT}")])
        .output();
    let found = found.is_ok_and(|found| found.status.success());
    if !found {
        eprintln!("SKIP: {CLIENT} is not installed (apt-get install coturn)");
    }
    found
}

#[tokio::test]
async fn another_client_gets_in_over_tcp_and_tls_and_nowhere_else() {
    if !is_installed() {
        return;
    }
    let stage = Stage::set().await;
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    stranger.set_nonblocking(true).unwrap();
    let strange = stranger.local_addr().unwrap().port();
    for by in [By::Tcp, By::Tls] {
        let (signal, eve) = stage.eve().await;
        let port = stage.call.node.http().port();
        let urls =
            ["turn", "turns"].map(|scheme| format!("{scheme}:localhost:{port}?transport=tcp"));
        assert_eq!(eve.urls, urls);
        drop(signal);
        for (host, port, counted) in [
            // The node itself, which knows nobody who speaks like that.
            ("127.0.0.1", None, Counted::Drop("unknown_source")),
            (
                "127.0.0.1",
                Some(strange),
                Counted::Drop("turn_no_permission"),
            ),
            ("127.0.0.2", Some(strange), Counted::Answer("forbidden")),
            ("10.0.0.1", Some(22), Counted::Answer("forbidden")),
        ] {
            // Who makes no connection of its own is not here for long.
            let (_signal, eve) = stage.eve().await;
            let own = stage.call.node.shards()[shard_of(&eve)].port();
            let peer = (host, port.unwrap_or(own));
            let granted = stage.count(Counted::Answer("granted")).await;
            let before = stage.count(counted).await;
            let said = stage.tries(by, &eve, peer, 1).await;
            let granted = stage.count(Counted::Answer("granted")).await - granted;
            assert!(granted > 0.0, "{by:?} to {peer:?}: {said}");
            // Drops are reported each second.
            until("the try to be counted", PATIENCE, || async {
                (stage.count(counted).await > before).then_some(())
            })
            .await
            .unwrap_or_else(|error| panic!("{by:?} to {peer:?}: {error}: {said}"));
        }
        let heard = stranger.recv(&mut [0; 100]);
        assert!(heard.is_err(), "{by:?}: a stranger was spoken to");
        let (_signal, mut eve) = stage.eve().await;
        let granted = stage.count(Counted::Answer("granted")).await;
        eve.credential.push('x');
        let said = stage.tries(by, &eve, ("127.0.0.1", strange), 1).await;
        let after = stage.count(Counted::Answer("granted")).await;
        assert_eq!(after, granted, "{by:?}: {said}");
    }
    stage.call.goes_on().await.unwrap();
}

#[tokio::test]
async fn many_clients_of_one_participant_get_no_more_than_its_share() {
    if !is_installed() {
        return;
    }
    let stage = Stage::set().await;
    for by in [By::Tcp, By::Tls] {
        let (_signal, eve) = stage.eve().await;
        let peer = ("127.0.0.1", stage.call.node.shards()[shard_of(&eve)].port());
        let before = stage.count(Counted::Answer("quota")).await;
        let many = || stage.tries(by, &eve, peer, 50);
        let said = tokio::join!(many(), many(), many());
        let refused = stage.count(Counted::Answer("quota")).await - before;
        // Each goes on until it is refused.
        assert!(refused >= 3.0, "{by:?}: {said:?}");
        // What they leave behind is gone as they are.
        until("all to be gone", PATIENCE, || async {
            let metrics = stage.call.node.metrics().await.unwrap();
            let left = ["edge_turn_allocations", "edge_tcp_connections"];
            left.iter()
                .all(|name| metrics.total(name) == 0.0)
                .then_some(())
        })
        .await
        .unwrap();
    }
    stage.call.goes_on().await.unwrap();
}
