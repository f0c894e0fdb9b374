//! Whole numbers in one to eight bytes (RFC 9000 section 16).

use bytes::{Buf, BufMut};

/// The largest number that fits.
pub(crate) const MAX: u64 = (1 << 62) - 1;

/// How many bytes `number` takes.
pub(crate) fn len(number: u64) -> usize {
    match number {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Writes `number`, which is at most [`MAX`].
pub(crate) fn write(number: u64, to: &mut impl BufMut) {
    debug_assert!(number <= MAX, "{number} needs more than 62 bits");
    match len(number) {
        1 => to.put_u8(number as u8),
        2 => to.put_u16(0x4000 | number as u16),
        4 => to.put_u32(0x8000_0000 | number as u32),
        _ => to.put_u64(0xc000_0000_0000_0000 | number),
    }
}

/// Takes a number off the front; `None` if it is cut short.
pub(crate) fn read(from: &mut impl Buf) -> Option<u64> {
    if !from.has_remaining() {
        return None;
    }
    let first = from.chunk()[0];
    let len = 1 << (first >> 6);
    if from.remaining() < len {
        return None;
    }
    Some(match len {
        1 => u64::from(from.get_u8() & 0x3f),
        2 => u64::from(from.get_u16() & 0x3fff),
        4 => u64::from(from.get_u32() & 0x3fff_ffff),
        _ => from.get_u64() & MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9000 appendix A.1, and the edges of each length.
    #[test]
    fn numbers_come_back_in_the_bytes_the_rfc_gives() {
        for (number, bytes) in [
            (37, &[0x25][..]),
            (15_293, &[0x7b, 0xbd]),
            (494_878_333, &[0x9d, 0x7f, 0x3e, 0x7d]),
            (
                151_288_809_941_952_652,
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
            ),
            (0x3f, &[0x3f]),
            (0x40, &[0x40, 0x40]),
            (MAX, &[0xff; 8]),
        ] {
            let mut written = Vec::new();
            write(number, &mut written);
            assert_eq!(written, bytes, "{number}");
            assert_eq!(len(number), bytes.len());
            assert_eq!(read(&mut &written[..]), Some(number));
            assert_eq!(read(&mut &written[..written.len() - 1]), None);
        }
    }

    #[test]
    fn longer_forms_than_needed_are_understood() {
        assert_eq!(read(&mut &[0x40, 0x25][..]), Some(37));
    }
}
