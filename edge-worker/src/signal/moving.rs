//! Somebody is taken to another room: over the connections it has where that is possible,
//! else it is given the token to join there.

use livekit::Claims;
use livekit::signal::Response;
use sfu::{Joined, RoomInfo};

use super::{Connection, Ending};

impl Connection {
    /// Tells the client which room it is in now, and goes on. `pass` lets it in there.
    pub(super) async fn moved(
        &mut self,
        joined: &Joined,
        pass: Option<&Claims>,
    ) -> Result<(), Ending> {
        self.guest.claims = self.claims_for(&joined.room, pass);
        self.enter(&joined.participant);
        let token = self.token(&self.guest.claims);
        self.say(&Response::room_moved(joined, token.unwrap_or_default()))
            .await
    }

    /// Tells the client which room it belongs into now. The goodbye that follows makes
    /// it join anew, with this token.
    pub(super) async fn send_over(
        &mut self,
        room: &RoomInfo,
        pass: Option<&Claims>,
    ) -> Result<(), Ending> {
        let Some(token) = self.token(&self.claims_for(room, pass)) else {
            return Ok(());
        };
        let moved = Response::room_to_join(room, token.clone());
        if self.recipient().understands(&moved) {
            self.say(&moved).await?;
        }
        self.say(&Response::refresh_token(token)).await
    }

    /// What the client may do in another room: what its pass says, or else the same, as joining
    /// is meant. A token of the control plane is for one room: without a pass it leads back there.
    fn claims_for(&self, room: &RoomInfo, pass: Option<&Claims>) -> Claims {
        let own = &self.guest.claims;
        if let Some(pass) = pass {
            // It shows as it did.
            return Claims {
                name: own.name.clone(),
                metadata: own.metadata.clone(),
                attributes: own.attributes.clone(),
                ..pass.clone()
            };
        }
        let mut claims: Claims = own.clone();
        if claims.of.is_empty() {
            claims.video.room = room.name.to_string();
        }
        claims.video.room_join = true;
        // Those of the room it was in.
        claims.room_config = None;
        claims.room_preset.clear();
        claims
    }
}
