//! What links carry: found out by transports, used by rooms.

use std::time::Instant;

use media::{Bitrate, ParticipantId};
use sfu::{Load, TransportKey};
use transport::Wanted;

use super::Shard;

impl Shard {
    /// A transport believes that it carries so much towards its client.
    pub(super) fn estimated(
        &mut self,
        now: Instant,
        key: TransportKey,
        owner: ParticipantId,
        estimate: Bitrate,
    ) {
        self.metrics.estimates.observe(estimate.0 as f64);
        let Some(member) = self.members.get(&owner) else {
            return;
        };
        // With two connections only one carries what the client receives.
        if member.subscriber() != key {
            return;
        }
        let room = member.room;
        if let Some(slot) = self.transports.get_mut(key) {
            slot.pace(now, estimate);
        }
        self.with_room(now, room, |room, wire| {
            room.set_estimate(now, owner, Some(estimate), wire);
        });
    }

    /// Has a client's link taken for this wide, to see how its app fares; `None` ends that.
    pub(super) fn impose_estimate(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        estimate: Option<Bitrate>,
    ) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        self.with_room(now, member.room, |room, wire| {
            room.impose_estimate(now, participant, estimate, wire);
        });
    }

    /// Sends what has waited long enough for the link of `key`.
    pub(super) fn release(&mut self, now: Instant, key: TransportKey) {
        let Self {
            transports,
            queue,
            tally,
            ..
        } = self;
        let Some(slot) = transports.get_mut(key) else {
            return;
        };
        while let Some(waiting) = slot.pacer.as_mut().and_then(|pacer| pacer.poll(now)) {
            slot.send(now, waiting.sink, &waiting.packet(), queue, tally);
        }
    }

    /// A room wants a participant's link to carry so much.
    pub(super) fn want(&mut self, now: Instant, participant: ParticipantId, load: Load) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let key = member.subscriber();
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        let wanted = Wanted {
            allocated: load.allocated,
            next: load.next,
        };
        slot.transport.want(now, wanted);
        self.transports.touch(key);
    }
}
