//! The clock that stamps and delays are read from: nanoseconds since the run began.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Copies of it agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    /// Nanoseconds since 1970 at the start.
    unix: u64,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        let read = || {
            let (before, unix, start) = (Instant::now(), SystemTime::now(), Instant::now());
            (start - before, unix, start)
        };
        // One that was not interrupted between the two clocks.
        let reads: [_; 16] = std::array::from_fn(|_| read());
        let best = reads.into_iter().min_by_key(|(took, ..)| *took);
        let (_, unix, start) = best.unwrap_or_else(read);
        let unix = unix.duration_since(UNIX_EPOCH);
        Self {
            start,
            unix: unix.map_or(0, |since| since.as_nanos() as u64),
        }
    }

    /// Nanoseconds since the start.
    pub fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// The moment that the system's clock, as nanoseconds since 1970, shows as `unix`.
    pub fn at(&self, unix: Duration) -> u64 {
        (unix.as_nanos() as u64).saturating_sub(self.unix)
    }

    /// The same moment as NTP writes it (RFC 3550 section 4).
    pub fn ntp(&self, now: u64) -> u64 {
        let unix = self.unix + now;
        let (seconds, rest) = (unix / SECOND + FROM_1900, unix % SECOND);
        (seconds << 32) | ((rest << 32) / SECOND)
    }
}

const SECOND: u64 = 1_000_000_000;
/// Seconds from 1900 to 1970.
const FROM_1900: u64 = 2_208_988_800;
