//! What comes over a connection of bytes, cut into what was sent (RFC 8656 sections 2.1 and
//! 12.5): messages of STUN, and ChannelData padded to four bytes. Reading the connection is left
//! to the shell.

use crate::stun::MAGIC_COOKIE;

/// Of one datagram on a channel: its number and its length.
pub(super) const CHANNEL_HEADER: usize = 4;

/// The numbers channels may have.
pub(super) const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

/// Bytes that are neither STUN nor ChannelData, or more of them than any client has to send: the
/// connection is of no use any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// Begins neither as STUN nor as ChannelData.
    #[error("neither STUN nor ChannelData")]
    Neither,
    /// Longer than what any path carries in one datagram.
    #[error("a frame of {0} bytes is not read")]
    Long(usize),
}

/// Longer than any datagram a browser sends, and the request around it.
const LONGEST: usize = 4_096;

/// How many of the bytes are the first frame, once all of it has come; `None` before that.
/// Padding included.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let stun = match first {
        0..=0x3f => true,
        0x40..=0x4f => false,
        _ => return Err(FrameError::Neither),
    };
    let cookie = &bytes[bytes.len().min(4)..bytes.len().min(8)];
    if stun && !MAGIC_COOKIE.starts_with(cookie) {
        return Err(FrameError::Neither);
    }
    let Some(&[_, _, high, low]) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let header = if stun { 20 } else { CHANNEL_HEADER };
    let len = header + usize::from(u16::from_be_bytes([high, low]));
    if stun && !len.is_multiple_of(4) {
        return Err(FrameError::Neither);
    }
    let len = len.next_multiple_of(4);
    if len > LONGEST {
        return Err(FrameError::Long(len));
    }
    Ok((bytes.len() >= len).then_some(len))
}

/// The bytes of one connection that have come and were not read.
#[derive(Debug, Default)]
pub struct Frames {
    pub(super) held: Vec<u8>,
    read: usize,
}

impl Frames {
    /// Adds what has come. Take all frames before adding more: then never more is held than one
    /// frame and what is added.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.read);
        self.read = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next frame, which stays to be taken.
    pub fn first(&self) -> Result<Option<&[u8]>, FrameError> {
        let rest = &self.held[self.read..];
        Ok(frame_len(rest)?.map(|len| &rest[..len]))
    }

    /// The next frame, to be worked on in place.
    pub fn next_frame(&mut self) -> Result<Option<&mut [u8]>, FrameError> {
        let Some(len) = frame_len(&self.held[self.read..])? else {
            return Ok(None);
        };
        let start = self.read;
        self.read += len;
        Ok(Some(&mut self.held[start..start + len]))
    }

    /// How many bytes wait for the rest of their frame.
    pub fn waiting(&self) -> usize {
        self.held.len() - self.read
    }
}

/// Begins ChannelData; what follows has to be of that length.
pub(super) fn channel_header(channel: u16, len: usize) -> [u8; CHANNEL_HEADER] {
    let channel = channel.to_be_bytes();
    let len = (len as u16).to_be_bytes();
    [channel[0], channel[1], len[0], len[1]]
}
