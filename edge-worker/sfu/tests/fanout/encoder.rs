//! An encoder of one stream with three sizes of three rates each, where sizes depend on
//! each other only at keyframes (L3T3_KEY), and what a decoder makes of what is left of it.

use std::collections::BTreeSet;

use media::{Codec, Dependencies, LayerFrame, Vp9Descriptor};

use crate::subscriber::Got;

/// The encoder.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(crate) codec: Codec,
    /// Sizes that are encoded.
    pub(crate) sizes: u8,
    picture: u16,
    tl0: u8,
    /// The number of the first template.
    templates: u8,
    /// Of each size: the newest frames of the lowest and the middle rate.
    newest: [[u32; 2]; 3],
}

/// Packets of a frame, by size; keyframes have twice as many.
const PACKETS: [u8; 3] = [1, 2, 4];

impl Layered {
    pub(crate) fn new(codec: Codec) -> Self {
        Self {
            codec,
            sizes: 3,
            picture: 0x7ff0,
            tl0: 250,
            templates: 60,
            newest: [[0; 2]; 3],
        }
    }

    /// Begins anew, with other numbers.
    pub(crate) fn restart(&mut self) {
        self.picture = self.picture.wrapping_mul(31) & 0x7fff;
        self.tl0 = self.tl0.wrapping_mul(7);
    }

    /// Encodes otherwise from the next keyframe on, which brings other templates.
    pub(crate) fn reconfigure(&mut self) {
        self.templates = (self.templates + 9) & 0x3f;
    }

    /// The packets of one picture: marker, length of the dependency descriptor, payload.
    pub(crate) fn show(&mut self, keyframe: bool, frame: u32) -> Vec<(bool, u8, Vec<u8>)> {
        let (temporal, up) = match frame % 4 {
            _ if keyframe => (0, true),
            0 => (0, true),
            1 => (2, false),
            2 => (1, true),
            _ => (2, false),
        };
        if self.codec == Codec::Vp9 {
            self.picture = (self.picture + 1) & 0x7fff;
        }
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let mut packets = Vec::new();
        for size in 0..self.sizes {
            if self.codec == Codec::Av1 {
                self.picture = self.picture.wrapping_add(1);
            }
            let needs = self.needs(keyframe, size, temporal, frame);
            let count = PACKETS[usize::from(size)] * if keyframe { 2 } else { 1 };
            for index in 0..count {
                let place = (index == 0, index + 1 == count);
                let (dependencies, mut payload) = if self.codec == Codec::Av1 {
                    self.av1(keyframe, (size, temporal), place)
                } else {
                    (0, self.vp9(keyframe, (size, temporal, up), place))
                };
                payload.extend([size, temporal, index, count, u8::from(keyframe)]);
                payload.extend(frame.to_be_bytes());
                payload.push(needs.len() as u8);
                for (size, frame) in &needs {
                    payload.push(*size);
                    payload.extend(frame.to_be_bytes());
                }
                payload.resize(600, 0);
                let marker = index + 1 == count && size + 1 == self.sizes;
                packets.push((marker, dependencies, payload));
            }
        }
        packets
    }

    /// The frames a frame is drawn from.
    fn needs(&mut self, keyframe: bool, size: u8, temporal: u8, frame: u32) -> Vec<(u8, u32)> {
        let newest = &mut self.newest[usize::from(size)];
        if keyframe {
            *newest = [frame; 2];
            return (0..size).rev().take(1).map(|size| (size, frame)).collect();
        }
        let needs = match temporal {
            0 => vec![newest[0]],
            1 => vec![newest[0]],
            _ => vec![newest[0], newest[1]],
        };
        match temporal {
            0 => *newest = [frame; 2],
            1 => newest[1] = frame,
            _ => {}
        }
        needs.into_iter().map(|frame| (size, frame)).collect()
    }

    fn vp9(&self, keyframe: bool, layers: (u8, u8, bool), place: (bool, bool)) -> Vec<u8> {
        let (size, temporal, up) = layers;
        let first = 0xa0
            | u8::from(!keyframe) << 6
            | u8::from(place.0) << 3
            | u8::from(place.1) << 2
            | u8::from(!keyframe);
        let inter_layer = u8::from(keyframe && size > 0);
        vec![
            first,
            0x80 | (self.picture >> 8) as u8,
            self.picture as u8,
            temporal << 5 | u8::from(up) << 4 | size << 1 | inter_layer,
            self.tl0,
        ]
    }

