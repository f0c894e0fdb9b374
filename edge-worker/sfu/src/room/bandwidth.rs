//! What each subscriber is sent of the videos it wants, as far as its link carries them.
//! Dividing is left to the [`Allocator`]; how wide a link is, its transport finds out.

use std::time::{Duration, Instant};

use media::{Bitrate, Layer, MediaKind, ParticipantId};
use rustc_hash::FxHashSet;

use super::Room;
use super::participants::{Participant, ParticipantKey};
use super::subscriptions::SubscriptionState;
use super::tracks::Track;
use crate::allocator::{Allocator, Ladder, Pausing, Share, Target, Video, Wished, everything};
use crate::fanout::{Rates, Wish};
use crate::saving::{Because, Limits, Profile, Saving, Turn};
use crate::{
    Load, Muted, Notice, Outlet, Output, Source, StreamState, Streaming, SubscriptionKey, TrackKey,
};

/// How one participant's link is used.
#[derive(Debug)]
pub(super) struct Reception {
    allocator: Allocator,
    limits: Limits,
    /// Of which it was told that they are paused.
    paused: FxHashSet<SubscriptionKey>,
    /// As last told to its transport.
    load: Option<Load>,
}

impl Reception {
    pub(super) fn new(pausing: Pausing) -> Self {
        Self {
            allocator: Allocator::new(pausing),
            limits: Limits::default(),
            paused: FxHashSet::default(),
            load: None,
        }
    }

    /// A subscription begins anew; what the viewer was told of it stands.
    pub(super) fn restart(&mut self, subscription: SubscriptionKey) {
        self.allocator.forget(subscription);
    }

    /// A subscription has ended.
    pub(super) fn forget(&mut self, subscription: SubscriptionKey) {
        self.allocator.forget(subscription);
        self.paused.remove(&subscription);
    }

    /// As it begins in another room, over the same link.
    pub(super) fn elsewhere(&self) -> Self {
        Self {
            allocator: self.allocator.elsewhere(),
            limits: Limits::default(),
            paused: FxHashSet::default(),
            load: None,
        }
    }

    /// Whether pictures may stop where its link is too narrow.
    pub(super) fn pausing(&self) -> Pausing {
        self.allocator.pausing()
    }

    /// What it may have is to be decided anew; what the viewer was told stands.
    pub(super) fn start_over(&mut self) {
        self.allocator.clear();
        self.load = None;
    }

    /// How much may be sent, if not everything: its link is known to be limited, or it may
    /// not have all that the link carries.
    pub(super) fn limit(&self) -> Option<Bitrate> {
        let permitted = self.limits.permitted();
        let pictures = permitted.pictures().map(|_| Allocator::WIDEST);
        self.allocator.limit().or(pictures)
    }

    /// The room allows this, and the participant asks for that.
    pub(super) fn permit(&mut self, room: Profile, asked: Option<Profile>) -> Turn {
        self.limits.permit(room, asked)
    }

    /// What it may have on a link of any width.
    pub(super) fn permitted(&self) -> Profile {
        self.limits.permitted()
    }

    /// What it may have.
    pub(super) fn saving(&self) -> Saving {
        self.limits.saving()
    }

    /// What it is sent: the least of pictures that may not be paused, where nothing but the
    /// link is in the way.
    fn sent(&self) -> Profile {
        let Saving { profile, because } = self.limits.saving();
        match (because, self.pausing()) {
            (Because::Measured, Pausing::Never) => profile.max(Profile::Low),
            (Because::Measured | Because::Asked | Because::Room, _) => profile,
        }
    }

    /// Looks whether the link is too thin for what is permitted, which is `wished` in all.
    fn measure(&mut self, now: Instant, wished: Bitrate) -> Turn {
        match self.allocator.limit() {
            Some(width) => self
                .limits
                .measure(now, width.min(Allocator::WIDEST), wished),
            None => self.limits.unmeasured(),
        }
    }

