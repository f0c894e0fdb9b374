//! Whom a node is linked to: whom it dials, and whom it lets in.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::identity::Identity;

/// Another node that this one should be linked to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Neighbour {
    /// The name in its certificate.
    pub node: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The region in its certificate; any if `None`.
    pub region: Option<String>,
}

/// Who is let in, of those with a certificate of the CA.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Access {
    /// Only these nodes, and configured neighbours; everybody if `None`.
    pub allowed: Option<BTreeSet<String>>,
    /// Never these, whatever else is said.
    pub denied: BTreeSet<String>,
}

/// Why a node is not let in though its certificate is good.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AccessError {
    /// It is on the list of those who are not.
    #[error("{0} is denied by configuration")]
    Denied(String),
    /// It is not on the list of those who are.
    #[error("{0} is not among those allowed by configuration")]
    NotAllowed(String),
    /// It is configured to be elsewhere.
    #[error("{node} should be in region {expected}, its certificate says {certified}")]
    Region {
        /// Who.
        node: String,
        /// Where it should be.
        expected: String,
        /// Where its certificate says it is.
        certified: String,
    },
}

impl Access {
    /// Whether a node may be linked to one with these `neighbours`.
    pub fn check(&self, neighbours: &[Neighbour], who: &Identity) -> Result<(), AccessError> {
        let node = who.node();
        if self.denied.contains(node) {
            return Err(AccessError::Denied(node.to_owned()));
        }
        let neighbour = neighbours.iter().find(|neighbour| neighbour.node == node);
        let allowed = |allowed: &BTreeSet<_>| allowed.contains(node) || neighbour.is_some();
        if self.allowed.as_ref().is_some_and(|list| !allowed(list)) {
            return Err(AccessError::NotAllowed(node.to_owned()));
        }
        match neighbour.and_then(|neighbour| neighbour.region.as_deref()) {
            Some(expected) if expected != who.region() => Err(AccessError::Region {
                node: node.to_owned(),
                expected: expected.to_owned(),
                certified: who.region().to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_regions_say_who_is_let_in() {
        let lists = |allowed: Option<&[&str]>, denied: &[&str]| Access {
            allowed: allowed.map(|list| list.iter().map(ToString::to_string).collect()),
            denied: denied.iter().map(ToString::to_string).collect(),
        };
        let neighbours = [neighbour("hub-1", Some("abuja")), neighbour("hub-2", None)];
        for (access, node, region, expected) in [
            (lists(None, &[]), "edge-1", "lagos", None),
            (lists(None, &["edge-1"]), "edge-1", "lagos", Some("denied")),
            (lists(Some(&["edge-1"]), &[]), "edge-1", "lagos", None),
            (
                lists(Some(&["edge-1"]), &[]),
                "edge-2",
                "lagos",
                Some("not among"),
            ),
            (lists(Some(&[]), &[]), "hub-2", "kano", None),
            (
                lists(Some(&["edge-1"]), &["edge-1"]),
                "edge-1",
                "lagos",
                Some("denied"),
            ),
            (lists(None, &[]), "hub-1", "abuja", None),
            (
                lists(None, &[]),
                "hub-1",
                "kano",
                Some("should be in region abuja"),
            ),
        ] {
            let who = Identity::new(region, node).unwrap();
            let refused = access.check(&neighbours, &who).err();
            match (refused, expected) {
                (None, None) => {}
                (Some(why), Some(word)) => assert!(why.to_string().contains(word), "{why}"),
                (refused, expected) => panic!("{node} in {region}: {refused:?}, not {expected:?}"),
            }
        }
    }

    fn neighbour(node: &str, region: Option<&str>) -> Neighbour {
        Neighbour {
            node: node.into(),
            address: "192.0.2.1:7890".parse().unwrap(),
            region: region.map(str::to_owned),
        }
    }
}
