//! A camera with three layers of three frame rates each, that answers requests for
//! keyframes as browsers do.

use std::time::Duration;

use media::{Codec, Delivery, MediaKind, Packet, Rid, Rtcp, SeqNo, Ssrc, Timestamp};
use sfu::{Muted, TrackInfo, TrackKey, VideoLayer, VideoQuality};

use crate::stage::{Stage, camera};

/// What it films with.
pub(crate) struct Film {
    pub(crate) track: TrackKey,
    /// Layers that are sent.
    pub(crate) on: [bool; 3],
    keyframes: [bool; 3],
    seqs: [u16; 3],
    frame: u32,
    first_ssrc: u32,
    /// Sends no keyframe it is asked for.
    pub(crate) ignores_requests: bool,
}

/// kbit/s of the layers.
pub(crate) const RATES: [u64; 3] = [150, 500, 1_700];
const FRAME: Duration = Duration::from_millis(33);
const RIDS: [&[u8]; 3] = [b"q", b"h", b"f"];

/// A camera in three layers.
pub(crate) fn layered(name: &str) -> TrackInfo {
    let layer = |quality, width, height, kilobits: u32| VideoLayer {
        quality,
        width,
        height,
        bitrate: kilobits * 1_000,
    };
    TrackInfo {
        width: 1280,
        height: 720,
        layers: vec![
            layer(VideoQuality::Low, 320, 180, 150),
            layer(VideoQuality::Medium, 640, 360, 500),
            layer(VideoQuality::High, 1280, 720, 1_700),
        ],
        ..camera(name)
    }
}

impl Film {
    /// Somebody publishes it, and everybody who wants it can have it.
    pub(crate) fn publish(stage: &mut Stage, who: &str, track: TrackInfo) -> Self {
        assert_eq!(track.muted, Muted::No);
        let mid = stage.add_section(who, &track.name, MediaKind::Video, "q h f");
        stage.announce(who, track);
        stage.offer(who);
        let key = stage.received[&mid].track;
        stage.settle();
        Self {
            track: key,
            on: [true; 3],
            keyframes: [true; 3],
            seqs: [0; 3],
            frame: 0,
            first_ssrc: 100 * (key.0 + 1),
            ignores_requests: false,
        }
    }

    fn take_requests(&mut self, stage: &Stage) {
        if self.ignores_requests {
            return;
        }
        for (_, rtcp) in &stage.wire.rtcp {
            let Rtcp::KeyframeRequest { ssrc } = rtcp else {
                continue;
            };
            let layer = ssrc.0.wrapping_sub(self.first_ssrc) as usize;
            if let Some(keyframe) = self.keyframes.get_mut(layer) {
                *keyframe = true;
            }
        }
    }

    fn shoot(&mut self, stage: &mut Stage) {
        self.frame += 1;
        for layer in 0..3 {
            if !self.on[layer] {
                continue;
            }
            let keyframe = std::mem::take(&mut self.keyframes[layer]);
            let temporal = [0, 2, 1, 2][self.frame as usize % 4];
            let temporal = if keyframe { 0 } else { temporal };
            let sync = u8::from(temporal > 0);
            let frame = self.frame as u16 & 0x7fff;
            let mut payload = vec![
                0x90,
                0xe0,
                0x80 | (frame >> 8) as u8,
                frame as u8,
                (self.frame / 4) as u8,
                temporal << 6 | sync << 5,
                u8::from(!keyframe),
            ];
            // The lowest frame rate has two fifths of the bits, as in browsers.
            let share = [16, 8, 8][usize::from(temporal)] as u64;
            let bytes = RATES[layer] * 33 / 8 * share / 10;
            payload.resize(bytes.max(20) as usize % 1_400 + 20, 0);
            let packets = bytes / 1_400 + 1;
            for packet in 0..packets {
                self.seqs[layer] = self.seqs[layer].wrapping_add(1);
                payload[0] = if packet == 0 { 0x90 } else { 0x80 };
                let packet = Packet {
                    ssrc: Ssrc(self.first_ssrc + layer as u32),
                    rid: Rid::new(RIDS[layer]),
                    seq: SeqNo(self.seqs[layer]),
                    timestamp: Timestamp(self.frame * 2_970),
                    marker: packet + 1 == packets,
                    delivery: Delivery::Original,
                    codec: Codec::Vp8,
                    audio_level: None,
                    payload: &payload,
                    dependencies: 0,
                };
                stage
                    .room
                    .handle_packet(stage.now, self.track, &packet, &mut stage.wire);
                payload.resize(1_400, 0);
            }
        }
    }
}

/// Lets cameras run for a while; returns what the room said meanwhile.
pub(crate) fn roll(stage: &mut Stage, films: &mut [&mut Film], time: Duration) -> Vec<String> {
    let end = stage.now + time;
    let mut log = Vec::new();
    while stage.now < end {
        for film in &mut *films {
            film.take_requests(stage);
        }
        stage.wire.rtcp.clear();
        stage.wire.packets.clear();
        for film in &mut *films {
            film.shoot(stage);
        }
        log.extend(stage.log());
        stage.pass(FRAME);
    }
    log.extend(stage.log());
    log
}
