//! One room on several nodes: everybody sees, hears and reads everybody, and each node
//! speaks for its own people alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::{
    Bitrate, Codec, Layer, NtpTime, Packet, PlayoutDelay, Rid, Rtcp, SenderReport, Ssrc, Timestamp,
};
use sfu::{
    Allowance, Beginning, Command, DataFrame, DataPublication, DataWish, Destinations, Encryption,
    Grantee, LeaveReason, LinkKey, LinkNews, Linked, LinkedTrack, Message, Muted,
    ParticipantChange, Playing, Profile, Reliability, RoomChange, Share, Streaming, Streams,
    Supply, Synced, TrackInfo, TrackKey, TrackSettings, TransportKey, VideoQuality, Visibility,
    Wanted,
};

use crate::film::{RATES, layered};
use crate::nodes::{FABRIC, Nodes, SECOND};
use crate::stage::{Stage, camera, hidden, id, identity, membership, microphone, track_id};

/// Alice on the first node, bob on the second, and so on.
fn people(names: &[&str]) -> Nodes {
    let mut nodes = Nodes::new(names.len());
    for (node, who) in names.iter().enumerate() {
        nodes.join(node, who);
    }
    nodes.hush();
    nodes
}

#[test]
fn who_is_connected_elsewhere_is_seen_and_heard_like_anybody() {
    let mut nodes = people(&["alice", "bob", "carol"]);
    let everybody = ["alice active", "bob active", "carol active"];
    for node in 0..3 {
        assert_eq!(nodes.shown(node), everybody, "{node}");
    }
    let mic = nodes.publish(0, "alice", microphone("mic"));
    nodes.was_told(1, "bob sees alice active [TR_mic]");
    nodes.was_told(0, "alice is received on TR_mic");
    assert_eq!(nodes.speak(0, mic), ["bob", "carol"]);
    assert_eq!(nodes.speak(0, mic), ["bob", "carol"]);

    let song = nodes.publish(2, "carol", microphone("song"));
    assert_eq!(nodes.speak(2, song), ["alice", "bob"]);

    // Loud enough, and for long enough, to be shown as speaking.
    nodes.hush();
    for stage in &mut nodes.stages {
        stage.level = 10;
    }
    for _ in 0..60 {
        nodes.speak(0, mic);
    }
    let heard = |log: Vec<String>| log.iter().any(|line| line.contains("bob hears alice at"));
    assert!(heard(nodes.log(1)));
}

#[test]
fn who_comes_later_finds_everybody_and_all_they_publish() {
    let mut nodes = people(&["alice", "bob"]);
    let mic = nodes.publish(0, "alice", microphone("mic"));
    let change = ParticipantChange {
        metadata: Some("in the chair".into()),
        ..ParticipantChange::default()
    };
    let Stage { room, now, .. } = &mut nodes.stages[0];
    room.update_participant(*now, id("alice"), change).unwrap();
    let late = nodes.open();
    nodes.join(late, "carol");
    nodes.join(late, "dan");
    assert_eq!(
        nodes.shown(late),
        [
            "alice active [TR_mic]",
            "bob active",
            "carol active",
            "dan active"
        ]
    );
    let before = membership("alice").participant;
    let seen = nodes.seen(late, "alice");
    assert_eq!(seen, nodes.seen(0, "alice"));
    assert_eq!(seen.metadata, "in the chair");
    assert_eq!(
        (seen.id, seen.joined_at_ms),
        (before.id, before.joined_at_ms)
    );
    assert_eq!(nodes.speak(0, mic), ["bob", "carol", "dan"]);
    // To two of a node it goes once.
    assert_eq!(nodes.crossed[&(track_id("mic"), Layer::LOW)], 1);
    for node in 0..3 {
        assert_eq!(nodes.stages[node].room.info().participants, 4, "{node}");
        assert_eq!(nodes.stages[node].room.info().publishers, 1, "{node}");
    }
    let far = nodes.stages[late].room.far_participants();
    assert_eq!(far.count(), 2);
    assert_eq!(nodes.stages[late].room.home(id("alice")), Some(FABRIC));
    assert_eq!(nodes.stages[late].room.home(id("dan")), None);
    assert_eq!(nodes.stages[late].room.home(id("nobody")), None);
}

#[test]
fn who_leaves_is_gone_everywhere_with_all_it_published() {
    let mut nodes = people(&["alice", "bob", "carol"]);
    let mic = nodes.publish(0, "alice", microphone("mic"));
    nodes.publish(0, "alice", microphone("song"));
    assert_eq!(nodes.wanted(1, "mic"), [0]);
    nodes.stages[0].remove_section("alice", "mic");
    nodes.stages[0].offer("alice");
    nodes.settle();
    assert_eq!(nodes.wanted(1, "mic"), [0; 0]);
    assert_eq!(nodes.shown(1)[0], "alice active [TR_song]");
    nodes.hush();
    nodes.leave(0, "alice");
    assert_eq!(nodes.shown(1), ["bob active", "carol active"]);
    assert_eq!(nodes.wanted(1, "song"), [0; 0]);
    assert_eq!(nodes.speak(0, mic), [""; 0]);
    nodes.was_told(1, "bob sees alice left(ClientInitiated)");
    assert_eq!(nodes.stages[1].room.track_of(track_id("song")), None);
}

#[test]
fn when_a_node_dies_its_people_leave_and_a_broken_link_ends_all_that_came_over_it() {
    let mut nodes = people(&["alice", "bob", "carol"]);
    nodes.publish(0, "alice", microphone("mic"));
    nodes.cut_off.insert(0);
    let lost = LeaveReason::ConnectionTimeout;
    let Stage { room, now, .. } = &mut nodes.stages[1];
    room.leave(*now, id("alice"), lost);
    nodes.settle();
    nodes.was_told(1, "bob sees alice left(ConnectionTimeout)");
    assert_eq!(nodes.shown(1), ["bob active", "carol active"]);

    let Stage { room, now, .. } = &mut nodes.stages[2];
    room.cut(*now, FABRIC);
    nodes.settle();
    assert_eq!(nodes.shown(2), ["carol active"]);
    // Nothing is said over it any more.
    nodes.stages[2].join_as("dan", |_| {}).unwrap();
    nodes.settle();
    assert_eq!(nodes.shown(1), ["bob active", "carol active"]);
    for node in 1..3 {
        let facts = nodes.facts(node);
        assert!(!facts.iter().any(|it| it.contains("alice")), "{facts:?}");
    }
}

