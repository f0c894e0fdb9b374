//! One shard: a thread with a UDP socket, its transports and its rooms, and the only
//! clock the media path reads. It routes between them and keeps the order; deciding
//! is left to `sfu` and `transport`.

mod demux;
mod inbox;
mod member;
mod socket;
mod timers;
mod transports;

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use livekit::data;
use livekit::join::Mode;
use media::{ParticipantId, Ssrc};
use rustc_hash::FxHashMap;
use sfu::{
    Binding, Destinations, Identity, LeaveReason, Message, OfferedSection, Opening, Output,
    Reliability, Room, SubscriptionKey, TransportKey,
};
use tracing::{debug, info, warn};
use transport::sdp::Description;
use transport::{Channel, Channels, Event, IceCredentials, Negotiator, Sender, Setup, Transport};

use crate::directory::Place;
use crate::ids;
use crate::metrics::Metrics;
pub use inbox::{Arrival, OUTBOX_LEN, ShardInbox, ToShard, ToSignal, Wish};

use demux::Demux;
use member::{Member, placed_tracks};
use socket::{DATAGRAM_LEN, Socket};
use timers::Timers;
use transports::{Sending, Transports, Wire, guarded, sink};

/// One room on its shard; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct RoomKey(u64);

/// A shard before it runs, and while it runs.
#[derive(Debug)]
pub struct Shard {
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
    name: Arc<str>,
    _place: Place,
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

/// Random characters of an ICE user fragment and password: RFC 8445 wants at least
/// 24 and 128 bits.
const UFRAG_LEN: usize = 12;
const PASSWORD_LEN: usize = 32;

impl Shard {
    /// Binds `address`; clients are told to send to `advertised`.
    pub fn new(
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
    #[expect(clippy::disallowed_methods, reason = "the one clock of the media path")]
    pub fn run(mut self) {
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
                Ok(ToShard::Wish { participant, wish }) => self.grant(now, participant, wish),
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

    /// What a transport has to say.
    fn react(&mut self, now: Instant, key: TransportKey, owner: ParticipantId, event: Event) {
        let Some(member) = self.members.get(&owner) else {
            return;
        };
        let (room, primary) = (member.room, member.primary);
        match event {
            Event::Connected => {
                debug!(participant = %owner, "transport is up");
                if key == primary {
                    self.with_room(room, |room, _| room.activated(now, owner));
                }
            }
            Event::Failed(reason) => {
                info!(participant = %owner, ?reason, "transport failed");
                self.part(now, owner, LeaveReason::ConnectionTimeout);
            }
            Event::AddressChanged => debug!(participant = %owner, "address changed"),
            Event::SenderReady { sender, codecs } => {
                let Some(sending) = self.sending(key, sender) else {
                    return;
                };
                let binding = Binding {
                    sink: sink(key, sender),
                    ssrc: sending.ssrc,
                    codecs,
                };
                self.with_room(room, |room, wire| {
                    room.bind(now, sending.subscription, binding, wire);
                });
            }
            Event::SenderRejected { sender } => {
                let Some(sending) = self.sending(key, sender) else {
                    return;
                };
                self.with_room(room, |room, _| room.reject(now, sending.subscription));
            }
            Event::ChannelOpen(channel) => debug!(participant = %owner, ?channel, "channel open"),
            Event::Data { channel, payload } => self.data(now, owner, room, channel, payload),
            Event::Feedback { sender, rtcp } => {
                let Some(sending) = sender.and_then(|sender| self.sending(key, sender)) else {
                    return;
                };
                self.with_room(room, |room, wire| {
                    room.handle_feedback(now, sending.subscription, &rtcp, wire);
                });
            }
            Event::Report { mid, rtcp } => {
                let track = self
                    .transports
                    .get_mut(key)
                    .and_then(|slot| slot.origin(mid));
                if let Some(track) = track {
                    self.with_room(room, |room, _| room.handle_report(now, track, &rtcp));
                }
            }
        }
    }

    /// A data message from a client.
    fn data(
        &mut self,
        now: Instant,
        from: ParticipantId,
        room: RoomKey,
        channel: Channel,
        payload: Bytes,
    ) {
        let reliability = match channel {
            Channel::Reliable => Reliability::Reliable,
            Channel::Lossy => Reliability::Lossy,
            Channel::DataTrack | Channel::Other(_) => {
                self.metrics
                    .data_dropped
                    .with_label_values(&["channel"])
                    .inc();
                return;
            }
        };
        let Some(open) = self.rooms.get_mut(&room) else {
            return;
        };
        let Some(sender) = open.room.participant(from) else {
            return;
        };
        let sender = data::Sender {
            id: sender.id,
            identity: sender.identity.clone(),
            visibility: sender.permission.visibility,
            kind: sender.kind,
        };
        match data::stamp(&payload, &sender, reliability) {
            Ok(stamped) => {
                let identities = stamped.destination_identities;
                let sids = stamped.destination_sids;
                let destinations = Destinations {
                    identities: identities
                        .into_iter()
                        .map(|name| Identity(name.into()))
                        .collect(),
                    // What is no id of ours names nobody.
                    sids: sids.iter().filter_map(|sid| sid.parse().ok()).collect(),
                };
                let payload = stamped.payload;
                let message = Message {
                    reliability,
                    destinations,
                    payload,
                };
                self.with_room(room, |room, _| room.handle_data(now, from, message));
            }
            Err(reason) => {
                self.metrics
                    .data_dropped
                    .with_label_values(&[&format!("{reason:?}")])
                    .inc();
            }
        }
    }

    /// What a room asks for.
    fn carry_out(&mut self, now: Instant, output: Output) {
        match output {
            Output::Notice { to, notice } => {
                let Some(member) = self.members.get(&to) else {
                    return;
                };
                if member.tell(ToSignal::Notice(notice)).is_err() {
                    self.part(now, to, LeaveReason::SignalClosed);
                }
            }
            Output::Data {
                to,
                reliability,
                payload,
            } => {
                let Some(member) = self.members.get(&to) else {
                    return;
                };
                let key = member.primary;
                let Some(slot) = self.transports.get_mut(key) else {
                    return;
                };
                let channel = match reliability {
                    Reliability::Reliable => Channel::Reliable,
                    Reliability::Lossy => Channel::Lossy,
                };
                if let Err(reason) = slot.transport.send_data(&channel, payload) {
                    self.metrics
                        .data_dropped
                        .with_label_values(&[&format!("{reason:?}")])
                        .inc();
                }
                self.transports.touch(key);
            }
            Output::Open(opening) => self.open(*opening),
            Output::Close {
                participant,
                subscription,
            } => self.close(participant, subscription),
            Output::Receive {
                participant,
                received,
            } => {
                let publisher = self
                    .members
                    .get(&participant)
                    .map(|member| member.publisher);
                if let Some(slot) = publisher.and_then(|key| self.transports.get_mut(key)) {
                    slot.receive(received.mid, received.track);
                }
            }
            Output::Gone { participant } => self.forget(now, participant),
        }
    }

    fn open(&mut self, opening: Opening) {
        let Some(member) = self.members.get_mut(&opening.participant) else {
            return;
        };
        let key = member.subscriber();
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        let (ssrc, rtx) = (Ssrc(rand::random()), Ssrc(rand::random()));
        let sender = slot.transport.add_sender(Sender {
            codec: opening.codec,
            stream: opening.stream,
            track: opening.track.to_string(),
            cname: opening.publisher.to_string(),
            ssrc,
            rtx,
            channels: if opening.stereo {
                Channels::Stereo
            } else {
                Channels::Mono
            },
        });
        let sending = Sending {
            subscription: opening.subscription,
            track: opening.track,
            ssrc,
        };
        slot.sinks.insert(sender, sending);
        member.opened(opening.subscription, sender);
        self.dirty_members.push(opening.participant);
    }

    fn close(&mut self, participant: ParticipantId, subscription: SubscriptionKey) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let Some(sender) = member.closed(subscription) else {
            return;
        };
        let Some(slot) = self.transports.get_mut(member.subscriber()) else {
            return;
        };
        slot.transport.remove_sender(sender);
        slot.sinks.remove(&sender);
        self.dirty_members.push(participant);
    }

    /// Lets somebody in, or says why not.
    fn join(&mut self, now: Instant, arrival: Arrival) {
        let Arrival {
            room,
            place,
            membership,
            mode,
            primary,
            commands,
            offer,
            outbox,
        } = arrival;
        let participant = membership.participant.id;
        let key = self.room(now, room, place);
        let Some(open) = self.rooms.get_mut(&key) else {
            return;
        };
        let joined = match open.room.join(now, membership) {
            Ok(joined) => joined,
            Err(refusal) => {
                self.metrics.joins.with_label_values(&["refused"]).inc();
                // The client has gone if it does not take this first message.
                let _ = outbox.try_send(ToSignal::Refused(refusal));
                return;
            }
        };
        let connected = self
            .connect(now, participant, key, mode)
            .map(|(publisher, subscriber)| {
                Member::new(participant, key, outbox, publisher, subscriber, primary)
            });
        let Some(member) = connected else {
            self.with_room(key, |room, _| {
                room.leave(now, participant, LeaveReason::JoinFailure)
            });
            return;
        };
        self.metrics.joins.with_label_values(&["joined"]).inc();
        self.metrics.participants.inc();
        let publisher = member.publisher;
        // It has just come: its queue is empty.
        let _ = member.tell(ToSignal::Joined(Box::new(joined)));
        self.members.insert(participant, member);
        self.with_room(key, |room, wire| {
            room.attach(now, participant, publisher);
            for command in commands {
                room.command(now, participant, command, wire);
            }
        });
        // What it subscribes to by joining must be known when its offer is answered.
        self.settle_room(now, key);
        if let Some((id, description)) = offer {
            self.answer(now, participant, id, &description);
        }
        self.dirty_members.push(participant);
    }

    fn connect(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        room: RoomKey,
        mode: Mode,
    ) -> Option<(TransportKey, Option<TransportKey>)> {
        let publisher = self.add_transport(now, participant, room, Negotiator::Remote)?;
        let subscriber = match mode {
            Mode::Single => None,
            Mode::Dual => Some(self.add_transport(now, participant, room, Negotiator::Local)?),
        };
        Some((publisher, subscriber))
    }

    fn add_transport(
        &mut self,
        now: Instant,
        owner: ParticipantId,
        room: RoomKey,
        negotiator: Negotiator,
    ) -> Option<TransportKey> {
        let ufrag = ids::random_text(UFRAG_LEN);
        let ice = IceCredentials {
            ufrag: ufrag.clone(),
            pwd: ids::random_text(PASSWORD_LEN),
        };
        let setup = Setup {
            identity: self.identity.clone(),
            ice,
            candidates: self.advertised.clone(),
            negotiator,
        };
        let transport = Transport::new(now, setup);
        let key = self
            .transports
            .insert(transport, owner, room, ufrag.clone())?;
        self.demux.expect(ufrag, key);
        self.transports.touch(key);
        Some(key)
    }

    fn grant(&mut self, now: Instant, participant: ParticipantId, wish: Wish) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let room = member.room;
        match wish {
            Wish::Command(command) => {
                self.with_room(room, |room, wire| {
                    room.command(now, participant, command, wire)
                });
            }
            Wish::Offer { id, description } => self.answer(now, participant, id, &description),
            Wish::Answer { id, description } => {
                match member.answered(now, id, &description, &mut self.transports) {
                    Ok(()) => self.dirty_members.push(participant),
                    Err(error) => {
                        info!(%participant, %error, "the client's answer cannot be used");
                        self.part(now, participant, LeaveReason::StateMismatch);
                    }
                }
            }
            Wish::Leave(reason) => self.part(now, participant, reason),
        }
    }

