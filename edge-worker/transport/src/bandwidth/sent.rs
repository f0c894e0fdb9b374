//! What was sent of late, by its number on the transport: when, and how many bytes. Written
//! once for every packet, so an entry has eight bytes and writing one touches nothing else.

use std::time::{Duration, Instant};

use media::SeqNo;

/// The last packets sent.
#[derive(Debug)]
pub(crate) struct SentLog {
    epoch: Instant,
    /// The number of the next packet.
    next: u64,
    /// The lowest number still known.
    oldest: u64,
    /// All bytes ever sent.
    bytes: u64,
    /// Of packets without a number: they count with the next that has one.
    beside: usize,
    /// Each number at its remainder; a power of two, empty until something is sent.
    ring: Box<[Sent]>,
}

/// One packet.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    /// Microseconds since the log's epoch, without what does not fit.
    at: u32,
    size: u16,
    fate: Fate,
}

/// What the client said of a packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Fate {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It is missing.
    Lost,
    /// It has arrived.
    Arrived,
}

/// What a client newly tells of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is missing.
    Lost,
    /// It has arrived.
    Arrived,
    /// It has arrived after it was told to be missing.
    ArrivedAfterAll,
}

/// One packet of which the client told something new.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Judged {
    pub(super) number: u64,
    pub(super) sent_at: Micros,
    pub(super) size: u32,
    pub(super) verdict: Verdict,
}

/// Microseconds since some beginning: ours, or the client's, which has another.
pub(super) type Micros = i64;

impl SentLog {
    /// Enough for what most clients are sent between two reports.
    const FIRST_LEN: usize = 256;
    /// 4,000 packets a second, told of after two seconds.
    const MAX_LEN: usize = 8192;
    /// Reports come later than this only where nothing good can be made of them.
    const MEMORY: Duration = Duration::from_secs(2);

