//! What a subscriber played ends in silence or a black picture, and goes on from there
//! without a gap.

use media::{Codec, Layer, Nack, Rtcp, SeqNo, Ssrc};
use sfu::{DropReason, Muted, SubscriptionKey, Wish};

use crate::link::Network;
use crate::stage::{Stage, binding, up_to};
use crate::subscriber::Got;

/// What a subscriber got, in order; nothing may be missing.
fn all_got(stage: &Stage, key: u32) -> Vec<&Got> {
    let got = &stage.subscriber(key).got;
    let first = got.keys().next().expect("something came");
    let last = got.keys().next_back().expect("something came");
    assert_eq!(got.len() as u64, last - first + 1, "numbers run on");
    got.values().collect()
}

#[test]
fn sb_8_a_muted_picture_turns_black_and_comes_back_with_a_keyframe() {
    for (loss, seed) in [(0, 7), (2, 8), (2, 9), (5, 10)] {
        let mut stage = Stage::video(Network::lossy(loss), seed);
        let key = stage.add(up_to(Layer::HIGH));
        stage.run(2_000);
        for (on, pause) in [(800, 3_000), (1_000, 90), (900, 400)] {
            stage.fanout.set_muted(Muted::Yes);
            stage.seats[key as usize].subscriber.was_cut = true;
            stage.run(pause.min(350));
            let got = stage.subscriber(key).got.len();
            stage.run(pause - pause.min(350));
            assert_eq!(stage.subscriber(key).got.len(), got, "it ended");
            stage.fanout.set_muted(Muted::No);
            stage.run(on);
            let playing = stage.fanout.playing(SubscriptionKey(key));
            assert_eq!(playing, Some(Layer::HIGH));
        }
        stage.settle();
        let seen = stage.subscriber(key).check();
        assert!(seen.shown * 100 >= seen.frames * 96, "{seen:?}");
        // Five each time, but for a pause that is too short; some are lost.
        assert!((8..=15).contains(&seen.black), "{seen:?}");
    }
}

#[test]
fn sb_8_muted_sound_ends_in_a_second_of_silence_and_goes_on_from_it() {
    for pause in [5_000, 1_100, 500, 70, 10] {
        let mut stage = Stage::audio(Network::PERFECT, 1);
        let key = stage.add(up_to(Layer::LOW));
        stage.run(1_000);
        // Microphones go on while they are muted.
        stage.fanout.set_muted(Muted::Yes);
        stage.run(pause);
        stage.fanout.set_muted(Muted::No);
        stage.run(1_000);
        let got = all_got(&stage, key);
        let silent = got.iter().filter(|got| got.is_silence()).count();
        let expected = (pause as usize / 20).min(50);
        assert!(silent.abs_diff(expected) <= 3, "{silent} in {pause} ms");
        for pair in got.windows(2) {
            let apart = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            let resumes = pair[0].is_silence() && !pair[1].is_silence();
            if resumes && pause > 1_000 {
                let millis = u64::from(apart) / 48;
                assert!((pause - 1_000..pause + 100).contains(&millis), "{millis}");
            } else {
                assert_eq!(apart, 960, "sound follows sound");
            }
        }
        assert!(got.iter().skip(1).all(|got| !got.marker));
    }
}

#[test]
fn sb_8_silence_comes_at_the_pace_of_sound() {
    let mut stage = Stage::audio(Network::PERFECT, 2);
    let key = stage.add(up_to(Layer::LOW));
    stage.run(1_000);
    stage.fanout.set_muted(Muted::Yes);
    stage.run(3_000);
    let subscriber = stage.subscriber(key);
    let silent = subscriber.got.iter().filter(|(_, got)| got.is_silence());
    let times: Vec<_> = silent
        .map(|(number, _)| subscriber.arrived_at[number])
        .collect();
    assert_eq!(times.len(), 50);
    for pair in times.windows(2) {
        let apart = pair[1] - pair[0];
        assert!((19..=21).contains(&apart.as_millis()), "{apart:?}");
    }
}

