//! Finds the transport a datagram is for: by its source address once that passed
//! ICE, before that by the ICE user fragment in a STUN request.

use std::net::SocketAddr;

use rustc_hash::FxHashMap;
use sfu::TransportKey;
use transport::stun_ufrag;

/// Addresses and user fragments of one shard's transports.
#[derive(Debug, Default)]
pub(super) struct Demux {
    by_address: FxHashMap<SocketAddr, TransportKey>,
    by_ufrag: FxHashMap<String, TransportKey>,
}

impl Demux {
    /// STUN requests for `ufrag` are for `transport`.
    pub(super) fn expect(&mut self, ufrag: String, transport: TransportKey) {
        self.by_ufrag.insert(ufrag, transport);
    }

    /// Everything from `address` is for `transport`: it proved that it knows the password.
    pub(super) fn learn(&mut self, address: SocketAddr, transport: TransportKey) {
        self.by_address.insert(address, transport);
    }

    /// STUN requests for `ufrag` are for nobody any more.
    pub(super) fn expect_no_more(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    /// Nothing is for `transport` any more.
    pub(super) fn forget(&mut self, ufrags: &[String], transport: TransportKey) {
        for ufrag in ufrags {
            self.by_ufrag.remove(ufrag);
        }
        self.by_address.retain(|_, known| *known != transport);
    }

    /// Whom `datagram` is for. A STUN request names its transport itself, so that
    /// an address can move from one transport to another.
    pub(super) fn find(&self, from: SocketAddr, datagram: &[u8]) -> Option<TransportKey> {
        match stun_ufrag(datagram) {
            Some(ufrag) => self.by_ufrag.get(ufrag).copied(),
            None => self.by_address.get(&from).copied(),
        }
    }

    /// Whether `address` is known to be `transport`'s.
    pub(super) fn knows(&self, address: SocketAddr, transport: TransportKey) -> bool {
        self.at(address) == Some(transport)
    }

    /// Whose `address` is.
    pub(super) fn at(&self, address: SocketAddr) -> Option<TransportKey> {
        self.by_address.get(&address).copied()
    }
}
