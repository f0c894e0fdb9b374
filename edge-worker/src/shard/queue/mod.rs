//! What a shard sends next, lined up by transport: packets that rooms produced, their
//! payload once for all who get it, and datagrams that are complete.
//!
//! The kernel's price is per train, not per datagram, so the queue is flushed on a
//! [`tick`]: the longer packets wait for company, the cheaper they travel. They are
//! sealed only then, one transport after the other, so that its keys are fetched once,
//! and they are sent while they are still in the cache. Sealing is left to the [`Exit`],
//! sending to [`batch`].

mod order;
mod tick;

use std::time::Instant;

use batch::Trains;
use media::{Codec, Delivery, MediaKind, Outgoing, SeqNo, Timestamp};
use sfu::{Sink, TransportKey};
use transport::Way;

use super::transports::place;
use order::{Place, Stream, arrange};
use tick::{Load, Tick};

/// Flushed at once beyond this: a keyframe for two hundred subscribers.
const MOST_BYTES: usize = 8 << 20;

/// So much is sealed before it is sent: many trains for one system call, and still in the
/// cache when the kernel copies it.
const SLAB_LEN: usize = 256 << 10;

/// Nothing follows.
const NONE: u32 = u32::MAX;

/// Where what waits goes when it is time.
pub(super) trait Exit {
    /// Appends a packet to `slab` as it goes on the wire, and answers where to; `None` if
    /// it can't be sent, and then whatever was appended is void.
    fn seal(&mut self, sink: Sink, packet: &Outgoing<'_>, slab: &mut Vec<u8>) -> Option<Way>;

    /// Sends the trains, which lie in `slab`, and leaves none. Says whether there is time
    /// for more pictures.
    fn send(&mut self, slab: &[u8], trains: &mut Trains) -> Time;

    /// Sends one datagram over a connection, which knows no trains.
    fn carry(&mut self, way: Way, urgency: Urgency, datagram: &[u8]);

    /// Hears that a packet was left out because there was no time for it.
    fn late(&mut self);
}

/// What suffers last where a way is too narrow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Urgency {
    /// Checks, handshakes, reports, data.
    Control,
    /// Somebody speaks.
    Sound,
    /// Pictures, and what only finds out how much a way carries.
    Picture,
}

impl Urgency {
    /// All, the most urgent first.
    pub(super) const ALL: [Self; 3] = [Self::Control, Self::Sound, Self::Picture];
}

/// Whether what waits can still be sent before it is too old.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Time {
    /// It can.
    Left,
    /// Not all of it: sound still goes, pictures don't.
    Up,
}

/// Datagrams on their way out.
#[derive(Debug)]
pub(super) struct SendQueue {
    /// Payloads of packets, and datagrams that are complete.
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
    /// Of the complete datagrams.
    ways: Vec<Way>,
    /// How long all will be, about.
    len: usize,
    /// By transport.
    lines: Vec<Line>,
    /// Those that are not empty, in the order in which they began.
    busy: Vec<u16>,
    since: Option<Instant>,
    tick: Tick,
    /// Kept for their allocations.
    line: Vec<Place>,
    slab: Vec<u8>,
    trains: Trains,
}

/// One datagram, or what becomes one.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    at: u32,
    len: u32,
    /// The next one for the same transport.
    next: u32,
    shape: Shape,
}

/// What the bytes are.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A whole datagram.
    Datagram(Leaving),
    /// A payload, or what follows the subscriber's own beginning of it.
    Packet(Sink, Heading),
}

/// Which of the queue's ways a datagram leaves by: a way is longer than a packet's heading.
#[derive(Clone, Copy, Debug)]
struct Leaving(u32);

