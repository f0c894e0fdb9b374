//! Names and passwords for TURN: made for one participation, and good for no longer than that
//! and for a time. Nothing is kept for them: the password follows from the name and a secret of
//! this process.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use media::ParticipantId;
use ring::hmac;

/// What only this process knows. All of its shards have the same.
#[derive(Clone)]
pub struct Secret {
    key: hmac::Key,
    /// Times are told from here on, so that nobody who sets the clock changes them.
    began: Instant,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

/// What one participant proves with who it is.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    /// Says until when, on which shard and for whom.
    pub username: String,
    /// Follows from the name, for those who know the secret.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, ...)", self.username)
    }
}

/// What a name says; believed once the password is proven.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Named {
    expires: u64,
    shard: u16,
    pub(super) participant: ParticipantId,
}

/// Longer than any lesson. Who is told them late in a call is told new ones as it comes back.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a nonce is good for (RFC 8489 section 9.2 has it limited).
const NONCE_LIFETIME: Duration = Duration::from_secs(60 * 60);

impl Secret {
    /// `key` is to be drawn at random.
    pub fn new(key: &[u8; 32], began: Instant) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            began,
        }
    }

    /// Makes credentials for somebody on one shard.
    pub fn issue(&self, now: Instant, shard: u16, participant: ParticipantId) -> Credentials {
        let expires = self.age(now) + LIFETIME.as_secs();
        let username = format!("{expires}:{shard}:{participant}");
        let password = self.password(&username);
        Credentials { username, password }
    }

    /// The password that belongs to a name.
    pub(super) fn password(&self, username: &str) -> String {
        hex(&hmac::sign(&self.key, username.as_bytes()).as_ref()[..20])
    }

    /// Whether a name is still good.
    pub(super) fn is_current(&self, now: Instant, named: Named) -> bool {
        self.age(now) < named.expires
    }

    /// Something for `client` to make its requests with, and nobody else.
    pub(super) fn nonce(&self, now: Instant, client: SocketAddr) -> String {
        self.nonce_of(self.age(now) as u32, client)
    }

    pub(super) fn knows_nonce(&self, now: Instant, client: SocketAddr, nonce: &[u8]) -> bool {
        let made = nonce
            .get(..8)
            .and_then(|made| std::str::from_utf8(made).ok());
        let Some(made) = made.and_then(|made| u32::from_str_radix(made, 16).ok()) else {
            return false;
        };
        let age = (self.age(now) as u32).checked_sub(made);
        age.is_some_and(|age| u64::from(age) < NONCE_LIFETIME.as_secs())
            && self.nonce_of(made, client).as_bytes() == nonce
    }

    fn nonce_of(&self, made: u32, client: SocketAddr) -> String {
        let made = made.to_be_bytes();
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"nonce");
        context.update(&made);
        match client.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        context.update(&client.port().to_be_bytes());
        // Short, as it goes to who asks without being known.
        let tag = context.sign();
        hex(&[&made, &tag.as_ref()[..6]].concat())
    }

    fn age(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs()
    }
}

impl Named {
    pub(super) fn read(username: &str) -> Option<Self> {
        let mut parts = username.splitn(3, ':');
        Some(Self {
            expires: parts.next()?.parse().ok()?,
            shard: parts.next()?.parse().ok()?,
            participant: parts.next()?.parse().ok()?,
        })
    }

    pub(super) fn shard(self) -> u16 {
        self.shard
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
