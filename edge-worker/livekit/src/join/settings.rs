//! How the app wants a room to be: as it says when it makes one, or in a token whose bearer
//! makes it by joining. What is left open is the node's to fill in.

use media::PlayoutDelay;
use serde::Deserialize;
use sfu::{MAX_METADATA, Profile, RoomChange, Streams};

use super::JoinError;
use crate::{Claims, proto};

/// How a room shall be; `None` leaves it as it is, or as the node has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoomSettings {
    /// Seconds it stays open when nobody ever joined.
    pub empty_timeout_s: Option<u32>,
    /// Seconds it stays open after the last participant left.
    pub departure_timeout_s: Option<u32>,
    /// Most participants at a time.
    pub max_participants: Option<u32>,
    /// Free text of the app.
    pub metadata: Option<String>,
    /// How long pictures wait with whom they are sent to, in milliseconds: at least ...
    pub min_playout_delay_ms: Option<u32>,
    /// ... and at most.
    pub max_playout_delay_ms: Option<u32>,
    /// How tracks are grouped.
    pub streams: Option<Streams>,
    /// What anybody is sent at most; only nodes say it.
    pub profile: Option<Profile>,
    /// The name of settings that the node keeps, for what is left open here.
    pub preset: Option<String>,
    /// What is asked for that nobody here does.
    pub undone: Vec<Undone>,
}

/// Something LiveKit does for a room that this node does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Undone {
    /// Calls agents.
    Agents,
    /// Records.
    Recording,
}

impl RoomSettings {
    /// As a token says it.
    pub(super) fn of(claims: &Claims) -> Result<Self, JoinError> {
        let mut settings = match &claims.room_config {
            Some(json) => {
                let message = proto::RoomConfiguration::deserialize(json);
                Self::configured(message.map_err(|_| JoinError::RoomConfig)?)
            }
            None => Self::default(),
        };
        let metadata = settings.metadata.as_ref().map_or(0, String::len);
        if metadata > MAX_METADATA {
            return Err(JoinError::MetadataTooLarge);
        }
        settings.preset = said(claims.room_preset.clone());
        Ok(settings)
    }

    fn configured(message: proto::RoomConfiguration) -> Self {
        let recording = message.egress.map(|_| Undone::Recording);
        Self {
            empty_timeout_s: chosen(message.empty_timeout),
            departure_timeout_s: chosen(message.departure_timeout),
            max_participants: chosen(message.max_participants),
            metadata: said(message.metadata),
            min_playout_delay_ms: chosen(message.min_playout_delay),
            max_playout_delay_ms: chosen(message.max_playout_delay),
            streams: synced(message.sync_streams),
            profile: None,
            preset: None,
            undone: recording
                .into_iter()
                .chain(agents(&message.agents))
                .collect(),
        }
    }

    /// As a call that makes a room says it.
    pub(crate) fn created(message: proto::CreateRoomRequest) -> Self {
        Self {
            empty_timeout_s: chosen(message.empty_timeout),
            departure_timeout_s: chosen(message.departure_timeout),
            max_participants: chosen(message.max_participants),
            metadata: said(message.metadata),
            min_playout_delay_ms: chosen(message.min_playout_delay),
            max_playout_delay_ms: chosen(message.max_playout_delay),
            streams: synced(message.sync_streams),
            profile: None,
            preset: said(message.room_preset),
            undone: agents(&message.agents).into_iter().collect(),
        }
    }

    /// Takes from `others` what is left open here.
    pub fn fill_in(&mut self, others: &Self) {
        fn fill<T: Clone>(open: &mut Option<T>, other: &Option<T>) {
            if open.is_none() {
                open.clone_from(other);
            }
        }
        fill(&mut self.empty_timeout_s, &others.empty_timeout_s);
        fill(&mut self.departure_timeout_s, &others.departure_timeout_s);
        fill(&mut self.max_participants, &others.max_participants);
        fill(&mut self.metadata, &others.metadata);
        fill(&mut self.min_playout_delay_ms, &others.min_playout_delay_ms);
        fill(&mut self.max_playout_delay_ms, &others.max_playout_delay_ms);
        fill(&mut self.streams, &others.streams);
        fill(&mut self.profile, &others.profile);
    }

