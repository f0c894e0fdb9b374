//! What a subscriber is sent of what it wants, on links that do not carry it all.

use std::time::Duration;

use media::Bitrate;
use sfu::{Muted, Pausing, Source, TrackSettings, VideoQuality};

use crate::film::{Film, layered, roll};
use crate::stage::{Stage, id, microphone};

const SECOND: Duration = Duration::from_secs(1);

impl Stage {
    fn estimate(&mut self, who: &str, kilobits: u64) {
        let estimate = Some(Bitrate::kilobits(kilobits));
        self.room
            .set_estimate(self.now, id(who), estimate, &mut self.wire);
    }

    fn impose(&mut self, who: &str, kilobits: Option<u64>) {
        let estimate = kilobits.map(Bitrate::kilobits);
        self.room
            .impose_estimate(self.now, id(who), estimate, &mut self.wire);
    }

    /// Kbit/s that `who` is sent of `track` in the next two seconds.
    fn rate(&mut self, films: &mut [&mut Film], who: &str, track: &str) -> usize {
        let sender = self.subscription(who, track).0;
        self.wire.bytes.clear();
        roll(self, films, 2 * SECOND);
        self.wire.bytes.get(&sender).copied().unwrap_or(0) * 8 / 2_000
    }

    #[track_caller]
    fn is_sent(
        &mut self,
        films: &mut [&mut Film],
        who: &str,
        track: &str,
        expected: std::ops::RangeInclusive<usize>,
    ) {
        let rate = self.rate(films, who, track);
        assert!(expected.contains(&rate), "{rate} kbit/s, not {expected:?}");
    }
}

/// Alice films, bob watches.
fn two() -> (Stage, Film) {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let film = Film::publish(&mut stage, "alice", layered("cam"));
    (stage, film)
}

#[test]
fn without_an_estimate_everything_is_sent_as_wished() {
    let (mut stage, mut film) = two();
    roll(&mut stage, &mut [&mut film], SECOND);
    stage.is_sent(&mut [&mut film], "bob", "cam", 1_400..=1_900);
    assert!(stage.loads.is_empty());
}

#[test]
fn cg_2_the_layer_follows_the_estimate_down_at_once_and_up_soon() {
    let (mut stage, mut film) = two();
    let films = &mut [&mut film];
    stage.estimate("bob", 3_000);
    roll(&mut stage, films, 4 * SECOND);
    stage.is_sent(films, "bob", "cam", 1_400..=1_900);

    stage.estimate("bob", 1_000);
    roll(&mut stage, films, Duration::from_millis(200));
    stage.is_sent(films, "bob", "cam", 400..=600);
    let load = stage.loads[&id("bob")];
    assert!((400..=620).contains(&(load.allocated.0 / 1000)), "{load:?}");
    let next = load.next.unwrap().0 / 1000;
    assert!(
        (900..=1_500).contains(&next),
        "half the frames of the best: {next}"
    );

    stage.estimate("bob", 220);
    roll(&mut stage, films, Duration::from_millis(200));
    stage.is_sent(films, "bob", "cam", 100..=180);

    stage.estimate("bob", 5_000);
    roll(&mut stage, films, 6 * SECOND);
    stage.is_sent(films, "bob", "cam", 1_400..=1_900);
    assert_eq!(stage.loads[&id("bob")].next, None);
}

#[test]
fn while_a_smaller_picture_is_awaited_the_larger_one_drops_frames() {
    let (mut stage, mut film) = two();
    let films = &mut [&mut film];
    stage.estimate("bob", 3_000);
    roll(&mut stage, films, 4 * SECOND);
    films[0].ignores_requests = true;
    stage.estimate("bob", 1_000);
    // Two fifths of the best.
    stage.is_sent(films, "bob", "cam", 500..=900);
    films[0].ignores_requests = false;
    roll(&mut stage, films, 2 * SECOND);
    stage.is_sent(films, "bob", "cam", 400..=600);
}

