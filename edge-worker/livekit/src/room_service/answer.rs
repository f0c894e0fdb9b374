//! What a call returns.

use std::sync::Arc;

use sfu::{ParticipantInfo, RoomInfo, TrackInfo};

use crate::twirp::{Encoding, Error};
use crate::{info, proto};

/// What a call returns.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is done; there is nothing to tell.
    Done,
    /// A room as it is now.
    Room(Arc<RoomInfo>),
    /// Rooms.
    Rooms(Vec<Arc<RoomInfo>>),
    /// Somebody as they are now.
    Participant(Arc<ParticipantInfo>),
    /// Who is in a room.
    Participants(Vec<Arc<ParticipantInfo>>),
    /// A track as it is now.
    Track(Arc<TrackInfo>),
    /// What somebody's method returned.
    Returned(String),
}

impl Answer {
    /// The answer's body.
    pub fn write(&self, encoding: Encoding) -> Result<Vec<u8>, Error> {
        match self {
            // All empty messages look the same.
            Self::Done => encoding.write(&proto::DeleteRoomResponse {}),
            Self::Room(room) => encoding.write(&info::room(room)),
            Self::Rooms(rooms) => encoding.write(&proto::ListRoomsResponse {
                rooms: rooms.iter().map(|room| info::room(room)).collect(),
            }),
            Self::Participant(participant) => encoding.write(&info::participant(participant)),
            Self::Participants(participants) => encoding.write(&proto::ListParticipantsResponse {
                participants: participants
                    .iter()
                    .map(|it| info::participant(it))
                    .collect(),
            }),
            Self::Track(track) => encoding.write(&proto::MuteRoomTrackResponse {
                track: Some(info::track(track)),
            }),
            Self::Returned(payload) => encoding.write(&proto::PerformRpcResponse {
                payload: payload.clone(),
            }),
        }
    }
}
