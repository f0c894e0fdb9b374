//! What may be sent to a client that tells of nothing but losses, in receiver reports
//! (RFC 3550 section 6.4): more while hardly anything is lost, less where much is. Delay is
//! not seen, so that this is for those alone who tell nothing better.

use std::time::{Duration, Instant};

use media::Bitrate;

use super::Wanted;

/// The estimate, and what was reported since it changed.
#[derive(Debug)]
pub(super) struct Reported {
    estimate: Bitrate,
    since: Option<Instant>,
    /// Shares in 1/256, and how many.
    lost: u32,
    reports: u32,
}

impl Reported {
    /// Sound alone, on the worst of paths.
    const LEAST: Bitrate = Bitrate::kilobits(30);
    /// Reports of this time make one decision ...
    const INTERVAL: Duration = Duration::from_secs(1);
    /// ... and growth goes on for no longer than this without one.
    const LONGEST: Duration = Duration::from_secs(5);
    /// Growth in a second.
    const GROWTH: f64 = 1.15;
    /// Up to this share lost nothing is wrong, ...
    const FINE: f64 = 0.02;
    /// ... and above this one too much is sent.
    const TOO_MUCH: f64 = 0.1;
    /// So much above what is needed is enough.
    const ENOUGH: f64 = 1.1;

    pub(super) fn new(estimate: Bitrate) -> Self {
        Self {
            estimate,
            since: None,
            lost: 0,
            reports: 0,
        }
    }

    pub(super) fn estimate(&self) -> Bitrate {
        self.estimate
    }

    /// Takes what one stream lost since its last report, in 1/256.
    pub(super) fn hear(&mut self, now: Instant, fraction_lost: u8, wanted: &Wanted) {
        self.lost += u32::from(fraction_lost);
        self.reports += 1;
        let since = *self.since.get_or_insert(now);
        let time = now.saturating_duration_since(since);
        if time < Self::INTERVAL {
            return;
        }
        let share = f64::from(self.lost) / f64::from(self.reports) / 256.0;
        self.since = Some(now);
        (self.lost, self.reports) = (0, 0);
        if share > Self::TOO_MUCH {
            self.estimate = self.estimate.scaled(1.0 - share / 2.0).max(Self::LEAST);
        } else if share < Self::FINE {
            self.grow(time.min(Self::LONGEST), wanted);
        }
    }

    /// What nobody needs is not claimed to fit.
    fn grow(&mut self, time: Duration, wanted: &Wanted) {
        let needed = wanted.next.unwrap_or(wanted.allocated).scaled(Self::ENOUGH);
        let grown = self.estimate.scaled(Self::GROWTH.powf(time.as_secs_f64()));
        self.estimate = self.estimate.max(grown.min(needed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    /// The estimate after so many seconds with one report each.
    fn after(seconds: u64, percent: u32) -> Bitrate {
        let mut reported = Reported::new(Bitrate::kilobits(300));
        let wanted = Wanted {
            allocated: Bitrate::kilobits(200),
            next: Some(Bitrate::kilobits(1_000)),
            wished: Bitrate::kilobits(3_000),
        };
        for second in 0..=seconds {
            let now = start() + Duration::from_secs(second);
            reported.hear(now, (percent * 256 / 100) as u8, &wanted);
        }
        reported.estimate()
    }

    #[test]
    fn it_grows_to_what_is_needed_stands_or_falls_by_what_is_lost() {
        for (seconds, percent, expected) in [
            (0, 0, 300..=300),
            (3, 0, 440..=470),
            (60, 0, 1_090..=1_100),
            (60, 5, 300..=300),
            (3, 20, 200..=230),
            (60, 50, 30..=30),
        ] {
            let kilobits = after(seconds, percent).0 / 1_000;
            assert!(
                expected.contains(&kilobits),
                "{seconds} s, {percent} %: {kilobits}"
            );
        }
    }
}
