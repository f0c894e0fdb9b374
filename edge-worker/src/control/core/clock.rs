//! How far this machine's clock is from the control plane's: what happened is told in its
//! time, so that records of many nodes can be laid side by side.

use std::time::Duration;

/// The difference of two clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// To be added to ours.
    offset_ms: i64,
    known: bool,
}

/// Whether the clock has to be set whatever the answer took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// It is refused as it is.
    Must,
    /// Only if the answer tells it better.
    May,
}

/// Below this nobody needs to hear of it.
pub(super) const WORTH_TELLING_MS: u64 = 1_000;

impl Clock {
    /// The time there came with an answer: asked at `asked_ms` of our clock, heard `took`
    /// later, and told half-way. By how much our idea of the time there changed, if it did.
    pub(super) fn hear(
        &mut self,
        asked_ms: u64,
        took: Duration,
        there_ms: u64,
        trust: Trust,
    ) -> Option<i64> {
        let half = took.as_millis() as i64 / 2;
        let offset = (there_ms as i64).saturating_sub((asked_ms as i64).saturating_add(half));
        let by = offset.saturating_sub(self.offset_ms);
        // An answer that took long may have been told anywhere on its way.
        let telling = !self.known || trust == Trust::Must || by.abs() > half.max(STEADY_MS);
        if !telling || by == 0 {
            self.known = true;
            return None;
        }
        self.known = true;
        self.offset_ms = offset;
        Some(by)
    }

    /// A time of our clock, there.
    pub(super) fn there(&self, ms: u64) -> u64 {
        ms.saturating_add_signed(self.offset_ms)
    }

    pub(super) fn offset_ms(&self) -> i64 {
        self.offset_ms
    }
}

/// Differences this small are the network's.
const STEADY_MS: i64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_there_is_that_of_the_middle_of_the_way() {
        let ms = Duration::from_millis;
        let mut clock = Clock::default();
        assert_eq!(
            clock.hear(1_000, ms(100), 601_050, Trust::May),
            Some(600_000)
        );
        assert_eq!(clock.there(2_000), 602_000);
        let late = clock.hear(3_000, ms(800), 603_790, Trust::May);
        assert_eq!(late, None, "390 ms off, and it took 800");
        assert_eq!(clock.hear(3_000, ms(100), 603_250, Trust::May), Some(200));
        assert_eq!(
            clock.hear(9_000, ms(60_000), 9_000, Trust::Must),
            Some(-630_200)
        );
        assert_eq!(
            clock.hear(9_000, ms(60_000), 9_000, Trust::Must),
            None,
            "as it is"
        );
    }
}
