//! What the app asks of rooms on this shard, done at once between two packets. The
//! answer goes back by a channel that nobody waits for here.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use livekit::Claims;
use livekit::room_service::{Answer, Failure, Task};
use livekit::server_data::{Rpc, RpcNews, rpc_reply};
use media::ParticipantId;
use rustc_hash::FxHashMap;
use sfu::{Command, Identity, LeaveReason, Refusal, RoomChange, RoomInfo};
use tokio::sync::{mpsc, oneshot};

use super::{RoomKey, Shard};
use crate::directory::Place;
use crate::opening::NewRoom;

/// Something the app asks, and where to answer.
#[derive(Debug)]
pub(crate) struct Errand {
    /// What.
    pub(crate) order: Order,
    /// Dropped by a caller that waits no longer.
    pub(crate) reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// What the app asks.
#[derive(Debug)]
pub(crate) enum Order {
    /// Open a room, or change one that is open.
    Create {
        /// Should it have to be made.
        room: NewRoom,
        /// Should it be there.
        change: RoomChange,
        /// Keeps the room on this shard.
        place: Place,
    },
    /// Describe the rooms here.
    List {
        /// Only these; all if empty.
        names: Arc<[String]>,
    },
    /// Describe a room.
    Describe(Arc<str>),
    /// Describe who is in a room.
    Participants(Arc<str>),
    /// Say whether somebody in a room is connected here.
    Seek(Arc<str>, Identity),
    /// Close a room.
    Delete(Arc<str>),
    /// Do something in a room.
    InRoom(Arc<str>, Task),
    /// Call a participant's method.
    Call {
        /// Where.
        room: Arc<str>,
        /// Whose, and what it is given.
        rpc: Rpc,
        /// Names the call towards the client.
        id: String,
        /// Hears how it goes.
        news: mpsc::Sender<RpcNews>,
    },
    /// Send somebody to another room.
    Move {
        /// From here.
        room: Arc<str>,
        /// Whom.
        identity: Identity,
        /// To there.
        destination: Arc<RoomInfo>,
        /// What lets it in there.
        pass: Pass,
    },
    /// Take somebody to another room of this shard.
    Carry {
        /// From here.
        room: Arc<str>,
        /// Whom.
        identity: Identity,
        /// To there, should it have to be made.
        destination: NewRoom,
        /// Keeps that room on this shard.
        place: Place,
        /// What lets it in there.
        pass: Pass,
    },
}

/// What a token says of somebody who is taken to another room; none if it may do there what it
/// may do in the first.
pub(crate) type Pass = Option<Arc<Claims>>;

/// Calls of participants' methods that are under way.
#[derive(Debug, Default)]
pub(super) struct Calls(FxHashMap<String, Call>);

#[derive(Debug)]
struct Call {
    to: ParticipantId,
    news: mpsc::Sender<RpcNews>,
}

/// Each waits a minute at most, and a caller that gave up no longer counts.
const MOST_CALLS: usize = 1_024;

impl Calls {
    fn begin(&mut self, id: String, call: Call) -> Result<(), Failure> {
        if self.0.len() >= MOST_CALLS {
            self.0.retain(|_, call| !call.news.is_closed());
        }
        if self.0.len() >= MOST_CALLS {
            return Err(Failure::TooManyRpcs);
        }
        self.0.insert(id, call);
        Ok(())
    }

    /// Whether `payload` is what `from` says to a call of ours; then it was for us only.
    pub(super) fn take(&mut self, from: ParticipantId, payload: &Bytes) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some(reply) = rpc_reply(payload) else {
            return false;
        };
        let Some(call) = self.0.get(&reply.id).filter(|call| call.to == from) else {
            return false;
        };
        let last = reply.news != RpcNews::Acknowledged;
        // A caller that waits no longer hears nothing.
        let _ = call.news.try_send(reply.news);
        if last {
            self.0.remove(&reply.id);
        }
        true
    }

    /// Who is gone answers nothing any more: its callers see their channel close.
    pub(super) fn forget(&mut self, participant: ParticipantId) {
        if !self.0.is_empty() {
            self.0.retain(|_, call| call.to != participant);
        }
    }
}

impl Shard {
    /// Does what the app asks.
    pub(super) fn administer(&mut self, now: Instant, errand: Errand) {
        let answer = self.obey(now, errand.order);
        // Who asked may have given up.
        let _ = errand.reply.send(answer);
    }

    fn obey(&mut self, now: Instant, order: Order) -> Result<Answer, Failure> {
        match order {
            Order::Create {
                room,
                change,
                place,
            } => self.create(now, room, change, place),
            Order::List { names } => {
                let rooms = self.rooms.values().map(|open| open.room.info());
                let wanted = |room: &&Arc<RoomInfo>| {
                    names.is_empty() || names.iter().any(|it| **it == *room.name)
                };
                Ok(Answer::Rooms(rooms.filter(wanted).cloned().collect()))
            }
            Order::Describe(name) => {
                let key = self.named(&name)?;
                Ok(Answer::Room(self.info_of(key)?))
            }
            Order::Participants(name) => {
                let key = self.named(&name)?;
                let open = self.rooms.get(&key).ok_or(Failure::RoomMissing)?;
                Ok(Answer::Participants(
                    open.room.participants().cloned().collect(),
                ))
            }
            Order::Seek(name, identity) => {
                let key = self.named(&name)?;
                let participant = self.identified(key, &identity)?;
                let open = self.rooms.get(&key).ok_or(Failure::RoomMissing)?;
                match open.room.home(participant) {
                    Some(_) => Err(Failure::ParticipantMissing),
                    None => Ok(Answer::Done),
                }
            }
            Order::Delete(name) => {
                let key = self.named(&name)?;
                self.with_room(now, key, |room, _| {
                    room.close(now, LeaveReason::RoomDeleted)
                });
                // Who asked hears of it when the room is gone.
                self.settle_room(now, key);
                Ok(Answer::Done)
            }
            Order::InRoom(name, task) => {
                let key = self.named(&name)?;
                self.do_in_room(now, key, task)
            }
            Order::Call {
                room,
                rpc,
                id,
                news,
            } => self.call(now, &room, &rpc, id, news),
            Order::Move {
                room,
                identity,
                destination,
                pass,
            } => {
                let key = self.named(&room)?;
                let participant = self.identified(key, &identity)?;
                self.send_over(now, participant, destination, pass)
            }
            Order::Carry {
                room,
                identity,
                destination,
                place,
                pass,
            } => {
                let key = self.named(&room)?;
                let participant = self.identified(key, &identity)?;
                let destination = self.room(now, destination, &place);
                self.carry_over(now, participant, destination, pass)
            }
        }
    }

