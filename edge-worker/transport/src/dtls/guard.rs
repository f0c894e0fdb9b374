//! Looks at DTLS records (RFC 6347) before anything believes them: honest ones pass,
//! and no client makes us keep or answer more of them than a handshake needs.
//!
//! The handshake beneath keeps records it cannot use yet without a bound, so their number
//! is bounded here, for the life of the connection.

use crate::drops::DropReason;

/// One record, in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) kind: RecordKind,
    pub(super) epoch: u16,
    pub(super) body: &'a [u8],
    /// With its header.
    pub(super) whole: &'a [u8],
}

/// What a record carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RecordKind {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
}

/// The records of one datagram; `None` in the middle if one is longer than what is left
/// or of no known kind.
#[derive(Debug)]
pub(super) struct Records<'a>(pub(super) &'a [u8]);

const RECORD_HEADER: usize = 13;

impl<'a> Iterator for Records<'a> {
    type Item = Option<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_none() {
            self.0 = &[];
        }
        Some(record)
    }
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Option<Record<'a>> {
        let datagram = self.0;
        let (header, rest) = datagram.split_first_chunk::<RECORD_HEADER>()?;
        let kind = match header[0] {
            20 => RecordKind::ChangeCipherSpec,
            21 => RecordKind::Alert,
            22 => RecordKind::Handshake,
            23 => RecordKind::ApplicationData,
            _ => return None,
        };
        // DTLS 1.0 in a first flight, 1.2 afterwards.
        if header[1] != 0xfe || !matches!(header[2], 0xff | 0xfd) {
            return None;
        }
        let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (body, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(Record {
            kind,
            epoch: u16::from_be_bytes([header[3], header[4]]),
            body,
            whole: &datagram[..RECORD_HEADER + len],
        })
    }
}

/// One fragment of a handshake message (RFC 6347 section 4.2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) message: u8,
    pub(super) len: usize,
    pub(super) message_seq: u16,
    pub(super) offset: usize,
    pub(super) body: &'a [u8],
}

/// The fragments of one record; `None` in the middle if one lies about its length.
#[derive(Debug)]
pub(super) struct Fragments<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fragments<'a> {
    type Item = Option<Fragment<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let fragment = self.read();
        if fragment.is_none() {
            self.0 = &[];
        }
        Some(fragment)
    }
}

impl<'a> Fragments<'a> {
    /// Certificates are the longest messages, and self-signed ones have under 1 KiB.
    const MAX_MESSAGE: usize = 16 << 10;

    fn read(&mut self) -> Option<Fragment<'a>> {
        let (header, rest) = self.0.split_first_chunk::<12>()?;
        let wide = |at: usize| {
            usize::from(header[at]) << 16
                | usize::from(header[at + 1]) << 8
                | usize::from(header[at + 2])
        };
        let (len, offset, here) = (wide(1), wide(6), wide(9));
        let (body, rest) = rest.split_at_checked(here)?;
        let inside = offset + here <= len && len <= Self::MAX_MESSAGE;
        let empty = here == 0 && len != 0;
        if !inside || empty {
            return None;
        }
        self.0 = rest;
        Some(Fragment {
            message: header[0],
            len,
            message_seq: u16::from_be_bytes([header[4], header[5]]),
            offset,
            body,
        })
    }
}

/// Where the handshake is, as far as admission goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Handshake,
    Established,
}

/// Admits records, counting what the handshake beneath would keep.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Handshake fragments handed in.
    fragments: usize,
    /// Records handed in before the handshake was over that are queued until there are
    /// keys: those of the next epoch, and those that announce it.
    early: usize,
    /// Encrypted handshake records: what is in them cannot be seen.
    sealed: usize,
}

impl Guard {
    /// Longer datagrams would be fragmented on the way.
    const MAX_DATAGRAM: usize = 2048;
    const MAX_RECORDS: usize = 32;
    /// A whole handshake has about 20 with today's certificates; the rest is for
    /// retransmissions.
    const MAX_FRAGMENTS: usize = 512;
    const MAX_EARLY: usize = 64;
    const MAX_SEALED: usize = 64;
    /// A Finished message is shorter under every cipher suite.
    const MAX_SEALED_LEN: usize = 128;

    /// Whether all of `datagram` may be handed in.
    pub(super) fn admit(&mut self, datagram: &[u8], phase: Phase) -> Result<(), DropReason> {
        if datagram.len() > Self::MAX_DATAGRAM {
            return Err(DropReason::DtlsMalformed);
        }
        let (mut fragments, mut early, mut sealed) = (0, 0, 0);
        for (count, record) in Records(datagram).enumerate() {
            let record = record.ok_or(DropReason::DtlsMalformed)?;
            if count >= Self::MAX_RECORDS {
                return Err(DropReason::DtlsMalformed);
            }
            if record.epoch == 0 {
                fragments += plain_fragments(record)?;
            } else if record.kind == RecordKind::Handshake {
                if record.body.len() > Self::MAX_SEALED_LEN {
                    return Err(DropReason::DtlsMalformed);
                }
                sealed += 1;
            }
            let waits = record.epoch > 0 || record.kind == RecordKind::ChangeCipherSpec;
            early += usize::from(waits && phase == Phase::Handshake);
        }
        let full = self.fragments + fragments > Self::MAX_FRAGMENTS
            || self.early + early > Self::MAX_EARLY
            || self.sealed + sealed > Self::MAX_SEALED;
        if full {
            return Err(DropReason::DtlsFlood);
        }
        self.fragments += fragments;
        self.early += early;
        self.sealed += sealed;
        Ok(())
    }
}

