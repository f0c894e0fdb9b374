//! What was sent on one lane of late, to be sent again when the other end misses it.
//!
//! A repair must never feed the congestion that lost its original: repairs are a share of what is
//! sent, and one packet is repaired no more than twice in quick succession.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::frame::{Copy, FlowId, LinkSeq, Media, Place};
use crate::numbers::{Unwrapper, wrap};
use crate::scheduler::Class;

/// The sending half of one lane: gives numbers, and keeps what it gave them to.
#[derive(Debug)]
pub struct Ring {
    kept: VecDeque<Kept>,
    /// The next number.
    next: u64,
    /// Bytes that may be spent on repairs.
    budget: f64,
}

#[derive(Debug)]
struct Kept {
    flow: FlowId,
    place: Place,
    class: Class,
    rtp: Bytes,
    sent_at: Instant,
    repaired: [Option<Instant>; 2],
}

/// Why a request is not met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is not here, any more or at all: say so.
    Gone,
    /// It was sent again just now.
    Recent,
    /// Repairs took their share.
    Budget,
}

impl Ring {
    /// At 16,000 packets/s a second's worth.
    const MOST: usize = 16_384;
    /// Nobody has a use for what is older.
    const AGE: Duration = Duration::from_secs(1);
    /// How much of what is sent may be repairs.
    const SHARE: f64 = 0.25;
    /// What may be saved up: a lost burst can be repaired at once.
    const SAVED: f64 = 128_000.0;
    /// One packet goes again at most twice in this time.
    const AGAIN: Duration = Duration::from_millis(200);

    /// Nothing was sent yet.
    pub fn new() -> Self {
        Self {
            kept: VecDeque::new(),
            next: 1 << 32,
            budget: Self::SAVED,
        }
    }

    /// Gives a packet its number, now that nothing can drop it any more.
    pub fn number(
        &mut self,
        now: Instant,
        flow: FlowId,
        class: Class,
        place: Place,
        rtp: Bytes,
    ) -> Media {
        self.drop_old(now);
        self.budget = (self.budget + rtp.len() as f64 * Self::SHARE).min(Self::SAVED);
        let seq = wrap(self.next);
        self.next += 1;
        self.kept.push_back(Kept {
            flow,
            place,
            class,
            rtp: rtp.clone(),
            sent_at: now,
            repaired: [None; 2],
        });
        Media {
            flow,
            seq,
            copy: Copy::Original,
            place,
            rtp,
        }
    }

    /// The packet with that number, to be sent again, and the class that a repair of it has.
    pub fn repair(&mut self, now: Instant, seq: LinkSeq) -> Result<(Class, Media), Refusal> {
        self.drop_old(now);
        let number = self.unwrap(seq);
        let index = (self.next - self.kept.len() as u64..self.next)
            .contains(&number)
            .then(|| (number + self.kept.len() as u64 - self.next) as usize)
            .ok_or(Refusal::Gone)?;
        let kept = &mut self.kept[index];
        let recent = |at: &Instant| now.saturating_duration_since(*at) < Self::AGAIN;
        if kept
            .repaired
            .iter()
            .flatten()
            .filter(|at| recent(at))
            .count()
            == kept.repaired.len()
        {
            return Err(Refusal::Recent);
        }
        let cost = kept.rtp.len() as f64;
        if self.budget < cost {
            return Err(Refusal::Budget);
        }
        self.budget -= cost;
        kept.repaired = [Some(now), kept.repaired[0]];
        let media = Media {
            flow: kept.flow,
            seq,
            copy: Copy::Repair,
            place: kept.place,
            rtp: kept.rtp.clone(),
        };
        Ok((kept.class.again(), media))
    }

    /// How many numbers were given before `seq`, wrapping, and the next one: for reckoning loss.
    pub fn next(&self) -> LinkSeq {
        wrap(self.next)
    }

    fn unwrap(&self, seq: LinkSeq) -> u64 {
        let mut unwrapper = Unwrapper::default();
        unwrapper.advance(self.next);
        unwrapper.peek(seq)
    }

    fn drop_old(&mut self, now: Instant) {
        let old = |kept: &Kept| now.saturating_duration_since(kept.sent_at) > Self::AGE;
        while self.kept.len() >= Self::MOST || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
        }
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    #[test]
    fn numbers_rise_by_one_and_a_repair_keeps_its_own() {
        let mut ring = Ring::new();
        let sent = [send(&mut ring, 0), send(&mut ring, 1)];
        assert_eq!(sent[1].seq, sent[0].seq.plus(1));
        let (class, repair) = ring.repair(start() + ms(40), sent[0].seq).unwrap();
        assert_eq!(class, Class::VideoRepair);
        assert_eq!(
            repair,
            Media {
                copy: Copy::Repair,
                ..sent[0].clone()
            }
        );
    }

    #[test]
    fn what_is_old_or_was_never_sent_is_gone() {
        let mut ring = Ring::new();
        let sent = send(&mut ring, 0);
        for (at, seq) in [
            (1, sent.seq.plus(1)),
            (1, sent.seq.plus(u32::MAX)),
            (1_001, sent.seq),
        ] {
            assert_eq!(ring.repair(start() + ms(at), seq), Err(Refusal::Gone));
        }
    }

    #[test]
    fn one_packet_goes_again_twice_in_a_while() {
        let mut ring = Ring::new();
        let sent = send(&mut ring, 0);
        let mut repair = |at| ring.repair(start() + ms(at), sent.seq).map(drop);
        assert_eq!(repair(40), Ok(()));
        assert_eq!(repair(90), Ok(()));
        assert_eq!(repair(91), Err(Refusal::Recent));
        assert_eq!(repair(241), Ok(()));
    }

    #[test]
    fn repairs_are_a_quarter_of_what_is_sent() {
        let mut ring = Ring::new();
        let sent: Vec<_> = (0..1_000).map(|at| send(&mut ring, at / 10)).collect();
        let repaired = sent
            .iter()
            .filter(|media| ring.repair(start() + ms(100), media.seq).is_ok())
            .count();
        assert_eq!(
            repaired,
            Ring::SAVED as usize / 1_000,
            "what was saved up, and no more"
        );
        for _ in 0..8 {
            send(&mut ring, 101);
        }
        let again = sent
            .iter()
            .rev()
            .filter(|media| ring.repair(start() + ms(102), media.seq).is_ok())
            .count();
        assert_eq!(again, 2, "a quarter of eight");
    }

    fn send(ring: &mut Ring, at: u64) -> Media {
        let flow = FlowId::new(7).unwrap();
        let rtp = Bytes::from(vec![0x80; 1_000]);
        ring.number(
            start() + ms(at),
            flow,
            Class::BaseLayer,
            Place::default(),
            rtp,
        )
    }
}
