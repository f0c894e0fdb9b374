//! Who is told that somebody speaks: whoever receives that sound, and the speaker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Room;
use super::participants::ParticipantKey;
use super::subscriptions::SubscriptionState;
use crate::speakers::WINDOW;
use crate::{Loudness, Notice, Speaker, SubscriptionKey, TrackKey};

/// Whether anybody may be speaking.
#[derive(Debug, Default)]
pub(super) struct Speaking {
    /// Since when is listened; `None` while all is quiet.
    since: Option<Instant>,
}

/// How one participant is heard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Voice {
    /// As was told.
    told: Loudness,
    /// As the window shows that ends now.
    now: Loudness,
}

impl Speaking {
    /// Something is heard. Answers when to look who it is, if nobody listened before.
    #[inline]
    pub(super) fn heard(&mut self, now: Instant) -> Option<Instant> {
        if self.since.is_some() {
            return None;
        }
        self.since = Some(now);
        Some(now + WINDOW)
    }

    /// When to look who speaks.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + WINDOW)
    }

    /// Ends the window that is over; answers how long it was.
    fn finish(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.take_if(|since| *since + WINDOW <= now)?;
        Some(now.saturating_duration_since(since))
    }
}

impl Room {
    /// Looks who speaks, where it is time to, and tells what changed.
    pub(super) fn measure_speakers(&mut self, now: Instant) {
        let Some(time) = self.speaking.finish(now) else {
            return;
        };
        for participant in self.participants.values_mut() {
            participant.voice.now = Loudness::SILENCE;
        }
        let mut rings = false;
        for track in self.tracks.iter_mut() {
            let Some(meter) = &mut track.meter else {
                continue;
            };
            let loudness = meter.measure(time);
            rings |= meter.rings();
            if let Some(publisher) = self.participants.find_mut(track.publisher) {
                let voice = &mut publisher.voice;
                voice.now = voice.now.max(loudness);
            }
        }
        if rings {
            self.speaking.heard(now);
        }
        let mut changed = Vec::new();
        for (key, participant) in self.participants.iter_mut() {
            let voice = &mut participant.voice;
            if voice.told != voice.now {
                voice.told = voice.now;
                changed.push(key);
            }
        }
        self.tell_of(&changed);
    }

    /// Somebody is about to leave: it is silent first.
    pub(super) fn end_speaking(&mut self, key: ParticipantKey) {
        let Some(participant) = self.participants.find_mut(key) else {
            return;
        };
        let voice = std::mem::take(&mut participant.voice);
        if voice.told > Loudness::SILENCE {
            self.tell_of(&[key]);
        }
    }

    /// Tells everybody who listens how loud some are now.
    fn tell_of(&mut self, changed: &[ParticipantKey]) {
        let mut told: BTreeMap<ParticipantKey, Vec<Speaker>> = BTreeMap::new();
        for key in changed {
            let Some(speaker) = self.speaker(*key) else {
                continue;
            };
            for listener in self.listeners(*key) {
                told.entry(listener).or_default().push(speaker);
            }
        }
        for (listener, speakers) in told {
            self.tell_of_speakers(listener, speakers);
        }
    }

    /// Whoever receives a microphone of `speaker`, and itself; everybody once.
    fn listeners(&self, speaker: ParticipantKey) -> Vec<ParticipantKey> {
        let Some(participant) = self.participants.find(speaker) else {
            return Vec::new();
        };
        let mut listeners = Vec::new();
        if participant.is_local() {
            listeners.push(speaker);
        }
        for track in participant.publishing.tracks() {
            let Some(track) = self.tracks.find(track).filter(|it| it.meter.is_some()) else {
                continue;
            };
            let bound = track.subscriptions.iter().filter_map(|subscription| {
                let found = self.subscriptions.find(*subscription)?;
                (found.state == SubscriptionState::Bound).then_some(found.subscriber)
            });
            listeners.extend(bound);
        }
        listeners.sort_unstable();
        listeners.dedup();
        listeners
    }

    /// A subscriber begins to receive a track, whose publisher may be speaking.
    pub(super) fn begin_listening(&mut self, subscriber: ParticipantKey, track: TrackKey) {
        if let Some(speaker) = self.speaker_on(track) {
            self.tell_of_speakers(subscriber, vec![speaker]);
        }
    }

    /// A subscription is about to end, whose publisher may be speaking.
    pub(super) fn end_listening(&mut self, subscription: SubscriptionKey) {
        let Some(found) = self.subscriptions.find(subscription).copied() else {
            return;
        };
        let heard = found.state == SubscriptionState::Bound;
        if let Some(speaker) = self.speaker_on(found.track).filter(|_| heard) {
            let loudness = Loudness::SILENCE;
            let silent = Speaker {
                loudness,
                ..speaker
            };
            self.tell_of_speakers(found.subscriber, vec![silent]);
        }
    }

    /// The publisher of a microphone, if it speaks.
    fn speaker_on(&self, track: TrackKey) -> Option<Speaker> {
        let track = self.tracks.find(track).filter(|it| it.meter.is_some())?;
        self.speaker(track.publisher)
            .filter(|speaker| speaker.loudness > Loudness::SILENCE)
    }

    fn speaker(&self, key: ParticipantKey) -> Option<Speaker> {
        let participant = self.participants.find(key)?;
        Some(Speaker {
            participant: participant.info.id,
            loudness: participant.voice.told,
        })
    }

    fn tell_of_speakers(&mut self, listener: ParticipantKey, speakers: Vec<Speaker>) {
        if let Some(listener) = self.participants.find(listener) {
            self.outputs
                .tell(listener.info.id, Notice::Speakers(speakers));
        }
    }
}
