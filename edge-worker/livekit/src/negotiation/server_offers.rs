//! Our offers on the subscribing connection: one in flight at a time, changes in
//! between merged into the next.

use std::time::{Duration, Instant};

/// Changes that come close together become one offer. Long enough for the tracks
/// of one participant, too short to be felt.
pub const DEBOUNCE: Duration = Duration::from_millis(10);

/// A client that takes longer has lost the offer, or itself.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Pairs an answer with our offer. The first is 1.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct OfferId(pub u32);

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// It answers the offer in flight.
    Accepted,
    /// It answers another, or none; dropped.
    Stale,
}

/// When to offer, and which answer counts.
#[derive(Debug, Default)]
pub struct ServerOffers {
    state: State,
    last: u32,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// Something changed; more may follow.
    Changed { due_at: Instant },
    /// Waiting for the answer.
    InFlight { overdue_at: Instant, changed: bool },
}

impl ServerOffers {
    /// Nothing to offer yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What an offer would say is no longer what the last one said.
    pub fn changed(&mut self, now: Instant) {
        match &mut self.state {
            // The first offer carries the data channels, and everybody waits for it.
            State::Idle if self.last == 0 => self.state = State::Changed { due_at: now },
            State::Idle => {
                self.state = State::Changed {
                    due_at: now + DEBOUNCE,
                }
            }
            State::Changed { .. } => {}
            State::InFlight { changed, .. } => *changed = true,
        }
    }

    /// The number to offer with, if it is time; the offer is in flight from now on.
    pub fn offer_due(&mut self, now: Instant) -> Option<OfferId> {
        match self.state {
            State::Changed { due_at } if due_at <= now => {
                // 0 stands for clients that do not number, so it is left out.
                self.last = self.last.checked_add(1).unwrap_or(1);
                let overdue_at = now + ANSWER_TIMEOUT;
                self.state = State::InFlight {
                    overdue_at,
                    changed: false,
                };
                Some(OfferId(self.last))
            }
            State::Idle | State::Changed { .. } | State::InFlight { .. } => None,
        }
    }

    /// Decides on an answer. Clients that do not number their answers say 0.
    pub fn answered(&mut self, now: Instant, id: u32) -> Verdict {
        match self.state {
            State::InFlight { changed, .. } if id == self.last || id == 0 => {
                self.state = State::Idle;
                if changed {
                    self.changed(now);
                }
                Verdict::Accepted
            }
            State::Idle | State::Changed { .. } | State::InFlight { .. } => Verdict::Stale,
        }
    }

    /// Whether the client owes an answer for too long: it has to join again.
    pub fn timed_out(&self, now: Instant) -> bool {
        matches!(self.state, State::InFlight { overdue_at, .. } if overdue_at <= now)
    }

    /// The client is out of reach: the answer to the offer in flight will not come, and
    /// when the client is back the same is offered again, under another number.
    pub fn interrupted(&mut self) {
        self.state = State::Idle;
    }

    /// When to ask [`offer_due`](Self::offer_due) or [`timed_out`](Self::timed_out) again.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Changed { due_at } => Some(due_at),
            State::InFlight { overdue_at, .. } => Some(overdue_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (Instant, ServerOffers) {
        // The only clock reading is an origin to count from.
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        (now, ServerOffers::new())
    }

    #[test]
    fn jn_2_the_first_offer_waits_for_nothing() {
        let (now, mut offers) = start();
        assert_eq!(offers.offer_due(now), None);
        offers.changed(now);
        assert_eq!(offers.deadline(), Some(now));
        assert_eq!(offers.offer_due(now), Some(OfferId(1)));
        assert_eq!(offers.offer_due(now), None);
    }

    #[test]
    fn jn_3_one_offer_is_in_flight_and_changes_meanwhile_become_one_more() {
        let (mut now, mut offers) = start();
        offers.changed(now);
        offers.offer_due(now);
        for _ in 0..5 {
            now += Duration::from_millis(100);
            offers.changed(now);
            assert_eq!(offers.offer_due(now), None);
        }
        assert_eq!(offers.answered(now, 1), Verdict::Accepted);
        assert_eq!(offers.offer_due(now), None);
        assert_eq!(offers.deadline(), Some(now + DEBOUNCE));
        offers.changed(now + DEBOUNCE / 2);
        assert_eq!(offers.offer_due(now + DEBOUNCE), Some(OfferId(2)));
        assert_eq!(offers.answered(now + DEBOUNCE, 2), Verdict::Accepted);
        assert_eq!(
            (offers.offer_due(now + ANSWER_TIMEOUT), offers.deadline()),
            (None, None)
        );
    }

    #[test]
    fn jn_6_only_the_answer_to_the_offer_in_flight_counts_or_one_without_a_number() {
        let (now, mut offers) = start();
        assert_eq!(
            offers.answered(now, 0),
            Verdict::Stale,
            "nothing was offered"
        );
        offers.changed(now);
        assert_eq!(offers.answered(now, 0), Verdict::Stale, "not offered yet");
        offers.offer_due(now);
        assert_eq!(offers.answered(now, 2), Verdict::Stale);
        assert_eq!(offers.answered(now, 1), Verdict::Accepted);
        assert_eq!(offers.answered(now, 1), Verdict::Stale, "a second answer");
        offers.changed(now);
        offers.offer_due(now + DEBOUNCE);
        assert_eq!(
            offers.answered(now, 1),
            Verdict::Stale,
            "the answer to an older offer"
        );
        assert_eq!(offers.answered(now, 0), Verdict::Accepted);
    }

    #[test]
    fn an_offer_the_client_may_not_have_heard_of_is_made_again_under_another_number() {
        let (now, mut offers) = start();
        offers.changed(now);
        assert_eq!(offers.offer_due(now), Some(OfferId(1)));
        offers.interrupted();
        assert_eq!(offers.deadline(), None, "nobody waits for an answer");
        offers.changed(now);
        assert_eq!(offers.offer_due(now + DEBOUNCE), Some(OfferId(2)));
        assert_eq!(offers.answered(now + DEBOUNCE, 1), Verdict::Stale);
        assert_eq!(offers.answered(now + DEBOUNCE, 2), Verdict::Accepted);
    }

    #[test]
    fn jn_3_an_offer_without_an_answer_times_out() {
        let (now, mut offers) = start();
        offers.changed(now);
        offers.offer_due(now);
        let late = now + ANSWER_TIMEOUT;
        assert!(!offers.timed_out(late - Duration::from_millis(1)));
        assert!(offers.timed_out(late));
        assert_eq!(offers.deadline(), Some(late));
    }
}
