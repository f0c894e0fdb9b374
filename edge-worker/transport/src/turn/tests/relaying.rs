//! What goes between a client and the node: by indication, by channel, over datagrams and over
//! connections.

use std::time::{Duration, Instant};

use rtc_stun::message::CLASS_INDICATION;

use super::super::{
    Carriage, Dropped, Frames, Greeting, Heard, Turn, begins_request, is_turn, shard_named,
};
use super::client::{Answer, Asker, NODE, SHARD, address, participant, secret, server};
use crate::testing::start;

const ADA: &str = "203.0.113.5:40000";

fn channel(number: u16, datagram: &[u8]) -> Vec<u8> {
    let len = datagram.len() as u16;
    [&number.to_be_bytes()[..], &len.to_be_bytes(), datagram].concat()
}

/// What a message brings the node, and from where.
fn relayed(turn: &mut Turn, now: Instant, ada: &Asker, message: &[u8]) -> Vec<u8> {
    match turn.handle(now, ada.client, message) {
        Heard::Relay { relayed, datagram } => {
            assert_eq!(turn.client(relayed), Some(ada.client));
            message[datagram].to_vec()
        }
        other @ (Heard::Answer { .. } | Heard::Drop(_)) => panic!("to be relayed, not {other:?}"),
    }
}

#[test]
fn what_a_client_sends_reaches_the_node_and_its_answer_the_client() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    let from = ada.relayed(&mut turn, now);
    let mut out = Vec::new();
    let unasked = turn.wrap(now, from, b"hello?", &mut out);
    assert_eq!(unasked, Err(Dropped::NoPermission));
    assert_eq!(ada.permit(&mut turn, now, NODE), 0);
    for datagram in [&b"hello"[..], b"", b"four"] {
        let said = ada.indication(NODE, datagram);
        assert!(is_turn(&said));
        assert_eq!(relayed(&mut turn, now, &ada, &said), datagram);
        let mut out = b"before".to_vec();
        assert_eq!(turn.wrap(now, from, datagram, &mut out), Ok(ada.client));
        let said = Answer::read(out.split_off(6));
        assert_eq!(out, b"before");
        assert_eq!(said.message.typ.class, CLASS_INDICATION);
        assert_eq!(said.address(0x0012), address(NODE));
        assert_eq!(said.get(0x0013).unwrap(), datagram);
    }
}

#[test]
fn on_a_channel_four_bytes_are_all_it_costs() {
    let now = start();
    for (carriage, padded) in [(Carriage::Datagrams, 9), (Carriage::Bytes(1), 12)] {
        let mut turn = server(now);
        turn.admit(participant("ada"));
        let mut ada = Asker::at(now, now, ADA, carriage);
        let from = ada.relayed(&mut turn, now);
        let said = channel(0x4abc, b"hello");
        let heard = turn.handle(now, ada.client, &said);
        assert_eq!(heard, Heard::Drop(Dropped::NoChannel));
        assert_eq!(ada.bind(&mut turn, now, 0x4abc, NODE), 0);
        assert!(is_turn(&said));
        assert_eq!(relayed(&mut turn, now, &ada, &said), b"hello");
        let mut out = Vec::new();
        assert_eq!(turn.wrap(now, from, b"hello", &mut out), Ok(ada.client));
        assert_eq!((&out[..9], out.len()), (&said[..], padded));
    }
}

#[test]
fn a_channel_and_whom_it_leads_to_belong_together() {
    let now = start();
    let mut turn = Turn::new(
        secret(now),
        SHARD,
        vec![address(NODE), address("192.0.2.9:7882")],
    );
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.relayed(&mut turn, now);
    for (number, peer, code) in [
        (0x3fff, NODE, 400),
        (0x5000, NODE, 400),
        (0xffff, NODE, 400),
        (0x4000, NODE, 0),
        (0x4000, NODE, 0),
        (0x4001, NODE, 400),
        (0x4000, "192.0.2.9:7882", 400),
        (0x4fff, "192.0.2.9:7882", 0),
    ] {
        assert_eq!(ada.bind(&mut turn, now, number, peer), code, "{number:x}");
    }
    // The node answers from where it was spoken to.
    for number in [0x4000u16, 0x4fff] {
        let said = channel(number, b"hello");
        relayed(&mut turn, now, &ada, &said);
        let from = turn.allocations[&ada.client].relayed;
        let mut out = Vec::new();
        turn.wrap(now, from, b"hello", &mut out).unwrap();
        assert_eq!(out, said);
    }
}

