//! Media and RTCP from a client over a connected call, and what is refused of it.

mod common;

use std::time::Duration;

use common::client::{Profiles, rtp};
use common::{Call, Options};
use media::{NtpTime, Rtcp, SenderReport, Ssrc, Timestamp};
use transport::{DropReason, Event};

fn calls() -> [Call; 2] {
    [Profiles::Both, Profiles::Sha1].map(|profiles| {
        Call::connected(Options {
            profiles,
            ..Options::default()
        })
    })
}

fn send(call: &mut Call, packet: &[u8]) {
    let mut sealed = call.client.seal_rtp(packet);
    let from = call.client.address;
    call.deliver(from, &mut sealed);
}

#[test]
fn bad_r3_packets_arrive_once_and_across_the_wrap_of_their_numbers() {
    for mut call in calls() {
        let from = call.client.address;
        let mut all = Vec::new();
        for i in 0..3000u16 {
            let seq = 64_000u16.wrapping_add(i);
            all.push(call.client.seal_rtp(&rtp(96, seq, 2222, i, b"\x10\x00vp8")));
        }
        for (i, sealed) in all.iter().enumerate() {
            call.deliver(from, &mut sealed.clone());
            call.deliver(from, &mut sealed.clone());
            assert_eq!(call.packets.len(), i + 1);
        }
        for sealed in &all {
            call.deliver(from, &mut sealed.clone());
        }
        assert_eq!(call.drops(), [("srtp_replay", 6000)]);
        assert_eq!(call.packets[2999].1, 64_000u16.wrapping_add(2999));
        assert_eq!(call.packets[0].2, b"\x10\x00vp8");
        assert!(call.packets.iter().all(|(mid, _, _)| mid == "1"));
    }
}

#[test]
fn bad_r2_ten_thousand_forgeries_change_nothing() {
    for mut call in calls() {
        let from = call.client.address;
        let sealed = call.client.seal_rtp(&rtp(111, 1, 1111, 1, b"opus"));
        let report = call.client.seal_rtcp(&[0x80, 201, 0, 1, 0, 0, 4, 87]);
        for i in 100_000..105_000u32 {
            let mut forged = sealed.clone();
            forged[8..12].copy_from_slice(&i.to_be_bytes());
            call.deliver(from, &mut forged);
            let mut forged = report.clone();
            forged[4..8].copy_from_slice(&i.to_be_bytes());
            call.deliver(from, &mut forged);
        }
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            call.deliver(from, &mut forged);
        }
        assert!(call.packets.is_empty());
        assert!(call.transport.drops().of(DropReason::SrtpUnauthentic) >= 10_000);
        call.deliver(from, &mut sealed.clone());
        assert_eq!(call.packets.len(), 1);
    }
}

#[test]
fn bad_r1_rtcp_that_is_not_encrypted_is_refused() {
    for mut call in calls() {
        let from = call.client.address;
        let mut sealed = call.client.seal_rtcp(&[0x80, 201, 0, 1, 0, 0, 4, 87]);
        // The first bit of the index, in either profile.
        for back in [4, 14] {
            let at = sealed.len() - back;
            sealed[at] &= 0x7f;
        }
        call.deliver(from, &mut sealed);
        assert_eq!(call.drops(), [("srtcp_unencrypted", 1)]);
        // A forgery of bare bytes as well.
        let mut forged = vec![0x81, 203, 0, 1, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 5];
        forged.extend_from_slice(&[0x41; 10]);
        call.deliver(from, &mut forged);
        assert_eq!(call.transport.drops().total(), 2);
    }
}

