//! RTCP as we speak of it: what is left of a compound packet once read, and what
//! is written into one. Reading and writing bytes is left to `transport`.

use crate::{SeqNo, Ssrc, Timestamp};

/// Seconds since 1900 in the upper 32 bits, fractions below (RFC 3550 section 4).
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The middle 32 bits, which reception reports echo.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// This time and `elapsed` more.
    #[must_use]
    pub fn plus(self, elapsed: std::time::Duration) -> Self {
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add((elapsed.as_secs() << 32) + fraction))
    }
}

/// One thing said in RTCP, about one stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rtcp {
    /// The sender's clocks and counters.
    SenderReport(SenderReport),
    /// What a receiver got.
    ReceptionReport(ReceptionReport),
    /// Packets a receiver misses (RFC 4585 section 6.2.1).
    Nack(Nack),
    /// The receiver needs a picture that stands alone: PLI (RFC 4585) or FIR (RFC 5104).
    KeyframeRequest {
        /// The stream it asks of.
        ssrc: Ssrc,
    },
    /// What the receiver believes it can take, in bit/s (REMB).
    BandwidthLimit {
        /// All streams of the transport together.
        bits_per_second: u64,
    },
    /// The stream has ended.
    Bye {
        /// The stream that has ended.
        ssrc: Ssrc,
    },
}

/// Maps a stream's media time to its sender's clock (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SenderReport {
    /// The stream.
    pub ssrc: Ssrc,
    /// The sender's clock ...
    pub ntp: NtpTime,
    /// ... and the media time at the same moment.
    pub timestamp: Timestamp,
    /// Packets sent so far, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent so far, modulo 2^32.
    pub octets: u32,
}

/// What a receiver got of one stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReceptionReport {
    /// The stream reported on.
    pub ssrc: Ssrc,
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost so far; negative if duplicates outnumber losses.
    pub total_lost: i32,
    /// Highest sequence number received, extended by its wraps.
    pub highest_seq: u32,
    /// Variation of the transit time, in units of the media clock.
    pub jitter: u32,
    /// [`NtpTime::middle`] of the last sender report, 0 if there was none.
    pub last_sender_report: u32,
    /// Since that report, in 1/65536 s.
    pub delay_since: u32,
}

/// Packets missed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Nack {
    /// The stream they are missed of.
    pub ssrc: Ssrc,
    /// The missing numbers.
    pub lost: Vec<SeqNo>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ntp_time_moves_with_the_clock() {
        let start = NtpTime(7 << 32);
        assert_eq!(
            start.plus(Duration::from_millis(1500)),
            NtpTime((8 << 32) + (1 << 31))
        );
        assert_eq!(NtpTime(0x0001_0002_0003_0004).middle(), 0x0002_0003);
    }
}
