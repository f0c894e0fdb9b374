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
                room: node.new_room(room, &settings).await,
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
            let destination = node.new_room(destination, &RoomSettings::default()).await;
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
        room: node.new_room(destination, &RoomSettings::default()).await,
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
    in_room(node, room, |room| Order::Call {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What SDKs wait for an answer.
    const CALLER_WAITS: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn tw_6_a_room_that_does_not_answer_is_given_up_well_before_the_caller_gives_up() {
        let (held, answer) = oneshot::channel();
        let asked = Instant::now();
        let given_up = timeout(CALLER_WAITS * 3 / 4, wait(answer)).await;
        let took = asked.elapsed();
        assert_eq!(given_up.unwrap().err(), Some(Failure::Late), "{took:?}");
        drop(held);
    }

    #[test]
    fn tw_6_a_shard_that_takes_no_more_is_not_waited_for() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (shard, inbox) = ShardInbox::new(waker);
        let names: Arc<[String]> = Arc::default();
        let ask = || {
            let names = Arc::clone(&names);
            send(&shard, Order::List { names })
        };
        while ask().is_ok() {}
        assert_eq!(ask().err(), Some(Failure::Busy));
        drop(inbox);
    }

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
