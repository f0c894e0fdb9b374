//! What the app does to a room from outside, through the server API: on behalf of
//! participants, or over their heads. Whether it may is left to the shell.

use std::sync::Arc;
use std::time::Instant;

use media::{ParticipantId, PlayoutDelay, TrackId};

use super::Room;
use super::message::Message;
use super::nonces::Nonce;
use crate::{
    Identity, Muted, Notice, Outlet, ParticipantInfo, Profile, RoomInfo, Streams, TrackInfo,
};

/// What of a room's settings shall change; `None` leaves it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoomChange {
    /// Seconds it stays open when nobody ever joined.
    pub empty_timeout_s: Option<u32>,
    /// Seconds it stays open after the last participant left.
    pub departure_timeout_s: Option<u32>,
    /// Most participants at a time; who is there stays.
    pub max_participants: Option<u32>,
    /// Free text of the app.
    pub metadata: Option<String>,
    /// How tracks are grouped, for what is subscribed to from now on.
    pub streams: Option<Streams>,
    /// How long pictures wait, for who joins from now on.
    pub playout_delay: Option<PlayoutDelay>,
    /// What anybody is sent at most.
    pub profile: Option<Profile>,
}

impl Room {
    /// Changes settings of the room; everybody is told at once of what clients see.
    pub fn configure(&mut self, now: Instant, change: RoomChange) -> Arc<RoomInfo> {
        let before = Arc::clone(&self.info);
        let info = Arc::make_mut(&mut self.info);
        if let Some(seconds) = change.empty_timeout_s {
            info.empty_timeout_s = seconds;
        }
        if let Some(seconds) = change.departure_timeout_s {
            info.departure_timeout_s = seconds;
        }
        if let Some(most) = change.max_participants {
            info.max_participants = most;
        }
        if let Some(streams) = change.streams {
            info.playing.streams = streams;
        }
        info.playing.delay = change.playout_delay.or(info.playing.delay);
        info.playing.profile = change.profile.unwrap_or(info.playing.profile);
        self.note_profiles();
        self.retime(&before);
        match change.metadata {
            Some(metadata) => self.set_metadata(now, metadata),
            None => {
                self.tell_setup();
                Arc::clone(&self.info)
            }
        }
    }

    /// The room may be kept for another time than `before`.
    pub(super) fn retime(&mut self, before: &RoomInfo) {
        self.life.retime(before, &self.info);
        if let Some(at) = self.life.deadline() {
            self.chore_by(at);
        }
    }

    /// The participant the app calls `identity`.
    pub fn find_identity(&self, identity: &Identity) -> Option<&Arc<ParticipantInfo>> {
        let key = self.participants.key_of_identity(identity)?;
        self.participants.find(key).map(|found| &found.info)
    }

    /// Mutes somebody's track over their head, or asks them to unmute it. The track as
    /// it is then; `None` if that participant does not publish it.
    pub fn mute_published(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        id: TrackId,
        muted: Muted,
        out: &mut impl Outlet,
    ) -> Option<Arc<TrackInfo>> {
        let key = self.participants.local_key_of(participant)?;
        let publishing = &self.participants.find(key)?.publishing;
        let track = self.tracks.key_of(id)?;
        if !publishing.tracks().contains(&track) {
            return None;
        }
        // The client turns its microphone or camera off: the light goes out too.
        if self.tracks.find(track)?.info.muted != muted {
            let notice = Notice::Mute { track: id, muted };
            self.outputs.tell(participant, notice);
        }
        self.mute(now, key, id, muted, out);
        self.tracks.find(track).map(|track| Arc::clone(&track.info))
    }

    /// Gives participants a data message of the app. One with a nonce that came before
    /// is left out.
    pub fn send(&mut self, message: Message, nonce: Option<Nonce>) {
        if nonce.is_some_and(|nonce| !self.nonces.is_new(nonce)) {
            return;
        }
        self.send_elsewhere(None, &message, nonce);
        self.give(None, &message);
    }
}
