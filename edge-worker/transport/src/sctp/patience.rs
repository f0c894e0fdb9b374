//! How far a client may be behind on the channel where everything must arrive.
//!
//! One on a slow network takes what it is sent, and gets a whole file in the end. One
//! that has stopped taking gets little: what waits for it is memory of all.

use std::time::{Duration, Instant};

/// Watches whether what waits for a client becomes less.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waiting: usize,
    /// When it last became less; `None` until somebody looks.
    moved_at: Option<Instant>,
    client: Client,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Client {
    #[default]
    Takes,
    Stands,
}

/// The longest file that apps send, 10 MB, and the chat beside it.
const MOST_BEHIND: usize = 12 << 20;

/// A burst of messages, for a client that may never take any.
const MOST_STANDING: usize = 1 << 20;

/// As long as a client may be without network and keep its place.
const STANDS_AFTER: Duration = Duration::from_secs(20);

impl Patience {
    /// So many bytes more wait.
    pub(super) fn added(&mut self, bytes: usize) {
        if self.waiting == 0 {
            self.moved_at = None;
        }
        self.waiting += bytes;
    }

    /// So many bytes wait now.
    pub(super) fn look(&mut self, now: Instant, waiting: usize) {
        if waiting == 0 || waiting < self.waiting {
            self.moved_at = Some(now);
        }
        self.waiting = waiting;
        let moved_at = *self.moved_at.get_or_insert(now);
        self.client = if now.saturating_duration_since(moved_at) < STANDS_AFTER {
            Client::Takes
        } else {
            Client::Stands
        };
    }

    /// How many bytes may wait.
    pub(super) fn limit(&self) -> usize {
        match self.client {
            Client::Takes => MOST_BEHIND,
            Client::Stands => MOST_STANDING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn dc_6_who_stops_taking_may_not_be_far_behind() {
        let mut patience = Patience::default();
        let at = |second| start() + Duration::from_secs(second);
        // Nothing waited for an hour; that was no standstill.
        patience.look(at(0), 0);
        patience.added(500);
        for (second, waiting, limit) in [
            (3_600, 500, MOST_BEHIND),
            (3_610, 400, MOST_BEHIND),
            (3_629, 400, MOST_BEHIND),
            (3_630, 400, MOST_STANDING),
            (3_631, 400, MOST_STANDING),
            (3_632, 300, MOST_BEHIND),
            (3_700, 0, MOST_BEHIND),
        ] {
            patience.look(at(second), waiting);
            assert_eq!(patience.limit(), limit, "{second}");
        }
    }

    #[test]
    fn what_is_added_does_not_look_like_a_standstill_or_like_progress() {
        let mut patience = Patience::default();
        for second in 0..30 {
            patience.added(100);
            patience.look(
                start() + Duration::from_secs(second),
                100 * (second as usize + 1),
            );
        }
        assert_eq!(patience.limit(), MOST_STANDING);
        for second in 30..60 {
            patience.added(100);
            patience.look(start() + Duration::from_secs(second), 3_000);
        }
        assert_eq!(patience.limit(), MOST_BEHIND);
    }
}