#[test]
fn bad_r5_r6_headers_and_padding_that_lie_are_dropped_even_when_authentic() {
    for mut call in calls() {
        let mut padded = rtp(111, 1, 1111, 1, b"opus\xff");
        padded[0] |= 0x20;
        send(&mut call, &padded);
        assert_eq!(call.drops(), [("rtp_malformed", 1)]);
        let from = call.client.address;
        let mut lying = call.client.seal_rtp(&rtp(111, 2, 1111, 2, b"opus"));
        lying[16] = 0x3f;
        call.deliver(from, &mut lying);
        assert_eq!(call.transport.drops().of(DropReason::RtpMalformed), 2);
        send(&mut call, &rtp(50, 3, 7777, 3, b"no such payload type"));
        assert_eq!(call.transport.drops().of(DropReason::RtpUnknownStream), 1);
        send(&mut call, &rtp(111, 4, 1111, 4, b"opus"));
        assert_eq!(call.packets, [("0".into(), 4, b"opus".to_vec())]);
    }
}

#[test]
fn a_repair_looks_like_the_packet_it_repairs() {
    for mut call in calls() {
        send(&mut call, &rtp(97, 9, 3333, 1, &[0x12, 0x34, 0x10, 0, 7]));
        assert_eq!(call.packets, [("1".into(), 0x1234, vec![0x10, 0, 7])]);
        let mut probe = rtp(97, 10, 3333, 2, &[0, 0, 3]);
        probe[0] |= 0x20;
        send(&mut call, &probe);
        assert_eq!(call.drops(), [("rtx_probe", 1)]);
    }
}

#[test]
fn reports_of_a_client_reach_the_m_line_of_their_stream() {
    let mut call = calls().into_iter().next().unwrap();
    send(&mut call, &rtp(96, 1, 2222, 1, b"\x10\x00"));
    let mut compound = vec![0x80, 200, 0, 6, 0, 0, 0x08, 0xae];
    compound.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
    // And one of a stream that nobody has heard.
    let mut unheard = compound.clone();
    unheard[7] = 0;
    compound.extend_from_slice(&unheard);
    let mut sealed = call.client.seal_rtcp(&compound);
    let from = call.client.address;
    call.deliver(from, &mut sealed.clone());
    call.deliver(from, &mut sealed);
    let report = Event::Report {
        mid: media::Mid::new(b"1").unwrap(),
        rtcp: Rtcp::SenderReport(SenderReport {
            ssrc: Ssrc(2222),
            ntp: NtpTime(0x1_0000_0002),
            timestamp: Timestamp(3),
            packets: 4,
            octets: 5,
        }),
    };
    assert_eq!(call.events[1..], [report]);
    assert_eq!(
        call.drops(),
        [("srtp_replay", 1), ("rtcp_unknown_stream", 1)]
    );
}

#[test]
fn a_client_is_told_of_arrivals_and_requests() {
    for mut call in calls() {
        for i in 0..50 {
            if i % 10 != 3 {
                send(&mut call, &rtp(96, i, 2222, i, b"\x10\x00"));
            }
            call.run(Duration::from_millis(10));
        }
        call.run(Duration::from_millis(200));
        let feedback = |packet: &&Vec<u8>| packet[..2] == [0x8f, 205] || packet[..2] == [0xaf, 205];
        let told = call.client.rtcp.iter().filter(feedback).count();
        assert!((4..=6).contains(&told), "{told}");
        call.client.rtcp.clear();

        call.transport
            .send_rtcp(Rtcp::KeyframeRequest { ssrc: Ssrc(2222) });
        call.run(Duration::from_millis(50));
        assert_eq!(call.client.rtcp.len(), 1);
        let said = transport::wire::rtcp(&call.client.rtcp[0]);
        assert_eq!(said, Ok(vec![Rtcp::KeyframeRequest { ssrc: Ssrc(2222) }]));
        assert_eq!(call.client.unauthentic, 0);
    }
}

