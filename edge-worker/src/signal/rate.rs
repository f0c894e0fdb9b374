//! How many messages a client may send: bursts when it joins a large room, a steady
//! trickle afterwards. A token bucket.

use std::time::Instant;

/// Messages at once: a client that joins a room of hundreds settles each track.
const BURST: f64 = 1_000.0;

/// Messages per second in the long run.
const STEADY: f64 = 100.0;

/// What a client has left.
#[derive(Debug)]
pub(super) struct Rate {
    left: f64,
    at: Instant,
}

impl Rate {
    /// A full bucket.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            at: now,
        }
    }

    /// Takes one message out; `false` if there are none left.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.left = (self.left + elapsed * STEADY).min(BURST) - 1.0;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        assert_eq!((0..5_000).filter(|_| rate.allows(start)).count(), 1_000);

        let mut rate = Rate::new(start);
        let steady = |n: u64| start + Duration::from_millis(20 * n);
        assert!(
            (0..5_000).all(|n| rate.allows(steady(n))),
            "50 a second go on for ever"
        );
    }
}
