//! The spatial layers inside one stream: which of them are sent, and what a subscriber's
//! link has to carry to be sent each, those below it included.

use std::time::{Duration, Instant};

use media::{Bitrate, Layer, LayerFrame};

use super::meter::{Meter, Rates};
use crate::select::LayerSet;

/// The layers of one stream.
#[derive(Debug)]
pub(super) struct Strata([Option<Stratum>; Layer::COUNT]);

#[derive(Debug)]
struct Stratum {
    meter: Meter,
    heard_at: Instant,
    /// Frames of the smallest layer since.
    frames_below: u32,
}

/// Longer than a frame at the lowest rate browsers encode at ...
const SILENCE: Duration = Duration::from_millis(500);
/// ... but slow screens send a picture now and then.
const SILENT_FRAMES: u32 = 3;

impl Strata {
    pub(super) fn new() -> Self {
        Self([None, None, None])
    }

    /// A packet of `frame` came.
    pub(super) fn count(&mut self, now: Instant, frame: &LayerFrame, payload: usize) {
        let layer = layer(frame);
        let stratum = self.0[layer.index()].get_or_insert_with(|| Stratum {
            meter: Meter::new(now),
            heard_at: now,
            frames_below: 0,
        });
        stratum.meter.count(now, frame.temporal, payload);
        stratum.heard_at = now;
        stratum.frames_below = 0;
        if frame.end && layer == Layer::LOW {
            for above in self.0[1..].iter_mut().flatten() {
                above.frames_below = above.frames_below.saturating_add(1);
            }
        }
    }

    /// The layers that are sent.
    pub(super) fn live(&self, now: Instant) -> LayerSet {
        let is_sent = |layer: &Layer| {
            self.0[layer.index()].as_ref().is_some_and(|stratum| {
                let silence = now.saturating_duration_since(stratum.heard_at);
                stratum.frames_below < SILENT_FRAMES || silence < SILENCE
            })
        };
        Layer::ALL.into_iter().filter(is_sent).collect()
    }

    /// What it takes to be sent `layer` at each frame rate, once that is known.
    pub(super) fn rates(&self, layer: Layer) -> Option<Rates> {
        let mut sum = self.0[layer.index()].as_ref()?.meter.rates()?;
        for below in self.0[..layer.index()].iter().flatten() {
            let below = below.meter.rates().unwrap_or_default();
            for (sum, Bitrate(more)) in sum.iter_mut().zip(below) {
                sum.0 += more;
            }
        }
        Some(sum)
    }
}

/// Larger pictures than are told apart count to the largest that are.
fn layer(frame: &LayerFrame) -> Layer {
    Layer(frame.spatial).min(Layer::HIGH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;
    use media::Vp9Descriptor;

    fn frame(spatial: u8) -> LayerFrame {
        Vp9Descriptor::parse(&[0xec, 1, spatial << 1, 1, 0])
            .unwrap()
            .layer_frame()
    }

    #[test]
    fn a_layer_takes_what_those_below_it_take_too() {
        let mut strata = Strata::new();
        for step in 0..300 {
            let now = start() + Duration::from_millis(step * 10);
            strata.count(now, &frame(0), 464);
            strata.count(now, &frame(1), 964);
        }
        for (layer, expected) in [(Layer::LOW, 400), (Layer::MEDIUM, 1200)] {
            let rate = strata.rates(layer).unwrap()[2];
            let percent = rate.0 / 10 / expected;
            assert!((97..=103).contains(&percent), "{rate} for {expected}");
        }
        assert_eq!(strata.rates(Layer::HIGH), None);
    }

    #[test]
    fn dy_4_a_layer_that_falls_silent_while_others_go_on_is_not_sent() {
        let mut strata = Strata::new();
        let at = |millis| start() + Duration::from_millis(millis);
        strata.count(at(0), &frame(0), 100);
        strata.count(at(0), &frame(2), 100);
        let both: LayerSet = [Layer::LOW, Layer::HIGH].into_iter().collect();
        assert_eq!(strata.live(at(0)), both);
        // All are silent: that says nothing of one of them.
        assert_eq!(strata.live(at(5_000)), both);
        for millis in [100, 200, 300, 400] {
            strata.count(at(millis), &frame(0), 100);
        }
        assert_eq!(strata.live(at(499)), both);
        assert_eq!(strata.live(at(500)), [Layer::LOW].into_iter().collect());
        strata.count(at(510), &frame(2), 100);
        assert_eq!(strata.live(at(510)), both);
    }
}
