//! Rights gained and lost during a call: what a participant may no longer do ends at
//! once, what it may do again begins.

use std::sync::Arc;
use std::time::Instant;

use super::Room;
use super::participants::ParticipantKey;
use super::updates::{Listeners, Urgency};
use crate::{LeaveReason, Notice, Permission, State, TrackKey, Visibility};

impl Room {
    /// Does what follows from a new permission, and tells everybody of it.
    pub(super) fn permission_changed(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        before: &Permission,
    ) {
        let Some(participant) = self.participants.find(key) else {
            return;
        };
        let after = participant.info.permission.clone();
        self.take_back_tracks(key);
        self.review_data_rights(key);
        if (before.visibility, after.visibility) == (Visibility::Visible, Visibility::Hidden) {
            self.vanish(key);
        }
        // Clients look at what they may do before they publish or subscribe again.
        self.announce_change(now, key, Urgency::Now);
        match (before.can_subscribe, after.can_subscribe) {
            (true, false) => self.unsubscribe_from_all(key),
            (false, true) => {
                self.subscribe_to_all(key);
                self.subscribe_to_all_data(key);
            }
            (true, true) | (false, false) => {}
        }
        self.count(now);
    }

    /// Ends what a participant published or announced and may not publish any more.
    fn take_back_tracks(&mut self, key: ParticipantKey) {
        let Some(publisher) = self.participants.find_mut(key) else {
            return;
        };
        let info = Arc::clone(&publisher.info);
        let mut lost = publisher
            .publishing
            .retract(|track| !info.permission.may_publish(track.source));
        let (published, ids): (Vec<TrackKey>, Vec<_>) = publisher
            .publishing
            .tracks()
            .into_iter()
            .filter_map(|key| Some((key, &self.tracks.find(key)?.info)))
            .filter(|(key, track)| {
                // A backup ends with what it backs.
                self.tracks.shown(*key) == *key && !info.permission.may_publish(track.source)
            })
            .map(|(key, track)| (key, track.id))
            .unzip();
        for track in &published {
            publisher.publishing.stopped(*track);
        }
        lost.extend(ids);
        for track in &published {
            self.drop_track(*track);
        }
        for track in lost {
            self.outputs.tell(info.id, Notice::Unpublished { track });
        }
        if !published.is_empty() {
            self.describe_tracks(key);
        }
    }

    /// To everybody else, somebody who hides has left.
    fn vanish(&mut self, key: ParticipantKey) {
        let Some(participant) = self.participants.find_mut(key) else {
            return;
        };
        let mut gone = (*participant.info).clone();
        gone.state = State::Disconnected(LeaveReason::ClientInitiated);
        // What it tells itself next, or them when it shows again, is newer.
        participant.change(|_| {});
        self.updates.forget(key);
        self.tell(Listeners::But(key), &[Arc::new(gone)]);
    }

    fn unsubscribe_from_all(&mut self, key: ParticipantKey) {
        let Some(subscriber) = self.participants.find(key) else {
            return;
        };
        let subscriptions: Vec<_> = subscriber.interests.subscriptions().collect();
        for subscription in subscriptions {
            self.end_subscription(subscription);
        }
    }
}