    fn create(
        &mut self,
        now: Instant,
        new: NewRoom,
        change: RoomChange,
        place: Place,
    ) -> Result<Answer, Failure> {
        if let Some(key) = self.names.get(&new.info.name).copied() {
            let changed = self.with_room(now, key, |room, _| room.configure(now, change));
            return changed.map(Answer::Room).ok_or(Failure::RoomMissing);
        }
        let key = self.room(now, new, &place);
        Ok(Answer::Room(self.info_of(key)?))
    }

    fn do_in_room(&mut self, now: Instant, key: RoomKey, task: Task) -> Result<Answer, Failure> {
        match task {
            Task::GetParticipant(identity) => {
                let open = self.rooms.get(&key).ok_or(Failure::RoomMissing)?;
                let found = open.room.find_identity(&identity);
                let found = found.ok_or(Failure::ParticipantMissing)?;
                Ok(Answer::Participant(Arc::clone(found)))
            }
            Task::RemoveParticipant { identity, .. } => {
                let participant = self.identified(key, &identity)?;
                self.part(now, participant, LeaveReason::ParticipantRemoved);
                Ok(Answer::Done)
            }
            Task::MuteTrack {
                identity,
                track,
                muted,
            } => {
                let participant = self.identified(key, &identity)?;
                let changed = self.with_room(now, key, |room, wire| {
                    room.mute_published(now, participant, track, muted, wire)
                });
                let changed = changed.flatten().ok_or(Failure::TrackMissing)?;
                Ok(Answer::Track(changed))
            }
            Task::UpdateParticipant { identity, change } => {
                let participant = self.identified(key, &identity)?;
                let changed = self.with_room(now, key, |room, _| {
                    room.update_participant(now, participant, *change)
                });
                match changed.ok_or(Failure::RoomMissing)? {
                    Ok(info) => Ok(Answer::Participant(info)),
                    Err(Refusal::LimitExceeded) => Err(Failure::TooLong),
                    Err(
                        Refusal::NotAllowed
                        | Refusal::NotFound
                        | Refusal::Unsupported
                        | Refusal::Queued
                        | Refusal::InvalidHandle
                        | Refusal::InvalidName
                        | Refusal::DuplicateHandle
                        | Refusal::DuplicateName,
                    ) => Err(Failure::ParticipantMissing),
                }
            }
            Task::UpdateSubscriptions {
                identity,
                tracks,
                wanted,
            } => {
                let participant = self.identified(key, &identity)?;
                let command = Command::Subscribe { tracks, wanted };
                self.with_room(now, key, |room, wire| {
                    room.command(now, participant, command, wire)
                });
                Ok(Answer::Done)
            }
            Task::SendData { message, nonce } => {
                let message = message.into_message();
                self.with_room(now, key, |room, _| room.send(message, nonce));
                Ok(Answer::Done)
            }
            Task::UpdateRoomMetadata(metadata) => {
                let changed = self.with_room(now, key, |room, _| room.set_metadata(now, metadata));
                changed.map(Answer::Room).ok_or(Failure::RoomMissing)
            }
            // Its answer comes later: asked as [`Order::Call`].
            Task::PerformRpc(_) => Err(Failure::Busy),
        }
    }

    fn call(
        &mut self,
        now: Instant,
        room: &str,
        rpc: &Rpc,
        id: String,
        news: mpsc::Sender<RpcNews>,
    ) -> Result<Answer, Failure> {
        let key = self.named(room)?;
        let to = self.identified(key, &rpc.identity)?;
        let message = rpc.message(&id).map_err(|_| Failure::TooLong)?;
        self.calls.begin(id, Call { to, news })?;
        self.with_room(now, key, |room, _| room.send(message.into_message(), None));
        Ok(Answer::Done)
    }

    pub(super) fn named(&self, name: &str) -> Result<RoomKey, Failure> {
        self.names.get(name).copied().ok_or(Failure::RoomMissing)
    }

    fn info_of(&self, key: RoomKey) -> Result<Arc<RoomInfo>, Failure> {
        let open = self.rooms.get(&key).ok_or(Failure::RoomMissing)?;
        Ok(Arc::clone(open.room.info()))
    }

    pub(super) fn identified(
        &self,
        key: RoomKey,
        identity: &Identity,
    ) -> Result<ParticipantId, Failure> {
        let open = self.rooms.get(&key).ok_or(Failure::RoomMissing)?;
        let found = open.room.find_identity(identity);
        found
            .map(|found| found.id)
            .ok_or(Failure::ParticipantMissing)
    }
}
