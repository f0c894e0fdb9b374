//! How a room is set up, the same on all its instances: the newest edition counts, and of
//! two that were made at once, all agree on one. What the room is called by its id is that of
//! the instance that was opened first.

use std::sync::Arc;

use super::Room;
use crate::{LinkNews, Playing, RoomInfo, Setup};

impl Room {
    /// The room was set up differently here: all others are to follow.
    pub(super) fn tell_setup(&mut self) {
        self.edition = self.edition.saturating_add(1);
        let setup = self.setup();
        self.tell_spans(&LinkNews::Room(setup));
    }

    pub(super) fn setup(&self) -> Setup {
        Setup {
            edition: self.edition,
            room: Arc::clone(&self.info),
        }
    }

    /// Another instance says how the room is set up.
    pub(super) fn set_up(&mut self, told: &Setup) {
        let elder =
            (told.room.created_at_ms, told.room.id) < (self.info.created_at_ms, self.info.id);
        if elder {
            let info = Arc::make_mut(&mut self.info);
            (info.created_at_ms, info.id) = (told.room.created_at_ms, told.room.id);
        }
        if self.take_edition(told) || elder {
            self.tell_room();
        }
    }

    /// Whether clients see anything of it.
    fn take_edition(&mut self, told: &Setup) -> bool {
        let ours = (self.edition, essence(&self.info));
        if (told.edition, essence(&told.room)) <= ours {
            return false;
        }
        self.edition = told.edition;
        let before = Arc::clone(&self.info);
        let info = Arc::make_mut(&mut self.info);
        info.metadata.clone_from(&told.room.metadata);
        info.empty_timeout_s = told.room.empty_timeout_s;
        info.departure_timeout_s = told.room.departure_timeout_s;
        info.max_participants = told.room.max_participants;
        info.playing = told.room.playing;
        self.retime(&before);
        self.note_profiles();
        before.metadata != self.info.metadata
    }
}

/// What is set up.
fn essence(info: &RoomInfo) -> (&str, u32, u32, u32, Playing) {
    (
        &info.metadata,
        info.empty_timeout_s,
        info.departure_timeout_s,
        info.max_participants,
        info.playing,
    )
}
