//! What a listener hears of one speaker: a frame counts if it, or its repetition, is there when it
//! has to be played. Played is what came the soonest after so long a while as browsers wait on
//! such lines; they adapt, and are no worse.

/// What came of one speaker.
#[derive(Debug, Default)]
pub struct Hearing {
    /// From being sent to being there, of the soonest, in nanoseconds.
    least: Option<u64>,
    /// The newest frame.
    newest: u32,
    /// Which of the 64 frames up to the newest came in time, and which of them there are at all.
    in_time: u64,
    there: u64,
    frames: u64,
    missing: u64,
}

/// What was heard in a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// Frames that had to be played.
    pub frames: u64,
    /// Those of them that were not there.
    pub missing: u64,
    /// From mouth to ear, in nanoseconds; of several speakers the longest.
    pub delay: u64,
}

/// What browsers keep back where packets come 100 ms sooner or later.
const BUFFER: u64 = 200_000_000;
/// A frame is said before it is sent.
const FRAME: u64 = 20_000_000;
/// Frames that are looked at before they count: longer than any of them can be late.
const WINDOW: u32 = 64;

impl Hearing {
    /// A frame, or its repetition, is there.
    pub fn arrived(&mut self, counter: u32, sent_at: u64, now: u64) {
        let took = now.saturating_sub(sent_at);
        let Some(least) = self.least else {
            self.least = Some(took);
            self.newest = counter;
            (self.in_time, self.there) = (1, 1);
            return;
        };
        self.least = Some(least.min(took));
        let in_time = took <= least + BUFFER;
        let ahead = counter.wrapping_sub(self.newest);
        if (1..u32::MAX / 2).contains(&ahead) {
            self.advance(ahead);
        }
        let behind = self.newest.wrapping_sub(counter);
        if behind < WINDOW && in_time {
            self.in_time |= 1 << behind;
        }
    }

    /// What was heard since the last time; the newest frames count later.
    pub fn take(&mut self) -> Heard {
        let heard = Heard {
            frames: self.frames,
            missing: self.missing,
            delay: self.least.map_or(0, |least| least + BUFFER + FRAME),
        };
        (self.frames, self.missing) = (0, 0);
        heard
    }

    /// Moves on to a newer frame: those that leave the window count.
    fn advance(&mut self, ahead: u32) {
        self.newest = self.newest.wrapping_add(ahead);
        let leaving = if ahead < WINDOW {
            !(u64::MAX >> ahead)
        } else {
            self.frames += u64::from(ahead - WINDOW);
            self.missing += u64::from(ahead - WINDOW);
            u64::MAX
        };
        self.frames += u64::from((self.there & leaving).count_ones());
        self.missing += u64::from((self.there & leaving & !self.in_time).count_ones());
        self.in_time = self.in_time.checked_shl(ahead).unwrap_or(0);
        // All from the first one on are there, whether they came or not.
        let new = 1_u64.checked_shl(ahead).map_or(u64::MAX, |bit| bit - 1);
        self.there = self.there.checked_shl(ahead).unwrap_or(0) | new;
    }
}

impl Heard {
    /// Together with what was heard of somebody else.
    pub fn and(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            missing: self.missing + other.missing,
            delay: self.delay.max(other.delay),
        }
    }

    /// The share that was missing, 0 to 1; all, where nothing was there.
    pub fn missed(&self) -> f64 {
        if self.frames == 0 {
            return 1.0;
        }
        self.missing as f64 / self.frames as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Frames each 20 ms, of which those that `take` gives a delay come; then enough for all to count.
    fn heard(count: u32, take: impl Fn(u32) -> Option<u64>) -> Heard {
        let mut hearing = Hearing::default();
        for counter in 0..count + WINDOW {
            let sent_at = u64::from(counter) * 20 * MS;
            let delay = if counter < count {
                take(counter)
            } else {
                Some(300)
            };
            if let Some(delay) = delay {
                hearing.arrived(counter, sent_at, sent_at + delay * MS);
            }
        }
        hearing.take()
    }

    #[test]
    fn what_is_lost_or_late_is_missing_and_what_is_repeated_in_time_is_not() {
        /// When, if ever, a frame comes, and how many are missing.
        type Case = (fn(u32) -> Option<u64>, u64);
        let cases: [Case; 5] = [
            (|_| Some(300), 0),
            (|counter| (counter % 10 != 5).then_some(300), 10),
            (|counter| Some(if counter % 10 == 5 { 499 } else { 300 }), 0),
            (
                |counter| Some(if counter % 10 == 5 { 501 } else { 300 }),
                10,
            ),
            (|counter| (!(5..95).contains(&counter)).then_some(300), 90),
        ];
        for (take, missing) in cases {
            let heard = heard(100, take);
            assert_eq!((heard.frames, heard.missing), (100, missing));
            assert_eq!(heard.delay, 520 * MS);
        }
        let mut hearing = Hearing::default();
        for counter in 0..200_u32 {
            let sent_at = |counter: u32| u64::from(counter) * 20 * MS;
            if counter % 3 != 1 {
                for repeated in [counter.saturating_sub(1), counter] {
                    hearing.arrived(repeated, sent_at(repeated), sent_at(counter) + 300 * MS);
                }
            }
        }
        assert_eq!(hearing.take().missing, 0);
        assert_eq!(
            hearing.take(),
            Heard {
                delay: 520 * MS,
                ..Heard::default()
            }
        );
    }

    #[test]
    fn who_hears_nothing_misses_all() {
        assert_eq!(Heard::default().missed(), 1.0);
        let one = Heard {
            frames: 30,
            missing: 3,
            delay: 5,
        };
        let both = one.and(Heard {
            frames: 10,
            missing: 1,
            delay: 7,
        });
        assert_eq!((both.missed(), both.delay), (0.1, 7));
    }
}
