//! Takes the newest frame out of a redundant audio payload (RFC 2198), for those who
//! do not speak it.

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

/// Another header follows this one.
const MORE: u8 = 0x80;

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
}
