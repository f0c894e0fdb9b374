//! Why a request was refused, and why something was not even answered.

/// Why a request was refused; the client is told the number (RFC 8656 section 19).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// Makes no sense, or asks for TCP connections to others (RFC 6062).
    BadRequest,
    /// Proves nothing, or not enough: a wrong password, a name that has expired, somebody who
    /// has left.
    Unauthorized,
    /// Would speak to somebody who is not this node.
    Forbidden,
    /// Has attributes that must be understood and are not.
    UnknownAttribute,
    /// There is an allocation already, or there is none.
    AllocationMismatch,
    /// Proves it with an old nonce; the answer has a new one.
    StaleNonce,
    /// Wants a kind of address that this node has not.
    AddressFamily,
    /// Not who made the allocation.
    WrongCredentials,
    /// Wants something other than UDP to be relayed.
    UnsupportedTransport,
    /// Names a peer with another kind of address than the allocation's.
    PeerFamily,
    /// Has as many allocations as one participant may have, or one network.
    Quota,
    /// Wants what nobody can have here, or there is no room left.
    Capacity,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::UnknownAttribute,
        Self::AllocationMismatch,
        Self::StaleNonce,
        Self::AddressFamily,
        Self::WrongCredentials,
        Self::UnsupportedTransport,
        Self::PeerFamily,
        Self::Quota,
        Self::Capacity,
    ];

    /// What the client is told.
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::UnknownAttribute => 420,
            Self::AllocationMismatch => 437,
            Self::StaleNonce => 438,
            Self::AddressFamily => 440,
            Self::WrongCredentials => 441,
            Self::UnsupportedTransport => 442,
            Self::PeerFamily => 443,
            Self::Quota => 486,
            Self::Capacity => 508,
        }
    }

    /// As a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::UnknownAttribute => "unknown_attribute",
            Self::AllocationMismatch => "allocation_mismatch",
            Self::StaleNonce => "stale_nonce",
            Self::AddressFamily => "address_family",
            Self::WrongCredentials => "wrong_credentials",
            Self::UnsupportedTransport => "unsupported_transport",
            Self::PeerFamily => "peer_family",
            Self::Quota => "quota",
            Self::Capacity => "capacity",
        }
    }
}

/// Why something was dropped without an answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Dropped {
    /// Framing that lies.
    Malformed,
    /// STUN, but nothing a client of TURN says.
    Method,
    /// To be relayed, by somebody who has no allocation.
    NoAllocation,
    /// To be relayed, to somebody whom the allocation may not speak to.
    NoPermission,
    /// On a channel that is bound to nobody.
    NoChannel,
    /// From somebody who proves nothing, again and again.
    TooManyChallenges,
}

impl Dropped {
    /// As a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "turn_malformed",
            Self::Method => "turn_method",
            Self::NoAllocation => "turn_no_allocation",
            Self::NoPermission => "turn_no_permission",
            Self::NoChannel => "turn_no_channel",
            Self::TooManyChallenges => "turn_too_many_challenges",
        }
    }
}
