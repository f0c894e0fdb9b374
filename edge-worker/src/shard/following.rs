//! Finds whose media comes from an address that nobody has: the NAT of a mobile network gave
//! a flow another one, and the client does not know. Each transport that it may be is asked
//! whether it [follows](transport::Transport::follow); how often at most is decided here, for
//! anybody can send anything from anywhere.

use std::time::Instant;

use sfu::TransportKey;
use transport::Way;

use super::Shard;
use super::transports::guarded;

/// How many transports may still be asked: a token bucket.
#[derive(Debug)]
pub(super) struct Asking {
    left: u32,
    filled_at: Option<Instant>,
    /// Where the last search ended: who comes last is asked first the next time.
    next: usize,
}

impl Asking {
    /// In a second. Most look up a number and decline, and the rest spend a microsecond:
    /// some thousandths of a core at worst.
    const PER_SECOND: u32 = 4_000;

    pub(super) fn new() -> Self {
        Self {
            left: Self::PER_SECOND,
            filled_at: None,
            next: 0,
        }
    }

    /// From which place on, and how many, may be asked of `transports`.
    fn begin(&mut self, now: Instant, transports: usize) -> impl Iterator<Item = usize> + use<> {
        let elapsed = now.saturating_duration_since(*self.filled_at.get_or_insert(now));
        let earned = (elapsed.as_secs_f32() * Self::PER_SECOND as f32) as u32;
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(Self::PER_SECOND);
            self.filled_at = Some(now);
        }
        let count = transports.min(self.left as usize);
        self.left -= count as u32;
        let first = self.next;
        self.next = (first + count) % transports.max(1);
        (first..first + count).map(move |place| place % transports)
    }
}

impl Shard {
    /// Whose a datagram is that came by a `way` nobody has, if its client moved there.
    pub(super) fn follow(&mut self, now: Instant, way: Way, bytes: &[u8]) -> Option<TransportKey> {
        let media = bytes
            .first()
            .is_some_and(|first| (128..192).contains(first));
        if !media || !matches!(way, Way::Udp(_)) {
            return None;
        }
        let places = self.asking.begin(now, self.transports.places());
        for place in places {
            let Some(key) = self.transports.key_at(place) else {
                continue;
            };
            let Some(slot) = self.transports.get_mut(key) else {
                continue;
            };
            let transport = &mut slot.transport;
            // A bug there is found by what the client sends as itself.
            let follows = guarded(&self.metrics, || transport.follow(way, bytes));
            if follows == Some(true) {
                self.demux.learn(way, key);
                self.tally.followed += 1;
                return Some(key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_are_asked_in_turn_and_no_more_than_may_be() {
        let start = Instant::now();
        let mut asking = Asking::new();
        let mut ask = |ms, transports| {
            let now = start + Duration::from_millis(ms);
            asking.begin(now, transports).collect::<Vec<_>>()
        };
        assert!(ask(0, 0).is_empty());
        assert_eq!(ask(0, 3), [0, 1, 2]);
        assert_eq!(ask(0, 3), [0, 1, 2], "the same again");
        assert_eq!(ask(0, 3_990).len(), 3_990);
        assert_eq!(ask(0, 3_990), [0, 1, 2, 3], "the rest");
        assert!(ask(0, 3_990).is_empty(), "all used up");
        assert_eq!(ask(1, 3_990), [4, 5, 6, 7], "some more by then");
        assert_eq!(ask(9_000, 3).len(), 3);
    }
}
