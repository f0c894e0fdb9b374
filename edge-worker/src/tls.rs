//! The certificate that clients see: read from files, renewed while the node runs, and proven to
//! who comes. Connections that are open keep what they began with. What is said in TLS is left to
//! the [`door`](crate::http).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::config;
use crate::metrics::{Metrics, TlsMetrics};
use crate::pipe::Pipe;

/// A handshake may take this long: three round trips of a bad network, a packet of each lost.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// So many at a time; who comes then waits for one to end. Each holds some 40 KiB.
const HANDSHAKES: usize = 2_048;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// What can be asked for in a handshake (RFC 7301): HTTP, or TURN (RFC 7443). Who names nothing is
/// told apart by what comes first.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"stun.turn"];

/// Takes clients in by the certificate of the moment.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    current: watch::Receiver<Arc<ServerConfig>>,
    handshakes: Arc<Semaphore>,
    metrics: TlsMetrics,
}

/// Nobody was taken in: the handshake failed, or took too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoHandshake;

/// A certificate that is good for a start: it can be read, and the key is its own.
#[derive(Debug)]
pub(crate) struct Credentials {
    config: Arc<ServerConfig>,
    expires_at: SystemTime,
}

/// Why files are of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// One cannot be read.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: String,
        /// Why.
        why: std::io::Error,
    },
    /// One is not PEM, or holds something else.
    #[error("{path} holds no {wanted}: {why}")]
    Pem {
        /// Which.
        path: String,
        /// What it is to hold.
        wanted: &'static str,
        /// What is wrong with it.
        why: rustls::pki_types::pem::Error,
    },
    /// The certificate makes no sense.
    #[error("{0} holds no certificate that can be read")]
    Unreadable(String),
    /// They do not belong together, or are of a kind that nobody uses.
    #[error("the certificate and the key do not go together: {0}")]
    Unfit(#[from] rustls::Error),
}

impl Credentials {
    /// What the files hold now.
    pub(crate) fn read(files: &config::Tls) -> Result<Self, CredentialsError> {
        let certificate = &files.certificate;
        let not_pem = |path: &Path, wanted| {
            let path = path.display().to_string();
            move |why| CredentialsError::Pem { path, wanted, why }
        };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(&contents(certificate)?).collect();
        let chain = chain.map_err(not_pem(certificate, "certificate"))?;
        let expires_at = chain.first().and_then(|own| relay::expiry(own).ok());
        let unreadable = || CredentialsError::Unreadable(certificate.display().to_string());
        let expires_at = expires_at.ok_or_else(unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(&contents(&files.key)?)
            .map_err(not_pem(&files.key, "key"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Self {
            config: Arc::new(config),
            expires_at,
        })
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    std::fs::read(path).map_err(|why| CredentialsError::File {
        path: path.display().to_string(),
        why,
    })
}

/// Both ends: what takes clients in, and what is to be run beside it.
pub(crate) fn prepare(files: config::Tls, metrics: &Metrics) -> anyhow::Result<(Tls, Renewal)> {
    let seen = written_at(&files);
    let credentials = Credentials::read(&files).context("tls.certificate")?;
    let metrics = TlsMetrics::new(metrics.registry());
    let (sender, current) = watch::channel(Arc::clone(&credentials.config));
    let renewal = Renewal {
        files,
        seen,
        sender,
        metrics: metrics.clone(),
    };
    renewal.tell_expiry(&credentials);
    let tls = Tls {
        current,
        handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
        metrics,
    };
    Ok((tls, renewal))
}

impl Tls {
    /// Proves to a client who this node is, and agrees with it on keys.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Result<Pipe, NoHandshake> {
        let shaking = async {
            let _turn = self.handshakes.acquire().await.ok()?;
            let config = Arc::clone(&self.current.borrow());
            TlsAcceptor::from(config).accept(stream).await.ok()
        };
        let (outcome, shaken) = match timeout(HANDSHAKE_LIMIT, shaking).await {
            Ok(Some(stream)) => ("done", Ok(Pipe::Tls(Box::new(stream)))),
            Ok(None) => ("failed", Err(NoHandshake)),
            Err(_) => ("slow", Err(NoHandshake)),
        };
        self.metrics.handshakes.with_label_values(&[outcome]).inc();
        shaken
    }
}

/// Looks whether there is another certificate, every ten seconds and when it is told to (SIGHUP).
#[derive(Debug)]
pub(crate) struct Renewal {
    files: config::Tls,
    /// When what is used was written, or what is of no use and was told of.
    seen: Written,
    sender: watch::Sender<Arc<ServerConfig>>,
    metrics: TlsMetrics,
}

type Written = [Option<SystemTime>; 2];

fn written_at(files: &config::Tls) -> Written {
    [&files.certificate, &files.key].map(|path| {
        let file = std::fs::metadata(path);
        file.and_then(|file| file.modified()).ok()
    })
}

impl Renewal {
    /// Until the node ends.
    pub(crate) async fn run(mut self, mut hang_up: Signal) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // An operator goes before the clock.
                biased;
                _ = hang_up.recv() => self.renew(),
                _ = looks.tick() => if written_at(&self.files) != self.seen { self.renew() },
            }
        }
    }

    /// Takes what the files hold now, if that is of use. They are small, and read at once.
    fn renew(&mut self) {
        self.seen = written_at(&self.files);
        let outcome = match Credentials::read(&self.files) {
            Ok(credentials) => {
                self.tell_expiry(&credentials);
                self.sender.send_replace(credentials.config);
                info!("certificate for clients reloaded");
                "done"
            }
            Err(error) => {
                warn!(
                    %error,
                    "the new certificate for clients is of no use, so the old one stays: write \
                     both files of [tls] anew before it expires"
                );
                "failed"
            }
        };
        self.metrics.reloads.with_label_values(&[outcome]).inc();
    }

    fn tell_expiry(&self, credentials: &Credentials) {
        let at = credentials.expires_at;
        if at < SystemTime::now() {
            warn!("the certificate for clients has expired: browsers refuse it; renew it");
        }
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        self.metrics.expires_at.set(at);
    }
}

/// What tells the node to look at its files.
pub(crate) fn hang_ups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot listen for SIGHUP")
}
