//! Why a text is no session description.

use std::fmt;

use super::FingerprintError;

/// Why a text is no description, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SdpError {
    /// Counted from 1; 0 is the text as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub problem: SdpProblem,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SdpProblem {
    /// The text does not start with `v=0`.
    #[error("a description starts with v=0")]
    Version,
    /// Not a letter, `=` and a value.
    #[error("a line is a letter, '=' and a value")]
    Form,
    /// NUL, a carriage return alone, or another control character.
    #[error("a control character does not belong in a line")]
    ControlCharacter,
    /// More than we read.
    #[error("too many or too long: {0}")]
    TooMany(Limit),
    /// A line we act on does not have its form.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A fingerprint does not have its form.
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
    /// Two encodings of a section have the same name.
    #[error("two encodings have the same rid")]
    DuplicateRid,
}

impl SdpProblem {
    pub(super) fn at(self, line: usize) -> SdpError {
        SdpError {
            line,
            problem: self,
        }
    }
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// The whole text.
    Bytes,
    /// One line.
    LineBytes,
    /// M-lines.
    Sections,
    /// Codecs of a section, or their parameters and feedback.
    Codecs,
    /// Header extensions of a section.
    Extensions,
    /// Sources of a section, or their groups.
    Ssrcs,
    /// Encodings of a section.
    Rids,
    /// Candidates of a section.
    Candidates,
    /// Fingerprints in one place.
    Fingerprints,
    /// Stream names of a section.
    Msids,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::LineBytes => "bytes in a line",
            Self::Sections => "m-lines",
            Self::Codecs => "codecs",
            Self::Extensions => "header extensions",
            Self::Ssrcs => "sources",
            Self::Rids => "rids",
            Self::Candidates => "candidates",
            Self::Fingerprints => "fingerprints",
            Self::Msids => "msids",
        })
    }
}
