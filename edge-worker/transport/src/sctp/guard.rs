//! Looks at SCTP packets (RFC 9260) before the association does: lengths that lie are
//! refused, and so are numbers further ahead than any honest sender gets, which would
//! make us step or remember too much.
//!
//! Checksums and the state of the association are left to `sctp-proto`.

use crate::drops::DropReason;

/// What one association may be told.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Streams the client has sent on.
    streams: Vec<u16>,
    /// The last number we have acknowledged, from the INIT and then our own SACKs.
    acknowledged: Option<u32>,
    /// Small fragments that no larger chunk has made up for yet.
    small: u32,
}

/// One chunk, in place.
#[derive(Clone, Copy, Debug)]
struct Chunk<'a> {
    kind: u8,
    flags: u8,
    value: &'a [u8],
}

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;
const ABORT: u8 = 6;
const ERROR: u8 = 9;
const RECONFIG: u8 = 130;
const FORWARD_TSN: u8 = 192;
/// On a DATA chunk: the last fragment of a message.
const ENDING: u8 = 1;

impl Guard {
    const HEADER: usize = 12;
    /// SCTP inside DTLS inside one datagram.
    const MAX_PACKET: usize = 2048;
    const MAX_CHUNKS: usize = 64;
    /// Browsers open three; agents and tools a few more.
    pub(super) const MAX_STREAMS: usize = 32;
    /// Numbers a sender may be ahead: twice the fragments of a full receive window.
    const MAX_AHEAD: u32 = 8192;
    /// A fragment of fewer bytes, the last of its message aside, costs us more to keep
    /// than it carries. Chromium sends one where a packet has a few bytes left, and
    /// never cuts it anew: refused, it would stop all data for good.
    const SMALL_FRAGMENT: usize = 64;
    /// Honest ones come beside larger chunks.
    const MAX_SMALL: u32 = 256;

    /// Whether all of `packet` may be handed in.
    pub(super) fn admit(&mut self, packet: &[u8]) -> Result<(), DropReason> {
        let malformed = DropReason::SctpMalformed;
        if packet.len() > Self::MAX_PACKET {
            return Err(malformed);
        }
        let chunks = packet.get(Self::HEADER..).ok_or(malformed)?;
        let mut count = 0;
        for chunk in Chunks(chunks) {
            let chunk = chunk.ok_or(malformed)?;
            count += 1;
            if count > Self::MAX_CHUNKS {
                return Err(malformed);
            }
            self.admit_chunk(chunk)?;
        }
        if count == 0 {
            return Err(malformed);
        }
        Ok(())
    }

    fn admit_chunk(&mut self, chunk: Chunk<'_>) -> Result<(), DropReason> {
        let value = chunk.value;
        let whole = match chunk.kind {
            DATA => return self.admit_data(chunk),
            FORWARD_TSN => return self.admit_forward(value),
            INIT | INIT_ACK => {
                let whole = is_whole_init(value);
                if whole && chunk.kind == INIT && self.acknowledged.is_none() {
                    self.acknowledged = word(value, 12).map(|first| first.wrapping_sub(1));
                }
                whole
            }
            SACK => is_whole_sack(value),
            HEARTBEAT | HEARTBEAT_ACK | ABORT | ERROR => are_whole_parameters(value),
            RECONFIG => !value.is_empty() && are_whole_parameters(value),
            _ => true,
        };
        if whole {
            Ok(())
        } else {
            Err(DropReason::SctpMalformed)
        }
    }

    fn admit_data(&mut self, chunk: Chunk<'_>) -> Result<(), DropReason> {
        let malformed = DropReason::SctpMalformed;
        let number = word(chunk.value, 0).ok_or(malformed)?;
        let stream = half(chunk.value, 4).ok_or(malformed)?;
        let payload = chunk.value.get(12..).ok_or(malformed)?;
        if payload.is_empty() {
            return Err(malformed);
        }
        self.admit_fragment(chunk.flags, payload.len())?;
        self.admit_number(number)?;
        self.admit_stream(stream)
    }

    fn admit_fragment(&mut self, flags: u8, len: usize) -> Result<(), DropReason> {
        if len >= Self::SMALL_FRAGMENT {
            self.small = self.small.saturating_sub(1);
        } else if flags & ENDING == 0 {
            if self.small == Self::MAX_SMALL {
                return Err(DropReason::SctpFragments);
            }
            self.small += 1;
        }
        Ok(())
    }

    fn admit_forward(&mut self, value: &[u8]) -> Result<(), DropReason> {
        let malformed = DropReason::SctpMalformed;
        let number = word(value, 0).ok_or(malformed)?;
        let skipped = &value[4..];
        if !skipped.len().is_multiple_of(4) {
            return Err(malformed);
        }
        self.admit_number(number)?;
        skipped
            .chunks_exact(4)
            .try_for_each(|entry| self.admit_stream(u16::from_be_bytes([entry[0], entry[1]])))
    }

