//! What a packet of a stream with several layers tells of the frame it is part of: the
//! picture of one size, one of those taken at the same time. VP9 and AV1 tell it in
//! different words.

use crate::Head;

/// The frame of one spatial layer that a packet is part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags as they are on the wire"
)]
pub struct LayerFrame {
    /// Spatial layer, 0 is the smallest picture.
    pub spatial: u8,
    /// Temporal layer, 0 is the lowest frame rate.
    pub temporal: u8,
    /// First packet of the frame.
    pub start: bool,
    /// Last packet of the frame.
    pub end: bool,
    /// A decoder can start with this packet: the start of a picture that stands alone.
    pub keyframe: bool,
    /// A packet of such a picture's smallest layer, the first or, as far as that is told, not.
    pub stands_alone: bool,
    /// The frames of this spatial layer that follow, of any frame rate, need none of those
    /// before it that are of a higher one than this.
    pub switching_up: bool,
    /// Number of the picture or of the frame.
    pub number: Option<u16>,
    /// Counts the pictures of the lowest frame rate.
    pub base_index: Option<u8>,
    pub(crate) numbers: Numbers,
}

/// Where the numbers stand in the payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Numbers {
    /// A picture id of 7 bits, if there is one, and what follows the layers.
    Narrow,
    /// A picture id of 15 bits, and what follows the layers.
    Wide,
    /// The frame number of a dependency descriptor.
    Dependencies,
}

impl LayerFrame {
    /// The first bytes of its `payload`, with `ahead` added to its number and
    /// `base_index` in place of its own. Differences between numbers stay what they are.
    pub fn renumbered(&self, payload: &[u8], ahead: u16, base_index: u8) -> Head {
        let mut bytes = [0; Head::MAX_LEN];
        let number = self.number.unwrap_or(0).wrapping_add(ahead);
        let len = match self.numbers {
            Numbers::Narrow => 1 + usize::from(self.number.is_some()),
            Numbers::Wide | Numbers::Dependencies => 3,
        };
        // The layers, and the index after them.
        let indexed = if self.base_index.is_some() { 2 } else { 0 };
        let len = (len + indexed).min(payload.len()).min(Head::MAX_LEN);
        bytes[..len].copy_from_slice(&payload[..len]);
        let [high, low] = number.to_be_bytes();
        match self.numbers {
            Numbers::Narrow if self.number.is_some() => bytes[1] = low & 0x7f,
            Numbers::Narrow => {}
            Numbers::Wide => (bytes[1], bytes[2]) = (0x80 | high & 0x7f, low),
            Numbers::Dependencies => (bytes[1], bytes[2]) = (high, low),
        }
        if self.base_index.is_some() && len >= 2 {
            bytes[len - 1] = base_index;
        }
        Head::new(bytes, len)
    }
}
