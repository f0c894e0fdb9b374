//! Those who come by TCP where UDP does not get through: by ICE (RFC 6544), or as clients of TURN
//! (RFC 8656). Their first words are read here, until they name the shard they are for, and then
//! the shard has the connection. Who says nothing, or nothing of the kind, does not stay.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use transport::framing::Unframer;
use transport::stun_ufrag;
use transport::turn::{Frames, Greeting, begins_request};

use crate::ids;
use crate::incoming::Incoming;
use crate::node::Node;
use crate::pipe::Pipe;
use crate::relaying::Relays;
use crate::shard::ToShard;

/// A caller's first datagram may take this long: a round trip of a bad network, and a lost
/// packet sent again. So may a client of TURN, who is asked back once.
pub(crate) const FIRST_LIMIT: Duration = Duration::from_secs(5);

/// What may be said before somebody is named: once without credentials, and again with a nonce.
const MOST_WORDS: usize = 4;

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
    /// What it is encrypted with, if it is.
    pub tls: Option<Box<ServerConnection>>,
    /// Where it comes from.
    pub address: SocketAddr,
    /// What was read of it.
    pub incoming: Incoming,
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
    /// Of somebody who brings no media, and so has nothing to prove.
    pub(crate) fn of(permit: OwnedSemaphorePermit) -> Self {
        Self {
            _permit: permit,
            waiting: None,
        }
    }

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
    /// What it said is no check in a frame, and nothing a client of TURN says.
    NoCheck,
    /// It asked for TURN again and again, and named nobody.
    Nameless,
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
            Self::Nameless => "nameless",
            Self::HungUp => "hung_up",
            Self::NoShard => "no_shard",
        }
    }
}

impl Porch {
    /// Takes in who is to prove who it is, beside others of its address.
    pub(crate) fn enter(
        &self,
        address: IpAddr,
        permit: OwnedSemaphorePermit,
    ) -> Result<Place, Refusal> {
        let waiting = self.wait(address).ok_or(Refusal::Crowded)?;
        Ok(Place {
            _permit: permit,
            waiting: Some(waiting),
        })
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

/// Hears the first words of somebody on a porch, and hands the connection to the shard they name.
pub(crate) async fn usher(
    mut pipe: BufReader<Pipe>,
    place: Place,
    node: &Node,
) -> Result<(), Refusal> {
    let address = pipe.get_ref().address().map_err(|_| Refusal::HungUp)?;
    let words = first_words(&mut pipe, address, node.relays.as_ref());
    let said = timeout(FIRST_LIMIT, words).await;
    let (incoming, shard) = said.map_err(|_| Refusal::Slow)??;
    let parts = pipe.into_inner().part();
    let (stream, tls) = parts.map_err(|_| Refusal::HungUp)?;
    let caller = Caller {
        stream,
        tls,
        address,
        incoming,
        place,
    };
    let inbox = node.directory.shards().get(shard);
    let handed = inbox
        .ok_or(Refusal::NoShard)?
        .send(ToShard::Call(Box::new(caller)));
    handed.map_err(|_| Refusal::NoShard)
}

/// Two bytes tell who it is.
async fn first_words(
    pipe: &mut BufReader<Pipe>,
    address: SocketAddr,
    relays: Option<&Relays>,
) -> Result<(Incoming, usize), Refusal> {
    let mut first = [0; 2];
    let read = pipe.read_exact(&mut first).await;
    read.map_err(|_| Refusal::HungUp)?;
    let relays = relays.filter(|relays| relays.take(pipe.get_ref()));
    if let Some(relays) = relays
        && begins_request(first)
    {
        return first_name(pipe, first, address, relays).await;
    }
    match pipe.get_ref() {
        Pipe::Clear(_) => first_check(pipe, first).await,
        // ICE knows no TLS.
        Pipe::Tls(_) => Err(Refusal::NoCheck),
    }
}

/// Reads until the first datagram is whole, or cannot be a check any more. Answers the
/// shard it names.
async fn first_check(
    pipe: &mut BufReader<Pipe>,
    first: [u8; 2],
) -> Result<(Incoming, usize), Refusal> {
    let mut incoming = Unframer::new(LONGEST_DATAGRAM);
    incoming.space()[..2].copy_from_slice(&first);
    incoming.filled(2);
    loop {
        match incoming.first() {
            Ok(Some(first)) => {
                let shard = stun_ufrag(first).and_then(ids::shard_of);
                let shard = shard.ok_or(Refusal::NoCheck)?;
                return Ok((Incoming::Ice(incoming), shard));
            }
            Ok(None) => {}
            Err(_) => return Err(Refusal::NoCheck),
        }
        let read = pipe.read(incoming.space()).await;
        match read.map_err(|_| Refusal::HungUp)? {
            0 => return Err(Refusal::HungUp),
            count => incoming.filled(count),
        }
    }
}

/// Asks a client of TURN for its name, and answers the shard that is for.
async fn first_name(
    pipe: &mut BufReader<Pipe>,
    first: [u8; 2],
    address: SocketAddr,
    relays: &Relays,
) -> Result<(Incoming, usize), Refusal> {
    let mut frames = Frames::default();
    frames.push(&first);
    let mut words = 0;
    let mut piece = [0; LONGEST_DATAGRAM];
    loop {
        while let Some(message) = frames.first().map_err(|_| Refusal::NoCheck)? {
            match relays.greet(Instant::now(), address, message) {
                Greeting::Shard(shard) => return Ok((Incoming::Turn(frames), shard.into())),
                Greeting::Answer(bytes) => {
                    let written = pipe.write_all(&bytes).await.and(pipe.flush().await);
                    written.map_err(|_| Refusal::HungUp)?;
                }
                Greeting::Drop(_) => {}
            }
            words += 1;
            if words == MOST_WORDS {
                return Err(Refusal::Nameless);
            }
            // It is known to be whole.
            let _ = frames.next_frame();
        }
        match pipe.read(&mut piece).await.map_err(|_| Refusal::HungUp)? {
            0 => return Err(Refusal::HungUp),
            count => frames.push(&piece[..count]),
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
