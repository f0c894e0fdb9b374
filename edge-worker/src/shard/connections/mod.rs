//! The TCP connections of one shard: each is a way of one transport (RFC 6544), or a client's to the
//! shard's TURN server. They come from the door with their first datagram read; which transport one
//! belongs to is left to the demux, who may use TURN to the server, what to write first to
//! [`Outgoing`].

mod conduit;
mod outgoing;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;
use sfu::TransportKey;
use socket2::SockRef;
use transport::turn::{Carriage, Client};
use transport::{ConnectionKey, Way, stun_ufrag};

use super::Shard;
use super::queue::Urgency;
use crate::incoming::Incoming;
use crate::metrics::Metrics;
use crate::porch::{Caller, Place};
use conduit::Conduit;
use outgoing::{Framing, Outgoing, Unwritten, Written};

/// All connections of a shard.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: FxHashMap<ConnectionKey, Connection>,
    last: u32,
    /// Something may be read from them.
    readable: Vec<ConnectionKey>,
    /// Something waits to be written to them.
    touched: Vec<ConnectionKey>,
    unwritten: [u64; Unwritten::ALL.len()],
}

#[derive(Debug)]
struct Connection {
    conduit: Conduit,
    leads: Leads,
    incoming: Incoming,
    outgoing: Outgoing,
    belongs: Belongs,
    heard_at: Instant,
    /// Since when nothing could be written.
    blocked: Option<Instant>,
    touched: bool,
    readable: bool,
    /// Free again when it is gone.
    place: Place,
}

/// Whether a datagram is on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Queued {
    Yes,
    No,
}

/// What is at our end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Leads {
    /// A transport.
    ToTransport(Way),
    /// The shard's TURN server.
    ToTurn(Client),
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Belongs {
    /// Nobody has proven to be at its other end, since then.
    Unproven(Instant),
    /// A client that passed ICE on it.
    To(TransportKey),
    /// A client that has an allocation by it.
    Allocated,
}

/// Why a connection was closed; each is a metric label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Closed {
    /// The client closed it, or it broke.
    ByClient,
    /// Its first datagram names nobody who is here.
    Unknown,
    /// It said who it is, and did not prove it.
    Unproven,
    /// What came was no frame.
    Malformed,
    /// Its transport has more.
    Replaced,
    /// Nothing came for long.
    Silent,
    /// Nothing could be written for long.
    Stuck,
    /// Its transport is gone, or its allocation.
    Over,
    /// The kernel would not watch it.
    Unwatched,
}

impl Closed {
    fn label(self) -> &'static str {
        match self {
            Self::ByClient => "by_client",
            Self::Unknown => "unknown",
            Self::Unproven => "unproven",
            Self::Malformed => "malformed",
            Self::Replaced => "replaced",
            Self::Silent => "silent",
            Self::Stuck => "stuck",
            Self::Over => "over",
            Self::Unwatched => "unwatched",
        }
    }
}

/// The first token of a connection; those before are the shard's own.
pub(super) const FIRST_TOKEN: usize = 16;

/// Who was let in by a check's name has proven itself with the same check, or never will.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

/// Clients check a connection in reserve every 25 s.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// Consent has long expired at the other end.
const STUCK_LIMIT: Duration = Duration::from_secs(20);

/// One for each of a client's addresses and each of ours, about.
const MOST_OF_TRANSPORT: usize = 6;

/// After this many reads others get their turn.
const READS_PER_TURN: usize = 8;

/// In the kernel, beyond what is in flight: the rest waits here, where it can be overtaken.
const UNSENT_LIMIT: u32 = 16 << 10;

impl Connections {
    /// Hears from the kernel that something can be done with a connection.
    pub(super) fn ready(&mut self, event: &mio::event::Event) {
        let Some(number) = event.token().0.checked_sub(FIRST_TOKEN) else {
            return;
        };
        let key = ConnectionKey(number as u32);
        let Some(connection) = self.open.get_mut(&key) else {
            return;
        };
        if (event.is_readable() || event.is_read_closed() || event.is_error())
            && !connection.readable
        {
            connection.readable = true;
            self.readable.push(key);
        }
        if event.is_writable() && !connection.touched {
            connection.touched = true;
            self.touched.push(key);
        }
    }

