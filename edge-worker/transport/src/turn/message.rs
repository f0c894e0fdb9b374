//! Messages of TURN (RFC 8656) as STUN has them: read in place, and written.
//!
//! Whether who sent one may do so is left to the parent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ring::hmac;
use rtc_stun::fingerprint::fingerprint_value;

use super::{Dropped, Refusal};
use crate::stun::{Attributes, COMPREHENSION_OPTIONAL, MAGIC_COOKIE, Malformed, fingerprint_holds};

/// What a client may ask, and what it may say without being answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Allocate,
    Refresh,
    CreatePermission,
    ChannelBind,
    /// To a host by TCP (RFC 6062), or for such a connection: nobody gets that here.
    Connect,
    /// An indication.
    Send,
}

impl Method {
    /// Of the first two bytes of a message.
    pub(super) fn of(kind: u16) -> Option<Self> {
        Some(match kind {
            0x0003 => Self::Allocate,
            0x0004 => Self::Refresh,
            0x0008 => Self::CreatePermission,
            0x0009 => Self::ChannelBind,
            0x000a | 0x000b => Self::Connect,
            0x0016 => Self::Send,
            _ => return None,
        })
    }
}

/// A message that is well formed; nothing it says is believed yet.
#[derive(Debug)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    pub(super) method: Method,
    /// Where MESSAGE-INTEGRITY begins: what follows it counts for nothing.
    sealed: Option<usize>,
    fingerprint: Fingerprint,
    /// What had to be understood and is not; more than these are not named.
    pub(super) unknown: Vec<u16>,
}

/// Whether a message has a FINGERPRINT, and so its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fingerprint {
    Absent,
    Present,
}

impl<'a> Message<'a> {
    const HEADER: usize = 20;
    const MAX_UNKNOWN: usize = 4;

    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Dropped> {
        let attributes = Attributes::of(bytes).ok_or(Dropped::Malformed)?;
        let kind = u16::from_be_bytes([bytes[0], bytes[1]]);
        let method = Method::of(kind).ok_or(Dropped::Method)?;
        let mut message = Self {
            bytes,
            method,
            sealed: None,
            fingerprint: Fingerprint::Absent,
            unknown: Vec::new(),
        };
        let mut at = Self::HEADER;
        for attribute in attributes {
            let (kind, value) = attribute.map_err(|Malformed| Dropped::Malformed)?;
            message.note(at, kind, value)?;
            at += 4 + value.len().next_multiple_of(4);
        }
        if message.fingerprint == Fingerprint::Present && !fingerprint_holds(bytes) {
            return Err(Dropped::Malformed);
        }
        Ok(message)
    }

    fn note(&mut self, at: usize, kind: u16, value: &[u8]) -> Result<(), Dropped> {
        // Nothing may stand behind a FINGERPRINT.
        if self.fingerprint == Fingerprint::Present {
            return Err(Dropped::Malformed);
        }
        if kind == attribute::FINGERPRINT {
            if value.len() != 4 {
                return Err(Dropped::Malformed);
            }
            self.fingerprint = Fingerprint::Present;
            return Ok(());
        }
        if self.sealed.is_some() {
            return Ok(());
        }
        if kind == attribute::MESSAGE_INTEGRITY {
            if value.len() != INTEGRITY_LEN {
                return Err(Dropped::Malformed);
            }
            self.sealed = Some(at);
        } else if kind < COMPREHENSION_OPTIONAL
            && !attribute::KNOWN.contains(&kind)
            && self.unknown.len() < Self::MAX_UNKNOWN
        {
            self.unknown.push(kind);
        }
        Ok(())
    }

    pub(super) fn transaction(&self) -> [u8; 12] {
        self.bytes[8..Self::HEADER]
            .try_into()
            .expect("a header was read")
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The value of the first attribute of a kind.
    pub(super) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.all(kind).next()
    }

