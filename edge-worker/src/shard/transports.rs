//! The transports of one shard, and the way media takes from a room to them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use batch::{Socket, Trains};
use media::{Bitrate, Layer, Mid, Outgoing, ParticipantId, Rtcp, Ssrc, TrackId};
use rustc_hash::FxHashMap;
use sfu::{
    Admission, Carried, LinkKey, Outlet, Pacer, SenderKey, Sink, SubscriptionKey, TrackKey,
    TransportKey,
};
use transport::{Drops, SenderId, Transport, Way};

use super::RoomKey;
use super::connections::{Connections, Queued};
use super::effort::Effort;
use super::linking::Links;
use super::queue::{Exit, Payload, SendQueue, Time, Urgency};
use super::turning::Relaying;
use super::usage::Meter;
use crate::metrics::{Metrics, Tally};

/// One transport and whose it is.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) transport: Transport,
    pub(super) owner: ParticipantId,
    pub(super) room: RoomKey,
    /// Its ICE user fragments, as the demux knows them: more than one while ICE restarts.
    pub(super) ufrags: Vec<String>,
    /// Tracks received on it.
    pub(super) origins: Vec<(Mid, TrackKey)>,
    /// Subscriptions sent on it.
    pub(super) sinks: FxHashMap<SenderId, Sending>,
    /// Something may be waiting in it.
    dirty: bool,
    /// What it dropped so far and the node knows of.
    counted: Drops,
    pub(super) meter: Meter,
}

/// One subscription on its transport.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) subscription: SubscriptionKey,
    pub(super) track: TrackId,
    pub(super) ssrc: Ssrc,
}

impl Slot {
    /// The track received on m-line `mid`.
    pub(super) fn origin(&self, mid: Mid) -> Option<TrackKey> {
        self.origins
            .iter()
            .find(|(known, _)| *known == mid)
            .map(|(_, track)| *track)
    }

    /// From now on `track` is received on m-line `mid`.
    pub(super) fn receive(&mut self, mid: Mid, track: TrackKey) {
        self.origins.retain(|(known, _)| *known != mid);
        self.origins.push((mid, track));
    }

    /// Adds what it dropped since the last time to the node's counters.
    pub(super) fn count_drops(&mut self, metrics: &Metrics) {
        let drops = self.transport.drops();
        if drops.total() == self.counted.total() {
            return;
        }
        for (reason, count) in drops.iter() {
            let new = count - self.counted.of(reason);
            if new > 0 {
                metrics
                    .datagrams_dropped
                    .with_label_values(&[reason.label()])
                    .inc_by(new);
            }
        }
        self.counted = drops.clone();
    }
}

/// The transports of one shard, by key. A key is never used twice.
#[derive(Debug, Default)]
pub(super) struct Transports {
    slots: Vec<Option<Box<Slot>>>,
    /// Apart from the rest: looked at for every packet.
    pacers: Vec<Option<Box<Pacer>>>,
    /// By pacers that are gone and were not counted.
    refused: u64,
    generations: Vec<u16>,
    free: Vec<u16>,
    dirty: Vec<TransportKey>,
}

