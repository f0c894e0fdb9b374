//! What is lost on the way in or out is repaired, within bounds.

use media::{Layer, Nack, Rtcp, SeqNo, Ssrc};
use sfu::{DropReason, SubscriptionKey, Wish};

use crate::link::Network;
use crate::stage::{Stage, up_to};

#[test]
fn video_keeps_playing_at_five_percent_loss_both_ways() {
    for seed in 0..4 {
        let mut stage = Stage::video(Network::lossy(5), seed);
        stage.run(200);
        for layer in Layer::ALL {
            stage.add(up_to(layer));
        }
        stage.run(20_000);
        stage.settle();
        for key in 0..3 {
            let seen = stage.subscriber(key).check();
            assert!(seen.expected > 500, "{seen:?}");
            assert!(seen.lost * 1000 < seen.expected, "{seed} {key} {seen:?}");
            assert!(
                seen.shown * 100 >= seen.frames * 99,
                "{seed} {key} {seen:?}"
            );
            assert!(
                seen.longest_pause.as_millis() < 500,
                "{seed} {key} {seen:?}"
            );
        }
    }
}

#[test]
fn sound_is_repaired_both_ways() {
    for seed in 0..4 {
        let mut stage = Stage::audio(Network::lossy(5), seed);
        let key = stage.add(up_to(Layer::LOW));
        stage.run(60_000);
        stage.settle();
        let subscriber = stage.subscriber(key);
        let first = subscriber.got.first_key_value().unwrap();
        let last = subscriber.got.last_key_value().unwrap();
        let expected = (last.0 - first.0 + 1) as usize;
        let lost = expected - subscriber.got.len();
        assert!(
            expected > 2_900 && lost * 500 < expected,
            "{lost} of {expected}"
        );
        let ticks = last.1.timestamp.wrapping_sub(first.1.timestamp);
        assert_eq!(
            ticks as usize,
            (expected - 1) * 960,
            "time and numbers agree"
        );
    }
}

#[test]
fn bad_r9_numbers_wrap_without_a_trace() {
    let mut stage = Stage::video(Network::lossy(2), 5);
    for encoder in &mut stage.publisher.encoders {
        encoder.seq = 65_400;
        encoder.clock = u32::MAX - 90_000;
        encoder.picture = 0x7fff - 40;
    }
    for layer in Layer::ALL {
        stage.add(up_to(layer));
    }
    stage.run(10_000);
    stage.settle();
    for key in 0..3 {
        let seen = stage.subscriber(key).check();
        assert_eq!(seen.lost, 0, "{seen:?}");
        assert!(seen.shown * 100 >= seen.frames * 99, "{seen:?}");
    }
}

#[test]
fn bad_r9_a_publisher_whose_clock_and_numbers_jump_is_followed() {
    let mut stage = Stage::video(Network::PERFECT, 9);
    let key = stage.add(up_to(Layer::LOW));
    for (clock, seq) in [(0, 0), (1 << 30, 0), (0, 20_000), (u32::MAX - 7, 40_000)] {
        for encoder in &mut stage.publisher.encoders {
            encoder.clock = encoder.clock.wrapping_add(clock);
            encoder.seq = encoder.seq.wrapping_add(seq);
        }
        let before = stage.subscriber(key).got.len();
        stage.run(4_000);
        let got = stage.subscriber(key).got.len() - before;
        assert!(got > 90, "{got} packets after a jump of {clock} and {seq}");
    }
}

#[test]
fn padding_leaves_no_gap() {
    let mut stage = Stage::video(Network::lossy(5), 6);
    for encoder in &mut stage.publisher.encoders {
        encoder.probing = true;
    }
    let key = stage.add(up_to(Layer::HIGH));
    stage.run(5_000);
    stage.settle();
    let seen = stage.subscriber(key).check();
    assert_eq!(seen.lost, 0, "{seen:?}");
    assert!(seen.shown * 100 >= seen.frames * 99, "{seen:?}");
    assert!(stage.fanout.drops().of(DropReason::Padding) > 100);
}

#[test]
fn bad_r11_a_storm_of_requests_is_bounded() {
    let mut stage = Stage::video(Network::PERFECT, 7);
    let key = stage.add(up_to(Layer::HIGH));
    let other = stage.add(up_to(Layer::HIGH));
    stage.run(5_000);
    let ask = |from: u16, count: u16| {
        let lost = (0..count).map(|by| SeqNo(from).plus(by)).collect();
        Rtcp::Nack(Nack {
            ssrc: Ssrc(0),
            lost,
        })
    };
    let newest = *stage.subscriber(key).got.last_key_value().unwrap().0 as u16;
    for step in 0..200 {
        for request in [ask(newest.wrapping_sub(1_000), 1_000), ask(step, 10_000)] {
            let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
            fanout.handle_feedback(stage.now, SubscriptionKey(key), &request, wire);
        }
        stage.run(5);
    }
    let repairs = stage.subscriber(key).repairs;
    assert!((200..=500).contains(&repairs), "{repairs} in a second");
    assert_eq!(stage.subscriber(other).repairs, 0);
    assert!(stage.fanout.drops().of(DropReason::RepairLimit) > 1_000_000);
    stage.settle();
    assert_eq!(stage.subscriber(other).check().lost, 0);
}

#[test]
fn who_paused_gets_nothing_not_even_repairs() {
    let mut stage = Stage::video(Network::lossy(5), 8);
    let key = stage.add(up_to(Layer::HIGH));
    stage.run(3_000);
    stage.wish(key, Wish::Paused);
    stage.seats[key as usize].subscriber.was_cut = true;
    stage.run(100);
    let got = stage.subscriber(key).got.len();
    stage.run(3_000);
    assert_eq!(stage.subscriber(key).got.len(), got);
    stage.wish(key, up_to(Layer::HIGH));
    stage.run(3_000);
    stage.settle();
    assert!(stage.subscriber(key).got.len() > got + 300);
    stage.subscriber(key).check();
}
