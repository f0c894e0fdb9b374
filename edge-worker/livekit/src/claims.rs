//! What a token says: who somebody is and what they may do, in LiveKit's words.
//!
//! Whether to believe it is decided in [`token`](crate::token); turning it into an
//! admission in [`join`](crate::join).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sfu::{ParticipantInfo, Permission, Source, Visibility};

use crate::proto;

/// The claims of one token. Absent and `null` are the same, as in LiveKit.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Claims {
    /// The name of the key that signed.
    #[serde(deserialize_with = "or_default")]
    pub iss: String,
    /// The participant's identity; empty in tokens for the server APIs.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub sub: String,
    /// The identity, where older SDKs put it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub jti: String,
    /// Not valid before, in seconds since 1970.
    #[serde(deserialize_with = "seconds", skip_serializing_if = "is_default")]
    pub nbf: Option<u64>,
    /// Not valid after, in seconds since 1970.
    #[serde(deserialize_with = "seconds", skip_serializing_if = "is_default")]
    pub exp: Option<u64>,
    /// For display.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub name: String,
    /// `standard`, `agent`, `egress` ...
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub kind: String,
    /// Refines `kind`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub kind_details: Vec<String>,
    /// What may be done.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub video: VideoGrants,
    /// Free text of the app about the participant.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub metadata: String,
    /// Free key-value pairs of the app about the participant.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub attributes: BTreeMap<String, String>,
    /// Settings of a room that this join creates, as written.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_config: Option<serde_json::Value>,
    /// The name of settings kept by the server.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_preset: String,
    /// Hash of a webhook's body.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub sha256: String,
    /// What the control plane knows of the participant.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub tof: Option<Tof>,
    /// The token of the control plane that this refreshes, or is.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub of: String,
    /// Whether they were read from a refresh: their bearer was let in before.
    #[serde(skip)]
    pub refreshed: bool,
}

/// What the control plane writes into its tokens beside LiveKit's claims.
#[derive(Clone, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tof {
    /// What the app calls what happens in the room.
    #[serde(skip_serializing_if = "is_default")]
    pub meeting: Option<String>,
    /// What the app calls the participant.
    #[serde(skip_serializing_if = "is_default")]
    pub user: Option<String>,
    /// A refresh may last until then, in seconds since 1970.
    #[serde(skip_serializing_if = "is_default")]
    pub stay: u64,
    /// Made ahead of time, for a meeting's window.
    #[serde(skip_serializing_if = "is_default")]
    pub invited: bool,
}

impl fmt::Debug for Tof {
    /// Names nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tof")
            .field("stay", &self.stay)
            .field("invited", &self.invited)
            .finish_non_exhaustive()
    }
}

impl Claims {
    /// Whether a node has let their bearer in before, and says so.
    pub fn is_refreshed(&self) -> bool {
        self.refreshed
    }

    /// Their bearer was let in before.
    pub fn mark_refreshed(&mut self) {
        self.refreshed = true;
    }

    /// How long refreshes may lengthen the stay: in seconds since 1970, never less than the
    /// token itself says.
    pub(crate) fn stays_until(&self) -> u64 {
        let stay = self.tof.as_ref().map_or(0, |tof| tof.stay);
        stay.max(self.exp.unwrap_or(0))
    }

    /// Takes over from a refresh how its bearer showed last, what it may do since, and when it
    /// is valid. What only the original can give stays.
    pub(crate) fn take_over(&mut self, refresh: &Self) {
        self.mark_refreshed();
        self.nbf = refresh.nbf;
        self.exp = refresh.exp;
        self.name.clone_from(&refresh.name);
        self.metadata.clone_from(&refresh.metadata);
        self.attributes.clone_from(&refresh.attributes);
        let recorder = self.video.recorder;
        self.video.set_permission(&refresh.video.permission());
        self.video.recorder = recorder;
    }

    /// The participant's identity: `sub`, else `jti`; empty if there is none.
    pub fn identity(&self) -> &str {
        if self.sub.is_empty() {
            &self.jti
        } else {
            &self.sub
        }
    }

    /// LiveKit's number for the kind of participant; unknown words mean standard.
    pub fn participant_kind(&self) -> i32 {
        if self.video.agent {
            return proto::participant_info::Kind::Agent.into();
        }
        proto::participant_info::Kind::from_str_name(&self.kind.to_ascii_uppercase())
            .unwrap_or_default()
            .into()
    }

    /// Takes over how a participant shows now and what it may do, so that it comes back as
    /// it is.
    pub fn update(&mut self, participant: &ParticipantInfo) {
        self.name.clone_from(&participant.name);
        self.metadata.clone_from(&participant.metadata);
        self.attributes.clone_from(&participant.attributes);
        self.video.set_permission(&participant.permission);
    }

