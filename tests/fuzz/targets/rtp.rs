//! RTP packets as they are after decryption: header, extensions, padding, and the payload
//! descriptors behind them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::{Dependencies, LayerFrame, Vp8Descriptor, Vp9Descriptor, h264_starts_keyframe};

fuzz_target!(|input: &[u8]| {
    if let Ok((header, payload)) = transport::wire::rtp(input) {
        assert!(header.len + payload.len() <= input.len());
        describe(payload);
    }
    // Also without a header to find the way to: descriptors are what lies deepest.
    describe(input);
});

fn describe(payload: &[u8]) {
    h264_starts_keyframe(payload);
    if let Some(read) = Vp9Descriptor::parse(payload) {
        assert!(read.len < payload.len(), "a picture follows");
        renumber(&read.layer_frame(), payload);
    }
    let mut known = Dependencies::default();
    // The second time it is read with what the first one told.
    for _ in 0..2 {
        if let Some(frame) = known.read(payload) {
            renumber(&frame, payload);
        }
    }
    let Some(read) = Vp8Descriptor::parse(payload) else { return };
    assert!(read.len < payload.len(), "a picture follows");
    assert!(!read.keyframe || read.frame_start);
    let rewritten = read.rewritten(payload, 0x1234, 0x56);
    let bytes = rewritten.as_bytes();
    assert!(bytes.len() <= Vp8Descriptor::MAX_LEN);
    let whole = [bytes, &payload[read.len..]].concat();
    let again = Vp8Descriptor::parse(&whole).expect("what we write we can read");
    assert_eq!(again.keyframe, read.keyframe);
    assert_eq!(again.frame_start, read.frame_start);
    assert_eq!(again.temporal_layer, read.temporal_layer);
}

fn renumber(frame: &LayerFrame, payload: &[u8]) {
    let head = frame.renumbered(payload, 0x1234, 0x56);
    assert!(head.as_bytes().len() <= payload.len());
}