    /// What its link is to carry, as the link is to know it: one that is found too thin is
    /// tried until it proves to be wider, and more than is permitted is not tried for.
    fn tried(&self, load: Load, permitted: Load) -> Load {
        let saving = self.limits.saving();
        match saving.because {
            Because::Measured => Load {
                allocated: load.allocated,
                next: permitted.next.map(|next| {
                    let way_out = saving.profile.way_out().unwrap_or(next);
                    next.max(way_out).min(permitted.wished)
                }),
                wished: permitted.wished,
            },
            Because::Asked | Because::Room => load,
        }
    }

    /// Notes what a target means to the viewer; tells if that is news.
    fn streaming(&mut self, subscription: SubscriptionKey, wish: Wish) -> Option<Streaming> {
        match wish {
            Wish::Paused => self
                .paused
                .insert(subscription)
                .then_some(Streaming::Paused),
            Wish::Layer { .. } => self
                .paused
                .remove(&subscription)
                .then_some(Streaming::Active),
        }
    }

    /// Whether `load` differs enough from what was told to tell it.
    fn is_news(&self, load: Load) -> bool {
        let Some(told) = self.load else {
            return true;
        };
        let differs = |one: Bitrate, other: Bitrate| one.0.abs_diff(other.0) * 20 > other.0;
        differs(load.allocated, told.allocated)
            || differs(load.wished, told.wished)
            || match (load.next, told.next) {
                (Some(next), Some(told)) => differs(next, told),
                (None, None) => false,
                (Some(_), None) | (None, Some(_)) => true,
            }
    }
}

/// Layers come and go, and what they take changes; a viewer does not see it any sooner.
const INTERVAL: Duration = Duration::from_millis(250);

/// Kept free for sound wherever there is any: somebody may begin to speak at any moment.
const LEAST_SOUND: Bitrate = Bitrate::kilobits(40);

/// What layers take of which nothing is known, small to large.
const USUAL: [Bitrate; Layer::COUNT] = [
    Bitrate::kilobits(150),
    Bitrate::kilobits(500),
    Bitrate::kilobits(1_700),
];

impl Room {
    /// What a participant's link is believed to carry towards it; `None` if that cannot be
    /// found out, so that everything is sent as wished.
    pub fn set_estimate(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        estimate: Option<Bitrate>,
        out: &mut impl Outlet,
    ) {
        self.limit(now, participant, out, |allocator| {
            allocator.set_estimate(estimate);
        });
    }

    /// Has a participant's link taken for this wide, whatever it is believed to carry;
    /// `None` ends that.
    pub fn impose_estimate(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        estimate: Option<Bitrate>,
        out: &mut impl Outlet,
    ) {
        self.limit(now, participant, out, |allocator| {
            allocator.impose(estimate)
        });
    }

    fn limit(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        out: &mut impl Outlet,
        change: impl FnOnce(&mut Allocator),
    ) {
        let Some(key) = self.participants.local_key_of(participant) else {
            return;
        };
        let Some(found) = self.participants.find_mut(key) else {
            return;
        };
        let reception = &mut found.reception;
        let before = reception.limit();
        change(&mut reception.allocator);
        match (before, reception.limit()) {
            (Some(_), None) => self.unlimit(now, key, out),
            // What is more than before can wait for the next round.
            (Some(_), Some(limit))
                if reception.load.is_some_and(|load| load.allocated <= limit) => {}
            (_, Some(_)) => self.divide(now, key, out),
            (None, None) => {}
        }
    }

    /// Somebody may have more or less than before.
    pub(super) fn divide_or_not(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        out: &mut impl Outlet,
    ) {
        let limited = |found: &Participant| found.reception.limit().is_some();
        if self.participants.find(key).is_some_and(limited) {
            self.divide(now, key, out);
        } else {
            self.unlimit(now, key, out);
        }
    }

    /// As what a subscription starts: nothing, where it has to be found out what fits.
    pub(super) fn first_wish(&self, key: ParticipantKey, track: TrackKey) -> Option<Wish> {
        let wish = self.wish_of(key, track)?;
        let limited = self.participants.find(key)?.reception.limit().is_some();
        let video = self.tracks.find(track)?.info.kind == MediaKind::Video;
        Some(if limited && video { Wish::Paused } else { wish })
    }

