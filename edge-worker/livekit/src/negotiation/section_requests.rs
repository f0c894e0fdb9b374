//! Asks a client with a single connection to offer again, with more sections if
//! what it offered does not hold all tracks it shall receive.
//!
//! Never more are asked for than can be filled: sections that are free, or asked
//! for and not offered yet, count. Sections that stay behind would add up until an
//! offer is too large for a message.

use std::time::{Duration, Instant};

use super::{ANSWER_TIMEOUT, DEBOUNCE};

/// Most receiving sections of one kind that a connection is asked to have.
pub const MAX_SECTIONS: usize = 500;

/// A number of sections of each kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sections {
    /// For sound.
    pub audio: usize,
    /// For pictures.
    pub video: usize,
}

/// When to ask, and for how many sections.
#[derive(Debug, Default)]
pub struct SectionRequests {
    state: State,
    /// Receiving sections in the newest offer, filled or not.
    offered: Sections,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// What the client receives changed; more may follow.
    Changed { due_at: Instant },
    /// Waiting for an offer with `expected` sections.
    Asked {
        expected: Sections,
        lost_at: Instant,
    },
}

impl SectionRequests {
    /// Nothing was asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A track was added to what the client shall receive, or taken away: its next
    /// offer will be answered differently.
    pub fn changed(&mut self, now: Instant) {
        match self.state {
            State::Idle => {
                self.state = State::Changed {
                    due_at: now + DEBOUNCE,
                }
            }
            // Its next offer is under way already, and is looked at when it comes.
            State::Changed { .. } | State::Asked { .. } => {}
        }
    }

    /// The client offered; `receiving` counts the sections it is ready to receive
    /// on, filled or not. Call it before answering, and [`changed`](Self::changed)
    /// after it if tracks are still without a section.
    pub fn offered(&mut self, receiving: Sections) {
        self.offered = receiving;
        match self.state {
            // An offer that crossed our request: the one we asked for is still to come.
            State::Asked { expected, .. } if !receiving.covers(expected) => {}
            // What was changed goes into the answer.
            State::Idle | State::Changed { .. } | State::Asked { .. } => self.state = State::Idle,
        }
    }

    /// If it is time: what to ask for beyond what the client has offered, which may
    /// be nothing but another offer. `unplaced` tracks have no section yet, `free`
    /// sections no track.
    pub fn due(&mut self, now: Instant, unplaced: Sections, free: Sections) -> Option<Sections> {
        let due_at = match self.state {
            State::Idle => return None,
            State::Changed { due_at } => due_at,
            // A request that nobody followed is forgotten, and made anew.
            State::Asked { lost_at, .. } => lost_at,
        };
        if now < due_at {
            return None;
        }
        let more = unplaced
            .beyond(free)
            .at_most(Sections::ALL.beyond(self.offered));
        let expected = self.offered.and(more);
        self.state = State::Asked {
            expected,
            lost_at: now + RENEW,
        };
        Some(more)
    }

    /// The client is out of reach: when it is back it offers by itself, to restart ICE.
    pub fn interrupted(&mut self) {
        self.state = State::Idle;
    }

    /// When to ask [`due`](Self::due) again.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Changed { due_at } => Some(due_at),
            State::Asked { lost_at, .. } => Some(lost_at),
        }
    }
}

/// A client that did not offer by then did not hear of it.
const RENEW: Duration = ANSWER_TIMEOUT;

impl Sections {
    const ALL: Self = Self {
        audio: MAX_SECTIONS,
        video: MAX_SECTIONS,
    };

    fn covers(self, other: Self) -> bool {
        self.audio >= other.audio && self.video >= other.video
    }

    fn and(self, other: Self) -> Self {
        self.with(other, usize::saturating_add)
    }

    fn beyond(self, other: Self) -> Self {
        self.with(other, usize::saturating_sub)
    }

    fn at_most(self, other: Self) -> Self {
        self.with(other, usize::min)
    }

