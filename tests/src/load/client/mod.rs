//! A client as light as one can be that is still real: its own socket, keys of its own
//! handshake, checks, media both ways, reports. Thousands of them live in one thread.

pub mod handshake;
pub mod inbox;
pub mod sending;
pub mod srtp;
pub mod stream;
pub mod stun;

use mio::net::UdpSocket;
use rustc_hash::FxHashMap;

use self::{
    handshake::Connected,
    inbox::Inbox,
    sending::Sending,
    srtp::{Keys, RTCP_OVERHEAD},
    stream::Stream,
    stun::{Checks, Kind},
};
use super::{
    clock::Clock,
    hearing::{Heard, Hearing},
    payload::{Lane, Stamp},
    red,
    sdp::{OPUS, RED},
    statistics::{Group, Statistics},
    vp8,
};

/// A client whose connection is up.
#[derive(Debug)]
pub struct Client {
    /// Connected to the server; sends, and tells that something arrived.
    pub socket: UdpSocket,
    /// The same socket, to receive on.
    inlet: batch::Socket,
    /// Whose packets are counted where.
    pub group: Group,
    wiring: Wiring,
}

/// Everything but the socket, which is borrowed while its datagrams are handled.
#[derive(Debug)]
struct Wiring {
    local: Keys,
    remote: Keys,
    checks: Checks,
    ssrc: u32,
    sending: Option<Sending>,
    streams: FxHashMap<u32, Stream>,
    /// What is heard of each speaker.
    hearing: FxHashMap<u16, Hearing>,
}

/// How many streams of each kind a client receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streams {
    /// Sound.
    pub audio: usize,
    /// Pictures.
    pub video: usize,
}

/// The most reception reports in one datagram.
const REPORTS: usize = 48;

impl Client {
    /// A client that begins to send and receive.
    pub fn new(connected: Connected, inlet: batch::Socket, checks: Checks, group: Group) -> Self {
        let Connected {
            socket,
            local,
            remote,
        } = connected;
        Self {
            socket: UdpSocket::from_std(socket),
            inlet,
            group,
            wiring: Wiring {
                local,
                remote,
                checks,
                ssrc: rand::random(),
                sending: None,
                streams: FxHashMap::default(),
                hearing: FxHashMap::default(),
            },
        }
    }

    /// Begins to send.
    pub fn play_on(&mut self, sending: Sending) {
        self.wiring.sending = Some(sending);
    }

    /// Takes in everything that has arrived.
    pub fn receive(&mut self, inbox: &mut Inbox, clock: Clock, statistics: &mut Statistics) {
        let Self {
            socket,
            inlet,
            group,
            wiring,
        } = self;
        inbox.drain(inlet, |datagram, arrived| {
            let now = clock.now();
            let arrived_at = arrived.map_or(now, |unix| clock.at(unix));
            statistics.reading.count(now.saturating_sub(arrived_at));
            wiring.take(datagram, *group, arrived_at, socket, statistics);
        });
    }

    /// When there is media to send.
    pub fn media_at(&self) -> u64 {
        let sending = self.wiring.sending.as_ref();
        sending.map_or(u64::MAX, Sending::deadline)
    }

    /// Sends the media that is due.
    pub fn play(&mut self, now: u64, clock: Clock, statistics: &mut Statistics) {
        let Wiring { local, sending, .. } = &mut self.wiring;
        if let Some(sending) = sending {
            sending.play(now, clock, local, &self.socket, &mut statistics.sent);
        }
    }

    /// Shows the server that we still want to hear from it.
    pub fn check(&self) {
        if let Ok(check) = self.wiring.checks.request() {
            // A lost check is followed by another.
            let _ = self.socket.send(&check);
        }
    }

    /// Tells the server what we sent and received.
    pub fn report(&mut self, now: u64, clock: Clock) {
        let mut packet = [0; 1_500 + RTCP_OVERHEAD];
        let length = self.wiring.report(now, clock, &mut packet);
        if length > 0
            && let Some(sealed) = self.wiring.local.seal_rtcp(&mut packet, length)
        {
            // A lost report is followed by another.
            let _ = self.socket.send(&packet[..sealed]);
        }
    }

