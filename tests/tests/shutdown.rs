//! A node that is told to stop says goodbye to everybody and goes.

use std::{
    net::{TcpStream, UdpSocket},
    time::Duration,
};

use e2e::{
    call::{Call, ROOM},
    node::Node,
    signal::{Heard, Packing, Response, Signal, join_request, v1},
    tokens,
    until::PATIENCE,
};
use livekit_protocol::{DisconnectReason, LeaveRequest};

/// From the signal to the exit.
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn dr_2_sigterm_says_goodbye_to_everybody_and_ends_with_zero() {
    let Call {
        mut node,
        ada,
        bayo,
    } = Call::start().await.unwrap();
    let path = v1(&join_request(), Packing::Gzip).unwrap();
    let token = tokens::token(ROOM, "chidi").unwrap();
    let (mut chidi, _) = Signal::join_by(&node.url(), &path, &token).await.unwrap();

    node.terminate().unwrap();
    let status = node.ended(LIMIT).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", node.tail());

    for peer in [ada, bayo] {
        let seen = peer.ended().await.unwrap();
        is_shutdown(
            &seen
                .leave
                .unwrap_or_else(|| panic!("no goodbye: {:?}", seen.end)),
        );
    }
    let leave = chidi
        .hear_until("a goodbye", PATIENCE, |heard| {
            let Response::Leave(leave) = heard.response()? else {
                return None;
            };
            Some(leave.clone())
        })
        .await
        .unwrap();
    is_shutdown(&leave);
    let ended = |heard: &Heard| heard.is_end().then_some(());
    chidi
        .hear_until("the close", PATIENCE, ended)
        .await
        .unwrap();

    for closed in [node.http(), node.admin()] {
        assert!(
            TcpStream::connect(closed).is_err(),
            "{closed} still answers"
        );
    }
    for shard in node.shards() {
        UdpSocket::bind(shard).unwrap();
    }
}

#[tokio::test]
async fn a_node_without_anybody_stops_at_once() {
    let mut node = Node::start().await.unwrap();
    node.terminate().unwrap();
    let status = node.ended(LIMIT).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", node.tail());
}

fn is_shutdown(leave: &LeaveRequest) {
    assert_eq!(
        leave.reason,
        DisconnectReason::ServerShutdown as i32,
        "{leave:?}"
    );
}
