//! When which packet of a picture leaves, as Chromium's simulcast at 720p does it: the three
//! layers of a picture one after the other as they are encoded, three temporal layers, large
//! frames where one must stand alone, and a pacer that lets bursts pass.
//!
//! What Chromium does was captured from 156.0.8078 (Debian 12, headless, livekit-client
//! 2.23.0) while it published 1280x720 in three layers of VP8 to a worker on this machine,
//! once with its own fake camera (20 pictures a second) and once with a film full of detail
//! (`--use-file-for-fake-video-capture`), whose frames overshoot: a packet socket on the
//! loopback device, the kernel's times, what `tcpdump -i lo -ttt udp dst port 7882` prints.
//! * The packets of a frame leave in one go, 6 to 30 us apart (4,300 gaps: median 11 us).
//! * The middle layer follows the low one after 1.3 ms, the high one another 5.7 ms later
//!   (medians; encoding takes that).
//! * Frames of more than 25 to 28 packets (29 kB) leave in bursts of so many, 37 to 45 ms
//!   apart: 40 ms' worth of the pacer's rate at once, then nothing until that is paid off.

use std::collections::VecDeque;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::payload::Lane;

/// Plans the packets of one camera.
#[derive(Debug)]
pub struct Camera {
    dice: SmallRng,
    layers: [Layer; 3],
    planned: VecDeque<Planned>,
    next_picture_at: u64,
    pacer: Pacer,
    /// Where in the temporal pattern.
    step: usize,
    base: u8,
}

#[derive(Debug)]
struct Layer {
    picture: u16,
    keyframe: Keyframe,
    /// Bytes that a large frame took in advance: those after it are smaller.
    debt: f64,
}

#[derive(Debug, PartialEq, Eq)]
enum Keyframe {
    Wanted,
    NotWanted,
}

/// Says when packets may leave: at once, until it owes too much.
#[derive(Debug, Default)]
struct Pacer {
    /// Bytes sent and not yet paid off at `at`.
    debt: f64,
    /// When the last packet leaves.
    at: u64,
}

/// A packet to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When it leaves.
    pub at: u64,
    /// Its layer.
    pub lane: Lane,
    /// When the picture was taken, at 90 kHz.
    pub timestamp: u32,
    /// The picture's number.
    pub picture: u16,
    /// The number of base pictures.
    pub base: u8,
    /// The temporal layer.
    pub temporal: u8,
    /// The picture's size where it stands alone.
    pub key: Option<(u16, u16)>,
    /// Bytes of the whole frame.
    pub frame: usize,
    /// Bytes of the frame in this packet.
    pub bytes: usize,
    /// Whether it is the first of its picture.
    pub first: bool,
    /// Whether it is the last.
    pub last: bool,
}

/// 30 pictures a second.
const PICTURE: u64 = 33_333_333;
/// Bits per second, and the size, of each layer.
const LAYERS: [(f64, (u16, u16)); 3] = [
    (150_000.0, (320, 180)),
    (450_000.0, (640, 360)),
    (1_700_000.0, (1280, 720)),
];
/// A picture that stands alone is this much larger than the average.
const KEY_FACTOR: f64 = 10.0;
/// When each layer is encoded, from the picture on.
const ENCODED_AFTER: [u64; 3] = [0, 1_300_000, 7_000_000];
/// The pacer's rate against the encoders'.
const PACE: f64 = 2.5;
/// How long the pacer may take to pay off what it lets pass at once.
const BURST: f64 = 40_000_000.0;
/// Bytes of a frame in one packet: 1,200 bytes with headers and tag.
const MOST: usize = 1_150;
/// The room a stamp and the header of a frame need.
const LEAST: usize = 40;
/// The temporal layers of four pictures.
const PATTERN: [u8; 4] = [0, 2, 1, 2];

