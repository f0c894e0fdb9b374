//! The forwarders of a track, found by their subscription and gone through for each packet.

use std::time::Instant;

use media::Layer;
use rustc_hash::FxHashMap;

use super::forwarder::Forwarder;
use super::intake::Audience;
use crate::SubscriptionKey;
use crate::select::LayerSet;

/// The forwarders of a track, in no order.
#[derive(Debug, Default)]
pub(super) struct Forwarders {
    pub(super) list: Vec<Forwarder>,
    /// For each of the list, the layers it wants: passing over those who want none of
    /// a packet touches one byte of each.
    pub(super) wants: Vec<LayerSet>,
    places: FxHashMap<SubscriptionKey, usize>,
}

impl Forwarders {
    pub(super) fn add(&mut self, forwarder: Forwarder) {
        self.places.insert(forwarder.subscription, self.list.len());
        self.wants.push(forwarder.wants());
        self.list.push(forwarder);
    }

    pub(super) fn remove(&mut self, subscription: SubscriptionKey) -> Option<Forwarder> {
        let place = self.places.remove(&subscription)?;
        let removed = self.list.swap_remove(place);
        self.wants.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places.insert(moved.subscription, place);
        }
        Some(removed)
    }

    pub(super) fn get(&self, subscription: SubscriptionKey) -> Option<&Forwarder> {
        self.places
            .get(&subscription)
            .map(|place| &self.list[*place])
    }

    /// Changes one.
    pub(super) fn with<T>(
        &mut self,
        subscription: SubscriptionKey,
        change: impl FnOnce(&mut Forwarder) -> T,
    ) -> Option<T> {
        let place = *self.places.get(&subscription)?;
        let changed = change(&mut self.list[place]);
        self.wants[place] = self.list[place].wants();
        Some(changed)
    }

    /// Changes all.
    pub(super) fn each(&mut self, mut change: impl FnMut(&mut Forwarder)) {
        for (forwarder, wants) in self.list.iter_mut().zip(&mut self.wants) {
            change(forwarder);
            *wants = forwarder.wants();
        }
    }

    pub(super) fn audience(&self, layer: Layer) -> Audience {
        if self.wants.iter().any(|wants| wants.contains(layer)) {
            Audience::Somebody
        } else {
            Audience::Nobody
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.list
            .iter()
            .filter_map(|forwarder| forwarder.deadline())
            .min()
    }
}
