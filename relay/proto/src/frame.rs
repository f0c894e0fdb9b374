//! What one datagram of a link holds, and how it is written.
//!
//! Media has the shape of RTP over QUIC: a flow id, then one RTP packet in clear (QUIC
//! encrypts). Between them stand what a link adds: flags, and a link sequence number that
//! counts what this end sent on this lane, whatever its flow, so that a loss shows at the next
//! packet of any flow. Flow 0 is the link's own: heartbeats, requests for what is missing,
//! padding.
//!
//! ```text
//! media:      flow id (varint, > 0) | flags (8) | link sequence (32) | RTP packet
//! link's own: 0 | kind (8) | fields of the kind
//! ```
//!
//! A reader ignores flags and kinds it does not know: they come from a newer minor version.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::varint;

/// Names one layer of one track in one direction of a link. The end that sends the media gives it out.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FlowId(u32);

impl FlowId {
    /// `None` for 0, which is the link's own.
    pub fn new(number: u32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Counts the datagrams of one lane; wraps.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct LinkSeq(pub u32);

impl LinkSeq {
    /// How far `self` is ahead of `earlier`: negative if it is behind.
    pub fn distance(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// The number `by` further on.
    #[must_use]
    pub fn plus(self, by: u32) -> Self {
        Self(self.0.wrapping_add(by))
    }
}

/// One of the QUIC connections between two nodes; each counts for itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Lane {
    /// Control, sound, heartbeats and requests: never behind pictures.
    Control,
    /// Pictures.
    Video,
}

/// Which copy of a packet this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Copy {
    /// The first.
    Original,
    /// Asked for with a [`Frame::Missing`].
    Repair,
    /// Sound sent a second time unasked, a while after the first.
    Repeated,
}

/// Where a packet stands in its picture. Sound is a picture of one packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// It belongs to a picture that stands alone.
    pub keyframe: Keyframe,
    /// It is the last of its picture.
    pub end: End,
    /// Later pictures are drawn with the help of its picture.
    pub reference: Reference,
}

/// Whether a picture stands alone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Keyframe {
    /// It needs earlier ones.
    #[default]
    No,
    /// A decoder can start here.
    Yes,
}

/// Whether a picture ends with this packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum End {
    /// More follows.
    #[default]
    No,
    /// This is the last.
    Yes,
}

/// Whether later pictures need this one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reference {
    /// Without it the next ones are broken, until a keyframe.
    #[default]
    Yes,
    /// It can be left out: a higher temporal layer.
    No,
}

/// One datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// One RTP packet.
    Media(Media),
    /// I live, this is what came, and when you asked. Sent every
    /// [`HEARTBEAT_INTERVAL`](crate::heartbeat::INTERVAL), on both lanes.
    Heartbeat(Heartbeat),
    /// These never came: send them again.
    Missing(Missing),
    /// These are gone here: do not ask again.
    Gone(Missing),
    /// Nothing but bytes, to see what fits.
    Padding,
}

/// One RTP packet on its way over a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media {
    /// Whose it is.
    pub flow: FlowId,
    /// Its number on the lane; a repair has that of its original.
    pub seq: LinkSeq,
    /// Which copy this is.
    pub copy: Copy,
    /// Where it stands in its picture.
    pub place: Place,
    /// The packet.
    pub rtp: Bytes,
}

/// Says that its sender lives, and lets both ends measure.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Heartbeat {
    /// The sender's clock, microseconds, wraps: for the receiver to send back.
    pub sent_at: u32,
    /// The last `sent_at` that came from the other end...
    pub echo: u32,
    /// ...and for how long it lay here, microseconds. `u32::MAX`: none came yet.
    pub held: u32,
    /// One past the highest original that came on this lane, and...
    pub next: LinkSeq,
    /// ...how many originals came, wrapping: repairs are not counted.
    pub received: u32,
}

/// Up to [`Missing::MOST`] numbers of one lane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// Whose numbers these are.
    pub lane: Lane,
    /// The numbers, rising.
    pub numbers: Vec<LinkSeq>,
}

impl Missing {
    /// More are asked for by more datagrams: this many always fit in one.
    pub const MOST: usize = 256;
}

/// Why bytes are no datagram of a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// Cut short, or a length in it lies.
    #[error("cut short")]
    Short,
    /// A flow id of more than 32 bits.
    #[error("flow id out of range")]
    Flow,
    /// Not a packet of RTP version 2 (RFC 3550).
    #[error("no RTP packet")]
    Rtp,
    /// A kind this version does not know: a newer one speaks.
    #[error("unknown kind {0}")]
    Kind(u8),
    /// A list that is longer than allowed, or does not rise.
    #[error("bad list of numbers")]
    Numbers,
}

/// Bits of a media datagram's flags.
mod flag {
    pub(super) const KEYFRAME: u8 = 1;
    pub(super) const END: u8 = 2;
    pub(super) const REPAIR: u8 = 4;
    pub(super) const REPEATED: u8 = 8;
    pub(super) const NO_REFERENCE: u8 = 16;
}

