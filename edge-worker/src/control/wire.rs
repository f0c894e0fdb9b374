//! What a node and the control plane say to each other: JSON with names in camelCase, times
//! in milliseconds since 1970. Fields that are not known are passed over, so that either end
//! may be newer.
//!
//! How messages are signed is in [`sign`](super::sign), when they are sent in
//! [`core`](super::core).

mod desired;
pub(crate) mod event;
mod order;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use desired::{AppointedRoom, Desired, Peer, ScheduledRoom, Tokens};
pub(crate) use event::{Client, Event, Happened, Kind, Source, Weight};
pub(crate) use order::{Command, Order, Permissions};

/// Where a node says who it is.
pub(crate) const REGISTER: &str = "/edge/v1/register";
/// Where it says what happened.
pub(crate) const SYNC: &str = "/edge/v1/sync";
/// Where it is told to sync at once.
pub(crate) const POKE: &str = "/edge/v1/poke";

/// Who a node is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Register {
    /// As its key was made for.
    pub(crate) node: String,
    /// Where it is.
    pub(crate) region: String,
    /// Where clients reach it.
    pub(crate) url: String,
    /// Where others do.
    pub(crate) http_url: String,
    /// Where other nodes reach its relay.
    pub(crate) relay: Option<String>,
    /// Participants it takes.
    pub(crate) capacity: u32,
    /// Which version runs.
    pub(crate) build: String,
    /// Since when.
    pub(crate) started_at_ms: u64,
    /// Of which events it will tell.
    pub(crate) stream: String,
    /// Its public Ed25519 key, in base64url.
    pub(crate) signing_key: String,
}

/// That a node may speak from now on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registered {
    /// Larger than any before.
    pub(crate) epoch: u64,
    /// What time it is there.
    pub(crate) server_time_ms: u64,
    /// For how long it is believed to be there without a word.
    #[serde(default)]
    pub(crate) lease_ms: u64,
    /// Events of its stream that are known there.
    pub(crate) ack_seq: u64,
    /// What it should be like.
    #[serde(default)]
    pub(crate) desired: Option<Desired>,
}

/// What happened since the last time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sync {
    /// Who speaks.
    pub(crate) node: String,
    /// As registered.
    pub(crate) epoch: u64,
    /// Which stream the events are of.
    pub(crate) stream: String,
    /// The number of the first event; they count up from there.
    pub(crate) first_seq: u64,
    /// In order.
    pub(crate) events: Vec<Event>,
    /// How much there is to do.
    pub(crate) load: Load,
    /// Commands that are done.
    pub(crate) acks: Vec<Ack>,
    /// Of what it was told to be like last.
    pub(crate) desired_hash: String,
}

/// How much a node has to do.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Load {
    /// Connected to it.
    pub(crate) participants: u64,
    /// Open on it.
    pub(crate) rooms: u64,
    /// Of its processors.
    pub(crate) busy_percent: f64,
    /// Whether it takes nobody new.
    pub(crate) draining: bool,
}

/// What became of a command.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Ack {
    /// Of this one.
    pub(crate) id: String,
    /// Whether it was done.
    pub(crate) ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The answer to it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Synced {
    /// Events of the stream that are known there.
    pub(crate) ack_seq: u64,
    /// What time it is there.
    pub(crate) server_time_ms: u64,
    /// When to speak again without a reason.
    pub(crate) next_sync_ms: u64,
    /// To be done, each read on its own: one that is newer than this node costs only itself.
    #[serde(default)]
    pub(crate) commands: Vec<Value>,
    /// What it should be like, if that is not what it said.
    #[serde(default)]
    pub(crate) desired: Option<Desired>,
}

/// Why something was refused.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refused {
    /// One of a few words.
    pub(crate) error: String,
    /// What to do.
    #[serde(default)]
    pub(crate) message: String,
    /// What time it is there.
    #[serde(default)]
    pub(crate) server_time_ms: Option<u64>,
    /// Not to be asked before.
    #[serde(default)]
    pub(crate) retry_after_ms: Option<u64>,
}

#[cfg(test)]
mod tests;
