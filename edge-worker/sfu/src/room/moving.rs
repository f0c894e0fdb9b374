//! Somebody goes over to another room of the shard with all it has: its connections, what
//! it publishes on them, its rights and whom it lets receive what. To either room it
//! leaves here and joins there.

use std::sync::Arc;
use std::time::Instant;

use media::{ParticipantId, Rid, TrackId};

use super::Room;
use super::allowance::Allowed;
use super::bandwidth::Reception;
use super::joining::{Farewell, JoinRefusal, Joined};
use super::participants::{ParticipantKey, Seat};
use super::publishing::Publishing;
use super::tracks::Track;
use crate::{
    DataTrackInfo, Identity, LeaveReason, Membership, Origin, Outlet, ParticipantInfo, Received,
    Streams, TrackInfo, TrackKey, VideoQuality, Wanted,
};

/// Somebody between two rooms.
#[derive(Debug)]
pub struct Luggage {
    info: Arc<ParticipantInfo>,
    auto_subscribe: Wanted,
    auto_subscribe_data: Wanted,
    first_quality: VideoQuality,
    protocol: i32,
    streams: Streams,
    media: Media,
    origin: Option<Origin>,
    publishing: Publishing,
    tracks: Vec<Packed>,
    data_tracks: Vec<Arc<DataTrackInfo>>,
    allowed: Allowed,
    reception: Reception,
    last_sequence: u32,
}

/// Whether its connection is up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Media {
    Connecting,
    Connected,
}

#[derive(Debug)]
struct Packed {
    /// In the room it comes from.
    key: TrackKey,
    info: Arc<TrackInfo>,
    rids: Vec<Rid>,
    /// The track that it is the backup of, and what links call it then.
    backs: Option<(TrackKey, TrackId)>,
}

/// Somebody has come over.
#[derive(Debug)]
pub struct Moved {
    /// What it finds.
    pub joined: Joined,
    /// The m-lines on which it sends, with what the room calls their tracks.
    pub received: Vec<Received>,
}

impl Room {
    /// Whether somebody like `newcomer` might join, with nobody having to go for it.
    pub fn would_admit(&self, newcomer: &ParticipantInfo) -> Result<(), JoinRefusal> {
        if self.life.is_closed() {
            return Err(JoinRefusal::Closed);
        }
        if Seat::of(newcomer) == Seat::Own && self.is_full_but_for(None) {
            return Err(JoinRefusal::Full);
        }
        Ok(())
    }

    /// The signalling protocol of a participant.
    pub fn protocol(&self, identity: &Identity) -> Option<i32> {
        let key = self.participants.key_of_identity(identity)?;
        self.participants.find(key).map(|found| found.protocol)
    }

    /// Takes somebody out, to be [brought](Self::bring_in) into another room. Its
    /// connections stay, without anything of this room on them.
    pub fn take_along(&mut self, now: Instant, participant: ParticipantId) -> Option<Luggage> {
        let key = self.participants.local_key_of(participant)?;
        let found = self.participants.find(key)?;
        for subscription in found.interests.subscriptions().collect::<Vec<_>>() {
            self.end_subscription(subscription);
        }
        self.cut_outros(key);
        let found = self.participants.find_mut(key)?;
        let media = if found.is_active() {
            Media::Connected
        } else {
            Media::Connecting
        };
        let tracks = found.publishing.tracks().into_iter();
        let tracks = tracks.filter_map(|key| {
            let track = self.tracks.find(key)?;
            Some(Packed {
                key,
                info: Arc::clone(&track.info),
                rids: track.rids().to_vec(),
                backs: track.backs.map(|lead| (lead, track.id)),
            })
        });
        let mut tracks: Vec<_> = tracks.collect();
        // Backups after what they back.
        tracks.sort_by_key(|track| track.backs.is_some());
        let luggage = Luggage {
            info: Arc::clone(&found.info),
            auto_subscribe: found.auto_subscribe,
            auto_subscribe_data: found.auto_subscribe_data,
            first_quality: found.first_quality,
            protocol: found.protocol,
            streams: found.streams,
            media,
            origin: found.origin,
            tracks,
            data_tracks: found.info.data_tracks.clone(),
            allowed: std::mem::take(&mut found.allowed),
            reception: found.reception.elsewhere(),
            last_sequence: found.last_sequence,
            publishing: Publishing::default(),
        };
        // Until it has gone, the room looks there for what it publishes.
        let publishing = found.publishing.clone();
        self.remove_with(now, key, LeaveReason::Moved, Farewell::TakenAlong);
        Some(Luggage {
            publishing,
            ..luggage
        })
    }

