//! Subscriptions of a room: wished for, opened, bound to an m-line, closed.

use std::time::Instant;

use media::{CodecSet, TrackId};

use super::Room;
use super::allowance::access;
use super::interests::Received;
use super::participants::{Participant, ParticipantKey};
use super::streams;
use super::subscriptions::SubscriptionState;
use super::tracks::Audience;
use super::wish::wish;
use crate::fanout::{Binding, Wish};
use crate::{
    Access, LinkNews, Notice, Opening, Outlet, Output, SubscriptionKey, TrackKey, VideoQuality,
    Wanted,
};

impl Room {
    /// The m-line of a subscription is ready: media flows from here on. Bound again,
    /// it starts over.
    pub fn bind(
        &mut self,
        now: Instant,
        subscription: SubscriptionKey,
        binding: Binding,
        out: &mut impl Outlet,
    ) {
        let Some(found) = self.subscriptions.find_mut(subscription) else {
            return;
        };
        let before = std::mem::replace(&mut found.state, SubscriptionState::Bound);
        let found = *found;
        if let Some(subscriber) = self.participants.find_mut(found.subscriber) {
            subscriber.reception.restart(subscription);
            let shown = self.tracks.shown(found.track);
            subscriber.interests.of(shown).received = Received::Before;
        }
        let Some(wish) = self.first_wish(found.subscriber, found.track) else {
            return;
        };
        let Some(track) = self.tracks.find_mut(found.track) else {
            return;
        };
        match before {
            SubscriptionState::Bound => track.fanout.remove(subscription),
            SubscriptionState::Opening => {}
        }
        track.fanout.add(now, subscription, binding, wish, out);
        self.tell_forwarder(found.track, subscription);
        let hidden = self
            .participants
            .find(found.subscriber)
            .is_none_or(Participant::is_hidden);
        // Somebody hidden does not show by receiving either.
        if !hidden {
            self.received(found.track);
        }
        self.divide(now, found.subscriber, out);
        self.begin_listening(found.subscriber, found.track);
    }

    /// Somebody receives a track: its publisher is told of the first one.
    pub(super) fn received(&mut self, track: TrackKey) {
        let Some(track) = self.tracks.find_mut(self.tracks.shown(track)) else {
            return;
        };
        if track.gain_audience() == Audience::Some {
            return;
        }
        let id = track.info.id;
        if let Some(link) = track.home {
            let news = LinkNews::Received(id);
            self.outputs.push(Output::Link { link, news });
        } else if let Some(publisher) = self.participants.find(track.publisher) {
            let notice = Notice::TrackSubscribed { track: id };
            self.outputs.tell(publisher.info.id, notice);
        }
    }

    /// The m-line of a subscription is lost; it can be [bound](Self::bind) to
    /// another one.
    pub fn unbind(&mut self, subscription: SubscriptionKey) {
        let Some(found) = self.subscriptions.find_mut(subscription) else {
            return;
        };
        found.state = SubscriptionState::Opening;
        if let Some(track) = self.tracks.find_mut(found.track) {
            track.fanout.remove(subscription);
        }
        let subscriber = found.subscriber;
        if let Some(subscriber) = self.participants.find_mut(subscriber) {
            subscriber.reception.restart(subscription);
        }
    }

