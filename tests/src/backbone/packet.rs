//! A packet as it is sent here: an RTP header, and a stamp that tells when it was sent and where it
//! belongs. The rest is empty.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::order::Nanos;

/// What a packet tells of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// When it was sent.
    pub sent_at: Nanos,
    /// Counts the packets of its layer, from 0.
    pub number: u32,
    /// Counts the pictures of its layer, from 0.
    pub picture: u32,
    /// Its place in the picture, from 0.
    pub index: u16,
    /// The packets of the picture.
    pub count: u16,
    /// Whether the picture stands alone.
    pub alone: Alone,
}

/// Whether a picture stands alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alone {
    /// A keyframe.
    Yes,
    /// It needs the one before.
    No,
}

/// Of RTP (RFC 3550), without extensions.
const HEADER: usize = 12;
/// A packet is at least so long.
pub const LEAST: usize = HEADER + 21;

impl Stamp {
    /// A packet of `bytes`, at least [`LEAST`].
    pub fn write(&self, bytes: usize) -> Bytes {
        let mut packet = BytesMut::with_capacity(bytes);
        let last = self.index + 1 == self.count;
        packet.put_u8(0x80);
        packet.put_u8(96 | if last { 0x80 } else { 0 });
        packet.put_u16(self.number as u16);
        packet.put_u32(self.picture.wrapping_mul(3_000));
        packet.put_u32(1);
        packet.put_u64(self.sent_at);
        packet.put_u32(self.number);
        packet.put_u32(self.picture);
        packet.put_u16(self.index);
        packet.put_u16(self.count);
        packet.put_u8(u8::from(self.alone == Alone::Yes));
        packet.resize(bytes.max(LEAST), 0);
        packet.freeze()
    }

    /// What a packet of [`write`](Self::write) tells.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let mut rest = packet.get(HEADER..LEAST)?;
        Some(Self {
            sent_at: rest.get_u64(),
            number: rest.get_u32(),
            picture: rest.get_u32(),
            index: rest.get_u16(),
            count: rest.get_u16(),
            alone: match rest.get_u8() {
                0 => Alone::No,
                _ => Alone::Yes,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        for (index, alone) in [(0, Alone::Yes), (5, Alone::No)] {
            let stamp = Stamp {
                sent_at: 77_000_000_000,
                number: 70_001,
                picture: 11_667,
                index,
                count: 6,
                alone,
            };
            let packet = stamp.write(1_150);
            assert_eq!(packet.len(), 1_150);
            assert_eq!(Stamp::read(&packet), Some(stamp));
            assert_eq!(Stamp::read(&packet[..LEAST - 1]), None);
            // The number that the relay tells doubles by.
            assert_eq!(packet[2..4], 4_465_u16.to_be_bytes());
            assert_eq!(packet[1] & 0x80 != 0, index == 5);
        }
    }
}
