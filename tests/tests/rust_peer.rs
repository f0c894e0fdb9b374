//! Two participants on an independent WebRTC implementation meet on a node.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{
    call::{Call, ROOM},
    connection::Side,
    node::{Node, NodeOptions, rust_peer},
    peer::{LOSSY, Peer, PeerOptions, RELIABLE},
    seen::{DataMessage, Seen},
    signal::Request,
    tokens,
    until::until,
};
use livekit_protocol::{DisconnectReason, MuteTrackRequest, TrackSource, TrackType};
use serde_json::Value;

#[tokio::test]
async fn two_see_and_hear_each_other_without_a_gap() {
    let call = Call::start().await.unwrap();
    for peer in [&call.ada, &call.bayo] {
        // What leaves before a handshake is over may be in vain: the next one is waited for.
        let keyframe = |seen: &Seen| {
            let mut tracks = seen.tracks.values();
            tracks.any(|track| track.tally.keyframes > 0)
        };
        peer.until_within(Duration::from_secs(20), "a keyframe", keyframe)
            .await
            .unwrap();
        let seen = peer.seen();
        assert_eq!(seen.errors, Vec::<String>::new());
        for track in seen.tracks.values() {
            assert!(track.tally.is_continuous(), "{track:?}");
        }
        let video = seen
            .tracks
            .values()
            .find(|track| track.kind == "video")
            .unwrap();
        assert!(
            video.tally.keyframes > 0 && video.tally.frames > 0,
            "{video:?}"
        );
    }
}