/// What of a packet is the subscriber's own.
#[derive(Clone, Copy, Debug)]
struct Heading {
    timestamp: Timestamp,
    seq: SeqNo,
    marker: bool,
    delivery: Delivery,
    codec: Codec,
    dependencies: u8,
    repeats: u8,
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Heading {
    /// Of a payload descriptor with new numbers; longer ones are kept with the payload.
    const MAX_LEN: usize = 8;

    fn is_picture(&self) -> bool {
        self.codec.kind() == MediaKind::Video
    }

    fn packet<'a>(&'a self, body: &'a [u8], padding: u8) -> Outgoing<'a> {
        Outgoing {
            seq: self.seq,
            timestamp: self.timestamp,
            marker: self.marker,
            delivery: self.delivery,
            codec: self.codec,
            head: &self.bytes[..usize::from(self.len)],
            body,
            padding,
            dependencies: self.dependencies,
            repeats: self.repeats,
        }
    }
}

impl Shape {
    fn urgency(&self, datagram: &[u8]) -> Urgency {
        match self {
            Self::Packet(_, heading) if heading.is_picture() => Urgency::Picture,
            Self::Packet(..) => Urgency::Sound,
            Self::Datagram(_) => match *datagram {
                // RTP that is complete already is padding (RFC 7983, RFC 5761).
                [128..=191, 0..=191 | 224..=255, ..] => Urgency::Picture,
                _ => Urgency::Control,
            },
        }
    }
}

impl Waiting {
    fn place(&self, waiting: u32) -> Place {
        let (len, stream) = match &self.shape {
            Shape::Datagram(_) => (self.len, Stream::Own),
            Shape::Packet(sink, heading) => {
                let original = heading.delivery == Delivery::Original;
                let stream = if original && heading.is_picture() {
                    Stream::Pictures(*sink)
                } else {
                    Stream::Other(*sink)
                };
                (self.len + u32::from(heading.len), stream)
            }
        };
        Place {
            waiting,
            len,
            padding: 0,
            stream,
        }
    }
}

/// What waits for one transport.
#[derive(Clone, Copy, Debug)]
struct Line {
    first: u32,
    last: u32,
}

impl Line {
    const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
    };
}

/// The payload of the packet that is being forwarded. It is kept once, when the first
/// subscriber gets it; the queue is not flushed meanwhile.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    bytes: &'a [u8],
    kept_at: Option<usize>,
}

impl<'a> Payload<'a> {
    /// Nobody got it yet.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let kept_at = None;
        Self { bytes, kept_at }
    }

    /// Where `part` is in it; `None` if it lies elsewhere.
    fn find(&self, part: &[u8]) -> Option<usize> {
        let (all, part) = (self.bytes.as_ptr_range(), part.as_ptr_range());
        let inside = all.start <= part.start && part.end <= all.end;
        inside.then(|| part.start as usize - all.start as usize)
    }
}

