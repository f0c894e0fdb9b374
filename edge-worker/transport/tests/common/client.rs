//! The client's end: checks by hand, `rtc-dtls`, `rtc-srtp` and `sctp-proto`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc_crypto::providers::RingProvider;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint as Dtls, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{
    ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::Username;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint as Sctp, EndpointConfig,
    Event, Payload, PayloadProtocolIdentifier as Ppi, ReliabilityType, StreamEvent,
    TransportConfig,
};
use transport::IceCredentials;
use transport::sdp::{Description, Direction, SdpKind, SetupRole, TransportLines};

use super::Options;
use super::repeater::{Repeater, is_handshake};

/// The client's part in the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// The SRTP profiles the client offers; as in browsers the expensive one first.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Profiles {
    Both,
    Sha1,
}

pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) ice: IceCredentials,
    pub(crate) edge: IceCredentials,
    pub(crate) crypto: Arc<dyn RTCCryptoProvider>,
    role: Role,
    config: Arc<HandshakeConfig>,
    fingerprint: String,
    pub(crate) dtls: Dtls,
    repeater: Repeater,
    pub(crate) srtp: Option<Srtp>,
    next_check: Option<Instant>,
    /// Checks nominate; none are sent when silent.
    pub(crate) silent: bool,
    reachable: bool,
    out: VecDeque<Vec<u8>>,
    sctp: Sctp,
    checksums: Checksums,
    association: Option<(AssociationHandle, Association)>,
    pub(crate) sctp_up: bool,
    /// Channels we opened that it has not agreed to yet.
    unacknowledged: Vec<u16>,
    /// Stream, whether control, and message.
    pub(crate) messages: Vec<(u16, bool, Vec<u8>)>,
    /// RTP and RTCP as they came out of SRTP.
    pub(crate) rtp: Vec<Vec<u8>>,
    pub(crate) rtcp: Vec<Vec<u8>>,
    /// STUN replies.
    pub(crate) replies: Vec<Vec<u8>>,
    pub(crate) unauthentic: usize,
}

/// Whether it offers to do without checksums over DTLS (RFC 9653).
#[derive(Clone, Copy)]
pub(crate) enum Checksums {
    Sent,
    Spared,
}

/// An SCTP packet that, if it is an INIT, says that checksums are not needed over DTLS.
fn sparing_checksums(packet: &[u8]) -> Vec<u8> {
    const INIT: u8 = 1;
    const ACCEPTABLE_OVER_DTLS: [u8; 8] = [0x80, 0x01, 0, 8, 0, 0, 0, 1];
    let mut packet = packet.to_vec();
    if packet[12] != INIT {
        return packet;
    }
    packet.extend(ACCEPTABLE_OVER_DTLS);
    let len = (packet.len() - 12) as u16;
    packet[14..16].copy_from_slice(&len.to_be_bytes());
    packet[8..12].fill(0);
    // CRC32c, a bit at a time.
    let crc = packet.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    });
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
    packet
}

pub(crate) struct Srtp {
    pub(crate) profile: ProtectionProfile,
    pub(crate) local: Context,
    pub(crate) remote: Context,
}

fn peer() -> SocketAddr {
    "127.0.0.1:1".parse().unwrap()
}

