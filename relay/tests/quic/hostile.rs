//! Neighbours with a good certificate and no good in mind.

use std::time::Duration;

use bytes::Bytes;
use relay_proto::Wanted;
use relay_proto::control::{Announce, HelloLane, Kind, Message};
use tokio::task::JoinSet;

use crate::common::stranger::{Shows, Stranger, client, endpoint, hello};
use crate::common::{HOUR, Heard, Wanting, authority, hear, listen, pair, rtp, speak};

/// Versions of quinn-proto before this one end the process on bad transport parameters, or hold
/// more memory than they may.
#[test]
fn bad_q2_no_version_with_known_holes_is_built_in() {
    let lock = include_str!("../../../Cargo.lock");
    let found = lock
        .split("[[package]]")
        .find(|package| package.contains("name = \"quinn-proto\""))
        .expect("it is used");
    let version = found
        .split("version = \"")
        .nth(1)
        .expect("it has a version");
    let numbers: Vec<u32> = version
        .split(['.', '"'])
        .map_while(|number| number.parse().ok())
        .collect();
    assert!(numbers >= vec![0, 11, 17], "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_q3_floods_take_no_memory_and_nobody_else_s_sound() {
    let authority = authority();
    let mut hub = Wanting::new(&authority, "m-hub").hub().start();
    let address = hub.relay.address();
    let lagos = Wanting::new(&authority, "a-lagos")
        .linked_to("m-hub", address)
        .start();
    let mut kano = Wanting::new(&authority, "b-kano")
        .linked_to("m-hub", address)
        .start();
    let _microphone = speak(lagos).await;
    kano.until_track(Wanted::Yes).await;
    listen(&kano).await;
    let mut heard = Heard::default();
    hear(&mut kano, &mut heard, 10).await;

    let pair = pair(&authority, "c-flood", "lagos", HOUR);
    let config = client(&authority, &Shows::Certificate(&pair), "tof-relay/1");
    let (mut control, video) = Stranger::link(config, "m-hub", address, "c-flood").await;
    hub.until_linked("c-flood", Wanted::Yes).await;
    let before = resident();
    let mut flooding = JoinSet::new();
    flooding.spawn(async move {
        flood(&mut control, &video).await;
        (control, video)
    });
    hear(&mut kano, &mut heard, 100).await;
    let _links = flooding.join_next().await;
    hub.until_counted("relay_announcements_refused_total", "too_many", 5_000)
        .await;
    hub.until_counted("relay_link_datagrams_refused_total", "unknown_flow", 1)
        .await;
    hub.until_counted("relay_link_datagrams_refused_total", "number", 1)
        .await;
    hear(&mut kano, &mut heard, 50).await;
    assert!(
        heard.lost() <= heard.packets.len() / 100,
        "{} lost",
        heard.lost()
    );
    let grown = resident().saturating_sub(before) >> 20;
    assert!(grown < 150, "{grown} MiB for what nobody needs");
}

/// Flows that nobody asked for, lists that lie, no datagrams at all, and more tracks than anybody has.
async fn flood(control: &mut Stranger, video: &Stranger) {
    let mut flow = vec![0x41, 0x11, 0, 0, 0, 0, 1];
    flow.extend_from_slice(&rtp(1));
    for round in 0..20_000_u32 {
        for datagram in [
            flow.clone(),
            vec![0, 2, 0, 0, 0, 0, 1, 0],
            vec![round as u8; (round % 900) as usize],
        ] {
            // It may be refused: then it was more than the path carries.
            let _ = video.connection.send_datagram(Bytes::from(datagram));
        }
        if round % 200 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for number in 0..25_000 {
        let announce = Announce {
            room: "maths".into(),
            track: format!("TR_{number}"),
            epoch: 1,
            path: vec!["c-flood".into()],
            cost: 1,
            kind: Kind::Audio.into(),
        };
        control.say(Message::Announce(announce)).await;
    }
}

#[tokio::test]
async fn bad_q4_lengths_that_lie_end_the_link() {
    let authority = authority();
    let mut hub = Wanting::new(&authority, "m-hub").hub().start();
    let pair = pair(&authority, "a-lagos", "lagos", HOUR);
    let config = client(&authority, &Shows::Certificate(&pair), "tof-relay/1");
    let address = hub.relay.address();
    for lie in [
        // Longer than any message is.
        &[0xff, 0xff, 0xff, 0x01][..],
        // A length that does not end.
        &[0xff; 12],
        // Shorter than what is in it says.
        &[3, 0x0a, 200, 1],
        // No protobuf.
        &[5, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let (mut control, video) =
            Stranger::link(config.clone(), "m-hub", address, "a-lagos").await;
        hub.until_linked("a-lagos", Wanted::Yes).await;
        control.send.write_all(lie).await.unwrap();
        assert_eq!(control.closed().await, Some(3), "{lie:x?}");
        assert_eq!(video.closed().await, Some(3), "{lie:x?}");
        hub.until_linked("a-lagos", Wanted::No).await;
    }
}

#[tokio::test]
async fn bad_q4_who_does_not_greet_is_shown_the_door() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let pair = pair(&authority, "a-lagos", "lagos", HOUR);
    let config = client(&authority, &Shows::Certificate(&pair), "tof-relay/1");
    for first in [
        &[0xff, 0x7f, 1][..],
        &[2, 1, 1],
        &[0],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let stranger = Stranger::dial(config.clone(), "m-hub", hub.relay.address(), first).await;
        assert_eq!(stranger.closed().await, Some(3), "{first:x?}");
    }
    // Who says nothing is not waited for.
    let silent = Stranger::dial(config, "m-hub", hub.relay.address(), &[]).await;
    let why = silent.closed().await;
    assert!(matches!(why, Some(3) | None), "{why:?}");
}

/// What is said before the handshake is over could be said again by somebody who listens.
#[tokio::test]
async fn bad_q5_nothing_is_taken_before_the_handshake_is_over() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let pair = pair(&authority, "a-lagos", "lagos", HOUR);
    let config = client(&authority, &Shows::Certificate(&pair), "tof-relay/1");
    let address = hub.relay.address();
    let endpoint = endpoint();
    for _ in 0..2 {
        let dialling = endpoint
            .connect_with(config.clone(), address, "m-hub")
            .unwrap();
        // A second time a ticket is there, if one was given.
        let connection = match dialling.into_0rtt() {
            Ok(_) => panic!("it takes what is said early"),
            Err(dialling) => dialling.await.unwrap(),
        };
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let first = Message::Hello(hello("a-lagos", "lagos", HelloLane::Control)).write();
        send.write_all(&first).await.unwrap();
        receive.read_chunk(1, true).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        connection.close(0_u8.into(), b"");
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("a number") * 4_096
}
