//! The numbers of one publisher's stream without their wraps, and with a way on when
//! an encoder or a sender begins anew (RFC 3550 section A.1, RFC 7741 section 4.2).

use media::{SeqNo, SeqUnwrapper, Vp8Descriptor};

/// Sequence numbers that only grow, also across a new start.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    unwrapper: SeqUnwrapper,
    /// Added since a new start; a multiple of 2^16.
    base: u64,
    /// What would confirm a new start.
    awaited: Option<SeqNo>,
}

impl Sequence {
    /// The newest number so far.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.unwrapper.highest().map(|number| self.base + number)
    }

    /// The number of `seq`; `None` if it is far from all others. Two such in a row are
    /// a new start.
    pub(crate) fn place(&mut self, seq: SeqNo) -> Option<u64> {
        let newest = self.unwrapper.highest();
        let ahead = newest.map_or(0, |newest| seq.distance(SeqNo(newest as u16)));
        if !(-MAX_BEHIND..=MAX_AHEAD).contains(&ahead) {
            if self.awaited != Some(seq) {
                self.awaited = Some(seq.plus(1));
                return None;
            }
            self.restart();
        }
        self.awaited = None;
        Some(self.base + self.unwrapper.unwrap(seq))
    }

    /// As [`place`](Self::place) after a pause, in which any number of packets may have
    /// passed elsewhere: what does not follow closely begins anew.
    pub(crate) fn place_after_pause(&mut self, seq: SeqNo) -> Option<u64> {
        let newest = self.unwrapper.highest();
        let ahead = newest.map_or(1, |newest| seq.distance(SeqNo(newest as u16)));
        if !(1..=MAX_AHEAD).contains(&ahead) {
            self.restart();
        }
        self.place(seq)
    }

    /// The next number begins anew, above all others.
    pub(crate) fn restart(&mut self) {
        if let Some(newest) = self.newest() {
            self.base = (newest & !0xffff) + (1 << 16);
            self.unwrapper = SeqUnwrapper::default();
        }
    }
}

/// Further behind, a packet is in no cache any more.
const MAX_BEHIND: i16 = 1024;
/// Further ahead than seconds of loss (RFC 3550's `MAX_DROPOUT`).
const MAX_AHEAD: i16 = 3000;

/// Picture ids that only grow, also across a new start.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    newest: Option<u64>,
}

impl Pictures {
    /// The number of the picture that `payload`, with `descriptor`, is part of.
    pub(crate) fn place(
        &mut self,
        descriptor: &Vp8Descriptor,
        payload: &[u8],
        order: Order,
    ) -> Option<u64> {
        let id = u64::from(descriptor.picture_id?);
        // An id follows the two flag bytes, and tells by its first bit how wide it is.
        let modulus: u64 = if payload[2] & 0x80 != 0 {
            1 << 15
        } else {
            1 << 7
        };
        let Some(newest) = self.newest else {
            self.newest = Some(START + id);
            return self.newest;
        };
        let ahead = id.wrapping_sub(newest) % modulus;
        let sequel = (1..modulus.min(2 * MAX_PICTURES_LOST) / 2).contains(&ahead);
        let number = if descriptor.keyframe && order == Order::Next && !sequel {
            (newest & !0xffff) + START + id
        } else if ahead < modulus / 2 {
            newest + ahead
        } else {
            newest.saturating_sub(modulus - ahead)
        };
        self.newest = Some(newest.max(number));
        Some(number)
    }
}

/// Whether a packet is the newest of its layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// It is.
    Next,
    /// Newer ones came before it.
    Late,
}

/// Numbers start high enough that late ones stay positive.
const START: u64 = 1 << 16;

/// More pictures than this are never lost before a keyframe.
const MAX_PICTURES_LOST: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_wraps_and_new_starts() {
        let mut sequence = Sequence::default();
        for (seq, expected) in [
            (65_534, Some(131_070)),
            (1, Some(131_073)),
            (65_535, Some(131_071)),
            (40_000, None), // one stray packet changes nothing
            (2, Some(131_074)),
            (40_000, None),
            (40_001, Some((4 << 16) + 40_001)),
            (40_000, Some((4 << 16) + 40_000)),
            (39_999, Some((4 << 16) + 39_999)),
        ] {
            assert_eq!(sequence.place(SeqNo(seq)), expected, "{seq}");
        }
    }

    #[test]
    fn after_a_pause_what_does_not_follow_begins_anew_at_once() {
        for (seq, expected) in [
            (101, (1 << 16) + 101),
            (3_100, (1 << 16) + 3_100),
            (40_000, (3 << 16) + 40_000),
            (100, (3 << 16) + 100),
            (90, (3 << 16) + 90),
        ] {
            let mut sequence = Sequence::default();
            sequence.place(SeqNo(100));
            let placed = sequence.place_after_pause(SeqNo(seq));
            assert_eq!(placed, Some(expected), "{seq}");
        }
    }

    #[test]
    fn picture_ids_follow_wraps_and_new_starts() {
        let mut pictures = Pictures::default();
        for (id, keyframe, order, expected) in [
            (0x7ffe, false, Order::Next, START + 0x7ffe),
            (0x0001, false, Order::Next, START + 0x8001),
            (0x7fff, false, Order::Late, START + 0x7fff),
            (0x0002, true, Order::Next, START + 0x8002),
            (0x0001, true, Order::Late, START + 0x8001),
            (0x4000, true, Order::Next, 2 * START + 0x4000),
            (0x3000, true, Order::Next, 3 * START + 0x3000),
        ] {
            let payload = [
                0x90,
                0x80,
                0x80 | (id >> 8) as u8,
                id as u8,
                u8::from(!keyframe),
            ];
            let descriptor = Vp8Descriptor::parse(&payload).unwrap();
            let number = pictures.place(&descriptor, &payload, order);
            assert_eq!(number, Some(expected), "{id:x}");
        }
    }
}
