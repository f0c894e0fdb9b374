//! The two ways of encrypting: AES-GCM (RFC 7714) with ring, and AES in counter mode with
//! HMAC-SHA1 (RFC 3711) for clients that offer nothing else. Both work in place and
//! neither remembers anything of a packet: replays and numbers are left to
//! [`open`](super::open) and [`seal`](super::seal).

use std::fmt;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use rtc_crypto::{
    CryptoError, HmacAlgorithm, Mac, RTCCrypto, StreamCipher, StreamCipherAlgorithm,
    constant_time_eq,
};

use super::keys::{Label, Master, Profile};

/// The keys of one direction.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are the large one, whose key is fetched for every packet"
)]
pub(super) enum Cipher {
    Gcm(Gcm),
    CmSha1(Box<CmSha1>),
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gcm(_) => "Gcm",
            Self::CmSha1(_) => "CmSha1",
        })
    }
}

/// The tag does not hold, or there is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unauthentic;

/// The provider refused; nothing usable was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SealFailed;

/// RTCP's header and the SSRC after it stay readable.
pub(super) const RTCP_CLEAR: usize = 8;
const INDEX_LEN: usize = 4;
/// The index word's first bit: what precedes it is encrypted.
pub(super) const ENCRYPTED: u32 = 1 << 31;

impl Cipher {
    pub(super) fn new(
        crypto: &dyn RTCCrypto,
        profile: Profile,
        master: &Master<'_>,
    ) -> Result<Self, CryptoError> {
        Ok(match profile {
            Profile::AeadAes128Gcm => Self::Gcm(Gcm::new(crypto, master)?),
            Profile::Aes128CmSha1 => Self::CmSha1(Box::new(CmSha1::new(crypto, master)?)),
        })
    }

    /// Decrypts what follows the first `header` bytes; answers the packet's length
    /// without its tag.
    pub(super) fn open_rtp(
        &mut self,
        packet: &mut [u8],
        header: usize,
        number: RtpNumber,
    ) -> Result<usize, Unauthentic> {
        match self {
            Self::Gcm(gcm) => {
                let nonce = number.gcm_nonce(&gcm.rtp_salt);
                open_gcm(&gcm.rtp, nonce, packet, header, &[])
            }
            Self::CmSha1(cm) => cm.open_rtp(packet, header, number),
        }
    }

    /// Encrypts the packet that begins at `start` in `out`, all but its first `header`
    /// bytes, and appends the tag.
    pub(super) fn seal_rtp(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        number: RtpNumber,
    ) -> Result<(), SealFailed> {
        match self {
            Self::Gcm(gcm) => {
                let nonce = number.gcm_nonce(&gcm.rtp_salt);
                seal_gcm(&gcm.rtp, nonce, out, start, header, &[])
            }
            Self::CmSha1(cm) => cm.seal_rtp(out, start, header, number),
        }
    }

    /// The index word of an SRTCP packet; `None` if the packet is too short for one.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let (before, after) = match self {
            Self::Gcm(_) => (RTCP_CLEAR + AES_128_GCM.tag_len(), 0),
            Self::CmSha1(_) => (RTCP_CLEAR, CmSha1::TAG),
        };
        let end = packet.len().checked_sub(after)?;
        let at = end.checked_sub(INDEX_LEN)?;
        if at < before {
            return None;
        }
        let word = packet[at..end].try_into().expect("an index has four bytes");
        Some(u32::from_be_bytes(word))
    }

    /// Decrypts a packet with this index word; answers its length.
    pub(super) fn open_rtcp(&mut self, packet: &mut [u8], word: u32) -> Result<usize, Unauthentic> {
        match self {
            Self::Gcm(gcm) => {
                let end = packet.len().checked_sub(INDEX_LEN).ok_or(Unauthentic)?;
                let nonce = gcm.rtcp_nonce(packet, word);
                let aad = word.to_be_bytes();
                open_gcm(&gcm.rtcp.key, nonce, &mut packet[..end], RTCP_CLEAR, &aad)
            }
            Self::CmSha1(cm) => cm.open_rtcp(packet, word),
        }
    }

    /// Encrypts the compound that is all of `out` and appends index and tag.
    pub(super) fn seal_rtcp(&mut self, out: &mut Vec<u8>, index: u32) -> Result<(), SealFailed> {
        let word = index | ENCRYPTED;
        match self {
            Self::Gcm(gcm) => {
                let nonce = gcm.rtcp_nonce(out, word);
                seal_gcm(
                    &gcm.rtcp.key,
                    nonce,
                    out,
                    0,
                    RTCP_CLEAR,
                    &word.to_be_bytes(),
                )?;
                out.extend_from_slice(&word.to_be_bytes());
                Ok(())
            }
            Self::CmSha1(cm) => cm.seal_rtcp(out, word),
        }
    }
}

