//! Data tracks of a room: who publishes which, and who receives it under which number.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use media::{DataTrackId, ParticipantId};
use rustc_hash::FxHashMap;

use super::Room;
use super::data_pace::{Fate, Pace};
use super::participants::{Participant, ParticipantKey};
use super::updates::Urgency;
use crate::{
    DataFrame, DataHandle, DataPublication, DataTrackInfo, DataWish, Notice, Output, Refusal,
    RefusedWish, Wanted,
};

/// All data tracks of a room.
#[derive(Debug, Default)]
pub(super) struct DataTracks {
    published: FxHashMap<(ParticipantKey, u16), Published>,
    by_id: FxHashMap<DataTrackId, (ParticipantKey, u16)>,
    subscribers: FxHashMap<ParticipantKey, Subscriber>,
    /// Tracks so far: part of their ids.
    count: u32,
}

#[derive(Debug)]
struct Published {
    info: Arc<DataTrackInfo>,
    receivers: Vec<Receiver>,
}

#[derive(Debug)]
struct Receiver {
    key: ParticipantKey,
    id: ParticipantId,
    handle: u16,
    /// Where it does not want all frames.
    pace: Option<Pace>,
}

/// What somebody receives, by its numbers.
#[derive(Debug, Default)]
struct Subscriber {
    tracks: BTreeMap<u16, DataTrackId>,
    last: u16,
}

/// Each is told to everybody, so a publisher may have as many as sensors of a machine.
const MOST_TRACKS: usize = 128;

/// As long as other names.
const LONGEST_NAME: usize = 256;

/// Longer descriptions of frames would be files.
const LONGEST_FORMAT: usize = 1024;

impl Room {
    /// Somebody announces a data track.
    pub(super) fn publish_data(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        publication: DataPublication,
    ) {
        let Some(publisher) = self.participants.find(key) else {
            return;
        };
        let id = publisher.info.id;
        let handle = match self.check_data(key, &publication) {
            Ok(handle) => handle,
            Err(refusal) => {
                let DataPublication { handle, name, .. } = publication;
                let wish = RefusedWish::PublishData { handle, name };
                self.outputs.tell(id, Notice::Refused { wish, refusal });
                return;
            }
        };
        let info = Arc::new(DataTrackInfo {
            id: self.data_tracks.next_id(id),
            handle,
            name: publication.name,
            encryption: publication.encryption,
            format: publication.format,
        });
        self.data_tracks.insert(key, Arc::clone(&info));
        let track = info.id;
        self.outputs.tell(id, Notice::DataPublished(info));
        self.describe_data(now, key);
        self.subscribe_everybody_to_data(key, track);
    }

