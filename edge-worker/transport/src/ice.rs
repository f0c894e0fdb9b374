//! ICE-lite (RFC 8445): answers the client's connectivity checks, and from them alone
//! learns which addresses are the client's and which one it wants used.
//!
//! We never send checks. Candidates and credentials travel in SDP, which is left to
//! `sections`; what becomes of a transport without consent (RFC 7675) to `transport`.
//!
//! A restart (RFC 8445 section 9) changes the credentials of both ends. Until the client
//! nominates an address under the new ones, the old ones hold too, and packets go where
//! they went.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_crypto::RTCCryptoProvider;
use rtc_stun::attributes::{
    ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY,
    ATTR_UNKNOWN_ATTRIBUTES, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
};
use rtc_stun::error_code::{CODE_ROLE_CONFLICT, CODE_UNKNOWN_ATTRIBUTE, ErrorCodeAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId,
};
use rtc_stun::xoraddr::XorMappedAddress;

use crate::drops::DropReason;

/// The name and password of one end (RFC 8445 section 5.3). Random, and drawn by the
/// shell.
#[derive(Clone, Eq, PartialEq)]
pub struct IceCredentials {
    /// The name; checks are addressed by it.
    pub ufrag: String,
    /// The key of MESSAGE-INTEGRITY.
    pub pwd: String,
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredentials({}, ...)", self.ufrag)
    }
}

/// The ufrag of ours that a Binding request is addressed to, which is how a datagram
/// from an unknown address finds its transport. Nothing is believed yet.
pub fn stun_ufrag(datagram: &[u8]) -> Option<&str> {
    let mut attributes = Attributes::of(datagram)?;
    if u16::from_be_bytes([datagram[0], datagram[1]]) != BINDING_REQUEST_TYPE {
        return None;
    }
    let username = attributes.find_map(|attribute| match attribute {
        Ok((kind, value)) if kind == ATTR_USERNAME.0 => Some(value),
        Ok(_) | Err(Malformed) => None,
    })?;
    let (ufrag, _) = std::str::from_utf8(username).ok()?.split_once(':')?;
    Some(ufrag)
}

/// What a check changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Selection {
    /// Packets go where they went.
    Unchanged,
    /// There is an address to send to, for the first time.
    First,
    /// Packets go elsewhere now.
    Moved,
}

/// The answer to one check.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) reply: Vec<u8>,
    pub(crate) selection: Selection,
    /// The request was refused; the reply says so.
    pub(crate) refused: Option<DropReason>,
}

impl fmt::Debug for Ice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ice({:?})", self.selected)
    }
}

/// The controlled, lite end of ICE.
pub(crate) struct Ice {
    local: IceCredentials,
    /// From before the restart that is under way.
    before: Option<Generation>,
    /// Counts restarts.
    generation: u32,
    /// Nobody is given up before that long after it.
    restarted: Option<Instant>,
    crypto: Arc<dyn RTCCryptoProvider>,
    addresses: Vec<Validated>,
    selected: Option<Selected>,
    checks: Checks,
}

/// The newest checks and where they came from. A check says nothing of its own address, so
/// that whoever overhears one could send it again from another, and packets would go there.
#[derive(Debug, Default)]
struct Checks(VecDeque<(TransactionId, SocketAddr)>);

impl Checks {
    /// More than a client with a handful of addresses sends in a minute.
    const KEPT: usize = 64;

    /// Notes a check; says whether it is the first of its name or comes from where that
    /// came from.
    fn note(&mut self, id: TransactionId, from: SocketAddr) -> bool {
        if let Some((_, before)) = self.0.iter().find(|(known, _)| *known == id) {
            return *before == from;
        }
        if self.0.len() == Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back((id, from));
        true
    }
}

/// Credentials that a restart replaces, and the client's name with them.
struct Generation {
    local: IceCredentials,
    remote_ufrag: String,
}

/// An address from which an authenticated check came.
#[derive(Debug)]
struct Validated {
    address: SocketAddr,
    heard: Instant,
}

/// Where packets go.
#[derive(Debug)]
struct Selected {
    address: SocketAddr,
    /// As nominated; an address not nominated yet has none and gives way to any.
    priority: Option<u32>,
    /// The client's name when it was nominated: another one is an ICE restart, which
    /// starts anew.
    ufrag: String,
    /// So is a restart of ours.
    generation: u32,
}

