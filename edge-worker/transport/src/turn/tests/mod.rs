//! The rules of RFC 8656 as tables, and what strangers and clients that lie get by it.

mod client;
mod frames;
mod hostile;
mod relaying;

use std::time::Duration;

use rtc_stun::message::{METHOD_ALLOCATE, METHOD_CONNECT, METHOD_REFRESH};

use super::{Carriage, Heard};
use crate::testing::start;
use client::{Asker, NODE, NODE_V6, address, participant, secret, server, udp};

const ADA: &str = "203.0.113.5:40000";

#[test]
fn u1_a_request_without_credentials_is_told_realm_and_nonce_in_a_short_answer() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    let request = ada.bare(METHOD_ALLOCATE, &[udp()]);
    let answer = ada.say(&mut turn, now, &request);
    assert_eq!(answer.code, 401);
    assert_eq!(answer.get(0x0014).unwrap(), b"tof");
    assert!(answer.bytes.len() <= 64, "{} bytes", answer.bytes.len());
    assert_eq!(turn.allocations(), 0);
    ada.nonce = answer.get(0x0015).unwrap();
    assert_eq!(ada.allocate(&mut turn, now).code, 0);
}

#[test]
fn u1_whoever_asks_without_credentials_again_and_again_is_not_answered_any_more() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    let mut answered = 0;
    for _ in 0..10_000 {
        let request = ada.bare(METHOD_ALLOCATE, &[udp()]);
        answered += usize::from(matches!(
            turn.handle(now, ada.client, &request),
            Heard::Answer { .. }
        ));
    }
    assert!((100..1_000).contains(&answered), "{answered} answers");
    // Who has a nonce and credentials is not held up by strangers behind the same address.
    ada.nonce = secret(now).nonce(now, ada.client.address).into_bytes();
    assert_eq!(ada.allocate(&mut turn, now).code, 0);
    let later = now + Duration::from_secs(20);
    let request = ada.bare(METHOD_REFRESH, &[]);
    assert_eq!(ada.say(&mut turn, later, &request).code, 401);
}

#[test]
fn u2_credentials_count_while_they_are_current_and_the_participant_is_here() {
    let began = start();
    let day = Duration::from_secs(24 * 60 * 60);
    type Change = fn(&mut Asker);
    let cases: [(&str, Duration, Change, u16); 7] = [
        ("as issued", Duration::ZERO, |_| {}, 0),
        ("expired", day, |_| {}, 401),
        (
            "another password",
            Duration::ZERO,
            |ada| ada.credentials.password.push('x'),
            401,
        ),
        (
            "a longer time",
            Duration::ZERO,
            |ada| ada.credentials.username.insert(0, '9'),
            401,
        ),
        (
            "another shard's",
            Duration::ZERO,
            |ada| ada.credentials = secret(start()).issue(start(), 4, participant("ada")),
            401,
        ),
        (
            "somebody who is not here",
            Duration::ZERO,
            |ada| ada.credentials = secret(start()).issue(start(), 3, participant("eve")),
            401,
        ),
        (
            "no name of ours",
            Duration::ZERO,
            |ada| ada.credentials.username = "ada".to_owned(),
            401,
        ),
    ];
    for (what, after, change, code) in cases {
        let mut turn = server(began);
        let mut ada = Asker::new(&mut turn, began, began, ADA);
        change(&mut ada);
        assert_eq!(ada.allocate(&mut turn, began + after).code, code, "{what}");
    }
}

#[test]
fn u2_a_nonce_grows_stale_and_is_nobody_elses() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.allocate(&mut turn, now);
    let hour = Duration::from_secs(3_600);
    let request = ada.sealed(METHOD_REFRESH, &[]);
    let stale = ada.say(&mut turn, now + hour, &request);
    assert_eq!(stale.code, 438);
    assert_ne!(stale.get(0x0015).unwrap(), ada.nonce);
    let mut elsewhere = Asker::at(now, now, "203.0.113.5:40001", Carriage::Datagrams);
    elsewhere.nonce.clone_from(&ada.nonce);
    let request = elsewhere.sealed(METHOD_ALLOCATE, &[udp()]);
    assert_eq!(elsewhere.say(&mut turn, now, &request).code, 438);
}