    /// Takes in a connection; its first datagram is known to be whole.
    fn insert(&mut self, now: Instant, registry: &Registry, caller: Caller) -> Result<(), Closed> {
        let Caller {
            stream,
            tls,
            address,
            incoming,
            place,
        } = caller;
        let mut conduit = Conduit::new(stream, tls);
        let key = self.free_key();
        let token = Token(FIRST_TOKEN + key.0 as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry
            .register(conduit.stream(), token, interest)
            .map_err(|_| Closed::Unwatched)?;
        let (leads, framing) = match &incoming {
            Incoming::Ice(_) => (Leads::ToTransport(Way::Tcp(key, address)), Framing::Length),
            Incoming::Turn(_) => {
                let carriage = Carriage::Bytes(key.0);
                (Leads::ToTurn(Client { address, carriage }), Framing::Own)
            }
        };
        self.open.insert(
            key,
            Connection {
                conduit,
                leads,
                incoming,
                outgoing: Outgoing::new(framing),
                belongs: Belongs::Unproven(now),
                heard_at: now,
                blocked: None,
                touched: false,
                readable: true,
                place,
            },
        );
        // Its first datagram is here already.
        self.readable.push(key);
        Ok(())
    }

    fn free_key(&mut self) -> ConnectionKey {
        loop {
            self.last = self.last.wrapping_add(1);
            let key = ConnectionKey(self.last);
            if !self.open.contains_key(&key) {
                return key;
            }
        }
    }

    /// Queues a datagram for a connection; it is written with the next flush.
    pub(super) fn send(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        urgency: Urgency,
        datagram: &[u8],
    ) -> Queued {
        let Some(connection) = self.open.get_mut(&key) else {
            self.unwritten[index(Unwritten::Gone)] += 1;
            return Queued::No;
        };
        if !connection.touched {
            connection.touched = true;
            self.touched.push(key);
        }
        match connection.outgoing.push(now, urgency, datagram) {
            Ok(()) => Queued::Yes,
            Err(reason) => {
                self.unwritten[index(reason)] += 1;
                Queued::No
            }
        }
    }

    /// Adds what was not written since the last time to the node's counters.
    pub(super) fn count_drops(&mut self, metrics: &Metrics) {
        for (reason, count) in Unwritten::ALL.iter().zip(&mut self.unwritten) {
            let count = std::mem::take(count);
            if count > 0 {
                let dropped = metrics.tcp_dropped.with_label_values(&[reason.label()]);
                dropped.inc_by(count);
            }
        }
    }

    /// Which of a transport's connections is to go, as it has too many.
    fn surplus(&self, transport: TransportKey) -> Option<ConnectionKey> {
        let all = self.open.iter();
        let its = all.filter(|(_, it)| it.belongs == Belongs::To(transport));
        if its.clone().count() <= MOST_OF_TRANSPORT {
            return None;
        }
        its.min_by_key(|(_, it)| it.heard_at).map(|(key, _)| *key)
    }
}

impl Connection {
    /// Why it should be closed by now.
    fn overdue(&self, now: Instant) -> Option<Closed> {
        let since = |at: Instant| now.saturating_duration_since(at);
        match self.belongs {
            Belongs::Unproven(at) if since(at) >= PROOF_LIMIT => Some(Closed::Unproven),
            Belongs::Unproven(_) | Belongs::To(_) if since(self.heard_at) >= SILENCE_LIMIT => {
                Some(Closed::Silent)
            }
            // Who is silent by TURN loses the allocation, in time.
            Belongs::Unproven(_) | Belongs::To(_) | Belongs::Allocated => {
                let stuck = self.blocked.filter(|at| since(*at) >= STUCK_LIMIT);
                stuck.map(|_| Closed::Stuck)
            }
        }
    }

    /// Writes what waits, and says whether the connection is still good.
    fn write(&mut self, now: Instant, unwritten: impl FnMut(Unwritten)) -> Result<(), Closed> {
        let before = self.outgoing.total();
        let written = self.outgoing.write(now, &mut self.conduit, unwritten);
        match written {
            Written::All => self.blocked = None,
            Written::Blocked if self.outgoing.total() > before => self.blocked = Some(now),
            Written::Blocked => self.blocked = self.blocked.or(Some(now)),
            Written::Broken => return Err(Closed::ByClient),
        }
        Ok(())
    }
}

/// Whether a connection may have more to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Left {
    Nothing,
    Something,
}

impl Shard {
    /// Takes in a connection from the door.
    pub(super) fn admit(&mut self, now: Instant, mut caller: Caller) {
        let known = match &mut caller.incoming {
            Incoming::Ice(unframer) => {
                let first = unframer.first().ok().flatten();
                let ufrag = first.and_then(stun_ufrag);
                ufrag.is_some_and(|ufrag| self.demux.is_expected(ufrag))
            }
            // The server asks it for more than a name.
            Incoming::Turn(_) => self.relaying.is_some(),
        };
        if !known {
            return self.count_closed(Closed::Unknown);
        }
        // Otherwise sound would wait for company; a connection that refuses is broken.
        let _ = caller.stream.set_nodelay(true);
        // A kernel without it keeps more than can be overtaken, and goes on.
        let _ = SockRef::from(&caller.stream).set_tcp_notsent_lowat(UNSENT_LIMIT);
        let registry = self.poll.registry();
        match self.connections.insert(now, registry, caller) {
            Ok(()) => self.metrics.tcp_connections.inc(),
            Err(reason) => self.count_closed(reason),
        }
    }

    /// Reads what came over connections. Says whether more is waiting.
    pub(super) fn read_connections(&mut self, now: Instant) -> bool {
        for key in std::mem::take(&mut self.connections.readable) {
            match self.read_connection(now, key) {
                Ok(Left::Nothing) => {}
                Ok(Left::Something) => self.connections.readable.push(key),
                Err(reason) => self.close_connection(key, reason),
            }
        }
        self.settle(now);
        !self.connections.readable.is_empty()
    }

