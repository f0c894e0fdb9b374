//! How a call comes up, and what cannot bring it up or down.

mod common;

use std::time::Duration;

use common::client::{Controlled, Controlling, Profiles, Role, UseCandidate};
use common::{Call, Options};
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::message::{Message, Setter};
use transport::{DropReason, Event, FailReason, Output, stun_ufrag};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn sd_1_a_call_connects_in_both_dtls_roles_with_the_best_profile_under_loss() {
    for role in [Role::Client, Role::Server] {
        for (profiles, expected) in [
            (Profiles::Both, ProtectionProfile::AeadAes128Gcm),
            (Profiles::Sha1, ProtectionProfile::Aes128CmHmacSha1_80),
        ] {
            for (loss_percent, seed) in [(0, 1), (5, 2), (5, 4)] {
                let call = Call::connected(Options {
                    role,
                    profiles,
                    loss_percent,
                    seed,
                    ..Options::default()
                });
                let srtp = call.client.srtp.as_ref().unwrap();
                // As server in DTLS the client chooses, and takes its own first.
                if role == Role::Client {
                    assert_eq!(srtp.profile as u16, expected as u16);
                }
            }
        }
    }
}

#[test]
fn bad_d1_d5_dtls_before_ice_and_media_before_dtls_are_ignored() {
    let mut call = Call::negotiated(Options::default());
    let from = call.client.address;
    let mut hello = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    call.deliver(from, &mut hello);
    call.deliver(from, &mut [0x80; 40]);
    assert_eq!(call.drops(), [("unvalidated_address", 2)]);
    assert_eq!(call.net.to_client, 0);
    let mut check = call.client.nominating_check(1);
    call.deliver(from, &mut check);
    call.deliver(from, &mut [0x80; 40]);
    assert_eq!(call.transport.drops().of(DropReason::NoKeys), 1);
}

#[test]
fn bad_i1_i2_checks_are_believed_only_with_their_integrity() {
    let mut call = Call::negotiated(Options::default());
    let from = call.client.address;
    let good = call.client.nominating_check(1);
    assert_eq!(stun_ufrag(&good), Some("edgeufrag"));
    let wrong_password = call
        .client
        .check(1, &[&UseCandidate], "another password altogether");
    let without_integrity = {
        let len = good.len() - 32;
        let mut cut = good[..len].to_vec();
        cut[2..4].copy_from_slice(&((len - 20) as u16).to_be_bytes());
        cut
    };
    let without_fingerprint = {
        let len = good.len() - 8;
        let mut cut = good[..len].to_vec();
        cut[2..4].copy_from_slice(&((len - 20) as u16).to_be_bytes());
        cut
    };
    let trailing = [&good[..], &[0; 4]].concat();
    let mut flipped = good.clone();
    flipped[10] ^= 1;
    let answer = {
        let mut message = good.clone();
        message[0] = 1;
        message
    };
    for (mut datagram, reason) in [
        (wrong_password, "stun_integrity"),
        (without_integrity, "stun_integrity"),
        (without_fingerprint, "stun_malformed"),
        (trailing, "stun_malformed"),
        (flipped, "stun_malformed"),
        (answer, "stun_not_request"),
        (good[..good.len() - 1].to_vec(), "stun_malformed"),
        (vec![0; 3], "stun_malformed"),
    ] {
        let mut before = Call::negotiated(Options::default());
        before.deliver(from, &mut datagram);
        assert_eq!(before.drops(), [(reason, 1)]);
        assert_eq!(before.net.to_client, 0, "{reason} was answered");
    }
    // Every byte counts.
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0x40;
        call.deliver(from, &mut damaged);
    }
    assert_eq!(call.net.to_client, 0);
    assert_eq!(call.transport.drops().total(), good.len() as u64);
    call.deliver(from, &mut good.clone());
    assert_eq!(call.net.to_client, 1);
}