/// What makes each packet's key stream its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct RtpNumber {
    pub(super) ssrc: u32,
    /// 48 bits: rollover counter and sequence number.
    pub(super) index: u64,
}

impl RtpNumber {
    /// RFC 7714 section 8.1.
    fn gcm_nonce(self, salt: &[u8; 12]) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&self.ssrc.to_be_bytes());
        nonce[6..].copy_from_slice(&self.index.to_be_bytes()[2..]);
        xor(nonce, salt)
    }

    /// RFC 3711 section 4.1.1.
    fn cm_counter(self, salt: &[u8; 14]) -> [u8; 16] {
        let mut counter = [0; 16];
        counter[4..8].copy_from_slice(&self.ssrc.to_be_bytes());
        counter[8..14].copy_from_slice(&self.index.to_be_bytes()[2..]);
        xor(counter, salt)
    }

    fn rollover(self) -> [u8; 4] {
        ((self.index >> 16) as u32).to_be_bytes()
    }
}

fn xor<const N: usize>(mut bytes: [u8; N], salt: &[u8]) -> [u8; N] {
    for (byte, salt) in bytes.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    bytes
}

pub(super) struct Gcm {
    rtp: LessSafeKey,
    rtp_salt: [u8; 12],
    rtcp: Box<GcmControl>,
}

/// The rarer half, out of the way.
pub(super) struct GcmControl {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    fn new(crypto: &dyn RTCCrypto, master: &Master<'_>) -> Result<Self, CryptoError> {
        let key = |label| {
            let key: [u8; 16] = master.derive(crypto, label)?;
            let key = UnboundKey::new(&AES_128_GCM, &key).expect("the key has 16 bytes");
            Ok(LessSafeKey::new(key))
        };
        Ok(Self {
            rtp: key(Label::RtpCipher)?,
            rtp_salt: master.derive(crypto, Label::RtpSalt)?,
            rtcp: Box::new(GcmControl {
                key: key(Label::RtcpCipher)?,
                salt: master.derive(crypto, Label::RtcpSalt)?,
            }),
        })
    }

    /// RFC 7714 section 9.1.
    fn rtcp_nonce(&self, packet: &[u8], word: u32) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&packet[4..RTCP_CLEAR]);
        nonce[8..].copy_from_slice(&(word & !ENCRYPTED).to_be_bytes());
        xor(nonce, &self.rtcp.salt)
    }
}

/// Authenticates `packet[..clear]` and `more`, and decrypts the rest in place.
fn open_gcm(
    key: &LessSafeKey,
    nonce: [u8; 12],
    packet: &mut [u8],
    clear: usize,
    more: &[u8],
) -> Result<usize, Unauthentic> {
    let (aad, body) = packet.split_at_mut(clear);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let opened = if more.is_empty() {
        key.open_in_place(nonce, Aad::from(&*aad), body)
    } else {
        key.open_in_place(nonce, Aad::from(rtcp_aad(aad, more)), body)
    };
    opened
        .map(|plain| clear + plain.len())
        .map_err(|_| Unauthentic)
}

fn seal_gcm(
    key: &LessSafeKey,
    nonce: [u8; 12],
    out: &mut Vec<u8>,
    start: usize,
    clear: usize,
    more: &[u8],
) -> Result<(), SealFailed> {
    let (aad, body) = out[start..].split_at_mut(clear);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag: Result<Tag, _> = if more.is_empty() {
        key.seal_in_place_separate_tag(nonce, Aad::from(&*aad), body)
    } else {
        key.seal_in_place_separate_tag(nonce, Aad::from(rtcp_aad(aad, more)), body)
    };
    out.extend_from_slice(tag.map_err(|_| SealFailed)?.as_ref());
    Ok(())
}

/// RFC 7714 section 9.2: the clear bytes and the index word.
fn rtcp_aad(clear: &[u8], word: &[u8]) -> [u8; RTCP_CLEAR + INDEX_LEN] {
    let mut aad = [0; RTCP_CLEAR + INDEX_LEN];
    aad[..RTCP_CLEAR].copy_from_slice(clear);
    aad[RTCP_CLEAR..].copy_from_slice(word);
    aad
}

