//! SRTP with AEAD_AES_128_GCM (RFC 7714), sealed and opened in place without allocation.
//! Whether a packet was seen before is left to the caller.

use std::fmt;

use anyhow::{Context, Result, ensure};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rtc_crypto::{BlockCipherAlgorithm, RTCCrypto};

/// Bytes that sealing adds to RTP.
pub const TAG: usize = 16;
/// Bytes that sealing adds to RTCP.
pub const RTCP_OVERHEAD: usize = TAG + 4;
/// Bytes of keys and salts that a handshake makes for both directions.
pub const MATERIAL: usize = 2 * (KEY + SALT);

const KEY: usize = 16;
const SALT: usize = 12;

/// One direction's keys.
pub struct Keys {
    rtp: LessSafeKey,
    rtp_salt: [u8; SALT],
    rtcp: LessSafeKey,
    rtcp_salt: [u8; SALT],
    rtcp_index: u32,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys")
    }
}

impl Keys {
    /// The keys of both directions, the DTLS client's first (RFC 5764 section 4.2).
    pub fn both(material: &[u8], crypto: &dyn RTCCrypto) -> Result<(Self, Self)> {
        ensure!(
            material.len() == MATERIAL,
            "{} bytes of keys",
            material.len()
        );
        let (keys, salts) = material.split_at(2 * KEY);
        let direction = |at: usize| {
            let key = &keys[at * KEY..(at + 1) * KEY];
            Self::derive(key, &salts[at * SALT..(at + 1) * SALT], crypto)
        };
        Ok((direction(0)?, direction(1)?))
    }

    fn derive(key: &[u8], salt: &[u8], crypto: &dyn RTCCrypto) -> Result<Self> {
        let cipher = |label| -> Result<LessSafeKey> {
            let key = derived(label, key, salt, crypto)?;
            let key = UnboundKey::new(&AES_128_GCM, &key).ok();
            Ok(LessSafeKey::new(key.context("a key of another length")?))
        };
        let salt_of = |label| -> Result<[u8; SALT]> {
            let block = derived(label, key, salt, crypto)?;
            let (salt, _) = block.split_first_chunk().context("a short block")?;
            Ok(*salt)
        };
        Ok(Self {
            rtp: cipher(0)?,
            rtp_salt: salt_of(2)?,
            rtcp: cipher(3)?,
            rtcp_salt: salt_of(5)?,
            rtcp_index: 0,
        })
    }

    /// Seals `packet`, whose last [`TAG`] bytes are room for the tag.
    pub fn seal_rtp(&self, packet: &mut [u8], header: usize, index: u64) -> Option<()> {
        let nonce = rtp_nonce(&self.rtp_salt, packet.get(8..12)?, index);
        let (header, body) = packet.split_at_mut_checked(header)?;
        let (payload, room) = body.split_at_mut_checked(body.len().checked_sub(TAG)?)?;
        let tag = self
            .rtp
            .seal_in_place_separate_tag(nonce, Aad::from(header), payload);
        room.copy_from_slice(tag.ok()?.as_ref());
        Some(())
    }

    /// Opens a packet and hands out its payload.
    pub fn open_rtp<'a>(
        &self,
        packet: &'a mut [u8],
        header: usize,
        index: u64,
    ) -> Option<&'a [u8]> {
        let nonce = rtp_nonce(&self.rtp_salt, packet.get(8..12)?, index);
        let (header, body) = packet.split_at_mut_checked(header)?;
        let opened = self.rtp.open_in_place(nonce, Aad::from(header), body);
        opened.ok().map(|payload| &*payload)
    }

    /// Seals a compound of `length` bytes in `packet` and tells the sealed length.
    pub fn seal_rtcp(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        let sealed = length + RTCP_OVERHEAD;
        let packet = packet.get_mut(..sealed)?;
        self.rtcp_index += 1;
        let trailer = (self.rtcp_index | ENCRYPTED).to_be_bytes();
        let nonce = rtcp_nonce(&self.rtcp_salt, packet.get(4..8)?, self.rtcp_index);
        let aad = rtcp_aad(packet, trailer)?;
        let payload = packet.get_mut(8..length)?;
        let tag = self
            .rtcp
            .seal_in_place_separate_tag(nonce, Aad::from(aad), payload);
        packet[length..length + TAG].copy_from_slice(tag.ok()?.as_ref());
        packet[length + TAG..].copy_from_slice(&trailer);
        Some(sealed)
    }

    /// Opens a compound and hands it out, its first header included.
    pub fn open_rtcp<'a>(&self, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        let end = packet.len().checked_sub(4)?;
        let trailer: [u8; 4] = packet[end..].try_into().ok()?;
        let index = u32::from_be_bytes(trailer);
        if index & ENCRYPTED == 0 || end < 8 + TAG {
            return None;
        }
        let nonce = rtcp_nonce(&self.rtcp_salt, packet.get(4..8)?, index & !ENCRYPTED);
        let aad = rtcp_aad(packet, trailer)?;
        let opened = self
            .rtcp
            .open_in_place(nonce, Aad::from(aad), &mut packet[8..end]);
        opened.ok()?;
        Some(&packet[..end - TAG])
    }
}

