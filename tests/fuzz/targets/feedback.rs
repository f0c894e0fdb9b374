//! What clients say they received, and what is made of it: an input is the number of packets
//! sent before, then compounds, each after its length.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::Bitrate;

fuzz_target!(|input: &[u8]| {
    let Some((sent, mut rest)) = input.split_first_chunk() else {
        return;
    };
    let compounds = std::iter::from_fn(move || {
        let (len, after) = rest.split_first_chunk()?;
        let (compound, after) = after.split_at_checked(u16::from_be_bytes(*len).into())?;
        rest = after;
        Some(compound)
    });
    let sent = u16::from_be_bytes(*sent) % 10_000;
    let start = std::time::Instant::now();
    let estimate = transport::wire::estimate(start, sent, compounds);
    // Whatever a client claims, it gets sound and no more than a link can carry.
    let sane = Bitrate::kilobits(30)..=Bitrate::kilobits(100_000);
    assert!(estimate.is_some_and(|estimate| sane.contains(&estimate)), "{estimate:?}");
});
