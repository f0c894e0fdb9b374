//! What the app does to a room from outside.

use std::time::Duration;

use media::{PlayoutDelay, TrackId};
use sfu::{
    Destinations, Membership, Message, Muted, Opening, Reliability, RoomChange, Source, Streams,
    TrackInfo,
};

use crate::stage::{Stage, id, identity, microphone, track_id};

fn message(identities: &[&str]) -> Message {
    Message {
        reliability: Reliability::Reliable,
        destinations: Destinations {
            identities: identities.iter().map(|name| identity(name)).collect(),
            sids: Vec::new(),
        },
        sequence: 0,
        payload: "from the app".into(),
    }
}

#[test]
fn mu_2_a_mute_over_somebodys_head_reaches_it_and_everybody() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    let mute = |stage: &mut Stage, who: &str, track: &str, muted| {
        let (now, who, track) = (stage.now, id(who), track_id(track));
        let found = stage
            .room
            .mute_published(now, who, track, muted, &mut stage.wire);
        found.map(|track| track.muted)
    };
    assert_eq!(
        mute(&mut stage, "alice", "mic", Muted::Yes),
        Some(Muted::Yes)
    );
    let log = stage.log();
    assert!(
        log[0].contains("alice") && log[0].contains("mute"),
        "{log:?}"
    );
    assert_eq!(
        log.len(),
        3,
        "the publisher, and both of the change: {log:?}"
    );
    assert_eq!(stage.speak(mic), [""; 0]);

    assert_eq!(
        mute(&mut stage, "alice", "mic", Muted::Yes),
        Some(Muted::Yes)
    );
    assert_eq!(stage.log(), [""; 0], "it is muted already");
    assert_eq!(mute(&mut stage, "bob", "mic", Muted::No), None);
    assert_eq!(mute(&mut stage, "alice", "camera", Muted::No), None);
    assert_eq!(mute(&mut stage, "nobody", "mic", Muted::No), None);
    assert_eq!(mute(&mut stage, "alice", "mic", Muted::No), Some(Muted::No));
}

#[test]
fn a_message_of_the_app_reaches_who_is_named_or_everybody() {
    let mut stage = Stage::new();
    for name in ["alice", "bob"] {
        stage.join(name);
    }
    for (identities, expected) in [
        (&[][..], &["alice", "bob"][..]),
        (&["bob"], &["bob"]),
        (&["nobody"], &[]),
        (&[""], &[]),
    ] {
        stage.room.send(message(identities), None);
        let expected: Vec<_> = expected
            .iter()
            .map(|name| format!("{name} gets Reliable from the app"))
            .collect();
        assert_eq!(stage.log(), expected, "{identities:?}");
    }
}

#[test]
fn rs_7_a_message_tried_again_is_delivered_once() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.room.send(message(&[]), Some([1; 16]));
    stage.room.send(message(&[]), Some([1; 16]));
    assert_eq!(stage.log().len(), 1);
    stage.room.send(message(&[]), Some([2; 16]));
    assert_eq!(stage.log().len(), 1);
    stage.room.send(message(&[]), None);
    stage.room.send(message(&[]), None);
    assert_eq!(stage.log().len(), 2, "without a nonce every one counts");
}

#[test]
fn rl_1_new_timeouts_hold_for_a_room_that_waits() {
    let mut stage = Stage::new();
    let change = RoomChange {
        empty_timeout_s: Some(10),
        ..RoomChange::default()
    };
    stage.pass(Duration::from_secs(5));
    let info = stage.room.configure(stage.now, change);
    assert_eq!((info.empty_timeout_s, info.departure_timeout_s), (10, 20));
    stage.pass(Duration::from_secs(4));
    assert!(!stage.room.is_over(stage.now));
    stage.pass(Duration::from_secs(1));
    assert!(stage.room.is_over(stage.now));

    let mut stage = Stage::new();
    stage.join("alice");
    stage.room.activated(stage.now, id("alice"));
    stage.leave("alice");
    stage.pass(Duration::from_secs(15));
    let change = RoomChange {
        departure_timeout_s: Some(60),
        ..RoomChange::default()
    };
    stage.room.configure(stage.now, change);
    stage.pass(Duration::from_secs(44));
    assert!(!stage.room.is_over(stage.now), "it waits longer now");
    stage.pass(Duration::from_secs(1));
    assert!(stage.room.is_over(stage.now));
}

