//! Somebody comes back over a new connection: what it is told, and what it says.

use std::time::Duration;

use media::{MediaKind, TrackId};
use sfu::{LeaveReason, Resumed, Synced, UnknownTrack, Wanted};

use crate::stage::{Stage, camera, describe, hidden, id, identity, microphone, track_id};

fn resume(stage: &mut Stage, who: &str) -> Resumed {
    stage.room.resume(stage.now, id(who)).unwrap()
}

fn described(list: &[std::sync::Arc<sfu::ParticipantInfo>]) -> Vec<String> {
    list.iter().map(|info| describe(info)).collect()
}

fn sync(stage: &mut Stage, who: &str, synced: Synced) -> Result<(), UnknownTrack> {
    let Stage {
        room, now, wire, ..
    } = stage;
    room.sync(*now, id(who), synced, wire)
}

#[test]
fn who_left_and_who_is_there_is_told_to_somebody_who_comes_back() {
    let mut stage = Stage::new();
    for name in ["alice", "bob", "carol", "dan"] {
        stage.join(name);
    }
    stage.join_as("ghost", hidden).unwrap();
    stage.publish("carol", microphone("mic"));
    stage.leave("bob");
    stage.leave("ghost");
    // Dan left and is back under another id: only that one counts.
    stage
        .room
        .leave(stage.now, id("dan"), LeaveReason::ConnectionTimeout);
    stage.join("dan-again");
    stage.log();

    let resumed = resume(&mut stage, "alice");
    assert_eq!(described(&resumed.departed), ["bob left(ClientInitiated)"]);
    assert_eq!(
        described(&resumed.present),
        ["alice joined", "carol joined [TR_mic]", "dan-again joined"]
    );
    assert_eq!(describe(&resumed.participant), "alice joined");
    assert_eq!((resumed.last_sequence, resumed.announced.len()), (0, 0));
    assert_eq!(stage.log(), [""; 0], "nobody else hears of it");

    stage.room.activated(stage.now, id("alice"));
    stage.pass(Duration::from_secs(301));
    stage.log();
    let resumed = resume(&mut stage, "alice");
    // The others' media never connected.
    let departed = described(&resumed.departed);
    assert!(
        departed.iter().all(|gone| !gone.starts_with("bob")),
        "bob left long ago: {departed:?}"
    );
    assert!(stage.room.resume(stage.now, id("bob")).is_none());
}

#[test]
fn who_left_is_told_by_the_protocol_of_who_comes_back() {
    let mut stage = Stage::new();
    for (name, protocol) in [("eight", 8), ("nine", 9), ("twelve", 12)] {
        stage.join_as(name, |m| m.protocol = protocol).unwrap();
    }
    stage.join("dan");
    stage.join("dan-again");
    stage.join("eve");
    stage.leave("eve");
    let dan = "dan left(DuplicateIdentity)".to_owned();
    let eve = "eve left(ClientInitiated)".to_owned();
    for (name, expected) in [
        ("eight", vec![]),
        ("nine", vec![dan, eve.clone()]),
        ("twelve", vec![eve]),
    ] {
        assert_eq!(described(&resume(&mut stage, name).departed), expected);
    }
}

#[test]
fn so_many_who_left_are_remembered_and_without_their_texts() {
    let mut stage = Stage::new();
    stage.join("alice");
    for number in 0..600 {
        let name = format!("guest{number}");
        stage
            .join_as(&name, |m| m.participant.metadata = "long".into())
            .unwrap();
        stage.leave(&name);
        stage.log();
    }
    let departed = resume(&mut stage, "alice").departed;
    assert_eq!(departed.len(), 512);
    assert_eq!(departed[511].identity, identity("guest599"));
    assert!(departed.iter().all(|gone| gone.metadata.is_empty()));
}

#[test]
fn somebody_hidden_sees_itself_when_it_comes_back_and_others_do_not() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join_as("ghost", hidden).unwrap();
    let ghost = resume(&mut stage, "ghost");
    assert_eq!(described(&ghost.present), ["alice joined", "ghost joined"]);
    let alice = resume(&mut stage, "alice");
    assert_eq!(described(&alice.present), ["alice joined"]);
}

#[test]
fn what_was_announced_and_has_no_media_yet_is_acknowledged_again() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.publish("alice", microphone("mic"));
    stage.announce("alice", camera("cam"));
    let resumed = resume(&mut stage, "alice");
    let [(cid, track)] = resumed.announced.as_slice() else {
        panic!("one track waits")
    };
    assert_eq!((cid.as_str(), track.id), ("cam", track_id("cam")));
}

