//! Who is on this shard: letting in, connecting, letting go, and the rooms that open
//! and close with them.

use std::time::Instant;

use livekit::join::Mode;
use media::ParticipantId;
use sfu::{DropCounts, Fact, Happened, LeaveReason, Notice, Room, TransportKey};
use tracing::{info, warn};
use transport::{IceCredentials, Negotiator, Setup, Transport};

use super::inbox::{Arrival, ToSignal};
use super::member::Member;
use super::transports::guarded;
use super::{OpenRoom, RoomKey, Shard, Timer};
use crate::directory::{Open, Place, Purpose};
use crate::ids;
use crate::opening::NewRoom;

/// Random characters of an ICE password: RFC 8445 wants at least 128 bits.
const PASSWORD_LEN: usize = 32;

/// Fresh ones of a shard, for one transport until ICE restarts.
pub(super) fn credentials(shard: usize) -> IceCredentials {
    IceCredentials {
        ufrag: ids::ufrag(shard),
        pwd: ids::random_text(PASSWORD_LEN),
    }
}

impl Shard {
    /// Lets somebody in, or says why not.
    pub(super) fn join(&mut self, now: Instant, arrival: Arrival) {
        let Arrival {
            room,
            place,
            membership,
            mode,
            primary,
            commands,
            offer,
            signal,
        } = arrival;
        let participant = membership.participant.id;
        let key = self.room(now, room, &place);
        let Some(open) = self.rooms.get_mut(&key) else {
            return;
        };
        let joined = match open.room.join(now, membership) {
            Ok(joined) => joined,
            Err(refusal) => {
                self.metrics.joins.with_label_values(&["refused"]).inc();
                // The client has gone if it does not take this first message.
                let _ = signal.outbox.try_send(ToSignal::Refused(refusal));
                return;
            }
        };
        let connected = self
            .connect(now, participant, key, mode)
            .map(|(publisher, subscriber)| {
                Member::new(key, place, signal, (publisher, subscriber), primary)
            });
        let Some(mut member) = connected else {
            self.with_room(now, key, |room, _| {
                room.leave(now, participant, LeaveReason::JoinFailure)
            });
            return;
        };
        self.metrics.joins.with_label_values(&["joined"]).inc();
        self.metrics.participants.inc();
        let publisher = member.publisher;
        // It has just come: its queue is empty.
        let _ = member.tell(ToSignal::Joined(Box::new(joined)));
        self.members.insert(participant, member);
        if let Some(relaying) = &mut self.relaying {
            relaying.turn.admit(participant);
        }
        self.with_room(now, key, |room, wire| {
            room.attach(now, participant, publisher);
            for command in commands {
                room.command(now, participant, command, wire);
            }
        });
        // What it subscribes to by joining must be known when its offer is answered.
        self.settle_room(now, key);
        if let Some((id, description)) = offer {
            self.answer(now, participant, id, &description);
        }
        self.dirty_members.push(participant);
    }

    pub(super) fn connect(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        room: RoomKey,
        mode: Mode,
    ) -> Option<(TransportKey, Option<TransportKey>)> {
        let publisher = self.add_transport(now, participant, room, Negotiator::Remote)?;
        let subscriber = match mode {
            Mode::Single => None,
            Mode::Dual => Some(self.add_transport(now, participant, room, Negotiator::Local)?),
        };
        Some((publisher, subscriber))
    }

    pub(super) fn add_transport(
        &mut self,
        now: Instant,
        owner: ParticipantId,
        room: RoomKey,
        negotiator: Negotiator,
    ) -> Option<TransportKey> {
        let ice = credentials(self.number);
        let ufrag = ice.ufrag.clone();
        let open = self.rooms.get(&room);
        let setup = Setup {
            identity: self.identity.clone(),
            ice,
            candidates: self.advertised.clone(),
            negotiator,
            playout: open.and_then(|open| open.room.playout_delay(owner)),
        };
        let transport = Transport::new(now, setup);
        let key = self
            .transports
            .insert(transport, owner, room, ufrag.clone())?;
        self.demux.expect(ufrag, key);
        self.transports.touch(key);
        Some(key)
    }

