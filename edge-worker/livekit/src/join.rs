//! A request to join, as `/rtc` and `/rtc/v1` carry it in their query.
//!
//! What the token has to say to it is in [`admission`](Admission); HTTP and the
//! room itself are left to the shell.

mod admission;
mod described;
mod settings;
mod wrapped;

use std::collections::BTreeMap;

use media::ParticipantId;
use sfu::{Permission, Streams, Wanted};

pub use admission::{Admission, authorize};
pub use described::Purpose;
pub use settings::{RoomSettings, Undone};
pub use sfu::{MAX_ATTRIBUTES, MAX_METADATA, MAX_NAME};
pub use wrapped::{MAX_JOIN_REQUEST, decode_join_request};

use crate::signal::{AddTrack, Description, SyncState, Target};
use crate::{Client, client};

/// Which of the two endpoints was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `/rtc`: parameters one by one, or a `join_request`.
    V0,
    /// `/rtc/v1`: a `join_request` only.
    V1,
}

/// How many connections a client uses.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Mode {
    /// One to publish, one to subscribe.
    #[default]
    Dual,
    /// One for both; only the client offers.
    Single,
}

/// What somebody asks for who wants to join.
#[derive(Clone, Debug, Default)]
pub struct JoinRequest {
    /// How many connections it uses.
    pub mode: Mode,
    /// Its software and device.
    pub client: Client,
    /// Subscribe to every track without being asked.
    pub auto_subscribe: Wanted,
    /// The same of data tracks.
    pub auto_subscribe_data: Wanted,
    /// Start with the smallest layer and wait for wishes.
    pub adaptive_stream: bool,
    /// Whether its pictures may be paused where bandwidth is short.
    pub allow_pause: Option<bool>,
    /// It was here before and wants to go on.
    pub reconnect: Option<Reconnect>,
    /// Publishes beside another membership of the same person, under this suffix.
    pub publish_only: Option<String>,
    /// Replaces the token's metadata.
    pub metadata: Option<String>,
    /// Added to the token's attributes.
    pub attributes: BTreeMap<String, String>,
    /// Tracks announced in advance; to be handled before the offer.
    pub add_tracks: Vec<AddTrack>,
    /// The first offer of the publishing side.
    pub offer: Option<Description>,
    /// What it believes, if it comes back.
    pub sync_state: Option<SyncState>,
}

/// How somebody comes back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reconnect {
    /// The membership it means, if it says.
    pub participant: Option<ParticipantId>,
    /// LiveKit's number for why.
    pub reason: i32,
}