#[test]
fn bad_i2_i4_refusals_are_authenticated_and_no_longer_than_the_request() {
    struct Unknown;
    impl Setter for Unknown {
        fn add_to(&self, m: &mut Message) -> Result<(), rtc_shared::error::Error> {
            m.add(rtc_stun::attributes::AttrType(0x7fff), &[1, 2, 3, 4]);
            Ok(())
        }
    }
    let pwd = "edgepasswordedgepassword";
    for (setter, code, reason) in [
        (&Controlled as &dyn Setter, [4, 87], "stun_role_conflict"),
        (&Unknown, [4, 20], "stun_unknown_attribute"),
    ] {
        let mut call = Call::negotiated(Options::default());
        let mut check = call.client.check(1, &[setter, &UseCandidate], pwd);
        let len = check.len();
        let from = call.client.address;
        call.client.silent = true;
        call.deliver(from, &mut check);
        call.run(Duration::from_millis(50));
        let [reply] = call.client.replies.as_slice() else {
            panic!("one reply");
        };
        assert!(reply.len() <= len);
        assert_eq!(reply[..2], [0x01, 0x11]);
        assert_eq!(reply[26..28], code);
        assert_eq!(call.drops(), [(reason, 1)]);
        // And it selects nothing.
        call.deliver(from, &mut [22; 40]);
        assert_eq!(call.transport.drops().of(DropReason::UnvalidatedAddress), 1);
    }
}

#[test]
fn bad_i7_packets_follow_the_client_to_another_address() {
    let mut call = Call::connected(Options::default());
    let old = call.client.address;
    call.client.address = "203.0.113.9:4000".parse().unwrap();
    // Media alone moves nothing, wherever it comes from.
    let packet = common::client::rtp(111, 1, 1111, 1, b"opus");
    let mut sealed = call.client.seal_rtp(&packet);
    call.deliver(call.client.address, &mut sealed.clone());
    assert!(call.packets.is_empty());
    call.run_until(secs(2), |call| call.events.contains(&Event::AddressChanged));
    call.deliver(call.client.address, &mut sealed);
    assert_eq!(call.packets.len(), 1);
    // Of less priority and while the other is alive, a nomination changes nothing.
    let mut low = call.client.nominating_check(1);
    call.deliver(old, &mut low);
    let moves = |call: &Call| {
        let moves = call.events.iter();
        moves
            .filter(|event| **event == Event::AddressChanged)
            .count()
    };
    assert_eq!(moves(&call), 1);
    call.client.silent = true;
    call.run(secs(7));
    let mut low = call.client.nominating_check(1);
    call.deliver(old, &mut low);
    assert_eq!(moves(&call), 2);
}

#[test]
fn of_all_nominated_pairs_the_one_of_highest_priority_is_used_in_whichever_order_they_come() {
    // Clients may nominate every pair that works, as Firefox and Chromium do, and repeat it.
    let pairs = [
        ("203.0.113.1:4000", 300),
        ("203.0.113.2:4000", 200),
        ("203.0.113.3:4000", 250),
    ];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut call = Call::connected(Options::default());
        // A pair that is only tried never counts, however good it is.
        let mut tried = call
            .client
            .check(999, &[&Controlling], &call.client.edge.pwd);
        call.deliver("203.0.113.9:4000".parse().unwrap(), &mut tried);
        call.client.silent = true;
        for _round in 0..2 {
            for pair in order {
                let (address, priority) = pairs[pair];
                let mut check = call.client.nominating_check(priority);
                call.deliver(address.parse().unwrap(), &mut check);
            }
        }
        assert_eq!(goodbye(&mut call), [pairs[0].0], "{order:?}");
    }
}

/// Closes the transport, and says where its last packets go.
fn goodbye(call: &mut Call) -> Vec<String> {
    call.transport.close(call.now);
    let mut told = Vec::new();
    while let Some(output) = call.transport.poll(call.now) {
        if let Output::Transmit { to, .. } = output {
            told.push(to.address().to_string());
        }
    }
    told.dedup();
    told
}

#[test]
fn bad_i5_a_client_silent_for_15_seconds_has_5_more_to_come_back() {
    let mut call = Call::connected(Options::default());
    call.run(secs(60));
    let silences = |call: &Call| {
        let silences = call.events.iter().filter(|event| **event == Event::Silent);
        silences.count()
    };
    assert_eq!(silences(&call), 0);
    // Back in time, all is as it was, and the next silence counts anew.
    for round in 1..=2 {
        call.client.silent = true;
        call.run(secs(14));
        assert_eq!(silences(&call), round - 1);
        call.run(secs(4));
        assert_eq!(silences(&call), round);
        call.client.silent = false;
        call.run(secs(30));
        assert!(call.transport.is_connected());
    }
    call.client.silent = true;
    call.run(secs(19));
    let failed = Event::Failed(FailReason::ConsentExpired);
    assert!(!call.events.contains(&failed));
    call.run_until(secs(2), |call| call.events.contains(&failed));
    assert_eq!(silences(&call), 3);
    assert_eq!(call.transport.deadline(), None);
    let mut check = call.client.nominating_check(1);
    call.deliver(call.client.address, &mut check);
    assert_eq!(call.transport.drops().of(DropReason::Closed), 1);
}