    fn read_connection(&mut self, now: Instant, key: ConnectionKey) -> Result<Left, Closed> {
        for _ in 0..READS_PER_TURN {
            self.take_frames(now, key)?;
            let Some(connection) = self.connections.open.get_mut(&key) else {
                return Ok(Left::Nothing);
            };
            match connection.incoming.read(&mut connection.conduit) {
                Ok(0) => return Err(Closed::ByClient),
                Ok(_) => connection.heard_at = now,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    connection.readable = false;
                    return Ok(Left::Nothing);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Closed::ByClient),
            }
        }
        Ok(Left::Something)
    }

    /// Takes the datagrams that are whole.
    fn take_frames(&mut self, now: Instant, key: ConnectionKey) -> Result<(), Closed> {
        let Some(connection) = self.connections.open.get_mut(&key) else {
            return Ok(());
        };
        let leads = connection.leads;
        // Lent to the loop, in which anything may become of the connection.
        let mut incoming = std::mem::take(&mut connection.incoming);
        let ended = loop {
            match (incoming.take(), leads) {
                (Ok(Some(datagram)), Leads::ToTransport(way)) => self.take(now, way, datagram),
                (Ok(Some(message)), Leads::ToTurn(client)) => self.heed_turn(now, client, message),
                (Ok(None), _) => break Ok(()),
                (Err(_), _) => break Err(Closed::Malformed),
            }
        };
        let Some(connection) = self.connections.open.get_mut(&key) else {
            return Ok(());
        };
        connection.incoming = incoming;
        let proven = match (connection.belongs, leads) {
            (Belongs::Unproven(_), Leads::ToTransport(way)) => self.demux.at(way).map(Belongs::To),
            (Belongs::Unproven(_), Leads::ToTurn(client)) => {
                let relaying = self.relaying.as_ref();
                let relayed = relaying.and_then(|relaying| relaying.turn.relayed(client));
                relayed.map(|_| Belongs::Allocated)
            }
            (Belongs::To(_) | Belongs::Allocated, _) => None,
        };
        let Some(proven) = proven else { return ended };
        connection.belongs = proven;
        connection.place.proven();
        if let Belongs::To(transport) = proven
            && let Some(surplus) = self.connections.surplus(transport)
        {
            self.close_connection(surplus, Closed::Replaced);
        }
        ended
    }

    /// Writes what waits for connections.
    pub(super) fn write_connections(&mut self, now: Instant) {
        let mut touched = std::mem::take(&mut self.connections.touched);
        for key in touched.drain(..) {
            let unwritten = &mut self.connections.unwritten;
            let Some(connection) = self.connections.open.get_mut(&key) else {
                continue;
            };
            connection.touched = false;
            let count = |reason| unwritten[index(reason)] += 1;
            if let Err(reason) = connection.write(now, count) {
                self.close_connection(key, reason);
            }
        }
        // Kept for its allocation; closing one touches none.
        self.connections.touched = touched;
    }

    /// Closes the connections that have had their time.
    pub(super) fn sweep_connections(&mut self, now: Instant) {
        let mut closing = Vec::new();
        for (key, connection) in &self.connections.open {
            let over = match (connection.belongs, connection.leads) {
                (Belongs::To(transport), _) => self.transports.get_mut(transport).is_none(),
                (Belongs::Allocated, Leads::ToTurn(client)) => {
                    let relaying = self.relaying.as_ref();
                    relaying.is_none_or(|relaying| relaying.turn.relayed(client).is_none())
                }
                (Belongs::Allocated, Leads::ToTransport(_)) | (Belongs::Unproven(_), _) => false,
            };
            let over = over.then_some(Closed::Over);
            closing.extend(
                over.or_else(|| connection.overdue(now))
                    .map(|it| (*key, it)),
            );
        }
        for (key, reason) in closing {
            self.close_connection(key, reason);
        }
        self.connections.count_drops(&self.metrics);
    }

    fn close_connection(&mut self, key: ConnectionKey, reason: Closed) {
        let Some(mut connection) = self.connections.open.remove(&key) else {
            return;
        };
        // Closing the socket does the same.
        let _ = self.poll.registry().deregister(connection.conduit.stream());
        let way = match connection.leads {
            Leads::ToTransport(way) => Some(way),
            Leads::ToTurn(client) => self.relaying.as_mut().and_then(|it| it.close(client)),
        };
        if let Some(way) = way
            && let Some(transport) = self.demux.lose(way)
            && let Some(slot) = self.transports.get_mut(transport)
        {
            slot.transport.lose(way);
        }
        self.metrics.tcp_connections.dec();
        self.count_closed(reason);
    }

    fn count_closed(&self, reason: Closed) {
        let closed = &self.metrics.tcp_closed;
        closed.with_label_values(&[reason.label()]).inc();
    }
}

/// The place of a reason among all of them.
fn index(reason: Unwritten) -> usize {
    let known = Unwritten::ALL.iter().position(|it| *it == reason);
    known.expect("all reasons are in the list")
}
