//! What one participant wants of tracks: its wishes and settings, for tracks it
//! receives, does not receive, or has only heard of.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use media::{CodecSet, TrackId};
use rustc_hash::FxHashMap;

use crate::{Access, SubscriptionKey, TrackKey, TrackSettings, Wanted};

/// One participant's interests.
#[derive(Debug, Default)]
pub(super) struct Interests {
    /// In tracks of the room.
    known: FxHashMap<TrackKey, Interest>,
    /// In tracks that may appear.
    unknown: BTreeMap<TrackId, Expectation>,
    /// Settings that wait, because others were just heeded.
    waiting: FxHashMap<TrackKey, (Instant, TrackSettings)>,
}

/// Interest in one track. What is open was never said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interest {
    /// Overrides what the participant wants in general.
    pub(super) wanted: Option<Wanted>,
    pub(super) settings: Option<TrackSettings>,
    /// When settings were last heeded.
    heeded_at: Option<Instant>,
    pub(super) received: Received,
    pub(super) subscription: Option<SubscriptionKey>,
    /// As the publisher has it, and the participant was told.
    pub(super) access: Access,
    /// In which codecs it turned out that the participant cannot decode the track.
    pub(super) undecodable: CodecSet,
}

/// Whether a track was ever received.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Received {
    #[default]
    Never,
    Before,
}

/// Interest in a track that is not there (yet).
#[derive(Clone, Copy, Debug)]
struct Expectation {
    wanted: Option<Wanted>,
    settings: Option<TrackSettings>,
    until: Instant,
}

/// Tracks expected at most: what a client names is its own invention.
const MOST_UNKNOWN: usize = 500;

/// A subscriber may hear of a track before the room does, but not by minutes.
const EXPECT_FOR: Duration = Duration::from_secs(60);

/// Who scrolls or resizes says something new with each frame; a layer changes no faster.
const SETTLE: Duration = Duration::from_millis(100);

impl Interests {
    /// The interest in a track of the room, to be changed.
    pub(super) fn of(&mut self, track: TrackKey) -> &mut Interest {
        self.known.entry(track).or_default()
    }

    /// The interest in a track of the room.
    pub(super) fn find(&self, track: TrackKey) -> Interest {
        self.known.get(&track).copied().unwrap_or_default()
    }

    /// Remembers a wish for a track that is not there. Returns when it lapses, or
    /// `None` if there are too many.
    pub(super) fn expect(
        &mut self,
        now: Instant,
        track: TrackId,
        wanted: Wanted,
    ) -> Option<Instant> {
        let expectation = self.expectation(now, track)?;
        expectation.wanted = Some(wanted);
        Some(expectation.until)
    }

    /// Remembers settings for a track that is not there. As [`Self::expect`].
    pub(super) fn expect_settings(
        &mut self,
        now: Instant,
        track: TrackId,
        settings: TrackSettings,
    ) -> Option<Instant> {
        let expectation = self.expectation(now, track)?;
        expectation.settings = Some(settings);
        Some(expectation.until)
    }

    /// Settings for a track of the room, heeded at once or, if others just were, at the
    /// time returned; only the last ones count.
    pub(super) fn heed(
        &mut self,
        now: Instant,
        track: TrackKey,
        settings: TrackSettings,
    ) -> Option<Instant> {
        let interest = self.known.entry(track).or_default();
        let soonest = interest.heeded_at.map_or(now, |at| at + SETTLE);
        if soonest > now {
            self.waiting.insert(track, (soonest, settings));
            return Some(soonest);
        }
        interest.settings = Some(settings);
        interest.heeded_at = Some(now);
        self.waiting.remove(&track);
        None
    }

    /// A track whose settings have waited long enough, and are heeded now.
    pub(super) fn heed_waiting(&mut self, now: Instant) -> Option<TrackKey> {
        let (track, settings) = self
            .waiting
            .iter()
            .find(|(_, (at, _))| *at <= now)
            .map(|(track, (_, settings))| (*track, *settings))?;
        self.heed(now, track, settings);
        Some(track)
    }

    fn expectation(&mut self, now: Instant, track: TrackId) -> Option<&mut Expectation> {
        if self.unknown.len() >= MOST_UNKNOWN && !self.unknown.contains_key(&track) {
            return None;
        }
        let until = now + EXPECT_FOR;
        let expectation = self.unknown.entry(track).or_insert(Expectation {
            wanted: None,
            settings: None,
            until,
        });
        expectation.until = until;
        Some(expectation)
    }

    /// A track that may have been expected is there.
    pub(super) fn appeared(&mut self, track: TrackId, key: TrackKey) {
        if let Some(expected) = self.unknown.remove(&track) {
            let interest = self.of(key);
            interest.wanted = expected.wanted;
            interest.settings = expected.settings;
        }
    }

    /// A track of the room is gone for good.
    pub(super) fn vanished(&mut self, track: TrackKey) {
        self.known.remove(&track);
        self.waiting.remove(&track);
    }

    /// Gives up what was expected for too long; returns the tracks that were wanted.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<TrackId> {
        let mut failed = Vec::new();
        self.unknown.retain(|track, expected| {
            let lapsed = expected.until <= now;
            if lapsed && expected.wanted == Some(Wanted::Yes) {
                failed.push(*track);
            }
            !lapsed
        });
        failed
    }

    /// When to [`Self::give_up`] or [`Self::heed_waiting`] next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let unknown = self.unknown.values().map(|expected| expected.until);
        unknown
            .chain(self.waiting.values().map(|(at, _)| *at))
            .min()
    }

    /// The subscriptions that follow from it.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = SubscriptionKey> {
        self.known
            .values()
            .filter_map(|interest| interest.subscription)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    fn track(number: usize) -> TrackId {
        format!("TR_{number}").parse().unwrap()
    }

    #[test]
    fn only_so_many_inventions_are_remembered() {
        let now = start();
        let mut interests = Interests::default();
        for number in 0..MOST_UNKNOWN {
            assert!(interests.expect(now, track(number), Wanted::Yes).is_some());
        }
        assert_eq!(
            interests.expect(now, track(MOST_UNKNOWN), Wanted::Yes),
            None
        );
        assert!(interests.expect(now, track(7), Wanted::No).is_some());

        assert_eq!(interests.deadline(), Some(now + EXPECT_FOR));
        let failed = interests.give_up(now + EXPECT_FOR);
        assert_eq!(failed.len(), MOST_UNKNOWN - 1);
        assert!(!failed.contains(&track(7)));
        assert_eq!(interests.deadline(), None);
    }

    #[test]
    fn what_was_expected_holds_for_the_track_that_appears() {
        let now = start();
        let settings = TrackSettings {
            height: 180,
            ..TrackSettings::default()
        };
        let mut interests = Interests::default();
        interests.expect(now, track(1), Wanted::No);
        interests.expect_settings(now, track(1), settings);
        interests.appeared(track(1), TrackKey(9));

        let interest = interests.find(TrackKey(9));
        assert_eq!(interest.wanted, Some(Wanted::No));
        assert_eq!(interest.settings, Some(settings));
        assert_eq!(interests.deadline(), None);
    }
}