#[test]
fn a_client_that_says_elsewhere_that_it_comes_back_has_its_time_anew() {
    let mut call = Call::connected(Options::default());
    call.client.silent = true;
    call.run(secs(19));
    call.transport.expect(call.now);
    call.run(secs(19));
    let failed = Event::Failed(FailReason::ConsentExpired);
    assert!(!call.events.contains(&failed));
    call.run_until(secs(2), |call| call.events.contains(&failed));
}

#[test]
fn bad_d8_a_handshake_that_does_not_come_ends_in_ten_seconds() {
    let mut call = Call::negotiated(Options::default());
    // The client only ever checks.
    let from = call.client.address;
    let mut elapsed = 0;
    while !call
        .events
        .contains(&Event::Failed(FailReason::HandshakeTimeout))
    {
        assert!(elapsed <= 10, "too late");
        let mut check = call.client.nominating_check(1);
        call.deliver(from, &mut check);
        call.now += secs(1);
        call.transport.handle_timeout(call.now);
        call.flush();
        elapsed += 1;
    }
    assert_eq!(elapsed, 10);
}

#[test]
fn bad_d8_a_handshake_that_drips_ends_in_half_a_minute() {
    let mut call = Call::negotiated(Options::default());
    let from = call.client.address;
    let failed = Event::Failed(FailReason::HandshakeTimeout);
    let body = client_hello([0xfe, 0xfd], [0xc0, 0x2b], &[]);
    for elapsed in 0..30 {
        assert!(!call.events.contains(&failed), "after {elapsed} s");
        let mut check = call.client.nominating_check(1);
        call.deliver(from, &mut check);
        // Each byte is news.
        let mut drop = handshake(0, &body, elapsed..elapsed + 1);
        call.deliver(from, &mut drop);
        call.now += secs(1);
        call.transport.handle_timeout(call.now);
        call.flush();
    }
    assert!(call.events.contains(&failed));
}

#[test]
fn bad_d4_old_versions_and_suites_without_encryption_are_refused() {
    for (what, version, suite, accepted) in [
        ("what browsers say", [0xfe, 0xfd], [0xc0, 0x2b], true),
        ("DTLS 1.0", [0xfe, 0xff], [0xc0, 0x2b], false),
        (
            "DTLS 1.0 with its own suite",
            [0xfe, 0xff],
            [0, 0x2f],
            false,
        ),
        ("nothing at all", [0xfe, 0xfd], [0, 0], false),
        ("integrity alone", [0xfe, 0xfd], [0xc0, 0x06], false),
        ("an export suite", [0xfe, 0xfd], [0, 0x08], false),
        ("nobody is who it is", [0xfe, 0xfd], [0xc0, 0x18], false),
    ] {
        let mut call = Call::negotiated(Options::default());
        let from = call.client.address;
        call.client.silent = true;
        let mut check = call.client.nominating_check(1);
        call.deliver(from, &mut check);
        let mut answers = Vec::new();
        for (seq, cookie) in [(0, None), (1, Some(()))] {
            let cookie = match cookie {
                None => Vec::new(),
                Some(()) => cookie_of(&answers).unwrap_or_default(),
            };
            let body = client_hello(version, suite, &cookie);
            let mut hello = handshake(seq, &body, 0..body.len());
            let none = call
                .transport
                .handle_datagram(call.now, from.into(), &mut hello);
            assert!(none.is_none());
            while let Some(output) = call.transport.poll(call.now) {
                if let Output::Transmit { bytes, .. } = output {
                    answers.push(bytes.into_owned());
                }
            }
        }
        let said_hello = answers
            .iter()
            .any(|datagram| message_type(datagram) == Some(2));
        assert_eq!(said_hello, accepted, "{what}: {answers:02x?}");
        assert!(!call.transport.is_connected());
    }
}

