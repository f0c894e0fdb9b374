//! Numbers that wrap: RTP sequence numbers (RFC 3550 section 5.1) and timestamps.

use std::fmt;

/// A 16-bit RTP sequence number.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// How far `self` is ahead of `earlier`: negative if it is behind.
    pub fn distance(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }

    /// The number `by` further on.
    #[must_use]
    pub fn plus(self, by: u16) -> Self {
        Self(self.0.wrapping_add(by))
    }
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A 32-bit RTP timestamp, in units of its codec's clock.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// How far `self` is ahead of `earlier`: negative if it is behind.
    pub fn distance(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// The time `by` clock units further on.
    #[must_use]
    pub fn plus(self, by: u32) -> Self {
        Self(self.0.wrapping_add(by))
    }
}

/// Turns the 16-bit numbers of one stream into numbers that do not wrap.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeqUnwrapper {
    highest: Option<u64>,
}

impl SeqUnwrapper {
    /// Where the first number lands: high enough that late packets stay positive.
    const BASE: u64 = 1 << 16;

    /// The unwrapped number nearest to the highest one seen.
    pub fn unwrap(&mut self, seq: SeqNo) -> u64 {
        let number = self.peek(seq);
        self.highest = Some(self.highest.map_or(number, |highest| highest.max(number)));
        number
    }

    /// As [`unwrap`](Self::unwrap), without moving on.
    pub fn peek(&self, seq: SeqNo) -> u64 {
        let Some(highest) = self.highest else {
            return Self::BASE + u64::from(seq.0);
        };
        let ahead = seq.distance(SeqNo(highest as u16));
        highest.saturating_add_signed(i64::from(ahead))
    }

    /// The highest number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_look_across_the_wrap() {
        for (later, earlier, expected) in [
            (5, 3, 2),
            (3, 5, -2),
            (2, 65_534, 4),
            (65_534, 2, -4),
            (7, 7, 0),
        ] {
            assert_eq!(SeqNo(later).distance(SeqNo(earlier)), expected);
        }
        assert_eq!(Timestamp(10).distance(Timestamp(u32::MAX - 9)), 20);
    }

    #[test]
    fn unwrapping_follows_wraps_and_late_packets() {
        let mut unwrapper = SeqUnwrapper::default();
        for (seq, expected) in [
            (65_534, 131_070),
            (65_535, 131_071),
            (1, 131_073),
            (0, 131_072),
            (65_533, 131_069),
        ] {
            assert_eq!(unwrapper.unwrap(SeqNo(seq)), expected, "{seq}");
        }
        assert_eq!(unwrapper.highest(), Some(131_073));
    }
}
