//! What is sent over a path: a subscriber whose estimate is tested, and traffic beside it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use media::Bitrate;

use super::super::{Bandwidth, SentLog, Wanted};
use super::network::{MS, Packet, Random, SECOND, Time};

/// A subscriber: what the room sends, the transport's estimate, and the client's feedback.
#[derive(Debug)]
pub(super) struct Subscriber {
    start: Instant,
    pub(super) bandwidth: Bandwidth,
    sent: SentLog,
    pub(super) source: Source,
    sound: Sound,
    /// How long the client may be from one look at what has come to the next: a machine that
    /// does much else.
    pub(super) looks_within: Time,
    looks_at: Time,
    random: Random,
    frame_at: Time,
    sound_at: Time,
    frames: u64,
    /// Arrived and not told: number and time.
    arrived: BTreeMap<u64, Time>,
    told_to: u64,
    feedback_at: Time,
    /// Bytes of padding, and of all, ever sent.
    pub(super) padded: u64,
    pub(super) bytes: u64,
}

/// What the room sends.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// As much as the estimate, up to this, as an encoder at the other end would.
    Elastic(Bitrate),
    /// Sound, and the highest layer that fits: what the room does.
    Layers {
        layers: Vec<Bitrate>,
        current: usize,
        raised_at: Time,
        /// The estimate then.
        raised_with: Bitrate,
    },
    /// Nothing.
    Silent,
}

/// Whether the client tells which packets of sound arrived. Not every browser does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sound {
    /// It does.
    Told,
    /// It does not: such sound is a [`Constant`] flow of its own.
    Untold,
}

impl Source {
    pub(super) fn layers<const N: usize>(kilobits: [u64; N]) -> Self {
        Self::Layers {
            layers: kilobits.map(Bitrate::kilobits).to_vec(),
            current: 0,
            raised_at: 0,
            raised_with: Bitrate::ZERO,
        }
    }

    /// How many layers are sent.
    pub(super) fn height(&self) -> usize {
        match self {
            Self::Layers { current, .. } => *current,
            Self::Elastic(_) | Self::Silent => 0,
        }
    }
}

/// The room holds a layer for so long, unless the estimate has grown by this much since.
const HOLD: Time = 5 * SECOND;
const WIDER: f64 = 1.2;
/// ... and lowers it only where this is exceeded.
const STRAIN: f64 = 1.05;

/// Of an Opus packet each 20 ms, padding and picture.
const SOUND_SIZE: usize = 120;
const SOUND: Bitrate = Bitrate::kilobits(48);
const PADDING_SIZE: usize = 290;
const PICTURE_SIZE: usize = 1_180;

impl Subscriber {
    pub(super) fn new(start: Instant, source: Source, seed: u64) -> Self {
        let mut bandwidth = Bandwidth::default();
        bandwidth.expect_feedback(start);
        bandwidth.can_pad();
        Self {
            start,
            bandwidth,
            sent: SentLog::new(start),
            source,
            sound: Sound::Told,
            looks_within: 0,
            looks_at: 0,
            random: Random::new(seed),
            frame_at: 0,
            sound_at: 0,
            frames: 0,
            arrived: BTreeMap::new(),
            told_to: 0,
            feedback_at: 0,
            padded: 0,
            bytes: 0,
        }
    }

    /// Its client tells of pictures alone.
    pub(super) fn without_sound(self) -> Self {
        Self {
            sound: Sound::Untold,
            ..self
        }
    }

    pub(super) fn estimate(&self) -> Bitrate {
        self.bandwidth.estimate().unwrap()
    }

    fn instant(&self, now: Time) -> Instant {
        self.start + Duration::from_micros(now)
    }

