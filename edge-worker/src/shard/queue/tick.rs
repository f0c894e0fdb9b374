//! How long datagrams wait for company: the kernel's price is per train, so where trains
//! are short a longer wait saves work.

use std::time::Duration;

/// The time from the first datagram of a flush to the flush.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick(Duration);

/// How much a flush was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) datagrams: usize,
    pub(super) bytes: usize,
    pub(super) trains: usize,
}

impl Tick {
    /// The shortest wait. Audio rides along; it is part of the delay budget.
    const SHORTEST: Duration = Duration::from_millis(1);

    /// The longest wait, while many packets leave in short trains ...
    const LONGEST: Duration = Duration::from_millis(2);

    /// ... and while they are mostly sound, of which a listener gets few at a time.
    const LONGEST_OF_SOUND: Duration = Duration::from_millis(4);

    /// Waits longer while many leave in short trains, and no longer than needed.
    pub(super) fn adjust(&mut self, load: Load) {
        let Load {
            datagrams,
            bytes,
            trains,
        } = load;
        if datagrams >= BUSY && datagrams < trains * GOOD_TRAIN {
            let longest = if bytes < datagrams * SOUND_LEN {
                Self::LONGEST_OF_SOUND
            } else {
                Self::LONGEST
            };
            self.0 = (self.0 + Self::SHORTEST).min(longest);
        } else if datagrams < BUSY || datagrams > trains * GOOD_TRAIN * 2 {
            self.0 = (self.0 - Self::SHORTEST).max(Self::SHORTEST);
        }
    }

    /// How long to wait now.
    pub(super) fn wait(self) -> Duration {
        self.0
    }
}

impl Default for Tick {
    fn default() -> Self {
        Self(Self::SHORTEST)
    }
}

/// Sound is shorter than this on average, pictures are longer.
const SOUND_LEN: usize = 400;

/// Fewer datagrams than this in a flush cost nothing worth waiting for.
const BUSY: usize = 64;

/// Trains shorter than this are worth a longer wait; twice as long ones are not.
const GOOD_TRAIN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tick_grows_only_while_much_leaves_in_short_trains() {
        let mut tick = Tick::default();
        for (datagrams, len, trains, expected, why) in [
            (1, 100, 1, 1, "little to send"),
            (100, 100, 100, 2, "a hundred, each alone"),
            (100, 100, 100, 3, "still"),
            (100, 100, 100, 4, "still"),
            (100, 100, 100, 4, "no longer than that"),
            (100, 1_000, 100, 2, "pictures come with others soon enough"),
            (100, 100, 100, 3, "sound again"),
            (100, 100, 10, 3, "trains long enough"),
            (100, 100, 5, 2, "trains longer than they need be"),
            (100, 100, 5, 1, "still"),
        ] {
            tick.adjust(Load {
                datagrams,
                bytes: datagrams * len,
                trains,
            });
            assert_eq!(tick.wait(), Duration::from_millis(expected), "{why}");
        }
    }
}
