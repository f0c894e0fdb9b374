//! What the ends of a connection are called, and what they prove it with.
//!
//! A restart (RFC 8445 section 9) changes the credentials of both ends. Until the client
//! nominates an address under the new ones, the old ones hold too.

use std::fmt;

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

/// Our credentials, and while a restart is under way those from before it.
pub(super) struct Credentials {
    now: IceCredentials,
    before: Option<Generation>,
    /// Counts restarts.
    generation: u32,
}

/// Credentials that a restart replaces, and the client's name with them.
struct Generation {
    local: IceCredentials,
    remote_ufrag: String,
}

/// Who is named in a check: the ends as described last, or as before the restart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Named {
    Now,
    Before,
}

impl Credentials {
    pub(super) fn new(local: IceCredentials) -> Self {
        Self {
            now: local,
            before: None,
            generation: 0,
        }
    }

    /// Takes new ones; `remote_ufrag` is the client's name with the old ones.
    pub(super) fn restart(&mut self, local: IceCredentials, remote_ufrag: Option<&str>) {
        let local = std::mem::replace(&mut self.now, local);
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

    /// The restart is through.
    pub(super) fn settle(&mut self) {
        self.before = None;
    }

    /// Ours, as descriptions shall have them.
    pub(super) fn now(&self) -> &IceCredentials {
        &self.now
    }

    /// How many restarts there were.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Our names in checks.
    pub(super) fn ufrags(&self) -> impl Iterator<Item = &str> {
        let before = self.before.as_ref();
        let before = before.map(|before| before.local.ufrag.as_str());
        std::iter::once(self.now.ufrag.as_str()).chain(before)
    }

    /// The client's name from before the restart that is under way.
    pub(super) fn remote_before(&self) -> Option<&str> {
        self.before
            .as_ref()
            .map(|before| before.remote_ufrag.as_str())
    }

    /// Whom the username of a check names.
    pub(super) fn named(&self, username: &str, remote_ufrag: &str) -> Result<Named, DropReason> {
        let (local, remote) = username.split_once(':').ok_or(DropReason::StunUsername)?;
        if (local, remote) == (&self.now.ufrag, remote_ufrag) {
            return Ok(Named::Now);
        }
        match &self.before {
            Some(before) if (local, remote) == (&before.local.ufrag, &before.remote_ufrag) => {
                Ok(Named::Before)
            }
            Some(_) | None => Err(DropReason::StunUsername),
        }
    }

    /// Ours, under the name that was used.
    pub(super) fn of(&self, named: Named) -> &IceCredentials {
        match (&self.before, named) {
            (Some(before), Named::Before) => &before.local,
            (_, Named::Now) | (None, Named::Before) => &self.now,
        }
    }
}
