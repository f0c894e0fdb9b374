//! What a datagram is and where it goes.

use std::time::Instant;

use media::{Bitrate, Codec, Delivery, Packet, Rtcp, SeqNo};

use super::{Event, FailReason, Hearing, Incoming, Keys, Life, Placed, Transport};
use crate::drops::DropReason;
use crate::dtls::{Dtls, DtlsEvent, Refused};
use crate::ice::Selection;
use crate::rtp::RtpHeader;
use crate::sections::{RtpIdentity, Stream};
use crate::way::Way;
use crate::{rtcp, rtx};

/// What the first byte says (RFC 7983), and the second where media and RTCP share it
/// (RFC 5761).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

impl Kind {
    pub(super) fn of(datagram: &[u8]) -> Option<Self> {
        match (*datagram.first()?, datagram.get(1)) {
            (0..=3, _) => Some(Self::Stun),
            (20..=63, _) => Some(Self::Dtls),
            (128..=191, Some(192..=223)) => Some(Self::Rtcp),
            (128..=191, _) => Some(Self::Rtp),
            _ => None,
        }
    }
}

impl Transport {
    /// Takes one datagram; answers a packet of a track, if it was one.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        from: Way,
        bytes: &'a mut [u8],
    ) -> Option<Incoming<'a>> {
        match self.receive(now, from, bytes) {
            Ok(incoming) => incoming,
            Err(reason) => {
                self.drops.count(reason);
                None
            }
        }
    }

    fn receive<'a>(
        &mut self,
        now: Instant,
        from: Way,
        bytes: &'a mut [u8],
    ) -> Result<Option<Incoming<'a>>, DropReason> {
        if self.life == Life::Over {
            return Err(DropReason::Closed);
        }
        let kind = Kind::of(bytes).ok_or(DropReason::UnknownKind)?;
        if kind != Kind::Stun && !self.ice.is_validated(from) {
            return Err(DropReason::UnvalidatedAddress);
        }
        match kind {
            Kind::Stun => self.receive_check(now, from, bytes).map(|()| None),
            Kind::Dtls => self.receive_dtls(now, bytes).map(|()| None),
            Kind::Rtp => self.receive_rtp(now, bytes).map(Some),
            Kind::Rtcp => self.receive_rtcp(now, bytes).map(|()| None),
        }
    }

    fn receive_check(&mut self, now: Instant, from: Way, bytes: &[u8]) -> Result<(), DropReason> {
        let remote = self.sections.remote();
        let remote = remote.ok_or(DropReason::NoRemoteDescription)?;
        let answered = self.ice.handle(now, from, bytes, &remote.ufrag)?;
        self.transmits.push_back((from, answered.reply));
        match answered.selection {
            Selection::Unchanged => {}
            Selection::Moved => self.events.push_back(Event::AddressChanged),
            Selection::First => {
                let identity = self.identity.clone();
                match Dtls::start(now, identity, remote.role, &remote.fingerprints) {
                    Ok(dtls) => self.dtls = Some(dtls),
                    Err(failure) => self.fail(failure.into()),
                }
            }
        }
        self.heard_again(now);
        answered.refused.map_or(Ok(()), Err)
    }

    fn heard_again(&mut self, now: Instant) {
        if self.ice.silent_at().is_some_and(|at| at > now) {
            self.hearing = Hearing::Yes;
        }
    }

    fn receive_dtls(&mut self, now: Instant, bytes: &[u8]) -> Result<(), DropReason> {
        let dtls = self.dtls.as_mut().ok_or(DropReason::UnvalidatedAddress)?;
        let mut events = Vec::new();
        let handled = dtls.handle(now, bytes, &mut events);
        for event in events {
            match event {
                DtlsEvent::Established(keys) => self.connected(keys),
                DtlsEvent::Data(packet) => self.data.handle(now, packet, &mut self.drops),
                DtlsEvent::Closed => self.fail(FailReason::ClosedByClient),
            }
        }
        match handled {
            Ok(()) => Ok(()),
            Err(Refused::Dropped(reason)) => Err(reason),
            Err(Refused::Failed(failure)) => {
                self.fail(failure.into());
                Ok(())
            }
        }
    }

    fn connected(&mut self, keys: Option<Box<(crate::srtp::Sealer, crate::srtp::Opener)>>) {
        self.keys = keys.map(|keys| {
            let (sealer, opener) = *keys;
            Box::new(Keys { sealer, opener })
        });
        if let Some(remote) = self.sections.remote() {
            self.data.start(remote.role);
        }
        self.life = Life::Connected;
        self.events.push_back(Event::Connected);
    }

    fn receive_rtp<'a>(
        &mut self,
        now: Instant,
        bytes: &'a mut [u8],
    ) -> Result<Incoming<'a>, DropReason> {
        let keys = self.keys.as_mut().ok_or(DropReason::NoKeys)?;
        let header = RtpHeader::parse(bytes).map_err(|_| DropReason::RtpMalformed)?;
        let len = keys
            .opener
            .open_rtp(bytes, header.len, header.ssrc.0, header.seq.0)?;
        // From here on the packet is the client's, whatever it says. Counted before, packets
        // that somebody forged would use up what the client may send.
        if !self.allowance.take(now) {
            return Err(DropReason::RtpFlood);
        }
        let packet = &bytes[..len];
        let extensions = header.extensions(packet, &self.sections.extension_ids());
        if let Some(number) = extensions.twcc {
            self.arrivals.arrived(now, number);
            self.heard = header.ssrc;
        }
        let payload = header.payload(packet);
        let payload = payload.map_err(|_| DropReason::RtpMalformed)?.len();
        let identity = RtpIdentity {
            ssrc: header.ssrc,
            payload_type: header.payload_type,
            mid: extensions.mid,
            rid: extensions.rid,
            repaired_rid: extensions.repaired_rid,
        };
        let stream = self.sections.identify(&identity);
        let stream = stream.ok_or(DropReason::RtpUnknownStream)?;
        self.hear(&header, &stream);
        let mut packet = Packet {
            ssrc: header.ssrc,
            rid: stream.rid,
            seq: header.seq,
            timestamp: header.timestamp,
            marker: header.marker,
            delivery: Delivery::Original,
            codec: stream.codec,
            audio_level: extensions.audio_level,
            payload: &[],
            dependencies: 0,
        };
        let (mut start, end) = (header.len, header.len + payload);
        if let Some(repaired) = stream.repairs {
            let (original, payload): (SeqNo, _) =
                rtx::decapsulate(&bytes[start..end]).ok_or(DropReason::RtxProbe)?;
            packet.ssrc = repaired;
            packet.seq = original;
            packet.delivery = Delivery::Repair;
            start = end - payload.len();
        }
        let told = extensions.dependencies.len();
        if stream.codec == Codec::Av1 && start < end && told > 0 {
            // Kept with the payload, where it stood is read already.
            let mut held = [0; u8::MAX as usize];
            held[..told].copy_from_slice(extensions.dependencies);
            start -= told;
            bytes[start..start + told].copy_from_slice(&held[..told]);
            packet.dependencies = told as u8;
        }
        packet.payload = &bytes[start..end];
        Ok(Incoming {
            mid: stream.mid,
            packet,
        })
    }

    /// Remembers the m-line of a stream, for the reports about it.
    fn hear(&mut self, header: &RtpHeader, stream: &Stream) {
        /// Streams come and go with renegotiation; those still alive are learned again
        /// with their next packet.
        const MAX: usize = 128;
        if stream.repairs.is_some() || self.heard_in.get(&header.ssrc) == Some(&stream.mid) {
            return;
        }
        if self.heard_in.len() >= MAX {
            self.heard_in.clear();
        }
        self.heard_in.insert(header.ssrc, stream.mid);
    }

    fn receive_rtcp(&mut self, now: Instant, bytes: &mut [u8]) -> Result<(), DropReason> {
        let keys = self.keys.as_mut().ok_or(DropReason::NoKeys)?;
        let len = keys.opener.open_rtcp(bytes)?;
        // Kept for its allocation.
        let mut said = std::mem::take(&mut self.said);
        let read = rtcp::read(&bytes[..len], &mut said);
        match read {
            Ok(()) => self.bandwidth.hear(now, &bytes[..len], &mut self.sent),
            Err(_) => said.clear(),
        }
        for rtcp in said.drain(..) {
            match self.route(now, rtcp) {
                Some(event) => self.events.push_back(event),
                None => self.drops.count(DropReason::RtcpUnknownStream),
            }
        }
        self.said = said;
        read.map_err(|_| DropReason::RtcpMalformed)
    }

    /// Whom it is about: a sender of ours, or a stream of the client's.
    fn route(&mut self, now: Instant, rtcp: Rtcp) -> Option<Event> {
        let about = match &rtcp {
            Rtcp::SenderReport(report) => {
                let mid = *self.heard_in.get(&report.ssrc)?;
                return Some(Event::Report { mid, rtcp });
            }
            Rtcp::Bye { ssrc } => {
                let mid = *self.heard_in.get(ssrc)?;
                return Some(Event::Report { mid, rtcp });
            }
            Rtcp::BandwidthLimit { bits_per_second } => {
                self.bandwidth.limit(Bitrate(*bits_per_second));
                return Some(Event::Feedback { sender: None, rtcp });
            }
            Rtcp::ReceptionReport(report) => {
                self.bandwidth.lost(now, report.fraction_lost);
                report.ssrc
            }
            Rtcp::Nack(nack) => nack.ssrc,
            Rtcp::KeyframeRequest { ssrc } => *ssrc,
        };
        let sender = *self.senders.get(&about)?;
        let outbound = self.outbound.get_mut(sender.0 as usize)?.as_mut()?;
        if about != outbound.ssrc {
            // How the repairs fare says nothing of the stream.
            return None;
        }
        outbound.placed = Placed::Known;
        let sender = Some(sender);
        Some(Event::Feedback { sender, rtcp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_protocol() {
        for (datagram, expected) in [
            (&[][..], None),
            (&[0, 1], Some(Kind::Stun)),
            (&[3], Some(Kind::Stun)),
            (&[4, 0], None),
            (&[19, 0], None),
            (&[20], Some(Kind::Dtls)),
            (&[63, 0], Some(Kind::Dtls)),
            (&[64, 0], None),
            (&[127, 0], None),
            (&[0x80, 96], Some(Kind::Rtp)),
            (&[0x80, 96 | 0x80], Some(Kind::Rtp)),
            (&[0x80, 200], Some(Kind::Rtcp)),
            (&[0xbf, 206], Some(Kind::Rtcp)),
            (&[0xc0, 200], None),
        ] {
            assert_eq!(Kind::of(datagram), expected, "{datagram:?}");
        }
    }
}
