//! Which packets are numbered across the transport, so that the client tells of their arrival.
//!
//! Chromium answers every 50 ms while something numbered comes, with 90 bytes all told: a
//! listener's whole uplink where that carries 20 kbit/s. Sound alone has no rate to be found
//! out, so little of it is numbered; beside pictures all of it is.

use std::time::{Duration, Instant};

use media::MediaKind;

/// When which packet was sent.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// The last picture.
    picture: Option<Instant>,
    /// The last sound that was numbered.
    sound: Option<Instant>,
}

impl Numbering {
    /// Pictures that wait for a better line are not over.
    const ALONE: Duration = Duration::from_secs(5);
    /// Between two numbered packets of sound alone.
    const APART: Duration = Duration::from_millis(250);

    /// Whether a packet that leaves at `now` is numbered.
    pub(super) fn takes(&mut self, now: Instant, kind: MediaKind) -> bool {
        let within = |at: Option<Instant>, time| {
            at.is_some_and(|at| now.saturating_duration_since(at) < time)
        };
        match kind {
            MediaKind::Video => {
                self.picture = Some(now);
                true
            }
            MediaKind::Audio => {
                let takes = within(self.picture, Self::ALONE) || !within(self.sound, Self::APART);
                if takes {
                    self.sound = Some(now);
                }
                takes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn of_sound_alone_four_packets_a_second_are_numbered_and_beside_pictures_all() {
        let start = start();
        let mut numbering = Numbering::default();
        let mut numbered = |from_ms: u64, picture_at: Option<u64>| {
            let mut count = 0;
            for ms in (from_ms..from_ms + 1_000).step_by(20) {
                let now = start + Duration::from_millis(ms);
                if picture_at == Some(ms) {
                    assert!(numbering.takes(now, MediaKind::Video));
                }
                count += u32::from(numbering.takes(now, MediaKind::Audio));
            }
            count
        };
        assert_eq!(numbered(0, None), 4, "260 ms apart");
        assert_eq!(numbered(1_000, Some(1_000)), 50);
        assert_eq!(numbered(5_000, None), 50);
        assert_eq!(numbered(7_000, None), 4);
    }
}
