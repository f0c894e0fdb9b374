//! Encrypts what we send. No number is ever used twice: with AES-GCM that would give the
//! authentication key away.

use rustc_hash::FxHashMap;

use super::cipher::{Cipher, RtpNumber};
use super::window::Window;

/// The sending direction.
#[derive(Debug)]
pub(crate) struct Sealer {
    cipher: Cipher,
    /// The numbers used on each stream. None is ever forgotten: the key stays.
    media: Vec<(u32, Window)>,
    places: FxHashMap<u32, u32>,
    control: FxHashMap<u32, u32>,
}

/// Where a stream's numbers are kept; wrong until the stream was sealed once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place(u32);

/// Why a packet cannot be encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// Media cannot be sent yet, or not any more.
    #[error("the transport is not connected")]
    NotConnected,
    /// The sender was removed, or the client did not take it.
    #[error("no such sender was negotiated")]
    NoSender,
    /// The client did not negotiate the packet's codec, or not its repairs.
    #[error("the codec was not negotiated for this sender")]
    NotNegotiated,
    /// The number was used before, or is too old to tell, or none is left.
    #[error("the number was used before")]
    NumberUsed,
    /// The crypto provider refused.
    #[error("encryption failed")]
    Cipher,
}

impl Sealer {
    /// RFC 3711 section 9.2: no more compounds than this with one key.
    const MAX_CONTROL_INDEX: u32 = (1 << 31) - 1;

    pub(super) fn new(cipher: Cipher) -> Self {
        Self {
            cipher,
            media: Vec::new(),
            places: FxHashMap::default(),
            control: FxHashMap::default(),
        }
    }

    /// Encrypts the packet that begins at `start` in `out`, all but its first `header`
    /// bytes, and appends its tag. `out` is usable only after success. `place` is the
    /// caller's, one for each stream, and spares it a search.
    pub(crate) fn seal_rtp(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        (ssrc, place): (u32, &mut Place),
        seq: u16,
    ) -> Result<(), SealError> {
        if self
            .media
            .get(place.0 as usize)
            .is_none_or(|(known, _)| *known != ssrc)
        {
            place.0 = self.place(ssrc);
        }
        let (_, window) = &mut self.media[place.0 as usize];
        let index = window.extend(seq).ok_or(SealError::NumberUsed)?;
        if !window.is_new(index) {
            return Err(SealError::NumberUsed);
        }
        window.note(index);
        self.cipher
            .seal_rtp(out, start, header, RtpNumber { ssrc, index })
            .map_err(|_| SealError::Cipher)
    }

    fn place(&mut self, ssrc: u32) -> u32 {
        *self.places.entry(ssrc).or_insert_with(|| {
            self.media.push((ssrc, Window::default()));
            self.media.len() as u32 - 1
        })
    }

    /// Encrypts the RTCP compound that is all of `out`, which has a header and an SSRC.
    pub(crate) fn seal_rtcp(&mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        let ssrc = out[4..8].try_into().expect("a compound has an SSRC");
        let index = self.control.entry(u32::from_be_bytes(ssrc)).or_default();
        if *index > Self::MAX_CONTROL_INDEX {
            return Err(SealError::NumberUsed);
        }
        let this = *index;
        *index += 1;
        self.cipher
            .seal_rtcp(out, this)
            .map_err(|_| SealError::Cipher)
    }
}
