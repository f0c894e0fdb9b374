//! Who comes by a connection, before it is known which shard it is for: its first message proves
//! nothing, and is answered alike by all; the next one names somebody, and with it the shard.

use std::net::SocketAddr;
use std::time::Instant;

use super::message::{Kind, Message, Method, Writer, attribute};
use super::{Dropped, REALM, Refusal, Secret, shard_named};

/// What is to be done with the first messages of a connection.
#[derive(Debug, Eq, PartialEq)]
pub enum Greeting {
    /// The shard with this number takes it from here, this message included.
    Shard(u16),
    /// It is told how to prove who it is.
    Answer(Vec<u8>),
    /// It is not answered.
    Drop(Dropped),
}

/// Whether a connection begins with a request of TURN, and not with the length of a frame
/// (RFC 4571): by its first two bytes. No frame that holds a check of ICE is so short.
pub fn begins_request(first: [u8; 2]) -> bool {
    match Method::of(u16::from_be_bytes(first)) {
        Some(
            Method::Allocate
            | Method::Refresh
            | Method::CreatePermission
            | Method::ChannelBind
            | Method::Connect,
        ) => true,
        // Nobody has anything to send yet.
        Some(Method::Send) | None => false,
    }
}

impl Secret {
    /// Takes a message of a connection that no shard has yet.
    pub fn greet(&self, now: Instant, client: SocketAddr, message: &[u8]) -> Greeting {
        if let Some(shard) = shard_named(message) {
            return Greeting::Shard(shard);
        }
        match Message::read(message) {
            Ok(message) if message.method == Method::Send => Greeting::Drop(Dropped::NoAllocation),
            Ok(message) => {
                let mut bytes = Vec::with_capacity(96);
                let kind = Kind::Error(message.method);
                let mut writer = Writer::new(&mut bytes, kind, message.transaction());
                writer.put_error(Refusal::Unauthorized);
                self.challenge(now, client, &mut writer);
                writer.finish(message.fingerprint());
                Greeting::Answer(bytes)
            }
            Err(dropped) => Greeting::Drop(dropped),
        }
    }

    /// Tells what to prove oneself with.
    pub(super) fn challenge(&self, now: Instant, client: SocketAddr, writer: &mut Writer<'_>) {
        writer.put(attribute::REALM, REALM.as_bytes());
        writer.put(attribute::NONCE, self.nonce(now, client).as_bytes());
    }
}