/// Who is named in a check: the ends as described last, or as before the restart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Named {
    Now,
    Before,
}

impl Ice {
    /// Addresses one client may have validated at a time; the longest silent one gives way.
    const MAX_ADDRESSES: usize = 16;
    /// Browsers check a pair in use at least every 2.5 s, so a client silent for this
    /// long has lost its network, or itself. RFC 7675 section 5.1 would let it be twice that.
    const SILENCE: Duration = Duration::from_secs(15);
    /// How long after that its place is kept: it may be on its way back.
    const GRACE: Duration = Duration::from_secs(5);
    /// A nominated address of less priority is moved to once the selected one has been
    /// silent for this long: browsers check a pair in use at least every 2.5 s.
    const SILENT: Duration = Duration::from_secs(6);

    pub(crate) fn new(local: IceCredentials, crypto: Arc<dyn RTCCryptoProvider>) -> Self {
        Self {
            local,
            before: None,
            generation: 0,
            restarted: None,
            crypto,
            addresses: Vec::new(),
            selected: None,
            checks: Checks::default(),
        }
    }

    /// Our credentials, as descriptions shall have them.
    pub(crate) fn local(&self) -> &IceCredentials {
        &self.local
    }

    /// Our names in checks.
    pub(crate) fn ufrags(&self) -> impl Iterator<Item = &str> {
        let before = self
            .before
            .as_ref()
            .map(|before| before.local.ufrag.as_str());
        std::iter::once(self.local.ufrag.as_str()).chain(before)
    }

    /// Takes new credentials; `remote_ufrag` is the client's name with the old ones.
    pub(crate) fn restart(
        &mut self,
        now: Instant,
        local: IceCredentials,
        remote_ufrag: Option<&str>,
    ) {
        let local = std::mem::replace(&mut self.local, local);
        self.restarted = Some(now);
        // While another restart is under way the client may know nothing of it: what held
        // before that one still holds.
        if self.before.is_none() {
            self.before = remote_ufrag.map(|remote_ufrag| Generation {
                local,
                remote_ufrag: remote_ufrag.to_owned(),
            });
        }
        self.generation += 1;
    }

    /// The client may be on its way back: its silence counts from now.
    pub(crate) fn expect(&mut self, now: Instant) {
        self.restarted = Some(now);
    }

