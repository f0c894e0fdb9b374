//! One thing that happened, as the control plane hears of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Something that happened in a room.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Event {
    /// When.
    pub(crate) at: u64,
    /// Where.
    pub(crate) room: String,
    /// What.
    #[serde(flatten)]
    pub(crate) happened: Happened,
}

/// What happened.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Happened {
    /// The room opened.
    RoomStarted { room_sid: String, generation: u64 },
    /// The room closed.
    RoomEnded {
        room_sid: String,
        generation: u64,
        reason: String,
    },
    /// Somebody is in.
    Joined {
        room_sid: String,
        sid: String,
        identity: String,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meeting_id: Option<String>,
        region: String,
        client: Client,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        join_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, String>,
    },
    /// Somebody is gone.
    Left {
        sid: String,
        identity: String,
        reason: String,
    },
    /// Media of a track can come.
    TrackPublished {
        sid: String,
        track: String,
        source: Source,
        kind: Kind,
    },
    /// No more media of a track.
    TrackUnpublished {
        sid: String,
        track: String,
        source: Source,
        kind: Kind,
    },
    /// What somebody's connection was like.
    Quality {
        sid: String,
        #[serde(flatten)]
        figures: Figures,
    },
    /// Somebody wrote something.
    Chat {
        sid: String,
        identity: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meeting_id: Option<String>,
        message_id: String,
        text: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
        sent_at: u64,
        #[serde(default)]
        to: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<String>,
    },
    /// Somebody wrote it otherwise.
    ChatEdited {
        message_id: String,
        identity: String,
        text: String,
    },
    /// Somebody took it back.
    ChatDeleted {
        message_id: String,
        identity: String,
    },
    /// Messages that only their receivers can read, who alone know which of them were chat.
    ChatSealed { count: u64 },
    /// Somebody raised a hand, or lowered it.
    Hand {
        sid: String,
        identity: String,
        raised: bool,
    },
}

/// What somebody joined with.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Client {
    pub(crate) os: String,
    pub(crate) browser: String,
    pub(crate) device: String,
    pub(crate) sdk: String,
    pub(crate) version: String,
}

/// What somebody's connection was like for a while.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Figures {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// 1 (bad) to 5.
    pub(crate) score: f64,
    pub(crate) loss_percent: f64,
    pub(crate) jitter_ms: f64,
    pub(crate) round_trip_ms: f64,
    pub(crate) sent_kbps: f64,
    pub(crate) received_kbps: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frames_per_second: Option<f64>,
    pub(crate) drops: u64,
}

/// Where a track is taken from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Camera,
    Microphone,
    ScreenShare,
    ScreenShareAudio,
    Unknown,
}

/// What a track carries.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Audio,
    Video,
    Data,
}

/// What is given up first when too much waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Weight {
    /// The next minute brings another one.
    Figures,
    /// A later one of the same says more.
    State,
    /// Somebody's words: given up only when nothing else is left.
    Words,
    /// Who was where and when: never given up.
    Presence,
}

impl Event {
    /// What is given up first.
    pub(crate) fn weight(&self) -> Weight {
        match &self.happened {
            Happened::Quality { .. } => Weight::Figures,
            Happened::Hand { .. }
            | Happened::TrackPublished { .. }
            | Happened::TrackUnpublished { .. } => Weight::State,
            Happened::Chat { .. }
            | Happened::ChatEdited { .. }
            | Happened::ChatDeleted { .. }
            | Happened::ChatSealed { .. } => Weight::Words,
            Happened::RoomStarted { .. }
            | Happened::RoomEnded { .. }
            | Happened::Joined { .. }
            | Happened::Left { .. } => Weight::Presence,
        }
    }

    /// Whether somebody waits to see it: it is told at once then, not with the next sync.
    pub(crate) fn is_urgent(&self) -> bool {
        match &self.happened {
            Happened::RoomStarted { .. }
            | Happened::RoomEnded { .. }
            | Happened::Joined { .. }
            | Happened::Left { .. }
            | Happened::Hand { .. } => true,
            Happened::TrackPublished { .. }
            | Happened::TrackUnpublished { .. }
            | Happened::Quality { .. }
            | Happened::Chat { .. }
            | Happened::ChatEdited { .. }
            | Happened::ChatDeleted { .. }
            | Happened::ChatSealed { .. } => false,
        }
    }
}