    /// What was heard of all speakers since the last time.
    pub fn heard(&mut self) -> Heard {
        let all = self.wiring.hearing.values_mut().map(Hearing::take);
        all.fold(Heard::default(), Heard::and)
    }

    /// The streams that media arrived on so far.
    pub fn streams(&self) -> Streams {
        let mut streams = Streams::default();
        for lane in self.wiring.streams.values().filter_map(Stream::lane) {
            match lane {
                Lane::Audio => streams.audio += 1,
                Lane::Low | Lane::Medium | Lane::High => streams.video += 1,
            }
        }
        streams
    }
}

impl Wiring {
    fn take(
        &mut self,
        datagram: &mut [u8],
        group: Group,
        now: u64,
        socket: &UdpSocket,
        statistics: &mut Statistics,
    ) {
        match Kind::of(datagram) {
            Kind::Rtp => self.rtp(datagram, group, now, statistics),
            Kind::Rtcp => self.rtcp(datagram, statistics),
            Kind::Request => {
                if let Ok(server) = socket.peer_addr()
                    && let Some(answer) = self.checks.answer(datagram, server)
                {
                    let _ = socket.send(&answer);
                }
            }
            // Answers to our checks, and what is left of the handshake.
            Kind::Success | Kind::OtherStun | Kind::Dtls => {}
            Kind::Unknown => statistics.foreign += 1,
        }
    }

    fn rtp(&mut self, datagram: &mut [u8], group: Group, now: u64, statistics: &mut Statistics) {
        let bytes = datagram.len();
        let Some(header) = header_length(datagram) else {
            statistics.foreign += 1;
            return;
        };
        let number = u16::from_be_bytes([datagram[2], datagram[3]]);
        let kind = datagram[1] & 0x7f;
        let is_audio = [OPUS, RED].contains(&kind);
        let ssrc = u32::from_be_bytes([datagram[8], datagram[9], datagram[10], datagram[11]]);
        let known = self.streams.get_mut(&ssrc);
        let index = known
            .as_ref()
            .map_or(u64::from(number), |stream| stream.unwrap(number));
        let Some(payload) = self.remote.open_rtp(datagram, header, index) else {
            statistics.unauthentic += 1;
            return;
        };
        let frames = match kind {
            RED => red::read(payload),
            OPUS => red::Frames::alone(payload),
            _ => red::Frames::default(),
        };
        for stamp in frames
            .all()
            .filter_map(|frame| Stamp::read(frame.get(1..)?))
        {
            let hearing = self.hearing.entry(stamp.publisher).or_default();
            hearing.arrived(stamp.counter, stamp.sent_at, now);
        }
        let (payload, own) = match frames.newest {
            Some(newest) => (newest, Some(1)),
            None => (payload, vp8::own_bytes_at(payload)),
        };
        let Some(stamp) = own.and_then(|own| Stamp::read(payload.get(own..)?)) else {
            // Padding, by which a server probes the path, has no stamp; its number counts.
            if let Some(stream) = known {
                stream.arrived(index);
            }
            statistics.foreign += 1;
            return;
        };
        let (continuity, skipped) = match known {
            Some(stream) => (stream.arrived(index), stream.skipped(stamp)),
            None => {
                let stream = self
                    .streams
                    .entry(ssrc)
                    .or_insert_with(|| Stream::new(index));
                (stream::Continuity::Next, stream.skipped(stamp))
            }
        };
        let received = statistics.of(group);
        let lanes = if is_audio {
            &mut received.audio
        } else {
            &mut received.video
        };
        lanes.count(stamp, now, bytes, continuity, skipped);
    }

