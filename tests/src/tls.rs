//! The certificate of a node for its clients, made for the occasion, and a client that trusts the
//! CA of it and nobody else.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use relay::{Identity, pki};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A CA, and the two files of a node in a folder of their own.
#[derive(Debug)]
pub struct Certified {
    authority: pki::Pair,
    folder: PathBuf,
}

impl Drop for Certified {
    fn drop(&mut self) {
        // What stays behind in the temporary folder hurts nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The name in the certificate.
pub const NAME: &str = "edge-1";

impl Certified {
    /// A certificate good for so long.
    pub fn new(valid: Duration) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("tls-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&folder)?;
        let authority = pki::authority(OffsetDateTime::now_utc())?;
        let certified = Self { authority, folder };
        certified.renew(valid)?;
        Ok(certified)
    }

    /// Another certificate in the same files.
    pub fn renew(&self, valid: Duration) -> Result<()> {
        let identity = Identity::new("lagos", NAME)?;
        let pair = pki::node(&self.authority, &identity, OffsetDateTime::now_utc(), valid)?;
        self.write(&pair.certificate, &pair.key)
    }

    /// Anything else in them.
    pub fn write(&self, certificate: &str, key: &str) -> Result<()> {
        std::fs::write(self.file("certificate.pem"), certificate)?;
        Ok(std::fs::write(self.file("key.pem"), key)?)
    }

    /// What a node has to be told.
    pub fn environment(&self) -> Vec<(String, String)> {
        [("CERTIFICATE", "certificate.pem"), ("KEY", "key.pem")]
            .map(|(key, file)| {
                let path = self.file(file).display().to_string();
                (format!("EDGE_TLS__{key}"), path)
            })
            .into()
    }

    /// A client's connection after the handshake.
    pub async fn connect(&self, node: SocketAddr) -> Result<Secured> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(
            self.authority.certificate.as_bytes(),
        )?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(node).await?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from(NAME)?, stream).await;
        Ok(Secured(stream.context("no handshake")?))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A connection in TLS.
#[derive(Debug)]
pub struct Secured(pub TlsStream<TcpStream>);

impl Secured {
    /// The certificate it was given.
    pub fn certificate(&self) -> Vec<u8> {
        let shown = self.0.get_ref().1.peer_certificates();
        shown.map(|shown| shown[0].to_vec()).unwrap_or_default()
    }

    /// Asks over this very connection whether the node is there.
    pub async fn still_answers(&mut self) -> Result<()> {
        self.0
            .write_all(b"GET / HTTP/1.1\r\nHost: edge-1\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nOK") {
            let read = self.0.read_buf(&mut answer).await?;
            ensure!(read > 0, "closed after {answer:?}");
        }
        Ok(())
    }
}
