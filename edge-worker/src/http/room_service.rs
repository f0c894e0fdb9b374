//! RoomService: finds the shards of a call and has them do what it asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use livekit::join::RoomSettings;
use livekit::room_service::{Answer, Failure, Request, Task};
use livekit::server_data::{Rpc, RpcNews};
use sfu::{Beginning, Identity, Muted, RoomInfo};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use crate::directory::Distance;
use crate::errands::{ask, send, wait};
use crate::ids;
use crate::node::Node;
use crate::opening::{Opening, UnknownPreset, warn_of};
use crate::shard::{Destination, Forwarding, Order, Pass, ToShard};

/// Does what was asked.
pub(crate) async fn perform(node: &Node, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::CreateRoom { room, settings } => create(node, &room, settings).await,
        Request::ListRooms { names } => list(node, names.into()).await,
        Request::DeleteRoom { room } => delete(node, room).await,
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
        } => send_to(node, room, identity, destination, None).await,
        Request::ForwardParticipant {
            room,
            identity,
            destination,
        } => forward(node, room, identity, destination).await,
    }
}

async fn create(
    node: &Node,
    name: &Arc<str>,
    mut settings: RoomSettings,
) -> Result<Answer, Failure> {
    let filled_in = node.fill_in(&mut settings);
    filled_in.map_err(|UnknownPreset| Failure::PresetUnknown)?;
    let Opening { shard, place, room } = node.open_room(name, &settings).await;
    match room.beginning {
        // It was said where the room was made.
        Beginning::Anew => {}
        Beginning::Joined => warn_of(&settings.undone),
    }
    let order = Order::Create {
        room,
        change: settings.change(),
        place,
    };
    ask(&shard, order).await
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
            if let Some(cascade) = &node.cascade {
                cascade.revoked(&room, identity, until);
            }
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
    match whom(&task).cloned() {
        Some(identity) => at_home(node, room, &identity, |room| Order::InRoom(room, task)).await,
        None => in_room(node, room, |room| Order::InRoom(room, task)).await,
    }
}

/// Whose home has to do it; where it is nobody's, any instance of the room can.
pub(super) fn whom(task: &Task) -> Option<&Identity> {
    match task {
        Task::RemoveParticipant { identity, .. }
        | Task::MuteTrack { identity, .. }
        | Task::UpdateParticipant { identity, .. }
        | Task::UpdateSubscriptions { identity, .. } => Some(identity),
        Task::PerformRpc(rpc) => Some(&rpc.identity),
        Task::GetParticipant(_) | Task::SendData { .. } | Task::UpdateRoomMetadata(_) => None,
    }
}

/// Closes a room. One instance tells the others; who asked hears of it when all are gone, so
/// that whoever comes then finds a new room.
async fn delete(node: &Node, room: Arc<str>) -> Result<Answer, Failure> {
    /// The others hear of it within milliseconds.
    const LIMIT: Duration = Duration::from_secs(1);
    const AGAIN: Duration = Duration::from_millis(2);
    let mut homes = node.directory.find_all(&room).into_iter();
    let (first, _place) = homes.next().ok_or(Failure::RoomMissing)?;
    let answer = ask(&first, Order::Delete(Arc::clone(&room))).await?;
    // Whoever comes next, even before all have heard of it, begins another life.
    node.beginnings.forget(&room);
    let until = Instant::now() + LIMIT;
    for (other, _place) in homes {
        while ask(&other, Order::Describe(Arc::clone(&room)))
            .await
            .is_ok()
            && Instant::now() < until
        {
            sleep(AGAIN).await;
        }
    }
    Ok(answer)
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
    let mut all: Vec<Arc<RoomInfo>> = Vec::new();
    let mut known: HashMap<Arc<str>, usize> = HashMap::new();
    for answer in asked {
        let Answer::Rooms(rooms) = wait(answer?).await? else {
            continue;
        };
        for room in rooms {
            match known.get(&room.name) {
                // An instance that has just opened has not heard of everybody.
                Some(&at) if all[at].participants < room.participants => all[at] = room,
                Some(_) => {}
                None => {
                    known.insert(Arc::clone(&room.name), all.len());
                    all.push(room);
                }
            }
        }
    }
    Ok(Answer::Rooms(all))
}

