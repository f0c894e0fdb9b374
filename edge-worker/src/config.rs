//! What an operator can choose: a file, then `EDGE_*` from the environment, checked
//! once into [`Config`]. The only place that reads the environment.

mod control;
mod relay;
mod room;
mod tls;
mod turn;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use control::RawControl;
pub use control::{Control, JoinTokens, NodeKey};
use relay::RawRelay;
pub use relay::Relay;
pub use room::Room;
pub use tls::Tls;
pub use turn::Turn;

/// Everything a node is told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who this node is.
    pub node: Node,
    /// Signalling and APIs, for everybody.
    pub http: SocketAddr,
    /// The certificate that clients see; none, if what stands in front of the node has one.
    pub tls: Option<Tls>,
    /// Health, metrics and control, for operators only.
    pub admin: SocketAddr,
    /// Media.
    pub rtc: Rtc,
    /// Media for those whose network lets nothing else through.
    pub turn: Turn,
    /// API keys and their secrets.
    pub keys: BTreeMap<String, String>,
    /// What rooms start with.
    pub room: Room,
    /// Whom to tell what happens.
    pub webhook: Webhook,
    /// Rooms that span nodes; none, if this one stands alone.
    pub relay: Option<Relay>,
    /// Who decides what runs where; none, if this node is told by its callers only.
    pub control: Option<Control>,
    /// How to log.
    pub log: Log,
}

/// Who this node is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Shown to clients and in logs; drawn at start if empty.
    pub id: String,
    /// The city or data centre, shown to clients.
    pub region: String,
}

/// Media, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rtc {
    /// One UDP socket per shard, on consecutive ports.
    pub sockets: Vec<SocketAddr>,
    /// Where clients connect to where UDP does not get through; nowhere if there is none.
    pub tcp: Option<SocketAddr>,
    /// Ports at which they find that, and the port of signalling, which does as well.
    pub tcp_public_ports: Vec<u16>,
    /// Addresses clients are told to send to.
    pub advertise: Vec<IpAddr>,
    /// When a room goes on on a second shard.
    pub spread: Spread,
}

/// When a shard is too full for more people of a room: those who come are on another one then,
/// if it has room. With both at 0 a room never leaves its shard.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// It works so much of a core; 0: however much.
    pub at_cpu_percent: u16,
    /// So many people of that room are there; 0: however many.
    pub at_participants: u32,
}

/// Whom to tell what happens in rooms.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Every event goes to every one of them.
    pub urls: Vec<String>,
    /// The key that signs; the first of `keys` if empty.
    pub api_key: String,
    /// The folder where events wait, over restarts; nowhere if empty.
    pub spool: PathBuf,
    /// Bytes that may wait for one URL.
    pub spool_bytes: u64,
    /// When what was written has to be on the disk.
    pub fsync: Fsync,
}

/// When what was written has to be on the disk.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Each time: survives a loss of power.
    Each,
    /// When the kernel likes: survives the end of the process only.
    Never,
}

/// How to log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// One line of text, or one JSON object, per event.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`, or a list like `info,edge_worker::shard=debug`.
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A setting that cannot work, with its key and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or the environment has a key or a form we do not know.
    #[error("{0}")]
    Form(#[from] Box<figment::Error>),
    /// A value is out of range.
    #[error("{key} is {value:?}; allowed: {allowed}")]
    Value {
        /// The setting.
        key: &'static str,
        /// As it was found.
        value: String,
        /// What would work.
        allowed: &'static str,
    },
}

impl Config {
    /// For one's own machine: every setting has a default, keys are `devkey`/`secret`.
    pub fn dev() -> Result<Self, ConfigError> {
        let mut raw = Raw::default();
        raw.http.bind = Ipv4Addr::LOCALHOST.into();
        raw.rtc.bind = Ipv4Addr::LOCALHOST.into();
        raw.rtc.advertise = vec![Ipv4Addr::LOCALHOST.into()];
        raw.keys.insert(DEV_KEY.into(), DEV_SECRET.into());
        Raw::layered(Figment::from(Serialized::defaults(raw)))?.checked(Keys::DevAllowed)
    }

    /// For production, from `file`.
    pub fn from_file(file: &Path) -> Result<Self, ConfigError> {
        let figment =
            Figment::from(Serialized::defaults(Raw::default())).merge(Toml::file_exact(file));
        Raw::layered(figment)?.checked(Keys::DevRefused)
    }
}

