//! Clients that get another address in mid-call and do not know it: NATs of mobile networks
//! forget their flows. What they send tells where they are, before they check their way again.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::client::rtp;
use common::{Call, Options};
use transport::{Event, Output, Way};

const ELSEWHERE: &str = "203.0.113.9:4000";

/// Connected, and heard of: one packet of sound and one report.
fn heard() -> Call {
    let mut call = Call::connected(Options::default());
    for mut datagram in [sound(&mut call, 7), report(&mut call)] {
        call.deliver(call.client.address, &mut datagram);
    }
    assert_eq!(call.packets.len(), 1, "{:?}", call.drops());
    call.events.clear();
    call
}

fn sound(call: &mut Call, seq: u16) -> Vec<u8> {
    let packet = rtp(111, seq, 1111, seq, b"opus");
    call.client.seal_rtp(&packet)
}

/// Nothing but who reports.
fn report(call: &mut Call) -> Vec<u8> {
    call.client.seal_rtcp(&[0x80, 201, 0, 1, 0, 0, 4, 87])
}

fn elsewhere() -> SocketAddr {
    ELSEWHERE.parse().expect("it is an address")
}

#[test]
fn packets_follow_the_first_that_comes_from_another_address() {
    let datagrams: [fn(&mut Call) -> Vec<u8>; 2] = [|call| sound(call, 8), report];
    for make in datagrams {
        let mut call = heard();
        call.client.silent = true;
        call.client.address = elsewhere();
        let mut datagram = make(&mut call);
        assert!(call.transport.follow(elsewhere().into(), &datagram));
        call.deliver(elsewhere(), &mut datagram);
        assert!(call.events.contains(&Event::AddressChanged));
        assert!(call.transport.is_validated(elsewhere().into()));
        assert!(call.drops().is_empty(), "it is taken as any other");
        // What is sent goes there.
        call.transport.close(call.now);
        let goodbye = call.transport.poll(call.now);
        let to = match &goodbye {
            Some(Output::Transmit { to, .. }) => Some(*to),
            Some(Output::Event(_)) | None => None,
        };
        assert_eq!(to, Some(Way::from(elsewhere())), "{goodbye:?}");
    }
}

#[test]
fn bad_i7_what_was_overheard_forged_or_never_begun_moves_nothing() {
    let mut call = heard();
    let overheard = [sound(&mut call, 8), report(&mut call)];
    for datagram in &overheard {
        call.deliver(call.client.address, &mut datagram.clone());
    }
    let late = sound(&mut call, 6);
    let mut forged = [sound(&mut call, 9), report(&mut call)];
    for datagram in &mut forged {
        let last = datagram.len() - 6;
        datagram[last] ^= 1;
    }
    let other_stream = call.client.seal_rtp(&rtp(111, 1, 2222, 1, b"opus"));
    let check = call.client.nominating_check(1);
    let strange = [
        late,
        other_stream,
        check,
        vec![0x80; 4_000],
        vec![0x80, 201],
    ];
    for datagram in overheard.iter().chain(&forged).chain(&strange) {
        assert!(!call.transport.follow(elsewhere().into(), datagram));
    }
    assert!(!call.transport.is_validated(elsewhere().into()));
    assert!(call.events.is_empty(), "{:?}", call.events);
    // And what was tried is still good.
    let mut next = sound(&mut call, 10);
    call.deliver(call.client.address, &mut next);
    assert_eq!(call.packets.len(), 3);
}

#[test]
fn whoever_is_followed_has_to_check_its_way_as_soon_as_ever() {
    let mut call = heard();
    call.client.silent = true;
    call.run(Duration::from_secs(10));
    let datagram = sound(&mut call, 8);
    assert!(call.transport.follow(elsewhere().into(), &datagram));
    call.flush();
    assert!(!call.events.contains(&Event::Silent));
    // Its last check was ten seconds ago.
    call.run(Duration::from_secs(5));
    assert!(call.events.contains(&Event::Silent), "{:?}", call.events);
}

#[test]
fn a_check_from_where_it_was_brings_packets_back() {
    let mut call = heard();
    let before = call.client.address;
    let datagram = sound(&mut call, 8);
    assert!(call.transport.follow(elsewhere().into(), &datagram));
    call.flush();
    call.events.clear();
    call.run_until(Duration::from_secs(3), |call| {
        call.events.contains(&Event::AddressChanged)
    });
    assert!(call.transport.is_alive(call.now, Way::from(before)));
}
