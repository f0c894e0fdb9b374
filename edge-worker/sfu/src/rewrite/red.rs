//! Earlier frames of sound beside the newest one (RFC 2198): taken out for those who do not
//! speak it, and put in for those who lose packets.

/// The primary block of `payload`; `None` if its headers lie.
pub(crate) fn primary(payload: &[u8]) -> Option<&[u8]> {
    let mut rest = payload;
    let mut redundant = 0;
    while rest.first()? & MORE != 0 {
        let (header, after) = rest.split_first_chunk::<4>()?;
        redundant += usize::from(header[2] & 0x03) << 8 | usize::from(header[3]);
        rest = after;
    }
    let blocks = &rest[1..];
    blocks.get(redundant..).filter(|block| !block.is_empty())
}

/// What stands before a frame that is sent together with the one before it. The payload types
/// are left open: the subscriber's transport knows them.
#[derive(Debug)]
pub(crate) struct Repetition {
    bytes: [u8; Self::HEADERS + Self::LONGEST],
    len: usize,
}

impl Repetition {
    /// Earlier frames in it.
    pub(crate) const COUNT: u8 = 1;

    const HEADERS: usize = 5;

    /// 160 kbit/s at 20 ms a frame: whoever sends music in more does without.
    const LONGEST: usize = 400;

    /// Of a frame that is `age` ticks older than the newest; `None` if it is too long or too
    /// old for that.
    pub(crate) fn new(earlier: &[u8], age: u32) -> Option<Self> {
        let fits = !earlier.is_empty() && earlier.len() <= Self::LONGEST;
        if !fits || !(1..=OLDEST).contains(&age) {
            return None;
        }
        let mut bytes = [0; Self::HEADERS + Self::LONGEST];
        let header = age << 10 | earlier.len() as u32;
        bytes[..4].copy_from_slice(&(u32::from(MORE) << 24 | header).to_be_bytes());
        let len = Self::HEADERS + earlier.len();
        bytes[Self::HEADERS..len].copy_from_slice(earlier);
        Some(Self { bytes, len })
    }

    /// To be written before the newest frame.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Another header follows this one.
const MORE: u8 = 0x80;

/// Ticks that can be written: a third of a second.
const OLDEST: u32 = (1 << 14) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_is_the_newest() {
        for (payload, expected) in [
            (&[111, 7, 8][..], Some(&[7, 8][..])),
            (&[0x80 | 111, 0, 0, 2, 111, 1, 2, 9], Some(&[9])),
            (
                &[0xef, 0, 0, 1, 0xef, 0, 0, 2, 111, 1, 2, 2, 9, 9],
                Some(&[9, 9]),
            ),
            (&[0xef, 0, 0, 0, 111, 9], Some(&[9])),
            // Headers that lie or are cut.
            (&[], None),
            (&[111], None),
            (&[0xef, 0, 0], None),
            (&[0xef, 0, 0, 1], None),
            (&[0xef, 0, 3, 0xff, 111, 1, 2], None),
            (&[0xef, 0, 0, 2, 111, 1, 2], None),
            (&[0xff; 40], None),
        ] {
            assert_eq!(primary(payload), expected, "{payload:02x?}");
        }
    }

    #[test]
    fn sb_4_an_earlier_frame_is_put_before_the_newest() {
        let long = [7; Repetition::LONGEST];
        for (earlier, age, expected) in [
            (&[1, 2][..], 960, Some([0x80, 0x0f, 0, 2, 0])),
            (&[1], 1, Some([0x80, 0, 4, 1, 0])),
            (&long, OLDEST, Some([0x80, 0xff, 0xfd, 0x90, 0])),
            (&[1], OLDEST + 1, None),
            (&[1], 0, None),
            (&[1], u32::MAX, None),
            (&[], 960, None),
            (&[7; Repetition::LONGEST + 1], 960, None),
        ] {
            let made = Repetition::new(earlier, age);
            let headers = made.as_ref().map(|it| &it.as_bytes()[..5]);
            assert_eq!(headers, expected.as_ref().map(|it| &it[..]), "{age}");
            if let Some(made) = made {
                let whole = [made.as_bytes(), &[9, 9]].concat();
                assert_eq!(primary(&whole), Some(&[9, 9][..]));
                assert_eq!(&made.as_bytes()[5..], earlier);
            }
        }
    }
}
