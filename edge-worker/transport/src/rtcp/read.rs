//! Reads what clients say: reports (RFC 3550 section 6.4), goodbyes (6.6), and requests
//! (RFC 4585 section 6, RFC 5104 section 4.3.1, draft-alvestrand-rmcat-remb-03).

use media::{Nack, NtpTime, ReceptionReport, Rtcp, SenderReport, SeqNo, Ssrc, Timestamp};

use super::{
    FIR, GOODBYE, NACK, PAYLOAD_FEEDBACK, PLI, RECEIVER_REPORT, REMB, REMB_NAME, SENDER_REPORT,
    TRANSPORT_FEEDBACK,
};

/// Why bytes are no RTCP compound.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RtcpError {
    /// A packet is longer than what is left, or of another version.
    #[error("the framing lies")]
    Framing,
    /// A packet's body does not fit its framing.
    #[error("a packet lies about its body")]
    Body,
    /// More packets, or more said in them, than anybody needs to say at once.
    #[error("too much at once")]
    TooMuch,
}

/// Appends to `said` what a compound says, in its order. Kinds we do not speak of are left
/// out. After an error part of it may have been appended.
pub(crate) fn read(compound: &[u8], said: &mut Vec<Rtcp>) -> Result<(), RtcpError> {
    let most = said.len() + MAX_SAID;
    for (count, packet) in Packets(compound).enumerate() {
        if count >= MAX_PACKETS {
            return Err(RtcpError::TooMuch);
        }
        read_packet(packet?, said).ok_or(RtcpError::Body)?;
        if said.len() > most {
            return Err(RtcpError::TooMuch);
        }
    }
    Ok(())
}

const MAX_PACKETS: usize = 64;
/// More than the reception reports of a full datagram.
const MAX_SAID: usize = 256;

/// The packets of one compound.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = Result<&'a [u8], RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let packet = self.read();
        if packet.is_none() {
            self.0 = &[];
        }
        Some(packet.ok_or(RtcpError::Framing))
    }
}

impl<'a> Packets<'a> {
    fn read(&mut self) -> Option<&'a [u8]> {
        let header = self.0.first_chunk::<4>()?;
        let words = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let (packet, rest) = self.0.split_at_checked(4 * (words + 1))?;
        self.0 = rest;
        (header[0] >> 6 == 2).then_some(packet)
    }
}

/// `None` if the packet says less than it announces.
fn read_packet(packet: &[u8], said: &mut Vec<Rtcp>) -> Option<()> {
    let (kind, count) = (packet[1], packet[0] & 0x1f);
    match (kind, count) {
        (SENDER_REPORT, _) => {
            let mut body = Body::of(packet)?;
            said.push(Rtcp::SenderReport(SenderReport {
                ssrc: Ssrc(body.word()?),
                ntp: NtpTime(u64::from(body.word()?) << 32 | u64::from(body.word()?)),
                timestamp: Timestamp(body.word()?),
                packets: body.word()?,
                octets: body.word()?,
            }));
            read_reception_reports(body, count, said)
        }
        (RECEIVER_REPORT, _) => {
            let mut body = Body::of(packet)?;
            body.word()?;
            read_reception_reports(body, count, said)
        }
        (GOODBYE, _) => {
            let mut body = Body::of(packet)?;
            for _ in 0..count {
                let ssrc = Ssrc(body.word()?);
                said.push(Rtcp::Bye { ssrc });
            }
            Some(())
        }
        (TRANSPORT_FEEDBACK, NACK) => {
            let (mut body, about) = Body::of_feedback(packet)?;
            let mut lost = Vec::new();
            while let Some(pair) = body.word() {
                lost.extend(missing(pair));
            }
            said.push(Rtcp::Nack(Nack { ssrc: about, lost }));
            Some(())
        }
        (PAYLOAD_FEEDBACK, PLI) => {
            let (_, ssrc) = Body::of_feedback(packet)?;
            said.push(Rtcp::KeyframeRequest { ssrc });
            Some(())
        }
        (PAYLOAD_FEEDBACK, FIR) => {
            let (mut body, _) = Body::of_feedback(packet)?;
            while let Some(ssrc) = body.word() {
                let _number = body.word()?;
                said.push(Rtcp::KeyframeRequest { ssrc: Ssrc(ssrc) });
            }
            Some(())
        }
        (PAYLOAD_FEEDBACK, REMB) => {
            let (mut body, _) = Body::of_feedback(packet)?;
            // Applications may say other things in this format.
            if body.word()?.to_be_bytes() == REMB_NAME {
                let bits_per_second = limit(body.word()?);
                said.push(Rtcp::BandwidthLimit { bits_per_second });
            }
            Some(())
        }
        _ => Some(()),
    }
}

fn read_reception_reports(mut body: Body<'_>, count: u8, said: &mut Vec<Rtcp>) -> Option<()> {
    for _ in 0..count {
        let (ssrc, lost) = (Ssrc(body.word()?), body.word()?);
        said.push(Rtcp::ReceptionReport(ReceptionReport {
            ssrc,
            fraction_lost: (lost >> 24) as u8,
            // 24 bits, negative if duplicates outnumber losses.
            total_lost: (lost << 8) as i32 >> 8,
            highest_seq: body.word()?,
            jitter: body.word()?,
            last_sender_report: body.word()?,
            delay_since: body.word()?,
        }));
    }
    Some(())
}

/// A number, and those of the sixteen after it that are marked.
fn missing(pair: u32) -> impl Iterator<Item = SeqNo> {
    let first = (pair >> 16) as u16;
    let following = (1..=16).filter(move |ahead| pair >> (ahead - 1) & 1 != 0);
    let following = following.map(move |ahead| SeqNo(first.wrapping_add(ahead)));
    std::iter::once(SeqNo(first)).chain(following)
}

/// Below the number of streams an exponent of six bits and a mantissa of 18.
fn limit(word: u32) -> u64 {
    let (exponent, mantissa) = (word >> 18 & 0x3f, word & 0x3_ffff);
    let limit = u128::from(mantissa) << exponent;
    u64::try_from(limit).unwrap_or(u64::MAX)
}

/// What follows a packet's header, word by word.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    /// Without the padding; `None` if there is more of that than of a body.
    fn of(packet: &'a [u8]) -> Option<Self> {
        let (header, body) = packet.split_first_chunk::<4>()?;
        if header[0] & 0x20 == 0 {
            return Some(Self(body));
        }
        let padding = usize::from(*body.last()?);
        Some(Self(&body[..body.len().checked_sub(padding)?]))
    }

    /// Of feedback, and the stream that is about.
    fn of_feedback(packet: &'a [u8]) -> Option<(Self, Ssrc)> {
        let mut body = Self::of(packet)?;
        let _from = body.word()?;
        let about = Ssrc(body.word()?);
        Some((body, about))
    }

    fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }
}
