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
pub(crate) use seal::{Place, Sealer};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drops::DropReason;
    use rtc_crypto::RTCCryptoProvider;
    use rtc_crypto::providers::RingProvider;
    use rtc_srtp::context::Context;
    use rtc_srtp::protection_profile::ProtectionProfile;

    const PROFILES: [(Profile, ProtectionProfile); 2] = [
        (Profile::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
        (
            Profile::Aes128CmSha1,
            ProtectionProfile::Aes128CmHmacSha1_80,
        ),
    ];

    fn packet(seq: u16) -> Vec<u8> {
        let mut packet = vec![0x80, 96];
        packet.extend_from_slice(&seq.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 9, 0, 0, 0, 7]);
        packet.extend_from_slice(b"payload");
        packet
    }

    #[test]
    fn an_independent_implementation_opens_what_we_seal_across_the_wrap() {
        let provider = RingProvider::new();
        for (profile, theirs) in PROFILES {
            let material: Vec<u8> = (0..profile.material_len() as u8).collect();
            let crypto = provider.crypto();
            let (mut sealer, _) = keyed(crypto, profile, DtlsRole::Client, &material).unwrap();
            let salt = &material[32..32 + profile.salt_len()];
            let mut context =
                Context::new(&material[..16], salt, theirs, None, None, crypto).unwrap();
            let mut place = Place::default();
            for i in 0..2000u16 {
                let seq = 64_500u16.wrapping_add(i);
                let mut out = packet(seq);
                let stream = (7, &mut place);
                sealer.seal_rtp(&mut out, 0, 12, stream, seq).unwrap();
                assert_eq!(context.decrypt_rtp(&out).unwrap(), packet(seq));
                let stream = (7, &mut Place::default());
                let again = sealer.seal_rtp(&mut packet(seq), 0, 12, stream, seq);
                assert_eq!(again, Err(SealError::NumberUsed));
                let mut out = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
                sealer.seal_rtcp(&mut out).unwrap();
                assert_eq!(context.decrypt_rtcp(&out).unwrap().len(), 8);
            }
        }
    }

    #[test]
    fn bad_r2_r6_forgeries_are_not_remembered_and_streams_are_bounded() {
        let provider = RingProvider::new();
        for (profile, theirs) in PROFILES {
            let material: Vec<u8> = (0..profile.material_len() as u8).collect();
            let crypto = provider.crypto();
            let (_, mut opener) = keyed(crypto, profile, DtlsRole::Server, &material).unwrap();
            for ssrc in 0..1000 {
                let opened = opener.open_rtp(&mut [0x80; 60], 12, ssrc, 5);
                assert_eq!(opened, Err(DropReason::SrtpUnauthentic));
            }
            assert_eq!(opener.sources(), 0);
            let salt = &material[32..32 + profile.salt_len()];
            let mut context =
                Context::new(&material[..16], salt, theirs, None, None, crypto).unwrap();
            for ssrc in 0..1000u32 {
                let mut plain = packet(1);
                plain[8..12].copy_from_slice(&ssrc.to_be_bytes());
                let mut sealed = context.encrypt_rtp(&plain).unwrap();
                let len = opener.open_rtp(&mut sealed, 12, ssrc, 1).unwrap();
                assert_eq!(sealed[..len], plain);
            }
            assert_eq!(opener.sources(), 128);
        }
    }
}
