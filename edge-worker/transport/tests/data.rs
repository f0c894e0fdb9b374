//! Data channels in both directions, under loss, and against hostile SCTP.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::client::{Checksums, Role};
use common::{Call, Options};
use transport::{Channel, DataRefused, DropReason, Event};

fn call(options: Options) -> Call {
    let mut call = Call::connected(options);
    call.run_until(Duration::from_secs(5), |call| call.client.sctp_up);
    call
}

fn opened(call: &Call, channel: &Channel) -> bool {
    call.events.contains(&Event::ChannelOpen(channel.clone()))
}

fn received(call: &Call, from: &Channel) -> Vec<Vec<u8>> {
    let messages = call.events.iter().filter_map(|event| {
        let Event::Data { channel, payload } = event else {
            return None;
        };
        (channel == from).then(|| payload.to_vec())
    });
    messages.collect()
}

#[test]
fn messages_flow_both_ways_on_the_channels_a_client_opens() {
    for (role, loss_percent, seed) in [
        (Role::Client, 0, 1),
        (Role::Server, 0, 1),
        (Role::Client, 5, 4),
        (Role::Server, 5, 5),
    ] {
        let mut call = call(Options {
            role,
            loss_percent,
            seed,
            ..Options::default()
        });
        // What is said before the channels open waits for them.
        let early = Bytes::from_static(b"early");
        call.transport.send_data(&Channel::Reliable, early).unwrap();
        let other = Channel::Other("notes".into());
        for (id, channel, reliable) in [
            (0, &Channel::Reliable, true),
            (2, &Channel::Lossy, false),
            (4, &Channel::DataTrack, false),
            (6, &other, true),
        ] {
            call.client.open_channel(id, channel.label(), reliable);
        }
        let open = [
            &Channel::Reliable,
            &Channel::Lossy,
            &Channel::DataTrack,
            &other,
        ];
        call.run_until(Duration::from_secs(10), |call| {
            open.iter().all(|channel| opened(call, channel))
        });
        call.client.messages.clear();
        for i in 0..100u8 {
            call.client.send_message(0, &[i; 1000]);
            call.client.send_message(2, &[i; 100]);
            let message = Bytes::from(vec![i; 3000]);
            call.transport
                .send_data(&Channel::Reliable, message)
                .unwrap();
            let message = Bytes::from(vec![i; 100]);
            call.transport.send_data(&Channel::Lossy, message).unwrap();
            call.run(Duration::from_millis(20));
        }
        call.client.send_message(6, b"");
        call.run(Duration::from_secs(10));
        let numbers = |messages: &[Vec<u8>]| messages.iter().map(|m| m[0]).collect::<Vec<_>>();
        let reliable = received(&call, &Channel::Reliable);
        assert_eq!(numbers(&reliable), (0..100).collect::<Vec<u8>>());
        let of = |call: &Call, id: u16| -> Vec<Vec<u8>> {
            let messages = call.client.messages.iter();
            let messages = messages.filter(|(stream, control, _)| *stream == id && !control);
            messages.map(|(_, _, message)| message.clone()).collect()
        };
        let mut reliable = of(&call, 0);
        reliable.retain(|message| message != b"early");
        assert_eq!(numbers(&reliable), (0..100).collect::<Vec<u8>>());
        let least = if loss_percent == 0 { 100 } else { 80 };
        for lossy in [received(&call, &Channel::Lossy), of(&call, 2)] {
            assert!(lossy.len() >= least, "{}", lossy.len());
        }
        let refused = call.transport.send_data(&other, Bytes::new());
        assert_eq!(refused, Err(DataRefused::NoChannel));
    }
}

#[test]
fn dc_7_clients_that_offer_to_spare_checksums_and_those_that_do_not_are_served() {
    for role in [Role::Client, Role::Server] {
        for checksums in [Checksums::Sent, Checksums::Spared] {
            let mut call = call(Options {
                role,
                checksums,
                ..Options::default()
            });
            call.client.open_channel(0, "_reliable", true);
            call.run_until(Duration::from_secs(5), |call| {
                opened(call, &Channel::Reliable)
            });
            call.client.send_message(0, b"up");
            let down = Bytes::from_static(b"down");
            call.transport.send_data(&Channel::Reliable, down).unwrap();
            call.run(Duration::from_secs(1));
            assert_eq!(received(&call, &Channel::Reliable), [b"up"]);
            let heard =
                |(_, control, message): &(u16, bool, Vec<u8>)| !control && message == b"down";
            assert!(call.client.messages.iter().any(heard));
        }
    }
}

