//! The DTLS connection (RFC 6347, RFC 5764): one handshake in either role, the keys of
//! media, and then the bytes of data channels.
//!
//! Whether a datagram may come here at all (ICE, RFC 8445) is decided in `transport`.
//! The handshake itself is `rtc-dtls`. It is kept from what it does not stand: it sees only
//! records that [`guard`] admitted, and of the handshake only what [`messages`] has whole
//! and for the first time; what gets lost of our own is repeated by [`flight`].

mod flight;
mod guard;
mod hello;
mod messages;
mod terms;

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use crate::drops::DropReason;
use crate::identity::Identity;
use crate::sdp::Fingerprint;
use crate::sections::DtlsRole;
use crate::srtp::{self, Opener, Profile, Sealer};
use flight::{Flight, Numbers, is_flight};
use guard::{Fragments, Guard, Phase, Record, RecordKind, Records};
use hello::Offered;
use messages::{Message, Messages, Taken};
use terms::Terms;

/// What came out of the connection.
#[derive(Debug)]
pub(crate) enum DtlsEvent {
    /// The handshake is over; the keys of media, unless the client has no profile we know.
    Established(Option<Box<(Sealer, Opener)>>),
    /// Bytes of the data channels' association.
    Data(Bytes),
    /// The client said goodbye.
    Closed,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DtlsFailure {
    /// The client's certificate is not the one its description names.
    Fingerprint,
    /// The client ended the handshake or the connection with an alert.
    Alert,
    /// It took too long.
    Timeout,
    /// We could not even begin.
    Setup,
}

/// One connection, or the attempt.
pub(crate) struct Dtls {
    terms: Terms,
    role: DtlsRole,
    state: State,
    guard: Guard,
    messages: Messages,
    flight: Flight,
    /// Of records towards the handshake beneath, and towards the client.
    inward: Numbers,
    outward: Numbers,
    out: VecDeque<Vec<u8>>,
    give_up: Instant,
}

enum State {
    /// Server: no ClientHello yet, which decides on the profile.
    Listening,
    Handshake(Box<Endpoint>),
    Established(Box<Endpoint>),
    Over,
}

impl fmt::Debug for Dtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Listening => "listening",
            State::Handshake(_) => "handshake",
            State::Established(_) => "established",
            State::Over => "over",
        };
        write!(f, "Dtls({:?}, {state})", self.role)
    }
}

/// `rtc-dtls` tells connections apart by address. There is one here, whatever the
/// client's address is at the moment.
const REMOTE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));
const LOCAL: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 2));

impl Dtls {
    /// For the whole handshake, from the moment the client's address is known: as long as
    /// its consent lasts. A client that waits as RFC 6347 says, 1 s, 2 s, 4 s ..., has five tries.
    const PATIENCE: Duration = Duration::from_secs(30);
    /// How often our last flight is repeated without being asked. The handshake beneath
    /// can give it new numbers no more often, either.
    const LAST_REPEATS: u32 = 7;
    /// RFC 5705 label of SRTP keys (RFC 5764 section 4.2).
    const EXPORTER: &str = "EXTRACTOR-dtls_srtp";

    /// Begins: as client by sending, as server by waiting. `fingerprints` are what the
    /// remote description says of the client's certificate; one of them has to match.
    pub(crate) fn start(
        now: Instant,
        identity: Arc<Identity>,
        role: DtlsRole,
        fingerprints: &[Fingerprint],
    ) -> Result<Self, DtlsFailure> {
        let mut dtls = Self {
            terms: Terms::new(identity, role, fingerprints),
            role,
            state: State::Listening,
            guard: Guard::default(),
            messages: Messages::default(),
            flight: Flight::default(),
            inward: Numbers::default(),
            outward: Numbers::default(),
            out: VecDeque::new(),
            give_up: now + Self::PATIENCE,
        };
        if role == DtlsRole::Client {
            let config = dtls.terms.config(&[
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ])?;
            let mut endpoint = Endpoint::new(LOCAL, TransportProtocol::UDP, None);
            endpoint
                .connect(now, REMOTE, config, None)
                .map_err(|_| DtlsFailure::Setup)?;
            dtls.state = State::Handshake(Box::new(endpoint));
            let flight = dtls.drain();
            dtls.flight.start(now, flight);
        }
        Ok(dtls)
    }

