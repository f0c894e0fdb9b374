//! One stream with several sizes: each subscriber gets the one it wants, and no picture
//! that cannot be drawn.

use std::collections::BTreeMap;
use std::time::Duration;

use media::{Codec, Layer};
use sfu::{SubscriptionKey, Wish};

use crate::dice::Dice;
use crate::encoder::{Decoder, Told};
use crate::link::Network;
use crate::stage::{Stage, up_to};
use crate::subscriber::{Got, Subscriber};

const CODECS: [Codec; 2] = [Codec::Vp9, Codec::Av1];

#[test]
fn pb_7_each_subscriber_gets_its_size_and_changes_it_soon() {
    for codec in CODECS {
        for (loss, seed) in [(0, 0), (0, 1), (3, 2), (3, 3), (3, 4)] {
            let mut stage = Stage::layered(codec, paced(loss), seed);
            let key = stage.add(up_to(Layer::LOW));
            let other = stage.add(up_to(Layer::MEDIUM));
            stage.run(1_500);
            for layer in [1, 2, 0, 2, 1, 0] {
                stage.wish(key, up_to(Layer(layer)));
                // Where the start of a keyframe came late, another one is needed.
                stage.run(2_500);
                let playing = stage.fanout.playing(SubscriptionKey(key));
                assert_eq!(playing, Some(Layer(layer)), "{codec:?} seed {seed}");
                let seen = check(stage.subscriber(key));
                assert_eq!(seen.size, layer, "{codec:?} seed {seed} {seen:?}");
            }
            stage.settle();
            for (key, highest) in [(key, 0), (other, 1)] {
                let seen = check(stage.subscriber(key));
                assert_eq!(seen.size, highest);
                assert!(seen.lost * 1000 < seen.expected, "{seed} {seen:?}");
                assert!(seen.drawn * 100 >= seen.pictures * 98, "{seed} {seen:?}");
                assert!(seen.longest_pause < Duration::from_millis(400), "{seen:?}");
            }
        }
    }
}

#[test]
fn pb_7_a_slower_picture_leaves_no_gaps_and_speeds_up_again() {
    for codec in CODECS {
        for (temporal, expected) in [(0, 7..=9), (1, 14..=16), (2, 29..=31)] {
            let mut stage = Stage::layered(codec, paced(2), u64::from(temporal));
            let key = stage.add(up_to(Layer::MEDIUM));
            stage.run(2_000);
            let wish = |temporal| Wish::Layer {
                spatial: Layer::MEDIUM,
                temporal,
            };
            stage.wish(key, wish(temporal));
            stage.run(500);
            let before = check(stage.subscriber(key)).pictures;
            stage.run(4_000);
            let pictures = check(stage.subscriber(key)).pictures - before;
            assert!(expected.contains(&(pictures / 4)), "{pictures} in 4 s");
            let keyframes = stage.publisher.encoders[0].asked.len();
            stage.wish(key, wish(2));
            stage.run(1_000);
            let asked = stage.publisher.encoders[0].asked.len();
            assert_eq!(asked, keyframes, "a higher rate needs no keyframe");
            stage.settle();
            let seen = check(stage.subscriber(key));
            assert!(seen.lost * 1000 < seen.expected, "{seen:?}");
            assert!(seen.drawn * 100 >= seen.pictures * 98, "{seen:?}");
        }
    }
}

#[test]
fn dy_4_a_size_that_falls_silent_is_not_waited_for_and_returns() {
    for codec in CODECS {
        let mut stage = Stage::layered(codec, Network::PERFECT, 5);
        let key = stage.add(up_to(Layer::HIGH));
        stage.run(2_000);
        for (sizes, expected) in [(2, 1), (1, 0), (3, 2)] {
            let encoder = stage.publisher.encoders[0].layered.as_mut();
            encoder.expect("it is layered").sizes = sizes;
            stage.publisher.encoders[0].want_keyframe();
            stage.run(1_500);
            let live = stage.fanout.live_layers(stage.now).count();
            assert_eq!(live, usize::from(sizes), "{codec:?}");
            let playing = stage.fanout.playing(SubscriptionKey(key));
            assert_eq!(playing, Some(Layer(expected)), "{codec:?}");
        }
        stage.settle();
        let seen = check(stage.subscriber(key));
        assert_eq!(seen.drawn, seen.pictures);
        assert!(seen.longest_pause < Duration::from_millis(100), "{seen:?}");
    }
}

