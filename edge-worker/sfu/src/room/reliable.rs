//! The newest reliable data messages of a room, for who comes back and missed some.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media::ParticipantId;

use super::message::Message;

/// Messages kept, oldest first.
#[derive(Debug, Default)]
pub(super) struct Reliable {
    kept: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    from: ParticipantId,
    message: Message,
}

/// What is older was delivered by the connection itself, which outlives a broken path.
const KEEP_FOR: Duration = Duration::from_secs(2);

/// A room must not hold much of what its participants like to send.
const MOST_BYTES: usize = 100 * 1024;

impl Reliable {
    /// Keeps a message that has a number.
    pub(super) fn keep(&mut self, now: Instant, from: ParticipantId, message: &Message) {
        self.forget(now);
        self.bytes += message.payload.len();
        self.kept.push_back(Kept {
            at: now,
            from,
            message: message.clone(),
        });
        while self.bytes > MOST_BYTES {
            self.pop();
        }
    }

    /// What `from` sent after the message `last`.
    pub(super) fn after(
        &self,
        from: ParticipantId,
        last: u32,
    ) -> impl Iterator<Item = &Message> + use<'_> {
        let missed = move |kept: &&Kept| kept.from == from && kept.message.sequence > last;
        self.kept.iter().filter(missed).map(|kept| &kept.message)
    }

    /// Drops what is too old.
    pub(super) fn forget(&mut self, now: Instant) {
        while let Some(kept) = self.kept.front()
            && now.saturating_duration_since(kept.at) > KEEP_FOR
        {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(kept) = self.kept.pop_front() {
            self.bytes -= kept.message.payload.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;
    use crate::{Destinations, Reliability};

    fn message(sequence: u32, length: usize) -> Message {
        Message {
            reliability: Reliability::Reliable,
            destinations: Destinations::default(),
            sequence,
            payload: vec![0; length].into(),
        }
    }

    #[test]
    fn rs_5_two_seconds_and_100_kb_are_kept() {
        let ada: ParticipantId = "PA_ada".parse().unwrap();
        let mut reliable = Reliable::default();
        let after = |reliable: &Reliable, last| -> Vec<u32> {
            let missed = reliable.after(ada, last);
            missed.map(|message| message.sequence).collect()
        };
        for (number, second) in [(1, 0), (2, 1), (3, 2)] {
            let now = start() + Duration::from_secs(second);
            reliable.keep(now, ada, &message(number, 10));
        }
        assert_eq!(after(&reliable, 1), [2, 3]);
        reliable.forget(start() + Duration::from_millis(2_500));
        assert_eq!(after(&reliable, 0), [2, 3]);
        let now = start() + Duration::from_secs(3);
        reliable.keep(now, ada, &message(4, 60_000));
        assert_eq!(after(&reliable, 0), [2, 3, 4]);
        reliable.keep(now, ada, &message(5, 60_000));
        assert_eq!(after(&reliable, 0), [5], "the oldest give way");
        assert_eq!(after(&reliable, 5), [0; 0], "nothing was missed");
    }
}