#[test]
fn own_tracks_have_to_be_known() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.publish("alice", microphone("mic"));
    stage.add_section("alice", "cam", MediaKind::Video, "");
    stage.announce("alice", camera("cam"));
    stage.announce("alice", camera("later"));
    stage.publish("bob", microphone("other"));
    let unknown = |name: &str| Err(UnknownTrack(track_id(name)));
    for (published, expected) in [
        (&["mic", "cam", "later"][..], Ok(())),
        (&["mic"], Ok(())),
        (&[], Ok(())),
        (&["mic", "lost"], unknown("lost")),
        (&["other"], unknown("other")),
    ] {
        let published: Vec<TrackId> = published.iter().map(|name| track_id(name)).collect();
        let synced = Synced {
            published: published.clone(),
            ..Synced::default()
        };
        assert_eq!(sync(&mut stage, "alice", synced), expected, "{published:?}");
    }
}

#[test]
fn wishes_told_on_coming_back_are_followed() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    let mic = stage.publish("alice", microphone("mic"));
    let other = stage.publish("alice", microphone("other"));
    let third = stage.publish("alice", microphone("third"));
    let synced = Synced {
        tracks: vec![track_id("mic")],
        wanted: Wanted::No,
        disabled: vec![track_id("other")],
        ..Synced::default()
    };
    sync(&mut stage, "bob", synced.clone()).unwrap();
    assert_eq!(stage.log(), ["bob closes TR_mic"]);
    for (track, expected) in [(mic, &[][..]), (other, &[]), (third, &["bob"])] {
        assert_eq!(stage.speak(track), expected);
    }
    sync(&mut stage, "bob", synced).unwrap();
    assert_eq!(stage.log(), [""; 0], "twice does no harm");
}

#[test]
fn rs_2_a_message_sent_again_is_dropped_and_rs_3_the_last_is_remembered() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    for (sequence, arrives) in [
        (1, true),
        (2, true),
        (2, false),
        (1, false),
        (5, true),
        (0, true),
    ] {
        stage.numbered("alice", sequence);
        let expected = if arrives {
            vec![format!("bob gets Reliable {sequence}")]
        } else {
            vec![]
        };
        assert_eq!(stage.log(), expected, "{sequence}");
    }
    assert_eq!(stage.room.data_drops().repeated, 2);
    assert_eq!(resume(&mut stage, "alice").last_sequence, 5);
}

#[test]
fn rs_6_who_joins_anew_counts_from_the_start() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    for sequence in 1..=3 {
        stage.numbered("alice", sequence);
    }
    stage.log();
    // Another membership of the same identity.
    stage.join("alice-again");
    assert_eq!(resume(&mut stage, "alice-again").last_sequence, 0);
    stage.numbered("alice-again", 1);
    assert_eq!(stage.log(), ["bob gets Reliable 1"]);
    stage.numbered("alice-again", 1);
    assert_eq!(stage.log(), [""; 0]);
}

#[test]
fn rs_4_messages_missed_in_the_gap_are_given_to_whom_they_were_meant_for() {
    let mut stage = Stage::new();
    for name in ["alice", "bob", "carol"] {
        stage.join(name);
    }
    for sequence in 1..=3 {
        stage.numbered("alice", sequence);
        stage.pass(Duration::from_millis(300));
    }
    stage.log();
    for (who, from, last, expected) in [
        (
            "bob",
            "alice",
            1,
            &["bob gets Reliable 2", "bob gets Reliable 3"][..],
        ),
        ("bob", "alice", 3, &[]),
        ("alice", "alice", 1, &[]),
        ("bob", "carol", 0, &[]),
        ("bob", "stranger", 0, &[]),
    ] {
        let synced = Synced {
            received: vec![(id(from), last)],
            ..Synced::default()
        };
        sync(&mut stage, who, synced).unwrap();
        assert_eq!(stage.log(), expected, "{who} after {last} from {from}");
    }
    stage.pass(Duration::from_secs(2));
    let synced = Synced {
        received: vec![(id("alice"), 1)],
        ..Synced::default()
    };
    sync(&mut stage, "bob", synced).unwrap();
    assert_eq!(stage.log(), [""; 0], "that was too long ago");
}

#[test]
fn who_pretends_to_speak_is_shown_so_for_as_long_as_it_asked() {
    let mut stage = Stage::new();
    stage.join("alice");
    stage.join("bob");
    stage.join_as("ghost", hidden).unwrap();
    stage.log();
    stage.room.pretend_to_speak(stage.now, id("alice"), 3);
    let started = stage.log();
    assert_eq!(started.len(), 3, "{started:?}");
    stage.pass(Duration::from_millis(2_900));
    assert_eq!(stage.log(), [""; 0]);
    stage.pass(Duration::from_millis(200));
    let ended = stage.log();
    assert_eq!(ended.len(), 3, "{ended:?}");
    assert_ne!(started, ended);
    stage.room.pretend_to_speak(stage.now, id("ghost"), 3);
    assert_eq!(stage.log().len(), 1, "told to itself alone");
    stage.leave("ghost");
    stage.log();
    stage.pass(Duration::from_secs(4));
    let mut later = stage.log();
    later.retain(|line| !line.contains(" counts "));
    assert_eq!(later, [""; 0], "who is gone says nothing");
}
