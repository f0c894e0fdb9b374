//! The app takes somebody to another room: with all its connections to one of this
//! shard, else it is sent to join there.

use std::sync::Arc;
use std::time::Instant;

use livekit::room_service::{Answer, Failure};
use livekit::signal::Recipient;
use media::ParticipantId;
use sfu::{LeaveReason, Moved, ParticipantChange, RoomInfo};

use super::administering::Pass;
use super::inbox::ToSignal;
use super::{RoomKey, Shard};
use crate::directory::Purpose;

impl Shard {
    /// Sends somebody to join another room.
    pub(super) fn send_over(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        destination: Arc<RoomInfo>,
        pass: Pass,
    ) -> Result<Answer, Failure> {
        if !self.members.contains_key(&participant) {
            return Err(Failure::Forwarded);
        }
        self.tell(now, participant, ToSignal::SentOver(destination, pass));
        self.part(now, participant, LeaveReason::Moved);
        Ok(Answer::Done)
    }

    /// Takes somebody to another room of this shard, with its connections where its
    /// client understands that.
    pub(super) fn carry_over(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        destination: RoomKey,
        pass: Pass,
    ) -> Result<Answer, Failure> {
        let member = self.members.get(&participant).ok_or(Failure::Forwarded)?;
        let (room, listens) = (member.room, member.signalling.is_open());
        let here = self.rooms.get(&room).ok_or(Failure::RoomMissing)?;
        let there = self.rooms.get(&destination).ok_or(Failure::RoomMissing)?;
        let info = here.room.participant(participant);
        let info = info.ok_or(Failure::ParticipantMissing)?;
        if there.room.find(&info.identity).is_some() {
            return Err(Failure::IdentityTaken);
        }
        there.room.would_admit(info)?;
        let protocol = here.room.protocol(&info.identity).unwrap_or_default();
        // Who is about to come back has a token for the room it was in.
        if !listens || protocol < Recipient::MOVES_FROM_PROTOCOL {
            let destination = Arc::clone(there.room.info());
            return self.send_over(now, participant, destination, pass);
        }
        let rooms = (room, destination);
        self.exchange_rooms(now, participant, rooms, pass)
            .ok_or(Failure::Busy)?;
        Ok(Answer::Done)
    }

    fn exchange_rooms(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        (from, to): (RoomKey, RoomKey),
        pass: Pass,
    ) -> Option<()> {
        let luggage = self.with_room(now, from, |room, _| room.take_along(now, participant))??;
        // What the first room has to say of its connections, it says before the second.
        self.settle_room(now, from);
        let place = self.rooms.get(&to)?.place.also(Purpose::Person);
        let member = self.members.get_mut(&participant)?;
        (member.room, member._place) = (to, place);
        let publisher = member.publisher;
        for key in member.transports() {
            if let Some(slot) = self.transports.get_mut(key) {
                slot.room = to;
                slot.origins.clear();
            }
        }
        let moved = self.with_room(now, to, |room, wire| room.bring_in(now, luggage, wire))?;
        let Ok(Moved {
            mut joined,
            received,
        }) = moved
        else {
            self.forget(now, participant);
            return None;
        };
        // Before anything comes that it may not send there.
        if let Some(pass) = &pass {
            let change = ParticipantChange {
                permission: Some(pass.video.permission()),
                ..ParticipantChange::default()
            };
            let changed = self.with_room(now, to, |room, _| {
                room.update_participant(now, participant, change)
            });
            if let Some(Ok(changed)) = changed {
                joined.participant = changed;
            }
        }
        if let Some(slot) = self.transports.get_mut(publisher) {
            let origins = received.iter().map(|it| (it.mid, it.track));
            slot.origins = origins.collect();
        }
        self.tell(now, participant, ToSignal::Moved(Box::new(joined), pass));
        self.dirty_members.push(participant);
        Some(())
    }
}
