//! QUIC as a link needs it: TLS 1.3 with certificates of the private CA on both sides, datagrams
//! that never queue long, and our congestion controller in the place of QUIC's own.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use media::Bitrate;
use quinn::congestion::{Controller, ControllerFactory};
use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use quinn::{AckFrequencyConfig, ClientConfig, Connection, ServerConfig, TransportConfig, VarInt};
use relay_proto::{Congestion, Limits};
use rustls::server::WebPkiClientVerifier;

use crate::identity::Credentials;

/// Our version of the protocol. Another major version is not spoken with.
const ALPN: &[u8] = b"tof-relay/1";

/// The same, but whoever is dialled greets first, in its first flight: that saves a round trip.
const ALPN_GREETED: &[u8] = b"tof-relay/1.1";

/// What quinn may hold of datagrams: more than is ever given to it at once.
pub(crate) const DATAGRAM_BUFFER: usize = 1 << 20;

/// What a packet may be on any path that is worth the name: an RTP packet of 1,200 bytes and what
/// stands before it fit, and so does it itself where tunnels leave 1,280 of IPv4. More is found out.
const MTU: u16 = 1_252;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate or key is of no use.
    #[error("certificate or key: {0}")]
    Rustls(#[from] rustls::Error),
    /// No CA to check others by.
    #[error("CA: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// QUIC needs a cipher that TLS was not given.
    #[error("no cipher for QUIC")]
    Cipher,
}

/// For those who dial us.
pub(crate) fn server(credentials: &Credentials, limits: Limits) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(credentials.roots.clone(), provider.clone())
            .build()?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(credentials.chain.clone(), credentials.key.clone_key())?;
    tls.alpn_protocols = vec![ALPN_GREETED.to_vec(), ALPN.to_vec()];
    let tls = QuicServerConfig::try_from(tls).map_err(|_| TlsError::Cipher)?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport(limits, 0)));
    Ok(config)
}

/// For those whom we dial; the congestion state of the connection can be asked of `shared`.
pub(crate) fn client(credentials: &Credentials, limits: Limits) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(credentials.roots.clone())
        .with_client_auth_cert(credentials.chain.clone(), credentials.key.clone_key())?;
    tls.alpn_protocols = vec![ALPN_GREETED.to_vec(), ALPN.to_vec()];
    let tls = QuicClientConfig::try_from(tls).map_err(|_| TlsError::Cipher)?;
    let mut config = ClientConfig::new(Arc::new(tls));
    // The greeting comes on one.
    config.transport_config(Arc::new(transport(limits, 1)));
    Ok(config)
}

/// Whether both ends agreed that whoever was dialled greets first.
pub(crate) fn greets_first(connection: &Connection) -> bool {
    let agreed = connection.handshake_data();
    let agreed = agreed.and_then(|agreed| agreed.downcast::<HandshakeData>().ok());
    agreed.is_some_and(|agreed| agreed.protocol.as_deref() == Some(ALPN_GREETED))
}

/// With so many streams of one direction that the other end may open.
fn transport(limits: Limits, one_way: u32) -> TransportConfig {
    let mut config = TransportConfig::default();
    // Receipts for every other packet are a third of the cost of a link; these are enough.
    let mut receipts = AckFrequencyConfig::default();
    receipts
        .ack_eliciting_threshold(VarInt::from_u32(20))
        .max_ack_delay(Some(Duration::from_millis(5)));
    config
        .initial_mtu(MTU)
        // A burst of losses may be taken for a path that carries only small packets: then these still
        // go.
        .min_mtu(MTU)
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .datagram_receive_buffer_size(Some(4 << 20))
        .max_idle_timeout(Some(VarInt::from_u32(5_000).into()))
        .keep_alive_interval(Some(Duration::from_secs(1)))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(one_way))
        .congestion_controller_factory(Arc::new(Factory(limits)))
        .ack_frequency_config(Some(receipts));
    config
}

/// Makes a controller for each connection.
#[derive(Debug)]
struct Factory(Limits);

impl ControllerFactory for Factory {
    fn build(self: Arc<Self>, now: Instant, _mtu: u16) -> Box<dyn Controller> {
        let congestion = Congestion::new(now, self.0);
        Box::new(Shared(Arc::new(Mutex::new(congestion))))
    }
}

/// Our controller, held by quinn and asked by the link that it limits.
///
/// A lock, because quinn owns the one end and calls it from its own task; each holds it for a few
/// additions.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Congestion>>);

impl Shared {
    /// The controller of `connection`.
    pub(crate) fn of(connection: &Connection) -> Option<Self> {
        let state = connection.congestion_state().into_any();
        state.downcast::<Self>().ok().map(|shared| *shared)
    }

    /// Never less than this from now on.
    pub(crate) fn set_least(&self, least: Bitrate) {
        self.with(|congestion| congestion.set_least(least));
    }

    /// What may be sent in a second. `held_back` tells whether more waits.
    pub(crate) fn rate(&self, held_back: bool) -> Bitrate {
        self.with(|congestion| {
            if held_back {
                congestion.hold_back();
            }
            congestion.rate()
        })
    }

    /// The window is full: whether one more may leave, because nothing arrives.
    pub(crate) fn tries(&self, now: Instant) -> bool {
        self.with(|congestion| congestion.tries(now))
    }

    /// What the path is believed to carry for longer.
    pub(crate) fn carries(&self) -> Bitrate {
        self.with(|congestion| congestion.carries())
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Congestion) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Controller for Shared {
    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        _app_limited: bool,
        rtt: &quinn_proto::RttEstimator,
    ) {
        self.with(|congestion| congestion.acked(now, sent, bytes, rtt.get()));
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        _sent: Instant,
        is_persistent: bool,
        lost_bytes: u64,
    ) {
        self.with(|congestion| {
            if is_persistent {
                congestion.nothing_arrived(now);
            } else {
                congestion.lost(now, lost_bytes);
            }
        });
    }

    fn on_mtu_update(&mut self, _mtu: u16) {}

    fn window(&self) -> u64 {
        self.with(|congestion| congestion.window())
    }

    /// Quinn hands a copy out to those who ask: they are to see the same state.
    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
