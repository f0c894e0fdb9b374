//! The last picture that stands alone and all since, of one layer: a node that begins to want it
//! sees something after one way, not after a request and an answer from the publisher's phone.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::frame::{Keyframe, Place};

/// One layer's packets since its last keyframe.
#[derive(Debug, Default)]
pub struct KeyframeCache {
    packets: Vec<(Place, Bytes)>,
    bytes: usize,
    /// When the keyframe began; `None` if what followed was too much to keep.
    began_at: Option<Instant>,
    /// The keyframe's packets are still coming.
    opening: Opening,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Opening {
    #[default]
    Over,
    Comes,
}

impl KeyframeCache {
    /// Longer, and catching up takes longer than a new keyframe.
    const LONGEST: Duration = Duration::from_secs(2);
    /// Of one layer.
    const MOST: usize = 1 << 20;

    /// A packet came, in the order of sending.
    pub fn push(&mut self, now: Instant, place: Place, rtp: &Bytes) {
        let keyframe = place.keyframe == Keyframe::Yes;
        if keyframe && self.opening == Opening::Over {
            self.clear();
            self.began_at = Some(now);
        }
        self.opening = if keyframe {
            Opening::Comes
        } else {
            Opening::Over
        };
        let Some(began_at) = self.began_at else {
            return;
        };
        let too_long = now.saturating_duration_since(began_at) > Self::LONGEST;
        if too_long || self.bytes + rtp.len() > Self::MOST {
            self.clear();
            return;
        }
        self.bytes += rtp.len();
        self.packets.push((place, rtp.clone()));
    }

    /// What to send to somebody who has nothing yet, in order; empty if a keyframe must be asked for.
    pub fn packets(&self, now: Instant) -> &[(Place, Bytes)] {
        let fresh = |at: Instant| now.saturating_duration_since(at) <= Self::LONGEST;
        if self.began_at.is_some_and(fresh) {
            &self.packets
        } else {
            &[]
        }
    }

    fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
        self.began_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    #[test]
    fn it_holds_the_last_keyframe_and_what_followed() {
        let mut cache = KeyframeCache::default();
        for (at, keyframe, expected) in [
            (0, Keyframe::No, 0),
            (33, Keyframe::Yes, 1),
            (34, Keyframe::Yes, 2),
            (66, Keyframe::No, 3),
            (99, Keyframe::Yes, 1),
            (2_098, Keyframe::No, 2),
            (2_100, Keyframe::No, 0),
            (2_133, Keyframe::No, 0),
        ] {
            let place = Place {
                keyframe,
                ..Place::default()
            };
            cache.push(start() + ms(at), place, &Bytes::from_static(&[0x80; 12]));
            assert_eq!(cache.packets(start() + ms(at)).len(), expected, "{at}");
        }
    }

    #[test]
    fn what_is_too_much_is_not_kept_in_part() {
        let mut cache = KeyframeCache::default();
        let rtp = Bytes::from(vec![0x80; 1_200]);
        for index in 0..1_000 {
            let keyframe = if index == 0 {
                Keyframe::Yes
            } else {
                Keyframe::No
            };
            cache.push(
                start(),
                Place {
                    keyframe,
                    ..Place::default()
                },
                &rtp,
            );
            assert!(cache.bytes <= KeyframeCache::MOST);
        }
        assert!(cache.packets(start()).is_empty());
    }
}
