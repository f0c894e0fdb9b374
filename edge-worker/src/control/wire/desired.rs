//! What the control plane wants of a node, and what it has to know of others: a whole picture
//! each time, applied twice without harm.

use serde::{Deserialize, Serialize};

/// What a node should be like.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Desired {
    /// By which both ends know that they mean the same.
    pub(crate) hash: String,
    /// Rooms it hosts, or must.
    pub(crate) rooms: Vec<AppointedRoom>,
    /// The other nodes.
    pub(crate) peers: Vec<Peer>,
    /// Rooms of the coming days.
    pub(crate) scheduled: Vec<ScheduledRoom>,
    /// By which join tokens are believed.
    pub(crate) token_keys: Vec<TokenKey>,
    /// Whose tokens are not, any more.
    pub(crate) revoked: Vec<Revoked>,
    /// Whether it shall take nobody new.
    pub(crate) draining: bool,
}

/// A room this node hosts, or must.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AppointedRoom {
    /// Its name.
    pub(crate) room: String,
    /// The id of its present life, if it has one.
    pub(crate) room_sid: String,
    /// The version of its placement.
    pub(crate) generation: u64,
    /// The node that leads it.
    pub(crate) home: String,
    /// All that host it.
    pub(crate) nodes: Vec<String>,
    /// Whether nobody new comes in.
    pub(crate) locked: bool,
    /// 0: no limit.
    pub(crate) max_participants: u32,
    /// How long it stays open if nobody comes.
    #[serde(rename = "emptyTimeoutS")]
    pub(crate) empty_timeout_s: Option<u32>,
    /// How long it stays open when all have left.
    #[serde(rename = "departureTimeoutS")]
    pub(crate) departure_timeout_s: Option<u32>,
    /// Whose tokens let in.
    pub(crate) tokens: Tokens,
    /// What the app calls what happens there.
    pub(crate) meeting_id: Option<String>,
}

/// Whose tokens let somebody into a room.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tokens {
    /// All the node takes.
    #[default]
    Any,
    /// The control plane's only. What is newer than this node is meant to be no wider.
    #[serde(other)]
    Ours,
}

/// Another node.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) node: String,
    /// Where it is.
    pub(crate) region: String,
    /// Where clients reach it.
    pub(crate) url: String,
    /// Where its relay is reached.
    pub(crate) relay: Option<String>,
    /// Its public Ed25519 key, in base64url.
    pub(crate) signing_key: String,
    /// Whether it takes nobody new.
    pub(crate) draining: bool,
    /// Whether the control plane has heard of it lately.
    pub(crate) alive: bool,
}

/// A room of the coming days.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ScheduledRoom {
    /// Its name.
    pub(crate) room: String,
    /// What the app calls what happens there.
    pub(crate) meeting_id: String,
    /// When it begins.
    pub(crate) starts_at: u64,
    /// When it ends.
    pub(crate) ends_at: u64,
    /// The node that will lead it.
    pub(crate) home: String,
    /// All that will host it.
    pub(crate) nodes: Vec<String>,
    /// 0: no limit.
    pub(crate) max_participants: u32,
}

/// A key that signs join tokens.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct TokenKey {
    /// Its name.
    pub(crate) kid: String,
    /// Its public half, in base64url.
    pub(crate) key: String,
}

/// Somebody whose tokens from before a time are refused.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Revoked {
    /// Where.
    pub(crate) room: String,
    /// Who.
    pub(crate) identity: String,
    /// Seconds since 1970.
    pub(crate) before: u64,
}
