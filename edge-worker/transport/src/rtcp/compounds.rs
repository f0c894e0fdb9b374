//! Compounds on their way out (RFC 3550 section 6.1): packets put together into datagrams,
//! one after another in a buffer that is kept, so that writing allocates nothing once that
//! has its size. What the packets say is left to [`write`](super::write) and
//! [`twcc`](crate::twcc), encryption to [`srtp`](crate::srtp).

use std::collections::VecDeque;

use media::Ssrc;

use super::{RECEIVER_REPORT, SENDER_REPORT};

/// Compounds in the order they leave.
#[derive(Debug, Default)]
pub(crate) struct Compounds {
    bytes: Vec<u8>,
    /// Where each complete one ends.
    ends: VecDeque<usize>,
    /// Up to where they were taken.
    taken: usize,
    /// Where the one that is being filled begins.
    open: usize,
}

impl Compounds {
    /// Fits a datagram, encrypted and with its tag.
    const MAX_LEN: usize = 1100;

    /// Adds the packet that `write` appends to the compound being filled, or to the next
    /// one if it does not fit. Compounds begin with a report (RFC 3550 section 6.1): with
    /// an empty one of `reporter`'s unless there is another.
    pub(super) fn add(&mut self, reporter: Ssrc, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        write(&mut self.bytes);
        if at > self.open && self.bytes.len() - self.open > Self::MAX_LEN {
            self.close(at);
        }
        let is_report = matches!(self.bytes[at + 1], SENDER_REPORT | RECEIVER_REPORT);
        if at == self.open && !is_report {
            let end = self.bytes.len();
            append(&mut self.bytes, RECEIVER_REPORT, |out| {
                out.extend_from_slice(&reporter.0.to_be_bytes());
                0
            });
            let report = self.bytes.len() - end;
            self.bytes[at..].rotate_right(report);
        }
    }

    /// Adds a packet that is a datagram of its own (RFC 5506).
    pub(crate) fn add_alone(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.finish();
        write(&mut self.bytes);
        self.finish();
    }

    /// What is added from now on goes into another compound.
    pub(super) fn finish(&mut self) {
        if self.open < self.bytes.len() {
            self.close(self.bytes.len());
        }
    }

    fn close(&mut self, end: usize) {
        self.ends.push_back(end);
        self.open = end;
    }

    /// Takes the next complete one.
    pub(crate) fn pop(&mut self) -> Option<&[u8]> {
        let Some(end) = self.ends.pop_front() else {
            self.bytes.drain(..self.open);
            (self.taken, self.open) = (0, 0);
            return None;
        };
        let start = std::mem::replace(&mut self.taken, end);
        Some(&self.bytes[start..end])
    }
}

/// Appends one packet: its header, and what `body` appends, in whole words. `body` answers
/// what the header counts, or the format of feedback.
pub(crate) fn append(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>) -> u8) {
    let start = out.len();
    out.extend_from_slice(&[0x80, kind, 0, 0]);
    let count = body(out);
    out[start] |= count;
    let words = (out.len() - start) / 4 - 1;
    out[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, words: usize) -> impl FnOnce(&mut Vec<u8>) {
        move |out| {
            append(out, kind, |out| {
                out.resize(out.len() + 4 * words, 7);
                0
            });
        }
    }

    /// The kinds of the packets in each compound.
    fn kinds(compounds: &mut Compounds) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(mut rest) = compounds.pop() {
            assert!(rest.len() <= Compounds::MAX_LEN);
            let mut kinds = Vec::new();
            while !rest.is_empty() {
                kinds.push(rest[1]);
                rest = &rest[4 + 4 * usize::from(rest[3])..];
            }
            all.push(kinds);
        }
        all
    }

    #[test]
    fn compounds_begin_with_a_report_and_fit_a_datagram() {
        let long = 255;
        for (added, expected) in [
            (&[][..], &[][..]),
            (&[(200, 6), (202, 3)], &[&[200, 202][..]]),
            (&[(202, 3), (200, 6)], &[&[201, 202, 200]]),
            (&[(201, 1), (206, long)], &[&[201, 206]]),
            (&[(206, long), (206, long)], &[&[201, 206], &[201, 206]]),
            (&[(200, 6), (205, long), (201, 31)], &[&[200, 205], &[201]]),
        ] {
            let mut compounds = Compounds::default();
            for (kind, words) in added {
                compounds.add(Ssrc(1), packet(*kind, *words));
            }
            compounds.finish();
            assert_eq!(kinds(&mut compounds), expected, "{added:?}");
        }
    }

    #[test]
    fn what_stands_alone_has_no_company_and_the_buffer_is_used_again() {
        let mut compounds = Compounds::default();
        let mut size = None;
        for _ in 0..3 {
            compounds.add(Ssrc(1), packet(201, 1));
            compounds.add_alone(packet(205, 9));
            compounds.add(Ssrc(1), packet(201, 1));
            compounds.finish();
            assert_eq!(kinds(&mut compounds), [[201], [205], [201]]);
            let capacity = compounds.bytes.capacity();
            assert_eq!(*size.get_or_insert(capacity), capacity);
        }
    }
}
