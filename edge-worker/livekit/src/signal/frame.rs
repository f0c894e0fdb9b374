//! One WebSocket frame, binary or text. A client that writes text is answered in
//! text until it writes binary again.

use bytes::Bytes;

/// A frame as it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RawFrame<'a> {
    /// Protobuf.
    Binary(&'a [u8]),
    /// The same message as JSON.
    Text(&'a str),
}

impl RawFrame<'_> {
    /// The form to answer in.
    pub fn format(&self) -> FrameFormat {
        match self {
            Self::Binary(_) => FrameFormat::Binary,
            Self::Text(_) => FrameFormat::Text,
        }
    }
}

/// The form of a frame.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum FrameFormat {
    /// Protobuf; where everybody starts, as mobile SDKs ignore text.
    #[default]
    Binary,
    /// JSON.
    Text,
}

/// A frame to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// Protobuf.
    Binary(Bytes),
    /// JSON.
    Text(String),
}

impl Frame {
    /// Bytes of its content.
    pub fn len(&self) -> usize {
        match self {
            Self::Binary(bytes) => bytes.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// Whether it has no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
