//! Layers and frame rates change without a broken picture.

use std::time::Duration;

use media::Layer;
use sfu::{SubscriptionKey, Wish};

use crate::link::Network;
use crate::stage::{Stage, up_to};

#[test]
fn layers_change_within_a_second_and_nothing_breaks() {
    for (loss, seed) in [(0, 0), (0, 1), (3, 2), (3, 3), (3, 4)] {
        let mut stage = Stage::video(Network::lossy(loss), seed);
        let key = stage.add(up_to(Layer::LOW));
        stage.run(1_500);
        for layer in [1, 2, 0, 2, 1, 0] {
            stage.wish(key, up_to(Layer(layer)));
            let asked_at = stage.now;
            stage.run(1_000);
            let playing = stage.fanout.playing(SubscriptionKey(key));
            assert_eq!(playing, Some(Layer(layer)), "seed {seed}");
            let seen = stage.subscriber(key).check();
            let (shown, at) = *seen.layers.last().unwrap();
            assert_eq!(shown, layer, "seed {seed} {seen:?}");
            assert!(
                at - asked_at < Duration::from_millis(700),
                "{:?}",
                at - asked_at
            );
        }
        stage.settle();
        let seen = stage.subscriber(key).check();
        assert!(seen.lost * 1000 < seen.expected, "{seen:?}");
        assert!(seen.shown * 100 >= seen.frames * 98, "{seed} {seen:?}");
        assert!(seen.longest_pause < Duration::from_millis(400), "{seen:?}");
    }
}

#[test]
fn dy_4_a_layer_that_falls_silent_is_replaced_within_a_second_and_returns() {
    let mut stage = Stage::video(Network::lossy(1), 5);
    let key = stage.add(up_to(Layer::HIGH));
    stage.run(2_000);
    for (silent, expected) in [
        (&[2][..], 1),
        (&[1, 2], 0),
        (&[2], 1),
        (&[], 2),
        (&[0, 1], 2),
    ] {
        for (layer, encoder) in stage.publisher.encoders.iter_mut().enumerate() {
            encoder.on = !silent.contains(&layer);
        }
        stage.run(1_000);
        let playing = stage.fanout.playing(SubscriptionKey(key));
        assert_eq!(playing, Some(Layer(expected)), "without {silent:?}");
    }
    let live: Vec<_> = stage.fanout.live_layers(stage.now).collect();
    assert_eq!(live, [Layer::HIGH]);
    stage.settle();
    let seen = stage.subscriber(key).check();
    assert!(seen.longest_pause < Duration::from_secs(1), "{seen:?}");
    assert!(seen.shown * 100 >= seen.frames * 97, "{seen:?}");
}

#[test]
fn slow_screens_do_not_count_as_silent() {
    let mut stage = Stage::video(Network::PERFECT, 6);
    let key = stage.add(up_to(Layer::HIGH));
    stage.run(1_000);
    for _ in 0..10 {
        // One frame, then nothing for a second.
        stage.publishing = false;
        stage.run(1_000);
        stage.publishing = true;
        stage.run(1);
        assert_eq!(
            stage.fanout.playing(SubscriptionKey(key)),
            Some(Layer::HIGH)
        );
    }
}

#[test]
fn fewer_frames_leave_no_gaps() {
    for (temporal, expected) in [(0, 7..=9), (1, 14..=16), (2, 29..=31)] {
        let mut stage = Stage::video(Network::lossy(3), u64::from(temporal));
        let key = stage.add(up_to(Layer::MEDIUM));
        stage.run(2_000);
        let wish = |temporal| Wish::Layer {
            spatial: Layer::MEDIUM,
            temporal,
        };
        stage.wish(key, wish(temporal));
        stage.run(500);
        let before = stage.subscriber(key).check().frames;
        stage.run(4_000);
        let frames = stage.subscriber(key).check().frames - before;
        assert!(expected.contains(&(frames / 4)), "{frames} in four seconds");
        stage.wish(key, wish(2));
        stage.run(1_000);
        stage.settle();
        let seen = stage.subscriber(key).check();
        assert!(seen.lost * 1000 < seen.expected, "{seen:?}");
    }
}
