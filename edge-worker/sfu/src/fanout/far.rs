//! What is known of a track that is published elsewhere without any packet of it: packets
//! come only of layers that are wanted here, so what there is to want is told.

use media::{Bitrate, Layer};

use super::meter::{RATES, Rates};
use crate::Streaming;
use crate::keyframes::KeyframeRequests;
use crate::select::LayerSet;

/// A track at the far end of a link.
#[derive(Debug, Default)]
pub(crate) struct Far {
    /// The layers its publisher sends.
    sent: LayerSet,
    /// What each takes.
    rates: [Option<Bitrate>; Layer::COUNT],
    /// Those that the link does not carry now.
    paused: LayerSet,
    /// For layers of which nothing came yet.
    pub(super) requests: [KeyframeRequests; Layer::COUNT],
    /// As the near end was told last.
    wanted: LayerSet,
    /// Whether that may have changed since.
    pub(super) wants: Settled,
}

/// Whether what is wanted was told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Settled {
    #[default]
    Yes,
    No,
}

impl Far {
    /// The near end says what there is.
    pub(super) fn told(&mut self, sent: LayerSet, rates: [Option<Bitrate>; Layer::COUNT]) {
        self.sent = sent;
        self.rates = rates;
    }

    /// The link stops carrying a layer, or goes on.
    pub(super) fn carries(&mut self, layer: Layer, streaming: Streaming) {
        match streaming {
            Streaming::Paused => self.paused.insert(layer),
            Streaming::Active => self.paused.remove(layer),
        }
    }

    /// Nothing is sent until told otherwise.
    pub(super) fn fell_silent(&mut self) {
        self.sent = LayerSet::default();
    }

    /// The layers that can be had.
    pub(super) fn live(&self) -> LayerSet {
        self.sent.without(self.paused)
    }

    /// What a layer takes at each frame rate, by what was told of it and `measured` here.
    pub(super) fn rates(&self, layer: Layer, measured: Option<Rates>) -> Option<Rates> {
        let Some(told) = self.rates[layer.index()] else {
            return measured;
        };
        let whole = measured.map_or(0, |rates| rates[RATES - 1].0);
        Some(match measured {
            // Measured when it flowed last, it still tells how its frame rates compare.
            Some(rates) if whole > 0 => {
                rates.map(|rate| Bitrate(told.0.saturating_mul(rate.0) / whole))
            }
            // As browsers divide a layer between frame rates.
            Some(_) | None => [Bitrate(told.0 / 5 * 2), Bitrate(told.0 / 5 * 3), told],
        })
    }

    /// Notes what is wanted now; answers it if that is news.
    pub(super) fn settle(&mut self, wanted: LayerSet) -> Option<LayerSet> {
        self.wants = Settled::Yes;
        let before = std::mem::replace(&mut self.wanted, wanted);
        (before != wanted).then_some(wanted)
    }

    /// What the near end was told last.
    pub(super) fn wanted(&self) -> LayerSet {
        self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_compare_as_measured_and_the_whole_is_as_told() {
        let kilobits = |rates: [u64; RATES]| rates.map(Bitrate::kilobits);
        for (told, measured, expected) in [
            (None, None, None),
            (None, Some([1, 2, 4]), Some([1, 2, 4])),
            (Some(1_000), None, Some([400, 600, 1_000])),
            (Some(1_000), Some([100, 100, 200]), Some([500, 500, 1_000])),
            (Some(1_000), Some([0, 0, 0]), Some([400, 600, 1_000])),
        ] {
            let mut far = Far::default();
            let told = told.map(Bitrate::kilobits);
            far.told(LayerSet::default(), [told, None, None]);
            let rates = far.rates(Layer::LOW, measured.map(kilobits));
            assert_eq!(rates, expected.map(kilobits), "{told:?} {measured:?}");
        }
    }
}
