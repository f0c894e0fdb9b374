//! Reads what a client says it received, by numbers on the transport
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01). Writing the same about what a client
//! sends is left to `twcc`.

use media::SeqNo;

/// One feedback packet, read as far as it is true to its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Feedback<'a> {
    /// The number of the first packet it tells of.
    pub(super) base: SeqNo,
    /// How many packets it claims to tell of.
    pub(super) count: u16,
    /// When arrivals are counted from, in 64 ms; 24 bits of it.
    pub(super) reference: u32,
    /// Chunks of symbols, then differences, then padding.
    rest: &'a [u8],
}

/// The feedback packets of a compound whose framing was found to be true.
pub(super) fn in_compound(mut compound: &[u8]) -> impl Iterator<Item = Feedback<'_>> {
    std::iter::from_fn(move || {
        let header = compound.first_chunk::<4>()?;
        let words = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let (packet, rest) = compound.split_at_checked(4 * (words + 1))?;
        compound = rest;
        Some(Feedback::read(packet))
    })
    .flatten()
}

impl<'a> Feedback<'a> {
    /// Transport-layer feedback (RFC 4585) ...
    const PACKET_TYPE: u8 = 205;
    /// ... of this kind.
    const FORMAT: u8 = 15;

    /// `None` for packets of another kind, and for those too short.
    fn read(packet: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<20>()?;
        if fixed[0] & 0x1f != Self::FORMAT || fixed[1] != Self::PACKET_TYPE {
            return None;
        }
        Some(Self {
            base: SeqNo(u16::from_be_bytes([fixed[12], fixed[13]])),
            count: u16::from_be_bytes([fixed[14], fixed[15]]),
            reference: u32::from_be_bytes([0, fixed[16], fixed[17], fixed[18]]),
            rest,
        })
    }

    /// What it tells of each packet from [`base`](Self::base) on: for one that arrived, ticks
    /// of 250 us since the one before, or since the reference time. Ends where the bytes do,
    /// whatever was claimed.
    pub(super) fn told(&self) -> Told<'a> {
        let mut chunks = 0;
        let mut symbols = 0;
        while symbols < usize::from(self.count) {
            let Some(chunk) = self.rest.get(chunks..chunks + 2) else {
                break;
            };
            symbols += Chunk::read([chunk[0], chunk[1]]).len();
            chunks += 2;
        }
        let (chunks, deltas) = self.rest.split_at(chunks);
        Told {
            left: self.count,
            chunk: Chunk::Run { symbol: 0, len: 0 },
            chunks,
            deltas,
        }
    }
}

/// Walks what a feedback packet tells, one packet after the other.
#[derive(Debug)]
pub(super) struct Told<'a> {
    left: u16,
    chunk: Chunk,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// Symbols packed together; `len` of them are left.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// The same again and again.
    Run { symbol: u8, len: u16 },
    /// Each its own, in one bit or two, from the highest bit down.
    Vector { symbols: u16, bits: u8, len: u16 },
}

impl Chunk {
    fn read(bytes: [u8; 2]) -> Self {
        let word = u16::from_be_bytes(bytes);
        match word >> 14 {
            0 | 1 => Self::Run {
                symbol: (word >> 13) as u8,
                len: word & 0x1fff,
            },
            2 => Self::Vector {
                symbols: word << 2,
                bits: 1,
                len: 14,
            },
            _ => Self::Vector {
                symbols: word << 2,
                bits: 2,
                len: 7,
            },
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Run { len, .. } | Self::Vector { len, .. } => len.into(),
        }
    }

    fn take(&mut self) -> Option<u8> {
        match self {
            Self::Run { len: 0, .. } | Self::Vector { len: 0, .. } => None,
            Self::Run { symbol, len } => {
                *len -= 1;
                Some(*symbol)
            }
            Self::Vector { symbols, bits, len } => {
                *len -= 1;
                let symbol = (*symbols >> (16 - *bits)) as u8;
                *symbols <<= *bits;
                Some(symbol)
            }
        }
    }
}

