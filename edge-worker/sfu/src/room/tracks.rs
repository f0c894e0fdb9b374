//! The published tracks of a room, each with the fanout that serves its
//! subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use media::{Codec, Layer, MediaKind, Packet, Rid, TrackId};
use rustc_hash::FxHashMap;

use super::backups::Backup;
use super::participants::ParticipantKey;
use crate::demand::Demand;
use crate::fanout::{DropCounts, Fanout};
use crate::speakers::{Heard, Meter};
use crate::timers::Timers;
use crate::{
    Encryption, LinkKey, Muted, Origin, Outlet, RoomInfo, Source, SubscriptionKey, Supply,
    TrackInfo, TrackKey, VideoQuality,
};

/// All published tracks.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    by_key: FxHashMap<TrackKey, Track>,
    /// Also the order in which newcomers are given them.
    in_order: BTreeMap<u32, TrackKey>,
    by_id: FxHashMap<TrackId, TrackKey>,
    next: u32,
    /// When the fanout of which is due, but for those that changed since.
    timers: Timers<TrackKey>,
    changed: Vec<TrackKey>,
    /// That come over links, and may be wanted differently than before.
    touched: BTreeSet<TrackKey>,
    /// By which receivers of an encrypted track know our frames.
    trailer: Bytes,
    /// What tracks that are gone left out.
    past_drops: DropCounts,
}

impl Tracks {
    /// None yet, of this room.
    pub(super) fn new(room: &RoomInfo) -> Self {
        Self {
            // As everybody is told who joins.
            trailer: Bytes::copy_from_slice(room.id.as_str().as_bytes()),
            ..Self::default()
        }
    }

    /// Adds a track under a key no track had before.
    pub(super) fn insert(&mut self, mut track: Track) -> TrackKey {
        let key = TrackKey(self.next);
        self.next += 1;
        match track.info.encryption {
            Encryption::None => {}
            Encryption::Gcm | Encryption::Custom => {
                track.fanout.set_trailer(self.trailer.clone());
            }
        }
        self.by_id.insert(track.id, key);
        self.in_order.insert(key.0, key);
        self.by_key.insert(key, track);
        key
    }

    pub(super) fn remove(&mut self, key: TrackKey) -> Option<Track> {
        let track = self.by_key.remove(&key)?;
        self.by_id.remove(&track.id);
        self.in_order.remove(&key.0);
        self.timers.set(key, None);
        self.past_drops.merge(track.fanout.drops());
        Some(track)
    }

    /// Removes all of them.
    pub(super) fn clear(&mut self) {
        for key in self.keys() {
            self.remove(key);
        }
    }

    /// What all tracks left out since the room opened.
    pub(super) fn drops(&self) -> DropCounts {
        let mut drops = self.past_drops;
        for track in self.by_key.values() {
            drops.merge(track.fanout.drops());
        }
        drops
    }

    pub(super) fn find(&self, key: TrackKey) -> Option<&Track> {
        self.by_key.get(&key)
    }

    /// Whatever becomes of its fanout, [`deadline`](Self::deadline) will know, and whoever
    /// says over links what is wanted.
    pub(super) fn find_mut(&mut self, key: TrackKey) -> Option<&mut Track> {
        if self.by_key.get(&key)?.is_far() {
            self.touch(key);
        }
        self.at_packet(key)
    }

    /// What is wanted of the track may have changed.
    pub(super) fn touch(&mut self, key: TrackKey) {
        self.touched.insert(key);
    }

    /// The next track of which other layers may be wanted than before.
    pub(super) fn pop_touched(&mut self) -> Option<TrackKey> {
        self.touched.pop_first()
    }

    /// Whether there is one.
    pub(super) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// As [`find_mut`](Self::find_mut), for what does not change what is wanted.
    pub(super) fn at_packet(&mut self, key: TrackKey) -> Option<&mut Track> {
        let track = self.by_key.get_mut(&key)?;
        if track.deadline == Deadline::Noted {
            track.deadline = Deadline::MayHaveChanged;
            self.changed.push(key);
        }
        Some(track)
    }

    pub(super) fn key_of(&self, id: TrackId) -> Option<TrackKey> {
        self.by_id.get(&id).copied()
    }

