//! Names, metadata and attributes: changed by their owner or by the app, seen by all.

use std::collections::BTreeMap;

use sfu::{Command, MAX_ATTRIBUTES, MAX_METADATA, MAX_NAME, ParticipantChange, Refusal};

use crate::stage::{Stage, hidden, id, microphone};

/// A room in which alice may change how she shows, and bob may not.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage
        .join_as("alice", |m| {
            m.participant.permission.can_update_metadata = true;
        })
        .unwrap();
    stage.join("bob");
    stage
}

fn update(request_id: u32, change: ParticipantChange) -> Command {
    Command::UpdateMetadata {
        change: Box::new(change),
        request_id,
    }
}

fn renamed(name: &str) -> ParticipantChange {
    ParticipantChange {
        name: Some(name.to_owned()),
        ..ParticipantChange::default()
    }
}

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn md_1_whoever_may_changes_itself_and_is_answered_before_everybody_sees_it() {
    let mut stage = stage();
    stage.command("alice", update(7, renamed("Queen")));
    assert_eq!(
        stage.log(),
        [
            "alice is granted 7",
            "alice sees alice joined",
            "bob sees alice joined"
        ]
    );
    assert_eq!(stage.room.participant(id("alice")).unwrap().name, "Queen");

    stage.command("bob", update(8, renamed("King")));
    assert_eq!(stage.log(), ["bob may not change, request 8: NotAllowed"]);
    assert_eq!(stage.room.participant(id("bob")).unwrap().name, "bob");
}

#[test]
fn md_1_what_is_not_named_stays_and_an_empty_attribute_goes() {
    let mut stage = stage();
    let steps = [
        (
            ParticipantChange {
                metadata: Some("first".into()),
                attributes: attributes(&[("hand", "up"), ("role", "guest"), ("none", "")]),
                ..ParticipantChange::default()
            },
            ("alice", "first", &[("hand", "up"), ("role", "guest")][..]),
        ),
        (
            renamed("Alice"),
            ("Alice", "first", &[("hand", "up"), ("role", "guest")]),
        ),
        (
            ParticipantChange {
                attributes: attributes(&[("hand", ""), ("role", "host")]),
                ..ParticipantChange::default()
            },
            ("Alice", "first", &[("role", "host")]),
        ),
    ];
    for (change, (name, metadata, expected)) in steps {
        stage.command("alice", update(1, change));
        stage.log();
        let seen = stage.room.participant(id("alice")).unwrap();
        assert_eq!((&*seen.name, &*seen.metadata), (name, metadata));
        assert_eq!(seen.attributes, attributes(expected));
    }
}

#[test]
fn md_1_what_is_too_long_changes_nothing() {
    let mut stage = stage();
    let almost = "x".repeat(MAX_ATTRIBUTES - 10);
    stage.command(
        "alice",
        update(
            1,
            ParticipantChange {
                attributes: attributes(&[("big", &almost)]),
                ..ParticipantChange::default()
            },
        ),
    );
    stage.log();
    let before = stage.room.participant(id("alice")).unwrap().clone();
    for change in [
        renamed(&"n".repeat(MAX_NAME + 1)),
        ParticipantChange {
            metadata: Some("m".repeat(MAX_METADATA + 1)),
            name: Some("fits".into()),
            ..ParticipantChange::default()
        },
        ParticipantChange {
            attributes: attributes(&[("more", "12345678")]),
            ..ParticipantChange::default()
        },
    ] {
        stage.command("alice", update(2, change.clone()));
        assert_eq!(
            stage.log(),
            ["alice may not change, request 2: LimitExceeded"]
        );
        let by_app = stage
            .room
            .update_participant(stage.now, id("alice"), change);
        assert_eq!(by_app.unwrap_err(), Refusal::LimitExceeded);
    }
    assert_eq!(*stage.room.participant(id("alice")).unwrap(), before);

    // Replacing the large one makes room.
    let change = ParticipantChange {
        attributes: attributes(&[("big", ""), ("more", "12345678")]),
        ..ParticipantChange::default()
    };
    stage.command("alice", update(3, change));
    assert_eq!(stage.log()[0], "alice is granted 3");
}

#[test]
fn md_1_a_client_cannot_give_itself_permission() {
    let mut stage = stage();
    let mut permission = stage
        .room
        .participant(id("alice"))
        .unwrap()
        .permission
        .clone();
    permission.recorder = true;
    let change = ParticipantChange {
        permission: Some(permission),
        ..ParticipantChange::default()
    };
    stage.command("alice", update(1, change));
    let seen = stage.room.participant(id("alice")).unwrap();
    assert!(!seen.permission.recorder);
}

#[test]
fn md_2_the_app_changes_anybody_and_all_see_it() {
    let mut stage = stage();
    stage.publish("bob", microphone("mic"));
    let changed = stage
        .room
        .update_participant(stage.now, id("bob"), renamed("Bob the Great"))
        .unwrap();
    assert_eq!(changed.name, "Bob the Great");
    assert_eq!(
        stage.log(),
        [
            "alice sees bob joined [TR_mic]",
            "bob sees bob joined [TR_mic]"
        ]
    );
    let nobody = stage
        .room
        .update_participant(stage.now, id("nobody"), renamed("x"));
    assert_eq!(nobody.unwrap_err(), Refusal::NotFound);
}

#[test]
fn pu_3_a_change_of_somebody_hidden_is_echoed_to_it_alone() {
    let mut stage = stage();
    stage
        .join_as("ghost", |m| {
            hidden(m);
            m.participant.permission.can_update_metadata = true;
        })
        .unwrap();
    stage.log();
    stage.command("ghost", update(1, renamed("Boo")));
    assert_eq!(
        stage.log(),
        ["ghost is granted 1", "ghost sees ghost joined"]
    );
}

#[test]
fn pu_1_in_a_crowd_the_owner_of_a_change_hears_at_once_and_the_others_together() {
    let mut stage = stage();
    for number in 0..60 {
        stage.join(&format!("guest{number}"));
    }
    stage.pass(std::time::Duration::from_secs(10));
    stage.log();
    stage.command("alice", update(1, renamed("A")));
    stage.command("alice", update(2, renamed("B")));
    assert_eq!(
        stage.log(),
        [
            "alice is granted 1",
            "alice sees alice joined",
            "alice is granted 2",
            "alice sees alice joined"
        ]
    );
    stage.pass(std::time::Duration::from_secs(2));
    let told = stage.log();
    assert_eq!(told.len(), 62, "everybody once: {told:?}");
}

#[test]
fn room_metadata_is_told_to_everybody_at_once() {
    let mut stage = stage();
    stage.pass(std::time::Duration::from_secs(6));
    stage.log();
    let info = stage.room.set_metadata(stage.now, " and a topic".into());
    assert_eq!(info.metadata, " and a topic");
    assert_eq!(
        stage.log(),
        [
            "alice counts 2 of which 0 publish and a topic",
            "bob counts 2 of which 0 publish and a topic"
        ]
    );
    assert_eq!(stage.room.info().metadata, " and a topic");
}
