//! What a client receives when we offer: data channels, media, repairs; and what it says
//! of them.

#![expect(
    clippy::unwrap_used,
    reason = "a broken test may panic, in its functions too"
)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::client::{Profiles, Role};
use common::{Call, Options};
use media::{
    Codec, Delivery, Nack, Outgoing, PlayoutDelay, ReceptionReport, Rtcp, SeqNo, Ssrc, Timestamp,
};
use rtc_rtp::Packet;
use rtc_shared::marshal::Unmarshal;
use transport::{Channel, Channels, DropReason, Event, SealError, Sender, SenderId};

const MIC: Ssrc = Ssrc(10);
const CAMERA: Ssrc = Ssrc(20);
const CAMERA_REPAIRS: Ssrc = Ssrc(21);
/// The number of the extension that names the m-line, in our offers.
const MID: u8 = 4;

fn senders() -> [Sender; 2] {
    let sender = |codec, ssrc: Ssrc, track: &str| Sender {
        codec,
        stream: "PA_ada".into(),
        shared: None,
        track: track.into(),
        cname: "ada".into(),
        ssrc,
        rtx: Ssrc(ssrc.0 + 1),
        channels: Channels::Mono,
    };
    [
        sender(Codec::Opus, MIC, "TR_mic"),
        sender(Codec::Vp8, CAMERA, "TR_camera"),
    ]
}

/// Calls in both DTLS roles and with both SRTP profiles.
fn calls() -> impl Iterator<Item = (Call, [SenderId; 2])> {
    let kinds = [
        (Role::Client, Profiles::Both),
        (Role::Client, Profiles::Sha1),
        (Role::Server, Profiles::Both),
        (Role::Server, Profiles::Sha1),
    ];
    kinds.into_iter().map(|(role, profiles)| {
        let options = Options {
            role,
            profiles,
            ..Options::default()
        };
        let (mut call, ids) = Call::offered(options, senders());
        call.connect();
        (call, ids)
    })
}

fn outgoing<'a>(seq: u16, codec: Codec, head: &'a [u8], body: &'a [u8]) -> Outgoing<'a> {
    Outgoing {
        seq: SeqNo(seq),
        timestamp: Timestamp(90_000),
        marker: true,
        delivery: Delivery::Original,
        codec,
        head,
        body,
        padding: 0,
        dependencies: 0,
        repeats: 0,
    }
}

/// Seals a packet, and opens it at the client's.
fn send(call: &mut Call, sender: SenderId, packet: &Outgoing<'_>) -> Packet {
    let mut out = b"before".to_vec();
    let to = call
        .transport
        .seal(call.now, sender, packet, &mut out)
        .unwrap();
    assert_eq!(to, call.client.address.into());
    assert_eq!(&out[..6], b"before");
    call.client.handle(call.now, &out[6..]);
    assert_eq!(call.client.unauthentic, 0);
    let opened = call.client.rtp.pop().unwrap();
    Packet::unmarshal(&mut &opened[..]).unwrap()
}

fn say(call: &mut Call, compound: &[u8]) {
    let mut sealed = call.client.seal_rtcp(compound);
    let from = call.client.address;
    call.deliver(from, &mut sealed);
}

/// A receiver report about `ssrc` alone.
fn receiver_report(ssrc: Ssrc) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 99];
    report.extend_from_slice(&ssrc.0.to_be_bytes());
    report.extend_from_slice(&[64, 0, 0, 3, 0, 0, 0x12, 0x34, 0, 0, 0, 7]);
    report.extend_from_slice(&[0, 0, 0, 8, 0, 0, 0, 9]);
    report
}

/// A packet of feedback about `ssrc`.
fn feedback(format: u8, kind: u8, ssrc: Ssrc, body: &[u8]) -> Vec<u8> {
    let words = 2 + body.len() as u8 / 4;
    let mut packet = vec![0x80 | format, kind, 0, words, 0, 0, 0, 99];
    packet.extend_from_slice(&ssrc.0.to_be_bytes());
    packet.extend_from_slice(body);
    packet
}