impl Transports {
    /// Takes in a transport.
    pub(super) fn insert(
        &mut self,
        transport: Transport,
        owner: ParticipantId,
        room: RoomKey,
        ufrag: String,
    ) -> Option<TransportKey> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u16::try_from(self.slots.len()).ok()?;
                self.slots.push(None);
                self.pacers.push(None);
                self.generations.push(0);
                index
            }
        };
        let at = usize::from(index);
        let slot = Slot {
            transport,
            owner,
            room,
            ufrags: vec![ufrag],
            origins: Vec::new(),
            sinks: FxHashMap::default(),
            dirty: false,
            counted: Drops::default(),
            meter: Meter::default(),
        };
        self.slots[at] = Some(Box::new(slot));
        Some(key(self.generations[at], index))
    }

    /// Lets a transport go.
    pub(super) fn remove(&mut self, key: TransportKey) -> Option<Box<Slot>> {
        let at = self.index(key)?;
        let slot = self.slots[at].take()?;
        self.drop_pacer(at);
        self.generations[at] = self.generations[at].wrapping_add(1);
        self.free.push(at as u16);
        Some(slot)
    }

    /// How many places there are, empty ones included.
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }

    /// Who has a place, if anybody has.
    pub(super) fn key_at(&self, place: usize) -> Option<TransportKey> {
        self.slots.get(place)?.as_ref()?;
        Some(key(self.generations[place], place as u16))
    }

    /// The transport `key`, if it is still there.
    pub(super) fn get_mut(&mut self, key: TransportKey) -> Option<&mut Slot> {
        let at = self.index(key)?;
        self.slots[at].as_deref_mut()
    }

    /// What keeps bursts from the link of `key`, if that is a thin one.
    pub(super) fn pacer(&mut self, key: TransportKey) -> Option<&mut Pacer> {
        let at = self.index(key)?;
        self.pacers[at].as_deref_mut()
    }

    /// How long a picture would wait for the link of `key`.
    pub(super) fn backlog(&self, key: TransportKey) -> Duration {
        let pacer = self.index(key).and_then(|at| self.pacers[at].as_ref());
        pacer.map_or(Duration::ZERO, |pacer| pacer.backlog())
    }

    /// The link of `key` is believed to carry `estimate`.
    pub(super) fn pace(&mut self, now: Instant, key: TransportKey, estimate: Bitrate) {
        let Some(at) = self.index(key) else { return };
        match &mut self.pacers[at] {
            Some(pacer) => {
                if pacer.set_estimate(now, estimate) {
                    self.drop_pacer(at);
                }
            }
            pacer => *pacer = Pacer::new(now, estimate).map(Box::new),
        }
    }

    /// What it refused is still to be counted.
    fn drop_pacer(&mut self, at: usize) {
        if let Some(mut pacer) = self.pacers[at].take() {
            self.refused += pacer.take_refusals();
        }
    }

    /// When `key` has something to do.
    pub(super) fn deadline(&self, key: TransportKey) -> Option<Instant> {
        let at = self.index(key)?;
        let paced = self.pacers[at].as_ref().and_then(|pacer| pacer.deadline());
        let own = self.slots[at]
            .as_ref()
            .and_then(|slot| slot.transport.deadline());
        own.into_iter().chain(paced).min()
    }

    /// Marks a transport as having something to say.
    pub(super) fn touch(&mut self, key: TransportKey) {
        let Some(at) = self.index(key) else { return };
        let Some(slot) = self.slots[at].as_deref_mut() else {
            return;
        };
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Takes one transport that may have something to say.
    pub(super) fn next_dirty(&mut self) -> Option<TransportKey> {
        let key = self.dirty.pop()?;
        if let Some(slot) = self.get_mut(key) {
            slot.dirty = false;
        }
        Some(key)
    }

    /// Adds what all of them dropped since the last time to the node's counters.
    pub(super) fn count_drops(&mut self, metrics: &Metrics) {
        for slot in self.slots.iter_mut().flatten() {
            slot.count_drops(metrics);
        }
        let pacers = self.pacers.iter_mut().flatten();
        let refused: u64 = pacers.map(|pacer| pacer.take_refusals()).sum();
        metrics
            .packets_dropped
            .with_label_values(&["too_late_for_link"])
            .inc_by(refused + std::mem::take(&mut self.refused));
    }

    fn index(&self, key: TransportKey) -> Option<usize> {
        let at = usize::from(place(key));
        (self.generations.get(at) == Some(&((key.0 >> 16) as u16))).then_some(at)
    }
}

/// Runs `work` on a connection so that a bug in it ends that connection only.
pub(super) fn guarded<T>(metrics: &Metrics, work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(_) => {
            metrics.connection_panics.inc();
            None
        }
    }
}

/// Of the transport that has this place for the so-many-th time.
fn key(generation: u16, place: u16) -> TransportKey {
    TransportKey(u32::from(generation) << 16 | u32::from(place))
}

/// The place of a transport among those of its shard; another one may have it later.
pub(super) fn place(key: TransportKey) -> u16 {
    key.0 as u16
}

/// Carries a room's media into the queue.
pub(super) struct Wire<'a> {
    pub(super) now: Instant,
    pub(super) transports: &'a mut Transports,
    pub(super) links: &'a mut Links,
    pub(super) queue: &'a mut SendQueue,
    /// Of the packet that the room was given.
    pub(super) payload: Payload<'a>,
}

