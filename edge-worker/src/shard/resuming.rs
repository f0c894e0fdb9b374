//! Keeping the place of a client whose signalling or media breaks, and its coming back.

use std::time::Instant;

use livekit::ResumeReason;
use livekit::signal::{SyncState, Told};
use media::ParticipantId;
use sfu::{LeaveReason, Synced, TransportKey};
use tracing::{debug, info};

use super::Shard;
use super::inbox::{Return, ToSignal};
use super::membership::credentials;

impl Shard {
    /// Lets somebody go on where it was, by another WebSocket.
    pub(super) fn resume(&mut self, now: Instant, coming_back: Return) {
        let Some(participant) = self.find(&coming_back) else {
            self.metrics.resumes.with_label_values(&["unknown"]).inc();
            // The client has gone if it does not take this first message.
            let _ = coming_back.signal.outbox.try_send(ToSignal::Unknown);
            return;
        };
        self.metrics.resumes.with_label_values(&["resumed"]).inc();
        self.on_behalf(now, participant, |shard| {
            shard.go_on(now, participant, coming_back);
        });
    }

    /// Who it is, if the membership it means is alive, and its connections are as many.
    fn find(&self, coming_back: &Return) -> Option<ParticipantId> {
        let room = self.rooms.get(self.names.get(&coming_back.room)?)?;
        let participant = room.room.find(&coming_back.identity)?;
        let meant = coming_back.participant.unwrap_or(participant);
        let member = self.members.get(&participant)?;
        (meant == participant && member.mode() == coming_back.mode).then_some(participant)
    }

    fn go_on(&mut self, now: Instant, participant: ParticipantId, coming_back: Return) {
        let Return {
            signal,
            offer,
            sync_state,
            ..
        } = coming_back;
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let (room, mishap) = (member.room, member.on_resume.take());
        if mishap == Some(Told::Nothing) {
            return self.lose_signal(now, participant);
        }
        let resumed = self.with_room(now, room, |room, _| {
            room.is_back(participant);
            room.resume(now, participant)
        });
        let (Some(Some(resumed)), Some(member)) = (resumed, self.members.get_mut(&participant))
        else {
            return;
        };
        if member
            .resume(signal, ToSignal::Resumed(Box::new(resumed)))
            .is_err()
        {
            return self.lose_signal(now, participant);
        }
        for key in member.transports() {
            if let Some(slot) = self.transports.get_mut(key) {
                slot.transport.expect(now);
                self.transports.touch(key);
            }
        }
        self.restart_offers(now, participant);
        self.with_room(now, room, |room, _| room.repeat_demands(participant));
        match sync_state {
            Some(SyncState::Claims(synced)) => self.sync(now, participant, synced),
            Some(SyncState::Impossible) => {
                return self.part(now, participant, LeaveReason::StateMismatch);
            }
            None => {}
        }
        if let Some((id, description)) = offer {
            self.answer(now, participant, id, &description);
        }
        if mishap == Some(Told::Everything) {
            self.lose_signal(now, participant);
        }
    }

    /// Where we make the offers, the next one restarts ICE.
    fn restart_offers(&mut self, now: Instant, participant: ParticipantId) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let subscriber = member.subscriber();
        if subscriber != member.publisher {
            self.restart_ice(now, subscriber);
        }
        self.dirty_members.push(participant);
    }

    /// Gives a transport new ICE credentials. The old ones find it as long as they hold.
    pub(super) fn restart_ice(&mut self, now: Instant, key: TransportKey) {
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        let fresh = credentials(self.number);
        self.demux.expect(fresh.ufrag.clone(), key);
        slot.ufrags.push(fresh.ufrag.clone());
        slot.transport.restart(now, fresh);
        let in_force = |ufrag: &String| slot.transport.ufrags().any(|known| known == ufrag);
        let demux = &mut self.demux;
        slot.ufrags.retain(|ufrag| {
            let kept = in_force(ufrag);
            if !kept {
                demux.expect_no_more(ufrag);
            }
            kept
        });
        self.transports.touch(key);
    }

    /// Compares what a client believes with what its room knows.
    pub(super) fn sync(&mut self, now: Instant, participant: ParticipantId, synced: Synced) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let compared = self.with_room(now, member.room, |room, wire| {
            room.sync(now, participant, synced, wire)
        });
        if let Some(Err(error)) = compared {
            info!(%participant, %error, "the client believes what is not so");
            self.part(now, participant, LeaveReason::StateMismatch);
        }
    }

    /// A client's WebSocket is gone, or it does not read. While its media goes on, or may
    /// come back, its place is kept; without any there is nothing to keep.
    pub(super) fn lose_signal(&mut self, now: Instant, participant: ParticipantId) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        member.lose_signal();
        let mut transports = member.transports();
        let connected = transports.any(|key| {
            let slot = self.transports.get_mut(key);
            slot.is_some_and(|slot| slot.transport.is_connected())
        });
        if connected {
            debug!(%participant, "signalling is lost");
        } else {
            self.part(now, participant, LeaveReason::SignalClosed);
        }
    }

    /// A client's media is silent: over a new WebSocket it shall restart ICE.
    pub(super) fn call_back(&mut self, now: Instant, participant: ParticipantId) {
        self.come_back(now, participant, ResumeReason::ConnectionTimeout);
    }

    /// Tells a client to come back by another WebSocket.
    pub(super) fn come_back(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        reason: ResumeReason,
    ) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        // Who does not hear of it finds its WebSocket closed.
        let _ = member.tell(ToSignal::ComeBack(reason));
        self.lose_signal(now, participant);
    }
}
