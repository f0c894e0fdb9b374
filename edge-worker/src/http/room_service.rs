//! RoomService: finds the shards of a call, asks them and waits for their answers, each
//! with a deadline.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use livekit::join::RoomSettings;
use livekit::room_service::{Answer, Failure, Request, Task};
use livekit::server_data::{Rpc, RpcNews};
use sfu::{Identity, Muted, RoomChange, RoomInfo};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::directory::{Distance, Place};
use crate::ids;
use crate::node::Node;
use crate::shard::{Destination, Errand, Forwarding, Order, ShardInbox, ToShard};

/// A shard answers within milliseconds; callers give up after ten seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Does what was asked.
pub(super) async fn perform(node: &Node, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::CreateRoom { room, settings } => {
            let (shard, place) = node.directory.place(&room);
            let change = RoomChange {
                empty_timeout_s: settings.empty_timeout_s,
                departure_timeout_s: settings.departure_timeout_s,
                max_participants: settings.max_participants,
                metadata: settings.metadata.clone(),
            };
            let order = Order::Create {
                room: node.new_room(room, &settings),
                change,
                place,
            };
            ask(&shard, order).await
        }
        Request::ListRooms { names } => list(node, names.into()).await,
        Request::DeleteRoom { room } => in_room(node, room, Order::Delete).await,
        Request::ListParticipants { room } => {
            match in_room(node, room, Order::Participants).await {
                // LiveKit looks into its list of participants, which is empty then.
                Err(Failure::RoomMissing) => Ok(Answer::Participants(Vec::new())),
                answer => answer,
            }
        }
        Request::InRoom { room, task } => in_one_room(node, room, task).await,
        Request::MoveParticipant {
            room,
            identity,
            destination,
        } => send_to(node, room, identity, destination).await,
        Request::ForwardParticipant {
            room,
            identity,
            destination,
        } => forward(node, room, identity, destination).await,
    }
}

async fn in_one_room(node: &Node, room: Arc<str>, task: Task) -> Result<Answer, Failure> {
    match &task {
        Task::PerformRpc(rpc) => return call(node, room, rpc.clone()).await,
        Task::RemoveParticipant {
            identity,
            revoke_until,
        } => {
            // First: the client may be back before the answer is.
            let until = revoke_until.unwrap_or_else(unix_now);
            node.revocations.revoke(&room, &identity.0, until);
        }
        Task::MuteTrack {
            muted: Muted::No, ..
        } if !node.config.room.enable_remote_unmute => return Err(Failure::RemoteUnmuteOff),
        Task::MuteTrack { .. }
        | Task::GetParticipant(_)
        | Task::UpdateParticipant { .. }
        | Task::UpdateSubscriptions { .. }
        | Task::SendData { .. }
        | Task::UpdateRoomMetadata(_) => {}
    }
    in_room(node, room, |room| Order::InRoom(room, task)).await
}

async fn list(node: &Node, names: Arc<[String]>) -> Result<Answer, Failure> {
    // All are asked before the first is waited for.
    let shards = node.directory.shards().iter();
    let asked: Vec<_> = shards
        .map(|shard| {
            send(
                shard,
                Order::List {
                    names: names.clone(),
                },
            )
        })
        .collect();
    let mut all = Vec::new();
    for answer in asked {
        if let Answer::Rooms(rooms) = wait(answer?).await? {
            all.extend(rooms);
        }
    }
    Ok(Answer::Rooms(all))
}

/// Takes somebody to another room. One that has to be made is made beside the first, so
/// that connections can be carried over.
async fn send_to(
    node: &Node,
    room: Arc<str>,
    identity: Identity,
    destination: Arc<str>,
) -> Result<Answer, Failure> {
    let (_, place, distance) = node
        .directory
        .place_beside(&destination, &room)
        .ok_or(Failure::RoomMissing)?;
    match distance {
        Distance::SameShard => {
            let destination = node.new_room(destination, &RoomSettings::default());
            in_room(node, room, |room| Order::Carry {
                room,
                identity,
                destination,
                place,
            })
            .await
        }
        Distance::OtherShard => {
            let there = describe(node, destination.clone()).await?;
            if there.max_participants > 0 && there.participants >= there.max_participants {
                return Err(Failure::DestinationFull);
            }
            let task = Task::GetParticipant(identity.clone());
            match in_room(node, destination, |room| Order::InRoom(room, task)).await {
                Ok(_) => return Err(Failure::IdentityTaken),
                Err(Failure::ParticipantMissing) => {}
                Err(failure) => return Err(failure),
            }
            in_room(node, room, |room| Order::Move {
                room,
                identity,
                destination: there,
            })
            .await
        }
    }
}

