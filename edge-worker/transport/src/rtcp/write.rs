//! Writes what we say: reports (RFC 3550 section 6.4), the names of streams (6.5),
//! goodbyes (6.6), and requests (RFC 4585 section 6, draft-alvestrand-rmcat-remb-03).

use media::{Nack, ReceptionReport, Rtcp, SenderReport, SeqNo, Ssrc};

use super::compounds::{Compounds, append};
use super::{
    GOODBYE, NACK, PAYLOAD_FEEDBACK, PLI, RECEIVER_REPORT, REMB, REMB_NAME, SENDER_REPORT,
    SOURCE_DESCRIPTION, TRANSPORT_FEEDBACK,
};

/// Who we are in RTCP.
#[derive(Clone, Copy)]
pub(crate) struct Reporter<'a> {
    /// Signs reports and requests about the client's streams.
    pub(crate) ssrc: Ssrc,
    /// The name of a stream of ours, shared by those of the same clock.
    pub(crate) cname: &'a dyn Fn(Ssrc) -> Option<&'a str>,
}

/// Writes `batch`: sender reports, each with its stream's name, then reception reports,
/// then requests.
pub(crate) fn write(batch: &[Rtcp], reporter: Reporter<'_>, compounds: &mut Compounds) {
    let ours = reporter.ssrc;
    for report in batch.iter().filter_map(sender_report) {
        compounds.add(ours, |out| write_sender_report(out, report));
        if let Some(cname) = (reporter.cname)(report.ssrc)
            && let Ok(len) = u8::try_from(cname.len())
        {
            compounds.add(ours, |out| write_cname(out, report.ssrc, (len, cname)));
        }
    }
    let mut reports = batch.iter().filter_map(reception_report).peekable();
    while reports.peek().is_some() {
        let reports = reports.by_ref().take(REPORTS_PER_PACKET);
        compounds.add(ours, |out| write_receiver_report(out, ours, reports));
    }
    for rtcp in batch {
        match rtcp {
            Rtcp::Nack(Nack { ssrc, lost }) => {
                for lost in lost.chunks(NUMBERS_PER_NACK) {
                    compounds.add(ours, |out| write_nack(out, [ours, *ssrc], lost));
                }
            }
            Rtcp::KeyframeRequest { ssrc } => {
                compounds.add(ours, |out| write_pli(out, [ours, *ssrc]));
            }
            Rtcp::BandwidthLimit { bits_per_second } => {
                compounds.add(ours, |out| write_remb(out, ours, *bits_per_second));
            }
            Rtcp::Bye { ssrc } => compounds.add(ours, |out| write_goodbye(out, *ssrc)),
            Rtcp::SenderReport(_) | Rtcp::ReceptionReport(_) => {}
        }
    }
    compounds.finish();
}

/// The count in a header has five bits.
const REPORTS_PER_PACKET: usize = 31;
/// Each may need a pair of its own, of four bytes.
const NUMBERS_PER_NACK: usize = 128;

fn sender_report(rtcp: &Rtcp) -> Option<&SenderReport> {
    match rtcp {
        Rtcp::SenderReport(report) => Some(report),
        Rtcp::ReceptionReport(_)
        | Rtcp::Nack(_)
        | Rtcp::KeyframeRequest { .. }
        | Rtcp::BandwidthLimit { .. }
        | Rtcp::Bye { .. } => None,
    }
}

fn reception_report(rtcp: &Rtcp) -> Option<&ReceptionReport> {
    match rtcp {
        Rtcp::ReceptionReport(report) => Some(report),
        Rtcp::SenderReport(_)
        | Rtcp::Nack(_)
        | Rtcp::KeyframeRequest { .. }
        | Rtcp::BandwidthLimit { .. }
        | Rtcp::Bye { .. } => None,
    }
}

fn write_sender_report(out: &mut Vec<u8>, report: &SenderReport) {
    append(out, SENDER_REPORT, |out| {
        put(out, report.ssrc.0);
        out.extend_from_slice(&report.ntp.0.to_be_bytes());
        put(out, report.timestamp.0);
        put(out, report.packets);
        put(out, report.octets);
        0
    });
}

fn write_receiver_report<'a>(
    out: &mut Vec<u8>,
    from: Ssrc,
    reports: impl Iterator<Item = &'a ReceptionReport>,
) {
    append(out, RECEIVER_REPORT, |out| {
        put(out, from.0);
        let mut count = 0;
        for report in reports {
            let lost = report.total_lost.clamp(-(1 << 23), (1 << 23) - 1);
            put(out, report.ssrc.0);
            put(
                out,
                u32::from(report.fraction_lost) << 24 | lost as u32 & 0x00ff_ffff,
            );
            put(out, report.highest_seq);
            put(out, report.jitter);
            put(out, report.last_sender_report);
            put(out, report.delay_since);
            count += 1;
        }
        count
    });
}

fn write_cname(out: &mut Vec<u8>, ssrc: Ssrc, (len, cname): (u8, &str)) {
    const CNAME: u8 = 1;
    append(out, SOURCE_DESCRIPTION, |out| {
        put(out, ssrc.0);
        let start = out.len();
        out.extend_from_slice(&[CNAME, len]);
        out.extend_from_slice(cname.as_bytes());
        // The list ends with a zero at least.
        let end = start + (out.len() - start + 1).next_multiple_of(4);
        out.resize(end, 0);
        1
    });
}

fn write_goodbye(out: &mut Vec<u8>, ssrc: Ssrc) {
    append(out, GOODBYE, |out| {
        put(out, ssrc.0);
        1
    });
}

/// A number, and which of the sixteen after it are missing as well.
fn write_nack(out: &mut Vec<u8>, [from, about]: [Ssrc; 2], mut lost: &[SeqNo]) {
    append(out, TRANSPORT_FEEDBACK, |out| {
        put(out, from.0);
        put(out, about.0);
        while let Some((first, mut rest)) = lost.split_first() {
            let mut following = 0u16;
            while let Some((next, after)) = rest.split_first() {
                match next.0.wrapping_sub(first.0) {
                    0 => {}
                    ahead @ 1..=16 => following |= 1 << (ahead - 1),
                    17.. => break,
                }
                rest = after;
            }
            put(out, u32::from(first.0) << 16 | u32::from(following));
            lost = rest;
        }
        NACK
    });
}

fn write_pli(out: &mut Vec<u8>, [from, about]: [Ssrc; 2]) {
    append(out, PAYLOAD_FEEDBACK, |out| {
        put(out, from.0);
        put(out, about.0);
        PLI
    });
}

fn write_remb(out: &mut Vec<u8>, from: Ssrc, bits_per_second: u64) {
    /// What follows the exponent's six bits and the number of streams named, none.
    const MANTISSA: u32 = 18;
    append(out, PAYLOAD_FEEDBACK, |out| {
        let exponent = (u64::BITS - bits_per_second.leading_zeros()).saturating_sub(MANTISSA);
        put(out, from.0);
        put(out, 0);
        out.extend_from_slice(&REMB_NAME);
        put(
            out,
            exponent << MANTISSA | (bits_per_second >> exponent) as u32,
        );
        REMB
    });
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}
