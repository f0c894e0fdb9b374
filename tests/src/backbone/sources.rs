//! What is published: cameras and voices, packet by packet as a room would hand them on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::packet::LEAST;

/// One track.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Source {
    /// What it is called.
    pub track: String,
    /// What it is.
    pub kind: Kind,
    /// Its layers, the lowest first.
    pub layers: Vec<Pace>,
}

/// Sound or pictures.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Kind {
    /// Sound.
    Voice,
    /// Pictures.
    Camera,
}

/// What a layer sends.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Pace {
    /// From one picture to the next.
    pub every: Duration,
    /// When the first is sent, after the layer began.
    pub first: Duration,
    /// Packets of a picture.
    pub packets: u16,
    /// Packets of a picture that stands alone.
    pub keyframe_packets: u16,
    /// Bytes of each packet, the RTP header included.
    pub bytes: usize,
}

impl Pace {
    /// Bits of each second, keyframes aside.
    pub fn bitrate(&self) -> f64 {
        f64::from(self.packets) * self.bytes as f64 * 8.0 / self.every.as_secs_f64()
    }

    /// Packets of each second, keyframes aside.
    pub fn packets_per_second(&self) -> f64 {
        f64::from(self.packets) / self.every.as_secs_f64()
    }
}

/// A keyframe is so many times as large as other pictures.
const KEYFRAME: u16 = 4;
/// Of a packet of pictures.
const CAMERA_BYTES: usize = 1_150;
/// Of a packet of sound: 40 kbit/s at 50 a second.
const VOICE_BYTES: usize = 100;

/// Voices as Opus sends them, a packet each 20 ms, not all at the same instant.
pub fn voices(count: u32) -> Vec<Source> {
    let every = Duration::from_millis(20);
    let voice = |number: u32| Source {
        track: format!("voice-{number}"),
        kind: Kind::Voice,
        layers: vec![Pace {
            every,
            first: every * number / count,
            packets: 1,
            keyframe_packets: 1,
            bytes: VOICE_BYTES.max(LEAST),
        }],
    };
    (0..count).map(voice).collect()
}

/// Cameras of one layer each, `packets` to a picture.
pub fn cameras(count: u32, packets: u16, every: Duration) -> Vec<Source> {
    let camera = |number: u32| Source {
        track: format!("camera-{number}"),
        kind: Kind::Camera,
        layers: vec![pictures(
            packets,
            CAMERA_BYTES,
            every,
            every * number / count,
        )],
    };
    (0..count).map(camera).collect()
}

/// A camera of three layers: 180, 500 and 1,700 kbit/s.
pub fn presenter() -> Source {
    let every = Duration::from_secs(1) / 30;
    let layers = [(1, 750), (2, 1_040), (6, 1_180)];
    let layer = |(packets, bytes)| pictures(packets, bytes, every, Duration::ZERO);
    Source {
        track: "presenter".to_owned(),
        kind: Kind::Camera,
        layers: layers.into_iter().map(layer).collect(),
    }
}

fn pictures(packets: u16, bytes: usize, every: Duration, first: Duration) -> Pace {
    Pace {
        every,
        first,
        packets,
        keyframe_packets: packets * KEYFRAME,
        bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presenter_s_layers_have_their_bitrates() {
        let layers = presenter().layers;
        for (layer, expected) in layers.iter().zip([180e3, 500e3, 1_700e3]) {
            assert!((layer.bitrate() / expected - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn no_two_of_a_crowd_send_at_the_same_instant() {
        let every = Duration::from_millis(32);
        for crowd in [voices(20), cameras(20, 6, every)] {
            let mut firsts: Vec<_> = crowd.iter().map(|one| one.layers[0].first).collect();
            firsts.dedup();
            assert_eq!(firsts.len(), 20);
        }
    }
}
