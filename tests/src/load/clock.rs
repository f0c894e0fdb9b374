//! The clock that stamps and delays are read from: nanoseconds since the run began.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

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
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            start: Instant::now(),
            unix: unix.map_or(0, |since| since.as_nanos() as u64),
        }
    }

    /// Nanoseconds since the start.
    pub fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
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
