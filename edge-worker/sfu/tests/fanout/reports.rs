//! Reports come soon and keep sound and picture together.

use std::time::Duration;

use media::{Codec, Layer, NtpTime};
use sfu::SubscriptionKey;

use crate::link::Network;
use crate::publisher::ntp;
use crate::stage::{Stage, binding, start, up_to};

#[test]
fn pb_10_publishers_hear_within_a_tenth_of_a_second_and_each_second() {
    let mut stage = Stage::video(Network::PERFECT, 1);
    stage.run(5_000);
    for encoder in &stage.publisher.encoders {
        let first = encoder.reports[0] - stage.start;
        assert!(first <= Duration::from_millis(100), "{first:?}");
        assert!((5..=7).contains(&encoder.reports.len()));
    }
}

#[test]
fn sb_6_reports_map_media_time_to_the_publishers_clock_across_switches() {
    let mut stage = Stage::video(Network::lossy(0), 2);
    let key = stage.add(up_to(Layer::LOW));
    for layer in [2, 0, 1, 2] {
        stage.run(3_000);
        stage.wish(key, up_to(Layer(layer)));
    }
    stage.settle();
    let subscriber = stage.subscriber(key);
    assert!(
        subscriber.reports.len() >= 6,
        "{}",
        subscriber.reports.len()
    );
    let first = &subscriber.reports[0];
    assert!(first.0 - stage.start < Duration::from_secs(1));
    for (at, report) in &subscriber.reports {
        // The same line through clock and media time, to a tick or two.
        let clock = (u128::from(report.ntp.0 - first.1.ntp.0) * 90_000) >> 32;
        let media = report.timestamp.0.wrapping_sub(first.1.timestamp.0);
        let off = i64::from(media) - clock as i64;
        assert!(off.abs() <= 10, "{off} ticks after {:?}", *at - stage.start);
    }
    // Frames carry the time the publisher took them at.
    let (at, report) = subscriber.reports.last().unwrap();
    let since_start = *at - start();
    assert!(report.ntp <= ntp(since_start));
    let (_, round_trip) = stage.fanout.reception(SubscriptionKey(key));
    let round_trip = round_trip.unwrap().as_millis();
    assert!((36..=46).contains(&round_trip), "{round_trip} ms");
}

#[test]
fn sb_4_redundancy_is_passed_on_or_taken_off() {
    let mut stage = Stage::audio(Network::PERFECT, 3);
    let both = [Codec::Red, Codec::Opus];
    for (key, codecs) in [(0, &both[..]), (1, &both[1..])] {
        stage.add(up_to(Layer::LOW));
        let subscription = SubscriptionKey(key);
        let binding = binding(key, codecs);
        let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
        fanout.add(stage.now, subscription, binding, up_to(Layer::LOW), wire);
    }
    let mut sent = Vec::new();
    stage.publisher.send(stage.now, &mut sent);
    sent[0].codec = Codec::Red;
    sent[0].payload = vec![0x80 | 111, 0, 0, 2, 111, 1, 2, 9, 9];
    let packet = sent[0].packet();
    stage
        .fanout
        .handle_packet(stage.now, &packet, &mut stage.wire);
    let payloads: Vec<_> = stage
        .wire
        .packets
        .iter()
        .map(|(_, got)| &got.payload)
        .collect();
    assert_eq!(payloads, [&sent[0].payload, &vec![9, 9]]);
}

#[test]
fn bad_r14_a_clock_at_zero_is_none_and_a_wrong_one_stays_with_its_track() {
    for (told, reported) in [(NtpTime(0), false), (NtpTime(u64::MAX), true)] {
        let mut stage = Stage::video(Network::PERFECT, 4);
        stage.publisher.told = Some(told);
        let key = stage.add(up_to(Layer::LOW));
        // Pictures go on, also over a change of layers, which is aligned by the clocks.
        for layer in [2, 0] {
            stage.run(3_000);
            stage.wish(key, up_to(Layer(layer)));
        }
        stage.settle();
        let subscriber = stage.subscriber(key);
        let seen = subscriber.check();
        assert!(seen.shown * 100 >= seen.frames * 99, "{seen:?}");
        assert_eq!(!subscriber.reports.is_empty(), reported, "{told:?}");
    }
}
