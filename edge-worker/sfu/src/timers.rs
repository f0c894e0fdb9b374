//! When a shard, or a room, has to wake next, and for what.
//!
//! Deadlines move with nearly every packet, mostly to later, so a moved one is only noted:
//! the heap finds out when the old one comes up. It grows to its size once and then neither
//! takes memory nor gives it back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;
use std::time::Instant;

use rustc_hash::FxHashMap;

/// One deadline per key.
#[derive(Debug)]
pub struct Timers<K> {
    /// Has an entry for every key at its `queued`, and others that no longer count.
    heap: BinaryHeap<Reverse<(Instant, K)>>,
    by_key: FxHashMap<K, Timer>,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    deadline: Option<Instant>,
    /// Never later than the deadline.
    queued: Instant,
}

/// So many entries of the heap that no longer count are not worth a sweep.
const SWEEP_OVER: usize = 64;

impl<K: Ord> Default for Timers<K> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            by_key: FxHashMap::default(),
        }
    }
}

impl<K: Copy + Eq + Hash + Ord> Timers<K> {
    /// `key` wakes at `deadline`, or never.
    pub fn set(&mut self, key: K, deadline: Option<Instant>) {
        let known = self.by_key.get_mut(&key);
        let Some(at) = deadline else {
            if let Some(timer) = known {
                timer.deadline = None;
            }
            return;
        };
        match known {
            Some(timer) if timer.queued <= at => timer.deadline = deadline,
            Some(_) | None => self.queue(key, at),
        }
    }

    /// `key` wakes at `deadline` at the latest.
    pub fn bring_forward(&mut self, key: K, deadline: Instant) {
        let known = self.by_key.get(&key).and_then(|timer| timer.deadline);
        if known.is_none_or(|at| deadline < at) {
            self.set(key, Some(deadline));
        }
    }

    /// Takes one key whose time has come.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        if self.due_at()? > now {
            return None;
        }
        let Reverse((_, key)) = self.heap.pop()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// The earliest deadline.
    pub fn due_at(&mut self) -> Option<Instant> {
        loop {
            let Reverse((at, key)) = *self.heap.peek()?;
            let timer = self.by_key.get(&key).filter(|timer| timer.queued == at);
            match timer.map(|timer| timer.deadline) {
                Some(Some(deadline)) if deadline == at => return Some(at),
                Some(Some(deadline)) => {
                    self.heap.pop();
                    self.queue(key, deadline);
                }
                Some(None) => {
                    self.heap.pop();
                    self.by_key.remove(&key);
                }
                None => {
                    self.heap.pop();
                }
            }
        }
    }

    fn queue(&mut self, key: K, at: Instant) {
        let timer = Timer {
            deadline: Some(at),
            queued: at,
        };
        self.by_key.insert(key, timer);
        self.heap.push(Reverse((at, key)));
        if self.heap.len() > 2 * self.by_key.len() + SWEEP_OVER {
            self.heap.retain(|Reverse((at, key))| {
                let timer = self.by_key.get(key);
                timer.is_some_and(|timer| timer.queued == *at)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;
    use std::time::Duration;

    #[test]
    fn keys_come_in_order_of_their_newest_deadline() {
        let start = start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set('a', Some(at(10)));
        timers.set('b', Some(at(20)));
        timers.set('a', Some(at(30)));
        timers.set('c', Some(at(5)));
        timers.set('c', None);
        assert_eq!(timers.due_at(), Some(at(20)));
        assert_eq!(timers.pop(at(19)), None);
        assert_eq!(timers.pop(at(30)), Some('b'));
        assert_eq!(timers.pop(at(30)), Some('a'));
        assert_eq!(timers.pop(at(99)), None);
        assert_eq!(timers.due_at(), None);
    }

    #[test]
    fn a_deadline_that_comes_nearer_and_goes_away_again_wakes_once() {
        let start = start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set('a', Some(at(20)));
        timers.bring_forward('a', at(10));
        timers.bring_forward('a', at(15));
        assert_eq!(timers.due_at(), Some(at(10)));
        timers.set('a', None);
        timers.set('a', Some(at(20)));
        assert_eq!(timers.pop(at(19)), None);
        assert_eq!(timers.pop(at(20)), Some('a'));
        assert_eq!(timers.pop(at(99)), None);
    }

    #[test]
    fn moving_deadlines_to_and_fro_does_not_pile_up() {
        let start = start();
        let mut timers = Timers::default();
        for round in 0..10_000_u64 {
            let at = start + Duration::from_millis(20_000 - round);
            timers.set(round % 10, Some(at));
        }
        assert!(timers.heap.len() <= 10 * 2 + SWEEP_OVER);
        let woken: Vec<u64> =
            std::iter::from_fn(|| timers.pop(start + Duration::from_secs(20))).collect();
        assert_eq!(woken.len(), 10);
    }
}
