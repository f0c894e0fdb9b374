//! The packets of one layer that did not come: when to ask for each, how often, and
//! when to give up. How the question is written is left to `transport`.

use std::ops::Range;
use std::time::{Duration, Instant};

use media::{MediaKind, SeqNo};

/// The packets missing, oldest first.
#[derive(Debug)]
pub(crate) struct Missing {
    list: Vec<Lost>,
    patience: Patience,
    /// From asking for a packet to its coming, smoothed.
    repair_time: Duration,
}

#[derive(Debug)]
struct Lost {
    number: u64,
    noticed_at: Instant,
    asked_at: Option<Instant>,
    due_at: Instant,
    tries: u32,
}

/// How long a packet is worth asking for.
#[derive(Debug)]
struct Patience {
    tries: u32,
    age: Duration,
}

/// What came of looking through the list.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Due {
    /// Ask for these.
    pub(crate) ask: Vec<SeqNo>,
    /// So many will not come any more.
    pub(crate) given_up: usize,
}

impl Missing {
    /// More than this is not repaired, but begun anew with a keyframe.
    pub(crate) const MAX: usize = 512;

    pub(crate) fn new(kind: MediaKind) -> Self {
        let patience = match kind {
            // Later than this, a player has made something up.
            MediaKind::Audio => Patience {
                tries: 3,
                age: Duration::from_millis(200),
            },
            // Later than this, a keyframe mends more.
            MediaKind::Video => Patience {
                tries: 10,
                age: Duration::from_millis(600),
            },
        };
        Self {
            list: Vec::new(),
            patience,
            repair_time: FIRST_GUESS,
        }
    }

    /// These were jumped over. `false` if that is too much: the list is empty then.
    #[must_use]
    pub(crate) fn open(&mut self, now: Instant, numbers: Range<u64>) -> bool {
        let count = (numbers.end - numbers.start) as usize;
        if self.list.len() + count > Self::MAX {
            self.list.clear();
            return false;
        }
        self.list.extend(numbers.map(|number| Lost {
            number,
            noticed_at: now,
            asked_at: None,
            due_at: now + REORDERING_TIME,
            tries: 0,
        }));
        true
    }

    /// This one came after all.
    pub(crate) fn close(&mut self, now: Instant, number: u64) {
        let Ok(index) = self.list.binary_search_by_key(&number, |lost| lost.number) else {
            return;
        };
        let lost = self.list.remove(index);
        // With several tries there is no telling which one was answered.
        if let Some(asked_at) = lost.asked_at.filter(|_| lost.tries == 1) {
            let sample = now.saturating_duration_since(asked_at);
            self.repair_time = (self.repair_time * 7 + sample) / 8;
        }
    }

    /// What is to be asked for now, `newest` being the newest packet that came.
    pub(crate) fn poll(&mut self, now: Instant, newest: u64) -> Due {
        let mut due = Due::default();
        let again = (self.repair_time * 5 / 4).clamp(MIN_AGAIN, MAX_AGAIN);
        let Patience { tries, age } = self.patience;
        self.list.retain_mut(|lost| {
            let overtaken = lost.tries == 0 && newest > lost.number + REORDERING;
            if lost.due_at > now && !overtaken {
                return true;
            }
            let old = now.saturating_duration_since(lost.noticed_at) >= age;
            if lost.tries >= tries || old {
                due.given_up += 1;
                return false;
            }
            lost.tries += 1;
            lost.asked_at = Some(now);
            lost.due_at = now + again;
            due.ask.push(SeqNo(lost.number as u16));
            true
        });
        due
    }

    /// When to [`poll`](Self::poll) next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.list.iter().map(|lost| lost.due_at).min()
    }

    /// Whether nothing is missing.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Networks swap neighbours: a packet counts as lost when so many later ones came ...
const REORDERING: u64 = 2;
/// ... or after this time.
const REORDERING_TIME: Duration = Duration::from_millis(10);

/// Until the first repair shows how long they take.
const FIRST_GUESS: Duration = Duration::from_millis(60);

/// Bounds on asking again: not faster than a client next door answers, nor so slow
/// that a video frame misses its time.
const MIN_AGAIN: Duration = Duration::from_millis(20);
const MAX_AGAIN: Duration = Duration::from_millis(150);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn a_packet_is_asked_for_again_and_again_and_then_given_up() {
        for (kind, asked, given_up_at) in [(MediaKind::Video, 8, 610), (MediaKind::Audio, 3, 235)] {
            let start = start();
            let mut missing = Missing::new(kind);
            assert!(missing.open(start, 7..8));
            let mut times = 0;
            let mut now = start;
            while let Some(at) = missing.deadline() {
                assert!(at > now, "a deadline lies ahead");
                now = at;
                times += missing.poll(now, 8).ask.len();
            }
            assert_eq!(times, asked);
            assert_eq!((now - start).as_millis(), given_up_at);
        }
    }

    #[test]
    fn neighbours_that_swapped_places_are_not_lost() {
        let start = start();
        let mut missing = Missing::new(MediaKind::Video);
        assert!(missing.open(start, 7..8));
        assert_eq!(missing.poll(start, 8), Due::default());
        assert_eq!(missing.poll(start, 9), Due::default());
        missing.close(start, 7);
        assert!(missing.is_empty());
        assert!(missing.open(start, 20..22));
        assert_eq!(missing.poll(start, 23).ask, [SeqNo(20)]);
    }

    #[test]
    fn too_much_is_not_asked_for() {
        let now = start();
        let mut missing = Missing::new(MediaKind::Video);
        assert!(missing.open(now, 100..500));
        assert!(!missing.open(now, 600..800));
        assert!(missing.is_empty());
    }

    #[test]
    fn questions_follow_the_time_repairs_take() {
        let mut now = start();
        let mut missing = Missing::new(MediaKind::Video);
        for number in 0..50 {
            assert!(missing.open(now, number..number + 1));
            now = missing.deadline().unwrap();
            missing.poll(now, number + 1);
            now += Duration::from_millis(24);
            missing.close(now, number);
        }
        assert!(missing.open(now, 99..100));
        now += REORDERING_TIME;
        missing.poll(now, 100);
        let wait = missing.deadline().unwrap() - now;
        assert!(wait < Duration::from_millis(35), "{wait:?}");
    }
}
