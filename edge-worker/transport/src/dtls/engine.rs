//! The handshake beneath, `rtc-dtls`, with what it needs around it: numbers that nobody
//! has seen for records without encryption, in both directions, and our last flight to repeat.
//!
//! What it may be shown is decided by its owner.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rtc_dtls::config::HandshakeConfig;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use super::flight::{Flight, Numbers, is_flight};
use super::guard::Record;
use super::messages::Message;

/// One `rtc-dtls`, and our last flight.
pub(super) struct Engine {
    endpoint: Endpoint,
    flight: Flight,
    /// Of records towards `rtc-dtls`, which drops what it has seen; and towards the client,
    /// which does the same.
    inward: Numbers,
    outward: Numbers,
    out: VecDeque<Vec<u8>>,
}

/// `rtc-dtls` tells connections apart by address. There is one here, whatever the
/// client's address is at the moment.
const REMOTE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));
const LOCAL: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 2));

impl Engine {
    /// How often a last flight is repeated without being asked. `rtc-dtls` can give it new
    /// numbers no more often, either.
    const LAST_REPEATS: u32 = 7;

    /// Opens the connection.
    pub(super) fn client(now: Instant, config: Arc<HandshakeConfig>) -> Result<Self, Error> {
        let mut engine = Self::around(Endpoint::new(LOCAL, TransportProtocol::UDP, None));
        engine.endpoint.connect(now, REMOTE, config, None)?;
        let flight = engine.drain();
        engine.flight.start(now, flight);
        Ok(engine)
    }

    /// Waits for a ClientHello.
    pub(super) fn server(config: Arc<HandshakeConfig>) -> Self {
        Self::around(Endpoint::new(LOCAL, TransportProtocol::UDP, Some(config)))
    }

    fn around(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            flight: Flight::default(),
            inward: Numbers::default(),
            outward: Numbers::default(),
            out: VecDeque::new(),
        }
    }

    /// A message as a record for [`read`](Self::read).
    pub(super) fn write_message(&mut self, message: &Message, out: &mut Vec<u8>) {
        let body = message.whole();
        out.extend_from_slice(&[22, 0xfe, 0xfd, 0, 0]);
        out.extend_from_slice(&self.inward.next());
        out.extend_from_slice(&(body.len() as u16).to_be_bytes());
        out.extend_from_slice(&body);
    }

    /// A record of the client's for [`read`](Self::read).
    pub(super) fn write_record(&mut self, record: Record<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(record.whole);
        self.inward.write(&mut out[start..]);
    }

    /// Shows records to `rtc-dtls`.
    pub(super) fn read(
        &mut self,
        now: Instant,
        records: &[u8],
    ) -> Result<Vec<EndpointEvent>, Error> {
        let read = self
            .endpoint
            .read(now, REMOTE, None, BytesMut::from(records));
        let flight = self.drain();
        if !flight.is_empty() {
            self.flight.start(now, flight);
        }
        read
    }

    /// Encrypts bytes of the data channels' association.
    pub(super) fn write(&mut self, now: Instant, bytes: &[u8]) {
        // It can only refuse after a goodbye, when nobody listens any more.
        let _ = self.endpoint.write(now, REMOTE, bytes);
        self.drain();
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, now: Instant) {
        // Best effort: the client notices the silence otherwise.
        let _ = self.endpoint.close(now);
        self.drain();
    }

    /// The client got our flight: no need to repeat it by the clock.
    pub(super) fn rest(&mut self) {
        self.flight.rest();
    }

    /// The client repeats a flight of the handshake, so it lacks ours.
    pub(super) fn answer_repeated(&mut self, now: Instant) {
        if self.flight.may_repeat(now) {
            self.repeat();
        }
    }

    /// The client repeats its last flight, of which `record` is, so it lacks ours. It goes out
    /// with new numbers, as long as `rtc-dtls` makes some.
    pub(super) fn answer_repeated_last(&mut self, now: Instant, record: Record<'_>) {
        if !self.flight.may_repeat(now) {
            return;
        }
        let mut datagram = Vec::new();
        self.write_record(record, &mut datagram);
        // A forged one is refused, and has no other effect.
        let _ = self
            .endpoint
            .read(now, REMOTE, None, BytesMut::from(&datagram[..]));
        let fresh = self.drain();
        if fresh.is_empty() {
            self.send_again();
        } else {
            self.flight.renew(fresh);
        }
    }

    /// Repeats our flight if it is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if !self.flight.expire(now) {
            return;
        }
        self.repeat();
        if self.flight.is_last() && self.flight.repeats() >= Self::LAST_REPEATS {
            self.flight.rest();
        }
    }

    fn repeat(&mut self) {
        // A server that has our Finished, and whose own got lost, knows a repetition only
        // by a new number. The timer is there only as long as it waits for an answer.
        if self.flight.is_last()
            && self.flight.repeats() <= Self::LAST_REPEATS
            && let Some(at) = self.endpoint.poll_timeout(&REMOTE)
        {
            // It refuses only when it has repeated too often.
            let _ = self.endpoint.handle_timeout(REMOTE, at);
            let fresh = self.drain();
            if !fresh.is_empty() {
                return self.flight.renew(fresh);
            }
        }
        self.send_again();
    }

    fn send_again(&mut self) {
        for datagram in self.flight.datagrams() {
            let mut datagram = datagram.clone();
            self.outward.write(&mut datagram);
            self.out.push_back(datagram);
        }
    }

    /// Takes what is to be sent, and answers what of it is a flight.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut flight = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            let mut datagram = transmit.message.to_vec();
            self.outward.write(&mut datagram);
            if is_flight(&datagram) {
                flight.push(datagram.clone());
            }
            self.out.push_back(datagram);
        }
        flight
    }

    /// The next datagram to send.
    pub(super) fn poll(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// When our flight is to be repeated.
    pub(super) fn due(&self) -> Option<Instant> {
        self.flight.due()
    }

    /// What was agreed on.
    pub(super) fn agreed(&self) -> Option<&State> {
        self.endpoint.get_connection_state(REMOTE)
    }
}
