//! One room over several nodes: to its people it is one room.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::time::Duration;

use anyhow::Result;
use e2e::{
    fleet::Fleet,
    node::Node,
    peer::{LOSSY, Peer, RELIABLE},
    seen::DataMessage,
    server_api::{admin, call, done, names},
    signal::Signal,
    tokens,
    until::{PATIENCE, until},
};
use serde_json::{Value, json};

const ROOM: &str = "lecture";

async fn join(fleet: &Fleet, node: usize, identity: &str) -> Result<Peer> {
    let token = tokens::token(ROOM, identity)?;
    Peer::join_call(&fleet.nodes[node].url(), &token).await
}

#[tokio::test]
async fn people_on_two_nodes_see_hear_and_write_to_each_other() {
    let fleet = Fleet::start(&["kano", "lagos"]).await.unwrap();
    let ada = join(&fleet, 0, "ada").await.unwrap();
    let bayo = join(&fleet, 1, "bayo").await.unwrap();
    tokio::try_join!(ada.receives_more("bayo", 50), bayo.receives_more("ada", 50)).unwrap();

    assert_eq!(bayo.seen().others["ada"].region, "kano");
    assert_eq!(ada.seen().others["bayo"].region, "lagos");

    for channel in [RELIABLE, LOSSY] {
        for (from, to) in [(&ada, &bayo), (&bayo, &ada)] {
            let said = format!("{} on {channel}", from.seen().own.identity).into_bytes();
            from.send_data(channel, &said, &[]).unwrap();
            let is_it = |message: &DataMessage| message.payload == said;
            to.until("the message", |seen| seen.messages.iter().any(is_it))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_room_that_two_nodes_open_at_once_is_one_room_within_a_second() -> Result<()> {
    let fleet = Fleet::start(&["kano", "lagos"]).await?;
    for room in ["one", "two", "three"] {
        let (kano, lagos) = (fleet.nodes[0].url(), fleet.nodes[1].url());
        let (ada, bayo) = (tokens::token(room, "ada")?, tokens::token(room, "bayo")?);
        let (ada, bayo) =
            tokio::try_join!(Peer::join_call(&kano, &ada), Peer::join_call(&lagos, &bayo))?;
        until("one room", Duration::from_secs(1), || async {
            let kano = sid_of(&fleet.nodes[0], room).await.ok()?;
            let lagos = sid_of(&fleet.nodes[1], room).await.ok()?;
            (!kano.is_empty() && kano == lagos).then_some(())
        })
        .await?;
        tokio::try_join!(ada.receives_more("bayo", 20), bayo.receives_more("ada", 20))?;
    }
    Ok(())
}

#[tokio::test]
async fn people_who_open_a_room_on_several_nodes_at_once_are_told_the_same_room() -> Result<()> {
    let fleet = Fleet::start(&["abuja", "kano", "lagos"]).await?;
    let open = async |node: &Node, room: &str| {
        let token = tokens::token(room, &node.url())?;
        let (signal, joined) = Signal::join(&node.url(), &token).await?;
        let room = joined.room.unwrap_or_default();
        // By what a receiver of encrypted media knows what is not its sender's.
        anyhow::Ok((signal, room.sid, room.creation_time_ms, joined.sif_trailer))
    };
    let told = async |room: &str| {
        let [abuja, kano, lagos] = &fleet.nodes[..] else {
            panic!("there are three");
        };
        tokio::try_join!(open(abuja, room), open(kano, room), open(lagos, room))
    };
    // Each of the three is the home of some.
    let mut lives = std::collections::BTreeSet::new();
    for number in 0..12 {
        let room = format!("ROOM-{number}");
        let (abuja, kano, lagos) = told(&room).await?;
        for other in [&kano, &lagos] {
            let (one, other) = ((&abuja.1, abuja.2, &abuja.3), (&other.1, other.2, &other.3));
            assert_eq!(one, other, "{room}");
        }
        assert!(lives.insert(abuja.1), "{room}");
    }

    // Closed, a room begins another life, at once and wherever it begins.
    let room = "ROOM-AGAIN";
    for from in [0, 1, 2, 0] {
        let (first, _, _) = told(room).await?;
        assert!(lives.insert(first.1), "an older life");
        let delete = json!({ "room": room });
        done(&fleet.nodes[from], "DeleteRoom", &admin(room)?, delete).await?;
        until("the room to be gone everywhere", PATIENCE, || async {
            for node in &fleet.nodes {
                if names(node).await.ok()?.iter().any(|name| name == room) {
                    return None;
                }
            }
            Some(())
        })
        .await?;
    }
    Ok(())
}

/// The sid of the room as a node has it.
async fn sid(node: &Node) -> Result<String> {
    sid_of(node, ROOM).await
}

async fn sid_of(node: &Node, room: &str) -> Result<String> {
    let list = done(node, "ListRooms", &admin("")?, json!({ "names": [room] })).await?;
    Ok(list["rooms"][0]["sid"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

#[tokio::test]
async fn any_node_takes_any_call_about_any_room() -> Result<()> {
    let fleet = Fleet::start(&["abuja", "kano", "lagos"]).await?;
    let [idle, kano, lagos] = &fleet.nodes[..] else {
        panic!("there are three");
    };
    let ada = join(&fleet, 1, "ada").await?;
    let bayo = join(&fleet, 2, "bayo").await?;
    tokio::try_join!(ada.receives_more("bayo", 20), bayo.receives_more("ada", 20))?;
    let token = admin(ROOM)?;

    // The same room, whoever is asked, and listed once.
    let first = sid(kano).await?;
    assert!(first.starts_with("RM_"), "{first}");
    for node in &fleet.nodes {
        assert_eq!(sid(node).await?, first);
        assert_eq!(names(node).await?, [ROOM]);
        let people = done(node, "ListParticipants", &token, json!({ "room": ROOM })).await?;
        let mut people: Vec<_> = people["participants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|who| (who["identity"].clone(), who["region"].clone()))
            .collect();
        people.sort_by_key(|(who, _): &(Value, Value)| who.to_string());
        let expected =
            [("ada", "kano"), ("bayo", "lagos")].map(|(who, region)| (json!(who), json!(region)));
        assert_eq!(people, expected);
    }

    // What is done to somebody is done where they are, and everybody sees it.
    let microphone = published(&ada, "bayo", 0);
    for (node, muted) in [(idle, true), (lagos, false)] {
        let body =
            json!({ "room": ROOM, "identity": "bayo", "trackSid": microphone, "muted": muted });
        let (status, answer) = call(node, "MutePublishedTrack", &token, body).await?;
        // Nobody is unmuted from afar unless that is allowed.
        assert_eq!(status, if muted { 200 } else { 412 }, "{answer}");
    }
    ada.until("bayo to be muted", |seen| {
        seen.others["bayo"]
            .tracks
            .iter()
            .any(|track| track.sid == microphone && track.muted)
    })
    .await?;
    for (node, who, name) in [(idle, "ada", "Ada I."), (kano, "bayo", "Bayo A.")] {
        let body = json!({ "room": ROOM, "identity": who, "name": name });
        let changed = done(node, "UpdateParticipant", &token, body).await?;
        assert_eq!(changed["name"], name);
    }
    bayo.until("ada's new name", |seen| seen.others["ada"].name == "Ada I.")
        .await?;
    ada.until("bayo's new name", |seen| {
        seen.others["bayo"].name == "Bayo A."
    })
    .await?;

    // What is said to all reaches all, once.
    let body = json!({ "room": ROOM, "data": "aGVsbG8=", "kind": "RELIABLE" });
    done(idle, "SendData", &token, body).await?;
    let hello = |message: &DataMessage| message.payload == b"hello";
    for peer in [&ada, &bayo] {
        peer.until("the message", |seen| seen.messages.iter().any(hello))
            .await?;
        assert_eq!(
            peer.seen().messages.iter().filter(|it| hello(it)).count(),
            1
        );
    }

    // The room's own settings are the same everywhere.
    let body = json!({ "room": ROOM, "metadata": "algebra" });
    done(idle, "UpdateRoomMetadata", &token, body).await?;
    for node in &fleet.nodes {
        until("the room's metadata", PATIENCE, || async {
            let list = done(node, "ListRooms", &token, json!({})).await.ok()?;
            (list["rooms"][0]["metadata"] == "algebra").then_some(())
        })
        .await?;
    }

    // Who is removed is gone for all, and stays out, whichever node it tries.
    let body = json!({ "room": ROOM, "identity": "bayo" });
    let old = tokens::token(ROOM, "bayo")?;
    done(idle, "RemoveParticipant", &token, body).await?;
    ada.until("bayo to be gone", |seen| !seen.others.contains_key("bayo"))
        .await?;
    for node in &fleet.nodes {
        until("the token to be refused", PATIENCE, || async {
            Peer::join_call(&node.url(), &old)
                .await
                .is_err()
                .then_some(())
        })
        .await?;
    }

    let gone = json!({ "room": ROOM, "identity": "nobody" });
    assert_eq!(call(idle, "GetParticipant", &token, gone).await?.0, 404);
    done(idle, "DeleteRoom", &token, json!({ "room": ROOM })).await?;
    ada.until("to be sent away", |seen| seen.leave.is_some())
        .await?;
    for node in &fleet.nodes {
        until("the room to be gone", PATIENCE, || async {
            names(node).await.ok()?.is_empty().then_some(())
        })
        .await?;
    }
    Ok(())
}

/// The sid of somebody's track of a kind (LiveKit's number), as `peer` sees it.
fn published(peer: &Peer, identity: &str, kind: i32) -> String {
    let seen = peer.seen();
    let mut tracks = seen.others[identity].tracks.iter();
    tracks
        .find(|track| track.r#type == kind)
        .unwrap()
        .sid
        .clone()
}
