//! Whether a room is needed: it ends when nobody ever came, or nobody came back.

use std::time::{Duration, Instant};

use media::ParticipantId;

use crate::RoomInfo;

/// The life of one room.
#[derive(Clone, Copy, Debug)]
pub(super) enum Life {
    /// Nobody ever joined.
    New {
        /// Over then.
        until: Instant,
    },
    /// Somebody is there.
    Occupied,
    /// Everybody left.
    Deserted {
        /// Over then.
        until: Instant,
    },
    /// Nobody is connected here; those elsewhere keep the room without it.
    Spare(Spare),
    /// Over.
    Closed,
}

/// An instance of a room that nobody is connected to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spare {
    /// Over then.
    until: Instant,
    /// Who left last here, if anybody ever came.
    last_here: Option<ParticipantId>,
    /// Of those who left elsewhere meanwhile, the one with the greatest id.
    last_there: Option<ParticipantId>,
    /// Another instance says that it keeps the room.
    kept: Kept,
}

/// Whether a room that everybody left is kept elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kept {
    Unknown,
    Elsewhere,
}

/// Whether a room was there before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Beginning {
    /// It begins here and now.
    Anew,
    /// It is there already, elsewhere.
    Joined,
}

/// What keeps an instance of a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    /// Somebody connected here.
    Here,
    /// Nobody here; the room goes on elsewhere.
    Elsewhere,
    /// Nobody at all.
    Nowhere,
}

/// Long enough for somebody who moves from node to node, or whose join is under way.
const SPARE: Duration = Duration::from_secs(5);

impl Spare {
    fn new(now: Instant, last_here: Option<ParticipantId>) -> Self {
        Self {
            until: now + SPARE,
            last_here,
            last_there: None,
            kept: Kept::Unknown,
        }
    }

    /// Whether the room ends with it, if nobody is left: the last ones left at once, and
    /// each instance took it that somebody was still with another. By their ids all agree
    /// on one.
    fn is_last(&self) -> bool {
        self.kept == Kept::Unknown && self.last_here > self.last_there
    }
}

impl Life {
    pub(super) fn new(now: Instant, info: &RoomInfo, beginning: Beginning) -> Self {
        match beginning {
            Beginning::Anew => Self::New {
                until: now + seconds(info.empty_timeout_s),
            },
            Beginning::Joined => Self::Spare(Spare::new(now, None)),
        }
    }

    /// Somebody came, or `left` from here. Whether that leaves nobody at all.
    #[must_use]
    pub(super) fn review(
        &mut self,
        now: Instant,
        info: &RoomInfo,
        need: Need,
        left: Option<ParticipantId>,
    ) -> bool {
        match (need, &self) {
            (_, Self::Closed) | (Need::Elsewhere, Self::Spare(_)) => {}
            (Need::Here, _) => *self = Self::Occupied,
            (Need::Elsewhere, _) => *self = Self::Spare(Spare::new(now, left)),
            (Need::Nowhere, Self::Occupied) => {
                *self = Self::Deserted {
                    until: now + seconds(info.departure_timeout_s),
                };
                return true;
            }
            (Need::Nowhere, Self::New { .. } | Self::Deserted { .. } | Self::Spare(_)) => {}
        }
        false
    }

    /// Another instance says that somebody left there.
    pub(super) fn left_elsewhere(&mut self, who: ParticipantId) {
        if let Self::Spare(spare) = self {
            spare.last_there = spare.last_there.max(Some(who));
        }
    }

    /// Another instance says that it keeps the room.
    pub(super) fn kept_elsewhere(&mut self) {
        if let Self::Spare(spare) = self {
            spare.kept = Kept::Elsewhere;
        }
    }

    /// Whether the room ends with this instance, if nobody is left elsewhere.
    pub(super) fn is_last(&self) -> bool {
        match self {
            Self::Spare(spare) => spare.is_last(),
            Self::New { .. } | Self::Occupied | Self::Deserted { .. } | Self::Closed => true,
        }
    }

    /// The room's timeouts changed; waiting goes on, for the new time.
    pub(super) fn retime(&mut self, before: &RoomInfo, after: &RoomInfo) {
        match self {
            Self::New { until } => {
                *until = *until - seconds(before.empty_timeout_s) + seconds(after.empty_timeout_s);
            }
            Self::Deserted { until } => {
                *until = *until - seconds(before.departure_timeout_s)
                    + seconds(after.departure_timeout_s);
            }
            Self::Occupied | Self::Spare(_) | Self::Closed => {}
        }
    }

    pub(super) fn close(&mut self) {
        *self = Self::Closed;
    }

    pub(super) fn is_closed(self) -> bool {
        matches!(self, Self::Closed)
    }

    pub(super) fn is_over(self, now: Instant) -> bool {
        match self {
            Self::Occupied => false,
            Self::New { until } | Self::Deserted { until } | Self::Spare(Spare { until, .. }) => {
                until <= now
            }
            Self::Closed => true,
        }
    }

    /// When it will be over.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Occupied | Self::Closed => None,
            Self::New { until } | Self::Deserted { until } | Self::Spare(Spare { until, .. }) => {
                Some(until)
            }
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
