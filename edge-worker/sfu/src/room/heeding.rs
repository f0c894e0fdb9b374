//! What other instances of the room say: who is connected there is shown and heard here
//! like anybody, but decided on only there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{DataTrackId, Layer, MediaKind, Packet, ParticipantId, Rtcp, TrackId};

use super::Room;
use super::allowance::Allowed;
use super::demands::quality;
use super::joining::Ending;
use super::message::Message;
use super::nonces::Nonce;
use super::participants::{Participant, ParticipantKey};
use super::spanning::whole;
use super::subscriptions::SubscriptionState;
use super::tracks::Track;
use super::updates::{Listeners, Urgency};
use crate::fanout::Wish;
use crate::select::LayerSet;
use crate::speakers::Heard;
use crate::{
    Carried, ConnectionQuality, DataFrame, DataTrackInfo, LeaveReason, LinkKey, LinkNews, Linked,
    LinkedTrack, Muted, Outlet, Output, ParticipantInfo, RoomInfo, State, Streaming, Supply,
    TrackKey, VideoQuality, Visibility,
};

/// How often it is said again that a track is wanted better than it can be carried on.
const DEMAND_AGAIN: Duration = Duration::from_secs(5);

/// Who did not say it again twice does not want it any more, or is gone.
const DEMAND_HOLDS: Duration = Duration::from_secs(12);

impl Room {
    /// Another instance of the room says something over a link. Said twice, it does no
    /// harm; what is said of somebody unknown is ignored.
    pub fn heed(&mut self, now: Instant, link: LinkKey, news: LinkNews, out: &mut impl Outlet) {
        if self.life.is_closed() {
            return;
        }
        match news {
            LinkNews::Changed(linked) => self.show_far(now, link, linked, out),
            LinkNews::Gone(participant, reason) => {
                if self.home(participant) == Some(link) {
                    self.leave(now, participant, reason);
                }
            }
            LinkNews::Supply(supply) => self.supplied(now, &supply, out),
            LinkNews::Quality(told) => self.assessed_far(now, told),
            LinkNews::Demand { track, quality } => self.demanded_far(now, track, quality),
            LinkNews::Data {
                from,
                message,
                nonce,
            } => self.hear_far(now, from, message, nonce),
            LinkNews::Frame { from, frame } => self.hear_frame(now, from, &frame),
            LinkNews::Room(info) => self.set_up(&info),
            LinkNews::Closed(reason) => self.end(now, reason, Ending::Told),
        }
    }

    /// Whether somebody is connected elsewhere, and over which link that is.
    pub fn home(&self, participant: ParticipantId) -> Option<LinkKey> {
        let key = self.participants.key_of(participant)?;
        self.participants.find(key)?.home
    }

    /// All who are connected elsewhere, hidden ones too.
    pub fn far_participants(&self) -> impl Iterator<Item = &Arc<ParticipantInfo>> {
        let far = |(_, found): &(ParticipantKey, &Participant)| found.home.is_some();
        self.participants.iter().filter(far).map(|(_, it)| &it.info)
    }

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

    fn show_far(&mut self, now: Instant, link: LinkKey, linked: Linked, out: &mut impl Outlet) {
        let told = &linked.participant;
        if matches!(told.state, State::Disconnected(_)) {
            return;
        }
        match self.participants.key_of(told.id) {
            Some(key) => match self.participants.find(key).map(|found| found.home) {
                Some(Some(_)) => self.change_far(now, key, link, &linked, out),
                // Somebody else speaks for one of ours.
                Some(None) | None => {}
            },
            None => self.take_in_far(now, link, &linked),
        }
    }

    /// Somebody came elsewhere.
    fn take_in_far(&mut self, now: Instant, link: LinkKey, linked: &Linked) {
        let told = &linked.participant;
        let mut urgency = Urgency::Soon;
        if let Some(other) = self.participants.key_of_identity(&told.identity) {
            let stays = self.participants.find(other).is_some_and(|other| {
                (other.info.joined_at_ms, other.info.id) > (told.joined_at_ms, told.id)
            });
            if stays {
                // It will go there too, when that is told where it is.
                return;
            }
            self.remove(now, other, LeaveReason::DuplicateIdentity);
            urgency = Urgency::Now;
        }
        let allowed = Allowed::new(Arc::clone(&linked.allowance));
        let found = Participant::far(now, link, as_told(linked), allowed);
        let (info, hidden) = (Arc::clone(&found.info), found.is_hidden());
        let key = self.participants.insert(found);
        let tracks = linked.tracks.iter();
        let started: Vec<_> = tracks.filter_map(|it| self.start_far(key, link, it)).collect();
        for track in &info.data_tracks {
            self.data_tracks.insert(key, Arc::clone(track));
        }
        if !hidden {
            self.announce_info(now, key, Arc::clone(&info), urgency, Listeners::All);
        }
        self.review_life(now);
        self.count(now);
        for track in started {
            self.subscribe_everybody(track);
        }
        for track in &info.data_tracks {
            self.subscribe_everybody_to_data(key, track.id);
        }
    }

