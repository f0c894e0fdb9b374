//! Estimates against capacities in virtual time, over seeded networks. Each scenario leaves a
//! picture in `target/artefacts/bandwidth`.

mod drawing;
mod flows;
mod network;
mod scenarios;

use std::collections::BTreeMap;

use media::Bitrate;

use drawing::{Line, Scale};
use flows::{Constant, Subscriber, Tcp};
use network::{Bottleneck, MS, Path, Random, SECOND, Time};

/// One bottleneck and all that goes through it.
#[derive(Debug)]
struct Lab {
    now: Time,
    bottleneck: Bottleneck,
    back: Back,
    flows: Vec<Flow>,
    /// Acknowledgements and feedback under way.
    returning: BTreeMap<(Time, u64), (usize, Returning)>,
    returned: u64,
    random: Random,
    /// By flow.
    seconds: Vec<Vec<Sample>>,
    bytes_before: Vec<u64>,
}

/// The way back.
#[derive(Clone, Copy, Debug)]
struct Back {
    delay: Time,
    jitter: Time,
    loss_percent: u64,
}

#[derive(Debug)]
enum Flow {
    Subscriber {
        subscriber: Box<Subscriber>,
        /// In addition to the path's, each way.
        delay: Time,
        from: Time,
    },
    Tcp(Tcp),
    Constant(Constant),
}

#[derive(Debug)]
enum Returning {
    Feedback(Vec<u8>),
    Acknowledged(u64),
}

/// A tenth of a second of one flow.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: f64,
    capacity: f64,
    estimate: f64,
    /// Arrived, in kbit/s.
    through: f64,
    /// In ms.
    waiting: f64,
}

impl Lab {
    fn new(path: Path, seed: u64) -> Self {
        Self {
            now: 0,
            bottleneck: Bottleneck::new(path, seed),
            back: Back {
                delay: path.delay,
                jitter: path.jitter,
                loss_percent: path.loss_percent,
            },
            flows: Vec::new(),
            returning: BTreeMap::new(),
            returned: 0,
            random: Random::new(seed + 1),
            seconds: Vec::new(),
            bytes_before: Vec::new(),
        }
    }

    fn add(&mut self, flow: Flow) -> usize {
        self.flows.push(flow);
        self.seconds.push(Vec::new());
        self.bytes_before.push(0);
        self.flows.len() - 1
    }

    fn subscriber(&mut self, flow: usize) -> &mut Subscriber {
        match &mut self.flows[flow] {
            Flow::Subscriber { subscriber, .. } => subscriber,
            Flow::Tcp(_) | Flow::Constant(_) => panic!("flow {flow} is no subscriber"),
        }
    }

