//! What unit tests share: a moment to begin at, and damage to what is read.

use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made otherwise; time moves by hand from here"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Gives `read` `whole` over and over, each time with three bytes of it replaced at random.
pub(crate) fn damage(whole: &[u8], mut read: impl FnMut(&[u8])) {
    let mut random = 3u64;
    for _ in 0..50_000 {
        let mut damaged = whole.to_vec();
        for _ in 0..3 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = (random >> 33) as usize % damaged.len();
            damaged[at] = (random >> 25) as u8;
        }
        read(&damaged);
    }
}
