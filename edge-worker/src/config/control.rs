//! `[control]`: how a node speaks with the control plane. Without a URL it takes its orders
//! from its configuration and from callers of its APIs alone.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Node, value};

/// How a node speaks with the control plane, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Control {
    /// The control plane's HTTP actions, without a path.
    pub url: String,
    /// What this node signs with.
    pub key: NodeKey,
    /// Which of the control plane's secrets the key was made of.
    pub key_version: u32,
    /// Where clients reach this node.
    pub public_url: String,
    /// Where the control plane and pages that measure reach it.
    pub public_http_url: String,
    /// Where other nodes reach its relay; nowhere if `None`.
    pub relay: Option<String>,
    /// Participants it takes, as the control plane counts them.
    pub capacity: u32,
    /// Where it keeps what it has to tell, what it was told last, and its signing key.
    pub folder: PathBuf,
    /// What it has to tell may take so many bytes.
    pub log_bytes: u64,
    /// Whose tokens open the door.
    pub tokens: JoinTokens,
}

/// Whose tokens open the door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JoinTokens {
    /// The control plane's, and those the app signs with one of `[keys]`.
    Any,
    /// The control plane's, and nobody else's.
    Ours,
}

/// A key of this node alone. Whoever has it can speak as this node.
#[derive(Clone, Eq, PartialEq)]
pub struct NodeKey(pub(crate) [u8; 32]);

impl fmt::Debug for NodeKey {
    /// Does not tell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey")
    }
}

