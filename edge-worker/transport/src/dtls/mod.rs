//! The DTLS connection (RFC 6347, RFC 5764): one handshake in either role, the keys of
//! media, and then the bytes of data channels.
//!
//! Whether a datagram may come here at all (ICE, RFC 8445) is decided in `transport`.
//! The handshake itself is `rtc-dtls`, which sees only records [`guard`] admitted.

mod guard;
mod hello;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ring::digest;
use rtc_dtls::config::{
    ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig,
    VerifyPeerCertificateFn,
};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use crate::drops::DropReason;
use crate::identity::Identity;
use crate::sdp::{Fingerprint, HashAlgorithm};
use crate::sections::DtlsRole;
use crate::srtp::{self, Opener, Profile, Sealer};
use guard::{Guard, Phase};
use hello::{Hello, Offered};

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
    identity: Arc<Identity>,
    fingerprints: Arc<[Fingerprint]>,
    role: DtlsRole,
    state: State,
    guard: Guard,
    /// Set by the certificate check, which runs inside the handshake.
    impostor: Arc<AtomicBool>,
    give_up: Instant,
}

enum State {
    /// Server: reading ahead in the ClientHello. Its datagrams are kept for the handshake.
    Peeking {
        hello: Hello,
        kept: Vec<Vec<u8>>,
    },
    Handshake(Box<Endpoint>),
    Established(Box<Endpoint>),
    Over,
}

