//! Session descriptions (RFC 8866) as far as a forwarding server needs them: read from
//! text a stranger wrote, and printed for a browser.
//!
//! What the lines mean for a transport is left to `sections`; candidates stay text here
//! and are read by [`Candidate`] when somebody wants them.

mod candidate;
mod error;
mod fingerprint;
mod line;
mod read;
mod section;
mod write;

pub use candidate::{Candidate, CandidateError, CandidateHost, CandidateTransport};
pub use error::{Limit, SdpError, SdpProblem};
pub use fingerprint::{Fingerprint, FingerprintError, HashAlgorithm};
pub use section::{
    CodecLine, Direction, Extension, Msid, RidDirection, RidLine, Section, SectionKind, Simulcast,
    SsrcGroup, SsrcGroupKind, SsrcLine,
};

use media::Mid;

/// One offer or answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    /// Offer or answer: told beside the text, not in it.
    pub kind: SdpKind,
    /// The number of the `o=` line.
    pub id: u64,
    /// Rises with each description of the same side.
    pub version: u64,
    /// The side answers connectivity checks only (RFC 8445 section 2.5).
    pub ice_lite: bool,
    /// Header extensions of one and two bytes may be mixed (RFC 8285 section 6).
    pub extmap_allow_mixed: bool,
    /// The members of the first `BUNDLE` group (RFC 9143), in order.
    pub bundle: Vec<Mid>,
    /// Transport lines before the first section: what a section does not say itself.
    pub transport: TransportLines,
    /// The m-lines, in order.
    pub sections: Vec<Section>,
}

impl Description {
    /// Longest text read.
    pub const MAX_LEN: usize = 1 << 20;
    /// Longest line read.
    pub const MAX_LINE_LEN: usize = 8 << 10;
    /// Most m-lines read, and ever written.
    pub const MAX_SECTIONS: usize = 1_000;

    /// Reads `text`; what is not known is left out, what is wrong is refused.
    pub fn parse(kind: SdpKind, text: &str) -> Result<Self, SdpError> {
        read::description(kind, text)
    }

    /// The description as text, the reverse of [`parse`](Self::parse).
    pub fn print(&self) -> String {
        self.to_string()
    }

    pub(crate) fn new(kind: SdpKind, id: u64, version: u64) -> Self {
        Self {
            kind,
            id,
            version,
            ice_lite: false,
            extmap_allow_mixed: false,
            bundle: Vec::new(),
            transport: TransportLines::default(),
            sections: Vec::new(),
        }
    }
}

/// Which half of a negotiation a description is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SdpKind {
    /// Proposes.
    Offer,
    /// Accepts, part by part.
    Answer,
}

/// The lines that set up a transport; before the first section or within one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TransportLines {
    /// Names the side in connectivity checks (RFC 8839 section 5.4).
    pub ufrag: Option<String>,
    /// Proves it.
    pub pwd: Option<String>,
    /// `trickle`, `renomination` ...
    pub ice_options: Vec<String>,
    /// Any one of them is that of the side's certificate (RFC 8122).
    pub fingerprints: Vec<Fingerprint>,
    /// Who opens the DTLS connection.
    pub setup: Option<SetupRole>,
}

/// Who opens a connection (RFC 4145), here the DTLS one (RFC 8842).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetupRole {
    /// The describing side opens.
    Active,
    /// The other side opens.
    Passive,
    /// The other side chooses.
    ActPass,
    /// Nobody, for now.
    HoldConn,
}

impl SetupRole {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }
}
