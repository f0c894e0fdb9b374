//! Spreads what a lane sends by its rate: a token bucket of a few milliseconds.

use std::time::{Duration, Instant};

use media::Bitrate;

/// Says when the next datagram may leave.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    rate: Bitrate,
    /// Bytes that may leave at once; below zero when a datagram took more.
    tokens: f64,
    filled_at: Instant,
}

impl Pacer {
    /// So much may leave at once: wake-ups cost more than a few milliseconds of queue.
    const BURST: Duration = Duration::from_millis(4);
    /// However low the rate, a few datagrams leave at once.
    const LEAST_BURST: f64 = 4.0 * 1_200.0;

    /// Full, at `rate`.
    pub fn new(now: Instant, rate: Bitrate) -> Self {
        let mut pacer = Self {
            rate,
            tokens: 0.0,
            filled_at: now,
        };
        pacer.tokens = pacer.burst();
        pacer
    }

    /// From now on at `rate`.
    pub fn set_rate(&mut self, now: Instant, rate: Bitrate) {
        self.fill(now);
        self.rate = rate;
    }

    /// Whether a datagram may leave.
    pub fn allows(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens > 0.0
    }

    /// `bytes` left.
    pub fn spend(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }

    /// When the next datagram may leave.
    pub fn ready_at(&self) -> Instant {
        if self.tokens > 0.0 {
            return self.filled_at;
        }
        /// Together rather than one by one.
        const AT_LEAST: f64 = 1_200.0;
        let seconds = (AT_LEAST - self.tokens) * 8.0 / self.rate.0.max(1) as f64;
        self.filled_at + Duration::from_secs_f64(seconds.min(1.0))
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + self.rate.0 as f64 / 8.0 * passed).min(self.burst());
        self.filled_at = self.filled_at.max(now);
    }

    fn burst(&self) -> f64 {
        (self.rate.0 as f64 / 8.0 * Self::BURST.as_secs_f64()).max(Self::LEAST_BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    #[test]
    fn what_leaves_in_a_second_is_the_rate() {
        let mut pacer = Pacer::new(start(), Bitrate::kilobits(8_000));
        let mut sent = 0;
        let mut now = start();
        while now < start() + ms(1_000) {
            while pacer.allows(now) {
                pacer.spend(1_000);
                sent += 1;
            }
            assert!(pacer.ready_at() > now);
            now = pacer.ready_at();
        }
        assert!((1_000..1_010).contains(&sent), "{sent}");
    }

    #[test]
    fn silence_saves_up_one_burst() {
        let mut pacer = Pacer::new(start(), Bitrate::kilobits(8_000));
        let now = start() + ms(10_000);
        let mut sent = 0;
        while pacer.allows(now) {
            pacer.spend(1_000);
            sent += 1;
        }
        assert_eq!(sent, 5);
    }
}