#[test]
fn sd_3_messages_of_64_kib_are_offered_and_pass_whole_both_ways() {
    let (mut call, []) = Call::offered(Options::default(), []);
    let offer = call.transport.offer().unwrap().print();
    for line in [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        "a=sctp-port:5000\r\n",
        "a=max-message-size:65536\r\n",
    ] {
        assert!(offer.contains(line), "{line} in\n{offer}");
    }
    call.connect();
    call.run_until(Duration::from_secs(5), |call| call.client.sctp_up);
    call.client.open_channel(10, "notes", true);
    let notes = Channel::Other("notes".into());
    call.run_until(Duration::from_secs(5), |call| opened(call, &notes));
    let message: Vec<u8> = (0..65_536u32).map(|i| ((i * 7) >> 3) as u8).collect();
    call.client.send_message(10, &message);
    call.transport
        .send_data(&Channel::Reliable, Bytes::from(message.clone()))
        .unwrap();
    call.run_until(Duration::from_secs(10), |call| {
        !received(call, &notes).is_empty()
            && call
                .client
                .messages
                .iter()
                .any(|(_, _, heard)| *heard == message)
    });
    assert_eq!(received(&call, &notes), [message]);
}

#[test]
fn dc_6_what_waits_is_bounded() {
    let mut call = call(Options::default());
    let message = Bytes::from(vec![7; 10_000]);
    // Not open yet.
    let taken = |call: &mut Call, channel: &Channel| {
        let taken =
            (0..5_000).take_while(|_| call.transport.send_data(channel, message.clone()).is_ok());
        taken.count()
    };
    assert_eq!(taken(&mut call, &Channel::Lossy), 13);
    call.client.open_channel(2, "_lossy", false);
    call.client.open_channel(0, "_reliable", true);
    call.run(Duration::from_secs(3));
    assert_eq!(taken(&mut call, &Channel::Lossy), 13);
    assert_eq!(taken(&mut call, &Channel::Reliable), 1_258);
    let refused = call
        .transport
        .send_data(&Channel::Reliable, message.clone());
    assert_eq!(refused, Err(DataRefused::Full));
    let long = Bytes::from(vec![0; 65_537]);
    let refused = call.transport.send_data(&Channel::Reliable, long);
    assert_eq!(refused, Err(DataRefused::TooLarge));
    // Slowly, but all of it, and in order.
    call.run_until(Duration::from_secs(60), |call| reliable(call) == 1_259);
}

/// Messages that the client received on the channel that it opened as stream 0.
fn reliable(call: &Call) -> usize {
    let messages = call.client.messages.iter();
    messages.filter(|(stream, ..)| *stream == 0).count()
}

#[test]
fn dc_6_bad_c1_a_receiver_that_takes_nothing_may_not_be_far_behind() {
    let mut call = call(Options::default());
    call.client.open_channel(0, "_reliable", true);
    call.run(Duration::from_secs(1));
    let message = Bytes::from(vec![7; 10_000]);
    let send = |call: &mut Call| {
        let sent = call
            .transport
            .send_data(&Channel::Reliable, message.clone());
        call.flush();
        sent
    };
    for _ in 0..200 {
        send(&mut call).unwrap();
    }
    call.net.blackhole = true;
    // It is there, but takes no data.
    let stand_still = |call: &mut Call, seconds: u64| {
        for _ in 0..seconds {
            call.run(Duration::from_secs(1));
            let mut check = call.client.nominating_check(100);
            call.deliver(call.client.address, &mut check);
        }
    };
    stand_still(&mut call, 19);
    // It may only be slow.
    send(&mut call).unwrap();
    stand_still(&mut call, 4);
    assert_eq!(send(&mut call), Err(DataRefused::Full));
    call.net.blackhole = false;
    call.run_until(Duration::from_secs(15), |call| reliable(call) == 202);
    send(&mut call).unwrap();
}

