//! What is no frame of TURN ends its connection, and nothing that is said makes one wait for much.

use super::super::{FrameError, Frames, frame_len};

#[test]
fn bytes_that_are_no_frame_are_told_at_once() {
    let stun = [0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42];
    for (bytes, expected) in [
        (&b""[..], Ok(None)),
        (&[0], Ok(None)),
        (&[0x40], Ok(None)),
        (&stun[..], Ok(None)),
        (&[0x40, 0, 0, 0], Ok(Some(4))),
        (&[0x40, 0, 0, 1, 9], Ok(None)),
        (&[0x40, 0, 0, 1, 9, 0, 0, 0], Ok(Some(8))),
        (&[0x4f, 0xff, 0x0f, 0xfd], Err(FrameError::Long(4_100))),
        (&[0x40, 0, 0xff, 0xff], Err(FrameError::Long(65_540))),
        (
            &[0, 3, 0, 9, 0x21, 0x12, 0xa4, 0x42],
            Err(FrameError::Neither),
        ),
        (
            &[0, 3, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42],
            Err(FrameError::Long(65_552)),
        ),
        (
            &[0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x43],
            Err(FrameError::Neither),
        ),
        (&[0, 3, 0, 8, 0x22], Err(FrameError::Neither)),
        (b"\x16GET / HTTP/1.1", Err(FrameError::Neither)),
        (&[22, 3, 1, 2, 0, 1], Err(FrameError::Neither)),
        (&[0x50, 0, 0, 0], Err(FrameError::Neither)),
        (&[0x80, 0, 0, 0], Err(FrameError::Neither)),
        (&[0xff], Err(FrameError::Neither)),
    ] {
        assert_eq!(frame_len(bytes), expected, "{bytes:x?}");
    }
}

#[test]
fn u6_a_frame_that_never_ends_holds_no_more_than_a_frame() {
    let mut frames = Frames::default();
    frames.push(&[0x40, 0, 0x0f, 0xf0]);
    for _ in 0..4_000 {
        frames.push(&[0]);
        assert_eq!(frames.next_frame(), Ok(None));
    }
    assert_eq!(frames.waiting(), 4_004);
    frames.push(&[0; 80]);
    let frame = frames.next_frame().unwrap().unwrap();
    assert_eq!(frame.len(), 4_084);
    for _ in 0..1_000 {
        frames.push(&[0x40, 0, 0, 4, 1, 2, 3, 4]);
        assert!(frames.next_frame().unwrap().is_some());
        assert!(frames.held.len() < 16, "what was read is forgotten");
    }
}
