//! Links of a room to others: somebody here appears there too, and somebody there
//! appears here, with whole layers in between. Their ends tell each other nothing but
//! who it is, what is wanted, and that it is over.

use std::sync::Arc;
use std::time::Instant;

use media::{Layer, MediaKind, ParticipantId, TrackId};

use super::Room;
use super::participants::ParticipantKey;
use super::tracks::Track;
use super::wish::layer_of;
use crate::fanout::Tap;
use crate::link::{LinkKey, LinkNews, Linked, LinkedTrack, Origin};
use crate::select::LayerSet;
use crate::{LeaveReason, Outlet, Output, ParticipantInfo, TrackInfo, TrackKey, VideoQuality};

/// The links that begin in a room.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Leaving>);

/// A link at the end where its participant is connected.
#[derive(Debug)]
struct Leaving {
    link: LinkKey,
    participant: ParticipantKey,
    /// The best quality wanted at the far end of each picture; all of it at first.
    wanted: Vec<(TrackKey, Option<VideoQuality>)>,
}

/// A track that came over a link, as it was told last.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    far: TrackKey,
    own: TrackKey,
    info: Arc<TrackInfo>,
}

impl Links {
    /// The best quality of a track that is wanted at the far end of any link.
    pub(super) fn wanted(&self, track: TrackKey) -> Option<VideoQuality> {
        let wanted = self.0.iter().flat_map(|leaving| &leaving.wanted);
        let wanted = wanted.filter(|(key, _)| *key == track);
        wanted.filter_map(|(_, quality)| *quality).max()
    }

    fn of(&self, participant: ParticipantKey) -> impl Iterator<Item = LinkKey> {
        let own = move |leaving: &&Leaving| leaving.participant == participant;
        self.0.iter().filter(own).map(|leaving| leaving.link)
    }

    fn find_mut(&mut self, link: LinkKey) -> Option<&mut Leaving> {
        self.0.iter_mut().find(|leaving| leaving.link == link)
    }
}

impl Room {
    /// From now on a participant appears at the far end of `link` too, as it is told now
    /// and by [`Output::Link`].
    pub fn extend(&mut self, participant: ParticipantId, link: LinkKey) -> Option<Linked> {
        let key = self.participants.local_key_of(participant)?;
        self.links.0.push(Leaving {
            link,
            participant: key,
            wanted: Vec::new(),
        });
        self.carry_all(key, link);
        self.linked(key)
    }

    /// A link is over at its far end. Who came over it as one of this room is gone.
    pub fn cut(&mut self, now: Instant, link: LinkKey) {
        self.links.0.retain(|leaving| leaving.link != link);
        self.spans.cut(link);
        self.rivals.cut(link);
        for key in self.participants.keys() {
            let home = self.participants.find(key).and_then(|found| found.home);
            if home == Some(link) {
                self.remove(now, key, LeaveReason::ConnectionTimeout);
            }
        }
        for track in self.tracks.iter_mut() {
            track.fanout.untap(link);
            track.demand.fell();
        }
        self.chore_soon();
    }

    /// The best quality of a picture that is wanted at the far end of a link.
    pub fn link_wants(&mut self, link: LinkKey, track_key: TrackKey, wanted: Option<VideoQuality>) {
        let Some(leaving) = self.links.find_mut(link) else {
            return;
        };
        let known = leaving.wanted.iter_mut().find(|(key, _)| *key == track_key);
        let Some((_, quality)) = known else {
            return;
        };
        *quality = wanted;
        if let Some(track) = self.tracks.find_mut(track_key) {
            let layers = layers(track, wanted);
            track.fanout.tap(Tap {
                link,
                track: track_key,
                layers,
            });
        }
        self.want(track_key, wanted);
    }

    /// A keyframe of one layer is needed at the far end of a link.
    pub fn link_asks(
        &mut self,
        now: Instant,
        track: TrackKey,
        layer: Layer,
        out: &mut impl Outlet,
    ) {
        if let Some(track) = self.tracks.find_mut(track) {
            let layers = [layer].into_iter().collect();
            track.fanout.asked(now, layers, out);
        }
    }

