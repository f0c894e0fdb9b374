//! Who is told who speaks.

use std::time::Duration;

use media::Codec;
use sfu::{Muted, Source, TrackKey, Wanted};

use crate::stage::{Stage, camera, hidden, microphone};

/// Alice and bob speak; carol receives both, dave only alice.
fn call() -> (Stage, TrackKey, TrackKey) {
    let mut stage = Stage::new();
    for name in ["alice", "bob", "carol", "dave"] {
        stage.join(name);
    }
    let alice = stage.publish("alice", microphone("a"));
    let bob = stage.publish("bob", microphone("b"));
    stage.subscribe("alice", "b", Wanted::No);
    stage.subscribe("dave", "b", Wanted::No);
    stage.pass(Duration::from_secs(6));
    stage.log();
    (stage, alice, bob)
}

impl Stage {
    /// 400 ms and a little of sound, and who was told of it.
    fn hear(&mut self, tracks: &[TrackKey]) -> Vec<String> {
        for _ in 0..21 {
            for track in tracks {
                self.speak(*track);
            }
            // Packets of several tracks come at the same time.
            self.now -= Duration::from_millis(20) * (tracks.len().max(1) as u32 - 1);
            self.pass(Duration::ZERO);
        }
        self.log()
    }
}

#[test]
fn as_3_only_who_receives_a_speaker_and_the_speaker_are_told() {
    let (mut stage, alice, bob) = call();
    assert_eq!(
        stage.hear(&[bob]),
        ["bob hears bob at 1", "carol hears bob at 1"]
    );
    stage.pass(Duration::from_secs(3));
    stage.log();
    assert_eq!(
        stage.hear(&[alice]),
        [
            "alice hears alice at 1",
            "bob hears alice at 1",
            "carol hears alice at 1",
            "dave hears alice at 1",
        ]
    );
}

#[test]
fn as_2_what_did_not_change_is_not_told_again_and_the_end_is_told_once() {
    let (mut stage, _, bob) = call();
    stage.hear(&[bob]);
    for _ in 0..5 {
        assert_eq!(stage.hear(&[bob]), [""; 0]);
    }
    stage.pass(Duration::from_secs(10));
    assert_eq!(stage.log(), ["bob hears bob at 0", "carol hears bob at 0"]);
    assert!(stage.room.deadline().is_none_or(|at| at > stage.now));
    stage.pass(Duration::from_secs(10));
    assert_eq!(stage.log(), [""; 0]);
}

#[test]
fn as_1_only_microphones_count() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mut screen = microphone("screen");
    screen.source = Source::ScreenShareAudio;
    let screen = stage.publish("alice", screen);
    let cam = stage.publish("alice", camera("cam"));
    assert_eq!(stage.hear(&[screen]), [""; 0]);
    for _ in 0..30 {
        stage.packet(cam, Codec::Vp8, &[0x10, 0, 0, 0, 0x9d, 1, 0x2a]);
    }
    stage.pass(Duration::from_millis(500));
    let told = stage.log();
    assert!(!told.iter().any(|line| line.contains("hears")), "{told:?}");
}

#[test]
fn as_3_whoever_begins_or_ends_to_listen_is_told_of_the_speaker_at_once() {
    let (mut stage, alice, bob) = call();
    stage.hear(&[alice, bob]);
    stage.subscribe("carol", "b", Wanted::No);
    assert_eq!(stage.log(), ["carol hears bob at 0"]);
    stage.subscribe("carol", "b", Wanted::Yes);
    stage.log();
    stage.bind(stage.subscription("carol", "b"));
    assert_eq!(stage.log(), ["carol hears bob at 1"]);
}

#[test]
fn a_speaker_who_leaves_is_silent_first() {
    let (mut stage, alice, _) = call();
    stage.hear(&[alice]);
    stage.leave("alice");
    let told = stage.log();
    let silent = told.iter().position(|it| it == "dave hears alice at 0");
    let left = told
        .iter()
        .position(|it| it == "dave sees alice left(ClientInitiated)");
    assert!(silent.unwrap() < left.unwrap(), "{told:?}");
    stage.pass(Duration::from_secs(1));
    let closed = ["bob", "carol", "dave"].map(|who| format!("{who} closes TR_a"));
    assert_eq!(stage.log(), closed);
}

#[test]
fn mu_1_a_muted_speaker_falls_silent_with_the_next_look() {
    let (mut stage, _, bob) = call();
    stage.hear(&[bob]);
    stage.mute("bob", "b", Muted::Yes);
    stage.log();
    assert_eq!(
        stage.hear(&[bob]),
        ["bob hears bob at 0", "carol hears bob at 0"]
    );
    assert_eq!(
        stage.hear(&[bob]),
        [""; 0],
        "what a muted one sends is not heard"
    );
}

#[test]
fn a_track_first_received_by_somebody_hidden_is_not_told_to_be_received() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join_as("ghost", hidden).unwrap();
    stage.log();
    let mic = stage.publish("alice", microphone("mic"));
    assert_eq!(stage.speak(mic), ["ghost"]);
    stage.log();
    stage.join("bob");
    stage.bind(stage.subscription("bob", "mic"));
    assert_eq!(stage.log(), ["alice is received on TR_mic"]);
}

#[test]
fn bad_r15_who_claims_to_be_the_loudest_is_shown_so_once_and_drowns_out_nobody() {
    let (mut stage, alice, bob) = call();
    let mut told = Vec::new();
    for _ in 0..500 {
        stage.level = 0;
        stage.speak(bob);
        stage.level = 30;
        stage.speak(alice);
        // At the same time.
        stage.now -= Duration::from_millis(20);
        stage.pass(Duration::ZERO);
        told.extend(stage.log());
    }
    // In ten seconds: as one window made them, as several did, and never again.
    assert_eq!(
        told,
        [
            "alice hears alice at 1",
            "bob hears alice at 1, bob at 6",
            "carol hears alice at 1, bob at 6",
            "dave hears alice at 1",
            "bob hears bob at 8",
            "carol hears bob at 8",
        ]
    );
}
