//! Sends sound a second time where the path loses it: sooner than a request and its answer, and
//! not in the same burst, which may be lost as a whole.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::frame::{Copy, Media};

/// What of the sound that left goes again.
#[derive(Debug, Default)]
pub struct Repetition {
    waiting: VecDeque<(Instant, Media)>,
    active: Active,
}

/// Whether sound is repeated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Active {
    /// The path loses hardly anything.
    #[default]
    No,
    /// It does.
    Yes,
}

impl Repetition {
    /// One Opus frame later: the copy rides with the next packet, and bursts of loss are shorter.
    pub const AFTER: Duration = Duration::from_millis(20);
    /// Below, a request is cheaper.
    const FROM: f64 = 0.005;
    /// Having begun it goes on down to here.
    const TO: f64 = 0.002;
    /// 20 ms of 500 microphones.
    const MOST: usize = 1_024;

    /// `share` of the packets of late got lost.
    pub fn set_loss(&mut self, share: f64) {
        let limit = match self.active {
            Active::No => Self::FROM,
            Active::Yes => Self::TO,
        };
        self.active = if share > limit {
            Active::Yes
        } else {
            Active::No
        };
    }

    /// Whether sound is repeated.
    pub fn active(&self) -> Active {
        self.active
    }

    /// `media`, sound, left for the first time.
    pub fn left(&mut self, now: Instant, media: &Media) {
        if self.active == Active::No || self.waiting.len() == Self::MOST {
            return;
        }
        let copy = Media {
            copy: Copy::Repeated,
            ..media.clone()
        };
        self.waiting.push_back((now + Self::AFTER, copy));
    }

    /// What is to go again now.
    pub fn poll(&mut self, now: Instant) -> Option<Media> {
        if self.deadline()? > now {
            return None;
        }
        self.waiting.pop_front().map(|(_, media)| media)
    }

    /// When something is to go again.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::{FlowId, LinkSeq, Place};
    use crate::testing::{ms, start};

    #[test]
    fn sound_goes_again_a_frame_later_where_the_path_loses() {
        let mut repetition = Repetition::default();
        repetition.left(start(), &media(1));
        assert_eq!(repetition.deadline(), None, "nothing gets lost yet");
        repetition.set_loss(0.01);
        repetition.left(start(), &media(2));
        assert_eq!(repetition.poll(start() + ms(19)), None);
        let again = repetition.poll(start() + ms(20)).unwrap();
        assert_eq!((again.seq, again.copy), (LinkSeq(2), Copy::Repeated));
        assert_eq!(repetition.poll(start() + ms(99)), None);
    }

    #[test]
    fn it_does_not_flicker() {
        let mut repetition = Repetition::default();
        for (loss, expected) in [
            (0.004, Active::No),
            (0.006, Active::Yes),
            (0.003, Active::Yes),
            (0.001, Active::No),
            (0.004, Active::No),
        ] {
            repetition.set_loss(loss);
            assert_eq!(repetition.active(), expected, "{loss}");
        }
    }

    fn media(seq: u32) -> Media {
        Media {
            flow: FlowId::new(1).unwrap(),
            seq: LinkSeq(seq),
            copy: Copy::Original,
            place: Place::default(),
            rtp: Bytes::from_static(&[0x80; 12]),
        }
    }
}
