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
    /// Over.
    Closed,
}

impl Life {
    pub(super) fn new(now: Instant, info: &RoomInfo) -> Self {
        Self::New {
            until: now + seconds(info.empty_timeout_s),
        }
    }

    /// Somebody who keeps a room open came.
    pub(super) fn entered(&mut self) {
        *self = Self::Occupied;
    }

    /// The last of those left.
    pub(super) fn deserted(&mut self, now: Instant, info: &RoomInfo) {
        match self {
            Self::Occupied => {
                *self = Self::Deserted {
                    until: now + seconds(info.departure_timeout_s),
                };
            }
            Self::New { .. } | Self::Deserted { .. } | Self::Closed => {}
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
            Self::Occupied | Self::Closed => {}
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
            Self::New { until } | Self::Deserted { until } => until <= now,
            Self::Closed => true,
        }
    }

    /// When it will be over.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Occupied | Self::Closed => None,
            Self::New { until } | Self::Deserted { until } => Some(until),
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
