//! What leaves: media sealed at once, everything else with the next poll.

use std::net::SocketAddr;
use std::time::Instant;

use media::{Delivery, Outgoing, Ssrc};

use super::{Event, Life, Placed, Transport};
use crate::rtcp::{self, Reporter};
use crate::rtp::NewHeader;
use crate::rtx;
use crate::sctp::DataEvent;
use crate::sections::SenderId;
use crate::srtp::SealError;

impl Transport {
    /// Appends one encrypted packet to `out` and answers where it goes; `out` is as
    /// before if it cannot be sent.
    pub fn seal(
        &mut self,
        sender: SenderId,
        packet: &Outgoing<'_>,
        out: &mut Vec<u8>,
    ) -> Result<SocketAddr, SealError> {
        let start = out.len();
        let sealed = self.seal_at(start, sender, packet, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    fn seal_at(
        &mut self,
        start: usize,
        sender: SenderId,
        packet: &Outgoing<'_>,
        out: &mut Vec<u8>,
    ) -> Result<SocketAddr, SealError> {
        let to = self.ice.destination().ok_or(SealError::NotConnected)?;
        let keys = match (&mut self.keys, self.life) {
            (Some(keys), Life::Connected) => keys,
            (_, Life::Connecting | Life::Connected | Life::Over) => {
                return Err(SealError::NotConnected);
            }
        };
        let outbound = self.outbound.get_mut(sender.0 as usize);
        let outbound = outbound
            .and_then(Option::as_deref_mut)
            .ok_or(SealError::NoSender)?;
        if outbound.seen != self.sections.agreed() {
            outbound.seen = self.sections.agreed();
            outbound.sending = self.sections.sending(sender).cloned();
        }
        let sending = outbound.sending.as_ref().ok_or(SealError::NoSender)?;
        let codec = sending
            .codec(packet.codec)
            .ok_or(SealError::NotNegotiated)?;
        let mid = match outbound.placed {
            Placed::Known => None,
            Placed::Unknown => sending.mid_extension.map(|id| (id, sending.mid)),
        };
        let mut header = NewHeader {
            marker: packet.marker,
            payload_type: codec.payload_type,
            seq: packet.seq,
            timestamp: packet.timestamp,
            ssrc: sending.ssrc,
            mid,
        };
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
        out.extend_from_slice(packet.head);
        out.extend_from_slice(packet.body);
        keys.sealer
            .seal_rtp(out, start, len, (header.ssrc.0, place), header.seq.0)?;
        Ok(to)
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
    pub(super) fn seal_compound(&mut self) -> Option<SocketAddr> {
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