#[test]
fn sb_7_numbers_run_on_where_an_encoder_begins_anew() {
    for codec in CODECS {
        let mut stage = Stage::layered(codec, Network::PERFECT, 6);
        let key = stage.add(up_to(Layer::HIGH));
        for round in 0..6 {
            stage.run(800);
            let encoder = &mut stage.publisher.encoders[0];
            encoder.ssrc.0 += 0x100;
            encoder.seq = encoder.seq.wrapping_mul(7).wrapping_add(round);
            encoder.layered.as_mut().unwrap().restart();
            encoder.want_keyframe();
            // Whoever was paused goes on with other numbers, too.
            stage.wish(key, Wish::Paused);
            stage.run(50);
            stage.wish(key, up_to(Layer::HIGH));
        }
        stage.run(800);
        stage.settle();
        let seen = check(stage.subscriber(key));
        assert_eq!((seen.lost, seen.drawn), (0, seen.pictures), "{codec:?}");
        assert!(seen.pictures > 100, "{seen:?}");
    }
}

#[test]
fn pb_7_a_publisher_whose_first_packets_are_lost_is_asked_to_begin_again() {
    for codec in CODECS {
        for lost in [1, 3, 13] {
            let mut stage = Stage::layered(codec, Network::PERFECT, 8);
            let key = stage.add(up_to(Layer::HIGH));
            let mut sent = Vec::new();
            stage.publisher.send(stage.now, &mut sent);
            assert_eq!(sent.len(), 14, "a keyframe of three sizes");
            for sent in &sent[lost..] {
                let packet = sent.packet();
                stage
                    .fanout
                    .handle_packet(stage.now, &packet, &mut stage.wire);
            }
            stage.run(1_500);
            stage.settle();
            let seen = check(stage.subscriber(key));
            assert_eq!((seen.lost, seen.drawn), (0, seen.pictures), "{codec:?}");
            assert!(seen.pictures >= 30, "{codec:?} {lost} {seen:?}");
            assert_eq!(seen.size, 2);
        }
    }
}

#[test]
fn pb_7_templates_that_are_lost_on_the_way_come_again() {
    for seed in 0..8 {
        let mut stage = Stage::layered(Codec::Av1, paced(5), seed);
        let key = stage.add(up_to(Layer::HIGH));
        stage.run(1_000);
        // Nobody can ask for what was lost before the first packet.
        let begun = check(stage.subscriber(key));
        for _ in 0..25 {
            let encoder = &mut stage.publisher.encoders[0];
            encoder.layered.as_mut().unwrap().reconfigure();
            encoder.want_keyframe();
            let keyframes = encoder.asked.len();
            stage.run(300);
            let asked = stage.publisher.encoders[0].asked.len();
            assert_eq!(asked, keyframes, "a repair is enough");
        }
        stage.settle();
        let seen = check(stage.subscriber(key));
        assert!(seen.lost * 200 <= seen.expected, "{seed} {seen:?}");
        let (drawn, pictures) = (seen.drawn - begun.drawn, seen.pictures - begun.pictures);
        assert!(drawn * 100 >= pictures * 98, "{seed} {begun:?} {seen:?}");
        assert!(seen.longest_pause < Duration::from_millis(400), "{seen:?}");
    }
}

#[test]
fn bad_r8_pb_7_whatever_is_wished_when_nothing_breaks() {
    for codec in CODECS {
        for seed in 0..12 {
            let mut dice = Dice(7_000 + seed);
            let mut stage = Stage::layered(codec, paced(dice.roll(3)), seed);
            let keys: Vec<_> = (0..3).map(|_| stage.add(up_to(Layer::HIGH))).collect();
            for _ in 0..60 {
                let key = keys[dice.roll(3) as usize];
                stage.wish(
                    key,
                    Wish::Layer {
                        spatial: Layer(dice.roll(3) as u8),
                        temporal: dice.roll(3) as u8,
                    },
                );
                stage.run(dice.roll(300));
            }
            stage.settle();
            for key in keys {
                let seen = check(stage.subscriber(key));
                assert!(seen.lost * 200 <= seen.expected, "{seed} {seen:?}");
                assert!(seen.drawn * 100 >= seen.pictures * 95, "{seed} {seen:?}");
            }
        }
    }
}