impl JoinRequest {
    /// Reads the parameters of a query, already percent-decoded.
    pub fn from_query(endpoint: Endpoint, query: &[(String, String)]) -> Result<Self, JoinError> {
        let find = |name: &str| {
            let hit = query.iter().find(|(key, _)| key == name);
            hit.map(|(_, value)| value.as_str())
                .filter(|value| !value.is_empty())
        };
        // Its presence means one connection, on either endpoint.
        if let Some(text) = find("join_request") {
            return decode_join_request(text);
        }
        match endpoint {
            Endpoint::V1 => return Err(JoinError::Absent),
            Endpoint::V0 => {}
        }

        let text = |name: &str| find(name).unwrap_or_default().to_owned();
        let number = |name: &str| find(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        let truth = |name: &str| find(name).map(is_true);
        Ok(Self {
            mode: Mode::Dual,
            client: Client {
                sdk: client::Sdk::from_name(&text("sdk")),
                version: text("version"),
                protocol: number("protocol"),
                client_protocol: number("client_protocol"),
                capabilities: client::capabilities(&text("capabilities")),
                os: text("os"),
                os_version: text("os_version"),
                browser: text("browser"),
                browser_version: text("browser_version"),
                device_model: text("device_model"),
                network: text("network"),
            },
            auto_subscribe: wanted(truth("auto_subscribe").unwrap_or(true)),
            // Most clients ask for each one they open.
            auto_subscribe_data: wanted(truth("auto_subscribe_data_track").unwrap_or(false)),
            adaptive_stream: truth("adaptive_stream").unwrap_or(false),
            allow_pause: truth("subscriber_allow_pause"),
            reconnect: truth("reconnect").unwrap_or(false).then(|| Reconnect {
                participant: find("sid").and_then(|sid| sid.parse().ok()),
                reason: number("reconnect_reason"),
            }),
            publish_only: find("publish").map(str::to_owned),
            metadata: None,
            attributes: find("attributes").map_or(Ok(BTreeMap::new()), attributes)?,
            add_tracks: Vec::new(),
            offer: None,
            sync_state: None,
        })
    }

    /// The connection that counts for being there, and that carries data to the
    /// client: the subscribing one, if there is one and it may subscribe.
    pub fn primary(&self, permission: &Permission) -> Target {
        let subscriber =
            self.mode == Mode::Dual && self.client.protocol > 2 && permission.can_subscribe;
        if subscriber {
            Target::Subscriber
        } else {
            Target::Publisher
        }
    }
}

impl JoinRequest {
    /// Whether it finds out whose tracks are streamed together. With one connection m-lines are
    /// used again, and it has to read in answers which of them carries which track.
    pub(crate) fn streams(&self) -> Streams {
        let finds_tracks = match self.mode {
            Mode::Dual => true,
            Mode::Single => matches!(self.client.sdk, client::Sdk::Js | client::Sdk::ReactNative),
        };
        if finds_tracks && self.client.protocol > 9 && !self.client.is_firefox() {
            Streams::Together
        } else {
            Streams::Apart
        }
    }
}

/// Why a request to join is refused, before the upgrade to a WebSocket. The text
/// is the response's body.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum JoinError {
    /// No token, or not one that lets join.
    #[error("permissions denied")]
    NotAllowed,
    /// The app removed its holder after it was issued.
    #[error("invalid authorization token: it has been revoked")]
    Revoked,
    /// Metadata or attributes without the grant to set them.
    #[error("permissions denied: metadata and attributes need canUpdateOwnMetadata")]
    MetadataNotAllowed,
    /// The token's room configuration cannot be read.
    #[error("invalid authorization token: roomConfig cannot be read")]
    RoomConfig,
    /// No identity in the token.
    #[error("identity cannot be empty")]
    NoIdentity,
    /// An identity over 256 bytes.
    #[error("identity is too long")]
    IdentityTooLong,
    /// No room in the token.
    #[error("no room name")]
    NoRoom,
    /// A room name over 256 bytes.
    #[error("room name is too long")]
    RoomTooLong,
    /// A display name over 256 bytes.
    #[error("name is too long")]
    NameTooLong,
    /// Metadata over 512 KiB.
    #[error("metadata is too large")]
    MetadataTooLarge,
    /// Attributes over 64 KiB together.
    #[error("attributes are too large")]
    AttributesTooLarge,
    /// The `attributes` parameter is not base64url of a JSON map.
    #[error("cannot decode attributes")]
    Attributes,
    /// The newer endpoint needs one.
    #[error("join_request is required")]
    Absent,
    /// Over 1 MiB.
    #[error("join request too large")]
    TooLarge,
    /// Not base64.
    #[error("cannot base64 decode wrapped join request")]
    Base64,
    /// Not the outer message.
    #[error("cannot unmarshal wrapped join request")]
    Wrapped,
    /// Not gzip, or a compression nobody knows.
    #[error("cannot decompress join request")]
    Compression,
    /// Not the inner message.
    #[error("cannot unmarshal join request")]
    Message,
    /// The token names settings that this node does not keep.
    #[error("unknown room configuration in create room request")]
    RoomPreset,
    /// The room is not there and may not be made by joining.
    #[error("requested room does not exist")]
    RoomMissing,
    /// This node takes nobody now.
    #[error("node limits reached")]
    NodeFull,
}

impl JoinError {
    /// The HTTP status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Self::NotAllowed | Self::Revoked | Self::MetadataNotAllowed | Self::RoomConfig => 401,
            Self::NoIdentity
            | Self::IdentityTooLong
            | Self::NoRoom
            | Self::RoomTooLong
            | Self::NameTooLong
            | Self::MetadataTooLarge
            | Self::AttributesTooLarge
            | Self::Attributes
            | Self::Absent
            | Self::TooLarge
            | Self::Base64
            | Self::Wrapped
            | Self::Compression
            | Self::Message
            | Self::RoomPreset => 400,
            Self::RoomMissing => 404,
            Self::NodeFull => 503,
        }
    }
}

fn is_true(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
}

fn wanted(yes: bool) -> Wanted {
    if yes { Wanted::Yes } else { Wanted::No }
}