#[test]
fn facts_are_told_where_somebody_is_connected_and_of_the_room_once() {
    let mut nodes = people(&["alice", "bob"]);
    nodes.publish(1, "bob", microphone("mic"));
    nodes.leave(1, "bob");
    nodes.pass(10 * SECOND);
    assert_eq!(nodes.facts(0), ["room started", "alice joined"]);
    let expected = [
        "bob joined",
        "bob published mic",
        "bob unpublished mic",
        "bob left",
    ];
    assert_eq!(nodes.facts(1), expected);
}

#[test]
fn only_the_layer_that_is_shown_crosses_however_many_show_it() {
    let mut nodes = people(&["alice", "bob"]);
    for number in 0..49 {
        nodes.join(1, &format!("p{number}"));
    }
    let mut film = nodes.film(0, "alice", layered("cam"));
    nodes.roll(0, &mut [&mut film], SECOND);
    nodes.receivers();
    nodes.crossed();
    nodes.roll(0, &mut [&mut film], 2 * SECOND);
    assert_eq!(nodes.crossed(), [2]);
    let mut receivers = nodes.receivers();
    receivers.dedup();
    assert_eq!(receivers.len(), 50);
    let rate = nodes.rate((1, "bob"), "cam", (0, &mut film));
    assert!(rate.abs_diff(RATES[2] as usize) < 200, "{rate} kbit/s");
}

#[test]
fn each_layer_shown_anywhere_crosses_and_an_old_one_until_the_new_one_plays() {
    let mut nodes = people(&["alice", "bob", "carol"]);
    let mut film = nodes.film(0, "alice", layered("cam"));
    nodes.roll(0, &mut [&mut film], SECOND);
    let show = |nodes: &mut Nodes, node: usize, who, quality| {
        let settings = TrackSettings {
            quality: Some(quality),
            ..TrackSettings::default()
        };
        nodes.stages[node].settings(who, "cam", settings);
        nodes.pass(Duration::from_millis(200));
    };
    film.ignores_requests = true;
    show(&mut nodes, 1, "bob", VideoQuality::Low);
    nodes.roll(0, &mut [&mut film], SECOND);
    assert_eq!(nodes.wanted(1, "cam"), [0, 2]);
    film.ignores_requests = false;
    // A request, a keyframe, and then nothing of the old layer.
    let frame = Duration::from_millis(33);
    let asked = Duration::from_secs(1);
    let mut frames = 0;
    while !nodes.asked_lately(0) {
        nodes.roll(0, &mut [&mut film], frame);
        frames += 1;
        assert!(frames * frame < asked, "nobody asks");
    }
    nodes.roll(0, &mut [&mut film], frame);
    assert_eq!(nodes.wanted(1, "cam"), [0]);
    nodes.crossed();
    nodes.roll(0, &mut [&mut film], SECOND);
    assert_eq!(nodes.crossed(), [0, 2], "carol still shows the best");
    let rate = nodes.rate((1, "bob"), "cam", (0, &mut film));
    assert!(rate.abs_diff(RATES[0] as usize) < 50, "{rate} kbit/s");

    nodes.stages[2].subscribe("carol", "cam", Wanted::No);
    nodes.settle();
    assert_eq!(nodes.wanted(2, "cam"), [0; 0]);
    nodes.roll(0, &mut [&mut film], SECOND);
    nodes.crossed();
    nodes.roll(0, &mut [&mut film], SECOND);
    assert_eq!(nodes.crossed(), [0]);
}

#[test]
fn a_publisher_sends_what_is_wanted_elsewhere_and_no_more() {
    let mut nodes = people(&["alice", "bob"]);
    let mut film = nodes.film(0, "alice", layered("cam"));
    let show = |nodes: &mut Nodes, settings| nodes.stages[1].settings("bob", "cam", settings);
    let quality = |quality| TrackSettings {
        quality: Some(quality),
        ..TrackSettings::default()
    };
    let told = |highest: &str| format!("alice is to send TR_cam as Vp8 {highest}");
    nodes.roll(0, &mut [&mut film], 2 * SECOND);
    show(&mut nodes, quality(VideoQuality::Low));
    nodes.roll(0, &mut [&mut film], 20 * SECOND);
    nodes.was_told(0, &told("Some(Low)"));
    // It turns off what nobody wants.
    film.on = [true, false, false];
    nodes.roll(0, &mut [&mut film], 2 * SECOND);

    // That better layers are not there is no reason not to want them.
    show(&mut nodes, quality(VideoQuality::High));
    nodes.settle();
    nodes.was_told(0, &told("Some(High)"));
    film.on = [true; 3];
    nodes.roll(0, &mut [&mut film], SECOND);
    let rate = nodes.rate((1, "bob"), "cam", (0, &mut film));
    assert!(rate.abs_diff(RATES[2] as usize) < 200, "{rate} kbit/s");

    nodes.stages[1].subscribe("bob", "cam", Wanted::No);
    nodes.roll(0, &mut [&mut film], 12 * SECOND);
    nodes.was_told(0, &told("None"));
}

