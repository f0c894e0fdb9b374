//! One shard: a thread with a UDP socket, its transports and its rooms, and the only
//! clock the media path reads. It routes between them and keeps the order; deciding
//! is left to `sfu` and `transport`.

mod administering;
mod bandwidth;
mod carrying;
mod connections;
mod demux;
mod effort;
mod following;
mod inbox;
mod link;
mod linking;
mod load;
mod member;
mod membership;
mod moving;
mod negotiating;
mod queue;
mod reacting;
mod resuming;
mod signalling;
mod simulating;
mod spanning;
mod transports;
mod turning;
mod usage;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use batch::{Options, Received, Receiver, Socket};
use media::{Packet, ParticipantId};
use mio::unix::SourceFd;
use rustc_hash::FxHashMap;
use sfu::{DropCounts, DropReason, LeaveReason, Room, Timers, TrackKey, TransportKey};
use tracing::warn;
use transport::turn::{Carriage, Client, is_turn};
use transport::{Candidates, Way};

use crate::directory::Place;
use crate::facts::Facts;
use crate::metrics::{Metrics, Tally};
pub(crate) use administering::{Errand, Order, Pass};
pub(crate) use inbox::{
    Arrival, Broadcast, OUTBOX_LEN, Return, ShardInbox, Signal, SignalKey, ToShard, ToSignal, Wish,
};
pub(crate) use link::Destination;
pub(crate) use linking::Forwarding;
pub(crate) use load::{Load, Measured};
pub(crate) use spanning::{FarPacket, SpanMessage, Spanning};

use administering::Calls;
use connections::Connections;
use demux::Demux;
use effort::Effort;
use following::Asking;
use linking::Links;
use member::Member;
use queue::{Payload, SendQueue};
use transports::{Sending, Transports, WayOut, Wire, guarded};
use turning::Relaying;

/// One room on its shard; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct RoomKey(u64);

#[cfg(test)]
impl RoomKey {
    /// For tests of what only passes it on.
    pub(crate) const fn test(number: u64) -> Self {
        Self(number)
    }
}

/// A shard before it runs, and while it runs.
#[derive(Debug)]
pub struct Shard {
    poll: mio::Poll,
    socket: Socket,
    /// Lent to [`receive`](Self::receive) while datagrams in it are worked on.
    receiver: Option<Receiver>,
    queue: SendQueue,
    /// How long this turn has worked on it.
    flushing: Duration,
    /// How long a turn may work on it.
    longest_flushes: Duration,
    tally: Tally,
    /// Steps of handshakes that wait for their turn.
    handshakes: VecDeque<(Way, Vec<u8>)>,
    inbox: mpsc::Receiver<ToShard>,
    number: usize,
    advertised: Candidates,
    identity: Arc<transport::Identity>,
    metrics: Metrics,
    rooms: FxHashMap<RoomKey, OpenRoom>,
    names: FxHashMap<Arc<str>, RoomKey>,
    next_room: u64,
    members: FxHashMap<ParticipantId, Member>,
    transports: Transports,
    links: Links,
    connections: Connections,
    /// Its TURN server, if the node has any.
    relaying: Option<Relaying>,
    demux: Demux,
    /// Whose clients moved.
    asking: Asking,
    timers: Timers<Timer>,
    dirty_rooms: Vec<RoomKey>,
    dirty_members: Vec<ParticipantId>,
    /// The last news of participants that went to more than one.
    broadcast: Option<Arc<Broadcast>>,
    /// Of participants' methods, by the app.
    calls: Calls,
    facts: Facts,
    working: Working,
    stopping: bool,
}

/// How much the shard works, since it was measured last.
#[derive(Debug)]
struct Working {
    /// Of the shard's own thread: begun by it.
    since: Option<(Effort, Instant)>,
    load: Arc<Load>,
    counter: prometheus::Counter,
}

impl Working {
    /// Tells how much it was, and begins anew.
    fn measure(&mut self, now: Instant) {
        if let Some((effort, since)) = self.since.replace((Effort::begin(), now)) {
            let spent = effort.spent();
            self.load
                .publish(spent, now.saturating_duration_since(since));
            self.counter.inc_by(spent.as_secs_f64());
        }
    }
}

