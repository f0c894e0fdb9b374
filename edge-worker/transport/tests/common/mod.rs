//! A client made of the raw protocol crates, and a network in memory with a clock moved by
//! hand: the other end for scenario tests.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "each test file is a crate of its own and uses its part; a broken test may panic"
)]

pub(crate) mod client;
pub(crate) mod net;
mod repeater;

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::PlayoutDelay;
use transport::sdp::{Description, SdpKind};
use transport::{
    Candidates, Event, IceCredentials, Identity, Negotiator, Output, Sender, SenderId, Setup,
    Transport,
};

use client::{Checksums, Client, Profiles, Role};
use net::Net;

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made otherwise; time moves by hand from here"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) const SERVER: &str = "192.0.2.1:7881";
pub(crate) const CLIENT: &str = "198.51.100.7:50000";

/// How soon browsers first repeat a flight.
pub(crate) const BROWSER: Duration = Duration::from_millis(50);

/// A transport and its client.
pub(crate) struct Call {
    pub(crate) now: Instant,
    pub(crate) transport: Transport,
    pub(crate) client: Client,
    pub(crate) net: Net,
    pub(crate) events: Vec<Event>,
    /// RTP as the transport gave it out: m-line, sequence number, payload.
    pub(crate) packets: Vec<(String, u16, Vec<u8>)>,
}

#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) role: Role,
    pub(crate) profiles: Profiles,
    pub(crate) checksums: Checksums,
    /// Before the client first repeats a flight of its handshake; then it doubles.
    pub(crate) flight_interval: Duration,
    pub(crate) round_trip: Duration,
    pub(crate) loss_percent: u64,
    pub(crate) seed: u64,
    pub(crate) playout: Option<PlayoutDelay>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            role: Role::Client,
            profiles: Profiles::Both,
            checksums: Checksums::Sent,
            flight_interval: BROWSER,
            round_trip: Duration::from_millis(20),
            loss_percent: 0,
            seed: 1,
            playout: None,
        }
    }
}

impl Call {
    /// The client has offered and been answered; nothing has been sent.
    pub(crate) fn negotiated(options: Options) -> Self {
        let mut call = Self::new(options, Negotiator::Remote);
        let offer = Description::parse(SdpKind::Offer, &call.client.offer()).unwrap();
        call.transport.apply_offer(call.now, &offer).unwrap();
        let answer = call.transport.answer().unwrap().print();
        assert!(answer.contains("a=ice-ufrag:edgeufrag"), "{answer}");
        call
    }

    /// We have offered `senders` and been answered; nothing has been sent.
    pub(crate) fn offered<const N: usize>(
        options: Options,
        senders: [Sender; N],
    ) -> (Self, [SenderId; N]) {
        let mut call = Self::new(options, Negotiator::Local);
        let ids = senders.map(|sender| call.transport.add_sender(sender));
        call.offer();
        (call, ids)
    }

    /// We offer what is wanted now, and the client takes everything.
    pub(crate) fn offer(&mut self) {
        let offer = self.transport.offer().unwrap().print();
        let answer = self.client.answer(&offer);
        let answer = Description::parse(SdpKind::Answer, &answer).unwrap();
        self.transport.apply_answer(self.now, &answer).unwrap();
    }

    fn new(options: Options, negotiator: Negotiator) -> Self {
        let now = start();
        let identity = Arc::new(Identity::generate().unwrap());
        let ours = IceCredentials {
            ufrag: "edgeufrag".into(),
            pwd: "edgepasswordedgepassword".into(),
        };
        let setup = Setup {
            identity,
            ice: ours.clone(),
            candidates: Candidates {
                udp: vec![SERVER.parse().unwrap()],
                tcp: Vec::new(),
            },
            negotiator,
            playout: options.playout,
        };
        Self {
            now,
            transport: Transport::new(now, setup),
            client: Client::new(options, ours),
            net: Net::new(options.round_trip, options.loss_percent, options.seed),
            events: Vec::new(),
            packets: Vec::new(),
        }
    }

    pub(crate) fn connected(options: Options) -> Self {
        let mut call = Self::negotiated(options);
        call.connect();
        call
    }

    pub(crate) fn connect(&mut self) {
        self.run_until(Duration::from_secs(8), |call| {
            call.client.is_connected() && call.events.contains(&Event::Connected)
        });
    }

    /// Moves time on until `done`, and fails if that takes longer than `patience`.
    pub(crate) fn run_until(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + patience;
        while !done(self) {
            assert!(
                self.now < end,
                "not done in {patience:?}: {:?} {:?}",
                self.events,
                self.drops()
            );
            self.step(end);
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    fn step(&mut self, end: Instant) {
        self.client.tick(self.now);
        self.flush();
        let next = [
            self.net.next(),
            self.transport.deadline(),
            self.client.deadline(),
            Some(end),
        ];
        let next = next.into_iter().flatten().min().unwrap();
        self.now = self.now.max(next);
        while let Some((to, from, mut bytes)) = self.net.arrived(self.now) {
            if to.to_string() == SERVER {
                self.deliver(from, &mut bytes);
            } else if to == self.client.address {
                self.client.handle(self.now, &bytes);
            }
        }
        if self.transport.deadline().is_some_and(|at| at <= self.now) {
            self.transport.handle_timeout(self.now);
            self.flush();
            let late = self.transport.deadline().is_some_and(|at| at <= self.now);
            assert!(!late, "a deadline stays in the past");
        }
    }

    pub(crate) fn deliver(&mut self, from: std::net::SocketAddr, bytes: &mut [u8]) {
        if let Some(incoming) = self.transport.handle_datagram(self.now, from.into(), bytes) {
            self.packets.push((
                incoming.mid.as_str().to_owned(),
                incoming.packet.seq.0,
                incoming.packet.payload.to_vec(),
            ));
        }
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        let server = SERVER.parse().unwrap();
        while let Some(output) = self.transport.poll(self.now) {
            match output {
                Output::Transmit { to, bytes } => {
                    self.net
                        .send(self.now, server, to.address(), bytes.into_owned());
                }
                Output::Event(event) => self.events.push(event),
            }
        }
        let from = self.client.address;
        while let Some(bytes) = self.client.poll(self.now) {
            self.net.send(self.now, from, server, bytes);
        }
    }

    /// The reasons of what was dropped, with their counts.
    pub(crate) fn drops(&self) -> Vec<(&'static str, u64)> {
        let counted = self
            .transport
            .drops()
            .iter()
            .filter(|(_, count)| *count > 0);
        counted
            .map(|(reason, count)| (reason.label(), count))
            .collect()
    }
}