    fn av1(&self, keyframe: bool, layers: (u8, u8), place: (bool, bool)) -> (u8, Vec<u8>) {
        let (size, temporal) = layers;
        let mut bits = Bits::default();
        bits.put(1, u32::from(place.0)).put(1, u32::from(place.1));
        bits.put(6, u32::from((self.templates + size * 3 + temporal) & 0x3f));
        bits.put(16, u32::from(self.picture));
        if keyframe && size == 0 && place.0 {
            bits.put(5, 0b10000);
            structure(self.templates, &mut bits);
        }
        let mut payload = bits.bytes();
        let len = payload.len() as u8;
        payload.push(0x10);
        (len, payload)
    }
}

/// Nine templates from number `first` on, for nine targets: sizes by rates.
fn structure(first: u8, bits: &mut Bits) {
    bits.put(6, u32::from(first)).put(5, 8);
    for next in [1, 1, 2, 1, 1, 2, 1, 1, 3] {
        bits.put(2, next);
    }
    for (size, rate) in (0..9).map(|it| (it / 3, it % 3)) {
        for (target_size, target_rate) in (0..9).map(|it| (it / 3, it % 3)) {
            let part = size == target_size && rate <= target_rate;
            let indication = match (part, rate) {
                (false, _) => 0,
                (true, 2) => 1,
                (true, _) => 2,
            };
            bits.put(2, indication);
        }
    }
    // No differences, no chains (of at most nine), no sizes.
    bits.put(9, 0).put(3, 0).put(1, 0);
}

/// Bits, the highest of each byte first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, count: u32, number: u32) -> &mut Self {
        let bits = (0..count).rev();
        self.0.extend(bits.map(|bit| number >> bit & 1 == 1));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            let bits = bits.iter().enumerate();
            bits.fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at))
        };
        self.0.chunks(8).map(byte).collect()
    }
}

/// What a decoder makes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    known: Dependencies,
    /// Templates came, so that every packet can be read from then on.
    begun: bool,
    /// Sizes and numbers of frames that could be drawn.
    drawn: BTreeSet<(u8, u32)>,
    newest: Option<u16>,
}

/// A packet as the encoder made it, and as it is numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) layers: LayerFrame,
    pub(crate) size: u8,
    pub(crate) temporal: u8,
    pub(crate) index: u8,
    pub(crate) count: u8,
    pub(crate) keyframe: bool,
    pub(crate) frame: u32,
    needs: &'a [u8],
}

impl Decoder {
    /// Reads a packet; `None` where the one that tells how was never there to be asked for.
    pub(crate) fn read<'a>(&mut self, got: &'a Got) -> Option<Told<'a>> {
        let (layers, body) = if got.codec == Codec::Av1 {
            let (descriptor, rest) = got.payload.split_at(usize::from(got.dependencies));
            let layers = self.known.read(descriptor);
            assert!(layers.is_some() || !self.begun, "a whole descriptor");
            (layers?, &rest[1..])
        } else {
            let read = Vp9Descriptor::parse(&got.payload).expect("a whole descriptor");
            (read.layer_frame(), &got.payload[read.len..])
        };
        self.begun = true;
        let [size, temporal, index, count, keyframe] = body[..5].try_into().expect("five bytes");
        Some(Told {
            layers,
            size,
            temporal,
            index,
            count,
            keyframe: keyframe == 1,
            frame: u32::from_be_bytes(body[5..9].try_into().expect("four bytes")),
            needs: &body[10..10 + 5 * usize::from(body[9])],
        })
    }

    /// Draws a whole frame; whether all it needs was drawn.
    pub(crate) fn draw(&mut self, told: &Told<'_>) -> bool {
        let mut needs = told.needs.chunks(5).map(|need| {
            let frame = u32::from_be_bytes(need[1..].try_into().expect("four bytes"));
            (need[0], frame)
        });
        let can = needs.all(|need| self.drawn.contains(&need));
        if can {
            self.drawn.insert((told.size, told.frame));
        }
        can
    }

    /// Whether a picture or frame is numbered as one that comes after all before.
    pub(crate) fn follows(&mut self, told: &Told<'_>, codec: Codec) -> bool {
        let number = told.layers.number.expect("numbered");
        let Some(newest) = self.newest.replace(number) else {
            return true;
        };
        let bits = if codec == Codec::Av1 { 16 } else { 15 };
        let ahead = u32::from(number.wrapping_sub(newest)) & ((1 << bits) - 1);
        ahead < 1 << (bits - 1)
    }
}
