//! News of tracks: what publishers here and neighbours say, and what of it is believed.

use std::time::Instant;

use super::track::{Held, Offer, Track};
use super::{Cost, Disbelief, LinkId, Routes, Source, TrackKey};
use crate::control::{Announce, Kind, Withdraw};

impl Routes {
    /// A publisher of this node has the track. One that came anew elsewhere since is not believed.
    pub fn publish(&mut self, key: TrackKey, kind: Kind, epoch: u64) -> Result<(), Disbelief> {
        let known = self.tracks.get(&key);
        if known.is_some_and(|track| epoch < track.epoch) {
            return Err(Disbelief::Ghost);
        }
        let track = self.track(&key, kind, epoch);
        if epoch > track.epoch {
            track.epoch = epoch;
            track.kind = kind;
            let void: Vec<_> = track.offers.drain().map(|(link, _)| link).collect();
            self.not_offered(&key, &void);
        }
        self.settle(&key, Source::Here, Held::Stays);
        Ok(())
    }

    /// It has it no more.
    pub fn unpublish(&mut self, now: Instant, key: &TrackKey) {
        let own = |track: &Track| track.source == Source::Here;
        if self.tracks.get(key).is_some_and(own) {
            self.choose(now, key, Held::Goes);
        }
    }

    /// The neighbour at `link` announces a track.
    pub fn announce(
        &mut self,
        now: Instant,
        link: LinkId,
        announce: Announce,
    ) -> Result<(), Disbelief> {
        let neighbour = self.links.get_mut(&link).ok_or(Disbelief::NoLink)?;
        check(&self.node, &neighbour.name, &announce)?;
        let kind = announce.kind();
        let key = TrackKey {
            room: announce.room.into(),
            track: announce.track.into(),
        };
        let known = self.tracks.get(&key);
        if known.is_some_and(|track| announce.epoch < track.epoch) {
            return Err(Disbelief::Ghost);
        }
        if !neighbour.offered.contains(&key) {
            if neighbour.offered.len() >= Self::MOST_TRACKS {
                return Err(Disbelief::TooMany);
            }
            neighbour.offered.insert(key.clone());
        }
        let track = self.track(&key, kind, announce.epoch);
        let mut held = Held::Stays;
        let mut void = Vec::new();
        if announce.epoch > track.epoch {
            // A publisher that came anew elsewhere is neither here nor where it was any more.
            track.epoch = announce.epoch;
            track.kind = kind;
            held = Held::Goes;
            void.extend(track.offers.drain().map(|(old, _)| old));
            void.retain(|old| *old != link);
        }
        let offer = Offer {
            path: announce.path,
            cost: Cost(announce.cost),
        };
        let is_new = track.offers.insert(link, offer).is_none();
        let is_host = track.kind == Kind::Host;
        self.not_offered(&key, &void);
        self.choose(now, &key, held);
        if is_new && is_host {
            self.tell_room(&key.room, link);
        }
        Ok(())
    }

    /// The neighbour at `link` has the track no more.
    pub fn withdraw(&mut self, now: Instant, link: LinkId, withdraw: Withdraw) {
        let key = TrackKey {
            room: withdraw.room.into(),
            track: withdraw.track.into(),
        };
        let Some(track) = self.tracks.get_mut(&key) else {
            return;
        };
        if withdraw.epoch < track.epoch || track.offers.remove(&link).is_none() {
            return;
        }
        let is_host = track.kind == Kind::Host;
        self.not_offered(&key, &[link]);
        self.choose(now, &key, Held::Stays);
        if is_host {
            self.tell_room(&key.room, link);
        }
    }

    /// These links offer the track no more.
    fn not_offered(&mut self, key: &TrackKey, links: &[LinkId]) {
        for link in links {
            if let Some(neighbour) = self.links.get_mut(link) {
                neighbour.offered.remove(key);
            }
        }
    }

    /// The track, which may be new.
    fn track(&mut self, key: &TrackKey, kind: Kind, epoch: u64) -> &mut Track {
        let room = self.rooms.entry(key.room.clone()).or_default();
        room.tracks.insert(key.track.clone());
        self.tracks
            .entry(key.clone())
            .or_insert_with(|| Track::new(kind, epoch))
    }
}

/// Whether the node `from` may say this to `node`.
fn check(node: &str, from: &str, announce: &Announce) -> Result<(), Disbelief> {
    let named = |name: &str, longest| !name.is_empty() && name.len() <= longest;
    if announce.path.last().is_none_or(|last| last != from) {
        return Err(Disbelief::NotTheirs);
    }
    if announce.path.iter().any(|passed| passed == node) {
        return Err(Disbelief::Loop);
    }
    if announce.path.len() > Routes::MOST_HOPS {
        return Err(Disbelief::TooFar);
    }
    let names = [&announce.room, &announce.track];
    if !names.iter().all(|name| named(name, Routes::LONGEST_NAME))
        || !announce
            .path
            .iter()
            .all(|name| named(name, Routes::LONGEST_NODE))
    {
        return Err(Disbelief::Name);
    }
    Ok(())
}