    fn check_data(
        &self,
        key: ParticipantKey,
        publication: &DataPublication,
    ) -> Result<u16, Refusal> {
        let publisher = self.participants.find(key).ok_or(Refusal::NotFound)?;
        if !publisher.info.permission.can_publish_data {
            return Err(Refusal::NotAllowed);
        }
        let handle = u16::try_from(publication.handle).map_err(|_| Refusal::InvalidHandle)?;
        if handle == 0 {
            return Err(Refusal::InvalidHandle);
        }
        let name = &publication.name;
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(Refusal::InvalidName);
        }
        if publication.format.len() > LONGEST_FORMAT {
            return Err(Refusal::LimitExceeded);
        }
        let own = &publisher.info.data_tracks;
        if own.iter().any(|track| track.handle == handle) {
            return Err(Refusal::DuplicateHandle);
        }
        if own.iter().any(|track| track.name == *name) {
            return Err(Refusal::DuplicateName);
        }
        if own.len() >= MOST_TRACKS {
            return Err(Refusal::LimitExceeded);
        }
        Ok(handle)
    }

    /// Somebody ends its data track.
    pub(super) fn unpublish_data(&mut self, now: Instant, key: ParticipantKey, handle: u32) {
        let Some(publisher) = self.participants.find(key) else {
            return;
        };
        let id = publisher.info.id;
        let gone = u16::try_from(handle).ok();
        let gone = gone.and_then(|handle| self.data_tracks.remove(key, handle));
        let Some(info) = gone else {
            let wish = RefusedWish::UnpublishData { handle };
            let refusal = Refusal::NotFound;
            self.outputs.tell(id, Notice::Refused { wish, refusal });
            return;
        };
        self.outputs.tell(id, Notice::DataUnpublished(info));
        self.describe_data(now, key);
    }

    /// Somebody wants data tracks of others, or no longer. What it names and is not
    /// there has gone in the meantime.
    pub(super) fn subscribe_data(&mut self, key: ParticipantKey, wishes: Vec<DataWish>) {
        let Some(subscriber) = self.participants.find(key) else {
            return;
        };
        let id = subscriber.info.id;
        let may = subscriber.info.permission.can_subscribe;
        let mut wanted = false;
        for DataWish {
            track,
            wanted: wish,
            fps,
        } in wishes
        {
            match wish {
                Wanted::Yes if may => {
                    wanted |= self.data_tracks.subscribe(track, key, id);
                    self.data_tracks.pace(track, key, fps);
                }
                Wanted::Yes => {}
                Wanted::No => self.data_tracks.unsubscribe(track, key),
            }
        }
        if wanted {
            self.tell_data_handles(key);
        }
    }

    /// Gives a new data track to all who want every one.
    pub(super) fn subscribe_everybody_to_data(
        &mut self,
        publisher: ParticipantKey,
        track: DataTrackId,
    ) {
        let wants = |(key, participant): &(ParticipantKey, &Participant)| {
            *key != publisher
                && participant.auto_subscribe_data == Wanted::Yes
                && participant.info.permission.can_subscribe
        };
        let receivers = self.participants.local().filter(wants);
        let receivers: Vec<_> = receivers.map(|(key, found)| (key, found.info.id)).collect();
        for (key, id) in receivers {
            if self.data_tracks.subscribe(track, key, id) {
                self.tell_data_handles(key);
            }
        }
    }

    /// Gives somebody who wants every data track those that are there.
    pub(super) fn subscribe_to_all_data(&mut self, key: ParticipantKey) {
        let Some(subscriber) = self.participants.find(key) else {
            return;
        };
        let wanted = subscriber.auto_subscribe_data == Wanted::Yes;
        if !wanted || !subscriber.info.permission.can_subscribe {
            return;
        }
        let id = subscriber.info.id;
        for track in self.data_tracks.of_others(key) {
            self.data_tracks.subscribe(track, key, id);
        }
        self.tell_data_handles(key);
    }

    /// Somebody who came back believes that it publishes these: what is not so, it is
    /// told to have ended.
    pub(super) fn correct_data(&mut self, key: ParticipantKey, believed: Vec<Arc<DataTrackInfo>>) {
        let Some(publisher) = self.participants.find(key) else {
            return;
        };
        let id = publisher.info.id;
        for track in believed {
            let known = self.data_tracks.by_id.get(&track.id);
            if known.is_none_or(|(of, _)| *of != key) {
                self.outputs.tell(id, Notice::DataUnpublished(track));
            }
        }
    }

    /// Tells somebody under which numbers it receives data tracks, if any.
    pub(super) fn tell_data_handles(&mut self, key: ParticipantKey) {
        let handles = self.data_handles(key);
        if let Some(subscriber) = self.participants.find(key)
            && !handles.is_empty()
        {
            let id = subscriber.info.id;
            self.outputs.tell(id, Notice::DataHandles(handles));
        }
    }

    /// All numbers under which somebody receives data tracks.
    fn data_handles(&self, key: ParticipantKey) -> Vec<DataHandle> {
        let Some(subscriber) = self.data_tracks.subscribers.get(&key) else {
            return Vec::new();
        };
        let handle = |(&handle, &track): (&u16, &DataTrackId)| {
            let (publisher, _) = self.data_tracks.by_id.get(&track)?;
            let publisher = &self.participants.find(*publisher)?.info;
            Some(DataHandle {
                handle,
                publisher: publisher.id,
                identity: publisher.identity.clone(),
                track,
            })
        };
        subscriber.tracks.iter().filter_map(handle).collect()
    }

    /// A packet of a data track arrived, under its publisher's number.
    pub fn handle_frame(&mut self, now: Instant, from: ParticipantId, frame: &DataFrame) {
        let Some(key) = self.participants.local_key_of(from) else {
            self.drops.unpublished += 1;
            return;
        };
        if self
            .data_tracks
            .published
            .contains_key(&(key, frame.handle))
        {
            self.send_frame_elsewhere(key, frame);
        }
        self.give_frame(now, key, frame);
    }

    /// Gives a packet of a data track to those connected here who receive it.
    pub(super) fn give_frame(&mut self, now: Instant, from: ParticipantKey, frame: &DataFrame) {
        let found = self.data_tracks.published.get_mut(&(from, frame.handle));
        let Some(track) = found else {
            self.drops.unpublished += 1;
            return;
        };
        if !self.outputs.has_room_for(track.receivers.len()) {
            self.drops.queue_full += 1;
            return;
        }
        for receiver in &mut track.receivers {
            if let Some(pace) = &mut receiver.pace
                && pace.judge(now, frame.number) == Fate::LeftOut
            {
                continue;
            }
            self.outputs.push(Output::Frame {
                to: receiver.id,
                handle: receiver.handle,
                frame: frame.bytes.clone(),
            });
        }
    }

    /// Takes back what a participant may no longer publish or receive.
    pub(super) fn review_data_rights(&mut self, key: ParticipantKey) {
        let Some(participant) = self.participants.find(key) else {
            return;
        };
        let info = Arc::clone(&participant.info);
        if !info.permission.can_subscribe {
            self.data_tracks.forget_subscriber(key);
        }
        if info.permission.can_publish_data || info.data_tracks.is_empty() {
            return;
        }
        for track in self.data_tracks.forget_publisher(key) {
            self.outputs.tell(info.id, Notice::DataUnpublished(track));
        }
        if let Some(participant) = self.participants.find_mut(key) {
            participant.change(|info| info.data_tracks.clear());
        }
    }

    /// Somebody has gone, and with it what it published and received.
    pub(super) fn drop_data(&mut self, key: ParticipantKey) {
        self.data_tracks.forget_subscriber(key);
        self.data_tracks.forget_publisher(key);
    }

    fn describe_data(&mut self, now: Instant, key: ParticipantKey) {
        let tracks = self.data_tracks.of(key);
        if let Some(publisher) = self.participants.find_mut(key) {
            publisher.change(|info| info.data_tracks = tracks);
        }
        self.announce(now, key, Urgency::Now);
    }
}

