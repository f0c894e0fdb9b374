//! The readers of formats that strangers write, as functions of bytes alone: for tests
//! that throw anything at them, and what follows of what clients say of their links. None of
//! them panics or keeps anything.

use std::time::{Duration, Instant};

use media::{Bitrate, Rtcp};

use crate::bandwidth::{Bandwidth, SentLog, Wanted};
pub use crate::rtcp::RtcpError;
pub use crate::rtp::{RtpError, RtpHeader};

/// Reads an RTP packet: header, extensions, and padding.
pub fn rtp(packet: &[u8]) -> Result<(RtpHeader, &[u8]), RtpError> {
    let header = RtpHeader::parse(packet)?;
    Ok((header, header.payload(packet)?))
}

/// Reads an RTCP compound.
pub fn rtcp(compound: &[u8]) -> Result<Vec<Rtcp>, RtcpError> {
    let mut said = Vec::new();
    crate::rtcp::read(compound, &mut said).map(|()| said)
}

/// Sends packets to a client from `start` on, and hears what it says of them: at first `sent`
/// packets, and a few more after each of `compounds`. What it can be sent by that.
pub fn estimate<'a>(
    start: Instant,
    sent: u16,
    compounds: impl Iterator<Item = &'a [u8]>,
) -> Option<Bitrate> {
    let mut now = start;
    let mut log = SentLog::new(now);
    let mut bandwidth = Bandwidth::default();
    bandwidth.expect_feedback(now);
    bandwidth.can_pad();
    let wanted = Wanted {
        allocated: Bitrate::kilobits(200),
        next: Some(Bitrate::kilobits(1_000)),
        wished: Bitrate::kilobits(3_000),
    };
    let send = |now: &mut Instant, log: &mut SentLog, count: u16| {
        for _ in 0..count {
            *now += Duration::from_millis(2);
            log.note(*now, 500);
        }
    };
    send(&mut now, &mut log, sent);
    for compound in compounds {
        send(&mut now, &mut log, 10);
        if rtcp(compound).is_ok() {
            bandwidth.hear(now, compound, &mut log);
        }
        bandwidth.want(now, wanted, &log);
        bandwidth.handle_timeout(now, &log);
        for _ in 0..bandwidth.owed(now, &log) / 250 {
            log.note(now, 290);
        }
    }
    bandwidth.estimate()
}
