//! Tracks of a room: announced, found in an offer, muted, taken back.

use std::sync::Arc;
use std::time::Instant;

use media::{Codec, ParticipantId, TrackId};

use super::Room;
use super::participants::ParticipantKey;
use super::publishing::Match;
use super::rids::low_to_high;
use super::tracks::Track;
use super::updates::Urgency;
use crate::{
    Muted, Notice, OfferedSection, Outlet, Output, Publication, Received, Refusal, RefusedWish,
    TrackInfo, TrackKey,
};

impl Room {
    /// The newest offer of a participant contains these m-lines on which it sends.
    /// Returns all that carry a track. M-lines that were not announced yet follow as
    /// [`Output::Receive`] once they are.
    pub fn offered(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        sections: &[OfferedSection],
    ) -> Vec<Received> {
        let Some(key) = self.participants.local_key_of(participant) else {
            return Vec::new();
        };
        let Some(publisher) = self.participants.find_mut(key) else {
            return Vec::new();
        };
        let outcome = publisher.publishing.offered(sections);
        for (track, section) in &outcome.kept {
            if let Some(track) = self.tracks.find_mut(*track) {
                track.set_rids(low_to_high(&section.rids));
            }
        }
        let changed = !outcome.vanished.is_empty() || !outcome.matched.is_empty();
        for track in outcome.vanished {
            self.drop_track(track);
        }
        let started: Vec<TrackKey> = outcome
            .matched
            .into_iter()
            .filter_map(|found| self.start_track(key, found))
            .map(|received| received.track)
            .collect();
        if changed {
            self.tracks_changed(now, key);
        } else {
            // Its encodings may have changed.
            self.tell_links(key);
        }
        for (track, _) in outcome.kept {
            self.supply_changed(track);
        }
        for track in started {
            self.subscribe_everybody(track);
        }
        self.participants
            .find(key)
            .map(|publisher| publisher.publishing.received())
            .unwrap_or_default()
    }

    pub(super) fn publish(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        mut publication: Publication,
    ) {
        let Some(publisher) = self.participants.find_mut(key) else {
            return;
        };
        let id = publisher.info.id;
        let cid = publication.cid.clone();
        let permission = &publisher.info.permission;
        let checked = if permission.may_publish(publication.track.source) {
            publisher.publishing.check(&cid)
        } else {
            Err(Refusal::NotAllowed)
        };
        publication.track.layers.sort_by_key(|layer| layer.quality);
        let shown = checked.and_then(|()| match publication.backup_of {
            Some(lead) => self.backed(key, &publication, lead),
            None => Ok(Arc::new(publication.track.clone())),
        });
        let track = match shown {
            Ok(track) => track,
            Err(refusal) => {
                let wish = RefusedWish::Publish { cid };
                self.outputs.tell(id, Notice::Refused { wish, refusal });
                return;
            }
        };
        let Some(publisher) = self.participants.find_mut(key) else {
            return;
        };
        self.outputs.tell(id, Notice::Published { cid, track });
        match publisher.publishing.announce(now, publication) {
            Err(until) => self.chore_by(until),
            Ok(found) => {
                let Some(received) = self.start_track(key, found) else {
                    return;
                };
                self.tracks_changed(now, key);
                self.outputs.push(Output::Receive {
                    participant: id,
                    received,
                });
                self.subscribe_everybody(received.track);
            }
        }
    }

