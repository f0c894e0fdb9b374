//! What one video is sent as, and for how long it has been: keeps pictures from changing
//! all the time where a link is just about wide enough.

use std::time::{Duration, Instant};

use media::{Bitrate, Layer};

use super::Wished;

/// One video as it is sent now.
#[derive(Debug)]
pub(super) struct Line {
    /// What it was last decided for.
    pub(super) wished: Wished,
    sending: Sending,
    /// Since when it may be raised freely: it is new, or something else is wished.
    fresh_at: Instant,
    changed_at: Instant,
    /// Since when even the least of it does not fit.
    starved_at: Option<Instant>,
    /// The last change, if it was for the better.
    raised: Option<Raise>,
    failures: u32,
    failed_at: Bitrate,
}

/// As what a video is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sending {
    /// Nothing was decided yet.
    Undecided,
    /// Not at all.
    Paused,
    /// This layer, up to this frame rate.
    As(Layer, u8),
}

#[derive(Clone, Copy, Debug)]
struct Raise {
    at: Instant,
    budget: Bitrate,
}

/// Which way a video changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It is sent for the first time.
    First,
    Better,
    Worse,
}

/// Viewers find a picture that changes more often worse than a small one.
const HOLD: Duration = Duration::from_secs(5);

/// While a track starts its layers come one by one.
const STARTING: Duration = Duration::from_secs(4);

/// A raise that is taken back within this time was one too many.
const TRIAL: Duration = Duration::from_secs(15);

/// The wait doubles with each such raise, up to 40 s.
const MOST_FAILURES: u32 = 3;

/// On a link this much wider than where a raise failed (in percent) the wait is void.
const WIDER: u64 = 130;

/// A link this much wider than when the last raise was made (in percent) is no steady one.
const GROWN: u64 = 120;

/// A link may be short for a moment; a paused picture is gone for seconds.
const PATIENCE: Duration = Duration::from_secs(1);

impl Line {
    pub(super) fn new(now: Instant, wished: Wished) -> Self {
        Self {
            wished,
            sending: Sending::Undecided,
            fresh_at: now,
            changed_at: now,
            starved_at: None,
            raised: None,
            failures: 0,
            failed_at: Bitrate::ZERO,
        }
    }

    /// Something else is wished.
    pub(super) fn wish(&mut self, now: Instant, wished: Wished) {
        self.wished = wished;
        self.fresh_at = now;
        self.failures = 0;
    }

    /// Whether it is new, or wished anew, in this very moment.
    pub(super) fn is_new(&self, now: Instant) -> bool {
        self.fresh_at == now
    }

    /// As what it is sent; `None` while it is not.
    pub(super) fn sent(&self) -> Option<(Layer, u8)> {
        match self.sending {
            Sending::Undecided | Sending::Paused => None,
            Sending::As(layer, temporal) => Some((layer, temporal)),
        }
    }

    /// Whether it may become better now, on a link with `budget` for videos.
    pub(super) fn may_rise(&self, now: Instant, budget: Bitrate) -> bool {
        if now.saturating_duration_since(self.fresh_at) < STARTING && self.failures == 0 {
            return true;
        }
        let reaches = |percent: u64, of: Bitrate| budget.0 * 100 >= of.0 * percent;
        let wider = reaches(WIDER, self.failed_at);
        let failures = if wider { 0 } else { self.failures };
        let grown = |raise: Raise| failures == 0 && reaches(GROWN, raise.budget);
        self.raised.is_some_and(grown)
            || now.saturating_duration_since(self.changed_at) >= HOLD * (1 << failures)
    }

    /// It would have to stop. Whether it has to by now.
    pub(super) fn starve(&mut self, now: Instant) -> bool {
        let since = *self.starved_at.get_or_insert(now);
        now.saturating_duration_since(since) >= PATIENCE
    }

    /// The least of it fits.
    pub(super) fn feed(&mut self) {
        self.starved_at = None;
    }

    /// It is sent as `sent` from now on, on a link with `budget` for videos. Whether that
    /// is a change.
    pub(super) fn send(
        &mut self,
        now: Instant,
        sent: Option<(Layer, u8)>,
        budget: Bitrate,
    ) -> Option<Change> {
        let sending = sent.map_or(Sending::Paused, |(layer, temporal)| {
            Sending::As(layer, temporal)
        });
        let before = std::mem::replace(&mut self.sending, sending);
        if before == sending {
            return None;
        }
        let change = match before {
            Sending::Undecided => Change::First,
            Sending::Paused => Change::Better,
            Sending::As(layer, temporal) if sent > Some((layer, temporal)) => Change::Better,
            Sending::As(..) => Change::Worse,
        };
        self.learn(now, change, budget);
        self.changed_at = now;
        Some(change)
    }

    /// A raise that had to be taken back is tried again later and later.
    fn learn(&mut self, now: Instant, change: Change, budget: Bitrate) {
        match change {
            Change::First => {}
            Change::Better => self.raised = Some(Raise { at: now, budget }),
            Change::Worse => {
                let trial = self
                    .raised
                    .take()
                    .filter(|raise| now.saturating_duration_since(raise.at) < TRIAL);
                if let Some(raise) = trial {
                    self.failures = (self.failures + 1).min(MOST_FAILURES);
                    self.failed_at = raise.budget;
                } else {
                    self.failures = 0;
                }
            }
        }
    }
}