/// Has somebody appear in another room too, which is made if need be.
async fn forward(
    node: &Node,
    room: Arc<str>,
    identity: Identity,
    destination: Arc<str>,
) -> Result<Answer, Failure> {
    // Held until the answer is there, so that the room stays where it is.
    let (near, _place) = node.directory.find(&room).ok_or(Failure::RoomMissing)?;
    let (shard, place) = node.directory.place(&destination);
    let (reply, answer) = oneshot::channel();
    let destination = Destination {
        shard,
        room: node.new_room(destination, &RoomSettings::default()),
        place,
        now_ms: unix_time().as_millis() as i64,
    };
    let forwarding = Box::new(Forwarding {
        room,
        identity,
        near: near.clone(),
        destination,
        reply,
    });
    near.send(ToShard::Forward(forwarding))
        .map_err(|_| Failure::Busy)?;
    wait(answer).await
}

async fn describe(node: &Node, room: Arc<str>) -> Result<Arc<RoomInfo>, Failure> {
    match in_room(node, room, Order::Describe).await? {
        Answer::Room(info) => Ok(info),
        Answer::Done
        | Answer::Rooms(_)
        | Answer::Participant(_)
        | Answer::Participants(_)
        | Answer::Track(_)
        | Answer::Returned(_) => Err(Failure::RoomMissing),
    }
}

async fn call(node: &Node, room: Arc<str>, rpc: Rpc) -> Result<Answer, Failure> {
    /// An acknowledgement and an answer, even if the client repeats one.
    const NEWS: usize = 4;
    let (news, mut heard) = mpsc::channel(NEWS);
    let asked = Instant::now();
    let (acknowledged_by, answered_by) = (asked + Rpc::ACKNOWLEDGED_WITHIN, asked + rpc.limit);
    in_room(node, room, |room| Order::Call {
        room,
        rpc,
        id: ids::random_text(CALL_ID_LEN),
        news,
    })
    .await?;
    let mut until = acknowledged_by.min(answered_by);
    loop {
        match timeout_at(until, heard.recv()).await {
            Ok(Some(RpcNews::Acknowledged)) => until = answered_by,
            Ok(Some(RpcNews::Returned(payload))) => return Ok(Answer::Returned(payload)),
            Ok(Some(RpcNews::Failed(error))) => return Err(Failure::RpcFailed(error)),
            Ok(None) => return Err(Failure::RpcDisconnected),
            Err(_) if until == answered_by => return Err(Failure::RpcUnanswered),
            Err(_) => return Err(Failure::RpcUnacknowledged),
        }
    }
}

/// As long as the ids clients draw.
const CALL_ID_LEN: usize = 36;

/// Asks the shard of a room that is open.
async fn in_room(
    node: &Node,
    room: Arc<str>,
    order: impl FnOnce(Arc<str>) -> Order,
) -> Result<Answer, Failure> {
    // Held until the answer is there, so that the room stays where it is.
    let (shard, _place): (ShardInbox, Place) =
        node.directory.find(&room).ok_or(Failure::RoomMissing)?;
    ask(&shard, order(room)).await
}

async fn ask(shard: &ShardInbox, order: Order) -> Result<Answer, Failure> {
    wait(send(shard, order)?).await
}

type Reply = oneshot::Receiver<Result<Answer, Failure>>;

fn send(shard: &ShardInbox, order: Order) -> Result<Reply, Failure> {
    let (reply, answer) = oneshot::channel();
    let errand = Box::new(Errand { order, reply });
    shard
        .send(ToShard::Administer(errand))
        .map_err(|_| Failure::Busy)?;
    Ok(answer)
}

async fn wait(answer: Reply) -> Result<Answer, Failure> {
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(answer)) => answer,
        // The shard failed on it, or stops.
        Ok(Err(_)) => Err(Failure::Busy),
        Err(_) => Err(Failure::Late),
    }
}

fn unix_now() -> u64 {
    unix_time().as_secs()
}

fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
