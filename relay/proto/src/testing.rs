//! Time for the tests beside the code.

use std::time::{Duration, Instant};

/// The same moment, every time it is asked within one thread.
pub(crate) fn start() -> Instant {
    thread_local! {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        static START: Instant = Instant::now();
    }
    START.with(|start| *start)
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
