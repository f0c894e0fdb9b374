//! Coming to a room and going from it.

use std::sync::Arc;
use std::time::Instant;

use media::ParticipantId;

use super::Room;
use super::participants::{Participant, ParticipantKey, Seat};
use super::updates::{Listeners, Urgency};
use crate::{
    LeaveReason, Membership, Notice, Origin, Output, ParticipantInfo, Permission, Profile,
    RoomInfo, State, TransportKey, Visibility,
};

/// What somebody who joined finds.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The room, itself counted.
    pub room: Arc<RoomInfo>,
    /// Itself.
    pub participant: Arc<ParticipantInfo>,
    /// Everybody else who shows.
    pub others: Vec<Arc<ParticipantInfo>>,
}

/// Why somebody cannot join.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum JoinRefusal {
    /// As many as it may hold are there.
    #[error("the room is full")]
    Full,
    /// It has ended.
    #[error("the room is closed")]
    Closed,
}

/// Clients that speak a later protocol understand that a new id for an identity
/// replaces the old one.
const REPLACES_UP_TO_PROTOCOL: i32 = 11;

impl Room {
    /// Takes somebody in. Whoever has the same identity has to go first. What the
    /// newcomer is told by [`Self::poll`] comes after the answer to its join.
    pub fn join(
        &mut self,
        now: Instant,
        mut membership: Membership,
    ) -> Result<Joined, JoinRefusal> {
        if self.life.is_closed() {
            return Err(JoinRefusal::Closed);
        }
        let replaced = self
            .participants
            .key_of_identity(&membership.participant.identity);
        if Seat::of(&membership.participant) == Seat::Own && self.is_full_but_for(replaced) {
            return Err(JoinRefusal::Full);
        }
        let urgency = match replaced {
            Some(old) => {
                self.follow_in_time(old, &mut membership.participant);
                self.replace(now, old, &membership.participant.permission);
                Urgency::Now
            }
            None => Urgency::Soon,
        };

        let participant = Participant::new(now, membership);
        let connect_by = participant.connect_by;
        let hidden = participant.is_hidden();
        let info = Arc::clone(&participant.info);
        let others = self.visible();
        let key = self.participants.insert(participant);
        self.count_unknown_profile(info.attributes.get(Profile::ATTRIBUTE));
        self.note_profile(key);
        if !hidden {
            self.announce_info(now, key, Arc::clone(&info), urgency, Listeners::But(key));
        }
        self.tell_links(key);
        self.review_life(now, None);
        self.chore_by(connect_by);
        self.assess_soon(now);
        self.count(now);
        self.subscribe_to_all(key);
        self.subscribe_to_all_data(key);
        Ok(Joined {
            room: Arc::clone(&self.info),
            participant: info,
            others,
        })
    }

    /// The media connection of a participant is up.
    pub fn activated(&mut self, now: Instant, participant: ParticipantId) {
        let Some(key) = self.participants.local_key_of(participant) else {
            return;
        };
        let Some(found) = self.participants.find_mut(key) else {
            return;
        };
        if found.is_active() {
            return;
        }
        found.change(|info| info.state = State::Active);
        let first = !std::mem::replace(&mut found.on_record, true);
        self.announce(now, key, Urgency::Soon);
        if first {
            self.joined(key);
        }
    }

    /// Says on which transport a participant publishes.
    pub fn attach(&mut self, _now: Instant, participant: ParticipantId, publisher: TransportKey) {
        let Some(key) = self.participants.local_key_of(participant) else {
            return;
        };
        let Some(found) = self.participants.find_mut(key) else {
            return;
        };
        let origin = Origin::Transport(publisher);
        found.origin = Some(origin);
        for track in found.publishing.tracks() {
            if let Some(track) = self.tracks.find_mut(track) {
                track.fanout.set_origin(origin);
            }
        }
    }

    /// Somebody goes, or has to. Somebody connected elsewhere does when nothing is heard
    /// from there any more.
    pub fn leave(&mut self, now: Instant, participant: ParticipantId, reason: LeaveReason) {
        self.rivals.forget(participant);
        if let Some(key) = self.participants.key_of(participant) {
            self.remove(now, key, reason);
        }
    }

    /// Sends away whose media never connected.
    pub(super) fn dismiss_unconnected(&mut self, now: Instant) {
        let late: Vec<ParticipantKey> = self
            .participants
            .iter()
            .filter(|(_, p)| p.is_local() && !p.is_active() && p.connect_by <= now)
            .map(|(key, _)| key)
            .collect();
        for key in late {
            self.remove(now, key, LeaveReason::JoinFailure);
        }
    }

