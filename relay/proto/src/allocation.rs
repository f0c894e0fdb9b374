//! Which layers a link carries when it does not carry all: lowest layers before higher ones, and
//! among equals those with more listeners for their bits.
//!
//! A layer that stops, stops whole and says so: the far end then shows a lower one, which is
//! better than pictures of which every other is missing. One that goes on needs a keyframe.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use media::Bitrate;

use crate::frame::{FlowId, Lane, Media};
use crate::scheduler::Class;

/// The layers that one link carries, and those it would.
#[derive(Debug, Default)]
pub struct Allocation {
    flows: BTreeMap<FlowId, Layer>,
    looked_at: Option<Instant>,
}

#[derive(Debug)]
struct Layer {
    class: Class,
    listeners: u32,
    /// Bytes since the last look.
    bytes: u64,
    /// What it takes, bits per second: smoothed, and remembered while it stands still.
    bitrate: f64,
    /// How many looks it was learned from.
    samples: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Carried,
    /// Since then.
    Paused(Instant),
}

/// A layer that stops or goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// The link does not carry it.
    Pause(FlowId),
    /// The link carries it again: a keyframe is needed.
    Resume(FlowId),
}

impl Allocation {
    /// How often it looks.
    pub const INTERVAL: Duration = Duration::from_millis(100);
    /// What the rate must leave free before a layer goes on: or it stops again at once.
    const SLACK: f64 = 0.98;
    /// What goes around each packet of a picture: our header, and QUIC's with its tag.
    const AROUND: usize = Media::OVERHEAD + 30;
    /// What goes on is worth so many times as much as what stands still.
    const STAYS: f64 = 1.5;
    /// A layer that stopped stays so for a while.
    const REST: Duration = Duration::from_secs(2);
    /// Looks that a bitrate is averaged over: a second's worth of pictures.
    const REMEMBERED: u32 = 10;

    /// A layer is to be carried.
    pub fn begin(&mut self, flow: FlowId, class: Class, listeners: u32) {
        let layer = self.flows.entry(flow).or_insert(Layer {
            class,
            listeners,
            bytes: 0,
            bitrate: 0.0,
            samples: 0,
            state: State::Carried,
        });
        layer.listeners = listeners;
    }

    /// It is wanted no more.
    pub fn end(&mut self, flow: FlowId) {
        self.flows.remove(&flow);
    }

    /// `bytes` of a flow came to be carried. Whether they are to be sent.
    pub fn offer(&mut self, flow: FlowId, bytes: usize) -> bool {
        let Some(layer) = self.flows.get_mut(&flow) else {
            return false;
        };
        layer.bytes += (bytes + Self::AROUND) as u64;
        layer.state == State::Carried
    }

    /// Looks what `rate` carries of pictures. Sound goes over a lane of its own, and always.
    pub fn look(&mut self, now: Instant, rate: Bitrate) -> Vec<Turn> {
        let passed = self
            .looked_at
            .map_or(Self::INTERVAL, |at| now.saturating_duration_since(at));
        if passed < Self::INTERVAL {
            return Vec::new();
        }
        self.looked_at = Some(now);
        for layer in self.flows.values_mut() {
            layer.learn(passed);
        }
        let pictures = self
            .flows
            .iter()
            .filter(|(_, layer)| layer.is_picture() && layer.is_known());
        let mut order: Vec<FlowId> = pictures.map(|(flow, _)| *flow).collect();
        order.sort_by(|one, other| self.flows[one].before(&self.flows[other]));
        let rate = rate.0 as f64;
        let mut used = 0.0;
        let mut turns = Vec::new();
        // What all that stopped would take at once, a line that was just found free may not carry.
        let mut resumed = false;
        for flow in order {
            let layer = self.flows.get_mut(&flow).expect("it was listed above");
            let limit = match layer.state {
                State::Carried => rate,
                State::Paused(_) => rate * Self::SLACK,
            };
            let fits = used + layer.bitrate <= limit;
            match layer.state {
                State::Carried if !fits => {
                    layer.state = State::Paused(now);
                    turns.push(Turn::Pause(flow));
                }
                State::Paused(at)
                    if fits && !resumed && now.saturating_duration_since(at) >= Self::REST =>
                {
                    resumed = true;
                    layer.state = State::Carried;
                    turns.push(Turn::Resume(flow));
                }
                State::Carried | State::Paused(_) => {}
            }
            if layer.state == State::Carried {
                used += layer.bitrate;
            }
        }
        turns
    }

    /// Whether a flow stands still.
    pub fn is_paused(&self, flow: FlowId) -> bool {
        let layer = self.flows.get(&flow);
        layer.is_some_and(|layer| layer.state != State::Carried)
    }

    /// Whether a layer waits for the link to carry more.
    pub fn is_wanting(&self) -> bool {
        self.flows
            .values()
            .any(|layer| layer.state != State::Carried)
    }
}

