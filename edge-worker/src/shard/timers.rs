//! When a shard has to wake next, and for whom.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::Instant;

use rustc_hash::FxHashMap;

/// One deadline per key.
#[derive(Debug)]
pub(super) struct Timers<K> {
    order: BTreeSet<(Instant, K)>,
    by_key: FxHashMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            order: BTreeSet::new(),
            by_key: FxHashMap::default(),
        }
    }
}

impl<K: Copy + Eq + Hash + Ord> Timers<K> {
    /// `key` wakes at `deadline`, or never.
    pub(super) fn set(&mut self, key: K, deadline: Option<Instant>) {
        let before = match deadline {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if before == deadline {
            return;
        }
        if let Some(at) = before {
            self.order.remove(&(at, key));
        }
        if let Some(at) = deadline {
            self.order.insert((at, key));
        }
    }

    /// `key` wakes at `deadline` at the latest.
    pub(super) fn bring_forward(&mut self, key: K, deadline: Instant) {
        if self.by_key.get(&key).is_none_or(|at| deadline < *at) {
            self.set(key, Some(deadline));
        }
    }

    /// Takes one key whose time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn keys_come_in_order_of_their_newest_deadline() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set('a', Some(at(10)));
        timers.set('b', Some(at(20)));
        timers.set('a', Some(at(30)));
        timers.set('c', Some(at(5)));
        timers.set('c', None);
        assert_eq!(timers.next(), Some(at(20)));
        assert_eq!(timers.pop(at(19)), None);
        assert_eq!(timers.pop(at(30)), Some('b'));
        assert_eq!(timers.pop(at(30)), Some('a'));
        assert_eq!(timers.pop(at(99)), None);
        assert_eq!(timers.next(), None);
    }
}