    /// Takes in somebody from another room. The caller has found that it
    /// [may come](Self::would_admit).
    pub fn bring_in(
        &mut self,
        now: Instant,
        luggage: Luggage,
        out: &mut impl Outlet,
    ) -> Result<Moved, JoinRefusal> {
        let participant = luggage.info.id;
        let joined = self.join(now, luggage.membership())?;
        let Some(key) = self.participants.key_of(participant) else {
            return Err(JoinRefusal::Closed);
        };
        let media = luggage.media;
        let joined_data: Vec<_> = luggage.data_tracks.iter().map(|it| it.id).collect();
        let started = self.unpack(key, luggage);
        match media {
            Media::Connected => self.activated(now, participant),
            Media::Connecting => {}
        }
        self.tracks_changed(now, key);
        for track in started {
            self.subscribe_everybody(track);
        }
        for track in joined_data {
            self.subscribe_everybody_to_data(key, track);
        }
        self.note_profile(key);
        self.divide(now, key, out);
        let found = self.participants.find(key);
        let received = found.map_or_else(Vec::new, |found| found.publishing.received());
        Ok(Moved {
            joined: Joined {
                room: Arc::clone(&self.info),
                participant: found.map_or(joined.participant, |it| Arc::clone(&it.info)),
                others: joined.others,
            },
            received,
        })
    }

    /// Makes tracks of this room of what somebody published in another one.
    fn unpack(&mut self, key: ParticipantKey, luggage: Luggage) -> Vec<TrackKey> {
        let Luggage {
            origin,
            mut publishing,
            tracks,
            data_tracks,
            allowed,
            reception,
            last_sequence,
            ..
        } = luggage;
        let mut names = Vec::new();
        for Packed {
            key: before,
            info,
            rids,
            backs,
        } in tracks
        {
            let id = info.id;
            let info = Arc::unwrap_or_clone(info);
            let mut track = Track::new(info, key, rids, origin);
            if let Some((lead, id)) = backs {
                let known = |(before, _): &&(TrackKey, TrackKey)| *before == lead;
                let Some((_, lead)) = names.iter().find(known) else {
                    continue;
                };
                track = track.backing(*lead, id);
            }
            let own = self.tracks.insert(track);
            self.backup_began(own);
            names.push((before, own));
            for other in self.participants.values_mut() {
                other.interests.appeared(id, own);
            }
        }
        publishing.rename(&names);
        for track in &data_tracks {
            self.data_tracks.insert(key, Arc::clone(track));
        }
        if let Some(found) = self.participants.find_mut(key) {
            found.origin = origin;
            found.publishing = publishing;
            found.allowed = allowed;
            found.reception = reception;
            found.last_sequence = last_sequence;
            found.change(|info| info.data_tracks = data_tracks);
        }
        self.chore_soon();
        names.into_iter().map(|(_, own)| own).collect()
    }
}

impl Luggage {
    fn membership(&self) -> Membership {
        Membership {
            participant: (*self.info).clone(),
            auto_subscribe: self.auto_subscribe,
            auto_subscribe_data: self.auto_subscribe_data,
            adaptive_stream: self.first_quality == VideoQuality::Low,
            pausing: self.reception.pausing(),
            protocol: self.protocol,
            streams: self.streams,
        }
    }
}