/// The key everybody knows, good on one's own machine only.
pub(crate) const DEV_KEY: &str = "devkey";
/// The secret everybody knows.
pub(crate) const DEV_SECRET: &str = "secret";

/// What `EDGE_` stands before in the environment, e.g. `EDGE_HTTP__PORT`.
const ENV_PREFIX: &str = "EDGE_";

/// Set by test harnesses to find the binary; not a setting.
const NOT_SETTINGS: &[&str] = &["worker"];

#[derive(Clone, Copy)]
enum Keys {
    DevAllowed,
    DevRefused,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    node: Node,
    http: Listener,
    tls: Tls,
    admin: Listener,
    rtc: RawRtc,
    turn: Turn,
    keys: BTreeMap<String, String>,
    room: Room,
    webhook: Webhook,
    relay: RawRelay,
    control: RawControl,
    log: Log,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Listener {
    bind: IpAddr,
    port: u16,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawRtc {
    bind: IpAddr,
    udp_port: u16,
    tcp_port: u16,
    tcp_public_ports: Vec<u16>,
    shards: u16,
    advertise: Vec<IpAddr>,
    spread: Spread,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            node: Node {
                id: String::new(),
                region: String::new(),
            },
            http: Listener {
                bind: Ipv4Addr::UNSPECIFIED.into(),
                port: 7880,
            },
            tls: Tls::default(),
            admin: Listener {
                bind: Ipv4Addr::LOCALHOST.into(),
                port: 9090,
            },
            rtc: RawRtc {
                bind: Ipv4Addr::UNSPECIFIED.into(),
                udp_port: 7882,
                tcp_port: 7881,
                tcp_public_ports: Vec::new(),
                shards: 0,
                advertise: Vec::new(),
                // What is above is needed for keyframes, and for those on their way.
                spread: Spread {
                    at_cpu_percent: 60,
                    at_participants: 0,
                },
            },
            turn: Turn::default(),
            keys: BTreeMap::new(),
            room: Room::default(),
            webhook: Webhook {
                urls: Vec::new(),
                api_key: String::new(),
                spool: PathBuf::new(),
                spool_bytes: 64 << 20,
                fsync: Fsync::Each,
            },
            relay: RawRelay::default(),
            control: RawControl::default(),
            log: Log {
                format: LogFormat::Text,
                level: "info".into(),
            },
        }
    }
}

impl Raw {
    fn layered(figment: Figment) -> Result<Self, ConfigError> {
        figment
            .merge(Env::prefixed(ENV_PREFIX).ignore(NOT_SETTINGS).split("__"))
            .extract()
            .map_err(|error| ConfigError::Form(Box::new(error)))
    }

    fn checked(mut self, dev_keys: Keys) -> Result<Config, ConfigError> {
        let relay = self.relay.checked(&mut self.node)?;
        let control = self.control.checked(&self.node)?;
        // The control plane's tokens need none.
        if self.keys.is_empty() && control.is_none() {
            return Err(value(
                "keys",
                "",
                "at least one `key = \"secret\"`; `edge-worker keygen` makes one",
            ));
        }
        if matches!(dev_keys, Keys::DevRefused) {
            for (key, secret) in &self.keys {
                if secret.len() < SHORTEST_SECRET {
                    return Err(value(
                        "keys",
                        &format!("a secret of {} characters for {key}", secret.len()),
                        "secrets of 32 characters or more; `edge-worker keygen` makes one",
                    ));
                }
            }
        }
        let webhook = self.webhook.checked(&self.keys)?;
        let room = self.room.checked()?;
        let shards = match self.rtc.shards {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get() as u16),
            shards @ 1..=MOST_SHARDS => shards,
            more => {
                return Err(value(
                    "rtc.shards",
                    &more.to_string(),
                    "0 (one per core) to 128",
                ));
            }
        };
        let Some(last_port) = self.rtc.udp_port.checked_add(shards - 1) else {
            return Err(value(
                "rtc.udp_port",
                &self.rtc.udp_port.to_string(),
                "room for one port per shard below 65536",
            ));
        };
        if self.rtc.udp_port == 0 {
            return Err(value("rtc.udp_port", "0", "1 to 65535"));
        }
        let spread = self.rtc.spread;
        if spread.at_cpu_percent > 100 {
            return Err(value(
                "rtc.spread.at_cpu_percent",
                &spread.at_cpu_percent.to_string(),
                "0 (never for that) to 100",
            ));
        }
        let advertise = match self.rtc.advertise.as_slice() {
            [] => vec![outward_address().ok_or_else(|| {
                value(
                    "rtc.advertise",
                    "[]",
                    "a list of addresses clients can reach; none could be found on this machine",
                )
            })?],
            given => given.to_vec(),
        };
        let tcp = self.rtc.checked_tcp(&self.http, &self.admin)?;
        let tls = self.tls.checked()?;
        let turn = self.turn.checked(tls.as_ref(), self.http.port)?;
        let sockets =
            (self.rtc.udp_port..=last_port).map(|port| SocketAddr::new(self.rtc.bind, port));
        Ok(Config {
            node: self.node,
            http: SocketAddr::new(self.http.bind, self.http.port),
            tls,
            admin: SocketAddr::new(self.admin.bind, self.admin.port),
            rtc: Rtc {
                sockets: sockets.collect(),
                tcp,
                tcp_public_ports: self.rtc.tcp_ports(tcp, self.http.port),
                advertise,
                spread,
            },
            turn,
            keys: self.keys,
            room,
            webhook,
            relay,
            control,
            log: self.log,
        })
    }
}