    /// Takes one datagram from a validated address.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        datagram: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> Result<(), Refused> {
        let phase = match &self.state {
            State::Listening | State::Handshake(_) => Phase::Handshake,
            State::Established(_) => Phase::Established,
            State::Over => return Err(Refused::Dropped(DropReason::Closed)),
        };
        self.guard
            .admit(datagram, phase)
            .map_err(Refused::Dropped)?;
        match phase {
            Phase::Handshake => self.negotiate(now, datagram, events),
            Phase::Established => self.converse(now, datagram, events),
        }
    }

    /// A datagram of the handshake.
    fn negotiate(
        &mut self,
        now: Instant,
        datagram: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> Result<(), Refused> {
        let mut news = Vec::new();
        let (mut repeated, mut refused) = (false, false);
        for record in Records(datagram).flatten() {
            if record.epoch > 0 || record.kind != RecordKind::Handshake {
                if !matches!(self.state, State::Listening) {
                    news.extend(self.renumbered(record));
                }
                continue;
            }
            for fragment in Fragments(record.body).flatten() {
                match self.messages.take(fragment) {
                    Taken::Kept => {}
                    Taken::Repeated => repeated = true,
                    Taken::Refused => refused = true,
                }
            }
            self.pop_messages(&mut news)?;
        }
        if !news.is_empty() {
            self.read(now, &news, events)?;
        } else if repeated && self.flight.may_repeat(now) {
            self.repeat();
        }
        if refused {
            return Err(Refused::Dropped(DropReason::DtlsMalformed));
        }
        Ok(())
    }

    /// Appends what is whole, as records for the handshake beneath.
    fn pop_messages(&mut self, news: &mut Vec<u8>) -> Result<(), Refused> {
        /// They end the flights of a server. Before one of them nothing is gained, and
        /// our flight has to be repeated.
        const ENDS: &[u8] = &[3, 14]; // HelloVerifyRequest, ServerHelloDone
        if self.role == DtlsRole::Client && !self.messages.is_ready(ENDS) {
            return Ok(());
        }
        while let Some(message) = self.messages.pop() {
            if matches!(self.state, State::Listening) {
                self.listen(&message)?;
            }
            let body = message.whole();
            news.extend_from_slice(&[22, 0xfe, 0xfd, 0, 0]);
            news.extend_from_slice(&self.inward.next());
            news.extend_from_slice(&(body.len() as u16).to_be_bytes());
            news.extend_from_slice(&body);
            if self.role == DtlsRole::Server {
                // It answers our flight.
                self.flight.rest();
            }
        }
        Ok(())
    }

    /// Takes the ClientHello, and chooses.
    fn listen(&mut self, message: &Message) -> Result<(), Refused> {
        let offered = match message.kind {
            hello::CLIENT_HELLO => hello::read(&message.body),
            _ => Offered::Malformed,
        };
        let profiles: &[SrtpProtectionProfile] = match offered {
            Offered::Malformed => {
                self.messages = Messages::default();
                return Err(Refused::Dropped(DropReason::DtlsMalformed));
            }
            Offered::Profile(Profile::AeadAes128Gcm) => {
                &[SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm]
            }
            Offered::Profile(Profile::Aes128CmSha1) => {
                &[SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80]
            }
            Offered::NoProfile => &[],
        };
        let config = self.terms.config(profiles).map_err(Refused::Failed)?;
        let endpoint = Endpoint::new(LOCAL, TransportProtocol::UDP, Some(config));
        self.state = State::Handshake(Box::new(endpoint));
        Ok(())
    }

    /// A datagram after the handshake.
    fn converse(
        &mut self,
        now: Instant,
        datagram: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> Result<(), Refused> {
        let mut news = Vec::new();
        let mut repeated = None;
        for record in Records(datagram).flatten() {
            match (record.kind, record.epoch) {
                (RecordKind::Handshake, _) => repeated = repeated.or(Some(record)),
                // Without encryption nothing is said any more.
                (_, 0) => {}
                (
                    RecordKind::ChangeCipherSpec | RecordKind::Alert | RecordKind::ApplicationData,
                    _,
                ) => news.extend_from_slice(record.whole),
            }
        }
        // As client in DTLS we have the last word of the handshake, and need no more.
        if let Some(record) = repeated
            && self.role == DtlsRole::Server
            && self.flight.may_repeat(now)
        {
            self.repeat_last(now, record);
        }
        if news.is_empty() {
            return Ok(());
        }
        self.read(now, &news, events)
    }

    /// A record for the handshake beneath, which drops numbers it has seen.
    fn renumbered(&mut self, record: Record<'_>) -> Vec<u8> {
        let mut record = record.whole.to_vec();
        self.inward.write(&mut record);
        record
    }

    fn read(
        &mut self,
        now: Instant,
        datagram: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> Result<(), Refused> {
        let (State::Handshake(endpoint) | State::Established(endpoint)) = &mut self.state else {
            return Ok(());
        };
        let read = endpoint.read(now, REMOTE, None, BytesMut::from(datagram));
        let flight = self.drain();
        if !flight.is_empty() {
            self.flight.start(now, flight);
        }
        let read = read.map_err(|error| self.judge(&error))?;
        for event in read {
            match event {
                EndpointEvent::HandshakeComplete => {
                    let keys = self.established().map_err(Refused::Failed)?;
                    events.push(DtlsEvent::Established(keys));
                }
                EndpointEvent::ApplicationData(data) => {
                    // So it has our last flight.
                    self.flight.rest();
                    events.push(DtlsEvent::Data(data.freeze()));
                }
                EndpointEvent::PeerClosed => {
                    events.push(DtlsEvent::Closed);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes what is to be sent, and answers what of it is a flight.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut flight = Vec::new();
        let (State::Handshake(endpoint) | State::Established(endpoint)) = &mut self.state else {
            return flight;
        };
        while let Some(transmit) = endpoint.poll_transmit() {
            let mut datagram = transmit.message.to_vec();
            self.outward.write(&mut datagram);
            if is_flight(&datagram) {
                flight.push(datagram.clone());
            }
            self.out.push_back(datagram);
        }
        flight
    }

    /// Sends our flight again.
    fn repeat(&mut self) {
        // A server that has our Finished, and whose own got lost, knows a repetition only by
        // a new number.
        if let State::Handshake(endpoint) = &mut self.state
            && self.flight.is_last()
            && self.flight.repeats() <= Self::LAST_REPEATS
            && let Some(at) = endpoint.poll_timeout(&REMOTE)
        {
            // It refuses only when it has repeated too often.
            let _ = endpoint.handle_timeout(REMOTE, at);
            let fresh = self.drain();
            if !fresh.is_empty() {
                return self.flight.renew(fresh);
            }
        }
        for datagram in self.flight.datagrams() {
            let mut datagram = datagram.clone();
            self.outward.write(&mut datagram);
            self.out.push_back(datagram);
        }
    }

    /// Sends our last flight again because the client repeats its own: with new numbers,
    /// as long as the handshake beneath makes some.
    fn repeat_last(&mut self, now: Instant, record: Record<'_>) {
        let record = self.renumbered(record);
        if let State::Established(endpoint) = &mut self.state {
            // A forged one is refused, and has no other effect.
            let _ = endpoint.read(now, REMOTE, None, BytesMut::from(&record[..]));
        }
        let fresh = self.drain();
        if fresh.is_empty() {
            self.repeat();
        } else {
            self.flight.renew(fresh);
        }
    }

    /// What an error of the handshake means. Forged datagrams cause some too, so all but
    /// the certain ends are dropped packets; the deadline ends what cannot go on.
    fn judge(&self, error: &Error) -> Refused {
        if self.terms.met_impostor() {
            return Refused::Failed(DtlsFailure::Fingerprint);
        }
        if matches!(error, Error::ErrAlertFatalOrClose) {
            return Refused::Failed(DtlsFailure::Alert);
        }
        Refused::Dropped(DropReason::DtlsRejected)
    }

    fn established(&mut self) -> Result<Option<Box<(Sealer, Opener)>>, DtlsFailure> {
        let State::Handshake(endpoint) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(DtlsFailure::Setup);
        };
        let keys = self.keys(&endpoint)?;
        self.state = State::Established(endpoint);
        if self.role == DtlsRole::Client {
            self.flight.rest();
        }
        Ok(keys)
    }

    fn keys(&self, endpoint: &Endpoint) -> Result<Option<Box<(Sealer, Opener)>>, DtlsFailure> {
        let state = endpoint
            .get_connection_state(REMOTE)
            .ok_or(DtlsFailure::Setup)?;
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Aes128CmSha1,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32
            | SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm
            | SrtpProtectionProfile::Unsupported
            | _ => return Ok(None),
        };
        let material = state
            .export_keying_material(Self::EXPORTER, &[], profile.material_len())
            .map_err(|_| DtlsFailure::Setup)?;
        let crypto = self.terms.identity.crypto().crypto();
        srtp::keyed(crypto, profile, self.role, material.as_ref())
            .map(|keys| Some(Box::new(keys)))
            .ok_or(DtlsFailure::Setup)
    }

    /// Encrypts bytes of the data channels' association.
    pub(crate) fn send(&mut self, now: Instant, bytes: &[u8]) {
        if let State::Established(endpoint) = &mut self.state {
            // It can only refuse after a goodbye, when nobody listens any more.
            let _ = endpoint.write(now, REMOTE, bytes);
            self.drain();
        }
    }

    /// The next datagram to send.
    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Listening => Some(self.give_up),
            State::Handshake(_) => {
                let due = self.flight.due();
                Some(due.map_or(self.give_up, |at| at.min(self.give_up)))
            }
            State::Established(_) => self.flight.due(),
            State::Over => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        match &self.state {
            State::Listening | State::Handshake(_) if now >= self.give_up => {
                return Err(DtlsFailure::Timeout);
            }
            State::Listening | State::Handshake(_) | State::Established(_) => {}
            State::Over => return Ok(()),
        }
        if self.flight.expire(now) {
            self.repeat();
            if self.is_established() && self.flight.repeats() >= Self::LAST_REPEATS {
                self.flight.rest();
            }
        }
        Ok(())
    }

    fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant) {
        match &mut self.state {
            State::Handshake(endpoint) | State::Established(endpoint) => {
                // Best effort: the client notices the silence otherwise.
                let _ = endpoint.close(now);
                self.drain();
            }
            State::Listening | State::Over => {}
        }
    }
}

/// A datagram that did no good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// It alone.
    Dropped(DropReason),
    /// The connection ends with it.
    Failed(DtlsFailure),
}
