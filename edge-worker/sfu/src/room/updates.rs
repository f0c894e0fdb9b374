//! When everybody is told that somebody changed: at once in a room where that is
//! cheap or where it matters, together with other changes in a crowd.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::participants::ParticipantKey;
use crate::ParticipantInfo;

/// Changes not told yet.
#[derive(Debug, Default)]
pub(super) struct Updates {
    /// The newest description of each; the versions skipped are of no use to anybody.
    participants: BTreeMap<ParticipantKey, Arc<ParticipantInfo>>,
    participants_at: Option<Instant>,
    counts_at: Option<Instant>,
}

/// How soon others need to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Urgency {
    /// Tracks appear, change or go.
    Now,
    /// A listener came, got ready or left.
    Soon,
}

/// Who is told at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Listeners {
    /// Everybody.
    All,
    /// Everybody but one, who knows.
    But(ParticipantKey),
}

/// Up to this many participants, everybody is told at once: the cost of a change
/// grows with the room, that of all changes with its square.
const SMALL_ROOM: usize = 50;

/// Arrivals in a crowd are told together.
const CROWD_DELAY: Duration = Duration::from_secs(1);

/// How many there are is only shown as a number.
const COUNTS_DELAY: Duration = Duration::from_secs(5);

impl Updates {
    /// Whether a change has to wait for others; then until when.
    pub(super) fn defer(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        info: &Arc<ParticipantInfo>,
        urgency: Urgency,
        room_size: usize,
    ) -> Option<Instant> {
        if urgency == Urgency::Now || info.is_publisher() || room_size <= SMALL_ROOM {
            self.participants.remove(&key);
            return None;
        }
        self.participants.insert(key, Arc::clone(info));
        Some(*self.participants_at.get_or_insert(now + CROWD_DELAY))
    }

    /// Whether something is still to be told of somebody.
    pub(super) fn waits(&self, key: ParticipantKey) -> bool {
        self.participants.contains_key(&key)
    }

    /// Forgets what was to be told of somebody.
    pub(super) fn forget(&mut self, key: ParticipantKey) {
        self.participants.remove(&key);
    }

    /// The changes to be told now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Arc<ParticipantInfo>> {
        if self.participants_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.participants_at = None;
        std::mem::take(&mut self.participants)
            .into_values()
            .collect()
    }

    /// The number of participants or publishers changed; returns when it is told.
    pub(super) fn counts_changed(&mut self, now: Instant) -> Instant {
        *self.counts_at.get_or_insert(now + COUNTS_DELAY)
    }

    /// Whether the numbers are to be told now.
    pub(super) fn counts_due(&mut self, now: Instant) -> Option<Instant> {
        self.counts_at.take_if(|at| *at <= now)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.participants_at.into_iter().chain(self.counts_at).min()
    }
}
