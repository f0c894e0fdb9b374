//! How much a participant is sent at most: its profile. The room has one, the participant may
//! ask for a lower one, and where its link is found too thin for what it wants it gets a lower
//! one still. The lowest of them holds.
//!
//! What follows from it is left to the room; how wide a link is, its transport finds out.

use std::time::{Duration, Instant};

use media::Bitrate;

/// What a participant is sent at most, the least first.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Profile {
    /// Sound, and no pictures at all.
    AudioOnly,
    /// Small pictures, few frames.
    Low,
    /// Pictures of middle size.
    Medium,
    /// Everything as published.
    #[default]
    High,
}

impl Profile {
    /// The attribute by which a participant asks for one.
    pub const ATTRIBUTE: &str = "tof.profile";

    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::AudioOnly, Self::Low, Self::Medium, Self::High];

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.label() == name)
    }

    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::AudioOnly => "audio_only",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// What all pictures take together at most; `None` if they may take anything.
    pub(crate) fn pictures(self) -> Option<Bitrate> {
        match self {
            Self::AudioOnly => Some(Bitrate::ZERO),
            Self::Low => Some(Bitrate::kilobits(150)),
            Self::Medium => Some(Bitrate::kilobits(400)),
            Self::High => None,
        }
    }

    /// The shorter side of a camera's picture at most, in pixels. Text on a screen cannot be
    /// read in a small picture: a screen comes in full size, only more rarely.
    pub(crate) fn shorter_side(self) -> Option<u32> {
        match self {
            Self::AudioOnly | Self::Low => Some(240),
            Self::Medium => Some(480),
            Self::High => None,
        }
    }

    /// What a link is too thin for that is thinner than this.
    fn least(self) -> Bitrate {
        match self {
            Self::AudioOnly => Bitrate::ZERO,
            Self::Low => Bitrate::kilobits(80),
            Self::Medium => Bitrate::kilobits(500),
            Self::High => Bitrate::kilobits(1_000),
        }
    }

    /// The best one for a link this wide.
    fn of(link: Bitrate) -> Self {
        let fits = |profile: &Self| link >= profile.least();
        Self::ALL.into_iter().rfind(fits).unwrap_or(Self::AudioOnly)
    }

    /// What a link has to carry to get out of it again; `None` for the best.
    pub(crate) fn way_out(self) -> Option<Bitrate> {
        let better = Self::ALL.into_iter().find(|it| *it > self)?;
        Some(Bitrate(better.least().0 * OUT_PERCENT / 100))
    }
}

/// How much a publisher's sound is to take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SoundWish {
    /// As much as it likes.
    #[default]
    Free,
    /// As little as speech needs: hardly anybody is sent more.
    Thin,
}

/// A profile that holds, and who wanted it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Saving {
    /// Which holds.
    pub profile: Profile,
    /// Why.
    pub because: Because,
}

/// Whose wish a profile is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Because {
    /// The participant asked for it.
    Asked,
    /// Nobody in the room gets more.
    #[default]
    Room,
    /// The link carries no more.
    Measured,
}

impl Because {
    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Room => "room",
            Self::Measured => "measured",
        }
    }
}

/// Whether anything is different from before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    Same,
    Changed,
}

/// What holds for one participant.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    room: Profile,
    asked: Option<Profile>,
    link: Link,
}

impl Limits {
    /// The room allows this, and the participant asks for that.
    pub(crate) fn permit(&mut self, room: Profile, asked: Option<Profile>) -> Turn {
        let before = self.permitted();
        (self.room, self.asked) = (room, asked);
        turn(before == self.permitted())
    }

    /// The link is `width` wide, and would have to be `wished` wide for everything that is
    /// permitted.
    pub(crate) fn measure(&mut self, now: Instant, width: Bitrate, wished: Bitrate) -> Turn {
        let before = self.saving();
        self.link.measure(now, width, wished);
        turn(before == self.saving())
    }

    /// Nobody knows any more how wide the link is.
    pub(crate) fn unmeasured(&mut self) -> Turn {
        let before = self.saving();
        self.link = Link::default();
        turn(before == self.saving())
    }

    /// What it may have on a link of any width.
    pub(crate) fn permitted(&self) -> Profile {
        self.asked.map_or(self.room, |asked| asked.min(self.room))
    }

    /// What holds.
    pub(crate) fn saving(&self) -> Saving {
        let permitted = self.permitted();
        let measured = self.link.profile;
        let because = if measured < permitted {
            Because::Measured
        } else if self.asked == Some(permitted) {
            Because::Asked
        } else {
            Because::Room
        };
        Saving {
            profile: permitted.min(measured),
            because,
        }
    }
}

fn turn(same: bool) -> Turn {
    if same { Turn::Same } else { Turn::Changed }
}

