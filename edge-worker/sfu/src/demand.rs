//! The best quality of one track that anybody wants, so that its publisher need not
//! encode and send better ones for nobody: more is asked for at once, less only after a
//! while, since viewers turn pages to and fro.
//!
//! What a link carries does not count: a better layer that is not sent could not be tried.

use std::time::{Duration, Instant};

use crate::VideoQuality;

/// The demand for one published video.
#[derive(Debug)]
pub(crate) struct Demand {
    /// As the publisher has it: everything, until told otherwise.
    told: Option<VideoQuality>,
    /// The best wanted since the wait for less began.
    peak: Option<VideoQuality>,
    trend: Trend,
    first: First,
}

/// Whether less may be wanted than was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trend {
    Steady,
    /// Somebody wants less; the wait for others begins now.
    Fell,
    /// Counted again at this time.
    Watched(Instant),
}

/// Whether the publisher was told anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum First {
    /// It begins to wait.
    Begins,
    /// It is told at this time in any case.
    At(Instant),
    Told,
}

/// Less is wanted for good, not just in between.
const PATIENCE: Duration = Duration::from_secs(5);

/// A publisher that waits to be told what is wanted need not wait for a change.
const FIRST: Duration = Duration::from_secs(10);

impl Default for Demand {
    /// A track that nobody wants yet.
    fn default() -> Self {
        Self {
            told: Some(VideoQuality::High),
            peak: None,
            trend: Trend::Fell,
            first: First::Begins,
        }
    }
}

impl Demand {
    /// Somebody wants `quality`. Whether the publisher is to be told now.
    #[must_use]
    pub(crate) fn want(&mut self, quality: Option<VideoQuality>) -> bool {
        self.peak = self.peak.max(quality);
        if quality <= self.told {
            return false;
        }
        self.tell(quality);
        true
    }

    /// Somebody wants less, or nothing more. To be [counted](Self::count) soon.
    pub(crate) fn fell(&mut self) {
        if self.trend == Trend::Steady {
            self.trend = Trend::Fell;
            self.peak = None;
        }
    }

    /// Looks whether the best that is `wanted` is less than what was told, for long
    /// enough. Whether the publisher is to be told now.
    #[must_use]
    pub(crate) fn count(
        &mut self,
        now: Instant,
        wanted: impl FnOnce() -> Option<VideoQuality>,
    ) -> bool {
        if self.first == First::Begins {
            self.first = First::At(now + FIRST);
        }
        let tell = self.is_less(now, wanted) || matches!(self.first, First::At(at) if at <= now);
        if tell {
            self.first = First::Told;
        }
        tell
    }

    /// What the publisher was told last.
    pub(crate) fn told(&self) -> Option<VideoQuality> {
        self.told
    }

    /// When to [`count`](Self::count) next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let count_at = match self.trend {
            Trend::Steady | Trend::Fell => None,
            Trend::Watched(at) => Some(at),
        };
        let first_at = match self.first {
            First::Begins | First::Told => None,
            First::At(at) => Some(at),
        };
        count_at.into_iter().chain(first_at).min()
    }

    /// Whether to [`count`](Self::count) as soon as may be.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.trend == Trend::Fell
            || self.first == First::Begins
            || self.deadline().is_some_and(|at| at <= now)
    }

    fn is_less(&mut self, now: Instant, wanted: impl FnOnce() -> Option<VideoQuality>) -> bool {
        match self.trend {
            Trend::Steady => return false,
            Trend::Watched(at) if now < at => return false,
            Trend::Watched(_) => {}
            Trend::Fell => {
                self.trend = Trend::Watched(now + PATIENCE);
                return false;
            }
        }
        let wanted = wanted();
        let recent = std::mem::take(&mut self.peak).max(wanted);
        self.trend = if wanted < recent {
            Trend::Watched(now + PATIENCE)
        } else {
            Trend::Steady
        };
        let less = recent < self.told;
        if less {
            self.tell(recent);
        }
        less
    }

    fn tell(&mut self, quality: Option<VideoQuality>) {
        self.told = quality;
        self.first = First::Told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;
    use VideoQuality::{High, Low, Medium};

    /// Plays `(second, what the only viewer wants from then on)`, and tells what the
    /// publisher is told when.
    fn told(
        wishes: &[(u64, Option<VideoQuality>)],
        until: u64,
    ) -> Vec<(u64, Option<VideoQuality>)> {
        let mut demand = Demand::default();
        let mut told = Vec::new();
        let mut wanted = None;
        for second in 0..until {
            let now = start() + Duration::from_secs(second);
            let mut tell = false;
            if let Some((_, wish)) = wishes.iter().find(|(at, _)| *at == second) {
                if *wish < wanted {
                    demand.fell();
                }
                wanted = *wish;
                tell |= demand.want(wanted);
            }
            if demand.is_due(now) {
                tell |= demand.count(now, || wanted);
            }
            if tell {
                told.push((second, demand.told()));
            }
        }
        told
    }

    #[test]
    fn dy_2_more_is_told_at_once_and_less_when_it_lasts() {
        for (what, wishes, expected) in [
            ("nobody", &[][..], &[(5, None)][..]),
            (
                "all from the start",
                &[(1, Some(High))],
                &[(10, Some(High))],
            ),
            (
                "less, more, less",
                &[
                    (1, Some(Low)),
                    (8, Some(Medium)),
                    (12, Some(High)),
                    (20, Some(Low)),
                ],
                &[
                    (5, Some(Low)),
                    (8, Some(Medium)),
                    (12, Some(High)),
                    (25, Some(Low)),
                ],
            ),
            (
                "to and fro",
                &[
                    (1, Some(High)),
                    (20, Some(Low)),
                    (22, Some(High)),
                    (23, Some(Low)),
                ],
                &[(10, Some(High)), (30, Some(Low))],
            ),
            (
                "all gone",
                &[(1, Some(High)), (20, None)],
                &[(10, Some(High)), (25, None)],
            ),
            (
                "step by step",
                &[(1, Some(High)), (20, Some(Medium)), (23, Some(Low))],
                &[(10, Some(High)), (25, Some(Medium)), (30, Some(Low))],
            ),
        ] {
            assert_eq!(told(wishes, 60), expected, "{what}");
        }
    }
}