impl Camera {
    /// Starts at `now`, at a phase and numbers of its own.
    pub fn new(seed: u64, now: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let layers = std::array::from_fn(|_| Layer {
            picture: dice.random::<u16>() & 0x7fff,
            keyframe: Keyframe::Wanted,
            debt: 0.0,
        });
        let next_picture_at = now + dice.random_range(0..PICTURE);
        Self {
            base: dice.random(),
            dice,
            layers,
            planned: VecDeque::with_capacity(512),
            next_picture_at,
            pacer: Pacer::default(),
            step: 0,
        }
    }

    /// The next picture of `lane` shall stand alone.
    pub fn want_keyframe(&mut self, lane: Lane) {
        self.layers[lane.layer()].keyframe = Keyframe::Wanted;
    }

    /// When [`next`](Self::next) has something.
    pub fn deadline(&self) -> u64 {
        let packet = self.planned.front().map_or(u64::MAX, |planned| planned.at);
        packet.min(self.next_picture_at)
    }

    /// The next packet that is due.
    pub fn next(&mut self, now: u64) -> Option<Planned> {
        if self.next_picture_at <= now {
            self.film();
        }
        match self.planned.front() {
            Some(planned) if planned.at <= now => self.planned.pop_front(),
            Some(_) | None => None,
        }
    }

    fn film(&mut self) {
        let taken_at = self.next_picture_at;
        self.next_picture_at += PICTURE;
        let temporal = PATTERN[self.step % PATTERN.len()];
        self.step += 1;
        if temporal == 0 {
            self.base = self.base.wrapping_add(1);
        }
        for lane in Lane::LAYERS {
            let (frame, key) = self.encode(lane, temporal);
            let layer = &self.layers[lane.layer()];
            let encoded_at = taken_at + ENCODED_AFTER[lane.layer()];
            let count = frame.div_ceil(MOST);
            for index in 0..count {
                let bytes = part(frame, count, index);
                self.planned.push_back(Planned {
                    at: self.pacer.pass(encoded_at, bytes),
                    lane,
                    timestamp: (taken_at / 1_000 * 90 / 1_000) as u32,
                    picture: layer.picture,
                    base: self.base,
                    temporal,
                    key,
                    frame,
                    bytes,
                    first: index == 0,
                    last: index + 1 == count,
                });
            }
        }
    }

    /// The size of the next frame of a layer, and of its picture if it stands alone.
    fn encode(&mut self, lane: Lane, temporal: u8) -> (usize, Option<(u16, u16)>) {
        let layer = &mut self.layers[lane.layer()];
        layer.picture = (layer.picture + 1) & 0x7fff;
        let (rate, size) = LAYERS[lane.layer()];
        let average = rate / 8.0 * PICTURE as f64 / 1e9;
        // It stands alone only in temporal layer 0: the others are not kept by a decoder.
        if layer.keyframe == Keyframe::Wanted && temporal == 0 {
            layer.keyframe = Keyframe::NotWanted;
            layer.debt += average * (KEY_FACTOR - 1.0);
            return ((average * KEY_FACTOR) as usize, Some(size));
        }
        let usual = average * self.dice.random_range(0.75..1.25);
        let repaid = layer.debt.min(usual * 0.3);
        layer.debt -= repaid;
        (((usual - repaid) as usize).max(LEAST), None)
    }
}

/// Nearly equal parts, the longer ones last, as libwebrtc cuts frames and the capture shows.
fn part(frame: usize, count: usize, index: usize) -> usize {
    let longer = frame % count;
    frame / count + usize::from(index >= count - longer)
}