    fn run_until(&mut self, seconds: u64) {
        while self.now < seconds * SECOND {
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        for at in 0..self.flows.len() {
            let packets = match &mut self.flows[at] {
                Flow::Subscriber { from, .. } if now < *from => continue,
                Flow::Subscriber { subscriber, .. } => subscriber.send(now, at),
                Flow::Tcp(tcp) => tcp.send(now, at),
                Flow::Constant(constant) => constant.send(now, at),
            };
            for packet in packets {
                self.bottleneck.send(packet);
            }
        }
        for (arrives_at, packet) in self.bottleneck.pass(now) {
            match &mut self.flows[packet.flow] {
                Flow::Subscriber {
                    subscriber, delay, ..
                } => {
                    subscriber.receive(arrives_at + *delay, packet);
                    self.bytes_before[packet.flow] += packet.size;
                }
                Flow::Tcp(_) => {
                    self.bytes_before[packet.flow] += packet.size;
                    let at = arrives_at + self.back.delay;
                    let returning = Returning::Acknowledged(packet.number);
                    self.give_back(at, packet.flow, returning);
                }
                Flow::Constant(_) => self.bytes_before[packet.flow] += packet.size,
            }
        }
        self.feedback(now);
        while let Some(first) = self.returning.first_entry()
            && first.key().0 <= now
        {
            let (flow, returning) = first.remove();
            match (&mut self.flows[flow], returning) {
                (Flow::Subscriber { subscriber, .. }, Returning::Feedback(feedback)) => {
                    subscriber.hear(now, &feedback);
                }
                (Flow::Tcp(tcp), Returning::Acknowledged(number)) => tcp.hear(number),
                (flow, returning) => panic!("{returning:?} for {flow:?}"),
            }
        }
        if now.is_multiple_of(100 * MS) {
            self.sample();
        }
        self.now += MS;
    }

    fn feedback(&mut self, now: Time) {
        let Back {
            delay,
            jitter,
            loss_percent,
        } = self.back;
        for at in 0..self.flows.len() {
            let Flow::Subscriber {
                subscriber,
                delay: own,
                ..
            } = &mut self.flows[at]
            else {
                continue;
            };
            let own = *own;
            if let Some(feedback) = subscriber.feedback(now)
                && !self.bottleneck.path.dead
                && self.random.below(100) >= loss_percent
            {
                let arrives_at = now + delay + own + self.random.below(jitter + 1);
                self.give_back(arrives_at, at, Returning::Feedback(feedback));
            }
        }
    }

    fn give_back(&mut self, at: Time, flow: usize, returning: Returning) {
        self.returned += 1;
        self.returning
            .insert((at, self.returned), (flow, returning));
    }

    fn sample(&mut self) {
        let path = self.bottleneck.path;
        let waiting = self.bottleneck.waiting() as f64 / 1_000.0;
        for (at, flow) in self.flows.iter().enumerate() {
            let estimate = match flow {
                Flow::Subscriber { subscriber, .. } => subscriber.estimate().0,
                Flow::Tcp(_) | Flow::Constant(_) => 0,
            };
            let bytes = std::mem::take(&mut self.bytes_before[at]);
            self.seconds[at].push(Sample {
                at: self.now as f64 / 1_000_000.0,
                capacity: if path.dead { 0.0 } else { path.kilobits as f64 },
                estimate: estimate as f64 / 1_000.0,
                through: bytes as f64 * 8.0 / 100.0,
                waiting,
            });
        }
    }

    fn samples(&self, flow: usize, from: u64, to: u64) -> &[Sample] {
        let samples = &self.seconds[flow];
        let to = (to as usize * 10).min(samples.len());
        &samples[(from as usize * 10).min(to)..to]
    }

    /// The share of the capacity a flow used, between two seconds.
    fn used(&self, flow: usize, from: u64, to: u64) -> f64 {
        let samples = self.samples(flow, from, to);
        let through: f64 = samples.iter().map(|sample| sample.through).sum();
        let capacity: f64 = samples.iter().map(|sample| sample.capacity).sum();
        through / capacity
    }

    /// The mean of a flow's estimates over the capacity.
    fn believed(&self, flow: usize, from: u64, to: u64) -> f64 {
        let samples = self.samples(flow, from, to);
        let estimate: f64 = samples.iter().map(|sample| sample.estimate).sum();
        let capacity: f64 = samples.iter().map(|sample| sample.capacity).sum();
        estimate / capacity
    }

    /// The highest estimate over the capacity at the time.
    fn highest(&self, flow: usize, from: u64, to: u64) -> f64 {
        let samples = self.samples(flow, from, to).iter();
        let over = samples.map(|sample| sample.estimate / sample.capacity);
        over.fold(0.0, f64::max)
    }

    /// The wait in the queue that a share of the time exceeds, in ms.
    fn waited(&self, from: u64, to: u64, share: f64) -> f64 {
        let samples = self.samples(0, from, to).iter();
        let mut waits: Vec<f64> = samples.map(|sample| sample.waiting).collect();
        waits.sort_by(f64::total_cmp);
        let at = (waits.len() as f64 * (1.0 - share)) as usize;
        waits[at.min(waits.len() - 1)]
    }

    /// The first second from `from` on at which a flow's estimate has this many kbit/s.
    fn reaches(&self, flow: usize, from: u64, kilobits: f64) -> Option<f64> {
        let samples = self.samples(flow, from, u64::MAX / 10).iter();
        let mut reached = samples.filter(|sample| sample.estimate >= kilobits);
        reached.next().map(|sample| sample.at)
    }

    fn draw(&self, name: &str) {
        let line = |flow: usize, color, scale, value: &dyn Fn(&Sample) -> f64| Line {
            color,
            scale,
            points: self.seconds[flow]
                .iter()
                .map(|sample| (sample.at, value(sample)))
                .collect(),
        };
        let mut lines = vec![
            line(0, drawing::WAIT, Scale::Wait, &|sample| sample.waiting),
            line(0, drawing::CAPACITY, Scale::Rate, &|sample| sample.capacity),
        ];
        for (at, flow) in self.flows.iter().enumerate() {
            let smooth = |color| Line {
                color,
                scale: Scale::Rate,
                points: self.seconds[at]
                    .windows(5)
                    .map(|five| {
                        let sum: f64 = five.iter().map(|sample| sample.through).sum();
                        (five[4].at, sum / 5.0)
                    })
                    .collect(),
            };
            match flow {
                Flow::Subscriber { .. } => {
                    lines.push(smooth(drawing::SENT));
                    let shade = 45 * at.min(4) as u8;
                    let [red, green, blue] = drawing::ESTIMATE;
                    let color = [red + shade, green + shade / 2, blue];
                    let estimate = &|sample: &Sample| sample.estimate;
                    lines.push(line(at, color, Scale::Rate, estimate));
                }
                Flow::Tcp(_) | Flow::Constant(_) => lines.push(smooth(drawing::OTHER)),
            }
        }
        drawing::draw(name, &lines);
    }
}

fn kilobits(kilobits: u64) -> Bitrate {
    Bitrate::kilobits(kilobits)
}
