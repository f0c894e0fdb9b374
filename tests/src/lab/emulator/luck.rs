//! Chance: which packets are lost, alone or in bursts, which come late, and how much each is delayed.
//!
//! Every packet costs the same number of draws whatever is asked for, so with one seed the n-th
//! packet meets the same luck under all conditions.

use std::time::Duration;

use rand::{Rng, rngs::StdRng};

use super::{conditions::Conditions, tally::DropReason};

/// The dice, and where the chain of bursts (Gilbert and Elliott's) stands.
#[derive(Debug)]
pub struct Luck {
    chance: StdRng,
    weather: Weather,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Weather {
    Good,
    Bad,
}

/// What is drawn for one packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fate {
    /// Why it does not arrive, if it does not.
    pub lost: Option<DropReason>,
    /// From -1 to 1.
    pub jitter: f64,
    /// How long after its turn it comes, if it does not keep its place.
    pub late: Option<Duration>,
}

impl Luck {
    /// Begins in good weather.
    pub fn new(chance: StdRng) -> Self {
        Self {
            chance,
            weather: Weather::Good,
        }
    }

    /// The next packet's fate.
    pub fn draw(&mut self, conditions: &Conditions) -> Fate {
        let [turn, burst, loss, late, jitter]: [f64; 5] = self.chance.random();
        let lost_in_burst = match conditions.burst {
            Some(chain) => {
                self.weather = match self.weather {
                    Weather::Good if turn < chain.enters() => Weather::Bad,
                    Weather::Bad if turn < chain.leaves() => Weather::Good,
                    Weather::Good => Weather::Good,
                    Weather::Bad => Weather::Bad,
                };
                self.weather == Weather::Bad && burst < chain.thickness.as_f64()
            }
            None => {
                self.weather = Weather::Good;
                false
            }
        };
        let lost = if lost_in_burst {
            Some(DropReason::Burst)
        } else if loss < conditions.loss.as_f64() {
            Some(DropReason::Loss)
        } else {
            None
        };
        let reorder = conditions
            .reorder
            .filter(|reorder| late < reorder.share.as_f64());
        Fate {
            lost,
            jitter: jitter * 2.0 - 1.0,
            late: reorder.map(|reorder| reorder.by),
        }
    }
}
