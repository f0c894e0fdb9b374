//! What one received stream shows: whether its numbers go on without gap or repetition,
//! and whether what the publisher counted does.

use super::super::payload::{Lane, Stamp};

/// One stream of a subscriber, by its SSRC.
#[derive(Debug)]
pub struct Stream {
    /// The highest number, its turns before it (RFC 3711 section 3.3.1).
    highest: u64,
    /// Which of the 64 numbers up to the highest arrived.
    window: u64,
    /// How many numbers were received, for reports.
    pub received: u64,
    first: u64,
    last: Option<Stamp>,
    /// At the last report.
    pub reported: (u64, u64),
}

/// What a packet's number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// It follows the one before.
    Next,
    /// So many before it are missing.
    Gap(u64),
    /// It was missing before.
    Late,
    /// It came before.
    Duplicate,
}

impl Stream {
    /// Begins with its first authentic packet.
    pub fn new(index: u64) -> Self {
        Self {
            highest: index,
            window: 1,
            received: 1,
            first: index,
            last: None,
            reported: (index, 0),
        }
    }

    /// The number with its turns (RFC 3711 appendix A), not yet believed.
    pub fn unwrap(&self, number: u16) -> u64 {
        let ahead = number.wrapping_sub(self.highest as u16) as i16;
        self.highest.saturating_add_signed(i64::from(ahead))
    }

    /// Notes an authentic packet.
    pub fn arrived(&mut self, index: u64) -> Continuity {
        if index > self.highest {
            let ahead = index - self.highest;
            self.window = if ahead < 64 {
                self.window << ahead | 1
            } else {
                1
            };
            self.highest = index;
            self.received += 1;
            return if ahead == 1 {
                Continuity::Next
            } else {
                Continuity::Gap(ahead - 1)
            };
        }
        let behind = self.highest - index;
        let bit = 1_u64.checked_shl(behind as u32).unwrap_or(0);
        if behind >= 64 || self.window & bit != 0 || index < self.first {
            return Continuity::Duplicate;
        }
        self.window |= bit;
        self.received += 1;
        Continuity::Late
    }

    /// How many of the publisher's packets were left out before this one, the layer
    /// unchanged.
    pub fn skipped(&mut self, stamp: Stamp) -> u32 {
        let before = self.last.replace(stamp);
        let Some(before) =
            before.filter(|it| (it.lane, it.publisher) == (stamp.lane, stamp.publisher))
        else {
            return 0;
        };
        let ahead = stamp.counter.wrapping_sub(before.counter);
        // Late ones count backwards.
        if ahead == 0 || ahead > u32::MAX / 2 {
            0
        } else {
            ahead - 1
        }
    }

    /// What it carries now.
    pub fn lane(&self) -> Option<Lane> {
        self.last.map(|stamp| stamp.lane)
    }

    /// The highest number, for reports.
    pub fn highest(&self) -> u64 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_late_and_repeated_packets_are_told_apart() {
        let mut stream = Stream::new(65_534);
        for (number, expected) in [
            (65_535, Continuity::Next),
            (2, Continuity::Gap(2)),
            (0, Continuity::Late),
            (0, Continuity::Duplicate),
            (2, Continuity::Duplicate),
            (3, Continuity::Next),
            (100, Continuity::Gap(96)),
            (3, Continuity::Duplicate),
            (65_500, Continuity::Duplicate),
        ] {
            let index = stream.unwrap(number);
            assert_eq!(stream.arrived(index), expected, "{number}");
        }
        assert_eq!(stream.highest(), 65_536 + 100);
    }

    #[test]
    fn what_was_left_out_is_counted_within_a_layer_only() {
        let stamp = |lane, counter| Stamp {
            publisher: 1,
            lane,
            counter,
            sent_at: 0,
        };
        let mut stream = Stream::new(0);
        for (lane, counter, skipped) in [
            (Lane::Low, 5, 0),
            (Lane::Low, 6, 0),
            (Lane::Low, 9, 2),
            (Lane::High, 40, 0),
            (Lane::High, 39, 0),
        ] {
            assert_eq!(stream.skipped(stamp(lane, counter)), skipped);
        }
        assert_eq!(stream.lane(), Some(Lane::High));
    }
}
