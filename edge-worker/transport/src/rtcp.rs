//! RTCP compounds (RFC 3550 section 6, RFC 4585, RFC 5104) to and from what we speak of:
//! [`media::Rtcp`]. Which stream of whom it is about is decided in `transport`, what
//! follows from it in `sfu`.

use media::{Nack, NtpTime, ReceptionReport, Rtcp, SenderReport, SeqNo, Ssrc, Timestamp};
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::packet::Packet;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc_shared::marshal::Unmarshal;

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

/// What a compound says, in its order. Kinds we do not speak of are left out.
pub(crate) fn read(compound: &[u8]) -> Result<Vec<Rtcp>, RtcpError> {
    let mut said = Vec::new();
    for (count, packet) in Packets(compound).enumerate() {
        if count >= MAX_PACKETS {
            return Err(RtcpError::TooMuch);
        }
        read_packet(packet?, &mut said).map_err(|_| RtcpError::Body)?;
        if said.len() > MAX_SAID {
            return Err(RtcpError::TooMuch);
        }
    }
    Ok(said)
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

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const NACK: u8 = 1;
const PLI: u8 = 1;
const FIR: u8 = 4;
const REMB: u8 = 15;

fn read_packet(mut packet: &[u8], said: &mut Vec<Rtcp>) -> rtc_shared::error::Result<()> {
    let (kind, format) = (packet[1], packet[0] & 0x1f);
    match (kind, format) {
        (SENDER_REPORT, _) => {
            let report = rtc_rtcp::sender_report::SenderReport::unmarshal(&mut packet)?;
            said.push(Rtcp::SenderReport(SenderReport {
                ssrc: Ssrc(report.ssrc),
                ntp: NtpTime(report.ntp_time),
                timestamp: Timestamp(report.rtp_time),
                packets: report.packet_count,
                octets: report.octet_count,
            }));
            said.extend(report.reports.iter().map(reception_report));
        }
        (RECEIVER_REPORT, _) => {
            let report = ReceiverReport::unmarshal(&mut packet)?;
            said.extend(report.reports.iter().map(reception_report));
        }
        (GOODBYE, _) => {
            let goodbye = Goodbye::unmarshal(&mut packet)?;
            let sources = goodbye.sources.into_iter().map(Ssrc);
            said.extend(sources.map(|ssrc| Rtcp::Bye { ssrc }));
        }
        (TRANSPORT_FEEDBACK, NACK) => {
            let nack = TransportLayerNack::unmarshal(&mut packet)?;
            let lost = nack.nacks.iter().flat_map(|pair| pair.packet_list());
            said.push(Rtcp::Nack(Nack {
                ssrc: Ssrc(nack.media_ssrc),
                lost: lost.map(SeqNo).collect(),
            }));
        }
        (PAYLOAD_FEEDBACK, PLI) => {
            let request = PictureLossIndication::unmarshal(&mut packet)?;
            said.push(Rtcp::KeyframeRequest {
                ssrc: Ssrc(request.media_ssrc),
            });
        }
        (PAYLOAD_FEEDBACK, FIR) => {
            let request = FullIntraRequest::unmarshal(&mut packet)?;
            said.extend(request.fir.iter().map(|entry| Rtcp::KeyframeRequest {
                ssrc: Ssrc(entry.ssrc),
            }));
        }
        (PAYLOAD_FEEDBACK, REMB) => {
            let limit = ReceiverEstimatedMaximumBitrate::unmarshal(&mut packet)?;
            said.push(Rtcp::BandwidthLimit {
                bits_per_second: limit.bitrate.max(0.0) as u64,
            });
        }
        _ => {}
    }
    Ok(())
}

fn reception_report(report: &rtc_rtcp::reception_report::ReceptionReport) -> Rtcp {
    // 24 bits, negative if duplicates outnumber losses.
    let total_lost = (report.total_lost << 8) as i32 >> 8;
    Rtcp::ReceptionReport(ReceptionReport {
        ssrc: Ssrc(report.ssrc),
        fraction_lost: report.fraction_lost,
        total_lost,
        highest_seq: report.last_sequence_number,
        jitter: report.jitter,
        last_sender_report: report.last_sender_report,
        delay_since: report.delay,
    })
}

/// Who we are in RTCP.
#[derive(Clone, Copy)]
pub(crate) struct Reporter<'a> {
    /// Signs reports and requests about the client's streams.
    pub(crate) ssrc: Ssrc,
    /// The name of a stream of ours, shared by those of the same clock.
    pub(crate) cname: &'a dyn Fn(Ssrc) -> Option<&'a str>,
}

