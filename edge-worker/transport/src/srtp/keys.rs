//! From what DTLS exports to the keys of packets (RFC 5764 section 4.2, RFC 3711
//! section 4.3).

use rtc_crypto::{BlockCipherAlgorithm, CryptoError, RTCCrypto};

use crate::sections::DtlsRole;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Profile {
    /// RFC 7714: a quarter of the cost of the other.
    AeadAes128Gcm,
    /// RFC 3711, for clients that know nothing better.
    Aes128CmSha1,
}

impl Profile {
    const KEY: usize = 16;

    pub(crate) fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::Aes128CmSha1 => 14,
        }
    }

    /// How much DTLS has to export.
    pub(crate) fn material_len(self) -> usize {
        2 * (Self::KEY + self.salt_len())
    }
}

/// What the keys of one direction are derived from.
pub(crate) struct Master<'a> {
    key: &'a [u8],
    salt: &'a [u8],
}

/// The masters of both directions, ours first; `None` if `material` has another length
/// than the profile says.
pub(crate) fn split(
    material: &[u8],
    profile: Profile,
    role: DtlsRole,
) -> Option<(Master<'_>, Master<'_>)> {
    if material.len() != profile.material_len() {
        return None;
    }
    let (keys, salts) = material.split_at(2 * Profile::KEY);
    let (client_key, server_key) = keys.split_at(Profile::KEY);
    let (client_salt, server_salt) = salts.split_at(profile.salt_len());
    let client = Master {
        key: client_key,
        salt: client_salt,
    };
    let server = Master {
        key: server_key,
        salt: server_salt,
    };
    Some(match role {
        DtlsRole::Client => (client, server),
        DtlsRole::Server => (server, client),
    })
}

/// What a derived key is for (RFC 3711 section 4.3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Label {
    RtpCipher = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpCipher = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

impl Master<'_> {
    /// `N` bytes of AES in counter mode over the salt and the label. The derivation rate
    /// is 0: keys are derived once.
    pub(crate) fn derive<const N: usize>(
        &self,
        crypto: &dyn RTCCrypto,
        label: Label,
    ) -> Result<[u8; N], CryptoError> {
        let mut derived = [0; N];
        for (counter, out) in derived.chunks_mut(16).enumerate() {
            let mut block = [0; 16];
            block[..self.salt.len()].copy_from_slice(self.salt);
            block[7] ^= label as u8;
            block[14..].copy_from_slice(&(counter as u16).to_be_bytes());
            crypto.block_encrypt(BlockCipherAlgorithm::Aes128, self.key, &mut block)?;
            out.copy_from_slice(&block[..out.len()]);
        }
        Ok(derived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc_crypto::RTCCryptoProvider;
    use rtc_crypto::providers::RingProvider;

    /// RFC 3711 appendix B.3.
    #[test]
    fn keys_are_derived_as_in_the_rfc() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let master = Master {
            key: &key,
            salt: &salt,
        };
        let provider = RingProvider::new();
        let crypto = provider.crypto();
        let cipher: [u8; 16] = master.derive(crypto, Label::RtpCipher).unwrap();
        assert_eq!(cipher.to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let salt: [u8; 14] = master.derive(crypto, Label::RtpSalt).unwrap();
        assert_eq!(salt.to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let auth: [u8; 20] = master.derive(crypto, Label::RtpAuth).unwrap();
        assert_eq!(
            auth.to_vec(),
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
        );
    }

    #[test]
    fn each_end_seals_with_what_the_other_opens_with() {
        let material: Vec<u8> = (0..56).collect();
        let profile = Profile::AeadAes128Gcm;
        let (ours, theirs) = split(&material, profile, DtlsRole::Client).unwrap();
        assert_eq!((ours.key[0], ours.salt[0]), (0, 32));
        assert_eq!((theirs.key[0], theirs.salt[0]), (16, 44));
        let (ours, _) = split(&material, profile, DtlsRole::Server).unwrap();
        assert_eq!((ours.key[0], ours.salt[0]), (16, 44));
        assert!(split(&material, Profile::Aes128CmSha1, DtlsRole::Client).is_none());
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }
}