    /// The track that clients see: it itself, or what it is the backup of.
    pub(super) fn shown(&self, key: TrackKey) -> TrackKey {
        let lead = self.by_key.get(&key).and_then(|track| track.backs);
        lead.unwrap_or(key)
    }

    pub(super) fn keys(&self) -> Vec<TrackKey> {
        self.in_order.values().copied().collect()
    }

    /// All, to count what they heard; what sets deadlines is done to one at a time.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Track> {
        self.by_key.values_mut()
    }

    /// Has the fanouts that are due do what they have to; the others are not looked at.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut impl Outlet) {
        self.note_changes();
        while let Some(key) = self.timers.pop(now) {
            if let Some(track) = self.find_mut(key) {
                track.fanout.handle_timeout(now, out);
            }
        }
    }

    /// When to count next what is wanted of any track.
    pub(super) fn demand_deadline(&self) -> Option<Instant> {
        let own = self.by_key.values().filter(|track| !track.is_far());
        own.flat_map(|track| {
            let lapses_at = track.far_demand.map(|(_, until)| until);
            [track.demand.deadline(), lapses_at]
        })
        .flatten()
        .min()
    }

    /// When to give up next on a backup that was asked for.
    pub(super) fn backup_deadline(&self) -> Option<Instant> {
        let tracks = self.by_key.values();
        tracks.filter_map(|track| track.backup.deadline()).min()
    }

    /// The first deadline of all fanouts.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        self.note_changes();
        self.timers.due_at()
    }

    fn note_changes(&mut self) {
        for key in self.changed.drain(..) {
            if let Some(track) = self.by_key.get_mut(&key) {
                track.deadline = Deadline::Noted;
                self.timers.set(key, track.fanout.deadline());
            }
        }
    }
}

/// One published track.
#[derive(Debug)]
pub(super) struct Track {
    /// What links call it.
    pub(super) id: TrackId,
    /// As clients see it; replaced as a whole, so that everybody told shares it.
    pub(super) info: Arc<TrackInfo>,
    /// The track that it is the backup of: the same picture in another codec.
    pub(super) backs: Option<TrackKey>,
    /// Whether it is to be had in another codec.
    pub(super) backup: Backup,
    pub(super) publisher: ParticipantKey,
    pub(super) fanout: Fanout,
    /// The link it comes over, where it is published elsewhere in the room.
    pub(super) home: Option<LinkKey>,
    /// As last told to those elsewhere.
    pub(super) supplied: Option<Supply>,
    /// Wanted elsewhere, without being carried, until then.
    pub(super) far_demand: Option<(VideoQuality, Instant)>,
    /// Wanted here, without being carried, as last told and when.
    pub(super) shortfall: Option<(VideoQuality, Instant)>,
    /// Every subscription, bound or not.
    pub(super) subscriptions: Vec<SubscriptionKey>,
    /// Low to high; empty for a single layer.
    rids: Vec<Rid>,
    /// The best quality anybody wants of it.
    pub(super) demand: Demand,
    /// Of a microphone.
    pub(super) meter: Option<Meter>,
    /// It is one, and tells how loud it is.
    pub(super) levels: Levels,
    codec: CodecKnown,
    audience: Audience,
    /// Of the fanout.
    deadline: Deadline,
}

/// Whether a deadline is known to the timers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Deadline {
    Noted,
    MayHaveChanged,
}

/// Where the codec of a track is known from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum CodecKnown {
    /// Negotiated, as far as we can tell before media arrives.
    Negotiated,
    /// Seen in its packets; does not change any more.
    Seen,
}

/// Whether a microphone tells how loud it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Levels {
    Untold,
    Told,
}

/// Whether anybody ever received a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Audience {
    None,
    Some,
}