    pub(super) fn tell(&mut self, now: Instant, participant: ParticipantId, message: ToSignal) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        if member.tell(message).is_err() {
            self.lose_signal(now, participant);
        }
    }

    /// Somebody leaves, for whatever reason; its room tells everybody.
    pub(super) fn part(&mut self, now: Instant, participant: ParticipantId, reason: LeaveReason) {
        let room = match self.members.get(&participant) {
            Some(member) => {
                self.metrics.left(reason);
                Some(member.room)
            }
            None => self.links.room_of(participant),
        };
        if let Some(room) = room {
            self.with_room(now, room, |room, _| room.leave(now, participant, reason));
        }
    }

    /// The room has let somebody go: nothing of it stays.
    pub(super) fn forget(&mut self, now: Instant, participant: ParticipantId) {
        let Some(member) = self.members.remove(&participant) else {
            return self.links.vanished(participant);
        };
        for key in member.transports() {
            self.timers.set(Timer::Transport(key.0), None);
            if let Some(mut slot) = self.transports.remove(key) {
                self.demux.forget(&slot.ufrags, key);
                let queue = &mut self.queue;
                // A goodbye the client may miss: consent expiry ends it otherwise.
                guarded(&self.metrics, || {
                    slot.count_drops(&self.metrics);
                    slot.transport.close(now);
                    while let Some(output) = slot.transport.poll(now) {
                        if let transport::Output::Transmit { to, bytes } = output {
                            queue.push(now, key, to, &bytes);
                        }
                    }
                });
            }
        }
        self.timers.set(Timer::Negotiation(participant), None);
        if let Some(relaying) = &mut self.relaying {
            relaying.turn.dismiss(participant);
        }
        self.calls.forget(participant);
        self.metrics.participants.dec();
    }

    pub(super) fn room(&mut self, now: Instant, new: NewRoom, place: &Place) -> RoomKey {
        let NewRoom { info, beginning } = new;
        if let Some(key) = self.names.get(&info.name) {
            return *key;
        }
        self.next_room += 1;
        let key = RoomKey(self.next_room);
        info!(room = %info.id, "room opened");
        self.metrics.rooms.inc();
        let name = info.name.clone();
        self.names.insert(name.clone(), key);
        let mut room = Room::new(now, info, beginning);
        if let Some(spanning) = &mut self.links.spanning {
            room.span(now, spanning.opened(key, name.clone()));
        }
        self.rooms.insert(
            key,
            OpenRoom {
                room,
                counted: DropCounts::default(),
                unknown_profiles: 0,
                name,
                place: place.also(Purpose::Room),
            },
        );
        // Its first facts and its first deadline.
        self.dirty_rooms.push(key);
        key
    }

    /// Gives a room up that failed in our own code: everybody in it joins again.
    pub(super) fn abandon(&mut self, now: Instant, key: RoomKey) {
        warn!("a room failed in our own code; its participants are sent to join again");
        let in_it = self.members.iter().filter(|(_, member)| member.room == key);
        let in_it: Vec<_> = in_it.map(|(participant, _)| *participant).collect();
        for participant in in_it {
            if let Some(member) = self.members.get_mut(&participant) {
                // A client that does not read is gone in any case.
                let _ = member.tell(ToSignal::Notice(Notice::Leave(LeaveReason::StateMismatch)));
            }
            self.metrics.left(LeaveReason::StateMismatch);
            self.forget(now, participant);
        }
        if let Some(open) = self.rooms.get(&key) {
            self.facts.tell(Fact {
                room: open.room.info().clone(),
                happened: Happened::RoomFinished(LeaveReason::StateMismatch),
            });
        }
        self.close_room(key);
    }

    pub(super) fn close_room(&mut self, key: RoomKey) {
        let Some(mut open) = self.rooms.remove(&key) else {
            return;
        };
        open.count_drops(&self.metrics);
        info!(room = %open.room.info().id, "room closed");
        self.names.remove(&open.name);
        self.links.room_closed(key);
        if let Some(spanning) = &mut self.links.spanning {
            spanning.closed(key);
        }
        self.timers.set(Timer::Room(key), None);
        self.metrics.rooms.dec();
        match open.place.give_up() {
            Open::Somewhere => {}
            Open::Nowhere => self.facts.left_shards(open.name),
        }
    }
}
