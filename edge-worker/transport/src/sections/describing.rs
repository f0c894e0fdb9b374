//! What offers and answers of ours have in common.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use rustc_hash::FxHasher;

use super::{Candidates, Local, Sections};
use crate::sdp::{Description, SdpKind, SetupRole, TransportLines};

impl Sections {
    /// A description of ours without its sections.
    pub(super) fn describe(&mut self, kind: SdpKind, local: &Local<'_>) -> Description {
        self.version += 1;
        let origin = *self.origin.get_or_insert_with(|| origin(local.ufrag));
        let mut description = Description::new(kind, origin, self.version);
        description.ice_lite = true;
        description
    }
}

impl Local<'_> {
    /// Bundles the sections that are in use and describes our end in each.
    ///
    /// Some stacks read credentials and role from m-lines only, so all of them carry
    /// these; candidates stand in the first alone (RFC 9143 section 7.1.3).
    pub(super) fn finish(&self, description: &mut Description, setup: SetupRole) {
        let mut candidates: Vec<String> = self.candidate_lines();
        for section in &mut description.sections {
            if section.is_rejected() {
                continue;
            }
            description.bundle.extend(section.mid);
            section.transport = TransportLines {
                ufrag: Some(self.ufrag.to_owned()),
                pwd: Some(self.pwd.to_owned()),
                ice_options: Vec::new(),
                fingerprints: vec![self.fingerprint.clone()],
                setup: Some(setup),
            };
            if description.bundle.len() == 1 {
                section.candidates = std::mem::take(&mut candidates);
                section.end_of_candidates = true;
            }
        }
    }

    /// One host candidate per address (RFC 8839 section 5.1), best first.
    fn candidate_lines(&self) -> Vec<String> {
        let Candidates { udp, tcp } = self.candidates;
        let line = |(index, address): (usize, &SocketAddr)| {
            // RFC 8445 section 5.1.2.1: type, then place, then component.
            let (transport, kind, place, end) = if index < udp.len() {
                ("udp", 126, u32::from(u16::MAX), "")
            } else {
                ("tcp", TCP_PREFERENCE, PASSIVE, " tcptype passive")
            };
            let priority = (kind << 24) + (place.saturating_sub(index as u32) << 8) + 255;
            let (ip, port) = (address.ip(), address.port());
            format!(
                "candidate:{} 1 {transport} {priority} {ip} {port} typ host{end}",
                index + 1
            )
        };
        udp.iter().chain(tcp).enumerate().map(line).collect()
    }
}

/// Below every kind of candidate over UDP but a relayed one (RFC 6544 section 4.2): in a
/// connection one lost packet holds up all that follow it.
const TCP_PREFERENCE: u32 = 90;

/// Of a candidate that waits for connections: 4 as its direction, then as many others as fit.
const PASSIVE: u32 = (4 << 13) + 8_191;

/// A number for our descriptions, another for each transport.
fn origin(ufrag: &str) -> u64 {
    let mut hasher = FxHasher::default();
    ufrag.hash(&mut hasher);
    // RFC 9429 section 5.2.1: 63 bits at most.
    hasher.finish() >> 2
}