#[test]
fn sb_8_sound_with_redundancy_ends_in_silence_without() {
    let mut stage = Stage::audio(Network::PERFECT, 8);
    let key = stage.add(up_to(Layer::LOW));
    let subscription = SubscriptionKey(key);
    let binding = binding(key, &[Codec::Red, Codec::Opus]);
    let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
    fanout.add(stage.now, subscription, binding, up_to(Layer::LOW), wire);
    let mut sent = Vec::new();
    stage.publisher.send(stage.now, &mut sent);
    sent[0].codec = Codec::Red;
    sent[0].payload = vec![111, 9, 9];
    stage.publishing = false;
    let packet = sent[0].packet();
    stage
        .fanout
        .handle_packet(stage.now, &packet, &mut stage.wire);
    stage.fanout.set_muted(Muted::Yes);
    stage.run(2_000);
    let got = all_got(&stage, key);
    assert_eq!((got.len(), got[0].codec), (51, Codec::Red));
    assert!(got[1..].iter().all(|got| got.is_silence()));
}

#[test]
fn sb_8_paused_sound_ends_in_silence_and_a_paused_picture_stands_still() {
    let mut stage = Stage::audio(Network::PERFECT, 3);
    let key = stage.add(up_to(Layer::LOW));
    stage.run(500);
    stage.wish(key, Wish::Paused);
    stage.run(2_000);
    let silent = |stage: &Stage| {
        let got = all_got(stage, key).into_iter();
        got.filter(|got| got.is_silence()).count()
    };
    assert_eq!(silent(&stage), 50);
    // It is silent already.
    stage.fanout.set_muted(Muted::Yes);
    stage.run(2_000);
    assert_eq!(silent(&stage), 50);

    let mut stage = Stage::video(Network::PERFECT, 4);
    let key = stage.add(up_to(Layer::LOW));
    stage.run(500);
    stage.wish(key, Wish::Paused);
    stage.run(2_000);
    assert_eq!(stage.subscriber(key).check().black, 0);
    // Whoever mutes is not to be seen any longer, by nobody.
    stage.fanout.set_muted(Muted::Yes);
    stage.run(2_000);
    assert_eq!(stage.subscriber(key).check().black, 5);
}

#[test]
fn sb_8_who_played_nothing_is_sent_nothing() {
    let mut stage = Stage::audio(Network::PERFECT, 5);
    stage.run(500);
    stage.fanout.set_muted(Muted::Yes);
    let key = stage.add(up_to(Layer::LOW));
    stage.run(2_000);
    assert!(stage.subscriber(key).got.is_empty());
    assert_eq!(stage.fanout.deadline().filter(|at| *at <= stage.now), None);
}

#[test]
fn sb_8_nothing_else_is_sent_again_for_a_lost_silence() {
    let mut stage = Stage::audio(Network::PERFECT, 6);
    let key = stage.add(up_to(Layer::LOW));
    stage.run(500);
    stage.fanout.set_muted(Muted::Yes);
    stage.run(2_000);
    stage.fanout.set_muted(Muted::No);
    stage.run(500);
    let got = stage.subscriber(key).got.iter();
    let silent = got.filter(|(_, got)| got.is_silence());
    let lost: Vec<_> = silent.map(|(number, _)| SeqNo(*number as u16)).collect();
    assert_eq!(lost.len(), 50);
    let nack = Rtcp::Nack(Nack {
        ssrc: Ssrc(key),
        lost,
    });
    let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
    fanout.handle_feedback(stage.now, SubscriptionKey(key), &nack, wire);
    assert!(stage.wire.packets.is_empty());
    assert_eq!(stage.fanout.drops().of(DropReason::NotCached), 50);
}

#[test]
fn sb_6_reports_stay_true_after_silence() {
    let mut stage = Stage::audio(Network::PERFECT, 7);
    let key = stage.add(up_to(Layer::LOW));
    stage.run(3_000);
    stage.fanout.set_muted(Muted::Yes);
    stage.run(400);
    stage.fanout.set_muted(Muted::No);
    stage.run(5_000);
    let subscriber = stage.subscriber(key);
    let newest = subscriber.reports.last().unwrap().1;
    // What is said now by the report, against what is heard now.
    let (number, got) = subscriber.got.last_key_value().unwrap();
    let heard_at = subscriber.arrived_at[number];
    let reported_at = subscriber.reports.last().unwrap().0;
    let since = heard_at.saturating_duration_since(reported_at).as_micros() as u32 * 48 / 1_000;
    let off = newest
        .timestamp
        .plus(since)
        .distance(media::Timestamp(got.timestamp));
    assert!(off.unsigned_abs() <= 48 * 20, "{off} ticks");
    assert!(subscriber.reports.len() >= 4 && since < 48 * 4_000);
    assert!(newest.packets as usize >= 3_000 / 20 + 400 / 20 - 5);
}