#[test]
fn what_a_far_viewers_own_link_does_not_carry_is_not_sent_there_but_stays_wanted() {
    let mut nodes = people(&["alice", "bob"]);
    let mut film = nodes.film(0, "alice", layered("cam"));
    nodes.roll(0, &mut [&mut film], 2 * SECOND);
    let estimate = |nodes: &mut Nodes, kilobits| {
        let Stage {
            room, now, wire, ..
        } = &mut nodes.stages[1];
        let estimate = Some(Bitrate::kilobits(kilobits));
        room.set_estimate(*now, id("bob"), estimate, wire);
    };
    nodes.hush();
    estimate(&mut nodes, 700);
    nodes.roll(0, &mut [&mut film], 20 * SECOND);
    nodes.crossed();
    nodes.roll(0, &mut [&mut film], 10 * SECOND);
    assert_eq!(nodes.crossed(), [1]);
    // A better layer that is not sent could not be tried.
    let told = nodes.log(0);
    let less = told
        .iter()
        .find(|line| line.contains("is to send") && !line.contains("High"));
    assert_eq!(less, None);
    estimate(&mut nodes, 5_000);
    nodes.roll(0, &mut [&mut film], 6 * SECOND);
    let rate = nodes.rate((1, "bob"), "cam", (0, &mut film));
    assert!(rate.abs_diff(RATES[2] as usize) < 200, "{rate} kbit/s");

    // Once it shows it small for good, less will do.
    estimate(&mut nodes, 700);
    nodes.roll(0, &mut [&mut film], 6 * SECOND);
    let settings = TrackSettings {
        quality: Some(VideoQuality::Low),
        ..TrackSettings::default()
    };
    nodes.stages[1].settings("bob", "cam", settings);
    nodes.roll(0, &mut [&mut film], 30 * SECOND);
    nodes.was_told(0, "alice is to send TR_cam as Vp8 Some(Low)");
}

#[test]
fn a_layer_that_falls_silent_is_made_up_for_and_taken_up_again() {
    let mut nodes = people(&["alice", "bob"]);
    let mut film = nodes.film(0, "alice", layered("cam"));
    nodes.roll(0, &mut [&mut film], 2 * SECOND);
    for (on, layer) in [
        ([true, true, false], 1),
        ([true, false, false], 0),
        ([true; 3], 2),
        ([true, true, false], 1),
    ] {
        film.on = on;
        nodes.roll(0, &mut [&mut film], 3 * SECOND);
        nodes.crossed();
        let rate = nodes.rate((1, "bob"), "cam", (0, &mut film));
        assert_eq!(nodes.crossed(), [layer]);
        let expected = RATES[usize::from(layer)] as usize;
        assert!(
            rate.abs_diff(expected) < expected / 4,
            "{rate} kbit/s of {layer}"
        );
    }
}

#[test]
fn a_layer_that_the_link_does_not_carry_is_made_up_for_and_stays_wanted() {
    let mut nodes = people(&["alice", "bob"]);
    let mut film = nodes.film(0, "alice", layered("cam"));
    nodes.roll(0, &mut [&mut film], 2 * SECOND);
    nodes.pause(1, "cam", Layer::HIGH, Streaming::Paused);
    nodes.roll(0, &mut [&mut film], SECOND);
    assert_eq!(nodes.wanted(1, "cam"), [1, 2]);
    let medium = nodes.rate((1, "bob"), "cam", (0, &mut film));
    assert!(medium.abs_diff(RATES[1] as usize) < 100, "{medium} kbit/s");
    nodes.pause(1, "cam", Layer::HIGH, Streaming::Active);
    nodes.roll(0, &mut [&mut film], SECOND);
    assert_eq!(nodes.wanted(1, "cam"), [2]);
    let best = nodes.rate((1, "bob"), "cam", (0, &mut film));
    assert!(best.abs_diff(RATES[2] as usize) < 200, "{best} kbit/s");
}

#[test]
fn what_crosses_twice_or_not_at_all_for_a_while_breaks_nothing() {
    let mut nodes = people(&["alice", "bob"]);
    let mut film = nodes.film(0, "alice", layered("cam"));
    let mic = nodes.publish(0, "alice", microphone("mic"));
    nodes.roll(0, &mut [&mut film], 2 * SECOND);
    nodes.doubles = true;
    let rate = nodes.rate((1, "bob"), "cam", (0, &mut film));
    assert!(rate.abs_diff(RATES[2] as usize) < 200, "{rate} kbit/s");
    assert_eq!(nodes.speak(0, mic), ["bob"]);
    nodes.doubles = false;
    // For longer than numbers can be told apart.
    for gap in [1, 40, 400] {
        nodes.stages[1].subscribe("bob", "cam", Wanted::No);
        nodes.roll(0, &mut [&mut film], gap * SECOND);
        nodes.stages[1].subscribe("bob", "cam", Wanted::Yes);
        nodes.roll(0, &mut [&mut film], SECOND);
        let rate = nodes.rate((1, "bob"), "cam", (0, &mut film));
        assert!(
            rate.abs_diff(RATES[2] as usize) < 200,
            "{rate} kbit/s after {gap} s"
        );
    }
}

#[test]
fn what_is_muted_is_shown_so_and_not_sent_and_can_be_heard_again() {
    let mut nodes = people(&["alice", "bob"]);
    let mic = nodes.publish(0, "alice", microphone("mic"));
    nodes.stages[0].mute("alice", "mic", Muted::Yes);
    assert_eq!(nodes.speak(0, mic), [""; 0]);
    assert_eq!(nodes.shown(1)[0], "alice active [TR_mic(muted)]");
    nodes.stages[0].mute("alice", "mic", Muted::No);
    assert_eq!(nodes.speak(0, mic), ["bob"]);
    assert_eq!(nodes.shown(1)[0], "alice active [TR_mic]");

    let mut film = nodes.film(0, "alice", layered("cam"));
    nodes.roll(0, &mut [&mut film], SECOND);
    for muted in [Muted::Yes, Muted::No] {
        nodes.stages[0].mute("alice", "cam", muted);
        nodes.roll(0, &mut [&mut film], SECOND);
    }
    let rate = nodes.rate((1, "bob"), "cam", (0, &mut film));
    assert!(rate.abs_diff(RATES[2] as usize) < 200, "{rate} kbit/s");
}

