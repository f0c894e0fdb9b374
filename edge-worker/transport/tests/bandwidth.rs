//! How much a client can be sent, found out with a whole transport: numbers on packets,
//! feedback on them, probes, and clients that tell nothing or only what they believe.

#![expect(
    clippy::unwrap_used,
    reason = "a broken test may panic, in its functions too"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Call, Options};
use media::{Bitrate, Codec, Delivery, Outgoing, SeqNo, Ssrc, Timestamp};
use rtc_rtp::Packet;
use rtc_shared::marshal::Unmarshal;
use transport::sdp::{Description, SdpKind};
use transport::{Channels, Event, Sender, SenderId, Wanted};

const MIC: Ssrc = Ssrc(10);
const CAMERA: Ssrc = Ssrc(20);
const CAMERA_REPAIRS: Ssrc = Ssrc(21);
/// The number of the extension that numbers packets of the transport, in our offers.
const TWCC: u8 = 3;

fn senders() -> [Sender; 2] {
    [(Codec::Opus, MIC), (Codec::Vp8, CAMERA)].map(|(codec, ssrc)| Sender {
        codec,
        stream: "PA_ada".into(),
        shared: None,
        track: format!("TR_{}", ssrc.0),
        cname: "ada".into(),
        ssrc,
        rtx: Ssrc(ssrc.0 + 1),
        channels: Channels::Mono,
    })
}

fn outgoing(seq: u16, codec: Codec, delivery: Delivery) -> Outgoing<'static> {
    Outgoing {
        seq: SeqNo(seq),
        timestamp: Timestamp(90_000),
        marker: true,
        delivery,
        codec,
        head: b"\x90\x80",
        body: &[7; 1_000],
        padding: 0,
        dependencies: 0,
        repeats: 0,
    }
}

/// What the client has opened since it was asked last.
fn opened(call: &mut Call) -> Vec<Packet> {
    let opened = std::mem::take(&mut call.client.rtp);
    let read = |packet: &Vec<u8>| Packet::unmarshal(&mut &packet[..]).unwrap();
    opened.iter().map(read).collect()
}

fn number(packet: &Packet) -> Option<u16> {
    let number = packet.header.get_extension(TWCC)?;
    Some(u16::from_be_bytes(number[..].try_into().unwrap()))
}

fn send(call: &mut Call, sender: SenderId, packet: &Outgoing<'_>) {
    let mut out = Vec::new();
    call.transport
        .seal(call.now, sender, packet, &mut out)
        .unwrap();
    call.client.handle(call.now, &out);
}

/// Feedback on packets with successive numbers, by when they arrived.
fn feedback(arrived: &BTreeMap<u16, Duration>) -> Vec<u8> {
    let count = arrived.len() as u8;
    let (base, first) = arrived.first_key_value().unwrap();
    let reference = first.as_millis() as u64 / 64;
    let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    packet.extend(base.to_be_bytes());
    packet.extend([0, count]);
    packet.extend(&(reference as u32).to_be_bytes()[1..]);
    packet.push(0);
    packet.extend([0x40, count]);
    let mut last = reference as i64 * 256;
    for at in arrived.values() {
        let ticks = at.as_micros() as i64 / 250;
        packet.extend(((ticks - last) as i16).to_be_bytes());
        last = ticks;
    }
    packet.resize(packet.len().next_multiple_of(4), 0);
    let words = packet.len() / 4 - 1;
    packet[2..4].copy_from_slice(&(words as u16).to_be_bytes());
    packet
}

fn say(call: &mut Call, compound: &[u8]) {
    let mut sealed = call.client.seal_rtcp(compound);
    let from = call.client.address;
    call.deliver(from, &mut sealed);
}

fn estimates(call: &mut Call) -> Vec<Bitrate> {
    call.flush();
    let estimates = call.events.iter().filter_map(|event| match event {
        Event::Estimate(estimate) => Some(*estimate),
        Event::Connected
        | Event::Failed(_)
        | Event::Silent
        | Event::AddressChanged
        | Event::SenderReady { .. }
        | Event::SenderRejected { .. }
        | Event::ChannelOpen(_)
        | Event::Data { .. }
        | Event::Feedback { .. }
        | Event::Report { .. } => None,
    });
    estimates.collect()
}