#[tokio::test]
async fn tracks_are_described_as_their_publisher_described_them() {
    let call = Call::start().await.unwrap();
    let seen = call.bayo.seen();
    let ada = &seen.others["ada"];
    assert!(ada.sid.starts_with("PA_"), "{}", ada.sid);
    assert_eq!(ada.tracks.len(), 2);
    for track in &ada.tracks {
        assert!(
            seen.tracks.contains_key(&track.sid),
            "{} does not arrive",
            track.sid
        );
    }
    let camera = ada
        .tracks
        .iter()
        .find(|track| track.r#type == TrackType::Video as i32)
        .unwrap();
    assert_eq!(
        (camera.source, camera.width, camera.height),
        (TrackSource::Camera as i32, 320, 180)
    );
    assert!(camera.sid.starts_with("TR_VC"), "{}", camera.sid);
    assert!(!camera.muted);
}

#[tokio::test]
async fn jn_5_messages_go_both_ways_by_the_right_connection_stamped_and_not_back() {
    let call = Call::start().await.unwrap();
    for channel in [RELIABLE, LOSSY] {
        for (from, to) in [(&call.ada, &call.bayo), (&call.bayo, &call.ada)] {
            let sender = from.seen().own;
            let said = format!("{} on {channel}", sender.identity).into_bytes();
            from.send_data(channel, &said, &[]).unwrap();
            let expected = DataMessage {
                by: Side::Subscriber,
                channel: channel.to_owned(),
                identity: sender.identity,
                sid: sender.sid,
                payload: said.clone(),
                topic: String::new(),
            };
            to.until("the message", |seen| seen.messages.contains(&expected))
                .await
                .unwrap();
            assert!(
                from.seen()
                    .messages
                    .iter()
                    .all(|message| message.payload != said)
            );
        }
    }
}

#[tokio::test]
async fn a_message_for_one_reaches_only_that_one_and_all_come_in_order() {
    let call = Call::start().await.unwrap();
    let token = tokens::token(ROOM, "chidi").unwrap();
    let chidi = Peer::join_call(&call.node.url(), &token).await.unwrap();
    call.ada
        .until("chidi", |seen| seen.is_active("chidi"))
        .await
        .unwrap();
    for number in 0..100_u8 {
        call.ada.send_data(RELIABLE, &[number], &["bayo"]).unwrap();
    }
    call.ada.send_data(RELIABLE, b"to all", &[]).unwrap();
    let is_last = |message: &DataMessage| message.payload == b"to all";
    for peer in [&chidi, &call.bayo] {
        peer.until("the last message", |seen| seen.messages.iter().any(is_last))
            .await
            .unwrap();
    }
    assert_eq!(chidi.seen().messages.len(), 1);
    let messages = call.bayo.seen().messages;
    let numbers: Vec<u8> = messages.iter().map(|message| message.payload[0]).collect();
    assert_eq!(numbers[..100], (0..100).collect::<Vec<u8>>());
}

#[tokio::test]
async fn a_mute_is_seen_and_so_is_its_end() {
    let call = Call::start().await.unwrap();
    let published = call.ada.seen().published;
    let microphone = published
        .values()
        .find(|track| track.name == "microphone")
        .unwrap();
    for muted in [true, false] {
        let mute = MuteTrackRequest {
            sid: microphone.sid.clone(),
            muted,
        };
        call.ada.request(Request::Mute(mute)).unwrap();
        call.bayo
            .until("the microphone's new state", |seen| {
                let tracks = seen.others["ada"].tracks.iter();
                let mut tracks = tracks.filter(|track| track.sid == microphone.sid);
                tracks.any(|track| track.muted == muted)
            })
            .await
            .unwrap();
    }
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn a_late_joiner_gets_everything() {
    let call = Call::start().await.unwrap();
    let token = tokens::token(ROOM, "chidi").unwrap();
    let chidi = Peer::join(&call.node.url(), &token, PeerOptions::default())
        .await
        .unwrap();
    for other in ["ada", "bayo"] {
        chidi
            .until("sound and picture", |seen| seen.sees_and_hears(other, 20))
            .await
            .unwrap();
    }
    let seen = chidi.seen();
    let mut video = seen.tracks.values().filter(|track| track.kind == "video");
    assert!(
        video.all(|track| track.tally.keyframes > 0),
        "{:?}",
        seen.tracks
    );
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn who_leaves_is_seen_to_leave_and_may_come_back() {
    let Call { node, ada, bayo } = Call::start().await.unwrap();
    let before = ada.leave().await.unwrap();
    assert!(
        before.end.is_some(),
        "the server did not close after the farewell"
    );
    bayo.until("ada to be gone", |seen| seen.gone == ["ada"])
        .await
        .unwrap();
    bayo.until("her tracks to be gone", |seen| {
        seen.tracks_of("ada").next().is_none()
    })
    .await
    .unwrap();

    let ada = Peer::join_call(&node.url(), &tokens::token(ROOM, "ada").unwrap())
        .await
        .unwrap();
    assert_ne!(ada.seen().own.sid, before.own.sid);
    bayo.until("ada again", |seen| seen.sees_and_hears("ada", 20))
        .await
        .unwrap();
    ada.until("bayo again", |seen| seen.sees_and_hears("bayo", 20))
        .await
        .unwrap();
}

#[tokio::test]
async fn st_6_the_same_identity_again_ends_the_older_one() {
    let call = Call::start().await.unwrap();
    let token = tokens::token(ROOM, "ada").unwrap();
    let again = Peer::join_call(&call.node.url(), &token).await.unwrap();
    let old = call.ada.ended().await.unwrap();
    let leave = old.leave.expect("no farewell");
    assert_eq!(leave.reason, DisconnectReason::DuplicateIdentity as i32);
    again
        .until("bayo", |seen| seen.sees_and_hears("bayo", 20))
        .await
        .unwrap();
    call.bayo
        .until("the new ada", |seen| seen.sees_and_hears("ada", 20))
        .await
        .unwrap();
}

#[tokio::test]
async fn rooms_on_different_shards_do_not_hear_each_other() {
    let options = NodeOptions {
        shards: 2,
        ..NodeOptions::default()
    };
    let node = Node::start_with(options).await.unwrap();
    let mut calls = Vec::new();
    // More rooms than shards: some share one, some don't.
    for room in ["one", "two", "three"] {
        let ada = tokens::token(room, "ada").unwrap();
        let bayo = tokens::token(room, "bayo").unwrap();
        let url = node.url();
        let (ada, bayo) = tokio::join!(Peer::join_call(&url, &ada), Peer::join_call(&url, &bayo));
        let (ada, bayo) = (ada.unwrap(), bayo.unwrap());
        calls.push((ada, bayo));
    }
    for (ada, bayo) in &calls {
        ada.until("bayo", |seen| seen.sees_and_hears("bayo", 30))
            .await
            .unwrap();
        bayo.until("ada", |seen| seen.sees_and_hears("ada", 30))
            .await
            .unwrap();
    }
    for (ada, _) in &calls {
        assert_eq!((ada.seen().others.len(), ada.seen().tracks.len()), (1, 2));
    }
}

#[tokio::test]
async fn the_command_reports_every_second_and_leaves_cleanly() {
    let node = Node::start().await.unwrap();
    let bayo = Peer::join_call(&node.url(), &tokens::token(ROOM, "bayo").unwrap())
        .await
        .unwrap();
    let token = tokens::token(ROOM, "ada").unwrap();
    let mut command = Command::new(rust_peer().unwrap());
    command.args(["--url", &node.url(), "--token", &token]);
    command.args(["--publish", "audio,video", "--seconds", "4"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    bayo.until("ada", |seen| seen.sees_and_hears("ada", 20))
        .await
        .unwrap();
    until("the command to end", Duration::from_secs(20), || {
        let ended = child.try_wait().unwrap();
        async move { ended }
    })
    .await
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.last().unwrap();
    assert!(lines.len() >= 4, "{text}");
    assert_eq!(last["identity"], "ada");
    assert_eq!(
        (&last["tracks_in"], &last["lost"]),
        (&Value::from(2), &Value::from(0)),
        "{text}"
    );
    bayo.until("ada to be gone", |seen| seen.gone == ["ada"])
        .await
        .unwrap();
}