    /// Answers a client's offer, and tells its room what it sends now.
    fn answer(&mut self, now: Instant, participant: ParticipantId, id: u32, offer: &Description) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let (key, room) = (member.publisher, member.room);
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        if let Err(error) = slot.transport.apply_offer(now, offer) {
            info!(%participant, %error, "the client's offer cannot be used");
            return self.part(now, participant, LeaveReason::StateMismatch);
        }
        member.offered(slot.transport.receiving());
        let sections: Vec<_> = slot
            .transport
            .offered()
            .into_iter()
            .map(|section| OfferedSection {
                mid: section.mid,
                kind: section.kind,
                cid: section.cid,
                rids: section.rids,
                codecs: section.codecs,
            })
            .collect();
        let received = self
            .with_room(room, |room, _| room.offered(now, participant, &sections))
            .unwrap_or_default();
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        slot.origins = received
            .iter()
            .map(|received| (received.mid, received.track))
            .collect();
        for received in received {
            if let Some(codec) = received.preferred {
                slot.transport.prefer(received.mid, codec);
            }
        }
        match slot.transport.answer() {
            Ok(description) => {
                let tracks = match self.members.get(&participant).map(Member::mode) {
                    Some(Mode::Single) => placed_tracks(key, &mut self.transports),
                    Some(Mode::Dual) | None => Vec::new(),
                };
                self.transports.touch(key);
                self.tell(
                    now,
                    participant,
                    ToSignal::Answer {
                        id,
                        description,
                        tracks,
                    },
                );
                self.dirty_members.push(participant);
            }
            Err(error) => {
                info!(%participant, %error, "the client's offer cannot be answered");
                self.part(now, participant, LeaveReason::StateMismatch);
            }
        }
    }