#[derive(Debug)]
struct OpenRoom {
    room: Room,
    /// What it left out so far and the node knows of.
    counted: DropCounts,
    /// The same, of profiles asked for that there are not.
    unknown_profiles: u64,
    name: Arc<str>,
    /// Keeps it on this shard.
    place: Place,
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
        let unknown = self.room.unknown_profiles();
        metrics
            .unknown_profiles
            .inc_by(unknown - self.unknown_profiles);
        self.unknown_profiles = unknown;
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

/// After this many calls for datagrams timers and signalling get their turn.
const RECEIVES_PER_TURN: usize = 8;

/// So long a turn works on sealing and sending pictures; those that are left then are
/// dropped. What came meanwhile has its turn next, so on a core of its own none is later
/// than twice this, however much is asked of the shard. Keyframes for a thousand take half
/// of it. On a core that others use everything is later, which leaving out would not mend.
const LONGEST_FLUSHES: Duration = Duration::from_millis(50);

/// Shorter than any scrape interval.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Datagrams of handshakes that may wait; clients repeat what is dropped.
const HANDSHAKES_WAITING: usize = 1_024;

/// What a datagram of STUN begins with, at most (RFC 7983).
const LAST_OF_STUN: u8 = 3;

/// After this many messages the media gets its turn.
const MESSAGES_PER_TURN: usize = 256;

impl Shard {
    /// The node's shard of this number. Binds `address`; clients are told to send to
    /// `advertised`.
    pub(crate) fn new(
        number: usize,
        address: SocketAddr,
        advertised: Candidates,
        identity: Arc<transport::Identity>,
        metrics: Metrics,
        facts: Facts,
        spanning: Option<Spanning>,
    ) -> std::io::Result<(Self, ShardInbox)> {
        let poll = mio::Poll::new()?;
        let socket = Socket::bind(address, Options::default())?;
        poll.registry().register(
            &mut SourceFd(&socket.as_raw_fd()),
            SOCKET,
            mio::Interest::READABLE,
        )?;
        let (handle, inbox) = ShardInbox::new(mio::Waker::new(poll.registry(), WAKER)?);
        let working = Working {
            since: None,
            load: Arc::clone(handle.load()),
            counter: metrics.shard_busy.with_label_values(&[&number.to_string()]),
        };
        let shard = Self {
            poll,
            receiver: Some(Receiver::new(&socket)),
            socket,
            queue: SendQueue::new(),
            flushing: Duration::ZERO,
            longest_flushes: LONGEST_FLUSHES,
            handshakes: VecDeque::new(),
            tally: Tally::new(&metrics),
            inbox,
            number,
            advertised,
            identity,
            metrics,
            rooms: FxHashMap::default(),
            names: FxHashMap::default(),
            next_room: 0,
            members: FxHashMap::default(),
            transports: Transports::default(),
            links: Links::new(spanning),
            connections: Connections::default(),
            relaying: None,
            demux: Demux::default(),
            asking: Asking::new(),
            timers: Timers::default(),
            dirty_rooms: Vec::new(),
            dirty_members: Vec::new(),
            broadcast: None,
            calls: Calls::default(),
            facts,
            working,
            stopping: false,
        };
        Ok((shard, handle))
    }

    /// Until told to stop.
    pub fn run(mut self) {
        let mut events = mio::Events::with_capacity(256);
        self.timers.set(Timer::Count, Some(Instant::now()));
        let mut more = false;
        while !self.stopping {
            let wait = if more {
                Some(Duration::ZERO)
            } else {
                self.wait(Instant::now())
            };
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                warn!(%error, "cannot wait for the socket");
            }
            for event in &events {
                self.connections.ready(event);
            }
            let now = Instant::now();
            more = self.turn(now);
        }
    }

