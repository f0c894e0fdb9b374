//! One TCP connection that never waits, and what goes over it encrypted where its client began with
//! TLS. What is encrypted cannot be overtaken any more, so it is little at a time.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;
use rustls::ServerConnection;

/// Reads and writes what the client's end says and hears.
#[derive(Debug)]
pub(super) struct Conduit {
    stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
}

impl Conduit {
    /// Over a connection whose handshake is done, if there is one.
    pub(super) fn new(stream: std::net::TcpStream, tls: Option<Box<ServerConnection>>) -> Self {
        Self {
            stream: TcpStream::from_std(stream),
            tls,
        }
    }

    /// For who watches it.
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

impl Read for Conduit {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.read(bytes);
        };
        loop {
            match tls.reader().read(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // To close without saying so gains nobody anything: messages tell their length.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            let processed = tls.process_new_packets();
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }
}

impl Write for Conduit {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.write(bytes);
        };
        // First what was encrypted before: more than one write's worth never waits.
        drain(tls, &mut self.stream)?;
        let count = tls.writer().write(bytes)?;
        match drain(tls, &mut self.stream) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => drain(tls, &mut self.stream),
            None => Ok(()),
        }
    }
}

/// Writes what is encrypted.
fn drain(tls: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::queue::Urgency::{Picture, Sound};
    use super::super::outgoing::{Framing, Outgoing, Written};
    use super::*;

    use std::net::{Ipv4Addr, Shutdown, TcpListener};
    use std::sync::Arc;
    use std::time::{Duration, Instant, SystemTime};

    use relay::{Identity, pki};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

    type Client = StreamOwned<ClientConnection, std::net::TcpStream>;

    /// Both ends, the handshake done.
    fn pair() -> (Conduit, Client) {
        let now = SystemTime::now().into();
        let authority = pki::authority(now).unwrap();
        let identity = Identity::new("lagos", "edge-1").unwrap();
        let hour = Duration::from_secs(3_600);
        let own = pki::node(&authority, &identity, now, hour).unwrap();
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate(&own.certificate)],
                PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap(),
            )
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&authority.certificate)).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("edge-1").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut near, _) = listener.accept().unwrap();
        while server.is_handshaking() || client.is_handshaking() {
            while client.wants_write() {
                client.write_tls(&mut far).unwrap();
            }
            server.read_tls(&mut near).unwrap();
            server.process_new_packets().unwrap();
            while server.wants_write() {
                server.write_tls(&mut near).unwrap();
            }
            if client.is_handshaking() {
                client.read_tls(&mut far).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        near.set_nonblocking(true).unwrap();
        let tls = Some(Box::new(server));
        (Conduit::new(near, tls), StreamOwned::new(client, far))
    }

    #[test]
    fn what_a_client_says_is_read_in_whatever_pieces_there_is_room_for() {
        let (mut conduit, mut client) = pair();
        let mut piece = [0; 7];
        let nothing = conduit.read(&mut piece).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        client.write_all(&[1; 100]).unwrap();
        let mut heard = 0;
        while heard < 100 {
            match conduit.read(&mut piece) {
                Ok(count) => heard += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        client.sock.shutdown(Shutdown::Write).unwrap();
        let ended = loop {
            match conduit.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                ended => break ended,
            }
        };
        assert_eq!(ended.unwrap(), 0);
    }

    #[test]
    fn u6_for_who_reads_slowly_little_is_encrypted_and_sound_overtakes_pictures() {
        let (mut conduit, mut client) = pair();
        let mut outgoing = Outgoing::new(Framing::Own);
        let now = Instant::now();
        let mut written = Written::All;
        let mut pictures = 0;
        // Until the kernel takes no more.
        while written == Written::All {
            outgoing.push(now, Picture, &[1; 1_000]).unwrap();
            pictures += 1;
            written = outgoing.write(now, &mut conduit, |reason| panic!("{reason:?}"));
        }
        assert_eq!(written, Written::Blocked);
        let late = 100;
        for _ in 0..late {
            outgoing.push(now, Picture, &[2; 1_000]).unwrap();
        }
        outgoing.push(now, Sound, &[3; 1_000]).unwrap();
        let mut heard = Vec::new();
        let mut piece = [0; 1_000];
        while heard.len() < pictures + late + 1 {
            written = outgoing.write(now, &mut conduit, |reason| panic!("{reason:?}"));
            client.read_exact(&mut piece).unwrap();
            heard.push(piece[0]);
        }
        assert_eq!(written, Written::All);
        let sound = heard.iter().position(|first| *first == 3).unwrap();
        // What was encrypted, and what was framed behind that.
        assert!(sound <= pictures + 18, "{sound} after {pictures}");
    }
}
