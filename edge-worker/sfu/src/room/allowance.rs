//! Whom publishers let receive their tracks. Everybody may, until a publisher says
//! otherwise.

use std::sync::Arc;

use media::{ParticipantId, TrackId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Room;
use super::participants::{Participant, ParticipantKey};
use crate::{Access, Allowance, Grantee, Identity, Notice, Share, TrackKey};

/// Whom one publisher lets receive what.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// As it was said.
    told: Arc<Allowance>,
    /// As it is looked up; `None` if everybody may receive everything.
    lists: Option<Lists>,
}

/// What single participants may receive.
#[derive(Debug, Default)]
struct Lists {
    by_identity: FxHashMap<Identity, Shared>,
    by_id: FxHashMap<ParticipantId, Shared>,
}

/// Of the tracks of a publisher.
#[derive(Debug)]
enum Shared {
    All,
    Some(FxHashSet<TrackId>),
}

impl Allowed {
    pub(super) fn new(allowance: Arc<Allowance>) -> Self {
        let lists = match &*allowance {
            Allowance::Everybody => None,
            Allowance::Only(shares) => Some(Lists::new(shares)),
        };
        Self {
            told: allowance,
            lists,
        }
    }

    /// As it was said.
    pub(super) fn allowance(&self) -> Arc<Allowance> {
        Arc::clone(&self.told)
    }

    fn access(&self, identity: &Identity, id: ParticipantId, track: TrackId) -> Access {
        let Some(lists) = &self.lists else {
            return Access::Granted;
        };
        let shared = lists.by_identity.get(identity);
        match shared.or_else(|| lists.by_id.get(&id)) {
            Some(shared) if shared.contains(track) => Access::Granted,
            Some(_) | None => Access::Withheld,
        }
    }
}

impl Lists {
    fn new(shares: &[(Grantee, Share)]) -> Self {
        let mut lists = Self::default();
        let nothing = || Shared::Some(FxHashSet::default());
        for (grantee, share) in shares {
            match grantee {
                Grantee::Identity(identity) => lists
                    .by_identity
                    .entry(identity.clone())
                    .or_insert_with(nothing),
                Grantee::Id(id) => lists.by_id.entry(*id).or_insert_with(nothing),
            }
            .add(share);
        }
        lists
    }
}

impl Shared {
    fn add(&mut self, share: &Share) {
        match (&mut *self, share) {
            (Self::All, _) => {}
            (Self::Some(_), Share::All) => *self = Self::All,
            (Self::Some(tracks), Share::Tracks(more)) => tracks.extend(more),
        }
    }

    fn contains(&self, track: TrackId) -> bool {
        match self {
            Self::All => true,
            Self::Some(tracks) => tracks.contains(&track),
        }
    }
}

/// Whether `subscriber` may receive `track` of `publisher`. Recorders record all there
/// is.
pub(super) fn access(publisher: &Participant, subscriber: &Participant, track: TrackId) -> Access {
    if subscriber.is_recorder() && subscriber.is_dependent() {
        return Access::Granted;
    }
    let info = &subscriber.info;
    publisher.allowed.access(&info.identity, info.id, track)
}

impl Room {
    /// A publisher says who may receive its tracks; that holds for what it publishes
    /// later, too.
    pub(super) fn allow(&mut self, key: ParticipantKey, allowance: Allowance) {
        self.set_allowance(key, Arc::new(allowance));
        self.tell_links(key);
    }

    /// As [`allow`](Self::allow), without telling those elsewhere.
    pub(super) fn set_allowance(&mut self, key: ParticipantKey, allowance: Arc<Allowance>) {
        let Some(publisher) = self.participants.find_mut(key) else {
            return;
        };
        publisher.allowed = Allowed::new(allowance);
        let shown = |track: &TrackKey| self.tracks.shown(*track) == *track;
        let tracks = publisher.publishing.tracks().into_iter().filter(shown);
        for track in tracks.collect::<Vec<_>>() {
            for subscriber in self.participants.local_keys() {
                self.review(subscriber, track);
            }
        }
    }

    /// Gives a track or takes it, as its publisher now has it.
    fn review(&mut self, key: ParticipantKey, track_key: TrackKey) {
        let Some(track) = self.tracks.find(track_key) else {
            return;
        };
        let Some(publisher) = self.participants.find(track.publisher) else {
            return;
        };
        let Some(subscriber) = self.participants.find(key) else {
            return;
        };
        if track.publisher == key {
            return;
        }
        let before = subscriber.interests.find(track_key);
        match (before.access, access(publisher, subscriber, track.info.id)) {
            (Access::Granted, Access::Granted) | (Access::Withheld, Access::Withheld) => {}
            (Access::Granted, Access::Withheld) => {
                // Nobody is told of what it does not want.
                if let Some(subscription) = before.subscription {
                    self.end_subscription(subscription);
                    self.tell_access(key, track_key, Access::Withheld);
                }
            }
            (Access::Withheld, Access::Granted) => {
                self.tell_access(key, track_key, Access::Granted);
                self.open_if_wanted(key, track_key);
            }
        }
    }

    /// Tells a subscriber whether it may have a track that it wants.
    pub(super) fn tell_access(&mut self, key: ParticipantKey, track_key: TrackKey, access: Access) {
        let Some(track) = self.tracks.find(track_key) else {
            return;
        };
        let Some(publisher) = self.participants.find(track.publisher) else {
            return;
        };
        let notice = Notice::Access {
            publisher: publisher.info.id,
            track: track.info.id,
            access,
        };
        let Some(subscriber) = self.participants.find_mut(key) else {
            return;
        };
        let interest = subscriber.interests.of(track_key);
        if interest.access != access {
            interest.access = access;
            self.outputs.tell(subscriber.info.id, notice);
        }
    }
}
