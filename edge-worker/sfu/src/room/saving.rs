//! What profiles make of what participants are sent: which wishes they bound, and when what
//! is sent has to be decided anew. Which profile holds is left to [`saving`](crate::saving).

use std::time::Instant;

use media::{Layer, MediaKind, ParticipantId};

use super::Room;
use super::participants::{Participant, ParticipantKey};
use super::tracks::Track;
use super::wish::layer_within;
use crate::fanout::Wish;
use crate::saving::{Profile, Saving, SoundWish, Turn};
use crate::{Outlet, Source, TrackKey};

impl Room {
    /// What somebody connected here is sent at most, and why.
    pub fn saving(&self, participant: ParticipantId) -> Option<Saving> {
        let key = self.participants.local_key_of(participant)?;
        let found = self.participants.find(key)?;
        Some(found.reception.saving())
    }

    /// How a track's publisher is to send it: its sound as thin as speech can be while most
    /// others are sent little anyway, or as it likes.
    pub fn sound_wish(&self, track: TrackKey) -> SoundWish {
        let Some(track) = self.tracks.find(track) else {
            return SoundWish::Free;
        };
        if track.meter.is_none() || track.info.stereo {
            return SoundWish::Free;
        }
        let listeners = self.participants.iter().filter(|(key, listener)| {
            *key != track.publisher && listener.info.permission.can_subscribe
        });
        let (mut all, mut thin) = (0, 0);
        for (_, listener) in listeners {
            all += 1;
            thin += usize::from(self.profile_of(listener) <= Profile::Low);
        }
        let most = match all {
            0 => self.info.playing.profile <= Profile::Low,
            1.. => thin * 3 >= all * 2,
        };
        if most {
            SoundWish::Thin
        } else {
            SoundWish::Free
        }
    }

    /// What somebody is sent at most, as far as it is known here.
    fn profile_of(&self, participant: &Participant) -> Profile {
        if participant.is_local() {
            return participant.reception.saving().profile;
        }
        let asked = participant.info.attributes.get(Profile::ATTRIBUTE);
        let asked = asked.and_then(|name| Profile::named(name));
        let room = self.info.playing.profile;
        asked.map_or(room, |asked| asked.min(room))
    }

    /// How often somebody asked for a profile that there is not.
    pub fn unknown_profiles(&self) -> u64 {
        self.unknown_profiles
    }

    /// The room allows everybody something else than before.
    pub(super) fn note_profiles(&mut self) {
        for key in self.participants.local_keys() {
            self.note_profile(key);
        }
    }

    /// Somebody came, or has other attributes than before.
    pub(super) fn note_profile(&mut self, key: ParticipantKey) {
        let room = self.info.playing.profile;
        let Some(found) = self.participants.find_mut(key) else {
            return;
        };
        let asked = found.info.attributes.get(Profile::ATTRIBUTE);
        let asked = asked.and_then(|name| Profile::named(name));
        match found.reception.permit(room, asked) {
            Turn::Same => {}
            Turn::Changed => {
                if !self.turned.contains(&key) {
                    self.turned.push(key);
                }
                self.chore_soon();
            }
        }
    }

    /// Counts what somebody asks for, if it is no profile.
    pub(super) fn count_unknown_profile(&mut self, asked: Option<&String>) {
        let unknown = |name: &&String| !name.is_empty() && Profile::named(name).is_none();
        if asked.filter(unknown).is_some() {
            self.unknown_profiles += 1;
        }
    }

    /// Sends everybody whose profile changed what it may have now.
    pub(super) fn heed_profiles(&mut self, now: Instant, out: &mut impl Outlet) {
        for key in std::mem::take(&mut self.turned) {
            let Some(found) = self.participants.find_mut(key) else {
                continue;
            };
            found.reception.start_over();
            let subscriptions: Vec<_> = found.interests.subscriptions().collect();
            for subscription in subscriptions {
                if let Some(found) = self.subscriptions.find(subscription).copied() {
                    self.demanded(key, found.track);
                }
            }
            self.review_hearing(key);
            self.divide_or_not(now, key, out);
        }
    }

    /// How a subscriber with this profile is sent what it wishes of a track.
    pub(super) fn within(profile: Profile, track: &Track, wish: Wish) -> Wish {
        let Wish::Layer { spatial, temporal } = wish else {
            return wish;
        };
        if track.info.kind == MediaKind::Audio {
            return wish;
        }
        let (spatial, frames) = match (profile, track.info.source) {
            (Profile::High, _) => return wish,
            (Profile::AudioOnly, _) => return Wish::Paused,
            (Profile::Low, Source::ScreenShare) => (spatial, FEWEST),
            (Profile::Medium, Source::ScreenShare) => (spatial, FEW),
            (
                Profile::Low | Profile::Medium,
                Source::Unknown | Source::Camera | Source::Microphone | Source::ScreenShareAudio,
            ) => (spatial.min(largest(profile, track)), FEW),
        };
        Wish::Layer {
            spatial,
            temporal: temporal.min(frames),
        }
    }
}

/// Encoders that divide frames by three rates send a quarter of them at the lowest, and half
/// of them at the one above: 15 of a camera's 30.
const FEWEST: u8 = 0;
const FEW: u8 = 1;

fn largest(profile: Profile, track: &Track) -> Layer {
    profile.shorter_side().map_or(Layer::HIGH, |side| {
        layer_within(&track.info, track.layers(), side)
    })
}
