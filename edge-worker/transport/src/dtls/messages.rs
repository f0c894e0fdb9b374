//! Puts handshake messages together from their fragments (RFC 6347 section 4.2.3), and
//! hands on each of them once and in order, whatever the network repeats, loses or
//! overtakes.
//!
//! The handshake beneath stops its retransmission timer at any handshake record, also at
//! one that gets it no further, and cannot join pieces that were cut anew. So it
//! is shown only what is whole and new; repeating what we sent is left to
//! [`flight`](super::flight).

use std::collections::BTreeMap;

use super::guard::Fragment;

/// What one fragment was good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Taken {
    /// It is kept, or was kept already.
    Kept,
    /// Its message was handed on before: the client repeats its flight.
    Repeated,
    /// It contradicts what is kept, or is further ahead than anything honest.
    Refused,
}

/// Messages on their way in.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Number of the message to hand on next.
    next: u16,
    ahead: BTreeMap<u16, Partial>,
}

/// One complete message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) number: u16,
    pub(super) body: Vec<u8>,
}

#[derive(Debug)]
struct Partial {
    kind: u8,
    body: Vec<u8>,
    /// What has arrived: sorted, apart from each other.
    arrived: Vec<(usize, usize)>,
}

impl Messages {
    /// The longest flight has five.
    const MAX_AHEAD: u16 = 8;
    /// Of all that is kept. A whole handshake has under 8 KiB.
    const MAX_KEPT: usize = 32 << 10;

    /// Keeps what is new of `fragment`.
    pub(super) fn take(&mut self, fragment: Fragment<'_>) -> Taken {
        let number = fragment.message_seq;
        if number < self.next {
            return Taken::Repeated;
        }
        if number - self.next >= Self::MAX_AHEAD {
            return Taken::Refused;
        }
        let kept: usize = self.ahead.values().map(|partial| partial.body.len()).sum();
        let partial = match self.ahead.get_mut(&number) {
            Some(partial) => partial,
            None if kept + fragment.len > Self::MAX_KEPT => return Taken::Refused,
            None => self.ahead.entry(number).or_insert(Partial {
                kind: fragment.message,
                body: vec![0; fragment.len],
                arrived: Vec::new(),
            }),
        };
        if partial.kind != fragment.message || partial.body.len() != fragment.len {
            return Taken::Refused;
        }
        let end = fragment.offset + fragment.body.len();
        partial.body[fragment.offset..end].copy_from_slice(fragment.body);
        partial.arrived(fragment.offset, end);
        Taken::Kept
    }

    /// The next message, if all of it is here.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let number = self.next;
        if !self.ahead.get(&number)?.is_complete() {
            return None;
        }
        let partial = self.ahead.remove(&number)?;
        self.next = self.next.checked_add(1)?;
        Some(Message {
            kind: partial.kind,
            number,
            body: partial.body,
        })
    }

    /// Whether the messages that [`pop`](Self::pop) would hand on include one of `kinds`.
    pub(super) fn is_ready(&self, kinds: &[u8]) -> bool {
        let mut number = self.next;
        while let Some(partial) = self.ahead.get(&number)
            && partial.is_complete()
        {
            if kinds.contains(&partial.kind) {
                return true;
            }
            number = number.saturating_add(1);
        }
        false
    }
}

impl Partial {
    fn arrived(&mut self, mut start: usize, mut end: usize) {
        self.arrived.retain(|&(from, to)| {
            let apart = to < start || end < from;
            if !apart {
                start = start.min(from);
                end = end.max(to);
            }
            apart
        });
        let at = self.arrived.partition_point(|&(from, _)| from < start);
        self.arrived.insert(at, (start, end));
    }

    fn is_complete(&self) -> bool {
        self.arrived == [(0, self.body.len())]
    }
}

impl Message {
    /// The message in one piece, as the body of a record.
    pub(super) fn whole(&self) -> Vec<u8> {
        let len = &(self.body.len() as u32).to_be_bytes()[1..];
        let number = &self.number.to_be_bytes();
        [&[self.kind], len, number, &[0; 3], len, &self.body].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Taken::{Kept, Refused, Repeated};

    const BODY: &[u8] = b"certificate";

    fn fragment(number: u16, from: usize, to: usize) -> Fragment<'static> {
        Fragment {
            message: 11,
            len: BODY.len(),
            message_seq: number,
            offset: from,
            body: &BODY[from..to],
        }
    }

    #[test]
    fn messages_come_out_once_and_in_order_however_they_were_cut() {
        let mut messages = Messages::default();
        for (number, from, to, taken, out) in [
            (1, 0, 11, Kept, &[][..]),
            (0, 4, 7, Kept, &[]),
            (0, 0, 2, Kept, &[]),
            // Cut anew, over what is here and what is not.
            (0, 1, 5, Kept, &[]),
            (0, 1, 5, Kept, &[]),
            (0, 6, 11, Kept, &[0, 1]),
            (0, 0, 11, Repeated, &[]),
            (1, 3, 4, Repeated, &[]),
            (9, 0, 11, Kept, &[]),
            (10, 0, 11, Refused, &[]),
            (2, 0, 11, Kept, &[2]),
        ] {
            let step = (number, from, to);
            assert_eq!(messages.take(fragment(number, from, to)), taken, "{step:?}");
            let popped: Vec<_> = std::iter::from_fn(|| messages.pop()).collect();
            assert!(popped.iter().all(|message| message.body == BODY));
            let numbers: Vec<_> = popped.iter().map(|message| message.number).collect();
            assert_eq!(numbers, out, "{step:?}");
        }
    }

    #[test]
    fn bad_d2_contradictions_and_hoards_are_refused() {
        let mut messages = Messages::default();
        assert_eq!(messages.take(fragment(0, 0, 4)), Kept);
        let mut other = fragment(0, 4, 8);
        other.message = 12;
        assert_eq!(messages.take(other), Refused);
        let mut longer = fragment(0, 4, 8);
        longer.len = 40;
        assert_eq!(messages.take(longer), Refused);
        for (number, taken) in [(1, Kept), (2, Kept), (3, Refused)] {
            let mut huge = fragment(number, 0, 1);
            huge.len = 16 << 10;
            if number == 2 {
                huge.len -= BODY.len();
            }
            assert_eq!(messages.take(huge), taken, "{number}");
        }
    }

    #[test]
    fn a_message_without_a_body_is_one() {
        let done = Fragment {
            message: 14,
            len: 0,
            message_seq: 0,
            offset: 0,
            body: &[],
        };
        let mut messages = Messages::default();
        assert!(!messages.is_ready(&[14]));
        assert_eq!(messages.take(done), Kept);
        assert!(messages.is_ready(&[3, 14]));
        assert!(!messages.is_ready(&[3]));
        let whole = messages.pop().map(|message| message.whole());
        assert_eq!(whole, Some(vec![14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    }
}