    fn tell(&mut self, now: Instant, participant: ParticipantId, message: ToSignal) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        if member.tell(message).is_err() {
            self.part(now, participant, LeaveReason::SignalClosed);
        }
    }

    /// Somebody leaves, for whatever reason; its room tells everybody.
    fn part(&mut self, now: Instant, participant: ParticipantId, reason: LeaveReason) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        self.metrics.left(reason);
        self.with_room(member.room, |room, _| room.leave(now, participant, reason));
    }

    /// The room has let somebody go: nothing of it stays.
    fn forget(&mut self, now: Instant, participant: ParticipantId) {
        let Some(member) = self.members.remove(&participant) else {
            return;
        };
        for key in member.transports() {
            self.timers.set(Timer::Transport(key.0), None);
            if let Some(mut slot) = self.transports.remove(key) {
                self.demux.forget(&slot.ufrag, key);
                let socket = &self.socket;
                // A goodbye the client may miss: consent expiry ends it otherwise.
                guarded(&self.metrics, || {
                    slot.count_drops(&self.metrics);
                    slot.transport.close(now);
                    while let Some(output) = slot.transport.poll(now) {
                        if let transport::Output::Transmit { to, bytes } = output {
                            socket.send(to, &bytes);
                        }
                    }
                });
            }
        }
        self.timers.set(Timer::Negotiation(participant), None);
        self.metrics.participants.dec();
    }

    fn room(&mut self, now: Instant, info: sfu::RoomInfo, place: Place) -> RoomKey {
        if let Some(key) = self.names.get(&info.name) {
            return *key;
        }
        self.next_room += 1;
        let key = RoomKey(self.next_room);
        info!(room = %info.id, "room opened");
        self.metrics.rooms.inc();
        let name = info.name.clone();
        self.names.insert(name.clone(), key);
        self.rooms.insert(
            key,
            OpenRoom {
                room: Room::new(now, info),
                name,
                _place: place,
            },
        );
        key
    }

    fn close_room(&mut self, key: RoomKey) {
        let Some(open) = self.rooms.remove(&key) else {
            return;
        };
        info!(room = %open.room.info().id, "room closed");
        self.names.remove(&open.name);
        self.timers.set(Timer::Room(key), None);
        self.metrics.rooms.dec();
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
