//! What a neighbour sends over a link: datagrams in any order, and a control stream cut anywhere.

#![no_main]

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use media::Bitrate;
use relay_proto::control::{Lengths, Message};
use relay_proto::{Frame, Lane, Link};

fuzz_target!(|input: &[u8]| {
    let whole = Bytes::copy_from_slice(input);
    if let Ok(frame) = Frame::read(whole.clone()) {
        let mut written = BytesMut::new();
        frame.write(&mut written);
        assert_eq!(Frame::read(written.freeze()), Ok(frame));
    }
    datagrams(&whole);
    control(input);
});

/// Each is behind its length, a byte; its highest bit tells the lane.
fn datagrams(input: &Bytes) {
    let mut now = Instant::now();
    let mut link = Link::new(now, Bitrate::kilobits(1_000));
    let mut rest = input.clone();
    let mut out = BytesMut::new();
    while let Some(&first) = rest.first() {
        let length = usize::from(first & 0x7f).min(rest.len() - 1);
        let lane = if first & 0x80 == 0 { Lane::Control } else { Lane::Video };
        let datagram = rest.split_to(length + 1).slice(1..);
        // Lies are refused, and that is all.
        let _ = link.receive(now, lane, datagram);
        now += Duration::from_millis(7);
        for lane in [Lane::Control, Lane::Video] {
            let mut sent = 0;
            while link.transmit(now, lane, &mut out) {
                Frame::read(out.split().freeze()).expect("we write what we read");
                sent += 1;
                assert!(sent < 1_000, "an answer without end");
            }
        }
        assert!(link.deadline() > now - Duration::from_secs(1), "a deadline long past");
    }
}

/// In pieces of the length that the first byte tells.
fn control(input: &[u8]) {
    let Some((&step, stream)) = input.split_first() else {
        return;
    };
    let mut lengths = Lengths::default();
    for piece in stream.chunks(usize::from(step).max(1)) {
        if lengths.push(piece).is_err() {
            return;
        }
        while let Ok(Some(message)) = lengths.next_message() {
            if let Ok(Some(message)) = Message::read(&message) {
                let written = message.clone().write();
                assert!(written.len() < 2 * 65_536, "{message:?}");
            }
        }
    }
}