impl Iterator for Told<'_> {
    type Item = Option<i16>;

    fn next(&mut self) -> Option<Option<i16>> {
        self.left = self.left.checked_sub(1)?;
        let symbol = loop {
            if let Some(symbol) = self.chunk.take() {
                break symbol;
            }
            let (chunk, rest) = self.chunks.split_first_chunk::<2>()?;
            self.chunks = rest;
            self.chunk = Chunk::read(*chunk);
        };
        match symbol {
            1 => {
                let (delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(Some(i16::from(*delta)))
            }
            2 => {
                let (delta, rest) = self.deltas.split_first_chunk::<2>()?;
                self.deltas = rest;
                Some(Some(i16::from_be_bytes(*delta)))
            }
            _ => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::damage;

    /// A feedback packet of 4 * n bytes about numbers from 0xfffe on.
    fn packet(count: u16, rest: &[u8]) -> Vec<u8> {
        let words = (16 + rest.len().next_multiple_of(4)) / 4;
        let mut packet = vec![
            0x8f,
            205,
            0,
            words as u8,
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            2,
            0xff,
            0xfe,
        ];
        packet.extend_from_slice(&count.to_be_bytes());
        packet.extend_from_slice(&[0x01, 0x02, 0x03, 9]);
        packet.extend_from_slice(rest);
        packet.resize(4 * (words + 1), 0);
        packet
    }

    fn told(packet: &[u8]) -> Vec<Option<i16>> {
        in_compound(packet).flat_map(|each| each.told()).collect()
    }

    #[test]
    fn runs_and_vectors_of_both_kinds_are_read() {
        for (what, count, rest, expected) in [
            (
                "a run of small ones",
                3,
                &[0x20, 3, 1, 2, 255][..],
                &[Some(1), Some(2), Some(255)][..],
            ),
            ("a run of losses", 2, &[0x00, 2], &[None, None]),
            (
                "a run of large ones",
                2,
                &[0x40, 2, 0xff, 0xfe, 1, 0],
                &[Some(-2), Some(256)],
            ),
            (
                "one bit each",
                4,
                &[0b1010_1100, 0, 7, 8, 9],
                &[Some(7), None, Some(8), Some(9)],
            ),
            (
                "two bits each, then a run",
                9,
                &[0b1101_1000, 0, 0x20, 2, 7, 0, 8, 1, 2],
                &[
                    Some(7),
                    Some(8),
                    None,
                    None,
                    None,
                    None,
                    None,
                    Some(1),
                    Some(2),
                ],
            ),
        ] {
            assert_eq!(told(&packet(count, rest)), expected, "{what}");
        }
        let packet = packet(1, &[0x20, 1, 5]);
        let feedback = in_compound(&packet).next().unwrap();
        assert_eq!(feedback.base, SeqNo(0xfffe));
        assert_eq!((feedback.count, feedback.reference), (1, 0x01_0203));
    }

    #[test]
    fn bad_r12_counts_that_lie_end_with_the_bytes() {
        // More packets than symbols, more arrivals than differences, and a run of thousands.
        assert_eq!(told(&packet(500, &[0x20, 2, 1, 2])), []);
        assert_eq!(told(&packet(2, &[0x20, 9, 1, 2])), [Some(1), Some(2)]);
        assert_eq!(told(&packet(9, &[0x20, 9, 7, 8])), [Some(7), Some(8)]);
        assert_eq!(told(&packet(65_535, &[0x5f, 0xff, 0, 1])), []);
        assert_eq!(told(&packet(65_535, &[])), []);
        let lost = told(&packet(65_535, &[0x1f, 0xff].repeat(20)));
        assert_eq!(lost.len(), 65_535);
        // Cut, of another kind, and no compound at all.
        let whole = packet(3, &[0x20, 3, 1, 2, 3]);
        assert!(told(&whole[..16]).is_empty());
        let nack = [&[0x81][..], &whole[1..]].concat();
        assert!(told(&nack).is_empty());
        assert!(told(&[0x8f]).is_empty());
    }

    #[test]
    fn bad_r12_random_damage_is_survived() {
        let whole = packet(40, &[0xd5, 0x55, 0x20, 9, 0x9f, 0xff, 1, 2, 3, 4, 5, 6]);
        damage(&whole, |damaged| assert!(told(damaged).len() <= 65_535));
    }
}