/// How many fragments an unencrypted record has. Whatever an honest client would not
/// send without keys is refused: answering it would end the handshake.
fn plain_fragments(record: Record<'_>) -> Result<usize, DropReason> {
    let well_formed = match record.kind {
        RecordKind::ChangeCipherSpec => record.body == [1],
        RecordKind::Alert => record.body.len() == 2,
        RecordKind::ApplicationData => false,
        RecordKind::Handshake => {
            return Fragments(record.body)
                .try_fold(0, |count, fragment| fragment.map(|_| count + 1))
                .ok_or(DropReason::DtlsMalformed);
        }
    };
    if well_formed {
        Ok(0)
    } else {
        Err(DropReason::DtlsMalformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Phase::{Established, Handshake};

    pub(super) fn record(kind: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 0xfe, 0xfd];
        record.extend_from_slice(&epoch.to_be_bytes());
        record.extend_from_slice(&[0; 6]);
        record.extend_from_slice(&(body.len() as u16).to_be_bytes());
        record.extend_from_slice(body);
        record
    }

    fn fragment(len: u32, offset: u32, here: u32, body: &[u8]) -> Vec<u8> {
        let mut fragment = vec![1];
        fragment.extend_from_slice(&len.to_be_bytes()[1..]);
        fragment.extend_from_slice(&[0, 0]);
        fragment.extend_from_slice(&offset.to_be_bytes()[1..]);
        fragment.extend_from_slice(&here.to_be_bytes()[1..]);
        fragment.extend_from_slice(body);
        fragment
    }

    #[test]
    fn bad_d2_d6_records_that_lie_are_refused() {
        let malformed = Err(DropReason::DtlsMalformed);
        let mut cut = record(22, 0, &fragment(5, 0, 5, &[0; 5]));
        cut.pop();
        let mut version = record(22, 0, &fragment(5, 0, 5, &[0; 5]));
        version[1] = 3;
        for (what, datagram, expected) in [
            ("whole", record(22, 0, &fragment(5, 0, 5, &[0; 5])), Ok(())),
            ("part", record(22, 0, &fragment(9, 4, 5, &[0; 5])), Ok(())),
            (
                "empty message",
                record(22, 0, &fragment(0, 0, 0, &[])),
                Ok(()),
            ),
            (
                "empty fragment",
                record(22, 0, &fragment(5, 0, 0, &[])),
                malformed,
            ),
            (
                "beyond the end",
                record(22, 0, &fragment(5, 3, 5, &[0; 5])),
                malformed,
            ),
            (
                "huge",
                record(22, 0, &fragment(0xff_ffff, 0, 5, &[0; 5])),
                malformed,
            ),
            (
                "longer than there is",
                record(22, 0, &fragment(9, 0, 9, &[0; 5])),
                malformed,
            ),
            ("cut", cut, malformed),
            ("another version", version, malformed),
            ("unknown kind", record(24, 0, &[1]), malformed),
            ("plain data", record(23, 0, b"hello"), malformed),
            ("odd alert", record(21, 0, &[2]), malformed),
            ("alert", record(21, 0, &[1, 0]), Ok(())),
            ("odd change", record(20, 0, &[2]), malformed),
            ("long sealed handshake", record(22, 1, &[0; 200]), malformed),
            ("too long", vec![22; 3000], malformed),
        ] {
            assert_eq!(
                Guard::default().admit(&datagram, Handshake),
                expected,
                "{what}"
            );
        }
    }

    #[test]
    fn bad_d2_what_the_handshake_would_keep_is_bounded_for_its_life() {
        for (what, datagram, phase) in [
            (
                "fragments",
                record(22, 0, &fragment(9, 4, 1, &[0])),
                Established,
            ),
            ("early records", record(23, 1, &[0; 30]), Handshake),
            ("early changes", record(20, 0, &[1]), Handshake),
            ("sealed handshakes", record(22, 1, &[0; 40]), Established),
        ] {
            let mut guard = Guard::default();
            let admitted = (0..2000).filter(|_| guard.admit(&datagram, phase).is_ok());
            let admitted = admitted.count();
            assert!((64..=512).contains(&admitted), "{what}: {admitted}");
            let refused = guard.admit(&datagram, phase);
            assert_eq!(refused, Err(DropReason::DtlsFlood), "{what}");
        }
        let mut guard = Guard::default();
        let data = record(23, 1, &[0; 30]);
        assert!((0..2000).all(|_| guard.admit(&data, Established).is_ok()));
    }
}
