//! Whom publishers let receive their tracks. Everybody may, until a publisher says
//! otherwise.

use media::{ParticipantId, TrackId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Room;
use super::participants::{Participant, ParticipantKey};
use crate::{Access, Allowance, Grantee, Identity, Notice, Share, TrackKey};

/// Whom one publisher lets receive what.
#[derive(Debug, Default)]
pub(super) enum Allowed {
    #[default]
    Everybody,
    Only(Lists),
}

/// What single participants may receive.
#[derive(Debug, Default)]
pub(super) struct Lists {
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
    pub(super) fn new(allowance: Allowance) -> Self {
        let shares = match allowance {
            Allowance::Everybody => return Self::Everybody,
            Allowance::Only(shares) => shares,
        };
        let mut lists = Lists::default();
        let nothing = || Shared::Some(FxHashSet::default());
        for (grantee, share) in shares {
            match grantee {
                Grantee::Identity(identity) => {
                    lists.by_identity.entry(identity).or_insert_with(nothing)
                }
                Grantee::Id(id) => lists.by_id.entry(id).or_insert_with(nothing),
            }
            .add(share);
        }
        Self::Only(lists)
    }

    fn access(&self, identity: &Identity, id: ParticipantId, track: TrackId) -> Access {
        let lists = match self {
            Self::Everybody => return Access::Granted,
            Self::Only(lists) => lists,
        };
        let shared = lists.by_identity.get(identity);
        match shared.or_else(|| lists.by_id.get(&id)) {
            Some(shared) if shared.contains(track) => Access::Granted,
            Some(_) | None => Access::Withheld,
        }
    }
}

impl Shared {
    fn add(&mut self, share: Share) {
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
        let Some(publisher) = self.participants.find_mut(key) else {
            return;
        };
        publisher.allowed = Allowed::new(allowance);
        for track in publisher.publishing.tracks() {
            for subscriber in self.participants.keys() {
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