    /// How long pictures wait with whom they are sent to.
    pub fn playout_delay(&self) -> Option<PlayoutDelay> {
        let ms = |bound: Option<u32>| bound.unwrap_or(0);
        PlayoutDelay::from_ms(ms(self.min_playout_delay_ms), ms(self.max_playout_delay_ms))
    }

    /// What they change in a room that is there.
    pub fn change(&self) -> RoomChange {
        RoomChange {
            empty_timeout_s: self.empty_timeout_s,
            departure_timeout_s: self.departure_timeout_s,
            max_participants: self.max_participants,
            metadata: self.metadata.clone(),
            streams: self.streams,
            playout_delay: self.playout_delay(),
            profile: self.profile,
        }
    }
}

fn chosen(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

fn said(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn synced(together: bool) -> Option<Streams> {
    together.then_some(Streams::Together)
}

fn agents(agents: &[proto::RoomAgentDispatch]) -> Option<Undone> {
    (!agents.is_empty()).then_some(Undone::Agents)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(config: serde_json::Value, preset: &str) -> Result<RoomSettings, JoinError> {
        RoomSettings::of(&Claims {
            room_config: Some(config),
            room_preset: preset.into(),
            ..Claims::default()
        })
    }

    #[test]
    fn rl_1_a_token_says_how_the_room_is_that_it_makes() {
        assert_eq!(settings(json!({}), ""), Ok(RoomSettings::default()));
        let all = settings(
            json!({
                "name": "slow", "emptyTimeout": 30, "departureTimeout": 7, "maxParticipants": 5,
                "metadata": "m", "minPlayoutDelay": 200, "maxPlayoutDelay": 400,
                "syncStreams": true, "agents": [{ "agentName": "scribe" }], "tags": { "a": "b" },
                "egress": { "room": { "roomName": "maths" } }, "noSuch": [1],
            }),
            "lessons",
        );
        let expected = RoomSettings {
            empty_timeout_s: Some(30),
            departure_timeout_s: Some(7),
            max_participants: Some(5),
            metadata: Some("m".into()),
            min_playout_delay_ms: Some(200),
            max_playout_delay_ms: Some(400),
            streams: Some(Streams::Together),
            profile: None,
            preset: Some("lessons".into()),
            undone: vec![Undone::Recording, Undone::Agents],
        };
        assert_eq!(all, Ok(expected));
        let snake = json!({ "max_participants": 5, "min_playout_delay": 9, "sync_streams": true });
        let camel = json!({ "maxParticipants": 5, "minPlayoutDelay": 9, "syncStreams": true });
        assert_eq!(settings(snake, ""), settings(camel, ""));
    }

    #[test]
    fn a_token_that_says_it_in_another_form_lets_nobody_in() {
        for (config, expected) in [
            (json!("no"), JoinError::RoomConfig),
            (json!({ "emptyTimeout": "soon" }), JoinError::RoomConfig),
            (
                json!({ "metadata": "m".repeat(MAX_METADATA + 1) }),
                JoinError::MetadataTooLarge,
            ),
        ] {
            assert_eq!(settings(config, ""), Err(expected));
        }
        assert_eq!(JoinError::RoomConfig.status(), 401);
    }

    #[test]
    fn rl_1_what_is_said_counts_before_what_the_node_keeps_under_a_name() {
        let mut said = RoomSettings {
            max_participants: Some(3),
            min_playout_delay_ms: Some(100),
            ..RoomSettings::default()
        };
        said.fill_in(&RoomSettings {
            empty_timeout_s: Some(9),
            max_participants: Some(50),
            max_playout_delay_ms: Some(900),
            streams: Some(Streams::Together),
            profile: Some(Profile::Low),
            ..RoomSettings::default()
        });
        let change = said.change();
        assert_eq!(
            (change.empty_timeout_s, change.max_participants),
            (Some(9), Some(3))
        );
        assert_eq!(change.playout_delay, PlayoutDelay::from_ms(100, 900));
        assert_eq!(change.streams, Some(Streams::Together));
        assert_eq!(change.profile, Some(Profile::Low));
        assert_eq!(change.metadata, None);
    }
}
