//! One event on its way to the app's server.

use serde::{Deserialize, Serialize};

/// One event, as it is kept and sent: the same on every try.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Event {
    /// By which a receiver knows it again.
    pub(super) id: String,
    /// Events of one room keep their order.
    pub(super) room: String,
    /// When it happened, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// As it is signed and sent.
    pub(super) body: String,
}

impl Event {
    /// Bytes it takes, in memory and on disk alike.
    pub(super) fn size(&self) -> u64 {
        (self.id.len() + self.room.len() + self.body.len()) as u64
    }
}
