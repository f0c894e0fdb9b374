//! What participants with a profile are sent, and what publishers then need not send.

use std::collections::BTreeMap;
use std::time::Duration;

use media::{Bitrate, Codec, ReceptionReport, Rtcp, Ssrc};
use sfu::{
    Because, ParticipantChange, Pausing, Profile, RoomChange, Saving, SoundWish, Source,
    TrackSettings,
};

use crate::film::{Film, layered, roll};
use crate::stage::{Stage, id, microphone};

const SECOND: Duration = Duration::from_secs(1);

/// Alice films and speaks, bob watches and listens.
fn two() -> (Stage, Film) {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let film = Film::publish(&mut stage, "alice", layered("cam"));
    stage.publish("alice", microphone("mic"));
    (stage, film)
}

fn attributes(profile: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(Profile::ATTRIBUTE.to_owned(), profile.to_owned())])
}

impl Stage {
    /// As with `updateParticipant`.
    pub(crate) fn asks_for(&mut self, who: &str, profile: &str) {
        let change = ParticipantChange {
            attributes: attributes(profile),
            ..ParticipantChange::default()
        };
        let changed = self.room.update_participant(self.now, id(who), change);
        assert!(changed.is_ok(), "{changed:?}");
    }

    #[track_caller]
    fn saves(&self, who: &str, profile: Profile, because: Because) {
        let expected = Saving { profile, because };
        assert_eq!(self.room.saving(id(who)), Some(expected));
    }

    fn link_carries(&mut self, who: &str, kilobits: u64) {
        let estimate = Some(Bitrate::kilobits(kilobits));
        self.room
            .set_estimate(self.now, id(who), estimate, &mut self.wire);
    }

    /// Kbit/s that `who` is sent of a track in the next two seconds.
    fn kilobits(&mut self, films: &mut [&mut Film], who: &str, track: &str) -> usize {
        let sender = self.subscription(who, track).0;
        self.wire.bytes.clear();
        roll(self, films, 2 * SECOND);
        self.wire.bytes.get(&sender).copied().unwrap_or(0) * 8 / 2_000
    }
}

#[test]
fn who_saves_data_is_sent_no_picture_and_told_so_until_it_no_longer_does() {
    for estimate in [None, Some(3_000)] {
        let (mut stage, mut film) = two();
        let films = &mut [&mut film];
        if let Some(kilobits) = estimate {
            stage.link_carries("bob", kilobits);
        }
        roll(&mut stage, films, 5 * SECOND);
        stage.saves("bob", Profile::High, Because::Room);
        assert!(stage.kilobits(films, "bob", "cam") > 1_000);

        stage.asks_for("bob", "audio_only");
        let told = roll(&mut stage, films, SECOND);
        assert!(
            told.contains(&"bob has TR_cam Paused".to_owned()),
            "{told:?}"
        );
        stage.saves("bob", Profile::AudioOnly, Because::Asked);
        assert_eq!(stage.kilobits(films, "bob", "cam"), 0);
        // There is nothing to be tried out on its link.
        assert_eq!(stage.loads[&id("bob")].next, None);

        stage.asks_for("bob", "");
        let told = roll(&mut stage, films, SECOND);
        assert!(
            told.contains(&"bob has TR_cam Active".to_owned()),
            "{told:?}"
        );
        roll(&mut stage, films, 2 * SECOND);
        assert!(stage.kilobits(films, "bob", "cam") > 1_000);
        stage.saves("bob", Profile::High, Because::Room);
    }
}

#[test]
fn who_saves_data_is_sent_no_picture_even_where_none_may_be_paused() {
    let mut stage = Stage::new();
    stage.join("alice");
    let mut film = Film::publish(&mut stage, "alice", layered("cam"));
    stage
        .join_as("bob", |bob| {
            bob.pausing = Pausing::Never;
            bob.participant.attributes = attributes("audio_only");
        })
        .unwrap();
    stage.settle();
    let films = &mut [&mut film];
    assert_eq!(stage.kilobits(films, "bob", "cam"), 0);
}

