//! When a room ends.

use std::time::Duration;

use sfu::{JoinRefusal, LeaveReason};

use crate::stage::{Stage, id, microphone};

#[test]
fn a_room_nobody_joins_ends() {
    let mut stage = Stage::new();
    stage.pass(Duration::from_secs(299));
    assert!(!stage.room.is_over(stage.now));
    stage.pass(Duration::from_secs(1));
    assert!(stage.room.is_over(stage.now));
    assert_eq!(stage.room.deadline(), None);
    assert_eq!(
        stage.join_as("late", |_| {}).unwrap_err(),
        JoinRefusal::Closed
    );
}

#[test]
fn a_room_ends_a_while_after_the_last_one_left() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.room.activated(stage.now, id("alice"));
    stage.pass(Duration::from_secs(1000));
    assert!(!stage.room.is_over(stage.now));

    stage.leave("alice");
    stage.pass(Duration::from_secs(19));
    stage.join("bob");
    stage.room.activated(stage.now, id("bob"));
    stage.pass(Duration::from_secs(19));
    assert!(!stage.room.is_over(stage.now), "somebody came back");

    stage.leave("bob");
    stage.pass(Duration::from_secs(20));
    assert!(stage.room.is_over(stage.now));
}

#[test]
fn who_serves_the_others_keeps_no_room_open() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage
        .join_as("tape", |m| {
            m.participant.permission.recorder = true;
            m.participant.permission.can_publish = false;
        })
        .unwrap();
    stage.room.activated(stage.now, id("tape"));
    stage.leave("alice");
    stage.log();
    stage.pass(Duration::from_secs(20));
    let log = stage.log();
    assert_eq!(
        log[log.len() - 2..],
        ["tape must leave: RoomClosed", "tape is gone"]
    );
    assert!(stage.room.is_over(stage.now));
}

#[test]
fn closing_sends_everybody_away() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    stage.room.close(stage.now, LeaveReason::ServerShutdown);
    assert_eq!(
        stage.log(),
        [
            "alice must leave: ServerShutdown",
            "bob must leave: ServerShutdown",
            "alice is gone",
            "bob is gone",
        ]
    );
    assert!(stage.room.is_over(stage.now));
    assert_eq!(stage.room.deadline(), None);
    assert_eq!(stage.speak(mic), [""; 0]);
    stage.room.close(stage.now, LeaveReason::ServerShutdown);
    assert_eq!(stage.log(), [""; 0]);
}
