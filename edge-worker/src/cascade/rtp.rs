//! A published packet on its way between instances of a room: RTP (RFC 3550) in clear, with
//! payload types and header extensions of our own (RFC 8285, one-byte form), as it is read by
//! ourselves only. Its layer is told by the flow it comes in.

use bytes::{BufMut, Bytes, BytesMut};
use media::{AudioLevel, Codec, Delivery, NtpTime, Packet, SenderReport, SeqNo, Ssrc, Timestamp};

/// What one packet may tell besides: the publisher's newest report on its clocks rides along,
/// so that far subscribers keep sound and picture together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    /// The packet; its `rid` is never told.
    pub(crate) packet: Packet<'a>,
    /// What its publisher reported last, once.
    pub(crate) report: Option<SenderReport>,
}

/// Bytes that are no packet of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a packet of a room")]
pub(crate) struct Unreadable;

const FIXED: usize = 12;
const ONE_BYTE_FORM: u16 = 0xbede;
const VERSION: u8 = 0x80;
const EXTENDED: u8 = 0x10;
const PADDED: u8 = 0x20;
const MARKER: u8 = 0x80;

/// Header extensions.
mod id {
    /// As in RFC 6464.
    pub(super) const AUDIO_LEVEL: u8 = 1;
    /// NTP time (64), RTP time (32), of a sender report.
    pub(super) const REPORT: u8 = 2;
    /// Empty but for a zero: the packet came as a repair.
    pub(super) const REPAIR: u8 = 3;
    /// How much of the payload is a dependency descriptor.
    pub(super) const DEPENDENCIES: u8 = 4;
}

const REPORT_LEN: usize = 12;

/// Our number of a codec on a link.
fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 111,
        Codec::Red => 63,
        Codec::Vp8 => 96,
        Codec::H264 => 102,
        Codec::Vp9 => 98,
        Codec::Av1 => 45,
    }
}

fn codec(payload_type: u8) -> Option<Codec> {
    let mut known = Codec::ALL.into_iter();
    known.find(|codec| self::payload_type(*codec) == payload_type)
}

/// Writes a packet, and a report of its publisher that rides along.
pub(crate) fn write(
    packet: &Packet<'_>,
    report: Option<&SenderReport>,
    buffer: &mut BytesMut,
) -> Bytes {
    let mut elements = [0_u8; 24];
    let mut len = 0;
    let mut put = |id: u8, content: &[u8]| {
        elements[len] = id << 4 | (content.len() - 1) as u8;
        elements[len + 1..len + 1 + content.len()].copy_from_slice(content);
        len += 1 + content.len();
    };
    if let Some(AudioLevel { level, voice }) = packet.audio_level {
        put(id::AUDIO_LEVEL, &[u8::from(voice) << 7 | level & 0x7f]);
    }
    if let Some(report) = report {
        let mut content = [0; REPORT_LEN];
        content[..8].copy_from_slice(&report.ntp.0.to_be_bytes());
        content[8..].copy_from_slice(&report.timestamp.0.to_be_bytes());
        put(id::REPORT, &content);
    }
    if packet.delivery == Delivery::Repair {
        put(id::REPAIR, &[0]);
    }
    if packet.dependencies > 0 {
        put(id::DEPENDENCIES, &[packet.dependencies]);
    }
    let words = len.div_ceil(4);
    buffer.reserve(FIXED + 4 + words * 4 + packet.payload.len());
    buffer.put_u8(VERSION | if len > 0 { EXTENDED } else { 0 });
    let marker = if packet.marker { MARKER } else { 0 };
    buffer.put_u8(marker | payload_type(packet.codec));
    buffer.put_u16(packet.seq.0);
    buffer.put_u32(packet.timestamp.0);
    buffer.put_u32(packet.ssrc.0);
    if len > 0 {
        buffer.put_u16(ONE_BYTE_FORM);
        buffer.put_u16(words as u16);
        buffer.put_slice(&elements[..words * 4]);
    }
    buffer.put_slice(packet.payload);
    buffer.split().freeze()
}

/// Reads a packet. Extensions it does not know are those of a newer version.
pub(crate) fn read(rtp: &[u8]) -> Result<Arrived<'_>, Unreadable> {
    let (fixed, rest) = rtp.split_first_chunk::<FIXED>().ok_or(Unreadable)?;
    if fixed[0] & !EXTENDED & !PADDED != VERSION || fixed[0] & PADDED != 0 {
        return Err(Unreadable);
    }
    let word =
        |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let mut arrived = Arrived {
        packet: Packet {
            ssrc: Ssrc(word(8)),
            rid: None,
            seq: SeqNo(u16::from_be_bytes([fixed[2], fixed[3]])),
            timestamp: Timestamp(word(4)),
            marker: fixed[1] & MARKER != 0,
            delivery: Delivery::Original,
            codec: codec(fixed[1] & !MARKER).ok_or(Unreadable)?,
            audio_level: None,
            payload: rest,
            dependencies: 0,
        },
        report: None,
    };
    if fixed[0] & EXTENDED == 0 {
        return Ok(arrived);
    }
    let (head, rest) = rest.split_first_chunk::<4>().ok_or(Unreadable)?;
    if u16::from_be_bytes([head[0], head[1]]) != ONE_BYTE_FORM {
        return Err(Unreadable);
    }
    let len = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
    let (elements, payload) = rest.split_at_checked(len).ok_or(Unreadable)?;
    arrived.packet.payload = payload;
    read_elements(elements, &mut arrived)?;
    Ok(arrived)
}

