//! Two nodes, a path between them, what one publishes for the other, and what came of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use media::Bitrate;
use relay_proto::{
    Allocation, Class, Congestion, End, FlowId, Keyframe, Lane, Limits, Link, Load, Place, Queued,
    Received, Reference, RoomKey, Turn,
};

use super::Path;
use super::quic::{Cubic, Receipts, Sender};

/// Everything between the near node, which publishes, and the far one.
pub(crate) struct World {
    now: Instant,
    start: Instant,
    forward: Path<Packet>,
    back: Path<Packet>,
    near: Node,
    far: Node,
    file: Option<File>,
    publishers: Vec<Publisher>,
    allocation: Allocation,
    pub(crate) seen: Seen,
}

/// What is under way.
#[derive(Debug)]
enum Packet {
    Datagram {
        lane: Lane,
        number: u64,
        datagram: Bytes,
    },
    Receipt {
        lane: Lane,
        numbers: Vec<u64>,
    },
    Segment {
        number: u64,
    },
    SegmentReceipt {
        numbers: Vec<u64>,
    },
}

/// One end.
struct Node {
    link: Link,
    control: (Sender<Congestion>, Receipts),
    video: (Sender<Congestion>, Receipts),
}

/// A download that shares the path.
struct File {
    sender: Sender<Cubic>,
    receipts: Receipts,
    over: bool,
}

/// One layer of one track.
struct Publisher {
    flow: FlowId,
    class: Class,
    room: RoomKey,
    every: Duration,
    packets: u16,
    bytes: usize,
    next_at: Instant,
    sequence: u16,
    keyframe: Keyframe,
    /// Counts from one.
    picture: u32,
}

/// Whether who sees a track asks for a keyframe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asks {
    Yes,
    No,
}

/// What came of what was published.
#[derive(Default)]
pub(crate) struct Seen {
    published: HashMap<Class, u64>,
    delays: HashMap<Class, Vec<Duration>>,
    pictures: HashMap<(FlowId, u32), u16>,
    /// The last picture of each flow that could be shown, and when it came.
    shown: HashMap<FlowId, (u32, Instant)>,
    /// When a keyframe was asked for last, because what came could not be shown.
    asked: HashMap<FlowId, Instant>,
    /// The longest time between two pictures of a flow that could be shown.
    pub(crate) freeze: Duration,
    pub(crate) whole: u64,
    pub(crate) decodable: u64,
    pub(crate) all_pictures: u64,
    pub(crate) file_bytes: u64,
    pub(crate) media_bytes: u64,
    /// From here on it counts.
    from: Option<Instant>,
    /// From here on it does not any more.
    until: Option<Instant>,
}

impl World {
    /// What QUIC writes around a datagram.
    const OVERHEAD: usize = 30;

    /// The path is alike both ways.
    pub(crate) fn new(now: Instant, shape: Shape, limits: Limits) -> Self {
        Self {
            now,
            start: now,
            forward: shape.path(11),
            back: shape.path(23),
            near: Node::new(now, limits),
            far: Node::new(now, limits),
            file: None,
            publishers: Vec::new(),
            allocation: Allocation::default(),
            seen: Seen::default(),
        }
    }

    /// Adds `count` layers of the same kind, their phases spread.
    pub(crate) fn publish(
        &mut self,
        count: u32,
        class: Class,
        every: Duration,
        packets: u16,
        bytes: usize,
    ) {
        for index in 0..count {
            let number = self.publishers.len() as u32 + 1;
            let flow = FlowId::new(number).expect("counted from one");
            if packets > 1 {
                self.allocation.begin(flow, class, 1);
            }
            self.publishers.push(Publisher {
                flow,
                class,
                room: RoomKey(1 + index % 4),
                every,
                packets,
                bytes,
                next_at: self.now + every * index / count,
                sequence: 0,
                keyframe: Keyframe::Yes,
                picture: 0,
            });
        }
    }

    pub(crate) fn download(&mut self) {
        self.file = Some(File {
            sender: Sender::new(Cubic::new()),
            receipts: Receipts::default(),
            over: false,
        });
    }

    /// The download is over.
    pub(crate) fn end_download(&mut self) {
        if let Some(file) = &mut self.file {
            file.over = true;
        }
    }

    /// From now on everything takes so long, both ways.
    pub(crate) fn set_delay(&mut self, delay: Duration) {
        self.forward.delay = delay;
        self.back.delay = delay;
    }