impl SendQueue {
    /// Nothing to send.
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            waiting: Vec::new(),
            ways: Vec::new(),
            len: 0,
            lines: Vec::new(),
            busy: Vec::new(),
            since: None,
            tick: Tick::default(),
            line: Vec::new(),
            slab: Vec::with_capacity(2 * SLAB_LEN),
            trains: Trains::new(),
        }
    }

    /// Queues a packet, to be sealed when it is time. If its body is part of `payload`,
    /// that is kept but once.
    pub(super) fn packet(
        &mut self,
        now: Instant,
        sink: Sink,
        packet: &Outgoing<'_>,
        payload: &mut Payload<'_>,
    ) {
        let mut heading = Heading {
            timestamp: packet.timestamp,
            seq: packet.seq,
            marker: packet.marker,
            delivery: packet.delivery,
            codec: packet.codec,
            dependencies: packet.dependencies,
            repeats: packet.repeats,
            len: packet.head.len() as u8,
            bytes: [0; Heading::MAX_LEN],
        };
        let mut len = packet.body.len();
        let at = if let Some(head) = heading.bytes.get_mut(..packet.head.len()) {
            head.copy_from_slice(packet.head);
            match payload.find(packet.body) {
                Some(offset) => {
                    let kept = *payload.kept_at.get_or_insert_with(|| {
                        self.bytes.extend_from_slice(payload.bytes);
                        self.bytes.len() - payload.bytes.len()
                    });
                    kept + offset
                }
                None => self.keep(packet.body),
            }
        } else {
            heading.len = 0;
            len += packet.head.len();
            let at = self.keep(packet.head);
            self.keep(packet.body);
            at
        };
        self.line_up(
            now,
            sink.transport,
            Waiting {
                at: at as u32,
                len: len as u32,
                next: NONE,
                shape: Shape::Packet(sink, heading),
            },
        );
    }

    /// Queues one datagram of `transport`.
    pub(super) fn push(&mut self, now: Instant, transport: TransportKey, to: Way, datagram: &[u8]) {
        self.ways.push(to);
        let waiting = Waiting {
            at: self.keep(datagram) as u32,
            len: datagram.len() as u32,
            next: NONE,
            shape: Shape::Datagram(Leaving(self.ways.len() as u32 - 1)),
        };
        self.line_up(now, transport, waiting);
    }

    fn keep(&mut self, bytes: &[u8]) -> usize {
        self.bytes.extend_from_slice(bytes);
        self.bytes.len() - bytes.len()
    }

    fn line_up(&mut self, now: Instant, transport: TransportKey, waiting: Waiting) {
        let place = place(transport);
        if self.lines.len() <= usize::from(place) {
            self.lines.resize(usize::from(place) + 1, Line::EMPTY);
        }
        let line = &mut self.lines[usize::from(place)];
        let index = self.waiting.len() as u32;
        match self.waiting.get_mut(line.last as usize) {
            Some(last) => last.next = index,
            None => {
                line.first = index;
                self.busy.push(place);
            }
        }
        line.last = index;
        self.len += waiting.len as usize;
        self.waiting.push(waiting);
        self.since.get_or_insert(now);
    }

    /// When to flush; `None` while there is nothing.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let since = self.since?;
        Some(if self.is_full() {
            since
        } else {
            since + self.tick.wait()
        })
    }

    /// When the first datagram was queued.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether it holds as much as it should.
    pub(super) fn is_full(&self) -> bool {
        self.len >= MOST_BYTES
    }

    /// Lets everything go to `exit`. Then it is empty.
    ///
    /// When time is up, the pictures of the lines that come last are left out. The order of
    /// lines changes little from one flush to the next, so it is some who miss pictures,
    /// not everybody who misses some.
    pub(super) fn flush(&mut self, exit: &mut impl Exit) {
        let mut load = Load::default();
        let mut time = Time::Left;
        for index in 0..self.busy.len() {
            let line = &mut self.lines[usize::from(self.busy[index])];
            let first = line.first;
            *line = Line::EMPTY;
            self.seal_line(first, time, exit);
            if self.slab.len() >= SLAB_LEN {
                time = self.send(&mut load, exit);
            }
        }
        self.send(&mut load, exit);
        self.tick.adjust(load);
        self.bytes.clear();
        self.waiting.clear();
        self.ways.clear();
        self.busy.clear();
        self.len = 0;
        self.since = None;
    }

    /// Puts what waits from `first` on into the slab.
    fn seal_line(&mut self, first: u32, time: Time, exit: &mut impl Exit) {
        self.line.clear();
        let mut next = first;
        while let Some(waiting) = self.waiting.get(next as usize) {
            self.line.push(waiting.place(next));
            next = waiting.next;
        }
        arrange(&mut self.line);
        for place in &self.line {
            let Some(waiting) = self.waiting.get(place.waiting as usize) else {
                continue;
            };
            let start = self.slab.len();
            let bytes = &self.bytes[waiting.at as usize..][..waiting.len as usize];
            let to = match &waiting.shape {
                Shape::Datagram(leaving) => {
                    self.slab.extend_from_slice(bytes);
                    self.ways.get(leaving.0 as usize).copied()
                }
                Shape::Packet(_, heading) if time == Time::Up && heading.is_picture() => {
                    exit.late();
                    None
                }
                Shape::Packet(sink, heading) => {
                    let packet = heading.packet(bytes, place.padding);
                    exit.seal(*sink, &packet, &mut self.slab)
                }
            };
            match to {
                Some(Way::Udp(to)) => self.trains.push(to, start..self.slab.len()),
                Some(way @ (Way::Tcp(..) | Way::Relayed(_))) => {
                    let datagram = &self.slab[start..];
                    exit.carry(way, waiting.shape.urgency(datagram), datagram);
                    self.slab.truncate(start);
                }
                None => self.slab.truncate(start),
            }
        }
    }

    fn send(&mut self, load: &mut Load, exit: &mut impl Exit) -> Time {
        for packets in self.trains.lengths() {
            load.datagrams += packets;
            load.trains += 1;
        }
        load.bytes += self.slab.len();
        let time = exit.send(&self.slab, &mut self.trains);
        self.slab.clear();
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use sfu::SenderKey;

    /// Writes packets as they are; keys above 100 have no transport.
    #[derive(Debug, Default)]
    struct Wire {
        /// Datagrams, and how many each train has.
        sent: Vec<Vec<u8>>,
        trains: Vec<usize>,
        calls: usize,
        /// Time is up after so many.
        last_call: Option<usize>,
        late: usize,
        /// Over connections.
        carried: Vec<(Way, Urgency, usize)>,
    }

    impl Exit for Wire {
        fn seal(&mut self, sink: Sink, packet: &Outgoing<'_>, slab: &mut Vec<u8>) -> Option<Way> {
            slab.push(packet.seq.0 as u8);
            slab.extend_from_slice(packet.head);
            slab.extend_from_slice(packet.body);
            self.sent
                .push(slab[slab.len() - 1 - packet.head.len() - packet.body.len()..].to_vec());
            (sink.transport.0 <= 100).then(|| address(sink.transport.0))
        }

        fn send(&mut self, slab: &[u8], trains: &mut Trains) -> Time {
            assert_eq!(slab.is_empty(), trains.is_empty());
            self.calls += usize::from(!slab.is_empty());
            self.trains.extend(trains.lengths());
            *trains = Trains::new();
            if self.last_call.is_some_and(|last| self.calls >= last) {
                return Time::Up;
            }
            Time::Left
        }

        fn carry(&mut self, way: Way, urgency: Urgency, datagram: &[u8]) {
            self.carried.push((way, urgency, datagram.len()));
        }

        fn late(&mut self) {
            self.late += 1;
        }
    }

    fn address(port: u32) -> Way {
        Way::Udp(([127, 0, 0, 1], port as u16).into())
    }

    fn sink(transport: u32) -> Sink {
        Sink {
            transport: TransportKey(transport),
            sender: SenderKey(0),
        }
    }

    fn outgoing<'a>(seq: u16, head: &'a [u8], body: &'a [u8]) -> Outgoing<'a> {
        Outgoing {
            seq: SeqNo(seq),
            timestamp: Timestamp(0),
            marker: false,
            delivery: Delivery::Original,
            codec: Codec::Vp8,
            head,
            body,
            padding: 0,
            dependencies: 0,
            repeats: 0,
        }
    }

    #[test]
    fn datagrams_for_one_transport_travel_together_whatever_comes_between() {
        let mut queue = SendQueue::new();
        let now = Instant::now();
        for (pushed, expected) in [
            (&[(1, 9), (1, 9), (1, 9)][..], vec![3]),
            (&[(1, 9), (2, 9), (1, 9)], vec![2, 1]),
            (&[(1, 9), (2, 7), (1, 5), (2, 7), (1, 9)], vec![2, 1, 2]),
            (&[], vec![]),
        ] {
            for (transport, len) in pushed {
                let to = address(*transport);
                queue.push(now, TransportKey(*transport), to, &vec![0; *len]);
            }
            let mut wire = Wire::default();
            queue.flush(&mut wire);
            assert_eq!(wire.trains, expected, "{pushed:?}");
            assert_eq!(queue.due_at(), None);
        }
    }

    #[test]
    fn a_payload_is_kept_once_however_many_get_a_part_of_it() {
        let mut queue = SendQueue::new();
        let now = Instant::now();
        let elsewhere = [7; 5];
        let bytes: Vec<u8> = (0..100).collect();
        let mut payload = Payload::new(&bytes);
        for transport in 1..=50 {
            let packet = outgoing(transport as u16, b"head", &bytes[4..]);
            queue.packet(now, sink(transport), &packet, &mut payload);
        }
        queue.packet(now, sink(51), &outgoing(51, b"", &bytes), &mut payload);
        assert_eq!(queue.bytes.len(), 100);
        queue.packet(now, sink(52), &outgoing(52, b"", &elsewhere), &mut payload);
        let long = outgoing(53, &[1; 20], &bytes[20..]);
        queue.packet(now, sink(53), &long, &mut payload);
        assert_eq!(queue.bytes.len(), 205);
        let mut wire = Wire::default();
        queue.flush(&mut wire);
        assert_eq!(wire.sent[0], [&[1][..], b"head", &bytes[4..]].concat());
        assert_eq!(wire.sent[49], [&[50][..], b"head", &bytes[4..]].concat());
        assert_eq!(wire.sent[50], [&[51][..], &bytes].concat());
        assert_eq!(wire.sent[51], [&[52][..], &elsewhere].concat());
        assert_eq!(wire.sent[52], [&[53][..], &[1; 20], &bytes[20..]].concat());
    }

    #[test]
    fn what_cannot_be_sealed_leaves_nothing_behind() {
        let mut queue = SendQueue::new();
        let now = Instant::now();
        for transport in [1, 101, 1] {
            let packet = outgoing(5, b"", b"body");
            queue.packet(now, sink(transport), &packet, &mut Payload::new(b""));
        }
        queue.push(now, TransportKey(1), address(1), b"whole");
        let mut wire = Wire::default();
        queue.flush(&mut wire);
        assert_eq!(wire.trains, [3]);
        let mut wire = Wire::default();
        queue.flush(&mut wire);
        assert_eq!(wire.calls, 0, "nothing is left");
    }

    #[test]
    fn much_is_sent_in_parts_and_at_once() {
        let mut queue = SendQueue::new();
        let now = Instant::now();
        queue.push(now, TransportKey(1), address(1), b"x");
        assert_eq!(queue.due_at(), Some(now + Duration::from_millis(1)));
        let body = [0; 1_000];
        let mut payload = Payload::new(&body);
        for number in 0..9_000 {
            let packet = outgoing(number as u16, b"", &body);
            queue.packet(now, sink(number % 90), &packet, &mut payload);
        }
        assert!(queue.is_full());
        assert_eq!(queue.due_at(), Some(now));
        let mut wire = Wire::default();
        queue.flush(&mut wire);
        assert_eq!(wire.sent.len(), 9_000);
        assert!((30..40).contains(&wire.calls), "{}", wire.calls);
    }

    #[test]
    fn when_time_is_up_sound_goes_and_pictures_of_the_last_stay() {
        let mut queue = SendQueue::new();
        let now = Instant::now();
        let body = [0; 1_000];
        let mut payload = Payload::new(&body);
        for number in 0..1_000 {
            let transport = number % 100;
            for codec in Codec::ALL {
                let packet = Outgoing {
                    codec,
                    ..outgoing(transport as u16, b"", &body)
                };
                queue.packet(now, sink(transport), &packet, &mut payload);
            }
            queue.push(now, TransportKey(transport), address(transport), b"whole");
        }
        let mut wire = Wire {
            last_call: Some(2),
            ..Wire::default()
        };
        queue.flush(&mut wire);
        // Two slabs of sixty kilobytes a transport, each of which had forty pictures.
        assert_eq!(wire.late, (100 - 10) * 40);
        assert_eq!(wire.trains.iter().sum::<usize>(), 7_000 - wire.late);
        let mut wire = Wire::default();
        let mut payload = Payload::new(&body);
        queue.packet(now, sink(99), &outgoing(1, b"", &body), &mut payload);
        queue.flush(&mut wire);
        assert_eq!((wire.sent.len(), wire.late), (1, 0), "there is time again");
    }
}