/// What a link is found to be good for.
#[derive(Debug, Default)]
struct Link {
    profile: Profile,
    /// Since when it seems to be good for less, or for more.
    turning: Option<(Direction, Instant)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direction {
    Down,
    Up,
}

/// Links are found narrow when a call begins, and are soon found wider.
const IN_AFTER: Duration = Duration::from_secs(3);

/// A link that is a little wider for a moment is no wider link ...
const OUT_PERCENT: u64 = 120;
const OUT_AFTER: Duration = Duration::from_secs(4);

/// ... but one that is twice as wide as it has to be is.
const WIDE_PERCENT: u64 = 200;
const OUT_OF_A_WIDE_ONE_AFTER: Duration = Duration::from_secs(1);

impl Link {
    fn measure(&mut self, now: Instant, width: Bitrate, wished: Bitrate) {
        let better_on = |percent: u64| Profile::of(Bitrate(width.0 * 100 / percent));
        let next = if width >= wished {
            // Nothing is missing.
            Profile::High
        } else if better_on(OUT_PERCENT) > self.profile {
            better_on(OUT_PERCENT)
        } else {
            Profile::of(width).min(self.profile)
        };
        let after = if next < self.profile {
            IN_AFTER
        } else if better_on(WIDE_PERCENT) > self.profile {
            OUT_OF_A_WIDE_ONE_AFTER
        } else {
            OUT_AFTER
        };
        let direction = match next.cmp(&self.profile) {
            std::cmp::Ordering::Less => Direction::Down,
            std::cmp::Ordering::Equal => {
                self.turning = None;
                return;
            }
            std::cmp::Ordering::Greater => Direction::Up,
        };
        let (_, since) = *self
            .turning
            .take_if(|(before, _)| *before == direction)
            .get_or_insert((direction, now));
        if now.saturating_duration_since(since) >= after {
            self.profile = next;
        } else {
            self.turning = Some((direction, since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    const ENDLESS: Bitrate = Bitrate::kilobits(5_000);

    /// Each step: the link's kbit/s, for so many seconds, and what holds then.
    fn check(steps: &[(u64, u64, Profile)], wished: Bitrate) {
        let mut limits = Limits::default();
        let mut now = start();
        for (number, (width, seconds, expected)) in steps.iter().enumerate() {
            for _ in 0..seconds * 4 {
                now += Duration::from_millis(250);
                limits.measure(now, Bitrate::kilobits(*width), wished);
            }
            let saving = limits.saving();
            assert_eq!(saving.profile, *expected, "step {number}");
            let because = if *expected == Profile::High {
                Because::Room
            } else {
                Because::Measured
            };
            assert_eq!(saving.because, because, "step {number}");
        }
    }

    #[test]
    fn a_thin_link_is_entered_after_seconds_and_left_well_above() {
        use Profile::{AudioOnly, High, Low, Medium};
        check(
            &[
                (999, 2, High),
                (999, 2, Medium),
                (1_100, 60, Medium),
                (1_210, 3, Medium),
                (1_210, 2, High),
                (499, 4, Low),
                (590, 60, Low),
                (610, 5, Medium),
                (79, 4, AudioOnly),
                (90, 60, AudioOnly),
                (97, 5, Low),
                // Twice as wide as it has to be.
                (2_100, 2, High),
                (300, 2, High),
                // A dip is no thin link.
                (3_000, 1, High),
                (300, 2, High),
                (40, 2, AudioOnly),
            ],
            ENDLESS,
        );
    }

    #[test]
    fn a_link_that_carries_all_that_is_wanted_is_not_thin() {
        use Profile::{High, Low};
        check(&[(60, 60, High)], Bitrate::kilobits(40));
        check(&[(300, 60, High)], Bitrate::kilobits(200));
        check(&[(300, 4, Low), (450, 5, High)], Bitrate::kilobits(400));
    }

    #[test]
    fn the_lowest_profile_holds_and_says_whose_wish_it_is() {
        use Because::{Asked, Room};
        use Profile::{AudioOnly, High, Low, Medium};
        for (room, asked, profile, because) in [
            (High, None, High, Room),
            (High, Some(High), High, Asked),
            (High, Some(AudioOnly), AudioOnly, Asked),
            (Low, None, Low, Room),
            (Low, Some(Low), Low, Asked),
            (Low, Some(High), Low, Room),
            (Medium, Some(Low), Low, Asked),
        ] {
            let mut limits = Limits::default();
            limits.permit(room, asked);
            assert_eq!(limits.saving(), Saving { profile, because });
            assert_eq!(limits.permit(room, asked), Turn::Same);
        }
    }

    #[test]
    fn a_measure_lowers_what_is_permitted_and_never_raises_it() {
        let mut limits = Limits::default();
        limits.permit(Profile::Low, None);
        let now = start();
        for second in 0..10 {
            limits.measure(now + second * Duration::from_secs(1), ENDLESS, ENDLESS);
        }
        assert_eq!(limits.saving().profile, Profile::Low);
        for second in 10..20 {
            let width = Bitrate::kilobits(50);
            limits.measure(now + second * Duration::from_secs(1), width, ENDLESS);
        }
        assert_eq!(limits.saving().profile, Profile::AudioOnly);
        assert_eq!(limits.saving().because, Because::Measured);
        assert_eq!(limits.unmeasured(), Turn::Changed);
        assert_eq!(limits.saving().because, Because::Room);
    }

    #[test]
    fn profiles_are_known_by_their_names_only() {
        for profile in Profile::ALL {
            assert_eq!(Profile::named(profile.label()), Some(profile));
        }
        for other in ["", "HIGH", "audio-only", "ultra", "low "] {
            assert_eq!(Profile::named(other), None, "{other:?}");
        }
    }
}
