//! What subscribers show of tracks: told for tracks they receive, and for such that they
//! do not receive yet. Turning it into a layer is left to [`wish`](super::wish).

use std::time::Instant;

use media::TrackId;

use super::Room;
use super::participants::ParticipantKey;
use super::subscriptions::SubscriptionState;
use crate::{Outlet, TrackKey, TrackSettings};

impl Room {
    /// Somebody shows a track in another way.
    pub(super) fn set_settings(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        id: TrackId,
        settings: TrackSettings,
        out: &mut impl Outlet,
    ) {
        let Some(subscriber) = self.participants.find_mut(key) else {
            return;
        };
        let interests = &mut subscriber.interests;
        let Some(track) = self.tracks.key_of(id) else {
            if let Some(until) = interests.expect_settings(now, id, settings) {
                self.chore_by(until);
            }
            return;
        };
        match interests.heed(now, track, settings) {
            Some(at) => self.chore_by(at),
            None => self.settings_changed(now, key, track, out),
        }
    }

    /// Heeds settings that came too soon after others.
    pub(super) fn heed_waiting(&mut self, now: Instant, out: &mut impl Outlet) {
        for key in self.participants.keys() {
            while let Some(track) = self
                .participants
                .find_mut(key)
                .and_then(|subscriber| subscriber.interests.heed_waiting(now))
            {
                self.settings_changed(now, key, track, out);
            }
        }
    }

    fn settings_changed(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        track: TrackKey,
        out: &mut impl Outlet,
    ) {
        let subscription = self
            .participants
            .find(key)
            .and_then(|subscriber| subscriber.interests.find(track).subscription);
        let Some(subscription) = subscription else {
            return;
        };
        // It may be of the same picture in another codec.
        let Some(found) = self.subscriptions.find(subscription).copied() else {
            return;
        };
        let Some(wish) = self.wish_of(key, found.track) else {
            return;
        };
        self.demanded(key, found.track);
        if found.state == SubscriptionState::Bound {
            self.show(now, key, (found.track, subscription), wish, out);
        }
    }
}