#[test]
fn permissions_and_channels_end_unless_they_are_renewed() {
    let began = start();
    let minutes = |minutes: u64| began + Duration::from_secs(60 * minutes);
    let mut turn = server(began);
    let mut ada = Asker::new(&mut turn, began, began, ADA);
    let from = ada.relayed(&mut turn, began);
    ada.permit(&mut turn, began, NODE);
    let said = ada.indication(NODE, b"hello");
    assert_eq!(relayed(&mut turn, minutes(4), &ada, &said), b"hello");
    let heard = turn.handle(minutes(5), ada.client, &said);
    assert_eq!(heard, Heard::Drop(Dropped::NoPermission));
    let mut out = Vec::new();
    let answered = turn.wrap(minutes(5), from, b"hello", &mut out);
    assert_eq!((answered, out.len()), (Err(Dropped::NoPermission), 0));
    // A channel brings its permission with it.
    assert_eq!(ada.bind(&mut turn, minutes(5), 0x4000, NODE), 0);
    ada.refresh(&mut turn, minutes(9), 600);
    assert_eq!(relayed(&mut turn, minutes(9), &ada, &said), b"hello");
    let on_channel = channel(0x4000, b"hello");
    assert_eq!(relayed(&mut turn, minutes(14), &ada, &on_channel), b"hello");
    let heard = turn.handle(minutes(15), ada.client, &on_channel);
    assert_eq!(heard, Heard::Drop(Dropped::NoChannel));
    // Its number is free for another one then.
    assert_eq!(ada.bind(&mut turn, minutes(15), 0x4001, NODE), 0);
}

#[test]
fn a_connection_that_ends_takes_its_allocation_along() {
    let now = start();
    let mut turn = server(now);
    turn.admit(participant("ada"));
    let mut by_udp = Asker::at(now, now, ADA, Carriage::Datagrams);
    let mut by_tcp = Asker::at(now, now, ADA, Carriage::Bytes(1));
    let kept = by_udp.relayed(&mut turn, now);
    let ended = by_tcp.relayed(&mut turn, now);
    assert_ne!(kept, ended);
    turn.closed(by_tcp.client);
    assert_eq!((turn.client(ended), turn.allocations()), (None, 1));
    assert_eq!(turn.client(kept), Some(by_udp.client));
}

#[test]
fn a_connection_finds_its_shard_by_the_name_in_its_first_proof() {
    let now = start();
    let mut ada = Asker::at(now, now, ADA, Carriage::Bytes(1));
    let method = rtc_stun::message::METHOD_ALLOCATE;
    assert_eq!(shard_named(&ada.bare(method, &[])), None);
    assert_eq!(shard_named(&ada.sealed(method, &[])), Some(SHARD));
    assert_eq!(shard_named(&channel(0x4000, b"hello")), None);
    // What any shard says to the first message holds for the others, and so does what is said at
    // the door.
    let request = ada.bare(method, &[]);
    let mut first = server(now);
    let by_shard = ada.say(&mut first, now, &request);
    let Greeting::Answer(by_door) = secret(now).greet(now, ada.client.address, &request) else {
        panic!("a request is answered");
    };
    assert_eq!(by_shard.bytes, by_door);
    let mut own = server(now);
    own.admit(participant("ada"));
    ada.nonce = Answer::read(by_door).get(0x0015).unwrap();
    let proof = ada.sealed(method, &[]);
    let greeting = secret(now).greet(now, ada.client.address, &proof);
    assert_eq!(greeting, Greeting::Shard(SHARD));
    assert_eq!(ada.allocate(&mut own, now).code, 0);
}

#[test]
fn at_the_door_only_requests_are_answered() {
    let now = start();
    let mut ada = Asker::at(now, now, ADA, Carriage::Bytes(1));
    for (message, dropped) in [
        (ada.indication(NODE, b"hello"), Dropped::NoAllocation),
        (channel(0x4000, b"hello"), Dropped::Malformed),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Dropped::Malformed),
    ] {
        let greeting = secret(now).greet(now, ada.client.address, &message);
        assert_eq!(greeting, Greeting::Drop(dropped), "{message:x?}");
    }
}

#[test]
fn requests_and_frames_of_checks_are_told_apart_by_two_bytes() {
    for (first, request) in [
        ([0, 3], true),
        ([0, 4], true),
        ([0, 9], true),
        // An indication, or a frame of 22 bytes.
        ([0, 22], false),
        // Of nothing, which keeps connections open.
        ([0, 0], false),
        // A check of ICE is 20 bytes long, and more.
        ([0, 20], false),
        ([0, 96], false),
        ([5, 255], false),
        ([0x16, 3], false),
        (*b"GE", false),
    ] {
        assert_eq!(begins_request(first), request, "{first:x?}");
    }
}

#[test]
fn frames_of_a_connection_are_messages_and_what_channels_carry() {
    let now = start();
    let mut turn = server(now);
    turn.admit(participant("ada"));
    let mut ada = Asker::at(now, now, ADA, Carriage::Bytes(1));
    ada.relayed(&mut turn, now);
    ada.bind(&mut turn, now, 0x4000, NODE);
    let mut said = ada.indication(NODE, b"first");
    for datagram in [&b"second"[..], b"", b"last"] {
        said.extend(channel(0x4000, datagram));
        said.resize(said.len().next_multiple_of(4), 0);
    }
    let mut frames = Frames::default();
    let mut heard = Vec::new();
    for byte in said {
        frames.push(&[byte]);
        let first = frames.first().unwrap().map(<[u8]>::to_vec);
        while let Some(frame) = frames.next_frame().unwrap() {
            assert_eq!(Some(&*frame), first.as_deref());
            heard.push(relayed(&mut turn, now, &ada, frame));
        }
    }
    assert_eq!(heard, [&b"first"[..], b"second", b"", b"last"]);
    assert_eq!(frames.waiting(), 0);
}
