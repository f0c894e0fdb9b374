//! Somebody with a certificate who speaks to a node by hand, and says what it likes.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use relay::pki::Pair;
use relay_proto::control::{Hello, HelloLane, Lengths, MAJOR, MINOR, Message};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::timeout;

use super::PATIENCE;

/// One connection to a node.
pub(crate) struct Stranger {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) receive: RecvStream,
    lengths: Lengths,
    _endpoint: Endpoint,
}

/// Whether it shows a certificate.
pub(crate) enum Shows<'a> {
    Certificate(&'a Pair),
    Nothing,
}

/// As a node has it, but for what a test changes.
pub(crate) fn hello(node: &str, region: &str, lane: HelloLane) -> Hello {
    Hello {
        major: MAJOR,
        minor: MINOR,
        node: node.to_owned(),
        region: region.to_owned(),
        instance: 77,
        lane: lane.into(),
    }
}

pub(crate) fn client(authority: &Pair, shows: &Shows<'_>, alpn: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.certificate.as_bytes()).expect("PEM");
    roots.add(root).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots);
    let mut tls = match shows {
        Shows::Certificate(pair) => tls
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM")],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM"),
            )
            .expect("a certificate and its key"),
        Shows::Nothing => tls.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    tls.enable_early_data = true;
    let tls = QuicClientConfig::try_from(tls).expect("a cipher for QUIC");
    ClientConfig::new(Arc::new(tls))
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a port")
}

impl Stranger {
    /// Dials, and says `first` before anything else.
    pub(crate) async fn dial(
        config: ClientConfig,
        node: &str,
        address: SocketAddr,
        first: &[u8],
    ) -> Self {
        let endpoint = endpoint();
        let dialling = endpoint
            .connect_with(config, address, node)
            .expect("a good name");
        let connection = timeout(PATIENCE, dialling)
            .await
            .expect("it answers")
            .expect("TLS is content");
        let (mut send, receive) = connection.open_bi().await.expect("a stream");
        send.write_all(first).await.expect("it is there");
        Self {
            connection,
            send,
            receive,
            lengths: Lengths::default(),
            _endpoint: endpoint,
        }
    }

    /// Both connections of a link, their greetings answered: control, then video.
    pub(crate) async fn link(
        config: ClientConfig,
        node: &str,
        address: SocketAddr,
        name: &str,
    ) -> (Self, Self) {
        let mut both = Vec::new();
        for lane in [HelloLane::Control, HelloLane::Video] {
            let first = Message::Hello(hello(name, "lagos", lane)).write();
            let mut stranger = Self::dial(config.clone(), node, address, &first).await;
            let answer = stranger.next().await;
            assert!(matches!(answer, Message::Hello(_)), "{answer:?}");
            both.push(stranger);
        }
        let video = both.pop().expect("there are two");
        (both.pop().expect("there are two"), video)
    }

    pub(crate) async fn say(&mut self, message: Message) {
        let written = message.write();
        self.send.write_all(&written).await.expect("it is there");
    }

    /// The next message it says.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            if let Some(bytes) = self.lengths.next_message().expect("it does not lie") {
                if let Some(message) = Message::read(&bytes).expect("it makes sense") {
                    return message;
                }
                continue;
            }
            let chunk = timeout(PATIENCE, self.receive.read_chunk(65_536, true))
                .await
                .expect("it says something")
                .expect("the stream is whole")
                .expect("it goes on");
            self.lengths.push(&chunk.bytes).expect("it is not much");
        }
    }

    /// Why it ended the connection: the code it gave.
    pub(crate) async fn closed(&self) -> Option<u64> {
        let why = timeout(PATIENCE, self.connection.closed())
            .await
            .expect("it ends the connection");
        if let quinn::ConnectionError::ApplicationClosed(close) = why {
            Some(close.error_code.into_inner())
        } else {
            None
        }
    }
}