#[test]
fn a_padded_packet_is_longer_by_that_and_otherwise_the_same() {
    for (mut call, [_, camera]) in calls() {
        for (seq, padding) in [(1, 0), (2, 1), (3, 2), (4, 255)] {
            let packet = Outgoing {
                padding,
                ..outgoing(seq, Codec::Vp8, b"head", b"body")
            };
            let mut out = Vec::new();
            call.transport
                .seal(call.now, camera, &packet, &mut out)
                .unwrap();
            let bare = Outgoing {
                seq: SeqNo(seq + 100),
                padding: 0,
                ..packet
            };
            let start = out.len();
            call.transport
                .seal(call.now, camera, &bare, &mut out)
                .unwrap();
            assert_eq!(start, out.len() - start + usize::from(padding));
            call.client.handle(call.now, &out[..start]);
            let opened = call.client.rtp.pop().unwrap();
            let opened = Packet::unmarshal(&mut &opened[..]).unwrap();
            assert_eq!(opened.header.padding, padding > 0);
            assert_eq!(&opened.payload[..], b"headbody");
        }
    }
}

#[test]
fn senders_are_ready_once_packets_can_flow() {
    let (mut call, [mic, camera]) = Call::offered(Options::default(), senders());
    call.flush();
    assert!(call.events.is_empty(), "{:?}", call.events);
    let mut out = Vec::new();
    let packet = outgoing(1, Codec::Opus, b"", b"opus");
    let sealed = call.transport.seal(call.now, mic, &packet, &mut out);
    assert_eq!(sealed, Err(SealError::NotConnected));
    call.connect();
    let ready = |sender, codecs: &[Codec]| Event::SenderReady {
        sender,
        codecs: codecs.to_vec(),
    };
    let expected = [
        Event::Connected,
        ready(mic, &[Codec::Opus, Codec::Red]),
        ready(camera, &[Codec::Vp8]),
    ];
    assert_eq!(call.events[..3], expected);

    let [another, _] = senders();
    let another = call.transport.add_sender(Sender {
        ssrc: Ssrc(30),
        rtx: Ssrc(31),
        ..another
    });
    assert!(call.transport.needs_offer());
    call.offer();
    call.flush();
    let expected = ready(another, &[Codec::Opus, Codec::Red]);
    assert_eq!(call.events.last(), Some(&expected));
    let names = call.transport.placements();
    let names: Vec<_> = names.iter().map(|(mid, id)| (mid.as_str(), *id)).collect();
    assert_eq!(names, [("1", mic), ("2", camera), ("3", another)]);
}

#[test]
fn packets_name_their_m_line_until_the_client_reports_on_them() {
    for (mut call, [mic, camera]) in calls() {
        for seq in 65_530..65_540u32 {
            let seq = seq as u16;
            let packet = outgoing(seq, Codec::Vp8, b"\x90\x80", b"picture");
            let opened = send(&mut call, camera, &packet);
            let header = &opened.header;
            assert_eq!(
                (header.ssrc, header.payload_type, header.sequence_number),
                (CAMERA.0, 96, seq)
            );
            assert_eq!((header.timestamp, header.marker), (90_000, true));
            assert_eq!(header.get_extension(MID).as_deref(), Some(&b"2"[..]));
            assert_eq!(&opened.payload[..], b"\x90\x80picture");
        }
        say(&mut call, &receiver_report(CAMERA));
        let packet = outgoing(4, Codec::Vp8, b"\x90\x80", b"picture");
        let opened = send(&mut call, camera, &packet);
        assert_eq!(opened.header.get_extension(MID), None);
        assert_eq!(&opened.payload[..], b"\x90\x80picture");

        // The other stream is still unknown to it.
        for (codec, payload_type) in [(Codec::Opus, 111), (Codec::Red, 63)] {
            let seq = u16::from(codec == Codec::Red);
            let opened = send(&mut call, mic, &outgoing(seq, codec, b"", b"sound"));
            assert_eq!(opened.header.ssrc, MIC.0);
            assert_eq!(opened.header.payload_type, payload_type);
            let mid = opened.header.get_extension(MID);
            assert_eq!(mid.as_deref(), Some(&b"1"[..]));
        }
    }
}

#[test]
fn sb_4_the_blocks_of_repeated_sound_are_named_as_the_client_named_opus() {
    for (mut call, [mic, _]) in calls() {
        let head = [0x80, 0x0f, 0, 2, 0, 1, 2];
        let packet = Outgoing {
            repeats: 1,
            ..outgoing(1, Codec::Red, &head, b"new")
        };
        let opened = send(&mut call, mic, &packet);
        assert_eq!(opened.header.payload_type, 63);
        let expected = [&[0x80 | 111, 0x0f, 0, 2, 111, 1, 2], &b"new"[..]].concat();
        assert_eq!(&opened.payload[..], expected);
        // What is the publisher's stays as it is.
        let packet = outgoing(2, Codec::Red, &[], &[0x80 | 97, 0, 0, 1, 97, 1, 9]);
        let opened = send(&mut call, mic, &packet);
        assert_eq!(&opened.payload[..], [0x80 | 97, 0, 0, 1, 97, 1, 9]);
    }
}

