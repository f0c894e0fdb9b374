//! Picks one picture size and frame rate out of a stream that has several, each drawn with
//! the help of the smaller ones (VP9 and AV1 with spatial and temporal layers).
//!
//! Less is sent from the next picture on. A larger size begins at a keyframe, a higher rate
//! where the stream says that nothing left out before is needed. Where a decoder starts at
//! all is left to [`simulcast`](super::simulcast), numbering to
//! [`rewrite`](crate::rewrite).

use media::{Layer, LayerFrame, Timestamp};

/// One subscriber's part of a stream with several layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalable {
    wish: Reach,
    /// The picture decided on last.
    picture: Option<Timestamp>,
    /// What was forwarded, the newest first.
    changes: [Change; REMEMBERED],
}

/// Layers up to these.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Reach {
    spatial: u8,
    /// Of all sizes: what the smallest one shows of a picture counts for the others.
    temporal: u8,
}

/// From a picture on.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: Timestamp,
    reach: Reach,
}

/// Changes that late packets may be older than.
const REMEMBERED: usize = 6;

/// What a packet is of the part that is picked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// It is not in it: too large a picture.
    TooLarge,
    /// It is not in it: of more frames a second.
    TooFast,
    /// It is in it.
    Inside,
    /// It is in it, and the last of its picture that is.
    Last,
}

impl Reach {
    const ALL: Self = Self {
        spatial: u8::MAX,
        temporal: u8::MAX,
    };

    fn of(self, frame: &LayerFrame) -> Part {
        if frame.spatial > self.spatial {
            Part::TooLarge
        } else if frame.temporal > self.temporal {
            Part::TooFast
        } else if frame.end && frame.spatial == self.spatial {
            Part::Last
        } else {
            Part::Inside
        }
    }

    /// No more than `wish`.
    fn lowered(self, wish: &Self) -> Self {
        Self {
            spatial: self.spatial.min(wish.spatial),
            temporal: self.temporal.min(wish.temporal),
        }
    }

    /// At the rate of `wish` after `frame`, if nothing that was left out is needed then.
    fn raised(mut self, wish: &Self, frame: &LayerFrame) -> Self {
        let counts = frame.start && frame.spatial == 0 && frame.switching_up;
        if counts && frame.temporal <= self.temporal {
            self.temporal = self.temporal.max(wish.temporal);
        }
        self
    }
}

impl Default for Scalable {
    fn default() -> Self {
        Self {
            wish: Reach::ALL,
            picture: None,
            changes: [Change {
                from: Timestamp(0),
                reach: Reach::ALL,
            }; REMEMBERED],
        }
    }
}

impl Scalable {
    /// Aims for pictures up to `spatial`, at rates up to `temporal`. What is being sent of a
    /// picture is finished.
    pub(crate) fn set_wish(&mut self, spatial: Layer, temporal: u8) {
        self.wish = Reach {
            spatial: spatial.0,
            temporal,
        };
    }

    /// Decides on the next packet in order, of the picture taken at `picture`.
    pub(crate) fn pick(&mut self, frame: &LayerFrame, picture: Timestamp) -> Part {
        let mut reach = self.reach();
        if self.picture != Some(picture) {
            self.picture = Some(picture);
            reach = reach.lowered(&self.wish);
        }
        if frame.stands_alone {
            reach = self.wish;
        }
        let part = reach.of(frame);
        reach = reach.raised(&self.wish, frame);
        if reach != self.reach() {
            self.changes.rotate_right(1);
            self.changes[0] = Change {
                from: picture,
                reach,
            };
        }
        part
    }

    /// Decides on a packet out of order, of the picture taken at `picture`, as it was then.
    pub(crate) fn picked(&self, frame: &LayerFrame, picture: Timestamp) -> Part {
        let is_before = |change: &&Change| picture.distance(change.from) >= 0;
        let then = self.changes.iter().find(is_before);
        then.unwrap_or(&self.changes[REMEMBERED - 1])
            .reach
            .of(frame)
    }

    /// The largest pictures forwarded, of those that are `sent`.
    pub(crate) fn playing(&self, sent: Layer) -> Layer {
        Layer(self.reach().spatial).min(sent)
    }

