//! What one video can be sent as, from the least to the best: each rung costs more than
//! the one below.

use media::{Bitrate, Layer};

use crate::fanout::Rates;
use crate::select::LayerSet;

/// One way to send a video.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rung {
    pub(crate) layer: Layer,
    pub(crate) temporal: u8,
    pub(crate) rate: Bitrate,
}

/// All ways to send a video, the cheapest first; never empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ladder {
    rungs: [Rung; MOST_RUNGS],
    len: usize,
}

/// Three frame rates of the smallest picture, two of the larger ones.
const MOST_RUNGS: usize = 7;

/// What is hardly dearer is no step of its own.
const STEP_PERCENT: u64 = 110;

/// A picture that stands still takes hardly anything until it moves.
const LEAST: Bitrate = Bitrate::kilobits(20);

impl Ladder {
    /// The ways to send what is wished: of the layers that live those up to the wish, of
    /// each the frame rates up to the wish. A larger picture at the lowest frame rate is
    /// worth less than a smaller one that moves.
    pub(crate) fn new(
        (wish, fastest): (Layer, u8),
        live: LayerSet,
        rates: impl Fn(Layer) -> Rates,
    ) -> Self {
        let mut ladder = Self {
            rungs: [Rung::default(); MOST_RUNGS],
            len: 0,
        };
        let smallest = live.iter().next().unwrap_or(Layer::LOW);
        let larger = live
            .iter()
            .filter(|layer| *layer > smallest && *layer <= wish);
        for layer in std::iter::once(smallest).chain(larger) {
            let rates = rates(layer);
            let slowest = u8::from(layer != smallest);
            let frame_rates = (slowest..2).filter(|temporal| *temporal < fastest);
            for temporal in frame_rates.chain([fastest]) {
                let rate = rates[usize::from(temporal).min(rates.len() - 1)].max(LEAST);
                ladder.add(Rung {
                    layer,
                    temporal,
                    rate,
                });
            }
        }
        ladder
    }

    /// The rungs, the cheapest first.
    pub(crate) fn rungs(&self) -> &[Rung] {
        &self.rungs[..self.len]
    }

    /// The best rung's number.
    pub(crate) fn top(&self) -> usize {
        self.len - 1
    }

    /// What rung `number` costs; nothing if it is none.
    pub(crate) fn rate(&self, number: Option<usize>) -> Bitrate {
        number
            .and_then(|number| self.rungs().get(number))
            .map_or(Bitrate::ZERO, |rung| rung.rate)
    }

    /// The rung for what was sent as `layer` and `temporal`: that of the layer which
    /// replaced it, else the best one below, else the lowest.
    pub(crate) fn nearest(&self, (layer, temporal): (Layer, u8)) -> usize {
        let rungs = self.rungs();
        rungs
            .iter()
            .position(|rung| rung.layer == layer && rung.temporal >= temporal)
            .or_else(|| {
                rungs
                    .iter()
                    .rposition(|rung| (rung.layer, rung.temporal) <= (layer, temporal))
            })
            .unwrap_or(0)
    }

    /// Puts a better rung on top, and takes out those that cost as much.
    fn add(&mut self, rung: Rung) {
        while let Some(last) = self.rungs().last() {
            if rung.rate.0 * 100 > last.rate.0 * STEP_PERCENT {
                break;
            }
            self.len -= 1;
        }
        self.rungs[self.len] = rung;
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u8 = u8::MAX;

    #[test]
    fn each_rung_is_better_and_dearer_than_the_one_below() {
        let simulcast = [[60, 90, 150], [200, 300, 500], [600, 1000, 1700]];
        for (what, wish, live, rates, expected) in [
            (
                "three layers",
                (2, ALL),
                &[0, 1, 2][..],
                simulcast,
                "0/0:60 0/1:90 0:150 1/1:300 1:500 2/1:1000 2:1700",
            ),
            (
                "up to the wish",
                (1, ALL),
                &[0, 1, 2],
                simulcast,
                "0/0:60 0/1:90 0:150 1/1:300 1:500",
            ),
            (
                "few frames",
                (1, 0),
                &[0, 1, 2],
                simulcast,
                "0/0:60 1/0:200",
            ),
            (
                "half the frames",
                (1, 1),
                &[0, 1, 2],
                simulcast,
                "0/0:60 0/1:90 1/1:300",
            ),
            (
                "what lives",
                (2, ALL),
                &[1],
                simulcast,
                "1/0:200 1/1:300 1:500",
            ),
            (
                "more than wished, if nothing else lives",
                (0, ALL),
                &[2],
                simulcast,
                "2/0:600 2/1:1000 2:1700",
            ),
            (
                "nothing lives yet",
                (2, ALL),
                &[],
                simulcast,
                "0/0:60 0/1:90 0:150",
            ),
            (
                "without frame rates",
                (2, ALL),
                &[0, 1, 2],
                [[150; 3], [500; 3], [1700; 3]],
                "0:150 1:500 2:1700",
            ),
            (
                "a picture that stands still",
                (2, ALL),
                &[0, 1],
                [[0, 2, 5], [1, 5, 30], [0; 3]],
                "1/1:20 1:30",
            ),
            (
                "a larger picture for less",
                (2, ALL),
                &[0, 1, 2],
                [[60, 90, 150], [40, 60, 100], [600, 1000, 1700]],
                "1/1:60 1:100 2/1:1000 2:1700",
            ),
        ] {
            let live = live.iter().copied().map(Layer).collect();
            let ladder = Ladder::new((Layer(wish.0), wish.1), live, |layer| {
                rates[layer.index()].map(Bitrate::kilobits)
            });
            let text: Vec<String> = ladder
                .rungs()
                .iter()
                .map(|rung| {
                    let frames = if rung.temporal == ALL {
                        String::new()
                    } else {
                        format!("/{}", rung.temporal)
                    };
                    format!("{}{frames}:{}", rung.layer.0, rung.rate.0 / 1000)
                })
                .collect();
            assert_eq!(text.join(" "), expected, "{what}");
        }
    }

    #[test]
    fn a_rung_that_is_gone_is_replaced_by_the_next_below() {
        let rates = |layer: Layer| [Bitrate::kilobits(100 * u64::from(layer.0 + 1)); 3];
        let two: LayerSet = [Layer::MEDIUM, Layer::HIGH].into_iter().collect();
        let ladder = Ladder::new((Layer::HIGH, ALL), two, rates);
        for (wanted, expected) in [((0, ALL), 0), ((1, ALL), 0), ((2, ALL), 1)] {
            assert_eq!(ladder.nearest((Layer(wanted.0), wanted.1)), expected);
        }
    }
}
