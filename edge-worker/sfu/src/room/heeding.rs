//! What other instances of the room say: who is connected there is shown and heard here
//! like anybody, but decided on only there.

use std::sync::Arc;
use std::time::Instant;

use media::{DataTrackId, ParticipantId, TrackId};

use super::Room;
use super::allowance::Allowed;
use super::ending::Ending;
use super::message::Message;
use super::nonces::Nonce;
use super::participants::{Participant, ParticipantKey};
use super::updates::{Listeners, Urgency};
use crate::{
    ConnectionQuality, DataFrame, DataTrackInfo, LeaveReason, LinkKey, LinkNews, Linked, Outlet,
    ParticipantInfo, State, TrackInfo, Visibility,
};

impl Room {
    /// Another instance of the room says something over a link. What it says of people,
    /// tracks and the room may be said twice; what is said of somebody unknown is ignored.
    pub fn heed(&mut self, now: Instant, link: LinkKey, news: LinkNews, out: &mut impl Outlet) {
        if self.life.is_closed() {
            return;
        }
        match news {
            LinkNews::Changed(linked) => self.show_far(now, link, linked, out),
            LinkNews::Gone(participant, reason) => {
                self.rivals.forget(participant);
                if self.home(participant) == Some(link) {
                    self.life.left_elsewhere(participant);
                    self.leave(now, participant, reason);
                }
            }
            LinkNews::Supply(supply) => self.supplied(now, &supply, out),
            LinkNews::Quality(told) => self.assessed_far(now, told),
            LinkNews::Demand { track, quality } => self.demanded_far(now, track, quality),
            LinkNews::Received(track) => self.received_far(track),
            LinkNews::Undecodable(track) => self.undecodable_far(now, track),
            LinkNews::Data {
                from,
                message,
                nonce,
            } => self.hear_far(now, from, message, nonce),
            LinkNews::Frame { from, frame } => self.hear_frame(now, from, &frame),
            LinkNews::Room(setup) => self.set_up(&setup),
            LinkNews::Kept => self.life.kept_elsewhere(),
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

    fn show_far(&mut self, now: Instant, link: LinkKey, linked: Linked, out: &mut impl Outlet) {
        let told = &linked.participant;
        if matches!(told.state, State::Disconnected(_)) {
            return;
        }
        let known = self.participants.key_of(told.id);
        let known = known.and_then(|key| Some((key, self.participants.find(key)?.home)));
        match known {
            None => self.take_in_far(now, link, linked),
            Some((key, Some(_))) => self.change_far(now, key, link, &linked, out),
            // Nobody else speaks for one of ours.
            Some((_, None)) => {}
        }
    }

    /// Somebody came elsewhere.
    pub(super) fn take_in_far(&mut self, now: Instant, link: LinkKey, linked: Linked) {
        let told = &linked.participant;
        let mut urgency = Urgency::Soon;
        if let Some(other) = self.participants.key_of_identity(&told.identity) {
            let stays = self.participants.find(other).is_some_and(|other| {
                (other.info.joined_at_ms, other.info.id) > (told.joined_at_ms, told.id)
            });
            if stays {
                // It will go where it is, when that is told there.
                return self.rivals.note(link, linked);
            }
            self.note_rival(other);
            self.replace(now, other, &told.permission);
            urgency = Urgency::Now;
        }
        self.rivals.forget(told.id);
        let allowed = Allowed::new(Arc::clone(&linked.allowance));
        let found = Participant::far(now, link, as_told(&linked), allowed);
        let (info, hidden) = (Arc::clone(&found.info), found.is_hidden());
        let key = self.participants.insert(found);
        let tracks = linked.tracks.iter();
        let started: Vec<_> = tracks
            .filter_map(|it| self.start_far(key, link, it))
            .collect();
        for track in &info.data_tracks {
            self.data_tracks.insert(key, Arc::clone(track));
        }
        if !hidden {
            self.announce_info(now, key, Arc::clone(&info), urgency, Listeners::All);
        }
        self.review_life(now, None);
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

    fn assessed_far(&mut self, now: Instant, told: ConnectionQuality) {
        let key = self.far_key(told.participant);
        if let Some(found) = key.and_then(|key| self.participants.find_mut(key)) {
            found.connection.told_elsewhere(told);
            self.assess_soon(now);
        }
    }

    fn received_far(&mut self, id: TrackId) {
        let key = self.tracks.key_of(id);
        let own = key.filter(|key| self.tracks.find(*key).is_some_and(|it| !it.is_far()));
        if let Some(key) = own {
            self.received(key);
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

    /// Somebody who is connected elsewhere.
    fn far_key(&self, participant: ParticipantId) -> Option<ParticipantKey> {
        let key = self.participants.key_of(participant)?;
        self.participants.find(key)?.home.and(Some(key))
    }
}

/// Somebody elsewhere as it is shown here.
fn as_told(linked: &Linked) -> ParticipantInfo {
    let mut tracks: Vec<Arc<TrackInfo>> = Vec::new();
    for told in linked.tracks.iter().filter(|it| it.backup.is_none()) {
        if tracks.iter().all(|track| track.id != told.info.id) {
            tracks.push(Arc::clone(&told.info));
        }
    }
    ParticipantInfo {
        tracks,
        ..(*linked.participant).clone()
    }
}
