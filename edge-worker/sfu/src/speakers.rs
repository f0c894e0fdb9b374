//! Who speaks, and how loud, from the loudness that publishers tell of each packet
//! (RFC 6464): no sound is decoded. A [`Meter`] listens to one microphone; who is told of
//! it is left to the room.

use std::time::Duration;

use media::{AudioLevel, Delivery, Packet, ParticipantId, Timestamp};

/// The loudness of a speaker as it is told: eighths of the loudest, rounded up. Finer
/// steps would be news all the time.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Loudness(pub u8);

impl Loudness {
    /// Nobody speaks.
    pub const SILENCE: Self = Self(0);

    /// From 0 to 1.
    pub fn fraction(self) -> f32 {
        f32::from(self.0) / EIGHTHS
    }
}

/// Somebody who speaks, or has stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Speaker {
    /// Who.
    pub participant: ParticipantId,
    /// How loud.
    pub loudness: Loudness,
}

/// Listens to one microphone.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    newest: Option<Timestamp>,
    /// Of this window, that something was loud.
    loud: Duration,
    loudest: u8,
    /// Amplitude, over several windows.
    smoothed: f32,
}

/// What was heard in one packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    Sound,
    Silence,
}

impl Meter {
    /// Listens to one packet.
    #[inline]
    pub(crate) fn hear(&mut self, packet: &Packet<'_>) -> Heard {
        let Some(AudioLevel { level, .. }) = packet.audio_level else {
            return Heard::Silence;
        };
        if packet.delivery == Delivery::Repair {
            return Heard::Silence;
        }
        let before = self.newest.replace(packet.timestamp);
        if level > AUDIBLE {
            return Heard::Silence;
        }
        if self.loud.is_zero() {
            self.loudest = level;
        }
        self.loudest = self.loudest.min(level);
        let elapsed = before.map_or(0, |before| packet.timestamp.distance(before));
        self.loud += match elapsed {
            1..=LONGEST_PACKET => Duration::from_micros(elapsed as u64 * 1_000 / 48),
            // Encoders rest in silence: what came before the gap was not sound.
            _ => USUAL_PACKET,
        };
        Heard::Sound
    }

    /// The microphone is muted: what was heard counts no more.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Ends a window of `time`; answers how loud it has become.
    pub(crate) fn measure(&mut self, time: Duration) -> Loudness {
        let speech = self.loud * 100 >= time * SPEECH_PERCENT;
        let share = (self.loud.as_secs_f32() / time.as_secs_f32()).min(1.0);
        let amplitude = if speech {
            amplitude(self.loudest) * share
        } else {
            0.0
        };
        self.loud = Duration::ZERO;
        self.smoothed += (amplitude - self.smoothed) * SMOOTHING;
        if !self.is_audible() {
            return Loudness::SILENCE;
        }
        Loudness((self.smoothed * EIGHTHS).ceil() as u8)
    }

    /// Whether the next window matters although nothing more is heard.
    pub(crate) fn rings(&self) -> bool {
        !self.loud.is_zero() || self.is_audible()
    }

    fn is_audible(&self) -> bool {
        self.smoothed * 100.0 >= amplitude(AUDIBLE) * SPEECH_PERCENT as f32
    }
}

/// How often speakers are told.
pub(crate) const WINDOW: Duration = Duration::from_millis(400);

/// dBov below zero: what is quieter is the room, not somebody in it.
const AUDIBLE: u8 = 35;

/// Of a window: a cough or a key pressed is shorter.
const SPEECH_PERCENT: u32 = 40;

/// Of what is new in a window: a word begins and ends within two.
const SMOOTHING: f32 = 2.0 / 3.0;

const EIGHTHS: f32 = 8.0;

/// The longest packet of Opus, 60 ms, on its clock; a longer step is a pause.
const LONGEST_PACKET: i32 = 2_880;
const USUAL_PACKET: Duration = Duration::from_millis(20);