impl DataTracks {
    /// An id never given before: made of the publisher's, which is random, and of a
    /// number that only rises.
    fn next_id(&mut self, publisher: ParticipantId) -> DataTrackId {
        self.count = self.count.wrapping_add(1);
        let random = publisher.as_str().trim_start_matches(ParticipantId::PREFIX);
        let random: String = random.chars().take(16).collect();
        format!("{}{random}{:x}", DataTrackId::PREFIX, self.count)
            .parse()
            .expect("short, and made of what ids are made of")
    }

    pub(super) fn insert(&mut self, key: ParticipantKey, info: Arc<DataTrackInfo>) {
        let place = (key, info.handle);
        self.by_id.insert(info.id, place);
        let receivers = Vec::new();
        self.published.insert(place, Published { info, receivers });
    }

    pub(super) fn remove(
        &mut self,
        key: ParticipantKey,
        handle: u16,
    ) -> Option<Arc<DataTrackInfo>> {
        let Published { info, receivers } = self.published.remove(&(key, handle))?;
        self.by_id.remove(&info.id);
        for receiver in receivers {
            if let Some(subscriber) = self.subscribers.get_mut(&receiver.key) {
                subscriber.tracks.remove(&receiver.handle);
            }
        }
        Some(info)
    }

    /// What `key` publishes, by number.
    fn of(&self, key: ParticipantKey) -> Vec<Arc<DataTrackInfo>> {
        let own = self.published.iter().filter(|((of, _), _)| *of == key);
        let mut own: Vec<_> = own.map(|(_, track)| Arc::clone(&track.info)).collect();
        own.sort_unstable_by_key(|track| track.handle);
        own
    }

    /// Whether the track is there to be received; then it is.
    fn subscribe(&mut self, track: DataTrackId, key: ParticipantKey, id: ParticipantId) -> bool {
        let place = self.by_id.get(&track);
        let Some(published) = place.and_then(|place| self.published.get_mut(place)) else {
            return false;
        };
        if published.receivers.iter().any(|it| it.key == key) {
            return true;
        }
        let subscriber = self.subscribers.entry(key).or_default();
        let Some(handle) = subscriber.free_handle() else {
            return false;
        };
        subscriber.tracks.insert(handle, track);
        published.receivers.push(Receiver {
            key,
            id,
            handle,
            pace: None,
        });
        true
    }

    /// Sends a subscriber no more than so many frames a second.
    fn pace(&mut self, track: DataTrackId, key: ParticipantKey, fps: Option<NonZeroU32>) {
        if let Some(place) = self.by_id.get(&track)
            && let Some(published) = self.published.get_mut(place)
            && let Some(receiver) = published.receivers.iter_mut().find(|it| it.key == key)
        {
            receiver.pace = fps.map(Pace::new);
        }
    }

    /// What others than `key` publish, in the order of their ids.
    fn of_others(&self, key: ParticipantKey) -> Vec<DataTrackId> {
        let others = self.by_id.iter().filter(|(_, (of, _))| *of != key);
        let mut others: Vec<_> = others.map(|(track, _)| *track).collect();
        others.sort_unstable();
        others
    }

    fn unsubscribe(&mut self, track: DataTrackId, key: ParticipantKey) {
        if let Some(place) = self.by_id.get(&track)
            && let Some(published) = self.published.get_mut(place)
        {
            published.receivers.retain(|it| it.key != key);
        }
        if let Some(subscriber) = self.subscribers.get_mut(&key) {
            subscriber.tracks.retain(|_, it| *it != track);
        }
    }

    fn forget_subscriber(&mut self, key: ParticipantKey) {
        let Some(subscriber) = self.subscribers.remove(&key) else {
            return;
        };
        for track in subscriber.tracks.values() {
            self.unsubscribe(*track, key);
        }
    }

    fn forget_publisher(&mut self, key: ParticipantKey) -> Vec<Arc<DataTrackInfo>> {
        let own = self.of(key);
        for track in &own {
            self.remove(key, track.handle);
        }
        own
    }
}

impl Subscriber {
    /// A number that was not used for long, as frames may still be under way.
    fn free_handle(&mut self) -> Option<u16> {
        if self.tracks.len() >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.tracks.contains_key(&self.last) {
                return Some(self.last);
            }
        }
    }
}
