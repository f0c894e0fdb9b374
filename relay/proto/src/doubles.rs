//! Tells packets that came twice, while a track comes over an old and a new way at once.

use media::SeqNo;

/// The last packets of one layer, by their RTP numbers.
#[derive(Debug, Default)]
pub(crate) struct Doubles {
    highest: Option<SeqNo>,
    seen: [u64; Self::WINDOW as usize / 64],
    /// How many in a row were older than is remembered.
    too_old: u16,
}

impl Doubles {
    /// Two seconds of a large picture.
    const WINDOW: u16 = 2_048;
    /// So many in a row are no stragglers: the publisher counts anew.
    const ANEW: u16 = 16;

    /// Whether a packet with this number is new. Older ones than are remembered are not.
    pub(crate) fn is_new(&mut self, seq: SeqNo) -> bool {
        let ahead = self
            .highest
            .map_or(1, |highest| i32::from(seq.distance(highest)));
        if ahead <= -i32::from(Self::WINDOW) {
            self.too_old += 1;
            if self.too_old < Self::ANEW {
                return false;
            }
            *self = Self::default();
            return self.is_new(seq);
        }
        self.too_old = 0;
        if ahead > 0 {
            // Places that are passed stand for new numbers now.
            for passed in 1..=ahead.min(i32::from(Self::WINDOW)) {
                let (word, bit) = Self::place(SeqNo(seq.0.wrapping_sub((ahead - passed) as u16)));
                self.seen[word] &= !bit;
            }
            self.highest = Some(seq);
        }
        let (word, bit) = Self::place(seq);
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        is_new
    }

    fn place(seq: SeqNo) -> (usize, u64) {
        let index = usize::from(seq.0 % Self::WINDOW);
        (index / 64, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_is_new_once() {
        let mut doubles = Doubles::default();
        for (seq, expected) in [
            (65_000, true),
            (65_000, false),
            (65_002, true),
            (65_001, true),
            (65_001, false),
            (500, true),
            (65_003, true),
            (65_002, false),
            (63_000, false),
            (3_000, true),
            (500, false),
            (1_000, true),
        ] {
            assert_eq!(doubles.is_new(SeqNo(seq)), expected, "{seq}");
        }
    }

    #[test]
    fn who_counts_anew_is_heard_again_soon() {
        let mut doubles = Doubles::default();
        assert!(doubles.is_new(SeqNo(30_000)));
        let new = (10_000..10_100).filter(|seq| doubles.is_new(SeqNo(*seq)));
        assert_eq!(new.count(), 85);
    }

    #[test]
    fn a_leap_forgets() {
        let mut doubles = Doubles::default();
        for start in [0_u16, 20_000, 40_000, 60_000, 14_464] {
            for seq in 0..3_000 {
                assert!(
                    doubles.is_new(SeqNo(start.wrapping_add(seq))),
                    "{start} {seq}"
                );
            }
        }
    }
}
