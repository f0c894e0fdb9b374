//! Data tracks: announced, received under numbers of each subscriber's own, taken back.

use bytes::Bytes;
use sfu::{
    Command, DataFrame, DataPublication, DataTrackInfo, DataWish, Encryption, ParticipantInfo,
    Synced, Wanted,
};

use crate::stage::{Stage, hidden, id};

fn publish(stage: &mut Stage, who: &str, handle: u32, name: &str) {
    let publication = DataPublication {
        handle,
        name: name.to_owned(),
        encryption: Encryption::None,
        format: Bytes::new(),
    };
    stage.command(who, Command::PublishData(Box::new(publication)));
}

fn subscribe(stage: &mut Stage, who: &str, track: &str, wanted: Wanted) {
    let wish = DataWish {
        track: track.parse().unwrap(),
        wanted,
        fps: None,
    };
    stage.command(who, Command::SubscribeData(vec![wish]));
}

fn frame(stage: &mut Stage, who: &str, handle: u16) -> Vec<String> {
    numbered(stage, who, handle, 0)
}

fn numbered(stage: &mut Stage, who: &str, handle: u16, number: u16) -> Vec<String> {
    let frame = DataFrame {
        handle,
        number,
        bytes: Bytes::from(format!("frame of {who}")),
    };
    stage.room.handle_frame(stage.now, id(who), &frame);
    stage.log()
}

fn shown(stage: &Stage, who: &str) -> Vec<String> {
    let info: &ParticipantInfo = stage.room.participant(id(who)).unwrap();
    let tracks = info.data_tracks.iter();
    tracks
        .map(|it| format!("{} {}", it.handle, it.name))
        .collect()
}

/// What was told of `what`, in order.
fn about(log: &[String], what: &str) -> Vec<String> {
    log.iter()
        .filter(|line| line.contains(what))
        .cloned()
        .collect()
}

#[test]
fn frames_reach_who_wants_them_under_a_number_of_its_own() {
    let mut stage = Stage::new();
    for name in ["alice", "bob", "carol"] {
        stage.join(name);
    }
    publish(&mut stage, "alice", 9, "position");
    publish(&mut stage, "bob", 9, "heat");
    let log = stage.log();
    assert_eq!(
        about(&log, "DTR_"),
        [
            "alice has position as DTR_alice1",
            "bob has heat as DTR_bob2"
        ]
    );
    assert_eq!(shown(&stage, "alice"), ["9 position"]);
    assert_eq!(frame(&mut stage, "alice", 9), [""; 0], "nobody wants them");

    subscribe(&mut stage, "carol", "DTR_bob2", Wanted::Yes);
    subscribe(&mut stage, "carol", "DTR_alice1", Wanted::Yes);
    subscribe(&mut stage, "bob", "DTR_alice1", Wanted::Yes);
    assert_eq!(
        stage.log(),
        [
            "carol gets DTR_bob2 as 1",
            "carol gets DTR_bob2 as 1, DTR_alice1 as 2",
            "bob gets DTR_alice1 as 1"
        ]
    );
    assert_eq!(
        frame(&mut stage, "alice", 9),
        [
            "carol gets frame of alice as 2",
            "bob gets frame of alice as 1"
        ]
    );
    assert_eq!(
        frame(&mut stage, "bob", 9),
        ["carol gets frame of bob as 1"]
    );
    assert_eq!(frame(&mut stage, "alice", 8), [""; 0]);
    assert_eq!(frame(&mut stage, "stranger", 9), [""; 0]);
    assert_eq!(stage.room.data_drops().unpublished, 2);

    // Asked again, it is told again; frames come once.
    subscribe(&mut stage, "bob", "DTR_alice1", Wanted::Yes);
    assert_eq!(stage.log(), ["bob gets DTR_alice1 as 1"]);
    subscribe(&mut stage, "carol", "DTR_alice1", Wanted::No);
    subscribe(&mut stage, "carol", "DTR_gone", Wanted::Yes);
    assert_eq!(stage.log(), [""; 0]);
    assert_eq!(
        frame(&mut stage, "alice", 9),
        ["bob gets frame of alice as 1"]
    );
    subscribe(&mut stage, "carol", "DTR_alice1", Wanted::Yes);
    assert_eq!(
        stage.log(),
        ["carol gets DTR_bob2 as 1, DTR_alice1 as 3"],
        "frames under the old number may still be under way"
    );
}

