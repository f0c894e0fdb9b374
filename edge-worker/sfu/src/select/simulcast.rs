//! Picks the packets of one layer, and changes layers only where a decoder can
//! follow: at a keyframe of the layer it is changing to, after the last packet of the
//! frame begun on the old one.
//!
//! A keyframe that begins before the old frame has ended is held: its packets stay in
//! the [`cache`](crate::cache) and are played from there. Sound is a track with one
//! layer, where every packet is a place to start. Numbering the picked packets is left
//! to [`rewrite`](crate::rewrite).

use std::time::{Duration, Instant};

use media::{Layer, Timestamp};

use crate::fanout::{Arrival, DropReason};

use super::LayerSet;

/// One subscriber's choice among the layers of one track.
#[derive(Debug, Default)]
pub(crate) struct Simulcast {
    /// What shall be played; `None` pauses.
    target: Option<Layer>,
    /// What is being played.
    playing: Option<Playing>,
    /// The layer to change to once the frame begun has ended.
    held: Option<Held>,
}

#[derive(Debug)]
struct Playing {
    layer: Layer,
    /// The newest packet picked ...
    newest: u64,
    /// ... and the frame it is of.
    timestamp: Timestamp,
    frame: Frame,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Frame {
    /// Its last packet is still to come.
    Open,
    /// Nothing newer can be part of it.
    Ended,
    /// As `Ended`, but the next frame showed it: packets before this one may be part of it.
    CutBefore(u64),
}

#[derive(Debug)]
struct Held {
    entry: Entry,
    until: Instant,
}

/// A place where a decoder can start on a layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// The layer to play ...
    pub(crate) layer: Layer,
    /// ... from this packet on.
    pub(crate) number: u64,
    /// Packets of the old layer before this one may still come, and are its frame's.
    pub(crate) old_layer_ends: Option<u64>,
}

/// What becomes of one packet for one subscriber.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// It is the next one of the layer being played.
    Forward,
    /// It came out of order: forward it if its number was left open.
    Late,
    /// It begins what will be played: see [`Simulcast::enter`].
    Hold,
    /// Leave it out, and count why.
    Drop(DropReason),
}

impl Simulcast {
    /// Aims for `layer`. The old one plays on until the new one has a keyframe.
    pub(crate) fn set_target(&mut self, layer: Option<Layer>) {
        self.target = layer;
        if layer.is_none() {
            self.stop();
        }
        self.held.take_if(|held| Some(held.entry.layer) != layer);
    }

    /// Plays nothing until the next keyframe.
    pub(crate) fn stop(&mut self) {
        self.playing = None;
        self.held = None;
    }

    /// Decides on one packet.
    pub(crate) fn select(&mut self, now: Instant, layer: Layer, packet: &Arrival<'_>) -> Decision {
        let Some(target) = self.target else {
            return Decision::Drop(DropReason::Paused);
        };
        self.playing
            .take_if(|playing| playing.layer == layer && packet.number > playing.newest + MAX_GAP);
        match &mut self.playing {
            Some(playing) if playing.layer == layer => playing.select(self.held.as_ref(), packet),
            Some(_) if layer != target => Decision::Drop(DropReason::OtherLayer),
            None if layer > target => Decision::Drop(DropReason::OtherLayer),
            // Until the target has a keyframe any smaller picture is better than none.
            Some(_) | None if packet.marks.entry && self.held.is_none() => {
                self.held = Some(Held {
                    entry: Entry {
                        layer,
                        number: packet.number,
                        old_layer_ends: None,
                    },
                    until: now + MAX_HOLD,
                });
                Decision::Hold
            }
            Some(_) | None if self.held.is_some() => Decision::Drop(DropReason::OtherLayer),
            Some(_) | None => Decision::Drop(DropReason::AwaitKeyframe),
        }
    }

    /// Changes layers if one is held and the old frame has ended, or takes too long to.
    pub(crate) fn enter(&mut self, now: Instant) -> Option<Entry> {
        let frame = self.playing.as_ref().map_or(Frame::Ended, |old| old.frame);
        let held = self
            .held
            .take_if(|held| frame != Frame::Open || held.until <= now)?;
        self.playing = Some(Playing {
            layer: held.entry.layer,
            newest: held.entry.number - 1,
            timestamp: Timestamp::default(),
            frame: Frame::Ended,
        });
        let old_layer_ends = match frame {
            Frame::CutBefore(number) => Some(number),
            Frame::Open | Frame::Ended => None,
        };
        Some(Entry {
            old_layer_ends,
            ..held.entry
        })
    }

