//! A path with a bottleneck in virtual time: rate, queue, delay and seeded loss.

pub(crate) mod quic;
pub(crate) mod world;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// One direction of a path, for things of type `T`.
#[derive(Debug)]
pub(crate) struct Path<T> {
    /// Bits per second; 0 is without limit.
    pub(crate) rate: f64,
    /// How long the queue may be.
    pub(crate) queue: Duration,
    pub(crate) delay: Duration,
    /// The share that gets lost...
    pub(crate) loss: f64,
    /// ...and how many in a row, in the mean.
    pub(crate) burst: f64,
    free_at: Option<Instant>,
    under_way: VecDeque<(Instant, T)>,
    in_burst: bool,
    random: u64,
    pub(crate) full: u64,
}

impl<T> Path<T> {
    pub(crate) fn new(rate: f64, queue: Duration, delay: Duration, loss: f64, seed: u64) -> Self {
        Self {
            rate,
            queue,
            delay,
            loss,
            burst: 1.0,
            free_at: None,
            under_way: VecDeque::new(),
            in_burst: false,
            random: seed | 1,
            full: 0,
        }
    }

    /// Puts something of `bytes` onto the path.
    pub(crate) fn send(&mut self, now: Instant, bytes: usize, thing: T) {
        if self.loses() {
            return;
        }
        let mut leaves_at = now;
        if self.rate > 0.0 {
            /// UDP and IPv4.
            const HEADERS: usize = 28;
            let starts_at = self.free_at.map_or(now, |at| at.max(now));
            if starts_at - now > self.queue {
                self.full += 1;
                return;
            }
            let takes = Duration::from_secs_f64((bytes + HEADERS) as f64 * 8.0 / self.rate);
            leaves_at = starts_at + takes;
            self.free_at = Some(leaves_at);
        }
        self.under_way.push_back((leaves_at + self.delay, thing));
    }

    /// What has arrived by `now`.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<T> {
        if self.next_at()? > now {
            return None;
        }
        self.under_way.pop_front().map(|(_, thing)| thing)
    }

    /// When the next thing arrives.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    fn loses(&mut self) -> bool {
        if self.loss <= 0.0 {
            return false;
        }
        if self.burst <= 1.0 {
            return self.draw() < self.loss;
        }
        // Gilbert's two states: bursts of the mean length, the loss as their share of time.
        let ends = 1.0 / self.burst;
        let begins = ends * self.loss / (1.0 - self.loss);
        let drawn = self.draw();
        self.in_burst = if self.in_burst {
            drawn >= ends
        } else {
            drawn < begins
        };
        self.in_burst
    }

    fn draw(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }
}
