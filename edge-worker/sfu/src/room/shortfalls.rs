//! Tracks that are wanted better than they are asked for, because the subscriber's own
//! link does not carry it now. Their publisher is to send the better layers all the same:
//! what is not sent could not be tried.

use std::time::{Duration, Instant};

use media::{MediaKind, TrackId};

use super::Room;
use super::demands::quality;
use super::spanning::whole;
use super::subscriptions::SubscriptionState;
use super::tracks::Track;
use crate::fanout::Wish;
use crate::{LinkNews, Muted, Output, TrackKey, VideoQuality};

/// Estimates grow slowly at first; then it is of no matter that all of a layer is wanted.
const DEMAND_SOON: Duration = Duration::from_secs(1);

/// How often it is said again that a track is wanted better than it can be carried on.
const DEMAND_AGAIN: Duration = Duration::from_secs(5);

/// Who did not say it again twice does not want it any more, or is gone.
const DEMAND_HOLDS: Duration = Duration::from_secs(12);

impl Room {
    /// Somebody elsewhere would show a track of ours in this quality, if its link carried it.
    pub(super) fn demanded_far(&mut self, now: Instant, id: TrackId, quality: VideoQuality) {
        let key = self.tracks.key_of(id);
        let own = |track: &&mut Track| !track.is_far() && track.info.kind == MediaKind::Video;
        let found = key.and_then(|key| Some((key, self.tracks.find_mut(key).filter(own)?)));
        let Some((key, track)) = found else {
            return;
        };
        if track.far_demand.is_none_or(|(before, _)| before <= quality) {
            let until = now + DEMAND_HOLDS;
            track.far_demand = Some((quality, until));
            self.chore_by(until);
            self.want(key, Some(quality));
        }
    }

    /// Lets go what nobody elsewhere asked for again.
    pub(super) fn lapse_demands(&mut self, now: Instant) {
        for track in self.tracks.iter_mut() {
            let lapsed = track.far_demand.take_if(|(_, until)| *until <= now);
            if lapsed.is_some() {
                track.demand.fell();
            }
        }
    }

    /// The links of subscribers are divided anew: some may not carry what they wish.
    pub(super) fn look_for_shortfalls(&mut self, now: Instant) {
        let soon = now + DEMAND_SOON;
        if self.shortfalls_at.is_none_or(|at| at > soon) {
            self.shortfalls_at = Some(soon);
            self.chore_by(soon);
        }
    }

    /// Says again and again which tracks are wanted better than they can be carried on.
    pub(super) fn tell_shortfalls(&mut self, now: Instant) {
        if self.shortfalls_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        for key in self.tracks.keys() {
            let quality = self.shortfall(key);
            let Some(track) = self.tracks.at_packet(key) else {
                continue;
            };
            let Some(quality) = quality else {
                track.shortfall = None;
                continue;
            };
            let told = track.shortfall;
            let holds =
                |(told, at): (VideoQuality, Instant)| told >= quality && at + DEMAND_AGAIN > now;
            let at = match told.filter(|told| holds(*told)) {
                Some((_, at)) => at,
                None => {
                    track.shortfall = Some((quality, now));
                    let track_id = track.id;
                    if let Some(link) = track.home {
                        let news = LinkNews::Demand {
                            track: track_id,
                            quality,
                        };
                        self.outputs.push(Output::Link { link, news });
                    }
                    now
                }
            };
            let again_at = at + DEMAND_AGAIN;
            let before = self.shortfalls_at;
            self.shortfalls_at = Some(before.map_or(again_at, |it| it.min(again_at)));
        }
    }

    /// The quality in which a track that comes over a link is wanted by somebody whose own
    /// link does not carry it now, so that it is not asked for.
    fn shortfall(&self, key: TrackKey) -> Option<VideoQuality> {
        let track = self.tracks.find(key).filter(|track| track.is_far())?;
        if track.info.kind == MediaKind::Audio || track.info.muted == Muted::Yes {
            return None;
        }
        let wishes = track.subscriptions.iter().filter_map(|subscription| {
            let found = self.subscriptions.find(*subscription)?;
            match (found.state, self.wish_of(found.subscriber, key)?) {
                (SubscriptionState::Bound, Wish::Layer { spatial, .. }) => Some(spatial),
                (SubscriptionState::Bound, Wish::Paused) | (SubscriptionState::Opening, _) => None,
            }
        });
        let best = wishes.max()?;
        let short = track.fanout.wanted().highest() < Some(best);
        short.then(|| quality(track, whole(best))).flatten()
    }
}