impl fmt::Debug for Dtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Peeking { .. } => "peeking",
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
    /// For the whole handshake, from the moment the client's address is known.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// Between retransmissions (RFC 6347 section 4.2.4.1). There are seven at most.
    const FLIGHT_INTERVAL: Duration = Duration::from_secs(1);
    /// Datagrams kept while reading ahead: a ClientHello fills two or three.
    const MAX_KEPT: usize = 8;
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
            identity,
            fingerprints: fingerprints.into(),
            role,
            state: State::Peeking {
                hello: Hello::default(),
                kept: Vec::new(),
            },
            guard: Guard::default(),
            impostor: Arc::default(),
            give_up: now + Self::PATIENCE,
        };
        if role == DtlsRole::Client {
            let config = dtls.config(&[
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ])?;
            let mut endpoint = Endpoint::new(LOCAL, TransportProtocol::UDP, None);
            endpoint
                .connect(now, REMOTE, config, None)
                .map_err(|_| DtlsFailure::Setup)?;
            dtls.state = State::Handshake(Box::new(endpoint));
        }
        Ok(dtls)
    }

    fn config(
        &self,
        profiles: &[SrtpProtectionProfile],
    ) -> Result<Arc<HandshakeConfig>, DtlsFailure> {
        let fingerprints = Arc::clone(&self.fingerprints);
        let impostor = Arc::clone(&self.impostor);
        let verify: VerifyPeerCertificateFn = Arc::new(move |chain: &[Vec<u8>], _: &[_]| {
            if chain.first().is_some_and(|leaf| names(&fingerprints, leaf)) {
                return Ok(());
            }
            impostor.store(true, Ordering::Relaxed);
            Err(Error::Other(
                "not the certificate of the description".into(),
            ))
        });
        ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(self.identity.crypto()))
            .with_certificates(vec![self.identity.certificate()])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // There is no authority: the fingerprint is what is checked.
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(verify))
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(Self::FLIGHT_INTERVAL)
            .build(self.role == DtlsRole::Client, None)
            .map(Arc::new)
            .map_err(|_| DtlsFailure::Setup)
    }

    /// Takes one datagram from a validated address.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        datagram: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> Result<(), Refused> {
        let phase = match &self.state {
            State::Peeking { .. } | State::Handshake(_) => Phase::Handshake,
            State::Established(_) => Phase::Established,
            State::Over => return Err(Refused::Dropped(DropReason::Closed)),
        };
        self.guard
            .admit(datagram, phase)
            .map_err(Refused::Dropped)?;
        match &mut self.state {
            State::Peeking { .. } => self.peek(now, datagram, events),
            State::Handshake(_) | State::Established(_) => self.read(now, datagram, events),
            State::Over => Ok(()),
        }
    }

    fn peek(
        &mut self,
        now: Instant,
        datagram: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> Result<(), Refused> {
        let State::Peeking { hello, kept } = &mut self.state else {
            return Ok(());
        };
        let profiles: &[SrtpProtectionProfile] = match hello.read(datagram) {
            Offered::Incomplete if kept.len() < Self::MAX_KEPT => {
                kept.push(datagram.to_vec());
                return Ok(());
            }
            Offered::Incomplete | Offered::Malformed => {
                *hello = Hello::default();
                kept.clear();
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
        let mut kept = std::mem::take(kept);
        kept.push(datagram.to_vec());
        let config = self.config(profiles).map_err(Refused::Failed)?;
        let endpoint = Endpoint::new(LOCAL, TransportProtocol::UDP, Some(config));
        self.state = State::Handshake(Box::new(endpoint));
        kept.iter()
            .try_for_each(|datagram| self.read(now, datagram, events))
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
        let read = read.map_err(|error| self.judge(&error))?;
        for event in read {
            match event {
                EndpointEvent::HandshakeComplete => {
                    let keys = self.established().map_err(Refused::Failed)?;
                    events.push(DtlsEvent::Established(keys));
                }
                EndpointEvent::ApplicationData(data) => {
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
        if self.impostor.load(Ordering::Relaxed) {
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
        let crypto = self.identity.crypto().crypto();
        srtp::keyed(crypto, profile, self.role, material.as_ref())
            .map(|keys| Some(Box::new(keys)))
            .ok_or(DtlsFailure::Setup)
    }

    /// Encrypts bytes of the data channels' association.
    pub(crate) fn send(&mut self, now: Instant, bytes: &[u8]) {
        if let State::Established(endpoint) = &mut self.state {
            // It can only refuse after a goodbye, when nobody listens any more.
            let _ = endpoint.write(now, REMOTE, bytes);
        }
    }

    /// The next datagram to send.
    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        match &mut self.state {
            State::Handshake(endpoint) | State::Established(endpoint) => {
                Some(endpoint.poll_transmit()?.message.to_vec())
            }
            State::Peeking { .. } | State::Over => None,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Peeking { .. } => Some(self.give_up),
            State::Handshake(endpoint) => {
                let retransmit = endpoint.poll_timeout(&REMOTE);
                Some(retransmit.map_or(self.give_up, |at| at.min(self.give_up)))
            }
            State::Established(endpoint) => endpoint.poll_timeout(&REMOTE),
            State::Over => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        let late = now >= self.give_up;
        match &mut self.state {
            State::Peeking { .. } | State::Handshake(_) if late => Err(DtlsFailure::Timeout),
            State::Handshake(endpoint) | State::Established(endpoint) => {
                // The handshake's own count of retransmissions runs out later than ours.
                let _ = endpoint.handle_timeout(REMOTE, now);
                Ok(())
            }
            State::Peeking { .. } | State::Over => Ok(()),
        }
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant) {
        match &mut self.state {
            State::Handshake(endpoint) | State::Established(endpoint) => {
                // Best effort: the client notices the silence otherwise.
                let _ = endpoint.close(now);
            }
            State::Peeking { .. } | State::Over => {}
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

/// Whether one of `fingerprints` is that of `certificate`.
fn names(fingerprints: &[Fingerprint], certificate: &[u8]) -> bool {
    fingerprints.iter().any(|fingerprint| {
        let algorithm = match fingerprint.algorithm {
            HashAlgorithm::Sha256 => &digest::SHA256,
            HashAlgorithm::Sha384 => &digest::SHA384,
            HashAlgorithm::Sha512 => &digest::SHA512,
            HashAlgorithm::Unusable => return false,
        };
        digest::digest(algorithm, certificate).as_ref() == fingerprint.digest
    })
}
