//! The shard's TURN server at its socket: what clients send through it enters the shard as if from
//! their relayed addresses, and what goes there is wrapped for them. The rules are left to
//! [`transport::turn`].

use std::net::SocketAddr;
use std::time::Instant;

use batch::{Socket, Trains};
use transport::turn::{Carriage, Client, Dropped, Heard, Refusal, Turn};
use transport::{ConnectionKey, Way};

use super::Shard;
use super::connections::{Connections, Queued};
use super::queue::Urgency;
use super::transports::guarded;
use crate::metrics::{Metrics, Tally};

/// The server, and what waits to leave through it.
#[derive(Debug)]
pub(super) struct Relaying {
    pub(super) turn: Turn,
    slab: Vec<u8>,
    trains: Trains,
    /// Allocations the node knows of.
    counted: usize,
}

impl Relaying {
    /// Wraps a datagram for who is behind a relayed address. Over a connection of its own it leaves
    /// among what waits there.
    pub(super) fn wrap(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        urgency: Urgency,
        datagram: &[u8],
        connections: &mut Connections,
    ) -> Result<Queued, Dropped> {
        let start = self.slab.len();
        let client = self.turn.wrap(now, relayed, datagram, &mut self.slab)?;
        match client.carriage {
            Carriage::Datagrams => {
                self.trains.push(client.address, start..self.slab.len());
                Ok(Queued::Yes)
            }
            Carriage::Bytes(number) => {
                let key = ConnectionKey(number);
                let queued = connections.send(now, key, urgency, &self.slab[start..]);
                self.slab.truncate(start);
                Ok(queued)
            }
        }
    }

    /// Forgets what a client had whose connection has ended. Answers the way that ends with it.
    pub(super) fn close(&mut self, client: Client) -> Option<Way> {
        let relayed = self.turn.relayed(client);
        self.turn.closed(client);
        relayed.map(Way::Relayed)
    }

    /// Sends what waits.
    pub(super) fn send(&mut self, socket: &Socket, tally: &mut Tally) {
        if !self.trains.is_empty() {
            self.trains.lengths().for_each(|length| tally.train(length));
            tally.sent += self.trains.send(socket, &self.slab);
        }
        self.slab.clear();
    }

    fn answer(&mut self, to: SocketAddr, bytes: &[u8], socket: &Socket, tally: &mut Tally) {
        let start = self.slab.len();
        self.slab.extend_from_slice(bytes);
        self.trains.push(to, start..self.slab.len());
        self.send(socket, tally);
    }

    /// Forgets what is over, and tells how many allocations are left.
    pub(super) fn tidy(&mut self, now: Instant, metrics: &Metrics) {
        self.turn.handle_timeout(now);
        let allocations = self.turn.allocations();
        let more = allocations as i64 - self.counted as i64;
        metrics.turn_allocations.add(more);
        self.counted = allocations;
    }
}

impl Shard {
    /// From now on clients can reach the shard through `turn`, too.
    pub(crate) fn open_turn(&mut self, turn: Turn) {
        self.relaying = Some(Relaying {
            turn,
            slab: Vec::new(),
            trains: Trains::new(),
            counted: 0,
        });
    }

    /// Takes what a client says to the TURN server.
    pub(super) fn heed_turn(&mut self, now: Instant, client: Client, bytes: &mut [u8]) {
        let Some(relaying) = &mut self.relaying else {
            self.tally.received(bytes.len());
            self.tally.unknown_source += 1;
            return;
        };
        let heard = guarded(&self.metrics, || relaying.turn.handle(now, client, bytes));
        let Some(heard) = heard else { return };
        if let Heard::Relay { relayed, datagram } = heard {
            return self.take(now, Way::Relayed(relayed), &mut bytes[datagram]);
        }
        self.tally.received(bytes.len());
        match heard {
            Heard::Relay { .. } => {}
            Heard::Answer { bytes, refused } => {
                let outcome = refused.map_or("granted", Refusal::label);
                let answers = &self.metrics.turn_answers;
                answers.with_label_values(&[outcome]).inc();
                match client.carriage {
                    Carriage::Datagrams => {
                        relaying.answer(client.address, &bytes, &self.socket, &mut self.tally);
                    }
                    Carriage::Bytes(number) => {
                        let key = ConnectionKey(number);
                        // What is not sent is counted there, and asked for again.
                        let _ = self.connections.send(now, key, Urgency::Control, &bytes);
                    }
                }
            }
            Heard::Drop(reason) => self.metrics.turn_dropped(reason),
        }
    }
}
