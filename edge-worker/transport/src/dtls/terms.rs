//! What we insist on in a handshake: whose certificate, which keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ring::digest;
use rtc_dtls::config::{
    ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig,
    VerifyPeerCertificateFn,
};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::error::Error;

use super::DtlsFailure;
use crate::identity::Identity;
use crate::sdp::{Fingerprint, HashAlgorithm};
use crate::sections::DtlsRole;

/// What we insist on.
pub(super) struct Terms {
    pub(super) identity: Arc<Identity>,
    fingerprints: Arc<[Fingerprint]>,
    role: DtlsRole,
    /// Set by the certificate check, which runs inside the handshake.
    impostor: Arc<AtomicBool>,
}

impl Terms {
    /// Never in practice: the handshake's own timer is lost on the way, and flights are
    /// repeated from outside.
    const FLIGHT_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

    pub(super) fn new(
        identity: Arc<Identity>,
        role: DtlsRole,
        fingerprints: &[Fingerprint],
    ) -> Self {
        Self {
            identity,
            fingerprints: fingerprints.into(),
            role,
            impostor: Arc::default(),
        }
    }

    /// Whether the certificate that was shown is not the one described.
    pub(super) fn met_impostor(&self) -> bool {
        self.impostor.load(Ordering::Relaxed)
    }

    /// The terms as the handshake beneath wants them.
    pub(super) fn config(
        &self,
        profiles: &[SrtpProtectionProfile],
    ) -> Result<Arc<HandshakeConfig>, DtlsFailure> {
        let fingerprints = Arc::clone(&self.fingerprints);
        let impostor = Arc::clone(&self.impostor);
        let verify: VerifyPeerCertificateFn = Arc::new(move |chain: &[Vec<u8>], _: &[_]| {
            if chain.first().is_some_and(|leaf| names(&fingerprints, leaf)) {
                return Ok(());
            }
            impostor.store(true, Ordering::Relaxed);
            Err(Error::Other(
                "not the certificate of the description".into(),
            ))
        });
        ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(self.identity.crypto()))
            .with_certificates(vec![self.identity.certificate()])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // There is no authority: the fingerprint is what is checked.
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(verify))
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(Self::FLIGHT_INTERVAL)
            .build(self.role == DtlsRole::Client, None)
            .map(Arc::new)
            .map_err(|_| DtlsFailure::Setup)
    }
}

/// Whether one of `fingerprints` is that of `certificate`.
fn names(fingerprints: &[Fingerprint], certificate: &[u8]) -> bool {
    fingerprints.iter().any(|fingerprint| {
        let algorithm = match fingerprint.algorithm {
            HashAlgorithm::Sha256 => &digest::SHA256,
            HashAlgorithm::Sha384 => &digest::SHA384,
            HashAlgorithm::Sha512 => &digest::SHA512,
            HashAlgorithm::Unusable => return false,
        };
        digest::digest(algorithm, certificate).as_ref() == fingerprint.digest
    })
}
