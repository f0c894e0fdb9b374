//! A publisher as browsers are: three VP8 layers with three temporal layers each, or
//! Opus. Answers what it is asked for over RTCP.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::encoder::Layered;
use media::{
    Codec, Delivery, MediaKind, NtpTime, Packet, Rid, Rtcp, SenderReport, SeqNo, Ssrc, Timestamp,
};

/// One packet on the publisher's wire.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) ssrc: Ssrc,
    pub(crate) rid: Option<Rid>,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) delivery: Delivery,
    pub(crate) codec: Codec,
    pub(crate) payload: Vec<u8>,
    pub(crate) dependencies: u8,
}

impl Sent {
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet {
            ssrc: self.ssrc,
            rid: self.rid,
            seq: SeqNo(self.seq),
            timestamp: Timestamp(self.timestamp),
            marker: self.marker,
            delivery: self.delivery,
            codec: self.codec,
            audio_level: None,
            payload: &self.payload,
            dependencies: self.dependencies,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Publisher {
    kind: MediaKind,
    began_at: Instant,
    next_frame_at: Instant,
    next_report_at: Instant,
    frame: u32,
    /// What its clock shows in reports, always, if it is a wrong one.
    pub(crate) told: Option<NtpTime>,
    pub(crate) encoders: Vec<Encoder>,
}

/// What encodes and sends one layer.
#[derive(Debug)]
pub(crate) struct Encoder {
    layer: u8,
    pub(crate) ssrc: Ssrc,
    rid: Option<Rid>,
    pub(crate) on: bool,
    /// Sends a padding packet after each frame.
    pub(crate) probing: bool,
    pub(crate) seq: u16,
    pub(crate) clock: u32,
    pub(crate) picture: u16,
    tl0: u8,
    keyframe_wanted: bool,
    /// When it was asked for a keyframe.
    pub(crate) asked: Vec<Instant>,
    /// Nacks of numbers it sent.
    pub(crate) nacked: usize,
    pub(crate) reports: Vec<Instant>,
    history: HashMap<u16, Sent>,
    packets: u32,
    /// Encodes several sizes into one stream.
    pub(crate) layered: Option<Layered>,
}

pub(crate) const RIDS: [&[u8]; 3] = [b"q", b"h", b"f"];

/// Packets of a frame, by layer; keyframes have four times as many.
const SIZES: [u8; 3] = [1, 3, 7];

impl Publisher {
    pub(crate) fn video(now: Instant) -> Self {
        let encoders = (0..3).map(|layer| Encoder::new(layer, Rid::new(RIDS[usize::from(layer)])));
        Self::new(MediaKind::Video, now, encoders.collect())
    }

    /// One stream with three sizes of three rates each.
    pub(crate) fn layered(now: Instant, codec: Codec) -> Self {
        let mut encoder = Encoder::new(0, None);
        encoder.layered = Some(Layered::new(codec));
        Self::new(MediaKind::Video, now, vec![encoder])
    }

    pub(crate) fn audio(now: Instant) -> Self {
        Self::new(MediaKind::Audio, now, vec![Encoder::new(0, None)])
    }

    fn new(kind: MediaKind, now: Instant, encoders: Vec<Encoder>) -> Self {
        Self {
            kind,
            began_at: now,
            next_frame_at: now,
            next_report_at: now + Duration::from_millis(700),
            frame: 0,
            told: None,
            encoders,
        }
    }

    /// What it sends by now.
    pub(crate) fn send(&mut self, now: Instant, out: &mut Vec<Sent>) {
        let interval = match self.kind {
            MediaKind::Audio => Duration::from_millis(20),
            MediaKind::Video => Duration::from_micros(33_333),
        };
        if self.next_frame_at + interval < now {
            // Frames not taken are not made up for.
            self.next_frame_at = now;
        }
        while self.next_frame_at <= now {
            let time = self.next_frame_at - self.began_at;
            for encoder in self.encoders.iter_mut().filter(|encoder| encoder.on) {
                match self.kind {
                    MediaKind::Audio => encoder.speak(time, self.frame, out),
                    MediaKind::Video => encoder.show(time, self.frame, out),
                }
            }
            self.frame += 1;
            self.next_frame_at += interval;
        }
    }

    /// Reports of its clocks, each layer's at a slightly different time.
    pub(crate) fn report(&mut self, now: Instant, out: &mut Vec<Rtcp>) {
        if self.next_report_at > now {
            return;
        }
        self.next_report_at += Duration::from_secs(1);
        for encoder in &self.encoders {
            let lag = Duration::from_millis(u64::from(encoder.layer) * 7);
            let time = now - self.began_at + lag;
            out.push(Rtcp::SenderReport(SenderReport {
                ssrc: encoder.ssrc,
                ntp: self.told.unwrap_or_else(|| ntp(time)),
                timestamp: Timestamp(encoder.timestamp(self.kind, time)),
                packets: encoder.packets,
                octets: 0,
            }));
        }
    }

    pub(crate) fn hear(&mut self, now: Instant, rtcp: &Rtcp, out: &mut Vec<Sent>) {
        for encoder in &mut self.encoders {
            encoder.hear(now, rtcp, out);
        }
    }
}

/// The publisher's own clock, some time in 2026.
pub(crate) fn ntp(time: Duration) -> NtpTime {
    NtpTime(3_990_000_000 << 32).plus(time)
}

impl Encoder {
    fn new(layer: u8, rid: Option<Rid>) -> Self {
        Self {
            layer,
            ssrc: Ssrc(0x1000 + u32::from(layer)),
            rid,
            on: true,
            probing: false,
            seq: 1_000 * u16::from(layer + 1),
            clock: 0x1234_5678_u32.wrapping_mul(u32::from(layer) + 1),
            picture: 100 * u16::from(layer + 1),
            tl0: 50 * layer,
            keyframe_wanted: true,
            asked: Vec::new(),
            nacked: 0,
            reports: Vec::new(),
            history: HashMap::new(),
            packets: 0,
            layered: None,
        }
    }

    /// Shows a picture that stands alone next.
    pub(crate) fn want_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    fn timestamp(&self, kind: MediaKind, time: Duration) -> u32 {
        let rate = match kind {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        };
        self.clock
            .wrapping_add((time.as_micros() * rate / 1_000_000) as u32)
    }

    fn speak(&mut self, time: Duration, frame: u32, out: &mut Vec<Sent>) {
        let timestamp = self.timestamp(MediaKind::Audio, time);
        let payload = frame.to_be_bytes().repeat(20);
        self.push(timestamp, frame == 0, Codec::Opus, payload, out);
    }

    fn show(&mut self, time: Duration, frame: u32, out: &mut Vec<Sent>) {
        let timestamp = self.timestamp(MediaKind::Video, time);
        let keyframe = std::mem::take(&mut self.keyframe_wanted);
        if let Some(mut layered) = self.layered.take() {
            for (marker, dependencies, payload) in layered.show(keyframe, frame) {
                let codec = layered.codec;
                self.push(timestamp, marker, codec, payload, out);
                let sent = out.last_mut().expect("it was pushed");
                sent.dependencies = dependencies;
                self.history.insert(sent.seq, sent.clone());
            }
            self.layered = Some(layered);
            return;
        }
        let (temporal, sync) = match frame % 4 {
            _ if keyframe => (0, true),
            0 => (0, false),
            1 => (2, true),
            2 => (1, true),
            _ => (2, false),
        };
        self.picture = (self.picture + 1) & 0x7fff;
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let count = SIZES[usize::from(self.layer)] * if keyframe { 4 } else { 1 };
        for index in 0..count {
            let start = if index == 0 { 0x90 } else { 0x80 };
            let mut payload = vec![
                start,
                0xe0,
                0x80 | (self.picture >> 8) as u8,
                self.picture as u8,
                self.tl0,
                temporal << 6 | u8::from(sync) << 5,
                // The frame tag, then what the subscriber checks.
                u8::from(!keyframe),
                self.layer,
                index,
                count,
            ];
            payload.extend(frame.to_be_bytes());
            payload.resize(600 + usize::from(index), self.layer);
            self.push(timestamp, index + 1 == count, Codec::Vp8, payload, out);
        }
        if self.probing {
            self.push(timestamp, false, Codec::Vp8, Vec::new(), out);
        }
    }

    fn push(
        &mut self,
        timestamp: u32,
        marker: bool,
        codec: Codec,
        payload: Vec<u8>,
        out: &mut Vec<Sent>,
    ) {
        let sent = Sent {
            ssrc: self.ssrc,
            rid: self.rid,
            seq: self.seq,
            timestamp,
            marker,
            delivery: Delivery::Original,
            codec,
            payload,
            dependencies: 0,
        };
        self.seq = self.seq.wrapping_add(1);
        self.packets += 1;
        self.history.insert(sent.seq, sent.clone());
        out.push(sent);
    }

    fn hear(&mut self, now: Instant, rtcp: &Rtcp, out: &mut Vec<Sent>) {
        match rtcp {
            Rtcp::Nack(nack) if nack.ssrc == self.ssrc => {
                for seq in &nack.lost {
                    self.nacked += 1;
                    let sent = self.history.get(&seq.0);
                    out.extend(sent.cloned().map(|sent| Sent {
                        delivery: Delivery::Repair,
                        ..sent
                    }));
                }
            }
            Rtcp::KeyframeRequest { ssrc } if *ssrc == self.ssrc => {
                self.asked.push(now);
                self.keyframe_wanted = true;
            }
            Rtcp::ReceptionReport(report) if report.ssrc == self.ssrc => self.reports.push(now),
            Rtcp::SenderReport(_)
            | Rtcp::ReceptionReport(_)
            | Rtcp::Nack(_)
            | Rtcp::KeyframeRequest { .. }
            | Rtcp::BandwidthLimit { .. }
            | Rtcp::Bye { .. } => {}
        }
    }
}
