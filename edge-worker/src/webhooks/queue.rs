//! The events that wait for one endpoint: one lane per room, each trying its oldest
//! event until it is delivered or given up.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Dropped;
use super::event::Event;

/// Lanes of events. Told the time, it says what is due.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: HashMap<Arc<str>, Lane>,
    /// Lanes whose first event may be tried, by when.
    waiting: BTreeSet<(Instant, Arc<str>)>,
    bytes: u64,
    events: usize,
}

#[derive(Debug)]
struct Lane {
    events: VecDeque<Arc<Event>>,
    failures: u32,
}

/// What became of one try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Taken.
    Delivered,
    /// Not taken; perhaps later.
    Failed,
    /// Not wanted.
    Refused,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is done.
    Delivered,
    /// It is tried again after so long.
    Again(Duration),
    /// It is given up.
    Given(Dropped),
}

/// Receivers that restart are back within minutes; one that is gone for longer than an
/// hour has other ways to learn what happened.
pub(super) const TRIED_FOR: Duration = Duration::from_secs(3600);

/// The first pause after a failure; each further one is twice as long ...
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// ... up to this: a receiver that is back hears of everything within half a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Queue {
    /// One more event.
    pub(super) fn push(&mut self, now: Instant, event: Arc<Event>) {
        self.bytes += event.size();
        self.events += 1;
        let room: Arc<str> = event.room.as_str().into();
        match self.lanes.get_mut(&room) {
            Some(lane) => lane.events.push_back(event),
            None => {
                let lane = Lane {
                    events: [event].into(),
                    failures: 0,
                };
                self.lanes.insert(room.clone(), lane);
                self.waiting.insert((now, room));
            }
        }
    }

    /// An event to be tried now. Its room tries no other until it is [`tried`](Self::tried).
    pub(super) fn due(&mut self, now: Instant) -> Option<Arc<Event>> {
        if self.next_at().is_none_or(|at| at > now) {
            return None;
        }
        let (_, room) = self.waiting.pop_first()?;
        let lane = self.lanes.get(&room)?;
        lane.events.front().cloned()
    }

    /// The first event of `room` was tried, `age` after it happened.
    pub(super) fn tried(
        &mut self,
        now: Instant,
        room: &str,
        age: Duration,
        outcome: Outcome,
    ) -> Option<Verdict> {
        let (room, _) = self.lanes.get_key_value(room)?;
        let room = Arc::clone(room);
        let lane = self.lanes.get_mut(&room)?;
        let verdict = match outcome {
            Outcome::Delivered => Verdict::Delivered,
            Outcome::Refused => Verdict::Given(Dropped::Refused),
            Outcome::Failed if age >= TRIED_FOR => Verdict::Given(Dropped::Expired),
            Outcome::Failed => {
                let pause = FIRST_PAUSE * 2_u32.saturating_pow(lane.failures.min(16));
                Verdict::Again(pause.min(LONGEST_PAUSE))
            }
        };
        match verdict {
            Verdict::Again(pause) => {
                lane.failures += 1;
                self.waiting.insert((now + pause, room));
            }
            Verdict::Delivered | Verdict::Given(_) => {
                lane.failures = 0;
                if let Some(event) = lane.events.pop_front() {
                    self.bytes -= event.size();
                    self.events -= 1;
                }
                if lane.events.is_empty() {
                    self.lanes.remove(&room);
                } else {
                    self.waiting.insert((now, room));
                }
            }
        }
        Some(verdict)
    }

    /// When [`due`](Self::due) has something.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Events that wait.
    pub(super) fn len(&self) -> usize {
        self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(room: &str, number: usize) -> Arc<Event> {
        Arc::new(Event {
            id: format!("EV_{room}{number}"),
            room: room.to_owned(),
            at_ms: 0,
            body: "{}".to_owned(),
        })
    }

    fn due(queue: &mut Queue, now: Instant) -> Option<String> {
        queue.due(now).map(|event| event.id.clone())
    }

    const YOUNG: Duration = Duration::from_secs(1);

    #[test]
    fn events_of_a_room_keep_their_order_and_rooms_do_not_wait_for_each_other() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for (room, number) in [("a", 1), ("a", 2), ("b", 1)] {
            queue.push(now, event(room, number));
        }
        let mut first = [due(&mut queue, now), due(&mut queue, now)];
        first.sort();
        assert_eq!(first, [Some("EV_a1".into()), Some("EV_b1".into())]);
        assert_eq!(due(&mut queue, now), None, "one at a time per room");

        let failed = queue.tried(now, "a", YOUNG, Outcome::Failed);
        assert_eq!(failed, Some(Verdict::Again(FIRST_PAUSE)));
        assert_eq!(due(&mut queue, now), None);
        let later = now + FIRST_PAUSE;
        assert_eq!(queue.next_at(), Some(later));
        assert_eq!(due(&mut queue, later), Some("EV_a1".into()), "again");
        queue.tried(later, "a", YOUNG, Outcome::Delivered);
        assert_eq!(due(&mut queue, later), Some("EV_a2".into()));
        queue.tried(later, "a", YOUNG, Outcome::Refused);
        queue.tried(later, "b", YOUNG, Outcome::Delivered);
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
        assert!(queue.lanes.is_empty() && queue.waiting.is_empty());
    }

    #[test]
    fn wh_4_an_event_is_tried_for_an_hour_with_growing_pauses() {
        let mut now = Instant::now();
        let start = now;
        let mut queue = Queue::default();
        queue.push(now, event("a", 1));
        queue.push(now, event("a", 2));
        let mut pauses = Vec::new();
        loop {
            assert_eq!(due(&mut queue, now), Some("EV_a1".into()));
            let verdict = queue.tried(now, "a", now - start, Outcome::Failed);
            match verdict.unwrap() {
                Verdict::Again(pause) => pauses.push(pause),
                Verdict::Given(why) => {
                    assert_eq!(why, Dropped::Expired);
                    break;
                }
                Verdict::Delivered => panic!("it failed"),
            }
            now = queue.next_at().unwrap();
        }
        assert!(now - start >= TRIED_FOR && now - start < TRIED_FOR + LONGEST_PAUSE);
        assert_eq!(pauses[0], FIRST_PAUSE);
        assert_eq!(pauses[1], FIRST_PAUSE * 2);
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert!(pauses.len() > 100, "a receiver that is back hears soon");
        assert_eq!(due(&mut queue, now), Some("EV_a2".into()), "the next one");
    }
}
