//! What a publisher sends: the packets of its microphone and its camera, sealed, at the
//! moments those plan; and sender reports.

use mio::net::UdpSocket;

use super::srtp::{Keys, TAG};
use crate::load::{
    camera::{Camera, Planned},
    clock::Clock,
    part::Manner,
    payload::{Lane, Stamp},
    red::{self, Block},
    sdp::{OPUS, RED, RIDS, Repetition, VP8, extension},
    statistics::Sent,
    voice::{Sound, Voice},
    vp8::{self, Descriptor},
};

/// What a participant publishes.
#[derive(Debug)]
pub struct Sending {
    publisher: u16,
    voice: Option<(Voice, Outlet)>,
    /// The frame of sound that is sent again with the next one.
    before: Option<Block>,
    repetition: Repetition,
    camera: Option<(Camera, [Outlet; 3])>,
    /// The next number on the transport.
    twcc: u16,
    packet: [u8; 1_500],
}

/// One stream on its way out.
#[derive(Debug)]
struct Outlet {
    lane: Lane,
    ssrc: u32,
    mid: u8,
    index: u64,
    counter: u32,
    octets: u32,
    timestamp: u32,
    offset: u32,
}

/// What of a participant's media plays, and in which sections.
#[derive(Debug, Clone, Copy)]
pub struct Devices {
    /// Of the participant, in this run.
    pub publisher: u16,
    /// The section of the microphone.
    pub microphone: Option<usize>,
    /// The section of the camera.
    pub camera: Option<usize>,
    /// How the microphone is used.
    pub manner: Manner,
    /// Of the sound.
    pub repetition: Repetition,
}

impl Outlet {
    fn new(lane: Lane, mid: usize) -> Self {
        Self {
            lane,
            ssrc: rand::random(),
            // One letter; sections in which something is sent come first.
            mid: b'0' + (mid % 10) as u8,
            // RFC 3711: below half, so that no early loss hides a turn.
            index: u64::from(rand::random::<u16>() >> 1),
            counter: 0,
            octets: 0,
            timestamp: 0,
            offset: rand::random(),
        }
    }
}

impl Sending {
    /// Plays from `now` on.
    pub fn new(devices: Devices, now: u64) -> Self {
        let seed = u64::from(devices.publisher);
        let voice = devices.microphone.map(|mid| {
            let outlet = Outlet::new(Lane::Audio, mid);
            let voice = match devices.manner {
                Manner::Spurts => Voice::new(seed, now),
                Manner::Lecture => Voice::lecturing(seed, now),
            };
            (voice, outlet)
        });
        let camera = devices.camera.map(|mid| {
            let outlets = Lane::LAYERS.map(|lane| Outlet::new(lane, mid));
            (Camera::new(seed, now), outlets)
        });
        Self {
            publisher: devices.publisher,
            voice,
            before: None,
            repetition: devices.repetition,
            camera,
            twcc: 0,
            packet: [0; 1_500],
        }
    }

    /// When [`play`](Self::play) has something to send.
    pub fn deadline(&self) -> u64 {
        let voice = self.voice.as_ref().map(|(voice, _)| voice.deadline());
        let camera = self.camera.as_ref().map(|(camera, _)| camera.deadline());
        voice.into_iter().chain(camera).min().unwrap_or(u64::MAX)
    }

    /// Sends what is due.
    pub fn play(
        &mut self,
        now: u64,
        clock: Clock,
        keys: &Keys,
        socket: &UdpSocket,
        sent: &mut Sent,
    ) {
        let mut wire = Wire {
            packet: &mut self.packet,
            publisher: self.publisher,
            twcc: &mut self.twcc,
            clock,
            keys,
            socket,
            sent,
        };
        if let Some((voice, outlet)) = &mut self.voice {
            while let Some(sound) = voice.next(now) {
                let before = self.before.take();
                let block = wire.sound(outlet, sound, before.as_ref(), self.repetition);
                self.before = Some(block);
            }
        }
        if let Some((camera, outlets)) = &mut self.camera {
            while let Some(planned) = camera.next(now) {
                wire.picture(&mut outlets[planned.lane.layer()], planned);
            }
        }
    }

    /// The next picture of the stream `ssrc` shall stand alone.
    pub fn want_keyframe(&mut self, ssrc: u32) {
        if let Some((camera, outlets)) = &mut self.camera
            && let Some(outlet) = outlets.iter().find(|outlet| outlet.ssrc == ssrc)
        {
            camera.want_keyframe(outlet.lane);
        }
    }

    /// Writes a sender report for each stream that plays (RFC 3550 section 6.4.1).
    pub fn reports(&self, now: u64, clock: Clock, into: &mut [u8]) -> usize {
        let voice = self.voice.iter().map(|(_, outlet)| outlet);
        let camera = self.camera.iter().flat_map(|(_, outlets)| outlets);
        let mut at = 0;
        for outlet in voice.chain(camera).filter(|outlet| outlet.counter > 0) {
            let report = &mut into[at..at + 28];
            report[..4].copy_from_slice(&[0x80, 200, 0, 6]);
            report[4..8].copy_from_slice(&outlet.ssrc.to_be_bytes());
            report[8..16].copy_from_slice(&clock.ntp(now).to_be_bytes());
            report[16..20].copy_from_slice(&outlet.timestamp.to_be_bytes());
            report[20..24].copy_from_slice(&outlet.counter.to_be_bytes());
            report[24..28].copy_from_slice(&outlet.octets.to_be_bytes());
            at += 28;
        }
        at
    }
}