#[test]
fn packets_are_numbered_across_streams_and_repairs() {
    let (mut call, [mic, camera]) = Call::offered(Options::default(), senders());
    call.connect();
    for seq in 0..5 {
        let sound = outgoing(seq, Codec::Opus, Delivery::Original);
        let picture = outgoing(seq, Codec::Vp8, Delivery::Original);
        let again = outgoing(seq, Codec::Vp8, Delivery::Repair);
        send(&mut call, mic, &sound);
        send(&mut call, camera, &picture);
        // A number is not spent on what is not sent.
        let mut out = Vec::new();
        assert!(
            call.transport
                .seal(call.now, camera, &picture, &mut out)
                .is_err()
        );
        send(&mut call, camera, &again);
    }
    let numbers: Vec<_> = opened(&mut call).iter().map(number).collect();
    let expected: Vec<_> = (0..15).map(Some).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn cg_1_e2_2_feedback_and_probes_without_payload_find_what_fits() {
    let (mut call, [_, camera]) = Call::offered(Options::default(), senders());
    call.connect();
    let begin = call.now;
    let first = *estimates(&mut call).first().unwrap();
    let next = Bitrate::kilobits(1_000);
    let (mut arrived, mut told_to) = (BTreeMap::new(), 0);
    let (mut repairs, mut padded) = (Vec::new(), 0);
    for ms in 0..10_000u16 {
        if ms % 33 == 0 {
            let wanted = Wanted {
                allocated: Bitrate::kilobits(250),
                next: Some(next),
                wished: next,
            };
            call.transport.want(call.now, wanted);
            let picture = outgoing(ms / 33, Codec::Vp8, Delivery::Original);
            send(&mut call, camera, &picture);
        }
        call.run(Duration::from_millis(1));
        for packet in opened(&mut call) {
            arrived.insert(number(&packet).unwrap(), call.now - begin);
            if packet.header.ssrc == CAMERA_REPAIRS.0 {
                // Padding alone, which whoever receives it throws away.
                assert!(packet.payload.is_empty());
                assert!(packet.header.padding);
                repairs.push(packet.header.sequence_number);
                padded += 1;
            } else {
                assert_eq!(packet.header.sequence_number, ms / 33);
            }
        }
        if ms % 50 == 0 && !arrived.is_empty() {
            let whole: BTreeMap<_, _> = (told_to..)
                .map_while(|number| Some((number, arrived.remove(&number)?)))
                .collect();
            let Some((last, _)) = whole.last_key_value() else {
                continue;
            };
            told_to = last + 1;
            say(&mut call, &feedback(&whole));
        }
    }
    assert!(padded > 20, "{padded}");
    // The network lets packets overtake each other.
    repairs.sort_unstable();
    assert!(repairs.is_sorted_by(|one, other| one.wrapping_add(1) == *other));
    let estimates = estimates(&mut call);
    let last = *estimates.last().unwrap();
    assert!(last > first && last >= next, "{estimates:?}");
    assert!(last <= next.scaled(1.3), "{last}");
    assert_eq!(call.transport.estimate(), Some(last));
}

/// A call whose client leaves lines with these words out of its answer.
fn call_without(words: [&str; 2]) -> (Call, [SenderId; 2]) {
    let (mut call, ids) = Call::offered(Options::default(), senders());
    let offer = call.transport.offer().unwrap().print();
    let answer = call.client.answer(&offer);
    let kept = answer
        .split_inclusive("\r\n")
        .filter(|line| !words.iter().any(|word| line.contains(word)));
    let answer = Description::parse(SdpKind::Answer, &kept.collect::<String>()).unwrap();
    call.transport.apply_answer(call.now, &answer).unwrap();
    call.connect();
    (call, ids)
}

/// What a client believes: 350,000 bit/s, in mantissa and exponent.
fn belief() -> Vec<u8> {
    let mut remb = vec![0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0];
    remb.extend(b"REMB\x01");
    let mantissa = 350_000u32 >> 2;
    remb.extend([
        2 << 2 | (mantissa >> 16) as u8,
        (mantissa >> 8) as u8,
        mantissa as u8,
    ]);
    remb.extend(CAMERA.0.to_be_bytes());
    remb
}

/// A receiver report about the camera, of which `lost` of 256 packets are missing.
fn report(lost: u8) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
    report.extend(CAMERA.0.to_be_bytes());
    report.extend([lost, 0, 0, 0]);
    report.resize(32, 0);
    report
}