    /// Where packets go; `None` before the first valid check.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        self.selected.as_ref().map(|selected| selected.address)
    }

    /// Whether an authenticated check came from `address` not too long ago.
    pub(crate) fn is_validated(&self, address: SocketAddr) -> bool {
        self.addresses.iter().any(|known| known.address == address)
    }

    /// Whether the client is there: it checked `address` not long ago.
    pub(crate) fn is_alive(&self, now: Instant, address: SocketAddr) -> bool {
        self.heard(address)
            .is_some_and(|heard| now.saturating_duration_since(heard) < Self::SILENT)
    }

    /// When the client has been silent for so long that it seems gone.
    pub(crate) fn silent_at(&self) -> Option<Instant> {
        let heard = self.heard(self.destination()?)?;
        Some(self.restarted.map_or(heard, |at| at.max(heard)) + Self::SILENCE)
    }

    /// When it is given up, unless another check arrives.
    pub(crate) fn lost_at(&self) -> Option<Instant> {
        self.silent_at().map(|at| at + Self::GRACE)
    }

    /// Answers one datagram of STUN. `remote_ufrag` is the client's name from its
    /// description.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        remote_ufrag: &str,
    ) -> Result<Answered, DropReason> {
        let check = Check::read(datagram)?;
        let named = self.named(check.username, remote_ufrag)?;
        let local = match (&self.before, named) {
            (Some(before), Named::Before) => before.local.clone(),
            (_, Named::Now) | (None, Named::Before) => self.local.clone(),
        };
        let mut message = Message::new();
        message
            .unmarshal_binary(datagram)
            .map_err(|_| DropReason::StunMalformed)?;
        let crypto = Arc::clone(&self.crypto);
        MessageIntegrity::check(&mut message, local.pwd.as_bytes(), crypto.crypto())
            .map_err(|_| DropReason::StunIntegrity)?;
        // From here on the request is the client's, if it sent it.
        if !self.checks.note(message.transaction_id, from) {
            return Err(DropReason::StunReplay);
        }
        if let Some(refusal) = check.refusal() {
            return self.refuse(&message, &local.pwd, refusal, datagram.len());
        }
        let Some(priority) = check.priority else {
            return Err(DropReason::StunMalformed);
        };
        let mapped = XorMappedAddress {
            ip: from.ip(),
            port: from.port(),
        };
        let reply = self.reply(&message, &local.pwd, BINDING_SUCCESS, &[&mapped])?;
        self.validate(now, from);
        let nominated = check.nominates.then_some(priority);
        let selection = match named {
            Named::Now => self.select(now, from, nominated, remote_ufrag),
            Named::Before => self.select_before(now, from, nominated),
        };
        Ok(Answered {
            reply,
            selection,
            refused: None,
        })
    }

    fn named(&self, username: &str, remote_ufrag: &str) -> Result<Named, DropReason> {
        let (local, remote) = username.split_once(':').ok_or(DropReason::StunUsername)?;
        if (local, remote) == (&self.local.ufrag, remote_ufrag) {
            return Ok(Named::Now);
        }
        match &self.before {
            Some(before) if (local, remote) == (&before.local.ufrag, &before.remote_ufrag) => {
                Ok(Named::Before)
            }
            Some(_) | None => Err(DropReason::StunUsername),
        }
    }

    fn validate(&mut self, now: Instant, from: SocketAddr) {
        if let Some(known) = self
            .addresses
            .iter_mut()
            .find(|known| known.address == from)
        {
            known.heard = now;
            return;
        }
        if self.addresses.len() == Self::MAX_ADDRESSES {
            let selected = self.destination();
            let oldest = (0..self.addresses.len())
                .filter(|&i| Some(self.addresses[i].address) != selected)
                .min_by_key(|&i| self.addresses[i].heard)
                .expect("the table holds more than the selected address");
            self.addresses.swap_remove(oldest);
        }
        self.addresses.push(Validated {
            address: from,
            heard: now,
        });
    }

    /// While a restart is under way the client may still move under the old credentials.
    fn select_before(
        &mut self,
        now: Instant,
        from: SocketAddr,
        nominated: Option<u32>,
    ) -> Selection {
        let Some(before) = &self.before else {
            return Selection::Unchanged;
        };
        let ufrag = before.remote_ufrag.clone();
        let generation = match &self.selected {
            Some(selected) => selected.generation,
            None => self.generation,
        };
        self.select_in(now, from, nominated, &ufrag, generation)
    }

    fn select(
        &mut self,
        now: Instant,
        from: SocketAddr,
        nominated: Option<u32>,
        ufrag: &str,
    ) -> Selection {
        let selection = self.select_in(now, from, nominated, ufrag, self.generation);
        if nominated.is_some() {
            // The restart is through.
            self.before = None;
        }
        selection
    }

    fn select_in(
        &mut self,
        now: Instant,
        from: SocketAddr,
        nominated: Option<u32>,
        ufrag: &str,
        generation: u32,
    ) -> Selection {
        let moves = match &self.selected {
            None => true,
            Some(selected) if selected.priority.is_none() => true,
            Some(selected) => nominated.is_some_and(|priority| {
                let silent = self
                    .heard(selected.address)
                    .is_none_or(|heard| now.saturating_duration_since(heard) >= Self::SILENT);
                let restarted = selected.ufrag != ufrag || selected.generation != generation;
                selected.priority <= Some(priority) || silent || restarted
            }),
        };
        if !moves {
            return Selection::Unchanged;
        }
        let before = self.selected.replace(Selected {
            address: from,
            priority: nominated,
            ufrag: ufrag.to_owned(),
            generation,
        });
        match before {
            None => Selection::First,
            Some(before) if before.address == from => Selection::Unchanged,
            Some(_) => Selection::Moved,
        }
    }

    fn heard(&self, address: SocketAddr) -> Option<Instant> {
        let known = self
            .addresses
            .iter()
            .find(|known| known.address == address)?;
        Some(known.heard)
    }

    /// An error reply, but never a longer one than the request: nobody is to gain by
    /// having us answer somebody else.
    fn refuse(
        &self,
        request: &Message,
        pwd: &str,
        refusal: Refusal,
        request_len: usize,
    ) -> Result<Answered, DropReason> {
        let (code, reason, unknown) = match &refusal {
            Refusal::RoleConflict => (CODE_ROLE_CONFLICT, DropReason::StunRoleConflict, &[][..]),
            Refusal::Unknown(kinds) => (
                CODE_UNKNOWN_ATTRIBUTE,
                DropReason::StunUnknownAttribute,
                kinds.as_slice(),
            ),
        };
        let code = ErrorCodeAttribute {
            code,
            reason: Vec::new(),
        };
        let unknown = UnknownAttributes(unknown);
        let reply = self.reply(request, pwd, BINDING_ERROR, &[&code, &unknown])?;
        if reply.len() > request_len {
            return Err(reason);
        }
        Ok(Answered {
            reply,
            selection: Selection::Unchanged,
            refused: Some(reason),
        })
    }

    fn reply(
        &self,
        request: &Message,
        pwd: &str,
        kind: rtc_stun::message::MessageType,
        attributes: &[&dyn Setter],
    ) -> Result<Vec<u8>, DropReason> {
        let write = || {
            let mut reply = Message::new();
            reply.set_type(kind);
            reply.write_header();
            request.add_to(&mut reply)?;
            for attribute in attributes {
                attribute.add_to(&mut reply)?;
            }
            MessageIntegrity::new_short_term_integrity_with_provider(
                pwd.to_owned(),
                self.crypto.crypto(),
            )
            .add_to(&mut reply)?;
            FINGERPRINT.add_to(&mut reply)?;
            Ok::<_, rtc_shared::error::Error>(reply.raw)
        };
        write().map_err(|_| DropReason::StunMalformed)
    }
}