#[test]
fn u2_credentials_end_with_the_participation_and_so_does_what_was_made_with_them() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    let relayed = ada.relayed(&mut turn, now);
    ada.permit(&mut turn, now, NODE);
    turn.dismiss(participant("ada"));
    assert_eq!(turn.allocations(), 0);
    assert_eq!(turn.client(relayed), None);
    let said = ada.indication(NODE, b"still here");
    let heard = turn.handle(now, ada.client, &said);
    assert_eq!(heard, Heard::Drop(super::Dropped::NoAllocation));
    assert_eq!(ada.allocate(&mut turn, now).code, 401);
    assert_eq!(ada.refresh(&mut turn, now, 600).code, 401);
}

#[test]
fn u3_nobody_but_this_node_can_be_named() {
    let now = start();
    for peer in [
        "127.0.0.1:80",
        "127.8.8.8:7882",
        "10.0.0.1:22",
        "172.16.0.1:22",
        "172.31.255.254:22",
        "192.168.1.1:80",
        "100.64.0.1:80",
        "169.254.169.254:80",
        "0.0.0.0:7882",
        "224.0.0.1:5353",
        "239.255.255.250:1900",
        "255.255.255.255:67",
        "192.0.2.8:7882",
        "8.8.8.8:53",
        "[::]:7882",
        "[::1]:7882",
        "[fe80::1]:7882",
        "[fc00::1]:7882",
        "[fd00::1]:7882",
        "[::ffff:127.0.0.1]:7882",
        "[::ffff:192.0.2.7]:7882",
        "[::192.0.2.7]:7882",
        "[64:ff9b::c000:207]:7882",
        "[64:ff9b::7f00:1]:80",
        "[2001:db8::8]:7882",
    ] {
        let mut turn = server(now);
        let mut ada = Asker::new(&mut turn, now, now, ADA);
        let relayed = ada.relayed(&mut turn, now);
        assert_eq!(ada.permit(&mut turn, now, peer), 403, "{peer}");
        assert_eq!(ada.bind(&mut turn, now, 0x4000, peer), 403, "{peer}");
        let said = ada.indication(peer, b"let me in");
        let heard = turn.handle(now, ada.client, &said);
        assert_eq!(heard, Heard::Drop(super::Dropped::NoPermission), "{peer}");
        // Not even after it may speak to the node.
        assert_eq!(ada.permit(&mut turn, now, NODE), 0);
        let heard = turn.handle(now, ada.client, &said);
        assert_eq!(heard, Heard::Drop(super::Dropped::NoPermission), "{peer}");
        let mut out = Vec::new();
        assert!(turn.wrap(now, relayed, b"hello", &mut out).is_err());
    }
}

#[test]
fn u3_another_port_of_this_node_is_not_spoken_to_either() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.relayed(&mut turn, now);
    // A permission is for all ports (RFC 8656 section 9), yet only one of them leads anywhere.
    assert_eq!(ada.permit(&mut turn, now, "192.0.2.7:22"), 0);
    assert_eq!(ada.bind(&mut turn, now, 0x4000, "192.0.2.7:22"), 403);
    let said = ada.indication("192.0.2.7:22", b"ssh");
    let heard = turn.handle(now, ada.client, &said);
    assert_eq!(heard, Heard::Drop(super::Dropped::NoPermission));
}

#[test]
fn u3_one_forbidden_name_among_others_gives_no_permission_at_all() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.relayed(&mut turn, now);
    let peers = [NODE, "10.0.0.1:22"].map(|peer| (0x0012, peer.as_bytes().to_vec()));
    let method = rtc_stun::message::METHOD_CREATE_PERMISSION;
    assert_eq!(ada.ask(&mut turn, now, method, &peers).code, 403);
    let said = ada.indication(NODE, b"hello");
    let heard = turn.handle(now, ada.client, &said);
    assert_eq!(heard, Heard::Drop(super::Dropped::NoPermission));
}

#[test]
fn u4_one_participant_has_a_few_allocations_and_not_a_thousand() {
    let now = start();
    let mut turn = server(now);
    let mut granted = 0;
    for port in 0..1_000 {
        let from = format!("203.0.113.5:{}", 20_000 + port);
        let mut ada = Asker::new(&mut turn, now, now, &from);
        match ada.allocate(&mut turn, now).code {
            0 => granted += 1,
            code => assert_eq!(code, 486),
        }
    }
    assert_eq!(granted, super::requests::MOST_OF_ONE);
    assert_eq!(turn.allocations(), granted);
}