/// Everything a packet needs on its way to the kernel.
struct Wire<'a> {
    packet: &'a mut [u8; 1_500],
    publisher: u16,
    twcc: &'a mut u16,
    clock: Clock,
    keys: &'a Keys,
    socket: &'a UdpSocket,
    sent: &'a mut Sent,
}

/// The fixed header, the extensions' header and two words of them.
const HEADER: usize = 12 + 4 + 8;

impl Wire<'_> {
    /// Sends a frame of sound, and hands it out to be sent again with the next.
    fn sound(
        &mut self,
        outlet: &mut Outlet,
        sound: Sound,
        before: Option<&Block>,
        repetition: Repetition,
    ) -> Block {
        let [high, low] = self.twcc.to_be_bytes();
        let voice = if sound.level < 127 { 0x80 } else { 0 };
        let extensions = [
            extension::LEVEL << 4,
            voice | sound.level,
            extension::MID << 4,
            outlet.mid,
            extension::TWCC << 4 | 1,
            high,
            low,
            0,
        ];
        let kind = match repetition {
            Repetition::None => OPUS,
            Repetition::Once => RED,
        };
        self.header(outlet, kind, sound.onset, sound.timestamp, extensions);
        let mut block = Block::silent(sound.timestamp, sound.bytes);
        self.stamp(outlet, &mut block.bytes_mut()[1..]);
        let payload = &mut self.packet[HEADER..];
        let length = match repetition {
            Repetition::None => block.write(payload),
            Repetition::Once => red::write(payload, before, &block),
        };
        self.send(outlet, length);
        block
    }

    fn picture(&mut self, outlet: &mut Outlet, planned: Planned) {
        let [high, low] = self.twcc.to_be_bytes();
        let extensions = [
            extension::MID << 4,
            outlet.mid,
            extension::RID << 4,
            RIDS[planned.lane.layer()] as u8,
            extension::TWCC << 4 | 1,
            high,
            low,
            0,
        ];
        self.header(outlet, VP8, planned.last, planned.timestamp, extensions);
        let descriptor = Descriptor {
            start: planned.first,
            picture: planned.picture,
            base: planned.base,
            temporal: planned.temporal,
            sync: planned.temporal == 1,
        };
        let length = Descriptor::LEN + planned.bytes;
        let payload = &mut self.packet[HEADER..HEADER + length];
        payload.fill(0);
        payload[..Descriptor::LEN].copy_from_slice(&descriptor.bytes());
        let mut own = Descriptor::LEN;
        if planned.first {
            own += vp8::write_header(&mut payload[own..], planned.key, planned.frame);
        }
        let mut stamped = [0; Stamp::LEN];
        self.stamp(outlet, &mut stamped);
        self.packet[HEADER + own..][..Stamp::LEN].copy_from_slice(&stamped);
        self.send(outlet, length);
    }

    fn header(
        &mut self,
        outlet: &mut Outlet,
        kind: u8,
        marker: bool,
        timestamp: u32,
        extensions: [u8; 8],
    ) {
        outlet.index += 1;
        outlet.timestamp = timestamp.wrapping_add(outlet.offset);
        let marker = if marker { 0x80 } else { 0 };
        let header = &mut self.packet[..HEADER];
        header[..2].copy_from_slice(&[0x90, marker | kind]);
        header[2..4].copy_from_slice(&(outlet.index as u16).to_be_bytes());
        header[4..8].copy_from_slice(&outlet.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&outlet.ssrc.to_be_bytes());
        header[12..16].copy_from_slice(&[0xbe, 0xde, 0, 2]);
        header[16..].copy_from_slice(&extensions);
        *self.twcc = self.twcc.wrapping_add(1);
    }

    /// Stamps the next frame, or part of one, of a stream.
    fn stamp(&self, outlet: &mut Outlet, into: &mut [u8]) {
        let stamp = Stamp {
            publisher: self.publisher,
            lane: outlet.lane,
            counter: outlet.counter,
            sent_at: self.clock.now(),
        };
        stamp.write(into);
        outlet.counter += 1;
    }

    /// Seals and sends a payload of `length` bytes.
    fn send(&mut self, outlet: &mut Outlet, length: usize) {
        outlet.octets = outlet.octets.wrapping_add(length as u32);
        let packet = &mut self.packet[..HEADER + length + TAG];
        let sealed = self.keys.seal_rtp(packet, HEADER, outlet.index);
        match sealed.map(|()| self.socket.send(packet)) {
            Some(Ok(length)) => {
                self.sent.packets += 1;
                self.sent.bytes += length as u64;
            }
            Some(Err(_)) | None => self.sent.failed += 1,
        }
    }
}