#[test]
fn how_somebody_shows_and_what_it_may_is_the_same_everywhere() {
    let mut nodes = people(&["alice", "bob"]);
    nodes.publish(0, "alice", microphone("mic"));
    let mut permission = membership("alice").participant.permission;
    permission.can_publish = false;
    let change = ParticipantChange {
        name: Some("Alice".into()),
        metadata: Some("in the chair".into()),
        attributes: [("hand".to_owned(), "up".to_owned())].into(),
        permission: Some(permission.clone()),
    };
    let Stage { room, now, .. } = &mut nodes.stages[0];
    room.update_participant(*now, id("alice"), change).unwrap();
    nodes.settle();
    let seen = nodes.seen(1, "alice");
    assert_eq!(seen, nodes.seen(0, "alice"));
    assert_eq!(
        (seen.name.as_str(), seen.attributes["hand"].as_str()),
        ("Alice", "up")
    );
    assert!(seen.tracks.is_empty());
    nodes.was_told(1, "bob sees alice active");

    permission.recorder = true;
    let change = ParticipantChange {
        permission: Some(permission),
        ..ParticipantChange::default()
    };
    let Stage { room, now, .. } = &mut nodes.stages[0];
    room.update_participant(*now, id("alice"), change).unwrap();
    nodes.settle();
    assert!(nodes.stages[1].room.info().active_recording);
}

#[test]
fn a_room_opened_on_several_nodes_at_once_is_called_as_where_it_was_opened_first() {
    let mut nodes = people(&["alice", "bob"]);
    let ids = |nodes: &Nodes| -> Vec<_> {
        let infos = nodes.stages.iter().map(|stage| stage.room.info());
        infos.map(|info| info.id.to_string()).collect()
    };
    assert_eq!(ids(&nodes), ["RM_1", "RM_1"]);
    nodes.hush();
    nodes.open(); // with the earliest clock
    assert_eq!(ids(&nodes), ["RM_3", "RM_3", "RM_3"]);
    nodes.was_told(0, "alice counts 2 of which 0 publish");
}

#[test]
fn the_rooms_own_settings_are_the_same_everywhere_and_whoever_comes_later_hears_of_them() {
    let mut nodes = people(&["alice", "bob"]);
    let Stage { room, now, .. } = &mut nodes.stages[1];
    room.set_metadata(*now, " of maths".into());
    let change = RoomChange {
        departure_timeout_s: Some(7),
        max_participants: Some(3),
        streams: Some(Streams::Together),
        playout_delay: PlayoutDelay::from_ms(200, 400),
        profile: Some(Profile::Low),
        ..RoomChange::default()
    };
    let playing = Playing {
        streams: Streams::Together,
        delay: PlayoutDelay::from_ms(200, 400),
        profile: Profile::Low,
        loudest: 0,
    };
    room.configure(*now, change);
    nodes.settle();
    nodes.was_told(0, "alice counts 2 of which 0 publish of maths");
    let late = nodes.open();
    for node in [0, late] {
        let info = nodes.stages[node].room.info();
        assert_eq!(info.metadata, " of maths", "{node}");
        assert_eq!(info.departure_timeout_s, 7, "{node}");
        assert_eq!(info.playing, playing, "{node}");
    }
    // Those elsewhere take places too.
    nodes.join(late, "carol");
    let full = nodes.stages[0].join_as("dan", |_| {});
    assert_eq!(full.unwrap_err(), sfu::JoinRefusal::Full);
}

#[test]
fn a_publisher_decides_who_receives_it_elsewhere_too() {
    let mut nodes = people(&["alice", "bob", "carol"]);
    let mic = nodes.publish(0, "alice", microphone("mic"));
    let only = |who| Allowance::Only(vec![(Grantee::Identity(identity(who)), Share::All)]);
    nodes.stages[0].command("alice", Command::Allow(only("carol")));
    nodes.settle();
    nodes.was_told(1, "bob is Withheld TR_mic");
    assert_eq!(nodes.speak(0, mic), ["carol"]);
    let song = nodes.publish(0, "alice", microphone("song"));
    assert_eq!(nodes.speak(0, song), ["carol"]);
    let late = nodes.open();
    nodes.join(late, "dan");
    assert_eq!(nodes.speak(0, song), ["carol"]);
    nodes.stages[0].command("alice", Command::Allow(Allowance::Everybody));
    nodes.settle();
    assert_eq!(nodes.speak(0, song), ["bob", "carol", "dan"]);
}

#[test]
fn the_quality_of_a_connection_is_told_as_it_is_found_where_it_is() {
    let mut nodes = people(&["alice", "bob"]);
    let mic = nodes.publish(0, "alice", microphone("mic"));
    nodes.speak(0, mic);
    nodes.pass(11 * SECOND);
    let found = |nodes: &mut Nodes| std::mem::take(&mut nodes.stages[1].qualities);
    assert!(found(&mut nodes).contains(&"bob finds alice Excellent".to_owned()));
    let Stage { room, now, .. } = &mut nodes.stages[0];
    room.fell_silent(*now, id("alice"));
    nodes.pass(11 * SECOND);
    let told = found(&mut nodes);
    assert!(
        told.contains(&"bob finds alice Lost".to_owned()),
        "{told:?}"
    );
    // Whoever comes later is told as well.
    let late = nodes.open();
    nodes.join(late, "carol");
    nodes.pass(11 * SECOND);
    let told = std::mem::take(&mut nodes.stages[late].qualities);
    assert!(
        told.contains(&"carol finds alice Lost".to_owned()),
        "{told:?}"
    );
}