#[test]
fn each_profile_bounds_what_all_pictures_take_together() {
    for (profile, most) in [("low", 150), ("medium", 400)] {
        let mut stage = Stage::new();
        for who in ["alice", "carol", "bob"] {
            stage.join(who);
        }
        let mut one = Film::publish(&mut stage, "alice", layered("cam"));
        let mut other = Film::publish(&mut stage, "carol", layered("cam2"));
        stage.asks_for("bob", profile);
        let films = &mut [&mut one, &mut other];
        roll(&mut stage, films, 8 * SECOND);
        stage.wire.bytes.clear();
        roll(&mut stage, films, 4 * SECOND);
        let rates = ["cam", "cam2"].map(|track| {
            let sender = stage.subscription("bob", track).0;
            stage.wire.bytes.get(&sender).copied().unwrap_or(0) * 8 / 4_000
        });
        assert!(rates.iter().all(|rate| *rate > 0), "{profile}: {rates:?}");
        let sum: usize = rates.iter().sum();
        assert!(sum <= most, "{profile}: {rates:?}");
    }
}

#[test]
fn dy_2_nobody_need_send_what_no_profile_permits() {
    let (mut stage, mut film) = two();
    stage.room.activated(stage.now, id("alice"));
    let films = &mut [&mut film];
    roll(&mut stage, films, 2 * SECOND);
    for (profile, expected) in [
        ("medium", "alice is to send TR_cam as Vp8 Some(Medium)"),
        ("low", "alice is to send TR_cam as Vp8 Some(Low)"),
        ("audio_only", "alice is to send TR_cam as Vp8 None"),
        ("high", "alice is to send TR_cam as Vp8 Some(High)"),
    ] {
        stage.asks_for("bob", profile);
        let told = roll(&mut stage, films, 8 * SECOND);
        assert!(
            told.iter().any(|line| line == expected),
            "{profile}: {told:?}"
        );
    }
}

#[test]
fn a_screen_comes_in_full_size_but_rarely() {
    for (profile, expected) in [("medium", 150..400), ("low", 20..150)] {
        let mut stage = Stage::new();
        stage.join("alice");
        stage.join("bob");
        let mut screen = layered("screen");
        screen.source = Source::ScreenShare;
        let mut film = Film::publish(&mut stage, "alice", screen);
        // Of a screen as it is shown most of the time.
        film.on = [true, false, false];
        stage.asks_for("bob", profile);
        let films = &mut [&mut film];
        roll(&mut stage, films, 4 * SECOND);
        let rate = stage.kilobits(films, "bob", "screen");
        let expected = expected.start / 2..expected.end;
        assert!(expected.contains(&rate), "{profile}: {rate} kbit/s");
    }
}

#[test]
fn the_room_bounds_everybody_and_an_attribute_raises_nothing() {
    let mut stage = Stage::with(|room| room.playing.profile = Profile::Low);
    stage.join("alice");
    stage.join("bob");
    let mut film = Film::publish(&mut stage, "alice", layered("cam"));
    let films = &mut [&mut film];
    stage.asks_for("bob", "high");
    roll(&mut stage, films, 5 * SECOND);
    stage.saves("bob", Profile::Low, Because::Room);
    assert!(stage.kilobits(films, "bob", "cam") <= 150);

    let change = RoomChange {
        profile: Some(Profile::High),
        ..RoomChange::default()
    };
    stage.room.configure(stage.now, change);
    roll(&mut stage, films, 5 * SECOND);
    stage.saves("bob", Profile::High, Because::Asked);
    assert!(stage.kilobits(films, "bob", "cam") > 1_000);
}

#[test]
fn a_profile_that_there_is_not_is_ignored_and_counted() {
    let (mut stage, mut film) = two();
    stage.asks_for("bob", "audio-only");
    stage.asks_for("bob", "audio-only");
    stage.asks_for("bob", "ultra");
    stage
        .join_as("carol", |carol| {
            carol.participant.attributes = attributes("everything");
        })
        .unwrap();
    stage.settle();
    assert_eq!(stage.room.unknown_profiles(), 3);
    stage.saves("bob", Profile::High, Because::Room);
    let films = &mut [&mut film];
    roll(&mut stage, films, 2 * SECOND);
    assert!(stage.kilobits(films, "bob", "cam") > 1_000);
}

