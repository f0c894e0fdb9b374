//! The publisher's picture: frames of so many packets of so many bytes, one layer of VP8.

use anyhow::Result;

use super::seat::Seat;
use crate::load::{
    client::srtp::TAG,
    sdp::{VP8, extension},
    vp8::{self, Descriptor},
};

/// What the packets of a frame are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// How many.
    pub packets: usize,
    /// Bytes of each as it leaves the node: fixed header, payload and tag.
    pub bytes: usize,
}

/// Which kind of frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// One that stands alone; its packets also name their section, as the first do.
    Key,
    /// One that needs those before.
    Inter,
}

/// A camera and the seat it stands at.
#[derive(Debug)]
pub struct Camera {
    /// Who sends.
    pub seat: Seat,
    ssrc: u32,
    index: u64,
    twcc: u16,
    frames: u32,
    packet: Vec<u8>,
}

/// The fixed part.
pub const FIXED: usize = 12;
/// Of 30 frames a second.
const TICKS: u32 = 3_000;

impl Camera {
    /// A camera at `seat`.
    pub fn new(seat: Seat) -> Self {
        Self {
            seat,
            ssrc: rand::random(),
            // Below half, so that no early loss hides a turn.
            index: u64::from(rand::random::<u16>() >> 1),
            twcc: 0,
            frames: 0,
            packet: Vec::with_capacity(1_500),
        }
    }

    /// Sends a frame.
    pub fn send(&mut self, frame: Frame, picture: Picture) -> Result<()> {
        let payload = frame.bytes - FIXED - TAG;
        for number in 0..frame.packets {
            let last = number + 1 == frame.packets;
            self.header(if last { 0x80 } else { 0 }, picture);
            let header = self.packet.len();
            let descriptor = Descriptor {
                start: number == 0,
                picture: self.frames as u16 & 0x7fff,
                base: self.frames as u8,
                temporal: 0,
                sync: false,
            };
            self.packet.extend_from_slice(&descriptor.bytes());
            self.packet.resize(header + payload, self.index as u8);
            if number == 0 {
                let size = (picture == Picture::Key).then_some((1280, 720));
                let bytes = frame.packets * (payload - Descriptor::LEN);
                vp8::write_header(&mut self.packet[header + Descriptor::LEN..], size, bytes);
            }
            self.packet.resize(header + payload + TAG, 0);
            self.seat.send_rtp(&mut self.packet, header, self.index)?;
        }
        self.frames += 1;
        Ok(())
    }

    /// Tells the node its clock, as browsers do every few seconds.
    pub fn report(&mut self) -> Result<()> {
        let mut report = vec![0x80, 200, 0, 6];
        report.extend_from_slice(&self.ssrc.to_be_bytes());
        // Any moment will do as long as it is one.
        report.extend_from_slice(&(3_900_000_000_u64 << 32).to_be_bytes());
        report.extend_from_slice(&(self.frames.wrapping_mul(TICKS)).to_be_bytes());
        report.extend_from_slice(&[0; 8]);
        self.seat.send_rtcp(report)
    }

    fn header(&mut self, marker: u8, picture: Picture) {
        self.index += 1;
        self.twcc = self.twcc.wrapping_add(1);
        let packet = &mut self.packet;
        packet.clear();
        packet.extend_from_slice(&[0x90, marker | VP8]);
        packet.extend_from_slice(&(self.index as u16).to_be_bytes());
        packet.extend_from_slice(&self.frames.wrapping_mul(TICKS).to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        let [high, low] = self.twcc.to_be_bytes();
        let number = [extension::TWCC << 4 | 1, high, low];
        match picture {
            Picture::Key => {
                packet.extend_from_slice(&[0xbe, 0xde, 0, 2, extension::MID << 4, b'0']);
                packet.extend_from_slice(&number);
                packet.extend_from_slice(&[0, 0, 0]);
            }
            Picture::Inter => {
                packet.extend_from_slice(&[0xbe, 0xde, 0, 1]);
                packet.extend_from_slice(&number);
                packet.push(0);
            }
        }
    }
}