#[test]
fn messages_reach_all_or_those_named_wherever_they_are_in_order_and_once() {
    let mut nodes = people(&["alice", "bob", "carol"]);
    nodes.join(0, "dan");
    nodes.hush();
    nodes.doubles = true;
    let got = |nodes: &mut Nodes| -> Vec<String> {
        nodes.settle();
        let logs = (0..3).flat_map(|node| nodes.log(node));
        logs.filter(|line| line.contains(" gets ")).collect()
    };
    for sequence in 1..=3 {
        nodes.stages[0].numbered("alice", sequence);
    }
    let all = ["dan", "bob", "carol"].into_iter();
    let expected: Vec<String> = all
        .flat_map(|who| (1..=3).map(move |it| format!("{who} gets Reliable {it}")))
        .collect();
    assert_eq!(got(&mut nodes), expected);
    nodes.doubles = false;
    nodes.stages[0].data("alice", &["dan"], &[]);
    assert_eq!(got(&mut nodes), ["dan gets Reliable from alice"]);
    nodes.stages[0].data("alice", &["carol"], &["bob"]);
    assert_eq!(
        got(&mut nodes),
        [
            "bob gets Reliable from alice",
            "carol gets Reliable from alice"
        ]
    );
    nodes.stages[0].data("alice", &["dan", "bob"], &[]);
    assert_eq!(
        got(&mut nodes),
        [
            "dan gets Reliable from alice",
            "bob gets Reliable from alice"
        ]
    );
}

#[test]
fn a_message_of_the_app_reaches_all_nodes_once_however_often_and_wherever_it_is_tried() {
    let mut nodes = people(&["alice", "bob"]);
    let message = |named: &[&str]| Message {
        reliability: Reliability::Lossy,
        destinations: Destinations {
            identities: named.iter().map(|who| identity(who)).collect(),
            sids: Vec::new(),
        },
        sequence: 0,
        payload: "from the app".into(),
    };
    for node in [0, 1, 0] {
        nodes.stages[node].room.send(message(&[]), Some([7; 16]));
        nodes.settle();
    }
    nodes.stages[0].room.send(message(&["bob"]), None);
    nodes.settle();
    let got = |log: Vec<String>| log.iter().filter(|line| line.contains(" gets ")).count();
    assert_eq!(got(nodes.log(0)), 1);
    assert_eq!(got(nodes.log(1)), 2);
}

#[test]
fn who_comes_back_is_given_what_it_missed_from_elsewhere() {
    let mut nodes = people(&["alice", "bob"]);
    for sequence in 1..=3 {
        nodes.stages[0].numbered("alice", sequence);
    }
    nodes.settle();
    nodes.hush();
    let synced = Synced {
        received: vec![(id("alice"), 1)],
        ..Synced::default()
    };
    let Stage {
        room, now, wire, ..
    } = &mut nodes.stages[1];
    room.sync(*now, id("bob"), synced, wire).unwrap();
    nodes.settle();
    assert_eq!(nodes.log(1), ["bob gets Reliable 2", "bob gets Reliable 3"]);
}

#[test]
fn data_tracks_are_announced_received_and_taken_back_across_nodes() {
    let mut nodes = people(&["alice", "bob"]);
    let publication = DataPublication {
        handle: 9,
        name: "position".to_owned(),
        encryption: Encryption::None,
        format: Bytes::new(),
    };
    nodes.stages[0].command("alice", Command::PublishData(Box::new(publication)));
    nodes.settle();
    let track = nodes.seen(1, "alice").data_tracks[0].id;
    let wish = DataWish {
        track,
        wanted: Wanted::Yes,
        fps: None,
    };
    nodes.stages[1].command("bob", Command::SubscribeData(vec![wish]));
    nodes.settle();
    nodes.hush();
    let frame = DataFrame {
        handle: 9,
        number: 0,
        bytes: "here".into(),
    };
    let now = nodes.stages[0].now;
    nodes.stages[0].room.handle_frame(now, id("alice"), &frame);
    nodes.settle();
    assert_eq!(nodes.log(1), ["bob gets here as 1"]);
    nodes.stages[0].command("alice", Command::UnpublishData { handle: 9 });
    nodes.settle();
    assert!(nodes.seen(1, "alice").data_tracks.is_empty());
    nodes.stages[0].room.handle_frame(now, id("alice"), &frame);
    nodes.settle();
    nodes.hush();
    assert_eq!(nodes.log(1), [""; 0]);
}

#[test]
fn of_two_with_one_identity_the_later_stays_wherever_they_are() {
    for (at, again_at, stays) in [
        (10, 20, "alice-again"),
        (20, 10, "alice"),
        (5, 5, "alice-again"),
    ] {
        let mut nodes = people(&["bob", "carol", "dan"]);
        // Both at once: neither node knows of the other one's yet.
        for (node, who, at) in [(0, "alice", at), (1, "alice-again", again_at)] {
            let stage = &mut nodes.stages[node];
            stage
                .join_as(who, |it| it.participant.joined_at_ms = at)
                .unwrap();
            stage.room.activated(stage.now, id(who));
        }
        nodes.settle();
        for node in 0..3 {
            let shown = nodes.shown(node);
            let expected = format!("{stays} active");
            assert_eq!(
                shown,
                [&expected, "bob active", "carol active", "dan active"]
            );
        }
        let (home, other) = if stays == "alice" {
            (1, "alice-again")
        } else {
            (0, "alice")
        };
        nodes.was_told(home, &format!("{other} must leave: DuplicateIdentity"));
    }
}

#[test]
fn who_joins_again_elsewhere_replaces_itself_even_if_the_clock_there_is_behind() {
    let mut nodes = people(&["bob", "carol", "dan"]);
    let join = |nodes: &mut Nodes, node: usize, who, at| {
        let stage = &mut nodes.stages[node];
        let joined = stage.join_as(who, |it| it.participant.joined_at_ms = at);
        joined.unwrap();
        stage.room.activated(stage.now, id(who));
        nodes.settle();
    };
    join(&mut nodes, 0, "alice", 1_000);
    join(&mut nodes, 1, "alice-again", 500);
    nodes.was_told(0, "alice must leave: DuplicateIdentity");
    for node in 0..3 {
        assert_eq!(nodes.shown(node)[0], "alice-again active", "{node}");
    }
    let facts = nodes.facts(0);
    assert!(facts.contains(&"alice left".to_owned()), "{facts:?}");
    assert!(!nodes.facts(1).contains(&"alice left".to_owned()));
    // What is still said of the first one is not believed.
    let stale = nodes.stages[2].room.participant(id("alice"));
    assert!(stale.is_none());
    join(&mut nodes, 2, "alice-third", 0);
    for node in 0..3 {
        assert_eq!(nodes.shown(node)[0], "alice-third active", "{node}");
    }
}