    /// Clocks of nodes differ: who replaces somebody came later, whatever they say.
    fn follow_in_time(&self, before: ParticipantKey, newcomer: &mut ParticipantInfo) {
        if let Some(before) = self.participants.find(before) {
            let after = before.info.joined_at_ms.saturating_add(1);
            newcomer.joined_at_ms = newcomer.joined_at_ms.max(after);
        }
    }

    pub(super) fn remove(&mut self, now: Instant, key: ParticipantKey, reason: LeaveReason) {
        self.remove_with(now, key, reason, Farewell::Dismissed);
    }

    /// Somebody makes way for a newcomer of the same identity.
    pub(super) fn replace(&mut self, now: Instant, key: ParticipantKey, newcomer: &Permission) {
        let reason = LeaveReason::DuplicateIdentity;
        let farewell = Farewell::Replaced(newcomer.visibility);
        self.remove_with(now, key, reason, farewell);
    }

    pub(super) fn remove_with(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        reason: LeaveReason,
        farewell: Farewell,
    ) {
        self.end_speaking(key);
        let Some(participant) = self.participants.find_mut(key) else {
            return;
        };
        let urgency = if participant.info.is_publisher() {
            Urgency::Now
        } else {
            Urgency::Soon
        };
        participant.change(|info| {
            info.state = State::Disconnected(reason);
            info.tracks.clear();
            info.data_tracks.clear();
        });
        let info = Arc::clone(&participant.info);
        let id = info.id;
        self.departing(key, Arc::clone(&info));
        let Some(participant) = self.participants.find(key) else {
            return;
        };
        let hidden = participant.is_hidden();
        let local = participant.is_local();
        let tracks = participant.publishing.tracks();
        let subscriptions: Vec<_> = participant.interests.subscriptions().collect();

        for subscription in subscriptions {
            self.drop_subscription(subscription);
        }
        self.outros.forget(key);
        self.drop_data(key);
        self.participants.remove(key);
        for track in tracks {
            self.drop_track(track);
        }
        self.pretending.forget(key);
        if local {
            self.end_links(key, info.id, reason);
        }
        match farewell {
            Farewell::Dismissed | Farewell::Replaced(_) if !local => {}
            Farewell::Dismissed | Farewell::Replaced(_) => {
                if is_heard(reason) {
                    self.outputs.tell(info.id, Notice::Leave(reason));
                }
                self.outputs.push(Output::Gone {
                    participant: info.id,
                });
            }
            Farewell::TakenAlong => {}
        }
        self.updates.forget(key);
        if !hidden {
            self.departed.note(now, &info);
            self.announce_departure(now, key, info, farewell, urgency);
        }
        self.review_life(now, local.then_some(id));
        if !self.rivals.is_empty() {
            self.chore_soon();
        }
        self.count(now);
    }

    fn announce_departure(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        info: Arc<ParticipantInfo>,
        farewell: Farewell,
        urgency: Urgency,
    ) {
        match farewell {
            // Whom nobody sees replaces nobody.
            Farewell::Dismissed | Farewell::TakenAlong | Farewell::Replaced(Visibility::Hidden) => {
                self.announce_info(now, key, info, urgency, Listeners::All);
                return;
            }
            Farewell::Replaced(Visibility::Visible) => {}
        }
        let gone: Arc<[_]> = [info].into();
        for (_, other) in self.participants.local() {
            if other.protocol <= REPLACES_UP_TO_PROTOCOL {
                let notice = Notice::Participants(Arc::clone(&gone));
                self.outputs.tell(other.info.id, notice);
            }
        }
    }

    fn visible(&self) -> Vec<Arc<ParticipantInfo>> {
        self.participants
            .iter()
            .filter(|(_, p)| !p.is_hidden())
            .map(|(_, p)| Arc::clone(&p.info))
            .collect()
    }

    pub(super) fn is_full_but_for(&self, replaced: Option<ParticipantKey>) -> bool {
        let most = self.info.max_participants;
        let seated = self
            .participants
            .iter()
            .filter(|(key, p)| Some(*key) != replaced && !p.is_dependent())
            .count();
        most > 0 && seated >= most as usize
    }
}

/// What becomes of the connections of somebody who goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Farewell {
    /// They end.
    Dismissed,
    /// They end, as the same identity came again, and shows or does not.
    Replaced(Visibility),
    /// They go on in another room.
    TakenAlong,
}

/// Whether somebody who goes for this reason still listens.
fn is_heard(reason: LeaveReason) -> bool {
    match reason {
        LeaveReason::ClientInitiated | LeaveReason::SignalClosed => false,
        LeaveReason::DuplicateIdentity
        | LeaveReason::ServerShutdown
        | LeaveReason::ParticipantRemoved
        | LeaveReason::RoomDeleted
        | LeaveReason::RoomClosed
        | LeaveReason::StateMismatch
        | LeaveReason::JoinFailure
        | LeaveReason::ConnectionTimeout
        | LeaveReason::Moved => true,
    }
}
