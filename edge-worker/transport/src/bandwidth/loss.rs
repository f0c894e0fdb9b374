//! Guards against losses that come of sending too much, and lets those be that come anyway.
//!
//! Radio loses packets however few are sent; a short queue loses them because too many are.
//! Which of the two it is, shows when less is sent: if as many are lost as before, that is
//! how the path is, and what was taken back is given back.

use std::time::{Duration, Instant};

use media::Bitrate;

/// What losses ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Advice {
    /// Nothing.
    Fine,
    /// Not to send more for now.
    Hold,
    /// To send this much less: a factor.
    Less(f64),
    /// To send as much as before less was tried: it did not help.
    Restore(Bitrate),
}

/// Counts losses of one path.
#[derive(Debug)]
pub(super) struct LossGuard {
    since: Option<Instant>,
    arrived: u32,
    lost: u32,
    /// The share lost however much is sent.
    inherent: f64,
    /// The share lost of late, as far as it is lived with.
    usual: f64,
    tried: Option<Tried>,
    hold: bool,
}

/// What sending less would mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) estimate: Bitrate,
    /// When what is changed now shows.
    pub(super) shows_after: Duration,
    /// What of the estimate is made use of.
    pub(super) offered: Option<Bitrate>,
}

/// Less is sent, to see whether less is lost.
#[derive(Clone, Copy, Debug)]
struct Tried {
    before: Bitrate,
    lost: f64,
    /// From when on what arrives was sent after the change.
    from: Instant,
}

impl LossGuard {
    /// As long as it takes to tell a share of losses ...
    const PACKETS: u32 = 100;
    const SHORTEST: Duration = Duration::from_secs(1);
    /// ... where little is sent.
    const LONGEST: Duration = Duration::from_secs(4);
    /// More than this above the inherent share is worth a trial.
    const TOLERATED: f64 = 0.05;
    /// ... and this much, where the estimate is not used anyway.
    const TOLERATED_UNUSED: f64 = 0.15;
    /// So much of the estimate is used where it is.
    const USED: f64 = 0.75;
    /// Nobody sends into a path that loses more.
    const MAX_INHERENT: f64 = 0.3;
    /// How much a newly counted share weighs in the usual one.
    const WEIGHT: f64 = 0.2;
    /// What of the inherent share is believed from one second to the next.
    const MEMORY: f64 = 0.985;
    /// Losses so far down from before were our own.
    const HELPED: f64 = 0.6;

    pub(super) fn new() -> Self {
        Self {
            since: None,
            arrived: 0,
            lost: 0,
            inherent: 0.0,
            usual: 0.0,
            tried: None,
            hold: false,
        }
    }

    /// Counts what feedback told of.
    pub(super) fn count(&mut self, arrived: u32, lost: u32) {
        self.arrived += arrived;
        self.lost += lost;
    }

    /// A lost packet has arrived after all.
    pub(super) fn recovered(&mut self) {
        self.lost = self.lost.saturating_sub(1);
    }

    /// What was sent for `arrived` to arrive, as much as is usually lost.
    pub(super) fn sent_for(&self, arrived: Bitrate) -> Bitrate {
        arrived.scaled(1.0 / (1.0 - self.usual))
    }

    /// Forgets what is being counted.
    pub(super) fn restart(&mut self) {
        self.since = None;
        self.arrived = 0;
        self.lost = 0;
        self.tried = None;
        self.hold = false;
    }

    /// What follows at `now`.
    pub(super) fn advise(&mut self, now: Instant, trial: Trial) -> Advice {
        let since = *self.since.get_or_insert(now);
        let time = now.saturating_duration_since(since);
        let count = self.arrived + self.lost;
        let enough = count >= Self::PACKETS && time >= Self::SHORTEST || time >= Self::LONGEST;
        if !enough || count == 0 {
            return self.held();
        }
        let share = f64::from(self.lost) / f64::from(count);
        let telling = self.tried.is_none_or(|tried| since >= tried.from);
        self.since = Some(now);
        (self.arrived, self.lost) = (0, 0);
        self.inherent *= Self::MEMORY.powf(time.as_secs_f64());
        let lived_with = share.min(self.inherent + Self::TOLERATED);
        self.usual += Self::WEIGHT * (lived_with - self.usual);
        if !telling {
            return self.held();
        }
        self.hold = false;
        let used = |offered: Bitrate| offered >= trial.estimate.scaled(Self::USED);
        let tolerated = match trial.offered.is_none_or(used) {
            true => Self::TOLERATED,
            false => Self::TOLERATED_UNUSED,
        };
        match self.tried.take() {
            Some(tried) if share > tried.lost * Self::HELPED => {
                self.inherent = self.inherent.max(share).min(Self::MAX_INHERENT);
                Advice::Restore(tried.before)
            }
            Some(_) | None if share > self.inherent + tolerated => {
                self.hold = true;
                self.tried = Some(Tried {
                    before: trial.estimate,
                    lost: share,
                    from: now + trial.shows_after,
                });
                // A queue that is too short loses what is too much.
                Advice::Less((1.0 - share).clamp(0.5, 0.9))
            }
            Some(_) | None => Advice::Fine,
        }
    }

    fn held(&self) -> Advice {
        if self.hold {
            Advice::Hold
        } else {
            Advice::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    /// Follows the advice for `seconds`, 100 packets each; `lost` by seconds and rate.
    fn follow(seconds: u64, lost: impl Fn(u64, Bitrate) -> u32) -> Vec<Bitrate> {
        let mut guard = LossGuard::new();
        let mut rate = Bitrate::kilobits(1_000);
        let mut rates = Vec::new();
        for tenth in 0..seconds * 10 {
            let now = start() + Duration::from_millis(100 * tenth);
            if tenth % 10 == 0 {
                let lost = lost(tenth / 10, rate);
                guard.count(100 - lost, lost);
            }
            let trial = Trial {
                estimate: rate,
                shows_after: Duration::from_millis(300),
                offered: Some(rate),
            };
            match guard.advise(now, trial) {
                Advice::Fine | Advice::Hold => {}
                Advice::Less(factor) => rate = rate.scaled(factor),
                Advice::Restore(before) => rate = rate.max(before),
            }
            rates.push(rate);
        }
        rates
    }

    #[test]
    fn losses_that_come_anyway_are_lived_with() {
        for lost in [2, 5, 20] {
            let rates = follow(20, |_, _| lost);
            assert_eq!(rates.last(), Some(&Bitrate::kilobits(1_000)), "{lost} %");
            let lowest = rates.iter().min();
            assert!(
                lowest >= Some(&Bitrate::kilobits(800)),
                "{lost} %: {lowest:?}"
            );
        }
    }

    #[test]
    fn losses_of_our_own_making_are_ended() {
        let rates = follow(10, |_, rate| {
            (rate.0.saturating_sub(700_000) / 10_000) as u32
        });
        let last = rates.last().unwrap();
        assert!((500_000..740_000).contains(&last.0), "{last}");
    }
}
