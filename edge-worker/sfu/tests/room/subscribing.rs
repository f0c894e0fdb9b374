//! Subscriptions: automatic, wished for, impossible.

use std::time::Duration;

use media::{Codec, Rtcp};
use sfu::{SimulcastCodec, TrackSettings, TransportKey, Wanted};

use crate::stage::{Stage, camera, id, microphone};

const PAUSED: TrackSettings = TrackSettings {
    disabled: true,
    quality: None,
    width: 0,
    height: 0,
    fps: 0,
    priority: 0,
};

#[test]
fn su_1_without_auto_subscribe_only_wishes_count() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage
        .join_as("bob", |m| m.auto_subscribe = Wanted::No)
        .unwrap();
    let mic = stage.publish("alice", microphone("mic"));
    assert!(stage.openings.is_empty());

    stage.subscribe("bob", "mic", Wanted::Yes);
    stage.subscribe("bob", "mic", Wanted::Yes);
    assert_eq!(stage.log(), ["bob opens TR_mic Red in PA_alice|TR_mic"]);
    stage.settle();
    assert_eq!(stage.speak(mic), ["bob"]);

    stage.subscribe("bob", "mic", Wanted::No);
    stage.subscribe("bob", "mic", Wanted::No);
    assert_eq!(stage.speak(mic), [""; 0]);
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.log(), ["bob closes TR_mic"]);
}

#[test]
fn a_wish_overrides_auto_subscribe_before_and_after() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.subscribe("bob", "mic", Wanted::No);
    let mic = stage.publish("alice", microphone("mic"));
    assert_eq!(stage.speak(mic), [""; 0]);

    stage.subscribe("bob", "mic", Wanted::Yes);
    stage.settle();
    assert_eq!(stage.speak(mic), ["bob"]);
}

#[test]
fn bad_t11_nobody_receives_itself_or_what_it_may_not() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage
        .join_as("deaf", |m| m.participant.permission.can_subscribe = false)
        .unwrap();
    let mic = stage.publish("alice", microphone("mic"));
    stage.subscribe("alice", "mic", Wanted::Yes);
    stage.subscribe("deaf", "mic", Wanted::Yes);
    stage.settle();
    assert!(stage.openings.is_empty());
    assert_eq!(stage.speak(mic), [""; 0]);
}

#[test]
fn a_track_that_never_appears_fails_after_a_minute() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.room.activated(stage.now, id("alice"));
    stage.room.activated(stage.now, id("bob"));
    stage.subscribe("bob", "mic", Wanted::Yes);
    stage.subscribe("bob", "never", Wanted::Yes);
    stage.subscribe("bob", "unwanted", Wanted::No);
    stage.pass(Duration::from_secs(30));
    stage.publish("alice", microphone("mic"));
    stage.subscription("bob", "mic");
    stage.pass(Duration::from_secs(31));
    let failures: Vec<_> = stage
        .log()
        .into_iter()
        .filter(|line| line.contains("cannot"))
        .collect();
    assert_eq!(failures, ["bob cannot have TR_never: TrackNotFound"]);
}

#[test]
fn su_5_settings_may_come_before_the_track() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.settings("bob", "mic", PAUSED);
    let mic = stage.publish("alice", microphone("mic"));
    assert_eq!(stage.speak(mic), [""; 0], "subscribed and paused");
    stage.settings("bob", "mic", TrackSettings::default());
    assert_eq!(stage.speak(mic), ["bob"]);
    stage.pass(Duration::from_millis(100));
    stage.settings("bob", "mic", PAUSED);
    assert_eq!(stage.speak(mic), [""; 0]);

    // Kept while it is not subscribed.
    stage.subscribe("bob", "mic", Wanted::No);
    stage.log();
    stage.subscribe("bob", "mic", Wanted::Yes);
    stage.settle();
    assert_eq!(stage.speak(mic), [""; 0]);
}

#[test]
fn su_3_of_many_settings_in_a_moment_the_first_and_the_last_count() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    stage.settings("bob", "mic", PAUSED);
    for _ in 0..4 {
        stage.settings("bob", "mic", TrackSettings::default());
        assert_eq!(stage.speak(mic), [""; 0], "twenty milliseconds later");
        stage.settings("bob", "mic", PAUSED);
    }
    stage.settings("bob", "mic", TrackSettings::default());
    assert_eq!(stage.speak(mic), [""; 0]);
    stage.pass(Duration::from_millis(100));
    assert_eq!(stage.speak(mic), ["bob"]);
}

