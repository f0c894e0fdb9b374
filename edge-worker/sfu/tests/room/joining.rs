//! Coming and going: who finds whom, and who is told.

use std::time::Duration;

use sfu::{JoinRefusal, LeaveReason};

use crate::stage::{Stage, describe, hidden, id, microphone};

#[test]
fn st_1_everybody_finds_everybody_and_is_told_of_each_state() {
    let mut stage = Stage::new();
    let alice = stage.join_as("alice", |_| {}).unwrap();
    assert_eq!(describe(&alice.participant), "alice joined");
    assert!(alice.participant.version >= 1);
    assert!(alice.others.is_empty());
    assert_eq!(alice.room.participants, 1);
    assert_eq!(stage.log(), [""; 0]);

    let bob = stage.join_as("bob", |_| {}).unwrap();
    let found: Vec<_> = bob.others.iter().map(|info| describe(info)).collect();
    assert_eq!(found, ["alice joined"]);
    assert_eq!(bob.room.participants, 2);
    assert_eq!(stage.log(), ["alice sees bob joined"]);

    stage.room.activated(stage.now, id("alice"));
    stage.room.activated(stage.now, id("alice"));
    assert_eq!(
        stage.log(),
        ["alice sees alice active", "bob sees alice active"]
    );

    stage.leave("alice");
    assert_eq!(
        stage.log(),
        ["alice is gone", "bob sees alice left(ClientInitiated)"]
    );
    stage.leave("alice");
    assert_eq!(stage.log(), [""; 0], "told once");
}

#[test]
fn st_6_the_same_identity_replaces_itself() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join_as("old", |m| m.protocol = 11).unwrap();
    stage.join_as("new", |m| m.protocol = 12).unwrap();
    let mic = stage.publish("alice", microphone("mic"));

    let again = stage.join_as("alice-again", |_| {}).unwrap();
    let others: Vec<_> = again.others.iter().map(|info| describe(info)).collect();
    assert_eq!(others, ["old joined", "new joined"]);
    assert_eq!(
        stage.log(),
        [
            "old closes TR_mic",
            "new closes TR_mic",
            "alice must leave: DuplicateIdentity",
            "alice is gone",
            "old sees alice left(DuplicateIdentity)",
            "old sees alice-again joined",
            "new sees alice-again joined",
        ]
    );
    assert_eq!(stage.speak(mic), [""; 0], "its track is gone with it");

    stage.leave("alice");
    assert_eq!(stage.log(), [""; 0], "the old one cannot leave any more");
    assert!(stage.room.participant(id("alice-again")).is_some());
}

#[test]
fn leaving_takes_tracks_and_subscriptions_along() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    let other = stage.publish("bob", microphone("other"));
    assert_eq!(stage.speak(mic), ["bob"]);
    assert_eq!(stage.speak(other), ["alice"]);

    stage.leave("alice");
    assert_eq!(
        stage.log(),
        ["alice is gone", "bob sees alice left(ClientInitiated)"]
    );
    assert_eq!(stage.speak(mic), [""; 0]);
    assert_eq!(stage.speak(other), [""; 0]);
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.log(), ["bob closes TR_mic"]);
}

#[test]
fn who_is_sent_away_is_told_why() {
    for (reason, expected) in [
        (LeaveReason::ParticipantRemoved, Some("ParticipantRemoved")),
        (LeaveReason::StateMismatch, Some("StateMismatch")),
        (LeaveReason::ConnectionTimeout, Some("ConnectionTimeout")),
        (LeaveReason::SignalClosed, None),
        (LeaveReason::ClientInitiated, None),
    ] {
        let mut stage = Stage::new();
        stage.join("alice");
        stage.room.leave(stage.now, id("alice"), reason);
        let told = expected.map(|reason| format!("alice must leave: {reason}"));
        let expected: Vec<_> = told.into_iter().chain(["alice is gone".into()]).collect();
        assert_eq!(stage.log(), expected);
    }
}

#[test]
fn hidden_participants_are_told_to_themselves_only() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.publish("alice", microphone("mic"));
    let ghost = stage.join_as("ghost", hidden).unwrap();
    assert_eq!(ghost.others.len(), 1);
    assert_eq!(ghost.room.participants, 1);
    assert_eq!(stage.log(), ["ghost opens TR_mic Red in PA_alice|TR_mic"]);

    stage.room.activated(stage.now, id("ghost"));
    assert_eq!(stage.log(), ["ghost sees ghost active"]);

    let bob = stage.join_as("bob", |_| {}).unwrap();
    assert_eq!(bob.others.len(), 1, "only alice");
    assert_eq!(
        stage.log()[..2],
        ["alice sees bob joined", "ghost sees bob joined"]
    );

    stage.announce("ghost", microphone("whisper"));
    assert_eq!(stage.log(), ["ghost may not publish whisper: NotAllowed"]);
    stage.leave("ghost");
    assert_eq!(stage.log(), ["ghost is gone"]);
}

#[test]
fn st_7_a_full_room_takes_only_who_replaces_somebody_or_serves_the_others() {
    let mut stage = Stage::with(|info| info.max_participants = 2);
    stage.join("alice");
    stage.join("bob");
    assert_eq!(
        stage.join_as("carol", |_| {}).unwrap_err(),
        JoinRefusal::Full
    );
    stage.join_as("bob-again", |_| {}).unwrap();
    stage.join_as("agent", |m| m.participant.kind = 4).unwrap();
    stage
        .join_as("tape", |m| {
            m.participant.permission.recorder = true;
            m.participant.permission.can_publish = false;
        })
        .unwrap();
    assert_eq!(
        stage.join_as("carol", |_| {}).unwrap_err(),
        JoinRefusal::Full
    );
    stage.leave("alice");
    stage.join_as("carol", |_| {}).unwrap();
}

#[test]
fn st_2_bad_w3_whose_media_never_connects_has_to_go() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.room.activated(stage.now, id("bob"));
    stage.log();
    stage.pass(Duration::from_millis(59_999));
    assert!(stage.room.participant(id("alice")).is_some());
    stage.log();
    stage.pass(Duration::from_millis(1));
    assert_eq!(
        stage.log(),
        [
            "alice must leave: JoinFailure",
            "alice is gone",
            "bob sees alice left(JoinFailure)",
        ]
    );
}
