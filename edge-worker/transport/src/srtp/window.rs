//! Which packets of one stream have been seen (RFC 3711 section 3.3.2), and which
//! 48-bit number a 16-bit one stands for (section 3.3.1).

/// The last [`Window::SIZE`] numbers of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// One bit per number, by its remainder.
    seen: [u64; Self::WORDS],
    highest: Option<u64>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            seen: [0; Self::WORDS],
            highest: None,
        }
    }
}

impl Window {
    /// How far back a number may be and still count as new: more than a second of video
    /// at 10 Mbit/s.
    pub(crate) const SIZE: u64 = 1024;
    const WORDS: usize = Self::SIZE as usize / 64;
    /// RTP numbers in SRTP have 48 bits: the rollover counter and the header's 16.
    const MAX_INDEX: u64 = (1 << 48) - 1;

    /// The number nearest to the highest one that ends in `seq`; `None` if that is before
    /// the beginning or after the end. Senders begin with a rollover counter of 0.
    pub(crate) fn extend(&self, seq: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            return Some(u64::from(seq));
        };
        let ahead = seq.wrapping_sub(highest as u16) as i16;
        highest
            .checked_add_signed(i64::from(ahead))
            .filter(|index| *index <= Self::MAX_INDEX)
    }

    /// Whether `index` has not been seen and is not too old to tell.
    pub(crate) fn is_new(&self, index: u64) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        if index > highest {
            return true;
        }
        highest - index < Self::SIZE && self.seen[Self::word(index)] & Self::bit(index) == 0
    }

    /// Whether `index` is beyond all that were seen, of which there are some.
    pub(crate) fn is_ahead(&self, index: u64) -> bool {
        self.highest.is_some_and(|highest| index > highest)
    }

    /// Takes note of `index`, after it was authenticated.
    pub(crate) fn note(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {
                if highest - index >= Self::SIZE {
                    return;
                }
            }
            Some(highest) if index - highest < Self::SIZE => {
                for skipped in highest + 1..index {
                    self.seen[Self::word(skipped)] &= !Self::bit(skipped);
                }
                self.highest = Some(index);
            }
            Some(_) | None => {
                self.seen = [0; Self::WORDS];
                self.highest = Some(index);
            }
        }
        self.seen[Self::word(index)] |= Self::bit(index);
    }

    fn word(index: u64) -> usize {
        (index % Self::SIZE) as usize / 64
    }

    fn bit(index: u64) -> u64 {
        1 << (index % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_r3_a_number_is_new_once() {
        let mut window = Window::default();
        for (index, expected) in [
            (100, true),
            (100, false),
            (102, true),
            (101, true),
            (101, false),
            (1123, true),
            (101, false), // still inside, and seen
            (99, false),  // too old to tell
            (103, true),  // inside, and not seen
            (5000, true), // far ahead
            (5000, false),
            (4999, true),
            (3977, true),
            (3976, false), // too old to tell
        ] {
            assert_eq!(window.is_new(index), expected, "{index}");
            if expected {
                window.note(index);
            }
        }
    }

    #[test]
    fn a_number_is_ahead_of_what_was_seen_and_of_nothing_else() {
        let mut window = Window::default();
        assert!(!window.is_ahead(7), "nothing was seen");
        window.note(100);
        for (index, expected) in [(99, false), (100, false), (101, true), (9_000, true)] {
            assert_eq!(window.is_ahead(index), expected, "{index}");
        }
    }

    /// Compared with a set that forgets nothing.
    #[test]
    fn random_orders_agree_with_a_plain_set() {
        let mut window = Window::default();
        let mut set = std::collections::HashSet::new();
        let (mut random, mut highest) = (7u64, 0);
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let index = (highest + (random >> 33) % 1500).saturating_sub(1000);
            let expected = highest.saturating_sub(index) < Window::SIZE && !set.contains(&index);
            assert_eq!(window.is_new(index), expected, "{index} of {highest}");
            if expected {
                window.note(index);
                set.insert(index);
                highest = highest.max(index);
            }
        }
    }

    #[test]
    fn numbers_are_extended_across_wraps_and_never_before_the_beginning() {
        let mut window = Window::default();
        for (seq, expected) in [
            (65_530, Some(65_530)),
            (2, Some(65_538)),
            (65_535, Some(65_535)),
            (40_000, Some(40_000)),
        ] {
            assert_eq!(window.extend(seq), expected, "{seq}");
            window.note(expected.unwrap());
        }
        let mut window = Window::default();
        window.note(3);
        assert_eq!(window.extend(65_530), None);
    }
}
