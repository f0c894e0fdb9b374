//! The node's DTLS certificate: self-signed, and believed because SDP names its
//! fingerprint (RFC 8122, RFC 8827). Which keys are agreed on with it is left to
//! [`dtls`](crate::dtls).

use std::fmt;
use std::sync::Arc;

use ring::digest;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_dtls::crypto::Certificate;

use crate::sdp::Fingerprint;

/// One certificate and its key, shared by all transports of a node.
pub struct Identity {
    certificate: Certificate,
    fingerprint: Fingerprint,
    crypto: Arc<dyn RTCCryptoProvider>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.fingerprint)
    }
}

/// Why there is no certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdentityError {
    /// The key could not be made or signed with.
    #[error("no certificate: {0}")]
    Generate(String),
}

impl Identity {
    /// Makes a new key and certificate (ECDSA on P-256).
    pub fn generate() -> Result<Self, IdentityError> {
        let crypto: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let certificate = Certificate::generate_self_signed(vec!["tof".into()], crypto.crypto())
            .map_err(|error| IdentityError::Generate(error.to_string()))?;
        let digest = digest::digest(&digest::SHA256, &certificate.certificate[0]);
        let digest = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
        let fingerprint = Fingerprint::sha256(digest);
        Ok(Self {
            certificate,
            fingerprint,
            crypto,
        })
    }

    /// What SDP says of the certificate.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(crate) fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }

    pub(crate) fn crypto(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.crypto
    }
}
