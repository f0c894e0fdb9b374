//! One allocation (RFC 8656 section 3.2): a relayed address that exists in name only, whom it may
//! speak to, and for how long. As nobody but this node may be spoken to, permissions and channels
//! are as few as the node has addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use media::ParticipantId;

use super::Refusal;

/// How long an allocation lasts unless it is refreshed: what RFC 8656 section 3.2 begins with,
/// and as long as we grant.
pub(super) const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// RFC 8656 section 9.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// RFC 8656 section 12.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(10 * 60);

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) owner: ParticipantId,
    pub(super) relayed: SocketAddr,
    /// The request that made it: should that come again, so does its answer.
    pub(super) transaction: [u8; 12],
    /// When its client said something last.
    pub(super) heard: Instant,
    expires: Instant,
    permissions: Vec<(IpAddr, Instant)>,
    channels: Vec<Channel>,
    /// Whom its client spoke to last, which is from where it is answered.
    spoke_to: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires: Instant,
}

/// How something reaches the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Delivery {
    Channel(u16),
    Indication(SocketAddr),
}

impl Allocation {
    pub(super) fn new(
        now: Instant,
        owner: ParticipantId,
        relayed: SocketAddr,
        transaction: [u8; 12],
    ) -> Self {
        Self {
            owner,
            relayed,
            transaction,
            heard: now,
            expires: now + LIFETIME,
            permissions: Vec::new(),
            channels: Vec::new(),
            spoke_to: None,
        }
    }

    pub(super) fn refresh(&mut self, now: Instant) {
        self.expires = now + LIFETIME;
    }

    /// Lets it speak to `peer` from now on.
    pub(super) fn permit(&mut self, now: Instant, peer: IpAddr) {
        self.permissions.retain(|(known, _)| *known != peer);
        self.permissions.push((peer, now + PERMISSION_LIFETIME));
    }

    /// Gives `peer` a number, or lets it keep the one it has.
    pub(super) fn bind(
        &mut self,
        now: Instant,
        number: u16,
        peer: SocketAddr,
    ) -> Result<(), Refusal> {
        self.channels.retain(|channel| channel.expires > now);
        let clashes = |known: &Channel| (known.number == number) != (known.peer == peer);
        if self.channels.iter().any(clashes) {
            return Err(Refusal::BadRequest);
        }
        self.channels.retain(|known| known.number != number);
        self.channels.push(Channel {
            number,
            peer,
            expires: now + CHANNEL_LIFETIME,
        });
        self.permit(now, peer.ip());
        Ok(())
    }

    /// Notes that the client speaks to `peer`.
    pub(super) fn speak(&mut self, now: Instant, peer: SocketAddr) {
        self.heard = now;
        self.spoke_to = Some(peer);
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.expires
    }

    pub(super) fn permits(&self, now: Instant, peer: IpAddr) -> bool {
        let found = self.permissions.iter().find(|(known, _)| *known == peer);
        found.is_some_and(|(_, expires)| now < *expires)
    }

    /// Whom a channel is bound to.
    pub(super) fn peer(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        let found = self.channels.iter().find(|known| known.number == number)?;
        (now < found.expires).then_some(found.peer)
    }

    /// How what this node says reaches the client, if it may at all.
    pub(super) fn delivery(&self, now: Instant) -> Option<Delivery> {
        let peer = self.spoke_to?;
        let bound = self.channels.iter().find(|known| known.peer == peer);
        match bound.filter(|channel| now < channel.expires) {
            // Kept as long as the channel is: nobody but this node could make use of it.
            Some(channel) => Some(Delivery::Channel(channel.number)),
            None if self.permits(now, peer.ip()) => Some(Delivery::Indication(peer)),
            None => None,
        }
    }
}
