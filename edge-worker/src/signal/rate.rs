//! How many messages a client may send, and how many descriptions among them: bursts when
//! it joins a large room, a steady trickle afterwards. Token buckets.

use std::time::Instant;

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// At once.
    burst: f64,
    /// Per second in the long run.
    steady: f64,
}

/// Of any kind: a client that joins a room of hundreds settles each track.
pub(super) const MESSAGES: Limit = Limit {
    burst: 1_000.0,
    steady: 100.0,
};

/// Offers and answers, which cost the most: clients gather changes for 20 to 100 ms.
pub(super) const DESCRIPTIONS: Limit = Limit {
    burst: 150.0,
    steady: 20.0,
};

/// What a client has left.
#[derive(Debug)]
pub(super) struct Rate {
    limit: Limit,
    left: f64,
    at: Instant,
}

impl Rate {
    /// A full bucket.
    pub(super) fn new(now: Instant, limit: Limit) -> Self {
        Self {
            limit,
            left: limit.burst,
            at: now,
        }
    }

    /// Takes one message out; `false` if there are none left.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let Limit { burst, steady } = self.limit;
        self.left = (self.left + elapsed * steady).min(burst) - 1.0;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn bad_w7_s8_a_burst_passes_and_a_flood_does_not() {
        let start = Instant::now();
        for (limit, burst, pause_ms) in [(MESSAGES, 1_000, 20), (DESCRIPTIONS, 150, 60)] {
            let mut rate = Rate::new(start, limit);
            assert_eq!((0..5_000).filter(|_| rate.allows(start)).count(), burst);

            let mut rate = Rate::new(start, limit);
            let steady = |n: u64| start + Duration::from_millis(pause_ms * n);
            assert!(
                (0..5_000).all(|n| rate.allows(steady(n))),
                "{limit:?}: some go on for ever"
            );
        }
    }
}