    pub(super) fn mute(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        id: TrackId,
        muted: Muted,
        out: &mut impl Outlet,
    ) {
        let Some(publisher) = self.participants.find_mut(key) else {
            return;
        };
        if let Some(pending) = publisher.publishing.pending_mut(id) {
            pending.muted = muted;
            return;
        }
        let own = self
            .tracks
            .key_of(id)
            .filter(|track| publisher.publishing.tracks().contains(track));
        let found = own.and_then(|key| Some((key, self.tracks.find_mut(key)?)));
        let Some((own, track)) = found else {
            let wish = RefusedWish::Mute { track: id, muted };
            let refusal = Refusal::NotFound;
            self.outputs
                .tell(publisher.info.id, Notice::Refused { wish, refusal });
            return;
        };
        if track.info.muted == muted {
            return;
        }
        let same_picture = [Some(own), track.backup.track()];
        for own in same_picture.into_iter().flatten() {
            if let Some(track) = self.tracks.find_mut(own) {
                track.set_muted(muted);
                // While it was muted nobody was asked.
                track.demand.fell();
            }
        }
        self.chore_soon();
        self.tracks_changed(now, key);
        for own in same_picture.into_iter().flatten() {
            self.supply_changed(own);
            self.divide_anew(now, own, out);
        }
    }

    /// The packets of a track show another codec than was negotiated: subscribers
    /// need m-lines for that one.
    pub(super) fn correct_codec(&mut self, now: Instant, key: TrackKey, codec: Codec) {
        let Some(track) = self.tracks.find_mut(key) else {
            return;
        };
        track.set_codec(codec);
        let publisher = track.publisher;
        let subscriptions = std::mem::take(&mut track.subscriptions);
        for subscription in subscriptions {
            self.close_subscription(subscription);
        }
        self.tracks_changed(now, publisher);
        self.subscribe_everybody(key);
    }

    /// Removes a track and all that hangs on it; telling is left to the caller.
    pub(super) fn drop_track(&mut self, key: TrackKey) {
        self.drop_backup(key);
        let Some(track) = self.tracks.find_mut(key) else {
            return;
        };
        for subscription in std::mem::take(&mut track.subscriptions) {
            self.close_subscription(subscription);
        }
        self.track_ended(key);
        self.unwant(key);
        self.spans.forget(key);
        for participant in self.participants.values_mut() {
            participant.interests.vanished(key);
        }
        let lead = self.tracks.remove(key).and_then(|gone| gone.backs);
        if let Some(lead) = lead {
            self.backup_ended(lead, key);
        }
        self.chore_soon();
    }

    /// Makes a track of a publication found in an offer, unless it backs one that is gone.
    fn start_track(&mut self, publisher: ParticipantKey, found: Match) -> Option<Received> {
        if let Some(lead) = found.publication.backup_of {
            return self.start_backup(publisher, lead, found);
        }
        let preferred = found.preferred();
        let codec = found.codec();
        let Match {
            publication,
            section,
        } = found;
        let mut info: TrackInfo = publication.track;
        let id = info.id;
        info.codec = codec;
        let rids = low_to_high(&section.rids);
        let participant = self
            .participants
            .find_mut(publisher)
            .expect("the caller found it");
        let track = Track::new(info, publisher, rids, participant.origin);
        let key = self.tracks.insert(track);
        let received = Received {
            mid: section.mid,
            track: key,
            preferred,
            red: codec == Some(Codec::Red),
        };
        participant.publishing.started(received, section.cid);
        for other in self.participants.values_mut() {
            other.interests.appeared(id, key);
        }
        self.track_started(key);
        self.chore_soon();
        Some(received)
    }

    /// Describes a participant's tracks anew, and tells everybody.
    pub(super) fn tracks_changed(&mut self, now: Instant, key: ParticipantKey) {
        self.describe_tracks(key);
        self.announce(now, key, Urgency::Now);
        self.count(now);
    }

    /// Describes a participant's tracks anew; telling is left to the caller.
    pub(super) fn describe_tracks(&mut self, key: ParticipantKey) {
        let Some(publisher) = self.participants.find_mut(key) else {
            return;
        };
        let tracks = publisher
            .publishing
            .tracks()
            .into_iter()
            .filter_map(|track| self.tracks.find(track))
            .filter(|track| track.backs.is_none())
            .map(|track| Arc::clone(&track.info))
            .collect();
        publisher.change(|info| info.tracks = tracks);
    }
}
