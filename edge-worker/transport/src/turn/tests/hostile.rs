//! Damaged and made-up messages: none of them panics, and none does what its whole one would.

use rtc_stun::message::METHOD_ALLOCATE;

use super::super::{Dropped, Heard, is_turn, shard_named};
use super::client::{Asker, NODE, server, udp};
use crate::testing::{damage, start};

const ADA: &str = "203.0.113.5:40000";

#[test]
fn a_damaged_request_is_never_granted() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.nonce = super::secret(now).nonce(now, ada.client.address).into();
    let whole = unmarked(ada.sealed(METHOD_ALLOCATE, &[udp()]));
    damage(&whole, |bytes| {
        // Where the same bytes were drawn nothing is damaged.
        if bytes == whole {
            return;
        }
        is_turn(bytes);
        shard_named(bytes);
        turn.handle(now, ada.client, bytes);
        assert_eq!(turn.allocations(), 0, "{bytes:x?}");
    });
    assert_eq!(ada.say(&mut turn, now, &whole).code, 0);
}

#[test]
fn a_damaged_indication_says_what_lies_in_it_or_nothing() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    let from = ada.relayed(&mut turn, now);
    ada.permit(&mut turn, now, NODE);
    ada.bind(&mut turn, now, 0x4000, NODE);
    let indication = ada.indication(NODE, b"some datagram");
    let on_channel = [&[0x40, 0, 0, 13][..], b"some datagram"].concat();
    for whole in [indication, on_channel] {
        damage(&whole, |bytes| {
            if let Heard::Relay { relayed, datagram } = turn.handle(now, ada.client, bytes) {
                assert_eq!(relayed, from);
                assert!(datagram.end <= bytes.len());
            }
        });
    }
}

#[test]
fn what_is_cut_short_is_dropped() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.relayed(&mut turn, now);
    ada.permit(&mut turn, now, NODE);
    ada.bind(&mut turn, now, 0x4000, NODE);
    let indication = ada.indication(NODE, b"some datagram");
    let on_channel = [&[0x40, 0, 0, 13][..], b"some datagram"].concat();
    for whole in [indication, on_channel] {
        for len in 0..whole.len() {
            let heard = turn.handle(now, ada.client, &whole[..len]);
            assert_eq!(heard, Heard::Drop(Dropped::Malformed), "{len} bytes");
        }
    }
}

#[test]
fn attributes_behind_the_integrity_count_for_nothing() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.nonce = super::secret(now).nonce(now, ada.client.address).into();
    let mut request = unmarked(ada.sealed(METHOD_ALLOCATE, &[]));
    // What was missing.
    request.extend([0, 0x19, 0, 4, 17, 0, 0, 0]);
    tell_length(&mut request);
    assert_eq!(ada.say(&mut turn, now, &request).code, 400);
    assert_eq!(turn.allocations(), 0);
}

/// Without the FINGERPRINT, so that the integrity is the end.
fn unmarked(mut request: Vec<u8>) -> Vec<u8> {
    request.truncate(request.len() - 8);
    tell_length(&mut request);
    request
}

fn tell_length(request: &mut [u8]) {
    let len = (request.len() - 20) as u16;
    request[2..4].copy_from_slice(&len.to_be_bytes());
}
