//! Who is heard where more microphones are open than anybody can follow: those who spoke
//! last, and of those who speak at once the loudest. Whoever begins to speak is heard from
//! that very packet on.
//!
//! Whom that concerns is left to the room.

use std::time::{Duration, Instant};

use media::AudioLevel;

use crate::TrackKey;

/// A few places for many microphones.
#[derive(Debug, Default)]
pub(crate) struct Loudest {
    places: Vec<Voice>,
}

/// A microphone that is heard.
#[derive(Clone, Copy, Debug)]
struct Voice {
    track: TrackKey,
    /// When it came to its place, or began to speak there.
    since: Instant,
    heard_at: Option<Instant>,
    /// In eighths of a dB below the loudest.
    level: u16,
}

impl Voice {
    fn is_silent(&self, now: Instant) -> bool {
        self.heard_at
            .is_none_or(|at| now.saturating_duration_since(at) >= PAUSE)
    }
}

/// A microphone is heard now, perhaps in place of another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Swap {
    pub(crate) comes: TrackKey,
    pub(crate) goes: Option<TrackKey>,
}

/// Between words nobody loses the place.
const PAUSE: Duration = Duration::from_secs(1);

/// Who speaks keeps the place at least so long, ...
const HOLD: Duration = Duration::from_secs(2);

/// ... and after that gives way only to who is louder by so much, in eighths of a dB.
const LOUDER: u16 = 6 * 8;

/// Of what is new in a packet, so much of 16 parts.
const SMOOTHING: u16 = 1;

impl Loudest {
    /// Hears a packet in which somebody speaks; there are so many places. Tells if it takes
    /// one.
    pub(crate) fn hear(
        &mut self,
        now: Instant,
        track: TrackKey,
        level: AudioLevel,
        places: usize,
    ) -> Option<Swap> {
        let level = u16::from(level.level) * 8;
        if let Some(voice) = self.places.iter_mut().find(|voice| voice.track == track) {
            if voice.is_silent(now) {
                (voice.since, voice.level) = (now, level);
            }
            voice.heard_at = Some(now);
            voice.level = (voice.level * (16 - SMOOTHING) + level * SMOOTHING) / 16;
            return None;
        }
        let voice = Voice {
            track,
            since: now,
            heard_at: Some(now),
            level,
        };
        if self.places.len() < places {
            self.places.push(voice);
            return Some(Swap {
                comes: track,
                goes: None,
            });
        }
        let goes = self.weakest(now, level)?;
        let goes = std::mem::replace(&mut self.places[goes], voice).track;
        Some(Swap {
            comes: track,
            goes: Some(goes),
        })
    }

    /// Gives an open microphone one of so many places, if one is free.
    pub(crate) fn seat(&mut self, now: Instant, track: TrackKey, places: usize) {
        if self.places.len() < places && !self.contains(track) {
            self.places.push(Voice {
                track,
                since: now,
                heard_at: None,
                level: u16::from(u8::MAX) * 8,
            });
        }
    }

    /// No other microphones are open than these.
    pub(crate) fn retain(&mut self, open: &[TrackKey]) {
        self.places.retain(|voice| open.contains(&voice.track));
    }

    /// There are no more than so many places.
    pub(crate) fn shrink(&mut self, places: usize) {
        self.places
            .sort_by_key(|voice| std::cmp::Reverse(voice.heard_at));
        self.places.truncate(places);
    }

    /// Whether a microphone is heard.
    pub(crate) fn contains(&self, track: TrackKey) -> bool {
        self.places.iter().any(|voice| voice.track == track)
    }

    /// Who gives way to somebody who begins to speak at `level`.
    fn weakest(&self, now: Instant, level: u16) -> Option<usize> {
        let places = || self.places.iter().enumerate();
        let longest_silent = places()
            .filter(|(_, voice)| voice.is_silent(now))
            .min_by_key(|(_, voice)| voice.heard_at);
        if let Some((place, _)) = longest_silent {
            return Some(place);
        }
        let (place, quietest) = places().max_by_key(|(_, voice)| voice.level)?;
        let held = now.saturating_duration_since(quietest.since) >= HOLD;
        (held && level + LOUDER <= quietest.level).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    const PLACES: usize = 2;

    struct Play {
        loudest: Loudest,
        now: Instant,
    }

    impl Play {
        fn new() -> Self {
            Self {
                loudest: Loudest::default(),
                now: start(),
            }
        }

        /// All of them speak for a while, at so many dB; who came meanwhile, and who went.
        fn speak(&mut self, voices: &[(u32, u8)], millis: u64) -> Vec<(u32, Option<u32>)> {
            let mut swaps = Vec::new();
            for _ in 0..millis / 20 {
                for (track, level) in voices {
                    let level = AudioLevel {
                        level: *level,
                        voice: true,
                    };
                    let track = TrackKey(*track);
                    if let Some(swap) = self.loudest.hear(self.now, track, level, PLACES) {
                        swaps.push((swap.comes.0, swap.goes.map(|track| track.0)));
                    }
                }
                self.now += Duration::from_millis(20);
            }
            swaps
        }
    }

    #[test]
    fn who_begins_to_speak_is_heard_from_the_first_packet_on() {
        let mut play = Play::new();
        assert_eq!(play.speak(&[(1, 20)], 20), [(1, None)]);
        assert_eq!(play.speak(&[(2, 20)], 20), [(2, None)]);
        assert_eq!(play.speak(&[(2, 20)], 1_200), []);
        assert_eq!(play.speak(&[(3, 34)], 20), [(3, Some(1))]);
        assert!(!play.loudest.contains(TrackKey(1)));
    }

    #[test]
    fn a_pause_between_words_costs_nobody_the_place() {
        let mut play = Play::new();
        play.speak(&[(1, 20), (2, 20)], 3_000);
        assert_eq!(play.speak(&[(2, 20), (3, 20)], 900), []);
        assert_eq!(play.speak(&[(1, 20), (3, 20)], 20), []);
        assert_eq!(play.speak(&[(1, 20), (3, 20)], 1_200), [(3, Some(2))]);
    }

    #[test]
    fn of_those_who_speak_at_once_the_louder_are_heard_and_the_choice_is_steady() {
        let mut play = Play::new();
        play.speak(&[(1, 20), (2, 30)], 1_000);
        // The others have just begun, ...
        assert_eq!(play.speak(&[(1, 20), (2, 30), (3, 10)], 900), []);
        // ... and have had their time.
        let all = [(1, 20), (2, 30), (3, 10)];
        assert_eq!(play.speak(&all, 500), [(3, Some(2))]);
        assert_eq!(play.speak(&all, 30_000), []);
        // Hardly louder is not louder.
        let alike = [(1, 20), (2, 16), (3, 18)];
        assert_eq!(play.speak(&alike, 30_000), []);
    }

    #[test]
    fn places_of_closed_microphones_are_free_and_fewer_places_keep_who_spoke_last() {
        let mut play = Play::new();
        play.speak(&[(1, 20)], 100);
        play.loudest.seat(play.now, TrackKey(2), PLACES);
        play.loudest.seat(play.now, TrackKey(3), PLACES);
        assert!(!play.loudest.contains(TrackKey(3)));
        play.loudest.shrink(1);
        assert!(play.loudest.contains(TrackKey(1)));
        play.loudest.retain(&[]);
        assert_eq!(play.speak(&[(3, 20)], 20), [(3, None)]);
    }
}
