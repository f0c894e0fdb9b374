//! The payload format of VP8 (RFC 7741) and the header of its frames (RFC 6386 section
//! 9.1), as far as a server may look into them.

/// What the payload descriptor says, in Chromium's form: picture id of 15 bits, temporal
/// layer and the number of its base pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The first packet of a picture.
    pub start: bool,
    /// 15 bits.
    pub picture: u16,
    /// Counts the pictures of temporal layer 0.
    pub base: u8,
    /// The temporal layer.
    pub temporal: u8,
    /// The picture needs only pictures of layer 0.
    pub sync: bool,
}

impl Descriptor {
    /// Bytes that it takes.
    pub const LEN: usize = 6;

    /// The bytes.
    pub fn bytes(self) -> [u8; Self::LEN] {
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        let start = if self.start { 0x10 } else { 0 };
        let sync = if self.sync { 0x20 } else { 0 };
        // X; then I, L and T.
        [
            0x80 | start,
            0xe0,
            high,
            low,
            self.base,
            self.temporal << 6 | sync,
        ]
    }
}

/// Bytes before the first that is ours to write: descriptor and frame header. `None` if
/// the payload ends before.
pub fn own_bytes_at(payload: &[u8]) -> Option<usize> {
    let first = *payload.first()?;
    let mut at = 1;
    if first & 0x80 != 0 {
        let extensions = *payload.get(at)?;
        at += 1;
        if extensions & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        if extensions & 0x40 != 0 {
            at += 1;
        }
        if extensions & 0x30 != 0 {
            at += 1;
        }
    }
    let begins = first & 0x10 != 0 && first & 0x07 == 0;
    if begins {
        at += if payload.get(at)? & 1 == 0 {
            KEY_HEADER
        } else {
            INTER_HEADER
        };
    }
    Some(at)
}

/// The header of a frame that stands alone.
pub const KEY_HEADER: usize = 10;
/// The header of one that doesn't.
pub const INTER_HEADER: usize = 3;

/// Writes the header of a frame of `bytes` in all, and tells its length.
pub fn write_header(into: &mut [u8], size: Option<(u16, u16)>, bytes: usize) -> usize {
    let length = if size.is_some() {
        KEY_HEADER
    } else {
        INTER_HEADER
    };
    // Half of it is the first partition; it is shown.
    let first_partition = (bytes.saturating_sub(length) / 2).min(0x7_ffff) as u32;
    let inter = u32::from(size.is_none());
    let tag = first_partition << 5 | 1 << 4 | inter;
    into[..3].copy_from_slice(&tag.to_le_bytes()[..3]);
    if let Some((width, height)) = size {
        into[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
        into[6..8].copy_from_slice(&width.to_le_bytes());
        into[8..10].copy_from_slice(&height.to_le_bytes());
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_bytes_begin_behind_descriptor_and_header() {
        for (start, size, header) in [
            (true, Some((1280, 720)), KEY_HEADER),
            (true, None, INTER_HEADER),
            (false, None, 0),
        ] {
            let descriptor = Descriptor {
                start,
                picture: 0x7abc,
                base: 9,
                temporal: 2,
                sync: true,
            };
            let mut payload = [0xfe; 60];
            payload[..6].copy_from_slice(&descriptor.bytes());
            if start {
                assert_eq!(write_header(&mut payload[6..], size, 50), header);
            }
            assert_eq!(own_bytes_at(&payload), Some(6 + header));
        }
        // A server may shorten the descriptor.
        assert_eq!(own_bytes_at(&[0x00, 7, 7]), Some(1));
        assert_eq!(own_bytes_at(&[0x80, 0x80, 0x05, 7]), Some(3));
        assert_eq!(own_bytes_at(&[0x80, 0x80]), None);
        assert_eq!(own_bytes_at(&[]), None);
    }
}