#[test]
fn who_hides_is_shown_to_nobody_elsewhere_and_hears_everything() {
    let mut nodes = people(&["alice", "bob"]);
    let stage = &mut nodes.stages[1];
    stage.join_as("ghost", hidden).unwrap();
    stage.room.activated(stage.now, id("ghost"));
    nodes.settle();
    let log = nodes.log(0);
    assert!(!log.iter().any(|line| line.contains("ghost")), "{log:?}");
    assert_eq!(nodes.stages[0].room.info().participants, 2);
    let mic = nodes.publish(0, "alice", microphone("mic"));
    assert_eq!(nodes.speak(0, mic), ["bob", "ghost"]);
    let received = "alice is received on TR_song".to_owned();
    nodes.stages[1].subscribe("bob", "song", Wanted::No);
    nodes.publish(0, "alice", microphone("song"));
    assert!(!nodes.log(0).contains(&received), "by the hidden one");
    nodes.stages[1].subscribe("bob", "song", Wanted::Yes);
    nodes.settle();
    assert!(nodes.log(0).contains(&received));

    let permit = |nodes: &mut Nodes, visibility| {
        let mut permission = membership("bob").participant.permission;
        permission.visibility = visibility;
        let change = ParticipantChange {
            permission: Some(permission),
            ..ParticipantChange::default()
        };
        let Stage { room, now, .. } = &mut nodes.stages[1];
        room.update_participant(*now, id("bob"), change).unwrap();
        nodes.settle();
    };
    permit(&mut nodes, Visibility::Hidden);
    nodes.was_told(0, "alice sees bob left(ClientInitiated)");
    permit(&mut nodes, Visibility::Visible);
    nodes.was_told(0, "alice sees bob active");
}

#[test]
fn an_instance_that_nobody_is_connected_to_ends_soon_and_silently_while_others_go_on() {
    let mut nodes = people(&["alice", "bob"]);
    let mic = nodes.publish(1, "bob", microphone("mic"));
    nodes.leave(0, "alice");
    nodes.hush();
    nodes.pass(4 * SECOND);
    assert!(!nodes.stages[0].room.is_over(nodes.stages[0].now));
    nodes.pass(2 * SECOND);
    assert!(nodes.stages[0].room.is_over(nodes.stages[0].now));
    assert_eq!(nodes.shown(1), ["bob active [TR_mic]"]);
    assert_eq!(nodes.log(1), ["bob counts 1 of which 1 publish"]);
    assert_eq!(
        nodes.facts(0),
        ["room started", "alice joined", "alice left"]
    );
    assert_eq!(nodes.speak(1, mic), [""; 0]);

    // The last one of all ends the room.
    nodes.leave(1, "bob");
    nodes.pass(19 * SECOND);
    assert!(!nodes.stages[1].room.is_over(nodes.stages[1].now));
    nodes.pass(SECOND);
    let facts = nodes.facts(1);
    assert_eq!(facts.last().unwrap(), "room finished: RoomClosed");
    assert!(!nodes.facts(0).iter().any(|it| it.contains("finished")));
}

#[test]
fn the_room_is_said_to_end_once_whoever_leaves_first_or_at_once() {
    for (first, pause) in [
        (&["alice"][..], 1),
        (&["bob"], 1),
        (&["alice", "bob"], 0),
        (&["bob", "alice"], 0),
    ] {
        let mut nodes = people(&["alice", "bob"]);
        let node = |who: &str| usize::from(who == "bob");
        for who in first {
            nodes.stages[node(who)].leave(who);
        }
        nodes.pass(pause * SECOND);
        for who in ["alice", "bob"] {
            nodes.stages[node(who)].leave(who);
        }
        nodes.settle();
        nodes.pass(25 * SECOND);
        let ends = (0..2).flat_map(|node| nodes.facts(node));
        let ends = ends.filter(|fact| fact.contains("finished"));
        assert_eq!(ends.count(), 1, "{first:?}");
        for stage in &nodes.stages {
            assert!(stage.room.is_over(stage.now));
        }
    }
}

#[test]
fn recorders_alone_keep_no_room_open_but_record_who_is_elsewhere() {
    let mut nodes = people(&["alice"]);
    let node = nodes.open();
    let stage = &mut nodes.stages[node];
    stage
        .join_as("tape", |it| {
            hidden(it);
            it.participant.permission.recorder = true;
            it.participant.permission.can_publish = false;
        })
        .unwrap();
    stage.room.activated(stage.now, id("tape"));
    nodes.settle();
    nodes.pass(60 * SECOND);
    assert!(!nodes.stages[node].room.is_over(nodes.stages[node].now));
    assert!(nodes.stages[0].room.info().active_recording);
    nodes.leave(0, "alice");
    nodes.pass(21 * SECOND);
    for stage in &nodes.stages {
        assert!(stage.room.is_over(stage.now));
    }
    let ends = (0..2).flat_map(|node| nodes.facts(node));
    assert_eq!(ends.filter(|fact| fact.contains("finished")).count(), 1);
}

#[test]
fn an_instance_that_nobody_joined_yet_ends_soon_if_the_room_began_elsewhere() {
    let mut stage = Stage::begin(Beginning::Joined, |_| {});
    stage.pass(6 * SECOND);
    stage.log();
    assert!(stage.room.is_over(stage.now));
    assert!(stage.facts.is_empty());
}

