//! What came on one lane and what is missing: refuses doubles, says what to ask for again and
//! when to stop asking.
//!
//! A number is missing once later ones came. It is asked for when it is [`Patience`] late, again
//! after a round trip, and given up when its packet would be of no use any more. What was given up
//! is counted; whether a picture needs a keyframe then is for the room at the end to see.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::frame::{Copy, LinkSeq};
use crate::numbers::{Unwrapper, wrap};

/// The receiving half of one lane.
#[derive(Debug)]
pub struct Arrivals {
    patience: Patience,
    useful_for: Duration,
    numbers: Unwrapper,
    /// One bit for each of the last [`Arrivals::WINDOW`] numbers.
    seen: Box<[u64; Self::WINDOW / 64]>,
    /// What is asked for, rising.
    missing: VecDeque<Gap>,
    /// The earliest moment at which a gap has to be looked at.
    wake_at: Option<Instant>,
    originals: u32,
    given_up: u64,
}

/// How late a number may be before it is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// This long after a later one came...
    pub time: Duration,
    /// ...or when so many later ones came.
    pub packets: u64,
}

impl Patience {
    /// Longer than packets of one burst overtake each other, shorter than anybody hears.
    pub const SHORT: Self = Self {
        time: Duration::from_millis(3),
        packets: 3,
    };
    /// Longer than a repetition takes to come by itself (see [`Repetition`](crate::Repetition)).
    pub const REPEATED: Self = Self {
        time: Duration::from_millis(28),
        packets: u64::MAX,
    };
}

/// What a packet that came is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// Hand it on.
    New,
    /// It came before.
    Double,
    /// It is older than what is remembered, or leaps so far ahead that it can't be believed.
    OutOfWindow,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    number: u64,
    since: Instant,
    ask_at: Instant,
    tries: u8,
}

impl Arrivals {
    /// How many numbers are remembered: a second at 16,000 packets/s.
    const WINDOW: usize = 16_384;
    /// More than this is no loss but an outage: the older gaps are given up.
    const MOST_MISSING: usize = 2_048;
    /// Each costs a round trip; after so many the path is not worth it.
    const TRIES: u8 = 4;
    /// Requests follow each other no faster than this, however short the round trip.
    const RETRY_FLOOR: Duration = Duration::from_millis(15);

    /// Nothing came yet. What is missing for `useful_for` is given up.
    pub fn new(useful_for: Duration) -> Self {
        Self {
            patience: Patience::SHORT,
            useful_for,
            numbers: Unwrapper::default(),
            seen: Box::new([0; Self::WINDOW / 64]),
            missing: VecDeque::new(),
            wake_at: None,
            originals: 0,
            given_up: 0,
        }
    }

    /// From now on a number may be so late.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// A packet came.
    pub fn arrive(&mut self, now: Instant, seq: LinkSeq, copy: Copy) -> Arrival {
        let number = self.numbers.peek(seq);
        let Some(highest) = self.numbers.highest() else {
            return self.begin(number, copy);
        };
        if number > highest {
            if number - highest >= Self::WINDOW as u64 {
                return self.leap(number, copy);
            }
            if copy != Copy::Original {
                // Its original was never announced by a later one; it stands for it.
                self.pass(now, highest, number);
                self.mark(number);
                return Arrival::New;
            }
            self.originals = self.originals.wrapping_add(1);
            self.pass(now, highest, number);
            self.mark(number);
            self.hurry(now, number);
            return Arrival::New;
        }
        if highest - number >= Self::WINDOW as u64 {
            return Arrival::OutOfWindow;
        }
        if copy == Copy::Original {
            self.originals = self.originals.wrapping_add(1);
        }
        if self.is_marked(number) {
            return Arrival::Double;
        }
        self.mark(number);
        self.forget(number);
        Arrival::New
    }

    /// The other end has it no more.
    pub fn gone(&mut self, seq: LinkSeq) {
        if self.forget(self.numbers.peek(seq)) {
            self.given_up += 1;
        }
    }

