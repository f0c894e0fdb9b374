//! Links of this shard's rooms: somebody in a room of this node appears in another one.
//! Rooms decide what goes over them; here it is carried, to another shard or to this one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use livekit::room_service::{Answer, Failure};
use media::{Layer, ParticipantId, Rtcp};
use rustc_hash::FxHashMap;
use sfu::{
    Carried, Identity, LeaveReason, LinkKey, LinkNews, Linked, Membership, Notice, Pausing,
    Streams, TrackKey, Wanted,
};
use tokio::sync::oneshot;

use super::inbox::{ShardInbox, ToShard};
use super::link::{Destination, Extension, LinkMessage, Loaded, Loading, Unloading, queue};
use super::spanning::Spanning;
use super::{RoomKey, Shard};
use crate::ids;

/// Somebody of a room here shall appear in another room too.
#[derive(Debug)]
pub(crate) struct Forwarding {
    /// Where it is.
    pub(crate) room: Arc<str>,
    /// Who.
    pub(crate) identity: Identity,
    /// This shard.
    pub(crate) near: ShardInbox,
    /// Where it shall appear.
    pub(crate) destination: Destination,
    /// To whoever asks for it; answered by the shard where it appears.
    pub(crate) reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// All links with an end on this shard.
#[derive(Debug, Default)]
pub(super) struct Links {
    leaving: FxHashMap<LinkKey, Leaving>,
    arriving: FxHashMap<LinkKey, Arriving>,
    /// Who came over which.
    appeared: FxHashMap<ParticipantId, LinkKey>,
    /// What a full inbox did not take, oldest first.
    unsent: VecDeque<Unsent>,
    /// Media there was no room for, since it was counted last.
    dropped: u64,
    /// To other instances of the rooms here, where there may be any.
    pub(super) spanning: Option<Spanning>,
}

/// The end where somebody is connected.
#[derive(Debug)]
struct Leaving {
    room: RoomKey,
    participant: ParticipantId,
    destination: Arc<str>,
    far: ShardInbox,
    media: Loading,
}

/// The end where it appears.
#[derive(Debug)]
struct Arriving {
    room: RoomKey,
    participant: ParticipantId,
    near: ShardInbox,
    media: Unloading,
}

#[derive(Debug)]
struct Unsent {
    to: ShardInbox,
    link: LinkKey,
    message: LinkMessage,
}

impl Links {
    /// None yet; `spanning` leads to other instances of rooms.
    pub(super) fn new(spanning: Option<Spanning>) -> Self {
        Self {
            spanning,
            ..Self::default()
        }
    }

    /// Puts media into the queue of a link.
    pub(super) fn carry(
        &mut self,
        link: LinkKey,
        track: TrackKey,
        layer: Layer,
        media: Carried<'_>,
    ) {
        let Some(leaving) = self.leaving.get(&link) else {
            if let Some(spanning) = &mut self.spanning {
                spanning.carry(link, track, layer, media);
            }
            return;
        };
        match leaving.media.load(track, media) {
            Loaded::Known => {}
            Loaded::Untold => {
                let message = LinkMessage::Loaded;
                if leaving.far.send(ToShard::Link { link, message }).is_err() {
                    leaving.media.untold();
                }
            }
            Loaded::Dropped => self.dropped += 1,
        }
    }

    /// Asks the room at the other end for a keyframe. Lost, it is asked for again.
    pub(super) fn ask(&mut self, link: LinkKey, track: TrackKey, layer: Layer) {
        if let Some(arriving) = self.arriving.get(&link) {
            let message = LinkMessage::Asks { track, layer };
            let _ = arriving.near.send(ToShard::Link { link, message });
        } else if let Some(spanning) = &mut self.spanning {
            spanning.ask(link, track, layer);
        }
    }

