//! Rights gained and lost during a call, and what hosts, recorders and agents are.

use std::time::Duration;

use media::MediaKind;
use sfu::{ParticipantChange, Permission, Source, Visibility};

use crate::stage::{Stage, camera, hidden, id, microphone};

impl Stage {
    /// The app changes what a participant may do.
    pub(crate) fn permit(&mut self, who: &str, change: impl FnOnce(&mut Permission)) {
        let mut permission = self.room.participant(id(who)).unwrap().permission.clone();
        change(&mut permission);
        let change = ParticipantChange {
            permission: Some(permission),
            ..ParticipantChange::default()
        };
        self.room
            .update_participant(self.now, id(who), change)
            .unwrap();
    }
}

/// Alice with microphone and camera, bob who receives both.
fn call() -> Stage {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.publish("alice", microphone("mic"));
    stage.publish("alice", camera("cam"));
    stage
}

#[test]
fn md_3_who_may_not_publish_any_more_loses_its_tracks() {
    let mut stage = call();
    stage.announce("alice", microphone("second"));
    stage.log();
    stage.permit("alice", |permission| permission.can_publish = false);
    assert_eq!(
        stage.log(),
        [
            "bob closes TR_mic",
            "bob closes TR_cam",
            "alice lost TR_second",
            "alice lost TR_mic",
            "alice lost TR_cam",
            "alice sees alice joined",
            "bob sees alice joined",
        ]
    );
    stage.announce("alice", microphone("third"));
    assert_eq!(stage.log(), ["alice may not publish third: NotAllowed"]);

    stage.permit("alice", |permission| permission.can_publish = true);
    stage.log();
    stage.remove_section("alice", "mic");
    stage.remove_section("alice", "cam");
    stage.publish("alice", microphone("fourth"));
    assert_eq!(stage.subscription("bob", "fourth").0, 2);
}

#[test]
fn md_3_losing_one_source_takes_its_tracks_alone() {
    let mut stage = call();
    stage.permit("alice", |permission| {
        permission.can_publish_sources = vec![Source::Microphone];
    });
    assert_eq!(
        stage.log(),
        [
            "bob closes TR_cam",
            "alice lost TR_cam",
            "alice sees alice joined [TR_mic]",
            "bob sees alice joined [TR_mic]",
        ]
    );
}

#[test]
fn md_3_a_track_taken_back_does_not_return_with_an_offer_that_still_has_it() {
    let mut stage = call();
    stage.permit("alice", |permission| permission.can_publish = false);
    stage.log();
    assert!(stage.offer("alice").is_empty());
    assert_eq!(stage.log(), [""; 0]);
}

#[test]
fn md_3_who_may_not_subscribe_any_more_receives_nothing_until_it_may_again() {
    let mut stage = call();
    stage.permit("bob", |permission| permission.can_subscribe = false);
    assert_eq!(
        stage.log(),
        [
            "alice sees bob joined",
            "bob sees bob joined",
            "bob closes TR_mic",
            "bob closes TR_cam",
        ]
    );
    stage.publish("alice", microphone("other"));
    assert!(stage.openings.is_empty());

    stage.permit("bob", |permission| permission.can_subscribe = true);
    assert_eq!(
        stage.log()[2..],
        [
            "bob opens TR_mic Red in PA_alice|TR_mic",
            "bob opens TR_cam Vp8 in PA_alice|TR_cam",
            "bob opens TR_other Red in PA_alice|TR_other",
        ]
    );
}

#[test]
fn pu_3_who_hides_leaves_for_the_others_and_comes_when_it_shows() {
    let mut stage = call();
    stage.pass(Duration::from_secs(6));
    stage.log();
    stage.permit("alice", |it| it.visibility = Visibility::Hidden);
    assert_eq!(
        stage.log(),
        [
            "bob closes TR_mic",
            "bob closes TR_cam",
            "alice lost TR_mic",
            "alice lost TR_cam",
            "bob sees alice left(ClientInitiated)",
            "alice sees alice joined",
        ]
    );
    assert_eq!(stage.room.info().participants, 1);
    stage.permit("alice", |it| it.visibility = Visibility::Visible);
    assert_eq!(
        stage.log(),
        ["alice sees alice joined", "bob sees alice joined"]
    );
    assert_eq!(stage.room.info().participants, 2);
}