    /// Somebody elsewhere is, and publishes, what is told here.
    fn change_far(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        link: LinkKey,
        linked: &Linked,
        out: &mut impl Outlet,
    ) {
        let Some(found) = self.participants.find_mut(key) else {
            return;
        };
        let before = Arc::clone(&found.info);
        if linked.participant.version < before.version {
            return;
        }
        let moved = found.home.replace(link) != Some(link);
        let info = ParticipantInfo {
            identity: before.identity.clone(),
            ..as_told(linked)
        };
        let changed = info != *before;
        found.info = Arc::new(info);
        let after = Arc::clone(&found.info);
        let allowance = found.allowed.allowance();
        if moved {
            self.lead_over(key, link);
        }
        let started = self.follow_far(now, key, link, linked, out);
        let new_data = self.follow_far_data(key, &before.data_tracks, &after.data_tracks);
        if changed {
            self.announce_far(now, key, &before);
            self.count(now);
        }
        if allowance != linked.allowance {
            self.set_allowance(key, Arc::clone(&linked.allowance));
        }
        for track in started {
            self.subscribe_everybody(track);
        }
        for track in new_data {
            self.subscribe_everybody_to_data(key, track);
        }
    }

    /// What somebody elsewhere publishes comes over another link from now on.
    fn lead_over(&mut self, key: ParticipantKey, link: LinkKey) {
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
    fn follow_far(
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
            let id = self.tracks.find(*own).map(|track| track.info.id);
            linked.tracks.iter().any(|told| Some(told.info.id) == id)
        };
        let (kept, gone): (Vec<_>, Vec<_>) = found.publishing.tracks().into_iter().partition(is_told);
        for own in gone {
            if let Some(found) = self.participants.find_mut(key) {
                found.publishing.stopped(own);
            }
            self.drop_track(own);
        }
        let mut wanted = Vec::new();
        for told in &linked.tracks {
            match self.tracks.key_of(told.info.id) {
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

    fn start_far(
        &mut self,
        publisher: ParticipantKey,
        link: LinkKey,
        told: &LinkedTrack,
    ) -> Option<TrackKey> {
        let id = told.info.id;
        if self.tracks.key_of(id).is_some() {
            return None;
        }
        let info = (*told.info).clone();
        let track = Track::new(info, publisher, told.rids.clone(), None);
        let own = self.tracks.insert(track);
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
        let Some(track) = self.tracks.find_mut(own) else {
            return false;
        };
        track.set_rids(told.rids.clone());
        if track.info == told.info {
            return false;
        }
        let before = std::mem::replace(&mut track.info, Arc::clone(&told.info));
        if before.muted != told.info.muted {
            track.set_muted(told.info.muted);
        }
        let other_codec = before.codec != told.info.codec;
        if other_codec {
            for subscription in std::mem::take(&mut track.subscriptions) {
                self.close_subscription(subscription);
            }
        } else {
            self.review_wishes(now, own, out);
            self.divide_anew(now, own, out);
        }
        other_codec
    }

    /// Begins and ends data tracks as told; answers the new ones.
    fn follow_far_data(
        &mut self,
        key: ParticipantKey,
        before: &[Arc<DataTrackInfo>],
        after: &[Arc<DataTrackInfo>],
    ) -> Vec<DataTrackId> {
        for track in before.iter().filter(|it| !after.contains(it)) {
            self.data_tracks.remove(key, track.handle);
        }
        let new: Vec<_> = after.iter().filter(|it| !before.contains(it)).collect();
        for track in &new {
            self.data_tracks.insert(key, Arc::clone(track));
        }
        new.into_iter().map(|track| track.id).collect()
    }

    fn announce_far(&mut self, now: Instant, key: ParticipantKey, before: &ParticipantInfo) {
        let Some(found) = self.participants.find(key) else {
            return;
        };
        let info = Arc::clone(&found.info);
        match (before.permission.visibility, info.permission.visibility) {
            (_, Visibility::Visible) => {
                let rights = before.permission != info.permission;
                let tracks = before.tracks != info.tracks || before.data_tracks != info.data_tracks;
                let urgency = if rights || tracks {
                    Urgency::Now
                } else {
                    Urgency::Soon
                };
                self.announce_info(now, key, info, urgency, Listeners::All);
            }
            // To everybody here, somebody who hides has left.
            (Visibility::Visible, Visibility::Hidden) => {
                let gone = ParticipantInfo {
                    state: State::Disconnected(LeaveReason::ClientInitiated),
                    ..(*info).clone()
                };
                self.updates.forget(key);
                self.tell(Listeners::All, &[Arc::new(gone)]);
            }
            (Visibility::Hidden, Visibility::Hidden) => {}
        }
    }

    fn supplied(&mut self, now: Instant, supply: &Supply, out: &mut impl Outlet) {
        let key = self.tracks.key_of(supply.track);
        if let Some(track) = key.and_then(|key| self.tracks.find_mut(key)) {
            track.fanout.supplied(now, supply, out);
        }
    }

    fn assessed_far(&mut self, now: Instant, told: ConnectionQuality) {
        let key = self.far_key(told.participant);
        if let Some(found) = key.and_then(|key| self.participants.find_mut(key)) {
            found.connection.told_elsewhere(told);
            self.assess_soon(now);
        }
    }

    /// Somebody elsewhere would show a track of ours in this quality, if its link carried it.
    fn demanded_far(&mut self, now: Instant, id: TrackId, quality: VideoQuality) {
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

    fn hear_far(
        &mut self,
        now: Instant,
        from: Option<ParticipantId>,
        message: Message,
        nonce: Option<Nonce>,
    ) {
        if nonce.is_some_and(|nonce| !self.nonces.is_new(nonce)) {
            return;
        }
        let sender = match from {
            Some(from) => match self.far_key(from) {
                Some(key) => Some(key),
                None => return,
            },
            None => None,
        };
        if sender.is_some_and(|key| !self.is_news(now, key, &message)) {
            self.drops.repeated += 1;
            return;
        }
        self.give(sender, &message);
    }

    fn hear_frame(&mut self, now: Instant, from: ParticipantId, frame: &DataFrame) {
        if let Some(key) = self.far_key(from) {
            self.give_frame(now, key, frame);
        }
    }

    fn set_up(&mut self, told: &RoomInfo) {
        let before = Arc::clone(&self.info);
        let info = Arc::make_mut(&mut self.info);
        info.metadata.clone_from(&told.metadata);
        info.empty_timeout_s = told.empty_timeout_s;
        info.departure_timeout_s = told.departure_timeout_s;
        info.max_participants = told.max_participants;
        self.spans.has_authority();
        self.retime(&before);
        if before.metadata != self.info.metadata {
            self.tell_room();
        }
    }

    /// Somebody who is connected elsewhere.
    fn far_key(&self, participant: ParticipantId) -> Option<ParticipantKey> {
        let key = self.participants.key_of(participant)?;
        self.participants.find(key)?.home.and(Some(key))
    }

    /// A track that comes over a link is not wanted any more.
    pub(super) fn unwant(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.find_mut(key) else {
            return;
        };
        let (id, wanted) = (track.info.id, track.fanout.wanted());
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
                let track = track.info.id;
                self.outputs.push(Output::LinkWants { link, track, layers });
            }
            let told = track.shortfall.map(|(quality, _)| quality);
            if self.shortfall(key) > told {
                self.shortfalls_at = Some(self.opened_at);
                self.chore_soon();
            }
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
            let holds = |(told, at): (VideoQuality, Instant)| told >= quality && at + DEMAND_AGAIN > now;
            let at = match told.filter(|told| holds(*told)) {
                Some((_, at)) => at,
                None => {
                    track.shortfall = Some((quality, now));
                    let track_id = track.info.id;
                    if let Some(link) = track.home {
                        let news = LinkNews::Demand { track: track_id, quality };
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

/// Somebody elsewhere as it is shown here.
fn as_told(linked: &Linked) -> ParticipantInfo {
    ParticipantInfo {
        tracks: linked.tracks.iter().map(|it| Arc::clone(&it.info)).collect(),
        ..(*linked.participant).clone()
    }
}