    /// The room in which somebody appears who came over a link.
    pub(super) fn room_of(&self, participant: ParticipantId) -> Option<RoomKey> {
        let link = self.appeared.get(&participant)?;
        self.arriving.get(link).map(|arriving| arriving.room)
    }

    /// How much media was dropped since this was asked last.
    pub(super) fn take_dropped(&mut self) -> u64 {
        let far = self.spanning.as_mut().map_or(0, Spanning::take_dropped);
        std::mem::take(&mut self.dropped) + far
    }

    /// Tells again what a full inbox did not take.
    pub(super) fn retry(&mut self) {
        if let Some(spanning) = &mut self.spanning {
            spanning.retry();
        }
        for Unsent { to, link, message } in std::mem::take(&mut self.unsent) {
            self.tell(to, link, message);
        }
    }

    /// Says something that must not be lost.
    fn tell(&mut self, to: ShardInbox, link: LinkKey, message: LinkMessage) {
        self.unsent
            .retain(|it| it.link != link || !message.supersedes(&it.message));
        let waits = self.unsent.iter().any(|it| it.link == link);
        let copy = message.clone();
        if waits || to.send(ToShard::Link { link, message }).is_err() {
            let message = copy;
            self.unsent.push_back(Unsent { to, link, message });
        }
    }

    fn tell_far(&mut self, link: LinkKey, message: LinkMessage) {
        if let Some(leaving) = self.leaving.get(&link) {
            self.tell(leaving.far.clone(), link, message);
        }
    }

    /// Somebody goes from here, and its link with it.
    fn gone(&mut self, link: LinkKey, reason: LeaveReason) {
        if let Some(leaving) = self.leaving.remove(&link) {
            self.tell(leaving.far, link, LinkMessage::Gone(reason));
        }
    }

    /// A room let somebody go who came over a link.
    pub(super) fn vanished(&mut self, participant: ParticipantId) {
        let link = self.appeared.remove(&participant);
        if let Some(link) = link
            && let Some(arriving) = self.arriving.remove(&link)
        {
            self.tell(arriving.near, link, LinkMessage::Ended);
        }
    }

    /// A room is no more, whatever became of those in it.
    pub(super) fn room_closed(&mut self, room: RoomKey) {
        let leaving = self.leaving.iter().filter(|(_, it)| it.room == room);
        let leaving: Vec<_> = leaving.map(|(link, _)| *link).collect();
        for link in leaving {
            self.gone(link, LeaveReason::RoomClosed);
        }
        let arriving = self.arriving.values().filter(|it| it.room == room);
        let arriving: Vec<_> = arriving.map(|it| it.participant).collect();
        for participant in arriving {
            self.vanished(participant);
        }
    }
}

impl Shard {
    /// Has somebody of a room here appear in another one too.
    pub(super) fn forward_participant(&mut self, now: Instant, forwarding: Forwarding) {
        let begun = self.begin_link(now, &forwarding);
        let Forwarding {
            near,
            destination,
            reply,
            ..
        } = forwarding;
        let (link, media, linked) = match begun {
            Ok(Some(begun)) => begun,
            // It appears there already. Who asked may have given up.
            Ok(None) => return drop(reply.send(Ok(Answer::Done))),
            Err(failure) => return drop(reply.send(Err(failure))),
        };
        let far = destination.shard.clone();
        let extension = Extension {
            link,
            destination,
            linked,
            near,
            media,
            reply,
        };
        if far.send(ToShard::Extend(Box::new(extension))).is_err() {
            self.cut(now, link);
        }
    }

