//! Coming back after a gap: what was missed meanwhile, and whether both ends still mean
//! the same.

use std::sync::Arc;
use std::time::Instant;

use media::{ParticipantId, TrackId};

use super::Room;
use super::participants::ParticipantKey;
use crate::{
    DataTrackInfo, DataWish, Identity, Outlet, Output, ParticipantInfo, Reliability, RoomInfo,
    TrackInfo, TrackSettings, Wanted,
};

/// What somebody who comes back finds.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The number of the last reliable message received from it; 0 for none.
    pub last_sequence: u32,
    /// Those who left lately.
    pub departed: Vec<Arc<ParticipantInfo>>,
    /// Everybody who shows, and itself.
    pub present: Vec<Arc<ParticipantInfo>>,
    /// Itself.
    pub participant: Arc<ParticipantInfo>,
    /// The room.
    pub room: Arc<RoomInfo>,
    /// Its tracks that are announced and wait for their media: it may not have heard.
    pub announced: Vec<(String, Arc<TrackInfo>)>,
}

/// What somebody who came back believes to be true.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Synced {
    /// Its own tracks.
    pub published: Vec<TrackId>,
    /// Tracks of others for which it wants something else than for all others.
    pub tracks: Vec<TrackId>,
    /// What it wants for these.
    pub wanted: Wanted,
    /// Tracks of others that it does not show.
    pub disabled: Vec<TrackId>,
    /// Its own data tracks.
    pub published_data: Vec<Arc<DataTrackInfo>>,
    /// Data tracks of others that it asked for.
    pub data: Vec<DataWish>,
    /// The last reliable message it received from others.
    pub received: Vec<(ParticipantId, u32)>,
}

/// It publishes a track that the room does not know: it has to join again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} is not published")]
pub struct UnknownTrack(pub TrackId);

/// Clients of an earlier protocol take it that who is not in the full update has left.
const HEARS_OF_DEPARTED_FROM_PROTOCOL: i32 = 9;

/// Clients that speak a later protocol understand that a new id for an identity
/// replaces the old one.
const REPLACES_UP_TO_PROTOCOL: i32 = 11;

impl Room {
    /// The participant of this name.
    pub fn find(&self, identity: &Identity) -> Option<ParticipantId> {
        let key = self.participants.key_of_identity(identity)?;
        self.participants.find(key).map(|found| found.info.id)
    }

    /// Somebody is back: what it has to be told before anything else.
    pub fn resume(&mut self, now: Instant, participant: ParticipantId) -> Option<Resumed> {
        let key = self.participants.local_key_of(participant)?;
        let departed = self.departed_for(now, key);
        let found = self.participants.find(key)?;
        let own = Arc::clone(&found.info);
        let announced = found.publishing.announced();
        let announced = announced
            .map(|(cid, track)| (cid.to_owned(), Arc::new(track.clone())))
            .collect();
        let last_sequence = found.last_sequence;
        let shows = self.participants.iter().filter(|(_, p)| !p.is_hidden());
        let mut present: Vec<_> = shows.map(|(_, p)| Arc::clone(&p.info)).collect();
        if found.is_hidden() {
            present.push(Arc::clone(&own));
        }
        Some(Resumed {
            last_sequence,
            departed,
            present,
            participant: own,
            room: Arc::clone(&self.info),
            announced,
        })
    }

    fn departed_for(&mut self, now: Instant, key: ParticipantKey) -> Vec<Arc<ParticipantInfo>> {
        let Some(found) = self.participants.find(key) else {
            return Vec::new();
        };
        let protocol = found.protocol;
        if protocol < HEARS_OF_DEPARTED_FROM_PROTOCOL {
            return Vec::new();
        }
        // It would take leave of whom it sees again since.
        let is_back = |gone: &ParticipantInfo| {
            protocol > REPLACES_UP_TO_PROTOCOL
                && self.participants.key_of_identity(&gone.identity).is_some()
        };
        let lately = self.departed.lately(now);
        lately.filter(|gone| !is_back(gone)).cloned().collect()
    }

    /// Compares what somebody who came back believes with what is, follows its wishes,
    /// and gives it the data messages it missed.
    pub fn sync(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        synced: Synced,
        out: &mut impl Outlet,
    ) -> Result<(), UnknownTrack> {
        let Some(key) = self.participants.local_key_of(participant) else {
            return Ok(());
        };
        for track in &synced.published {
            self.check_published(key, *track)?;
        }
        for track in synced.tracks {
            self.subscribe(now, key, track, synced.wanted);
        }
        for track in synced.disabled {
            let settings = TrackSettings {
                disabled: true,
                ..self.settings_of(key, track)
            };
            self.set_settings(now, key, track, settings, out);
        }
        self.reliable.forget(now);
        for (from, last) in synced.received {
            self.replay(key, from, last);
        }
        self.correct_data(key, synced.published_data);
        self.subscribe_data(key, synced.data);
        self.tell_data_handles(key);
        Ok(())
    }

    fn check_published(&self, key: ParticipantKey, id: TrackId) -> Result<(), UnknownTrack> {
        let Some(publisher) = self.participants.find(key) else {
            return Ok(());
        };
        let mut announced = publisher.publishing.announced();
        let is_announced = announced.any(|(_, track)| track.id == id);
        let track = self.tracks.key_of(id);
        let is_published =
            track.is_some_and(|track| publisher.publishing.tracks().contains(&track));
        if is_announced || is_published {
            Ok(())
        } else {
            Err(UnknownTrack(id))
        }
    }

    fn settings_of(&self, key: ParticipantKey, id: TrackId) -> TrackSettings {
        let subscriber = self.participants.find(key);
        let interest = subscriber.zip(self.tracks.key_of(id));
        let settings =
            interest.and_then(|(subscriber, track)| subscriber.interests.find(track).settings);
        settings.unwrap_or_default()
    }

    fn replay(&mut self, to: ParticipantKey, from: ParticipantId, last: u32) {
        let (Some(sender), Some(receiver)) =
            (self.participants.key_of(from), self.participants.find(to))
        else {
            return;
        };
        let receiver = receiver.info.id;
        let missed: Vec<_> = self.reliable.after(from, last).cloned().collect();
        for message in missed {
            let meant = self.receivers(Some(sender), &message.destinations);
            if meant.contains(&receiver) && self.outputs.has_room_for(1) {
                self.outputs.push(Output::Data {
                    to: receiver,
                    reliability: Reliability::Reliable,
                    payload: message.payload,
                });
            }
        }
    }
}
