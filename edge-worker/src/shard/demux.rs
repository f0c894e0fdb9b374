//! Finds the transport a datagram is for: by the way it came once that passed
//! ICE, before that by the ICE user fragment in a STUN request.

use rustc_hash::FxHashMap;
use sfu::TransportKey;
use transport::{Way, stun_ufrag};

/// Ways and user fragments of one shard's transports.
#[derive(Debug, Default)]
pub(super) struct Demux {
    by_way: FxHashMap<Way, TransportKey>,
    by_ufrag: FxHashMap<String, TransportKey>,
}

impl Demux {
    /// STUN requests for `ufrag` are for `transport`.
    pub(super) fn expect(&mut self, ufrag: String, transport: TransportKey) {
        self.by_ufrag.insert(ufrag, transport);
    }

    /// Everything that comes by `way` is for `transport`: it proved that it knows the password.
    pub(super) fn learn(&mut self, way: Way, transport: TransportKey) {
        self.by_way.insert(way, transport);
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
        self.by_way.retain(|_, known| *known != transport);
    }

    /// Whether STUN requests for `ufrag` are for anybody.
    pub(super) fn is_expected(&self, ufrag: &str) -> bool {
        self.by_ufrag.contains_key(ufrag)
    }

    /// Nothing comes by `way` any more. Whose it was.
    pub(super) fn lose(&mut self, way: Way) -> Option<TransportKey> {
        self.by_way.remove(&way)
    }

    /// Whom `datagram` is for. A STUN request names its transport itself, so that
    /// a way can move from one transport to another.
    pub(super) fn find(&self, from: Way, datagram: &[u8]) -> Option<TransportKey> {
        match stun_ufrag(datagram) {
            Some(ufrag) => self.by_ufrag.get(ufrag).copied(),
            None => self.by_way.get(&from).copied(),
        }
    }

    /// Whether `way` is known to be `transport`'s.
    pub(super) fn knows(&self, way: Way, transport: TransportKey) -> bool {
        self.at(way) == Some(transport)
    }

    /// Whose `way` is.
    pub(super) fn at(&self, way: Way) -> Option<TransportKey> {
        self.by_way.get(&way).copied()
    }
}
