//! Decrypts what a client sends, once each.

use rustc_hash::FxHashMap;

use super::cipher::{Cipher, ENCRYPTED, RtpNumber};
use super::window::Window;
use crate::drops::DropReason;

/// The receiving direction.
#[derive(Debug)]
pub(crate) struct Opener {
    cipher: Cipher,
    media: Sources,
    control: Sources,
}

impl Opener {
    pub(super) fn new(cipher: Cipher) -> Self {
        Self {
            cipher,
            media: Sources::default(),
            control: Sources::default(),
        }
    }

    /// Decrypts an RTP packet in place, all but its first `header` bytes; answers its
    /// length without the tag.
    pub(crate) fn open_rtp(
        &mut self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        seq: u16,
    ) -> Result<usize, DropReason> {
        let index = match self.media.windows.get(&ssrc) {
            None => u64::from(seq),
            Some(source) => {
                let index = source.window.extend(seq).ok_or(DropReason::SrtpReplay)?;
                if !source.window.is_new(index) {
                    return Err(DropReason::SrtpReplay);
                }
                index
            }
        };
        let number = RtpNumber { ssrc, index };
        let len = self
            .cipher
            .open_rtp(packet, header, number)
            .map_err(|_| DropReason::SrtpUnauthentic)?;
        self.media.note(ssrc, index);
        Ok(len)
    }

    /// Decrypts an RTCP compound in place; answers its length without index and tag.
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let word = self
            .cipher
            .rtcp_index(packet)
            .ok_or(DropReason::RtcpMalformed)?;
        if word & ENCRYPTED == 0 {
            return Err(DropReason::SrtcpUnencrypted);
        }
        let ssrc = packet[4..8].try_into().expect("an SSRC has four bytes");
        let ssrc = u32::from_be_bytes(ssrc);
        let index = u64::from(word & !ENCRYPTED);
        let source = self.control.windows.get(&ssrc);
        if source.is_some_and(|source| !source.window.is_new(index)) {
            return Err(DropReason::SrtpReplay);
        }
        let len = self
            .cipher
            .open_rtcp(packet, word)
            .map_err(|_| DropReason::SrtpUnauthentic)?;
        self.control.note(ssrc, index);
        Ok(len)
    }

    /// Whether an RTP packet is authentic and newer than all of its stream that came, so that
    /// nobody can have overheard it here. It is not noted, and decrypted or spoilt.
    pub(crate) fn is_next_rtp(
        &mut self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        seq: u16,
    ) -> bool {
        let Some(source) = self.media.windows.get(&ssrc) else {
            return false;
        };
        let index = source.window.extend(seq);
        let Some(index) = index.filter(|index| source.window.is_ahead(*index)) else {
            return false;
        };
        let number = RtpNumber { ssrc, index };
        self.cipher.open_rtp(packet, header, number).is_ok()
    }

    /// The same of an RTCP compound.
    pub(crate) fn is_next_rtcp(&mut self, packet: &mut [u8]) -> bool {
        let Some(word) = self.cipher.rtcp_index(packet) else {
            return false;
        };
        let ssrc = packet[4..8].try_into().expect("an SSRC has four bytes");
        let Some(source) = self.control.windows.get(&u32::from_be_bytes(ssrc)) else {
            return false;
        };
        word & ENCRYPTED != 0
            && source.window.is_ahead(u64::from(word & !ENCRYPTED))
            && self.cipher.open_rtcp(packet, word).is_ok()
    }

    /// How many streams are remembered.
    #[cfg(test)]
    pub(crate) fn sources(&self) -> usize {
        self.media.windows.len() + self.control.windows.len()
    }
}

/// The streams authenticated so far. When there are too many, the one silent for longest
/// is forgotten: clients take new SSRCs whenever they publish anew, for hours, and only
/// they can make us forget, so only their own old packets could be played to us again.
#[derive(Debug, Default)]
struct Sources {
    windows: FxHashMap<u32, Source>,
    packets: u64,
}

#[derive(Debug, Default)]
struct Source {
    window: Window,
    last_packet: u64,
}

impl Sources {
    /// Ten cameras with three layers each and their repairs, twice.
    const MAX: usize = 128;

    fn note(&mut self, ssrc: u32, index: u64) {
        self.packets += 1;
        if self.windows.len() >= Self::MAX && !self.windows.contains_key(&ssrc) {
            let silent = self
                .windows
                .iter()
                .min_by_key(|(_, source)| source.last_packet);
            let silent = silent.map(|(ssrc, _)| *ssrc).expect("the table is full");
            self.windows.remove(&silent);
        }
        let source = self.windows.entry(ssrc).or_default();
        source.window.note(index);
        source.last_packet = self.packets;
    }
}