/// A network for one stream: encoders pace it, so that its packets hardly overtake each other.
fn paced(loss_percent: u64) -> Network {
    Network {
        loss_percent,
        delay_ms: 18,
        jitter_ms: 0,
    }
}

/// What a viewer saw.
#[derive(Debug, Default)]
struct Seen {
    expected: usize,
    lost: usize,
    pictures: usize,
    /// Of those, ones that could be drawn in the largest size sent of them.
    drawn: usize,
    /// The largest of the newest picture.
    size: u8,
    longest_pause: Duration,
}

/// Checks everything received: what does not follow from a loss must be whole and drawable.
fn check(subscriber: &Subscriber) -> Seen {
    let mut seen = Seen::default();
    let mut decoder = Decoder::default();
    let (Some((first, _)), Some((last, _))) = (
        subscriber.got.first_key_value(),
        subscriber.got.last_key_value(),
    ) else {
        return seen;
    };
    seen.expected = (last - first + 1) as usize;
    seen.lost = seen.expected - subscriber.got.len();
    let mut shown_at = None;
    let mut pictures = pictures(subscriber);
    // Nobody can ask for what was lost before the first packet.
    let begins = pictures.first().is_some_and(|(_, packets)| {
        let first = Decoder::default().read(packets[0].1);
        first.is_some_and(|told| told.index == 0)
    });
    seen.lost += usize::from(!begins);
    // The newest may still be on its way.
    pictures.pop();
    for (number, packets) in pictures {
        let excused = seen.lost > 0;
        let told: Option<Vec<_>> = packets.iter().map(|(_, got)| decoder.read(got)).collect();
        let Some(told) = told else {
            assert!(excused, "{number} comes before what tells how to read it");
            seen.pictures += 1;
            continue;
        };
        for told in &told {
            assert_eq!(
                (told.layers.spatial, told.layers.temporal),
                (told.size, told.temporal)
            );
            let begins = told.keyframe && told.size == 0 && told.index == 0;
            assert_eq!(told.layers.keyframe, begins);
            assert!(decoder.follows(told, packets[0].1.codec), "numbers go on");
        }
        let whole = is_whole(&told);
        assert!(whole || excused, "a broken picture at {number}: {told:?}");
        let markers: Vec<bool> = packets.iter().map(|(_, got)| got.marker).collect();
        let (ends, inside) = markers.split_last().expect("pictures have packets");
        assert!(*ends || excused, "the last packet of {number} says so");
        assert!(!inside.contains(&true), "no other packet of {number} does");
        let frames = told.iter().filter(|told| told.index == 0);
        let drawn = whole && frames.filter(|told| !decoder.draw(told)).count() == 0;
        assert!(drawn || excused, "{number} cannot be drawn: {told:?}");
        seen.pictures += 1;
        seen.size = told.iter().map(|told| told.size).max().unwrap_or(0);
        if drawn {
            seen.drawn += 1;
            let at = subscriber.arrived_at[&number];
            if let Some(before) = shown_at.replace(at) {
                let pause = at.saturating_duration_since(before);
                seen.longest_pause = seen.longest_pause.max(pause);
            }
        }
    }
    seen
}

/// The packets of each picture, after the number of its first.
fn pictures(subscriber: &Subscriber) -> Vec<(u64, Vec<(u64, &Got)>)> {
    let mut pictures: BTreeMap<u64, Vec<(u64, &Got)>> = BTreeMap::new();
    let mut newest: Option<(u64, u32)> = None;
    let media = subscriber
        .got
        .iter()
        .filter(|(_, got)| !got.payload.is_empty());
    for (number, got) in media {
        let first = match newest {
            Some((first, timestamp)) if timestamp == got.timestamp => first,
            Some(_) | None => *number,
        };
        newest = Some((first, got.timestamp));
        pictures.entry(first).or_default().push((*number, got));
    }
    pictures.into_iter().collect()
}

/// Whether all sizes from the smallest up are there, and all packets of each.
fn is_whole(told: &[Told<'_>]) -> bool {
    let mut expected = Vec::new();
    for size in 0..=told.iter().map(|told| told.size).max().unwrap_or(0) {
        let Some(one) = told.iter().find(|told| told.size == size) else {
            return false;
        };
        expected.extend((0..one.count).map(|index| (size, index)));
    }
    told.iter().map(|told| (told.size, told.index)).eq(expected)
}
