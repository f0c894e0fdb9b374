//! Tracks that are published elsewhere in the room: begun, changed and ended as is told
//! there, carried over links layer by layer, as far as anybody here wants them.

use std::sync::Arc;
use std::time::Instant;

use media::{Layer, Packet, Rid, Rtcp, TrackId};

use super::Room;
use super::participants::ParticipantKey;
use super::tracks::Track;
use crate::select::LayerSet;
use crate::speakers::Heard;
use crate::{Carried, LinkKey, Linked, LinkedTrack, Outlet, Output, Streaming, Supply, TrackKey};

impl Room {
    /// Media of a layer came over a link from where a track is published. Answers like
    /// [`handle_packet`](Self::handle_packet).
    pub fn handle_carried(
        &mut self,
        now: Instant,
        track_key: TrackKey,
        layer: Layer,
        media: Carried<'_>,
        out: &mut impl Outlet,
    ) -> Option<Instant> {
        match media {
            Carried::Packet(packet) => self.handle_layer(now, track_key, layer, packet, out),
            Carried::Report(report) => {
                let track = self.tracks.at_packet(track_key)?;
                let report = Rtcp::SenderReport(*report);
                track.fanout.handle_report(now, &report, out);
                track.fanout.deadline()
            }
        }
    }

    /// The link that a track comes over stops carrying a layer of it, or goes on.
    pub fn layer_paused(
        &mut self,
        now: Instant,
        track: TrackId,
        layer: Layer,
        streaming: Streaming,
        out: &mut impl Outlet,
    ) {
        let key = self.tracks.key_of(track);
        if let Some(track) = key.and_then(|key| self.tracks.find_mut(key)) {
            track.fanout.carried(now, layer, streaming, out);
        }
    }

    fn handle_layer(
        &mut self,
        now: Instant,
        key: TrackKey,
        layer: Layer,
        packet: &Packet<'_>,
        out: &mut impl Outlet,
    ) -> Option<Instant> {
        if layer > Layer::HIGH {
            return None;
        }
        let track = self.tracks.at_packet(key).filter(|it| it.is_far())?;
        let heard = track.hear(packet);
        track.fanout.take_in_layer(now, layer, packet, out);
        let deadline = track.fanout.deadline();
        if track.fanout.is_unsettled() {
            self.tracks.touch(key);
        }
        let listen_at = match heard {
            Heard::Sound => self.speaking.heard(now),
            Heard::Silence => None,
        };
        deadline.into_iter().chain(listen_at).min()
    }

    /// What somebody elsewhere publishes comes over another link from now on.
    pub(super) fn lead_over(&mut self, key: ParticipantKey, link: LinkKey) {
        let Some(found) = self.participants.find(key) else {
            return;
        };
        for own in found.publishing.tracks() {
            self.unwant(own);
            if let Some(track) = self.tracks.find_mut(own) {
                track.come_over(link, own);
            }
        }
    }

    /// Begins, changes and ends tracks as told; answers those that anybody may want anew.
    pub(super) fn follow_far(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        link: LinkKey,
        linked: &Linked,
        out: &mut impl Outlet,
    ) -> Vec<TrackKey> {
        let Some(found) = self.participants.find(key) else {
            return Vec::new();
        };
        let is_told = |own: &TrackKey| {
            let id = self.tracks.find(*own).map(|track| track.id);
            linked.tracks.iter().any(|told| Some(told.id()) == id)
        };
        let (kept, gone): (Vec<_>, Vec<_>) =
            found.publishing.tracks().into_iter().partition(is_told);
        for own in gone {
            if let Some(found) = self.participants.find_mut(key) {
                found.publishing.stopped(own);
            }
            self.drop_track(own);
        }
        let mut wanted = Vec::new();
        for told in &linked.tracks {
            match self.tracks.key_of(told.id()) {
                Some(own) if kept.contains(&own) => {
                    if self.retell_far(now, own, told, out) {
                        wanted.push(own);
                    }
                }
                Some(_) | None => wanted.extend(self.start_far(key, link, told)),
            }
        }
        wanted
    }

    pub(super) fn start_far(
        &mut self,
        publisher: ParticipantKey,
        link: LinkKey,
        told: &LinkedTrack,
    ) -> Option<TrackKey> {
        let id = told.id();
        if self.tracks.key_of(id).is_some() {
            return None;
        }
        let info = (*told.info).clone();
        let mut track = Track::new(info, publisher, rids(told), None);
        if told.backup.is_some() {
            let lead = self.tracks.key_of(told.info.id)?;
            let backed = self.tracks.find(lead)?;
            if backed.publisher != publisher || backed.backs.is_some() {
                return None;
            }
            track = track.backing(lead, id);
        }
        let own = self.tracks.insert(track);
        self.backup_began(own);
        if let Some(track) = self.tracks.find_mut(own) {
            track.come_over(link, own);
        }
        if let Some(found) = self.participants.find_mut(publisher) {
            found.publishing.linked(own);
        }
        for other in self.participants.values_mut() {
            other.interests.appeared(id, own);
        }
        Some(own)
    }

    /// Takes over what changed of a track. Whether it has another codec.
    fn retell_far(
        &mut self,
        now: Instant,
        own: TrackKey,
        told: &LinkedTrack,
        out: &mut impl Outlet,
    ) -> bool {
        self.chore_soon();
        let Some(track) = self.tracks.find_mut(own) else {
            return false;
        };
        track.set_rids(rids(told));
        if track.info == told.info {
            return false;
        }
        let before = std::mem::replace(&mut track.info, Arc::clone(&told.info));
        if before.muted != told.info.muted {
            track.set_muted(told.info.muted);
        }
        let other_codec = before.codec != told.info.codec;
        if other_codec {
            if let Some(codec) = told.info.codec {
                track.fanout.set_codec(codec);
            }
            for subscription in std::mem::take(&mut track.subscriptions) {
                self.close_subscription(subscription);
            }
        } else {
            self.review_wishes(now, own, out);
            self.divide_anew(now, own, out);
        }
        other_codec
    }

    /// What a publisher elsewhere sends has changed.
    pub(super) fn supplied(&mut self, now: Instant, supply: &Supply, out: &mut impl Outlet) {
        let key = self.tracks.key_of(supply.track);
        match key.and_then(|key| self.tracks.find_mut(key)) {
            Some(track) => track.fanout.supplied(now, supply, out),
            None => self.rivals.supplied(supply),
        }
        if let Some(key) = key {
            self.backup_flows(key);
        }
    }

    /// A track that comes over a link is not wanted any more.
    pub(super) fn unwant(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.find_mut(key) else {
            return;
        };
        let (id, wanted) = (track.id, track.fanout.wanted());
        if let (Some(link), false) = (track.home, wanted.is_empty()) {
            self.outputs.push(Output::LinkWants {
                link,
                track: id,
                layers: LayerSet::default(),
            });
        }
    }

    /// Says what is wanted of tracks that come over links, where that changed.
    pub(super) fn settle_wants(&mut self) {
        while let Some(key) = self.tracks.pop_touched() {
            let Some(track) = self.tracks.at_packet(key) else {
                continue;
            };
            let news = track.fanout.settle_wants();
            if let (Some(layers), Some(link)) = (news, track.home) {
                let track = track.id;
                self.outputs.push(Output::LinkWants {
                    link,
                    track,
                    layers,
                });
            }
        }
    }
}

/// The encodings of a track, as many as there can be.
fn rids(told: &LinkedTrack) -> Vec<Rid> {
    told.rids.iter().copied().take(Layer::COUNT).collect()
}
