//! H.264 in RTP (RFC 6184): only what a forwarder needs, whether a decoder can
//! start here.

/// Whether this payload begins a picture that stands alone: a sequence parameter
/// set or an IDR slice, alone, aggregated or as the first fragment.
pub fn h264_starts_keyframe(payload: &[u8]) -> bool {
    match nal_type(payload) {
        Some(SPS | IDR) => true,
        Some(STAP_A) => stap_a_units(&payload[1..]).any(|unit| matches!(unit, SPS | IDR)),
        Some(FU_A) => payload.get(1).is_some_and(|header| {
            let first_fragment = header & 0x80 != 0;
            first_fragment && header & 0x1f == IDR
        }),
        _ => false,
    }
}

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

fn nal_type(unit: &[u8]) -> Option<u8> {
    unit.first().map(|header| header & 0x1f)
}

/// The NAL unit types inside a STAP-A, until the end or the first length that lies.
fn stap_a_units(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let unit = after.get(..length)?;
        rest = &after[length..];
        nal_type(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_r8_keyframes_are_seen_in_every_packing_and_in_none_that_is_cut() {
        for (payload, expected, what) in [
            (&[0x65, 1, 2][..], true, "IDR slice alone"),
            (&[0x67, 1], true, "SPS alone"),
            (&[0x68, 1], false, "PPS alone"),
            (&[0x61, 1], false, "other slice"),
            (
                &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1],
                true,
                "STAP-A of SPS and PPS",
            ),
            (
                &[0x78, 0, 2, 0x68, 1, 0, 2, 0x65, 1],
                true,
                "STAP-A with an IDR slice second",
            ),
            (&[0x78, 0, 2, 0x61, 1], false, "STAP-A of another slice"),
            (&[0x7c, 0x85, 1], true, "first fragment of an IDR slice"),
            (&[0x7c, 0x05, 1], false, "later fragment of an IDR slice"),
            (&[], false, "nothing"),
            (&[0x78], false, "STAP-A cut after its header"),
            (
                &[0x78, 0xff, 0xff, 0x67],
                false,
                "STAP-A with a length that lies",
            ),
            (
                &[0x78, 0, 0, 0, 2, 0x67, 1],
                false,
                "STAP-A that starts with an empty unit",
            ),
            (&[0x7c], false, "fragment cut after its first byte"),
        ] {
            assert_eq!(h264_starts_keyframe(payload), expected, "{what}");
        }
    }
}
