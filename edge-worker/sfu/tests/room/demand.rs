//! What publishers are told of how good their pictures are wanted.

use std::time::Duration;

use media::Codec;
use sfu::{Muted, SimulcastCodec, TrackInfo, TrackSettings, VideoQuality, Wanted};

use crate::film::{Film, layered, roll};
use crate::stage::{Stage, camera, id, microphone};

const SECOND: Duration = Duration::from_secs(1);

/// What publishers are told within a time.
fn told(stage: &mut Stage, time: Duration) -> Vec<String> {
    stage.pass(time);
    let log = stage.log();
    log.into_iter()
        .filter(|line| line.contains("is to send"))
        .collect()
}

fn wish(stage: &mut Stage, who: &str, quality: VideoQuality) {
    let settings = TrackSettings {
        quality: Some(quality),
        ..TrackSettings::default()
    };
    stage.settings(who, "cam", settings);
}

const HIGH: &str = "alice is to send TR_cam as Vp8 Some(High)";
const MEDIUM: &str = "alice is to send TR_cam as Vp8 Some(Medium)";
const LOW: &str = "alice is to send TR_cam as Vp8 Some(Low)";
const NOTHING: &str = "alice is to send TR_cam as Vp8 None";

fn alice() -> Stage {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.room.activated(stage.now, id("alice"));
    Film::publish(&mut stage, "alice", layered("cam"));
    stage
}

#[test]
fn dy_2_what_nobody_wants_is_turned_off_after_five_seconds_and_on_at_once() {
    let mut stage = alice();
    assert!(told(&mut stage, 4 * SECOND).is_empty());
    assert_eq!(told(&mut stage, 2 * SECOND), [NOTHING]);
    assert!(told(&mut stage, 10 * SECOND).is_empty());
    stage.join_as("bob", |_| {}).unwrap();
    assert_eq!(told(&mut stage, Duration::ZERO), [HIGH]);
    stage.leave("bob");
    assert!(told(&mut stage, 4 * SECOND).is_empty());
    assert_eq!(told(&mut stage, 2 * SECOND), [NOTHING]);
}

#[test]
fn dy_2_a_publisher_is_told_after_ten_seconds_even_if_nothing_changed() {
    let mut stage = alice();
    stage.join("bob");
    stage.room.activated(stage.now, id("bob"));
    assert!(told(&mut stage, 9 * SECOND).is_empty());
    assert_eq!(told(&mut stage, 2 * SECOND), [HIGH]);
    assert!(told(&mut stage, 60 * SECOND).is_empty());
}

#[test]
fn dy_1_the_best_that_anybody_wants_counts() {
    let mut stage = alice();
    for who in ["bob", "carol"] {
        stage.join(who);
        stage.room.activated(stage.now, id(who));
    }
    told(&mut stage, 11 * SECOND);
    wish(&mut stage, "bob", VideoQuality::Low);
    assert!(told(&mut stage, 20 * SECOND).is_empty());
    wish(&mut stage, "carol", VideoQuality::Medium);
    assert!(told(&mut stage, 4 * SECOND).is_empty());
    assert_eq!(told(&mut stage, 2 * SECOND), [MEDIUM]);
    stage.subscribe("carol", "cam", Wanted::No);
    assert_eq!(told(&mut stage, 6 * SECOND), [LOW]);
    wish(&mut stage, "bob", VideoQuality::High);
    assert_eq!(told(&mut stage, Duration::ZERO), [HIGH]);
    let hidden = TrackSettings {
        disabled: true,
        ..TrackSettings::default()
    };
    stage.settings("bob", "cam", hidden);
    assert_eq!(told(&mut stage, 6 * SECOND), [NOTHING]);
}

#[test]
fn dy_1_what_a_link_carries_does_not_count() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mut film = Film::publish(&mut stage, "alice", layered("cam"));
    let kilobits = Some(media::Bitrate::kilobits(200));
    stage
        .room
        .set_estimate(stage.now, id("bob"), kilobits, &mut stage.wire);
    let log = roll(&mut stage, &mut [&mut film], 20 * SECOND);
    let told: Vec<_> = log
        .iter()
        .filter(|line| line.contains("is to send"))
        .collect();
    assert_eq!(told, [HIGH]);
}

#[test]
fn a_publisher_who_mutes_is_told_nothing_less_until_it_speaks_again() {
    let mut stage = alice();
    stage.join("bob");
    stage.room.activated(stage.now, id("bob"));
    told(&mut stage, 11 * SECOND);
    stage.mute("alice", "cam", Muted::Yes);
    stage.subscribe("bob", "cam", Wanted::No);
    assert!(told(&mut stage, 30 * SECOND).is_empty());
    stage.mute("alice", "cam", Muted::No);
    assert!(told(&mut stage, 4 * SECOND).is_empty());
    assert_eq!(told(&mut stage, 2 * SECOND), [NOTHING]);
}

#[test]
fn dy_2_who_comes_back_is_told_again() {
    let mut stage = alice();
    told(&mut stage, 6 * SECOND);
    stage.room.repeat_demands(id("alice"));
    assert_eq!(told(&mut stage, Duration::ZERO), [NOTHING]);
}

#[test]
fn one_layer_is_wanted_in_full_or_not_at_all_and_sound_is_not_asked() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.room.activated(stage.now, id("alice"));
    stage.publish("alice", camera("cam"));
    stage.publish("alice", microphone("mic"));
    stage.join("bob");
    stage.room.activated(stage.now, id("bob"));
    wish(&mut stage, "bob", VideoQuality::Low);
    assert_eq!(told(&mut stage, 20 * SECOND), [HIGH]);
    stage.leave("bob");
    assert_eq!(told(&mut stage, 20 * SECOND), [NOTHING]);
}

#[test]
fn dy_3_a_picture_in_one_stream_is_wanted_whole_or_not_at_all() {
    const WHOLE: &str = "alice is to send TR_cam as Vp9 Some(High)";
    const NOTHING: &str = "alice is to send TR_cam as Vp9 None";
    let mut stage = Stage::new();
    stage.join("alice");
    stage.room.activated(stage.now, id("alice"));
    let in_vp9 = TrackInfo {
        codecs: vec![SimulcastCodec {
            codec: Some(Codec::Vp9),
            cid: "cam".into(),
        }],
        ..layered("cam")
    };
    stage.publish("alice", in_vp9);
    assert_eq!(told(&mut stage, 6 * SECOND), [NOTHING]);
    stage.join_as("bob", |_| {}).unwrap();
    stage.room.activated(stage.now, id("bob"));
    assert_eq!(told(&mut stage, Duration::ZERO), [WHOLE]);
    for quality in [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High] {
        wish(&mut stage, "bob", quality);
        assert!(told(&mut stage, 20 * SECOND).is_empty(), "{quality:?}");
    }
    stage.subscribe("bob", "cam", Wanted::No);
    assert_eq!(told(&mut stage, 6 * SECOND), [NOTHING]);
    wish(&mut stage, "bob", VideoQuality::Low);
    stage.subscribe("bob", "cam", Wanted::Yes);
    assert_eq!(told(&mut stage, Duration::ZERO), [WHOLE]);
}