    /// Sends what a subscriber wishes of a track from now on, as far as its link goes.
    pub(super) fn show(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        (track, subscription): (TrackKey, SubscriptionKey),
        wish: Wish,
        out: &mut impl Outlet,
    ) {
        let Some(subscriber) = self.participants.find_mut(key) else {
            return;
        };
        let Some(track) = self.tracks.find_mut(track) else {
            return;
        };
        let limited = subscriber.reception.limit().is_some();
        let video = track.info.kind == MediaKind::Video;
        match wish {
            Wish::Paused => {
                subscriber.reception.allocator.forget(subscription);
                track.fanout.set_wish(now, subscription, wish, out);
            }
            Wish::Layer { .. } if limited && video => {}
            Wish::Layer { .. } => track.fanout.set_wish(now, subscription, wish, out),
        }
        self.divide(now, key, out);
    }

    /// Divides the links of all who are due.
    pub(super) fn divide_due(&mut self, now: Instant, out: &mut impl Outlet) {
        if self.divide_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        for key in self.participants.keys() {
            self.divide(now, key, out);
        }
    }

    /// `track` fell silent or speaks again: divides the links of all who receive it.
    pub(super) fn divide_anew(&mut self, now: Instant, track: TrackKey, out: &mut impl Outlet) {
        let Some(track) = self.tracks.find(track) else {
            return;
        };
        for subscription in track.subscriptions.clone() {
            let Some(found) = self.subscriptions.find(subscription) else {
                continue;
            };
            let key = found.subscriber;
            if let Some(subscriber) = self.participants.find_mut(key) {
                subscriber.reception.restart(subscription);
            }
            self.divide(now, key, out);
        }
    }

    /// Divides one participant's link, if it is known to be limited.
    pub(super) fn divide(&mut self, now: Instant, key: ParticipantKey, out: &mut impl Outlet) {
        let limit = self
            .participants
            .find(key)
            .and_then(|found| found.reception.limit());
        let Some(limit) = limit else {
            return;
        };
        let Some(found) = self.participants.find(key) else {
            return;
        };
        let permitted = found.reception.permitted();
        let (audio, desired) = self.wanted(key, permitted);
        let wished = everything(&desired, audio, permitted.pictures());
        let Some(found) = self.participants.find_mut(key) else {
            return;
        };
        // What changes by it is used at once.
        let turn = found.reception.measure(now, wished);
        let profile = found.reception.sent();
        match turn {
            Turn::Same => {}
            Turn::Changed => self.review_hearing(key),
        }
        let mut videos = if profile == permitted {
            desired
        } else {
            self.wanted(key, profile).1
        };
        let Some(subscriber) = self.participants.find_mut(key) else {
            return;
        };
        let mut targets = Vec::new();
        let reception = &mut subscriber.reception;
        let share = Share {
            limit,
            audio,
            pictures: profile.pictures(),
        };
        let load = reception
            .allocator
            .allocate(now, share, &mut videos, &mut targets);
        let permitted = Load {
            next: load.next.or((load.wished < wished).then_some(wished)),
            wished,
            ..load
        };
        let load = reception.tried(load, permitted);
        if reception.is_news(load) {
            reception.load = Some(load);
            let participant = subscriber.info.id;
            self.outputs.push(Output::Load { participant, load });
        }
        self.aim(now, key, &targets, out);
        if self.divide_at.is_none() {
            self.divide_at = Some(now + INTERVAL);
            self.chore_by(now + INTERVAL);
        }
    }

    /// No limit holds any more: everything as wished.
    fn unlimit(&mut self, now: Instant, key: ParticipantKey, out: &mut impl Outlet) {
        let Some(subscriber) = self.participants.find_mut(key) else {
            return;
        };
        subscriber.reception.allocator.clear();
        subscriber.reception.load = None;
        let subscriptions: Vec<_> = subscriber.interests.subscriptions().collect();
        let mut targets = Vec::new();
        for subscription in subscriptions {
            let Some(found) = self.subscriptions.find(subscription) else {
                continue;
            };
            match (self.wish_of(key, found.track), found.state) {
                (Some(wish @ Wish::Layer { .. }), SubscriptionState::Bound) => {
                    targets.push(Target { subscription, wish });
                }
                (Some(_) | None, SubscriptionState::Bound | SubscriptionState::Opening) => {}
            }
        }
        self.aim(now, key, &targets, out);
    }

