//! Real QUIC on the loopback: nodes with certificates, a hub between them, media across.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use media::Layer;
use relay::{Command, Credentials, Event, Identity, Neighbour, Relay, Settings, pki};
use relay_proto::control::Kind;
use relay_proto::{End, Handle, Keyframe, LayerKey, Place, Reference, TrackKey, Transit, Wanted};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[tokio::test]
async fn a_track_crosses_a_hub_it_is_not_hosted_on() {
    let authority = authority();
    let hub = start(&authority, "m-hub", Transit::Yes, &[]);
    let mut lagos = start(
        &authority,
        "a-lagos",
        Transit::No,
        &[("m-hub", hub.relay.address())],
    );
    let mut kano = start(
        &authority,
        "b-kano",
        Transit::No,
        &[("m-hub", hub.relay.address())],
    );
    lagos
        .until(|event| matches!(event, Event::Neighbour(who, Wanted::Yes) if who.node() == "m-hub"))
        .await;

    lagos.tell(Command::Publish(track(), Kind::Audio, 1)).await;
    kano.until(
        |event| matches!(event, Event::Track(key, Kind::Audio, Wanted::Yes) if *key == track()),
    )
    .await;
    kano.tell(Command::Want(layer(), Handle(7), Wanted::Yes))
        .await;
    let mut fed = None;
    lagos
        .until(|event| {
            if let Event::Feed(key, id, Wanted::Yes) = event
                && *key == layer()
            {
                fed = Some(*id);
            }
            fed.is_some()
        })
        .await;
    let id = fed.expect("it was waited for");
    for sequence in 0..100 {
        lagos
            .tell(Command::Feed(vec![(id, PLACE, rtp(sequence))]))
            .await;
    }
    let mut came = 0;
    kano.until(|event| {
        if let Event::Media(packets) = event {
            assert!(packets.iter().all(|packet| packet.0 == Handle(7)));
            came += packets.len();
        }
        came == 100
    })
    .await;

    lagos.tell(Command::Stop).await;
    kano.until(|event| matches!(event, Event::Track(key, _, Wanted::No) if *key == track()))
        .await;
    drop(hub);
}

#[tokio::test]
async fn who_has_another_authority_is_not_let_in() {
    let hub = start(&authority(), "m-hub", Transit::Yes, &[]);
    let mut stranger = start(
        &authority(),
        "a-lagos",
        Transit::No,
        &[("m-hub", hub.relay.address())],
    );
    let heard = timeout(Duration::from_secs(1), stranger.events.recv()).await;
    assert!(heard.is_err(), "{heard:?}");
}

const PLACE: Place = Place {
    keyframe: Keyframe::No,
    end: End::Yes,
    reference: Reference::Yes,
};

struct Node {
    relay: Relay,
    events: mpsc::Receiver<Event>,
}

impl Node {
    async fn tell(&self, command: Command) {
        self.relay.tell(command).await.expect("it has not stopped");
    }

    async fn until(&mut self, mut is_it: impl FnMut(&Event) -> bool) {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                if is_it(&event) {
                    return;
                }
            }
            panic!("the node stopped");
        };
        timeout(Duration::from_secs(10), wait)
            .await
            .expect("it happens in ten seconds");
    }
}

fn start(
    authority: &pki::Pair,
    name: &str,
    transit: Transit,
    neighbours: &[(&str, SocketAddr)],
) -> Node {
    let bind = "127.0.0.1:0".parse().expect("an address");
    let mut settings = Settings::new(credentials(authority, name), bind);
    settings.transit = transit;
    settings.neighbours = neighbours
        .iter()
        .map(|(node, address)| Neighbour {
            node: (*node).to_owned(),
            address: *address,
            region: Some("lagos".to_owned()),
        })
        .collect();
    let (relay, events) = Relay::start(settings, 1).expect("it starts");
    Node { relay, events }
}

fn authority() -> pki::Pair {
    pki::authority(OffsetDateTime::now_utc()).expect("a CA is made")
}

fn credentials(authority: &pki::Pair, name: &str) -> Credentials {
    let identity = Identity::new("lagos", name).expect("a name");
    let hour = Duration::from_secs(3_600);
    let pair = pki::node(authority, &identity, OffsetDateTime::now_utc(), hour)
        .expect("a certificate is made");
    Credentials::from_pem(
        authority.certificate.as_bytes(),
        pair.certificate.as_bytes(),
        pair.key.as_bytes(),
    )
    .expect("what was made is read")
}

fn rtp(sequence: u16) -> Bytes {
    let mut rtp = BytesMut::new();
    rtp.put_u16(0x8000);
    rtp.put_u16(sequence);
    rtp.resize(100, 0);
    rtp.freeze()
}

fn track() -> TrackKey {
    TrackKey {
        room: "maths".into(),
        track: "TR_mic".into(),
    }
}

fn layer() -> LayerKey {
    LayerKey {
        track: track(),
        layer: Layer::LOW,
    }
}
