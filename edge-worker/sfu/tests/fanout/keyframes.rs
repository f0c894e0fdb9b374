//! Keyframes cost all subscribers: wishes for them are merged.

use std::time::Duration;

use media::{Layer, Rtcp, Ssrc};
use sfu::SubscriptionKey;

use crate::link::Network;
use crate::stage::{Stage, up_to};

#[test]
fn two_hundred_subscribers_cost_two_requests_a_second() {
    let mut stage = Stage::video(Network::PERFECT, 1);
    stage.run(1_000);
    for key in 0..200 {
        stage.add(up_to(Layer(key % 3)));
        stage.seats[usize::from(key)].answers = false;
        stage.run(5);
    }
    for _ in 0..20 {
        for key in 0..200 {
            let request = Rtcp::KeyframeRequest { ssrc: Ssrc(key) };
            let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
            fanout.handle_feedback(stage.now, SubscriptionKey(key), &request, wire);
        }
        stage.run(100);
    }
    let elapsed = stage.now - stage.start;
    for encoder in &stage.publisher.encoders {
        let asked = &encoder.asked;
        assert!(asked.len() >= 4, "{asked:?}");
        assert!(asked.len() as u64 <= elapsed.as_secs() * 2 + 1);
        for pair in asked.windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_millis(499));
        }
    }
    for key in 0..200 {
        let playing = stage.fanout.playing(SubscriptionKey(key));
        assert_eq!(playing, Some(Layer((key % 3) as u8)));
        stage.subscriber(key).check();
    }
}

#[test]
fn nobody_watching_means_nobody_asks() {
    let mut stage = Stage::video(Network::lossy(20), 2);
    let key = stage.add(up_to(Layer::LOW));
    stage.run(3_000);
    stage.fanout.remove(SubscriptionKey(key));
    let before: Vec<_> = asked(&stage);
    assert_eq!(before[1..], [0, 0]);
    stage.run(5_000);
    assert!(asked(&stage)[0] <= before[0] + 1, "one may be under way");
    assert_eq!(asked(&stage)[1..], [0, 0]);
}

#[test]
fn bad_r10_one_subscriber_asking_all_the_time_gets_one_a_second() {
    let mut stage = Stage::video(Network::PERFECT, 3);
    let key = stage.add(up_to(Layer::LOW));
    stage.run(2_000);
    let before = asked(&stage)[0];
    for _ in 0..1_000 {
        let request = Rtcp::KeyframeRequest { ssrc: Ssrc(key) };
        let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
        fanout.handle_feedback(stage.now, SubscriptionKey(key), &request, wire);
        stage.run(5);
    }
    let during = asked(&stage)[0] - before;
    assert!((4..=6).contains(&during), "{during} in five seconds");
}

fn asked(stage: &Stage) -> Vec<usize> {
    let encoders = stage.publisher.encoders.iter();
    encoders.map(|encoder| encoder.asked.len()).collect()
}