pub(super) struct CmSha1 {
    rtp: Box<dyn StreamCipher>,
    rtp_auth: Box<dyn Mac>,
    rtp_salt: [u8; 14],
    rtcp: Box<dyn StreamCipher>,
    rtcp_auth: Box<dyn Mac>,
    rtcp_salt: [u8; 14],
}

impl CmSha1 {
    /// HMAC-SHA1 cut to 80 bits.
    const TAG: usize = 10;

    fn new(crypto: &dyn RTCCrypto, master: &Master<'_>) -> Result<Self, CryptoError> {
        let cipher = |label| {
            let key: [u8; 16] = master.derive(crypto, label)?;
            crypto.new_stream_cipher(StreamCipherAlgorithm::Aes128Ctr, &key)
        };
        let auth = |label| {
            let key: [u8; 20] = master.derive(crypto, label)?;
            crypto.new_hmac(HmacAlgorithm::Sha1, &key)
        };
        Ok(Self {
            rtp: cipher(Label::RtpCipher)?,
            rtp_auth: auth(Label::RtpAuth)?,
            rtp_salt: master.derive(crypto, Label::RtpSalt)?,
            rtcp: cipher(Label::RtcpCipher)?,
            rtcp_auth: auth(Label::RtcpAuth)?,
            rtcp_salt: master.derive(crypto, Label::RtcpSalt)?,
        })
    }

    fn open_rtp(
        &mut self,
        packet: &mut [u8],
        header: usize,
        number: RtpNumber,
    ) -> Result<usize, Unauthentic> {
        let end = packet.len().checked_sub(Self::TAG).ok_or(Unauthentic)?;
        if end < header {
            return Err(Unauthentic);
        }
        let (covered, tag) = packet.split_at_mut(end);
        let expected = tag_of(&mut *self.rtp_auth, &[covered, &number.rollover()]);
        if !expected.is_ok_and(|expected| constant_time_eq(&expected, tag)) {
            return Err(Unauthentic);
        }
        let counter = number.cm_counter(&self.rtp_salt);
        self.rtp
            .apply_keystream(&counter, &mut covered[header..])
            .map_err(|_| Unauthentic)?;
        Ok(end)
    }

    fn seal_rtp(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        number: RtpNumber,
    ) -> Result<(), SealFailed> {
        let counter = number.cm_counter(&self.rtp_salt);
        self.rtp
            .apply_keystream(&counter, &mut out[start + header..])
            .map_err(|_| SealFailed)?;
        let tag = tag_of(&mut *self.rtp_auth, &[&out[start..], &number.rollover()])?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn open_rtcp(&mut self, packet: &mut [u8], word: u32) -> Result<usize, Unauthentic> {
        let end = packet.len().checked_sub(Self::TAG).ok_or(Unauthentic)?;
        let (covered, tag) = packet.split_at_mut(end);
        let expected = tag_of(&mut *self.rtcp_auth, &[covered]);
        if !expected.is_ok_and(|expected| constant_time_eq(&expected, tag)) {
            return Err(Unauthentic);
        }
        let plain = end.checked_sub(INDEX_LEN).ok_or(Unauthentic)?;
        let counter = self.rtcp_number(covered, word).cm_counter(&self.rtcp_salt);
        self.rtcp
            .apply_keystream(&counter, &mut covered[RTCP_CLEAR..plain])
            .map_err(|_| Unauthentic)?;
        Ok(plain)
    }

    fn seal_rtcp(&mut self, out: &mut Vec<u8>, word: u32) -> Result<(), SealFailed> {
        let counter = self.rtcp_number(out, word).cm_counter(&self.rtcp_salt);
        self.rtcp
            .apply_keystream(&counter, &mut out[RTCP_CLEAR..])
            .map_err(|_| SealFailed)?;
        out.extend_from_slice(&word.to_be_bytes());
        let tag = tag_of(&mut *self.rtcp_auth, &[out])?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn rtcp_number(&self, packet: &[u8], word: u32) -> RtpNumber {
        let ssrc = packet[4..RTCP_CLEAR]
            .try_into()
            .expect("an SSRC has four bytes");
        RtpNumber {
            ssrc: u32::from_be_bytes(ssrc),
            index: u64::from(word & !ENCRYPTED),
        }
    }
}

fn tag_of(auth: &mut dyn Mac, covered: &[&[u8]]) -> Result<[u8; CmSha1::TAG], SealFailed> {
    let mut full = [0; 20];
    auth.sign(covered, &mut full).map_err(|_| SealFailed)?;
    Ok(*full.first_chunk().expect("SHA-1 is longer than its tag"))
}
