//! How good everybody's connection is, and who is told: the participant itself, and
//! whoever receives it.

use std::collections::BTreeMap;
use std::time::Instant;

use media::ParticipantId;
use rustc_hash::FxHashMap;

use super::Room;
use super::participants::{Participant, ParticipantKey};
use super::subscriptions::SubscriptionState;
use crate::quality::{Findings, WINDOW};
use crate::{ConnectionQuality, Muted, Notice, Quality};

/// What somebody was told of connections.
pub(super) type Told = BTreeMap<ParticipantKey, Quality>;

impl Room {
    /// A participant's network does not answer any more.
    pub fn fell_silent(&mut self, now: Instant, participant: ParticipantId) {
        if let Some(found) = self.participant_mut(participant) {
            found.assessor.fell_silent();
            // That is worth telling before it is over.
            self.assess_at = self.assess_at.map(|at| at.min(now));
        }
    }

    /// A participant's network answers again.
    pub fn is_back(&mut self, participant: ParticipantId) {
        if let Some(found) = self.participant_mut(participant) {
            found.assessor.is_back();
        }
    }

    fn participant_mut(&mut self, participant: ParticipantId) -> Option<&mut Participant> {
        let key = self.participants.key_of(participant)?;
        self.participants.find_mut(key)
    }

    /// Somebody came whose connection will be assessed.
    pub(super) fn assess_soon(&mut self, now: Instant) {
        self.assess_at.get_or_insert(now + WINDOW);
    }

    /// Assesses everybody's connection, where it is time to, and tells what changed.
    pub(super) fn assess(&mut self, now: Instant) {
        if self.assess_at.is_none_or(|at| at > now) {
            return;
        }
        self.assess_at = (self.participants.len() > 0).then_some(now + WINDOW);
        let findings = self.find_out();
        for (key, participant) in self.participants.iter_mut() {
            let none = Findings::default();
            participant
                .assessor
                .assess(findings.get(&key).unwrap_or(&none));
        }
        for key in self.participants.keys() {
            self.tell_qualities(key);
        }
    }

    fn find_out(&mut self) -> FxHashMap<ParticipantKey, Findings> {
        let mut findings: FxHashMap<ParticipantKey, Findings> = FxHashMap::default();
        for track in self.tracks.iter_mut() {
            let leg = track.fanout.take_arrivals();
            if track.info.muted == Muted::No {
                findings.entry(track.publisher).or_default().add(&leg);
            }
        }
        for (key, subscription) in self.subscriptions.iter() {
            let Some(wanted) = self.wish_of(subscription.subscriber, subscription.track) else {
                continue;
            };
            let Some(track) = self.tracks.find_mut(subscription.track) else {
                continue;
            };
            let Some((leg, round_trip)) = track.fanout.take_reception(key, wanted) else {
                continue;
            };
            let found = findings.entry(subscription.subscriber).or_default();
            if track.info.muted == Muted::No {
                found.add(&leg);
            }
            if let Some(time) = round_trip {
                found.add_round_trip(time);
            }
        }
        findings
    }

    /// Tells somebody of its own connection and those of whom it receives.
    fn tell_qualities(&mut self, key: ParticipantKey) {
        let Some(listener) = self.participants.find(key) else {
            return;
        };
        let received = listener.interests.subscriptions().filter_map(|it| {
            let found = self.subscriptions.find(it)?;
            let bound = found.state == SubscriptionState::Bound;
            bound.then_some(self.tracks.find(found.track)?.publisher)
        });
        let mut seen: BTreeMap<ParticipantKey, ConnectionQuality> = BTreeMap::new();
        for other in received.chain([key]) {
            if let Some(found) = self.participants.find(other).filter(|it| it.is_active()) {
                seen.entry(other).or_insert(ConnectionQuality {
                    participant: found.info.id,
                    quality: found.assessor.quality(),
                    score: found.assessor.score(),
                });
            }
        }
        let news: Vec<ConnectionQuality> = seen
            .iter()
            .filter(|(other, now)| listener.told.get(other) != Some(&now.quality))
            .map(|(_, now)| *now)
            .collect();
        let id = listener.info.id;
        let told = seen
            .into_iter()
            .map(|(other, now)| (other, now.quality))
            .collect();
        if let Some(listener) = self.participants.find_mut(key) {
            listener.told = told;
        }
        if !news.is_empty() {
            self.outputs.tell(id, Notice::Qualities(news));
        }
    }
}
