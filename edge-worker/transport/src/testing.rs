//! What unit tests share: a moment to begin at.

use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made otherwise; time moves by hand from here"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}