#[test]
fn bad_r4_what_another_client_sealed_is_not_ours() {
    for mut call in calls() {
        let mut other = Call::connected(Options::default());
        let from = call.client.address;
        // The same name for another stream: each client has names of its own.
        let mut stolen = other.client.seal_rtp(&rtp(96, 1, 2222, 1, b"\x10\x00vp8"));
        call.deliver(from, &mut stolen);
        assert_eq!(call.drops(), [("srtp_unauthentic", 1)]);
        // In the name of a stream of another m-line of its own.
        send(&mut call, &rtp(96, 1, 1111, 1, b"\x10\x00vp8"));
        assert_eq!(call.transport.drops().of(DropReason::RtpUnknownStream), 1);
        assert!(call.packets.is_empty());
        send(&mut call, &rtp(96, 2, 2222, 2, b"\x10\x00vp8"));
        assert_eq!(call.packets.len(), 1);
    }
}

#[test]
fn bad_r6_streams_nobody_described_are_not_forwarded() {
    for mut call in calls() {
        for ssrc in 0..2_000 {
            // Each of the payload types there are, and one there is not.
            for (seq, payload_type) in [(1, 111), (2, 96), (3, 97), (4, 50)] {
                let packet = rtp(payload_type, seq, 10_000 + ssrc, seq, b"\x10\x00");
                send(&mut call, &packet);
            }
            call.now += Duration::from_millis(2);
        }
        assert!(call.packets.is_empty());
        assert_eq!(call.drops(), [("rtp_unknown_stream", 8_000)]);
        send(&mut call, &rtp(96, 2, 2222, 2, b"\x10\x00vp8"));
        assert_eq!(call.packets.len(), 1);
    }
}

#[test]
fn bad_r7_more_than_any_camera_makes_is_dropped_and_forgeries_do_not_count() {
    for mut call in calls() {
        let from = call.client.address;
        let forged = call.client.seal_rtp(&rtp(111, 9, 1111, 9, b"opus"));
        for i in 0..20_000u32 {
            let mut forged = forged.clone();
            let last = forged.len() - 1;
            forged[last] ^= 1 + (i % 255) as u8;
            call.deliver(from, &mut forged);
        }
        let mut seq = 0u16;
        let mut flood = |call: &mut Call, seconds: u16, each: u16| {
            let before = call.packets.len();
            for _ in 0..seconds {
                for _ in 0..each {
                    seq = seq.wrapping_add(1);
                    send(call, &rtp(96, seq, 2222, seq, b"\x10\x00vp8"));
                }
                call.now += Duration::from_secs(1);
            }
            call.packets.len() - before
        };
        // Three layers of two pictures and sound, and ten times as much.
        assert_eq!(flood(&mut call, 3, 2_000), 6_000);
        let passed = flood(&mut call, 3, 20_000);
        assert_eq!(passed, 12_000);
        assert_eq!(
            call.drops(),
            [("srtp_unauthentic", 20_000), ("rtp_flood", 48_000)]
        );
        assert!(call.transport.is_connected());
    }
}

#[test]
fn bad_r13_a_goodbye_in_the_name_of_another_stream_is_dropped() {
    let mut call = calls().into_iter().next().unwrap();
    send(&mut call, &rtp(96, 1, 2222, 1, b"\x10\x00"));
    let goodbye = |ssrc: u32| {
        let mut compound = vec![0x80, 201, 0, 1, 0, 0, 4, 87, 0x81, 203, 0, 1];
        compound.extend_from_slice(&ssrc.to_be_bytes());
        compound
    };
    let from = call.client.address;
    let mut forged = call.client.seal_rtcp(&goodbye(4_711));
    call.deliver(from, &mut forged);
    assert_eq!(call.drops(), [("rtcp_unknown_stream", 1)]);
    assert_eq!(call.events, [Event::Connected]);
    let mut own = call.client.seal_rtcp(&goodbye(2_222));
    call.deliver(from, &mut own);
    let told = Event::Report {
        mid: media::Mid::new(b"1").unwrap(),
        rtcp: Rtcp::Bye { ssrc: Ssrc(2222) },
    };
    assert_eq!(call.events[1..], [told]);
}
