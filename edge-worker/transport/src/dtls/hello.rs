//! Reads in a ClientHello which SRTP profiles the client offers (RFC 5764 section 4.1.1).
//! The handshake beneath would take the client's first choice, and browsers put the
//! expensive one first.

use crate::srtp::Profile;

/// What a ClientHello offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offered {
    /// It is not well-formed.
    Malformed,
    /// The better of the profiles offered that we know.
    Profile(Profile),
    /// No profile we know: data channels are possible, media is not.
    NoProfile,
}

/// The type of the message.
pub(super) const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;
const AEAD_AES_128_GCM: u16 = 0x0007;
const AES128_CM_SHA1_80: u16 = 0x0001;

/// Reads the body of a ClientHello.
pub(super) fn read(hello: &[u8]) -> Offered {
    profiles(hello).unwrap_or(Offered::Malformed)
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
            assert_eq!(read(&hello(profiles)), expected, "{profiles:?}");
        }
    }

    #[test]
    fn every_cut_is_survived() {
        let whole = hello(Some(&[1, 7]));
        for len in 0..whole.len() {
            let offered = read(&whole[..len]);
            let short = matches!(offered, Offered::Malformed | Offered::NoProfile);
            assert!(short, "{len}");
        }
    }
}