#[test]
fn sb_3_each_picture_says_how_long_it_shall_wait_and_no_sound_does() {
    /// The number of that extension, in our offers.
    const PLAYOUT: u8 = 5;
    let options = Options {
        playout: PlayoutDelay::from_ms(200, 400),
        ..Options::default()
    };
    let (mut call, [mic, camera]) = Call::offered(options, senders());
    call.connect();
    for seq in 0..3 {
        let picture = outgoing(seq, Codec::Vp8, b"\x90\x80", b"picture");
        let opened = send(&mut call, camera, &picture);
        let waits = opened.header.get_extension(PLAYOUT);
        assert_eq!(waits.as_deref(), Some(&b"\x01\x40\x28"[..]));
        assert_eq!(&opened.payload[..], b"\x90\x80picture");
        let opened = send(&mut call, mic, &outgoing(seq, Codec::Opus, b"", b"sound"));
        assert_eq!(opened.header.get_extension(PLAYOUT), None);
        // Where its m-line is known, too.
        say(&mut call, &receiver_report(CAMERA));
    }
}

#[test]
fn repairs_go_on_their_own_stream_with_the_number_they_repair() {
    for (mut call, [mic, camera]) in calls() {
        let original = outgoing(700, Codec::Vp8, b"\x90", b"picture");
        send(&mut call, camera, &original);
        let repair = Outgoing {
            delivery: Delivery::Repair,
            ..original
        };
        let mut numbers = Vec::new();
        for _ in 0..3 {
            let opened = send(&mut call, camera, &repair);
            let header = &opened.header;
            assert_eq!((header.ssrc, header.payload_type), (CAMERA_REPAIRS.0, 97));
            assert_eq!((header.timestamp, header.marker), (90_000, true));
            assert_eq!(&opened.payload[..], b"\x02\xbc\x90picture");
            numbers.push(header.sequence_number);
        }
        assert_eq!(numbers[1], numbers[0].wrapping_add(1));
        assert_eq!(numbers[2], numbers[1].wrapping_add(1));

        let repair = Outgoing {
            codec: Codec::Opus,
            ..repair
        };
        let mut out = Vec::new();
        let sealed = call.transport.seal(call.now, mic, &repair, &mut out);
        assert_eq!(sealed, Err(SealError::NotNegotiated));
    }
}

#[test]
fn an_empty_packet_is_sent_as_any_other() {
    for (mut call, [mic, _]) in calls() {
        let opened = send(&mut call, mic, &outgoing(1, Codec::Opus, b"", b""));
        assert_eq!(opened.header.sequence_number, 1);
        assert!(opened.payload.is_empty());
    }
}

#[test]
fn what_cannot_be_sent_leaves_no_trace() {
    for (mut call, [mic, camera]) in calls() {
        send(&mut call, camera, &outgoing(9, Codec::Vp8, b"", b"picture"));
        let [opus, vp8, h264] = [Codec::Opus, Codec::Vp8, Codec::H264]
            .map(|codec| outgoing(9, codec, b"", b"once more"));
        call.transport.remove_sender(mic);
        for (sender, packet, refused) in [
            (camera, &vp8, SealError::NumberUsed),
            (camera, &h264, SealError::NotNegotiated),
            (camera, &opus, SealError::NotNegotiated),
            (mic, &opus, SealError::NoSender),
            (SenderId(77), &opus, SealError::NoSender),
        ] {
            let mut out = b"before".to_vec();
            let sealed = call.transport.seal(call.now, sender, packet, &mut out);
            assert_eq!(sealed, Err(refused));
            assert_eq!(out, b"before");
        }
    }
}