/// Takes somebody to another room, where it may do what its pass says. A room that has to be made
/// is made beside the first, so that connections can be carried over.
pub(crate) async fn send_to(
    node: &Node,
    room: Arc<str>,
    identity: Identity,
    destination: Arc<str>,
    pass: Pass,
) -> Result<Answer, Failure> {
    // Held until the answer is there, so that the room stays where it is.
    let home = node.home_of(&room, &identity).await;
    let (shard, near) = home.ok_or(Failure::RoomMissing)?;
    let (found, distance) = node.directory.place_beside(&destination, &near);
    match distance {
        Distance::SameShard => {
            let opening = node.open_at(&destination, found).await;
            let order = Order::Carry {
                room,
                identity,
                destination: opening.room,
                place: opening.place,
                pass,
            };
            ask(&shard, order).await
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
            let order = Order::Move {
                room,
                identity,
                destination: there,
                pass,
            };
            ask(&shard, order).await
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
    let home = node.home_of(&room, &identity).await;
    let (near, _place) = home.ok_or(Failure::RoomMissing)?;
    let opening = node.open_room(&destination, &RoomSettings::default()).await;
    let (reply, answer) = oneshot::channel();
    let destination = Destination {
        shard: opening.shard,
        room: opening.room,
        place: opening.place,
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

/// A room of this node, if it is open.
pub(crate) async fn describe_room(node: &Node, name: &str) -> Option<RoomInfo> {
    let info = describe(node, name.into()).await.ok()?;
    Some((*info).clone())
}

async fn call(node: &Node, room: Arc<str>, rpc: Rpc) -> Result<Answer, Failure> {
    /// An acknowledgement and an answer, even if the client repeats one.
    const NEWS: usize = 4;
    let (news, heard) = mpsc::channel(NEWS);
    let (asked, limit) = (Instant::now(), rpc.limit);
    let identity = rpc.identity.clone();
    at_home(node, room, &identity, |room| Order::Call {
        room,
        rpc,
        id: ids::random_text(CALL_ID_LEN),
        news,
    })
    .await?;
    hear_out(heard, asked, limit).await
}

/// Waits until a participant's method returns, which it has to take up soon.
async fn hear_out(
    mut heard: mpsc::Receiver<RpcNews>,
    asked: Instant,
    limit: Duration,
) -> Result<Answer, Failure> {
    let mut patience = Patience::new(asked, limit);
    loop {
        match timeout_at(patience.until, heard.recv()).await {
            Ok(Some(RpcNews::Acknowledged)) => patience.taken_up(),
            Ok(Some(RpcNews::Returned(payload))) => return Ok(Answer::Returned(payload)),
            Ok(Some(RpcNews::Failed(error))) => return Err(Failure::RpcFailed(error)),
            Ok(None) => return Err(Failure::RpcDisconnected),
            Err(_) => return Err(patience.at_its_end()),
        }
    }
}

/// How long a participant's method is waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    until: Instant,
    answered_by: Instant,
}

impl Patience {
    fn new(asked: Instant, limit: Duration) -> Self {
        let answered_by = asked + limit;
        Self {
            until: answered_by.min(asked + Rpc::ACKNOWLEDGED_WITHIN),
            answered_by,
        }
    }

    /// The client has acknowledged the call.
    fn taken_up(&mut self) {
        self.until = self.answered_by;
    }

    /// What went wrong when nothing more came.
    fn at_its_end(&self) -> Failure {
        if self.until == self.answered_by {
            Failure::RpcUnanswered
        } else {
            Failure::RpcUnacknowledged
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
    let (shard, _place) = node.directory.find(&room).ok_or(Failure::RoomMissing)?;
    ask(&shard, order(room)).await
}

/// Asks the shard somebody in a room is connected to.
async fn at_home(
    node: &Node,
    room: Arc<str>,
    identity: &Identity,
    order: impl FnOnce(Arc<str>) -> Order,
) -> Result<Answer, Failure> {
    let home = node.home_of(&room, identity).await;
    let (shard, _place) = home.ok_or(Failure::RoomMissing)?;
    ask(&shard, order(room)).await
}

fn unix_now() -> u64 {
    unix_time().as_secs()
}

fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_waited_for_seven_seconds_until_it_is_taken_up_and_then_to_its_limit() {
        let asked = Instant::now();
        let at = |seconds| asked + Duration::from_secs(seconds);
        for (limit, before, after) in [
            (15, (7, Failure::RpcUnacknowledged), 15),
            (60, (7, Failure::RpcUnacknowledged), 60),
            // Who is in a hurry does not wait for that.
            (3, (3, Failure::RpcUnanswered), 3),
        ] {
            let mut patience = Patience::new(asked, Duration::from_secs(limit));
            let silence = (patience.until, patience.at_its_end());
            assert_eq!(silence, (at(before.0), before.1), "{limit} s");
            patience.taken_up();
            let silence = (patience.until, patience.at_its_end());
            assert_eq!(silence, (at(after), Failure::RpcUnanswered), "{limit} s");
        }
    }

    #[tokio::test]
    async fn a_call_ends_with_the_participant_it_is_made_of() {
        let (tell, heard) = mpsc::channel::<RpcNews>(4);
        drop(tell);
        let answer = hear_out(heard, Instant::now(), Duration::from_secs(15)).await;
        assert_eq!(answer.err(), Some(Failure::RpcDisconnected));
    }
}
