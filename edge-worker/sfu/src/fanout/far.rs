//! What is known of a track that is published elsewhere without any packet of it: packets
//! come only of layers that are wanted here, so what there is to want is told.

use std::time::Instant;

use media::{Bitrate, Layer, TrackId};

use super::Fanout;
use super::forwarder::Forwarder;
use super::intake::Audience;
use super::meter::{RATES, Rates};
use crate::keyframes::KeyframeRequests;
use crate::select::LayerSet;
use crate::{Origin, Outlet, Streaming, Supply};

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

/// No layer takes more; whoever says so cannot be reckoned with.
const MOST: Bitrate = Bitrate::kilobits(1_000_000);

/// Whether what is wanted was told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Settled {
    #[default]
    Yes,
    No,
}

impl Far {
    /// It comes over a new link, at whose near end nothing is wanted yet.
    pub(super) fn comes_anew(&mut self) {
        self.wanted = LayerSet::default();
        self.paused = LayerSet::default();
    }

    /// The near end says what there is.
    pub(super) fn told(&mut self, sent: LayerSet, rates: [Option<Bitrate>; Layer::COUNT]) {
        self.sent = sent;
        self.rates = rates.map(|rate| rate.map(|rate| rate.min(MOST)));
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

impl Fanout {
    /// The track is published elsewhere: what is sent of it is [told](Self::supplied).
    pub(crate) fn set_far(&mut self) {
        self.far.get_or_insert_default().comes_anew();
    }

    /// The track is published elsewhere, and what is sent of it has changed.
    pub(crate) fn supplied(&mut self, now: Instant, supply: &Supply, out: &mut impl Outlet) {
        let Supply { live, rates, .. } = *supply;
        self.change_far(now, out, |far| far.told(live, rates));
    }

    /// What was told last of what is sent of the track, which is called `id`.
    pub(crate) fn told(&self, track: TrackId) -> Option<Supply> {
        let far = self.far.as_ref()?;
        Some(Supply {
            track,
            live: far.sent,
            rates: far.rates,
        })
    }

    /// As [`supplied`](Self::supplied), of a track that nobody receives yet.
    pub(crate) fn begin_supplied(&mut self, supply: &Supply) {
        if let Some(far) = &mut self.far {
            far.told(supply.live, supply.rates);
            self.live = far.live();
        }
    }

    /// The link that the track comes over carries a layer no more, or again.
    pub(crate) fn carried(
        &mut self,
        now: Instant,
        layer: Layer,
        streaming: Streaming,
        out: &mut impl Outlet,
    ) {
        self.change_far(now, out, |far| far.carries(layer, streaming));
    }

    fn change_far(&mut self, now: Instant, out: &mut impl Outlet, change: impl FnOnce(&mut Far)) {
        let Some(far) = &mut self.far else {
            return;
        };
        change(far);
        let live = far.live();
        if live == std::mem::replace(&mut self.live, live) {
            return;
        }
        // Who sends nothing now goes on with what it sent before.
        if !live.is_empty() {
            self.forwarders.each(|forwarder| forwarder.retarget(live));
        }
        self.ask_for_keyframes(now, out);
    }

    /// The layers wanted of a track that is published elsewhere, if other ones than before.
    pub(crate) fn settle_wants(&mut self) -> Option<LayerSet> {
        let needs = self.forwarders.list.iter().map(Forwarder::needs);
        let wanted = needs.fold(LayerSet::default(), LayerSet::union);
        self.far.as_mut()?.settle(wanted)
    }

    /// The layers that were last told to be wanted of a track published elsewhere.
    pub(crate) fn wanted(&self) -> LayerSet {
        self.far
            .as_ref()
            .map_or_else(LayerSet::default, |far| far.wanted())
    }

    /// Whether packets changed what is wanted of a track that is published elsewhere.
    pub(crate) fn is_unsettled(&self) -> bool {
        let far = self.far.as_ref();
        far.is_some_and(|far| far.wants == Settled::No)
    }

    /// Asks the far end for a layer of which nothing came yet, where that is due.
    pub(super) fn ask_for_first(&mut self, now: Instant, layer: Layer, out: &mut impl Outlet) {
        let (Some(far), Some(Origin::Link { link, track })) = (&mut self.far, self.origin) else {
            return;
        };
        let requests = &mut far.requests[layer.index()];
        if self.forwarders.audience(layer) == Audience::Nobody {
            requests.forget();
        }
        if requests.poll(now) {
            out.ask(link, track, layer);
        }
        let deadline = requests.due_at(now);
        self.wake(deadline);
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
