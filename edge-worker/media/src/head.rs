//! The first bytes of a payload with other numbers in them, to be written in place of the
//! publisher's.

/// A beginning of a payload, held inline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Head {
    /// All numbers stand in so many bytes.
    pub const MAX_LEN: usize = 6;

    /// The first `len` of `bytes`.
    pub(crate) fn new(bytes: [u8; Self::MAX_LEN], len: usize) -> Self {
        Self {
            bytes,
            len: len.min(Self::MAX_LEN) as u8,
        }
    }

    /// The bytes to write.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
