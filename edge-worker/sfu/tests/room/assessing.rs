//! Connection quality: who is told of whose, and when.

use std::time::Duration;

use media::{ReceptionReport, Rtcp, Ssrc};
use sfu::{Happened, Muted, Picture, TrackKey, Wanted};

use crate::film::{Film, layered, roll};
use crate::stage::{Stage, camera, id, microphone, name};

const WINDOW: Duration = Duration::from_secs(5);

/// Alice and bob publish; alice receives bob, carol both. All are active.
fn call() -> (Stage, TrackKey, TrackKey) {
    let mut stage = Stage::new();
    for name in ["alice", "bob", "carol"] {
        stage.join(name);
        stage.room.activated(stage.now, id(name));
    }
    let alice = stage.publish("alice", microphone("a"));
    let bob = stage.publish("bob", microphone("b"));
    stage.subscribe("bob", "a", Wanted::No);
    stage.log();
    (stage, alice, bob)
}

impl Stage {
    /// A window of sound; returns what was told of connections.
    fn window(&mut self, tracks: &[TrackKey]) -> Vec<String> {
        let end = self.now + WINDOW;
        while self.now + Duration::from_millis(20) < end && !tracks.is_empty() {
            for track in tracks {
                self.speak(*track);
            }
            self.pass(Duration::ZERO);
        }
        self.pass(end - self.now);
        self.told()
    }

    /// What was told of connections since the last look, in no order.
    fn told(&mut self) -> Vec<String> {
        self.log();
        let mut told = std::mem::take(&mut self.qualities);
        told.sort();
        told
    }

    /// A subscriber tells of a stream: so many packets up to now, so many of them lost.
    fn report(&mut self, who: &str, track: &str, packets: u32, lost: i32) {
        let subscription = self.subscription(who, track);
        let report = ReceptionReport {
            ssrc: Ssrc(1),
            highest_seq: 1_000 + packets,
            total_lost: lost,
            ..ReceptionReport::default()
        };
        self.room.handle_feedback(
            self.now,
            subscription,
            &Rtcp::ReceptionReport(report),
            &mut self.wire,
        );
    }
}

#[test]
fn cq_1_everybody_is_told_of_itself_and_of_whom_it_receives_once() {
    let (mut stage, alice, bob) = call();
    assert_eq!(
        stage.window(&[alice, bob]),
        [
            "alice finds alice Excellent",
            "alice finds bob Excellent",
            "bob finds bob Excellent",
            "carol finds alice Excellent",
            "carol finds bob Excellent",
            "carol finds carol Excellent",
        ]
    );
    for _ in 0..3 {
        assert_eq!(stage.window(&[alice, bob]), [""; 0], "nothing changed");
    }
    stage.join("dave");
    stage.room.activated(stage.now, id("dave"));
    stage.settle();
    assert_eq!(
        stage.window(&[]),
        [
            "dave finds alice Excellent",
            "dave finds bob Excellent",
            "dave finds dave Excellent",
        ]
    );
}

#[test]
fn cq_2_loss_on_the_way_to_a_subscriber_is_its_own() {
    let (mut stage, alice, bob) = call();
    stage.report("carol", "a", 0, 0);
    stage.window(&[alice, bob]);
    stage.report("carol", "a", 250, 60);
    assert_eq!(stage.window(&[alice, bob]), ["carol finds carol Poor"]);
    // Others would be told if they received carol.
    stage.report("carol", "a", 500, 60);
    assert_eq!(stage.window(&[alice, bob]), ["carol finds carol Good"]);
}

#[test]
fn cq_2_loss_on_the_way_from_a_publisher_is_told_to_its_listeners() {
    let (mut stage, alice, bob) = call();
    stage.window(&[alice, bob]);
    // Every fourth packet of alice is missing.
    let end = stage.now + WINDOW;
    let mut count = 0;
    while stage.now + Duration::from_millis(20) < end {
        count += 1;
        if count % 4 == 0 {
            stage.lose(alice);
        } else {
            stage.speak(alice);
        }
        stage.pass(Duration::ZERO);
    }
    stage.pass(end - stage.now);
    assert_eq!(
        stage.told(),
        ["alice finds alice Poor", "carol finds alice Poor"]
    );
}

#[test]
fn cq_3_a_muted_or_idle_publisher_is_never_lost() {
    let (mut stage, alice, bob) = call();
    stage.window(&[alice, bob]);
    stage.mute("alice", "a", Muted::Yes);
    for _ in 0..10 {
        assert_eq!(stage.window(&[]), [""; 0]);
    }
}

#[test]
fn cq_2_a_network_that_does_not_answer_is_lost_at_once_and_found_again() {
    let (mut stage, alice, bob) = call();
    stage.window(&[alice, bob]);
    stage.pass(Duration::from_secs(1));
    stage.room.fell_silent(stage.now, id("alice"));
    stage.pass(Duration::from_millis(1));
    assert_eq!(
        stage.told(),
        ["alice finds alice Lost", "carol finds alice Lost"]
    );
    stage.room.is_back(id("alice"));
    assert_eq!(
        stage.window(&[alice, bob]),
        ["alice finds alice Good", "carol finds alice Good"]
    );
}

#[test]
fn cq_1_who_is_not_connected_yet_has_no_quality() {
    let mut stage = Stage::new();
    stage.join("alice");
    assert_eq!(stage.window(&[]), [""; 0]);
    stage.room.activated(stage.now, id("alice"));
    assert_eq!(stage.window(&[]), ["alice finds alice Excellent"]);
    stage.leave("alice");
    stage.log();
    stage.pass(WINDOW);
    assert_eq!(stage.qualities, [""; 0]);
}

#[test]
fn a_minute_tells_the_size_and_the_rate_of_the_picture_that_came() {
    let mut stage = Stage::new();
    for who in ["alice", "bob"] {
        stage.join(who);
        stage.room.activated(stage.now, id(who));
    }
    let mut film = Film::publish(&mut stage, "alice", layered("camera"));
    stage.announce("bob", camera("silent"));
    let mut minute = |on| {
        film.on = on;
        roll(&mut stage, &mut [&mut film], Duration::from_secs(60));
        let facts = stage.facts.drain(..);
        let told = facts.filter_map(|fact| match fact.happened {
            Happened::ParticipantAssessed {
                participant,
                summary,
            } => Some((name(participant.id), summary.picture)),
            Happened::RoomStarted
            | Happened::RoomFinished(_)
            | Happened::ParticipantJoined(_)
            | Happened::ParticipantLeft(_)
            | Happened::ParticipantAborted(_)
            | Happened::ParticipantChanged { .. }
            | Happened::TrackPublished { .. }
            | Happened::TrackUnpublished { .. } => None,
        });
        let mut told: Vec<_> = told.collect();
        told.sort_by(|one, other| one.0.cmp(&other.0));
        let [(alice, picture), (bob, None)] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((alice.as_str(), bob.as_str()), ("alice", "bob"));
        *picture
    };
    for (on, expected) in [
        ([true; 3], Some((1_280, 720))),
        ([true, true, false], Some((640, 360))),
        ([true, false, false], Some((320, 180))),
        ([false; 3], None),
    ] {
        // Minutes begin a little before the cameras change.
        minute(on);
        let told = minute(on);
        assert_eq!(told.map(|it| (it.width, it.height)), expected, "{on:?}");
        let Some(Picture {
            frames_per_second, ..
        }) = told
        else {
            continue;
        };
        assert!((29.0..31.5).contains(&frames_per_second), "{told:?}");
    }
}
