//! Somebody pretends to speak, so that an app can be seen to show it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use media::ParticipantId;

use super::Room;
use super::participants::ParticipantKey;
use crate::{Loudness, Notice, Speaker};

/// Those who pretend, and until when.
#[derive(Debug, Default)]
pub(super) struct Pretending {
    until: BTreeMap<ParticipantKey, Instant>,
}

/// A voice that nobody overlooks.
const LOUD: Loudness = Loudness(7);

impl Pretending {
    /// When somebody stops.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until.values().min().copied()
    }

    /// Somebody is gone.
    pub(super) fn forget(&mut self, key: ParticipantKey) {
        self.until.remove(&key);
    }
}

impl Room {
    /// Shows a participant as speaking for `seconds`, whatever is heard of it.
    pub fn pretend_to_speak(&mut self, now: Instant, participant: ParticipantId, seconds: u32) {
        let Some(key) = self.participants.local_key_of(participant) else {
            return;
        };
        let until = now + Duration::from_secs(seconds.into());
        self.pretending.until.insert(key, until);
        self.show_as_speaking(key, LOUD);
        self.chore_by(until);
    }

    /// Ends what has lasted long enough.
    pub(super) fn stop_pretending(&mut self, now: Instant) {
        let over = self.pretending.until.iter().filter(|(_, at)| **at <= now);
        let over: Vec<_> = over.map(|(key, _)| *key).collect();
        for key in over {
            self.pretending.forget(key);
            self.show_as_speaking(key, Loudness::SILENCE);
        }
    }

    fn show_as_speaking(&mut self, key: ParticipantKey, loudness: Loudness) {
        let Some(speaker) = self.participants.find(key) else {
            return;
        };
        let hidden = speaker.is_hidden();
        let told = Speaker {
            participant: speaker.info.id,
            loudness,
        };
        for (listener, participant) in self.participants.local() {
            if listener == key || !hidden {
                let notice = Notice::Speakers(vec![told]);
                self.outputs.tell(participant.info.id, notice);
            }
        }
    }
}
