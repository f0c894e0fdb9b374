//! What those get who have proven who they are: allocations, permissions and channels, as
//! RFC 8656 orders it, within what one participant, one network and one shard may have.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::ParticipantId;

use super::allocation::{Allocation, LIFETIME};
use super::frame::CHANNELS;
use super::message::{Kind, Message, Method, Writer, attribute, family_of};
use super::ports::Parity;
use super::{Client, Refusal, Turn};

/// Of one participant: each of its two connections gathers by UDP, TCP and TLS, and on two networks
/// while it changes from one to the other.
pub(super) const MOST_OF_ONE: usize = 12;

/// Of one network: a school is one, and so is a carrier's quarter of a city.
pub(super) const MOST_OF_SOURCE: usize = 2_048;

/// Of one shard, more than it can serve.
pub(super) const MOST: usize = 8_192;

/// A client that has changed its network cannot free what it had there. Whatever is in use is
/// heard of every few seconds.
const SILENT: Duration = Duration::from_secs(20);

/// The number of UDP among protocols.
const UDP: u8 = 17;

impl Turn {
    /// Does what is asked, and writes the answer but for its end.
    pub(super) fn grant(
        &mut self,
        now: Instant,
        client: Client,
        participant: ParticipantId,
        message: &Message<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if !message.unknown.is_empty() {
            return Err(Refusal::UnknownAttribute);
        }
        if let Some(allocation) = self.live(now, client)
            && allocation.owner != participant
        {
            return Err(Refusal::WrongCredentials);
        }
        let transaction = message.transaction();
        let mut writer = Writer::new(out, Kind::Success(message.method), transaction);
        match message.method {
            Method::Allocate => self.allocate(now, client, participant, message, &mut writer),
            Method::Refresh => self.refresh(now, client, message, &mut writer),
            Method::CreatePermission => self.create_permission(now, client, message),
            Method::ChannelBind => self.bind_channel(now, client, message),
            Method::Connect | Method::Send => Err(Refusal::BadRequest),
        }
    }

    fn allocate(
        &mut self,
        now: Instant,
        client: Client,
        participant: ParticipantId,
        message: &Message<'_>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Refusal> {
        let wish = Wish::read(message)?;
        let relayed = match self.live(now, client) {
            // Its answer was lost.
            Some(known) if known.transaction == message.transaction() => known.relayed,
            Some(_) => return Err(Refusal::AllocationMismatch),
            None => self.make(now, client, participant, &wish, message)?,
        };
        writer.put_address(attribute::XOR_RELAYED_ADDRESS, relayed);
        writer.put(attribute::LIFETIME, &seconds(LIFETIME));
        writer.put_address(attribute::XOR_MAPPED_ADDRESS, client.address);
        match wish.second {
            Second::Unasked => {}
            // One address each: the second one is what is not had.
            Second::Asked => {
                let code = Refusal::AddressFamily.code();
                let code = [(code / 100) as u8, (code % 100) as u8];
                writer.put(attribute::ADDRESS_ERROR_CODE, &[V6, 0, code[0], code[1]]);
            }
        }
        Ok(())
    }

    fn make(
        &mut self,
        now: Instant,
        client: Client,
        participant: ParticipantId,
        wish: &Wish,
        message: &Message<'_>,
    ) -> Result<SocketAddr, Refusal> {
        // One that is over and was not forgotten yet.
        self.free(client);
        let ours = self.peers.iter().map(|peer| peer.ip());
        let ip = ours.clone().find(|ip| family_of(*ip) == wish.family);
        let ip = ip.ok_or(Refusal::AddressFamily)?;
        self.make_room(now, client, participant)?;
        let relayed = &self.relayed;
        let port = self.ports.draw(wish.parity, |port| {
            !relayed.contains_key(&SocketAddr::new(ip, port))
        });
        let relayed = SocketAddr::new(ip, port.ok_or(Refusal::Capacity)?);
        let allocation = Allocation::new(now, participant, relayed, message.transaction());
        self.allocations.insert(client, allocation);
        self.relayed.insert(relayed, client);
        *self.sources.entry(client.address.ip()).or_default() += 1;
        let clients = self.participants.entry(participant).or_default();
        clients.push(client);
        Ok(relayed)
    }

    fn make_room(
        &mut self,
        now: Instant,
        client: Client,
        participant: ParticipantId,
    ) -> Result<(), Refusal> {
        if self.allocations.len() >= MOST {
            self.handle_timeout(now);
            if self.allocations.len() >= MOST {
                return Err(Refusal::Capacity);
            }
        }
        let source = client.address.ip();
        if self
            .sources
            .get(&source)
            .is_some_and(|count| *count >= MOST_OF_SOURCE)
        {
            return Err(Refusal::Quota);
        }
        let own = self.participants.get(&participant);
        let own = own.map(Vec::as_slice).unwrap_or_default();
        if own.len() < MOST_OF_ONE {
            return Ok(());
        }
        let heard = |client: &Client| self.allocations.get(client).map(|known| known.heard);
        let stalest = own.iter().copied().min_by_key(heard);
        let silent = stalest.filter(|client| {
            heard(client).is_none_or(|at| now.saturating_duration_since(at) >= SILENT)
        });
        self.free(silent.ok_or(Refusal::Quota)?);
        Ok(())
    }

