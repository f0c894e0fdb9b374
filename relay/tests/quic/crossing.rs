//! A track over a hub, and links that are made from both ends.

use bytes::Bytes;
use relay::{Command, Event, Neighbour, TellError};
use relay_proto::TrackKey;
use relay_proto::Wanted;
use relay_proto::control::{Kind, MOST_SAID};

use crate::common::{Heard, Wanting, authority, hear, listen, speak};

#[tokio::test]
async fn a_track_crosses_a_hub_it_is_not_hosted_on() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let address = hub.relay.address();
    let lagos = Wanting::new(&authority, "a-lagos")
        .linked_to("m-hub", address)
        .start();
    let mut kano = Wanting::new(&authority, "b-kano")
        .linked_to("m-hub", address)
        .start();
    let microphone = speak(lagos).await;
    kano.until_track(Wanted::Yes).await;
    listen(&kano).await;
    let mut heard = Heard::default();
    hear(&mut kano, &mut heard, 50).await;
    assert_eq!((heard.lost(), heard.doubles()), (0, 0));
    let status = hub.status().await;
    assert_eq!(status.links.len(), 2);
    let out: u64 = status.links.iter().map(|link| link.packets_sent).sum();
    assert!(out >= 50, "{status:?}");

    drop(microphone);
    kano.until_track(Wanted::No).await;
}

#[tokio::test]
async fn a_node_that_is_dialled_from_both_ends_has_one_link() {
    let authority = authority();
    let mut one = Wanting::new(&authority, "a-one").start();
    let mut other = Wanting::new(&authority, "b-other")
        .linked_to("a-one", one.relay.address())
        .start();
    one.until_linked("b-other", Wanted::Yes).await;
    other.until_linked("a-one", Wanted::Yes).await;
    // Now the first one hears of the other, too: the link there is stays.
    let back = Neighbour {
        node: "b-other".into(),
        address: other.relay.address(),
        region: None,
    };
    one.tell(Command::Neighbours(vec![back])).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for (node, name) in [(&one, "b-other"), (&other, "a-one")] {
        let status = node.status().await;
        assert_eq!(status.links.len(), 1, "{status:?}");
        assert_eq!(status.links[0].node, name);
        assert_eq!(node.counted("relay_link_connects_total", name), 1);
    }
    // Who is no neighbour any more is let go.
    one.tell(Command::Neighbours(Vec::new())).await;
    one.until_linked("b-other", Wanted::No).await;
}

#[tokio::test]
async fn what_is_said_arrives_whole_and_too_much_is_refused() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let address = hub.relay.address();
    let mut nodes = Vec::new();
    for name in ["a-lagos", "b-kano"] {
        let node = Wanting::new(&authority, name)
            .linked_to("m-hub", address)
            .start();
        let host = TrackKey {
            room: "maths".into(),
            track: name.into(),
        };
        node.tell(Command::Publish(host, Kind::Host, 1)).await;
        nodes.push(node);
    }
    let (mut kano, mut lagos) = (nodes.pop().unwrap(), nodes.pop().unwrap());
    let host = |name: &'static str| move |event: &Event| matches!(event, Event::Track(key, Kind::Host, Wanted::Yes) if &*key.track == name);
    lagos.until("the other hosts it", host("b-kano")).await;
    kano.until("the other hosts it", host("a-lagos")).await;
    let most = Bytes::from(vec![7; MOST_SAID]);
    for _ in 0..3 {
        let said = Command::Say("maths".into(), Vec::new(), most.clone());
        lagos.tell(said).await;
    }
    let mut came = 0;
    kano.until("it heard it all", |event| {
        if let Event::Said(message) = event {
            assert_eq!(
                (message.from.as_str(), message.said.len()),
                ("a-lagos", MOST_SAID)
            );
            came += 1;
        }
        came == 3
    })
    .await;
    let too_long = Bytes::from(vec![7; MOST_SAID + 1]);
    let refused = lagos
        .relay
        .tell(Command::Say("maths".into(), Vec::new(), too_long))
        .await;
    assert_eq!(refused, Err(TellError::TooLong(MOST_SAID + 1)));
}