/// The body of a ClientHello with the extensions that we insist on.
fn client_hello(version: [u8; 2], suite: [u8; 2], cookie: &[u8]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.extend([0, cookie.len() as u8]);
    body.extend(cookie);
    body.extend([0, 2]);
    body.extend(suite);
    body.extend([1, 0]);
    let extensions: &[u8] = &[
        0, 23, 0, 0, // extended master secret
        0, 10, 0, 4, 0, 2, 0, 23, // P-256
        0, 11, 0, 2, 1, 0, // uncompressed
        0, 13, 0, 4, 0, 2, 4, 3, // ECDSA with SHA-256
        0, 14, 0, 5, 0, 2, 0, 7, 0, // SRTP with AES-GCM
    ];
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    body
}

/// A record with the bytes of `range` of a ClientHello.
fn handshake(seq: u8, body: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
    let wide = |number: usize| (number as u32).to_be_bytes()[1..].to_vec();
    let fragment = [
        vec![1],
        wide(body.len()),
        vec![0, seq],
        wide(range.start),
        wide(range.len()),
        body[range].to_vec(),
    ]
    .concat();
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, seq];
    record.extend((fragment.len() as u16).to_be_bytes());
    record.extend(fragment);
    record
}

/// The type of the handshake message a datagram begins with.
fn message_type(datagram: &[u8]) -> Option<u8> {
    (*datagram.first()? == 22).then(|| datagram.get(13).copied())?
}

/// What a HelloVerifyRequest asks to have said again.
fn cookie_of(answers: &[Vec<u8>]) -> Option<Vec<u8>> {
    let request = answers
        .iter()
        .find(|datagram| message_type(datagram) == Some(3))?;
    let (length, cookie) = request.get(13 + 12 + 2..)?.split_first()?;
    cookie.get(..usize::from(*length)).map(<[u8]>::to_vec)
}

#[test]
fn bad_i7_a_check_sent_again_from_elsewhere_moves_nothing() {
    let mut call = Call::connected(Options::default());
    let from = call.client.address;
    let elsewhere = "203.0.113.66:6666".parse().unwrap();
    let overheard = call.client.nominating_check(u32::MAX);
    call.deliver(from, &mut overheard.clone());
    let told = call.net.to_client;
    for _ in 0..100 {
        call.deliver(elsewhere, &mut overheard.clone());
    }
    assert_eq!(call.drops(), [("stun_replay", 100)]);
    assert_eq!(call.net.to_client, told, "no answer");
    assert!(!call.transport.is_validated(elsewhere.into()));
    assert!(!call.events.contains(&Event::AddressChanged));
    // From where it came it may come twice: an answer gets lost.
    call.deliver(from, &mut overheard.clone());
    assert_eq!(call.net.to_client, told + 1);
}

#[test]
fn bad_i4_a_storm_of_role_conflicts_selects_nothing_and_ends_nothing() {
    let mut call = Call::connected(Options::default());
    let stranger = "203.0.113.66:6666".parse().unwrap();
    let pwd = call.client.edge.pwd.clone();
    for _ in 0..1_000 {
        let mut check = call
            .client
            .check(u32::MAX, &[&Controlled, &UseCandidate], &pwd);
        call.deliver(stranger, &mut check);
    }
    assert_eq!(call.drops(), [("stun_role_conflict", 1_000)]);
    assert!(!call.transport.is_validated(stranger.into()));
    call.run(secs(5));
    assert!(call.transport.is_connected());
    assert!(!call.events.contains(&Event::AddressChanged));
}

#[test]
fn bad_s2_d3_another_certificate_than_described_ends_the_handshake() {
    for role in [Role::Client, Role::Server] {
        let options = Options {
            role,
            ..Options::default()
        };
        let mut call = Call::negotiated(options);
        let other = Call::negotiated(options);
        call.client = other.client;
        let failed = Event::Failed(FailReason::WrongCertificate);
        call.run_until(secs(5), |call| call.events.contains(&failed));
        assert!(!call.events.contains(&Event::Connected));
    }
}

#[test]
fn closing_tells_the_client_and_the_client_tells_us() {
    let mut call = Call::connected(Options::default());
    let now = call.now;
    call.client.dtls.close(now).unwrap();
    let closed = Event::Failed(FailReason::ClosedByClient);
    call.run_until(secs(1), |call| call.events.contains(&closed));

    let mut call = Call::connected(Options::default());
    call.run(secs(1));
    let before = call.net.to_client;
    call.transport.close(call.now);
    call.flush();
    assert!(call.net.to_client > before, "a goodbye is sent");
    assert_eq!(call.transport.deadline(), None);
}