fn attributes(text: &str) -> Result<BTreeMap<String, String>, JoinError> {
    let json = wrapped::lenient_base64(text).ok_or(JoinError::Attributes)?;
    serde_json::from_slice(&json).map_err(|_| JoinError::Attributes)
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;
    use crate::Sdk;

    fn v0(query: &str) -> Result<JoinRequest, JoinError> {
        JoinRequest::from_query(Endpoint::V0, &pairs(query))
    }

    fn pairs(query: &str) -> Vec<(String, String)> {
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(pair)
            .collect()
    }

    #[test]
    fn a_query_of_the_js_sdk_is_read() {
        let request = v0(
            "access_token=a.b.c&auto_subscribe=1&sdk=js&version=2.15.5&protocol=16\
             &adaptive_stream=1&browser=Chrome&browser_version=140.0&os=Linux&client_protocol=1",
        )
        .unwrap();
        assert_eq!(request.mode, Mode::Dual);
        assert_eq!(request.auto_subscribe, Wanted::Yes);
        assert!(request.adaptive_stream && request.reconnect.is_none());
        let client = &request.client;
        assert_eq!(
            (client.sdk, client.protocol, client.client_protocol),
            (Sdk::Js, 16, 1)
        );
        assert_eq!(
            (client.browser.as_str(), client.version.as_str()),
            ("Chrome", "2.15.5")
        );
    }

    #[test]
    fn data_tracks_are_received_unasked_only_by_who_says_so() {
        for (query, expected) in [
            ("", Wanted::No),
            ("auto_subscribe=1", Wanted::No),
            ("auto_subscribe_data_track=1", Wanted::Yes),
            ("auto_subscribe_data_track=false", Wanted::No),
        ] {
            let request = v0(query).unwrap();
            assert_eq!(request.auto_subscribe_data, expected, "{query}");
        }
    }

    #[test]
    fn booleans_are_1_or_true_and_auto_subscribe_defaults_to_true() {
        for (query, auto, adaptive) in [
            ("", Wanted::Yes, false),
            ("auto_subscribe=0", Wanted::No, false),
            (
                "auto_subscribe=false&adaptive_stream=true",
                Wanted::No,
                true,
            ),
            ("auto_subscribe=true&adaptive_stream=0", Wanted::Yes, false),
            ("auto_subscribe=&adaptive_stream=1", Wanted::Yes, true),
            ("adaptive_stream=yes", Wanted::Yes, false),
        ] {
            let request = v0(query).unwrap();
            assert_eq!(
                (request.auto_subscribe, request.adaptive_stream),
                (auto, adaptive)
            );
        }
    }

    #[test]
    fn a_reconnect_may_name_its_membership() {
        for (query, expected) in [
            ("sid=PA_abc", None),
            ("reconnect=0&sid=PA_abc", None),
            ("reconnect=1", Some((None, 0))),
            (
                "reconnect=1&sid=PA_abc&reconnect_reason=2",
                Some((Some("PA_abc"), 2)),
            ),
            ("reconnect=true&sid=nonsense", Some((None, 0))),
        ] {
            let reconnect = v0(query).unwrap().reconnect;
            let seen = reconnect.map(|it| (it.participant.map(|id| id.to_string()), it.reason));
            let expected = expected.map(|(id, reason)| (id.map(str::to_owned), reason));
            assert_eq!(seen, expected, "{query}");
        }
    }

    #[test]
    fn attributes_are_a_base64url_json_map() {
        let good = base64::prelude::BASE64_URL_SAFE.encode(r#"{"a":"\u00ff?~","b":""}"#);
        let request = v0(&format!("attributes={}", good.trim_end_matches('='))).unwrap();
        assert_eq!(request.attributes["a"], "\u{ff}?~");
        for bad in [
            "%%%",
            "e30x",
            &base64::prelude::BASE64_URL_SAFE.encode(r#"{"a":1}"#),
        ] {
            let query = [("attributes".to_owned(), bad.to_owned())];
            let error = JoinRequest::from_query(Endpoint::V0, &query).unwrap_err();
            assert_eq!(
                (error, error.status()),
                (JoinError::Attributes, 400),
                "{bad}"
            );
        }
    }

    #[test]
    fn jr_6_the_newer_endpoint_needs_a_join_request() {
        let error = JoinRequest::from_query(Endpoint::V1, &pairs("protocol=16")).unwrap_err();
        assert_eq!(
            (error.status(), error.to_string().as_str()),
            (400, "join_request is required")
        );
    }

    #[test]
    fn gotcha_2_a_missing_room_is_a_404_with_the_text_that_clients_look_for() {
        let error = JoinError::RoomMissing;
        assert_eq!(error.status(), 404);
        assert!(error.to_string().contains("requested room does not exist"));
    }

    #[test]
    fn jn_4_the_primary_connection_depends_on_mode_protocol_and_permission() {
        let permission = |can_subscribe| Permission {
            can_subscribe,
            ..crate::VideoGrants::default().permission()
        };
        for (mode, protocol, can_subscribe, expected) in [
            (Mode::Dual, 16, true, Target::Subscriber),
            (Mode::Dual, 16, false, Target::Publisher),
            (Mode::Dual, 2, true, Target::Publisher),
            (Mode::Single, 17, true, Target::Publisher),
        ] {
            let client = Client {
                protocol,
                ..Client::default()
            };
            let request = JoinRequest {
                mode,
                client,
                ..JoinRequest::default()
            };
            assert_eq!(request.primary(&permission(can_subscribe)), expected);
        }
    }

    #[test]
    fn sb_1_streams_are_shared_with_clients_that_still_find_out_whose_tracks_they_are() {
        for (mode, sdk, protocol, browser, expected) in [
            (Mode::Dual, Sdk::Js, 16, "Chrome", Streams::Together),
            (Mode::Dual, Sdk::Swift, 10, "", Streams::Together),
            (Mode::Dual, Sdk::Js, 9, "Chrome", Streams::Apart),
            (Mode::Dual, Sdk::Js, 16, "Firefox", Streams::Apart),
            (Mode::Single, Sdk::Js, 17, "Safari", Streams::Together),
            (Mode::Single, Sdk::Js, 17, "firefox", Streams::Apart),
            (Mode::Single, Sdk::Swift, 17, "", Streams::Apart),
        ] {
            let request = JoinRequest {
                mode,
                client: Client {
                    sdk,
                    protocol,
                    browser: browser.into(),
                    ..Client::default()
                },
                ..JoinRequest::default()
            };
            assert_eq!(request.streams(), expected, "{mode:?} {sdk:?} {browser}");
        }
    }
}
