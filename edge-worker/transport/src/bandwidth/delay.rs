//! Sees from the times packets took whether a queue on the path grows: a line is laid through
//! the delays of the last groups of packets, and its slope compared with a threshold that
//! follows the path's own unrest (the idea of draft-ietf-rmcat-gcc-02 section 5).
//!
//! Frames leave here in bursts, without pacing. So of each group only the packet with the
//! shortest delay counts, which shows the queue that was there before its frame; and what of
//! that queue the frames before explain, as they would wait on a path as wide as believed, is
//! not held against the path. Nor is it what a client takes late, that is short of time: packets
//! that arrive at once are one group too, of which the last one has waited least. What follows from
//! a growing queue is left to [`rate`](super::rate).

use std::collections::VecDeque;

use media::Bitrate;

use super::sent::{Judged, Micros};

/// What the queue on the path does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Queue {
    /// Nothing worth speaking of.
    #[default]
    Steady,
    /// Grows: more is sent than the path carries.
    Growing,
    /// Drains.
    Draining,
}

/// Watches one path.
#[derive(Debug)]
pub(super) struct Delays {
    group: Option<Group>,
    /// Delays are counted from the first one: the ends share no clock.
    first: Option<f64>,
    smoothed: f64,
    /// Arrival and smoothed delay of the last groups, in ms.
    line: VecDeque<(f64, f64)>,
    groups: u32,
    threshold: f64,
    /// For how long the slope was above the threshold, and at how many groups.
    above: Option<(f64, u32)>,
    slope: f64,
    last_sent: Option<Micros>,
    shortest: Shortest,
    waiting: f64,
    standing: f64,
    waits_since: Option<f64>,
    own: OwnQueue,
    queue: Queue,
}

/// Packets sent at once.
#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Micros,
    /// Of the packet that took least.
    delay: Micros,
    arrived_at: Micros,
    /// How much of the delay what was sent before explains, in ms.
    explained: f64,
}

impl Delays {
    /// Packets sent within this time of each other are one group.
    const BURST: Micros = 5_000;
    /// ... and so are those that arrive within this time, however far apart they were sent.
    const AT_ONCE: Micros = 2_000;
    /// How many groups the line is laid through.
    const LINE: usize = 20;
    /// How much of the delay before is kept in the smoothed one.
    const SMOOTHING: f64 = 0.85;
    /// A slope is worth more the more groups it was seen over, up to this many.
    const MAX_WEIGHT: u32 = 60;
    const GAIN: f64 = 4.0;
    const FIRST_THRESHOLD: f64 = 12.5;
    const THRESHOLDS: (f64, f64) = (6.0, 600.0);
    /// How fast the threshold comes down and goes up. The slow way up lets a stream that
    /// reacts to delay live beside TCP, which does not.
    const GAINS: (f64, f64) = (0.039, 0.008_7);
    /// Slopes this far above the threshold are no unrest of the path's.
    const OUTLIER: f64 = 15.0;
    /// How long the slope has to be above the threshold, in ms.
    const PATIENCE: f64 = 10.0;
    /// In ms: less is no wait.
    const WAIT: f64 = 30.0;
    /// After silence as long as this the line begins anew.
    const SILENCE: Micros = 2_000_000;

    pub(super) fn new() -> Self {
        Self {
            group: None,
            first: None,
            smoothed: 0.0,
            line: VecDeque::with_capacity(Self::LINE + 1),
            groups: 0,
            threshold: Self::FIRST_THRESHOLD,
            above: None,
            slope: 0.0,
            last_sent: None,
            shortest: Shortest::default(),
            waiting: 0.0,
            standing: 0.0,
            waits_since: None,
            own: OwnQueue::default(),
            queue: Queue::Steady,
        }
    }

    /// Takes the next packet that arrived, in the order they were sent, over a path believed
    /// to be so wide.
    pub(super) fn arrived(&mut self, packet: &Judged, arrived_at: Micros, width: Bitrate) {
        let sent_at = packet.sent_at;
        let delay = arrived_at - sent_at;
        let explained = self.own.pass(packet, width);
        match &mut self.group {
            Some(group) if sent_at - group.first_sent < Self::BURST => {
                if delay < group.delay {
                    group.delay = delay;
                    group.arrived_at = arrived_at;
                }
            }
            // It came with those before, for which there was no time until now.
            Some(group) if delay < group.delay && arrived_at - group.arrived_at < Self::AT_ONCE => {
                group.delay = delay;
                group.arrived_at = arrived_at;
                group.explained = explained;
            }
            group => {
                let next = Group {
                    first_sent: sent_at,
                    delay,
                    arrived_at,
                    explained,
                };
                if let Some(done) = group.replace(next) {
                    self.add(done);
                }
            }
        }
    }

