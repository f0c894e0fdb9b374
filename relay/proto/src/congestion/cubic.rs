//! How those send who fill a path with a file: to be no worse off beside them.

use std::time::{Duration, Instant};

/// CUBIC's window in bytes (RFC 9438), for as long as somebody else fills the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cubic {
    pub(super) window: f64,
    most: f64,
    epoch: Instant,
    lowered_at: Option<Instant>,
    pub(super) since: Instant,
    /// The longest queue met.
    pub(super) longest: Duration,
    /// The shortest and the longest one since the last look.
    lowest: Duration,
    highest: Duration,
}

impl Cubic {
    const BETA: f64 = 0.7;
    const C: f64 = 0.4;
    const PACKET: f64 = 1_200.0;
    /// What a path takes is the same up to this share ...
    const LEVEL: f64 = 0.05;
    /// ... or this time: the quickest packets of a round jitter by less.
    const JITTER: Duration = Duration::from_millis(4);
    /// Each look costs some of our share.
    pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

    pub(super) fn new(now: Instant, window: f64) -> Self {
        Self {
            window,
            most: window,
            epoch: now,
            lowered_at: None,
            since: now,
            longest: Duration::ZERO,
            lowest: Duration::MAX,
            highest: Duration::ZERO,
        }
    }

    /// Packets of a round waited so long.
    pub(super) fn meet(&mut self, waiting: Duration) {
        self.longest = self.longest.max(waiting);
        self.lowest = self.lowest.min(waiting);
        self.highest = self.highest.max(waiting);
    }

    /// A look showed nothing new.
    pub(super) fn looked(&mut self, now: Instant) {
        self.since = now;
        self.lowest = Duration::MAX;
        self.highest = Duration::ZERO;
    }

    /// Whether what packets waited since the last look, and during this one no less than `lowest`,
    /// was always the same. A queue rises and falls by more in that time.
    pub(super) fn is_level(&self, lowest: Duration) -> bool {
        let spread = self.highest.saturating_sub(self.lowest.min(lowest));
        spread < self.highest.mul_f64(Self::LEVEL).max(Self::JITTER)
    }

    /// One round later.
    pub(super) fn step(
        &mut self,
        now: Instant,
        round_trip: Duration,
        lossy: bool,
        held_back: bool,
    ) -> f64 {
        let once = |at| now.saturating_duration_since(at) > round_trip;
        if lossy && self.lowered_at.is_none_or(once) {
            self.most = self.window;
            self.window *= Self::BETA;
            self.epoch = now;
            self.lowered_at = Some(now);
            return self.window;
        }
        if !held_back {
            return self.window;
        }
        let most = self.most / Self::PACKET;
        let back = (most * (1.0 - Self::BETA) / Self::C).cbrt();
        let time = (now.saturating_duration_since(self.epoch) + round_trip).as_secs_f64();
        let cubic = (Self::C * (time - back).powi(3) + most) * Self::PACKET;
        self.window = cubic.clamp(self.window, self.window * 1.5);
        self.window
    }
}
