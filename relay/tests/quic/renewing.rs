//! Certificates: renewed while nodes run, expired, of somebody else.

use std::time::{Duration, Instant};

use relay::{Access, Command, Event};
use relay_proto::Wanted;
use tokio::time::timeout;

use crate::common::stranger::{Shows, Stranger, client, endpoint, hello};
use crate::common::{HOUR, Node, PATIENCE, Wanting, authority, credentials, pair};
use relay_proto::control::{HelloLane, Message};

#[tokio::test]
async fn a_link_ends_with_the_certificate_and_begins_with_a_new_one() {
    let authority = authority();
    let mut hub = Wanting::new(&authority, "m-hub");
    hub.valid = Duration::from_secs(4);
    let hub = hub.hub().start();
    let mut lagos = Wanting::new(&authority, "a-lagos")
        .linked_to("m-hub", hub.relay.address())
        .start();
    lagos.until_linked("m-hub", Wanted::Yes).await;
    let began_at = Instant::now();
    lagos.until_linked("m-hub", Wanted::No).await;
    assert!(
        began_at.elapsed() < Duration::from_secs(6),
        "it outlived its certificate"
    );
    assert_eq!(lagos.counted("relay_link_closes_total", "expired"), 1);
    // Another node's certificate is none for this one.
    let other = credentials(&authority, "z-other", "lagos", HOUR);
    hub.tell(Command::Reload(Box::new(other))).await;
    let renewed = credentials(&authority, "m-hub", "lagos", HOUR);
    hub.tell(Command::Reload(Box::new(renewed))).await;
    lagos.until_linked("m-hub", Wanted::Yes).await;
}

#[tokio::test]
async fn bad_q1_who_has_another_authority_is_not_let_in() {
    let hub = Wanting::new(&authority(), "m-hub").hub().start();
    let address = hub.relay.address();
    let stranger = Wanting::new(&authority(), "a-lagos")
        .linked_to("m-hub", address)
        .start();
    stays_alone(stranger, &hub).await;
}

#[tokio::test]
async fn bad_q1_who_has_no_certificate_is_not_let_in() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let endpoint = endpoint();
    let config = client(&authority, &Shows::Nothing, "tof-relay/1");
    let dialling = endpoint
        .connect_with(config, hub.relay.address(), "m-hub")
        .unwrap();
    // A client knows of its refusal only when it hears of it.
    if let Ok(connection) = dialling.await {
        let why = timeout(PATIENCE, connection.closed())
            .await
            .expect("it ends");
        assert!(why.to_string().contains("certificate"), "{why}");
    }
    assert_eq!(hub.status().await.links.len(), 0);
}

#[tokio::test]
async fn bad_q1_who_is_expired_is_not_let_in() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let mut expired = Wanting::new(&authority, "a-lagos").linked_to("m-hub", hub.relay.address());
    expired.valid = Duration::ZERO;
    stays_alone(expired.start(), &hub).await;
}

#[tokio::test]
async fn bad_q1_who_is_not_where_it_should_be_is_told_so() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let mut lagos = Wanting::new(&authority, "a-lagos").linked_to("m-hub", hub.relay.address());
    lagos.neighbours[0].region = Some("abuja".into());
    stays_alone(lagos.start(), &hub).await;

    // The other way round: the hub knows where its neighbour should be.
    let pair = pair(&authority, "b-kano", "kano", HOUR);
    let elsewhere = relay::Neighbour {
        node: "b-kano".into(),
        address: "127.0.0.1:9".parse().unwrap(),
        region: Some("jos".into()),
    };
    hub.tell(Command::Neighbours(vec![elsewhere])).await;
    hub.status().await;
    let config = client(&authority, &Shows::Certificate(&pair), "tof-relay/1");
    let first = Message::Hello(hello("b-kano", "kano", HelloLane::Control)).write();
    let kano = Stranger::dial(config, "m-hub", hub.relay.address(), &first).await;
    assert_eq!(kano.closed().await, Some(6), "region");
}

#[tokio::test]
async fn bad_q1_who_says_it_is_another_is_not_let_in() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let pair = pair(&authority, "b-kano", "kano", HOUR);
    for (node, region) in [("a-lagos", "kano"), ("b-kano", "lagos")] {
        let config = client(&authority, &Shows::Certificate(&pair), "tof-relay/1");
        let first = Message::Hello(hello(node, region, HelloLane::Control)).write();
        let impostor = Stranger::dial(config, "m-hub", hub.relay.address(), &first).await;
        assert_eq!(impostor.closed().await, Some(3), "{node} in {region}");
    }
}

#[tokio::test]
async fn bad_q1_who_is_denied_is_let_go_and_not_let_in() {
    let authority = authority();
    let mut hub = Wanting::new(&authority, "m-hub").hub().start();
    let mut lagos = Wanting::new(&authority, "a-lagos")
        .linked_to("m-hub", hub.relay.address())
        .start();
    hub.until_linked("a-lagos", Wanted::Yes).await;
    lagos.until_linked("m-hub", Wanted::Yes).await;
    let denied = Access {
        denied: ["a-lagos".to_owned()].into(),
        allowed: None,
    };
    hub.tell(Command::Access(denied)).await;
    hub.until_linked("a-lagos", Wanted::No).await;
    lagos.until_linked("m-hub", Wanted::No).await;
    stays_alone(lagos, &hub).await;
}

/// It tries, and nothing comes of it.
async fn stays_alone(mut node: Node, hub: &Node) {
    let linked = async {
        while let Some(event) = node.events.recv().await {
            if let Event::Neighbour(_, Wanted::Yes) = event {
                return;
            }
        }
    };
    let waited = timeout(Duration::from_millis(1_500), linked).await;
    assert!(waited.is_err(), "it was let in");
    for one in [&node, hub] {
        assert_eq!(one.status().await.links.len(), 0);
    }
}