    /// How long there is nothing to do unless something comes.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        let next = [self.timers.due_at(), self.queue.due_at()]
            .into_iter()
            .flatten()
            .min();
        next.map(|at| at.saturating_duration_since(now))
    }

    /// From now on sends everything, however long it takes: a benchmark that runs on an
    /// emulated processor counts work, not time.
    pub fn leave_nothing_out(&mut self) {
        self.longest_flushes = Duration::MAX;
    }

    /// One round: media, timers, signalling, then out with what is due. Says whether
    /// more is waiting. [`run`](Self::run) calls it with the time; benchmarks call it
    /// with a time of their own, and so need not wait for the tick.
    pub fn turn(&mut self, now: Instant) -> bool {
        self.flushing = Duration::ZERO;
        let mut more_datagrams = self.receive(now);
        more_datagrams |= self.read_connections(now);
        while let Some(timer) = self.timers.pop(now) {
            self.fire(now, timer);
        }
        self.settle(now);
        let more_messages = self.read_inbox(now);
        if self.queue.due_at().is_some_and(|at| at <= now) {
            self.flush(now);
        }
        let more_handshakes = self.shake_hands(now);
        self.write_connections(now);
        self.flush_spans();
        more_datagrams || more_messages || more_handshakes
    }

    /// Takes one handshake a step further: a hundred people who join at once cost the
    /// media of a call a millisecond each, not all together.
    fn shake_hands(&mut self, now: Instant) -> bool {
        if let Some((from, mut datagram)) = self.handshakes.pop_front() {
            self.handle_datagram(now, from, &mut datagram);
            self.settle(now);
        }
        !self.handshakes.is_empty()
    }

    /// Keeps a datagram of DTLS for later, and what follows it, so that they stay in
    /// order; of clients only that have passed ICE, as nobody else may fill the queue.
    fn keep_for_later(&mut self, from: Way, datagram: &[u8]) -> bool {
        let handshake = match datagram.first() {
            Some(20..=22) => true,
            Some(23..=63) => !self.handshakes.is_empty(),
            _ => false,
        };
        if !handshake || self.demux.find(from, datagram).is_none() {
            return false;
        }
        if self.handshakes.len() < HANDSHAKES_WAITING {
            self.handshakes.push_back((from, datagram.to_vec()));
        } else {
            self.tally.handshakes_full += 1;
        }
        true
    }

    /// Sends everything that waits.
    fn flush(&mut self, now: Instant) {
        self.tally.waited(self.queue.since(), now);
        let effort = Effort::begin();
        let mut failed = Vec::new();
        self.queue.flush(&mut WayOut {
            now,
            transports: &mut self.transports,
            socket: &self.socket,
            connections: &mut self.connections,
            relaying: self.relaying.as_mut(),
            tally: &mut self.tally,
            metrics: &self.metrics,
            failed: &mut failed,
            effort,
            limit: self.longest_flushes.saturating_sub(self.flushing),
        });
        self.flushing += effort.spent();
        for participant in failed {
            self.part(now, participant, LeaveReason::ConnectionTimeout);
        }
        self.write_connections(now);
    }

    fn receive(&mut self, now: Instant) -> bool {
        let Some(mut receiver) = self.receiver.take() else {
            return false;
        };
        let more = self.receive_into(now, &mut receiver);
        self.receiver = Some(receiver);
        more
    }

    fn receive_into(&mut self, now: Instant, receiver: &mut Receiver) -> bool {
        for _ in 0..RECEIVES_PER_TURN {
            let Ok(received) = receiver.receive(&self.socket) else {
                // Linux reports a client's closed port (ICMP) on the next call.
                self.metrics.receive_failed();
                continue;
            };
            for (from, datagram) in receiver.datagrams() {
                if is_turn(datagram) {
                    let carriage = Carriage::Datagrams;
                    let client = Client {
                        address: from,
                        carriage,
                    };
                    self.heed_turn(now, client, datagram);
                } else {
                    self.take(now, Way::Udp(from), datagram);
                }
            }
            if received != Received::Full {
                return false;
            }
        }
        true
    }

    /// Takes a datagram, whatever carried it, and does what follows of it.
    fn take(&mut self, now: Instant, from: Way, datagram: &mut [u8]) {
        self.tally.received(datagram.len());
        if self.keep_for_later(from, datagram) {
            return;
        }
        self.handle_datagram(now, from, datagram);
        self.settle(now);
        if self.queue.is_full() {
            self.flush(now);
        }
    }

    fn handle_datagram(&mut self, now: Instant, from: Way, bytes: &mut [u8]) {
        let found = self.demux.find(from, bytes);
        let Some(key) = found.or_else(|| self.follow(now, from, bytes)) else {
            self.tally.unknown_source += 1;
            return;
        };
        // Other datagrams belong to whoever has the address.
        let check = bytes.first().is_some_and(|first| *first <= LAST_OF_STUN);
        if check && self.is_taken(now, from, key) {
            self.tally.address_taken += 1;
            return;
        }
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        let (owner, room) = (slot.owner, slot.room);
        slot.meter.received(from, bytes.len());
        let transport = &mut slot.transport;
        let handled = guarded(&self.metrics, || {
            transport.handle_datagram(now, from, bytes)
        });
        let Some(incoming) = handled else {
            self.part(now, owner, LeaveReason::ConnectionTimeout);
            return;
        };
        if let Some(incoming) = incoming {
            if let Some(track) = slot.origin(incoming.mid) {
                self.tally.packets_received += 1;
                self.forward(now, room, track, &incoming.packet);
            }
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

    /// Whether another client is alive by `way`: whoever sends a check of its own in
    /// that one's name would have its packets.
    fn is_taken(&mut self, now: Instant, way: Way, key: TransportKey) -> bool {
        let Some(other) = self.demux.at(way).filter(|known| *known != key) else {
            return false;
        };
        let other = self.transports.get_mut(other);
        other.is_some_and(|slot| slot.transport.is_alive(now, way))
    }

    /// Hands a packet to its room. Whatever a packet does there, it costs that room only.
    fn forward(&mut self, now: Instant, key: RoomKey, track: TrackKey, packet: &Packet<'_>) {
        self.pass(now, key, packet.payload, |room, wire| {
            room.handle_packet(now, track, packet, wire)
        });
    }

    /// Has a room work on a packet with this payload; it answers when it is due.
    #[inline]
    fn pass(
        &mut self,
        now: Instant,
        key: RoomKey,
        payload: &[u8],
        work: impl FnOnce(&mut Room, &mut Wire<'_>) -> Option<Instant>,
    ) {
        let Some(open) = self.rooms.get_mut(&key) else {
            return;
        };
        let mut wire = Wire {
            now,
            transports: &mut self.transports,
            links: &mut self.links,
            queue: &mut self.queue,
            payload: Payload::new(payload),
        };
        let room = &mut open.room;
        let handled = guarded(&self.metrics, || {
            let deadline = work(room, &mut wire);
            (deadline, room.has_output())
        });
        match handled {
            Some((deadline, output)) => {
                if let Some(at) = deadline {
                    self.timers.bring_forward(Timer::Room(key), at);
                }
                if output {
                    self.dirty_rooms.push(key);
                }
            }
            None => self.abandon(now, key),
        }
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
                    self.release(now, key);
                }
            }
            Timer::Room(key) => {
                self.with_room(now, key, |room, wire| room.handle_timeout(now, wire));
            }
            Timer::Count => {
                self.working.measure(now);
                if let Some(receiver) = &self.receiver {
                    self.tally.cut(receiver.counts().cut);
                }
                self.tally.report(&self.metrics);
                self.transports.count_drops(&self.metrics);
                for open in self.rooms.values_mut() {
                    open.count_drops(&self.metrics);
                }
                self.metrics
                    .packets_dropped
                    .with_label_values(&["link_full"])
                    .inc_by(self.links.take_dropped());
                self.links.retry();
                self.sweep_connections(now);
                if let Some(relaying) = &mut self.relaying {
                    relaying.tidy(now, &self.metrics);
                }
                self.tell_usage(now);
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
                Ok(ToShard::Join(arrival)) => {
                    let participant = arrival.membership.participant.id;
                    self.on_behalf(now, participant, |shard| shard.join(now, *arrival));
                }
                Ok(ToShard::Call(caller)) => self.admit(now, *caller),
                Ok(ToShard::Resume(coming_back)) => self.resume(now, *coming_back),
                Ok(ToShard::Wish {
                    participant,
                    signal,
                    wish,
                }) => {
                    self.on_behalf(now, participant, |shard| {
                        shard.grant(now, participant, signal, *wish);
                    });
                }
                Ok(ToShard::Administer(errand)) => self.administer(now, *errand),
                Ok(ToShard::Forward(forwarding)) => self.forward_participant(now, *forwarding),
                Ok(ToShard::Extend(extension)) => self.appear(now, *extension),
                Ok(ToShard::Link { link, message }) => self.heed_link(now, link, message),
                Ok(ToShard::Span(room, message)) => self.heed_span(now, room, *message),
                Ok(ToShard::FarMedia(packets)) => self.hear_from_afar(now, packets),
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

    /// Works on what a client said, descriptions of its connections included: should our
    /// own code fail on it, that client alone has to join again.
    fn on_behalf(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        work: impl FnOnce(&mut Self),
    ) {
        if catch_unwind(AssertUnwindSafe(|| work(&mut *self))).is_err() {
            self.metrics.connection_panics.inc();
            self.part(now, participant, LeaveReason::StateMismatch);
        }
    }

    fn stop(&mut self, now: Instant) {
        for key in self.rooms.keys().copied().collect::<Vec<_>>() {
            self.with_room(now, key, |room, _| {
                room.close(now, LeaveReason::ServerShutdown)
            });
        }
        self.settle(now);
        self.flush(now);
        self.tally.report(&self.metrics);
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
                    slot.meter.sent(to, bytes.len());
                    self.queue.push(now, key, to, &bytes);
                }
                Some(Some(transport::Output::Event(event))) => self.react(now, key, owner, event),
                Some(None) => {
                    self.timers
                        .set(Timer::Transport(key.0), self.transports.deadline(key));
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
            self.lose_signal(now, participant);
        }
    }

    fn sending(&mut self, key: TransportKey, sender: transport::SenderId) -> Option<Sending> {
        self.transports.get_mut(key)?.sinks.get(&sender).copied()
    }

    /// Works with a room and the way out of it, and lets the room have its say later.
    fn with_room<T>(
        &mut self,
        now: Instant,
        key: RoomKey,
        work: impl FnOnce(&mut Room, &mut Wire<'_>) -> T,
    ) -> Option<T> {
        let open = self.rooms.get_mut(&key)?;
        let mut wire = Wire {
            now,
            transports: &mut self.transports,
            links: &mut self.links,
            queue: &mut self.queue,
            payload: Payload::new(&[]),
        };
        let done = guarded(&self.metrics, || work(&mut open.room, &mut wire));
        match done {
            Some(_) => self.dirty_rooms.push(key),
            None => self.abandon(now, key),
        }
        done
    }
}
