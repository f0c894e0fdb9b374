//! The conversation with the control plane as the rest of the node sees it: what holds now,
//! tokens for coming back, who arrives, and the way to be asked for news.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use livekit::Claims;
use livekit::trust::NodeSigner;
use media::RoomId;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::{Notify, mpsc};

use super::policy::{Picture, Policy};
use super::reporting::Coming;
use super::sign::{Signed, Signer, WINDOW_MS};
use super::wire::POKE;
use crate::config;

/// To the conversation with the control plane, from anywhere.
#[derive(Clone)]
pub(crate) struct ControlInbox(Arc<Shared>);

struct Shared {
    node: String,
    key_version: String,
    poke_key: Signer,
    signer: NodeSigner,
    policy: Picture,
    arrivals: mpsc::Sender<Coming>,
    poked: Notify,
    clock_offset_ms: AtomicI64,
    /// Of rooms that were begun by the control plane's ids.
    lives: Cache<RoomId, ()>,
}

/// More than begin in a month: whichever is forgotten is long over, and not told of any more.
const MOST_LIVES: u64 = 65_536;

/// What a poke says in its headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poke<'a> {
    pub(crate) node: &'a str,
    pub(crate) key_version: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) body: &'a [u8],
}

/// Why a poke is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PokeError {
    /// From another time.
    Clock,
    /// Not from the control plane, or not for this node.
    Signature,
}

impl PokeError {
    /// The word for it, on the wire and in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Signature => "signature",
        }
    }
}

impl ControlInbox {
    pub(super) fn new(
        node: &str,
        config: &config::Control,
        signer: NodeSigner,
        policy: Picture,
        arrivals: mpsc::Sender<Coming>,
    ) -> Self {
        Self(Arc::new(Shared {
            node: node.to_owned(),
            key_version: config.key_version.to_string(),
            poke_key: Signer::poke(&config.key),
            signer,
            policy,
            arrivals,
            poked: Notify::new(),
            clock_offset_ms: AtomicI64::new(0),
            lives: Cache::builder()
                .max_capacity(MOST_LIVES)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }))
    }

    /// What holds now.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.policy.borrow())
    }

    /// A token for coming back, to whoever has a token of the control plane.
    pub(crate) fn refresh(&self, claims: &Claims, now: u64) -> Option<String> {
        self.0.signer.refresh(claims, now)
    }

    /// Somebody has been let in, or into another room; to be said before its shard hears of it.
    /// Lost when the node is very busy: the join is told then without what only its token says.
    pub(crate) fn coming(&self, coming: Coming) {
        let _ = self.0.arrivals.try_send(coming);
    }

    /// The id the control plane gave a room for its next life; each is lived once.
    pub(crate) fn life_of(&self, room: &str) -> Option<RoomId> {
        let id = self.policy().life_of(room)?;
        let life = self.0.lives.entry(id).or_insert(());
        life.is_fresh().then_some(id)
    }

    /// The control plane asks to be asked, it seems; `now_ms` by our clock.
    pub(crate) fn poke(&self, poke: &Poke<'_>, now_ms: u64) -> Result<(), PokeError> {
        if poke.node != self.0.node || poke.key_version != self.0.key_version {
            return Err(PokeError::Signature);
        }
        let timestamp = poke.timestamp.parse().map_err(|_| PokeError::Signature)?;
        let signed = Signed {
            method: "POST",
            path: POKE,
            timestamp,
            nonce: poke.nonce,
            body: poke.body,
        };
        if !self.0.poke_key.verify(&signed, poke.signature) {
            return Err(PokeError::Signature);
        }
        let offset = self.0.clock_offset_ms.load(Ordering::Relaxed);
        if now_ms.saturating_add_signed(offset).abs_diff(timestamp) > WINDOW_MS {
            return Err(PokeError::Clock);
        }
        self.0.poked.notify_one();
        Ok(())
    }

    /// Waits for a poke.
    pub(super) async fn poked(&self) {
        self.0.poked.notified().await;
    }

    /// How far our clock is behind.
    pub(super) fn set_clock_offset(&self, ms: i64) {
        self.0.clock_offset_ms.store(ms, Ordering::Relaxed);
    }
}

