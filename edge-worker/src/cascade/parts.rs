//! Messages between nodes that are longer than a link takes at once: cut into parts, put together
//! again. Parts of one node come in order, and a lost one costs its message.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Of a part, so that it fits into a link's message with room names and paths beside it.
const PART: usize = 32 << 10;

/// A message that would be longer is not sent, nor taken.
pub(crate) const MOST: usize = 4 << 20;

/// The parts of a message: each says how many follow it.
pub(crate) fn cut(message: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    let count = message.len().div_ceil(PART).max(1);
    (0..count).map(move |index| {
        let from = index * PART;
        let piece = &message[from..message.len().min(from + PART)];
        let mut part = BytesMut::with_capacity(HEAD + piece.len());
        part.put_u8(u8::from(index == 0));
        part.put_u16((count - 1 - index) as u16);
        part.put_slice(piece);
        part.freeze()
    })
}

/// Whether it is the first part (8), how many follow (16).
const HEAD: usize = 3;

/// Messages that are not whole yet, by the node that sends them.
#[derive(Debug, Default)]
pub(crate) struct Parts(HashMap<String, Unfinished>);

#[derive(Debug)]
struct Unfinished {
    expected: u16,
    message: BytesMut,
}

impl Parts {
    /// Takes a part; answers the message if it was the last one.
    pub(crate) fn join(&mut self, from: &str, mut part: Bytes) -> Option<Bytes> {
        if part.len() < HEAD {
            return None;
        }
        let first = part.get_u8() == 1;
        let following = part.get_u16();
        if first && following == 0 {
            self.0.remove(from);
            return Some(part);
        }
        if first {
            let expected = following - 1;
            let message = BytesMut::from(&part[..]);
            self.0
                .insert(from.to_owned(), Unfinished { expected, message });
            return None;
        }
        let unfinished = self.0.get_mut(from)?;
        if unfinished.expected != following || unfinished.message.len() + part.len() > MOST {
            self.0.remove(from);
            return None;
        }
        unfinished.message.extend_from_slice(&part);
        if let Some(expected) = following.checked_sub(1) {
            unfinished.expected = expected;
            return None;
        }
        self.0.remove(from).map(|whole| whole.message.freeze())
    }

    /// A node is gone.
    pub(crate) fn forget(&mut self, from: &str) {
        self.0.remove(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize) -> Bytes {
        (0..len).map(|at| (at / 7) as u8).collect()
    }

    #[test]
    fn messages_of_any_length_come_back() {
        for len in [0, 1, PART - 1, PART, PART + 1, 5 * PART + 3, MOST] {
            let message = message(len);
            let mut parts = Parts::default();
            let mut whole: Vec<_> = cut(&message)
                .inspect(|part| assert!(part.len() <= PART + HEAD))
                .filter_map(|part| parts.join("a", part))
                .collect();
            assert_eq!(whole.pop(), Some(message), "{len}");
            assert!(whole.is_empty() && parts.0.is_empty());
        }
    }

    #[test]
    fn nodes_may_send_at_the_same_time() {
        let (one, other) = (message(2 * PART), message(2 * PART + 1));
        let mut parts = Parts::default();
        let mut whole = Vec::new();
        let mut ones = cut(&one);
        for part in cut(&other) {
            whole.extend(ones.next().and_then(|part| parts.join("a", part)));
            whole.extend(parts.join("b", part));
        }
        assert_eq!(whole, [one.clone(), other.clone()]);
    }

    #[test]
    fn a_lost_part_costs_its_message_and_no_other() {
        let long = message(3 * PART);
        let mut parts = Parts::default();
        for (lost, part) in cut(&long).enumerate() {
            if lost != 1 {
                assert_eq!(parts.join("a", part), None);
            }
        }
        let mut last = None;
        for part in cut(&long) {
            last = parts.join("a", part);
        }
        assert_eq!(last, Some(long));
        assert_eq!(parts.join("a", Bytes::from_static(&[0, 0])), None);
        assert_eq!(parts.join("a", Bytes::from_static(&[0, 0, 0, 1])), None);
    }

    #[test]
    fn nobody_has_more_kept_than_a_message_may_hold() {
        let mut parts = Parts::default();
        let part = |first: u8, following: u16| {
            let mut part = BytesMut::new();
            part.put_u8(first);
            part.put_u16(following);
            part.resize(HEAD + PART, 1);
            part.freeze()
        };
        assert_eq!(parts.join("a", part(1, u16::MAX)), None);
        for following in (0..u16::MAX).rev().take(MOST / PART + 9) {
            assert_eq!(parts.join("a", part(0, following)), None);
            let kept = parts.0.get("a").map_or(0, |it| it.message.len());
            assert!(kept <= MOST);
        }
    }
}
