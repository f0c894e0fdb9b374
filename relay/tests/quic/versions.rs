//! Nodes of other versions: a newer minor one is understood, another major one is not.

use bytes::{BufMut, BytesMut};
use relay::Command;
use relay_proto::control::{Announce, HelloLane, Kind, MINOR, Message, Subscribe};
use relay_proto::{FlowId, Frame, Wanted};
use tokio::time::timeout;

use crate::common::stranger::{Shows, Stranger, client, endpoint, hello};
use crate::common::{HOUR, PATIENCE, Wanting, authority, pair, speak, track};

#[tokio::test]
async fn bad_q4_another_major_version_is_refused() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let pair = pair(&authority, "a-lagos", "lagos", HOUR);
    let shows = Shows::Certificate(&pair);
    let mut other = hello("a-lagos", "lagos", HelloLane::Control);
    other.major = 2;
    let first = Message::Hello(other).write();
    let config = client(&authority, &shows, "tof-relay/1");
    let stranger = Stranger::dial(config, "m-hub", hub.relay.address(), &first).await;
    assert_eq!(stranger.closed().await, Some(1), "version");

    let endpoint = endpoint();
    let config = client(&authority, &shows, "tof-relay/2");
    let dialling = endpoint
        .connect_with(config, hub.relay.address(), "m-hub")
        .unwrap();
    assert!(dialling.await.is_err(), "TLS knows no such protocol");
}

/// It says what this version has no word for, in every place where it can, and is served.
#[tokio::test]
async fn bad_q4_the_next_minor_version_is_understood() {
    let authority = authority();
    let mut hub = Wanting::new(&authority, "m-hub").hub().start();
    let address = hub.relay.address();
    let lagos = Wanting::new(&authority, "a-lagos")
        .linked_to("m-hub", address)
        .start();
    let _microphone = speak(lagos).await;
    hub.until_track(Wanted::Yes).await;

    let pair = pair(&authority, "b-kano", "lagos", HOUR);
    let config = client(&authority, &Shows::Certificate(&pair), "tof-relay/1");
    let mut lanes = Vec::new();
    for lane in [HelloLane::Control, HelloLane::Video] {
        let mut newer = hello("b-kano", "lagos", lane);
        newer.minor = MINOR + 1;
        let written = with_unknown_field(Message::Hello(newer));
        let mut stranger = Stranger::dial(config.clone(), "m-hub", address, &written).await;
        assert!(matches!(stranger.next().await, Message::Hello(_)));
        lanes.push(stranger);
    }
    let control = &mut lanes[0];
    // A message of a kind that is not there yet, and a known one with a field that is not.
    control
        .send
        .write_all(&[4, 0xa2, 0x06, 1, 5])
        .await
        .unwrap();
    let wish = Message::Subscribe(Subscribe {
        id: 9,
        room: "maths".into(),
        track: "TR_mic".into(),
        layer: 0,
        path: vec!["b-kano".into()],
        listeners: 1,
    });
    let written = with_unknown_field(wish);
    control.send.write_all(&written).await.unwrap();
    // A datagram of a kind that is not there yet.
    control
        .connection
        .send_datagram(vec![0, 99, 1, 2, 3].into())
        .unwrap();
    let flow = loop {
        if let Message::Subscribed(subscribed) = control.next().await {
            assert_eq!(subscribed.id, 9);
            break FlowId::new(subscribed.flow).unwrap();
        }
    };
    let came = async {
        loop {
            let datagram = control.connection.read_datagram().await.unwrap();
            if let Ok(Frame::Media(media)) = Frame::read(datagram) {
                return media.flow;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, came).await.expect("sound comes"), flow);
    hub.until_counted("relay_link_datagrams_refused_total", "unknown_kind", 1)
        .await;
}

#[tokio::test]
async fn bad_q4_ways_that_lead_back_or_too_far_are_refused_and_counted() {
    let authority = authority();
    let hub = Wanting::new(&authority, "m-hub").hub().start();
    let pair = pair(&authority, "a-lagos", "lagos", HOUR);
    let config = client(&authority, &Shows::Certificate(&pair), "tof-relay/1");
    let (mut control, _video) =
        Stranger::link(config, "m-hub", hub.relay.address(), "a-lagos").await;
    for path in [
        &["b-kano", "m-hub", "a-lagos"][..],
        &["b", "c", "d", "e", "a-lagos"],
        &["b-kano"],
        &["b-kano", "a-lagos"],
    ] {
        control
            .say(Message::Announce(Announce {
                room: "maths".into(),
                track: "TR_mic".into(),
                epoch: 1,
                path: path.iter().map(ToString::to_string).collect(),
                cost: 1,
                kind: Kind::Audio.into(),
            }))
            .await;
    }
    let mut hub = hub;
    hub.until_track(Wanted::Yes).await;
    for reason in ["loop", "too_far", "not_theirs"] {
        assert_eq!(
            hub.counted("relay_announcements_refused_total", reason),
            1,
            "{reason}"
        );
    }
    // What comes from there is not wanted there.
    let wish = Subscribe {
        id: 1,
        room: "maths".into(),
        track: "TR_mic".into(),
        layer: 0,
        path: vec!["a-lagos".into()],
        listeners: 1,
    };
    control.say(Message::Subscribe(wish)).await;
    let refused = loop {
        let said = control.next().await;
        if let Message::Refused(refused) = said {
            break refused;
        }
        let subscribed = matches!(said, Message::Subscribed(_));
        assert!(!subscribed, "{:?} goes in a circle", track());
    };
    assert_eq!(refused.id, 1);
    hub.tell(Command::Stop).await;
}

/// The message with a field 90 at its end, which a newer version may have.
fn with_unknown_field(message: Message) -> Vec<u8> {
    let written = message.write();
    // One field: its tag, its length (two bytes at most here), and what it says.
    let (length, body) = split(&written);
    assert_eq!(length, body.len());
    let (inner, said) = split(&body[1..]);
    assert_eq!(inner, said.len());
    let mut said = said.to_vec();
    said.extend([0xd2, 0x05, 2, b'h', b'i']);
    let mut field = BytesMut::new();
    field.put_u8(body[0]);
    put_length(said.len(), &mut field);
    field.put_slice(&said);
    let mut whole = BytesMut::new();
    put_length(field.len(), &mut whole);
    whole.put_slice(&field);
    whole.to_vec()
}

fn split(bytes: &[u8]) -> (usize, &[u8]) {
    if bytes[0] & 0x80 == 0 {
        return (usize::from(bytes[0]), &bytes[1..]);
    }
    let length = usize::from(bytes[0] & 0x7f) | usize::from(bytes[1]) << 7;
    (length, &bytes[2..])
}

fn put_length(length: usize, to: &mut BytesMut) {
    if length > 0x7f {
        to.put_u8(length as u8 | 0x80);
        to.put_u8((length >> 7) as u8);
    } else {
        to.put_u8(length as u8);
    }
}