impl Pacer {
    /// When a packet that is there from `ready` on leaves. They keep their order.
    fn pass(&mut self, ready: u64, bytes: usize) -> u64 {
        let rate = LAYERS.iter().map(|(rate, _)| rate).sum::<f64>() * PACE;
        let at = self.at.max(ready);
        let paid = (at - self.at) as f64 * rate / 8e9;
        self.debt = (self.debt - paid).max(0.0);
        self.at = at;
        let owes_for = self.debt * 8e9 / rate;
        if owes_for >= BURST {
            self.at += owes_for as u64;
            self.debt = 0.0;
        }
        self.debt += bytes as f64;
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seconds: u64) -> Vec<Planned> {
        let mut camera = Camera::new(7, 0);
        let mut packets = Vec::new();
        loop {
            let now = camera.deadline();
            if now > seconds * 1_000_000_000 {
                return packets;
            }
            packets.extend(std::iter::from_fn(|| camera.next(now)));
        }
    }

    #[test]
    fn rates_and_sizes_are_those_of_a_browser() {
        let packets = run(20);
        for lane in Lane::LAYERS {
            let of_lane = || packets.iter().filter(|packet| packet.lane == lane);
            let bits: usize = of_lane().map(|packet| packet.bytes * 8).sum();
            let (rate, size) = LAYERS[lane.layer()];
            let share = bits as f64 / 20.0 / rate;
            assert!((0.9..1.1).contains(&share), "{lane:?}: {share}");
            let pictures = of_lane().filter(|packet| packet.first).count();
            assert!((595..=601).contains(&pictures), "{pictures}");
            let keys: Vec<_> = of_lane().filter(|p| p.first && p.key.is_some()).collect();
            assert_eq!(keys.len(), 1);
            assert_eq!((keys[0].key, keys[0].temporal), (Some(size), 0));
        }
        assert!(packets.iter().all(|p| (LEAST..=MOST).contains(&p.bytes)));
        assert!(packets.is_sorted_by_key(|packet| packet.at));
    }

    #[test]
    fn the_parts_of_a_frame_are_nearly_equal_and_the_longer_ones_last() {
        for (frame, expected) in [(2_756, [918, 919, 919]), (2_700, [900; 3])] {
            assert_eq!(std::array::from_fn(|index| part(frame, 3, index)), expected);
        }
    }

    #[test]
    fn a_frame_leaves_at_once_and_a_large_one_in_bursts() {
        let mut bursts: Vec<Vec<Planned>> = Vec::new();
        for packet in run(20) {
            match bursts.last_mut() {
                Some(burst) if burst[0].at == packet.at => burst.push(packet),
                Some(_) | None => bursts.push(vec![packet]),
            }
        }
        // The start, where all three layers stand alone, is behind.
        let usual = &bursts[bursts.len() / 2..];
        assert!(usual.iter().all(|burst| burst[0].first));
        assert!(usual.iter().all(|burst| burst[burst.len() - 1].last));
        let high = usual.iter().filter(|burst| burst[0].lane == Lane::High);
        let lengths: Vec<_> = high.map(Vec::len).collect();
        assert!(
            lengths.iter().all(|packets| (4..=8).contains(packets)),
            "{lengths:?}"
        );
        let large = bursts.iter().filter(|burst| burst.len() > 20);
        let bytes: Vec<usize> = large.map(|b| b.iter().map(|p| p.bytes).sum()).collect();
        assert!(bytes.len() >= 2, "a keyframe is more than one burst");
        assert!(bytes.iter().all(|bytes| *bytes < 30_500), "{bytes:?}");
    }

    #[test]
    fn a_keyframe_comes_within_four_pictures_of_being_wanted() {
        let mut camera = Camera::new(3, 0);
        let mut now = 0;
        for _ in 0..2_000 {
            now = camera.deadline();
            camera.next(now);
        }
        camera.want_keyframe(Lane::Medium);
        let until = now + 6 * PICTURE;
        let mut lanes = Vec::new();
        while camera.deadline() < until {
            now = camera.deadline();
            let packet = camera.next(now);
            lanes.extend(
                packet
                    .filter(|p| p.first && p.key.is_some())
                    .map(|p| p.lane),
            );
        }
        assert_eq!(lanes, [Lane::Medium]);
    }
}