    fn admit_number(&self, number: u32) -> Result<(), DropReason> {
        let Some(acknowledged) = self.acknowledged else {
            return Err(DropReason::SctpAhead);
        };
        let ahead = number.wrapping_sub(acknowledged) as i32;
        // What is behind is a repetition, and harmless.
        if ahead > Self::MAX_AHEAD as i32 {
            return Err(DropReason::SctpAhead);
        }
        Ok(())
    }

    fn admit_stream(&mut self, stream: u16) -> Result<(), DropReason> {
        if self.streams.contains(&stream) {
            return Ok(());
        }
        if self.streams.len() == Self::MAX_STREAMS {
            return Err(DropReason::SctpStreams);
        }
        self.streams.push(stream);
        Ok(())
    }

    /// A stream was reset: its number may be used again, or another.
    pub(super) fn forget(&mut self, stream: u16) {
        self.streams.retain(|known| *known != stream);
    }

    /// Reads what we acknowledge in a packet of ours.
    pub(super) fn sent(&mut self, packet: &[u8]) {
        let chunks = packet.get(Self::HEADER..).unwrap_or(&[]);
        for chunk in Chunks(chunks).map_while(|chunk| chunk) {
            if chunk.kind == SACK {
                self.acknowledged = word(chunk.value, 0).or(self.acknowledged);
            }
        }
    }
}

fn is_whole_init(value: &[u8]) -> bool {
    const FIXED: usize = 16;
    const MAX: usize = 1024;
    let Some(parameters) = value.get(FIXED..) else {
        return false;
    };
    let tag = word(value, 0).unwrap_or(0);
    let (outbound, inbound) = (half(value, 8).unwrap_or(0), half(value, 10).unwrap_or(0));
    let usable = tag != 0 && outbound != 0 && inbound != 0 && value.len() <= MAX;
    usable && are_whole_parameters(parameters)
}

fn is_whole_sack(value: &[u8]) -> bool {
    let (Some(gaps), Some(duplicates)) = (half(value, 8), half(value, 10)) else {
        return false;
    };
    value.len() == 12 + 4 * (usize::from(gaps) + usize::from(duplicates))
}

/// Parameters and error causes are framed alike: a type, a length that counts both, and
/// padding to four bytes, which the last may lack.
fn are_whole_parameters(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(len) = half(rest, 2).map(usize::from) else {
            return false;
        };
        if len < 4 || len > rest.len() {
            return false;
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
    true
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*word))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*half))
}

/// The chunks of one packet; `None` in the middle if one is longer than what is left.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Option<Chunk<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let chunk = self.read();
        if chunk.is_none() {
            self.0 = &[];
        }
        Some(chunk)
    }
}