    /// Who came over a link is, and publishes, what is told here: the whole of it, which
    /// may be told twice.
    pub fn follow(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        link: LinkKey,
        linked: &Linked,
        out: &mut impl Outlet,
    ) {
        let Some(key) = self.participants.local_key_of(participant) else {
            return;
        };
        self.imitate(now, key, &linked.participant);
        let mut started = Vec::new();
        let before = self.arrived(key);
        let mut after = Vec::new();
        let mut changed = false;
        for track in linked.tracks.iter().filter(|it| it.backup.is_none()) {
            match before.iter().find(|arrived| arrived.far == track.key) {
                Some(arrived) => {
                    changed |= self.retell(now, arrived, track, out);
                    after.push(Arrived {
                        info: Arc::clone(&track.info),
                        ..*arrived
                    });
                }
                None => {
                    let own = self.start_linked(key, link, track);
                    started.push(own);
                    after.push(Arrived {
                        far: track.key,
                        own,
                        info: Arc::clone(&track.info),
                    });
                }
            }
        }
        let gone = |arrived: &&Arrived| !linked.tracks.iter().any(|it| it.key == arrived.far);
        let gone: Vec<_> = before.iter().filter(gone).map(|it| it.own).collect();
        for own in &gone {
            if let Some(found) = self.participants.find_mut(key) {
                found.publishing.stopped(*own);
            }
            self.drop_track(*own);
        }
        if let Some(found) = self.participants.find_mut(key) {
            found.arrived = after;
        }
        if changed || !started.is_empty() || !gone.is_empty() {
            self.tracks_changed(now, key);
        }
        for own in started {
            self.subscribe_everybody(own);
        }
    }

    /// What this room calls a track that came over a link as `far`.
    pub fn arrived_as(&self, participant: ParticipantId, far: TrackKey) -> Option<TrackKey> {
        let key = self.participants.key_of(participant)?;
        let arrived = self.participants.find(key)?.arrived.iter();
        let mut own = arrived.filter(|arrived| arrived.far == far);
        own.next().map(|arrived| arrived.own)
    }

    /// What the far end of its link calls a track that came over it.
    pub fn came_as(&self, participant: ParticipantId, track: TrackId) -> Option<TrackKey> {
        let key = self.participants.key_of(participant)?;
        let own = self.tracks.key_of(track)?;
        let mut arrived = self.participants.find(key)?.arrived.iter();
        let found = arrived.find(|arrived| arrived.own == own);
        found.map(|arrived| arrived.far)
    }

    /// Tells the far ends what somebody connected here has become.
    pub(super) fn tell_links(&mut self, key: ParticipantKey) {
        if !self.spans.is_empty()
            && let Some(linked) = self.linked(key)
        {
            self.tell_spans(&LinkNews::Changed(linked));
        }
        let links: Vec<_> = self.links.of(key).collect();
        for link in links {
            self.carry_all(key, link);
            if let Some(linked) = self.linked(key) {
                let news = LinkNews::Changed(linked);
                self.outputs.push(Output::Link { link, news });
            }
        }
    }

    /// Somebody goes, and its links with it.
    pub(super) fn end_links(
        &mut self,
        key: ParticipantKey,
        participant: ParticipantId,
        reason: LeaveReason,
    ) {
        let ended: Vec<_> = self.links.of(key).collect();
        self.links.0.retain(|leaving| leaving.participant != key);
        for link in ended {
            let news = LinkNews::Gone(participant, reason);
            self.outputs.push(Output::Link { link, news });
        }
        self.tell_spans(&LinkNews::Gone(participant, reason));
    }

    pub(super) fn linked(&self, key: ParticipantKey) -> Option<Linked> {
        let found = self.participants.find(key)?;
        let tracks = found.publishing.tracks().into_iter().filter_map(|key| {
            let track = self.tracks.find(key)?;
            Some(LinkedTrack {
                key,
                info: Arc::clone(&track.info),
                rids: track.rids().to_vec(),
                backup: track.backs.map(|_| track.id),
            })
        });
        let mut tracks: Vec<_> = tracks.collect();
        // Backups after what they back.
        tracks.sort_by_key(|track| track.backup.is_some());
        Some(Linked {
            participant: Arc::clone(&found.info),
            tracks,
            allowance: found.allowed.allowance(),
        })
    }

