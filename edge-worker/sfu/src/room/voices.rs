//! Who is heard where many microphones are open: everybody the loudest of them, whoever
//! saves data fewer. Only open microphones that tell how loud they are count; what else
//! sounds is always heard. Who they are is left to [`loudest`](crate::loudest).

use std::time::Instant;

use media::{AudioLevel, Packet};

use super::Room;
use super::participants::{Participant, ParticipantKey};
use super::tracks::{Levels, Track};
use crate::fanout::{Hearing, Repeats};
use crate::loudest::{Loudest, Swap};
use crate::saving::{Because, Profile, Saving};
use crate::{Muted, SubscriptionKey, TrackKey};

/// The voices of a room.
#[derive(Debug, Default)]
pub(super) struct Voices {
    /// Open microphones that tell how loud they are, as last looked at, ...
    open: Vec<TrackKey>,
    /// ... and how many of them the room lets be heard.
    places: usize,
    full: Loudest,
    thin: Loudest,
}

/// How many voices somebody hears.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ear {
    /// All of them.
    Every,
    /// As many as the room has it.
    Full,
    /// As many as data that is saved allows.
    Thin,
}

/// A conversation and somebody who interrupts it.
const FEW: usize = 3;

/// What is quieter is a voice only if the sender's encoder believes so: in dB below the
/// loudest.
const LOUD: u8 = 35;
const QUIET: u8 = 55;

impl Room {
    /// Hears a packet of a microphone before it is forwarded: whoever begins to speak is to be
    /// heard with it.
    #[inline]
    pub(super) fn hear_voice(&mut self, now: Instant, track: TrackKey, packet: &Packet<'_>) {
        let Some(level) = packet.audio_level else {
            return;
        };
        let Some(found) = self.tracks.at_packet(track) else {
            return;
        };
        if found.meter.is_none() || found.info.muted == Muted::Yes {
            return;
        }
        match std::mem::replace(&mut found.levels, Levels::Told) {
            Levels::Told => {}
            Levels::Untold => self.review_voices(now),
        }
        if self.voices.open.len() > self.places(Ear::Thin) && speaks(level) {
            self.rank(now, track, level);
        }
    }

    fn rank(&mut self, now: Instant, track: TrackKey, level: AudioLevel) {
        for ear in [Ear::Full, Ear::Thin] {
            let places = self.places(ear);
            if places == usize::MAX {
                continue;
            }
            let loudest = match ear {
                Ear::Full => &mut self.voices.full,
                Ear::Thin => &mut self.voices.thin,
                Ear::Every => continue,
            };
            let Some(Swap { comes, goes }) = loudest.hear(now, track, level, places) else {
                continue;
            };
            for track in [Some(comes), goes].into_iter().flatten() {
                self.tell_forwarders(track);
            }
        }
    }

    /// Looks whether microphones were opened or closed, or the room has more or fewer of them
    /// heard than before.
    pub(super) fn review_voices(&mut self, now: Instant) {
        let open: Vec<TrackKey> = self
            .tracks
            .keys()
            .into_iter()
            .filter(|key| {
                let track = self.tracks.find(*key);
                track.is_some_and(Track::is_voice)
            })
            .collect();
        let all = self.places(Ear::Full);
        if open == self.voices.open && all == self.voices.places {
            return;
        }
        let closed = std::mem::replace(&mut self.voices.open, open.clone());
        self.voices.places = all;
        let places = [Ear::Full, Ear::Thin].map(|ear| self.places(ear));
        let Voices { full, thin, .. } = &mut self.voices;
        for (loudest, places) in [full, thin].into_iter().zip(places) {
            loudest.retain(&open);
            loudest.shrink(places);
            for track in &open {
                loudest.seat(now, *track, places);
            }
        }
        for track in open.into_iter().chain(closed) {
            self.tell_forwarders(track);
        }
    }

    /// Somebody hears more voices than before, or fewer.
    pub(super) fn review_hearing(&mut self, key: ParticipantKey) {
        let Some(found) = self.participants.find(key) else {
            return;
        };
        let subscriptions: Vec<_> = found.interests.subscriptions().collect();
        for subscription in subscriptions {
            if let Some(found) = self.subscriptions.find(subscription).copied() {
                self.tell_forwarder(found.track, subscription);
            }
        }
    }

    fn tell_forwarders(&mut self, track: TrackKey) {
        let Some(found) = self.tracks.find(track) else {
            return;
        };
        for subscription in found.subscriptions.clone() {
            self.tell_forwarder(track, subscription);
        }
    }

    /// Has one subscriber hear a microphone or not.
    pub(super) fn tell_forwarder(&mut self, track: TrackKey, subscription: SubscriptionKey) {
        let Some(subscriber) = self.subscriptions.find(subscription) else {
            return;
        };
        let subscriber = self.participants.find(subscriber.subscriber);
        let ear = subscriber.map_or(Ear::Every, ear);
        let repeats = match subscriber.map(|found| found.reception.saving().profile) {
            Some(Profile::AudioOnly) => Repeats::AgainstLoss,
            Some(Profile::Low | Profile::Medium | Profile::High) | None => Repeats::AsPublished,
        };
        let Some(found) = self.tracks.at_packet(track) else {
            return;
        };
        let counts = found.is_voice();
        let heard = match ear {
            Ear::Every => true,
            Ear::Full => self.voices.full.contains(track),
            Ear::Thin => self.voices.thin.contains(track),
        };
        let hearing = if counts && !heard {
            Hearing::Others
        } else {
            Hearing::This
        };
        found.fanout.set_hearing(subscription, hearing);
        found.fanout.set_repeats(subscription, repeats);
    }

    fn places(&self, ear: Ear) -> usize {
        let all = match self.info.playing.loudest {
            0 => usize::MAX,
            most => most as usize,
        };
        match ear {
            Ear::Every => usize::MAX,
            Ear::Full => all,
            Ear::Thin => all.min(FEW),
        }
    }
}

/// How many voices somebody hears. What a link carries is sent, if it is not too thin for
/// anything but sound.
fn ear(subscriber: &Participant) -> Ear {
    if subscriber.is_recorder() {
        return Ear::Every;
    }
    let Saving { profile, because } = subscriber.reception.saving();
    match (profile, because) {
        (Profile::AudioOnly, _) | (Profile::Low, Because::Asked | Because::Room) => Ear::Thin,
        (Profile::Low, Because::Measured) | (Profile::Medium | Profile::High, _) => Ear::Full,
    }
}

fn speaks(told: AudioLevel) -> bool {
    told.level <= LOUD || told.voice && told.level <= QUIET
}