    fn begin_link(
        &mut self,
        now: Instant,
        forwarding: &Forwarding,
    ) -> Result<Option<(LinkKey, Unloading, Linked)>, Failure> {
        let room = self.named(&forwarding.room)?;
        let participant = self.identified(room, &forwarding.identity)?;
        if self.links.appeared.contains_key(&participant) {
            return Err(Failure::Forwarded);
        }
        let destination = &forwarding.destination;
        let name = &destination.room.info.name;
        let same = |it: &Leaving| it.participant == participant && it.destination == *name;
        if self.links.leaving.values().any(same) {
            return Ok(None);
        }
        let link = LinkKey(rand::random());
        let (loading, unloading) = queue();
        let leaving = Leaving {
            room,
            participant,
            destination: Arc::clone(name),
            far: destination.shard.clone(),
            media: loading,
        };
        self.links.leaving.insert(link, leaving);
        let linked = self.with_room(now, room, |room, _| room.extend(participant, link));
        let Some(linked) = linked.flatten() else {
            self.links.leaving.remove(&link);
            return Err(Failure::ParticipantMissing);
        };
        Ok(Some((link, unloading, linked)))
    }

    /// Has somebody of another room appear in one here.
    pub(super) fn appear(&mut self, now: Instant, extension: Extension) {
        let Extension {
            link,
            destination,
            linked,
            near,
            media,
            reply,
        } = extension;
        let room = self.room(now, destination.room, &destination.place);
        let membership = membership(&linked, destination.now_ms);
        let participant = membership.participant.id;
        let joined = self.with_room(now, room, |room, _| {
            match room.find_identity(&membership.participant.identity) {
                Some(_) => Err(Failure::IdentityTaken),
                None => room.join(now, membership).map_err(Failure::from),
            }
        });
        let answer = joined.unwrap_or(Err(Failure::Busy)).map(|_| Answer::Done);
        if answer.is_ok() {
            let arriving = Arriving {
                room,
                participant,
                near,
                media,
            };
            self.links.arriving.insert(link, arriving);
            self.links.appeared.insert(participant, link);
            self.with_room(now, room, |room, wire| {
                room.follow(now, participant, link, &linked, wire);
                room.activated(now, participant);
            });
        } else {
            self.links.tell(near, link, LinkMessage::Ended);
        }
        // Who asked may have given up.
        let _ = reply.send(answer);
    }

    /// Does what the other end of a link says.
    pub(super) fn heed_link(&mut self, now: Instant, link: LinkKey, message: LinkMessage) {
        match message {
            LinkMessage::Changed(linked) => {
                let Some(arriving) = self.links.arriving.get(&link) else {
                    return;
                };
                let participant = arriving.participant;
                self.with_room(now, arriving.room, |room, wire| {
                    room.follow(now, participant, link, &linked, wire);
                });
            }
            LinkMessage::Gone(reason) => {
                let Some(arriving) = self.links.arriving.remove(&link) else {
                    return;
                };
                let participant = arriving.participant;
                self.links.appeared.remove(&participant);
                self.with_room(now, arriving.room, |room, _| {
                    room.leave(now, participant, as_seen_from_afar(reason));
                });
            }
            LinkMessage::Loaded => self.unload(now, link),
            LinkMessage::Wants { track, quality } => {
                if let Some(leaving) = self.links.leaving.get(&link) {
                    self.with_room(now, leaving.room, |room, _| {
                        room.link_wants(link, track, quality);
                    });
                }
            }
            LinkMessage::Asks { track, layer } => {
                if let Some(leaving) = self.links.leaving.get(&link) {
                    self.with_room(now, leaving.room, |room, wire| {
                        room.link_asks(now, track, layer, wire);
                    });
                }
            }
            LinkMessage::Ended => self.cut(now, link),
        }
    }

    /// What a room says over a link.
    pub(super) fn tell_link(&mut self, link: LinkKey, news: LinkNews) {
        if let Some(spanning) = self.links.spanning.as_mut().filter(|it| it.has(link)) {
            return spanning.say(link, news);
        }
        match news {
            LinkNews::Changed(linked) => {
                let message = LinkMessage::Changed(Arc::new(linked));
                self.links.tell_far(link, message);
            }
            LinkNews::Gone(_, reason) => self.links.gone(link, reason),
            // Said only where a whole room appears.
            LinkNews::Supply(_)
            | LinkNews::Quality(_)
            | LinkNews::Received(_)
            | LinkNews::Undecodable(_)
            | LinkNews::Demand { .. }
            | LinkNews::Data { .. }
            | LinkNews::Frame { .. }
            | LinkNews::Room(_)
            | LinkNews::Kept
            | LinkNews::Closed(_) => {}
        }
    }