    /// Has all that somebody publishes carried over one of its links.
    fn carry_all(&mut self, key: ParticipantKey, link: LinkKey) {
        let Some(publisher) = self.participants.find(key) else {
            return;
        };
        // One codec is enough there.
        let shown = |track: &TrackKey| self.tracks.shown(*track) == *track;
        let tracks = publisher.publishing.tracks().into_iter().filter(shown);
        let tracks: Vec<_> = tracks.collect();
        let Some(leaving) = self.links.find_mut(link) else {
            return;
        };
        leaving.wanted.retain(|(track, _)| tracks.contains(track));
        let known = |track: &TrackKey| leaving.wanted.iter().any(|(key, _)| key == track);
        let new: Vec<_> = tracks.iter().copied().filter(|it| !known(it)).collect();
        let all = Some(VideoQuality::High);
        leaving.wanted.extend(new.iter().map(|track| (*track, all)));
        for track in new {
            self.link_wants(link, track, all);
        }
    }

    /// Shows somebody who came over a link as it is at the far end, but for what is this
    /// room's to say.
    fn imitate(&mut self, now: Instant, key: ParticipantKey, far: &ParticipantInfo) {
        let Some(found) = self.participants.find_mut(key) else {
            return;
        };
        let shown = |info: &ParticipantInfo| {
            (
                info.name.clone(),
                info.metadata.clone(),
                info.attributes.clone(),
                info.permission.clone(),
            )
        };
        if shown(&found.info) == shown(far) {
            return;
        }
        let before = found.info.permission.clone();
        found.change(|info| {
            info.name.clone_from(&far.name);
            info.metadata.clone_from(&far.metadata);
            info.attributes.clone_from(&far.attributes);
            info.permission.clone_from(&far.permission);
        });
        self.permission_changed(now, key, &before);
    }

    /// What came over a link and was not taken back here.
    fn arrived(&self, key: ParticipantKey) -> Vec<Arrived> {
        let Some(found) = self.participants.find(key) else {
            return Vec::new();
        };
        let tracks = found.publishing.tracks();
        let arrived = found.arrived.iter();
        let kept = arrived.filter(|arrived| tracks.contains(&arrived.own));
        kept.cloned().collect()
    }

    fn start_linked(
        &mut self,
        publisher: ParticipantKey,
        link: LinkKey,
        track: &LinkedTrack,
    ) -> TrackKey {
        let origin = Origin::Link {
            link,
            track: track.key,
        };
        let info = (*track.info).clone();
        let id = info.id;
        let rids = track.rids.clone();
        let key = self
            .tracks
            .insert(Track::new(info, publisher, rids, Some(origin)));
        if let Some(found) = self.participants.find_mut(publisher) {
            found.publishing.linked(key);
        }
        for other in self.participants.values_mut() {
            other.interests.appeared(id, key);
        }
        self.track_started(key);
        self.chore_soon();
        key
    }

    /// Takes over what changed of a track since it was told last; whether anything did.
    /// What this room's app muted meanwhile stays so until its publisher changes its mind,
    /// and what it is encoded with, packets tell.
    fn retell(
        &mut self,
        now: Instant,
        arrived: &Arrived,
        track: &LinkedTrack,
        out: &mut impl Outlet,
    ) -> bool {
        let Some(found) = self.tracks.find_mut(arrived.own) else {
            return false;
        };
        found.set_rids(track.rids.clone());
        if arrived.info == track.info {
            return false;
        }
        let (muted, codec) = (found.info.muted, found.info.codec);
        let info = Arc::make_mut(&mut found.info);
        *info = (*track.info).clone();
        (info.muted, info.codec) = (muted, codec);
        if arrived.info.muted != track.info.muted && muted != track.info.muted {
            found.set_muted(track.info.muted);
            found.demand.fell();
            self.chore_soon();
        }
        self.review_wishes(now, arrived.own, out);
        self.divide_anew(now, arrived.own, out);
        true
    }
}

/// The layers that make up what is wanted at a far end.
fn layers(track: &Track, wanted: Option<VideoQuality>) -> LayerSet {
    match (track.info.kind, wanted) {
        (MediaKind::Audio, _) => LayerSet::up_to(Layer::HIGH),
        (MediaKind::Video, None) => LayerSet::default(),
        (MediaKind::Video, Some(quality)) => {
            LayerSet::up_to(layer_of(&track.info, track.layers(), quality))
        }
    }
}
