//! How much a neighbour may do: so much in a second, and a second's worth at once.

use std::time::{Duration, Instant};

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    per_second: f64,
    left: f64,
    filled_at: Instant,
}

impl Allowance {
    /// Full.
    pub(crate) fn new(now: Instant, per_second: f64) -> Self {
        Self {
            per_second,
            left: per_second,
            filled_at: now,
        }
    }

    /// Takes `amount` if that much is left.
    pub(crate) fn take(&mut self, now: Instant, amount: f64) -> bool {
        self.fill(now);
        let enough = self.left >= amount;
        if enough {
            self.left -= amount;
        }
        enough
    }

    /// Takes `amount` in any case; how long to wait until that is made good.
    pub(crate) fn owe(&mut self, now: Instant, amount: f64) -> Duration {
        self.fill(now);
        self.left -= amount;
        Duration::from_secs_f64((-self.left / self.per_second).max(0.0))
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.per_second);
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_goes_at_once_and_no_more() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start, 100.0);
        let taken = (0..200).filter(|_| allowance.take(start, 1.0)).count();
        assert_eq!(taken, 100);
        let later = start + Duration::from_millis(500);
        let taken = (0..200).filter(|_| allowance.take(later, 1.0)).count();
        assert_eq!(taken, 50);
    }

    #[test]
    fn what_is_owed_is_waited_for() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start, 100.0);
        assert_eq!(allowance.owe(start, 100.0), Duration::ZERO);
        assert_eq!(allowance.owe(start, 50.0), Duration::from_millis(500));
    }
}
