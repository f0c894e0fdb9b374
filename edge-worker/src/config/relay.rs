//! `[relay]`: the part a node takes in rooms that span nodes. Without certificates it takes none.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use relay::{Access, CredentialsError, Files, Metrics, Neighbour, Settings};
use relay_proto::Transit;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Node, value};

/// The part a node takes in rooms that span nodes, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relay {
    /// Where other nodes reach this one.
    pub bind: SocketAddr,
    /// The CA's certificate, this node's, and its key.
    pub files: Files,
    /// Nodes to be linked to.
    pub neighbours: Vec<Neighbour>,
    /// Who is let in.
    pub access: Access,
    /// Whether it passes on what it does not host.
    pub transit: Transit,
    /// The name in its certificate.
    node: String,
}

impl Relay {
    /// The name in this node's certificate.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// As the relay wants it; reads the certificates anew.
    pub(crate) fn settings(&self, metrics: Metrics) -> Result<Settings, CredentialsError> {
        let mut settings = Settings::new(self.files.read()?, self.bind);
        settings.neighbours.clone_from(&self.neighbours);
        settings.access = self.access.clone();
        settings.transit = self.transit;
        settings.metrics = metrics;
        Ok(settings)
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRelay {
    bind: IpAddr,
    port: u16,
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    transit: bool,
    /// Nobody else, but for neighbours; everybody of the CA if empty.
    allowed: BTreeSet<String>,
    denied: BTreeSet<String>,
    neighbours: Vec<RawNeighbour>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawNeighbour {
    node: String,
    address: String,
    #[serde(default)]
    region: String,
}

impl Default for RawRelay {
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::UNSPECIFIED.into(),
            port: 7890,
            authority: PathBuf::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            transit: true,
            allowed: BTreeSet::new(),
            denied: BTreeSet::new(),
            neighbours: Vec::new(),
        }
    }
}

impl RawRelay {
    /// Reads the certificate to see whose it is: it names `node`, where the file does not.
    pub(super) fn checked(self, node: &mut Node) -> Result<Option<Relay>, ConfigError> {
        let neighbours = self.neighbours.iter().map(RawNeighbour::checked);
        let neighbours = neighbours.collect::<Result<Vec<_>, _>>()?;
        let files = [
            ("relay.authority", &self.authority),
            ("relay.certificate", &self.certificate),
            ("relay.key", &self.key),
        ];
        let missing = files.iter().find(|(_, path)| path.as_os_str().is_empty());
        if let Some((key, _)) = missing {
            let given = files.iter().any(|(_, path)| !path.as_os_str().is_empty());
            if !given && neighbours.is_empty() {
                return Ok(None);
            }
            return Err(value(
                key,
                "",
                "a PEM file, as all three: authority, certificate and key; `edge-worker pki` makes them",
            ));
        }
        let mut relay = Relay {
            bind: SocketAddr::new(self.bind, self.port),
            files: Files {
                authority: self.authority,
                certificate: self.certificate,
                key: self.key,
            },
            neighbours,
            access: Access {
                allowed: (!self.allowed.is_empty()).then_some(self.allowed),
                denied: self.denied,
            },
            transit: if self.transit {
                Transit::Yes
            } else {
                Transit::No
            },
            node: String::new(),
        };
        let credentials = relay.files.read().map_err(|error| {
            value(
                "relay.certificate",
                &error.to_string(),
                "a node's certificate of that authority, with its key; `edge-worker pki node` makes one",
            )
        })?;
        relay.node = credentials.identity.node().to_owned();
        name(&mut node.id, "node.id", credentials.identity.node())?;
        name(
            &mut node.region,
            "node.region",
            credentials.identity.region(),
        )?;
        Ok(Some(relay))
    }
}

/// The certificate names a node; the file may, too, but not otherwise.
fn name(given: &mut String, key: &'static str, certified: &str) -> Result<(), ConfigError> {
    if !given.is_empty() && given != certified {
        return Err(value(
            key,
            given,
            "empty, or as the certificate in relay.certificate says",
        ));
    }
    certified.clone_into(given);
    Ok(())
}

impl RawNeighbour {
    fn checked(&self) -> Result<Neighbour, ConfigError> {
        let mut found = self.address.to_socket_addrs().map_err(|error| {
            value(
                "relay.neighbours.address",
                &format!("{} ({error})", self.address),
                "host:port, the host a name or an address",
            )
        })?;
        let address = found.next().ok_or_else(|| {
            value(
                "relay.neighbours.address",
                &self.address,
                "a host that has an address",
            )
        })?;
        Ok(Neighbour {
            node: self.node.clone(),
            address,
            region: (!self.region.is_empty()).then(|| self.region.clone()),
        })
    }
}