impl fmt::Debug for ControlInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlInbox").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{JoinTokens, NodeKey};
    use crate::control::policy::Draining;
    use crate::control::wire::{AppointedRoom, Desired};
    use tokio::sync::watch;

    fn inbox(desired: &Desired) -> (ControlInbox, NodeKey) {
        let key = NodeKey([3; 32]);
        let config = config::Control {
            url: String::new(),
            key: key.clone(),
            key_version: 2,
            public_url: String::new(),
            public_http_url: String::new(),
            relay: None,
            capacity: 1,
            folder: "".into(),
            log_bytes: 1,
            tokens: JoinTokens::Any,
        };
        let policy = Policy::new(desired, JoinTokens::Any, ("lagos-1", ""), Draining::No);
        let (_, picture) = watch::channel(Arc::new(policy));
        let (arrivals, _) = mpsc::channel(1);
        let signer = NodeSigner::new("lagos-1", &[]);
        (
            ControlInbox::new("lagos-1", &config, signer, picture, arrivals),
            key,
        )
    }

    #[test]
    fn only_the_control_plane_pokes_and_only_now() {
        let (inbox, key) = inbox(&Desired::default());
        let now = 1_795_000_000_000_u64;
        let sign = |timestamp| {
            Signer::poke(&key).sign(&Signed {
                method: "POST",
                path: POKE,
                timestamp,
                nonce: "0123456789abcdef",
                body: b"",
            })
        };
        let (text, signature) = (now.to_string(), sign(now));
        let good = Poke {
            node: "lagos-1",
            key_version: "2",
            timestamp: &text,
            nonce: "0123456789abcdef",
            signature: &signature,
            body: b"",
        };
        let forged = sign(now + 1);
        let wrong = Err(PokeError::Signature);
        for (poke, expected) in [
            (good, Ok(())),
            (
                Poke {
                    node: "kano-1",
                    ..good
                },
                wrong,
            ),
            (
                Poke {
                    key_version: "1",
                    ..good
                },
                wrong,
            ),
            (
                Poke {
                    timestamp: "soon",
                    ..good
                },
                wrong,
            ),
            (
                Poke {
                    nonce: "fedcba9876543210",
                    ..good
                },
                wrong,
            ),
            (
                Poke {
                    body: b"{}",
                    ..good
                },
                wrong,
            ),
            (
                Poke {
                    signature: &forged,
                    ..good
                },
                wrong,
            ),
        ] {
            assert_eq!(inbox.poke(&poke, now), expected, "{poke:?}");
        }
        let late = inbox.poke(&good, now + WINDOW_MS + 1);
        assert_eq!(late, Err(PokeError::Clock));
        inbox.set_clock_offset(-(WINDOW_MS as i64));
        assert_eq!(
            inbox.poke(&good, now + WINDOW_MS + 1),
            Ok(()),
            "by its clock"
        );
    }

    #[test]
    fn an_id_for_a_room_is_lived_once() {
        let room = |sid: &str| AppointedRoom {
            room: "physics".into(),
            room_sid: sid.into(),
            ..AppointedRoom::default()
        };
        let desired = |sid| Desired {
            rooms: vec![room(sid)],
            ..Desired::default()
        };
        let (inbox, _) = inbox(&desired("RM_abc"));
        assert_eq!(inbox.life_of("other"), None);
        assert_eq!(inbox.life_of("physics"), "RM_abc".parse().ok());
        assert_eq!(inbox.life_of("physics"), None, "that life is over");
        let (strange, _) = self::inbox(&desired("no id"));
        assert_eq!(strange.life_of("physics"), None);
    }
}