    pub(crate) fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            next: 0,
            oldest: 0,
            bytes: 0,
            beside: 0,
            ring: Box::default(),
        }
    }

    /// The number the next packet is to carry.
    pub(crate) fn number(&self) -> SeqNo {
        SeqNo(self.next as u16)
    }

    /// Notes that a packet without a number is on its way.
    pub(crate) fn note_beside(&mut self, size: usize) {
        self.beside += size;
    }

    /// Notes that the packet with that number is on its way.
    pub(crate) fn note(&mut self, now: Instant, size: usize) {
        let size = size + std::mem::take(&mut self.beside);
        let at = self.micros(now) as u32;
        if self.next - self.oldest == self.ring.len() as u64 {
            self.make_room(at);
        }
        let index = self.index(self.next);
        self.ring[index] = Sent {
            at,
            size: size.try_into().unwrap_or(u16::MAX),
            fate: Fate::Unknown,
        };
        self.next += 1;
        self.bytes += size as u64;
    }

    /// Forgets the oldest packet, or takes more memory if that one is still to be heard of.
    #[cold]
    fn make_room(&mut self, at: u32) {
        let len = self.ring.len();
        let oldest = self.ring.get(self.index(self.oldest)).copied();
        let awaited = oldest.is_none_or(|oldest| {
            let age = Duration::from_micros(at.wrapping_sub(oldest.at).into());
            oldest.fate == Fate::Unknown && age < Self::MEMORY
        });
        if !awaited || len >= Self::MAX_LEN {
            self.oldest += 1;
            return;
        }
        let grown = (len * 2).max(Self::FIRST_LEN);
        let mut ring = vec![Sent::default(); grown].into_boxed_slice();
        for number in self.oldest..self.next {
            ring[number as usize % grown] = self.ring[self.index(number)];
        }
        self.ring = ring;
    }

    /// Takes what the client said of the packet `number`; answers what is new in that.
    pub(super) fn judge(&mut self, now: Instant, number: u64, arrived: bool) -> Option<Judged> {
        if !(self.oldest..self.next).contains(&number) {
            return None;
        }
        let now = self.micros(now);
        let index = self.index(number);
        let sent = &mut self.ring[index];
        let (fate, verdict) = match (sent.fate, arrived) {
            (Fate::Unknown, true) => (Fate::Arrived, Verdict::Arrived),
            (Fate::Lost, true) => (Fate::Arrived, Verdict::ArrivedAfterAll),
            (Fate::Unknown, false) => (Fate::Lost, Verdict::Lost),
            (Fate::Lost | Fate::Arrived, _) => return None,
        };
        sent.fate = fate;
        let age = (now as u32).wrapping_sub(sent.at);
        Some(Judged {
            number,
            sent_at: now - Micros::from(age),
            size: sent.size.into(),
            verdict,
        })
    }

    /// The whole of the number `seq` that was sent last, whether still known or not.
    pub(super) fn unwrap(&self, seq: SeqNo) -> Option<u64> {
        let behind = u64::from((self.next as u16).wrapping_sub(seq.0).wrapping_sub(1)) + 1;
        self.next.checked_sub(behind)
    }

    /// When the first packet from `number` on was sent that is still known.
    pub(super) fn untold_since(&self, now: Instant, number: u64) -> Option<Instant> {
        let number = number.max(self.oldest);
        let sent = (number < self.next).then(|| self.ring[self.index(number)])?;
        let age = (self.micros(now) as u32).wrapping_sub(sent.at);
        now.checked_sub(Duration::from_micros(age.into()))
    }

    /// The number of the next packet, whole.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// All bytes ever sent.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn micros(&self, now: Instant) -> Micros {
        now.saturating_duration_since(self.epoch).as_micros() as Micros
    }

    fn index(&self, number: u64) -> usize {
        // The length is a power of two, or nothing.
        number as usize & self.ring.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn packets_are_found_by_number_across_the_wrap_and_judged_once() {
        let start = start();
        let mut log = SentLog::new(start);
        for i in 0..70_000u64 {
            assert_eq!(log.number(), SeqNo(i as u16));
            log.note(start + Duration::from_millis(10 * i), 100);
        }
        let now = start + Duration::from_millis(700_100);
        assert_eq!(log.unwrap(SeqNo(69_999u64 as u16)), Some(69_999));
        assert_eq!(log.unwrap(SeqNo(70_000u64 as u16)), Some(70_000 - 65_536));
        assert_eq!(log.untold_since(now, 70_000), None);
        let sent_at = start + Duration::from_millis(699_990);
        assert_eq!(log.untold_since(now, 69_999), Some(sent_at));
        assert_eq!((log.next(), log.bytes()), (70_000, 7_000_000));
        let verdicts = [(false, Some(Verdict::Lost)), (false, None)];
        let late = [(true, Some(Verdict::ArrivedAfterAll)), (true, None)];
        for (arrived, expected) in verdicts.into_iter().chain(late).chain([(false, None)]) {
            let judged = log.judge(now, 69_990, arrived);
            assert_eq!(judged.map(|judged| judged.verdict), expected);
            let sent_at = judged.map_or(699_900_000, |judged| judged.sent_at);
            assert_eq!(sent_at, 699_900_000);
        }
        assert_eq!(log.judge(now, 70_000, true), None);
        assert_eq!(log.judge(now, 0, true), None);
    }

    #[test]
    fn memory_grows_only_for_packets_still_to_be_heard_of() {
        let start = start();
        let mut log = SentLog::new(start);
        let mut now = start;
        let mut send = |log: &mut SentLog, count: u64, gap: Duration| {
            for _ in 0..count {
                log.note(now, 100);
                now += gap;
            }
        };
        send(&mut log, 300, Duration::from_millis(20));
        assert_eq!(log.ring.len(), SentLog::FIRST_LEN);
        send(&mut log, 2_000, Duration::from_millis(1));
        assert_eq!(log.ring.len(), 2048);
        assert_eq!(log.next() - log.oldest, 2_048);
        send(&mut log, 100_000, Duration::from_micros(1));
        assert_eq!(log.ring.len(), SentLog::MAX_LEN);
        assert_eq!(log.next() - log.oldest, SentLog::MAX_LEN as u64);
    }
}