#[test]
fn hidden_participants_show_to_nobody_and_receive_all_the_same() {
    let mut stage = call();
    let joined = stage.join_as("ghost", hidden).unwrap();
    assert_eq!(joined.others.len(), 2);
    assert_eq!(joined.room.participants, 2);
    assert_eq!(
        stage.log(),
        [
            "ghost opens TR_mic Red in PA_alice|TR_mic",
            "ghost opens TR_cam Vp8 in PA_alice|TR_cam",
        ]
    );
    stage.room.activated(stage.now, id("ghost"));
    assert_eq!(stage.log(), ["ghost sees ghost active"]);
    let bob = stage.join_as("bob2", |_| {}).unwrap();
    assert!(bob.others.iter().all(|other| other.id != id("ghost")));
    stage.log();
    stage.leave("ghost");
    assert_eq!(stage.log(), ["ghost is gone"]);
}

#[test]
fn a_recorder_shows_the_room_as_recorded_while_it_is_there() {
    let mut stage = call();
    stage.pass(Duration::from_secs(6));
    stage.log();
    let joined = stage
        .join_as("tape", |m| {
            hidden(m);
            m.participant.permission.recorder = true;
        })
        .unwrap();
    assert!(joined.room.active_recording);
    let told = stage.log();
    assert!(
        told.contains(&"bob counts 2 of which 1 publish, recorded".to_owned()),
        "{told:?}"
    );
    stage
        .join_as("egress", |m| {
            m.participant.kind = 2;
        })
        .unwrap();
    stage.log();
    stage.leave("tape");
    assert!(
        stage.room.info().active_recording,
        "the egress is there still"
    );
    stage.log();
    stage.leave("egress");
    let told = stage.log();
    assert!(
        told.contains(&"bob counts 2 of which 1 publish".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_host_marked_as_recorder_shows_publishes_and_keeps_the_room_open() {
    let mut stage = Stage::with(|info| info.max_participants = 1);
    stage
        .join_as("host", |m| m.participant.permission.recorder = true)
        .unwrap();
    stage.log();
    assert_eq!(stage.room.info().participants, 1);
    assert!(stage.room.info().active_recording);
    stage.room.activated(stage.now, id("host"));
    stage.publish("host", microphone("mic"));
    assert!(
        stage.join_as("guest", |_| {}).is_err(),
        "the host has the seat"
    );

    // Silenced for a while, it is still the host.
    stage.permit("host", |permission| permission.can_publish = false);
    stage.pass(Duration::from_secs(3600));
    assert!(!stage.room.is_over(stage.now));
    stage.leave("host");
    stage.pass(Duration::from_secs(20));
    assert!(stage.room.is_over(stage.now));
}

#[test]
fn rl_1_recorders_and_agents_take_no_seat_and_keep_no_room_open() {
    type Change = fn(&mut sfu::Membership);
    let kinds: [(&str, Change); 4] = [
        ("egress", |m| m.participant.kind = 2),
        ("agent", |m| m.participant.kind = 4),
        ("tape", |m| {
            hidden(m);
            m.participant.permission.recorder = true;
        }),
        ("listener", |m| {
            m.participant.permission.can_publish = false;
            m.participant.permission.recorder = true;
        }),
    ];
    for (name, change) in kinds {
        let mut stage = Stage::with(|info| info.max_participants = 1);
        stage.join("alice");
        stage.join_as(name, change).unwrap();
        stage.room.activated(stage.now, id("alice"));
        stage.room.activated(stage.now, id(name));
        stage.leave("alice");
        stage.log();
        stage.pass(Duration::from_secs(20));
        assert!(stage.room.is_over(stage.now), "{name}");
        let told = stage.log();
        assert!(told.contains(&format!("{name} must leave: RoomClosed")));
    }
}

#[test]
fn md_3_an_announcement_alone_can_be_taken_back() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.announce("alice", microphone("mic"));
    stage.log();
    stage.permit("alice", |permission| permission.can_publish = false);
    assert_eq!(
        stage.log(),
        ["alice lost TR_mic", "alice sees alice joined"]
    );
    stage.add_section("alice", "mic", MediaKind::Audio, "");
    assert!(stage.offer("alice").is_empty());
}
