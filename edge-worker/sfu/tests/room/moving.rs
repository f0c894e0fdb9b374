//! Somebody goes over to another room, with its connections and all it publishes.

use sfu::{
    Allowance, Command, DataPublication, Encryption, Grantee, JoinRefusal, LeaveReason, Moved,
    Muted, Share, State, TransportKey,
};

use crate::stage::{Stage, describe, hidden, id, identity, microphone};

/// A room with alice and bob, and one with carol; alice publishes.
fn rooms() -> (Stage, Stage) {
    let (mut near, mut far) = (Stage::new(), Stage::new());
    for who in ["alice", "bob"] {
        near.join(who);
        near.room.activated(near.now, id(who));
    }
    far.join("carol");
    far.room.activated(far.now, id("carol"));
    // The keys of both rooms overlap.
    near.publish("bob", microphone("bobs"));
    near.publish("alice", microphone("mic"));
    near.publish("alice", microphone("song"));
    far.publish("carol", microphone("carols"));
    (near, far)
}

fn take(near: &mut Stage, far: &mut Stage) -> Moved {
    let luggage = near.room.take_along(near.now, id("alice")).unwrap();
    let now = far.now;
    far.room.bring_in(now, luggage, &mut far.wire).unwrap()
}

#[test]
fn what_was_published_goes_along_and_is_received_there() {
    let (mut near, mut far) = rooms();
    let songs = near
        .received
        .values()
        .map(|it| it.track)
        .collect::<Vec<_>>();
    let moved = take(&mut near, &mut far);
    assert_eq!(
        describe(&moved.joined.participant),
        "alice active [TR_mic TR_song]"
    );
    let others: Vec<_> = moved.joined.others.iter().map(|it| describe(it)).collect();
    assert_eq!(others, ["carol active [TR_carols]"]);

    let log = near.log();
    assert!(log.contains(&"alice closes TR_bobs".to_owned()), "{log:?}");
    assert!(log.contains(&"bob closes TR_mic".to_owned()), "{log:?}");
    assert!(
        log.contains(&"bob sees alice left(Moved)".to_owned()),
        "{log:?}"
    );
    assert!(
        !log.iter().any(|line| line.contains("alice is gone")),
        "{log:?}"
    );
    assert!(
        !log.iter().any(|line| line.contains("alice must leave")),
        "{log:?}"
    );

    let log = far.log();
    let seen = "carol sees alice active [TR_mic TR_song]".to_owned();
    assert!(log.contains(&seen), "{log:?}");
    let opened = "alice opens TR_carols Red in PA_carol|TR_carols".to_owned();
    assert!(log.contains(&opened), "{log:?}");
    far.settle();
    let mids: Vec<_> = moved.received.iter().map(|it| it.mid.to_string()).collect();
    assert_eq!(mids, ["1", "2"], "the m-lines are the same");
    for received in &moved.received {
        assert_eq!(far.speak(received.track), ["carol"]);
    }
    for track in songs {
        let receivers = near.speak(track);
        assert!(receivers.is_empty(), "nobody is left to hear {receivers:?}");
    }
    // Its next offer goes on from there.
    near.remove_section("alice", "song");
    let sections = near.sections("alice");
    let kept = far.room.offered(far.now, id("alice"), &sections);
    assert_eq!(kept, moved.received[..1]);
    let alice = far.room.find_identity(&identity("alice")).unwrap();
    assert_eq!(describe(alice), "alice active [TR_mic]");
}

#[test]
fn mutes_data_tracks_rights_and_whom_it_lets_receive_go_along() {
    let (mut near, mut far) = rooms();
    near.mute("alice", "mic", Muted::Yes);
    near.command(
        "alice",
        Command::Allow(Allowance::Only(vec![(
            Grantee::Identity(identity("dan")),
            Share::All,
        )])),
    );
    near.command(
        "alice",
        Command::PublishData(Box::new(DataPublication {
            handle: 7,
            name: "position".into(),
            encryption: Encryption::None,
            format: bytes::Bytes::new(),
        })),
    );
    near.numbered("alice", 40);
    near.log();
    far.join("dan");
    let moved = take(&mut near, &mut far);
    let alice = &moved.joined.participant;
    assert_eq!(describe(alice), "alice active [TR_mic(muted) TR_song]");
    assert_eq!(
        (alice.data_tracks[0].handle, alice.data_tracks.len()),
        (7, 1)
    );
    far.settle();
    let song = moved.received[1].track;
    assert_eq!(far.speak(song), ["dan"], "nobody else may");
    far.numbered("alice", 40);
    assert!(far.log().is_empty(), "that message came before");
    far.numbered("alice", 41);
    assert_eq!(far.log().len(), 2);
}

#[test]
fn it_is_the_same_participant_and_its_version_rises_on_the_way_there_and_back() {
    let (mut near, mut far) = rooms();
    let before = near.room.participant(id("alice")).unwrap().version;
    let there = take(&mut near, &mut far).joined.participant;
    assert!(there.version > before && there.state == State::Active);
    far.log();
    let luggage = far.room.take_along(far.now, id("alice")).unwrap();
    let now = near.now;
    let back = near.room.bring_in(now, luggage, &mut near.wire).unwrap();
    assert!(back.joined.participant.version > there.version);
    near.log();
    far.log();
    // And it can go from there as from anywhere.
    near.leave("alice");
    let log = near.log();
    assert!(log.contains(&"alice is gone".to_owned()), "{log:?}");
}

#[test]
fn whoever_would_not_be_let_in_is_known_before() {
    for (most, hide, closed, expected) in [
        (0, false, false, Ok(())),
        (1, false, false, Err(JoinRefusal::Full)),
        (2, false, false, Ok(())),
        (1, true, false, Err(JoinRefusal::Full)),
        (0, false, true, Err(JoinRefusal::Closed)),
    ] {
        let mut far = Stage::with(|info| info.max_participants = most);
        far.join("carol");
        if closed {
            far.room.close(far.now, LeaveReason::RoomDeleted);
        }
        let mut alice = crate::stage::membership("alice");
        if hide {
            hidden(&mut alice);
        }
        let answer = far.room.would_admit(&alice.participant);
        assert_eq!(answer, expected, "{most} {hide} {closed}");
    }
}

#[test]
fn somebody_without_media_goes_on_waiting_for_it_there() {
    let (mut near, mut far) = (Stage::new(), Stage::new());
    near.join("alice");
    far.join("carol");
    let moved = take(&mut near, &mut far);
    assert_eq!(describe(&moved.joined.participant), "alice joined");
    far.log();
    far.room.attach(far.now, id("alice"), TransportKey(1001));
    far.room.activated(far.now, id("alice"));
    let alice = far.room.find_identity(&identity("alice")).unwrap();
    assert_eq!(describe(alice), "alice active");
}