/// Writes `batch` as compounds that fit a datagram: reports first, then the name, then
/// requests. What cannot be written is left out.
pub(crate) fn write(batch: &[Rtcp], reporter: Reporter<'_>) -> Vec<Vec<u8>> {
    let mut compounds = Compounds {
        reporter,
        written: Vec::new(),
        current: Vec::new(),
    };
    for report in batch.iter().filter_map(sender_report) {
        compounds.add(&report);
        if let Some(cname) = (reporter.cname)(Ssrc(report.ssrc)) {
            compounds.add(&source_description(report.ssrc, cname));
        }
    }
    let reports: Vec<_> = batch.iter().filter_map(written_reception_report).collect();
    for reports in reports.chunks(REPORTS_PER_PACKET) {
        compounds.add(&ReceiverReport {
            ssrc: reporter.ssrc.0,
            reports: reports.to_vec(),
            ..Default::default()
        });
    }
    for rtcp in batch {
        match rtcp {
            Rtcp::Nack(nack) => {
                let mut lost: Vec<u16> = nack.lost.iter().map(|seq| seq.0).collect();
                for lost in lost.chunks_mut(NUMBERS_PER_NACK) {
                    compounds.add(&TransportLayerNack {
                        sender_ssrc: reporter.ssrc.0,
                        media_ssrc: nack.ssrc.0,
                        nacks: nack_pairs_from_sequence_numbers(lost),
                    });
                }
            }
            Rtcp::KeyframeRequest { ssrc } => compounds.add(&PictureLossIndication {
                sender_ssrc: reporter.ssrc.0,
                media_ssrc: ssrc.0,
            }),
            Rtcp::BandwidthLimit { bits_per_second } => {
                compounds.add(&ReceiverEstimatedMaximumBitrate {
                    sender_ssrc: reporter.ssrc.0,
                    bitrate: *bits_per_second as f32,
                    ssrcs: Vec::new(),
                });
            }
            Rtcp::Bye { ssrc } => compounds.add(&Goodbye {
                sources: vec![ssrc.0],
                ..Default::default()
            }),
            Rtcp::SenderReport(_) | Rtcp::ReceptionReport(_) => {}
        }
    }
    compounds.finish()
}

/// The count in a header has five bits.
const REPORTS_PER_PACKET: usize = 31;
/// Each may need a pair of its own, of four bytes.
const NUMBERS_PER_NACK: usize = 128;

/// Fills datagrams.
struct Compounds<'a> {
    reporter: Reporter<'a>,
    written: Vec<Vec<u8>>,
    current: Vec<u8>,
}

impl Compounds<'_> {
    const MAX_LEN: usize = 1100;

    fn add(&mut self, packet: &dyn Packet) {
        let Ok(bytes) = rtc_rtcp::packet::marshal(&[packet.cloned()]) else {
            return;
        };
        if self.current.len() + bytes.len() > Self::MAX_LEN {
            self.written.push(std::mem::take(&mut self.current));
        }
        let report = matches!(bytes[1], SENDER_REPORT | RECEIVER_REPORT);
        if self.current.is_empty() && !report {
            // A compound begins with a report (RFC 3550 section 6.1).
            let empty = ReceiverReport {
                ssrc: self.reporter.ssrc.0,
                ..Default::default()
            };
            let empty = rtc_rtcp::packet::marshal(&[empty.cloned()]).unwrap_or_default();
            self.current.extend_from_slice(&empty);
        }
        self.current.extend_from_slice(&bytes);
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.current.is_empty() {
            self.written.push(self.current);
        }
        self.written
    }
}

fn sender_report(rtcp: &Rtcp) -> Option<rtc_rtcp::sender_report::SenderReport> {
    let Rtcp::SenderReport(report) = rtcp else {
        return None;
    };
    Some(rtc_rtcp::sender_report::SenderReport {
        ssrc: report.ssrc.0,
        ntp_time: report.ntp.0,
        rtp_time: report.timestamp.0,
        packet_count: report.packets,
        octet_count: report.octets,
        ..Default::default()
    })
}

fn written_reception_report(rtcp: &Rtcp) -> Option<rtc_rtcp::reception_report::ReceptionReport> {
    let Rtcp::ReceptionReport(report) = rtcp else {
        return None;
    };
    let total_lost = report.total_lost.clamp(-(1 << 23), (1 << 23) - 1);
    Some(rtc_rtcp::reception_report::ReceptionReport {
        ssrc: report.ssrc.0,
        fraction_lost: report.fraction_lost,
        total_lost: total_lost as u32 & 0x00ff_ffff,
        last_sequence_number: report.highest_seq,
        jitter: report.jitter,
        last_sender_report: report.last_sender_report,
        delay: report.delay_since,
    })
}

