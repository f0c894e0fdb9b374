//! Link sequence numbers that do not wrap.

use crate::frame::LinkSeq;

/// Turns the 32-bit numbers of one lane into numbers that do not wrap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unwrapper {
    highest: Option<u64>,
}

impl Unwrapper {
    /// Where the first number lands: high enough that late ones stay positive.
    const BASE: u64 = 1 << 32;

    /// The unwrapped number nearest to the highest one seen.
    pub(crate) fn peek(&self, seq: LinkSeq) -> u64 {
        let Some(highest) = self.highest else {
            return Self::BASE + u64::from(seq.0);
        };
        let ahead = seq.distance(LinkSeq(highest as u32));
        highest.saturating_add_signed(i64::from(ahead))
    }

    /// Moves on to `number`, if that is higher.
    pub(crate) fn advance(&mut self, number: u64) {
        self.highest = Some(self.highest.map_or(number, |highest| highest.max(number)));
    }

    /// The highest number so far.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// The number as it goes over the wire.
pub(crate) fn wrap(number: u64) -> LinkSeq {
    LinkSeq(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_wrap() {
        let mut unwrapper = Unwrapper::default();
        let mut unwrap = |seq| {
            let number = unwrapper.peek(LinkSeq(seq));
            unwrapper.advance(number);
            number
        };
        let start = unwrap(u32::MAX - 1);
        assert_eq!(unwrap(1), start + 3);
        assert_eq!(unwrap(u32::MAX), start + 1);
        assert_eq!(unwrap(2), start + 4);
        assert_eq!(wrap(start + 4), LinkSeq(2));
    }
}
