//! What records are told: every beginning with its end, in order, and nothing of those
//! whose media never connected.

use std::time::Duration;

use sfu::{Happened, LeaveReason, State};

use crate::stage::{Stage, id, microphone, name};

fn facts(stage: &mut Stage) -> Vec<String> {
    stage.log();
    let facts = stage.facts.drain(..);
    facts.map(|fact| brief(&fact.happened)).collect()
}

/// `alice joined`
pub(crate) fn brief(happened: &Happened) -> String {
    match happened {
        Happened::RoomStarted => "room started".to_owned(),
        Happened::RoomFinished(reason) => format!("room finished: {reason:?}"),
        Happened::ParticipantJoined(who) => {
            assert_eq!(who.state, State::Active);
            format!("{} joined", name(who.id))
        }
        Happened::ParticipantLeft(who) => {
            assert!(matches!(who.state, State::Disconnected(_)));
            format!("{} left", name(who.id))
        }
        Happened::ParticipantAborted(who) => format!("{} aborted", name(who.id)),
        Happened::ParticipantChanged { before, after } => {
            assert_eq!(before.id, after.id);
            format!("{} changed", name(after.id))
        }
        Happened::ParticipantAssessed { participant, .. } => {
            format!("{} assessed", name(participant.id))
        }
        Happened::TrackPublished { publisher, track } => {
            format!("{} published {}", name(publisher.id), track.name)
        }
        Happened::TrackUnpublished { publisher, track } => {
            format!("{} unpublished {}", name(publisher.id), track.name)
        }
    }
}

#[test]
fn wh_6_a_life_is_told_from_its_start_to_its_end() {
    let mut stage = Stage::new();
    stage.join("alice");
    // Published with the join, before media is connected: told after the participant.
    stage.publish("alice", microphone("mic"));
    assert_eq!(facts(&mut stage), ["room started"]);
    stage.room.activated(stage.now, id("alice"));
    assert_eq!(facts(&mut stage), ["alice joined", "alice published mic"]);
    stage.room.activated(stage.now, id("alice"));
    stage.publish("alice", microphone("second"));
    assert_eq!(facts(&mut stage), ["alice published second"]);

    stage.remove_section("alice", "mic");
    stage.offer("alice");
    assert_eq!(facts(&mut stage), ["alice unpublished mic"]);
    stage.leave("alice");
    assert_eq!(
        facts(&mut stage),
        ["alice unpublished second", "alice left"]
    );
    stage.pass(Duration::from_secs(20));
    assert_eq!(facts(&mut stage), ["room finished: RoomClosed"]);
}

#[test]
fn who_never_connected_is_told_once_and_its_tracks_never() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.publish("alice", microphone("mic"));
    stage.pass(Duration::from_secs(60));
    assert_eq!(facts(&mut stage), ["room started", "alice aborted"]);
}

#[test]
fn closing_a_room_ends_everything_in_it_once() {
    let mut stage = Stage::new();
    for who in ["alice", "bob", "carol"] {
        stage.join(who);
    }
    stage.room.activated(stage.now, id("alice"));
    stage.room.activated(stage.now, id("bob"));
    stage.publish("alice", microphone("mic"));
    facts(&mut stage);
    stage.room.close(stage.now, LeaveReason::RoomDeleted);
    stage.room.close(stage.now, LeaveReason::ServerShutdown);
    assert_eq!(
        facts(&mut stage),
        [
            "alice unpublished mic",
            "alice left",
            "bob left",
            "carol aborted",
            "room finished: RoomDeleted"
        ]
    );
}

#[test]
fn wh_6_a_rejoin_ends_the_old_membership_first() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.room.activated(stage.now, id("alice"));
    stage.join("alice-again");
    stage.room.activated(stage.now, id("alice-again"));
    assert_eq!(
        facts(&mut stage),
        [
            "room started",
            "alice joined",
            "alice left",
            "alice-again joined"
        ]
    );
}

#[test]
fn what_somebody_becomes_is_told_of_those_who_are_here() {
    let mut stage = Stage::new();
    stage.join("alice");
    let rename = || sfu::ParticipantChange {
        name: Some("Countess".into()),
        ..sfu::ParticipantChange::default()
    };
    let now = stage.now;
    stage
        .room
        .update_participant(now, id("alice"), rename())
        .unwrap();
    assert_eq!(facts(&mut stage), ["room started"], "she is not in yet");
    stage.room.activated(now, id("alice"));
    stage
        .room
        .update_participant(now, id("alice"), rename())
        .unwrap();
    assert_eq!(facts(&mut stage), ["alice joined", "alice changed"]);
}

#[test]
fn everybodys_connection_is_told_once_a_minute() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.room.activated(stage.now, id("alice"));
    facts(&mut stage);
    for minute in 0..3 {
        stage.pass(Duration::from_secs(60));
        assert_eq!(facts(&mut stage), ["alice assessed"], "{minute}");
    }
}
