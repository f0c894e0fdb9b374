//! The same room elsewhere: everybody connected here appears there too, over links that
//! may have many far ends. Here is decided what is said over them, and which layers go;
//! what is said by the others is heeded in [`heeding`](super::heeding).
//!
//! Each instance of a room speaks for those connected to it, and passes on nothing it
//! heard itself.

use std::time::{Duration, Instant};

use media::{Bitrate, Layer, MediaKind, TrackId};
use rustc_hash::FxHashMap;

use super::Room;
use super::demands::quality;
use super::nonces::Nonce;
use super::participants::ParticipantKey;
use crate::fanout::{Tap, Wish};
use crate::select::LayerSet;
use crate::{
    DataFrame, LinkKey, LinkNews, Message, Outlet, Output, Supply, TrackKey, VideoQuality,
};

/// The links over which all of a room appears elsewhere.
#[derive(Debug, Default)]
pub(super) struct Spans {
    list: Vec<Span>,
    /// When to look what publishers send.
    look_at: Option<Instant>,
}

#[derive(Debug)]
struct Span {
    link: LinkKey,
    /// What of our tracks goes over it.
    fed: FxHashMap<TrackKey, LayerSet>,
}

/// What a layer takes is told again when it differs by more than a quarter, and then
/// no more often.
const INTERVAL: Duration = Duration::from_secs(1);

impl Spans {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// The highest layer of a track that goes over any of them.
    pub(super) fn highest(&self, track: TrackKey) -> Option<Layer> {
        let fed = self.list.iter().filter_map(|span| span.fed.get(&track));
        fed.filter_map(|layers| layers.highest()).max()
    }

    /// A track is gone.
    pub(super) fn forget(&mut self, track: TrackKey) {
        for span in &mut self.list {
            span.fed.remove(&track);
        }
    }

    pub(super) fn cut(&mut self, link: LinkKey) {
        self.list.retain(|span| span.link != link);
        if self.list.is_empty() {
            self.look_at = None;
        }
    }
}

impl Room {
    /// From now on everybody connected here appears at the far ends of `link` too, as is
    /// told by [`Output::Link`]. Called again, all of it is told again: for a far end that
    /// has just come.
    pub fn span(&mut self, now: Instant, link: LinkKey) {
        if self.life.is_closed() {
            return;
        }
        if !self.spans.list.iter().any(|span| span.link == link) {
            let fed = FxHashMap::default();
            self.spans.list.push(Span { link, fed });
        }
        let news = LinkNews::Room(self.setup());
        self.outputs.push(Output::Link { link, news });
        for key in self.participants.local_keys() {
            self.introduce(key, link);
        }
        if self.spans.look_at.is_none() {
            self.spans.look_at = Some(now + INTERVAL);
            self.chore_by(now + INTERVAL);
        }
    }

    /// Which layers of a track of ours go over a link from now on; at first none do.
    pub fn link_feeds(
        &mut self,
        now: Instant,
        link: LinkKey,
        track_key: TrackKey,
        layers: LayerSet,
        out: &mut impl Outlet,
    ) {
        let span = self.spans.list.iter_mut().find(|span| span.link == link);
        let (Some(span), Some(track)) = (span, self.tracks.find_mut(track_key)) else {
            return;
        };
        if track.is_far() {
            return;
        }
        let before = if layers.is_empty() {
            span.fed.remove(&track_key)
        } else {
            span.fed.insert(track_key, layers)
        };
        let before = before.unwrap_or_default();
        if before == layers {
            return;
        }
        if layers.is_empty() {
            track.fanout.untap(link);
        } else {
            track.fanout.tap(Tap {
                link,
                track: track_key,
                layers,
            });
            track.fanout.asked(now, layers.without(before), out);
        }
        self.want_fed(track_key, layers);
    }

    /// What this room calls a track that links call so.
    pub fn track_of(&self, track: TrackId) -> Option<TrackKey> {
        self.tracks.key_of(track)
    }

    /// What links call a track of this room.
    pub fn id_of(&self, track: TrackKey) -> Option<TrackId> {
        self.tracks.find(track).map(|found| found.id)
    }

    fn want_fed(&mut self, key: TrackKey, layers: LayerSet) {
        let Some(track) = self.tracks.find(key) else {
            return;
        };
        if track.info.kind == MediaKind::Video {
            let wanted = layers.highest().and_then(|it| quality(track, whole(it)));
            self.want(key, wanted);
        }
    }

    /// The best quality of a track that goes over a link, or was asked for over one.
    pub(super) fn wanted_elsewhere(&self, key: TrackKey) -> Option<VideoQuality> {
        let track = self.tracks.find(key)?;
        let fed = self.spans.highest(key);
        let fed = fed.and_then(|layer| quality(track, whole(layer)));
        fed.max(track.far_demand.map(|(quality, _)| quality))
    }

