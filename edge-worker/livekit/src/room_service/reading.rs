//! Reads calls: the message first, then whether the caller may, then whether what is
//! asked can be done at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use media::TrackId;
use sfu::{Identity, MAX_METADATA, MAX_NAME, Muted, Nonce, ParticipantChange, Reliability, Wanted};

use super::{Caller, Failure, Request, SERVICE, Task};
use crate::join::RoomSettings;
use crate::server_data::{Rpc, ServerMessage};
use crate::twirp::{Code, Encoding, Error};
use crate::{info, proto};

pub(super) fn read(
    method: &str,
    encoding: Encoding,
    body: &[u8],
    caller: &Caller<'_>,
) -> Result<Request, Error> {
    match method {
        "CreateRoom" => create(encoding.read(body)?, caller),
        "ListRooms" => {
            let proto::ListRoomsRequest { names } = encoding.read(body)?;
            caller.may(|grants| grants.room_list)?;
            Ok(Request::ListRooms { names })
        }
        "DeleteRoom" => {
            let proto::DeleteRoomRequest { room } = encoding.read(body)?;
            caller.may(|grants| grants.room_create)?;
            let room = room_name(&room)?;
            Ok(Request::DeleteRoom { room })
        }
        "ListParticipants" => {
            let proto::ListParticipantsRequest { room } = encoding.read(body)?;
            caller.administers(&room)?;
            let room = room_name(&room)?;
            Ok(Request::ListParticipants { room })
        }
        "MoveParticipant" => transfer(encoding.read(body)?, caller),
        "ForwardParticipant" => forward(encoding.read(body)?, caller),
        _ => in_room(method, encoding, body, caller),
    }
}

fn in_room(
    method: &str,
    encoding: Encoding,
    body: &[u8],
    caller: &Caller<'_>,
) -> Result<Request, Error> {
    let (room, task) = match method {
        "GetParticipant" => {
            let call: proto::RoomParticipantIdentity = encoding.read(body)?;
            caller.administers(&call.room)?;
            (call.room, Task::GetParticipant(identity(&call.identity)?))
        }
        "RemoveParticipant" => {
            let call: proto::RoomParticipantIdentity = encoding.read(body)?;
            caller.administers(&call.room)?;
            let identity = identity(&call.identity)?;
            let revoke_until = u64::try_from(call.revoke_token_ts)
                .ok()
                .filter(|at| *at > 0);
            let task = Task::RemoveParticipant {
                identity,
                revoke_until,
            };
            (call.room, task)
        }
        "MutePublishedTrack" => {
            let call: proto::MuteRoomTrackRequest = encoding.read(body)?;
            caller.administers(&call.room)?;
            let task = Task::MuteTrack {
                identity: identity(&call.identity)?,
                track: track(&call.track_sid)?,
                muted: if call.muted { Muted::Yes } else { Muted::No },
            };
            (call.room, task)
        }
        "UpdateParticipant" => {
            let call: proto::UpdateParticipantRequest = encoding.read(body)?;
            caller.administers(&call.room)?;
            let identity = identity(&call.identity)?;
            let room = call.room.clone();
            let change = Box::new(change(call));
            (room, Task::UpdateParticipant { identity, change })
        }
        "UpdateSubscriptions" => {
            let call: proto::UpdateSubscriptionsRequest = encoding.read(body)?;
            caller.administers(&call.room)?;
            (call.room.clone(), subscriptions(&call)?)
        }
        "SendData" => {
            let call: proto::SendDataRequest = encoding.read(body)?;
            caller.administers(&call.room)?;
            (call.room.clone(), send(call)?)
        }
        "UpdateRoomMetadata" => {
            let call: proto::UpdateRoomMetadataRequest = encoding.read(body)?;
            caller.administers(&call.room)?;
            metadata_fits(&call.metadata)?;
            (call.room, Task::UpdateRoomMetadata(call.metadata))
        }
        "PerformRpc" => {
            let call: proto::PerformRpcRequest = encoding.read(body)?;
            caller.administers(&call.room)?;
            (call.room.clone(), rpc(call)?)
        }
        _ => return Err(Error::no_route(&format!("/twirp/{SERVICE}/{method}"))),
    };
    let room = room_name(&room)?;
    Ok(Request::InRoom { room, task })
}

/// Not taken: tags (LiveKit's cloud searches by them; nothing that clients or apps are told has
/// them), replay, and on which node the room shall be.
fn create(call: proto::CreateRoomRequest, caller: &Caller<'_>) -> Result<Request, Error> {
    caller.may(|grants| grants.room_create)?;
    let room = room_name(&call.name)?;
    metadata_fits(&call.metadata)?;
    if call.egress.is_some() {
        // What no backend of recordings means in LiveKit.
        let msg = "egress not connected (redis required)";
        return Err(Error::new(Code::Internal, msg));
    }
    Ok(Request::CreateRoom {
        room,
        settings: RoomSettings::created(call),
    })
}

