//! Calls about rooms that are on other nodes: any node takes any call, and passes it on to the one
//! that can do it. Tokens are looked at on both.

use std::sync::Arc;
use std::time::Duration;

use livekit::room_service::{Request, read_rooms};
use livekit::spanning::{Call, Question, Reply};
use livekit::twirp::{Code, Encoding, Error};
use sfu::{Identity, RoomInfo};

use super::room_service::whom;
use super::twirp::Refusal;
use crate::node::Node;

/// Other nodes answer within milliseconds, but for calls of participants' methods.
const PATIENCE: Duration = Duration::from_secs(5);
const LONG_PATIENCE: Duration = Duration::from_secs(61);

/// From one node to one that has the room, from there to the home of somebody in it.
const MOST_HOPS: u32 = 2;

/// The node that can do what is asked, if it is not this one.
pub(super) async fn place_of(node: &Node, request: &Request, call: &Call) -> Option<String> {
    let cascade = node.cascade.as_ref()?;
    if call.hops >= MOST_HOPS {
        return None;
    }
    let (room, identity) = subject(request)?;
    cascade.place_of(room, identity.cloned()).await
}

/// What a call is about, and whom.
fn subject(request: &Request) -> Option<(&Arc<str>, Option<&Identity>)> {
    match request {
        Request::ListRooms { .. } => None,
        Request::CreateRoom { room, .. }
        | Request::DeleteRoom { room }
        | Request::ListParticipants { room } => Some((room, None)),
        Request::ForwardParticipant { room, identity, .. }
        | Request::MoveParticipant { room, identity, .. } => Some((room, Some(identity))),
        Request::InRoom { room, task } => Some((room, whom(task))),
    }
}

/// Has another node do what is asked.
pub(super) async fn pass_on(node: &Node, to: String, call: Call) -> Result<Vec<u8>, Refusal> {
    let limit = if call.method == "PerformRpc" {
        LONG_PATIENCE
    } else {
        PATIENCE
    };
    let called = ask(node, to, call, limit).await?;
    match called.status {
        200 => Ok(called.body.into()),
        _ => Err(Refusal::Elsewhere(called)),
    }
}

async fn ask(
    node: &Node,
    to: String,
    mut call: Call,
    limit: Duration,
) -> Result<livekit::spanning::Called, Error> {
    let unavailable = |why: &str| Error::new(Code::Unavailable, why);
    let Some(cascade) = &node.cascade else {
        return Err(unavailable("this node stands alone"));
    };
    call.hops += 1;
    match cascade.ask(to, Question::Call(call), limit).await {
        Ok(Reply::Called(called)) => Ok(called),
        Ok(Reply::Room(_)) => Err(unavailable("the other node did not understand")),
        Err(error) => Err(unavailable(&error.to_string())),
    }
}

/// Rooms of these names, or all, that are on other nodes only. What does not answer is left out.
pub(super) async fn list(node: &Node, names: &[String], call: &Call) -> Vec<Arc<RoomInfo>> {
    let Some(cascade) = node.cascade.as_ref().filter(|_| call.hops == 0) else {
        return Vec::new();
    };
    let mut by_node: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for (room, node) in cascade.elsewhere().await {
        if names.is_empty() || names.iter().any(|name| **name == *room) {
            by_node.entry(node).or_default().push(room.to_string());
        }
    }
    let mut rooms = Vec::new();
    for (other, names) in by_node {
        let call = Call {
            content_type: Encoding::Protobuf.content_type().to_owned(),
            body: livekit::room_service::write_list(names).into(),
            ..call.clone()
        };
        if let Ok(called) = ask(node, other, call, PATIENCE).await
            && let Ok(read) = read_rooms(&called.body)
        {
            rooms.extend(read.into_iter().map(Arc::new));
        }
    }
    rooms
}