    /// Whether a keyframe is needed for larger pictures, of those that are `sent`.
    pub(crate) fn awaits(&self, sent: Layer) -> bool {
        self.reach().spatial < self.wish.spatial.min(sent.0)
    }

    fn reach(&self) -> Reach {
        self.changes[0].reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::{Inside, Last, TooFast, TooLarge};
    use media::Vp9Descriptor;

    /// A frame in one packet of a spatial and a temporal layer.
    fn frame(key: bool, spatial: u8, temporal: u8, up: bool) -> LayerFrame {
        let predicted = if key { 0 } else { 0x40 };
        let layers = temporal << 5 | u8::from(up) << 4 | spatial << 1;
        Vp9Descriptor::parse(&[0xac | predicted, 1, layers, 1, 0])
            .unwrap()
            .layer_frame()
    }

    #[test]
    fn larger_pictures_begin_at_a_keyframe_and_smaller_ones_at_once() {
        let mut scalable = Scalable::default();
        for (step, (wish, picture, key, spatial, expected, awaits)) in [
            (0, 1, true, 0, Last, false),
            (0, 1, false, 1, TooLarge, false),
            (0, 1, false, 2, TooLarge, false),
            (2, 2, false, 0, Last, true),
            (2, 2, false, 2, TooLarge, true),
            (2, 3, true, 0, Inside, false),
            (2, 3, false, 1, Inside, false),
            (2, 3, false, 2, Last, false),
            (1, 4, false, 0, Inside, false),
            (1, 4, false, 1, Last, false),
            (1, 4, false, 2, TooLarge, false),
            (1, 5, false, 0, Inside, false),
            // In the middle of a picture nothing changes.
            (0, 5, false, 1, Last, false),
            (0, 6, false, 0, Last, false),
            (0, 6, false, 1, TooLarge, false),
        ]
        .into_iter()
        .enumerate()
        {
            scalable.set_wish(Layer(wish), 2);
            let frame = frame(key, spatial, 0, false);
            let part = scalable.pick(&frame, Timestamp(picture));
            assert_eq!(part, expected, "step {step}");
            assert_eq!(scalable.awaits(Layer::HIGH), awaits, "step {step}");
        }
        scalable.set_wish(Layer::HIGH, 2);
        assert!(!scalable.awaits(Layer::LOW), "there is nothing larger");
        assert_eq!(scalable.playing(Layer::HIGH), Layer::LOW);
    }

    #[test]
    fn rates_fall_at_once_and_rise_where_nothing_left_out_is_needed() {
        let mut scalable = Scalable::default();
        for (step, (wish, picture, temporal, up, expected)) in [
            (0, 1, 0, false, Last),
            (0, 2, 2, false, TooFast),
            (2, 3, 2, true, TooFast), // switches up for those who got its rate
            (2, 4, 0, false, Last),
            (2, 5, 2, false, TooFast),
            (2, 6, 0, true, Last),
            (2, 7, 2, false, Last),
            (2, 8, 1, false, Last),
            (1, 9, 2, false, TooFast),
            (1, 10, 1, false, Last),
        ]
        .into_iter()
        .enumerate()
        {
            scalable.set_wish(Layer::LOW, wish);
            let frame = frame(step == 0, 0, temporal, up);
            let part = scalable.pick(&frame, Timestamp(picture));
            assert_eq!(part, expected, "step {step}");
        }
    }

    #[test]
    fn late_packets_are_decided_on_as_they_were_then() {
        let mut scalable = Scalable::default();
        scalable.set_wish(Layer::HIGH, 2);
        scalable.pick(&frame(true, 0, 0, false), Timestamp(10));
        scalable.set_wish(Layer::LOW, 2);
        scalable.pick(&frame(false, 0, 0, false), Timestamp(20));
        let large = frame(false, 2, 0, false);
        assert_eq!(scalable.picked(&large, Timestamp(19)), Last);
        assert_eq!(scalable.picked(&large, Timestamp(20)), TooLarge);
        assert_eq!(
            scalable.picked(&frame(false, 0, 0, false), Timestamp(20)),
            Last
        );
        assert_eq!(
            scalable.picked(&frame(false, 0, 0, false), Timestamp(19)),
            Inside
        );
    }
}
