//! The slowest hop: one packet at a time at a rate, the others in a queue that drops its newest.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::conditions::{Queue, Rate};

/// The queue, whose head is being sent.
#[derive(Debug, Default)]
pub struct Bottleneck {
    waiting: VecDeque<Waiting>,
    /// In it, the head included.
    bytes: usize,
    /// When the head's last bit leaves.
    head_out_at: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    packet: Vec<u8>,
}

/// A packet that has left.
#[derive(Debug)]
pub struct Left {
    /// When its last bit left.
    pub at: Instant,
    /// From its coming to its last bit's leaving.
    pub waited: Duration,
    /// Itself.
    pub packet: Vec<u8>,
}

impl Bottleneck {
    /// Takes a packet, unless it finds the queue full. An idle bottleneck takes any packet.
    pub fn offer(
        &mut self,
        now: Instant,
        packet: Vec<u8>,
        rate: Option<Rate>,
        limit: Queue,
    ) -> bool {
        let bytes = self.bytes + packet.len();
        if !self.waiting.is_empty() && !limit.holds(bytes, rate) {
            return false;
        }
        self.bytes = bytes;
        self.waiting.push_back(Waiting { since: now, packet });
        if self.head_out_at.is_none() {
            self.start_head(now, rate);
        }
        true
    }

    /// The next packet whose last bit has left by now.
    pub fn leave(&mut self, now: Instant, rate: Option<Rate>) -> Option<Left> {
        let at = self.head_out_at.filter(|at| *at <= now)?;
        let Waiting { since, packet } = self.waiting.pop_front()?;
        self.bytes -= packet.len();
        self.start_head(at, rate);
        Some(Left {
            at,
            waited: at.saturating_duration_since(since),
            packet,
        })
    }

    /// The part of the head that is not out yet leaves at the new rate.
    pub fn change_rate(&mut self, now: Instant, old: Option<Rate>, new: Option<Rate>) {
        let Some(out_at) = self.head_out_at.as_mut() else {
            return;
        };
        let left = out_at.saturating_duration_since(now);
        *out_at = match (old, new) {
            (Some(old), Some(new)) => {
                now + Duration::from_secs_f64(left.as_secs_f64() * old.bits() / new.bits())
            }
            (None, _) | (_, None) => now,
        };
    }

    /// When the next packet leaves.
    pub fn next_at(&self) -> Option<Instant> {
        self.head_out_at
    }

    fn start_head(&mut self, now: Instant, rate: Option<Rate>) {
        self.head_out_at = self.waiting.front().map(|head| match rate {
            Some(rate) => now + rate.time(head.packet.len()),
            None => now,
        });
    }
}