#[test]
fn feedback_reaches_the_sender_it_is_about() {
    for (mut call, [mic, camera]) in calls() {
        call.events.clear();
        let heard = Rtcp::ReceptionReport(ReceptionReport {
            ssrc: MIC,
            fraction_lost: 64,
            total_lost: 3,
            highest_seq: 0x1234,
            jitter: 7,
            last_sender_report: 8,
            delay_since: 9,
        });
        let missed = Rtcp::Nack(Nack {
            ssrc: CAMERA,
            lost: vec![SeqNo(5), SeqNo(6), SeqNo(8)],
        });
        let blind = Rtcp::KeyframeRequest { ssrc: CAMERA };
        let limit = Rtcp::BandwidthLimit {
            bits_per_second: 1 << 20,
        };
        // A mantissa of 1, 20 times doubled, and the stream it names.
        let remb = [b"REMB\x01\x50\x00\x01".as_slice(), &CAMERA.0.to_be_bytes()].concat();
        let fir = [&CAMERA.0.to_be_bytes()[..], &[1, 0, 0, 0]].concat();
        for (compound, sender, rtcp) in [
            (receiver_report(MIC), Some(mic), &heard),
            (
                feedback(1, 205, CAMERA, &[0, 5, 0, 5]),
                Some(camera),
                &missed,
            ),
            (feedback(1, 206, CAMERA, &[]), Some(camera), &blind),
            (feedback(4, 206, Ssrc(0), &fir), Some(camera), &blind),
            (feedback(15, 206, Ssrc(0), &remb), None, &limit),
        ] {
            let rtcp = rtcp.clone();
            say(&mut call, &compound);
            assert_eq!(call.events.pop(), Some(Event::Feedback { sender, rtcp }));
            assert!(call.events.is_empty());
        }
        assert_eq!(call.transport.drops().total(), 0);
    }
}

#[test]
fn feedback_about_streams_nobody_sends_is_counted() {
    for (mut call, [mic, _]) in calls() {
        call.transport.remove_sender(mic);
        call.events.clear();
        // Of a stranger, of one removed, and of repairs, which say nothing of their stream.
        for (count, ssrc) in (1..).zip([Ssrc(404), MIC, CAMERA_REPAIRS]) {
            say(&mut call, &feedback(1, 205, ssrc, &[0, 5, 0, 0]));
            let drops = call.transport.drops();
            assert_eq!(drops.of(DropReason::RtcpUnknownStream), count);
        }
        assert!(call.events.is_empty());
    }
}

#[test]
fn we_open_the_data_channels_of_what_we_offer() {
    for (role, seed) in (1..=40).flat_map(|seed| [(Role::Client, seed), (Role::Server, seed)]) {
        let options = Options {
            role,
            loss_percent: [0, 5, 20][seed as usize % 3],
            seed,
            ..Options::default()
        };
        let (mut call, []) = Call::offered(options, []);
        let known = [Channel::Reliable, Channel::Lossy, Channel::DataTrack];
        for channel in &known {
            let early = Bytes::from(format!("early on {}", channel.label()));
            call.transport.send_data(channel, early).unwrap();
        }
        call.connect();
        call.run_until(Duration::from_secs(10), |call| {
            known.iter().all(|channel| {
                let open = Event::ChannelOpen(channel.clone());
                call.events.contains(&open)
            })
        });
        let messages = |call: &Call, wanted: bool| -> Vec<(u16, Vec<u8>)> {
            let messages = call.client.messages.iter();
            let messages = messages.filter(|(_, control, _)| *control == wanted);
            messages
                .map(|(id, _, message)| (*id, message.clone()))
                .collect()
        };
        let mut ids = Vec::new();
        for (label, delivery) in [("_reliable", 0), ("_lossy", 0x81), ("_data_track", 0x81)] {
            let opened = messages(&call, true);
            let open = opened
                .iter()
                .find(|(_, open)| open.ends_with(label.as_bytes()));
            let (id, open) = open.unwrap();
            assert_eq!((open[0], open[1]), (3, delivery), "{label}");
            // RFC 8832 section 6: the DTLS client takes the even ones.
            let parity = u16::from(role == Role::Client);
            assert_eq!(id % 2, parity, "{label}");
            ids.push(*id);
        }
        call.run(Duration::from_secs(5));
        let said = messages(&call, false);
        assert!(said.contains(&(ids[0], b"early on _reliable".to_vec())));
        // And back.
        call.client.send_message(ids[0], b"heard you");
        let heard = Event::Data {
            channel: Channel::Reliable,
            payload: Bytes::from_static(b"heard you"),
        };
        call.run_until(Duration::from_secs(10), |call| call.events.contains(&heard));
    }
}
