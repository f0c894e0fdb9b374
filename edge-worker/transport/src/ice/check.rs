//! One connectivity check as it is read: a Binding request of STUN (RFC 8489), before anything
//! is known of who sent it. Whether it is the client's, and what follows, is left to the parent.

use rtc_stun::attributes::{
    ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY,
    ATTR_UNKNOWN_ATTRIBUTES, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
};
use rtc_stun::message::{BINDING_REQUEST, Message, Setter};

use crate::drops::DropReason;
use crate::stun::{Attributes, COMPREHENSION_OPTIONAL, Malformed, fingerprint_holds};

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

/// What matters in a Binding request, read before anything is believed.
#[derive(Debug)]
pub(super) struct Check<'a> {
    pub(super) username: &'a str,
    pub(super) priority: Option<u32>,
    pub(super) nominates: bool,
    controlled: bool,
    unknown: Vec<u16>,
}

#[derive(Debug)]
pub(super) enum Refusal {
    RoleConflict,
    Unknown(Vec<u16>),
}

const BINDING_REQUEST_TYPE: u16 = 0x0001;
const INTEGRITY_LEN: usize = 20;

impl<'a> Check<'a> {
    /// No honest check is longer.
    const MAX_LEN: usize = 1280;
    /// An unknown attribute more than these is not named in a reply.
    const MAX_UNKNOWN: usize = 4;

    /// Reads a request whose last two attributes are MESSAGE-INTEGRITY and FINGERPRINT:
    /// what would follow the integrity is not covered by it, so nothing may.
    pub(super) fn read(datagram: &'a [u8]) -> Result<Self, DropReason> {
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
    pub(super) fn refusal(&self) -> Option<Refusal> {
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

/// RFC 8489 section 14.9.
#[derive(Debug)]
pub(super) struct UnknownAttributes<'a>(pub(super) &'a [u16]);

impl Setter for UnknownAttributes<'_> {
    fn add_to(&self, message: &mut Message) -> Result<(), rtc_shared::error::Error> {
        if !self.0.is_empty() {
            let value: Vec<u8> = self.0.iter().flat_map(|kind| kind.to_be_bytes()).collect();
            message.add(ATTR_UNKNOWN_ATTRIBUTES, &value);
        }
        Ok(())
    }
}