    /// How much of that what we sent at once does not explain, in ms.
    pub(super) fn standing(&self) -> f64 {
        self.standing
    }

    /// For how long packets have waited without a break, in ms.
    pub(super) fn waiting_for(&self) -> f64 {
        let last = self.line.back().map(|(at, _)| *at);
        let both = last.zip(self.waits_since);
        both.map_or(0.0, |(last, since)| (last - since).max(0.0))
    }

    /// Forgets the line, as after a silence: what comes next says nothing of what was.
    pub(super) fn restart(&mut self) {
        self.group = None;
        self.first = None;
        self.line.clear();
        self.groups = 0;
        self.above = None;
        self.slope = 0.0;
        self.waiting = 0.0;
        self.standing = 0.0;
        self.waits_since = None;
        self.own = OwnQueue::default();
        self.last_sent = None;
        self.queue = Queue::Steady;
    }

    /// What the queue does now.
    pub(super) fn queue(&self) -> Queue {
        self.queue
    }

    /// How long packets wait in queues now, in ms: more than the least they ever did of late.
    pub(super) fn waiting(&self) -> f64 {
        self.waiting
    }

    fn add(&mut self, group: Group) {
        let since = self
            .last_sent
            .replace(group.first_sent)
            .map(|last| group.first_sent - last);
        if since.is_some_and(|since| since > Self::SILENCE) {
            self.restart();
            self.last_sent = Some(group.first_sent);
        }
        let (arrived, delay) = (
            group.arrived_at as f64 / 1_000.0,
            group.delay as f64 / 1_000.0,
        );
        self.shortest.note(arrived, delay);
        let waiting = delay - self.shortest.shortest();
        self.waiting = Self::smooth(self.waiting, waiting);
        self.waits_since = match waiting > Self::WAIT {
            true => self.waits_since.or(Some(arrived)),
            false => None,
        };
        let explained = group.explained.min(waiting);
        self.standing = Self::smooth(self.standing, waiting - explained);
        let delay = delay - explained;
        let first = *self.first.get_or_insert(delay);
        let delay = delay - first;
        self.smoothed = match self.line.is_empty() {
            true => delay,
            false => Self::smooth(self.smoothed, delay),
        };
        self.groups = (self.groups + 1).min(Self::MAX_WEIGHT);
        self.line.push_back((arrived, self.smoothed));
        if self.line.len() > Self::LINE {
            self.line.pop_front();
        }
        let since = since.unwrap_or(0).clamp(0, Self::SILENCE) as f64 / 1_000.0;
        if self.line.len() == Self::LINE {
            self.judge(since);
        }
    }

    fn smooth(before: f64, now: f64) -> f64 {
        Self::SMOOTHING * before + (1.0 - Self::SMOOTHING) * now
    }

    /// `since` the group before was sent, in ms.
    fn judge(&mut self, since: f64) {
        let before = std::mem::replace(&mut self.slope, slope(&self.line));
        let trend = self.slope * f64::from(self.groups) * Self::GAIN;
        if trend > self.threshold {
            let (time, groups) = self
                .above
                .map_or((since / 2.0, 0), |(time, groups)| (time + since, groups));
            self.above = Some((time, groups + 1));
            if time > Self::PATIENCE && groups > 0 && self.slope >= before {
                self.above = Some((0.0, 1));
                self.queue = Queue::Growing;
            }
        } else {
            self.above = None;
            self.queue = if trend < -self.threshold {
                Queue::Draining
            } else {
                Queue::Steady
            };
        }
        self.follow(trend.abs(), since);
    }

    fn follow(&mut self, trend: f64, since: f64) {
        if trend > self.threshold + Self::OUTLIER {
            return;
        }
        let (down, up) = Self::GAINS;
        let gain = if trend < self.threshold { down } else { up };
        let (least, most) = Self::THRESHOLDS;
        let step = gain * (trend - self.threshold) * since.min(100.0);
        self.threshold = (self.threshold + step).clamp(least, most);
    }
}

/// By how much delay grows in the time of arrivals: the line of least squares.
fn slope(line: &VecDeque<(f64, f64)>) -> f64 {
    let count = line.len() as f64;
    let (x, y) = line.iter().fold((0.0, 0.0), |(x, y), (at, delay)| {
        (x + at / count, y + delay / count)
    });
    let (above, below) = line.iter().fold((0.0, 0.0), |(above, below), (at, delay)| {
        (above + (at - x) * (delay - y), below + (at - x) * (at - x))
    });
    if below > 0.0 { above / below } else { 0.0 }
}

/// The queue that what was sent would make on a path as wide as believed. What it explains
/// fades: bursts are over soon, and what lasts is the path's answer to too much.
#[derive(Debug, Default)]
struct OwnQueue {
    bits: f64,
    at: Micros,
}

