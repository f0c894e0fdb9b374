//! The DTLS connection (RFC 6347, RFC 5764): one handshake in either role, the keys of
//! media, and then the bytes of data channels.
//!
//! Whether a datagram may come here at all (ICE, RFC 8445) is decided in `transport`.
//! The handshake itself is `rtc-dtls`. It is kept from what it does not stand: it sees only
//! records that [`guard`] admitted, and of the handshake only what [`messages`] has whole
//! and for the first time; what gets lost of our own is repeated by [`flight`].

mod engine;
mod flight;
mod guard;
mod hello;
mod messages;
mod terms;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc_dtls::endpoint::EndpointEvent;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::error::Error;

use crate::drops::DropReason;
use crate::identity::Identity;
use crate::sdp::Fingerprint;
use crate::sections::DtlsRole;
use crate::srtp::{self, Opener, Profile, Sealer};
use engine::Engine;
use guard::{Fragments, Guard, Phase, RecordKind, Records};
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
    patience: Patience,
}

/// When a handshake is given up.
#[derive(Debug)]
struct Patience {
    /// However much comes.
    end: Instant,
    /// Unless something new comes before.
    standstill: Instant,
}

impl Patience {
    /// For the whole handshake, from the moment the client's address is known: as long as
    /// its consent lasts.
    const WHOLE: Duration = Duration::from_secs(30);
    /// Without anything new. A client that waits as RFC 6347 says, 1 s, 2 s, 4 s, has four
    /// tries in that; one that never means to end its handshake is soon gone.
    const STANDSTILL: Duration = Duration::from_secs(10);

    fn new(now: Instant) -> Self {
        Self {
            end: now + Self::WHOLE,
            standstill: now + Self::STANDSTILL,
        }
    }

    /// The client took a step.
    fn progress(&mut self, now: Instant) {
        self.standstill = now + Self::STANDSTILL;
    }

    fn end(&self) -> Instant {
        self.end.min(self.standstill)
    }
}

enum State {
    /// Server: no ClientHello yet, which decides on the profile.
    Listening,
    Handshake(Box<Engine>),
    Established(Box<Engine>),
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

impl Dtls {
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
            patience: Patience::new(now),
        };
        if role == DtlsRole::Client {
            let config = dtls.terms.config(&[
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ])?;
            let engine = Engine::client(now, config).map_err(|_| DtlsFailure::Setup)?;
            dtls.state = State::Handshake(Box::new(engine));
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
                if let Some(engine) = self.engine() {
                    engine.write_record(record, &mut news);
                }
                continue;
            }
            for fragment in Fragments(record.body).flatten() {
                match self.messages.take(fragment) {
                    Taken::Kept => self.patience.progress(now),
                    Taken::Repeated => repeated = true,
                    Taken::Refused => refused = true,
                }
            }
            self.pop_messages(&mut news)?;
        }
        if !news.is_empty() {
            self.read(now, &news, events)?;
        } else if repeated && let Some(engine) = self.engine() {
            engine.answer_repeated(now);
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
            let role = self.role;
            let Some(engine) = self.engine() else {
                continue;
            };
            engine.write_message(&message, news);
            if role == DtlsRole::Server {
                // It answers our flight.
                engine.rest();
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
        self.state = State::Handshake(Box::new(Engine::server(config)));
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
            && let Some(engine) = self.engine()
        {
            engine.answer_repeated_last(now, record);
        }
        if news.is_empty() {
            return Ok(());
        }
        self.read(now, &news, events)
    }

    fn read(
        &mut self,
        now: Instant,
        records: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> Result<(), Refused> {
        let Some(engine) = self.engine() else {
            return Ok(());
        };
        let read = engine.read(now, records);
        let read = read.map_err(|error| self.judge(&error))?;
        for event in read {
            match event {
                EndpointEvent::HandshakeComplete => {
                    let keys = self.established().map_err(Refused::Failed)?;
                    events.push(DtlsEvent::Established(keys));
                }
                EndpointEvent::ApplicationData(data) => {
                    if let Some(engine) = self.engine() {
                        // It has our last flight.
                        engine.rest();
                    }
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
        let State::Handshake(mut engine) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(DtlsFailure::Setup);
        };
        let keys = self.keys(&engine)?;
        if self.role == DtlsRole::Client {
            engine.rest();
        }
        self.state = State::Established(engine);
        Ok(keys)
    }

    fn keys(&self, engine: &Engine) -> Result<Option<Box<(Sealer, Opener)>>, DtlsFailure> {
        let state = engine.agreed().ok_or(DtlsFailure::Setup)?;
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
        if let State::Established(engine) = &mut self.state {
            engine.write(now, bytes);
        }
    }

    /// The next datagram to send.
    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        self.engine()?.poll()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Listening => Some(self.patience.end()),
            State::Handshake(engine) => {
                let end = self.patience.end();
                Some(engine.due().map_or(end, |at| at.min(end)))
            }
            State::Established(engine) => engine.due(),
            State::Over => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        match &mut self.state {
            State::Listening | State::Handshake(_) if now >= self.patience.end() => {
                return Err(DtlsFailure::Timeout);
            }
            State::Handshake(engine) | State::Established(engine) => engine.handle_timeout(now),
            State::Listening | State::Over => {}
        }
        Ok(())
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(engine) = self.engine() {
            engine.close(now);
        }
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        match &mut self.state {
            State::Handshake(engine) | State::Established(engine) => Some(engine),
            State::Listening | State::Over => None,
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
