//! Tracks described anew by their publisher.

use media::MediaKind;
use sfu::{Command, VideoLayer, VideoQuality};

use crate::stage::{Stage, camera, id, microphone, track_id};

fn resize(track: &str, width: u32, height: u32) -> Command {
    Command::UpdateVideoTrack {
        track: track_id(track),
        width,
        height,
    }
}

#[test]
fn update_audio_track_replaces_its_features_for_everybody() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.publish("alice", microphone("mic"));
    let update = |features: &[i32]| Command::UpdateAudioTrack {
        track: track_id("mic"),
        features: features.to_vec(),
    };
    stage.command("alice", update(&[1, 5]));
    assert_eq!(
        stage.log(),
        [
            "alice sees alice joined [TR_mic]",
            "bob sees alice joined [TR_mic]"
        ]
    );
    stage.command("alice", update(&[4]));
    stage.log();
    let alice = stage.room.participant(id("alice")).unwrap();
    assert_eq!(alice.tracks[0].audio_features, [4]);
    stage.command("bob", update(&[1]));
    assert_eq!(stage.log(), ["bob may not update TR_mic: NotFound"]);
}

#[test]
fn update_video_track_changes_its_size_and_that_of_its_layers() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let layer = |quality, width, height| VideoLayer {
        quality,
        width,
        height,
        bitrate: 0,
    };
    let mut screen = camera("screen");
    (screen.width, screen.height) = (1920, 1080);
    screen.layers = vec![
        layer(VideoQuality::Low, 960, 540),
        layer(VideoQuality::High, 1920, 1080),
    ];
    stage.publish("alice", screen);
    stage.command("alice", resize("screen", 800, 1200));
    assert_eq!(
        stage.log(),
        [
            "alice sees alice joined [TR_screen]",
            "bob sees alice joined [TR_screen]"
        ]
    );
    let alice = stage.room.participant(id("alice")).unwrap();
    let track = &alice.tracks[0];
    assert_eq!((track.width, track.height), (800, 1200));
    assert_eq!(
        track.layers,
        [
            layer(VideoQuality::Low, 400, 600),
            layer(VideoQuality::High, 800, 1200)
        ]
    );
    stage.command("alice", resize("screen", 0, u32::MAX));
    stage.command("alice", resize("screen", u32::MAX, 1));
    stage.command("alice", resize("nothing", 1, 1));
    assert_eq!(
        stage.log().last().unwrap(),
        "alice may not update TR_nothing: NotFound"
    );
}

#[test]
fn what_is_only_announced_is_corrected_silently() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.announce("alice", camera("cam"));
    stage.log();
    stage.command("alice", resize("cam", 320, 180));
    assert_eq!(stage.log(), [""; 0]);
    stage.add_section("alice", "cam", MediaKind::Video, "");
    stage.offer("alice");
    let alice = stage.room.participant(id("alice")).unwrap();
    assert_eq!((alice.tracks[0].width, alice.tracks[0].height), (320, 180));
}