    /// From now on this share gets lost, both ways.
    pub(crate) fn set_loss(&mut self, loss: f64) {
        self.forward.loss = loss;
        self.back.loss = loss;
    }

    pub(crate) fn near_link(&self) -> &Link {
        &self.near.link
    }

    pub(crate) fn is_competing(&self) -> bool {
        self.near.video.0.control.is_competing()
    }

    /// Only what is published from now on counts.
    pub(crate) fn count_from_here(&mut self) {
        let before = std::mem::take(&mut self.seen);
        self.seen = Seen {
            from: Some(self.now),
            pictures: before.pictures,
            shown: before.shown,
            asked: before.asked,
            ..Seen::default()
        };
    }

    /// What is published from now on does not count; what is under way arrives.
    pub(crate) fn settle(&mut self) {
        self.seen.until = Some(self.now);
        self.run(Duration::from_secs(1));
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
            let next = self.next_at().max(self.now + Duration::from_micros(50));
            self.now = next.min(until);
        }
    }

    fn step(&mut self) {
        let now = self.now;
        for publisher in &mut self.publishers {
            publisher.publish(
                now,
                self.start,
                &mut self.near.link,
                &mut self.allocation,
                &mut self.seen,
            );
        }
        self.allocate();
        while let Some(packet) = self.forward.receive(now) {
            self.arrives_far(packet);
        }
        while let Some(packet) = self.back.receive(now) {
            self.arrives_near(packet);
        }
        self.near.send(now, &mut self.forward);
        self.far.send(now, &mut self.back);
        for flow in self.near.link.take_broken() {
            self.refresh(flow);
        }
        if let Some(file) = &mut self.file {
            file.sender.settle(now);
            while !file.over && file.sender.has_room(now) {
                let number = file.sender.send(now, 1_500);
                self.forward.send(now, 1_472, Packet::Segment { number });
            }
        }
    }

    /// Layers that the path does not carry stop, as a node lets them.
    fn allocate(&mut self) {
        let carries = self.near.video.0.control.carries();
        for turn in self.allocation.look(self.now, carries) {
            match turn {
                Turn::Pause(flow) => self.near.link.pause(flow),
                Turn::Resume(flow) => self.refresh(flow),
            }
        }
        if self.allocation.is_wanting() {
            self.near.video.0.control.hold_back();
        }
    }

    fn refresh(&mut self, flow: FlowId) {
        let mut publishers = self.publishers.iter_mut();
        let publisher = publishers.find(|publisher| publisher.flow == flow);
        publisher.expect("only what is published breaks").keyframe = Keyframe::Yes;
    }

    fn arrives_far(&mut self, packet: Packet) {
        let now = self.now;
        match packet {
            Packet::Datagram {
                lane,
                number,
                datagram,
            } => {
                let numbers = self.far.lane(lane).1.for_packet(number);
                self.back.send(now, 60, Packet::Receipt { lane, numbers });
                let received = self
                    .far
                    .link
                    .receive(now, lane, datagram)
                    .expect("we write what we read");
                if let Received::Media(media) = received
                    && self.seen.arrived(now, self.start, media.flow, &media.rtp) == Asks::Yes
                {
                    self.refresh(media.flow);
                }
            }
            Packet::Receipt { lane, numbers } => self.far.lane(lane).0.receipt(now, &numbers),
            Packet::Segment { number } => {
                let file = self.file.as_mut().expect("somebody downloads");
                self.seen.file_bytes += 1_448;
                let numbers = file.receipts.for_packet(number);
                self.back.send(now, 60, Packet::SegmentReceipt { numbers });
            }
            Packet::SegmentReceipt { .. } => unreachable!("receipts go back"),
        }
    }

    fn arrives_near(&mut self, packet: Packet) {
        let now = self.now;
        match packet {
            Packet::Datagram {
                lane,
                number,
                datagram,
            } => {
                let numbers = self.near.lane(lane).1.for_packet(number);
                self.forward
                    .send(now, 60, Packet::Receipt { lane, numbers });
                let received = self
                    .near
                    .link
                    .receive(now, lane, datagram)
                    .expect("we write what we read");
                assert_eq!(received, Received::Own, "nothing is published there");
            }
            Packet::Receipt { lane, numbers } => self.near.lane(lane).0.receipt(now, &numbers),
            Packet::SegmentReceipt { numbers } => {
                let file = self.file.as_mut().expect("somebody downloads");
                file.sender.receipt(now, &numbers);
            }
            Packet::Segment { .. } => unreachable!("the file goes one way"),
        }
    }

    fn next_at(&self) -> Instant {
        let mut at = self.near.deadline().min(self.far.deadline());
        for next in self.publishers.iter().map(|publisher| publisher.next_at) {
            at = at.min(next);
        }
        for next in [self.forward.next_at(), self.back.next_at()]
            .into_iter()
            .flatten()
        {
            at = at.min(next);
        }
        at
    }
}