/// Sends pictures, numbered from `seq`, for some time to a client that says the same thing
/// each second; the last estimate.
fn hears_only(
    call: &mut Call,
    camera: SenderId,
    seq: &mut u16,
    seconds: u16,
    said: &[u8],
) -> Option<Bitrate> {
    let wanted = Wanted {
        allocated: Bitrate::kilobits(250),
        next: Some(Bitrate::kilobits(1_000)),
        wished: Bitrate::kilobits(1_000),
    };
    for tick in 0..seconds * 20 {
        send(
            call,
            camera,
            &outgoing(*seq, Codec::Vp8, Delivery::Original),
        );
        *seq += 1;
        call.transport.want(call.now, wanted);
        call.run(Duration::from_millis(50));
        if tick % 20 == 0 {
            say(call, said);
        }
    }
    estimates(call);
    call.transport.estimate()
}

#[test]
fn who_agreed_to_feedback_and_never_sends_any_is_judged_by_what_it_does_send() {
    let (mut call, [_, camera]) = Call::offered(Options::default(), senders());
    call.connect();
    let mut seq = 1;
    let start = Bitrate::kilobits(300);
    // For some seconds feedback is waited for.
    assert_eq!(
        hears_only(&mut call, camera, &mut seq, 4, &report(0)),
        Some(start)
    );
    let grown = hears_only(&mut call, camera, &mut seq, 20, &report(0));
    assert!(grown >= Some(Bitrate::kilobits(1_000)), "{grown:?}");
    let lossy = hears_only(&mut call, camera, &mut seq, 5, &report(80));
    assert!(lossy < Some(Bitrate::kilobits(600)), "{lossy:?}");
    let believed = hears_only(&mut call, camera, &mut seq, 1, &belief());
    assert_eq!(believed, Some(Bitrate(350_000)));

    let (mut call, [_, camera]) = Call::offered(Options::default(), senders());
    call.connect();
    let mut seq = 1;
    assert_eq!(
        hears_only(&mut call, camera, &mut seq, 4, &belief()),
        Some(start)
    );
    let believed = hears_only(&mut call, camera, &mut seq, 4, &belief());
    assert_eq!(believed, Some(Bitrate(350_000)));
}

#[test]
fn what_a_client_believes_is_believed_where_it_tells_nothing_else() {
    let (mut call, [_, camera]) = call_without(["transport-cc", "transport-wide-cc"]);
    send(
        &mut call,
        camera,
        &outgoing(1, Codec::Vp8, Delivery::Original),
    );
    assert_eq!(number(&opened(&mut call)[0]), None);
    assert_eq!(estimates(&mut call), []);
    assert_eq!(call.transport.estimate(), None);
    say(&mut call, &belief());
    assert_eq!(estimates(&mut call), [Bitrate(350_000)]);
}

#[test]
fn where_only_one_half_is_agreed_on_packets_have_no_number() {
    for words in [["transport-cc", "never"], ["transport-wide-cc", "never"]] {
        let (mut call, [_, camera]) = call_without(words);
        send(
            &mut call,
            camera,
            &outgoing(1, Codec::Vp8, Delivery::Original),
        );
        assert_eq!(number(&opened(&mut call)[0]), None);
        assert_eq!(call.transport.estimate(), None);
    }
}
