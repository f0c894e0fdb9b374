//! The subscriptions of a room: who receives which track.

use rustc_hash::FxHashMap;

use super::participants::ParticipantKey;
use crate::{SubscriptionKey, TrackKey};

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_key: FxHashMap<SubscriptionKey, Subscription>,
    next: u32,
}

/// One subscriber's interest in one track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    pub(super) subscriber: ParticipantKey,
    pub(super) track: TrackKey,
    pub(super) state: SubscriptionState,
}

/// How far a subscription has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SubscriptionState {
    /// Its m-line is being negotiated.
    Opening,
    /// Media flows.
    Bound,
}

impl Subscriptions {
    /// Adds a subscription under a key none had before.
    pub(super) fn insert(
        &mut self,
        subscriber: ParticipantKey,
        track: TrackKey,
    ) -> SubscriptionKey {
        let key = SubscriptionKey(self.next);
        self.next += 1;
        self.by_key.insert(
            key,
            Subscription {
                subscriber,
                track,
                state: SubscriptionState::Opening,
            },
        );
        key
    }

    pub(super) fn remove(&mut self, key: SubscriptionKey) -> Option<Subscription> {
        self.by_key.remove(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SubscriptionKey, &Subscription)> {
        self.by_key
            .iter()
            .map(|(key, subscription)| (*key, subscription))
    }

    pub(super) fn find(&self, key: SubscriptionKey) -> Option<&Subscription> {
        self.by_key.get(&key)
    }

    pub(super) fn find_mut(&mut self, key: SubscriptionKey) -> Option<&mut Subscription> {
        self.by_key.get_mut(&key)
    }
}
