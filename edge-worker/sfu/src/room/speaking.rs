//! Who is told that somebody speaks: whoever receives that sound, and the speaker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Room;
use super::participants::ParticipantKey;
use super::subscriptions::SubscriptionState;
use crate::speakers::WINDOW;
use crate::{Loudness, Notice, Speaker, SubscriptionKey, TrackKey};

/// The speakers of a room.
#[derive(Debug, Default)]
pub(super) struct Speaking {
    /// Whoever is heard now, as it was told.
    speakers: BTreeMap<ParticipantKey, Speaker>,
    /// Since when is listened; `None` while all is quiet.
    since: Option<Instant>,
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

    /// Takes down who is heard now; answers who changed.
    fn update(
        &mut self,
        heard: BTreeMap<ParticipantKey, Speaker>,
    ) -> BTreeMap<ParticipantKey, Speaker> {
        let mut changed = heard.clone();
        for (key, before) in std::mem::replace(&mut self.speakers, heard) {
            if changed.get(&key) == Some(&before) {
                changed.remove(&key);
            } else {
                changed.entry(key).or_insert(Speaker {
                    loudness: Loudness::SILENCE,
                    ..before
                });
            }
        }
        changed
    }

    /// Somebody is gone, and nobody is told more of it.
    pub(super) fn forget(&mut self, key: ParticipantKey) {
        self.speakers.remove(&key);
    }
}

impl Room {
    /// Looks who speaks, where it is time to, and tells what changed.
    pub(super) fn measure_speakers(&mut self, now: Instant) {
        let Some(time) = self.speaking.finish(now) else {
            return;
        };
        let mut heard: BTreeMap<ParticipantKey, Speaker> = BTreeMap::new();
        let mut rings = false;
        for track in self.tracks.iter_mut() {
            let publisher = track.publisher;
            let Some(meter) = &mut track.meter else {
                continue;
            };
            let loudness = meter.measure(time);
            rings |= meter.rings();
            let Some(participant) = self.participants.find(publisher) else {
                continue;
            };
            if loudness > Loudness::SILENCE {
                let speaker = heard.entry(publisher).or_insert(Speaker {
                    participant: participant.info.id,
                    loudness,
                });
                speaker.loudness = speaker.loudness.max(loudness);
            }
        }
        if rings {
            self.speaking.heard(now);
        }
        let changed = self.speaking.update(heard);
        self.tell_speakers(&changed);
    }

    fn tell_speakers(&mut self, changed: &BTreeMap<ParticipantKey, Speaker>) {
        let mut told: BTreeMap<ParticipantKey, Vec<Speaker>> = BTreeMap::new();
        for (key, speaker) in changed {
            for listener in self.listeners(*key) {
                told.entry(listener).or_default().push(*speaker);
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
        let mut listeners = vec![speaker];
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

    fn speaker_on(&self, track: TrackKey) -> Option<Speaker> {
        let track = self.tracks.find(track).filter(|it| it.meter.is_some())?;
        self.speaking.speakers.get(&track.publisher).copied()
    }

    fn tell_of_speakers(&mut self, listener: ParticipantKey, speakers: Vec<Speaker>) {
        if let Some(listener) = self.participants.find(listener) {
            self.outputs
                .tell(listener.info.id, Notice::Speakers(speakers));
        }
    }
}