impl RawRtc {
    /// The port of signalling will do too: both are told apart by what comes first.
    fn checked_tcp(
        &self,
        http: &Listener,
        admin: &Listener,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        if self.tcp_public_ports.contains(&0) {
            let allowed = "a list of 1 to 65535, or empty: where the node listens";
            return Err(value("rtc.tcp_public_ports", "0", allowed));
        }
        if self.tcp_port == 0 {
            return Ok(None);
        }
        let elsewhere = self.tcp_port == http.port && self.bind != http.bind;
        if elsewhere || self.tcp_port == admin.port {
            return Err(value(
                "rtc.tcp_port",
                &self.tcp_port.to_string(),
                "0 (none), a port of its own, or http.port where rtc.bind is http.bind",
            ));
        }
        Ok(Some(SocketAddr::new(self.bind, self.tcp_port)))
    }

    /// The ports clients are told: those that are given, or what the node listens on, and of
    /// signalling's only the one that gets through where others do not.
    fn tcp_ports(&self, tcp: Option<SocketAddr>, http_port: u16) -> Vec<u16> {
        const HTTPS: u16 = 443;
        let Some(tcp) = tcp else { return Vec::new() };
        if !self.tcp_public_ports.is_empty() {
            return self.tcp_public_ports.clone();
        }
        if http_port == HTTPS && tcp.port() != HTTPS {
            return vec![tcp.port(), HTTPS];
        }
        vec![tcp.port()]
    }
}

impl Webhook {
    fn checked(mut self, keys: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        for url in &self.urls {
            let good = reqwest::Url::parse(url).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.has_host()
                    // Would replace the signature.
                    && url.username().is_empty()
                    && url.password().is_none()
            });
            if !good {
                return Err(value(
                    "webhook.urls",
                    url,
                    "http:// or https:// and a host, without user name and password",
                ));
            }
        }
        if self.api_key.is_empty() {
            self.api_key = keys.keys().next().cloned().unwrap_or_default();
        }
        let unsigned = self.api_key.is_empty() && self.urls.is_empty();
        if !unsigned && !keys.contains_key(&self.api_key) {
            return Err(value("webhook.api_key", &self.api_key, "one of [keys]"));
        }
        if !(SMALLEST_SPOOL..=LARGEST_SPOOL).contains(&self.spool_bytes) {
            return Err(value(
                "webhook.spool_bytes",
                &self.spool_bytes.to_string(),
                "1048576 to 1073741824",
            ));
        }
        Ok(self)
    }
}

/// The largest event has to fit.
const SMALLEST_SPOOL: u64 = 1 << 20;

/// What waits is held in memory too.
const LARGEST_SPOOL: u64 = 1 << 30;

/// HS256 wants a key at least as long as its digest (RFC 7518 section 3.2).
const SHORTEST_SECRET: usize = 32;

/// More than any machine we run on has cores.
const MOST_SHARDS: u16 = 128;

fn value(key: &'static str, value: &str, allowed: &'static str) -> ConfigError {
    ConfigError::Value {
        key,
        value: value.into(),
        allowed,
    }
}