    /// The values of all attributes of a kind, those behind the integrity left out.
    pub(super) fn all(&self, kind: u16) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let end = self.sealed.unwrap_or(self.bytes.len());
        let attributes = Attributes::within(&self.bytes[Self::HEADER..end]);
        attributes
            .flatten()
            .filter(move |(found, _)| *found == kind)
            .map(|(_, value)| value)
    }

    /// Where in the message the value of the first attribute of a kind lies.
    pub(super) fn place(&self, kind: u16) -> Option<std::ops::Range<usize>> {
        let value = self.get(kind)?;
        let start = value.as_ptr() as usize - self.bytes.as_ptr() as usize;
        Some(start..start + value.len())
    }

    pub(super) fn text(&self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.get(kind)?).ok()
    }

    /// An address, unhidden.
    pub(super) fn address(&self, value: &[u8]) -> Result<SocketAddr, Refusal> {
        read_address(value, self.transaction()).ok_or(Refusal::BadRequest)
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Whether MESSAGE-INTEGRITY was made with `key`.
    pub(super) fn integrity_holds(&self, key: &[u8]) -> bool {
        let Some(at) = self.sealed else {
            return false;
        };
        // The length is as if the integrity were the end (RFC 8489 section 14.5).
        let mut covered = self.bytes[..at].to_vec();
        let len = at + 4 + INTEGRITY_LEN - Self::HEADER;
        covered[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        let tag = &self.bytes[at + 4..at + 4 + INTEGRITY_LEN];
        hmac::verify(&integrity_key(key), &covered, tag).is_ok()
    }
}

const INTEGRITY_LEN: usize = 20;

fn integrity_key(key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key)
}

/// What a message is, that we write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Success(Method),
    Error(Method),
    /// An indication: what a peer said.
    Data,
}

impl Kind {
    fn code(self) -> u16 {
        match self {
            Self::Success(method) => 0x0100 | Self::method(method),
            Self::Error(method) => 0x0110 | Self::method(method),
            Self::Data => 0x0017,
        }
    }

    fn method(method: Method) -> u16 {
        match method {
            Method::Allocate => 0x0003,
            Method::Refresh => 0x0004,
            Method::Send => 0x0006,
            Method::CreatePermission => 0x0008,
            Method::ChannelBind => 0x0009,
            Method::Connect => 0x000a,
        }
    }
}

/// A message that is being written, at the end of a buffer.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    transaction: [u8; 12],
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, kind: Kind, transaction: [u8; 12]) -> Self {
        let start = out.len();
        out.extend_from_slice(&kind.code().to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&transaction);
        Self {
            out,
            start,
            transaction,
        }
    }

    /// Goes on with a message that is all of a buffer.
    pub(super) fn resume(out: &'a mut Vec<u8>, transaction: [u8; 12]) -> Self {
        Self {
            out,
            start: 0,
            transaction,
        }
    }

    /// Adds an attribute.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out
            .extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.out.extend_from_slice(value);
        let padding = value.len().next_multiple_of(4) - value.len();
        self.out.extend_from_slice(&[0; 3][..padding]);
        self.claim(0);
        self
    }

    /// Adds an address, hidden from what rewrites addresses on the way.
    pub(super) fn put_address(&mut self, kind: u16, address: SocketAddr) -> &mut Self {
        let port = (address.port() ^ COOKIE_PORT).to_be_bytes();
        let mut value = vec![0, family_of(address.ip()), port[0], port[1]];
        let mask = mask(self.transaction);
        match address.ip() {
            IpAddr::V4(ip) => value.extend(ip.octets().iter().zip(mask).map(|(a, b)| a ^ b)),
            IpAddr::V6(ip) => value.extend(ip.octets().iter().zip(mask).map(|(a, b)| a ^ b)),
        }
        self.put(kind, &value)
    }

    /// Adds the code of an error; the reason in words is left out.
    pub(super) fn put_error(&mut self, refusal: Refusal) -> &mut Self {
        let code = refusal.code();
        let value = [0, 0, (code / 100) as u8, (code % 100) as u8];
        self.put(attribute::ERROR_CODE, &value)
    }

    /// Adds MESSAGE-INTEGRITY.
    pub(super) fn seal(&mut self, key: &[u8]) -> &mut Self {
        self.claim(4 + INTEGRITY_LEN);
        let tag = hmac::sign(&integrity_key(key), &self.out[self.start..]);
        self.put(attribute::MESSAGE_INTEGRITY, tag.as_ref())
    }

    /// Adds FINGERPRINT, where one is wanted.
    pub(super) fn finish(&mut self, fingerprint: Fingerprint) {
        match fingerprint {
            Fingerprint::Absent => {}
            Fingerprint::Present => {
                self.claim(8);
                let value = fingerprint_value(&self.out[self.start..]);
                self.put(attribute::FINGERPRINT, &value.to_be_bytes());
            }
        }
    }

    /// Writes the length of the message, and of `more` that will follow.
    fn claim(&mut self, more: usize) {
        let len = (self.out.len() - self.start - Message::HEADER + more) as u16;
        self.out[self.start + 2..self.start + 4].copy_from_slice(&len.to_be_bytes());
    }
}