#[test]
fn cg_3_a_picture_that_does_not_fit_stops_with_notice_and_sound_goes_on() {
    let (mut stage, mut film) = two();
    let mic = stage.publish("alice", microphone("mic"));
    let films = &mut [&mut film];
    stage.estimate("bob", 1_000);
    roll(&mut stage, films, 3 * SECOND);
    stage.estimate("bob", 60);
    let told = roll(&mut stage, films, 3 * SECOND);
    assert!(
        told.contains(&"bob has TR_cam Paused".to_owned()),
        "{told:?}"
    );
    stage.is_sent(films, "bob", "cam", 0..=0);
    assert_eq!(stage.speak(mic), ["bob"]);

    stage.estimate("bob", 1_000);
    let told = roll(&mut stage, films, 6 * SECOND);
    assert!(
        told.contains(&"bob has TR_cam Active".to_owned()),
        "{told:?}"
    );
    // It was found too thin for more a moment ago.
    stage.is_sent(films, "bob", "cam", 200..=400);
}

#[test]
fn cg_3_who_does_not_allow_pausing_is_sent_the_least() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage
        .join_as("bob", |m| m.pausing = Pausing::Never)
        .unwrap();
    stage.log();
    let mut film = Film::publish(&mut stage, "alice", layered("cam"));
    let films = &mut [&mut film];
    stage.estimate("bob", 30);
    let told = roll(&mut stage, films, 5 * SECOND);
    assert!(!told.iter().any(|line| line.contains("Paused")), "{told:?}");
    stage.is_sent(films, "bob", "cam", 40..=100);
}

#[test]
fn cg_4_an_imposed_estimate_counts_until_it_is_taken_back() {
    let (mut stage, mut film) = two();
    let films = &mut [&mut film];
    roll(&mut stage, films, 2 * SECOND);
    stage.impose("bob", Some(20));
    let told = roll(&mut stage, films, 3 * SECOND);
    assert!(
        told.contains(&"bob has TR_cam Paused".to_owned()),
        "{told:?}"
    );
    stage.estimate("bob", 5_000);
    stage.is_sent(films, "bob", "cam", 0..=0);
    stage.impose("bob", None);
    roll(&mut stage, films, 6 * SECOND);
    stage.is_sent(films, "bob", "cam", 1_400..=1_900);

    // Where nothing is known of the link all is as wished again, at once.
    let (mut stage, mut film) = two();
    let films = &mut [&mut film];
    stage.impose("bob", Some(20));
    roll(&mut stage, films, 3 * SECOND);
    stage.impose("bob", None);
    let told = roll(&mut stage, films, SECOND);
    assert!(
        told.contains(&"bob has TR_cam Active".to_owned()),
        "{told:?}"
    );
    stage.is_sent(films, "bob", "cam", 1_400..=1_900);
}

#[test]
fn cg_2_a_screen_comes_before_cameras() {
    let (mut stage, mut cam) = two();
    let mut shared = layered("screen");
    shared.source = Source::ScreenShare;
    let mut screen = Film::publish(&mut stage, "alice", shared);
    let films = &mut [&mut cam, &mut screen];
    stage.estimate("bob", 1_000);
    roll(&mut stage, films, 8 * SECOND);
    stage.is_sent(films, "bob", "screen", 400..=600);
    stage.is_sent(films, "bob", "cam", 40..=320);
}