impl Layer {
    /// What nobody sends any more while it is paused is remembered as it was.
    fn learn(&mut self, passed: Duration) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes == 0 && self.state != State::Carried {
            return;
        }
        let sample = bytes as f64 * 8.0 / passed.as_secs_f64();
        self.samples += 1;
        // It begins with a keyframe, and with all that came since: the least of the first samples is
        // nearest to what it will take.
        self.bitrate = match self.samples {
            1 => sample,
            2..=Allocation::REMEMBERED => self.bitrate.min(sample),
            _ => self.bitrate + (sample - self.bitrate) / f64::from(Allocation::REMEMBERED),
        };
    }

    /// One sample may be all keyframe.
    fn is_known(&self) -> bool {
        self.samples > 1
    }

    fn is_picture(&self) -> bool {
        self.class.lane() == Lane::Video
    }

    /// The order in which layers are carried. Those that are give way only to what is worth more by
    /// far: each change costs a keyframe, and somebody's picture.
    fn before(&self, other: &Self) -> std::cmp::Ordering {
        let worth = |layer: &Self| {
            let stays = match layer.state {
                State::Carried => Allocation::STAYS,
                State::Paused(_) => 1.0,
            };
            f64::from(layer.listeners.max(1)) / layer.bitrate.max(1.0) * stays
        };
        self.class
            .cmp(&other.class)
            .then_with(|| worth(other).total_cmp(&worth(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    #[test]
    fn lowest_layers_go_before_higher_ones_and_many_listeners_before_few() {
        let mut link = Line::new(&[
            (1, Class::BaseLayer, 1, 200),
            (2, Class::Enhancement, 10, 1_500),
            (3, Class::Enhancement, 100, 1_500),
            (4, Class::BaseLayer, 1, 200),
        ]);
        assert_eq!(link.looks(0, 5_000), []);
        assert_eq!(link.looks(100, 2_500), [Turn::Pause(flow(2))]);
        assert_eq!(link.looks(200, 1_000), [Turn::Pause(flow(3))]);
        assert_eq!(link.looks(300, 300), [Turn::Pause(flow(4))]);
    }

    #[test]
    fn what_a_layer_begins_with_is_not_what_it_takes() {
        let mut link = Line::new(&[(1, Class::BaseLayer, 1, 1_600), (2, Class::BaseLayer, 1, 0)]);
        let mut turns = Vec::new();
        for look in 0..40 {
            // The second has a keyframe and what came since at once, then its 1,600 kbit/s.
            let kilobits = if look == 0 { 20_000 } else { 1_600 };
            link.allocation.offer(flow(2), kilobits * 1_000 / 80);
            turns.extend(link.looks(look * 100, 4_000));
        }
        assert_eq!(turns, []);
    }

    #[test]
    fn sound_takes_nothing_from_pictures_and_never_stops() {
        let mut link = Line::new(&[(1, Class::Audio, 1, 900), (2, Class::BaseLayer, 1, 800)]);
        for look in 0..50 {
            assert_eq!(link.looks(look * 100, 1_000), []);
        }
        assert_eq!(link.looks(5_000, 100), [Turn::Pause(flow(2))]);
    }

    #[test]
    fn what_stopped_goes_on_when_there_is_room_to_spare_and_not_at_once() {
        let mut link = Line::new(&[
            (1, Class::BaseLayer, 1, 500),
            (2, Class::Enhancement, 1, 1_500),
        ]);
        link.looks(0, 5_000);
        assert_eq!(link.looks(100, 1_900), [Turn::Pause(flow(2))]);
        assert!(link.allocation.is_wanting());
        let mut between = |from: u64, to: u64, rate| -> Vec<Turn> {
            (from..to)
                .flat_map(|look| link.looks(look * 100, rate))
                .collect()
        };
        assert_eq!(between(2, 21, 5_000), [], "it has just stopped");
        assert_eq!(between(21, 40, 2_030), [], "it would stop again at once");
        assert_eq!(between(40, 41, 2_400), [Turn::Resume(flow(2))]);
        assert!(!link.allocation.is_wanting());
    }

    #[test]
    fn a_steady_link_is_left_alone() {
        let mut link = Line::new(&[
            (1, Class::BaseLayer, 1, 500),
            (2, Class::Enhancement, 1, 1_500),
        ]);
        let turns: Vec<_> = (0..600)
            .flat_map(|look| link.looks(look * 100, 1_800))
            .collect();
        assert_eq!(turns, [Turn::Pause(flow(2))]);
    }

    struct Line {
        allocation: Allocation,
        kilobits: Vec<(FlowId, u64)>,
    }

    impl Line {
        fn new(layers: &[(u32, Class, u32, u64)]) -> Self {
            let mut allocation = Allocation::default();
            for (number, class, listeners, _) in layers {
                allocation.begin(flow(*number), *class, *listeners);
            }
            let kilobits = layers
                .iter()
                .map(|layer| (flow(layer.0), layer.3))
                .collect();
            Self {
                allocation,
                kilobits,
            }
        }

        /// A tenth of a second of all layers, then a look.
        fn looks(&mut self, at: u64, rate: u64) -> Vec<Turn> {
            for (flow, kilobits) in &self.kilobits {
                self.allocation
                    .offer(*flow, (kilobits * 1_000 / 80) as usize);
            }
            self.allocation
                .look(start() + ms(at), Bitrate::kilobits(rate))
        }
    }

    fn flow(number: u32) -> FlowId {
        FlowId::new(number).unwrap()
    }
}
