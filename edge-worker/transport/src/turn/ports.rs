//! The ports of relayed addresses. Nothing is bound to them; they only tell allocations apart.

use std::net::SocketAddr;
use std::ops::Range;

/// Draws one port after the other.
#[derive(Debug)]
pub(super) struct Ports {
    next: u16,
    /// What the node is really reached at.
    taken: Vec<u16>,
}

/// What a port shall be like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Parity {
    Any,
    Even,
}

/// Where neither servers are nor what kernels give to clients on the same machine.
const PORTS: Range<u16> = 10_000..32_768;

impl Ports {
    pub(super) fn new(peers: &[SocketAddr]) -> Self {
        Self {
            next: PORTS.start,
            taken: peers.iter().map(SocketAddr::port).collect(),
        }
    }

    /// The next one that is free: the one used longest ago, so that what still comes for it is
    /// not taken for its new owner's.
    pub(super) fn draw(&mut self, parity: Parity, free: impl Fn(u16) -> bool) -> Option<u16> {
        for _ in PORTS {
            let port = self.next;
            self.next = if port + 1 == PORTS.end {
                PORTS.start
            } else {
                port + 1
            };
            let fits = match parity {
                Parity::Any => true,
                Parity::Even => port.is_multiple_of(2),
            };
            if fits && !self.taken.contains(&port) && free(port) {
                return Some(port);
            }
        }
        None
    }
}