#[test]
fn what_the_publisher_mutes_or_the_subscriber_hides_leaves_room_for_others() {
    let (mut stage, mut cam) = two();
    let mut other = Film::publish(&mut stage, "alice", layered("other"));
    let films = &mut [&mut cam, &mut other];
    stage.estimate("bob", 1_200);
    roll(&mut stage, films, 8 * SECOND);
    stage.is_sent(films, "bob", "cam", 400..=600);
    stage.is_sent(films, "bob", "other", 250..=600);
    let hidden = TrackSettings {
        disabled: true,
        ..TrackSettings::default()
    };
    stage.settings("bob", "other", hidden);
    roll(&mut stage, films, 7 * SECOND);
    stage.is_sent(films, "bob", "other", 0..=0);
    stage.is_sent(films, "bob", "cam", 800..=1_100);
    let shown = TrackSettings {
        disabled: false,
        quality: Some(VideoQuality::Low),
        ..TrackSettings::default()
    };
    stage.settings("bob", "other", shown);
    roll(&mut stage, films, SECOND);
    stage.is_sent(films, "bob", "other", 100..=180);

    stage.mute("alice", "cam", Muted::Yes);
    stage.settings("bob", "other", TrackSettings::default());
    roll(&mut stage, films, 7 * SECOND);
    stage.is_sent(films, "bob", "other", 800..=1_100);
    stage.mute("alice", "cam", Muted::No);
    roll(&mut stage, films, SECOND);
    stage.is_sent(films, "bob", "cam", 250..=1_100);
}

#[test]
fn a_track_bound_again_is_sent_again() {
    let (mut stage, mut film) = two();
    let films = &mut [&mut film];
    stage.estimate("bob", 1_000);
    roll(&mut stage, films, 5 * SECOND);
    let subscription = stage.subscription("bob", "cam");
    stage.room.unbind(subscription);
    stage.bind(subscription);
    roll(&mut stage, films, SECOND);
    stage.is_sent(films, "bob", "cam", 400..=600);
}

#[test]
fn su_4_before_it_tells_what_it_shows_an_adaptive_viewer_gets_the_smallest_picture() {
    for (adaptive, expected) in [(true, 100..=180), (false, 1_400..=1_900)] {
        let mut stage = Stage::new();
        stage.join("alice");
        stage
            .join_as("bob", |m| m.adaptive_stream = adaptive)
            .unwrap();
        let mut film = Film::publish(&mut stage, "alice", layered("cam"));
        let films = &mut [&mut film];
        roll(&mut stage, films, SECOND);
        stage.is_sent(films, "bob", "cam", expected);
    }
}

#[test]
fn su_2_size_and_frame_rate_choose_what_is_sent() {
    let (mut stage, mut film) = two();
    let films = &mut [&mut film];
    for (width, height, fps, expected) in [
        (320, 180, 0, 100..=180),
        (640, 360, 0, 400..=600),
        (640, 360, 15, 150..=260),
        (640, 360, 20, 250..=380),
        (1280, 720, 30, 1_400..=1_900),
    ] {
        let settings = TrackSettings {
            width,
            height,
            fps,
            // Some clients send both: the size wins.
            quality: Some(VideoQuality::High),
            ..TrackSettings::default()
        };
        stage.settings("bob", "cam", settings);
        roll(&mut stage, films, SECOND);
        stage.is_sent(films, "bob", "cam", expected);
    }
}

#[test]
fn bad_r12_what_one_subscriber_claims_to_take_changes_nothing_for_another() {
    let mut stage = Stage::new();
    for who in ["alice", "bob", "carol"] {
        stage.join(who);
    }
    let mut film = Film::publish(&mut stage, "alice", layered("cam"));
    let films = &mut [&mut film];
    stage.estimate("carol", 3_000);
    roll(&mut stage, films, 4 * SECOND);
    for claimed in [0, u64::MAX / 1_000, 1, 10_000_000] {
        stage.estimate("bob", claimed);
        roll(&mut stage, films, SECOND);
        stage.is_sent(films, "carol", "cam", 1_400..=1_900);
        // Never more than there is.
        let rate = stage.rate(films, "bob", "cam");
        assert!(rate <= 1_900, "{rate} for a claim of {claimed}");
        stage.impose("bob", Some(claimed));
        stage.is_sent(films, "carol", "cam", 1_400..=1_900);
        stage.impose("bob", None);
    }
}
