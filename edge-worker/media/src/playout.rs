//! How long clients wait between the arrival of a picture and showing it, as the RTP header
//! extension `playout-delay` says it: two numbers of 12 bits, each in steps of 10 ms.

/// Bounds of the time between arrival and showing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct PlayoutDelay {
    min: Steps,
    max: Steps,
}

/// Tens of milliseconds, below 4,096.
type Steps = u16;

const STEP_MS: u32 = 10;

impl PlayoutDelay {
    /// The longest that can be said, in milliseconds.
    pub const MAX_MS: u32 = 0xfff * STEP_MS;

    /// What browsers allow where nothing is said, in milliseconds.
    const DEFAULT_MAX_MS: u32 = 10_000;

    /// From milliseconds; a `max` of 0 leaves it to the client. `None` if both do. What is too
    /// long becomes the longest.
    pub fn from_ms(min: u32, max: u32) -> Option<Self> {
        if min == 0 && max == 0 {
            return None;
        }
        let max = if max == 0 { Self::DEFAULT_MAX_MS } else { max };
        let steps = |ms: u32| (ms.min(Self::MAX_MS) / STEP_MS) as Steps;
        Some(Self {
            min: steps(min),
            max: steps(max.max(min)),
        })
    }

    /// In milliseconds.
    pub fn min_ms(self) -> u32 {
        u32::from(self.min) * STEP_MS
    }

    /// In milliseconds.
    pub fn max_ms(self) -> u32 {
        u32::from(self.max) * STEP_MS
    }

    /// As the extension carries it.
    pub fn to_bytes(self) -> [u8; 3] {
        let both = u32::from(self.min) << 12 | u32::from(self.max);
        let [_, high, middle, low] = both.to_be_bytes();
        [high, middle, low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sb_3_playout_delays_are_two_numbers_of_12_bits_in_steps_of_10_ms() {
        for (min, max, expected) in [
            (0, 0, None),
            (200, 400, Some([0x01, 0x40, 0x28])),
            (0, 100, Some([0x00, 0x00, 0x0a])),
            (300, 0, Some([0x01, 0xe3, 0xe8])),
            (500, 200, Some([0x03, 0x20, 0x32])),
            (15, 29, Some([0x00, 0x10, 0x02])),
            (u32::MAX, 0, Some([0xff, 0xff, 0xff])),
        ] {
            let delay = PlayoutDelay::from_ms(min, max);
            assert_eq!(delay.map(PlayoutDelay::to_bytes), expected, "{min} {max}");
        }
    }

    #[test]
    fn what_is_said_in_milliseconds_is_read_back_as_the_same() {
        for (min, max) in [(0, 100), (200, 400), (0, PlayoutDelay::MAX_MS)] {
            let delay = PlayoutDelay::from_ms(min, max).unwrap();
            let again = PlayoutDelay::from_ms(delay.min_ms(), delay.max_ms());
            assert_eq!((again, delay.max_ms()), (Some(delay), max));
        }
    }
}
