//! One direction of a network: delays, loses and swaps what is sent over it.

use std::time::{Duration, Instant};

use crate::dice::Dice;

#[derive(Debug)]
pub(crate) struct Link<T> {
    network: Network,
    dice: Dice,
    under_way: Vec<(Instant, T)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) loss_percent: u64,
    pub(crate) delay_ms: u64,
    /// Added to the delay at random.
    pub(crate) jitter_ms: u64,
}

impl Network {
    pub(crate) const PERFECT: Self = Self {
        loss_percent: 0,
        delay_ms: 0,
        jitter_ms: 0,
    };

    /// 40 ms there and back, neighbours swapped now and then.
    pub(crate) fn lossy(loss_percent: u64) -> Self {
        Self {
            loss_percent,
            delay_ms: 18,
            jitter_ms: 4,
        }
    }
}

impl<T> Link<T> {
    pub(crate) fn new(network: Network, dice: &mut Dice) -> Self {
        Self {
            network,
            dice: Dice(dice.roll(u64::MAX)),
            under_way: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, now: Instant, sent: T) {
        if self.dice.roll(100) < self.network.loss_percent {
            return;
        }
        let delay = self.network.delay_ms + self.dice.roll(self.network.jitter_ms + 1);
        let at = now + Duration::from_millis(delay);
        let place = self.under_way.partition_point(|(other, _)| *other <= at);
        self.under_way.insert(place, (at, sent));
    }

    pub(crate) fn receive(&mut self, now: Instant) -> Vec<T> {
        let arrived = self.under_way.partition_point(|(at, _)| *at <= now);
        self.under_way
            .drain(..arrived)
            .map(|(_, sent)| sent)
            .collect()
    }
}