#[test]
fn sound_is_to_be_thin_while_most_listeners_save_data() {
    let (mut stage, _) = two();
    let mic = stage.publish("bob", microphone("mic2"));
    for who in ["carol", "dan"] {
        stage.join(who);
    }
    for (who, profile, expected) in [
        ("alice", "audio_only", SoundWish::Free),
        ("carol", "medium", SoundWish::Free),
        ("carol", "low", SoundWish::Thin),
        ("dan", "low", SoundWish::Thin),
        ("alice", "", SoundWish::Thin),
        ("dan", "high", SoundWish::Free),
    ] {
        stage.asks_for(who, profile);
        stage.pass(SECOND);
        assert_eq!(stage.room.sound_wish(mic), expected, "{who} {profile}");
    }
}

#[test]
fn where_nobody_listens_yet_sound_is_as_the_room_has_it() {
    for (profile, expected) in [
        (Profile::Low, SoundWish::Thin),
        (Profile::High, SoundWish::Free),
    ] {
        let mut stage = Stage::with(|room| room.playing.profile = profile);
        stage.join("alice");
        let mic = stage.publish("alice", microphone("mic"));
        assert_eq!(stage.room.sound_wish(mic), expected, "{profile:?}");
        let mut music = microphone("music");
        music.stereo = true;
        let music = stage.publish("alice", music);
        assert_eq!(stage.room.sound_wish(music), SoundWish::Free);
    }
}

#[test]
fn who_saves_data_is_sent_repeated_sound_only_while_it_loses_some() {
    let (mut stage, _) = two();
    let mic = stage.publish("alice", microphone("repeated"));
    let sender = stage.subscription("bob", "repeated");
    // A frame of nine bytes after one of two.
    let red = [0xef, 0, 0, 2, 111, 1, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    let bytes = |stage: &mut Stage| {
        stage.wire.bytes.clear();
        stage.packet(mic, Codec::Red, &red);
        stage.wire.bytes[&sender.0]
    };
    assert_eq!(bytes(&mut stage), red.len());
    stage.asks_for("bob", "audio_only");
    stage.pass(SECOND);
    assert_eq!(bytes(&mut stage), 9);
    let reports = |stage: &mut Stage, fraction_lost| {
        for _ in 0..12 {
            let report = Rtcp::ReceptionReport(ReceptionReport {
                ssrc: Ssrc(sender.0 + 1),
                fraction_lost,
                total_lost: 0,
                highest_seq: 0,
                jitter: 0,
                last_sender_report: 0,
                delay_since: 0,
            });
            stage
                .room
                .handle_feedback(stage.now, sender, &report, &mut stage.wire);
        }
    };
    reports(&mut stage, 13);
    assert_eq!(bytes(&mut stage), red.len());
    reports(&mut stage, 4);
    assert_eq!(bytes(&mut stage), red.len(), "still some");
    reports(&mut stage, 0);
    assert_eq!(bytes(&mut stage), 9);
}

#[test]
fn a_link_that_is_too_thin_lowers_the_profile_and_is_still_tried_for_more() {
    let (mut stage, mut film) = two();
    let films = &mut [&mut film];
    stage.link_carries("bob", 450);
    roll(&mut stage, films, 2 * SECOND);
    stage.saves("bob", Profile::High, Because::Room);
    roll(&mut stage, films, 3 * SECOND);
    stage.saves("bob", Profile::Low, Because::Measured);
    assert!(stage.kilobits(films, "bob", "cam") <= 150);
    let load = stage.loads[&id("bob")];
    assert!(load.next >= Some(Bitrate::kilobits(600)), "{load:?}");

    // A link that is hardly wider changes nothing, one that is much wider soon does.
    stage.link_carries("bob", 560);
    roll(&mut stage, films, 10 * SECOND);
    stage.saves("bob", Profile::Low, Because::Measured);
    stage.link_carries("bob", 3_000);
    roll(&mut stage, films, 3 * SECOND);
    stage.saves("bob", Profile::High, Because::Room);
    roll(&mut stage, films, 2 * SECOND);
    assert!(stage.kilobits(films, "bob", "cam") > 1_000);
}

#[test]
fn a_narrow_window_on_a_narrow_link_is_no_thin_link() {
    let (mut stage, mut film) = two();
    let films = &mut [&mut film];
    let small = TrackSettings {
        width: 160,
        height: 90,
        ..TrackSettings::default()
    };
    stage.settings("bob", "cam", small);
    stage.link_carries("bob", 300);
    roll(&mut stage, films, 10 * SECOND);
    stage.saves("bob", Profile::High, Because::Room);
    assert!(stage.kilobits(films, "bob", "cam") > 120);
}