/// A request as a client makes it of a method's number and attributes that are complete.
pub(super) fn request(
    method_and_attributes: &[u8],
    username: &str,
    realm: &str,
    nonce: &str,
    key: &[u8],
) -> Vec<u8> {
    let (method, attributes) = method_and_attributes
        .split_first_chunk::<2>()
        .unwrap_or((&[0, 3], &[]));
    let whole = attributes.len() / 4 * 4;
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Kind::Data, [1; 12]);
    writer.out[..2].copy_from_slice(method);
    writer.out.extend_from_slice(&attributes[..whole]);
    writer.put(attribute::USERNAME, username.as_bytes());
    writer.put(attribute::REALM, realm.as_bytes());
    writer.put(attribute::NONCE, nonce.as_bytes());
    writer.seal(key);
    bytes
}

/// Begins an indication of what `peer` said; `len` bytes of that and their padding are to follow.
pub(super) fn begin_data(out: &mut Vec<u8>, peer: SocketAddr, len: usize) {
    // Nobody answers it, so it needs no name.
    let mut writer = Writer::new(out, Kind::Data, [0; 12]);
    writer.put_address(attribute::XOR_PEER_ADDRESS, peer);
    writer.claim(4 + len.next_multiple_of(4));
    out.extend_from_slice(&attribute::DATA.to_be_bytes());
    out.extend_from_slice(&(len as u16).to_be_bytes());
}

/// How an address's family is written.
pub(super) fn family_of(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 1,
        IpAddr::V6(_) => 2,
    }
}

/// The first half of the magic cookie, with which ports are hidden.
const COOKIE_PORT: u16 = 0x2112;

fn mask(transaction: [u8; 12]) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(&transaction);
    mask
}

pub(super) fn read_address(value: &[u8], transaction: [u8; 12]) -> Option<SocketAddr> {
    let (&[_, family, high, low], address) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([high, low]) ^ COOKIE_PORT;
    let mask = mask(transaction);
    let ip: IpAddr = match family {
        1 => {
            let octets: [u8; 4] = address.try_into().ok()?;
            Ipv4Addr::from_bits(u32::from_be_bytes(octets) ^ u32::from_be_bytes(MAGIC_COOKIE))
                .into()
        }
        2 => {
            let octets: [u8; 16] = address.try_into().ok()?;
            Ipv6Addr::from_bits(u128::from_be_bytes(octets) ^ u128::from_be_bytes(mask)).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The numbers of attributes.
pub(super) mod attribute {
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(crate) const CHANNEL_NUMBER: u16 = 0x000c;
    pub(crate) const LIFETIME: u16 = 0x000d;
    pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(crate) const DATA: u16 = 0x0013;
    pub(crate) const REALM: u16 = 0x0014;
    pub(crate) const NONCE: u16 = 0x0015;
    pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub(crate) const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub(crate) const EVEN_PORT: u16 = 0x0018;
    pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
    /// Nothing is ever cut in pieces on the way to ourselves, so it is had for nothing.
    pub(crate) const DONT_FRAGMENT: u16 = 0x001a;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(crate) const RESERVATION_TOKEN: u16 = 0x0022;
    pub(crate) const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
    pub(crate) const ADDRESS_ERROR_CODE: u16 = 0x8001;
    pub(crate) const FINGERPRINT: u16 = 0x8028;

    /// What a client may say, and we understand.
    pub(crate) const KNOWN: [u16; 12] = [
        USERNAME,
        CHANNEL_NUMBER,
        LIFETIME,
        XOR_PEER_ADDRESS,
        DATA,
        REALM,
        NONCE,
        REQUESTED_ADDRESS_FAMILY,
        EVEN_PORT,
        REQUESTED_TRANSPORT,
        DONT_FRAGMENT,
        RESERVATION_TOKEN,
    ];
}