fn source_description(ssrc: u32, cname: &str) -> SourceDescription {
    SourceDescription {
        chunks: vec![SourceDescriptionChunk {
            source: ssrc,
            items: vec![SourceDescriptionItem {
                sdes_type: SdesType::SdesCname,
                text: bytes::Bytes::copy_from_slice(cname.as_bytes()),
            }],
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORTER: Reporter<'static> = Reporter {
        ssrc: Ssrc(1),
        cname: &|_| Some("edge"),
    };

    fn reception(ssrc: u32, total_lost: i32) -> Rtcp {
        Rtcp::ReceptionReport(ReceptionReport {
            ssrc: Ssrc(ssrc),
            fraction_lost: 25,
            total_lost,
            highest_seq: 0x0001_0002,
            jitter: 7,
            last_sender_report: 8,
            delay_since: 9,
        })
    }

    fn everything() -> Vec<Rtcp> {
        vec![
            Rtcp::SenderReport(SenderReport {
                ssrc: Ssrc(5),
                ntp: NtpTime(1 << 40),
                timestamp: Timestamp(90_000),
                packets: 3,
                octets: 4,
            }),
            reception(6, 70_000),
            reception(7, -3),
            Rtcp::Nack(Nack {
                ssrc: Ssrc(6),
                lost: [65_535, 0, 3, 400].map(SeqNo).to_vec(),
            }),
            Rtcp::KeyframeRequest { ssrc: Ssrc(6) },
            Rtcp::BandwidthLimit {
                bits_per_second: 1 << 20,
            },
            Rtcp::Bye { ssrc: Ssrc(5) },
        ]
    }

    #[test]
    fn what_is_written_reads_back() {
        let compounds = write(&everything(), REPORTER);
        assert_eq!(compounds.len(), 1);
        assert_eq!(read(&compounds[0]), Ok(everything()));
        // The name follows the sender report.
        assert_eq!((compounds[0][1], compounds[0][29]), (200, 202));
    }

    #[test]
    fn every_compound_begins_with_a_report_and_fits_a_datagram() {
        assert!(write(&[], REPORTER).is_empty());
        let request = [Rtcp::KeyframeRequest { ssrc: Ssrc(9) }];
        let compounds = write(&request, REPORTER);
        assert_eq!(compounds[0][1], RECEIVER_REPORT);
        assert_eq!(read(&compounds[0]), Ok(request.to_vec()));

        let mut batch: Vec<Rtcp> = (0..100).map(|ssrc| reception(ssrc, 0)).collect();
        batch.push(Rtcp::Nack(Nack {
            ssrc: Ssrc(6),
            lost: (0..1000).map(|i| SeqNo(i * 60)).collect(),
        }));
        let compounds = write(&batch, REPORTER);
        assert!(compounds.len() > 3);
        let (mut reports, mut lost) = (0, 0);
        for compound in &compounds {
            assert!(compound.len() <= Compounds::MAX_LEN);
            assert!(matches!(compound[1], SENDER_REPORT | RECEIVER_REPORT));
            for rtcp in read(compound).unwrap() {
                reports += usize::from(matches!(rtcp, Rtcp::ReceptionReport(_)));
                if let Rtcp::Nack(nack) = rtcp {
                    lost += nack.lost.len();
                }
            }
        }
        assert_eq!((reports, lost), (100, 1000));
    }

    #[test]
    fn what_lies_is_refused() {
        let whole = write(&everything(), REPORTER).remove(0);
        for len in 1..whole.len() {
            let cut = read(&whole[..len]);
            let at_boundary = cut.is_ok();
            assert!(
                at_boundary || matches!(cut, Err(RtcpError::Framing)),
                "{len}"
            );
        }
        // More reports announced than there are.
        assert_eq!(read(&[0x9f, 201, 0, 1, 0, 0, 0, 1]), Err(RtcpError::Body));
        assert_eq!(
            read(&[0x40, 201, 0, 1, 0, 0, 0, 1]),
            Err(RtcpError::Framing)
        );
        let bye = [0x80, 203, 0, 0].repeat(100);
        assert_eq!(read(&bye), Err(RtcpError::TooMuch));
        let many = [0x9f, 203, 0, 31].into_iter().chain([7; 124]);
        let many: Vec<u8> = many.collect::<Vec<u8>>().repeat(20);
        assert_eq!(read(&many), Err(RtcpError::TooMuch));
    }

    #[test]
    fn both_kinds_of_keyframe_requests_are_understood_and_other_kinds_ignored() {
        let fir = [
            0x84, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 6, 1, 0, 0, 0,
        ];
        let wanted = [5, 6].map(|ssrc| Rtcp::KeyframeRequest { ssrc: Ssrc(ssrc) });
        assert_eq!(read(&fir), Ok(wanted.to_vec()));
        let app = [0x80, 204, 0, 2, 0, 0, 0, 1, b'n', b'a', b'm', b'e'];
        assert_eq!(read(&app), Ok(vec![]));
    }

    #[test]
    fn random_damage_is_survived() {
        let whole = write(&everything(), REPORTER).remove(0);
        let mut random = 3u64;
        for _ in 0..50_000 {
            let mut damaged = whole.clone();
            for _ in 0..3 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (random >> 33) as usize % damaged.len();
                damaged[at] = (random >> 25) as u8;
            }
            let _ = read(&damaged);
        }
    }
}
