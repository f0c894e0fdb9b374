//! What a path takes when nothing waits on it.

use std::time::{Duration, Instant};

/// The shortest round trip of the last 10 to 20 s: what the path takes when nothing waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortest {
    now: Duration,
    next: Duration,
    since: Instant,
}

impl Shortest {
    const WINDOW: Duration = Duration::from_secs(10);
    const NONE: Duration = Duration::from_secs(10);

    pub(super) fn new(now: Instant) -> Self {
        Self {
            now: Self::NONE,
            next: Self::NONE,
            since: now,
        }
    }

    /// While there is a queue nothing is forgotten: it would be taken for the path.
    pub(super) fn see(&mut self, now: Instant, sample: Duration, free: bool) {
        if free && now.saturating_duration_since(self.since) > Self::WINDOW {
            self.now = self.next;
            self.next = Self::NONE;
            self.since = now;
        }
        self.now = self.now.min(sample);
        self.next = self.next.min(sample);
    }

    pub(super) fn get(&self) -> Duration {
        self.now
    }
}
