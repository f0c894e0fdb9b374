//! One shard: a thread with a UDP socket, its transports and its rooms, and the only
//! clock the media path reads. It routes between them and keeps the order; deciding
//! is left to `sfu` and `transport`.

mod carrying;
mod demux;
mod inbox;
mod member;
mod membership;
mod negotiating;
mod reacting;
mod socket;
mod timers;
mod transports;

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use media::ParticipantId;
use rustc_hash::FxHashMap;
use sfu::{DropCounts, DropReason, LeaveReason, Room, TransportKey};
use tracing::warn;

use crate::directory::Place;
use crate::metrics::Metrics;
pub(crate) use inbox::{Arrival, OUTBOX_LEN, ShardInbox, ToShard, ToSignal, Wish};

use demux::Demux;
use member::Member;
use socket::{DATAGRAM_LEN, Socket};
use timers::Timers;
use transports::{Sending, Transports, Wire, guarded};

/// One room on its shard; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct RoomKey(u64);

/// A shard before it runs, and while it runs.
#[derive(Debug)]
pub(crate) struct Shard {
    poll: mio::Poll,
    socket: Socket,
    inbox: mpsc::Receiver<ToShard>,
    advertised: Vec<SocketAddr>,
    identity: Arc<transport::Identity>,
    metrics: Metrics,
    rooms: FxHashMap<RoomKey, OpenRoom>,
    names: FxHashMap<Arc<str>, RoomKey>,
    next_room: u64,
    members: FxHashMap<ParticipantId, Member>,
    transports: Transports,
    demux: Demux,
    timers: Timers<Timer>,
    dirty_rooms: Vec<RoomKey>,
    dirty_members: Vec<ParticipantId>,
    stopping: bool,
}

#[derive(Debug)]
struct OpenRoom {
    room: Room,
    /// What it left out so far and the node knows of.
    counted: DropCounts,
    name: Arc<str>,
    _place: Place,
}

impl OpenRoom {
    /// Adds what it left out since the last time to the node's counters.
    fn count_drops(&mut self, metrics: &Metrics) {
        let drops = self.room.packet_drops();
        for reason in DropReason::ALL {
            let new = drops.of(reason) - self.counted.of(reason);
            if new > 0 {
                metrics
                    .packets_dropped
                    .with_label_values(&[reason.label()])
                    .inc_by(new);
            }
        }
        self.counted = drops;
    }
}

/// Who set a deadline.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Timer {
    Transport(u32),
    Room(RoomKey),
    Negotiation(ParticipantId),
    /// Counters of transports go into the node's.
    Count,
}

const SOCKET: mio::Token = mio::Token(0);
const WAKER: mio::Token = mio::Token(1);

/// After this many datagrams timers and signalling get their turn.
const DATAGRAMS_PER_TURN: usize = 256;

/// Shorter than any scrape interval.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// After this many messages the media gets its turn.
const MESSAGES_PER_TURN: usize = 256;

impl Shard {
    /// Binds `address`; clients are told to send to `advertised`.
    pub(crate) fn new(
        address: SocketAddr,
        advertised: Vec<SocketAddr>,
        identity: Arc<transport::Identity>,
        metrics: Metrics,
    ) -> std::io::Result<(Self, ShardInbox)> {
        let poll = mio::Poll::new()?;
        let mut socket = Socket::bind(address, metrics.clone())?;
        poll.registry()
            .register(socket.source(), SOCKET, mio::Interest::READABLE)?;
        let (handle, inbox) = ShardInbox::new(mio::Waker::new(poll.registry(), WAKER)?);
        let shard = Self {
            poll,
            socket,
            inbox,
            advertised,
            identity,
            metrics,
            rooms: FxHashMap::default(),
            names: FxHashMap::default(),
            next_room: 0,
            members: FxHashMap::default(),
            transports: Transports::default(),
            demux: Demux::default(),
            timers: Timers::default(),
            dirty_rooms: Vec::new(),
            dirty_members: Vec::new(),
            stopping: false,
        };
        Ok((shard, handle))
    }

