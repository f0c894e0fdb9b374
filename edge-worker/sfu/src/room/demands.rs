//! What publishers are told of how good their pictures are wanted.

use std::time::Instant;

use media::{Layer, MediaKind, ParticipantId};

use super::Room;
use super::participants::ParticipantKey;
use super::tracks::Track;
use crate::fanout::Wish;
use crate::{CodecDemand, Muted, Notice, TrackKey, VideoQuality};

impl Room {
    /// Tells a participant once more how good its pictures are wanted: what it was told
    /// while it was away is lost.
    pub fn repeat_demands(&mut self, participant: ParticipantId) {
        let publisher = self
            .participants
            .local_key_of(participant)
            .and_then(|key| self.participants.find(key));
        let tracks = publisher.map_or_else(Vec::new, |found| found.publishing.tracks());
        for key in tracks {
            self.tell_demand(key);
        }
    }

    /// Somebody wants a track, or wants it in another quality.
    pub(super) fn demanded(&mut self, key: ParticipantKey, track_key: TrackKey) {
        let Some(wish) = self.wish_of(key, track_key) else {
            return;
        };
        let Some(track) = self.tracks.find_mut(track_key) else {
            return;
        };
        if track.info.kind == MediaKind::Audio {
            return;
        }
        let quality = quality(track, wish);
        self.want(track_key, quality);
    }

    /// Somebody, here or at the end of a link, wants a track in this quality.
    pub(super) fn want(&mut self, track_key: TrackKey, quality: Option<VideoQuality>) {
        let Some(track) = self.tracks.find_mut(track_key) else {
            return;
        };
        if track.is_far() {
            return;
        }
        let quality = whole(track, quality);
        let better = track.demand.want(quality);
        if quality < track.demand.told() {
            track.demand.fell();
            self.chore_soon();
        }
        if better {
            self.tell_demand(track_key);
        }
    }

    /// Looks of which tracks less is wanted by now.
    pub(super) fn count_demands(&mut self, now: Instant) {
        for key in self.tracks.keys() {
            let due = self.tracks.find(key).is_some_and(|track| {
                let ours = track.info.kind == MediaKind::Video && !track.is_far();
                ours && track.demand.is_due(now)
            });
            if !due {
                continue;
            }
            let wanted = self.wanted_of(key);
            let track = self.tracks.find_mut(key);
            if track.is_some_and(|track| track.demand.count(now, || wanted)) {
                self.tell_demand(key);
            }
        }
    }

    /// The best quality anybody wants of a track.
    fn wanted_of(&self, key: TrackKey) -> Option<VideoQuality> {
        let track = self.tracks.find(key)?;
        if track.info.muted == Muted::Yes {
            // Nothing is sent anyway; back at once is better than a moment later.
            return track.demand.told();
        }
        track
            .subscriptions
            .iter()
            .filter_map(|subscription| self.subscriptions.find(*subscription))
            .filter_map(|found| quality(track, self.wish_of(found.subscriber, key)?))
            .chain(self.links.wanted(key))
            .chain(self.wanted_elsewhere(key))
            .max()
            .map(|wanted| whole(track, Some(wanted)).unwrap_or(wanted))
    }

    pub(super) fn tell_demand(&mut self, key: TrackKey) {
        let key = self.tracks.shown(key);
        let Some(track) = self.tracks.find(key) else {
            return;
        };
        let publisher = self.participants.find(track.publisher);
        let (Some(publisher), Some(codec), MediaKind::Video) =
            (publisher, track.info.codec, track.info.kind)
        else {
            return;
        };
        let own = CodecDemand {
            codec,
            highest: track.demand.told(),
        };
        let backup = self.backup_demand(track);
        let notice = Notice::Demand {
            track: track.info.id,
            codecs: [own].into_iter().chain(backup).collect(),
        };
        self.outputs.tell(publisher.info.id, notice);
    }
}

/// What is asked of the publisher for that: layers of one stream are encoded together.
fn whole(track: &Track, quality: Option<VideoQuality>) -> Option<VideoQuality> {
    if track.has_one_stream() {
        return quality.map(|_| VideoQuality::High);
    }
    quality
}

/// What its publisher calls the layer that is wished.
pub(super) fn quality(track: &Track, wish: Wish) -> Option<VideoQuality> {
    let Wish::Layer { spatial, .. } = wish else {
        return None;
    };
    let layers = &track.info.layers;
    if layers.len() == track.layers() {
        return layers.get(spatial.index()).map(|layer| layer.quality);
    }
    Some(match spatial {
        // Whoever sends one layer sends it in full size.
        _ if track.layers() == 1 => VideoQuality::High,
        Layer::LOW => VideoQuality::Low,
        Layer::MEDIUM => VideoQuality::Medium,
        Layer(_) => VideoQuality::High,
    })
}