#[test]
fn rl_1_a_shorter_timeout_than_has_passed_ends_a_room_at_once() {
    let mut stage = Stage::new();
    stage.pass(Duration::from_secs(100));
    let change = RoomChange {
        empty_timeout_s: Some(10),
        ..RoomChange::default()
    };
    stage.room.configure(stage.now, change);
    stage.pass(Duration::from_millis(1));
    assert!(stage.room.is_over(stage.now));
}

#[test]
fn sb_1_what_is_subscribed_to_in_a_synced_room_comes_in_one_stream_per_source() {
    let mut stage = Stage::with(|info| info.playing.streams = Streams::Together);
    for name in ["alice", "bob"] {
        stage.join(name);
    }
    let apart = |membership: &mut Membership| membership.streams = Streams::Apart;
    stage.join_as("fox", apart).unwrap();
    let of = |name: &str, source, stream: &str| TrackInfo {
        source,
        stream: stream.into(),
        ..microphone(name)
    };
    for (track, expected) in [
        (of("mic", Source::Microphone, ""), "PA_alice|camera"),
        (of("camera", Source::Camera, ""), "PA_alice|camera"),
        (of("screen", Source::ScreenShare, ""), "PA_alice|screen"),
        (of("sound", Source::ScreenShareAudio, ""), "PA_alice|screen"),
        (of("other", Source::Unknown, ""), "PA_alice|unknown"),
        (of("desk", Source::Camera, "my desk"), "PA_alice|my_desk"),
    ] {
        let named = track.id;
        stage.publish("alice", track);
        assert_eq!(stream(&stage, "bob", named), expected);
        let own = format!("PA_alice|{named}");
        assert_eq!(stream(&stage, "fox", named), own);
    }
}

/// Under which name somebody is sent a track.
fn stream(stage: &Stage, who: &str, track: TrackId) -> String {
    let of_them = |it: &&Opening| it.participant == id(who) && it.track == track;
    let opened = stage.openings.values().find(of_them).unwrap();
    let name = &opened.stream;
    name.shared.clone().unwrap_or_else(|| name.own.clone())
}

#[test]
fn sb_1_each_track_is_a_stream_until_the_room_is_synced() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.publish("alice", microphone("mic"));
    let change = RoomChange {
        streams: Some(Streams::Together),
        ..RoomChange::default()
    };
    stage.room.configure(stage.now, change);
    stage.publish("alice", microphone("song"));
    for (track, expected) in [("mic", "PA_alice|TR_mic"), ("song", "PA_alice|camera")] {
        assert_eq!(stream(&stage, "bob", track_id(track)), expected);
    }
}

#[test]
fn sb_3_pictures_wait_in_a_room_that_says_so_unless_the_sound_could_not() {
    let delay = PlayoutDelay::from_ms(200, 400);
    for (streams, client, expected) in [
        (Streams::Apart, Streams::Apart, delay),
        (Streams::Apart, Streams::Together, delay),
        (Streams::Together, Streams::Together, delay),
        (Streams::Together, Streams::Apart, None),
    ] {
        let mut stage = Stage::with(|info| info.playing.streams = streams);
        let join = |membership: &mut Membership| membership.streams = client;
        stage.join_as("alice", join).unwrap();
        assert_eq!(stage.room.playout_delay(id("alice")), None);
        let change = RoomChange {
            playout_delay: delay,
            ..RoomChange::default()
        };
        stage.room.configure(stage.now, change);
        stage.room.configure(stage.now, RoomChange::default());
        let waits = stage.room.playout_delay(id("alice"));
        assert_eq!(waits, expected, "{streams:?} {client:?}");
    }
}