/// Kinds of datagrams on flow 0.
mod kind {
    pub(super) const HEARTBEAT: u8 = 1;
    pub(super) const MISSING: u8 = 2;
    pub(super) const GONE: u8 = 3;
    pub(super) const PADDING: u8 = 4;
}

impl Media {
    /// What stands before the RTP packet, at most.
    pub const OVERHEAD: usize = 4 + 1 + 4;
    /// A fixed RTP header (RFC 3550 section 5.1).
    pub const LEAST_RTP: usize = 12;

    /// Appends the datagram to `to`.
    pub fn write(&self, to: &mut BytesMut) {
        varint::write(u64::from(self.flow.0), to);
        let mut flags = 0;
        if self.place.keyframe == Keyframe::Yes {
            flags |= flag::KEYFRAME;
        }
        if self.place.end == End::Yes {
            flags |= flag::END;
        }
        if self.place.reference == Reference::No {
            flags |= flag::NO_REFERENCE;
        }
        flags |= match self.copy {
            Copy::Original => 0,
            Copy::Repair => flag::REPAIR,
            Copy::Repeated => flag::REPEATED,
        };
        to.put_u8(flags);
        to.put_u32(self.seq.0);
        to.put_slice(&self.rtp);
    }

    /// How many bytes [`write`](Self::write) appends.
    pub fn len(&self) -> usize {
        varint::len(u64::from(self.flow.0)) + 5 + self.rtp.len()
    }

    /// Never: there is a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl Frame {
    /// Appends the datagram to `to`. Padding is written as its two bytes: who sends it adds zeros.
    pub fn write(&self, to: &mut BytesMut) {
        match self {
            Self::Media(media) => media.write(to),
            Self::Heartbeat(heartbeat) => {
                to.put_slice(&[0, kind::HEARTBEAT]);
                to.put_u32(heartbeat.sent_at);
                to.put_u32(heartbeat.echo);
                to.put_u32(heartbeat.held);
                to.put_u32(heartbeat.next.0);
                to.put_u32(heartbeat.received);
            }
            Self::Missing(missing) => write_numbers(kind::MISSING, missing, to),
            Self::Gone(gone) => write_numbers(kind::GONE, gone, to),
            Self::Padding => to.put_slice(&[0, kind::PADDING]),
        }
    }

    /// Reads one datagram; its RTP packet is a slice of it.
    pub fn read(mut datagram: Bytes) -> Result<Self, FrameError> {
        let flow = varint::read(&mut datagram).ok_or(FrameError::Short)?;
        let flow = u32::try_from(flow).map_err(|_| FrameError::Flow)?;
        match FlowId::new(flow) {
            Some(flow) => read_media(flow, datagram).map(Self::Media),
            None => read_own(datagram),
        }
    }
}

fn read_media(flow: FlowId, mut rest: Bytes) -> Result<Media, FrameError> {
    if rest.len() < 5 {
        return Err(FrameError::Short);
    }
    let flags = rest.get_u8();
    let seq = LinkSeq(rest.get_u32());
    if rest.len() < Media::LEAST_RTP || rest[0] >> 6 != 2 {
        return Err(FrameError::Rtp);
    }
    let set = |flag| flags & flag != 0;
    Ok(Media {
        flow,
        seq,
        copy: match (set(flag::REPAIR), set(flag::REPEATED)) {
            (false, false) => Copy::Original,
            (true, _) => Copy::Repair,
            (false, true) => Copy::Repeated,
        },
        place: Place {
            keyframe: if set(flag::KEYFRAME) {
                Keyframe::Yes
            } else {
                Keyframe::No
            },
            end: if set(flag::END) { End::Yes } else { End::No },
            reference: if set(flag::NO_REFERENCE) {
                Reference::No
            } else {
                Reference::Yes
            },
        },
        rtp: rest,
    })
}

fn read_own(mut rest: Bytes) -> Result<Frame, FrameError> {
    if !rest.has_remaining() {
        return Err(FrameError::Short);
    }
    match rest.get_u8() {
        kind::HEARTBEAT => {
            if rest.len() < 20 {
                return Err(FrameError::Short);
            }
            Ok(Frame::Heartbeat(Heartbeat {
                sent_at: rest.get_u32(),
                echo: rest.get_u32(),
                held: rest.get_u32(),
                next: LinkSeq(rest.get_u32()),
                received: rest.get_u32(),
            }))
        }
        kind::MISSING => read_numbers(rest).map(Frame::Missing),
        kind::GONE => read_numbers(rest).map(Frame::Gone),
        kind::PADDING => Ok(Frame::Padding),
        unknown => Err(FrameError::Kind(unknown)),
    }
}