fn transfer(call: proto::MoveParticipantRequest, caller: &Caller<'_>) -> Result<Request, Error> {
    may_transfer(caller, &call.room, &call.destination_room)?;
    Ok(Request::MoveParticipant {
        room: room_name(&call.room)?,
        identity: identity(&call.identity)?,
        destination: room_name(&call.destination_room)?,
    })
}

fn forward(call: proto::ForwardParticipantRequest, caller: &Caller<'_>) -> Result<Request, Error> {
    may_transfer(caller, &call.room, &call.destination_room)?;
    Ok(Request::ForwardParticipant {
        room: room_name(&call.room)?,
        identity: identity(&call.identity)?,
        destination: room_name(&call.destination_room)?,
    })
}

fn may_transfer(caller: &Caller<'_>, room: &str, destination: &str) -> Result<(), Error> {
    caller.may(|grants| {
        grants.room_admin && grants.room == room && grants.destination_room == destination
    })?;
    if room == destination {
        // LiveKit's words, with the space it ends in.
        let argument = "destination room cannot be the same as source room";
        return Err(invalid(&format!("{argument} ")).with("argument", argument));
    }
    Ok(())
}

fn change(call: proto::UpdateParticipantRequest) -> ParticipantChange {
    let said = |text: String| (!text.is_empty()).then_some(text);
    ParticipantChange {
        metadata: said(call.metadata),
        name: said(call.name),
        attributes: call.attributes.into_iter().collect::<BTreeMap<_, _>>(),
        permission: call.permission.as_ref().map(info::permission_from_proto),
    }
}

fn subscriptions(call: &proto::UpdateSubscriptionsRequest) -> Result<Task, Error> {
    let named = call.participant_tracks.iter().flat_map(|it| &it.track_sids);
    let tracks = call.track_sids.iter().chain(named);
    Ok(Task::UpdateSubscriptions {
        identity: identity(&call.identity)?,
        tracks: tracks.map(|sid| track(sid)).collect::<Result<_, _>>()?,
        wanted: if call.subscribe {
            Wanted::Yes
        } else {
            Wanted::No
        },
    })
}

#[expect(deprecated, reason = "older SDKs name receivers only there")]
fn send(call: proto::SendDataRequest) -> Result<Task, Error> {
    let nonce = match call.nonce.len() {
        0 => None,
        _ => Some(
            Nonce::try_from(call.nonce.as_slice())
                .map_err(|_| invalid("nonce should be 16-bytes or not present"))?,
        ),
    };
    let lossy = call.kind == i32::from(proto::data_packet::Kind::Lossy);
    let message = ServerMessage::user(
        call.data,
        if lossy {
            Reliability::Lossy
        } else {
            Reliability::Reliable
        },
        call.topic,
        call.destination_identities,
        call.destination_sids,
        &call.nonce,
    );
    let message = message.map_err(|error| invalid(&error.to_string()))?;
    Ok(Task::SendData { message, nonce })
}

fn rpc(call: proto::PerformRpcRequest) -> Result<Task, Error> {
    if call.destination_identity.is_empty() {
        return Err(invalid("destination identity is required"));
    }
    if call.method.is_empty() || call.method.len() > LONGEST_METHOD {
        return Err(invalid("method must have 1 to 64 bytes"));
    }
    if call.payload.len() > LARGEST_RPC {
        return Err(invalid("payload must have at most 15360 bytes"));
    }
    let limit = match call.response_timeout_ms {
        0 => DEFAULT_RPC_LIMIT,
        ms => Duration::from_millis(ms.into()).min(LONGEST_RPC),
    };
    Ok(Task::PerformRpc(Rpc {
        identity: identity(&call.destination_identity)?,
        method: call.method,
        payload: call.payload,
        limit,
    }))
}

/// As SDKs have it among themselves.
const LONGEST_METHOD: usize = 64;
/// As SDKs have it among themselves: one data message, without streams.
const LARGEST_RPC: usize = 15 * 1024;
/// As SDKs have it.
const DEFAULT_RPC_LIMIT: Duration = Duration::from_secs(15);
/// No caller's HTTP connection waits longer.
const LONGEST_RPC: Duration = Duration::from_secs(60);

fn room_name(name: &str) -> Result<Arc<str>, Error> {
    if name.is_empty() {
        return Err(invalid("room name cannot be empty"));
    }
    if name.len() > MAX_NAME {
        return Err(invalid("room name is too long"));
    }
    Ok(name.into())
}

fn identity(identity: &str) -> Result<Identity, Error> {
    if identity.is_empty() {
        return Err(invalid("identity cannot be empty"));
    }
    if identity.len() > MAX_NAME {
        return Err(invalid("identity is too long"));
    }
    Ok(Identity(identity.into()))
}

/// What is no id of ours names no track.
fn track(sid: &str) -> Result<TrackId, Error> {
    sid.parse().map_err(|_| Failure::TrackMissing.into())
}

fn metadata_fits(metadata: &str) -> Result<(), Error> {
    if metadata.len() > MAX_METADATA {
        return Err(invalid("metadata is too large"));
    }
    Ok(())
}

fn invalid(msg: &str) -> Error {
    Error::new(Code::InvalidArgument, msg)
}
