//! What came over a link and was left out, by reason.

use relay_proto::FrameError;

/// Why a datagram was left out; each variant is one metric label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// More came than any line carries.
    Flood,
    /// Cut short, or a length lies.
    Short,
    /// A flow or a list of numbers that cannot be.
    Number,
    /// No RTP.
    Rtp,
    /// A newer version says what this one has no word for.
    UnknownKind,
    /// Nobody asked for it.
    UnknownFlow,
    /// Too old, or too far ahead.
    OutOfWindow,
    /// It came before.
    Double,
}

impl Reason {
    pub(crate) const ALL: [Self; 8] = [
        Self::Flood,
        Self::Short,
        Self::Number,
        Self::Rtp,
        Self::UnknownKind,
        Self::UnknownFlow,
        Self::OutOfWindow,
        Self::Double,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Short => "short",
            Self::Number => "number",
            Self::Rtp => "rtp",
            Self::UnknownKind => "unknown_kind",
            Self::UnknownFlow => "unknown_flow",
            Self::OutOfWindow => "out_of_window",
            Self::Double => "double",
        }
    }
}

impl From<FrameError> for Reason {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Short => Self::Short,
            FrameError::Flow | FrameError::Numbers => Self::Number,
            FrameError::Rtp => Self::Rtp,
            FrameError::Kind(_) => Self::UnknownKind,
        }
    }
}

/// How often each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refused([u64; Reason::ALL.len()]);

impl Refused {
    pub(crate) fn count(&mut self, why: Reason) {
        self.0[why as usize] += 1;
    }

    pub(crate) fn count_many(&mut self, why: Reason, many: u64) {
        self.0[why as usize] += many;
    }

    pub(crate) fn of(&self, why: Reason) -> u64 {
        self.0[why as usize]
    }
}
