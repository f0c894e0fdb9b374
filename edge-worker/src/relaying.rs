//! What clients are told of the node's TURN servers, one in each shard: where they are, and who
//! this client is there. Serving them is left to the shards.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use livekit::signal::IceServer;
use media::ParticipantId;
use transport::turn::{Greeting, Secret, Turn};

use crate::config::{self, Config};
use crate::pipe::Pipe;

/// Tells participants of the server of their shard.
#[derive(Debug)]
pub(crate) struct Relays {
    secret: Secret,
    offered: config::Turn,
    /// By shard.
    urls: Vec<Vec<String>>,
}

impl Relays {
    /// As the configuration wants them; none if it wants none.
    pub(crate) fn new(config: &Config, now: Instant) -> Option<Self> {
        let offered = config.turn.clone();
        if !(offered.udp || offered.tcp || offered.tls) {
            return None;
        }
        let urls = |socket: &SocketAddr| urls(&offered, &config.rtc.advertise, socket.port());
        Some(Self {
            secret: Secret::new(&rand::random(), now),
            urls: config.rtc.sockets.iter().map(urls).collect(),
            offered,
        })
    }

    /// Whether clients may come by such a connection.
    pub(crate) fn take(&self, pipe: &Pipe) -> bool {
        match pipe {
            Pipe::Clear(_) => self.offered.tcp,
            Pipe::Tls(_) => self.offered.tls,
        }
    }

    /// Hears a message of a connection that no shard has yet.
    pub(crate) fn greet(&self, now: Instant, client: SocketAddr, message: &[u8]) -> Greeting {
        self.secret.greet(now, client, message)
    }

    /// The server of one shard, which is reached at `advertised`.
    pub(crate) fn server(&self, shard: usize, advertised: &[SocketAddr]) -> Turn {
        Turn::new(self.secret.clone(), number(shard), advertised.to_vec())
    }

    /// What somebody on a shard is told.
    pub(crate) fn ice_servers(
        &self,
        now: Instant,
        shard: usize,
        participant: ParticipantId,
    ) -> Vec<IceServer> {
        let Some(urls) = self.urls.get(shard) else {
            return Vec::new();
        };
        let credentials = self.secret.issue(now, number(shard), participant);
        vec![IceServer {
            urls: urls.clone(),
            username: credentials.username,
            credential: credentials.password,
        }]
    }
}

/// Where the server of the shard that has `udp_port` is found: the ways that cost least first.
fn urls(offered: &config::Turn, advertised: &[IpAddr], udp_port: u16) -> Vec<String> {
    let at = |scheme: &str, host: &str, port: u16, transport: &str| {
        format!("{scheme}:{host}:{port}?transport={transport}")
    };
    let mut urls = Vec::new();
    let addresses = advertised.iter().map(|ip| host(*ip));
    if offered.udp {
        urls.extend(addresses.clone().map(|ip| at("turn", &ip, udp_port, "udp")));
    }
    let named = (!offered.host.is_empty()).then(|| offered.host.clone());
    if offered.tcp {
        let hosts = named
            .clone()
            .map_or_else(|| addresses.collect(), |name| vec![name]);
        urls.extend(
            hosts
                .iter()
                .map(|host| at("turn", host, offered.port, "tcp")),
        );
    }
    if offered.tls {
        urls.extend(named.map(|host| at("turns", &host, offered.port, "tcp")));
    }
    urls
}

/// As in a URL.
fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn number(shard: usize) -> u16 {
    u16::try_from(shard).expect("there are at most 128 shards")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_what_is_offered() {
        let advertised = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let turn = |udp, tcp, tls, host: &str| config::Turn {
            udp,
            tcp,
            tls,
            host: host.to_owned(),
            port: 443,
        };
        let cases: [(config::Turn, &[&str]); 4] = [
            (
                turn(true, false, false, ""),
                &[
                    "turn:192.0.2.7:7883?transport=udp",
                    "turn:[2001:db8::7]:7883?transport=udp",
                ],
            ),
            (
                turn(false, true, false, ""),
                &[
                    "turn:192.0.2.7:443?transport=tcp",
                    "turn:[2001:db8::7]:443?transport=tcp",
                ],
            ),
            (
                turn(false, true, true, "a.example"),
                &[
                    "turn:a.example:443?transport=tcp",
                    "turns:a.example:443?transport=tcp",
                ],
            ),
            (
                turn(false, false, true, "[2001:db8::7]"),
                &["turns:[2001:db8::7]:443?transport=tcp"],
            ),
        ];
        for (offered, expected) in cases {
            assert_eq!(urls(&offered, &advertised, 7_883), expected, "{offered:?}");
        }
    }
}
