//! ICE-lite (RFC 8445): answers the client's connectivity checks, and from them alone
//! learns which ways are the client's and which one it wants used.
//!
//! We never send checks; what they say is read by [`check`]. Candidates and credentials travel in SDP, which is left to
//! `sections`; what becomes of a transport without consent (RFC 7675) to `transport`.
//!
//! While a restart is under way, which the [`credentials`] know of, packets go where they
//! went.

mod check;
mod credentials;

use std::collections::VecDeque;
use std::fmt;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_crypto::RTCCryptoProvider;
use rtc_stun::error_code::{CODE_ROLE_CONFLICT, CODE_UNKNOWN_ATTRIBUTE, ErrorCodeAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_ERROR, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc_stun::xoraddr::XorMappedAddress;

use crate::drops::DropReason;
use crate::way::Way;
pub use check::stun_ufrag;
use check::{Check, Refusal, UnknownAttributes};
pub use credentials::IceCredentials;
use credentials::{Credentials, Named};

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
    credentials: Credentials,
    /// Nobody is given up before that long after it.
    restarted: Option<Instant>,
    crypto: Arc<dyn RTCCryptoProvider>,
    ways: Vec<Validated>,
    selected: Option<Selected>,
    checks: Checks,
}

/// The newest checks and where they came from. A check says nothing of its own address, so
/// that whoever overhears one could send it again from another, and packets would go there.
#[derive(Debug, Default)]
struct Checks(VecDeque<(TransactionId, Way)>);

impl Checks {
    /// More than a client with a handful of addresses sends in a minute.
    const KEPT: usize = 64;

    /// Notes a check; says whether it is the first of its name or comes from where that
    /// came from.
    fn note(&mut self, id: TransactionId, from: Way) -> bool {
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

/// A way by which an authenticated check came.
#[derive(Debug)]
struct Validated {
    way: Way,
    heard: Instant,
}

/// Where packets go.
#[derive(Debug)]
struct Selected {
    way: Way,
    /// As nominated; an address not nominated yet has none and gives way to any.
    priority: Option<u32>,
    /// The client's name when it was nominated: another one is an ICE restart, which
    /// starts anew.
    ufrag: String,
    /// So is a restart of ours.
    generation: u32,
}

impl Ice {
    /// Ways one client may have validated at a time; the longest silent one gives way.
    const MAX_WAYS: usize = 16;
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
            credentials: Credentials::new(local),
            restarted: None,
            crypto,
            ways: Vec::new(),
            selected: None,
            checks: Checks::default(),
        }
    }

    /// Our credentials, as descriptions shall have them.
    pub(crate) fn local(&self) -> &IceCredentials {
        self.credentials.now()
    }

    /// Our names in checks.
    pub(crate) fn ufrags(&self) -> impl Iterator<Item = &str> {
        self.credentials.ufrags()
    }

    /// Takes new credentials; `remote_ufrag` is the client's name with the old ones.
    pub(crate) fn restart(
        &mut self,
        now: Instant,
        local: IceCredentials,
        remote_ufrag: Option<&str>,
    ) {
        self.restarted = Some(now);
        self.credentials.restart(local, remote_ufrag);
    }

    /// The client may be on its way back: its silence counts from now.
    pub(crate) fn expect(&mut self, now: Instant) {
        self.restarted = Some(now);
    }

    /// The way that packets go; `None` before the first valid check.
    pub(crate) fn destination(&self) -> Option<Way> {
        self.selected.as_ref().map(|selected| selected.way)
    }

    /// Whether an authenticated check came by `way` not too long ago.
    pub(crate) fn is_validated(&self, way: Way) -> bool {
        self.ways.iter().any(|known| known.way == way)
    }

    /// Whether the client is there: it checked `way` not long ago.
    pub(crate) fn is_alive(&self, now: Instant, way: Way) -> bool {
        self.heard(way)
            .is_some_and(|heard| now.saturating_duration_since(heard) < Self::SILENT)
    }

    /// Packets go by `way` from now on, though no check came by it yet: what did is the client's.
    /// Its silence goes on to count from its last check, and its next one decides.
    pub(crate) fn follow(&mut self, way: Way) {
        let Some(before) = self.destination().and_then(|before| self.heard(before)) else {
            return;
        };
        self.validate(before, way);
        if let Some(selected) = &mut self.selected {
            selected.way = way;
        }
    }

    /// `way` is gone: any that the client nominates takes its place, whatever its priority.
    pub(crate) fn lose(&mut self, way: Way) {
        if let Some(selected) = self.selected.as_mut().filter(|it| it.way == way) {
            selected.priority = None;
        } else {
            self.ways.retain(|known| known.way != way);
        }
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
        from: Way,
        datagram: &[u8],
        remote_ufrag: &str,
    ) -> Result<Answered, DropReason> {
        let check = Check::read(datagram)?;
        let named = self.credentials.named(check.username, remote_ufrag)?;
        let local = self.credentials.of(named).clone();
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
            ip: from.address().ip(),
            port: from.address().port(),
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

    fn validate(&mut self, now: Instant, from: Way) {
        if let Some(known) = self.ways.iter_mut().find(|known| known.way == from) {
            known.heard = now;
            return;
        }
        if self.ways.len() == Self::MAX_WAYS {
            let selected = self.destination();
            let oldest = (0..self.ways.len())
                .filter(|&i| Some(self.ways[i].way) != selected)
                .min_by_key(|&i| self.ways[i].heard)
                .expect("the table holds more than the selected way");
            self.ways.swap_remove(oldest);
        }
        self.ways.push(Validated {
            way: from,
            heard: now,
        });
    }

    /// While a restart is under way the client may still move under the old credentials.
    fn select_before(&mut self, now: Instant, from: Way, nominated: Option<u32>) -> Selection {
        let Some(ufrag) = self.credentials.remote_before().map(str::to_owned) else {
            return Selection::Unchanged;
        };
        let generation = match &self.selected {
            Some(selected) => selected.generation,
            None => self.credentials.generation(),
        };
        self.select_in(now, from, nominated, &ufrag, generation)
    }

    fn select(
        &mut self,
        now: Instant,
        from: Way,
        nominated: Option<u32>,
        ufrag: &str,
    ) -> Selection {
        let selection = self.select_in(now, from, nominated, ufrag, self.credentials.generation());
        if nominated.is_some() {
            self.credentials.settle();
        }
        selection
    }

    fn select_in(
        &mut self,
        now: Instant,
        from: Way,
        nominated: Option<u32>,
        ufrag: &str,
        generation: u32,
    ) -> Selection {
        let moves = match &self.selected {
            None => true,
            Some(selected) if selected.priority.is_none() => true,
            Some(selected) => nominated.is_some_and(|priority| {
                let silent = self
                    .heard(selected.way)
                    .is_none_or(|heard| now.saturating_duration_since(heard) >= Self::SILENT);
                let restarted = selected.ufrag != ufrag || selected.generation != generation;
                selected.priority <= Some(priority) || silent || restarted
            }),
        };
        if !moves {
            return Selection::Unchanged;
        }
        let before = self.selected.replace(Selected {
            way: from,
            priority: nominated,
            ufrag: ufrag.to_owned(),
            generation,
        });
        match before {
            None => Selection::First,
            Some(before) if before.way == from => Selection::Unchanged,
            Some(_) => Selection::Moved,
        }
    }

    fn heard(&self, way: Way) -> Option<Instant> {
        let known = self.ways.iter().find(|known| known.way == way)?;
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
