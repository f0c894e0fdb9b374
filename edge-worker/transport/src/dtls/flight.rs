//! The flight of handshake messages we sent last, and when it is sent again (RFC 6347
//! section 4.2.4).
//!
//! The handshake beneath forgets to, so it is done from outside, with the datagrams as
//! they were. Only records without encryption can be given new numbers here; the one
//! that is encrypted, Finished, is accepted by a client that lacks it, and a client that has
//! it takes the repetition for a replay.

use std::time::{Duration, Instant};

use super::guard::{RecordKind, Records};

/// What we sent last, until the client goes on.
#[derive(Debug, Default)]
pub(super) struct Flight {
    datagrams: Vec<Vec<u8>>,
    interval: Duration,
    /// When it goes out again if nothing is heard.
    due: Option<Instant>,
    sent: Option<Instant>,
    repeats: u32,
}

impl Flight {
    /// Before the first repetition; each next one waits twice as long. The second that
    /// RFC 6347 begins with is too long for people waiting for a call, and what browsers
    /// take, 50 ms, repeats everything where the round trip is longer. Most round trips
    /// are shorter than this.
    const INTERVAL: Duration = Duration::from_millis(250);
    /// Longer waits would leave a bad network too few tries.
    const MAX_INTERVAL: Duration = Duration::from_secs(2);
    /// Apart from the timer a flight goes out when the client repeats its own, which may
    /// be several datagrams, and not for each of them.
    const GAP: Duration = Duration::from_millis(20);
    /// Whatever a stranger repeats in the client's name.
    const MAX_REPEATS: u32 = 64;

    /// A new flight: `datagrams` were just sent.
    pub(super) fn start(&mut self, now: Instant, datagrams: Vec<Vec<u8>>) {
        *self = Self {
            datagrams,
            interval: Self::INTERVAL,
            due: Some(now + Self::INTERVAL),
            sent: Some(now),
            repeats: 0,
        };
    }

    /// The client got it: no need to repeat by the clock.
    pub(super) fn rest(&mut self) {
        self.due = None;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the client's repeating its own may be answered now; counts.
    pub(super) fn may_repeat(&mut self, now: Instant) -> bool {
        let since = self.sent.map(|sent| now.saturating_duration_since(sent));
        if since.is_none_or(|since| since < Self::GAP) || self.repeats >= Self::MAX_REPEATS {
            return false;
        }
        self.sent = Some(now);
        self.repeats += 1;
        true
    }

    /// Counts a repetition by the clock, if one is due.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        self.interval = (self.interval * 2).min(Self::MAX_INTERVAL);
        self.due = Some(now + self.interval);
        self.sent = Some(now);
        self.repeats += 1;
        if self.repeats >= Self::MAX_REPEATS {
            self.due = None;
        }
        true
    }

    /// The datagrams again.
    pub(super) fn datagrams(&self) -> &[Vec<u8>] {
        &self.datagrams
    }

    /// Takes what was sent in place of the flight as its newest form.
    pub(super) fn renew(&mut self, datagrams: Vec<Vec<u8>>) {
        self.datagrams = datagrams;
    }

    /// How often it was repeated.
    pub(super) fn repeats(&self) -> u32 {
        self.repeats
    }

    /// Whether it has a Finished of ours.
    pub(super) fn is_last(&self) -> bool {
        let sealed = |datagram: &Vec<u8>| Records(datagram).flatten().any(|r| r.epoch > 0);
        self.datagrams.iter().any(sealed)
    }
}

/// Whether a datagram is part of a flight.
pub(super) fn is_flight(datagram: &[u8]) -> bool {
    Records(datagram)
        .flatten()
        .any(|record| record.kind == RecordKind::Handshake)
}

/// Numbers the records without encryption, whose numbers nothing protects: a client
/// drops a record whose number it has seen.
#[derive(Debug, Default)]
pub(super) struct Numbers(u64);

impl Numbers {
    /// Gives the next number.
    pub(super) fn next(&mut self) -> [u8; 6] {
        let [_, _, number @ ..] = self.0.to_be_bytes();
        self.0 += 1;
        number
    }

    /// Numbers the records of `datagram` anew, in place.
    pub(super) fn write(&mut self, datagram: &mut [u8]) {
        let mut rest = datagram;
        while let Some((header, after)) = rest.split_first_chunk_mut::<13>() {
            if header[3..5] == [0, 0] {
                header[5..11].copy_from_slice(&self.next());
            }
            let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
            let Some((_, after)) = after.split_at_mut_checked(len) else {
                return;
            };
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_flight_is_repeated_ever_more_rarely_until_the_client_goes_on() {
        let now = start();
        let mut flight = Flight::default();
        assert!(!flight.expire(now));
        flight.start(now, vec![vec![22]]);
        let mut repeated = Vec::new();
        for at in 0..8000 {
            if flight.expire(now + millis(at)) {
                repeated.push(at);
            }
        }
        assert_eq!(repeated, [250, 750, 1750, 3750, 5750, 7750]);
        flight.rest();
        assert!(!flight.expire(now + millis(20_000)));
    }

    #[test]
    fn repetitions_on_demand_are_apart_and_bounded() {
        let now = start();
        let mut flight = Flight::default();
        assert!(!flight.may_repeat(now), "there is nothing to repeat");
        flight.start(now, vec![vec![22]]);
        let repeated = (0..10_000).filter(|at| flight.may_repeat(now + millis(*at)));
        let repeated: Vec<_> = repeated.collect();
        assert_eq!(repeated[..3], [20, 40, 60]);
        assert_eq!(repeated.len(), 64);
    }

    #[test]
    fn only_records_without_encryption_get_new_numbers() {
        let mut datagram = Vec::new();
        for epoch in [0, 0, 1, 0] {
            datagram.extend_from_slice(&[22, 0xfe, 0xfd, 0, epoch, 9, 9, 9, 9, 9, 9, 0, 1, 7]);
        }
        let mut numbers = Numbers(0x1ff);
        numbers.write(&mut datagram);
        let written = datagram.chunks(14).map(|record| record[9..11].to_vec());
        let expected = [[1, 0xff], [2, 0], [9, 9], [2, 1]];
        assert_eq!(written.collect::<Vec<_>>(), expected);
        numbers.write(&mut datagram[..20]);
    }
}
