//! How much of a core a shard works: measured by its own thread once a second, read by anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Written by one shard.
#[derive(Debug, Default)]
pub(crate) struct Load(
    /// The share below, the number of the measure above: both belong together.
    AtomicU64,
);

/// What was measured last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Measured {
    /// In thousandths of a core.
    pub(crate) share: u32,
    /// Rises with each measure.
    pub(crate) number: u32,
}

impl Load {
    /// The shard worked so long in such a time.
    pub(crate) fn publish(&self, worked: Duration, of: Duration) {
        let of = of.as_micros().max(1);
        let share = (worked.as_micros() * 1_000 / of).min(1_000) as u32;
        let number = self.measured().number.wrapping_add(1);
        let both = u64::from(number) << 32 | u64::from(share);
        // Nothing else is published by it.
        self.0.store(both, Ordering::Relaxed);
    }

    /// What was measured last.
    pub(crate) fn measured(&self) -> Measured {
        let both = self.0.load(Ordering::Relaxed);
        Measured {
            share: both as u32,
            number: (both >> 32) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_time_it_was_measured_in() {
        let load = Load::default();
        for (number, (worked, of, share)) in [(500, 1_000, 500), (600, 2_000, 300), (9, 3, 1_000)]
            .into_iter()
            .enumerate()
        {
            load.publish(Duration::from_millis(worked), Duration::from_millis(of));
            let number = number as u32 + 1;
            assert_eq!(load.measured(), Measured { share, number });
        }
    }
}
