//! Asks a publisher for a picture that stands alone, on behalf of all who need one:
//! wishes are merged, requests kept apart and repeated until the picture comes.

use std::time::{Duration, Instant};

/// The keyframe requests of one layer.
#[derive(Debug, Default)]
pub(crate) struct KeyframeRequests {
    sent_at: Option<Instant>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody waits for a keyframe.
    #[default]
    Content,
    /// Somebody does, and so many requests went unanswered.
    Wanted { tries: u32 },
}

impl KeyframeRequests {
    /// Somebody needs a keyframe.
    pub(crate) fn want(&mut self) {
        if matches!(self.state, State::Content) {
            self.state = State::Wanted { tries: 0 };
        }
    }

    /// The first packet of a keyframe is here.
    pub(crate) fn arrived(&mut self) {
        self.state = State::Content;
    }

    /// Nobody watches the layer any more.
    pub(crate) fn forget(&mut self) {
        self.state = State::Content;
    }

    /// Whether to send a request now, which counts as sent.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        if self.due_at(now).is_none_or(|at| now < at) {
            return false;
        }
        if let State::Wanted { tries } = &mut self.state {
            *tries += 1;
        }
        self.sent_at = Some(now);
        true
    }

    /// When the next request may go out; `None` if nobody waits.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        let State::Wanted { tries } = self.state else {
            return None;
        };
        let wait = if tries <= QUICK_TRIES {
            INTERVAL
        } else {
            PATIENT_INTERVAL
        };
        Some(self.sent_at.map_or(now, |sent_at| sent_at + wait))
    }
}

/// Browsers answer with a full picture; more than two a second fills a weak uplink.
const INTERVAL: Duration = Duration::from_millis(500);

/// A publisher that did not answer several requests has paused the layer.
const PATIENT_INTERVAL: Duration = Duration::from_secs(1);
const QUICK_TRIES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn pb_9_requests_are_merged_kept_apart_and_repeated_until_answered() {
        let start = start();
        let mut requests = KeyframeRequests::default();
        for (millis, event, sent) in [
            (0, "", false),
            (1, "want", true),
            (2, "want", false),
            (400, "", false),
            (501, "", true),
            (600, "arrived", false),
            (2000, "", false),
            (2001, "want", true),
            (2002, "arrived", false),
            (2003, "want", false), // too soon after the last one: later
            (2501, "", true),
            (3001, "", true),
            (3501, "", true),
            (4001, "", true),
            (4501, "", false), // from here on patiently
            (5001, "", true),
            (5100, "forget", false),
            (9000, "", false),
        ] {
            match event {
                "want" => requests.want(),
                "arrived" => requests.arrived(),
                "forget" => requests.forget(),
                _ => {}
            }
            let now = start + Duration::from_millis(millis);
            assert_eq!(requests.poll(now), sent, "{millis} ms");
        }
    }
}
