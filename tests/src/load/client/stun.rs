//! Connectivity checks of the controlling side (RFC 8445), and the answers to a server's.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use rtc_crypto::RTCCryptoProvider;
use rtc_shared::error::Error;
use rtc_stun::{
    attributes::{ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME},
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId},
    textattrs::Username,
    xoraddr::XorMappedAddress,
};

use crate::load::sdp::Credentials;

/// Both ends' names and passwords.
#[derive(Clone)]
pub struct Checks {
    /// Ours.
    pub local: Credentials,
    /// The server's.
    pub remote: Credentials,
    /// What signs.
    pub crypto: Arc<dyn RTCCryptoProvider>,
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Checks({} at {})",
            self.local.ufrag, self.remote.ufrag
        )
    }
}

impl Checks {
    /// A check that nominates the path it takes; also the proof of consent (RFC 7675).
    pub fn request(&self) -> Result<Vec<u8>> {
        let mut check = Message::new();
        check.set_type(BINDING_REQUEST);
        check.write_header();
        TransactionId::new().add_to(&mut check)?;
        let name = format!("{}:{}", self.remote.ufrag, self.local.ufrag);
        Username::new(ATTR_USERNAME, name).add_to(&mut check)?;
        check.add(ATTR_PRIORITY, &PRIORITY.to_be_bytes());
        check.add(ATTR_ICE_CONTROLLING, &[0x5a; 8]);
        check.add(ATTR_USE_CANDIDATE, &[]);
        self.finish(check, &self.remote.pwd)
    }

    /// The answer to a check of the server's, which a server that is not lite sends.
    pub fn answer(&self, request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        let transaction = request.get(8..20)?;
        let mut answer = Message::new();
        answer.set_type(BINDING_SUCCESS);
        answer.transaction_id = TransactionId(transaction.try_into().ok()?);
        answer.write_header();
        let address = XorMappedAddress {
            ip: from.ip(),
            port: from.port(),
        };
        address.add_to(&mut answer).ok()?;
        self.finish(answer, &self.local.pwd).ok()
    }

    fn finish(&self, mut message: Message, pwd: &str) -> Result<Vec<u8>> {
        let add = |message: &mut Message| -> Result<(), Error> {
            MessageIntegrity::new_short_term_integrity_with_provider(
                pwd.to_owned(),
                self.crypto.crypto(),
            )
            .add_to(message)?;
            FINGERPRINT.add_to(message)
        };
        add(&mut message)?;
        Ok(message.raw)
    }
}

/// A host candidate's, as browsers compute it for one found by the server.
const PRIORITY: u32 = (110 << 24) + (65_535 << 8) + 255;

/// What a datagram is, by its first bytes (RFC 7983).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A check.
    Request,
    /// A good answer to one.
    Success,
    /// Another message of STUN.
    OtherStun,
    /// DTLS.
    Dtls,
    /// SRTP.
    Rtp,
    /// SRTCP.
    Rtcp,
    /// None of these.
    Unknown,
}

impl Kind {
    /// Looks at the first two bytes.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0, 1, ..] => Self::Request,
            [1, 1, ..] => Self::Success,
            [0..=3, ..] => Self::OtherStun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_told_apart_by_their_first_bytes() {
        for (bytes, kind) in [
            (&[0, 1, 0][..], Kind::Request),
            (&[1, 1], Kind::Success),
            (&[1, 0x11], Kind::OtherStun),
            (&[22, 254], Kind::Dtls),
            (&[0x90, 96], Kind::Rtp),
            (&[0x80, 0x80 | 111], Kind::Rtp),
            (&[0x81, 200], Kind::Rtcp),
            (&[200, 1], Kind::Unknown),
            (&[], Kind::Unknown),
        ] {
            assert_eq!(Kind::of(bytes), kind, "{bytes:?}");
        }
    }
}
