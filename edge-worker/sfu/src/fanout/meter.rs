//! How much arrives of one layer, by frame rate: what a subscriber's link has to carry
//! to be sent it.

use std::time::{Duration, Instant};

use media::Bitrate;

/// Temporal layers told apart; what is above counts to the highest.
pub(crate) const RATES: usize = 3;

/// What a layer takes at each frame rate: the lowest temporal layer alone, with the next
/// one, and with all.
pub(crate) type Rates = [Bitrate; RATES];

/// Counts what arrives of one layer.
#[derive(Debug)]
pub(crate) struct Meter {
    since: Instant,
    bytes: [u64; RATES],
    rates: Option<Rates>,
    /// Since they were taken last.
    taken: u64,
}

/// A keyframe more or less hardly shows in it, and a viewer can wait for it.
const WINDOW: Duration = Duration::from_secs(1);

/// The first figure is rough, and in time for the first decision.
const FIRST_WINDOW: Duration = Duration::from_millis(400);

/// A window this long had a pause in it.
const PAUSE: Duration = Duration::from_secs(3);

/// What a packet takes on the wire beside its payload: RTP with extensions and a tag.
const OVERHEAD: usize = 36;

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            bytes: [0; RATES],
            rates: None,
            taken: 0,
        }
    }

    /// A packet of `temporal` came.
    pub(crate) fn count(&mut self, now: Instant, temporal: u8, payload: usize) {
        let elapsed = now.saturating_duration_since(self.since);
        let window = match self.rates {
            Some(_) => WINDOW,
            None => FIRST_WINDOW,
        };
        if elapsed >= window {
            self.close(elapsed);
            self.since = now;
        }
        self.bytes[usize::from(temporal).min(RATES - 1)] += (payload + OVERHEAD) as u64;
        self.taken += (payload + OVERHEAD) as u64;
    }

    /// Bytes that came since this was asked last.
    pub(crate) fn take_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.taken)
    }

    /// What it takes, once that is known.
    pub(crate) fn rates(&self) -> Option<Rates> {
        self.rates
    }

    fn close(&mut self, elapsed: Duration) {
        let millis = elapsed.as_millis().max(1) as u64;
        let mut sum = 0;
        let seen = std::mem::take(&mut self.bytes).map(|bytes| {
            sum += bytes;
            Bitrate(sum * 8_000 / millis)
        });
        self.rates = Some(match self.rates {
            Some(before) if elapsed < PAUSE => {
                let mut rates = seen;
                for (rate, before) in rates.iter_mut().zip(before) {
                    rate.0 = (rate.0 + before.0) / 2;
                }
                rates
            }
            Some(before) => before,
            None => seen,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn each_frame_rate_counts_with_those_below() {
        let start = start();
        let mut meter = Meter::new(start);
        for (from, seconds, bytes, expected) in [
            (0, 5, 964, [200, 400, 800]),
            (5, 8, 464, [100, 200, 400]),
            // A pause does not count as little.
            (20, 1, 464, [100, 200, 400]),
            (21, 8, 1964, [400, 800, 1600]),
        ] {
            for step in 0..seconds * 100 {
                let now = start + Duration::from_millis(from * 1000 + step * 10);
                let temporal = [0, 2, 1, 2][step as usize % 4];
                meter.count(now, temporal, bytes);
            }
            let rates = meter.rates().unwrap();
            for (rate, expected) in rates.into_iter().zip(expected) {
                let percent = rate.0 / 10 / expected;
                assert!((97..=103).contains(&percent), "{rate} for {expected}");
            }
        }
    }

    #[test]
    fn nothing_is_known_at_first() {
        let start = start();
        let mut meter = Meter::new(start);
        meter.count(start, 0, 1_000);
        assert_eq!(meter.rates(), None);
        meter.count(start + FIRST_WINDOW, 0, 1_000);
        assert!(meter.rates().is_some());
    }
}
