//! What leaves: media sealed at once, everything else with the next poll.

use std::time::Instant;

use media::{Codec, Delivery, Outgoing, PayloadType, Ssrc};

use super::{Event, Life, Placed, Transport};
use crate::rtcp::{self, Reporter};
use crate::rtp::{NewHeader, Padded};
use crate::rtx;
use crate::sctp::DataEvent;
use crate::sections::SenderId;
use crate::srtp::SealError;
use crate::way::Way;

impl Transport {
    /// Appends one encrypted packet, which leaves at `now`, to `out` and answers where it
    /// goes; `out` is as before if it cannot be sent.
    pub fn seal(
        &mut self,
        now: Instant,
        sender: SenderId,
        packet: &Outgoing<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Way, SealError> {
        let start = out.len();
        let sealed = self.seal_at(now, start, sender, packet, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    fn seal_at(
        &mut self,
        now: Instant,
        start: usize,
        sender: SenderId,
        packet: &Outgoing<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Way, SealError> {
        let to = self.ice.destination().ok_or(SealError::NotConnected)?;
        let keys = match (&mut self.keys, self.life) {
            (Some(keys), Life::Connected) => keys,
            (_, Life::Connecting | Life::Connected | Life::Over) => {
                return Err(SealError::NotConnected);
            }
        };
        let outbound = self.outbound.get_mut(sender.0 as usize);
        let outbound = outbound
            .and_then(Option::as_mut)
            .ok_or(SealError::NoSender)?;
        if outbound.seen != self.sections.agreed() {
            outbound.seen = self.sections.agreed();
            outbound.sending = self.sections.sending(sender).cloned();
            outbound.codec = None;
        }
        let sending = outbound.sending.as_ref().ok_or(SealError::NoSender)?;
        let codec = match outbound.codec {
            Some(last) if last.codec == packet.codec => last,
            Some(_) | None => *sending
                .codec(packet.codec)
                .ok_or(SealError::NotNegotiated)?,
        };
        outbound.codec = Some(codec);
        let mid = match outbound.placed {
            Placed::Known => None,
            Placed::Unknown => sending.mid_extension.map(|id| (id, sending.mid)),
        };
        let mut header = NewHeader {
            marker: packet.marker,
            padded: match packet.padding {
                0 => Padded::No,
                1.. => Padded::Yes,
            },
            payload_type: codec.payload_type,
            seq: packet.seq,
            timestamp: packet.timestamp,
            ssrc: sending.ssrc,
            mid,
            twcc: sending
                .twcc_extension
                .filter(|_| self.numbering.takes(now, packet.codec.kind()))
                .map(|id| (id, self.sent.number())),
            playout: sending.playout,
            dependencies: None,
        };
        let (told, [head, body]) = split(packet);
        if let Some(id) = sending.dependencies.filter(|_| packet.dependencies > 0) {
            header.dependencies = Some((id, told));
        }
        let mut original = None;
        let mut place = &mut outbound.place;
        if packet.delivery == Delivery::Repair {
            let (Some(payload_type), Some(ssrc)) = (codec.rtx, sending.rtx_ssrc) else {
                return Err(SealError::NotNegotiated);
            };
            header.payload_type = payload_type;
            header.ssrc = ssrc;
            header.seq = outbound.repairs.number();
            place = &mut outbound.repair_place;
            original = Some(rtx::prefix(packet.seq));
        }
        let len = header.write(out);
        out.extend_from_slice(original.as_ref().map_or(&[], <[u8; 2]>::as_slice));
        let payload = out.len();
        out.extend_from_slice(head);
        out.extend_from_slice(body);
        if packet.repeats > 0 {
            let opus = sending.codec(Codec::Opus);
            let opus = opus.ok_or(SealError::NotNegotiated)?.payload_type;
            name_blocks(&mut out[payload..], packet.repeats, opus);
        }
        if packet.padding > 0 {
            // The last byte tells how much there is.
            out.resize(out.len() + usize::from(packet.padding) - 1, 0);
            out.push(packet.padding);
        }
        outbound.timestamp = packet.timestamp;
        keys.sealer
            .seal_rtp(out, start, len, (header.ssrc.0, place), header.seq.0)?;
        match header.twcc {
            Some(_) => self.sent.note(now, out.len() - start),
            None => self.sent.note_beside(out.len() - start),
        }
        Ok(to)
    }

    /// Sends padding on a repair stream, as much as the probe that is under way asks for.
    pub(super) fn pad(&mut self, now: Instant) {
        let mut owed = self.bandwidth.owed(now, &self.sent);
        let senders = if owed > 0 { self.outbound.len() } else { 0 };
        for sender in 0..senders {
            while owed > 0 {
                let Some((to, bytes)) = self.padding(now, SenderId(sender as u32)) else {
                    break;
                };
                owed = owed.saturating_sub(bytes.len() as u64);
                self.transmits.push_back((to, bytes));
            }
        }
    }

    /// One packet of nothing but padding on the repair stream of `sender`: media's own numbers
    /// stay as they are.
    fn padding(&mut self, now: Instant, sender: SenderId) -> Option<(Way, Vec<u8>)> {
        let to = self.ice.destination()?;
        let keys = self.keys.as_mut()?;
        let outbound = self.outbound.get_mut(sender.0 as usize)?.as_mut()?;
        let sending = self.sections.sending(sender)?;
        let twcc = (sending.twcc_extension?, self.sent.number());
        let header = NewHeader {
            marker: false,
            padded: Padded::Yes,
            payload_type: sending.codecs.iter().find_map(|codec| codec.rtx)?,
            seq: outbound.repairs.number(),
            timestamp: outbound.timestamp,
            ssrc: sending.rtx_ssrc?,
            mid: match outbound.placed {
                Placed::Known => None,
                Placed::Unknown => sending.mid_extension.map(|id| (id, sending.mid)),
            },
            twcc: Some(twcc),
            playout: None,
            dependencies: None,
        };
        let mut out = Vec::with_capacity(320);
        let len = header.write(&mut out);
        // The last byte tells how much there is; it cannot tell of more.
        out.resize(len + usize::from(u8::MAX) - 1, 0);
        out.push(u8::MAX);
        let place = (header.ssrc.0, &mut outbound.repair_place);
        keys.sealer
            .seal_rtp(&mut out, 0, len, place, header.seq.0)
            .ok()?;
        self.sent.note(now, out.len());
        Some((to, out))
    }

    /// Moves everything that waits one step towards the socket.
    pub(super) fn pump(&mut self, now: Instant) {
        self.pump_data(now);
        self.pump_rtcp(now);
        let Some(to) = self.ice.destination() else {
            return;
        };
        if let Some(dtls) = &mut self.dtls {
            while let Some(bytes) = dtls.poll() {
                self.transmits.push_back((to, bytes));
            }
        }
    }

    fn pump_data(&mut self, now: Instant) {
        while let Some(event) = self.data.poll_event() {
            self.events.push_back(match event {
                DataEvent::Opened(channel) => Event::ChannelOpen(channel),
                DataEvent::Message(channel, payload) => Event::Data { channel, payload },
            });
        }
        if self.life != Life::Connected {
            return;
        }
        let Some(dtls) = &mut self.dtls else {
            return;
        };
        while let Some(packets) = self.data.poll_transmit(now) {
            for packet in packets {
                dtls.send(now, &packet);
            }
        }
    }

    fn pump_rtcp(&mut self, now: Instant) {
        let ready = self.keys.is_some() && self.ice.destination().is_some();
        if self.life != Life::Connected || !ready {
            return;
        }
        let streams = (Self::REPORTER, self.heard);
        self.arrivals.feedback(now, streams, &mut self.compounds);
        if self.rtcp.is_empty() {
            return;
        }
        let (senders, outbound) = (&self.senders, &self.outbound);
        let cname = |ssrc: Ssrc| {
            let outbound = outbound.get(senders.get(&ssrc)?.0 as usize)?.as_ref()?;
            Some(outbound.cname.as_str())
        };
        let reporter = Reporter {
            ssrc: Self::REPORTER,
            cname: &cname,
        };
        rtcp::write(&self.rtcp, reporter, &mut self.compounds);
        self.rtcp.clear();
    }

    /// Encrypts the next compound into `sealed`, and answers where it goes.
    pub(super) fn seal_compound(&mut self) -> Option<Way> {
        let (to, keys) = (self.ice.destination()?, self.keys.as_mut()?);
        while let Some(compound) = self.compounds.pop() {
            self.sealed.clear();
            self.sealed.extend_from_slice(compound);
            if keys.sealer.seal_rtcp(&mut self.sealed).is_ok() {
                return Some(to);
            }
        }
        None
    }
}

/// Says of the blocks of redundant sound that they are Opus (RFC 2198 section 3).
fn name_blocks(payload: &mut [u8], repeats: u8, opus: PayloadType) {
    /// Of all but the newest.
    const HEADER: usize = 4;
    const MORE: u8 = 0x80;
    for block in 0..=usize::from(repeats) {
        if let Some(byte) = payload.get_mut(block * HEADER) {
            *byte = *byte & MORE | opus.0;
        }
    }
}

/// The dependency descriptor at the start of a packet's payload, and what follows it.
fn split<'a>(packet: &Outgoing<'a>) -> ([&'a [u8]; 2], [&'a [u8]; 2]) {
    let len = usize::from(packet.dependencies);
    let (of_head, head) = packet.head.split_at(len.min(packet.head.len()));
    let rest = (len - of_head.len()).min(packet.body.len());
    let (of_body, body) = packet.body.split_at(rest);
    ([of_head, of_body], [head, body])
}