    /// Until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = mio::Events::with_capacity(16);
        self.timers.set(Timer::Count, Some(Instant::now()));
        let mut more = false;
        while !self.stopping {
            let wait = match (more, self.timers.next()) {
                (true, _) => Some(Duration::ZERO),
                (false, next) => next.map(|at| at.saturating_duration_since(Instant::now())),
            };
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                warn!(%error, "cannot wait for the socket");
            }
            let now = Instant::now();
            more = self.turn(now);
        }
    }

    /// One round: media, timers, signalling. Says whether more is waiting.
    fn turn(&mut self, now: Instant) -> bool {
        let more_datagrams = self.receive(now);
        while let Some(timer) = self.timers.pop(now) {
            self.fire(now, timer);
        }
        self.settle(now);
        let more_messages = self.read_inbox(now);
        more_datagrams || more_messages
    }

    fn receive(&mut self, now: Instant) -> bool {
        let mut buffer = [0; DATAGRAM_LEN];
        for _ in 0..DATAGRAMS_PER_TURN {
            let Some((len, from)) = self.socket.receive(&mut buffer) else {
                return false;
            };
            self.metrics.datagrams_received.inc();
            self.metrics.bytes_received.inc_by(len as u64);
            self.handle_datagram(now, from, &mut buffer[..len]);
            self.settle(now);
        }
        true
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) {
        let Some(key) = self.demux.find(from, bytes) else {
            self.metrics
                .datagrams_dropped
                .with_label_values(&["unknown_source"])
                .inc();
            return;
        };
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        let (owner, room) = (slot.owner, slot.room);
        let transport = &mut slot.transport;
        let handled = guarded(&self.metrics, || {
            transport.handle_datagram(now, from, bytes)
        });
        let Some(incoming) = handled else {
            self.part(now, owner, LeaveReason::ConnectionTimeout);
            return;
        };
        if let Some(incoming) = incoming
            && let Some(track) = slot.origin(incoming.mid)
            && let Some(open) = self.rooms.get_mut(&room)
        {
            self.metrics.packets_received.inc();
            let mut wire = Wire {
                transports: &mut self.transports,
                socket: &mut self.socket,
                metrics: &self.metrics,
            };
            open.room
                .handle_packet(now, track, &incoming.packet, &mut wire);
            self.dirty_rooms.push(room);
        } else if !self.demux.knows(from, key)
            && self
                .transports
                .get_mut(key)
                .is_some_and(|slot| slot.transport.is_validated(from))
        {
            self.demux.learn(from, key);
        }
        self.transports.touch(key);
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Transport(key) => {
                let key = TransportKey(key);
                if let Some(slot) = self.transports.get_mut(key) {
                    let owner = slot.owner;
                    let transport = &mut slot.transport;
                    if guarded(&self.metrics, || transport.handle_timeout(now)).is_none() {
                        self.part(now, owner, LeaveReason::ConnectionTimeout);
                    }
                    self.transports.touch(key);
                }
            }
            Timer::Room(key) => {
                self.with_room(key, |room, wire| room.handle_timeout(now, wire));
            }
            Timer::Count => {
                self.transports.count_drops(&self.metrics);
                for open in self.rooms.values_mut() {
                    open.count_drops(&self.metrics);
                }
                self.timers.set(Timer::Count, Some(now + COUNT_INTERVAL));
            }
            Timer::Negotiation(participant) => {
                if self
                    .members
                    .get(&participant)
                    .is_some_and(|member| member.is_silent(now))
                {
                    self.part(now, participant, LeaveReason::StateMismatch);
                } else {
                    self.dirty_members.push(participant);
                }
            }
        }
    }

    fn read_inbox(&mut self, now: Instant) -> bool {
        for _ in 0..MESSAGES_PER_TURN {
            match self.inbox.try_recv() {
                Ok(ToShard::Join(arrival)) => self.join(now, *arrival),
                Ok(ToShard::Wish { participant, wish }) => self.grant(now, participant, *wish),
                Ok(ToShard::Stop) => self.stop(now),
                Err(mpsc::TryRecvError::Empty) => return false,
                Err(mpsc::TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return false;
                }
            }
            self.settle(now);
        }
        true
    }

    fn stop(&mut self, now: Instant) {
        for key in self.rooms.keys().copied().collect::<Vec<_>>() {
            self.with_room(key, |room, _| room.close(now, LeaveReason::ServerShutdown));
        }
        self.settle(now);
        self.stopping = true;
    }

    /// Lets transports, rooms and negotiations have their say until all are quiet.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(key) = self.transports.next_dirty() {
                self.settle_transport(now, key);
            } else if let Some(key) = self.dirty_rooms.pop() {
                self.settle_room(now, key);
            } else if let Some(participant) = self.dirty_members.pop() {
                self.settle_negotiation(now, participant);
            } else {
                return;
            }
        }
    }

    fn settle_transport(&mut self, now: Instant, key: TransportKey) {
        loop {
            let Some(slot) = self.transports.get_mut(key) else {
                return;
            };
            let owner = slot.owner;
            let transport = &mut slot.transport;
            match guarded(&self.metrics, || transport.poll(now)) {
                Some(Some(transport::Output::Transmit { to, bytes })) => {
                    self.socket.send(to, &bytes);
                }
                Some(Some(transport::Output::Event(event))) => self.react(now, key, owner, event),
                Some(None) => {
                    self.timers
                        .set(Timer::Transport(key.0), transport.deadline());
                    return;
                }
                None => return self.part(now, owner, LeaveReason::ConnectionTimeout),
            }
        }
    }

    fn settle_room(&mut self, now: Instant, key: RoomKey) {
        while let Some(open) = self.rooms.get_mut(&key) {
            match open.room.poll() {
                Some(output) => self.carry_out(now, output),
                None if open.room.is_over(now) => self.close_room(key),
                None => {
                    let deadline = open.room.deadline();
                    self.timers.set(Timer::Room(key), deadline);
                    return;
                }
            }
        }
    }

    fn settle_negotiation(&mut self, now: Instant, participant: ParticipantId) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let told = member.negotiate(now, &mut self.transports);
        let deadline = member.deadline();
        self.timers.set(Timer::Negotiation(participant), deadline);
        if told.is_err() {
            self.part(now, participant, LeaveReason::SignalClosed);
        }
    }

    fn sending(&mut self, key: TransportKey, sender: transport::SenderId) -> Option<Sending> {
        self.transports.get_mut(key)?.sinks.get(&sender).copied()
    }

    /// Works with a room and the way out of it, and lets the room have its say later.
    fn with_room<T>(
        &mut self,
        key: RoomKey,
        work: impl FnOnce(&mut Room, &mut Wire<'_>) -> T,
    ) -> Option<T> {
        let open = self.rooms.get_mut(&key)?;
        let mut wire = Wire {
            transports: &mut self.transports,
            socket: &mut self.socket,
            metrics: &self.metrics,
        };
        let done = work(&mut open.room, &mut wire);
        self.dirty_rooms.push(key);
        Some(done)
    }
}
