//! What publishers correct about tracks they have announced: properties of sound, the
//! size of a picture.

use std::sync::Arc;
use std::time::Instant;

use media::TrackId;

use super::Room;
use super::participants::ParticipantKey;
use crate::{AudioFeature, Notice, Outlet, Refusal, RefusedWish, TrackInfo, TrackKey};

impl Room {
    /// A publisher describes its sound anew. What was negotiated stays.
    pub(super) fn update_audio_track(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        track: TrackId,
        features: Vec<AudioFeature>,
    ) {
        let changed = self.retouch(now, key, track, |info| info.audio_features = features);
        if changed.is_err() {
            self.refuse(key, RefusedWish::UpdateAudioTrack { track });
        }
    }

    /// A publisher's picture has another size: subscribers may need another layer of it.
    pub(super) fn update_video_track(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        track: TrackId,
        (width, height): (u32, u32),
        out: &mut impl Outlet,
    ) {
        match self.retouch(now, key, track, |info| resize(info, width, height)) {
            Ok(Some(track)) => self.review_wishes(now, track, out),
            Ok(None) => {}
            Err(_) => self.refuse(key, RefusedWish::UpdateVideoTrack { track }),
        }
    }

    /// Changes the description of a track of `key`; answers which it is, if it is
    /// published already.
    fn retouch(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        id: TrackId,
        change: impl FnOnce(&mut TrackInfo),
    ) -> Result<Option<TrackKey>, Refusal> {
        let publisher = self.participants.find_mut(key).ok_or(Refusal::NotFound)?;
        if let Some(pending) = publisher.publishing.pending_mut(id) {
            change(pending);
            return Ok(None);
        }
        let found = self.tracks.key_of(id).ok_or(Refusal::NotFound)?;
        let track = self.tracks.find_mut(found).ok_or(Refusal::NotFound)?;
        if track.publisher != key {
            return Err(Refusal::NotFound);
        }
        change(Arc::make_mut(&mut track.info));
        self.tracks_changed(now, key);
        Ok(Some(found))
    }

    fn refuse(&mut self, key: ParticipantKey, wish: RefusedWish) {
        if let Some(publisher) = self.participants.find(key) {
            let refusal = Refusal::NotFound;
            self.outputs
                .tell(publisher.info.id, Notice::Refused { wish, refusal });
        }
    }

    /// Turns what the subscribers of a track show into layers again.
    pub(super) fn review_wishes(&mut self, now: Instant, key: TrackKey, out: &mut impl Outlet) {
        let Some(track) = self.tracks.find(key) else {
            return;
        };
        for subscription in track.subscriptions.clone() {
            let Some(found) = self.subscriptions.find(subscription) else {
                continue;
            };
            if let Some(wish) = self.wish_of(found.subscriber, key)
                && let Some(track) = self.tracks.find_mut(key)
            {
                track.fanout.set_wish(now, subscription, wish, out);
            }
        }
    }
}

/// Layers keep their share of the whole.
fn resize(info: &mut TrackInfo, width: u32, height: u32) {
    let scale = |part: u32, before: u32, after: u32| {
        let scaled = u64::from(part) * u64::from(after);
        let scaled = scaled.checked_div(u64::from(before));
        scaled.map_or(part, |it| u32::try_from(it).unwrap_or(u32::MAX))
    };
    for layer in &mut info.layers {
        layer.width = scale(layer.width, info.width, width);
        layer.height = scale(layer.height, info.height, height);
    }
    info.width = width;
    info.height = height;
}
