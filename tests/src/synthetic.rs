//! Media that no camera made, but that a decoder accepts: VP8 (RFC 6386) in the payload
//! format of RFC 7741, and Opus (RFC 6716).
//!
//! A VP8 partition of zeros is a valid one: read as the boolean coder's bits it says
//! "default" to every question, and the picture is grey. So a frame is its true header
//! and zeros to the wished size.

use std::time::Duration;

use rtc::rtp::{Packet, header::Header};

/// How long an Opus packet of ours sounds.
pub const SOUND: Duration = Duration::from_millis(20);
/// The time between two pictures.
pub const PICTURE: Duration = Duration::from_millis(66);
/// The payload type of Opus in our offers.
pub const OPUS: u8 = 111;
/// The payload type of VP8 in our offers.
pub const VP8: u8 = 96;
/// The picture's width.
pub const WIDTH: u16 = 320;
/// The picture's height.
pub const HEIGHT: u16 = 180;

/// Makes the packets of one microphone.
#[derive(Debug)]
pub struct Microphone {
    ssrc: u32,
    number: u16,
    timestamp: u32,
}

impl Microphone {
    /// Starts at random numbers, as RFC 3550 wants it.
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            number: rand::random(),
            timestamp: rand::random(),
        }
    }

    /// The next 20 ms.
    pub fn speak(&mut self) -> Packet {
        self.number = self.number.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(960);
        // CELT, full band, 20 ms, mono, one frame; then what libopus makes of a faint noise's size.
        let mut payload = vec![0xf8, 0xff, 0xfe];
        payload.resize(60, 0);
        packet(self.ssrc, OPUS, self.number, self.timestamp, false, payload)
    }
}

/// Makes the packets of one camera.
#[derive(Debug)]
pub struct Camera {
    ssrc: u32,
    number: u16,
    timestamp: u32,
    picture: u16,
}

/// Whether a picture stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// It does.
    Key,
    /// It needs the one before.
    Inter,
}

impl Camera {
    /// Starts at random numbers.
    pub fn new(ssrc: u32) -> Self {
        let picture = rand::random::<u16>() & 0x7fff;
        Self {
            ssrc,
            number: rand::random(),
            timestamp: rand::random(),
            picture,
        }
    }

    /// The next picture's packets.
    pub fn film(&mut self, kind: Picture) -> Vec<Packet> {
        self.timestamp = self.timestamp.wrapping_add(PICTURE.as_millis() as u32 * 90);
        self.picture = (self.picture + 1) & 0x7fff;
        let frame = frame(kind, self.picture);
        let last = frame.len().div_ceil(CHUNK) - 1;
        let chunks = frame.chunks(CHUNK).enumerate();
        chunks
            .map(|(index, chunk)| {
                self.number = self.number.wrapping_add(1);
                let payload = [&descriptor(index == 0, self.picture), chunk].concat();
                packet(
                    self.ssrc,
                    VP8,
                    self.number,
                    self.timestamp,
                    index == last,
                    payload,
                )
            })
            .collect()
    }
}

/// Whether a VP8 payload begins a picture, and which kind. `None` inside a picture and
/// for what is no VP8.
pub fn begins(payload: &[u8]) -> Option<Picture> {
    let first = *payload.first()?;
    if first & 0x10 == 0 || first & 0x07 != 0 {
        return None;
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        let extensions = *payload.get(at)?;
        at += 1;
        if extensions & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extensions & 0x40 != 0);
        at += usize::from(extensions & 0x30 != 0);
    }
    Some(if payload.get(at)? & 1 == 0 {
        Picture::Key
    } else {
        Picture::Inter
    })
}

fn frame(kind: Picture, picture: u16) -> Vec<u8> {
    // A small camera's sizes: they differ from picture to picture.
    let size = match kind {
        Picture::Key => 3_200,
        Picture::Inter => 500 + usize::from(picture % 7) * 130,
    };
    let header = match kind {
        Picture::Key => 10,
        Picture::Inter => 3,
    };
    // The first partition holds the modes of 240 macroblocks, the second their (no) coefficients.
    let first_partition = (size - header) * 3 / 4;
    let tag = u32::from(kind == Picture::Inter) | 1 << 4 | (first_partition as u32) << 5;
    let mut frame = tag.to_le_bytes()[..3].to_vec();
    if kind == Picture::Key {
        frame.extend([0x9d, 0x01, 0x2a]);
        frame.extend(WIDTH.to_le_bytes());
        frame.extend(HEIGHT.to_le_bytes());
    }
    frame.resize(size, 0);
    frame
}

/// With a 15-bit picture id.
fn descriptor(begins: bool, picture: u16) -> [u8; 4] {
    let [high, low] = picture.to_be_bytes();
    [0x80 | u8::from(begins) << 4, 0x80, 0x80 | high, low]
}

fn packet(
    ssrc: u32,
    payload_type: u8,
    sequence_number: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
) -> Packet {
    let header = Header {
        version: 2,
        marker,
        payload_type,
        sequence_number,
        timestamp,
        ssrc,
        ..Header::default()
    };
    Packet {
        header,
        payload: payload.into(),
    }
}

/// What fits beside all headers in one datagram.
const CHUNK: usize = 1_100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_says_which_packets_begin_which_pictures() {
        let mut camera = Camera::new(7);
        for kind in [Picture::Key, Picture::Inter, Picture::Inter] {
            let packets = camera.film(kind);
            assert_eq!(begins(&packets[0].payload), Some(kind));
            assert!(
                packets[1..]
                    .iter()
                    .all(|packet| begins(&packet.payload).is_none())
            );
            assert!(packets.last().unwrap().header.marker);
        }
    }
}
