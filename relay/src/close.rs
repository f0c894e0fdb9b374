//! Why a connection ends, as QUIC is told: the other end logs it, and the dialer knows when to try
//! again.

use quinn::{Connection, ConnectionError, VarInt};

/// What QUIC is told why a connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Close {
    /// This node stops.
    Stop = 0,
    /// Versions differ.
    Version = 1,
    /// The other end may not be here.
    Denied = 2,
    /// The other end does not keep to the protocol.
    Protocol = 3,
    /// Another connection took its place.
    Replaced = 4,
    /// Nothing came for too long.
    Dead = 5,
    /// The other end is configured to be elsewhere.
    Region = 6,
    /// The certificate of the other end has expired.
    Expired = 7,
    /// It is no neighbour any more.
    Removed = 8,
    /// It takes less than it is told.
    Slow = 9,
}

impl Close {
    const ALL: [Self; 10] = [
        Self::Stop,
        Self::Version,
        Self::Denied,
        Self::Protocol,
        Self::Replaced,
        Self::Dead,
        Self::Region,
        Self::Expired,
        Self::Removed,
        Self::Slow,
    ];

    /// Why it ended, as the other end says; [`Close::Dead`] if it says nothing.
    pub(crate) fn of(connection: &Connection) -> Self {
        let Some(ConnectionError::ApplicationClosed(close)) = connection.close_reason() else {
            return Self::Dead;
        };
        Self::ALL
            .into_iter()
            .find(|why| close.error_code == VarInt::from_u32(*why as u32))
            .unwrap_or(Self::Protocol)
    }

    /// As metrics and logs have it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Version => "version",
            Self::Denied => "denied",
            Self::Protocol => "protocol",
            Self::Replaced => "replaced",
            Self::Dead => "dead",
            Self::Region => "region",
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::Slow => "slow",
        }
    }

    /// Whether it will be the same in a moment.
    pub(crate) fn is_lasting(self) -> bool {
        match self {
            Self::Version | Self::Denied | Self::Replaced | Self::Region | Self::Removed => true,
            Self::Stop | Self::Protocol | Self::Dead | Self::Expired | Self::Slow => false,
        }
    }

    pub(crate) fn close(self, connection: &Connection) {
        connection.close(VarInt::from_u32(self as u32), self.label().as_bytes());
    }
}
