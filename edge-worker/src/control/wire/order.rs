//! What the control plane has a node do, once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something to do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Command {
    /// By which it is known again.
    pub(crate) id: String,
    /// Too late after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_at: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub(crate) order: Order,
}

/// What to do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Order {
    /// Send everybody away and close the room.
    CloseRoom {
        room: String,
        #[serde(default)]
        reason: String,
    },
    /// Send somebody away.
    Remove {
        room: String,
        identity: String,
        #[serde(default)]
        revoke_tokens: bool,
    },
    /// Mute or unmute a track, or all of a source, or all there is.
    Mute {
        room: String,
        identity: String,
        #[serde(default)]
        track: Option<String>,
        #[serde(default)]
        source: Option<String>,
        muted: bool,
    },
    /// Change what somebody may do.
    Permissions {
        room: String,
        identity: String,
        permission: Permissions,
    },
    /// Change how somebody shows.
    Attributes {
        room: String,
        identity: String,
        attributes: BTreeMap<String, String>,
    },
    /// Change the room's free text.
    Metadata { room: String, metadata: String },
    /// Take somebody to another room.
    Move {
        room: String,
        identity: String,
        to: String,
        /// A join token for that room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// Give participants a message.
    Data {
        room: String,
        #[serde(default)]
        topic: String,
        text: String,
        #[serde(default)]
        to: Vec<String>,
    },
    /// Take nobody new.
    Drain {},
    /// Take people again.
    Undrain {},
}

/// What somebody may do from now on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Permissions {
    pub(crate) can_publish: bool,
    pub(crate) can_subscribe: bool,
    pub(crate) can_publish_data: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) can_publish_sources: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hidden: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) can_update_metadata: Option<bool>,
}

/// Ids are drawn by the control plane and short; longer ones are not remembered.
const LONGEST_ID: usize = 128;

impl Command {
    /// Reads one; where it cannot be read, its id and why, if it has an id.
    pub(crate) fn read(value: &Value) -> Result<Self, Option<(String, String)>> {
        let id = value.get("id").and_then(Value::as_str);
        let id = id.filter(|id| (1..=LONGEST_ID).contains(&id.len()));
        let id = id.ok_or(None)?;
        Self::deserialize(value).map_err(|error| Some((id.to_owned(), error.to_string())))
    }
}

impl Order {
    /// What it is, for logs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::CloseRoom { .. } => "close_room",
            Self::Remove { .. } => "remove",
            Self::Mute { .. } => "mute",
            Self::Permissions { .. } => "permissions",
            Self::Attributes { .. } => "attributes",
            Self::Metadata { .. } => "metadata",
            Self::Move { .. } => "move",
            Self::Data { .. } => "data",
            Self::Drain {} => "drain",
            Self::Undrain {} => "undrain",
        }
    }
}