/// What matters in a Binding request, read before anything is believed.
#[derive(Debug)]
struct Check<'a> {
    username: &'a str,
    priority: Option<u32>,
    nominates: bool,
    controlled: bool,
    unknown: Vec<u16>,
}

#[derive(Debug)]
enum Refusal {
    RoleConflict,
    Unknown(Vec<u16>),
}

const BINDING_REQUEST_TYPE: u16 = 0x0001;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// RFC 8489 section 15: below this an attribute must be understood.
const COMPREHENSION_OPTIONAL: u16 = 0x8000;
const INTEGRITY_LEN: usize = 20;

impl<'a> Check<'a> {
    /// No honest check is longer.
    const MAX_LEN: usize = 1280;
    /// An unknown attribute more than these is not named in a reply.
    const MAX_UNKNOWN: usize = 4;

    /// Reads a request whose last two attributes are MESSAGE-INTEGRITY and FINGERPRINT:
    /// what would follow the integrity is not covered by it, so nothing may.
    fn read(datagram: &'a [u8]) -> Result<Self, DropReason> {
        if datagram.len() > Self::MAX_LEN {
            return Err(DropReason::StunMalformed);
        }
        let attributes = Attributes::of(datagram).ok_or(DropReason::StunMalformed)?;
        let kind = u16::from_be_bytes([datagram[0], datagram[1]]);
        if kind != BINDING_REQUEST_TYPE {
            return Err(DropReason::StunNotRequest);
        }
        debug_assert_eq!(BINDING_REQUEST.value(), BINDING_REQUEST_TYPE);
        let mut check = Self {
            username: "",
            priority: None,
            nominates: false,
            controlled: false,
            unknown: Vec::new(),
        };
        let mut tail = Tail::Open;
        for attribute in attributes {
            let (kind, value) = attribute.map_err(|Malformed| DropReason::StunMalformed)?;
            tail = tail.after(kind, value).ok_or(DropReason::StunMalformed)?;
            if tail == Tail::Open {
                check.note(kind, value)?;
            }
        }
        match tail {
            Tail::Open => Err(DropReason::StunIntegrity),
            Tail::Sealed => Err(DropReason::StunMalformed),
            Tail::Closed if !fingerprint_holds(datagram) => Err(DropReason::StunMalformed),
            Tail::Closed => Ok(check),
        }
    }