impl OwnQueue {
    /// In seconds: longer than a keyframe takes on a path it hardly fits.
    const FADES_IN: f64 = 3.0;

    /// Adds a packet; answers how many ms it would wait.
    fn pass(&mut self, packet: &Judged, width: Bitrate) -> f64 {
        let width = width.0.max(1) as f64;
        let since = (packet.sent_at - self.at).max(0) as f64 / 1_000_000.0;
        self.at = self.at.max(packet.sent_at);
        let waiting = (self.bits - width * since).max(0.0) * (-since / Self::FADES_IN).exp();
        self.bits = waiting + f64::from(packet.size) * 8.0;
        waiting * 1_000.0 / width
    }
}

/// The shortest delay of the last ten to twenty seconds.
#[derive(Debug, Default)]
struct Shortest {
    turned_at: f64,
    before: Option<f64>,
    now: Option<f64>,
}

impl Shortest {
    const TURN: f64 = 10_000.0;

    fn note(&mut self, at: f64, delay: f64) {
        if at - self.turned_at > Self::TURN {
            self.turned_at = at;
            self.before = self.now.take();
        }
        self.now = Some(self.now.map_or(delay, |shortest| shortest.min(delay)));
    }

    fn shortest(&self) -> f64 {
        let both = [self.before, self.now].into_iter().flatten();
        both.reduce(f64::min).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bandwidth::sent::Verdict;

    const WIDTH: Bitrate = Bitrate::kilobits(10_000);

    fn packet(sent_at: Micros, size: u32) -> Judged {
        Judged {
            number: 0,
            sent_at,
            size,
            verdict: Verdict::Arrived,
        }
    }

    /// What is said of groups sent every 20 ms with `delay` of the index, in us.
    fn watch(groups: i64, delay: impl Fn(i64) -> Micros) -> Vec<Queue> {
        let mut delays = Delays::new();
        let mut said = Vec::new();
        for i in 0..groups {
            let sent_at = i * 20_000;
            let arrived_at = 7_000_000 + sent_at + delay(i);
            delays.arrived(&packet(sent_at, 100), arrived_at, WIDTH);
            said.push(delays.queue());
        }
        said
    }

    #[test]
    fn a_queue_that_grows_is_seen_and_so_is_one_that_drains() {
        let steady = watch(200, |_| 30_000);
        assert!(steady.iter().all(|queue| *queue == Queue::Steady));
        let grows = watch(200, |i| (i - 100).max(0) * 2_000);
        let seen = grows.iter().position(|queue| *queue == Queue::Growing);
        assert!(seen.is_some_and(|at| (101..115).contains(&at)), "{seen:?}");
        let drains = watch(200, |i| (100 - i).max(0) * 2_000);
        assert!(drains[60..90].contains(&Queue::Draining));
        assert!(!drains.contains(&Queue::Growing));
    }

    #[test]
    fn unrest_is_no_growth() {
        let unrest = watch(2_000, |i| (i * 7_919 % 31) * 1_000);
        let growing = unrest.iter().filter(|queue| **queue == Queue::Growing);
        assert_eq!(growing.count(), 0);
    }

    #[test]
    fn a_client_that_takes_what_has_come_only_at_times_makes_no_queue() {
        let mut delays = Delays::new();
        for i in 0..2_000i64 {
            let sent_at = i * 20_000;
            // Not for up to 280 ms; but then all of it, one packet after the other.
            let looks_at = (i / 13 * 13 + 13 + i / 13 % 3) * 20_000;
            let arrived_at = looks_at.max(sent_at) + i % 13 * 50;
            delays.arrived(&packet(sent_at, 100), arrived_at + 30_000, WIDTH);
            assert_ne!(delays.queue(), Queue::Growing, "{i}");
            assert!(delays.waiting() < 60.0, "{i}: {}", delays.waiting());
        }
    }

    /// Whether a queue is seen to grow where frames of 10,000 bytes, and one of them
    /// ten times as long, go over a path of 2.6 Mbit/s.
    fn seen(width: Bitrate) -> bool {
        let mut delays = Delays::new();
        let (mut free_at, mut seen) = (0, false);
        for frame in 0..400i64 {
            let sent_at = frame * 33_000;
            for _ in 0..if frame == 200 { 40 } else { 10 } {
                free_at = sent_at.max(free_at) + 8_000_000 / 2_600;
                delays.arrived(&packet(sent_at, 1_000), free_at + 20_000, width);
            }
            seen |= delays.queue() == Queue::Growing;
        }
        seen
    }

    #[test]
    fn the_queue_of_our_own_frames_is_not_held_against_the_path() {
        assert!(seen(Bitrate::kilobits(100_000)));
        assert!(!seen(Bitrate::kilobits(2_600)));
        assert!(!seen(Bitrate::kilobits(2_500)));
    }
}