#[test]
fn a_room_deleted_on_one_node_is_closed_on_all() {
    let mut nodes = people(&["alice", "bob"]);
    nodes.publish(0, "alice", microphone("mic"));
    let Stage { room, now, .. } = &mut nodes.stages[1];
    room.close(*now, LeaveReason::RoomDeleted);
    nodes.settle();
    nodes.was_told(0, "alice must leave: RoomDeleted");
    nodes.was_told(1, "bob must leave: RoomDeleted");
    for stage in &nodes.stages {
        assert!(stage.room.is_over(stage.now));
        assert_eq!(stage.room.participants().count(), 0);
    }
    let finished = "room finished: RoomDeleted".to_owned();
    assert!(!nodes.facts(0).contains(&finished));
    assert!(nodes.facts(0).contains(&"alice left".to_owned()));
    assert!(nodes.facts(1).contains(&finished));
}

#[test]
fn a_node_that_stops_takes_leave_of_its_own_people_alone() {
    let mut nodes = people(&["alice", "bob"]);
    let Stage { room, now, .. } = &mut nodes.stages[0];
    room.close(*now, LeaveReason::ServerShutdown);
    nodes.settle();
    assert_eq!(nodes.shown(1), ["bob active"]);
    let facts = nodes.facts(0);
    assert!(!facts.iter().any(|it| it.contains("finished")), "{facts:?}");
}

#[test]
fn what_is_wished_of_somebody_elsewhere_is_wished_of_somebody_unknown() {
    let mut nodes = people(&["alice", "bob"]);
    nodes.publish(0, "alice", microphone("mic"));
    nodes.hush();
    let before = nodes.seen(1, "alice");
    let stage = &mut nodes.stages[1];
    let Stage {
        room, now, wire, ..
    } = stage;
    let (now, alice) = (*now, id("alice"));
    assert!(
        room.mute_published(now, alice, track_id("mic"), Muted::Yes, wire)
            .is_none()
    );
    let change = ParticipantChange {
        name: Some("Eve".into()),
        ..ParticipantChange::default()
    };
    assert!(room.update_participant(now, alice, change).is_err());
    assert!(room.resume(now, alice).is_none());
    assert!(room.take_along(now, alice).is_none());
    assert!(room.extend(alice, LinkKey(9)).is_none());
    room.activated(now, alice);
    room.attach(now, alice, TransportKey(3));
    assert!(room.offered(now, alice, &[]).is_empty());
    room.set_estimate(now, alice, Some(Bitrate::ZERO), wire);
    room.fell_silent(now, alice);
    room.pretend_to_speak(now, alice, 3);
    room.repeat_demands(alice);
    stage.mute("alice", "mic", Muted::Yes);
    stage.subscribe("alice", "mic", Wanted::No);
    stage.data("alice", &[], &[]);
    nodes.settle();
    assert_eq!(nodes.log(1), [""; 0]);
    assert_eq!(nodes.seen(1, "alice"), before);
    assert_eq!(nodes.shown(0), nodes.shown(1));
}

#[test]
fn the_publishers_clock_goes_with_the_layers() {
    let mut nodes = people(&["alice", "bob"]);
    let mic = nodes.publish(0, "alice", microphone("mic"));
    nodes.speak(0, mic);
    let report = Rtcp::SenderReport(SenderReport {
        ssrc: Ssrc(7),
        ntp: NtpTime(1 << 32),
        timestamp: Timestamp(960),
        packets: 1,
        octets: 3,
    });
    let Stage {
        room, now, wire, ..
    } = &mut nodes.stages[0];
    room.handle_report(*now, mic, &report, wire);
    nodes.settle();
    nodes.stages[1].wire.rtcp.clear();
    nodes.pass(SECOND);
    let sent = nodes.stages[1].wire.rtcp.iter();
    let mut reports = sent.filter(|(_, rtcp)| matches!(rtcp, Rtcp::SenderReport(_)));
    assert!(reports.next().is_some());
}

#[test]
fn a_codec_seen_in_packets_is_right_on_all_nodes() {
    let mut nodes = people(&["alice", "bob"]);
    let cam = nodes.publish(0, "alice", camera("cam"));
    let sps = [0x67, 0x42, 0, 0x1f];
    nodes.stages[0].packet(cam, Codec::H264, &sps);
    nodes.settle();
    for node in 0..2 {
        let codec = nodes.seen(node, "alice").tracks[0].codec;
        assert_eq!(codec, Some(Codec::H264), "{node}");
    }
    nodes.was_told(1, "bob opens TR_cam H264 in PA_alice|TR_cam");
}

#[test]
fn whoever_is_forwarded_into_a_room_appears_on_all_its_nodes() {
    let mut nodes = people(&["bob", "carol"]);
    let mut elsewhere = Stage::new();
    elsewhere.join("alice");
    let mic = elsewhere.publish("alice", microphone("mic"));
    let forwarding = LinkKey(77);
    let linked = elsewhere.room.extend(id("alice"), forwarding).unwrap();
    nodes.join(0, "alice");
    let Stage {
        room, now, wire, ..
    } = &mut nodes.stages[0];
    room.follow(*now, id("alice"), forwarding, &linked, wire);
    nodes.settle();
    assert_eq!(nodes.shown(1)[0], "alice active [TR_mic]");
    elsewhere.speak(mic);
    let carried = elsewhere.wire.carried.pop().unwrap();
    let packet = Packet {
        payload: &carried.payload,
        ..carried.head
    };
    let Stage {
        room, now, wire, ..
    } = &mut nodes.stages[0];
    let own = room.arrived_as(id("alice"), carried.track).unwrap();
    room.handle_packet(*now, own, &packet, wire);
    nodes.settle();
    assert_eq!(nodes.receivers(), ["bob", "carol"]);
}

