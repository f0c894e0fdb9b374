//! When somebody speaks, and how large the Opus packets are: every 20 ms in talk spurts,
//! every 400 ms in the pauses between them (DTX, RFC 6716 section 2.1.9).

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Plans the packets of one microphone.
#[derive(Debug)]
pub struct Voice {
    dice: SmallRng,
    next_at: u64,
    state: State,
    until: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Talking,
    Silent,
}

/// A packet that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// At 48 kHz.
    pub timestamp: u32,
    /// Bytes of payload.
    pub bytes: usize,
    /// The first after a pause.
    pub onset: bool,
    /// Loudness in -dBov (RFC 6464).
    pub level: u8,
}

const FRAME: u64 = 20_000_000;
const PAUSE: u64 = 400_000_000;
const SECOND: u64 = 1_000_000_000;

impl Voice {
    /// Starts at `now`, at a phase of its own, talking or not.
    pub fn new(seed: u64, now: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let state = if dice.random_ratio(3, 4) {
            State::Talking
        } else {
            State::Silent
        };
        Self {
            next_at: now + dice.random_range(0..FRAME),
            until: now + dice.random_range(SECOND / 2..3 * SECOND),
            state,
            dice,
        }
    }

    /// Starts at `now` as somebody who does not pause for breath.
    pub fn lecturing(seed: u64, now: u64) -> Self {
        Self {
            state: State::Talking,
            until: u64::MAX,
            ..Self::new(seed, now)
        }
    }

    /// When [`next`](Self::next) has something.
    pub fn deadline(&self) -> u64 {
        self.next_at
    }

    /// The next packet, if it is due.
    pub fn next(&mut self, now: u64) -> Option<Sound> {
        if now < self.next_at {
            return None;
        }
        let at = self.next_at;
        let was = self.state;
        if at >= self.until {
            let (state, length) = match self.state {
                State::Talking => (State::Silent, SECOND / 2..2 * SECOND),
                State::Silent => (State::Talking, SECOND..4 * SECOND),
            };
            self.state = state;
            self.until = at + self.dice.random_range(length);
        }
        let (gap, bytes, level) = match self.state {
            State::Talking => (FRAME, self.dice.random_range(60..=100), 30),
            State::Silent => (PAUSE, QUIET, 127),
        };
        self.next_at = at + gap;
        Some(Sound {
            timestamp: (at / FRAME * 960) as u32,
            bytes,
            onset: was == State::Silent && self.state == State::Talking,
            level,
        })
    }
}

/// A stamp and a little more: nothing smaller can be told from nothing.
const QUIET: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lecture_has_no_pauses() {
        let mut voice = Voice::lecturing(1, 0);
        let sounds = std::iter::from_fn(|| voice.next(60 * SECOND));
        assert!(sounds.take(2_900).all(|sound| sound.level == 30));
    }

    #[test]
    fn spurts_and_pauses_alternate() {
        let mut voice = Voice::new(1, 0);
        let mut sounds = Vec::new();
        while voice.deadline() < 60 * SECOND {
            sounds.extend(voice.next(voice.deadline()));
        }
        let talking = sounds.iter().filter(|sound| sound.level == 30).count();
        let onsets = sounds.iter().filter(|sound| sound.onset).count();
        assert!((1_200..2_800).contains(&talking), "{talking}");
        assert!((8..30).contains(&onsets), "{onsets}");
        assert!(
            sounds
                .iter()
                .all(|sound| (QUIET..=100).contains(&sound.bytes))
        );
        assert_eq!(voice.next(0), None, "nothing is due early");
    }
}