const ENCRYPTED: u32 = 1 << 31;

/// RFC 3711 section 4.3.3, with a salt of 12 bytes as RFC 7714 section 11 wants it.
fn derived(label: u8, key: &[u8], salt: &[u8], crypto: &dyn RTCCrypto) -> Result<[u8; 16]> {
    let mut block = [0; 16];
    block[..SALT].copy_from_slice(salt);
    block[7] ^= label;
    let encrypted = crypto.block_encrypt(BlockCipherAlgorithm::Aes128, key, &mut block);
    encrypted.map_err(|error| anyhow::anyhow!("no AES: {error:?}"))?;
    Ok(block)
}

/// RFC 7714 section 8.1; `index` is the sequence number with its turns before it.
fn rtp_nonce(salt: &[u8; SALT], ssrc: &[u8], index: u64) -> Nonce {
    let mut nonce = [0; SALT];
    nonce[2..6].copy_from_slice(ssrc);
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    salted(nonce, salt)
}

/// RFC 7714 section 9.1.
fn rtcp_nonce(salt: &[u8; SALT], ssrc: &[u8], index: u32) -> Nonce {
    let mut nonce = [0; SALT];
    nonce[2..6].copy_from_slice(ssrc);
    nonce[8..].copy_from_slice(&index.to_be_bytes());
    salted(nonce, salt)
}

fn salted(mut nonce: [u8; SALT], salt: &[u8; SALT]) -> Nonce {
    for (byte, salt) in nonce.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    Nonce::assume_unique_for_key(nonce)
}

fn rtcp_aad(packet: &[u8], trailer: [u8; 4]) -> Option<[u8; 12]> {
    let mut aad = [0; 12];
    aad[..8].copy_from_slice(packet.get(..8)?);
    aad[8..].copy_from_slice(&trailer);
    Some(aad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc_crypto::{RTCCryptoProvider, providers::RingProvider};

    fn keys() -> (Keys, Keys) {
        let provider = RingProvider::new();
        let material: Vec<u8> = (0..MATERIAL as u8).collect();
        let (client, _) = Keys::both(&material, provider.crypto()).unwrap();
        let (same, _) = Keys::both(&material, provider.crypto()).unwrap();
        (client, same)
    }

    #[test]
    fn rtp_comes_through_and_a_changed_bit_does_not() {
        let (local, remote) = keys();
        let mut packet = vec![0x80, 111, 0, 7, 0, 0, 0, 1, 1, 2, 3, 4];
        packet.extend_from_slice(b"sound");
        packet.resize(packet.len() + TAG, 0);
        local.seal_rtp(&mut packet, 12, 7).unwrap();
        assert_eq!(
            remote.open_rtp(&mut packet.clone(), 12, 7),
            Some(&b"sound"[..])
        );
        assert_eq!(remote.open_rtp(&mut packet.clone(), 12, 0x1_0007), None);
        packet[0] ^= 1;
        assert_eq!(remote.open_rtp(&mut packet, 12, 7), None);
        assert_eq!(remote.open_rtp(&mut [0; 12], 12, 7), None);
    }

    #[test]
    fn rtcp_comes_through_with_its_index() {
        let (mut local, remote) = keys();
        for _ in 0..2 {
            let mut packet = [0; 64];
            packet[..12].copy_from_slice(&[0x80, 201, 0, 2, 9, 9, 9, 9, 1, 2, 3, 4]);
            let length = local.seal_rtcp(&mut packet, 12).unwrap();
            let opened = remote.open_rtcp(&mut packet[..length]).unwrap();
            assert_eq!(opened[8..], [1, 2, 3, 4]);
        }
        assert_eq!(remote.open_rtcp(&mut [0; 30]), None);
        assert_eq!(remote.open_rtcp(&mut [0; 3]), None);
    }
}
