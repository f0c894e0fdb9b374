//! The first message to somebody who joined: the room, who is there, and how this
//! server behaves.

use std::sync::Arc;

use bytes::Bytes;
use media::Codec;
use sfu::{ParticipantInfo, RoomInfo};

use super::{Response, Target};
use crate::client::Weaknesses;
use crate::join::JoinRequest;
use crate::proto::{self, signal_response::Message as Wire};
use crate::{Client, info};

/// The version clients compare features with: new enough for RPC and chat over data
/// streams. Past 1.13.6 they would send VP9 and AV1 in several streams, of which we know
/// only layers in one; up to there nothing is different.
pub const VERSION: &str = "1.13.0";

/// The signalling protocol we speak.
pub const PROTOCOL: i32 = 17;

/// Seconds between a client's pings. Often enough that one silent interval is no reason to give up.
pub const PING_INTERVAL: i32 = 2;

/// Seconds without an answer after which a client tries anew, at another node if there is one: whoever
/// was on a host that went silent is back in the call within twelve. Where it was only the network, the
/// client's place is kept, and its media goes on meanwhile.
pub const PING_TIMEOUT: i32 = 6;

/// What this node tells everybody who joins.
#[derive(Clone, Debug, Default)]
pub struct JoinSettings {
    /// Where it is.
    pub region: String,
    /// Its name.
    pub node_id: String,
    /// Ways around firewalls; may be empty.
    pub ice_servers: Vec<IceServer>,
    /// Marks frames that the server puts into encrypted tracks; random per room.
    pub sif_trailer: Bytes,
}

/// A STUN or TURN server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IceServer {
    /// `stun:...`, `turn:...`, `turns:...`.
    pub urls: Vec<String>,
    /// For TURN.
    pub username: String,
    /// For TURN.
    pub credential: String,
}

/// Somebody who joined, and what it finds.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'a> {
    /// Where.
    pub room: &'a RoomInfo,
    /// Who.
    pub participant: &'a ParticipantInfo,
    /// Whom it meets.
    pub others: &'a [Arc<ParticipantInfo>],
    /// How it asked.
    pub request: &'a JoinRequest,
    /// This node.
    pub settings: &'a JoinSettings,
}

impl Response {
    /// Welcomes somebody; the first message on its WebSocket.
    pub fn join(joined: &Joined<'_>) -> Self {
        let Joined {
            room,
            participant,
            others,
            request,
            settings,
        } = *joined;
        let permission = &participant.permission;
        Self::of(Wire::Join(proto::JoinResponse {
            room: Some(info::room(room)),
            participant: Some(info::participant(participant)),
            other_participants: others
                .iter()
                .map(|other| info::participant(other))
                .collect(),
            server_version: VERSION.to_owned(),
            ice_servers: ice_servers(settings),
            subscriber_primary: request.primary(permission) == Target::Subscriber,
            alternative_url: String::new(),
            client_configuration: client_configuration(&request.client),
            server_region: settings.region.clone(),
            ping_timeout: PING_TIMEOUT,
            ping_interval: PING_INTERVAL,
            server_info: Some(server_info(settings)),
            sif_trailer: settings.sif_trailer.to_vec(),
            enabled_publish_codecs: publishable(&request.client),
            fast_publish: permission.can_publish,
        }))
    }

    /// Welcomes somebody back; the first message on its new WebSocket.
    /// `last_sequence` is the last reliable data message received from it.
    pub fn reconnect(client: &Client, settings: &JoinSettings, last_sequence: u32) -> Self {
        Self::of(Wire::Reconnect(proto::ReconnectResponse {
            ice_servers: ice_servers(settings),
            client_configuration: client_configuration(client),
            server_info: Some(server_info(settings)),
            last_message_seq: last_sequence,
        }))
    }
}

fn server_info(settings: &JoinSettings) -> proto::ServerInfo {
    proto::ServerInfo {
        edition: proto::server_info::Edition::Standard.into(),
        version: VERSION.to_owned(),
        protocol: PROTOCOL,
        region: settings.region.clone(),
        node_id: settings.node_id.clone(),
        debug_info: String::new(),
        agent_protocol: 0,
    }
}

fn ice_servers(settings: &JoinSettings) -> Vec<proto::IceServer> {
    let server = |server: &IceServer| proto::IceServer {
        urls: server.urls.clone(),
        username: server.username.clone(),
        credential: server.credential.clone(),
    };
    settings.ice_servers.iter().map(server).collect()
}

fn client_configuration(client: &Client) -> Option<proto::ClientConfiguration> {
    let weak = client.weaknesses();
    if weak == Weaknesses::default() {
        return None;
    }
    let list = |codecs: &[Codec]| codecs.iter().copied().map(info::codec).collect();
    Some(proto::ClientConfiguration {
        disabled_codecs: Some(proto::DisabledCodecs {
            codecs: list(&weak.at_all),
            publish: list(&weak.publishing),
        }),
        ..Default::default()
    })
}

/// What a client may publish in: it takes another codec than its app asked for where that is
/// not among them.
fn publishable(client: &Client) -> Vec<proto::Codec> {
    let weak = client.weaknesses();
    let codecs = Codec::ALL.into_iter();
    let good = codecs.filter(|codec| !weak.publishes_badly(*codec));
    good.map(info::codec).collect()
}