    /// The layer being played.
    pub(crate) fn playing(&self) -> Option<Layer> {
        self.playing.as_ref().map(|playing| playing.layer)
    }

    /// Whether what is played is larger than what is aimed for.
    pub(crate) fn is_falling(&self) -> bool {
        self.target.is_some() && self.playing() > self.target
    }

    /// The layer a keyframe is needed of.
    pub(crate) fn awaits(&self) -> Option<Layer> {
        let settled = self.playing() == self.target || self.held.is_some();
        self.target.filter(|_| !settled)
    }

    /// The layers whose packets can matter.
    pub(crate) fn wants(&self) -> LayerSet {
        match (self.target, self.playing()) {
            (None, _) => LayerSet::default(),
            (Some(target), None) => LayerSet::up_to(target),
            (Some(target), Some(playing)) => [target, playing].into_iter().collect(),
        }
    }

    /// The layers it cannot go on without.
    pub(crate) fn needs(&self) -> LayerSet {
        self.target.into_iter().chain(self.playing()).collect()
    }

    /// When to call [`enter`](Self::enter) at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.held.as_ref().map(|held| held.until)
    }
}

impl Playing {
    fn select(&mut self, held: Option<&Held>, packet: &Arrival<'_>) -> Decision {
        if packet.number <= self.newest {
            return Decision::Late;
        }
        if held.is_some() && packet.marks.timestamp != self.timestamp {
            self.frame = Frame::CutBefore(packet.number);
            return Decision::Drop(DropReason::OtherLayer);
        }
        self.newest = packet.number;
        if packet.payload.is_empty() {
            return Decision::Forward;
        }
        self.timestamp = packet.marks.timestamp;
        self.frame = if packet.marks.ends_frame() {
            Frame::Ended
        } else {
            Frame::Open
        };
        Decision::Forward
    }
}

/// How long the end of a frame may stay out while another layer is ready to play: most
/// of one round trip for its repair, and less than a viewer notices.
const MAX_HOLD: Duration = Duration::from_millis(50);

