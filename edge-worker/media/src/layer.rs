//! Layers: the qualities one video track is published in.

use std::fmt;

/// One spatial quality of a video track: 0 is the smallest picture. LiveKit's
/// LOW, MEDIUM and HIGH are 0, 1 and 2.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Layer(pub u8);

impl Layer {
    /// How many layers a track can have.
    pub const COUNT: usize = 3;
    /// The smallest picture, or the only one.
    pub const LOW: Self = Self(0);
    /// The picture in the middle.
    pub const MEDIUM: Self = Self(1);
    /// The largest picture.
    pub const HIGH: Self = Self(2);

    /// All layers, small to large.
    pub const ALL: [Self; Self::COUNT] = [Self::LOW, Self::MEDIUM, Self::HIGH];

    /// For tables with one entry per layer.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The name of one simulcast encoding in SDP and in RTP (RFC 8851, RFC 8852),
/// held inline: at most 16 ASCII letters, digits, `-` or `_`.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Rid {
    len: u8,
    text: [u8; Self::CAPACITY],
}

impl Rid {
    /// Longest name accepted; browsers and SDKs use one letter.
    pub const CAPACITY: usize = 16;

    /// Holds `text` if it is a rid; `None` for anything else.
    pub fn new(text: &[u8]) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::CAPACITY;
        let legal = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
        if !fits || !text.iter().all(legal) {
            return None;
        }
        let mut held = [0; Self::CAPACITY];
        held[..text.len()].copy_from_slice(text);
        Some(Self {
            len: text.len() as u8,
            text: held,
        })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).expect("checked to be ASCII")
    }
}

impl fmt::Debug for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rids_are_rids() {
        assert_eq!(Rid::new(b"q").unwrap().as_str(), "q");
        for bad in [&b""[..], b"a b", b"0123456789abcdefg", b"\xff", b"a\0"] {
            assert_eq!(Rid::new(bad), None, "{bad:?}");
        }
    }
}