    /// The subscriber cannot take the track in the codec it was offered in. That is not tried
    /// again until asked for.
    pub fn reject(&mut self, now: Instant, subscription: SubscriptionKey) {
        let Some(found) = self.subscriptions.find(subscription).copied() else {
            return;
        };
        let Some(track) = self.tracks.find_mut(found.track) else {
            return;
        };
        track.subscriptions.retain(|key| *key != subscription);
        let codec = track.info.codec;
        self.close_subscription(subscription);
        self.found_undecodable(now, found, codec);
    }

    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        id: TrackId,
        wanted: Wanted,
    ) {
        let Some(subscriber) = self.participants.find_mut(key) else {
            return;
        };
        let Some(track) = self.tracks.key_of(id) else {
            if let Some(until) = subscriber.interests.expect(now, id, wanted) {
                self.chore_by(until);
            }
            return;
        };
        let interest = subscriber.interests.of(track);
        interest.wanted = Some(wanted);
        interest.undecodable = CodecSet::default();
        match (wanted, interest.subscription) {
            (Wanted::Yes, None) => self.open_subscription(key, track),
            (Wanted::No, Some(subscription)) => self.end_subscription(subscription),
            (Wanted::Yes, Some(_)) | (Wanted::No, None) => {}
        }
    }

    /// Gives a newcomer the tracks it wants.
    pub(super) fn subscribe_to_all(&mut self, key: ParticipantKey) {
        for track in self.tracks.keys() {
            self.open_if_wanted(key, track);
        }
    }

    /// Gives a new track to all who want it.
    pub(super) fn subscribe_everybody(&mut self, track: TrackKey) {
        for key in self.participants.local_keys() {
            self.open_if_wanted(key, track);
        }
    }

    pub(super) fn open_if_wanted(&mut self, key: ParticipantKey, track: TrackKey) {
        let Some(subscriber) = self.participants.find(key) else {
            return;
        };
        let interest = subscriber.interests.find(self.tracks.shown(track));
        match interest.wanted.unwrap_or(subscriber.auto_subscribe) {
            Wanted::Yes => self.open_subscription(key, track),
            Wanted::No => {}
        }
    }

    /// Asks for an m-line, where the subscriber may have it, for the track in a codec that it
    /// can decode.
    pub(super) fn open_subscription(&mut self, key: ParticipantKey, track_key: TrackKey) {
        let shown = self.tracks.shown(track_key);
        self.cut_outro(key, shown);
        let Some(track) = self.tracks.find(shown) else {
            return;
        };
        if track.info.codec.is_none() {
            return;
        }
        let Some(publisher) = self.participants.find(track.publisher) else {
            return;
        };
        let publisher_id = publisher.info.id;
        let Some(subscriber) = self.participants.find(key) else {
            return;
        };
        if track.publisher == key || !subscriber.info.permission.can_subscribe {
            return;
        }
        match access(publisher, subscriber, track.info.id) {
            Access::Granted => {}
            Access::Withheld => return self.tell_access(key, shown, Access::Withheld),
        }
        if subscriber.interests.find(shown).subscription.is_some() {
            return;
        }
        let Some((track_key, codec)) = self.decodable(key, shown) else {
            return;
        };
        let Some(subscriber) = self.participants.find_mut(key) else {
            return;
        };
        let Some(track) = self.tracks.find_mut(track_key) else {
            return;
        };
        let adaptive = subscriber.first_quality == VideoQuality::Low;
        let interest = subscriber.interests.of(shown);
        let streamed = self.info.playing.streams.min(subscriber.streams);
        let subscription = self.subscriptions.insert(key, track_key);
        interest.subscription = Some(subscription);
        match (&mut interest.settings, interest.received) {
            // Its viewer starts over, and says if it is still hidden.
            (Some(settings), Received::Before) if adaptive => settings.disabled = false,
            (Some(_) | None, Received::Before | Received::Never) => {}
        }
        track.subscriptions.push(subscription);
        self.outputs.push(Output::Open(Box::new(Opening {
            participant: subscriber.info.id,
            subscription,
            kind: track.info.kind,
            codec,
            publisher: publisher_id,
            track: track.info.id,
            stream: streams::name(publisher_id, &track.info, streamed),
            stereo: track.info.stereo,
        })));
        self.demanded(key, track_key);
    }

    /// Ends a subscription whose subscriber and track both stay.
    pub(super) fn end_subscription(&mut self, subscription: SubscriptionKey) {
        let Some(found) = self.subscriptions.find(subscription) else {
            return;
        };
        if let Some(track) = self.tracks.find_mut(found.track) {
            track.subscriptions.retain(|key| *key != subscription);
        }
        self.close_subscription(subscription);
    }

    /// Ends a subscription that is off its track's list.
    pub(super) fn close_subscription(&mut self, subscription: SubscriptionKey) {
        self.end_listening(subscription);
        let Some(found) = self.subscriptions.remove(subscription) else {
            return;
        };
        let mut outro = None;
        if let Some(track) = self.tracks.find_mut(found.track) {
            let id = track.info.id;
            outro = track.fanout.end(subscription).map(|outro| (id, outro));
            track.demand.fell();
            self.chore_soon();
        }
        let Some(subscriber) = self.participants.find_mut(found.subscriber) else {
            return;
        };
        let shown = self.tracks.shown(found.track);
        subscriber.interests.of(shown).subscription = None;
        subscriber.reception.forget(subscription);
        self.free_line(found.subscriber, subscription, outro);
    }

    /// Ends a subscription of somebody who is going.
    pub(super) fn drop_subscription(&mut self, subscription: SubscriptionKey) {
        let Some(found) = self.subscriptions.remove(subscription) else {
            return;
        };
        if let Some(track) = self.tracks.find_mut(found.track) {
            track.subscriptions.retain(|key| *key != subscription);
            track.fanout.remove(subscription);
            track.demand.fell();
            self.chore_soon();
        }
    }

    pub(super) fn wish_of(&self, key: ParticipantKey, track: TrackKey) -> Option<Wish> {
        let profile = self.participants.find(key)?.reception.permitted();
        let shown = self.shown_as(key, track)?;
        Some(Self::within(profile, self.tracks.find(track)?, shown))
    }

    /// As what a subscriber shows a track, whatever it may have of it.
    pub(super) fn shown_as(&self, key: ParticipantKey, track: TrackKey) -> Option<Wish> {
        let subscriber = self.participants.find(key)?;
        let interest = subscriber.interests.find(self.tracks.shown(track));
        let track = self.tracks.find(track)?;
        Some(wish(
            &track.info,
            track.layers(),
            interest.settings.as_ref(),
            subscriber.first_quality,
        ))
    }
}