    /// What a room tells somebody who came over a link: what concerns its publisher goes
    /// on, and of the rest its own room tells it.
    pub(super) fn overhear(&mut self, participant: ParticipantId, notice: &Notice) {
        let Notice::Demand { track, codecs } = notice else {
            return;
        };
        let Some(link) = self.links.appeared.get(&participant).copied() else {
            return;
        };
        let Some(arriving) = self.links.arriving.get(&link) else {
            return;
        };
        let room = self.rooms.get(&arriving.room);
        let Some(track) = room.and_then(|open| open.room.came_as(participant, *track)) else {
            return;
        };
        let quality = codecs.iter().filter_map(|codec| codec.highest).max();
        let message = LinkMessage::Wants { track, quality };
        self.links.tell(arriving.near.clone(), link, message);
    }

    /// Takes in the media that waits in a link's queue.
    fn unload(&mut self, now: Instant, link: LinkKey) {
        // Taken out meanwhile: a room may end on what it is given.
        let Some(arriving) = self.links.arriving.remove(&link) else {
            return;
        };
        let (room, participant) = (arriving.room, arriving.participant);
        arriving.media.unload(|far, media| {
            let open = self.rooms.get(&room);
            let own = open.and_then(|open| open.room.arrived_as(participant, far));
            let Some(track) = own else { return };
            match media {
                Carried::Packet(packet) => self.forward(now, room, track, packet),
                Carried::Report(report) => {
                    let report = Rtcp::SenderReport(*report);
                    self.with_room(now, room, |room, wire| {
                        room.handle_report(now, track, &report, wire);
                    });
                }
            }
        });
        self.links.arriving.insert(link, arriving);
        if !self.rooms.contains_key(&room) {
            self.links.vanished(participant);
        }
    }

    /// A link is over at its far end, or never began there.
    fn cut(&mut self, now: Instant, link: LinkKey) {
        if let Some(leaving) = self.links.leaving.remove(&link) {
            self.with_room(now, leaving.room, |room, _| room.cut(now, link));
        }
    }
}

/// How somebody appears at the far end of a link: as it is, but marked as forwarded,
/// under an id of its own, and receiving nothing.
fn membership(linked: &Linked, now_ms: i64) -> Membership {
    let mut participant = (*linked.participant).clone();
    participant.id = ids::participant_id();
    participant.joined_at_ms = now_ms;
    if !participant.kind_details.contains(&FORWARDED) {
        participant.kind_details.push(FORWARDED);
    }
    Membership {
        participant,
        auto_subscribe: Wanted::No,
        auto_subscribe_data: Wanted::No,
        adaptive_stream: false,
        pausing: Pausing::Allowed,
        protocol: 0,
        streams: Streams::Apart,
    }
}

/// LiveKit's number of that detail of a kind.
const FORWARDED: i32 = 1;

/// Why somebody is gone, as a room sees it that itself goes on.
fn as_seen_from_afar(reason: LeaveReason) -> LeaveReason {
    match reason {
        LeaveReason::DuplicateIdentity
        | LeaveReason::RoomDeleted
        | LeaveReason::RoomClosed
        | LeaveReason::Moved => LeaveReason::ClientInitiated,
        LeaveReason::ClientInitiated
        | LeaveReason::ServerShutdown
        | LeaveReason::ParticipantRemoved
        | LeaveReason::StateMismatch
        | LeaveReason::JoinFailure
        | LeaveReason::SignalClosed
        | LeaveReason::ConnectionTimeout => reason,
    }
}
