//! How a client's datagrams come and go. ICE tells ways apart and picks one of them; what
//! carries the datagrams there, and what becomes of a way that is gone, is left to the shell.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

/// One way to a client. Two are the same only if they are carried the same: a client may
/// use one port of its own for UDP and for a connection.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Way {
    /// Datagrams from and to an address.
    Udp(SocketAddr),
    /// Frames in a TCP connection (RFC 6544), which the client opened from this address.
    Tcp(ConnectionKey, SocketAddr),
    /// Through the shard's [`turn`](crate::turn) server, from this relayed address: no other
    /// allocation has it.
    Relayed(SocketAddr),
}

/// One connection of its shard.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionKey(pub u32);

impl Way {
    /// Where the client's datagrams come from, as it is told in replies to its checks.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(address) | Self::Tcp(_, address) | Self::Relayed(address) => *address,
        }
    }
}

impl From<SocketAddr> for Way {
    fn from(address: SocketAddr) -> Self {
        Self::Udp(address)
    }
}

// By address alone: it is looked up for every datagram, and ways rarely share one.
impl Hash for Way {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "udp {address}"),
            Self::Tcp(key, address) => write!(f, "tcp {address} ({})", key.0),
            Self::Relayed(address) => write!(f, "relayed {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_differ_by_what_carries_them() {
        let address = SocketAddr::from(([192, 0, 2, 1], 5_000));
        let [udp, tcp, other, relayed] = [
            Way::from(address),
            Way::Tcp(ConnectionKey(1), address),
            Way::Tcp(ConnectionKey(2), address),
            Way::Relayed(address),
        ];
        assert!(udp != tcp && tcp != other && udp != other && udp != relayed);
        assert!(
            [udp, tcp, other, relayed]
                .iter()
                .all(|way| way.address() == address)
        );
    }
}