#[test]
fn what_no_honest_node_says_breaks_nothing() {
    let mut nodes = people(&["alice", "bob"]);
    let mut film = nodes.film(0, "alice", layered("cam"));
    nodes.roll(0, &mut [&mut film], SECOND);
    let alice = nodes.stages[1].room.participant(id("alice")).unwrap();
    let mut participant = (**alice).clone();
    participant.version = u32::MAX;
    participant.joined_at_ms = i64::MAX;
    participant.identity = identity("bob");
    let told = LinkedTrack {
        key: TrackKey(u32::MAX),
        info: Arc::clone(&participant.tracks[0]),
        rids: (0..99)
            .map(|it| Rid::new(&[b'a' + it % 26]).unwrap())
            .collect(),
        backup: None,
    };
    // Of itself, and of what is not there.
    let backup = |id, of: &str| LinkedTrack {
        backup: Some(track_id(id)),
        info: Arc::new(TrackInfo {
            id: track_id(of),
            ..(*told.info).clone()
        }),
        ..told.clone()
    };
    let backups = [
        backup("cam", "cam"),
        backup("more", "more"),
        backup("odd", "none"),
    ];
    let linked = Linked {
        participant: participant.into(),
        tracks: [told.clone(), told.clone()]
            .into_iter()
            .chain(backups)
            .collect(),
        allowance: Allowance::Only(Vec::new()).into(),
    };
    let supply = Supply {
        track: track_id("cam"),
        live: [Layer(1), Layer(200)].into_iter().collect(),
        rates: [Some(Bitrate(u64::MAX)); 3],
    };
    let data = LinkNews::Data {
        from: Some(id("bob")),
        message: Message {
            reliability: Reliability::Lossy,
            destinations: Destinations::default(),
            sequence: 0,
            payload: "as if bob".into(),
        },
        nonce: None,
    };
    let demand = LinkNews::Demand {
        track: track_id("cam"),
        quality: VideoQuality::High,
    };
    nodes.hush();
    let Stage {
        room, now, wire, ..
    } = &mut nodes.stages[1];
    room.set_estimate(*now, id("bob"), Some(Bitrate::kilobits(900)), wire);
    for news in [
        LinkNews::Changed(linked),
        LinkNews::Supply(supply),
        LinkNews::Gone(id("bob"), LeaveReason::ClientInitiated),
        LinkNews::Received(track_id("cam")),
        LinkNews::Undecodable(track_id("cam")),
        LinkNews::Undecodable(track_id("none")),
        LinkNews::Kept,
        demand,
        data,
    ] {
        room.heed(*now, FABRIC, news, wire);
    }
    room.layer_paused(*now, track_id("cam"), Layer(9), Streaming::Paused, wire);
    nodes.roll(0, &mut [&mut film], SECOND);
    let everybody = ["alice active [TR_cam]", "bob active"];
    assert_eq!(nodes.shown(1), everybody);
    assert_eq!(nodes.seen(1, "alice").identity, identity("alice"));
    let log = nodes.log(1);
    assert!(
        !log.iter().any(|line| line.contains("as if bob")),
        "{log:?}"
    );
}

#[test]
fn who_comes_later_sees_a_picture_that_others_see_already() {
    let mut nodes = people(&["alice", "bob"]);
    let mut film = nodes.film(0, "alice", layered("cam"));
    nodes.roll(0, &mut [&mut film], 5 * SECOND);
    let late = nodes.open();
    assert!(!nodes.asked_lately(0));
    nodes.join(late, "carol");
    assert!(nodes.asked_lately(0), "it need not wait for packets to ask");
    nodes.roll(0, &mut [&mut film], SECOND);
    let rate = nodes.rate((late, "carol"), "cam", (0, &mut film));
    assert!(rate.abs_diff(RATES[2] as usize) < 200, "{rate} kbit/s");
}

#[test]
fn who_gave_way_to_somebody_who_had_left_already_is_shown_after_all() {
    for ghost_comes in ["before", "after"] {
        let mut nodes = people(&["bob", "carol", "dan"]);
        nodes.slow = true;
        let join = |nodes: &mut Nodes, node: usize, who, at| {
            let stage = &mut nodes.stages[node];
            let joined = stage.join_as(who, |it| it.participant.joined_at_ms = at);
            joined.unwrap();
            stage.room.activated(stage.now, id(who));
            nodes.settle();
        };
        join(&mut nodes, 0, "alice", 5);
        nodes.leave(0, "alice");
        // The clock there is behind, and nothing was heard of the first one.
        join(&mut nodes, 1, "alice-again", 3);
        let mic = nodes.publish(1, "alice-again", microphone("mic"));
        let hear = |nodes: &mut Nodes, from: usize, times: usize| {
            for _ in 0..times {
                nodes.deliver(from, 2);
            }
        };
        let (first, then) = match ghost_comes {
            "before" => ((0, 2), (1, 9)),
            _ => ((1, 9), (0, 2)),
        };
        hear(&mut nodes, first.0, first.1);
        hear(&mut nodes, then.0, then.1);
        assert_eq!(nodes.shown(2)[0], "alice active", "{ghost_comes}");
        hear(&mut nodes, 0, 1);
        nodes.pass(Duration::from_millis(1));
        assert_eq!(
            nodes.shown(2)[0],
            "alice-again active [TR_mic]",
            "{ghost_comes}"
        );
        assert!(nodes.speak(1, mic).contains(&"dan".to_owned()));
    }
}

#[test]
fn of_settings_made_at_once_all_nodes_keep_the_same_and_old_ones_do_not_come_back() {
    let mut nodes = people(&["alice", "bob", "carol"]);
    let set = |nodes: &mut Nodes, node: usize, metadata: &str| {
        let Stage { room, now, .. } = &mut nodes.stages[node];
        room.set_metadata(*now, metadata.into());
        nodes.settle();
    };
    let told = |nodes: &Nodes| -> Vec<String> {
        let infos = nodes.stages.iter().map(|stage| stage.room.info());
        infos.map(|info| info.metadata.clone()).collect()
    };
    nodes.slow = true;
    set(&mut nodes, 0, " of maths");
    set(&mut nodes, 1, " of physics");
    nodes.deliver_all();
    assert_eq!(told(&nodes), [" of physics"; 3]);

    // Carol's node tells a newcomer what it believes before it hears of the change.
    nodes.slow = true;
    set(&mut nodes, 0, " of music");
    nodes.open();
    nodes.deliver_all();
    assert_eq!(told(&nodes), [" of music"; 4]);
}
