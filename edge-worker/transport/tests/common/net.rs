//! Datagrams under way: each takes half the round trip and up to 5 ms more, and some get
//! lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) struct Net {
    round_trip: Duration,
    loss_percent: u64,
    random: u64,
    sent: u64,
    under_way: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    /// How many were sent to the client since asked last.
    pub(crate) to_client: u64,
    /// Whether everything gets lost.
    pub(crate) blackhole: bool,
}

impl Net {
    pub(crate) fn new(round_trip: Duration, loss_percent: u64, seed: u64) -> Self {
        Self {
            round_trip,
            loss_percent,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            sent: 0,
            under_way: BTreeMap::new(),
            to_client: 0,
            blackhole: false,
        }
    }

    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    pub(crate) fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.sent += 1;
        self.to_client += u64::from(to.to_string() != super::SERVER);
        if self.blackhole || self.draw(100) < self.loss_percent {
            return;
        }
        let at = now + self.round_trip / 2 + Duration::from_micros(self.draw(5_000));
        self.under_way.insert((at, self.sent), (to, from, bytes));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn arrived(&mut self, now: Instant) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
