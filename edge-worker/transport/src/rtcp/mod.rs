//! RTCP compounds (RFC 3550 section 6, RFC 4585, RFC 5104) to and from what we speak of:
//! [`media::Rtcp`]. Which stream of whom it is about is decided in `transport`, what
//! follows from it in `sfu`.

mod compounds;
mod read;
mod write;

pub(crate) use compounds::{Compounds, append};
pub use read::RtcpError;
pub(crate) use read::read;
pub(crate) use write::{Reporter, write};

/// Kinds of packets.
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// Formats of feedback.
const NACK: u8 = 1;
const PLI: u8 = 1;
const FIR: u8 = 4;
const REMB: u8 = 15;
const REMB_NAME: [u8; 4] = *b"REMB";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::damage;
    use media::{Nack, NtpTime, ReceptionReport, Rtcp, SenderReport, SeqNo, Ssrc, Timestamp};
    use rtc_rtcp::goodbye::Goodbye;
    use rtc_rtcp::packet::{Packet, unmarshal};
    use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
    use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
    use rtc_rtcp::receiver_report::ReceiverReport;
    use rtc_rtcp::source_description::{
        SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
    };
    use rtc_rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};

    const REPORTER: Reporter<'static> = Reporter {
        ssrc: Ssrc(1),
        cname: &|_| Some("edge"),
    };

    fn write(batch: &[Rtcp]) -> Vec<Vec<u8>> {
        let mut compounds = Compounds::default();
        super::write(batch, REPORTER, &mut compounds);
        std::iter::from_fn(|| compounds.pop().map(<[u8]>::to_vec)).collect()
    }

    fn read(compound: &[u8]) -> Result<Vec<Rtcp>, RtcpError> {
        let mut said = Vec::new();
        super::read(compound, &mut said).map(|()| said)
    }

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
        let compounds = write(&everything());
        assert_eq!(compounds.len(), 1);
        assert_eq!(read(&compounds[0]), Ok(everything()));
        // The name follows the sender report.
        assert_eq!((compounds[0][1], compounds[0][29]), (200, 202));
    }

    #[test]
    fn an_independent_implementation_reads_what_is_written() {
        let reported = |ssrc, total_lost| rtc_rtcp::reception_report::ReceptionReport {
            ssrc,
            fraction_lost: 25,
            total_lost,
            last_sequence_number: 0x0001_0002,
            jitter: 7,
            last_sender_report: 8,
            delay: 9,
        };
        let pair = |packet_id, lost_packets| NackPair {
            packet_id,
            lost_packets,
        };
        let expected: Vec<Box<dyn Packet>> = vec![
            Box::new(rtc_rtcp::sender_report::SenderReport {
                ssrc: 5,
                ntp_time: 1 << 40,
                rtp_time: 90_000,
                packet_count: 3,
                octet_count: 4,
                ..Default::default()
            }),
            Box::new(SourceDescription {
                chunks: vec![SourceDescriptionChunk {
                    source: 5,
                    items: vec![SourceDescriptionItem {
                        sdes_type: SdesType::SdesCname,
                        text: "edge".into(),
                    }],
                }],
            }),
            Box::new(ReceiverReport {
                ssrc: 1,
                reports: vec![reported(6, 70_000), reported(7, 0xff_fffd)],
                ..Default::default()
            }),
            Box::new(TransportLayerNack {
                sender_ssrc: 1,
                media_ssrc: 6,
                nacks: vec![pair(65_535, 0b1001), pair(400, 0)],
            }),
            Box::new(PictureLossIndication {
                sender_ssrc: 1,
                media_ssrc: 6,
            }),
            Box::new(ReceiverEstimatedMaximumBitrate {
                sender_ssrc: 1,
                bitrate: (1 << 20) as f32,
                ssrcs: Vec::new(),
            }),
            Box::new(Goodbye {
                sources: vec![5],
                ..Default::default()
            }),
        ];
        let ours = write(&everything()).remove(0);
        assert_eq!(unmarshal(&mut &ours[..]).unwrap(), expected);
    }

    #[test]
    fn names_of_every_length_are_whole_words_that_end_with_a_zero() {
        let report = everything().remove(0);
        for len in 0..=300 {
            let name = "n".repeat(len);
            let reporter = Reporter {
                cname: &|_| Some(&name),
                ..REPORTER
            };
            let mut compounds = Compounds::default();
            super::write(std::slice::from_ref(&report), reporter, &mut compounds);
            let packets = unmarshal(&mut compounds.pop().unwrap()).unwrap();
            let described = packets.get(1).map(|packet| {
                let described = packet.as_any().downcast_ref::<SourceDescription>();
                described.unwrap().chunks[0].items[0].text.len()
            });
            // Longer ones have no place in the packet.
            assert_eq!(described, (len < 256).then_some(len));
        }
    }

    #[test]
    fn losses_in_any_order_and_across_the_wrap_read_back() {
        for (lost, expected) in [
            (&[5][..], &[5][..]),
            (&[5, 5, 21, 22], &[5, 21, 22]),
            (&[65_530, 10, 11], &[65_530, 10, 11]),
            (&[9, 3, 4], &[9, 3, 4]),
            (&[1, 3, 2], &[1, 2, 3]),
            (&[0, 32_768, 0], &[0, 32_768, 0]),
        ] {
            let nack = |lost: &[u16]| {
                [Rtcp::Nack(Nack {
                    ssrc: Ssrc(6),
                    lost: lost.iter().copied().map(SeqNo).collect(),
                })]
            };
            let written = write(&nack(lost)).remove(0);
            assert_eq!(read(&written).unwrap(), nack(expected), "{lost:?}");
        }
    }

    #[test]
    fn limits_of_every_size_are_understood() {
        for bits_per_second in [0, 1, 0x3_ffff, 0x3_ffff << 12, 0x3_ffff << 46] {
            let limit = [Rtcp::BandwidthLimit { bits_per_second }];
            assert_eq!(read(&write(&limit)[0]), Ok(limit.to_vec()));
        }
        let mut most = write(&[Rtcp::BandwidthLimit { bits_per_second: 1 }]).remove(0);
        let len = most.len();
        most[len - 3..].fill(0xff);
        let bits_per_second = u64::MAX;
        assert_eq!(
            read(&most),
            Ok(vec![Rtcp::BandwidthLimit { bits_per_second }])
        );
    }

    #[test]
    fn padding_is_left_out_and_must_fit() {
        let padded = |padding| [0xa0, 203, 0, 2, 0, 0, 0, 6, 0, 0, 0, padding];
        let mut one = padded(4);
        one[0] |= 1;
        assert_eq!(read(&one), Ok(vec![Rtcp::Bye { ssrc: Ssrc(6) }]));
        one[11] = 5;
        assert_eq!(read(&one), Err(RtcpError::Body));
        assert_eq!(read(&padded(9)), Err(RtcpError::Body));
        assert_eq!(read(&[0xa0, 203, 0, 0]), Err(RtcpError::Body));
    }

    #[test]
    fn every_compound_begins_with_a_report_and_fits_a_datagram() {
        assert!(write(&[]).is_empty());
        let request = [Rtcp::KeyframeRequest { ssrc: Ssrc(9) }];
        let compounds = write(&request);
        assert_eq!(compounds[0][1], RECEIVER_REPORT);
        assert_eq!(read(&compounds[0]), Ok(request.to_vec()));

        let mut batch: Vec<Rtcp> = (0..100).map(|ssrc| reception(ssrc, 0)).collect();
        batch.push(Rtcp::Nack(Nack {
            ssrc: Ssrc(6),
            lost: (0..1000).map(|i| SeqNo(i * 60)).collect(),
        }));
        let compounds = write(&batch);
        assert!(compounds.len() > 3);
        let (mut reports, mut lost) = (0, 0);
        for compound in &compounds {
            assert!(compound.len() <= 1100);
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
    fn bad_r13_what_lies_is_refused() {
        let whole = write(&everything()).remove(0);
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
        let whole = write(&everything()).remove(0);
        damage(&whole, |damaged| drop(read(damaged)));
    }
}
