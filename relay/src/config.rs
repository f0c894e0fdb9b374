//! What the operator of a hub can choose: a file, then `RELAY_*` from the environment, checked once
//! into [`Config`]. The only place that reads the environment.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use media::Bitrate;
use relay_proto::Limits;
use serde::{Deserialize, Serialize};

use crate::access::{Access, Neighbour};
use crate::files::Files;
use crate::identity::Identity;

/// Everything a hub is told, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) bind: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) files: Files,
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) drain: Duration,
    pub(crate) log: Log,
}

/// How to log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// One line of text, or one JSON object, per event.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`, or a list like `info,relay::node=debug`.
    pub(crate) level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A setting that cannot work, with its key and what is allowed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file or the environment has a key or a form we do not know.
    #[error(transparent)]
    Form(#[from] Box<figment::Error>),
    /// A value is out of range.
    #[error("{key} is {value:?}; allowed: {allowed}")]
    Value {
        key: &'static str,
        value: String,
        allowed: &'static str,
    },
}

/// What stands before a setting in the environment, e.g. `RELAY_ADMIN__PORT`.
const ENV_PREFIX: &str = "RELAY_";

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    relay: RawRelay,
    admin: RawAdmin,
    tls: RawTls,
    neighbours: Vec<RawNeighbour>,
    access: RawAccess,
    link: RawLink,
    log: Log,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawRelay {
    bind: IpAddr,
    port: u16,
    /// Neighbours get this long to take other ways when the hub stops.
    drain_s: u32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawAdmin {
    bind: IpAddr,
    port: u16,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawNeighbour {
    node: String,
    address: SocketAddr,
    #[serde(default)]
    region: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawAccess {
    /// Everybody whom the CA certified, if empty.
    allowed: BTreeSet<String>,
    denied: BTreeSet<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawLink {
    start_kbps: u64,
    least_kbps: u64,
    most_kbps: u64,
}

impl Config {
    /// From `file` and the environment.
    pub(crate) fn from_file(file: &Path) -> Result<Self, ConfigError> {
        let raw: Raw = Figment::from(Serialized::defaults(Raw::default()))
            .merge(Toml::file_exact(file))
            .merge(Env::prefixed(ENV_PREFIX).split("__"))
            .extract()
            .map_err(|error| ConfigError::Form(Box::new(error)))?;
        raw.checked()
    }
}

impl Default for Raw {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            relay: RawRelay {
                bind: Ipv4Addr::UNSPECIFIED.into(),
                port: 7890,
                drain_s: 30,
            },
            admin: RawAdmin {
                bind: Ipv4Addr::LOCALHOST.into(),
                port: 9090,
            },
            tls: RawTls::default(),
            neighbours: Vec::new(),
            access: RawAccess::default(),
            link: RawLink {
                start_kbps: limits.start.0 / 1_000,
                least_kbps: limits.least.0 / 1_000,
                most_kbps: limits.most.0 / 1_000,
            },
            log: Log {
                format: LogFormat::Text,
                level: "info".into(),
            },
        }
    }
}

impl Raw {
    fn checked(self) -> Result<Config, ConfigError> {
        for (key, path) in [
            ("tls.authority", &self.tls.authority),
            ("tls.certificate", &self.tls.certificate),
            ("tls.key", &self.tls.key),
        ] {
            if path.as_os_str().is_empty() {
                let allowed = "a PEM file; `relay pki` makes one";
                return Err(refused(key, "", allowed));
            }
        }
        for neighbour in &self.neighbours {
            let region = neighbour.region.as_deref().unwrap_or("any");
            if Identity::new(region, &neighbour.node).is_err() {
                return Err(refused(
                    "neighbours.node or .region",
                    &format!("{} in {region}", neighbour.node),
                    "1 to 63 of a-z, 0-9 and -, not at an end",
                ));
            }
            if neighbour.address.port() == 0 {
                let address = neighbour.address.to_string();
                return Err(refused(
                    "neighbours.address",
                    &address,
                    "ADDRESS:1 to 65535",
                ));
            }
        }
        let mut names: Vec<_> = self.neighbours.iter().map(|one| &one.node).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(refused("neighbours.node", twice[0], "each node once"));
        }
        let link = &self.link;
        if link.least_kbps == 0
            || link.least_kbps > link.start_kbps
            || link.start_kbps > link.most_kbps
        {
            let value = format!("{} {} {}", link.least_kbps, link.start_kbps, link.most_kbps);
            return Err(refused(
                "link.least_kbps, .start_kbps, .most_kbps",
                &value,
                "1 or more, each not less than the one before",
            ));
        }
        Ok(Config {
            bind: SocketAddr::new(self.relay.bind, self.relay.port),
            admin: SocketAddr::new(self.admin.bind, self.admin.port),
            files: Files {
                authority: self.tls.authority,
                certificate: self.tls.certificate,
                key: self.tls.key,
            },
            access: Access {
                allowed: (!self.access.allowed.is_empty()).then_some(self.access.allowed),
                denied: self.access.denied,
            },
            limits: Limits {
                start: Bitrate::kilobits(self.link.start_kbps),
                least: Bitrate::kilobits(self.link.least_kbps),
                most: Bitrate::kilobits(self.link.most_kbps),
            },
            drain: Duration::from_secs(self.relay.drain_s.into()),
            log: self.log,
            neighbours: self
                .neighbours
                .into_iter()
                .map(|raw| Neighbour {
                    node: raw.node,
                    address: raw.address,
                    region: raw.region,
                })
                .collect(),
        })
    }
}

fn refused(key: &'static str, value: &str, allowed: &'static str) -> ConfigError {
    ConfigError::Value {
        key,
        value: value.to_owned(),
        allowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_its_key() {
        let tls = "tls.authority = 'a'\ntls.certificate = 'b'\ntls.key = 'c'\n";
        for (text, expected) in [
            ("", "tls.authority"),
            (&format!("{tls}relay.prot = 7890"), "prot"),
            (&format!("{tls}relay.port = 78900"), "relay.port"),
            (
                &format!("{tls}[[neighbours]]\nnode = 'Hub'\naddress = '192.0.2.1:7890'"),
                "neighbours.node",
            ),
            (
                &format!("{tls}[[neighbours]]\nnode = 'hub'\naddress = 'nowhere'"),
                "neighbours.0.address",
            ),
            (
                &format!("{tls}link.least_kbps = 100\nlink.start_kbps = 50"),
                "link.least_kbps",
            ),
            (&format!("{tls}log.format = 'xml'"), "log.format"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_with_certificates_and_neighbours_is_enough() {
        let config = read(
            "tls.authority = 'a'\ntls.certificate = 'b'\ntls.key = 'c'\n\
             access.denied = ['edge-9']\n\
             [[neighbours]]\nnode = 'edge-1'\naddress = '192.0.2.1:7890'\nregion = 'lagos'",
        )
        .unwrap();
        assert_eq!(config.bind.port(), 7890);
        assert!(config.admin.ip().is_loopback(), "private unless told");
        assert_eq!(config.neighbours[0].region.as_deref(), Some("lagos"));
        assert_eq!(config.access.allowed, None);
        assert!(config.access.denied.contains("edge-9"));
    }

    #[test]
    fn the_example_is_good_and_says_the_defaults() {
        let config = read(include_str!("../hub.example.toml")).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.neighbours[0].node, "lagos-1");
        assert_eq!(config.access, Access::default());
    }

    fn read(text: &str) -> Result<Config, ConfigError> {
        let raw: Raw = Figment::from(Serialized::defaults(Raw::default()))
            .merge(Toml::string(text))
            .extract()
            .map_err(|error| ConfigError::Form(Box::new(error)))?;
        raw.checked()
    }
}
