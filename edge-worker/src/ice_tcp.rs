//! Those who call over TCP where UDP does not get through (RFC 6544): their first datagram
//! is read here, a check that names the shard it is for, and then the shard has the
//! connection. Who says nothing, or nothing of the kind, does not stay.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use transport::framing::Unframer;
use transport::stun_ufrag;

use crate::ids;
use crate::shard::{ShardInbox, ToShard};

/// A caller's first datagram may take this long: a round trip of a bad network, and a lost
/// packet sent again.
pub(crate) const FIRST_LIMIT: Duration = Duration::from_secs(5);

/// Longer ones are not sent over the internet in one piece.
const LONGEST_DATAGRAM: usize = 2_048;

/// How many of one address may wait for their proof: a school behind one address, that
/// joins at once, each with two connections to two ports.
const WAITING_OF_ADDRESS: u32 = 512;

/// A connection with its first datagram in it, on its way to a shard.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The connection, which never waits.
    pub stream: std::net::TcpStream,
    /// Where it comes from.
    pub address: SocketAddr,
    /// What was read of it.
    pub incoming: Unframer,
    /// Free again when the connection is gone.
    pub place: Place,
}

/// A connection's place among all of the node, and among those of its address that have
/// not proven who they are.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    waiting: Option<Waiting>,
}

impl Place {
    /// Whoever has it proved who it is.
    pub(crate) fn proven(&mut self) {
        self.waiting = None;
    }
}

/// How many of each address wait for their proof. Counted down by whichever task or shard
/// drops a [`Waiting`], so that no one of them could own it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Porch(Arc<Mutex<HashMap<IpAddr, u32>>>);

/// One that waits; counted down when dropped.
#[derive(Debug)]
struct Waiting {
    porch: Porch,
    address: IpAddr,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut counts = self.porch.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Why somebody was sent away at the door; each is a metric label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// Too many of its address wait.
    Crowded,
    /// It was silent, or slow.
    Slow,
    /// What it said is no check in a frame.
    NoCheck,
    /// It hung up.
    HungUp,
    /// The shard it names does not exist or takes no more.
    NoShard,
}

impl Refusal {
    /// As a metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Crowded => "crowded",
            Self::Slow => "slow",
            Self::NoCheck => "no_check",
            Self::HungUp => "hung_up",
            Self::NoShard => "no_shard",
        }
    }
}

impl Porch {
    /// Reads the first datagram of a connection and hands it to its shard.
    pub(crate) async fn usher(
        &self,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        shards: &[ShardInbox],
    ) -> Result<(), Refusal> {
        let address = stream.peer_addr().map_err(|_| Refusal::HungUp)?;
        let waiting = Some(self.wait(address.ip()).ok_or(Refusal::Crowded)?);
        let place = Place {
            _permit: permit,
            waiting,
        };
        let (stream, incoming, shard) = tokio::time::timeout(FIRST_LIMIT, first_check(stream))
            .await
            .map_err(|_| Refusal::Slow)??;
        let caller = Caller {
            stream: stream.into_std().map_err(|_| Refusal::HungUp)?,
            address,
            incoming,
            place,
        };
        let inbox = shards.get(shard).ok_or(Refusal::NoShard)?;
        let handed = inbox.send(ToShard::Call(Box::new(caller)));
        handed.map_err(|_| Refusal::NoShard)
    }

    fn wait(&self, address: IpAddr) -> Option<Waiting> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= WAITING_OF_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Waiting {
            porch: self.clone(),
            address,
        })
    }
}

/// Reads until the first datagram is whole, or cannot be a check any more. Answers the
/// shard it names.
async fn first_check(mut stream: TcpStream) -> Result<(TcpStream, Unframer, usize), Refusal> {
    let mut incoming = Unframer::new(LONGEST_DATAGRAM);
    loop {
        match incoming.first() {
            Ok(Some(first)) => {
                let shard = stun_ufrag(first).and_then(ids::shard_of);
                let shard = shard.ok_or(Refusal::NoCheck)?;
                return Ok((stream, incoming, shard));
            }
            Ok(None) => {}
            Err(_) => return Err(Refusal::NoCheck),
        }
        let read = stream.read(incoming.space()).await;
        match read.map_err(|_| Refusal::HungUp)? {
            0 => return Err(Refusal::HungUp),
            count => incoming.filled(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_so_many_waiting_and_no_more() {
        let porch = Porch::default();
        let [one, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        let mut waiting: Vec<_> = (0..WAITING_OF_ADDRESS)
            .map(|_| porch.wait(one).unwrap())
            .collect();
        assert!(porch.wait(one).is_none());
        assert!(porch.wait(other).is_some());
        waiting.pop();
        assert!(porch.wait(one).is_some());
        drop(waiting);
        assert!(
            porch.0.lock().unwrap().is_empty(),
            "nothing is kept of who left"
        );
    }
}
