//! How many media packets a client may send: far more than cameras, screens and
//! microphones make, and far less than would keep a shard from its other rooms. A token
//! bucket.

use std::time::{Duration, Instant};

/// What a client has left.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    filled_at: Instant,
}

impl Allowance {
    /// In the long run: some 35 Mbit/s of full packets, or three layers of two pictures of
    /// the best quality, and sound beside them, twice.
    const PER_SECOND: u32 = 4_000;
    /// At once: what waited in a network that was away for a second.
    const BURST: u32 = 4_000;

    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: Self::BURST,
            filled_at: now,
        }
    }

    /// Takes one packet out; `false` if there are none left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled_at);
        let earned =
            elapsed.min(Duration::from_secs(1)).as_micros() as u32 / (1_000_000 / Self::PER_SECOND);
        if earned > 0 {
            self.left = (self.left + earned).min(Self::BURST);
            self.filled_at = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}