    /// Has forwarders send what was decided, and tells whose picture stops or goes on.
    fn aim(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        targets: &[Target],
        out: &mut impl Outlet,
    ) {
        let mut states = Vec::new();
        for Target { subscription, wish } in targets {
            let Some(found) = self.subscriptions.find(*subscription) else {
                continue;
            };
            let Some(track) = self.tracks.find_mut(found.track) else {
                continue;
            };
            track.fanout.set_wish(now, *subscription, *wish, out);
            let (id, publisher, far) = (track.info.id, track.publisher, track.is_far());
            if far {
                self.look_for_shortfalls(now);
            }
            let publisher = self.participants.find(publisher).map(|found| found.info.id);
            let news = self
                .participants
                .find_mut(key)
                .and_then(|found| found.reception.streaming(*subscription, *wish));
            if let (Some(publisher), Some(streaming)) = (publisher, news) {
                states.push(StreamState {
                    publisher,
                    track: id,
                    streaming,
                });
            }
        }
        if let Some(subscriber) = self.participants.find(key).filter(|_| !states.is_empty()) {
            self.outputs
                .tell(subscriber.info.id, Notice::StreamStates(states));
        }
    }

    /// What somebody's link is to carry with such a profile: so much sound, and these videos.
    fn wanted(&self, key: ParticipantKey, profile: Profile) -> (Bitrate, Vec<Video>) {
        let mut audio = Bitrate::ZERO;
        let mut videos = Vec::new();
        let Some(subscriber) = self.participants.find(key) else {
            return (audio, videos);
        };
        for subscription in subscriber.interests.subscriptions() {
            let Some(found) = self.subscriptions.find(subscription) else {
                continue;
            };
            let Some(track) = self.tracks.find(found.track) else {
                continue;
            };
            if found.state != SubscriptionState::Bound || track.info.muted == Muted::Yes {
                continue;
            }
            let Some(shown @ Wish::Layer { .. }) = self.shown_as(key, found.track) else {
                continue;
            };
            // What is not permitted at all is paused, and its viewer told, like what does not
            // fit.
            let within = match Self::within(profile, track, shown) {
                Wish::Paused => shown,
                within @ Wish::Layer { .. } => within,
            };
            let Wish::Layer { spatial, temporal } = within else {
                continue;
            };
            match track.info.kind {
                MediaKind::Audio => {
                    let (_, rates) = track.fanout.supply();
                    let rate = rates[0].map_or(Bitrate::ZERO, |rates| rates[rates.len() - 1]);
                    audio = Bitrate((audio.0 + rate.0).max(LEAST_SOUND.0));
                }
                MediaKind::Video => {
                    let settings = subscriber
                        .interests
                        .find(self.tracks.shown(found.track))
                        .settings;
                    let priority = settings.map_or(0, |settings| settings.priority);
                    let wished = Wished {
                        layer: spatial,
                        temporal,
                        priority: u8::try_from(priority).unwrap_or(u8::MAX),
                    };
                    videos.push(video(subscription, track, wished));
                }
            }
        }
        (audio, videos)
    }
}

fn video(subscription: SubscriptionKey, track: &Track, wished: Wished) -> Video {
    let (live, measured) = track.fanout.supply();
    let rates = |layer: Layer| measured[layer.index()].unwrap_or_else(|| announced(track, layer));
    Video {
        subscription,
        first: track.info.source == Source::ScreenShare,
        wished,
        ladder: Ladder::new((wished.layer, wished.temporal), live, rates),
    }
}

/// What a layer takes by what its publisher said, until it is seen.
fn announced(track: &Track, layer: Layer) -> Rates {
    let announced = &track.info.layers;
    let told = announced
        .get(layer.index())
        .filter(|told| announced.len() == track.layers() && told.bitrate > 0)
        .map(|told| Bitrate(u64::from(told.bitrate)));
    let all = told.unwrap_or(USUAL[layer.index()]);
    // As browsers divide a layer between frame rates.
    [Bitrate(all.0 * 2 / 5), Bitrate(all.0 * 3 / 5), all]
}
