//! Reads ahead in a ClientHello: which SRTP profiles the client offers (RFC 5764 section
//! 4.1.1). The handshake beneath would take the client's first choice, and browsers
//! put the expensive one first.

use super::guard::{Fragments, RecordKind, Records};
use crate::srtp::Profile;

/// What is known of the ClientHello.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offered {
    /// Not all of it has arrived.
    Incomplete,
    /// It is not one, or is longer than any.
    Malformed,
    /// The better of the profiles offered that we know.
    Profile(Profile),
    /// No profile we know: data channels are possible, media is not.
    NoProfile,
}

/// Puts the first handshake message together.
#[derive(Debug, Default)]
pub(super) struct Hello {
    message: Vec<u8>,
    len: Option<usize>,
}

const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;
const AEAD_AES_128_GCM: u16 = 0x0007;
const AES128_CM_SHA1_80: u16 = 0x0001;

impl Hello {
    /// Post-quantum key shares make some longer than a datagram.
    const MAX: usize = 8 << 10;

    /// Reads on. Fragments are taken in order; a client repeats what came otherwise.
    pub(super) fn read(&mut self, datagram: &[u8]) -> Offered {
        let records = Records(datagram).flatten();
        for record in records.filter(|r| r.kind == RecordKind::Handshake && r.epoch == 0) {
            for fragment in Fragments(record.body).flatten() {
                if fragment.message_seq != 0 {
                    continue;
                }
                if fragment.message != CLIENT_HELLO || fragment.len > Self::MAX {
                    return Offered::Malformed;
                }
                if *self.len.get_or_insert(fragment.len) != fragment.len {
                    return Offered::Malformed;
                }
                if fragment.offset == self.message.len() {
                    self.message.extend_from_slice(fragment.body);
                }
            }
        }
        if self.len != Some(self.message.len()) {
            return Offered::Incomplete;
        }
        profiles(&self.message).unwrap_or(Offered::Malformed)
    }
}

fn profiles(hello: &[u8]) -> Option<Offered> {
    let mut reader = Reader(hello);
    reader.take(2 + 32)?; // version, random
    reader.vector8()?; // session id
    reader.vector8()?; // cookie
    reader.vector16()?; // cipher suites
    reader.vector8()?; // compression methods
    let mut extensions = Reader(reader.vector16().unwrap_or(&[]));
    let mut best = Offered::NoProfile;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let body = extensions.vector16()?;
        if kind != USE_SRTP {
            continue;
        }
        let list = Reader(body).vector16()?;
        let offers = |wanted: u16| list.chunks_exact(2).any(|p| p == wanted.to_be_bytes());
        if offers(AEAD_AES_128_GCM) {
            best = Offered::Profile(Profile::AeadAes128Gcm);
        } else if offers(AES128_CM_SHA1_80) {
            best = Offered::Profile(Profile::Aes128CmSha1);
        }
    }
    Some(best)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let len = self.take(1)?[0];
        self.take(usize::from(len))
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(profiles: Option<&[u16]>) -> Vec<u8> {
        let mut hello = vec![0xfe, 0xfd];
        hello.extend_from_slice(&[7; 32]);
        hello.extend_from_slice(&[0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        let mut extensions = vec![0, 23, 0, 0];
        if let Some(profiles) = profiles {
            let list: Vec<u8> = profiles.iter().flat_map(|p| p.to_be_bytes()).collect();
            extensions.extend_from_slice(&[0, 14, 0, list.len() as u8 + 3, 0, list.len() as u8]);
            extensions.extend_from_slice(&list);
            extensions.push(0);
        }
        hello.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        hello.extend_from_slice(&extensions);
        hello
    }

    fn fragments(hello: &[u8], size: usize) -> Vec<Vec<u8>> {
        let len = (hello.len() as u32).to_be_bytes();
        let pieces = hello.chunks(size).enumerate();
        pieces
            .map(|(index, piece)| {
                let mut body = vec![1, len[1], len[2], len[3], 0, 0];
                body.extend_from_slice(&((index * size) as u32).to_be_bytes()[1..]);
                body.extend_from_slice(&(piece.len() as u32).to_be_bytes()[1..]);
                body.extend_from_slice(piece);
                let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
                record.extend_from_slice(&(body.len() as u16).to_be_bytes());
                record.extend_from_slice(&body);
                record
            })
            .collect()
    }

    #[test]
    fn the_cheaper_profile_is_taken_wherever_it_is_listed() {
        let gcm = Offered::Profile(Profile::AeadAes128Gcm);
        let sha1 = Offered::Profile(Profile::Aes128CmSha1);
        for (profiles, expected) in [
            (Some(&[1, 7, 8][..]), gcm),
            (Some(&[8, 7]), gcm),
            (Some(&[2, 1]), sha1),
            (Some(&[8]), Offered::NoProfile),
            (Some(&[]), Offered::NoProfile),
            (None, Offered::NoProfile),
        ] {
            for size in [1000, 20] {
                let mut peek = Hello::default();
                let pieces = fragments(&hello(profiles), size);
                let (last, before) = pieces.split_last().unwrap();
                for piece in before {
                    assert_eq!(peek.read(piece), Offered::Incomplete);
                }
                assert_eq!(
                    peek.read(last),
                    expected,
                    "{profiles:?} in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn every_cut_is_survived() {
        let whole = hello(Some(&[1, 7]));
        for len in 1..whole.len() {
            let mut peek = Hello::default();
            let read = peek.read(&fragments(&whole[..len], 1000)[0]);
            assert!(
                matches!(read, Offered::Malformed | Offered::NoProfile),
                "{len}"
            );
        }
    }
}
