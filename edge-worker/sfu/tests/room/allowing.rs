//! Publishers who let some receive their tracks, and others not.

use sfu::{Allowance, Command, Grantee, Identity, Share, Wanted};

use crate::stage::{Stage, camera, hidden, id, identity, microphone, track_id};

/// Alice publishes, bob and carol receive it.
fn call() -> Stage {
    let mut stage = Stage::new();
    for name in ["alice", "bob", "carol"] {
        stage.join(name);
    }
    stage.publish("alice", microphone("mic"));
    stage.publish("alice", camera("cam"));
    stage
}

fn to(name: &str, share: Share) -> (Grantee, Share) {
    (Grantee::Identity(identity(name)), share)
}

fn tracks(names: &[&str]) -> Share {
    Share::Tracks(names.iter().map(|name| track_id(name)).collect())
}

impl Stage {
    fn allow(&mut self, allowance: Allowance) -> Vec<String> {
        self.command("alice", Command::Allow(allowance));
        self.log()
    }
}

#[test]
fn a_track_is_taken_from_whom_it_is_withheld_and_given_back() {
    let mut stage = call();
    let only_carol = Allowance::Only(vec![to("carol", Share::All), to("bob", tracks(&["mic"]))]);
    assert_eq!(
        stage.allow(only_carol.clone()),
        ["bob closes TR_cam", "bob is Withheld TR_cam"]
    );
    assert_eq!(stage.allow(only_carol), [""; 0], "said twice");
    assert_eq!(
        stage.allow(Allowance::Everybody),
        [
            "bob is Granted TR_cam",
            "bob opens TR_cam Vp8 in PA_alice|TR_cam"
        ]
    );
}

#[test]
fn nobody_named_gets_nothing_and_newcomers_are_told() {
    let mut stage = call();
    assert_eq!(stage.allow(Allowance::Only(Vec::new())).len(), 8);
    assert!(stage.openings.is_empty());
    stage.join_as("dave", |_| {}).unwrap();
    let told = stage.log();
    assert_eq!(
        told[told.len() - 2..],
        ["dave is Withheld TR_mic", "dave is Withheld TR_cam"]
    );
    stage.publish("alice", microphone("later"));
    assert!(stage.openings.is_empty(), "it holds for later tracks");
}

#[test]
fn whoever_does_not_want_a_track_is_not_told_of_it() {
    let mut stage = call();
    stage.subscribe("bob", "cam", Wanted::No);
    stage.log();
    let told = stage.allow(Allowance::Only(vec![
        to("carol", Share::All),
        to("bob", tracks(&["mic"])),
    ]));
    assert_eq!(told, [""; 0]);
    stage.subscribe("bob", "cam", Wanted::Yes);
    assert_eq!(stage.log(), ["bob is Withheld TR_cam"]);
    // It is granted while bob does not want it, and comes only when wanted.
    stage.subscribe("bob", "cam", Wanted::No);
    assert_eq!(stage.allow(Allowance::Everybody), ["bob is Granted TR_cam"]);
    stage.subscribe("bob", "cam", Wanted::Yes);
    assert_eq!(stage.log(), ["bob opens TR_cam Vp8 in PA_alice|TR_cam"]);
}

#[test]
fn what_is_said_of_an_identity_beats_what_is_said_of_an_id() {
    for (grantees, mic, cam) in [
        (vec![(Grantee::Id(id("bob")), Share::All)], true, true),
        (vec![(Grantee::Id(id("carol")), Share::All)], false, false),
        (
            vec![
                (Grantee::Id(id("bob")), Share::All),
                to("bob", tracks(&["mic"])),
            ],
            true,
            false,
        ),
        (
            vec![to("bob", tracks(&["mic"])), to("bob", tracks(&["cam"]))],
            true,
            true,
        ),
        (
            vec![to("bob", Share::All), to("bob", tracks(&["cam"]))],
            true,
            true,
        ),
        (
            vec![(Grantee::Identity(Identity("bobby".into())), Share::All)],
            false,
            false,
        ),
    ] {
        let mut stage = call();
        stage.allow(Allowance::Only(grantees.clone()));
        let receives = |track: &str| {
            stage
                .openings
                .values()
                .any(|it| it.participant == id("bob") && it.track == track_id(track))
        };
        assert_eq!(
            (receives("mic"), receives("cam")),
            (mic, cam),
            "{grantees:?}"
        );
    }
}

#[test]
fn a_recorder_is_never_withheld_anything_and_a_host_marked_so_is() {
    let mut stage = call();
    stage.allow(Allowance::Only(Vec::new()));
    stage
        .join_as("tape", |m| {
            hidden(m);
            m.participant.permission.recorder = true;
        })
        .unwrap();
    stage.log();
    assert_eq!(stage.openings.len(), 2);
    stage
        .join_as("host", |m| m.participant.permission.recorder = true)
        .unwrap();
    stage.log();
    assert_eq!(stage.openings.len(), 2);
}