#[test]
fn su_4_what_was_hidden_is_shown_when_subscribed_again_until_told_otherwise() {
    for (adaptive, expected) in [(true, &["bob"][..]), (false, &[])] {
        let mut stage = Stage::new();
        stage.join("alice");
        stage
            .join_as("bob", |m| m.adaptive_stream = adaptive)
            .unwrap();
        let mic = stage.publish("alice", microphone("mic"));
        stage.settings("bob", "mic", PAUSED);
        assert_eq!(stage.speak(mic), [""; 0]);
        stage.subscribe("bob", "mic", Wanted::No);
        stage.subscribe("bob", "mic", Wanted::Yes);
        stage.settle();
        assert_eq!(stage.speak(mic), expected, "adaptive: {adaptive}");
        stage.pass(Duration::from_millis(100));
        stage.settings("bob", "mic", PAUSED);
        assert_eq!(stage.speak(mic), [""; 0]);
    }
}

#[test]
fn media_flows_while_bound() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    let subscription = stage.subscription("bob", "mic");
    stage.room.unbind(subscription);
    assert_eq!(stage.speak(mic), [""; 0]);
    stage.bind(subscription);
    stage.bind(subscription);
    assert_eq!(stage.speak(mic), ["bob"], "once, although bound twice");
    assert_eq!(stage.log(), [""; 0], "the publisher knows");
}

#[test]
fn what_cannot_be_decoded_is_not_tried_again_unasked() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    let subscription = stage.subscription("bob", "mic");
    stage.room.reject(stage.now, subscription);
    stage.room.reject(stage.now, subscription);
    assert_eq!(
        stage.log(),
        [
            "bob closes TR_mic",
            "bob cannot have TR_mic: CodecUnsupported",
        ]
    );
    assert_eq!(stage.speak(mic), [""; 0]);
    stage.subscribe("bob", "mic", Wanted::Yes);
    stage.settle();
    assert_eq!(stage.speak(mic), ["bob"]);
}

#[test]
fn an_answer_that_comes_too_late_binds_nothing() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    let subscription = stage.subscription("bob", "mic");
    stage.subscribe("bob", "mic", Wanted::No);
    stage.log();
    stage.bind(subscription);
    assert_eq!(stage.speak(mic), [""; 0]);
}

/// A VP8 frame in one packet: a keyframe, and one that is none.
const KEYFRAME: [u8; 4] = [0x10, 0x00, 1, 2];
const FRAME: [u8; 4] = [0x10, 0x01, 1, 2];

#[test]
fn what_could_not_be_decoded_is_tried_in_another_codec() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mut cam = camera("cam");
    cam.codecs = vec![SimulcastCodec {
        codec: Some(Codec::H264),
        cid: "cam".into(),
    }];
    let track = stage.publish("alice", cam);
    let subscription = stage.subscription("bob", "cam");
    stage.room.reject(stage.now, subscription);
    stage.log();

    stage.packet(track, Codec::Vp8, &KEYFRAME);
    stage.settle();
    assert_eq!(stage.packet(track, Codec::Vp8, &KEYFRAME), ["bob"]);
}

#[test]
fn a_picture_is_asked_of_the_publisher_and_starts_where_it_stands_alone() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let cam = stage.publish("alice", camera("cam"));
    assert_eq!(stage.packet(cam, Codec::Vp8, &FRAME), [""; 0]);
    let asked = |stage: &Stage, transport: u32| {
        let to = TransportKey(transport);
        stage
            .wire
            .rtcp
            .iter()
            .any(|(whom, rtcp)| *whom == to && matches!(rtcp, Rtcp::KeyframeRequest { .. }))
    };
    // Joined first, alice publishes on the first transport.
    assert!(asked(&stage, 1001));
    assert_eq!(stage.packet(cam, Codec::Vp8, &KEYFRAME), ["bob"]);
    assert_eq!(stage.packet(cam, Codec::Vp8, &FRAME), ["bob"]);

    stage
        .room
        .attach(stage.now, id("alice"), TransportKey(2001));
    stage.join("carol");
    stage.settle();
    stage.now += Duration::from_secs(1);
    assert_eq!(stage.packet(cam, Codec::Vp8, &FRAME), ["bob"]);
    stage.pass(Duration::from_secs(1));
    assert!(asked(&stage, 2001));
    assert_eq!(stage.packet(cam, Codec::Vp8, &KEYFRAME), ["bob", "carol"]);
}
