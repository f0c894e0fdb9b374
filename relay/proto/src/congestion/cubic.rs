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
}

impl Cubic {
    const BETA: f64 = 0.7;
    const C: f64 = 0.4;
    const PACKET: f64 = 1_200.0;
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
        }
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