#[test]
fn who_comes_back_hears_its_numbers_again() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    publish(&mut stage, "alice", 9, "position");
    subscribe(&mut stage, "bob", "DTR_alice1", Wanted::Yes);
    stage.log();
    for (who, expected) in [("alice", &[][..]), ("bob", &["bob gets DTR_alice1 as 1"])] {
        let Stage {
            room, now, wire, ..
        } = &mut stage;
        room.sync(*now, id(who), Synced::default(), wire).unwrap();
        assert_eq!(stage.log(), expected);
    }
}

#[test]
fn what_cannot_be_published_is_refused_with_its_reason() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage
        .join_as("quiet", |m| {
            m.participant.permission.can_publish_data = false;
        })
        .unwrap();
    publish(&mut stage, "alice", 1, "position");
    stage.log();
    let long = "n".repeat(257);
    for (who, handle, name, expected) in [
        ("quiet", 1, "position", "NotAllowed"),
        ("alice", 0, "zero", "InvalidHandle"),
        ("alice", 65_536, "large", "InvalidHandle"),
        ("alice", 2, "", "InvalidName"),
        ("alice", 2, long.as_str(), "InvalidName"),
        ("alice", 1, "other", "DuplicateHandle"),
        ("alice", 2, "position", "DuplicateName"),
    ] {
        publish(&mut stage, who, handle, name);
        assert_eq!(
            stage.log(),
            [format!("{who} may not have {name}: {expected}")]
        );
    }
    stage.command("alice", Command::UnpublishData { handle: 5 });
    assert_eq!(stage.log(), ["alice may not end 5: NotFound"]);
    for handle in 2..=128 {
        publish(&mut stage, "alice", handle, &format!("track{handle}"));
    }
    stage.log();
    publish(&mut stage, "alice", 129, "one too many");
    assert_eq!(
        stage.log(),
        ["alice may not have one too many: LimitExceeded"]
    );
}

#[test]
fn tracks_end_with_a_word_a_right_or_their_publisher() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    for (handle, name) in [(1, "first"), (2, "second")] {
        publish(&mut stage, "alice", handle, name);
    }
    for track in ["DTR_alice1", "DTR_alice2"] {
        subscribe(&mut stage, "bob", track, Wanted::Yes);
    }
    stage.log();
    stage.command("alice", Command::UnpublishData { handle: 1 });
    assert_eq!(about(&stage.log(), "first"), ["alice has no first"]);
    assert_eq!(shown(&stage, "alice"), ["2 second"]);
    assert_eq!(frame(&mut stage, "alice", 1), [""; 0]);

    stage.permit("alice", |permission| permission.can_publish_data = false);
    assert_eq!(about(&stage.log(), "second"), ["alice has no second"]);
    assert_eq!(shown(&stage, "alice"), [""; 0]);
    assert_eq!(frame(&mut stage, "alice", 2), [""; 0]);

    stage.permit("alice", |permission| permission.can_publish_data = true);
    publish(&mut stage, "alice", 1, "first");
    subscribe(&mut stage, "bob", "DTR_alice3", Wanted::Yes);
    stage.log();
    assert_eq!(
        frame(&mut stage, "alice", 1),
        ["bob gets frame of alice as 3"]
    );
    stage.permit("bob", |permission| permission.can_subscribe = false);
    stage.log();
    assert_eq!(frame(&mut stage, "alice", 1), [""; 0]);
    subscribe(&mut stage, "bob", "DTR_alice3", Wanted::Yes);
    assert_eq!(stage.log(), [""; 0]);

    stage.leave("alice");
    stage.join("alice-again");
    stage.log();
    assert_eq!(shown(&stage, "alice-again"), [""; 0]);
    assert_eq!(frame(&mut stage, "alice-again", 1), [""; 0]);
}

