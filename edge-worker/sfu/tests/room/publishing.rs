//! Tracks: announced, offered, seen by others, muted, taken back.

use std::time::Duration;

use media::{Codec, MediaKind};
use sfu::{Muted, SimulcastCodec, Source};

use crate::stage::{Stage, camera, hidden, id, microphone};

#[test]
fn at_5_a_track_is_announced_at_once_and_seen_once_it_is_offered() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.announce("alice", microphone("mic"));
    assert_eq!(stage.log(), ["alice announced mic as TR_mic"]);

    stage.add_section("alice", "mic", MediaKind::Audio, "");
    let received = stage.offer("alice");
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].preferred, Some(Codec::Red));
    assert!(received[0].red);
    assert_eq!(
        stage.log(),
        [
            "alice sees alice joined [TR_mic]",
            "bob sees alice joined [TR_mic]",
            "bob opens TR_mic Red in PA_alice|TR_mic",
        ]
    );
    assert_eq!(
        stage.offer("alice"),
        received,
        "a second offer changes nothing"
    );
    assert_eq!(stage.log(), [""; 0]);
}

#[test]
fn at_2_an_offer_may_come_before_its_announcement() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.add_section("alice", "mic", MediaKind::Audio, "");
    assert!(stage.offer("alice").is_empty());
    stage.announce("alice", microphone("mic"));
    assert_eq!(
        stage.log(),
        [
            "alice announced mic as TR_mic",
            "alice sees alice joined [TR_mic]",
            "bob sees alice joined [TR_mic]",
            "alice sends on 0",
            "bob opens TR_mic Red in PA_alice|TR_mic",
        ]
    );
    stage.settle();
    let track = stage.received.values().next().unwrap().track;
    assert_eq!(stage.speak(track), ["bob"]);
}

#[test]
fn a_late_joiner_finds_every_track() {
    let mut stage = Stage::new();
    stage.join("alice");
    let mic = stage.publish("alice", microphone("mic"));
    let cam = stage.publish("alice", camera("cam"));
    let bob = stage.join_as("bob", |_| {}).unwrap();
    assert_eq!(bob.others[0].tracks.len(), 2);
    assert_eq!(bob.room.publishers, 1);
    assert_eq!(
        stage.log(),
        [
            "alice sees bob joined",
            "bob opens TR_mic Red in PA_alice|TR_mic",
            "bob opens TR_cam Vp8 in PA_alice|TR_cam",
        ]
    );
    stage.bind(stage.subscription("bob", "mic"));
    stage.bind(stage.subscription("bob", "cam"));
    assert_eq!(
        stage.log(),
        ["alice is received on TR_mic", "alice is received on TR_cam"]
    );
    assert_eq!(stage.speak(mic), ["bob"]);
    assert_ne!(mic, cam);
}

#[test]
fn bad_t11_publishing_follows_permission() {
    let mut stage = Stage::new();
    stage
        .join_as("mute", |m| m.participant.permission.can_publish = false)
        .unwrap();
    stage
        .join_as("voice", |m| {
            m.participant.permission.can_publish_sources = vec![Source::Microphone];
        })
        .unwrap();
    stage.join_as("ghost", hidden).unwrap();
    stage.log();
    for (who, track, expected) in [
        (
            "mute",
            microphone("a"),
            "mute may not publish a: NotAllowed",
        ),
        ("voice", camera("b"), "voice may not publish b: NotAllowed"),
        ("voice", microphone("c"), "voice announced c as TR_c"),
        (
            "ghost",
            microphone("d"),
            "ghost may not publish d: NotAllowed",
        ),
    ] {
        stage.announce(who, track);
        assert_eq!(stage.log(), [expected]);
    }
}