impl Outlet for Wire<'_> {
    fn packet(&mut self, sink: Sink, packet: &Outgoing<'_>) {
        if let Some(pacer) = self.transports.pacer(sink.transport) {
            match pacer.admit(self.now, sink, packet) {
                Admission::Now => {}
                Admission::Later => return self.transports.touch(sink.transport),
                Admission::Refused => return,
            }
        }
        self.queue.packet(self.now, sink, packet, &mut self.payload);
    }

    fn backlog(&self, transport: TransportKey) -> Duration {
        self.transports.backlog(transport)
    }

    fn rtcp(&mut self, transport: TransportKey, rtcp: Rtcp) {
        let Some(slot) = self.transports.get_mut(transport) else {
            return;
        };
        slot.transport.send_rtcp(rtcp);
        self.transports.touch(transport);
    }

    fn carry(&mut self, link: LinkKey, track: TrackKey, layer: Layer, media: Carried<'_>) {
        self.links.carry(link, track, layer, media);
    }

    fn ask(&mut self, link: LinkKey, track: TrackKey, layer: Layer) {
        self.links.ask(link, track, layer);
    }
}

/// Carries what waited in the queue to its transports, and from there to the socket.
pub(super) struct WayOut<'a> {
    pub(super) now: Instant,
    pub(super) transports: &'a mut Transports,
    pub(super) socket: &'a Socket,
    pub(super) connections: &'a mut Connections,
    /// To those who come through the shard's TURN server.
    pub(super) relaying: Option<&'a mut Relaying>,
    pub(super) tally: &'a mut Tally,
    pub(super) metrics: &'a Metrics,
    /// Whose transports our own code failed on.
    pub(super) failed: &'a mut Vec<ParticipantId>,
    /// What this takes so far, and how much it may.
    pub(super) effort: Effort,
    pub(super) limit: Duration,
}

impl Exit for WayOut<'_> {
    fn seal(&mut self, sink: Sink, packet: &Outgoing<'_>, slab: &mut Vec<u8>) -> Option<Way> {
        let slot = self.transports.get_mut(sink.transport)?;
        let sender = SenderId(sink.sender.0);
        let transport = &mut slot.transport;
        let start = slab.len();
        match guarded(self.metrics, || {
            transport.seal(self.now, sender, packet, slab)
        }) {
            Some(Ok(to)) => {
                slot.meter.sent(to, slab.len() - start);
                self.tally.packets_forwarded += 1;
                Some(to)
            }
            Some(Err(_)) => {
                self.tally.unsealed += 1;
                None
            }
            None => {
                self.failed.push(slot.owner);
                None
            }
        }
    }

    fn send(&mut self, slab: &[u8], trains: &mut Trains) -> Time {
        if !trains.is_empty() {
            let tally = &mut *self.tally;
            trains.lengths().for_each(|length| tally.train(length));
            tally.sent += trains.send(self.socket, slab);
        }
        if let Some(relaying) = &mut self.relaying {
            relaying.send(self.socket, self.tally);
        }
        if self.effort.spent() < self.limit {
            Time::Left
        } else {
            Time::Up
        }
    }

    fn carry(&mut self, way: Way, urgency: Urgency, datagram: &[u8]) {
        match way {
            // The trains take it.
            Way::Udp(_) => return,
            Way::Tcp(key, _) => match self.connections.send(self.now, key, urgency, datagram) {
                Queued::Yes => {}
                Queued::No => return,
            },
            Way::Relayed(address) => {
                let Some(relaying) = &mut self.relaying else {
                    return;
                };
                let connections = &mut *self.connections;
                match relaying.wrap(self.now, address, urgency, datagram, connections) {
                    Ok(Queued::Yes) => {}
                    Ok(Queued::No) => return,
                    Err(reason) => return self.metrics.turn_dropped(reason),
                }
            }
        }
        self.tally.sent.datagrams += 1;
        self.tally.sent.bytes += datagram.len() as u64;
    }

    fn late(&mut self) {
        self.tally.late += 1;
    }
}

/// The room's name for an m-line of ours.
pub(super) fn sink(transport: TransportKey, sender: SenderId) -> Sink {
    Sink {
        transport,
        sender: SenderKey(sender.0),
    }
}
