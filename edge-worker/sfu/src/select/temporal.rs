//! Leaves out the upper temporal layers of a VP8 picture sequence (RFC 7741 section
//! 4.2), and takes them up again only where a decoder can follow: at a frame marked
//! as depending on the base layer alone.

use media::Vp8Descriptor;

/// The frame rate of one subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temporal {
    /// The highest temporal layer wished.
    wish: u8,
    /// The highest ones forwarded, the newest first.
    changes: [Change; REMEMBERED],
}

/// From an output number on, layers up to this one are forwarded.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: u64,
    highest: u8,
}

/// Changes that late packets may be older than.
const REMEMBERED: usize = 4;

impl Default for Temporal {
    fn default() -> Self {
        Self {
            wish: u8::MAX,
            changes: [Change {
                from: 0,
                highest: u8::MAX,
            }; REMEMBERED],
        }
    }
}

impl Temporal {
    /// Aims for `highest`. What is being sent of a frame is finished.
    pub(crate) fn set_wish(&mut self, highest: u8) {
        self.wish = highest;
    }

    /// Decides on the next packet in order, which would get the number `output`.
    pub(crate) fn keeps(&mut self, descriptor: &Vp8Descriptor, output: u64) -> bool {
        let layer = descriptor.temporal_layer.unwrap_or(0);
        let highest = if descriptor.keyframe {
            self.wish
        } else if descriptor.frame_start {
            self.next_highest(layer, descriptor.layer_sync)
        } else {
            self.current()
        };
        if highest != self.current() {
            self.changes.rotate_right(1);
            self.changes[0] = Change {
                from: output,
                highest,
            };
        }
        layer <= highest
    }

    /// Decides on a packet out of order, with the number `output`, as it was then.
    pub(crate) fn kept(&self, descriptor: &Vp8Descriptor, output: u64) -> bool {
        let then = self.changes.iter().find(|change| change.from <= output);
        let then = then.unwrap_or(&self.changes[REMEMBERED - 1]);
        descriptor.temporal_layer.unwrap_or(0) <= then.highest
    }

    fn current(&self) -> u8 {
        self.changes[0].highest
    }

    /// What to forward from the start of a frame of `layer` on.
    fn next_highest(&self, layer: u8, layer_sync: bool) -> u8 {
        let lowered = self.current().min(self.wish);
        if layer_sync && layer <= self.wish && Some(layer) == lowered.checked_add(1) {
            return layer;
        }
        lowered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_left_out_at_once_and_taken_up_at_a_sync_frame() {
        let mut temporal = Temporal::default();
        for (step, (wish, first_byte, layer, expected)) in [
            // wish, start of the payload's descriptor, temporal layer and sync, kept
            (2, KEY, 0x00, true),
            (2, START, 0x80, true),
            (0, MIDDLE, 0x80, true), // the frame begun is finished
            (0, START, 0x40, false),
            (0, START, 0x00, true),
            (2, START, 0x40, false), // no sync: needs frames left out before
            (2, START, 0xa0, false), // two steps at once
            (2, START, 0x60, true),
            (2, START, 0x80, false),
            (2, START, 0xa0, true),
            (2, START, 0x80, true),
            (0, KEY, 0x00, true),
            (0, START, 0x60, false),
            (2, START, 0x80, false),
            (2, KEY, 0x00, true),
            (2, START, 0x80, true),
        ]
        .into_iter()
        .enumerate()
        {
            temporal.set_wish(wish);
            let body = u8::from(first_byte != KEY);
            let start = if first_byte == MIDDLE { 0x80 } else { 0x90 };
            let descriptor = Vp8Descriptor::parse(&[start, 0x20, layer, body]).unwrap();
            assert_eq!(temporal.keeps(&descriptor, 1), expected, "step {step}");
        }
    }

    #[test]
    fn late_packets_are_decided_on_as_they_were_then() {
        let upper = Vp8Descriptor::parse(&[0x80, 0x20, 0x80, 1]).unwrap();
        let base = Vp8Descriptor::parse(&[0x90, 0x20, 0x00, 1]).unwrap();
        let mut temporal = Temporal::default();
        temporal.set_wish(0);
        assert!(temporal.keeps(&base, 10));
        assert!(temporal.kept(&upper, 9));
        assert!(!temporal.kept(&upper, 10));
    }

    const KEY: u8 = 0;
    const START: u8 = 1;
    const MIDDLE: u8 = 2;
}
