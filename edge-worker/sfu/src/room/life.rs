//! Whether a room is needed: it ends when nobody ever came, or nobody came back.

use std::time::{Duration, Instant};

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
    Spare {
        /// Over then.
        until: Instant,
    },
    /// Over.
    Closed,
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

impl Life {
    pub(super) fn new(now: Instant, info: &RoomInfo, beginning: Beginning) -> Self {
        match beginning {
            Beginning::Anew => Self::New {
                until: now + seconds(info.empty_timeout_s),
            },
            Beginning::Joined => Self::Spare { until: now + SPARE },
        }
    }

    /// Somebody came or left.
    pub(super) fn review(&mut self, now: Instant, info: &RoomInfo, need: Need) {
        match (need, &self) {
            (_, Self::Closed) | (Need::Elsewhere, Self::Spare { .. }) => {}
            (Need::Here, _) => *self = Self::Occupied,
            (Need::Elsewhere, _) => *self = Self::Spare { until: now + SPARE },
            (Need::Nowhere, Self::Occupied) => {
                *self = Self::Deserted {
                    until: now + seconds(info.departure_timeout_s),
                };
            }
            (Need::Nowhere, Self::New { .. } | Self::Deserted { .. } | Self::Spare { .. }) => {}
        }
    }

    /// Whether it is the same room elsewhere that goes on or ends, and not this instance.
    pub(super) fn is_spare(self) -> bool {
        matches!(self, Self::Spare { .. })
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
            Self::Occupied | Self::Spare { .. } | Self::Closed => {}
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
            Self::New { until } | Self::Deserted { until } | Self::Spare { until } => until <= now,
            Self::Closed => true,
        }
    }

    /// When it will be over.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Occupied | Self::Closed => None,
            Self::New { until } | Self::Deserted { until } | Self::Spare { until } => Some(until),
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
