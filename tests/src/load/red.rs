//! Sound with the frame before repeated, as browsers send it (RFC 2198): one block, or two.

use super::sdp::OPUS;

/// One frame of sound.
#[derive(Debug, Clone)]
pub struct Block {
    timestamp: u32,
    bytes: [u8; Self::MOST],
    length: usize,
}

/// The frames of one packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Frames<'a> {
    /// The one that came before, again.
    pub before: Option<&'a [u8]>,
    /// The new one.
    pub newest: Option<&'a [u8]>,
}

/// Another block follows.
const MORE: u8 = 0x80;
/// How far back a frame may be, at 48 kHz.
const FARTHEST: u32 = (1 << 14) - 1;

impl Block {
    const MOST: usize = 128;

    /// A frame without content; at most so long as there is room.
    pub fn silent(timestamp: u32, bytes: usize) -> Self {
        let mut block = Self {
            timestamp,
            bytes: [0; Self::MOST],
            length: bytes.min(Self::MOST),
        };
        // CELT, full band, 20 ms, mono, one frame (RFC 6716 section 3.1).
        block.bytes[0] = 0xf8;
        block
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The same to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// Writes it alone, and tells its length.
    pub fn write(&self, into: &mut [u8]) -> usize {
        into[..self.length].copy_from_slice(self.bytes());
        self.length
    }
}

/// Writes a frame with the one before it, where that is not too long ago; tells the length.
pub fn write(into: &mut [u8], before: Option<&Block>, newest: &Block) -> usize {
    let mut at = 0;
    let ago = |block: &&Block| newest.timestamp.wrapping_sub(block.timestamp) <= FARTHEST;
    let before = before.filter(ago);
    if let Some(before) = before {
        let ago = newest.timestamp.wrapping_sub(before.timestamp);
        let word = ago << 10 | before.length as u32;
        into[0] = MORE | OPUS;
        into[1..4].copy_from_slice(&word.to_be_bytes()[1..]);
        at = 4;
    }
    into[at] = OPUS;
    at += 1;
    for block in before.into_iter().chain([newest]) {
        at += block.write(&mut into[at..]);
    }
    at
}

/// Reads a packet of one or two blocks; what is neither has no frames.
pub fn read(payload: &[u8]) -> Frames<'_> {
    let before = match payload {
        [first, high, middle, low, ..] if first & MORE != 0 => {
            let word = u32::from_be_bytes([0, *high, *middle, *low]);
            Some((word & 0x3ff) as usize)
        }
        [..] => None,
    };
    let head = if before.is_some() { 5 } else { 1 };
    let split = payload
        .get(head..)
        .and_then(|blocks| blocks.split_at_checked(before.unwrap_or_default()));
    match split {
        Some((old, new)) => Frames {
            before: before.map(|_| old),
            newest: Some(new),
        },
        None => Frames::default(),
    }
}

impl<'a> Frames<'a> {
    /// Of a packet that has one frame and nothing else.
    pub fn alone(payload: &'a [u8]) -> Self {
        Self {
            before: None,
            newest: Some(payload),
        }
    }

    /// All, the older one first.
    pub fn all(self) -> impl Iterator<Item = &'a [u8]> {
        self.before.into_iter().chain(self.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let old = Block::silent(960, 30);
        for (newest, repeats) in [
            (Block::silent(1_920, 100), true),
            // After a pause of 400 ms nobody waits for what was before.
            (Block::silent(960 + 19_200, 24), false),
        ] {
            let mut packet = [0xff; 300];
            let length = write(&mut packet, Some(&old), &newest);
            let frames = read(&packet[..length]);
            assert_eq!(frames.before, repeats.then_some(old.bytes()));
            assert_eq!(frames.newest, Some(newest.bytes()));
        }
        let mut packet = [0xff; 300];
        let length = write(&mut packet, None, &old);
        assert_eq!(
            read(&packet[..length]).all().collect::<Vec<_>>(),
            [old.bytes()]
        );
        assert_eq!(read(&[0x80 | OPUS, 0, 0, 9, OPUS, 1]), Frames::default());
        assert_eq!(read(&[]), Frames::default());
    }
}