/// `0 | kind | lane (8) | first number (32) | gaps to the next ones (varints, > 0)`
fn write_numbers(kind: u8, missing: &Missing, to: &mut BytesMut) {
    debug_assert!(
        missing.numbers.len() <= Missing::MOST,
        "a datagram's worth at a time"
    );
    let Some(first) = missing.numbers.first() else {
        return;
    };
    to.put_slice(&[0, kind]);
    to.put_u8(match missing.lane {
        Lane::Control => 0,
        Lane::Video => 1,
    });
    to.put_u32(first.0);
    for pair in missing.numbers.windows(2) {
        varint::write(u64::from(pair[1].distance(pair[0]).unsigned_abs()), to);
    }
}

fn read_numbers(mut rest: Bytes) -> Result<Missing, FrameError> {
    if rest.len() < 5 {
        return Err(FrameError::Short);
    }
    let lane = match rest.get_u8() {
        0 => Lane::Control,
        1 => Lane::Video,
        _ => return Err(FrameError::Numbers),
    };
    let mut last = LinkSeq(rest.get_u32());
    let mut numbers = vec![last];
    while rest.has_remaining() {
        let gap = varint::read(&mut rest).ok_or(FrameError::Short)?;
        let gap = u32::try_from(gap).map_err(|_| FrameError::Numbers)?;
        if gap == 0 || gap > i32::MAX as u32 || numbers.len() == Missing::MOST {
            return Err(FrameError::Numbers);
        }
        last = last.plus(gap);
        numbers.push(last);
    }
    Ok(Missing { lane, numbers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for flow in [1, 63, 64, 16_383, 16_384, (1 << 30) - 1] {
            for copy in [Copy::Original, Copy::Repair, Copy::Repeated] {
                let media = Media {
                    flow: FlowId::new(flow).unwrap(),
                    seq: LinkSeq(u32::MAX - 2),
                    copy,
                    place: Place {
                        keyframe: Keyframe::Yes,
                        end: End::No,
                        reference: Reference::No,
                    },
                    rtp: rtp(40),
                };
                let written = check(Frame::Media(media.clone()));
                assert_eq!(written, media.len());
                assert!(written <= Media::OVERHEAD + 40);
            }
        }
        check(Frame::Heartbeat(Heartbeat {
            sent_at: 1,
            echo: 2,
            held: u32::MAX,
            next: LinkSeq(7),
            received: 6,
        }));
        check(Frame::Padding);
        let numbers: Vec<_> = (0..256)
            .map(|i| LinkSeq(u32::MAX - 9).plus(i * i))
            .collect();
        let size = check(Frame::Missing(Missing {
            lane: Lane::Video,
            numbers,
        }));
        assert!(size < 1_200, "{size} bytes fit in any datagram");
        check(Frame::Gone(Missing {
            lane: Lane::Control,
            numbers: vec![LinkSeq(0)],
        }));
    }

    #[test]
    fn what_lies_is_refused() {
        for (bytes, expected) in [
            (&[][..], FrameError::Short),
            (&[0x40], FrameError::Short),
            (&[0xc0, 0, 0, 1, 0, 0, 0, 0], FrameError::Flow),
            (&[5, 0, 0, 0, 0], FrameError::Short),
            (&[5, 0, 0, 0, 0, 1, 0x80], FrameError::Rtp),
            (
                &[5, 0, 0, 0, 0, 1, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                FrameError::Rtp,
            ),
            (&[0], FrameError::Short),
            (&[0, 9, 1, 2, 3], FrameError::Kind(9)),
            (&[0, 1, 0, 0, 0], FrameError::Short),
            (&[0, 2, 0, 0, 0, 0], FrameError::Short),
            (&[0, 2, 7, 0, 0, 0, 0], FrameError::Numbers),
            (&[0, 2, 0, 0, 0, 0, 1, 0], FrameError::Numbers),
            (&[0, 3, 0, 0, 0, 0, 1, 0x80], FrameError::Short),
        ] {
            let read = Frame::read(Bytes::copy_from_slice(bytes));
            assert_eq!(read, Err(expected), "{bytes:x?}");
        }
        let mut endless = vec![0, 2, 0, 0, 0, 0, 0];
        endless.extend([1; 256]);
        assert_eq!(Frame::read(endless.into()), Err(FrameError::Numbers));
    }

    #[test]
    fn flags_of_a_newer_version_do_no_harm() {
        let mut bytes = vec![5, 0xe0, 0, 0, 0, 1];
        bytes.extend_from_slice(&rtp(12));
        let Ok(Frame::Media(media)) = Frame::read(bytes.into()) else {
            panic!("media is read")
        };
        assert_eq!(
            (media.copy, media.place),
            (Copy::Original, Place::default())
        );
    }

    fn check(frame: Frame) -> usize {
        let mut written = BytesMut::new();
        frame.write(&mut written);
        let size = written.len();
        assert_eq!(Frame::read(written.freeze()), Ok(frame));
        size
    }

    fn rtp(len: usize) -> Bytes {
        let mut packet = vec![0; len];
        packet[0] = 0x80;
        packet.into()
    }
}
