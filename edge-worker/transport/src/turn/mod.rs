//! A TURN server (RFC 8656) that leads nowhere but to the node it is part of: for those whose
//! network lets nothing else through. It has no sockets. An allocation's relayed address exists
//! in name only: what its client sends to the node is handed on as if it came from there, and what
//! the node sends there is wrapped for the client. Whom else a client names is refused.
//!
//! Who may use it are participants of this shard, as long as they are that, by credentials which
//! follow from a secret of the process (section 9.2 of RFC 8489). Everything that clients make
//! grow is bounded. What comes and goes over the network, and the secret, are left to the shell.

mod allocation;
mod challenges;
mod credentials;
mod frame;
mod greeting;
mod message;
mod ports;
mod reason;
mod requests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Instant;

use media::ParticipantId;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_stun::integrity::MessageIntegrity;
use rustc_hash::FxHashMap;

use allocation::{Allocation, Delivery};
use challenges::{Challenges, Verdict};
use credentials::Named;
pub use credentials::{Credentials, Secret};
use frame::{CHANNEL_HEADER, channel_header};
pub use frame::{FrameError, Frames, frame_len};
pub use greeting::{Greeting, begins_request};
use message::{Kind, Message, Method, Writer, attribute};
use ports::Ports;
pub use reason::{Dropped, Refusal};

/// Whom a request came from: all that RFC 8656 calls the 5-tuple, our end being one only.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Client {
    /// Its address, as seen from here.
    pub address: SocketAddr,
    /// How it speaks to us.
    pub carriage: Carriage,
}

/// How a client's messages travel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Carriage {
    /// Each in a datagram.
    Datagrams,
    /// One behind the other in a connection, which has this number as long as it is open.
    Bytes(u32),
}

/// What became of a message.
#[derive(Debug, Eq, PartialEq)]
pub enum Heard {
    /// It is to be answered.
    Answer {
        /// With this, to where it came from.
        bytes: Vec<u8>,
        /// The answer says no.
        refused: Option<Refusal>,
    },
    /// It holds a datagram for this node.
    Relay {
        /// Whom that is from.
        relayed: SocketAddr,
        /// Where in the message it lies.
        datagram: Range<usize>,
    },
    /// Nobody hears of it.
    Drop(Dropped),
}

/// The TURN server of one shard.
pub struct Turn {
    secret: Secret,
    /// This shard, in names.
    shard: u16,
    /// The only ones anybody can speak to: the shard's own addresses.
    peers: Vec<SocketAddr>,
    crypto: RingProvider,
    challenges: Challenges,
    participants: FxHashMap<ParticipantId, Vec<Client>>,
    allocations: FxHashMap<Client, Allocation>,
    relayed: FxHashMap<SocketAddr, Client>,
    sources: FxHashMap<IpAddr, usize>,
    ports: Ports,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({} allocations)", self.allocations.len())
    }
}

/// What credentials are for. Short, as everybody who asks is told.
const REALM: &str = "tof";

/// Whether a datagram can be for a TURN server: a request or an indication of TURN, or something
/// on a channel. Media, DTLS and checks of ICE never look like that.
pub fn is_turn(datagram: &[u8]) -> bool {
    match datagram {
        [0, kind, ..] => Method::of(u16::from(*kind)).is_some(),
        [0x40..=0x4f, ..] => true,
        _ => false,
    }
}

/// The shard that a message's credentials are for, so that a connection finds it: a client's
/// first message proves nothing yet, and any shard answers it alike.
pub fn shard_named(message: &[u8]) -> Option<u16> {
    let message = Message::read(message).ok()?;
    let named = Named::read(message.text(attribute::USERNAME)?)?;
    Some(named.shard())
}

impl Turn {
    /// For shard number `shard`, which is reached at `peers`.
    pub fn new(secret: Secret, shard: u16, peers: Vec<SocketAddr>) -> Self {
        Self {
            secret,
            shard,
            ports: Ports::new(&peers),
            peers,
            crypto: RingProvider::new(),
            challenges: Challenges::new(),
            participants: FxHashMap::default(),
            allocations: FxHashMap::default(),
            relayed: FxHashMap::default(),
            sources: FxHashMap::default(),
        }
    }

    /// Lets a participant use it.
    pub fn admit(&mut self, participant: ParticipantId) {
        self.participants.entry(participant).or_default();
    }

    /// Its participation is over, and with it all it had here.
    pub fn dismiss(&mut self, participant: ParticipantId) {
        for client in self.participants.remove(&participant).unwrap_or_default() {
            self.free(client);
        }
    }

    /// A client's connection has ended.
    pub fn closed(&mut self, client: Client) {
        self.free(client);
    }

    /// Forgets allocations that were not refreshed. To be called every few seconds: until then
    /// they take up room, and nothing else.
    pub fn handle_timeout(&mut self, now: Instant) {
        let over = self.allocations.iter();
        let over = over.filter(|(_, allocation)| allocation.is_over(now));
        let over: Vec<Client> = over.map(|(client, _)| *client).collect();
        over.into_iter().for_each(|client| self.free(client));
    }

