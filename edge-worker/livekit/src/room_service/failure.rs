//! What may go wrong with a call that was read and allowed.

use sfu::JoinRefusal;

use crate::server_data::RpcError;
use crate::twirp::{Code, Error};

/// Why a call was not done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Failure {
    /// No room of that name.
    #[error("requested room does not exist")]
    RoomMissing,
    /// Nobody of that identity in the room.
    #[error("participant does not exist")]
    ParticipantMissing,
    /// That participant publishes no such track.
    #[error("track is not found")]
    TrackMissing,
    /// Only clients turn their microphones on, unless the node is told otherwise.
    #[error("remote unmute not enabled")]
    RemoteUnmuteOff,
    /// A participant's name, metadata or attributes would be too long.
    #[error("name, metadata or attributes are too long")]
    TooLong,
    /// As many as it may hold are in the destination.
    #[error("the destination room is full")]
    DestinationFull,
    /// It is in that room only as long as it is in another one, and follows that.
    #[error("the participant is forwarded from another room")]
    Forwarded,
    /// Somebody else in that room has the name, who shall not be sent away for it.
    #[error("the identity is in use in the destination room")]
    IdentityTaken,
    /// More calls wait for answers of clients than we keep.
    #[error("too many calls are waiting for participants")]
    TooManyRpcs,
    /// The client did not acknowledge the call of its method in time.
    #[error("the participant did not acknowledge the call")]
    RpcUnacknowledged,
    /// The client's method did not return in time.
    #[error("the participant did not answer in time")]
    RpcUnanswered,
    /// The client left before its method returned.
    #[error("the participant left before it answered")]
    RpcDisconnected,
    /// The client's method failed.
    #[error("RPC error {}: {}", .0.code, .0.message)]
    RpcFailed(RpcError),
    /// It names settings that this node does not keep.
    #[error("unknown room configuration in create room request")]
    PresetUnknown,
    /// The node has too much to do.
    #[error("this node has too much to do")]
    Busy,
    /// The room's shard did not answer in time.
    #[error("the room did not answer in time")]
    Late,
}

/// LiveKit's numbers for what goes wrong with a call of a participant's method.
mod rpc {
    pub(super) const UNSUPPORTED_METHOD: u32 = 1400;
    pub(super) const CONNECTION_TIMEOUT: u32 = 1501;
    pub(super) const RESPONSE_TIMEOUT: u32 = 1502;
    pub(super) const RECIPIENT_DISCONNECTED: u32 = 1503;
}

impl From<JoinRefusal> for Failure {
    fn from(refusal: JoinRefusal) -> Self {
        match refusal {
            JoinRefusal::Full => Self::DestinationFull,
            // It is about to be gone: tried again, there is a new one.
            JoinRefusal::Closed => Self::Busy,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        let rpc = |kind, code: u32| Self::new(kind, &text).with("rpc_code", code.to_string());
        match failure {
            Failure::RoomMissing | Failure::ParticipantMissing | Failure::TrackMissing => {
                Self::new(Code::NotFound, text)
            }
            Failure::RemoteUnmuteOff | Failure::Forwarded => {
                Self::new(Code::FailedPrecondition, text)
            }
            Failure::IdentityTaken => Self::new(Code::AlreadyExists, text),
            Failure::TooLong | Failure::PresetUnknown => Self::new(Code::InvalidArgument, text),
            Failure::DestinationFull | Failure::TooManyRpcs => {
                Self::new(Code::ResourceExhausted, text)
            }
            Failure::RpcUnacknowledged => rpc(Code::DeadlineExceeded, rpc::CONNECTION_TIMEOUT),
            Failure::RpcUnanswered => rpc(Code::DeadlineExceeded, rpc::RESPONSE_TIMEOUT),
            Failure::RpcDisconnected => rpc(Code::Aborted, rpc::RECIPIENT_DISCONNECTED),
            Failure::RpcFailed(error) => {
                // SDKs try again elsewhere on a 5xx; the client's own answer is final.
                let kind = match error.code {
                    rpc::UNSUPPORTED_METHOD => Code::NotFound,
                    _ => Code::FailedPrecondition,
                };
                let failed = rpc(kind, error.code);
                if error.data.is_empty() {
                    failed
                } else {
                    failed.with("rpc_data", error.data)
                }
            }
            Failure::Busy | Failure::Late => Self::new(Code::Unavailable, text),
        }
    }
}
