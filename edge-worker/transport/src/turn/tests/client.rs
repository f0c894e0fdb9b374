//! A client of TURN for tests, which writes and reads with somebody else's code for STUN.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use media::ParticipantId;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_stun::attributes::{
    ATTR_DATA, ATTR_ERROR_CODE, ATTR_NONCE, ATTR_REALM, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS,
    AttrType,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, MessageType, Method, Setter,
    TransactionId,
};
use rtc_stun::xoraddr::XorMappedAddress;

use super::super::{Carriage, Client, Credentials, Heard, Refusal, Secret, Turn};

/// Where the node is reached.
pub(super) const NODE: &str = "192.0.2.7:7882";
pub(super) const NODE_V6: &str = "[2001:db8::7]:7882";
pub(super) const SHARD: u16 = 3;

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn participant(name: &str) -> ParticipantId {
    format!("PA_{name}").parse().unwrap()
}

pub(super) fn secret(began: Instant) -> Secret {
    Secret::new(&[7; 32], began)
}

pub(super) fn server(began: Instant) -> Turn {
    Turn::new(secret(began), SHARD, vec![address(NODE)])
}

/// One client with its credentials, and the nonce it was told last.
pub(super) struct Asker {
    pub(super) client: Client,
    pub(super) credentials: Credentials,
    pub(super) nonce: Vec<u8>,
    next: u32,
}

/// What a server said to a request: the code of an error, or nothing.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) message: Message,
    pub(super) code: u16,
}

impl Answer {
    pub(super) fn read(bytes: Vec<u8>) -> Self {
        let mut message = Message::new();
        message.unmarshal_binary(&bytes).unwrap();
        let code = message.get(ATTR_ERROR_CODE);
        let code = code.map_or(0, |value| u16::from(value[2]) * 100 + u16::from(value[3]));
        Self {
            bytes,
            message,
            code,
        }
    }

    pub(super) fn get(&self, kind: u16) -> Option<Vec<u8>> {
        self.message.get(AttrType(kind)).ok()
    }

    pub(super) fn address(&self, kind: u16) -> SocketAddr {
        let mut found = XorMappedAddress::default();
        found.get_from_as(&self.message, AttrType(kind)).unwrap();
        SocketAddr::new(found.ip, found.port)
    }
}

impl Asker {
    /// Somebody whom `turn` admits, at an address.
    pub(super) fn new(turn: &mut Turn, now: Instant, began: Instant, from: &str) -> Self {
        let name = participant("ada");
        turn.admit(name);
        Self::at(now, began, from, Carriage::Datagrams)
    }

    pub(super) fn at(now: Instant, began: Instant, from: &str, carriage: Carriage) -> Self {
        let credentials = secret(began).issue(now, SHARD, participant("ada"));
        Self {
            client: Client {
                address: address(from),
                carriage,
            },
            credentials,
            nonce: Vec::new(),
            next: 0,
        }
    }

    fn start(&mut self, kind: MessageType) -> Message {
        self.next += 1;
        let mut id = [9; 12];
        id[..4].copy_from_slice(&self.next.to_be_bytes());
        let mut message = Message::new();
        message.set_type(kind);
        message.transaction_id = TransactionId(id);
        message.write_header();
        message
    }

    /// A request as it is, without credentials.
    pub(super) fn bare(&mut self, method: Method, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = self.start(MessageType::new(method, CLASS_REQUEST));
        for (kind, value) in attributes {
            message.add(AttrType(*kind), value);
        }
        message.raw
    }

