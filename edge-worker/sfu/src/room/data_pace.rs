//! No more frames a second of a data track than a subscriber wants. A frame of several
//! packets goes as a whole or not at all.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// What became of the frames of one track for one subscriber.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next one may go.
    next_at: Option<Instant>,
    /// The last one, and whether it went.
    last: Option<(u16, Fate)>,
}

/// Whether a packet of a frame goes to a subscriber.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Sent,
    LeftOut,
}

impl Pace {
    /// So many frames a second.
    pub(super) fn new(fps: NonZeroU32) -> Self {
        Self {
            interval: Duration::from_secs(1) / fps.get(),
            next_at: None,
            last: None,
        }
    }

    /// A packet of frame `number` came.
    pub(super) fn judge(&mut self, now: Instant, number: u16) -> Fate {
        if let Some((last, fate)) = self.last
            && last == number
        {
            return fate;
        }
        // Frames come a little early and a little late: half a step either way evens out.
        let due = self.next_at.is_none_or(|at| now + self.interval / 2 >= at);
        let fate = if due {
            let from = self.next_at.unwrap_or(now).max(now - self.interval / 2);
            self.next_at = Some(from + self.interval);
            Fate::Sent
        } else {
            Fate::LeftOut
        };
        self.last = Some((number, fate));
        fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    /// How many of the frames that come at `rate` for ten seconds go at `wanted`.
    fn sent(rate: u32, wanted: u32) -> usize {
        let mut pace = Pace::new(NonZeroU32::new(wanted).unwrap());
        let frames = 0..rate * 10;
        let goes = |frame: &u32| {
            let jitter = Duration::from_millis(u64::from(frame % 3));
            let now = start() + Duration::from_secs(1) * *frame / rate + jitter;
            pace.judge(now, *frame as u16) == Fate::Sent
        };
        frames.filter(goes).count()
    }

    #[test]
    fn no_more_frames_go_than_are_wanted_and_no_fewer() {
        for (rate, wanted, expected) in [
            (30, 10, 99..=101),
            (30, 30, 298..=300),
            (30, 25, 248..=251),
            (5, 30, 50..=50),
            (60, 1, 10..=11),
        ] {
            let sent = sent(rate, wanted);
            assert!(expected.contains(&sent), "{sent} at {wanted} of {rate}");
        }
    }

    #[test]
    fn a_frame_goes_whole_or_not_at_all() {
        let mut pace = Pace::new(NonZeroU32::new(1).unwrap());
        let mut judge = |millis: u64, number| {
            pace.judge(start() + Duration::from_millis(millis), number) == Fate::Sent
        };
        assert!(judge(0, 7) && judge(600, 7), "late parts of a frame go too");
        assert!(!judge(10, 8));
        assert!(!judge(1_200, 8), "no frame begins in the middle");
        assert!(judge(1_201, 9));
    }
}