fn amplitude(level: u8) -> f32 {
    10_f32.powf(-f32::from(level) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Codec, SeqNo, Ssrc};

    /// One letter is 20 ms: `#` -6 dBov, `+` -20, `-` -34, `.` -36, `_` silence, ` ` no
    /// packet at all, `?` a packet without a level.
    fn play(meter: &mut Meter, at: &mut u32, sound: &str) {
        for letter in sound.chars() {
            *at = at.wrapping_add(960);
            let level = match letter {
                '#' => Some(6),
                '+' => Some(20),
                '-' => Some(34),
                '.' => Some(36),
                '_' => Some(127),
                '?' => None,
                _ => continue,
            };
            meter.hear(&packet(*at, level, Delivery::Original));
        }
    }

    fn packet(timestamp: u32, level: Option<u8>, delivery: Delivery) -> Packet<'static> {
        Packet {
            ssrc: Ssrc(1),
            rid: None,
            seq: SeqNo(1),
            timestamp: Timestamp(timestamp),
            marker: false,
            delivery,
            codec: Codec::Opus,
            audio_level: level.map(|level| AudioLevel { level, voice: true }),
            payload: &[1],
            dependencies: 0,
        }
    }

    #[test]
    fn as_1_two_fifths_of_a_window_at_minus_35_make_a_speaker() {
        for (window, expected, what) in [
            ("####################", 3, "a loud voice"),
            ("++++++++++++++++++++", 1, "a usual voice"),
            ("--------------------", 1, "a quiet voice"),
            ("....................", 0, "a fan"),
            ("____________________", 0, "an open microphone"),
            ("????????????????????", 0, "a publisher that tells nothing"),
            ("                    ", 0, "nothing at all"),
            ("########____________", 2, "two fifths"),
            ("#######_____________", 0, "less"),
            ("#    #    #    #    ", 0, "single packets between pauses"),
        ] {
            let mut meter = Meter::default();
            play(&mut meter, &mut 0, window);
            assert_eq!(meter.measure(WINDOW), Loudness(expected), "{what}");
        }
    }

    #[test]
    fn as_1_a_voice_rises_and_falls_smoothly() {
        let mut meter = Meter::default();
        let mut at = u32::MAX - 5_000;
        let mut seen = Vec::new();
        for window in [
            "####################",
            "####################",
            "____________________",
        ] {
            play(&mut meter, &mut at, window);
            seen.push(meter.measure(WINDOW).0);
        }
        while meter.rings() {
            seen.push(meter.measure(WINDOW).0);
        }
        assert_eq!(seen, [3, 4, 2, 1, 1, 0]);
    }

    #[test]
    fn as_1_one_pause_between_words_is_no_end() {
        let mut meter = Meter::default();
        let mut at = 0;
        for window in [
            "++++++++++++++++++++",
            "____________________",
            "++++++++++++++++++++",
        ] {
            play(&mut meter, &mut at, window);
            assert_eq!(meter.measure(WINDOW), Loudness(1));
        }
    }

    #[test]
    fn repairs_and_long_packets_count_as_they_sound() {
        let mut meter = Meter::default();
        for repeated in 0..20 {
            meter.hear(&packet(repeated * 960, Some(6), Delivery::Repair));
        }
        assert_eq!(meter.measure(WINDOW), Loudness::SILENCE, "repairs");

        // Four packets of 60 ms: the first counts as usual, as nothing tells its length.
        for long in 0..4 {
            meter.hear(&packet(long * 2_880, Some(6), Delivery::Original));
        }
        assert_eq!(meter.measure(WINDOW), Loudness(2), "long packets");
    }

    #[test]
    fn mu_1_a_muted_microphone_is_silent_at_once() {
        let mut meter = Meter::default();
        play(&mut meter, &mut 0, "####################");
        meter.measure(WINDOW);
        meter.reset();
        assert!(!meter.rings());
        assert_eq!(meter.measure(WINDOW), Loudness::SILENCE);
    }

    #[test]
    fn bad_r15_the_told_level_is_in_eighths_however_loud_somebody_claims_to_be() {
        assert_eq!(Loudness(8).fraction(), 1.0);
        assert_eq!(Loudness(1).fraction(), 0.125);
        let mut meter = Meter::default();
        for window in 0..10 {
            for step in 0..20 {
                let at = (window * 20 + step) * 960;
                meter.hear(&packet(at, Some(0), Delivery::Original));
            }
            assert!(meter.measure(WINDOW) <= Loudness(8));
        }
    }
}