    /// The same with credentials.
    pub(super) fn sealed(&mut self, method: Method, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = self.start(MessageType::new(method, CLASS_REQUEST));
        for (kind, value) in attributes {
            if *kind == ATTR_XOR_PEER_ADDRESS.0 {
                put_address(&mut message, value);
            } else {
                message.add(AttrType(*kind), value);
            }
        }
        message.add(ATTR_USERNAME, self.credentials.username.as_bytes());
        message.add(ATTR_REALM, b"tof");
        message.add(ATTR_NONCE, &self.nonce);
        let crypto = RingProvider::new();
        let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
            self.credentials.username.clone(),
            "tof".to_owned(),
            self.credentials.password.clone(),
            crypto.crypto(),
        );
        integrity.unwrap().add_to(&mut message).unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        message.raw
    }

    pub(super) fn say(&self, turn: &mut Turn, now: Instant, bytes: &[u8]) -> Answer {
        match turn.handle(now, self.client, bytes) {
            Heard::Answer { bytes, refused } => {
                let answer = Answer::read(bytes);
                assert_eq!(refused.map_or(0, Refusal::code), answer.code);
                answer
            }
            other @ (Heard::Relay { .. } | Heard::Drop(_)) => {
                panic!("a request is answered, not {other:?}")
            }
        }
    }

    /// Asks, and again if the nonce is missing or old, as clients do.
    pub(super) fn ask(
        &mut self,
        turn: &mut Turn,
        now: Instant,
        method: Method,
        attributes: &[(u16, Vec<u8>)],
    ) -> Answer {
        let request = self.sealed(method, attributes);
        let answer = self.say(turn, now, &request);
        if answer.code != 438 {
            return answer;
        }
        self.nonce = answer.get(ATTR_NONCE.0).unwrap();
        let request = self.sealed(method, attributes);
        self.say(turn, now, &request)
    }

    pub(super) fn allocate(&mut self, turn: &mut Turn, now: Instant) -> Answer {
        self.ask(turn, now, METHOD_ALLOCATE, &[udp()])
    }

    /// Allocates, and gives the relayed address.
    pub(super) fn relayed(&mut self, turn: &mut Turn, now: Instant) -> SocketAddr {
        let answer = self.allocate(turn, now);
        assert_eq!(answer.code, 0);
        answer.address(0x0016)
    }

    pub(super) fn refresh(&mut self, turn: &mut Turn, now: Instant, seconds: u32) -> Answer {
        let lifetime = (0x000d, seconds.to_be_bytes().to_vec());
        self.ask(turn, now, METHOD_REFRESH, &[lifetime])
    }

    pub(super) fn permit(&mut self, turn: &mut Turn, now: Instant, peer: &str) -> u16 {
        let peer = (ATTR_XOR_PEER_ADDRESS.0, peer.as_bytes().to_vec());
        self.ask(turn, now, METHOD_CREATE_PERMISSION, &[peer]).code
    }

    pub(super) fn bind(&mut self, turn: &mut Turn, now: Instant, number: u16, peer: &str) -> u16 {
        let [high, low] = number.to_be_bytes();
        let number = (0x000c, vec![high, low, 0, 0]);
        let peer = (ATTR_XOR_PEER_ADDRESS.0, peer.as_bytes().to_vec());
        self.ask(turn, now, METHOD_CHANNEL_BIND, &[number, peer])
            .code
    }

    /// A Send indication.
    pub(super) fn indication(&mut self, peer: &str, datagram: &[u8]) -> Vec<u8> {
        let mut message = self.start(MessageType::new(METHOD_SEND, CLASS_INDICATION));
        put_address(&mut message, peer.as_bytes());
        message.add(ATTR_DATA, datagram);
        message.raw
    }
}

fn put_address(message: &mut Message, text: &[u8]) {
    let text = std::str::from_utf8(text).unwrap();
    let peer: SocketAddr = text.parse().unwrap();
    let address = XorMappedAddress {
        ip: peer.ip(),
        port: peer.port(),
    };
    // Else an address of IPv4 in one of IPv6 would be written as one of IPv4.
    if let IpAddr::V6(ip) = peer.ip() {
        let mut value = vec![0, 2];
        value.extend((peer.port() ^ 0x2112).to_be_bytes());
        let mask = [&[0x21, 0x12, 0xa4, 0x42], &message.transaction_id.0[..]].concat();
        value.extend(ip.octets().iter().zip(mask).map(|(a, b)| a ^ b));
        return message.add(ATTR_XOR_PEER_ADDRESS, &value);
    }
    address.add_to_as(message, ATTR_XOR_PEER_ADDRESS).unwrap();
}

/// REQUESTED-TRANSPORT, for UDP.
pub(super) fn udp() -> (u16, Vec<u8>) {
    (0x0019, vec![17, 0, 0, 0])
}