#[test]
fn nobody_is_shown_what_somebody_hidden_publishes() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join_as("ghost", hidden).unwrap();
    stage.log();
    publish(&mut stage, "ghost", 1, "secret");
    let log = stage.log();
    assert!(log.iter().all(|line| line.starts_with("ghost")), "{log:?}");
}

#[test]
fn who_wants_every_data_track_has_those_that_are_there_and_those_to_come() {
    let mut stage = Stage::new();
    stage.join("alice");
    publish(&mut stage, "alice", 9, "position");
    stage.log();
    let all = |membership: &mut sfu::Membership| membership.auto_subscribe_data = Wanted::Yes;
    stage.join_as("bob", all).unwrap();
    stage.join("carol");
    stage.log();
    assert_eq!(
        frame(&mut stage, "alice", 9),
        ["bob gets frame of alice as 1"]
    );
    publish(&mut stage, "alice", 10, "heat");
    let log = stage.log();
    let told = "bob gets DTR_alice1 as 1, DTR_alice2 as 2".to_owned();
    assert!(log.contains(&told), "{log:?}");
    assert_eq!(
        frame(&mut stage, "alice", 10),
        ["bob gets frame of alice as 2"]
    );
    publish(&mut stage, "bob", 1, "own");
    stage.log();
    assert_eq!(frame(&mut stage, "bob", 1), [""; 0], "nobody gets its own");
    // What it does not want after all it does not get.
    subscribe(&mut stage, "bob", "DTR_alice2", Wanted::No);
    assert_eq!(frame(&mut stage, "alice", 10), [""; 0]);
}

#[test]
fn whoever_wants_fewer_frames_a_second_gets_fewer_and_the_others_all() {
    let mut stage = Stage::new();
    for name in ["alice", "bob", "carol"] {
        stage.join(name);
    }
    publish(&mut stage, "alice", 9, "position");
    subscribe(&mut stage, "carol", "DTR_alice1", Wanted::Yes);
    let wish = |fps| DataWish {
        track: "DTR_alice1".parse().unwrap(),
        wanted: Wanted::Yes,
        fps: std::num::NonZeroU32::new(fps),
    };
    stage.command("bob", Command::SubscribeData(vec![wish(5)]));
    stage.log();
    let second = |stage: &mut Stage| {
        let mut got = [0, 0];
        for number in 0..50 {
            let log = numbered(stage, "alice", 9, number);
            got[0] += about(&log, "bob").len();
            got[1] += about(&log, "carol").len();
            stage.now += std::time::Duration::from_millis(20);
        }
        got
    };
    let [bob, carol] = second(&mut stage);
    assert!((5..=6).contains(&bob) && carol == 50, "{bob} {carol}");
    stage.command("bob", Command::SubscribeData(vec![wish(0)]));
    stage.log();
    assert_eq!(second(&mut stage), [50, 50], "all again");
}

#[test]
fn whoever_comes_back_hears_which_of_its_data_tracks_are_gone_and_gets_what_it_asks_for() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    publish(&mut stage, "alice", 9, "position");
    publish(&mut stage, "bob", 9, "heat");
    stage.log();
    let believed = |id: &str, name: &str| {
        std::sync::Arc::new(DataTrackInfo {
            id: id.parse().unwrap(),
            handle: 9,
            name: name.to_owned(),
            encryption: Encryption::None,
            format: Bytes::new(),
        })
    };
    let synced = Synced {
        published_data: vec![
            believed("DTR_alice1", "position"),
            believed("DTR_gone", "gone"),
            believed("DTR_bob2", "heat"),
        ],
        data: vec![DataWish {
            track: "DTR_bob2".parse().unwrap(),
            wanted: Wanted::Yes,
            fps: None,
        }],
        ..Synced::default()
    };
    let (now, room) = (stage.now, &mut stage.room);
    room.sync(now, id("alice"), synced, &mut stage.wire)
        .unwrap();
    let log = stage.log();
    assert_eq!(
        about(&log, "has no"),
        ["alice has no gone", "alice has no heat"]
    );
    assert_eq!(
        frame(&mut stage, "bob", 9),
        ["alice gets frame of bob as 1"]
    );
}
