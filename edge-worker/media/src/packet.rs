//! One RTP packet after its header was read (RFC 3550 section 5.1), payload in place.

use std::fmt;

use crate::{Codec, Layer, Rid, SeqNo, Timestamp};

/// Names the source of one RTP stream on one transport.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ssrc(pub u32);

/// The 7-bit number that stands for a codec within one m-line.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct PayloadType(pub u8);

/// The name of one m-line (RFC 5888), at most 16 ASCII characters, held inline.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Mid {
    len: u8,
    text: [u8; Self::CAPACITY],
}

impl Mid {
    /// Longest name accepted; browsers number their m-lines.
    pub const CAPACITY: usize = 16;

    /// Holds `text` if it is a token of printable ASCII; `None` for anything else.
    pub fn new(text: &[u8]) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::CAPACITY;
        if !fits || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut held = [0; Self::CAPACITY];
        held[..text.len()].copy_from_slice(text);
        Some(Self {
            len: text.len() as u8,
            text: held,
        })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).expect("checked to be ASCII")
    }
}

impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How loud a packet is (RFC 6464).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AudioLevel {
    /// -dBov: 0 is the loudest, 127 silence.
    pub level: u8,
    /// The sender's encoder believes that somebody speaks.
    pub voice: bool,
}

/// One media packet of a published track, opened and de-encapsulated: a repair
/// (RTX) already looks like the packet it repairs.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The layer's stream.
    pub ssrc: Ssrc,
    /// The simulcast encoding, where the publisher sends several.
    pub rid: Option<Rid>,
    /// Numbers within the publisher's stream.
    pub seq: SeqNo,
    /// Media time within the publisher's stream.
    pub timestamp: Timestamp,
    /// Last packet of a frame (video), first of a talk spurt (audio).
    pub marker: bool,
    /// First delivery, or a repair of a lost packet.
    pub delivery: Delivery,
    /// The codec its payload type stands for: RED and Opus alternate in one stream.
    pub codec: Codec,
    /// Loudness, where the publisher tells.
    pub audio_level: Option<AudioLevel>,
    /// The codec's bytes, without header, extensions and padding. May be empty:
    /// padding alone is sent as a bandwidth probe.
    pub payload: &'a [u8],
    /// So many bytes of the payload, at its start, are the packet's dependency descriptor,
    /// which travels as a header extension.
    pub dependencies: u8,
}

/// Whether a packet goes over a wire for the first time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Delivery {
    /// As it was produced.
    Original,
    /// Again, because it was reported missing (RTX, RFC 4588, where negotiated).
    Repair,
}

/// One packet for one subscriber, numbered for it; header, encryption and the
/// numbers of the transport are left to `transport`.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Numbers within the subscriber's stream.
    pub seq: SeqNo,
    /// Media time within the subscriber's stream.
    pub timestamp: Timestamp,
    /// As on [`Packet`].
    pub marker: bool,
    /// As on [`Packet`]; a repair repeats the numbers of the packet it repairs.
    pub delivery: Delivery,
    /// Chooses the payload type.
    pub codec: Codec,
    /// Written first: a payload descriptor with new numbers, or nothing.
    pub head: &'a [u8],
    /// Written next: the rest of the publisher's payload.
    pub body: &'a [u8],
    /// So many bytes of padding follow (RFC 3550 section 5.1): packets of one length are
    /// cheaper to send.
    pub padding: u8,
    /// As on [`Packet`], of head and body together.
    pub dependencies: u8,
    /// So many headers of earlier sound stand at its start (RFC 2198 section 3), in which the
    /// payload type of Opus is still to be written, as in the header of the newest.
    pub repeats: u8,
}

/// Layer by position among the rids a track was announced with, low to high.
impl Layer {
    /// The layer of `rid` in `rids`, which are ordered low to high.
    pub fn of(rid: Rid, rids: &[Rid]) -> Option<Self> {
        let index = rids.iter().position(|known| *known == rid)?;
        (index < Self::COUNT).then_some(Self(index as u8))
    }
}
