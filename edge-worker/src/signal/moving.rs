//! Somebody is taken to another room: it is given the token for it, and joins there.

use livekit::Claims;
use livekit::signal::Response;
use sfu::RoomInfo;

use super::{Connection, Ending, unix_now};

impl Connection {
    /// Tells the client which room it belongs into now. The goodbye that follows makes
    /// it join anew, with this token.
    pub(super) async fn move_to(&mut self, room: &RoomInfo) -> Result<(), Ending> {
        let mut claims: Claims = self.guest.claims.clone();
        claims.video.room = room.name.to_string();
        claims.video.room_join = true;
        // Those of the room it was in.
        claims.room_config = None;
        let token = self.node.keys.refresh(&claims, unix_now().as_secs());
        let Some(token) = token else { return Ok(()) };
        let moved = Response::room_moved(room, token.clone());
        if self.recipient().understands(&moved) {
            self.say(&moved).await?;
        }
        self.say(&Response::refresh_token(token)).await
    }
}
