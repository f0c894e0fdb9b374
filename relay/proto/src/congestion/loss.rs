//! Tells loss that sending less would lessen from loss that the line has anyway.

use std::time::{Duration, Instant};

/// Which loss is a sign of sending too much.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossTolerance {
    tolerated: f64,
    until: Option<Instant>,
    /// What was lost when the rate was lowered for it, and in how many rounds since it stayed so.
    lowered_at: Option<(f64, u32)>,
    /// What the line loses when nothing waits.
    idle: f64,
    /// Loss of the last rounds: one alone says little.
    smooth: f64,
}

impl Default for LossTolerance {
    fn default() -> Self {
        Self {
            tolerated: Self::USUAL,
            until: None,
            lowered_at: None,
            idle: 0.0,
            smooth: 0.0,
        }
    }
}

impl LossTolerance {
    /// Bad lines lose less.
    const USUAL: f64 = 0.10;
    /// Loss that stays in spite of so many lower rates is the line's.
    const ROUNDS: u32 = 4;
    const REMEMBERED: Duration = Duration::from_secs(30);

    /// A round without a queue lost so much.
    pub(super) fn usual(&mut self, lost: f64) {
        self.idle += (lost - self.idle) / 16.0;
    }

    /// Less than this is the line's doing.
    pub(super) fn floor(&self) -> f64 {
        self.idle * 2.0 + 0.001
    }

    pub(super) fn is_ours(&mut self, now: Instant, lost: f64) -> bool {
        if self.until.is_some_and(|until| now >= until) {
            *self = Self {
                idle: self.idle,
                smooth: self.smooth,
                ..Self::default()
            };
        }
        self.smooth += (lost - self.smooth) / 8.0;
        let lost = self.smooth;
        if lost <= self.tolerated {
            self.lowered_at = None;
            return false;
        }
        let (first, rounds) = self.lowered_at.unwrap_or((lost, 0));
        self.lowered_at = Some((first, rounds + 1));
        if rounds >= Self::ROUNDS && lost > first * 0.7 {
            self.tolerated = (lost * 1.5).min(0.5);
            self.until = Some(now + Self::REMEMBERED);
            self.lowered_at = None;
        }
        true
    }
}