#[test]
fn u4_what_a_client_left_behind_gives_way_to_where_it_is_now() {
    let now = start();
    let mut turn = server(now);
    let mut at = now;
    // A carrier that changes its addresses every half a minute.
    for port in 0..100 {
        let from = format!("203.0.113.5:{}", 20_000 + port);
        let mut ada = Asker::new(&mut turn, now, now, &from);
        assert_eq!(ada.allocate(&mut turn, at).code, 0, "after {port} changes");
        at += Duration::from_secs(30);
    }
    assert!(turn.allocations() <= super::requests::MOST_OF_ONE);
}

#[test]
fn u4_a_network_and_a_shard_have_their_limits_too() {
    let now = start();
    for (source, most, code) in [
        (None, super::requests::MOST, 508),
        (Some("203.0.113.5"), super::requests::MOST_OF_SOURCE, 486),
    ] {
        let mut turn = server(now);
        for number in 0..most + 1 {
            let name = participant(&format!("pupil{number}"));
            turn.admit(name);
            let own = format!("100.{}.{}.1", number / 250, number % 250);
            let from = format!("{}:{}", source.unwrap_or(&own), 20_000 + number);
            let mut pupil = Asker::at(now, now, &from, Carriage::Datagrams);
            pupil.credentials = secret(now).issue(now, client::SHARD, name);
            pupil.nonce = secret(now).nonce(now, pupil.client.address).into_bytes();
            let expected = if number < most { 0 } else { code };
            let answer = pupil.allocate(&mut turn, now);
            assert_eq!(answer.code, expected, "number {number}");
        }
        assert_eq!(turn.allocations(), most);
    }
}

#[test]
fn u5_connections_to_others_are_not_made() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.relayed(&mut turn, now);
    for peer in [NODE, "10.0.0.1:22"] {
        let peer = (0x0012, peer.as_bytes().to_vec());
        let answer = ada.ask(&mut turn, now, METHOD_CONNECT, &[peer]);
        assert_eq!(answer.code, 400);
    }
    // Nor is TCP relayed.
    let mut other = Asker::at(now, now, "203.0.113.5:40001", Carriage::Datagrams);
    let tcp = (0x0019, vec![6, 0, 0, 0]);
    let answer = other.ask(&mut turn, now, METHOD_ALLOCATE, &[tcp]);
    assert_eq!(answer.code, 442);
}

#[test]
fn an_allocation_is_had_as_it_is_asked_for_or_refused_with_the_code_for_it() {
    let now = start();
    let v4 = (0x0017, vec![1, 0, 0, 0]);
    let v6 = (0x0017, vec![2, 0, 0, 0]);
    let even = (0x0018, vec![0]);
    let even_and_next = (0x0018, vec![0x80]);
    let token = (0x0022, vec![1; 8]);
    let dont_fragment = (0x001a, vec![]);
    let second = (0x8000, vec![2, 0, 0, 0]);
    let cases = [
        (vec![udp()], 0),
        (vec![udp(), v4.clone()], 0),
        (vec![udp(), even.clone()], 0),
        (vec![udp(), dont_fragment], 0),
        (vec![udp(), second.clone()], 0),
        (
            vec![udp(), (0x000d, 4_000_000_000u32.to_be_bytes().to_vec())],
            0,
        ),
        (vec![], 400),
        (vec![(0x0019, vec![17])], 400),
        (vec![(0x0019, vec![132, 0, 0, 0])], 442),
        (vec![udp(), v6.clone()], 440),
        (vec![udp(), (0x0017, vec![9, 0, 0, 0])], 440),
        (vec![udp(), (0x0017, vec![])], 400),
        (vec![udp(), (0x000d, vec![1])], 400),
        (vec![udp(), even_and_next.clone()], 508),
        (vec![udp(), token.clone()], 508),
        (vec![udp(), token.clone(), even], 400),
        (vec![udp(), token.clone(), v4.clone()], 400),
        (vec![udp(), token, second.clone()], 400),
        (vec![udp(), second.clone(), v4], 400),
        (vec![udp(), second, even_and_next], 400),
        (vec![udp(), (0x7f01, vec![1, 2, 3])], 420),
        (vec![udp(), (0xff01, vec![1, 2, 3])], 0),
    ];
    for (wish, code) in cases {
        let mut turn = server(now);
        let mut ada = Asker::new(&mut turn, now, now, ADA);
        let answer = ada.ask(&mut turn, now, METHOD_ALLOCATE, &wish);
        assert_eq!(answer.code, code, "{wish:x?}");
        assert_eq!(turn.allocations(), usize::from(code == 0), "{wish:x?}");
        if code == 0 {
            assert_eq!(answer.get(0x000d).unwrap(), 600u32.to_be_bytes());
            assert_eq!(answer.address(0x0020), ada.client.address);
            assert_eq!(answer.address(0x0016).ip(), address(NODE).ip());
        }
        if code == 420 {
            assert_eq!(answer.get(0x000a).unwrap(), [0x7f, 0x01]);
        }
        if wish.iter().any(|(kind, _)| *kind == 0x0018) && code == 0 {
            assert_eq!(answer.address(0x0016).port() % 2, 0);
        }
        if wish.iter().any(|(kind, _)| *kind == 0x8000) && code == 0 {
            assert_eq!(answer.get(0x8001).unwrap(), [2, 0, 4, 40]);
        }
    }
}