    fn note(&mut self, kind: u16, value: &'a [u8]) -> Result<(), DropReason> {
        match AttrType(kind) {
            ATTR_USERNAME => {
                self.username = std::str::from_utf8(value).map_err(|_| DropReason::StunUsername)?;
            }
            ATTR_PRIORITY => {
                let value = value.try_into().map_err(|_| DropReason::StunMalformed)?;
                self.priority = Some(u32::from_be_bytes(value));
            }
            ATTR_USE_CANDIDATE => self.nominates = true,
            ATTR_ICE_CONTROLLED => self.controlled = true,
            other
                if other.0 < COMPREHENSION_OPTIONAL
                    && !KNOWN.contains(&other)
                    && self.unknown.len() < Self::MAX_UNKNOWN =>
            {
                self.unknown.push(other.0);
            }
            _ => {}
        }
        Ok(())
    }

    /// A lite end is always controlled (RFC 8445 section 6.1.1).
    fn refusal(&self) -> Option<Refusal> {
        if !self.unknown.is_empty() {
            return Some(Refusal::Unknown(self.unknown.clone()));
        }
        self.controlled.then_some(Refusal::RoleConflict)
    }
}

/// Attributes that may be in a check and change nothing for us.
const KNOWN: [AttrType; 1] = [rtc_stun::attributes::ATTR_SOFTWARE];

/// How far the end of a message has been read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tail {
    /// Attributes may follow.
    Open,
    /// MESSAGE-INTEGRITY was read: only FINGERPRINT may follow.
    Sealed,
    /// FINGERPRINT was read: nothing may follow.
    Closed,
}

impl Tail {
    fn after(self, kind: u16, value: &[u8]) -> Option<Self> {
        let kind = AttrType(kind);
        match self {
            Self::Open if kind == ATTR_MESSAGE_INTEGRITY => {
                (value.len() == INTEGRITY_LEN).then_some(Self::Sealed)
            }
            Self::Open => (kind != ATTR_FINGERPRINT).then_some(Self::Open),
            Self::Sealed => (kind == ATTR_FINGERPRINT && value.len() == 4).then_some(Self::Closed),
            Self::Closed => None,
        }
    }
}

fn fingerprint_holds(datagram: &[u8]) -> bool {
    let (covered, attribute) = datagram.split_at(datagram.len() - 8);
    attribute[4..] == rtc_stun::fingerprint::fingerprint_value(covered).to_be_bytes()
}

/// The attributes of one STUN message, in place.
#[derive(Debug)]
struct Attributes<'a> {
    rest: &'a [u8],
}

/// An attribute longer than what is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Malformed;

impl<'a> Attributes<'a> {
    const HEADER: usize = 20;

    /// `None` unless the header is STUN's and its length is the datagram's.
    fn of(datagram: &'a [u8]) -> Option<Self> {
        let (header, rest) = datagram.split_at_checked(Self::HEADER)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let fits = len == rest.len() && len.is_multiple_of(4) && header[4..8] == MAGIC_COOKIE;
        fits.then_some(Self { rest })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = |rest: &'a [u8]| {
            let (header, rest) = rest.split_first_chunk::<4>()?;
            let kind = u16::from_be_bytes([header[0], header[1]]);
            let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let (value, rest) = rest.split_at_checked(len.next_multiple_of(4))?;
            Some((kind, &value[..len], rest))
        };
        match read(self.rest) {
            Some((kind, value, rest)) => {
                self.rest = rest;
                Some(Ok((kind, value)))
            }
            None => {
                self.rest = &[];
                Some(Err(Malformed))
            }
        }
    }
}

/// RFC 8489 section 14.9.
#[derive(Debug)]
struct UnknownAttributes<'a>(&'a [u16]);

impl Setter for UnknownAttributes<'_> {
    fn add_to(&self, message: &mut Message) -> Result<(), rtc_shared::error::Error> {
        if !self.0.is_empty() {
            let value: Vec<u8> = self.0.iter().flat_map(|kind| kind.to_be_bytes()).collect();
            message.add(ATTR_UNKNOWN_ATTRIBUTES, &value);
        }
        Ok(())
    }
}
