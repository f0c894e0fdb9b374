//! Repeats the client's flights as RFC 6347 section 4.2.4 wants it, around `rtc-dtls`, which
//! gives its timer up for ever once it has received a part of a flight.

use std::time::{Duration, Instant};

pub(crate) struct Repeater {
    interval: Duration,
    at: Option<Instant>,
    sent_at: Option<Instant>,
    flight: Vec<Vec<u8>>,
    /// Of the records without encryption: repeated ones have to look new.
    next_record: u64,
}

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

impl Repeater {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            at: None,
            sent_at: None,
            flight: Vec::new(),
            next_record: 0,
        }
    }

    /// Notes a datagram on its way out.
    pub(crate) fn sent(&mut self, now: Instant, datagram: &mut [u8], finished: bool) {
        self.renumber(datagram);
        if !is_handshake(datagram) {
            return;
        }
        if self.sent_at != Some(now) {
            self.flight.clear();
            self.sent_at = Some(now);
            self.at = (!finished).then(|| now + self.interval);
        }
        self.flight.push(datagram.to_vec());
    }

    /// The last flight once more.
    pub(crate) fn again(&mut self) -> Vec<Vec<u8>> {
        let mut flight = std::mem::take(&mut self.flight);
        for datagram in &mut flight {
            self.renumber(datagram);
        }
        self.flight.clone_from(&flight);
        flight
    }

    /// The last flight, if it is due.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let since = now - self.sent_at.unwrap();
        self.at = Some(now + since.max(self.interval));
        self.again()
    }

    pub(crate) fn stop(&mut self) {
        self.at = None;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.at
    }

    fn renumber(&mut self, datagram: &mut [u8]) {
        let mut at = 0;
        while at < datagram.len() {
            let record = &mut datagram[at..];
            if record[3..5] == [0, 0] {
                record[5..11].copy_from_slice(&self.next_record.to_be_bytes()[2..]);
                self.next_record += 1;
            }
            at += 13 + usize::from(u16::from_be_bytes([record[11], record[12]]));
        }
    }
}

/// Whether a datagram has something of the handshake.
pub(crate) fn is_handshake(datagram: &[u8]) -> bool {
    matches!(datagram[0], CHANGE_CIPHER_SPEC | HANDSHAKE)
}
