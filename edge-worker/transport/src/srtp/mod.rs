//! Encryption of media and RTCP (RFC 3711, RFC 7714) with the keys DTLS agreed on.
//!
//! Nothing is remembered of a packet before its tag held, so forged ones cost time but
//! no memory; and RTCP that asks to be believed unencrypted is refused.

mod cipher;
mod keys;
mod open;
mod seal;
mod window;

pub(crate) use keys::Profile;
pub(crate) use open::Opener;
pub use seal::SealError;
pub(crate) use seal::Sealer;

use rtc_crypto::RTCCrypto;

use crate::sections::DtlsRole;

/// Both directions, from what DTLS exported; `None` if that has the wrong length or the
/// provider lacks an algorithm.
pub(crate) fn keyed(
    crypto: &dyn RTCCrypto,
    profile: Profile,
    role: DtlsRole,
    material: &[u8],
) -> Option<(Sealer, Opener)> {
    let (ours, theirs) = keys::split(material, profile, role)?;
    let sealer = Sealer::new(cipher::Cipher::new(crypto, profile, &ours).ok()?);
    let opener = Opener::new(cipher::Cipher::new(crypto, profile, &theirs).ok()?);
    Some((sealer, opener))
}
