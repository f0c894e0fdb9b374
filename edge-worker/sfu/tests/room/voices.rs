//! Who is heard where many microphones are open.

use std::time::Duration;

use sfu::{DropReason, Muted, Profile, Source, TrackInfo, TrackKey};

use crate::stage::{Stage, microphone};

const SECOND: Duration = Duration::from_secs(1);

/// Speakers, each with an open microphone that was heard once, and `bob`, who listens. Of
/// the speakers so many are heard; 0: all.
fn panel(speakers: usize, loudest: u32) -> (Stage, Vec<TrackKey>) {
    let mut stage = Stage::with(|room| room.playing.loudest = loudest);
    stage.join("bob");
    let tracks = (0..speakers).map(|number| {
        let who = format!("speaker{number}");
        stage.join(&who);
        stage.publish(&who, microphone(&format!("mic{number}")))
    });
    let tracks: Vec<_> = tracks.collect();
    stage.level = 127;
    for track in &tracks {
        stage.speak(*track);
    }
    stage.level = 25;
    stage.pass(2 * SECOND);
    (stage, tracks)
}

impl Stage {
    /// Whether bob hears a packet of this microphone.
    fn bob_hears(&mut self, track: TrackKey) -> bool {
        self.speak(track).iter().any(|who| who == "bob")
    }
}

#[test]
fn of_many_voices_the_first_few_are_heard_and_none_that_begins_later_is_clipped() {
    let (mut stage, mics) = panel(4, 2);
    // The first packet that shows a voice is heard itself.
    assert!(stage.bob_hears(mics[3]));
    assert!(stage.bob_hears(mics[2]));
    // While both speak there is no place for a third.
    assert!(!stage.bob_hears(mics[0]));
    assert!(stage.bob_hears(mics[2]));
    let left_out = stage.room.packet_drops().of(DropReason::Quieter);
    assert!(left_out > 0);
    stage.pass(2 * SECOND);
    assert!(stage.bob_hears(mics[0]));
    // The other one of them had spoken later.
    assert!(stage.bob_hears(mics[2]));
    assert!(!stage.bob_hears(mics[3]));
}

#[test]
fn who_is_silent_is_left_out_only_where_more_microphones_are_open_than_are_heard() {
    for (speakers, loudest, heard) in [(3, 3, 3), (4, 3, 3), (9, 0, 9), (2, 5, 2)] {
        let (mut stage, mics) = panel(speakers, loudest);
        stage.level = 90;
        let count = mics.iter().filter(|mic| stage.bob_hears(**mic)).count();
        assert_eq!(count, heard, "{speakers} speak, {loudest} are heard");
    }
}

#[test]
fn where_microphones_are_muted_the_others_are_heard_again() {
    let (mut stage, mics) = panel(3, 2);
    stage.level = 90;
    let heard = |stage: &mut Stage| -> Vec<bool> {
        let mics = &mics;
        mics.iter().map(|mic| stage.bob_hears(*mic)).collect()
    };
    assert_eq!(heard(&mut stage), [true, true, false]);
    stage.mute("speaker0", "mic0", Muted::Yes);
    stage.pass(SECOND);
    assert_eq!(heard(&mut stage), [false, true, true]);
    stage.mute("speaker0", "mic0", Muted::No);
    stage.pass(SECOND);
    assert_eq!(heard(&mut stage), [false, true, true]);
    stage.leave("speaker1");
    stage.pass(SECOND);
    assert!(stage.bob_hears(mics[0]));
    assert!(stage.bob_hears(mics[2]));
}

#[test]
fn what_is_no_microphone_and_what_tells_no_level_is_always_heard() {
    let (mut stage, mics) = panel(4, 1);
    let music = TrackInfo {
        source: Source::ScreenShareAudio,
        ..microphone("music")
    };
    let music = stage.publish("speaker0", music);
    assert!(stage.bob_hears(mics[1]));
    for _ in 0..100 {
        assert!(stage.bob_hears(mics[1]));
        assert!(stage.bob_hears(music));
    }
}

#[test]
fn who_saves_data_hears_three_at_a_time() {
    let (mut stage, mics) = panel(6, 0);
    stage.asks_for("bob", Profile::AudioOnly.label());
    stage.pass(SECOND);
    let heard = |stage: &mut Stage| mics.iter().filter(|mic| stage.bob_hears(**mic)).count();
    assert_eq!(heard(&mut stage), 3);
    stage.asks_for("bob", "");
    stage.pass(SECOND);
    assert_eq!(heard(&mut stage), 6);
}
