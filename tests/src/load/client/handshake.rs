//! Brings a client's connection up: connectivity checks until one is answered, then DTLS
//! 1.2 as its client (RFC 5764). What comes out is a connected socket and two keys; the
//! media itself is carried elsewhere.

use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::BytesMut;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider, providers::RingProvider};
use rtc_dtls::{
    config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
    crypto::Certificate,
    endpoint::{Endpoint, EndpointEvent},
    extension::extension_use_srtp::SrtpProtectionProfile,
};
use rtc_shared::TransportProtocol;
use tokio::{net::UdpSocket, time::timeout_at};

use super::{
    srtp::{Keys, MATERIAL},
    stun::{Checks, Kind},
};

/// What all clients of a run share: one certificate, one configuration.
#[derive(Clone)]
pub struct Dtls {
    config: Arc<HandshakeConfig>,
    /// Of the certificate: SHA-256 in hex with colons.
    pub fingerprint: String,
    /// What signs and hashes.
    pub crypto: Arc<dyn RTCCryptoProvider>,
}

impl fmt::Debug for Dtls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Dtls({})", self.fingerprint)
    }
}

/// A connection that is up.
#[derive(Debug)]
pub struct Connected {
    /// Connected to the server.
    pub socket: std::net::UdpSocket,
    /// Seals what we send.
    pub local: Keys,
    /// Opens what we receive.
    pub remote: Keys,
}

/// As long as the clients of browsers wait for a connection.
const LIMIT: Duration = Duration::from_secs(15);
/// Between two tries; the server is near.
const AGAIN: Duration = Duration::from_millis(250);
/// Datagrams may come coalesced; records of DTLS tell their own length.
const ROOM: usize = 65_536;

impl Dtls {
    /// Makes the certificate.
    pub fn new() -> Result<Self> {
        let crypto: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let certificate =
            Certificate::generate_self_signed(vec!["load".to_owned()], crypto.crypto())?;
        let digest = crypto
            .crypto()
            .hash(HashAlgorithm::Sha256, &certificate.certificate[0])
            .map_err(|error| anyhow!("no SHA-256: {error:?}"))?;
        let digest: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&crypto))
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            // Whom we measure is no secret from whom: the certificate is not compared.
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            // Its timer is lost on the way; `Flight` repeats.
            .with_flight_interval(Duration::from_secs(3600))
            .build(true, None)?;
        Ok(Self {
            config: Arc::new(config),
            fingerprint: digest.join(":"),
            crypto,
        })
    }

    /// Checks all `candidates` and shakes hands with the first that answers.
    pub async fn connect(
        &self,
        socket: std::net::UdpSocket,
        candidates: &[SocketAddr],
        checks: &Checks,
    ) -> Result<Connected> {
        ensure!(!candidates.is_empty(), "the server has no UDP address");
        let until = Instant::now() + LIMIT;
        let socket = UdpSocket::from_std(socket)?;
        let server = reach(&socket, candidates, checks, until).await?;
        socket.connect(server).await?;
        let (local, remote) = self.shake_hands(&socket, server, checks, until).await?;
        let socket = socket.into_std()?;
        Ok(Connected {
            socket,
            local,
            remote,
        })
    }

    async fn shake_hands(
        &self,
        socket: &UdpSocket,
        server: SocketAddr,
        checks: &Checks,
        until: Instant,
    ) -> Result<(Keys, Keys)> {
        let mut dtls = Endpoint::new(server, TransportProtocol::UDP, None);
        dtls.connect(Instant::now(), server, Arc::clone(&self.config), None)?;
        let mut flight = Flight::default();
        let mut buffer = vec![0; ROOM];
        loop {
            flight.send(&mut dtls, socket).await;
            let again = (Instant::now() + AGAIN).min(until);
            let Ok(received) = timeout_at(again.into(), socket.recv(&mut buffer)).await else {
                ensure!(Instant::now() < until, "no DTLS within {LIMIT:?}");
                flight.repeat(socket).await;
                continue;
            };
            // Refused for the moment, if anything.
            let Ok(length) = received else { continue };
            let datagram = &buffer[..length];
            match Kind::of(datagram) {
                Kind::Dtls => {}
                Kind::Request => {
                    if let Some(answer) = checks.answer(datagram, server) {
                        let _ = socket.send(&answer).await;
                    }
                    continue;
                }
                Kind::Success | Kind::OtherStun | Kind::Rtp | Kind::Rtcp | Kind::Unknown => {
                    continue;
                }
            }
            let records = BytesMut::from(records(datagram));
            let events = dtls.read(Instant::now(), server, None, records)?;
            let done = |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
            if events.iter().any(done) {
                flight.send(&mut dtls, socket).await;
                return self.keys(&dtls, server);
            }
        }
    }

    fn keys(&self, dtls: &Endpoint, server: SocketAddr) -> Result<(Keys, Keys)> {
        let state = dtls.get_connection_state(server).context("no DTLS state")?;
        if state.srtp_protection_profile() != SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm {
            bail!("the server does not speak AEAD_AES_128_GCM");
        }
        let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], MATERIAL)?;
        Keys::both(material.as_ref(), self.crypto.crypto())
    }
}

