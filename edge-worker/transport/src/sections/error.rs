//! Why an offer or an answer cannot be applied.

use media::Mid;

/// Why an offer or an answer cannot be applied. Nothing has changed then.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NegotiationError {
    /// An offer where we make them, or an answer where the client makes them.
    #[error("this side of the negotiation is ours")]
    WrongSide,
    /// An answer to nothing, or to an offer that was answered.
    #[error("no offer waits for an answer")]
    NoOffer,
    /// Fewer m-lines than before: they are never taken away (RFC 9429 section 5.2.2).
    #[error("{found} m-lines where there were {expected}")]
    SectionCount {
        /// At least so many.
        expected: usize,
        /// Were there.
        found: usize,
    },
    /// An m-line in use changed its name or its kind, or an answer names another one.
    #[error("m-line {0} is not the one it was")]
    SectionChanged(usize),
    /// Two m-lines have the same name.
    #[error("two m-lines are called {0}")]
    DuplicateMid(Mid),
    /// No m-line can be used: there must be a BUNDLE group (RFC 9143) with one in it.
    #[error("no m-line can be used within a BUNDLE group")]
    NothingBundled,
    /// `ice-ufrag` or `ice-pwd` is missing.
    #[error("the ICE credentials are missing")]
    MissingIce,
    /// No `fingerprint`.
    #[error("the certificate's fingerprint is missing")]
    MissingFingerprint,
    /// Only hashes that prove nothing.
    #[error("the certificate's fingerprint is of no accepted hash")]
    WeakFingerprint,
    /// Another certificate than before, on the same transport.
    #[error("the certificate's fingerprint changed")]
    FingerprintChanged,
    /// `setup:holdconn`, or a role that leaves nobody or both to open the connection.
    #[error("nobody or both would open the DTLS connection")]
    SetupRole,
    /// One number stands for two header extensions (RFC 9143 section 9.1).
    #[error("header extension {0} is two things at once")]
    ExtensionConflict(u16),
}