#[test]
fn an_answer_that_was_lost_is_given_again_and_another_allocation_is_refused() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.nonce = secret(now).nonce(now, ada.client.address).into_bytes();
    let request = ada.sealed(METHOD_ALLOCATE, &[udp()]);
    let first = ada.say(&mut turn, now, &request);
    let again = ada.say(&mut turn, now, &request);
    assert_eq!((first.code, first.bytes), (0, again.bytes));
    assert_eq!(ada.allocate(&mut turn, now).code, 437);
    assert_eq!(turn.allocations(), 1);
}

#[test]
fn an_allocation_is_its_makers_alone() {
    let now = start();
    let mut turn = server(now);
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    ada.relayed(&mut turn, now);
    turn.admit(participant("eve"));
    ada.credentials = secret(now).issue(now, client::SHARD, participant("eve"));
    assert_eq!(ada.refresh(&mut turn, now, 0).code, 441);
    assert_eq!(ada.permit(&mut turn, now, NODE), 441);
    assert_eq!(turn.allocations(), 1);
}

#[test]
fn allocations_end_unless_they_are_refreshed() {
    let began = start();
    let minutes = |minutes: u64| began + Duration::from_secs(60 * minutes);
    let mut turn = server(began);
    let mut ada = Asker::new(&mut turn, began, began, ADA);
    let relayed = ada.relayed(&mut turn, began);
    let answer = ada.refresh(&mut turn, minutes(9), 3_600);
    assert_eq!(answer.get(0x000d).unwrap(), 600u32.to_be_bytes());
    turn.handle_timeout(minutes(18));
    assert!(turn.client(relayed).is_some());
    // Over before anybody has looked.
    assert_eq!(ada.refresh(&mut turn, minutes(19), 600).code, 437);
    turn.handle_timeout(minutes(19));
    assert_eq!((turn.client(relayed), turn.allocations()), (None, 0));
    ada.relayed(&mut turn, minutes(19));
    let freed = ada.refresh(&mut turn, minutes(20), 0);
    assert_eq!((freed.code, freed.get(0x000d).unwrap()), (0, vec![0; 4]));
    assert_eq!(turn.allocations(), 0);
    assert_eq!(ada.refresh(&mut turn, minutes(20), 0).code, 437);
}

#[test]
fn an_allocation_of_the_other_kind_of_address_is_had_where_the_node_has_one() {
    let now = start();
    let mut turn = super::Turn::new(
        secret(now),
        client::SHARD,
        vec![address(NODE), address(NODE_V6)],
    );
    let mut ada = Asker::new(&mut turn, now, now, ADA);
    let v6 = (0x0017, vec![2, 0, 0, 0]);
    let answer = ada.ask(&mut turn, now, METHOD_ALLOCATE, &[udp(), v6.clone()]);
    assert_eq!(answer.address(0x0016).ip(), address(NODE_V6).ip());
    assert_eq!(ada.permit(&mut turn, now, NODE), 443);
    assert_eq!(ada.bind(&mut turn, now, 0x4000, NODE), 443);
    assert_eq!(ada.permit(&mut turn, now, NODE_V6), 0);
    let v4 = (0x0017, vec![1, 0, 0, 0]);
    assert_eq!(ada.ask(&mut turn, now, METHOD_REFRESH, &[v4]).code, 443);
    assert_eq!(ada.ask(&mut turn, now, METHOD_REFRESH, &[v6]).code, 0);
}
