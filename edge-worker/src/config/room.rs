//! What rooms start with, and the settings kept under names for apps to choose from.

use std::collections::BTreeMap;

use livekit::join::RoomSettings;
use media::PlayoutDelay;
use serde::{Deserialize, Serialize};
use sfu::{MAX_METADATA, Playing, Profile, Streams};

use super::{ConfigError, value};

/// What rooms start with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// How long a room nobody ever joined stays open.
    pub empty_timeout_s: u32,
    /// How long a room stays open after the last participant left.
    pub departure_timeout_s: u32,
    /// 0: no limit.
    pub max_participants: u32,
    /// Whether a room that is not there is made by joining it.
    pub auto_create: bool,
    /// Whether the app may unmute participants, not only mute them.
    pub enable_remote_unmute: bool,
    /// Whether sound and picture of one source are told to clients as one stream, so that they
    /// play them in step.
    pub sync_streams: bool,
    /// How long pictures wait with whom they are sent to, at least. 0: the client decides.
    pub min_playout_delay_ms: u32,
    /// The same, at most.
    pub max_playout_delay_ms: u32,
    /// What anybody is sent at most: `audio_only`, `low`, `medium` or `high`.
    pub profile: ProfileName,
    /// How many voices anybody hears at a time. 0: all.
    pub loudest: u32,
    /// What apps ask for by name.
    pub presets: BTreeMap<String, Preset>,
}

/// How a room shall be that is made with the name of this; what is not said is as in others.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preset {
    /// As for any room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_timeout_s: Option<u32>,
    /// As for any room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub departure_timeout_s: Option<u32>,
    /// As for any room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_participants: Option<u32>,
    /// Free text of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// As for any room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_streams: Option<bool>,
    /// As for any room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_playout_delay_ms: Option<u32>,
    /// As for any room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_playout_delay_ms: Option<u32>,
    /// As for any room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
}

/// A profile, as configuration names it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileName {
    /// Sound, and no pictures.
    AudioOnly,
    /// Small pictures, few frames.
    Low,
    /// Pictures of middle size.
    Medium,
    /// Everything as published.
    High,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::AudioOnly => Self::AudioOnly,
            ProfileName::Low => Self::Low,
            ProfileName::Medium => Self::Medium,
            ProfileName::High => Self::High,
        }
    }
}

impl Default for Room {
    /// LiveKit's own: apps rely on them.
    fn default() -> Self {
        Self {
            empty_timeout_s: 300,
            departure_timeout_s: 20,
            max_participants: 0,
            auto_create: true,
            enable_remote_unmute: false,
            sync_streams: false,
            min_playout_delay_ms: 0,
            max_playout_delay_ms: 0,
            profile: ProfileName::High,
            // More at once nobody follows.
            loudest: 12,
            presets: BTreeMap::new(),
        }
    }
}

impl Room {
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        check(
            (self.min_playout_delay_ms, "room.min_playout_delay_ms"),
            (self.max_playout_delay_ms, "room.max_playout_delay_ms"),
        )?;
        for preset in self.presets.values() {
            let ms = |bound: Option<u32>| bound.unwrap_or(0);
            check(
                (
                    ms(preset.min_playout_delay_ms),
                    "room.presets.*.min_playout_delay_ms",
                ),
                (
                    ms(preset.max_playout_delay_ms),
                    "room.presets.*.max_playout_delay_ms",
                ),
            )?;
            let metadata = preset.metadata.as_ref().map_or(0, String::len);
            if metadata > MAX_METADATA {
                let found = format!("{metadata} bytes");
                return Err(value(
                    "room.presets.*.metadata",
                    &found,
                    "524288 bytes or less",
                ));
            }
        }
        Ok(self)
    }

    /// How clients play what they receive, where nobody says otherwise.
    pub(crate) fn playing(&self) -> Playing {
        Playing {
            streams: streams(self.sync_streams),
            delay: PlayoutDelay::from_ms(self.min_playout_delay_ms, self.max_playout_delay_ms),
            profile: self.profile.into(),
            loudest: self.loudest,
        }
    }

    /// What is kept under `name`.
    pub(crate) fn preset(&self, name: &str) -> Option<RoomSettings> {
        let preset = self.presets.get(name)?;
        let number = |number: Option<u32>| number.filter(|number| *number > 0);
        Some(RoomSettings {
            empty_timeout_s: number(preset.empty_timeout_s),
            departure_timeout_s: number(preset.departure_timeout_s),
            max_participants: number(preset.max_participants),
            metadata: preset.metadata.clone(),
            min_playout_delay_ms: number(preset.min_playout_delay_ms),
            max_playout_delay_ms: number(preset.max_playout_delay_ms),
            streams: preset.sync_streams.map(streams),
            profile: preset.profile.map(Profile::from),
            ..RoomSettings::default()
        })
    }
}

fn streams(synced: bool) -> Streams {
    if synced {
        Streams::Together
    } else {
        Streams::Apart
    }
}

type Bound = (u32, &'static str);

/// The bounds of a playout delay can be said, and are in order.
fn check(min: Bound, max: Bound) -> Result<(), ConfigError> {
    for (ms, key) in [min, max] {
        if ms > PlayoutDelay::MAX_MS {
            return Err(value(
                key,
                &ms.to_string(),
                "0 (the client decides) to 40950",
            ));
        }
    }
    if max.0 > 0 && min.0 > max.0 {
        return Err(value(
            min.1,
            &min.0.to_string(),
            "at most the greatest playout delay",
        ));
    }
    Ok(())
}
