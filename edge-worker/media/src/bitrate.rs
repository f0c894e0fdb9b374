//! How much flows in a second.

use std::fmt;
use std::time::Duration;

/// Bits per second.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Bitrate(pub u64);

impl Bitrate {
    /// Nothing flows.
    pub const ZERO: Self = Self(0);

    /// Thousands of bits per second.
    pub const fn kilobits(kilobits: u64) -> Self {
        Self(kilobits * 1_000)
    }

    /// How many whole bytes flow in `time`.
    pub fn bytes_in(self, time: Duration) -> u64 {
        (u128::from(self.0) * time.as_micros() / 8_000_000) as u64
    }

    /// This times `factor`, which is not negative.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor) as u64)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.0 / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_flow_for_a_time() {
        let rate = Bitrate::kilobits(800);
        assert_eq!(rate.bytes_in(Duration::from_millis(10)), 1_000);
        assert_eq!(Bitrate(u64::MAX).bytes_in(Duration::from_secs(8)), u64::MAX);
        assert_eq!(rate.scaled(1.5), Bitrate::kilobits(1_200));
        assert_eq!(rate.to_string(), "800 kbit/s");
    }
}
