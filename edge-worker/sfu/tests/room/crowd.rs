//! Large rooms: everybody is still told everything, but not one by one.

use std::time::Duration;

use crate::stage::{Stage, id, microphone};

#[test]
fn listeners_of_a_crowd_are_told_together_and_publishers_at_once() {
    let mut stage = Stage::new();
    for number in 0..60 {
        stage.join(&format!("p{number}"));
    }
    stage.pass(Duration::from_secs(1));
    stage.log();

    stage.join_as("late1", |_| {}).unwrap();
    stage.join_as("late2", |_| {}).unwrap();
    stage.room.activated(stage.now, id("late1"));
    assert_eq!(stage.log(), [""; 0]);
    stage.pass(Duration::from_secs(1));
    let log = stage.log();
    assert_eq!(log.len(), 62);
    assert_eq!(log[0], "p0 sees late1 active, late2 joined");

    stage.announce("late1", microphone("mic"));
    stage.add_section("late1", "mic", media::MediaKind::Audio, "");
    stage.offer("late1");
    let told = stage
        .log()
        .iter()
        .filter(|line| line.ends_with("sees late1 active [TR_mic]"))
        .count();
    assert_eq!(told, 62);

    stage.leave("late2");
    assert_eq!(stage.log(), ["late2 is gone"]);
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.log()[0], "p0 sees late2 left(ClientInitiated)");
}

#[test]
fn how_many_there_are_is_told_now_and_then() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.publish("alice", microphone("mic"));
    stage.pass(Duration::from_secs(5));
    assert_eq!(
        stage.log(),
        [
            "alice counts 2 of which 1 publish",
            "bob counts 2 of which 1 publish"
        ]
    );
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.log(), [""; 0], "nothing changed");
}