    /// Tells one link all about somebody.
    fn introduce(&mut self, key: ParticipantKey, link: LinkKey) {
        let (Some(found), Some(linked)) = (self.participants.find(key), self.linked(key)) else {
            return;
        };
        let quality = found.assessed();
        let tracks = found.publishing.tracks();
        let mut news = vec![LinkNews::Changed(linked)];
        news.extend(quality.map(LinkNews::Quality));
        for key in tracks {
            let Some(supply) = self.supply(key) else {
                continue;
            };
            news.push(LinkNews::Supply(supply));
            if let Some(track) = self.tracks.find_mut(key) {
                track.supplied = Some(supply);
            }
        }
        for news in news {
            self.outputs.push(Output::Link { link, news });
        }
    }

    /// Tells all who share the room.
    pub(super) fn tell_spans(&mut self, news: &LinkNews) {
        for span in &self.spans.list {
            let (link, news) = (span.link, news.clone());
            self.outputs.push(Output::Link { link, news });
        }
    }

    /// Gives a data message to those elsewhere for whom it may be.
    pub(super) fn send_elsewhere(
        &mut self,
        from: Option<ParticipantKey>,
        message: &Message,
        nonce: Option<Nonce>,
    ) {
        if self.spans.is_empty() || !self.is_for_others(message) {
            return;
        }
        if !self.outputs.has_room_for(self.spans.list.len()) {
            self.drops.queue_full += 1;
            return;
        }
        let from = from.and_then(|key| self.participants.find(key));
        let from = from.map(|found| found.info.id);
        self.tell_spans(&LinkNews::Data {
            from,
            message: message.clone(),
            nonce,
        });
    }

    fn is_for_others(&self, message: &Message) -> bool {
        let named = &message.destinations;
        let here = |key: Option<ParticipantKey>| {
            let found = key.and_then(|key| self.participants.find(key));
            found.is_some_and(|found| found.home.is_none())
        };
        let by_identity = |it| here(self.participants.key_of_identity(it));
        named.identities.is_empty() && named.sids.is_empty()
            || named.identities.iter().any(|it| !by_identity(it))
            || named
                .sids
                .iter()
                .any(|it| !here(self.participants.key_of(*it)))
    }

    /// Gives a packet of a data track to those elsewhere who may receive it.
    pub(super) fn send_frame_elsewhere(&mut self, from: ParticipantKey, frame: &DataFrame) {
        if self.spans.is_empty() {
            return;
        }
        if !self.outputs.has_room_for(self.spans.list.len()) {
            self.drops.queue_full += 1;
            return;
        }
        if let Some(publisher) = self.participants.find(from) {
            let (from, frame) = (publisher.info.id, frame.clone());
            self.tell_spans(&LinkNews::Frame { from, frame });
        }
    }

    /// Other layers of a track of ours are alive than before.
    pub(super) fn supply_changed(&mut self, key: TrackKey) {
        if self.spans.is_empty() {
            return;
        }
        let Some(supply) = self.supply(key) else {
            return;
        };
        let Some(track) = self.tracks.find_mut(key) else {
            return;
        };
        let before = track.supplied;
        if before.map_or_else(LayerSet::default, |it| it.live) != supply.live {
            track.supplied = Some(supply);
            self.tell_spans(&LinkNews::Supply(supply));
        }
    }

    /// Looks what our tracks take now, where it is time to, and tells what differs.
    pub(super) fn tell_supplies(&mut self, now: Instant) {
        if self.spans.look_at.is_none_or(|at| at > now) {
            return;
        }
        self.spans.look_at = Some(now + INTERVAL);
        for key in self.tracks.keys() {
            let Some(supply) = self.supply(key) else {
                continue;
            };
            let Some(track) = self.tracks.find_mut(key) else {
                continue;
            };
            if differs(track.supplied.as_ref(), &supply) {
                track.supplied = Some(supply);
                self.tell_spans(&LinkNews::Supply(supply));
            }
        }
    }

    /// What the publisher of a track sends of it, if it is connected here.
    fn supply(&self, key: TrackKey) -> Option<Supply> {
        let track = self.tracks.find(key).filter(|track| !track.is_far())?;
        let (live, rates) = track.fanout.supply();
        Some(Supply {
            track: track.id,
            live,
            rates: rates.map(|rates| rates.map(|[.., all]| all)),
        })
    }
}

/// Whether `now` is worth telling.
fn differs(told: Option<&Supply>, now: &Supply) -> bool {
    let moved = |(told, now): (&Option<Bitrate>, &Option<Bitrate>)| match (told, now) {
        (Some(told), Some(now)) => told.0.abs_diff(now.0) * 4 > told.0,
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    };
    match told {
        Some(told) => told.live != now.live || told.rates.iter().zip(&now.rates).any(moved),
        None => !now.live.is_empty(),
    }
}

/// All of a layer.
pub(super) fn whole(spatial: Layer) -> Wish {
    Wish::Layer {
        spatial,
        temporal: u8::MAX,
    }
}