    fn rtcp(&mut self, datagram: &mut [u8], statistics: &mut Statistics) {
        // Those who only listen have nothing to learn from it.
        let Some(sending) = &mut self.sending else {
            return;
        };
        let Some(mut compound) = self.remote.open_rtcp(datagram) else {
            statistics.unauthentic += 1;
            return;
        };
        while let Some((packet, rest)) = next_rtcp(compound) {
            compound = rest;
            let word = |at: usize| packet.get(at..at + 4).and_then(|four| four.try_into().ok());
            match (packet[1], packet[0] & 0x1f) {
                // RFC 4585 section 6.3.1 and RFC 5104 section 4.3.1.
                (206, kind @ (1 | 4)) => {
                    statistics.sent.keyframe_requests += 1;
                    if let Some(ssrc) = word(if kind == 1 { 8 } else { 12 }) {
                        sending.want_keyframe(u32::from_be_bytes(ssrc));
                    }
                }
                // RFC 4585 section 6.2.1.
                (205, 1) => {
                    for pair in packet.get(12..).unwrap_or_default().chunks_exact(4) {
                        let more = u16::from_be_bytes([pair[2], pair[3]]).count_ones();
                        statistics.sent.nacked += u64::from(1 + more);
                    }
                }
                _ => {}
            }
        }
    }

    fn report(&mut self, now: u64, clock: Clock, into: &mut [u8]) -> usize {
        let mut at = match &self.sending {
            Some(sending) => sending.reports(now, clock, into),
            None => 0,
        };
        let fresh = self
            .streams
            .iter_mut()
            .filter(|(_, stream)| stream.received != stream.reported.1);
        let mut blocks = fresh.take(REPORTS).peekable();
        while blocks.peek().is_some() {
            let start = at;
            at += 8;
            let mut count: u8 = 0;
            for (ssrc, stream) in blocks.by_ref().take(31) {
                let expected = stream.highest().saturating_sub(stream.reported.0);
                let received = stream.received - stream.reported.1;
                let lost = expected.saturating_sub(received);
                stream.reported = (stream.highest(), stream.received);
                let block = &mut into[at..at + 24];
                block[..4].copy_from_slice(&ssrc.to_be_bytes());
                block[4] = (lost * 256 / expected.max(1)).min(255) as u8;
                block[8..12].copy_from_slice(&(stream.highest() as u32).to_be_bytes());
                at += 24;
                count += 1;
            }
            let words = ((at - start) / 4 - 1) as u16;
            into[start..start + 2].copy_from_slice(&[0x80 | count, 201]);
            into[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
            into[start + 4..start + 8].copy_from_slice(&self.ssrc.to_be_bytes());
        }
        at
    }
}

/// RFC 3550 section 5.1 and 5.3.1.
fn header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let mut length = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (packet.len() >= length).then_some(length)
}

/// The first packet of a compound, and those behind it.
fn next_rtcp(compound: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = compound.first_chunk::<4>()?;
    let length = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    compound
        .split_at_checked(length)
        .filter(|(packet, _)| packet.len() >= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headers_length_counts_sources_and_extensions() {
        let mut packet = [0; 40];
        for (first, words, expected) in [
            (0x80, 0, Some(12)),
            (0x82, 0, Some(20)),
            (0x90, 2, Some(24)),
            (0x90, 9, None),
        ] {
            packet[0] = first;
            packet[15] = words;
            assert_eq!(header_length(&packet), expected, "{first:x}");
        }
        assert_eq!(header_length(&[]), None);
    }

    #[test]
    fn a_compound_is_cut_into_its_packets() {
        let compound = [
            0x80, 201, 0, 1, 1, 1, 1, 1, 0x81, 206, 0, 2, 2, 2, 2, 2, 3, 3, 3, 3,
        ];
        let (first, rest) = next_rtcp(&compound).unwrap();
        let (second, rest) = next_rtcp(rest).unwrap();
        assert_eq!((first.len(), second.len(), rest.len()), (8, 12, 0));
        assert_eq!(next_rtcp(rest), None);
        assert_eq!(next_rtcp(&[0x80, 201, 0, 9, 0, 0, 0, 0]), None);
    }
}