impl Node {
    fn new(now: Instant, limits: Limits) -> Self {
        Self {
            link: Link::new(now, limits.start),
            control: (
                Sender::new(Congestion::new(
                    now,
                    Limits {
                        least: Bitrate::kilobits(5_000),
                        ..limits
                    },
                )),
                Receipts::default(),
            ),
            video: (
                Sender::new(Congestion::new(now, limits)),
                Receipts::default(),
            ),
        }
    }

    fn lane(&mut self, lane: Lane) -> &mut (Sender<Congestion>, Receipts) {
        match lane {
            Lane::Control => &mut self.control,
            Lane::Video => &mut self.video,
        }
    }

    fn send(&mut self, now: Instant, path: &mut Path<Packet>) {
        for lane in [Lane::Control, Lane::Video] {
            let (sender, _) = match lane {
                Lane::Control => &mut self.control,
                Lane::Video => &mut self.video,
            };
            sender.settle(now);
            self.link.set_rate(now, lane, sender.control.rate());
            let mut datagram = BytesMut::new();
            while sender.has_room(now) && self.link.transmit(now, lane, &mut datagram) {
                let bytes = datagram.len() + World::OVERHEAD;
                let number = sender.send(now, bytes);
                let datagram = datagram.split().freeze();
                path.send(
                    now,
                    bytes,
                    Packet::Datagram {
                        lane,
                        number,
                        datagram,
                    },
                );
            }
            if self.link.take_held_back(lane) || !sender.has_room(now) {
                sender.control.hold_back();
            }
        }
    }

    fn deadline(&self) -> Instant {
        let probes = [self.control.0.deadline(), self.video.0.deadline()];
        probes
            .into_iter()
            .flatten()
            .fold(self.link.deadline(), Instant::min)
    }
}

impl Publisher {
    fn publish(
        &mut self,
        now: Instant,
        start: Instant,
        link: &mut Link,
        allocation: &mut Allocation,
        seen: &mut Seen,
    ) {
        /// A keyframe is so many times as large as other pictures.
        const KEYFRAME: u16 = 4;
        while self.next_at <= now {
            let keyframe = std::mem::take(&mut self.keyframe);
            let packets = match keyframe {
                Keyframe::Yes if self.packets > 1 => self.packets * KEYFRAME,
                Keyframe::Yes | Keyframe::No => self.packets,
            };
            self.picture += 1;
            for index in 1..=packets {
                let end = if index == packets { End::Yes } else { End::No };
                let rtp = write_rtp(
                    self.bytes,
                    self.sequence,
                    &Stamp {
                        class: self.class,
                        published_at: self.next_at - start,
                        picture: self.picture,
                        packets,
                        keyframe,
                    },
                );
                self.sequence = self.sequence.wrapping_add(1);
                seen.published(self.next_at, self.class);
                if packets > 1 && !allocation.offer(self.flow, rtp.len()) {
                    continue;
                }
                let load = Load::Fresh {
                    flow: self.flow,
                    place: Place {
                        keyframe,
                        end,
                        reference: Reference::Yes,
                    },
                    rtp,
                };
                link.push(
                    now,
                    Queued {
                        room: self.room,
                        class: self.class,
                        load,
                    },
                );
            }
            if packets > 1 && seen.counts(self.next_at) {
                seen.all_pictures += 1;
            }
            self.next_at += self.every;
        }
    }
}