#[test]
fn announcing_too_much_is_refused() {
    let mut stage = Stage::new();
    stage.join("alice");
    for number in 0..20 {
        stage.announce("alice", microphone(&format!("mic{number}")));
    }
    stage.log();
    stage.announce("alice", microphone("mic7"));
    stage.announce("alice", microphone("more"));
    assert_eq!(
        stage.log(),
        [
            "alice may not publish mic7: Queued",
            "alice may not publish more: LimitExceeded",
        ]
    );
    stage.room.activated(stage.now, id("alice"));
    stage.log();
    stage.pass(Duration::from_secs(61));
    let log = stage.log();
    let lost = log.iter().filter(|line| line.starts_with("alice lost"));
    assert_eq!(lost.count(), 20, "what was never offered is taken back");
}

#[test]
fn a_muted_track_is_seen_by_everybody_and_heard_by_nobody() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    stage.mute("alice", "mic", Muted::Yes);
    assert_eq!(
        stage.log(),
        [
            "alice sees alice joined [TR_mic(muted)]",
            "bob sees alice joined [TR_mic(muted)]",
        ]
    );
    assert_eq!(stage.speak(mic), [""; 0]);
    stage.mute("alice", "mic", Muted::Yes);
    assert_eq!(stage.log(), [""; 0], "it was muted");

    stage.mute("bob", "mic", Muted::No);
    stage.mute("alice", "nothing", Muted::No);
    assert_eq!(
        stage.log(),
        [
            "bob may not mute TR_mic: NotFound",
            "alice may not mute TR_nothing: NotFound",
        ]
    );
    stage.mute("alice", "mic", Muted::No);
    stage.log();
    assert_eq!(stage.speak(mic), ["bob"]);
}

#[test]
fn at_6_a_track_muted_from_the_start_is_there_too() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.announce("alice", microphone("mic"));
    stage.mute("alice", "mic", Muted::Yes);
    stage.log();
    stage.add_section("alice", "mic", MediaKind::Audio, "");
    stage.offer("alice");
    assert_eq!(
        stage.log(),
        [
            "alice sees alice joined [TR_mic(muted)]",
            "bob sees alice joined [TR_mic(muted)]",
            "bob opens TR_mic Red in PA_alice|TR_mic",
        ]
    );
}

#[test]
fn at_7_a_track_no_longer_offered_is_unpublished() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    stage.publish("alice", camera("cam"));
    stage.remove_section("alice", "mic");
    assert_eq!(stage.offer("alice").len(), 1);
    assert_eq!(
        stage.log(),
        [
            "bob closes TR_mic",
            "alice sees alice joined [TR_cam]",
            "bob sees alice joined [TR_cam]",
        ]
    );
    assert_eq!(stage.speak(mic), [""; 0]);

    // Published again it is another track, on an m-line that was used before.
    let again = stage.publish("alice", microphone("again"));
    assert_ne!(again, mic);
    assert_eq!(stage.speak(again), ["bob"]);
}

#[test]
fn pb_2_an_announced_codec_is_preferred_and_media_has_the_last_word() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mut cam = camera("cam");
    cam.codecs = vec![SimulcastCodec {
        codec: Some(Codec::H264),
        cid: "cam".into(),
    }];
    stage.add_section("alice", "cam", MediaKind::Video, "f h q");
    stage.announce("alice", cam);
    let received = stage.offer("alice");
    assert_eq!(received[0].preferred, Some(Codec::H264));
    let log = stage.log();
    assert_eq!(log[3], "bob opens TR_cam H264 in PA_alice|TR_cam");

    stage.packet(received[0].track, Codec::Vp8, &[0x10, 0x00, 1]);
    assert_eq!(
        stage.log(),
        [
            "bob closes TR_cam",
            "alice sees alice joined [TR_cam]",
            "bob sees alice joined [TR_cam]",
            "bob opens TR_cam Vp8 in PA_alice|TR_cam",
        ]
    );
    stage.packet(received[0].track, Codec::H264, &[0x67, 1]);
    assert_eq!(stage.log(), [""; 0], "once is enough");
}