impl Track {
    pub(super) fn new(
        info: TrackInfo,
        publisher: ParticipantKey,
        rids: Vec<Rid>,
        origin: Option<Origin>,
    ) -> Self {
        let mut fanout = Fanout::new(info.kind, &rids);
        if let Some(origin) = origin {
            fanout.set_origin(origin);
        }
        fanout.set_muted(info.muted);
        if let Some(codec) = info.codec {
            fanout.set_codec(codec);
        }
        let microphone = info.kind == MediaKind::Audio && info.source == Source::Microphone;
        Self {
            meter: microphone.then(Meter::default),
            id: info.id,
            info: Arc::new(info),
            backs: None,
            backup: Backup::default(),
            publisher,
            fanout,
            home: None,
            supplied: None,
            far_demand: None,
            shortfall: None,
            subscriptions: Vec::new(),
            rids,
            demand: Demand::default(),
            levels: Levels::Untold,
            codec: CodecKnown::Negotiated,
            audience: Audience::None,
            // There is none yet.
            deadline: Deadline::Noted,
        }
    }

    /// It is the backup of `lead`, and links call it `id`.
    pub(super) fn backing(mut self, lead: TrackKey, id: TrackId) -> Self {
        (self.backs, self.id) = (Some(lead), id);
        self
    }

    /// It is published elsewhere, and comes over `link`; this room calls it `own`.
    pub(super) fn come_over(&mut self, link: LinkKey, own: TrackKey) {
        self.home = Some(link);
        self.fanout.set_origin(Origin::Link { link, track: own });
        self.fanout.set_far();
    }

    /// Whether it is published elsewhere in the room.
    pub(super) fn is_far(&self) -> bool {
        self.home.is_some()
    }

    /// A later offer names other encodings, or the same.
    pub(super) fn set_rids(&mut self, rids: Vec<Rid>) {
        if self.rids != rids {
            self.fanout.set_rids(&rids);
            self.rids = rids;
        }
    }

    /// The encodings it is published in, low to high; empty for a single one.
    pub(super) fn rids(&self) -> &[Rid] {
        &self.rids
    }

    /// How many layers it is published in.
    pub(super) fn layers(&self) -> usize {
        match (self.has_one_stream(), self.info.layers.len()) {
            (true, 0) => Layer::COUNT,
            (true, announced) => announced.min(Layer::COUNT),
            (false, _) => self.rids.len().max(1),
        }
    }

    /// Whether all its layers are in one stream: encoded together, or not at all.
    pub(super) fn has_one_stream(&self) -> bool {
        self.rids.len() < 2 && self.info.codec.is_some_and(Codec::is_layered)
    }

    /// It is in another codec than before.
    pub(super) fn set_codec(&mut self, codec: Codec) {
        Arc::make_mut(&mut self.info).codec = Some(codec);
        self.fanout.set_codec(codec);
    }

    /// Says whether its publisher is silent on purpose.
    pub(super) fn set_muted(&mut self, muted: Muted) {
        Arc::make_mut(&mut self.info).muted = muted;
        self.fanout.set_muted(muted);
        if let Some(meter) = &mut self.meter {
            meter.reset();
        }
    }

    /// Whether it is an open microphone that tells how loud it is.
    pub(super) fn is_voice(&self) -> bool {
        self.levels == Levels::Told && self.info.muted == Muted::No
    }

    /// Listens whether somebody speaks.
    #[inline]
    pub(super) fn hear(&mut self, packet: &Packet<'_>) -> Heard {
        match &mut self.meter {
            Some(meter) if self.info.muted == Muted::No => meter.hear(packet),
            Some(_) | None => Heard::Silence,
        }
    }

    /// The codec as media shows it, where that is not what was negotiated. Told
    /// once: a publisher cannot make us renegotiate with everybody again and again.
    #[inline]
    pub(super) fn learn_codec(&mut self, packet: &Packet<'_>) -> Option<Codec> {
        if self.codec == CodecKnown::Seen || packet.payload.is_empty() {
            return None;
        }
        self.codec = CodecKnown::Seen;
        // Opus and RED alternate in one stream, and every m-line for sound takes both.
        let counts = self.info.kind == MediaKind::Video && packet.codec.kind() == MediaKind::Video;
        (counts && self.info.codec != Some(packet.codec)).then_some(packet.codec)
    }

    /// Notes that somebody receives it; returns whether anybody did before.
    pub(super) fn gain_audience(&mut self) -> Audience {
        std::mem::replace(&mut self.audience, Audience::Some)
    }
}