/// Sends checks until one is answered, and tells by whom.
async fn reach(
    socket: &UdpSocket,
    candidates: &[SocketAddr],
    checks: &Checks,
    until: Instant,
) -> Result<SocketAddr> {
    let mut buffer = vec![0; ROOM];
    loop {
        for candidate in candidates {
            // One that can't be sent to is as good as one that does not answer.
            let _ = socket.send_to(&checks.request()?, candidate).await;
        }
        let again = (Instant::now() + AGAIN).min(until);
        while let Ok(received) = timeout_at(again.into(), socket.recv_from(&mut buffer)).await {
            let Ok((length, from)) = received else {
                continue;
            };
            let kind = Kind::of(&buffer[..length]);
            if kind == Kind::Success && candidates.contains(&from) {
                return Ok(from);
            }
            if kind == Kind::Request
                && let Some(answer) = checks.answer(&buffer[..length], from)
            {
                let _ = socket.send_to(&answer, from).await;
            }
        }
        ensure!(
            Instant::now() < until,
            "no check was answered within {LIMIT:?}"
        );
    }
}

/// The records that a datagram begins with. One that the kernel coalesced may go on with
/// the first media, which comes before we count.
fn records(datagram: &[u8]) -> &[u8] {
    let mut end = 0;
    while let Some(record) = datagram.get(end..).filter(|rest| rest.len() >= 13)
        && Kind::of(record) == Kind::Dtls
    {
        end += 13 + usize::from(u16::from_be_bytes([record[11], record[12]]));
    }
    &datagram[..end.min(datagram.len())]
}

/// Our last datagrams of the handshake, to be sent again with fresh record numbers
/// (RFC 6347 section 4.2.4).
#[derive(Default)]
struct Flight {
    datagrams: Vec<Vec<u8>>,
    next_record: u64,
}

impl Flight {
    async fn send(&mut self, dtls: &mut Endpoint, socket: &UdpSocket) {
        let mut fresh = Vec::new();
        while let Some(transmit) = dtls.poll_transmit() {
            fresh.push(transmit.message.to_vec());
        }
        if !fresh.is_empty() {
            self.datagrams = fresh;
            self.repeat(socket).await;
        }
    }

    async fn repeat(&mut self, socket: &UdpSocket) {
        let mut datagrams = std::mem::take(&mut self.datagrams);
        for datagram in &mut datagrams {
            self.renumber(datagram);
            // Lost here is lost on the way.
            let _ = socket.send(datagram).await;
        }
        self.datagrams = datagrams;
    }

    /// Gives the records that are not encrypted the numbers after those before.
    fn renumber(&mut self, datagram: &mut [u8]) {
        let mut at = 0;
        while let Some(record) = datagram.get_mut(at..).filter(|rest| rest.len() >= 13) {
            if record[3..5] == [0, 0] {
                record[5..11].copy_from_slice(&self.next_record.to_be_bytes()[2..]);
                self.next_record += 1;
            }
            at += 13 + usize::from(u16::from_be_bytes([record[11], record[12]]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_behind_the_records_of_a_datagram_is_left_out() {
        let mut datagram = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 7, 7];
        datagram.extend_from_within(..);
        let records_end = datagram.len();
        datagram.extend_from_slice(&[0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(records(&datagram).len(), records_end);
        assert_eq!(records(&datagram[..records_end - 1]).len(), records_end - 1);
        assert!(records(&[]).is_empty());
    }
}
