//! The readers of formats that strangers write, as functions of bytes alone: for tests
//! that throw anything at them. None of them panics or keeps anything.

use media::Rtcp;

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