impl Seen {
    fn counts(&self, at: Instant) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }

    fn published(&mut self, at: Instant, class: Class) {
        if self.counts(at) {
            *self.published.entry(class).or_default() += 1;
        }
    }

    fn arrived(&mut self, now: Instant, start: Instant, flow: FlowId, rtp: &Bytes) -> Asks {
        let mut asks = Asks::No;
        let stamp = Stamp::read(rtp);
        let published_at = start + stamp.published_at;
        let counts = self.counts(published_at);
        if stamp.packets > 1 {
            let came = self.pictures.entry((flow, stamp.picture)).or_default();
            *came += 1;
            if *came == stamp.packets {
                let shown = self.show(now, flow, &stamp);
                self.whole += u64::from(counts);
                self.decodable += u64::from(counts && shown);
                if !shown {
                    asks = self.ask(now, flow);
                }
            }
        }
        if counts {
            self.media_bytes += rtp.len() as u64;
            self.delays
                .entry(stamp.class)
                .or_default()
                .push(now - published_at);
        }
        asks
    }

    /// As clients do: not before there was time for an answer.
    fn ask(&mut self, now: Instant, flow: FlowId) -> Asks {
        const PATIENCE: Duration = Duration::from_millis(500);
        let asked = self.asked.get(&flow);
        if asked.is_some_and(|at| now < *at + PATIENCE) {
            return Asks::No;
        }
        self.asked.insert(flow, now);
        Asks::Yes
    }

    /// A picture came whole: if it stands alone, or the one before it was shown, it can be.
    fn show(&mut self, now: Instant, flow: FlowId, stamp: &Stamp) -> bool {
        let last = self.shown.get(&flow).copied();
        let follows = last.is_some_and(|(last, _)| last + 1 == stamp.picture);
        let shown = follows || stamp.keyframe == Keyframe::Yes;
        if shown {
            self.shown.insert(flow, (stamp.picture, now));
            if let Some((_, at)) = last {
                self.freeze = self.freeze.max(now - at);
            }
        }
        shown
    }

    /// The share of what was published in `class` that came within `limit`.
    pub(crate) fn within(&self, class: Class, limit: Duration) -> f64 {
        let published = self.published.get(&class).copied().unwrap_or(0);
        let in_time = self.delays.get(&class).map_or(0, |delays| {
            delays.iter().filter(|delay| **delay <= limit).count()
        });
        in_time as f64 / published.max(1) as f64
    }

    /// The delay that this share of what came stayed below.
    pub(crate) fn quantile(&self, class: Class, share: f64) -> Duration {
        let mut delays = self.delays.get(&class).cloned().unwrap_or_default();
        delays.sort_unstable();
        let index = (delays.len() as f64 * share) as usize;
        delays
            .get(index.min(delays.len().saturating_sub(1)))
            .copied()
            .unwrap_or(Duration::MAX)
    }
}

/// One direction of a path.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) megabits: f64,
    pub(crate) queue: Duration,
    pub(crate) delay: Duration,
    pub(crate) loss: f64,
    pub(crate) burst: f64,
    pub(crate) seed: u64,
}

impl Shape {
    pub(crate) const fn new(delay: Duration, loss: f64) -> Self {
        Self {
            megabits: 0.0,
            queue: Duration::ZERO,
            delay,
            loss,
            burst: 1.0,
            seed: 1,
        }
    }

    pub(crate) const fn bottleneck(self, megabits: f64, queue: Duration) -> Self {
        Self {
            megabits,
            queue,
            ..self
        }
    }

    fn path<T>(self, direction: u64) -> Path<T> {
        let mut path = Path::new(
            self.megabits * 1e6,
            self.queue,
            self.delay,
            self.loss,
            0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(self.seed) ^ direction,
        );
        path.burst = self.burst;
        path
    }
}

/// What a packet tells of itself.
struct Stamp {
    class: Class,
    /// Since the beginning.
    published_at: Duration,
    picture: u32,
    /// How many its picture has.
    packets: u16,
    keyframe: Keyframe,
}

impl Stamp {
    fn read(rtp: &[u8]) -> Self {
        let micros = u64::from_be_bytes(rtp[4..12].try_into().expect("eight bytes"));
        Self {
            class: Class::ALL[usize::from(rtp[1])],
            published_at: Duration::from_micros(micros),
            picture: u32::from_be_bytes(rtp[12..16].try_into().expect("four bytes")),
            packets: u16::from_be_bytes([rtp[16], rtp[17]]),
            keyframe: match rtp[18] {
                0 => Keyframe::No,
                _ => Keyframe::Yes,
            },
        }
    }
}

fn write_rtp(bytes: usize, sequence: u16, stamp: &Stamp) -> Bytes {
    let mut rtp = BytesMut::with_capacity(bytes);
    rtp.put_u8(0x80);
    rtp.put_u8(stamp.class as u8);
    rtp.put_u16(sequence);
    rtp.put_u64(stamp.published_at.as_micros() as u64);
    rtp.put_u32(stamp.picture);
    rtp.put_u16(stamp.packets);
    rtp.put_u8(u8::from(stamp.keyframe == Keyframe::Yes));
    rtp.resize(bytes, 0);
    rtp.freeze()
}
