//! What a node tells its neighbours of the tracks it knows: those whom it leads to a node that has
//! the room, and not those it came from.

use std::sync::Arc;

use super::track::{Held, Told};
use super::{Change, Cost, LinkId, Routes, Source, TrackKey, Transit, whole};
use crate::control::{Announce, Kind, Withdraw};

impl Routes {
    /// The track comes from `source` now, and the neighbours are told what that changes.
    pub(super) fn settle(&mut self, key: &TrackKey, to: Source, held: Held) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        let from = std::mem::replace(&mut track.source, to);
        let kind = track.kind;
        self.own += usize::from(to == Source::Here);
        self.own -= usize::from(from == Source::Here);
        let is_new = from != to || held == Held::Goes;
        if is_new {
            let is_first = self.note_host(key, kind, to);
            self.changes.push(Change::Moved {
                track: key.clone(),
                kind,
                from,
                to,
            });
            if is_first {
                for link in self.links.keys().copied().collect::<Vec<_>>() {
                    self.tell_room(&key.room, link);
                }
            }
        }
        match to {
            Source::Here | Source::Link(_) => self.tell(key, None),
            Source::Nowhere => self.forget(key),
        }
    }

    /// Remembers which nodes have the room; whether it is the first of which that is known.
    fn note_host(&mut self, key: &TrackKey, kind: Kind, source: Source) -> bool {
        let Some(room) = self.rooms.get_mut(&key.room) else {
            return false;
        };
        if kind != Kind::Host {
            return false;
        }
        match source {
            Source::Here | Source::Link(_) => {
                room.hosts.insert(key.track.clone()) && room.hosts.len() == 1
            }
            Source::Nowhere => {
                room.hosts.remove(&key.track);
                false
            }
        }
    }

    /// Nobody offers the track.
    fn forget(&mut self, key: &TrackKey) {
        let Some(track) = self.tracks.remove(key) else {
            return;
        };
        if let Some(room) = self.rooms.get_mut(&key.room) {
            room.tracks.remove(&key.track);
            if room.tracks.is_empty() {
                self.rooms.remove(&key.room);
            }
        }
        let mut told: Vec<_> = track.told.into_keys().collect();
        told.sort_unstable();
        for link in told {
            self.changes
                .push(Change::Withdraw(link, key.withdraw(track.epoch)));
        }
    }

    /// A neighbour began or ceased to lead to a node that has the room: tells it of the room's tracks,
    /// or that they are none of its business any more.
    pub(super) fn tell_room(&mut self, room: &Arc<str>, link: LinkId) {
        let tracks = self.rooms.get(room).map(|room| room.tracks.clone());
        for track in tracks.unwrap_or_default() {
            let key = TrackKey {
                room: room.clone(),
                track,
            };
            self.tell(&key, Some(link));
        }
    }

    /// Whether a node that has the room is reached over the link; and if none is known at all.
    fn leads_to_room(&self, room: &str, link: LinkId) -> bool {
        let Some(room_of) = self.rooms.get(room).filter(|room| !room.hosts.is_empty()) else {
            return true;
        };
        room_of.hosts.iter().any(|host| {
            let key = TrackKey {
                room: room.into(),
                track: host.clone(),
            };
            let host = self.tracks.get(&key);
            host.is_some_and(|host| host.offers.contains_key(&link))
        })
    }

    /// Tells `only` one neighbour or all what there is now, if they may know and do not yet.
    pub(super) fn tell(&mut self, key: &TrackKey, only: Option<LinkId>) {
        let Some(track) = self.tracks.get(key) else {
            return;
        };
        let (mut path, cost, from) = match track.source {
            Source::Here => (Vec::new(), Cost::default(), None),
            Source::Link(link) => {
                let Some(offer) = track.offers.get(&link) else {
                    return;
                };
                let cost = whole(&self.links, link, offer);
                (offer.path.clone(), cost, Some(link))
            }
            Source::Nowhere => return,
        };
        if from.is_some() && self.transit == Transit::No {
            return;
        }
        let been_at = path.clone();
        path.push((*self.node).to_owned());
        let links = self
            .links
            .iter()
            .filter(|(link, _)| only.is_none_or(|only| only == **link));
        let told: Vec<_> = links
            .map(|(link, neighbour)| {
                let knows = Some(*link) == from || been_at.contains(&neighbour.name);
                let needs = track.kind == Kind::Host || self.leads_to_room(&key.room, *link);
                (*link, !knows && needs && path.len() <= Self::MOST_HOPS)
            })
            .collect();
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        for (link, tell) in &told {
            if !tell {
                // It has it without us, or no use for it; what it heard before would lead back to it.
                if track.told.remove(link).is_some() {
                    self.changes
                        .push(Change::Withdraw(*link, key.withdraw(track.epoch)));
                }
                continue;
            }
            let told = Told {
                epoch: track.epoch,
                path: path.clone(),
                cost,
            };
            if track
                .told
                .get(link)
                .is_some_and(|before| before.is_about(&told))
            {
                continue;
            }
            track.told.insert(*link, told);
            let announce = Announce {
                room: (*key.room).to_owned(),
                track: (*key.track).to_owned(),
                epoch: track.epoch,
                path: path.clone(),
                cost: cost.0,
                kind: track.kind.into(),
            };
            self.changes.push(Change::Announce(*link, announce));
        }
    }
}

impl TrackKey {
    fn withdraw(&self, epoch: u64) -> Withdraw {
        Withdraw {
            room: (*self.room).to_owned(),
            track: (*self.track).to_owned(),
            epoch,
        }
    }
}
