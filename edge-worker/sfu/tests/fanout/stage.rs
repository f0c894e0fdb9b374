//! Publisher, forwarder and subscribers with their networks, moved on by the
//! millisecond.

use std::time::{Duration, Instant};

use media::{Codec, Layer, MediaKind, Outgoing, Rid, Rtcp, Ssrc};
use sfu::{Binding, Fanout, Origin, Outlet, SenderKey, Sink, SubscriptionKey, TransportKey, Wish};

use crate::dice::Dice;
use crate::link::{Link, Network};
use crate::publisher::{Publisher, RIDS, Sent};
use crate::subscriber::{Got, Subscriber};

pub(crate) struct Stage {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) fanout: Fanout,
    pub(crate) publisher: Publisher,
    /// What the publisher sends is taken off the wire here.
    pub(crate) publishing: bool,
    pub(crate) wire: Wire,
    pub(crate) seats: Vec<Seat>,
    network: Network,
    dice: Dice,
    media: Link<Sent>,
    reports: Link<Rtcp>,
    requests: Link<Rtcp>,
}

/// One subscriber and its network.
pub(crate) struct Seat {
    pub(crate) subscriber: Subscriber,
    pub(crate) answers: bool,
    media: Link<Got>,
    reports: Link<Rtcp>,
    feedback: Link<Rtcp>,
}

/// Keeps what is sent until the links take it.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) packets: Vec<(Sink, Got)>,
    pub(crate) rtcp: Vec<(TransportKey, Rtcp)>,
}

impl Outlet for Wire {
    fn packet(&mut self, sink: Sink, packet: &Outgoing<'_>) {
        self.packets.push((sink, Got::new(packet)));
    }

    fn rtcp(&mut self, transport: TransportKey, rtcp: Rtcp) {
        self.rtcp.push((transport, rtcp));
    }
}

const PUBLISHER: TransportKey = TransportKey(u32::MAX);

impl Stage {
    pub(crate) fn video(network: Network, seed: u64) -> Self {
        let now = start();
        let rids = RIDS.map(|rid| Rid::new(rid).expect("one letter"));
        let fanout = Fanout::new(MediaKind::Video, &rids);
        Self::new(fanout, Publisher::video(now), network, seed)
    }

    /// One stream with three sizes of three rates each.
    pub(crate) fn layered(codec: Codec, network: Network, seed: u64) -> Self {
        let fanout = Fanout::new(MediaKind::Video, &[]);
        Self::new(fanout, Publisher::layered(start(), codec), network, seed)
    }

    pub(crate) fn audio(network: Network, seed: u64) -> Self {
        let fanout = Fanout::new(MediaKind::Audio, &[]);
        Self::new(fanout, Publisher::audio(start()), network, seed)
    }

    fn new(mut fanout: Fanout, publisher: Publisher, network: Network, seed: u64) -> Self {
        fanout.set_origin(Origin::Transport(PUBLISHER));
        let mut dice = Dice(seed);
        Self {
            start: start(),
            now: start(),
            fanout,
            publisher,
            publishing: true,
            wire: Wire::default(),
            seats: Vec::new(),
            network,
            media: Link::new(network, &mut dice),
            reports: Link::new(network, &mut dice),
            requests: Link::new(network, &mut dice),
            dice,
        }
    }

    /// Adds a subscriber, and returns its number.
    pub(crate) fn add(&mut self, wish: Wish) -> u32 {
        let key = self.seats.len() as u32;
        let mut subscriber = Subscriber::default();
        subscriber.watches = self.publisher.encoders.len() > 1;
        self.seats.push(Seat {
            subscriber,
            answers: true,
            media: Link::new(self.network, &mut self.dice),
            reports: Link::new(self.network, &mut self.dice),
            feedback: Link::new(self.network, &mut self.dice),
        });
        let binding = binding(key, &[Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus]);
        let subscription = SubscriptionKey(key);
        self.fanout
            .add(self.now, subscription, binding, wish, &mut self.wire);
        key
    }

    pub(crate) fn wish(&mut self, key: u32, wish: Wish) {
        self.fanout
            .set_wish(self.now, SubscriptionKey(key), wish, &mut self.wire);
    }

    pub(crate) fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            self.step();
            self.now += Duration::from_millis(1);
        }
    }

    /// Stops publishing, and lets repairs come to an end.
    pub(crate) fn settle(&mut self) {
        self.publishing = false;
        self.run(1_500);
    }

    pub(crate) fn subscriber(&self, key: u32) -> &Subscriber {
        &self.seats[key as usize].subscriber
    }

    fn step(&mut self) {
        let now = self.now;
        let mut sent = Vec::new();
        let mut reports = Vec::new();
        if self.publishing {
            self.publisher.send(now, &mut sent);
            self.publisher.report(now, &mut reports);
        }
        for rtcp in self.requests.receive(now) {
            self.publisher.hear(now, &rtcp, &mut sent);
        }
        for sent in sent {
            self.media.send(now, sent);
        }
        for report in reports {
            self.reports.send(now, report);
        }
        for sent in self.media.receive(now) {
            self.fanout
                .handle_packet(now, &sent.packet(), &mut self.wire);
        }
        for rtcp in self.reports.receive(now) {
            self.fanout.handle_report(now, &rtcp, &mut self.wire);
        }
        self.serve_subscribers();
        if self.fanout.deadline().is_some_and(|at| at <= now) {
            self.fanout.handle_timeout(now, &mut self.wire);
            let deadline = self.fanout.deadline();
            assert!(deadline.is_none_or(|at| at > now), "a deadline lies ahead");
        }
        self.carry_out();
    }

    fn serve_subscribers(&mut self) {
        let now = self.now;
        for (key, seat) in self.seats.iter_mut().enumerate() {
            for got in seat.media.receive(now) {
                seat.subscriber.receive(now, got);
            }
            for rtcp in seat.reports.receive(now) {
                if let Rtcp::SenderReport(report) = rtcp {
                    seat.subscriber.reports.push((now, report));
                }
            }
            if seat.answers {
                for rtcp in seat.subscriber.feedback(now, Ssrc(key as u32)) {
                    seat.feedback.send(now, rtcp);
                }
            }
            let subscription = SubscriptionKey(key as u32);
            for rtcp in seat.feedback.receive(now) {
                self.fanout
                    .handle_feedback(now, subscription, &rtcp, &mut self.wire);
            }
        }
    }

    fn carry_out(&mut self) {
        let now = self.now;
        for (sink, got) in self.wire.packets.drain(..) {
            self.seats[sink.transport.0 as usize].media.send(now, got);
        }
        for (transport, rtcp) in self.wire.rtcp.drain(..) {
            if transport == PUBLISHER {
                self.requests.send(now, rtcp);
            } else {
                self.seats[transport.0 as usize].reports.send(now, rtcp);
            }
        }
    }
}

pub(crate) fn binding(key: u32, codecs: &[Codec]) -> Binding {
    Binding {
        sink: Sink {
            transport: TransportKey(key),
            sender: SenderKey(0),
        },
        ssrc: Ssrc(key),
        codecs: codecs.to_vec(),
    }
}

/// All frames of layers up to `layer`.
pub(crate) fn up_to(layer: Layer) -> Wish {
    Wish::Layer {
        spatial: layer,
        temporal: 2,
    }
}

/// The same moment, every time it is asked within one thread.
pub(crate) fn start() -> Instant {
    thread_local! {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        static START: Instant = Instant::now();
    }
    START.with(|start| *start)
}