    /// Appends the numbers to ask for now, rising. `round_trip` is the path's.
    pub fn ask(&mut self, now: Instant, round_trip: Duration, numbers: &mut Vec<LinkSeq>) {
        if self.wake_at.is_none_or(|at| at > now) {
            return;
        }
        let retry = (round_trip.mul_f64(1.125) + Duration::from_millis(5)).max(Self::RETRY_FLOOR);
        let useful_for = self.useful_for;
        let before = self.missing.len();
        self.missing.retain_mut(|gap| {
            if gap.ask_at > now {
                return true;
            }
            let late = now.saturating_duration_since(gap.since) + round_trip / 2 >= useful_for;
            if late || gap.tries == Self::TRIES {
                return false;
            }
            gap.tries += 1;
            gap.ask_at = now + retry;
            numbers.push(wrap(gap.number));
            true
        });
        self.given_up += (before - self.missing.len()) as u64;
        self.wake_at = self.missing.iter().map(|gap| gap.ask_at).min();
    }

    /// When to [`ask`](Self::ask) next.
    pub fn deadline(&self) -> Option<Instant> {
        self.wake_at
    }

    /// One past the highest number that came.
    pub fn next(&self) -> LinkSeq {
        self.numbers
            .highest()
            .map_or(LinkSeq(0), |highest| wrap(highest + 1))
    }

    /// How many originals came, wrapping.
    pub fn originals(&self) -> u32 {
        self.originals
    }