    fn refresh(
        &mut self,
        now: Instant,
        client: Client,
        message: &Message<'_>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Refusal> {
        let lifetime = lifetime(message)?;
        let family = family(message)?;
        let Some(allocation) = self.live_mut(now, client) else {
            return Err(Refusal::AllocationMismatch);
        };
        if family.is_some_and(|family| family != family_of(allocation.relayed.ip())) {
            return Err(Refusal::PeerFamily);
        }
        allocation.heard = now;
        let granted = if lifetime == Some(0) {
            self.free(client);
            Duration::ZERO
        } else {
            allocation.refresh(now);
            LIFETIME
        };
        writer.put(attribute::LIFETIME, &seconds(granted));
        Ok(())
    }

    fn create_permission(
        &mut self,
        now: Instant,
        client: Client,
        message: &Message<'_>,
    ) -> Result<(), Refusal> {
        let allocation = self.live(now, client);
        let relayed = allocation.ok_or(Refusal::AllocationMismatch)?.relayed;
        // All or none.
        let mut named = 0;
        for peer in message.all(attribute::XOR_PEER_ADDRESS) {
            let peer = message.address(peer)?;
            self.check_ip(relayed, peer)?;
            named += 1;
        }
        if named == 0 {
            return Err(Refusal::BadRequest);
        }
        for peer in message.all(attribute::XOR_PEER_ADDRESS) {
            let peer = message.address(peer)?;
            if let Some(allocation) = self.live_mut(now, client) {
                allocation.heard = now;
                allocation.permit(now, peer.ip());
            }
        }
        Ok(())
    }

    fn bind_channel(
        &mut self,
        now: Instant,
        client: Client,
        message: &Message<'_>,
    ) -> Result<(), Refusal> {
        let allocation = self.live(now, client);
        let relayed = allocation.ok_or(Refusal::AllocationMismatch)?.relayed;
        let number = message.get(attribute::CHANNEL_NUMBER);
        let number = match number {
            Some(&[high, low, _, _]) => u16::from_be_bytes([high, low]),
            Some(_) | None => return Err(Refusal::BadRequest),
        };
        let peer = message.get(attribute::XOR_PEER_ADDRESS);
        let peer = message.address(peer.ok_or(Refusal::BadRequest)?)?;
        if !CHANNELS.contains(&number) {
            return Err(Refusal::BadRequest);
        }
        self.check_ip(relayed, peer)?;
        // Another port of this node is none of the client's business.
        if !self.peers.contains(&peer) {
            return Err(Refusal::Forbidden);
        }
        let allocation = self.live_mut(now, client);
        let allocation = allocation.ok_or(Refusal::AllocationMismatch)?;
        allocation.heard = now;
        allocation.bind(now, number, peer)
    }

    /// Only this node's own addresses may be named, by no other name for them.
    fn check_ip(&self, relayed: SocketAddr, peer: SocketAddr) -> Result<(), Refusal> {
        if !self.peers.iter().any(|ours| ours.ip() == peer.ip()) {
            return Err(Refusal::Forbidden);
        }
        if family_of(relayed.ip()) != family_of(peer.ip()) {
            return Err(Refusal::PeerFamily);
        }
        Ok(())
    }
}

/// What an allocation shall be like.
#[derive(Debug)]
struct Wish {
    family: u8,
    parity: Parity,
    second: Second,
}

/// Whether an address of the other kind is wanted too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Second {
    Unasked,
    Asked,
}

const V4: u8 = 1;
const V6: u8 = 2;

impl Wish {
    /// In the order of RFC 8656 section 7.2.
    fn read(message: &Message<'_>) -> Result<Self, Refusal> {
        match message.get(attribute::REQUESTED_TRANSPORT) {
            Some(&[UDP, _, _, _]) => {}
            Some(&[_, _, _, _]) => return Err(Refusal::UnsupportedTransport),
            Some(_) | None => return Err(Refusal::BadRequest),
        }
        lifetime(message)?;
        let family = family(message)?;
        let even = message.get(attribute::EVEN_PORT);
        let second = match message.get(attribute::ADDITIONAL_ADDRESS_FAMILY) {
            None => Second::Unasked,
            Some(&[V6, _, _, _]) if family.is_none() => Second::Asked,
            Some(_) => return Err(Refusal::BadRequest),
        };
        if let Some(token) = message.get(attribute::RESERVATION_TOKEN) {
            if token.len() != 8 || even.is_some() || family.is_some() || second == Second::Asked {
                return Err(Refusal::BadRequest);
            }
            // Nothing is ever reserved.
            return Err(Refusal::Capacity);
        }
        let parity = match even {
            None => Parity::Any,
            Some(&[flags]) if flags & 0x80 == 0 => Parity::Even,
            Some(&[_]) if second == Second::Asked => return Err(Refusal::BadRequest),
            // The next port as well: nobody has a use for two.
            Some(&[_]) => return Err(Refusal::Capacity),
            Some(_) => return Err(Refusal::BadRequest),
        };
        Ok(Self {
            family: family.unwrap_or(V4),
            parity,
            second,
        })
    }
}

/// The lifetime that is asked for, in seconds.
fn lifetime(message: &Message<'_>) -> Result<Option<u32>, Refusal> {
    let Some(value) = message.get(attribute::LIFETIME) else {
        return Ok(None);
    };
    let value = value.try_into().map_err(|_| Refusal::BadRequest)?;
    Ok(Some(u32::from_be_bytes(value)))
}

fn family(message: &Message<'_>) -> Result<Option<u8>, Refusal> {
    match message.get(attribute::REQUESTED_ADDRESS_FAMILY) {
        None => Ok(None),
        Some(&[family @ (V4 | V6), _, _, _]) => Ok(Some(family)),
        Some(&[_, _, _, _]) => Err(Refusal::AddressFamily),
        Some(_) => Err(Refusal::BadRequest),
    }
}

fn seconds(duration: Duration) -> [u8; 4] {
    (duration.as_secs() as u32).to_be_bytes()
}
