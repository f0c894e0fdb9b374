//! Facts as webhooks: the events LiveKit posts to an app's server, and the signature by
//! which the app knows them. Keeping, sending and repeating them is left to the shell.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sfu::{Fact, Happened, LeaveReason, ParticipantInfo, RoomInfo};
use sha2::{Digest, Sha256};

use crate::token::Keys;
use crate::{Claims, info, proto};

/// The content type of an event.
pub const CONTENT_TYPE: &str = "application/webhook+json";

/// Who sends it, in LiveKit's word: apps' firewalls may know it.
pub const USER_AGENT: &str = "LiveKit";

/// What an event's id begins with.
pub const ID_PREFIX: &str = "EV_";

/// How long a signature holds: as long as a request may be on its way.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// The event that tells `fact`: its body, as it is signed and sent. `created_at` is in
/// seconds since 1970. `None` for what JSON cannot say: numbers, passed on from a client,
/// that LiveKit's enums do not have.
pub fn event(fact: &Fact, id: &str, created_at: i64) -> Option<String> {
    let mut event = proto::WebhookEvent {
        event: name(&fact.happened)?.to_owned(),
        id: id.to_owned(),
        created_at,
        ..Default::default()
    };
    match &fact.happened {
        Happened::RoomStarted => event.room = Some(info::room(&fact.room)),
        Happened::RoomFinished(reason) => {
            event.room = Some(info::room(&fact.room));
            event.room_end_reason = end(*reason).into();
        }
        Happened::ParticipantJoined(participant)
        | Happened::ParticipantLeft(participant)
        | Happened::ParticipantAborted(participant) => {
            event.room = Some(info::room(&fact.room));
            event.participant = Some(info::participant(participant));
        }
        Happened::ParticipantChanged { .. } | Happened::ParticipantAssessed { .. } => return None,
        Happened::TrackPublished { publisher, track }
        | Happened::TrackUnpublished { publisher, track } => {
            event.room = Some(room_named(&fact.room));
            event.participant = Some(participant_named(publisher));
            event.track = Some(info::track(track));
        }
    }
    serde_json::to_string(&event).ok()
}

/// LiveKit's word for it; `None` where it has none.
pub fn name(happened: &Happened) -> Option<&'static str> {
    Some(match happened {
        Happened::RoomStarted => "room_started",
        Happened::RoomFinished(_) => "room_finished",
        Happened::ParticipantJoined(_) => "participant_joined",
        Happened::ParticipantLeft(_) => "participant_left",
        Happened::ParticipantAborted(_) => "participant_connection_aborted",
        Happened::TrackPublished { .. } => "track_published",
        Happened::TrackUnpublished { .. } => "track_unpublished",
        Happened::ParticipantChanged { .. } | Happened::ParticipantAssessed { .. } => return None,
    })
}

/// The `Authorization` of a request with this body, signed with `key` at `now` (seconds
/// since 1970); `None` if that key is not ours.
pub fn authorization(keys: &Keys, key: &str, body: &[u8], now: u64) -> Option<String> {
    let claims = Claims {
        iss: key.to_owned(),
        sha256: BASE64_STANDARD.encode(Sha256::digest(body)),
        ..Claims::default()
    };
    keys.sign(&claims, now, SIGNED_FOR)
}

/// A name for `url` that does not reveal it: the URL may hold a secret.
pub fn fingerprint(url: &str) -> String {
    let digest = Sha256::digest(url.as_bytes());
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn room_named(room: &RoomInfo) -> proto::Room {
    proto::Room {
        sid: room.id.to_string(),
        name: room.name.to_string(),
        ..Default::default()
    }
}

fn participant_named(participant: &ParticipantInfo) -> proto::ParticipantInfo {
    proto::ParticipantInfo {
        sid: participant.id.to_string(),
        identity: participant.identity.0.to_string(),
        ..Default::default()
    }
}

fn end(reason: LeaveReason) -> proto::RoomEndReason {
    match reason {
        LeaveReason::RoomDeleted => proto::RoomEndReason::RoomEndApiDelete,
        LeaveReason::RoomClosed => proto::RoomEndReason::RoomEndIdleTimeout,
        LeaveReason::ServerShutdown => proto::RoomEndReason::RoomEndServerShutdown,
        // Rooms end for the reasons above; the others are participants'.
        LeaveReason::ClientInitiated
        | LeaveReason::DuplicateIdentity
        | LeaveReason::ParticipantRemoved
        | LeaveReason::StateMismatch
        | LeaveReason::JoinFailure
        | LeaveReason::SignalClosed
        | LeaveReason::ConnectionTimeout
        | LeaveReason::Moved => proto::RoomEndReason::RoomEndUnknown,
    }
}

#[cfg(test)]
mod tests;
