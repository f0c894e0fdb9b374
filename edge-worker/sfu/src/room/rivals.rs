//! Those elsewhere whose identity somebody else has who came later: they are not shown.
//! Their nodes let them go when they hear of it. But news from two nodes may cross, and
//! clocks differ: should the other one be gone first, they are shown after all.

use std::collections::BTreeMap;
use std::time::Instant;

use media::{ParticipantId, TrackId};

use super::Room;
use super::participants::ParticipantKey;
use crate::{Identity, LinkKey, Linked, Supply};

/// What was told of them.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    by_id: BTreeMap<ParticipantId, Rival>,
}

#[derive(Debug)]
struct Rival {
    link: LinkKey,
    linked: Linked,
    supplies: BTreeMap<TrackId, Supply>,
}

/// There are some only while people change nodes.
const MOST: usize = 1_000;

impl Rivals {
    /// Remembers one that is not shown, as it is now.
    pub(super) fn note(&mut self, link: LinkKey, linked: Linked) {
        let id = linked.participant.id;
        if let Some(known) = self.by_id.get_mut(&id) {
            (known.link, known.linked) = (link, linked);
        } else if self.by_id.len() < MOST {
            let supplies = BTreeMap::new();
            let rival = Rival {
                link,
                linked,
                supplies,
            };
            self.by_id.insert(id, rival);
        }
    }

    /// What one publishes is sent so.
    pub(super) fn supplied(&mut self, supply: &Supply) {
        let publishes = |rival: &&mut Rival| {
            let mut tracks = rival.linked.tracks.iter();
            tracks.any(|track| track.id() == supply.track)
        };
        if let Some(rival) = self.by_id.values_mut().find(publishes) {
            rival.supplies.insert(supply.track, *supply);
        }
    }

    /// One is gone.
    pub(super) fn forget(&mut self, id: ParticipantId) {
        self.by_id.remove(&id);
    }

    /// A link is over.
    pub(super) fn cut(&mut self, link: LinkKey) {
        self.by_id.retain(|_, rival| rival.link != link);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The latest of those whose identity is `free`.
    fn pop(&mut self, free: impl Fn(&Identity) -> bool) -> Option<Rival> {
        let rank = |rival: &Rival| {
            let info = &rival.linked.participant;
            (info.joined_at_ms, info.id)
        };
        let free = self
            .by_id
            .values()
            .filter(|it| free(&it.linked.participant.identity));
        let (_, id) = free.map(rank).max()?;
        self.by_id.remove(&id)
    }
}

impl Room {
    /// Somebody elsewhere gives way to another one.
    pub(super) fn note_rival(&mut self, key: ParticipantKey) {
        let Some(link) = self.participants.find(key).and_then(|found| found.home) else {
            return;
        };
        let Some(linked) = self.linked(key) else {
            return;
        };
        let supplies: Vec<_> = linked
            .tracks
            .iter()
            .filter_map(|told| {
                let track = self.tracks.find(told.key)?;
                track.fanout.told(told.id())
            })
            .collect();
        self.rivals.note(link, linked);
        for supply in &supplies {
            self.rivals.supplied(supply);
        }
    }

    /// Shows those whose identity nobody has any more.
    pub(super) fn show_rivals(&mut self, now: Instant) {
        let participants = &self.participants;
        let free = |identity: &Identity| participants.key_of_identity(identity).is_none();
        let Some(rival) = self.rivals.pop(free) else {
            return;
        };
        self.take_in_far(now, rival.link, rival.linked);
        for supply in rival.supplies.values() {
            let key = self.tracks.key_of(supply.track);
            if let Some(track) = key.and_then(|key| self.tracks.find_mut(key)) {
                track.fanout.begin_supplied(supply);
            }
        }
        // There may be others.
        self.show_rivals(now);
    }
}
