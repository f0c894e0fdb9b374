//! LiveKit's RoomService: what an app's server asks of rooms, who may ask it, and how
//! it is answered.
//!
//! [`Request::read`] takes a call apart, in either [`Encoding`]; [`Answer`] and
//! [`Failure`] are what may come of it. Doing it is left to the shell and its rooms.

mod answer;
mod failure;
mod reading;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use failure::Failure;

use std::sync::Arc;

use media::TrackId;
use prost::Message;
use sfu::{Identity, Muted, Nonce, ParticipantChange, RoomInfo, Wanted};

use crate::join::RoomSettings;
use crate::server_data::{Rpc, ServerMessage};
use crate::spanning::{self, TellingError};
use crate::twirp::{Encoding, Error};
use crate::{Claims, VideoGrants, proto};

/// The name of the service in a call's path.
pub const SERVICE: &str = "livekit.RoomService";

/// One call, by somebody who may make it.
#[derive(Clone, Debug)]
pub enum Request {
    /// Make a room, or change the settings of one that is there.
    CreateRoom {
        /// Its name.
        room: Arc<str>,
        /// What is not named stays, or is the node's default.
        settings: RoomSettings,
    },
    /// Which rooms are open.
    ListRooms {
        /// Only these; all if empty.
        names: Vec<String>,
    },
    /// Send everybody away and close the room.
    DeleteRoom {
        /// Which.
        room: Arc<str>,
    },
    /// Who is there.
    ListParticipants {
        /// Where.
        room: Arc<str>,
    },
    /// Something about a room, or about somebody in it.
    InRoom {
        /// Where.
        room: Arc<str>,
        /// What.
        task: Task,
    },
    /// Have somebody appear in another room too.
    ForwardParticipant {
        /// Where it is.
        room: Arc<str>,
        /// Whom.
        identity: Identity,
        /// Where it shall appear.
        destination: Arc<str>,
    },
    /// Take somebody to another room.
    MoveParticipant {
        /// From where.
        room: Arc<str>,
        /// Whom.
        identity: Identity,
        /// To where.
        destination: Arc<str>,
    },
}

/// What shall be done in one room.
#[derive(Clone, Debug)]
pub enum Task {
    /// Describe somebody.
    GetParticipant(Identity),
    /// Send somebody away, and refuse its older tokens.
    RemoveParticipant {
        /// Whom.
        identity: Identity,
        /// Tokens up to then (seconds since 1970) are refused; `None` means now.
        revoke_until: Option<u64>,
    },
    /// Mute or unmute what somebody publishes.
    MuteTrack {
        /// Whose.
        identity: Identity,
        /// Which.
        track: TrackId,
        /// From now on.
        muted: Muted,
    },
    /// Change how somebody shows and what it may do.
    UpdateParticipant {
        /// Whom.
        identity: Identity,
        /// How.
        change: Box<ParticipantChange>,
    },
    /// Subscribe or unsubscribe on behalf of somebody.
    UpdateSubscriptions {
        /// Whose.
        identity: Identity,
        /// To what.
        tracks: Vec<TrackId>,
        /// From now on.
        wanted: Wanted,
    },
    /// Give participants a message.
    SendData {
        /// What, and to whom.
        message: ServerMessage,
        /// The same on every try.
        nonce: Option<Nonce>,
    },
    /// Change the room's free text.
    UpdateRoomMetadata(String),
    /// Call a method of somebody's, and wait for what it returns.
    PerformRpc(Rpc),
}

/// A call that lists rooms, in protobuf.
pub fn write_list(names: Vec<String>) -> Vec<u8> {
    proto::ListRoomsRequest { names }.encode_to_vec()
}

/// The rooms that such a call was answered with.
pub fn read_rooms(body: &[u8]) -> Result<Vec<RoomInfo>, TellingError> {
    let list = proto::ListRoomsResponse::decode(body)?;
    list.rooms.iter().map(spanning::room).collect()
}

impl Request {
    /// Reads a call of `method`, made with these claims; `None` where there was no
    /// token.
    pub fn read(
        method: &str,
        encoding: Encoding,
        body: &[u8],
        claims: Option<&Claims>,
    ) -> Result<Self, Error> {
        reading::read(method, encoding, body, &Caller(claims.map(|it| &it.video)))
    }
}

/// Who calls, and so what may be done.
struct Caller<'a>(Option<&'a VideoGrants>);

impl Caller<'_> {
    fn may(&self, granted: impl FnOnce(&VideoGrants) -> bool) -> Result<(), Error> {
        match self.0 {
            Some(grants) if granted(grants) => Ok(()),
            Some(_) | None => Err(Error::not_allowed()),
        }
    }

    fn administers(&self, room: &str) -> Result<(), Error> {
        self.may(|grants| grants.room_admin && grants.room == room)
    }
}