/// More missing packets than this are not repaired but jumped over.
pub(crate) const MAX_GAP: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::Marks;
    use crate::testing::start;
    use Decision::{Drop, Forward, Hold, Late};
    use DropReason::{AwaitKeyframe, OtherLayer, Paused};
    use media::Codec;

    const KEY: bool = true;
    const MARKER: bool = true;

    #[test]
    fn old_layer_plays_until_the_new_one_has_a_keyframe() {
        check([
            // target, layer, number, frame, keyframe start, last of frame, expected, entered
            (Some(0), 0, 10, 1, !KEY, MARKER, Drop(AwaitKeyframe), None),
            (Some(0), 0, 11, 2, KEY, MARKER, Hold, Some(11)),
            (Some(0), 0, 11, 2, KEY, MARKER, Forward, None),
            (Some(2), 2, 50, 3, !KEY, MARKER, Drop(AwaitKeyframe), None),
            (Some(2), 0, 12, 3, !KEY, MARKER, Forward, None),
            (Some(2), 1, 70, 4, KEY, MARKER, Drop(OtherLayer), None),
            (Some(2), 2, 51, 4, KEY, MARKER, Hold, Some(51)),
            (Some(2), 2, 51, 4, KEY, MARKER, Forward, None),
            (Some(2), 0, 13, 4, !KEY, MARKER, Drop(OtherLayer), None),
        ]);
    }

    #[test]
    fn a_frame_begun_is_finished_before_the_new_layer_starts() {
        check([
            (Some(0), 0, 11, 2, KEY, MARKER, Hold, Some(11)),
            (Some(0), 0, 11, 2, KEY, MARKER, Forward, None),
            (Some(1), 0, 12, 3, !KEY, !MARKER, Forward, None),
            (Some(1), 1, 51, 3, KEY, !MARKER, Hold, None),
            (Some(1), 1, 52, 3, !KEY, MARKER, Drop(OtherLayer), None),
            (Some(1), 0, 13, 3, !KEY, MARKER, Forward, Some(51)),
            (Some(1), 1, 51, 3, KEY, !MARKER, Forward, None),
        ]);
    }

    #[test]
    fn a_frame_whose_end_is_lost_ends_where_the_next_begins() {
        check([
            (Some(0), 0, 11, 2, KEY, !MARKER, Hold, Some(11)),
            (Some(0), 0, 11, 2, KEY, !MARKER, Forward, None),
            (Some(1), 1, 51, 2, KEY, MARKER, Hold, None),
            (Some(1), 0, 13, 3, !KEY, MARKER, Drop(OtherLayer), Some(51)),
            (Some(1), 0, 12, 2, !KEY, MARKER, Drop(OtherLayer), None),
        ]);
    }

    #[test]
    fn a_smaller_picture_is_better_than_none_and_a_larger_one_is_not_wished() {
        check([
            (Some(1), 2, 90, 1, KEY, MARKER, Drop(OtherLayer), None),
            (Some(1), 0, 10, 1, KEY, MARKER, Hold, Some(10)),
            (Some(1), 0, 10, 1, KEY, MARKER, Forward, None),
            (Some(1), 1, 50, 1, KEY, MARKER, Hold, Some(50)),
        ]);
    }

    #[test]
    fn resuming_needs_a_keyframe_again() {
        check([
            (Some(0), 0, 10, 1, KEY, MARKER, Hold, Some(10)),
            (Some(0), 0, 10, 1, KEY, MARKER, Forward, None),
            (None, 0, 11, 2, !KEY, MARKER, Drop(Paused), None),
            (Some(0), 0, 12, 3, !KEY, MARKER, Drop(AwaitKeyframe), None),
            (Some(0), 0, 13, 4, KEY, MARKER, Hold, Some(13)),
        ]);
    }

    #[test]
    fn what_is_too_far_ahead_is_a_new_start() {
        check([
            (Some(0), 0, 10, 1, KEY, MARKER, Hold, Some(10)),
            (Some(0), 0, 10, 1, KEY, MARKER, Forward, None),
            (Some(0), 0, 12, 3, !KEY, MARKER, Forward, None),
            (Some(0), 0, 11, 2, !KEY, MARKER, Late, None),
            (Some(0), 0, 9000, 3, !KEY, MARKER, Drop(AwaitKeyframe), None),
            (Some(0), 0, 9001, 4, KEY, MARKER, Hold, Some(9001)),
        ]);
    }

    #[test]
    fn a_hold_ends_in_time() {
        let now = start();
        let mut simulcast = Simulcast::default();
        simulcast.set_target(Some(Layer::LOW));
        simulcast.select(now, Layer::LOW, &packet(10, 1, KEY, !MARKER));
        simulcast.enter(now).unwrap();
        simulcast.select(now, Layer::LOW, &packet(10, 1, KEY, !MARKER));
        simulcast.set_target(Some(Layer::HIGH));
        simulcast.select(now, Layer::HIGH, &packet(50, 1, KEY, MARKER));
        let until = simulcast.deadline().unwrap();
        assert_eq!(simulcast.enter(until - Duration::from_millis(1)), None);
        assert_eq!(simulcast.enter(until).unwrap().number, 50);
        assert_eq!(simulcast.deadline(), None);
    }

    type Step = (Option<u8>, u8, u64, u32, bool, bool, Decision, Option<u64>);

    fn check<const N: usize>(steps: [Step; N]) {
        let now = start();
        let mut simulcast = Simulcast::default();
        for (step, (target, layer, number, frame, key, marker, expected, entered)) in
            steps.into_iter().enumerate()
        {
            simulcast.set_target(target.map(Layer));
            let packet = packet(number, frame, key, marker);
            let decision = simulcast.select(now, Layer(layer), &packet);
            assert_eq!(decision, expected, "step {step}");
            let entry = simulcast.enter(now).map(|entry| entry.number);
            assert_eq!(entry, entered, "step {step}");
        }
    }

    fn packet(number: u64, frame: u32, entry: bool, marker: bool) -> Arrival<'static> {
        Arrival {
            number,
            marks: Marks {
                timestamp: Timestamp(frame),
                codec: Codec::Vp8,
                marker,
                entry,
                vp8: None,
                layered: None,
                dependencies: 0,
            },
            payload: &[0; 4],
        }
    }
}
