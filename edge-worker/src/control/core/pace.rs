//! When the next request may go: soon after what somebody waits for, now and then without a
//! reason, and after a failure later and later, each node at a time of its own.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

/// When to speak.
#[derive(Debug)]
pub(super) struct Pace {
    /// There is a reason then.
    wanted_at: Instant,
    /// Not before, after failures.
    allowed_at: Instant,
    /// In a row.
    failures: u32,
}

/// What happens at the same time is told together.
const GATHER: Duration = Duration::from_millis(250);

/// The first pause after a failure is up to this long; each further one twice as long ...
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// ... up to this: a control plane that is back hears of everything within half a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the control plane may ask for; it can be wrong, too.
const SOONEST_MS: u64 = 250;
const LATEST_MS: u64 = 60_000;

/// A control plane that asks for patience gets this much at most.
const MOST_PATIENCE: Duration = Duration::from_secs(300);

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wanted_at: now,
            allowed_at: now,
            failures: 0,
        }
    }

    /// When the next request goes.
    pub(super) fn due_at(&self) -> Instant {
        self.wanted_at.max(self.allowed_at)
    }

    /// Somebody waits to see what happened.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.wanted_at = self.wanted_at.min(now + GATHER);
    }

    /// There is more to say.
    pub(super) fn at_once(&mut self, now: Instant) {
        self.wanted_at = self.wanted_at.min(now);
    }

    /// The control plane is there and has something to say.
    pub(super) fn poke(&mut self, now: Instant) {
        self.wanted_at = now;
        self.allowed_at = now;
    }

    /// A request goes; what happens from now on is a reason for the next.
    pub(super) fn sent(&mut self, now: Instant) {
        self.wanted_at = now + Duration::from_millis(LATEST_MS);
    }

    /// An answer came: nothing stands in the way.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Without a reason it need not be asked before.
    pub(super) fn answered(&mut self, now: Instant, next_ms: u64) {
        let next = Duration::from_millis(next_ms.clamp(SOONEST_MS, LATEST_MS));
        self.wanted_at = self.wanted_at.min(now + next);
    }

    /// It was not heard, or asks for patience.
    pub(super) fn failed(&mut self, now: Instant, after: Option<Duration>, random: &mut StdRng) {
        let doubled = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        // All nodes lose it at once, and must not all come back at once.
        let most = doubled.min(LONGEST_PAUSE).as_millis() as u64;
        let pause = Duration::from_millis(random.random_range(0..=most));
        let pause = pause.max(after.unwrap_or_default().min(MOST_PATIENCE));
        self.wanted_at = now;
        self.allowed_at = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn pauses_grow_to_half_a_minute_and_differ_from_node_to_node() {
        let now = Instant::now();
        let mut longest = [Duration::ZERO; 10];
        let mut seen = std::collections::HashSet::new();
        for node in 0..200_u8 {
            let mut random = StdRng::from_seed([node; 32]);
            let mut pace = Pace::new(now);
            for longest in &mut longest {
                pace.failed(now, None, &mut random);
                let pause = pace.due_at() - now;
                *longest = pause.max(*longest);
                seen.insert(pause);
            }
        }
        for (failures, longest) in longest.iter().enumerate() {
            let most = (FIRST_PAUSE * 2_u32.pow(failures as u32)).min(LONGEST_PAUSE);
            assert!(*longest <= most && *longest > most * 9 / 10, "{longest:?}");
        }
        assert!(seen.len() > 1_000, "{}", seen.len());
    }

    #[test]
    fn who_asks_for_patience_gets_it_and_who_pokes_is_asked_at_once() {
        let now = Instant::now();
        let mut random = StdRng::from_seed([1; 32]);
        let mut pace = Pace::new(now);
        pace.failed(now, Some(Duration::from_secs(7)), &mut random);
        assert_eq!(pace.due_at() - now, Duration::from_secs(7));
        pace.hurry(now);
        assert_eq!(pace.due_at() - now, Duration::from_secs(7), "not before");
        pace.poke(now);
        assert_eq!(pace.due_at(), now);
        for (asked_ms, expected_ms) in [(0, SOONEST_MS), (5_000, 5_000), (u64::MAX, LATEST_MS)] {
            pace.sent(now);
            pace.answered(now, asked_ms);
            assert_eq!(pace.due_at() - now, Duration::from_millis(expected_ms));
        }
        pace.sent(now);
        pace.hurry(now);
        pace.answered(now, 5_000);
        assert_eq!(pace.due_at() - now, GATHER, "what happened meanwhile");
    }
}
