//! How often packets are sent again to one subscriber, so that a storm of requests
//! costs the others nothing.

use std::time::{Duration, Instant};

use media::SeqNo;

/// The resends of one subscription.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    /// When each of the newest packets asked for was sent again; made at the first loss.
    sent: Vec<Option<Sent>>,
    budget: Option<Budget>,
    round_trip: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: SeqNo,
    at: Instant,
}

#[derive(Debug)]
struct Budget {
    left: u32,
    filled_at: Instant,
}

impl Repairs {
    /// The subscriber told how far it is away.
    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = Some(round_trip);
    }

    /// The time a packet takes to the subscriber and back, once it is known.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether to send `seq` again now, which counts as sent.
    pub(crate) fn allow(&mut self, now: Instant, seq: SeqNo) -> bool {
        if self.sent.is_empty() {
            self.sent = vec![None; REMEMBERED];
        }
        let again = self
            .round_trip
            .unwrap_or(FIRST_GUESS)
            .clamp(MIN_AGAIN, MAX_AGAIN);
        let slot = &mut self.sent[usize::from(seq.0) % REMEMBERED];
        let just_sent = slot
            .is_some_and(|sent| sent.seq == seq && now.saturating_duration_since(sent.at) < again);
        if just_sent || !Budget::spend(&mut self.budget, now) {
            return false;
        }
        *slot = Some(Sent { seq, at: now });
        true
    }
}

impl Budget {
    fn spend(budget: &mut Option<Self>, now: Instant) -> bool {
        let budget = budget.get_or_insert(Self {
            left: BURST,
            filled_at: now,
        });
        let elapsed = now.saturating_duration_since(budget.filled_at);
        let earned = (elapsed.as_millis() as u64 * PER_SECOND / 1000).min(u64::from(BURST)) as u32;
        if earned > 0 {
            budget.left = (budget.left + earned).min(BURST);
            budget.filled_at = now;
        }
        let spent = budget.left.checked_sub(1);
        budget.left = spent.unwrap_or(0);
        spent.is_some()
    }
}

/// A second of the fastest video.
const REMEMBERED: usize = 256;

/// A tenth of a fast video's packets, more than any playable loss needs; and what a
/// short outage needs at once.
const PER_SECOND: u64 = 200;
const BURST: u32 = 256;

/// Until a first report tells the round trip.
const FIRST_GUESS: Duration = Duration::from_millis(50);
/// Asked sooner, the question and the answer crossed.
const MIN_AGAIN: Duration = Duration::from_millis(20);
/// No claim about the round trip may keep repairs back longer.
const MAX_AGAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn a_packet_is_not_sent_again_before_the_last_resend_arrived() {
        let start = start();
        let mut repairs = Repairs::default();
        for (millis, seq, expected) in [
            (0, 7, true),
            (0, 7, false),
            (0, 8, true),
            (49, 7, false),
            (50, 7, true),
            (50, 7 + 256, true),
        ] {
            let now = start + Duration::from_millis(millis);
            assert_eq!(repairs.allow(now, SeqNo(seq)), expected, "{millis} {seq}");
        }
    }

    #[test]
    fn bad_r11_a_storm_of_requests_is_answered_within_a_budget() {
        let start = start();
        let mut repairs = Repairs::default();
        let sent = (0..10_000)
            .filter(|step| {
                let now = start + Duration::from_micros(200 * step);
                repairs.allow(now, SeqNo(*step as u16))
            })
            .count();
        assert!((600..=256 + 400).contains(&sent), "{sent} in two seconds");
    }
}