    fn with(self, other: Self, join: impl Fn(usize, usize) -> usize) -> Self {
        Self {
            audio: join(self.audio, other.audio),
            video: join(self.video, other.video),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (Instant, SectionRequests) {
        // The only clock reading is an origin to count from.
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        (now, SectionRequests::new())
    }

    fn sections(audio: usize, video: usize) -> Sections {
        Sections { audio, video }
    }

    const NONE: Sections = Sections { audio: 0, video: 0 };

    #[test]
    fn sp_4_only_what_free_sections_do_not_hold_is_asked_for() {
        for (unplaced, free, expected) in [
            (sections(1, 1), NONE, sections(1, 1)),
            (sections(1, 1), sections(3, 3), NONE),
            (sections(4, 1), sections(3, 0), sections(1, 1)),
            (NONE, NONE, NONE),
            (sections(9999, 0), NONE, sections(MAX_SECTIONS, 0)),
        ] {
            let (now, mut requests) = start();
            requests.changed(now);
            assert_eq!(
                requests.due(now, unplaced, free),
                None,
                "changes are gathered"
            );
            assert_eq!(requests.due(now + DEBOUNCE, unplaced, free), Some(expected));
            assert_eq!(
                requests.due(now + DEBOUNCE, unplaced, free),
                None,
                "asked once"
            );
        }
    }

    #[test]
    fn sp_4_what_was_asked_for_is_not_asked_for_again_until_it_was_offered() {
        let (mut now, mut requests) = start();
        requests.offered(sections(3, 3));
        requests.changed(now);
        now += DEBOUNCE;
        assert_eq!(
            requests.due(now, sections(5, 0), sections(3, 0)),
            Some(sections(2, 0))
        );

        // A change and an offer that crossed our request ask for nothing more.
        requests.changed(now);
        requests.offered(sections(3, 3));
        requests.changed(now);
        assert_eq!(requests.due(now + DEBOUNCE, sections(2, 0), NONE), None);

        requests.offered(sections(5, 3));
        assert_eq!(requests.deadline(), None);
        requests.changed(now);
        assert_eq!(
            requests.due(now + DEBOUNCE, sections(1, 0), NONE),
            Some(sections(1, 0))
        );
    }

    #[test]
    fn sp_4_a_request_nobody_followed_is_made_anew() {
        let (now, mut requests) = start();
        requests.changed(now);
        requests.due(now + DEBOUNCE, sections(1, 0), NONE);
        let lost_at = requests.deadline().unwrap();
        assert_eq!(requests.due(lost_at - DEBOUNCE, sections(1, 0), NONE), None);
        assert_eq!(
            requests.due(lost_at, sections(1, 0), NONE),
            Some(sections(1, 0))
        );
    }

    #[test]
    fn sp_4_tracks_that_come_and_go_do_not_pile_up_sections() {
        let (mut now, mut requests) = start();
        let mut offered = sections(3, 3);
        requests.offered(offered);
        for _ in 0..1000 {
            // Four come: one more than there are sections at first.
            requests.changed(now);
            now += DEBOUNCE;
            let more = requests
                .due(now, sections(4, 0), sections(offered.audio, 3))
                .unwrap();
            offered = offered.and(more);
            requests.offered(offered);
            // All go.
            requests.changed(now);
            now += DEBOUNCE;
            assert_eq!(requests.due(now, NONE, offered), Some(NONE));
            requests.offered(offered);
        }
        assert_eq!(offered, sections(4, 3));
    }

    #[test]
    fn sp_4_a_connection_is_never_asked_for_more_than_its_limit() {
        let (now, mut requests) = start();
        requests.offered(sections(MAX_SECTIONS - 1, 0));
        requests.changed(now);
        let more = requests.due(now + DEBOUNCE, sections(7, 0), NONE);
        assert_eq!(more, Some(sections(1, 0)));
    }
}