    /// The relayed address that a client has.
    pub fn relayed(&self, client: Client) -> Option<SocketAddr> {
        self.allocations.get(&client).map(|known| known.relayed)
    }

    /// How many allocations there are.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// Who is behind a relayed address.
    #[inline]
    pub fn client(&self, relayed: SocketAddr) -> Option<Client> {
        // Nearly everybody is reached without.
        if self.relayed.is_empty() {
            return None;
        }
        self.relayed.get(&relayed).copied()
    }

    /// One message of a client: a datagram, or a frame of its connection.
    pub fn handle(&mut self, now: Instant, client: Client, bytes: &[u8]) -> Heard {
        if bytes
            .first()
            .is_some_and(|first| (0x40..=0x4f).contains(first))
        {
            return self.on_channel(now, client, bytes);
        }
        match Message::read(bytes) {
            Ok(message) if message.method == Method::Send => self.send(now, client, &message),
            Ok(message) => self.answer(now, client, &message, bytes.len()),
            Err(dropped) => Heard::Drop(dropped),
        }
    }

    /// Begins what brings a datagram of `len` bytes to the client of a relayed address: the
    /// datagram itself is to follow, and then [`end`](Self::end).
    pub fn begin(
        &self,
        now: Instant,
        relayed: SocketAddr,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<Client, Dropped> {
        let client = *self.relayed.get(&relayed).ok_or(Dropped::NoAllocation)?;
        let allocation = self.live(now, client).ok_or(Dropped::NoAllocation)?;
        match allocation.delivery(now).ok_or(Dropped::NoPermission)? {
            Delivery::Channel(number) => out.extend_from_slice(&channel_header(number, len)),
            Delivery::Indication(peer) => message::begin_data(out, peer, len),
        }
        Ok(client)
    }

    /// Ends what was begun at `wrapped` of a buffer, all of the datagram being in it.
    pub fn end(client: Client, wrapped: usize, out: &mut Vec<u8>) {
        match client.carriage {
            // Only indications are padded, and they tell of it.
            Carriage::Datagrams if out.get(wrapped).is_some_and(|first| *first >= 0x40) => {}
            Carriage::Datagrams | Carriage::Bytes(_) => {
                let len = out.len() - wrapped;
                out.resize(wrapped + len.next_multiple_of(4), 0);
            }
        }
    }

    /// Wraps a datagram for the client of a relayed address, at the end of `out`.
    pub fn wrap(
        &self,
        now: Instant,
        relayed: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Client, Dropped> {
        let start = out.len();
        let client = self.begin(now, relayed, datagram.len(), out)?;
        out.extend_from_slice(datagram);
        Self::end(client, start, out);
        Ok(client)
    }

    /// What a client makes of `attributes` with the credentials of `participant`: a request whose
    /// method is told by the first two bytes. For tests that begin where credentials are good.
    pub fn request_of(
        &self,
        now: Instant,
        client: Client,
        participant: ParticipantId,
        attributes: &[u8],
    ) -> Vec<u8> {
        let Credentials { username, .. } = self.secret.issue(now, self.shard, participant);
        let nonce = self.secret.nonce(now, client.address);
        let Ok(key) = self.key(&username) else {
            return Vec::new();
        };
        message::request(attributes, &username, REALM, &nonce, &key)
    }

    fn on_channel(&mut self, now: Instant, client: Client, bytes: &[u8]) -> Heard {
        let Some((&[kind, number, high, low], rest)) = bytes.split_first_chunk::<4>() else {
            return Heard::Drop(Dropped::Malformed);
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len > rest.len() {
            return Heard::Drop(Dropped::Malformed);
        }
        let Some(allocation) = self.live_mut(now, client) else {
            return Heard::Drop(Dropped::NoAllocation);
        };
        let Some(peer) = allocation.peer(now, u16::from_be_bytes([kind, number])) else {
            return Heard::Drop(Dropped::NoChannel);
        };
        allocation.speak(now, peer);
        Heard::Relay {
            relayed: allocation.relayed,
            datagram: CHANNEL_HEADER..CHANNEL_HEADER + len,
        }
    }

    fn send(&mut self, now: Instant, client: Client, message: &Message<'_>) -> Heard {
        let peer = message.get(attribute::XOR_PEER_ADDRESS);
        let peer = peer.and_then(|peer| message.address(peer).ok());
        let (Some(peer), Some(datagram)) = (peer, message.place(attribute::DATA)) else {
            return Heard::Drop(Dropped::Malformed);
        };
        if !message.unknown.is_empty() {
            return Heard::Drop(Dropped::Malformed);
        }
        let ours = self.peers.contains(&peer);
        let Some(allocation) = self.live_mut(now, client) else {
            return Heard::Drop(Dropped::NoAllocation);
        };
        if !ours || !allocation.permits(now, peer.ip()) {
            return Heard::Drop(Dropped::NoPermission);
        }
        allocation.speak(now, peer);
        Heard::Relay {
            relayed: allocation.relayed,
            datagram,
        }
    }

    fn answer(&mut self, now: Instant, client: Client, message: &Message<'_>, len: usize) -> Heard {
        let known = self.recognize(now, client, message);
        let (key, refused) = match known {
            Ok((participant, key)) => {
                let mut bytes = Vec::with_capacity(128);
                match self.grant(now, client, participant, message, &mut bytes) {
                    Ok(()) => {
                        seal(&mut bytes, &key, message);
                        return Heard::Answer {
                            bytes,
                            refused: None,
                        };
                    }
                    Err(refusal) => (Some(key), refusal),
                }
            }
            Err(refusal) => (None, refusal),
        };
        self.refuse(now, client, message, key.as_deref(), refused, len)
    }

    fn refuse(
        &mut self,
        now: Instant,
        client: Client,
        message: &Message<'_>,
        key: Option<&[u8]>,
        refusal: Refusal,
        len: usize,
    ) -> Heard {
        let mut bytes = Vec::with_capacity(96);
        let kind = Kind::Error(message.method);
        let mut writer = Writer::new(&mut bytes, kind, message.transaction());
        writer.put_error(refusal);
        match refusal {
            Refusal::Unauthorized | Refusal::StaleNonce => {
                self.secret.challenge(now, client.address, &mut writer);
            }
            Refusal::UnknownAttribute => {
                let unknown = message.unknown.iter();
                let unknown: Vec<u8> = unknown.flat_map(|kind| kind.to_be_bytes()).collect();
                writer.put(attribute::UNKNOWN_ATTRIBUTES, &unknown);
            }
            Refusal::BadRequest
            | Refusal::Forbidden
            | Refusal::AllocationMismatch
            | Refusal::AddressFamily
            | Refusal::WrongCredentials
            | Refusal::UnsupportedTransport
            | Refusal::PeerFamily
            | Refusal::Quota
            | Refusal::Capacity => {}
        }
        if let Some(key) = key {
            writer.seal(key);
        }
        writer.finish(message.fingerprint());
        // Who has proven who it is gains nothing by it, and a short answer is no gain either.
        let gain = key.is_none() && bytes.len() > len;
        if gain && self.challenges.admit(now, client.address.ip()) == Verdict::TooMany {
            return Heard::Drop(Dropped::TooManyChallenges);
        }
        Heard::Answer {
            bytes,
            refused: Some(refusal),
        }
    }

    /// Who makes a request, and the key it proved to have (RFC 8489 section 9.2.4).
    fn recognize(
        &self,
        now: Instant,
        client: Client,
        message: &Message<'_>,
    ) -> Result<(ParticipantId, Vec<u8>), Refusal> {
        if !message.is_sealed() {
            return Err(Refusal::Unauthorized);
        }
        let username = message.text(attribute::USERNAME);
        let nonce = message.get(attribute::NONCE);
        let realm = message.get(attribute::REALM);
        let (Some(username), Some(nonce), Some(_)) = (username, nonce, realm) else {
            return Err(Refusal::BadRequest);
        };
        if !self.secret.knows_nonce(now, client.address, nonce) {
            return Err(Refusal::StaleNonce);
        }
        let named = Named::read(username).ok_or(Refusal::Unauthorized)?;
        // Who has an allocation keeps it however long a call is.
        let current = message.method != Method::Allocate || self.secret.is_current(now, named);
        let here = named.shard() == self.shard;
        if !current || !here || !self.participants.contains_key(&named.participant) {
            return Err(Refusal::Unauthorized);
        }
        let key = self.key(username)?;
        if !message.integrity_holds(&key) {
            return Err(Refusal::Unauthorized);
        }
        Ok((named.participant, key))
    }

    fn key(&self, username: &str) -> Result<Vec<u8>, Refusal> {
        let key = MessageIntegrity::long_term_integrity_key(
            username.to_owned(),
            REALM.to_owned(),
            self.secret.password(username),
            self.crypto.crypto(),
        );
        key.map_err(|_| Refusal::Unauthorized)
    }

    fn live(&self, now: Instant, client: Client) -> Option<&Allocation> {
        let allocation = self.allocations.get(&client)?;
        (!allocation.is_over(now)).then_some(allocation)
    }

    fn live_mut(&mut self, now: Instant, client: Client) -> Option<&mut Allocation> {
        let allocation = self.allocations.get_mut(&client)?;
        (!allocation.is_over(now)).then_some(allocation)
    }

    fn free(&mut self, client: Client) {
        let Some(allocation) = self.allocations.remove(&client) else {
            return;
        };
        self.relayed.remove(&allocation.relayed);
        if let Some(clients) = self.participants.get_mut(&allocation.owner) {
            clients.retain(|known| *known != client);
        }
        let source = client.address.ip();
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
    }
}

/// Ends an answer to somebody who is known.
fn seal(bytes: &mut Vec<u8>, key: &[u8], message: &Message<'_>) {
    let mut writer = Writer::resume(bytes, message.transaction());
    writer.seal(key);
    writer.finish(message.fingerprint());
}