impl<'a> Chunks<'a> {
    fn read(&mut self) -> Option<Chunk<'a>> {
        let header = self.0.first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let value = self.0.get(4..len)?;
        let chunk = Chunk {
            kind: header[0],
            flags: header[1],
            value,
        };
        // Padding is part of the packet, of the last chunk too.
        self.0 = self.0.get(len.next_multiple_of(4)..)?;
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[&[u8]]) -> Vec<u8> {
        [&[0; 12][..], &chunks.concat()].concat()
    }

    fn data(flags: u8, number: u32, stream: u16, payload: &[u8]) -> Vec<u8> {
        let len = 16 + payload.len();
        let mut chunk = vec![DATA, flags, 0, len as u8];
        chunk.extend_from_slice(&number.to_be_bytes());
        chunk.extend_from_slice(&stream.to_be_bytes());
        chunk.extend_from_slice(&[0, 0, 0, 0, 0, 53]);
        chunk.extend_from_slice(payload);
        chunk.resize(len.next_multiple_of(4), 0);
        chunk
    }

    fn forward(number: u32, streams: &[u16]) -> Vec<u8> {
        let mut chunk = vec![FORWARD_TSN, 0, 0, 8 + 4 * streams.len() as u8];
        chunk.extend_from_slice(&number.to_be_bytes());
        for stream in streams {
            chunk.extend_from_slice(&stream.to_be_bytes());
            chunk.extend_from_slice(&[0, 0]);
        }
        chunk
    }

    fn init(tag: u32, outbound: u16, inbound: u16, first: u32, parameters: &[u8]) -> Vec<u8> {
        let mut chunk = vec![INIT, 0, 0, 20 + parameters.len() as u8];
        chunk.extend_from_slice(&tag.to_be_bytes());
        chunk.extend_from_slice(&[0, 2, 0, 0]);
        chunk.extend_from_slice(&outbound.to_be_bytes());
        chunk.extend_from_slice(&inbound.to_be_bytes());
        chunk.extend_from_slice(&first.to_be_bytes());
        chunk.extend_from_slice(parameters);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    fn guard() -> Guard {
        let mut guard = Guard::default();
        let init = init(7, 10, 10, 1001, &[0xc0, 0, 0, 4]);
        guard.admit(&packet(&[&init])).unwrap();
        guard
    }

    #[test]
    fn chunks_that_lie_are_refused() {
        let malformed = Err(DropReason::SctpMalformed);
        for (what, packet, expected) in [
            ("empty", packet(&[]), malformed),
            ("cut header", vec![0; 11], malformed),
            ("chunk of length 0", packet(&[&[SACK, 0, 0, 0]]), malformed),
            (
                "chunk beyond the end",
                packet(&[&[SACK, 0, 0xff, 0xff, 0, 0]]),
                malformed,
            ),
            (
                "error whose cause lies",
                packet(&[&[ERROR, 0, 0, 8, 0, 1, 0xff, 0xff]]),
                malformed,
            ),
            (
                "abort whose cause lies",
                packet(&[&[ABORT, 0, 0, 8, 0, 1, 0xff, 0xff]]),
                malformed,
            ),
            ("abort", packet(&[&[ABORT, 0, 0, 8, 0, 12, 0, 4]]), Ok(())),
            ("bare abort", packet(&[&[ABORT, 0, 0, 4]]), Ok(())),
            (
                "error with a cause of length 0",
                packet(&[&[ERROR, 0, 0, 8, 0, 1, 0, 0]]),
                malformed,
            ),
            (
                "reset without request",
                packet(&[&[RECONFIG, 0, 0, 4]]),
                malformed,
            ),
            (
                "init without tag",
                packet(&[&init(0, 10, 10, 1, &[])]),
                malformed,
            ),
            (
                "init without streams",
                packet(&[&init(7, 0, 10, 1, &[])]),
                malformed,
            ),
            (
                "init for no streams",
                packet(&[&init(7, 10, 0, 1, &[])]),
                malformed,
            ),
            (
                "init that lies",
                packet(&[&init(7, 10, 10, 1, &[0x80, 8, 0, 9])]),
                malformed,
            ),
            (
                "sack that lies",
                packet(&[&[SACK, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0]]),
                malformed,
            ),
            ("data", packet(&[&data(3, 1001, 0, b"x")]), Ok(())),
            (
                "data without data",
                packet(&[&data(3, 1001, 0, b"")]),
                malformed,
            ),
            (
                "fragment without data",
                packet(&[&data(2, 1001, 0, b"")]),
                malformed,
            ),
            ("small fragment", packet(&[&data(2, 1001, 0, b"1")]), Ok(())),
            ("long packet", packet(&[&[SACK; 3000]]), malformed),
        ] {
            assert_eq!(guard().admit(&packet), expected, "{what}");
        }
    }

    #[test]
    fn numbers_far_ahead_are_refused_until_we_get_there() {
        let ahead = Err(DropReason::SctpAhead);
        let mut guard = guard();
        for (what, chunk, expected) in [
            ("next", forward(1001, &[]), Ok(())),
            ("behind", forward(900, &[]), Ok(())),
            ("a window ahead", forward(1000 + 8192, &[1]), Ok(())),
            ("more", forward(1001 + 8192, &[]), ahead),
            (
                "half of all numbers",
                forward(1000 + 0x7fff_0000, &[]),
                ahead,
            ),
            ("data ahead", data(3, 1001 + 8192, 0, b"x"), ahead),
        ] {
            assert_eq!(guard.admit(&packet(&[&chunk])), expected, "{what}");
        }
        let mut sack = vec![SACK, 0, 0, 16];
        sack.extend_from_slice(&50_000u32.to_be_bytes());
        sack.extend_from_slice(&[0; 8]);
        guard.sent(&packet(&[&sack]));
        assert_eq!(guard.admit(&packet(&[&data(3, 50_001, 0, b"x")])), Ok(()));

        let unheard = packet(&[&data(3, 1, 0, b"x")]);
        assert_eq!(Guard::default().admit(&unheard), ahead);
    }

    #[test]
    fn small_fragments_come_beside_larger_ones() {
        let mut guard = guard();
        let (small, large) = (data(2, 1001, 0, b"four"), data(0, 1002, 0, &[0; 64]));
        for _ in 0..10_000 {
            assert_eq!(guard.admit(&packet(&[&small, &large])), Ok(()));
        }
        for number in 0..1_000 {
            let expected = if number < 256 {
                Ok(())
            } else {
                Err(DropReason::SctpFragments)
            };
            assert_eq!(guard.admit(&packet(&[&small])), expected, "{number}");
        }
        let last = data(1, 1003, 0, b"end");
        assert_eq!(guard.admit(&packet(&[&last, &large, &small])), Ok(()));
    }

    #[test]
    fn bad_c1_a_client_uses_a_few_streams() {
        let mut guard = guard();
        for stream in 0..100u16 {
            let chunk = data(3, 1001, stream * 2, b"x");
            let expected = if stream < 32 {
                Ok(())
            } else {
                Err(DropReason::SctpStreams)
            };
            assert_eq!(guard.admit(&packet(&[&chunk])), expected, "{stream}");
        }
        assert_eq!(
            guard.admit(&packet(&[&forward(1001, &[199])])),
            Err(DropReason::SctpStreams)
        );
        guard.forget(4);
        assert_eq!(guard.admit(&packet(&[&forward(1001, &[199])])), Ok(()));
    }
}