    /// LiveKit's numbers for `kind_details`; unknown words are left out.
    pub fn participant_kind_details(&self) -> Vec<i32> {
        self.kind_details
            .iter()
            .filter_map(|detail| {
                proto::participant_info::KindDetail::from_str_name(&detail.to_ascii_uppercase())
            })
            .map(i32::from)
            .collect()
    }
}

impl fmt::Debug for Claims {
    /// Names nobody: claims are personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("iss", &self.iss)
            .field("nbf", &self.nbf)
            .field("exp", &self.exp)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The `video` claim. What may be absent with a meaning of its own is an `Option`.
#[derive(Clone, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoGrants {
    /// Make rooms.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_create: bool,
    /// List rooms.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_list: bool,
    /// Start and stop recordings.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_record: bool,
    /// Manage `room`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_admin: bool,
    /// Join `room`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_join: bool,
    /// The room meant.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room: String,
    /// Where a participant may be moved.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub destination_room: String,
    /// Publish tracks; absent allows.
    #[serde(skip_serializing_if = "is_default")]
    pub can_publish: Option<bool>,
    /// Receive tracks; absent allows.
    #[serde(skip_serializing_if = "is_default")]
    pub can_subscribe: Option<bool>,
    /// Send data; absent follows `can_publish`.
    #[serde(skip_serializing_if = "is_default")]
    pub can_publish_data: Option<bool>,
    /// Narrows `can_publish`; empty does not.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub can_publish_sources: Vec<String>,
    /// Change the own name, metadata and attributes; absent forbids.
    #[serde(skip_serializing_if = "is_default")]
    pub can_update_own_metadata: Option<bool>,
    /// Manage ingress.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub ingress_admin: bool,
    /// Told to nobody.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub hidden: bool,
    /// Marks a recording in progress.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub recorder: bool,
    /// Is an agent.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub agent: bool,
    /// Receive metrics of others; absent forbids.
    #[serde(skip_serializing_if = "is_default")]
    pub can_subscribe_metrics: Option<bool>,
    /// Control an agent; absent forbids.
    #[serde(skip_serializing_if = "is_default")]
    pub can_manage_agent_session: Option<bool>,
}

impl VideoGrants {
    /// The grants as a room understands them.
    pub fn permission(&self) -> Permission {
        let can_publish = self.can_publish.unwrap_or(true);
        Permission {
            can_subscribe: self.can_subscribe.unwrap_or(true),
            can_publish,
            can_publish_data: self.can_publish_data.unwrap_or(can_publish),
            can_publish_sources: self.sources(),
            can_update_metadata: self.can_update_own_metadata.unwrap_or(false),
            can_subscribe_metrics: self.can_subscribe_metrics.unwrap_or(false),
            visibility: if self.hidden {
                Visibility::Hidden
            } else {
                Visibility::Visible
            },
            recorder: self.recorder,
        }
    }

    fn set_permission(&mut self, permission: &Permission) {
        if self.permission() == *permission {
            // What is absent stays absent.
            return;
        }
        let word = |source: &Source| match source {
            Source::Camera => "camera",
            Source::Microphone => "microphone",
            Source::ScreenShare => "screen_share",
            Source::ScreenShareAudio => "screen_share_audio",
            Source::Unknown => "unknown",
        };
        let sources = permission.can_publish_sources.iter();
        self.can_publish = Some(permission.can_publish);
        self.can_subscribe = Some(permission.can_subscribe);
        self.can_publish_data = Some(permission.can_publish_data);
        self.can_publish_sources = sources.map(|source| word(source).to_owned()).collect();
        self.can_update_own_metadata = Some(permission.can_update_metadata);
        self.can_subscribe_metrics = Some(permission.can_subscribe_metrics);
        self.hidden = permission.visibility == Visibility::Hidden;
        self.recorder = permission.recorder;
    }

