//! Data messages: who gets which.

use crate::stage::{Stage, hidden, id};

#[test]
fn a_message_reaches_who_is_named_or_everybody_else() {
    let mut stage = Stage::new();
    for name in ["alice", "bob", "carol"] {
        stage.join(name);
    }
    let everybody: &[&str] = &["bob", "carol"];
    for (identities, sids, expected) in [
        (&[][..], &[][..], everybody),
        (&["bob"], &[], &["bob"]),
        (&[], &["carol"], &["carol"]),
        (&["carol"], &["bob"], &["bob", "carol"]),
        (&["bob", "bob"], &["bob"], &["bob"]),
        (&["alice"], &[], &["alice"]),
        (&["nobody"], &[], &[]),
        (&["nobody", "carol"], &["gone"], &["carol"]),
    ] {
        stage.data("alice", identities, sids);
        let expected: Vec<_> = expected
            .iter()
            .map(|name| format!("{name} gets Reliable from alice"))
            .collect();
        assert_eq!(stage.log(), expected, "{identities:?} {sids:?}");
    }
}

#[test]
fn dc_3_bad_t11_only_who_may_can_send() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage
        .join_as("quiet", |m| {
            m.participant.permission.can_publish_data = false;
        })
        .unwrap();
    stage.join_as("ghost", hidden).unwrap();
    stage.log();
    stage.data("quiet", &[], &[]);
    stage.data("stranger", &[], &[]);
    assert_eq!(stage.log(), [""; 0]);
    assert_eq!(stage.room.data_drops().not_allowed, 1);

    stage.data("ghost", &[], &[]);
    assert_eq!(
        stage.log(),
        [
            "alice gets Reliable from ghost",
            "quiet gets Reliable from ghost"
        ]
    );
}

#[test]
fn dc_5_messages_keep_their_order_and_their_number_is_bounded() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    for _ in 0..20_000 {
        stage.data("alice", &[], &[]);
        stage.data("bob", &[], &[]);
    }
    let log = stage.log();
    assert_eq!(log.len(), 16_384);
    assert_eq!(log[0], "bob gets Reliable from alice");
    assert_eq!(log[1], "alice gets Reliable from bob");
    assert_eq!(stage.room.data_drops().queue_full, 40_000 - 16_384);
    stage.data("alice", &[], &[]);
    assert_eq!(stage.log().len(), 1, "there is room again");
    assert!(stage.room.participant(id("bob")).is_some());
}
