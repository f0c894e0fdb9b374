//! What clients are told of the node's TURN servers, one in each shard: where they are, and who
//! this client is there. Serving them is left to the shards.

use std::net::SocketAddr;
use std::time::Instant;

use livekit::signal::IceServer;
use media::ParticipantId;
use transport::turn::{Secret, Turn};

use crate::config::Config;

/// Tells participants of the server of their shard.
#[derive(Debug)]
pub(crate) struct Relays {
    secret: Secret,
    /// By shard.
    urls: Vec<Vec<String>>,
}

impl Relays {
    /// As the configuration wants them; none if it wants none.
    pub(crate) fn new(config: &Config, now: Instant) -> Option<Self> {
        let urls = |socket: &SocketAddr| {
            let advertised = config.rtc.advertise.iter();
            let addresses = advertised.map(|ip| SocketAddr::new(*ip, socket.port()));
            addresses
                .map(|address| format!("turn:{address}?transport=udp"))
                .collect()
        };
        config.turn.udp.then(|| Self {
            secret: Secret::new(&rand::random(), now),
            urls: config.rtc.sockets.iter().map(urls).collect(),
        })
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

fn number(shard: usize) -> u16 {
    u16::try_from(shard).expect("there are at most 128 shards")
}