    /// A word we do not know stays in the list as `Unknown`: left out, a list of
    /// such words would be empty and so allow everything.
    fn sources(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        for word in &self.can_publish_sources {
            let source = match word.to_ascii_lowercase().as_str() {
                "camera" => Source::Camera,
                "microphone" => Source::Microphone,
                "screen_share" => Source::ScreenShare,
                "screen_share_audio" => Source::ScreenShareAudio,
                _ => Source::Unknown,
            };
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }
}

impl fmt::Debug for VideoGrants {
    /// Names no room.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.permission().fmt(f)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// RFC 7519 allows fractions; a time before 1970 is 1970.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number: Option<f64> = Option::deserialize(deserializer)?;
    Ok(number.map(|seconds| seconds.max(0.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st_5_claims_follow_what_the_participant_became() {
        let claims = Claims {
            sub: "ada".into(),
            name: "Ada".into(),
            video: VideoGrants {
                room_join: true,
                room: "parlour".into(),
                ..VideoGrants::default()
            },
            ..Claims::default()
        };
        let admission = crate::join::authorize(Some(&claims), &crate::join::JoinRequest::default());
        let request = crate::join::JoinRequest::default();
        let id = "PA_ada".parse().unwrap();
        let mut info = admission
            .unwrap()
            .membership(&request, id, 0, "")
            .participant;

        let mut same = claims.clone();
        same.update(&info);
        assert!(same.video == claims.video, "what is absent stays absent");

        info.name = "Countess".into();
        info.metadata = "m".into();
        info.attributes.insert("a".into(), "b".into());
        info.permission.can_publish_sources = vec![Source::Camera, Source::ScreenShareAudio];
        info.permission.can_publish_data = false;
        info.permission.can_update_metadata = true;
        info.permission.visibility = Visibility::Hidden;
        let mut changed = claims.clone();
        changed.update(&info);
        assert_eq!(
            (changed.name.as_str(), changed.identity()),
            ("Countess", "ada")
        );
        assert_eq!(
            (&changed.metadata, &changed.attributes),
            (&info.metadata, &info.attributes)
        );
        assert_eq!(changed.video.permission(), info.permission);
        assert_eq!(
            (changed.video.room.as_str(), changed.video.room_join),
            ("parlour", true)
        );
    }

    #[test]
    fn absent_grants_have_the_defaults_of_the_claims_table() {
        let cases = [
            // json, subscribe, publish, data, metadata
            (r"{}", true, true, true, false),
            (r#"{"canPublish":false}"#, true, false, false, false),
            (
                r#"{"canPublish":false,"canPublishData":true}"#,
                true,
                false,
                true,
                false,
            ),
            (
                r#"{"canPublish":null,"canSubscribe":false}"#,
                false,
                true,
                true,
                false,
            ),
            (r#"{"canPublishData":false}"#, true, true, false, false),
            (r#"{"canUpdateOwnMetadata":true}"#, true, true, true, true),
        ];
        for (json, subscribe, publish, data, metadata) in cases {
            let grants: VideoGrants = serde_json::from_str(json).unwrap();
            let permission = grants.permission();
            assert_eq!(permission.can_subscribe, subscribe, "{json}");
            assert_eq!(permission.can_publish, publish, "{json}");
            assert_eq!(permission.can_publish_data, data, "{json}");
            assert_eq!(permission.can_update_metadata, metadata, "{json}");
        }
    }

    #[test]
    fn a_list_of_sources_narrows_publishing_even_if_its_words_are_unknown() {
        for (json, camera, microphone) in [
            (r#"{"canPublishSources":[]}"#, true, true),
            (r#"{"canPublishSources":["camera"]}"#, true, false),
            (
                r#"{"canPublishSources":["CAMERA","microphone"]}"#,
                true,
                true,
            ),
            (r#"{"canPublishSources":["hologram"]}"#, false, false),
            (
                r#"{"canPublish":false,"canPublishSources":["camera"]}"#,
                false,
                false,
            ),
        ] {
            let permission = serde_json::from_str::<VideoGrants>(json)
                .unwrap()
                .permission();
            assert_eq!(permission.may_publish(Source::Camera), camera, "{json}");
            assert_eq!(
                permission.may_publish(Source::Microphone),
                microphone,
                "{json}"
            );
        }
    }

    #[test]
    fn kinds_are_read_by_name() {
        for (json, kind, details) in [
            (r"{}", 0, vec![]),
            (r#"{"kind":"standard"}"#, 0, vec![]),
            (r#"{"kind":"egress"}"#, 2, vec![]),
            (
                r#"{"kind":"agent","kindDetails":["cloud_agent","no such"]}"#,
                4,
                vec![0],
            ),
            (r#"{"kind":"bridge"}"#, 8, vec![]),
            (r#"{"kind":"no such"}"#, 0, vec![]),
            (r#"{"video":{"agent":true}}"#, 4, vec![]),
        ] {
            let claims: Claims = serde_json::from_str(json).unwrap();
            assert_eq!(claims.participant_kind(), kind, "{json}");
            assert_eq!(claims.participant_kind_details(), details, "{json}");
        }
    }

    #[test]
    fn the_debug_form_names_nobody() {
        let claims = Claims {
            sub: "grace".into(),
            name: "Grace".into(),
            metadata: "m-grace".into(),
            video: VideoGrants {
                room: "parlour".into(),
                ..VideoGrants::default()
            },
            ..Claims::default()
        };
        let text = format!("{claims:?} {:?}", claims.video).to_lowercase();
        assert!(
            !text.contains("grace") && !text.contains("parlour"),
            "{text}"
        );
    }
}
