//! Frames of data tracks on the wire. We read and write only which track a frame is of;
//! the rest is between its publisher and its subscribers.

use bytes::Bytes;
use sfu::DataFrame;

/// Longest frame; SDKs cut theirs at 16,000 bytes.
pub const MAX_FRAME: usize = 65_535;

/// The version we know, in the upper three bits of the first byte.
const VERSION: u8 = 0;

/// Flags, a reserved byte, the track's number, two counters and a time.
const HEADER: usize = 12;

/// Where the track's number stands, its upper byte first.
const HANDLE: usize = 2;

/// Where the frame's number stands, in each packet of it.
const NUMBER: usize = 6;

/// Which track and frame a packet is of; `None` if it is none that we know.
pub fn read(bytes: &Bytes) -> Option<DataFrame> {
    Some(DataFrame {
        handle: handle(bytes)?,
        number: u16::from_be_bytes(*bytes.get(NUMBER..)?.first_chunk()?),
        bytes: bytes.clone(),
    })
}

fn handle(frame: &[u8]) -> Option<u16> {
    let known = frame.len() >= HEADER && frame.len() <= MAX_FRAME && frame[0] >> 5 == VERSION;
    let handle = u16::from_be_bytes(*frame.get(HANDLE..)?.first_chunk()?);
    (known && handle != 0).then_some(handle)
}

/// The same frame under another number.
pub fn with_handle(frame: &Bytes, handle: u16) -> Bytes {
    let mut copy = frame.to_vec();
    if let Some(place) = copy.get_mut(HANDLE..HANDLE + 2) {
        place.copy_from_slice(&handle.to_be_bytes());
    }
    copy.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_by_its_header() {
        let frame = |first: u8, handle: [u8; 2], length: usize| {
            let mut frame = vec![9; length];
            frame[0] = first;
            frame[2..4].copy_from_slice(&handle);
            handle_of(&frame)
        };
        for (first, number, length, expected) in [
            (0x18, [0, 1], 12, Some(1)),
            (0x1c, [0xff, 0xfe], 20, Some(0xfffe)),
            (0x18, [0, 0], 12, None),
            (0x18, [0, 1], 11, None),
            (0x38, [0, 1], 12, None),
            (0x18, [0, 1], 65_535, Some(1)),
            (0x18, [0, 1], 65_536, None),
        ] {
            assert_eq!(frame(first, number, length), expected, "{first} {length}");
        }
        for length in 0..4 {
            assert_eq!(handle(&vec![0; length]), None);
        }
    }

    use super::handle as handle_of;

    #[test]
    fn the_frames_number_stands_behind_that_of_the_packet() {
        let bytes = Bytes::from_static(&[0x18, 0, 0, 9, 1, 2, 0x30, 0x39, 0, 0, 0, 0, 7]);
        let frame = read(&bytes).unwrap();
        assert_eq!(
            (frame.handle, frame.number, frame.bytes),
            (9, 12_345, bytes)
        );
    }

    #[test]
    fn only_the_number_is_written() {
        let frame = Bytes::from((0..20).collect::<Vec<u8>>());
        let written = with_handle(&frame, 0x1234);
        assert_eq!(handle(&written), Some(0x1234));
        assert_eq!(&written[..2], &frame[..2]);
        assert_eq!(&written[4..], &frame[4..]);
        assert_eq!(with_handle(&Bytes::from_static(b"abc"), 1), "abc");
    }
}