    /// How many numbers never came.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    fn begin(&mut self, number: u64, copy: Copy) -> Arrival {
        if copy == Copy::Original {
            self.originals = self.originals.wrapping_add(1);
        }
        self.numbers.advance(number);
        self.mark(number);
        Arrival::New
    }

    /// A leap beyond the window: after an outage everything between is lost.
    fn leap(&mut self, number: u64, copy: Copy) -> Arrival {
        if copy != Copy::Original {
            return Arrival::OutOfWindow;
        }
        let between = number - self.numbers.highest().unwrap_or(number);
        self.given_up += between.saturating_sub(1) + self.missing.len() as u64;
        self.missing.clear();
        self.wake_at = None;
        self.seen.fill(0);
        self.begin(number, copy)
    }

    /// Everything between `highest` and `number` is missing.
    fn pass(&mut self, now: Instant, highest: u64, number: u64) {
        for between in highest + 1..number {
            self.unmark(between);
            if self.missing.len() == Self::MOST_MISSING {
                self.missing.pop_front();
                self.given_up += 1;
            }
            self.missing.push_back(Gap {
                number: between,
                since: now,
                ask_at: now + self.patience.time,
                tries: 0,
            });
        }
        if number > highest + 1 {
            self.wake_by(now + self.patience.time);
        }
        self.numbers.advance(number);
    }

    /// What is more than so many packets behind `number` is asked for at once.
    fn hurry(&mut self, now: Instant, number: u64) {
        let Some(limit) = number.checked_sub(self.patience.packets) else {
            return;
        };
        let mut due = false;
        for gap in self.missing.iter_mut().rev() {
            if gap.number > limit {
                continue;
            }
            // Older ones were hurried by earlier packets.
            if gap.tries > 0 || gap.ask_at <= now {
                break;
            }
            gap.ask_at = now;
            due = true;
        }
        if due {
            self.wake_by(now);
        }
    }

    fn wake_by(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |wake_at| wake_at.min(at)));
    }

    fn forget(&mut self, number: u64) -> bool {
        let found = self.missing.binary_search_by_key(&number, |gap| gap.number);
        found.is_ok_and(|index| self.missing.remove(index).is_some())
    }

    fn is_marked(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.seen[word] & bit != 0
    }

    fn mark(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.seen[word] |= bit;
    }

    fn unmark(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.seen[word] &= !bit;
    }

    fn place(number: u64) -> (usize, u64) {
        let index = number as usize % Self::WINDOW;
        (index / 64, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    const ROUND_TRIP: Duration = ms(40);

    #[test]
    fn a_gap_is_asked_for_after_three_packets_or_three_milliseconds() {
        let mut lane = Lane::new();
        lane.originals(0, [0, 1, 3]);
        lane.asks(0, []);
        lane.originals(1, [4]);
        lane.asks(1, []);
        lane.originals(1, [5]);
        lane.asks(1, [2]);

        let mut lane = Lane::new();
        lane.originals(0, [0, 2]);
        assert_eq!(lane.arrivals.deadline(), Some(start() + ms(3)));
        lane.asks(2, []);
        lane.asks(3, [1]);
    }

    #[test]
    fn packets_that_overtake_each_other_are_no_loss() {
        let mut lane = Lane::new();
        lane.originals(0, [0, 2, 1, 4, 3]);
        lane.asks(10, []);
        assert_eq!(lane.arrivals.given_up(), 0);
        assert_eq!(lane.arrivals.originals(), 5);
    }

    #[test]
    fn requests_are_repeated_after_a_round_trip_and_end() {
        let mut lane = Lane::new();
        lane.originals(0, [0, 2]);
        lane.asks(3, [1]);
        lane.asks(52, []);
        lane.asks(53, [1]);
        lane.asks(103, [1]);
        lane.asks(153, [1]);
        assert_eq!(lane.arrivals.given_up(), 0);
        lane.asks(203, []);
        assert_eq!(lane.arrivals.given_up(), 1);
        assert_eq!(lane.arrivals.deadline(), None);
    }

    #[test]
    fn what_would_come_too_late_is_not_asked_for() {
        let mut lane = Lane::new();
        lane.originals(0, [0, 2]);
        lane.asks(381, []);
        assert_eq!(lane.arrivals.given_up(), 1);
    }

    #[test]
    fn a_repair_ends_the_asking_and_comes_once() {
        let mut lane = Lane::new();
        lane.originals(0, [0, 2]);
        lane.asks(3, [1]);
        let mut repair = || {
            lane.arrivals
                .arrive(start() + ms(43), LinkSeq(1), Copy::Repair)
        };
        assert_eq!(repair(), Arrival::New);
        assert_eq!(repair(), Arrival::Double);
        lane.asks(60, []);
        assert_eq!(lane.arrivals.originals(), 2, "a repair is no original");
    }

    #[test]
    fn what_is_gone_is_not_asked_for_again() {
        let mut lane = Lane::new();
        lane.originals(0, [0, 3]);
        lane.asks(3, [1, 2]);
        lane.arrivals.gone(LinkSeq(1));
        lane.arrivals.gone(LinkSeq(77));
        lane.asks(53, [2]);
        assert_eq!(lane.arrivals.given_up(), 1);
    }

    #[test]
    fn with_repetitions_under_way_asking_waits_for_them() {
        let mut lane = Lane::new();
        lane.arrivals.set_patience(Patience::REPEATED);
        lane.originals(0, [0, 2, 3, 4, 5, 6]);
        lane.asks(27, []);
        lane.asks(28, [1]);
    }

    #[test]
    fn an_outage_is_counted_and_not_asked_for() {
        let mut lane = Lane::new();
        lane.originals(0, [0, 1, 100_000]);
        lane.asks(10, []);
        assert_eq!(lane.arrivals.given_up(), 99_998);
        lane.originals(11, [100_001]);
        assert_eq!(
            lane.arrivals.arrive(start(), LinkSeq(1), Copy::Original),
            Arrival::OutOfWindow
        );
    }

    #[test]
    fn a_long_gap_asks_for_its_newest_part() {
        let mut lane = Lane::new();
        lane.originals(0, [0, 3_001]);
        let mut asked = Vec::new();
        lane.arrivals.ask(start() + ms(3), ROUND_TRIP, &mut asked);
        assert_eq!(asked.len(), Arrivals::MOST_MISSING);
        assert_eq!(asked.last(), Some(&LinkSeq(3_000)));
        assert_eq!(
            lane.arrivals.given_up(),
            3_000 - Arrivals::MOST_MISSING as u64
        );
    }

    #[test]
    fn numbers_wrap() {
        let mut lane = Lane::new();
        lane.originals(0, [u32::MAX - 1, 1]);
        lane.asks(3, [u32::MAX, 0]);
        assert_eq!(lane.arrivals.next(), LinkSeq(2));
    }

    struct Lane {
        arrivals: Arrivals,
    }

    impl Lane {
        fn new() -> Self {
            let arrivals = Arrivals::new(ms(400));
            Self { arrivals }
        }

        fn originals<const N: usize>(&mut self, at: u64, numbers: [u32; N]) {
            for number in numbers {
                let arrival =
                    self.arrivals
                        .arrive(start() + ms(at), LinkSeq(number), Copy::Original);
                assert_eq!(arrival, Arrival::New, "{number}");
            }
        }

        fn asks<const N: usize>(&mut self, at: u64, expected: [u32; N]) {
            let mut asked = Vec::new();
            self.arrivals.ask(start() + ms(at), ROUND_TRIP, &mut asked);
            assert_eq!(asked, expected.map(LinkSeq), "{at} ms");
        }
    }
}