fn read_elements(mut elements: &[u8], arrived: &mut Arrived<'_>) -> Result<(), Unreadable> {
    while let Some((head, rest)) = elements.split_first() {
        if *head == 0 {
            // Padding.
            elements = rest;
            continue;
        }
        let len = usize::from(head & 0x0f) + 1;
        let (content, rest) = rest.split_at_checked(len).ok_or(Unreadable)?;
        elements = rest;
        match (head >> 4, content) {
            (id::AUDIO_LEVEL, [level]) => {
                arrived.packet.audio_level = Some(AudioLevel {
                    level: level & 0x7f,
                    voice: level & 0x80 != 0,
                });
            }
            (id::REPORT, content) => {
                let (ntp, timestamp) = content.split_first_chunk::<8>().ok_or(Unreadable)?;
                let timestamp = timestamp.try_into().map_err(|_| Unreadable)?;
                arrived.report = Some(SenderReport {
                    ssrc: arrived.packet.ssrc,
                    ntp: NtpTime(u64::from_be_bytes(*ntp)),
                    timestamp: Timestamp(u32::from_be_bytes(timestamp)),
                    packets: 0,
                    octets: 0,
                });
            }
            (id::REPAIR, _) => arrived.packet.delivery = Delivery::Repair,
            (id::DEPENDENCIES, [len]) => {
                arrived.packet.dependencies = *len;
                if usize::from(*len) > arrived.packet.payload.len() {
                    return Err(Unreadable);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(codec: Codec, payload: &[u8]) -> Packet<'_> {
        Packet {
            ssrc: Ssrc(0x0102_0304),
            rid: None,
            seq: SeqNo(65_535),
            timestamp: Timestamp(0xfedc_ba98),
            marker: true,
            delivery: Delivery::Original,
            codec,
            audio_level: None,
            payload,
            dependencies: 0,
        }
    }

    #[test]
    fn packets_come_back_with_all_that_is_told_of_them() {
        let report = SenderReport {
            ssrc: Ssrc(0x0102_0304),
            ntp: NtpTime(0x1122_3344_5566_7788),
            timestamp: Timestamp(77),
            packets: 0,
            octets: 0,
        };
        let loud = AudioLevel {
            level: 30,
            voice: true,
        };
        let mut buffer = BytesMut::new();
        for codec in Codec::ALL {
            for level in [None, Some(loud)] {
                for report in [None, Some(report)] {
                    for delivery in [Delivery::Original, Delivery::Repair] {
                        let packet = Packet {
                            audio_level: level,
                            delivery,
                            dependencies: if codec == Codec::Av1 { 3 } else { 0 },
                            ..packet(codec, b"payload")
                        };
                        let written = write(&packet, report.as_ref(), &mut buffer);
                        let read = read(&written).unwrap();
                        assert_eq!(format!("{:?}", read.packet), format!("{packet:?}"));
                        assert_eq!(read.report, report);
                    }
                }
            }
        }
    }

    #[test]
    fn plain_packets_take_twelve_bytes_more_than_their_payload() {
        let mut buffer = BytesMut::new();
        let written = write(&packet(Codec::Vp8, &[7; 1_000]), None, &mut buffer);
        assert_eq!(written.len(), 1_012);
    }

    #[test]
    fn what_is_cut_or_of_another_form_is_refused() {
        let mut buffer = BytesMut::new();
        let level = AudioLevel {
            level: 1,
            voice: false,
        };
        let whole = Packet {
            audio_level: Some(level),
            ..packet(Codec::Opus, b"")
        };
        let whole = write(&whole, None, &mut buffer);
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]).err(), Some(Unreadable), "{len}");
        }
        for (at, byte) in [
            (0, 0x40),
            (0, 0xa0),
            (0, 0x91),
            (1, 5),
            (12, 0),
            (15, 9),
            (16, 0x2f),
        ] {
            let mut bad = whole.to_vec();
            bad[at] = byte;
            assert_eq!(read(&bad).err(), Some(Unreadable), "{at}: {byte:#x}");
        }
    }
}
