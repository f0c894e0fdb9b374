//! Tells a path that is longer now from a queue: both make packets take longer.
//!
//! A queue grows from packet to packet, for somebody has to send what waits in it. Where one packet
//! takes much longer than the one right before it, and all that follow take as long, nothing waits:
//! they go another way.

use std::time::{Duration, Instant};

/// Watches how long packets take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Detour {
    last: Option<Sample>,
    jump: Option<Jump>,
}

/// One packet: when it left, and how long its receipt took.
#[derive(Clone, Copy, Debug)]
struct Sample {
    sent_at: Instant,
    took: Duration,
}

/// Packets take longer all at once.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// How long they took before.
    before: Duration,
    began_at: Instant,
    /// The quickest of the first half of the time it is watched, and of the second.
    early: Duration,
    late: Duration,
}

impl Detour {
    /// Less is a burst of somebody's.
    const LEAST: Duration = Duration::from_millis(25);
    /// A queue grows by what more comes than leaves: no path is so much slower than those who use it.
    const STEEPEST: u32 = 4;
    /// How long packets are to take as long.
    const WATCHED: Duration = Duration::from_millis(80);
    /// They do up to this share ...
    const LEVEL: f64 = 0.05;
    /// ... or this time: receipts wait for each other.
    const JITTER: Duration = Duration::from_millis(5);

    /// A packet that left at `sent_at` took so long. Whether the path is longer now.
    pub(super) fn see(&mut self, sent_at: Instant, took: Duration) -> bool {
        let sample = Sample { sent_at, took };
        let Some(last) = self.last.replace(sample) else {
            return false;
        };
        let apart = sent_at.saturating_duration_since(last.sent_at);
        let longer = took.saturating_sub(last.took);
        if longer > Self::LEAST && longer > apart * Self::STEEPEST {
            // Its two directions may change one after the other.
            let before = self.jump.map_or(last.took, |jump| jump.before);
            self.jump = Some(Jump {
                before,
                began_at: sent_at,
                early: took,
                late: Duration::MAX,
            });
            return false;
        }
        let Some(jump) = &mut self.jump else {
            return false;
        };
        if took < jump.before + Self::LEAST {
            // It was a stall, and is over.
            self.jump = None;
            return false;
        }
        let watched = sent_at.saturating_duration_since(jump.began_at);
        if watched < Self::WATCHED / 2 {
            jump.early = jump.early.min(took);
        } else {
            jump.late = jump.late.min(took);
        }
        if watched < Self::WATCHED {
            return false;
        }
        match jump.verdict() {
            Verdict::Falls => {
                jump.began_at = sent_at;
                jump.early = took;
                jump.late = Duration::MAX;
                false
            }
            Verdict::Level => {
                self.jump = None;
                true
            }
            Verdict::Queue => {
                self.jump = None;
                false
            }
        }
    }

    /// Whether packets take longer all at once, and it is not known yet why.
    pub(super) fn is_suspected(&self) -> bool {
        self.jump.is_some()
    }

    /// What was seen is of no use any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// What a jump turns out to be, a while later.
enum Verdict {
    /// The path is longer.
    Level,
    /// Somebody stood still, and those who waited for it come all at once.
    Falls,
    Queue,
}

impl Jump {
    fn verdict(&self) -> Verdict {
        let most = self.early.mul_f64(Detour::LEVEL).max(Detour::JITTER);
        if self.early.abs_diff(self.late) <= most {
            Verdict::Level
        } else if self.late + Detour::WATCHED / 4 <= self.early {
            Verdict::Falls
        } else {
            Verdict::Queue
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    /// Whether packets that leave each millisecond and take so many of them show a longer path.
    fn longer(takes: impl Fn(u64) -> u64) -> bool {
        let mut detour = Detour::default();
        let found: Vec<bool> = (0..500)
            .map(|at| detour.see(start() + ms(at), ms(takes(at))))
            .collect();
        found.contains(&true)
    }

    #[test]
    fn a_path_that_is_longer_from_one_packet_to_the_next_is_told_from_a_queue() {
        type Takes = fn(u64) -> u64;
        let cases: [(&str, Takes, bool); 8] = [
            ("nothing happens", |_| 15, false),
            ("a detour", |at| if at < 100 { 15 } else { 120 }, true),
            (
                "one with jitter",
                |at| at * 7 % 5 + if at < 100 { 15 } else { 120 },
                true,
            ),
            (
                "one way first, then the other",
                |at| match at {
                    0..100 => 15,
                    100..108 => 67,
                    _ => 120,
                },
                true,
            ),
            ("a queue grows", |at| (15 + at / 2).min(120), false),
            (
                "quickly",
                |at| (15 + at.saturating_sub(100) * 4).min(120),
                false,
            ),
            (
                "a stall",
                |at| {
                    if at < 100 {
                        15
                    } else {
                        215_u64.saturating_sub(at).max(15)
                    }
                },
                false,
            ),
            (
                "somebody's burst, and it goes on",
                |at| {
                    if at < 100 {
                        15
                    } else {
                        (60 + (at - 100) / 3).min(120)
                    }
                },
                false,
            ),
        ];
        for (what, takes, expected) in cases {
            assert_eq!(longer(takes), expected, "{what}");
        }
    }
}
