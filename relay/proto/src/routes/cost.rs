//! What a way costs, so that ways can be compared.

use std::time::Duration;

/// Microseconds of delay, and what is worth as much.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Cost(pub u32);

impl Cost {
    /// Nothing comes that way.
    pub(super) const SILENT: Self = Self(u32::MAX);
    /// Something does, but not for long.
    pub(super) const LEAVING: Self = Self(u32::MAX - 1);

    /// A link with this round trip and loss. A lost packet costs a round trip and a bit, a node on
    /// the way a wake-up.
    pub fn of_link(round_trip: Duration, loss: f64) -> Self {
        const PER_HOP: f64 = 3_000.0;
        const PER_LOSS: f64 = 200_000.0;
        let delay = round_trip.as_secs_f64() * 1e6 / 2.0;
        Self((delay + loss.clamp(0.0, 1.0) * PER_LOSS + PER_HOP) as u32)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Whether the way is only for want of another.
    pub(super) fn is_last_resort(self) -> bool {
        self >= Self::LEAVING
    }

    /// Whether it is enough better than `other` to move for.
    pub(super) fn is_worth_leaving(self, other: Self) -> bool {
        /// Moving costs a keyframe and may cost a gap.
        const AT_LEAST: u32 = 10_000;
        other.0.saturating_sub(self.0) > AT_LEAST.max(other.0 / 5)
    }

    /// Whether a change from `other` is too small to speak of.
    pub(super) fn is_about(self, other: Self) -> bool {
        self.is_last_resort() == other.is_last_resort()
            && self.0.abs_diff(other.0) <= 2_000.max(other.0 / 10)
    }
}