/// The address this machine sends from. Connecting a UDP socket picks a route and sends nothing.
fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address of RFC 5737, reserved for documentation: routed like the internet.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_needs_nothing() {
        let config = Config::dev().unwrap();
        assert_eq!(config.http.to_string(), "127.0.0.1:7880");
        assert_eq!(config.rtc.sockets[0].to_string(), "127.0.0.1:7882");
        assert_eq!(config.admin.to_string(), "127.0.0.1:9090");
        assert_eq!(config.keys[DEV_KEY], DEV_SECRET);
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let strong = format!("[keys]\napp = \"{}\"\n", "s".repeat(32));
        for (text, expected) in [
            (String::new(), "keys"),
            ("[keys]\nk = \"short\"".into(), "32 characters"),
            (format!("{strong}[htpp]\nport = 1"), "htpp"),
            (format!("{strong}[http]\nprot = 1"), "prot"),
            (format!("{strong}[http]\nport = 70000"), "http.port"),
            (format!("{strong}[rtc]\nshards = 500"), "rtc.shards"),
            (
                format!("{strong}[rtc]\nudp_port = 65535\nshards = 2"),
                "rtc.udp_port",
            ),
            (
                format!("{strong}[rtc.spread]\nat_cpu_percent = 101"),
                "rtc.spread.at_cpu_percent",
            ),
            (
                format!("{strong}[rtc.spread]\nat_participants = -1"),
                "rtc.spread.at_participants",
            ),
            (format!("{strong}[rtc]\ntcp_port = 9090"), "rtc.tcp_port"),
            (
                format!("{strong}[rtc]\ntcp_public_ports = [0]"),
                "rtc.tcp_public_ports",
            ),
            (format!("{strong}[tls]\nkey = \"a.key\""), "tls.certificate"),
            (format!("{strong}[tls]\ncertificate = \"a.pem\""), "tls.key"),
            (
                format!("{strong}[tls]\ncertificate = \"a.pem\"\nkey = \"a.key\""),
                "a.pem: No such file",
            ),
            (format!("{strong}[turn]\ntls = true"), "turn.tls"),
            (
                format!("{strong}[turn]\nhost = \"a.example:1\""),
                "turn.host",
            ),
            (format!("{strong}[log]\nformat = \"xml\""), "log.format"),
            (
                format!("{strong}[webhook]\nurls = [\"ftp://a.example\"]"),
                "ftp://a.example",
            ),
            (
                format!("{strong}[webhook]\nurls = [\"https://a.example/\", \"hook\"]"),
                "\"hook\"",
            ),
            (
                format!("{strong}[webhook]\nurls = [\"https://me:you@a.example/\"]"),
                "webhook.urls",
            ),
            (
                format!("{strong}[webhook]\napi_key = \"other\""),
                "webhook.api_key",
            ),
            (
                format!("{strong}[webhook]\nspool_bytes = 10"),
                "webhook.spool_bytes",
            ),
            (
                format!("{strong}[webhook]\nfsync = \"often\""),
                "webhook.fsync",
            ),
            (
                format!("{strong}[relay]\nauthority = \"ca.pem\""),
                "relay.certificate",
            ),
            (
                format!("{strong}[[relay.neighbours]]\nnode = \"kano-1\"\naddress = \"kano\""),
                "relay.neighbours.address",
            ),
            (
                format!("{strong}[room]\nauto_create = 7"),
                "room.auto_create",
            ),
            (
                format!("{strong}[room]\nmax_playout_delay_ms = 41000"),
                "room.max_playout_delay_ms",
            ),
            (
                format!("{strong}[room]\nmin_playout_delay_ms = 9\nmax_playout_delay_ms = 8"),
                "room.min_playout_delay_ms",
            ),
            (
                format!("{strong}[room.presets.slow]\nsync_stream = true"),
                "sync_stream",
            ),
            (
                format!("{strong}[room.presets.slow]\nmin_playout_delay_ms = 50000"),
                "room.presets.*.min_playout_delay_ms",
            ),
        ] {
            let figment =
                Figment::from(Serialized::defaults(Raw::default())).merge(Toml::string(&text));
            let error = figment
                .extract::<Raw>()
                .map_err(|error| ConfigError::Form(Box::new(error)))
                .and_then(|raw| raw.checked(Keys::DevRefused))
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{text:?} said {error:?}");
        }
    }
}