#[test]
fn rs_5_what_is_sent_to_who_just_joined_waits_for_its_channel() {
    let mut call = Call::negotiated(Options::default());
    let send = |call: &mut Call, text: &'static str| {
        let message = Bytes::from_static(text.as_bytes());
        call.transport.send_data(&Channel::Reliable, message)
    };
    send(&mut call, "before it connects").unwrap();
    call.connect();
    call.run_until(Duration::from_secs(5), |call| call.client.sctp_up);
    send(&mut call, "before its channel opens").unwrap();
    call.client.open_channel(0, "_reliable", true);
    call.run(Duration::from_secs(1));
    send(&mut call, "after").unwrap();
    call.run(Duration::from_secs(1));
    let texts = call
        .client
        .messages
        .iter()
        .filter(|(_, control, _)| !control);
    let texts: Vec<_> = texts.map(|(_, _, text)| text.as_slice()).collect();
    assert_eq!(
        texts,
        [
            &b"before it connects"[..],
            b"before its channel opens",
            b"after"
        ]
    );
}

#[test]
fn bad_c1_long_messages_and_messages_on_unopened_streams_are_dropped() {
    let mut call = call(Options::default());
    call.client.open_channel(0, "_reliable", true);
    call.client.send_message(0, &vec![1; 65_536]);
    call.client.send_message(0, &vec![2; 65_537]);
    call.client.send_message(0, &vec![3; 200_000]);
    call.client.send_message(0, b"after");
    call.run(Duration::from_secs(5));
    let lens: Vec<_> = received(&call, &Channel::Reliable)
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(lens, [65_536, 5]);
    assert_eq!(call.transport.drops().of(DropReason::DataTooLarge), 2);
}

/// The same packets that made another implementation panic or spin.
#[test]
fn bad_c1_hostile_sctp_neither_panics_nor_stalls_nor_ends_the_call() {
    let mut call = call(Options::default());
    call.client.open_channel(0, "_reliable", true);
    call.run(Duration::from_secs(1));
    let far = [192, 0, 0, 8, 0x7f, 0xff, 0, 0];
    for chunk in [
        &[9, 0, 0, 8, 0, 1, 0xff, 0xff][..],
        &[6, 0, 0, 8, 0, 1, 0xff, 0xff],
        &far,
        &[0, 3, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 53],
        &[1, 0, 0xff, 0xff, 0, 0, 0, 1],
        &[3, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    ] {
        let now = call.now;
        let packet = [&[0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0][..], chunk].concat();
        call.client.send_sctp_bytes(now, &packet);
    }
    call.run(Duration::from_secs(1));
    let drops = call.transport.drops();
    let refused = drops.of(DropReason::SctpMalformed) + drops.of(DropReason::SctpAhead);
    assert_eq!(refused, 6);
    call.client.send_message(0, b"alive");
    call.run(Duration::from_secs(1));
    assert_eq!(received(&call, &Channel::Reliable), [b"alive"]);
}

#[test]
fn bad_c1_floods_of_init_bad_cookies_and_garbage_as_channel_control_hurt_nobody() {
    let mut call = call(Options::default());
    call.client.open_channel(0, "_reliable", true);
    call.run(Duration::from_secs(1));
    let events = call.events.len();
    for round in 0..1_000u32 {
        let tag = [round.to_be_bytes(), 65_536u32.to_be_bytes()].concat();
        let init = [&[1, 0, 0, 20][..], &tag, &[0xff; 4], &round.to_be_bytes()].concat();
        let cookie = [&[10, 0, 0, 36][..], &[round as u8; 32]].concat();
        for (tag, chunk) in [(0, init), (round, cookie)] {
            let now = call.now;
            call.client.send_sctp_bytes(now, &sctp_packet(tag, &chunk));
        }
        if round % 50 == 0 {
            call.run(Duration::from_millis(10));
        }
    }
    for garbage in [&[3][..], &[3; 11], &[2; 500], &[0xff; 40]] {
        call.client.send_control(6, garbage);
    }
    call.client
        .send_control(8, &[3, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
    call.run(Duration::from_secs(2));
    assert!(call.transport.is_connected());
    assert_eq!(call.events.len(), events, "{:?}", &call.events[events..]);
    let drops = call.transport.drops();
    assert!(
        drops.of(DropReason::DataUnopened) >= 4,
        "{:?}",
        call.drops()
    );
    call.client.send_message(0, b"alive");
    call.run(Duration::from_secs(1));
    assert_eq!(received(&call, &Channel::Reliable), [b"alive"]);
}

/// With its checksum (RFC 9260 appendix A).
fn sctp_packet(tag: u32, chunk: &[u8]) -> Vec<u8> {
    let mut packet = [
        &[0x13, 0x88, 0x13, 0x88][..],
        &tag.to_be_bytes(),
        &[0; 4],
        chunk,
    ]
    .concat();
    let mut crc = u32::MAX;
    for byte in &packet {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
    packet
}
