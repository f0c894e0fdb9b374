//! A track that is gone is still sent silence, or black pictures, on m-lines that stay for
//! that long.

use std::time::Duration;

use media::{Codec, Rtcp};
use sfu::{Encryption, Muted, TrackInfo, TrackKey, Wanted};

use crate::stage::{Stage, camera, id, microphone};

/// As long as the bytes that say who made a frame: the room's id.
const TRAILER: usize = "RM_test".len();

const SILENCE: usize = 80;

const BLACK: usize = 1 + 31;

/// A keyframe that is not numbered.
const PICTURE: &[u8] = &[0x10, 0, 0, 0, 0x9d, 1, 0x2a, 1, 0, 1, 0];

/// Alice publishes what bob and carol receive.
fn call(track: TrackInfo) -> (Stage, TrackKey) {
    let mut stage = Stage::new();
    for who in ["alice", "bob", "carol"] {
        stage.join(who);
    }
    let key = stage.publish("alice", track);
    (stage, key)
}

/// How many packets are sent, and how many bytes of payload, in `millis`.
fn sent_in(stage: &mut Stage, millis: u64) -> (usize, usize) {
    stage.wire.packets.clear();
    stage.wire.bytes.clear();
    stage.pass(Duration::from_millis(millis));
    let bytes = stage.wire.bytes.values().sum();
    (stage.wire.packets.len(), bytes)
}

#[test]
fn sb_8_however_sound_ends_its_line_is_sent_silence_and_closed_then() {
    type End = fn(&mut Stage);
    let unpublished: End = |stage| {
        stage.remove_section("alice", "mic");
        stage.offer("alice");
    };
    let left: End = |stage| stage.leave("alice");
    let unsubscribed: End = |stage| {
        for who in ["bob", "carol"] {
            stage.subscribe(who, "mic", Wanted::No);
        }
    };
    for end in [unpublished, left, unsubscribed] {
        let (mut stage, mic) = call(microphone("mic"));
        assert_eq!(stage.speak(mic), ["bob", "carol"]);
        end(&mut stage);
        let closed = |stage: &mut Stage| {
            let log = stage.log();
            log.iter().filter(|line| line.contains("closes")).count()
        };
        assert_eq!(closed(&mut stage), 0);
        assert_eq!(sent_in(&mut stage, 210), (2 * 10, 20 * SILENCE));
        assert_eq!(closed(&mut stage), 0);
        assert_eq!(sent_in(&mut stage, 5_000), (0, 0));
        assert_eq!(closed(&mut stage), 2);
    }
}

#[test]
fn sb_8_a_picture_that_ends_is_followed_by_black_ones() {
    let (mut stage, cam) = call(camera("cam"));
    stage.packet(cam, Codec::Vp8, PICTURE);
    stage.leave("alice");
    assert_eq!(sent_in(&mut stage, 5_000), (2 * 5, 10 * BLACK));
    let told = stage.log();
    assert!(
        told.iter().any(|line| line == "bob closes TR_cam"),
        "{told:?}"
    );
}

#[test]
fn sb_8_a_muted_track_ends_and_its_line_stays() {
    for (track, packet, expected) in [
        (microphone("mic"), (Codec::Opus, &[9][..]), (100, SILENCE)),
        (camera("cam"), (Codec::Vp8, PICTURE), (10, BLACK)),
    ] {
        let name = track.name.clone();
        let (mut stage, key) = call(track);
        let (codec, payload) = packet;
        stage.packet(key, codec, payload);
        stage.mute("alice", &name, Muted::Yes);
        let (packets, bytes) = sent_in(&mut stage, 5_000);
        assert_eq!((packets, bytes), (expected.0, expected.0 * expected.1));
        let told = stage.log();
        assert!(!told.iter().any(|line| line.contains("closes")), "{told:?}");
        // Gone for good, it has ended already.
        stage.leave("alice");
        assert_eq!(sent_in(&mut stage, 5_000), (0, 0));
    }
}

#[test]
fn e2_2_frames_in_an_encrypted_track_end_with_what_everybody_was_told() {
    for (encryption, trailer) in [
        (Encryption::None, 0),
        (Encryption::Gcm, TRAILER),
        (Encryption::Custom, TRAILER),
    ] {
        let mut mic = microphone("mic");
        mic.encryption = encryption;
        let (mut stage, mic) = call(mic);
        stage.speak(mic);
        stage.leave("alice");
        let expected = 20 * (SILENCE + trailer);
        assert_eq!(sent_in(&mut stage, 5_000), (20, expected));
    }
}

#[test]
fn sb_8_whoever_gets_a_track_again_gets_it_on_one_line() {
    let (mut stage, mic) = call(microphone("mic"));
    stage.speak(mic);
    stage.subscribe("bob", "mic", Wanted::No);
    stage.pass(Duration::from_millis(50));
    stage.log();
    stage.subscribe("bob", "mic", Wanted::Yes);
    assert_eq!(
        stage.log(),
        [
            "bob closes TR_mic",
            "bob opens TR_mic Red in PA_alice|TR_mic"
        ]
    );
    stage.settle();
    assert_eq!(stage.speak(mic), ["bob", "carol"]);
    assert_eq!(sent_in(&mut stage, 5_000), (0, 0));
}

#[test]
fn sb_8_who_leaves_or_goes_elsewhere_is_sent_nothing_more() {
    let (mut stage, mic) = call(microphone("mic"));
    stage.speak(mic);
    stage.leave("bob");
    stage.room.take_along(stage.now, id("carol")).unwrap();
    let told = stage.log();
    assert!(
        told.iter().any(|line| line == "carol closes TR_mic"),
        "{told:?}"
    );
    assert_eq!(sent_in(&mut stage, 5_000), (0, 0));

    let (mut stage, mic) = call(microphone("mic"));
    stage.speak(mic);
    stage.leave("alice");
    stage.leave("bob");
    let (packets, _) = sent_in(&mut stage, 5_000);
    assert_eq!(packets, 10, "for carol");
}

#[test]
fn sb_8_a_line_that_never_played_is_closed_at_once() {
    let (mut stage, _) = call(microphone("mic"));
    stage.leave("alice");
    let told = stage.log();
    assert!(
        told.iter().any(|line| line == "bob closes TR_mic"),
        "{told:?}"
    );
    assert_eq!(sent_in(&mut stage, 5_000), (0, 0));
}

#[test]
fn mu_1_a_muted_microphone_costs_nothing_though_its_publisher_sends_on() {
    let (mut stage, mic) = call(microphone("mic"));
    let heard = stage.speak(mic);
    assert!(!heard.is_empty());
    stage.mute("alice", "mic", Muted::Yes);
    sent_in(&mut stage, 2_000);
    stage.wire.rtcp.clear();
    stage.wire.bytes.clear();
    for _ in 0..500 {
        assert_eq!(stage.speak(mic), [] as [&str; 0]);
        stage.pass(Duration::ZERO);
    }
    assert!(stage.wire.bytes.is_empty(), "{:?}", stage.wire.bytes);
    let told = stage.wire.rtcp.iter();
    let reports = told.filter(|(_, rtcp)| matches!(rtcp, Rtcp::SenderReport(_)));
    assert_eq!(reports.count(), 0);
    stage.mute("alice", "mic", Muted::No);
    assert_eq!(stage.speak(mic), heard);
}