    /// What leaves at `now`.
    pub(super) fn send(&mut self, now: Time, flow: usize) -> Vec<Packet> {
        let mut out = Vec::new();
        if now >= self.sound_at {
            self.sound_at = self.sound_at.max(now) + 20 * MS;
            if self.sound == Sound::Told && !matches!(self.source, Source::Silent) {
                out.push(self.packet(now, flow, SOUND_SIZE));
            }
        }
        if now >= self.frame_at {
            self.frame_at = self.frame_at.max(now) + 33 * MS;
            let rate = self.video(now);
            self.frames += 1;
            // Frames differ in size, and some stand alone.
            let mut share = 70 + self.random.below(61);
            if self.frames.is_multiple_of(300) {
                share = 500;
            }
            let mut bytes = (rate.bytes_in(Duration::from_millis(33)) * share / 100) as usize;
            while bytes > 0 {
                let size = bytes.clamp(100, PICTURE_SIZE);
                bytes = bytes.saturating_sub(size);
                out.push(self.packet(now, flow, size));
            }
        }
        let instant = self.instant(now);
        if self.bandwidth.deadline().is_some_and(|at| at <= instant) {
            self.bandwidth.handle_timeout(instant, &self.sent);
            let mut owed = self.bandwidth.owed(instant, &self.sent);
            let late = self.bandwidth.deadline().is_some_and(|at| at <= instant);
            assert!(!late, "a deadline stays in the past");
            while owed > 0 {
                owed = owed.saturating_sub(PADDING_SIZE as u64);
                self.padded += PADDING_SIZE as u64;
                out.push(self.packet(now, flow, PADDING_SIZE));
            }
        }
        out
    }

    fn packet(&mut self, now: Time, flow: usize, size: usize) -> Packet {
        let number = self.sent.next();
        self.sent.note(self.instant(now), size);
        self.bytes += size as u64;
        Packet {
            flow,
            number,
            size: size as u64,
        }
    }

    /// What of pictures is sent now.
    fn video(&mut self, now: Time) -> Bitrate {
        let estimate = self.estimate();
        let for_video = Bitrate(estimate.0.saturating_sub(SOUND.0));
        let (rate, next, most) = match &mut self.source {
            Source::Silent => return Bitrate::ZERO,
            Source::Elastic(most) => (for_video.min(*most), Some(*most), *most),
            Source::Layers {
                layers,
                current,
                raised_at,
                raised_with,
            } => {
                while *current > 0 && layers[*current - 1] > for_video.scaled(STRAIN) {
                    *current -= 1;
                }
                let may = now >= *raised_at + HOLD || for_video >= raised_with.scaled(WIDER);
                let fits = |next: &&Bitrate| next.scaled(1.05) <= for_video;
                while may && layers.get(*current).filter(fits).is_some() {
                    *current += 1;
                    (*raised_at, *raised_with) = (now, for_video);
                }
                let rate = current.checked_sub(1).map(|at| layers[at]);
                let next = layers.get(*current).copied();
                let most = layers.last().copied().unwrap_or_default();
                (rate.unwrap_or_default(), next, most)
            }
        };
        let next = next.map(|next| Bitrate(next.0 + SOUND.0));
        let wanted = Wanted {
            allocated: Bitrate(rate.0 + SOUND.0),
            next: next.filter(|_| rate.0 > 0 || self.frames > 0),
            wished: Bitrate(most.0 + SOUND.0),
        };
        let instant = self.instant(now);
        self.bandwidth.want(instant, wanted, &self.sent);
        rate
    }

    pub(super) fn receive(&mut self, at: Time, packet: Packet) {
        while self.looks_at < at {
            self.looks_at = match self.looks_within {
                0 => at,
                within => self.looks_at.max(at - within) + self.random.below(within) + 1,
            };
        }
        self.arrived.insert(packet.number, self.looks_at);
    }

    /// The client's feedback, when it is due.
    pub(super) fn feedback(&mut self, now: Time) -> Option<Vec<u8>> {
        let due = now >= self.feedback_at && self.arrived.values().any(|at| *at <= now);
        if !due {
            return None;
        }
        self.feedback_at = now + 100 * MS;
        let told: BTreeMap<u64, Time> = self
            .arrived
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(number, at)| (*number, *at))
            .collect();
        self.arrived.retain(|_, at| *at > now);
        let highest = *told.keys().last()?;
        // The client's clock has nothing to do with ours.
        let offset = 77_777 * MS;
        let base = self.told_to.min(*told.keys().next()?);
        self.told_to = self.told_to.max(highest + 1);
        let count = (highest - base + 1) as u16;
        let first = *told.values().next()?;
        let reference = (first + offset) / (64 * MS);
        let mut last = reference * 64 * MS / 250;
        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        for number in base..=highest {
            let Some(at) = told.get(&number) else {
                symbols.push(0);
                continue;
            };
            symbols.push(2);
            let ticks = (at + offset) / 250;
            let delta = ticks as i64 - last as i64;
            deltas.extend((delta.clamp(-32_000, 32_000) as i16).to_be_bytes());
            last = ticks;
        }
        let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        packet.extend((base as u16).to_be_bytes());
        packet.extend(count.to_be_bytes());
        packet.extend(&(reference as u32).to_be_bytes()[1..]);
        packet.push(0);
        for seven in symbols.chunks(7) {
            let symbols = seven.iter().enumerate();
            let chunk = symbols.fold(0xc000u16, |chunk, (i, symbol)| {
                chunk | symbol << (12 - 2 * i)
            });
            packet.extend(chunk.to_be_bytes());
        }
        packet.extend(deltas);
        packet.resize(packet.len().next_multiple_of(4), 0);
        let words = packet.len() / 4 - 1;
        packet[2..4].copy_from_slice(&(words as u16).to_be_bytes());
        Some(packet)
    }

    pub(super) fn hear(&mut self, now: Time, feedback: &[u8]) {
        let instant = self.instant(now);
        self.bandwidth.hear(instant, feedback, &mut self.sent);
    }
}