impl NodeKey {
    /// From 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Some(Self(key))
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawControl {
    url: String,
    key: String,
    key_version: u32,
    public_url: String,
    public_http_url: String,
    relay: String,
    capacity: u32,
    folder: PathBuf,
    log_bytes: u64,
    only_join_tokens: bool,
}

impl fmt::Debug for RawControl {
    /// Does not tell the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawControl")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Default for RawControl {
    fn default() -> Self {
        Self {
            url: String::new(),
            key: String::new(),
            key_version: 1,
            public_url: String::new(),
            public_http_url: String::new(),
            relay: String::new(),
            // What two cores carry with room to spare.
            capacity: 500,
            folder: PathBuf::new(),
            // A day of a busy node.
            log_bytes: 64 << 20,
            only_join_tokens: false,
        }
    }
}

impl RawControl {
    pub(super) fn checked(self, node: &Node) -> Result<Option<Control>, ConfigError> {
        if self.url.is_empty() {
            let given = !self.key.is_empty() || !self.public_url.is_empty();
            if given || self.only_join_tokens {
                let allowed =
                    "the address of the control plane's HTTP actions, as https://name.convex.site";
                return Err(value("control.url", "", allowed));
            }
            return Ok(None);
        }
        let url = origin(&self.url, "https", "http").ok_or_else(|| {
            let allowed =
                "https:// and a host, without a path; http:// for a control plane on this machine only";
            value("control.url", &self.url, allowed)
        })?;
        let key = NodeKey::from_hex(&self.key).ok_or_else(|| {
            // The value is a secret, even one that was cut in copying.
            let found = format!("{} characters", self.key.len());
            let allowed = "the 64 hexadecimal digits the control plane makes for this node";
            value("control.key", &found, allowed)
        })?;
        if !(1..=MOST_VERSIONS).contains(&self.key_version) {
            let found = self.key_version.to_string();
            return Err(value("control.key_version", &found, "1 to 10000"));
        }
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if node.id.is_empty() || node.id.len() > 64 || !node.id.bytes().all(named) {
            let allowed =
                "with [control], the name its key was made for: up to 64 letters, digits, - _ .";
            return Err(value("node.id", &node.id, allowed));
        }
        if node.region.is_empty() {
            let allowed = "with [control], where the node is, by which rooms are placed";
            return Err(value("node.region", "", allowed));
        }
        let public_url = origin(&self.public_url, "wss", "ws").ok_or_else(|| {
            let allowed = "wss:// and the host clients reach this node by, without a path; ws:// on this machine only";
            value("control.public_url", &self.public_url, allowed)
        })?;
        let http = if self.public_http_url.is_empty() {
            // The same listener serves both.
            public_url.replacen("ws", "http", 1)
        } else {
            self.public_http_url.clone()
        };
        let public_http_url = origin(&http, "https", "http").ok_or_else(|| {
            let allowed = "https:// and the host the control plane reaches this node by, without a path; http:// on this machine only";
            value("control.public_http_url", &self.public_http_url, allowed)
        })?;
        let is_address = |text: &str| {
            let parts = text.rsplit_once(':');
            parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if !self.relay.is_empty() && !is_address(&self.relay) {
            let allowed =
                "host:port where other nodes reach this one's relay; empty without [relay]";
            return Err(value("control.relay", &self.relay, allowed));
        }
        if !(1..=MOST_PARTICIPANTS).contains(&self.capacity) {
            let found = self.capacity.to_string();
            return Err(value(
                "control.capacity",
                &found,
                "1 to 100000 participants",
            ));
        }
        if self.folder.as_os_str().is_empty() {
            let allowed = "a folder of this node's own, which outlives its restarts";
            return Err(value("control.folder", "", allowed));
        }
        if !(SMALLEST_LOG..=LARGEST_LOG).contains(&self.log_bytes) {
            let found = self.log_bytes.to_string();
            return Err(value("control.log_bytes", &found, "1048576 to 1073741824"));
        }
        Ok(Some(Control {
            url,
            key,
            key_version: self.key_version,
            public_url,
            public_http_url,
            relay: (!self.relay.is_empty()).then_some(self.relay),
            capacity: self.capacity,
            folder: self.folder,
            log_bytes: self.log_bytes,
            tokens: if self.only_join_tokens {
                JoinTokens::Ours
            } else {
                JoinTokens::Any
            },
        }))
    }
}

/// Secrets are changed a few times a year.
const MOST_VERSIONS: u32 = 10_000;

/// More than any node carries.
const MOST_PARTICIPANTS: u32 = 100_000;

/// One whole request has to fit several times.
const SMALLEST_LOG: u64 = 1 << 20;

/// What waits is held in memory too.
const LARGEST_LOG: u64 = 1 << 30;

/// `text` without a slash at its end, if it is a scheme and a host and nothing else. Without
/// encryption only on this machine: whoever is on the way could give orders.
fn origin(text: &str, encrypted: &str, plain: &str) -> Option<String> {
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    let url = reqwest::Url::parse(trimmed).ok()?;
    let host = url.host_str()?;
    let here = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    let good = (url.scheme() == encrypted || (url.scheme() == plain && here))
        && url.username().is_empty()
        && url.password().is_none()
        && url.path().len() <= 1
        && url.query().is_none()
        && url.fragment().is_none();
    good.then(|| trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        Node {
            id: "lagos-1".into(),
            region: "lagos".into(),
        }
    }

    fn good() -> RawControl {
        RawControl {
            url: "https://tof.convex.site/".into(),
            key: "0f".repeat(32),
            public_url: "wss://lagos-1.example".into(),
            folder: "/var/lib/edge-worker/control".into(),
            ..RawControl::default()
        }
    }

    #[test]
    fn without_a_url_there_is_no_control_plane() {
        assert_eq!(RawControl::default().checked(&node()).unwrap(), None);
    }

    #[test]
    fn what_can_be_derived_need_not_be_said() {
        let control = good().checked(&node()).unwrap().unwrap();
        assert_eq!(control.url, "https://tof.convex.site");
        assert_eq!(control.public_http_url, "https://lagos-1.example");
        assert_eq!(control.key, NodeKey([0x0f; 32]));
        assert_eq!(control.tokens, JoinTokens::Any);
        assert!(!format!("{control:?}").contains("15, 15"));
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_key() {
        type Change = fn(&mut RawControl);
        let cases: [(&str, Change); 14] = [
            ("control.url", |raw| raw.url.clear()),
            ("control.url", |raw| raw.url = "http://tof.example".into()),
            ("control.url", |raw| raw.url = "https://a.example/x".into()),
            ("control.url", |raw| {
                raw.url = "https://me:a@a.example".into()
            }),
            ("control.key ", |raw| raw.key.truncate(63)),
            ("control.key ", |raw| raw.key = "0g".repeat(32)),
            ("control.key_version", |raw| raw.key_version = 0),
            ("control.public_url", |raw| raw.public_url.clear()),
            ("control.public_url", |raw| {
                raw.public_url = "ws://a.example".into()
            }),
            ("control.public_http_url", |raw| {
                raw.public_http_url = "ftp://a".into()
            }),
            ("control.relay", |raw| raw.relay = "kano".into()),
            ("control.capacity", |raw| raw.capacity = 0),
            ("control.folder", |raw| raw.folder = PathBuf::new()),
            ("control.log_bytes", |raw| raw.log_bytes = 1),
        ];
        for (expected, change) in cases {
            let mut raw = good();
            change(&mut raw);
            let error = raw.checked(&node()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{expected}: {error}");
        }
        for (id, region, expected) in [
            ("", "lagos", "node.id"),
            ("a/b", "lagos", "node.id"),
            ("a", "", "node.region"),
        ] {
            let (id, region) = (id.to_owned(), region.to_owned());
            let error = good().checked(&Node { id, region }).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn on_this_machine_nothing_need_be_encrypted() {
        let mut raw = good();
        raw.url = "http://127.0.0.1:3211".into();
        raw.public_url = "ws://localhost:7880".into();
        let control = raw.checked(&node()).unwrap().unwrap();
        assert_eq!(control.public_http_url, "http://localhost:7880");
    }
}