impl Client {
    pub(crate) fn new(options: Options, edge: IceCredentials) -> Self {
        let Options {
            role,
            profiles,
            checksums,
            ..
        } = options;
        let crypto: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let certificate =
            Certificate::generate_self_signed(vec!["client".into()], crypto.crypto()).unwrap();
        let digest = crypto
            .crypto()
            .hash(HashAlgorithm::Sha256, &certificate.certificate[0])
            .unwrap();
        let digest: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let profiles = match profiles {
            Profiles::Both => vec![
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            ],
            Profiles::Sha1 => vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80],
        };
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&crypto))
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(profiles)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            // Its timer is lost on the way; `Repeater` repeats.
            .with_flight_interval(Duration::from_secs(3600))
            .build(role == Role::Client, None)
            .unwrap();
        let config = Arc::new(config);
        let server = (role == Role::Server).then(|| Arc::clone(&config));
        Self {
            address: super::CLIENT.parse().unwrap(),
            ice: IceCredentials {
                ufrag: "clnt".into(),
                pwd: "clientpasswordclientpwd".into(),
            },
            edge,
            crypto,
            role,
            config,
            fingerprint: digest.join(":"),
            dtls: Dtls::new(peer(), TransportProtocol::UDP, server),
            repeater: Repeater::new(options.flight_interval),
            srtp: None,
            next_check: None,
            silent: false,
            reachable: false,
            out: VecDeque::new(),
            checksums,
            sctp: Sctp::new(Arc::new(EndpointConfig::new()), None),
            association: None,
            sctp_up: false,
            unacknowledged: Vec::new(),
            messages: Vec::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            replies: Vec::new(),
            unauthentic: 0,
        }
    }

    /// Sends one Opus and one VP8 track with repairs, and has data channels.
    pub(crate) fn offer(&self) -> String {
        let setup = match self.role {
            Role::Client => "actpass",
            Role::Server => "passive",
        };
        let common = format!(
            "c=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n",
            self.ice.ufrag, self.ice.pwd, self.fingerprint
        );
        let extensions = "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
            a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
            a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
        format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\na=msid-semantic: WMS *\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{common}a=mid:0\r\n{extensions}a=sendonly\r\na=msid:s mic\r\na=rtcp-mux\r\n\
            a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
            a=ssrc:1111 cname:c\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n{common}a=mid:1\r\n{extensions}a=sendonly\r\na=msid:s cam\r\na=rtcp-mux\r\n\
            a=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
            a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=ssrc-group:FID 2222 3333\r\na=ssrc:2222 cname:c\r\na=ssrc:3333 cname:c\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{common}a=mid:2\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
        )
    }

    /// Takes everything that is offered.
    pub(crate) fn answer(&self, offer: &str) -> String {
        let mut answer = Description::parse(SdpKind::Offer, offer).unwrap();
        answer.kind = SdpKind::Answer;
        answer.ice_lite = false;
        for section in &mut answer.sections {
            section.transport = TransportLines {
                ufrag: Some(self.ice.ufrag.clone()),
                pwd: Some(self.ice.pwd.clone()),
                ice_options: Vec::new(),
                fingerprints: vec![format!("sha-256 {}", self.fingerprint).parse().unwrap()],
                setup: Some(match self.role {
                    Role::Client => SetupRole::Active,
                    Role::Server => SetupRole::Passive,
                }),
            };
            section.candidates.clear();
            if section.direction == Direction::SendOnly {
                section.direction = Direction::RecvOnly;
            }
            section.msids.clear();
            section.ssrcs.clear();
            section.ssrc_groups.clear();
        }
        answer.transport = TransportLines::default();
        answer.print()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// One connectivity check.
    pub(crate) fn check(&self, priority: u32, extra: &[&dyn Setter], pwd: &str) -> Vec<u8> {
        let mut check = Message::new();
        check.set_type(BINDING_REQUEST);
        check.write_header();
        TransactionId::new().add_to(&mut check).unwrap();
        let name = format!("{}:{}", self.edge.ufrag, self.ice.ufrag);
        Username::new(ATTR_USERNAME, name)
            .add_to(&mut check)
            .unwrap();
        check.add(ATTR_PRIORITY, &priority.to_be_bytes());
        for setter in extra {
            setter.add_to(&mut check).unwrap();
        }
        MessageIntegrity::new_short_term_integrity_with_provider(pwd.into(), self.crypto.crypto())
            .add_to(&mut check)
            .unwrap();
        FINGERPRINT.add_to(&mut check).unwrap();
        check.raw
    }

    pub(crate) fn nominating_check(&self, priority: u32) -> Vec<u8> {
        self.check(priority, &[&Controlling, &UseCandidate], &self.edge.pwd)
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if !self.silent && self.next_check.is_none_or(|at| at <= now) {
            let check = self.nominating_check(100);
            self.out.push_back(check);
            self.next_check = Some(now + Duration::from_millis(400));
        }
        self.out.extend(self.repeater.due(now));
        if let Some((_, association)) = &mut self.association
            && association.poll_timeout().is_some_and(|at| at <= now)
        {
            association.handle_timeout(now);
        }
        self.pump_sctp(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let sctp = self
            .association
            .as_ref()
            .and_then(|(_, a)| a.poll_timeout());
        let check = self.next_check.filter(|_| !self.silent);
        [self.repeater.deadline(), sctp, check]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        while let Some(transmit) = self.dtls.poll_transmit() {
            let mut datagram = transmit.message.to_vec();
            self.repeater.sent(now, &mut datagram, self.is_connected());
            self.out.push_back(datagram);
        }
        self.out.pop_front()
    }

    pub(crate) fn handle(&mut self, now: Instant, bytes: &[u8]) {
        match bytes[0] {
            0..=3 => {
                self.replies.push(bytes.to_vec());
                let success = bytes[..2] == [1, 1];
                if success && !self.reachable && self.role == Role::Client {
                    self.dtls
                        .connect(now, peer(), Arc::clone(&self.config), None)
                        .unwrap();
                }
                self.reachable |= success;
            }
            20..=63 => {
                if self.is_connected() && self.role == Role::Server && is_handshake(bytes) {
                    self.out.extend(self.repeater.again());
                }
                let events = self.dtls.read(now, peer(), None, BytesMut::from(bytes));
                for event in events.unwrap_or_default() {
                    match event {
                        EndpointEvent::HandshakeComplete => self.up(),
                        EndpointEvent::ApplicationData(data) => self.sctp(now, data.freeze()),
                        _ => {}
                    }
                }
            }
            _ => self.media(bytes),
        }
        self.pump_sctp(now);
    }

    fn media(&mut self, bytes: &[u8]) {
        let Some(srtp) = &mut self.srtp else { return };
        let control = (192..=223).contains(&bytes[1]);
        let opened = match control {
            true => srtp.remote.decrypt_rtcp(bytes),
            false => srtp.remote.decrypt_rtp(bytes),
        };
        match opened {
            Ok(opened) if control => self.rtcp.push(opened.to_vec()),
            Ok(opened) => self.rtp.push(opened.to_vec()),
            Err(_) => self.unauthentic += 1,
        }
    }

    fn up(&mut self) {
        self.repeater.stop();
        let state = self.dtls.get_connection_state(peer()).unwrap();
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            _ => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        let mut config = Config {
            profile,
            ..Config::default()
        };
        let material = state
            .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], config.keying_material_len())
            .unwrap();
        config
            .set_session_keys_from_keying_material(material.as_ref(), state.is_client())
            .unwrap();
        let context = |key: &[u8], salt: &[u8]| {
            Context::new(key, salt, profile, None, None, self.crypto.crypto()).unwrap()
        };
        let keys = &config.keys;
        self.srtp = Some(Srtp {
            profile,
            local: context(&keys.local_master_key, &keys.local_master_salt),
            remote: context(&keys.remote_master_key, &keys.remote_master_salt),
        });
        // As browsers wait.
        let transport = TransportConfig::default()
            .with_rto_initial_ms(500)
            .with_rto_min_ms(400)
            .with_rto_max_ms(10_000);
        let mut config = ClientConfig::new();
        config.transport = Arc::new(transport);
        self.association = Some(self.sctp.connect(config, peer()).unwrap());
    }

    fn sctp(&mut self, now: Instant, packet: Bytes) {
        let handled = self.sctp.handle(now, peer(), None, None, packet);
        if let (Some((_, DatagramEvent::AssociationEvent(event))), Some((_, association))) =
            (handled, &mut self.association)
        {
            association.handle_event(event);
        }
    }

    fn pump_sctp(&mut self, now: Instant) {
        let Some((_, association)) = &mut self.association else {
            return;
        };
        while let Some(event) = association.poll() {
            match event {
                Event::Connected => self.sctp_up = true,
                Event::Stream(StreamEvent::Opened { id } | StreamEvent::Readable { id }) => {
                    while let Ok(mut stream) = association.stream(id)
                        && let Ok(Some(chunks)) = stream.read()
                    {
                        let mut message = vec![0; chunks.len()];
                        chunks.read(&mut message).unwrap();
                        let control = chunks.ppi == Ppi::Dcep;
                        if control && message[0] == 3 {
                            self.unacknowledged.push(id);
                        }
                        self.messages.push((id, control, message));
                    }
                }
                _ => {}
            }
        }
        // Data may overtake the end of the association's own handshake.
        for id in self.unacknowledged.extract_if(.., |_| self.sctp_up) {
            let mut stream = association.stream(id).unwrap();
            stream.write_with_ppi(&[2], Ppi::Dcep).unwrap();
        }
        while let Some(transmit) = association.poll_transmit(now) {
            if let Payload::RawEncode(packets) = transmit.payload {
                for packet in packets {
                    let packet = match self.checksums {
                        Checksums::Sent => packet.to_vec(),
                        Checksums::Spared => sparing_checksums(&packet),
                    };
                    self.dtls.write(now, peer(), &packet).unwrap();
                }
            }
        }
    }

    /// Any bytes as an SCTP packet.
    pub(crate) fn send_sctp_bytes(&mut self, now: Instant, packet: &[u8]) {
        self.dtls.write(now, peer(), packet).unwrap();
    }

    /// Opens a channel, reliable or unordered without retransmissions.
    pub(crate) fn open_channel(&mut self, id: u16, label: &str, reliable: bool) {
        let (_, association) = self.association.as_mut().unwrap();
        let mut stream = association.open_stream(id, Ppi::Binary).unwrap();
        let mut open = match reliable {
            true => vec![3, 0, 0, 0, 0, 0, 0, 0],
            false => vec![3, 0x81, 0, 0, 0, 0, 0, 0],
        };
        if !reliable {
            stream
                .set_reliability_params(true, ReliabilityType::Rexmit, 0)
                .unwrap();
        }
        open.extend_from_slice(&(label.len() as u16).to_be_bytes());
        open.extend_from_slice(&[0, 0]);
        open.extend_from_slice(label.as_bytes());
        stream.write_with_ppi(&open, Ppi::Dcep).unwrap();
    }

    /// Any bytes as channel control.
    pub(crate) fn send_control(&mut self, id: u16, bytes: &[u8]) {
        let (_, association) = self.association.as_mut().unwrap();
        if association.stream(id).is_err() {
            association.open_stream(id, Ppi::Binary).unwrap();
        }
        let mut stream = association.stream(id).unwrap();
        stream.write_with_ppi(bytes, Ppi::Dcep).unwrap();
    }

    pub(crate) fn send_message(&mut self, id: u16, message: &[u8]) {
        let (_, association) = self.association.as_mut().unwrap();
        association.set_max_send_message_size(1 << 20);
        let mut stream = association.stream(id).unwrap();
        stream.write_with_ppi(message, Ppi::Binary).unwrap();
    }

    /// An encrypted RTP packet.
    pub(crate) fn seal_rtp(&mut self, packet: &[u8]) -> Vec<u8> {
        let srtp = self.srtp.as_mut().unwrap();
        srtp.local.encrypt_rtp(packet).unwrap().to_vec()
    }

    pub(crate) fn seal_rtcp(&mut self, compound: &[u8]) -> Vec<u8> {
        let srtp = self.srtp.as_mut().unwrap();
        srtp.local.encrypt_rtcp(compound).unwrap().to_vec()
    }
}

pub(crate) struct UseCandidate;
pub(crate) struct Controlling;
pub(crate) struct Controlled;

impl Setter for UseCandidate {
    fn add_to(&self, m: &mut Message) -> Result<(), rtc_shared::error::Error> {
        m.add(ATTR_USE_CANDIDATE, &[]);
        Ok(())
    }
}

impl Setter for Controlling {
    fn add_to(&self, m: &mut Message) -> Result<(), rtc_shared::error::Error> {
        m.add(ATTR_ICE_CONTROLLING, &[7; 8]);
        Ok(())
    }
}

impl Setter for Controlled {
    fn add_to(&self, m: &mut Message) -> Result<(), rtc_shared::error::Error> {
        m.add(ATTR_ICE_CONTROLLED, &[7; 8]);
        Ok(())
    }
}

/// RTP with the transport-wide number `twcc`.
pub(crate) fn rtp(payload_type: u8, seq: u16, ssrc: u32, twcc: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90, payload_type];
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 3, 0xe8]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x31]);
    packet.extend_from_slice(&twcc.to_be_bytes());
    packet.push(0);
    packet.extend_from_slice(payload);
    packet
}