/// A bulk transfer as TCP does it: a window that grows by a packet in each round trip and is
/// halved by losses.
#[derive(Debug)]
pub(super) struct Tcp {
    window: f64,
    threshold: f64,
    next: u64,
    in_flight: BTreeMap<u64, Time>,
    halved_to: u64,
    /// Bytes still to be sent, and when the next transfer begins.
    left: u64,
    pause: Option<Pause>,
    resumes_at: Time,
    random: Random,
    pub(super) bytes: u64,
}

/// How long transfers are, and how long the pauses between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) bytes: u64,
    pub(super) most: Time,
}

const SEGMENT: u64 = 1_500;

impl Tcp {
    pub(super) fn new(pause: Option<Pause>, seed: u64) -> Self {
        Self {
            window: 10.0,
            threshold: f64::INFINITY,
            next: 0,
            in_flight: BTreeMap::new(),
            halved_to: 0,
            left: pause.map_or(u64::MAX, |pause| pause.bytes),
            pause,
            resumes_at: 0,
            random: Random::new(seed),
            bytes: 0,
        }
    }

    pub(super) fn send(&mut self, now: Time, flow: usize) -> Vec<Packet> {
        let mut out = Vec::new();
        let oldest = self.in_flight.values().next().copied();
        if oldest.is_some_and(|at| now > at + SECOND) {
            // Everything is lost.
            self.in_flight.clear();
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 2.0;
        }
        if let (0, Some(pause)) = (self.left, self.pause) {
            self.left = pause.bytes;
            self.resumes_at = now + self.random.below(pause.most);
            (self.window, self.threshold) = (10.0, f64::INFINITY);
        }
        while now >= self.resumes_at && self.left > 0 && (self.in_flight.len() as f64) < self.window
        {
            out.push(Packet {
                flow,
                number: self.next,
                size: SEGMENT,
            });
            self.in_flight.insert(self.next, now);
            self.next += 1;
            self.left = self.left.saturating_sub(SEGMENT);
        }
        out
    }

    /// The acknowledgement of one packet.
    pub(super) fn hear(&mut self, number: u64) {
        if self.in_flight.remove(&number).is_none() {
            return;
        }
        self.bytes += SEGMENT;
        if self.window < self.threshold {
            self.window += 1.0;
        } else {
            self.window += 1.0 / self.window;
        }
        let before = self.in_flight.len();
        self.in_flight.retain(|sent, _| sent + 3 >= number);
        if self.in_flight.len() < before && number >= self.halved_to {
            self.halved_to = self.next;
            self.window = (self.window / 2.0).max(2.0);
            self.threshold = self.window;
        }
    }
}

/// Traffic that heeds nothing, on and off.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) rate: Bitrate,
    pub(super) on: Time,
    pub(super) off: Time,
    size: u64,
    number: u64,
    credit: u64,
}

impl Constant {
    pub(super) fn new(kilobits: u64, on: Time, off: Time) -> Self {
        Self {
            rate: Bitrate::kilobits(kilobits),
            on,
            off,
            size: 1_000,
            number: 0,
            credit: 0,
        }
    }

    /// Sound of which the client tells nothing.
    pub(super) fn sound() -> Self {
        Self {
            rate: SOUND,
            size: SOUND_SIZE as u64,
            ..Self::new(0, SECOND, 0)
        }
    }

    pub(super) fn send(&mut self, now: Time, flow: usize) -> Vec<Packet> {
        let mut out = Vec::new();
        if now % (self.on + self.off) < self.on {
            self.credit += self.rate.bytes_in(Duration::from_millis(1));
        }
        while self.credit >= self.size {
            self.credit -= self.size;
            self.number += 1;
            out.push(Packet {
                flow,
                number: self.number,
                size: self.size,
            });
        }
        out
    }
}
