//! A path with a bottleneck in virtual time, seeded: rate, queue, delay, jitter and loss, all
//! of which may change while packets are under way.

use std::collections::{BTreeMap, VecDeque};

/// Microseconds since the beginning.
pub(super) type Time = u64;
pub(super) const MS: Time = 1_000;
pub(super) const SECOND: Time = 1_000_000;

/// xorshift64*.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit.max(1)
    }
}

/// One packet of one flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) flow: usize,
    pub(super) number: u64,
    pub(super) size: u64,
}

/// What a path is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) kilobits: u64,
    /// How long the last packet in a full queue waits.
    pub(super) queue: Time,
    /// One way.
    pub(super) delay: Time,
    /// Packets take up to this much longer, without overtaking.
    pub(super) jitter: Time,
    pub(super) loss_percent: u64,
    /// Nothing gets through.
    pub(super) dead: bool,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            kilobits: 1_000,
            queue: 300 * MS,
            delay: 25 * MS,
            jitter: 2 * MS,
            loss_percent: 0,
            dead: false,
        }
    }
}

/// The bottleneck all flows share.
#[derive(Debug)]
pub(super) struct Bottleneck {
    pub(super) path: Path,
    random: Random,
    queue: VecDeque<Packet>,
    queued: u64,
    /// Bytes that could have left since the last packet did.
    credit: f64,
    last_arrival: BTreeMap<usize, Time>,
    pub(super) dropped: u64,
}

impl Bottleneck {
    pub(super) fn new(path: Path, seed: u64) -> Self {
        Self {
            path,
            random: Random::new(seed),
            queue: VecDeque::new(),
            queued: 0,
            credit: 0.0,
            last_arrival: BTreeMap::new(),
            dropped: 0,
        }
    }

    pub(super) fn send(&mut self, packet: Packet) {
        // Some packets fit however slow the path is.
        let room = (self.path.kilobits * self.path.queue / 8_000 / MS * 1_000).max(6_000);
        let lost = self.random.below(100) < self.path.loss_percent;
        if self.path.dead || lost || self.queued + packet.size > room {
            self.dropped += 1;
            return;
        }
        self.queued += packet.size;
        self.queue.push_back(packet);
    }

    /// Lets a millisecond pass; answers what leaves, and when it arrives.
    pub(super) fn pass(&mut self, now: Time) -> Vec<(Time, Packet)> {
        let mut left = Vec::new();
        self.credit += self.path.kilobits as f64 / 8.0;
        while let Some(packet) = self.queue.front().copied() {
            if (packet.size as f64) > self.credit {
                return left;
            }
            self.credit -= packet.size as f64;
            self.queued -= packet.size;
            self.queue.pop_front();
            let at = now + self.path.delay + self.random.below(self.path.jitter + 1);
            let last = self.last_arrival.entry(packet.flow).or_default();
            *last = at.max(*last);
            left.push((*last, packet));
        }
        self.credit = self.credit.min(self.path.kilobits as f64 / 8.0);
        left
    }

    /// How long a packet would wait now.
    pub(super) fn waiting(&self) -> Time {
        self.queued * 8 * MS / self.path.kilobits.max(1)
    }
}
