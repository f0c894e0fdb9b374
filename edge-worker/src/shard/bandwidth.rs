//! What links carry: found out by transports, used by rooms.

use std::time::Instant;

use media::{Bitrate, ParticipantId};
use sfu::{Load, TransportKey};
use transport::Wanted;

use super::Shard;
use super::queue::Payload;

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
        self.transports.pace(now, key, estimate);
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
        while let Some(waiting) = self.transports.pacer(key).and_then(|pacer| pacer.poll(now)) {
            let mut payload = Payload::new(&[]);
            self.queue
                .packet(now, waiting.sink, &waiting.packet(), &mut payload);
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
            wished: load.wished,
        };
        slot.transport.want(now, wanted);
        self.transports.touch(key);
    }
}
