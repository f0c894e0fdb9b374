//! How much one lane may send: bounded by the delay it makes, not by single losses.
//!
//! A backbone of poor lines loses packets without being full, and full queues make talk
//! impossible. So the rate follows the queue: it rises while packets do not wait and falls below
//! what arrives when they do. Loss counts only where it is much, and only if sending less makes
//! it less.
//!
//! Where others fill the queue whatever we do (a file over TCP), giving way would end in silence.
//! Then it competes as they do, with CUBIC's window (RFC 9438), and looks now and then whether
//! they are gone: whether the queue empties when we send less for a moment.
//!
//! QUIC tells it of acknowledgements and losses; it answers with a window and a rate. To spread
//! packets by that rate is left to [`Pacer`](crate::Pacer).

mod cubic;
mod detour;
mod loss;
mod shortest;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use media::Bitrate;

use cubic::Cubic;
use detour::Detour;
use loss::LossTolerance;
use shortest::Shortest;

/// What the operator knows of a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Where it starts: what was remembered of the link, or the default.
    pub start: Bitrate,
    /// Never less: sound of the rooms that matter.
    pub least: Bitrate,
    /// Never more: what the line was bought for.
    pub most: Bitrate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Bitrate::kilobits(50_000),
            least: Bitrate::kilobits(500),
            most: Bitrate::kilobits(10_000_000),
        }
    }
}

/// The controller of one lane.
#[derive(Clone, Debug)]
pub struct Congestion {
    limits: Limits,
    /// Bits per second.
    rate: f64,
    round_trip: Duration,
    shortest: Shortest,
    detour: Detour,
    round: Round,
    mode: Mode,
    loss: LossTolerance,
    /// A queue that fell, and is not gone yet. Should it rise again, it was not ours that fell: somebody
    /// else keeps it at that length.
    standing: Option<Yield>,
    /// When the path was full last, and what it carried.
    full_at: Option<(Instant, f64)>,
    /// What arrived in the round before, bits per second.
    arrived: f64,
    /// The rate without its ups and downs of a moment, bits per second.
    steady: f64,
    /// The rate before the path was gone for a while.
    before_gap: Option<f64>,
    /// When something arrived last, or was tried in spite of that nothing does.
    tried_at: Instant,
    /// How many packets may be under way beyond the window, to learn whether anything arrives.
    tries: u64,
}

/// How it answers a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// By sending less.
    Yield(Yield),
    /// As those who fill it.
    Compete(Cubic),
    /// By sending half for a moment, to see whether they are gone.
    Look(Look),
}

/// Giving way, and whether it helps.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Yield {
    /// Not much waits.
    Free,
    /// A queue is to be gone.
    Draining {
        /// The rate before.
        before: f64,
        /// What arrived when it began: what the path carries, were we alone.
        carries: f64,
        /// What arrived of late: as long as there is a queue, what the path carries of ours.
        lately: f64,
        /// How long packets waited when it began.
        queue: Duration,
        /// By how much the queue should have fallen by now.
        expected: Duration,
        /// How long packets waited in the last round.
        last: Duration,
    },
}

/// A look at who fills the queue: alone, half the rate empties it in twice its length.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    began_at: Instant,
    queue: Duration,
    lowest: Duration,
    before: Cubic,
    /// What arrived before it, bits per second.
    arrived: f64,
}

/// What was seen since the last decision.
#[derive(Clone, Copy, Debug)]
struct Round {
    began_at: Instant,
    acked: u64,
    lost: u64,
    shortest: Option<Duration>,
    /// More waited than could be sent.
    held_back: bool,
}

impl Congestion {
    /// Packets wait this long: send less.
    const HIGH: Duration = Duration::from_millis(25);
    /// Packets wait less than this: more may fit.
    const LOW: Duration = Duration::from_millis(12);
    /// Decisions rest on at least so much.
    const ENOUGH: u64 = 20 * 1_200;
    const SHORTEST_ROUND: Duration = Duration::from_millis(10);
    /// In a round trip.
    const RAISE: f64 = 1.05;
    const STEEPEST_RAISE: f64 = 2.0;
    /// In a second: each time that the queue has to drain costs more than is won.
    const RAISE_NEAR: f64 = 0.05;
    /// Of where the path was full. Above it the path carries more than it did.
    const NEAR: RangeInclusive<f64> = 0.85..=1.15;
    const REMEMBERED: Duration = Duration::from_secs(20);
    /// Below what arrives, so that a queue drains.
    const LOWER: f64 = 0.85;
    /// Once the queue is gone: what the path carried, less a little.
    const AFTER_DRAIN: f64 = 0.98;
    /// One round lowers by no more, however little arrived.
    const STEEPEST: f64 = 0.5;
    /// A queue that should be gone so much over is filled by somebody else.
    const IN_VAIN: f64 = 2.0;
    /// Times that may be sent what is.
    const FAR_LESS: f64 = 3.0;
    /// CUBIC's ups and downs are longer than a round.
    const STEADY: Duration = Duration::from_secs(2);
    /// What may be on its way before anything is known: a keyframe.
    const INITIAL_WINDOW: u64 = 64 * Self::PACKET;
    const PACKET: u64 = 1_200;
    const TRIES_EVERY: Duration = Duration::from_millis(100);
    /// Then the link counts as dead.
    const MOST_TRIES: u64 = 40;

    /// A lane that begins at `now`.
    pub fn new(now: Instant, limits: Limits) -> Self {
        Self {
            limits,
            rate: limits.start.0 as f64,
            round_trip: Duration::from_millis(100),
            shortest: Shortest::new(now),
            detour: Detour::default(),
            round: Round::new(now),
            mode: Mode::Yield(Yield::Free),
            loss: LossTolerance::default(),
            standing: None,
            full_at: None,
            arrived: 0.0,
            steady: limits.start.0 as f64,
            before_gap: None,
            tried_at: now,
            tries: 0,
        }
    }

    /// `bytes` that left at `sent_at` arrived; `round_trip` is the smoothed one.
    pub fn acked(&mut self, now: Instant, sent_at: Instant, bytes: u64, round_trip: Duration) {
        let sample = now.saturating_duration_since(sent_at);
        self.round_trip = round_trip;
        self.tried_at = now;
        self.tries = 0;
        let free = self.mode == Mode::Yield(Yield::Free);
        self.shortest.see(now, sample, free);
        if !free {
            self.detour.forget();
        } else if self.detour.see(sent_at, sample) {
            self.shortest = Shortest::new(now);
            self.shortest.see(now, sample, free);
            self.round = Round::new(now);
        }
        self.round.acked += bytes;
        self.emptied(sent_at, sample);
        self.round.shortest = Some(
            self.round
                .shortest
                .map_or(sample, |shortest| shortest.min(sample)),
        );
        self.decide(now);
    }

    /// `bytes` got lost.
    pub fn lost(&mut self, now: Instant, bytes: u64) {
        self.round.lost += bytes;
        self.decide(now);
    }

    /// Nothing arrived for so long that QUIC gives everything up that was under way. A line that was
    /// gone carries what it did, most of the time: that is tried soon, but not at once.
    pub fn nothing_arrived(&mut self, now: Instant) {
        self.before_gap = Some(self.before_gap.unwrap_or(0.0).max(self.rate));
        self.detour.forget();
        self.round = Round::new(now);
        self.set_rate(self.rate / 2.0);
    }

    /// The window is full. Where nothing arrives any more, one packet may leave now and then all the
    /// same: QUIC's own probes come more and more seldom, and a line that is back would go unnoticed
    /// for as long as it was gone. Whether another one may.
    pub fn tries(&mut self, now: Instant) -> bool {
        let silent = now.saturating_duration_since(self.tried_at);
        if silent < Self::TRIES_EVERY + self.round_trip || self.tries == Self::MOST_TRIES {
            return false;
        }
        self.tried_at = now;
        self.tries += 1;
        true
    }

    /// Something had to wait, because no more may be sent: only then more can show that it fits.
    pub fn hold_back(&mut self) {
        self.round.held_back = true;
    }

    /// Never less than this from now on.
    pub fn set_least(&mut self, least: Bitrate) {
        self.limits.least = least;
        self.set_rate(self.rate);
    }

    /// How many bytes may be under way.
    pub fn window(&self) -> u64 {
        /// Room for the bursts of pictures.
        const HEADROOM: f64 = 1.25;
        let time = self
            .round_trip
            .min(self.shortest.get() + Duration::from_millis(60))
            + Duration::from_millis(30);
        let bytes = self.rate / 8.0 * time.as_secs_f64() * HEADROOM;
        (bytes as u64).max(Self::INITIAL_WINDOW) + self.tries * Self::PACKET
    }

    /// How much may be sent in a second.
    pub fn rate(&self) -> Bitrate {
        Bitrate(self.rate as u64)
    }

    /// What the path is believed to carry for longer than a moment: by this layers are chosen. A
    /// queue that is to drain, or a look at who fills it, makes packets wait and not layers stop.
    pub fn carries(&self) -> Bitrate {
        Bitrate(self.steady as u64)
    }

    /// How long packets waited on the path of late.
    pub fn waiting(&self) -> Duration {
        self.round.shortest.map_or(Duration::ZERO, |sample| {
            sample.saturating_sub(self.shortest.get())
        })
    }

    /// Whether it competes with somebody who fills the queue.
    pub fn is_competing(&self) -> bool {
        !matches!(self.mode, Mode::Yield(_))
    }

    fn decide(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.round.began_at);
        if took < self.round_trip.max(Self::SHORTEST_ROUND) {
            return;
        }
        let total = self.round.acked + self.round.lost;
        if total < Self::ENOUGH && took < Duration::from_secs(1) {
            return;
        }
        let seen = Seen {
            waiting: self.waiting(),
            arrived: self.round.acked as f64 * 8.0 / took.as_secs_f64(),
            lost: self.round.lost as f64 / total.max(1) as f64,
            held_back: self.round.held_back,
        };
        self.round = Round::new(now);
        match self.mode {
            Mode::Yield(state) => self.give_way(now, took, state, seen),
            Mode::Compete(cubic) => self.compete(now, cubic, seen),
            Mode::Look(look) => self.look(now, look, seen),
        }
        self.arrived = seen.arrived;
        self.steady = match self.mode {
            // Until more is known, a gap is no reason to stop layers.
            Mode::Yield(Yield::Free) if self.before_gap.is_some() => self.steady,
            Mode::Yield(Yield::Free) => self.rate,
            Mode::Yield(Yield::Draining { lately, .. }) => {
                self.rate.max(lately * Self::AFTER_DRAIN)
            }
            Mode::Compete(_) => {
                let share = took.div_duration_f64(Self::STEADY).min(1.0);
                self.steady + (self.rate - self.steady) * share
            }
            Mode::Look(_) => self.steady,
        };
    }

    fn give_way(&mut self, now: Instant, took: Duration, state: Yield, seen: Seen) {
        if seen.waiting < Self::LOW {
            self.standing = None;
        }
        let full = seen.waiting > Self::HIGH;
        if full && self.detour.is_suspected() {
            return;
        }
        if full {
            self.before_gap = None;
            self.drain(took, state, seen);
        } else if let Yield::Draining { lately, .. } = state {
            self.standing = Some(state);
            self.full_at = Some((now, lately));
            self.set_rate(self.rate.max(lately * Self::AFTER_DRAIN));
            self.mode = Mode::Yield(Yield::Free);
        } else if self.loss.is_ours(now, seen.lost) {
            self.before_gap = None;
            self.set_rate(
                (seen.arrived * Self::LOWER).clamp(self.rate * Self::STEEPEST, self.rate),
            );
        } else {
            self.loss.usual(seen.lost);
            if let Some(before) = self.before_gap {
                self.set_rate((self.rate * 2.0).min(before));
                self.before_gap = Some(before).filter(|before| self.rate < *before);
            } else if seen.held_back && seen.waiting < Self::LOW {
                self.set_rate(self.rate * self.raise(now, took));
            }
        }
        let Mode::Yield(Yield::Draining {
            before,
            queue,
            expected,
            ..
        }) = self.mode
        else {
            return;
        };
        if expected > queue.mul_f64(Self::IN_VAIN) + self.round_trip {
            self.set_rate(before);
            let window = self.rate / 8.0 * self.round_trip.as_secs_f64();
            self.mode = Mode::Compete(Cubic::new(now, window));
        }
    }

    /// Near where the path was full of late, a little at a time.
    fn raise(&self, now: Instant, took: Duration) -> f64 {
        match self.full_at {
            Some((at, rate))
                if Self::NEAR.contains(&(self.rate / rate))
                    && now.saturating_duration_since(at) < Self::REMEMBERED =>
            {
                1.0 + Self::RAISE_NEAR * took.as_secs_f64()
            }
            // Where hardly anything is sent, for all layers wait, a round is many round trips long.
            _ => Self::RAISE
                .powf(took.div_duration_f64(self.round_trip).max(1.0))
                .min(Self::STEEPEST_RAISE),
        }
    }

    /// Packets wait: so much less that they do not in two rounds.
    fn drain(&mut self, took: Duration, state: Yield, seen: Seen) {
        let drains = 1.0 - seen.waiting.as_secs_f64() / (2.0 * took.as_secs_f64());
        // Pictures come in bursts: one round may have seen few by chance.
        let arrived = seen.arrived.max(self.arrived);
        // Who sends far less than may be sent has learned nothing of what the path carries.
        let idle = !seen.held_back && arrived * Self::FAR_LESS < self.rate;
        let arrived = if idle { self.rate } else { arrived };
        let below =
            (arrived * drains.clamp(Self::STEEPEST, Self::LOWER)).max(self.rate * Self::STEEPEST);
        let state = match state {
            Yield::Free => self.standing.take().unwrap_or(state),
            Yield::Draining { .. } => state,
        };
        let next = match state {
            Yield::Free => Yield::Draining {
                before: self.rate.min(arrived),
                carries: arrived,
                lately: arrived,
                queue: seen.waiting,
                expected: Duration::ZERO,
                last: seen.waiting,
            },
            Yield::Draining {
                before,
                carries,
                lately,
                queue,
                expected,
                ..
            } => Yield::Draining {
                before,
                carries: carries.max(seen.arrived),
                lately: if idle {
                    arrived
                } else {
                    (lately + seen.arrived) / 2.0
                },
                queue: queue.max(seen.waiting),
                expected: expected + took.mul_f64((1.0 - self.rate / carries).clamp(0.0, 1.0)),
                last: seen.waiting,
            },
        };
        // It falls already: enough is done.
        let falls = matches!(state, Yield::Draining { last, .. } if seen.waiting < last);
        if !falls {
            self.set_rate(below.min(self.rate * 0.95));
        }
        self.mode = Mode::Yield(next);
    }

    fn compete(&mut self, now: Instant, mut cubic: Cubic, seen: Seen) {
        if seen.waiting < Self::LOW {
            self.mode = Mode::Yield(Yield::Free);
            return;
        }
        let lossy = seen.lost > self.loss.floor() && seen.waiting > cubic.longest / 2;
        cubic.meet(seen.waiting);
        let window = cubic.step(now, self.round_trip, lossy, seen.held_back);
        self.set_rate(window * 8.0 / self.round_trip.as_secs_f64());
        self.mode = Mode::Compete(cubic);
        if now.saturating_duration_since(cubic.since) > Cubic::LOOK_EVERY {
            self.set_rate(seen.arrived * 0.5);
            self.mode = Mode::Look(Look {
                began_at: now,
                queue: seen.waiting,
                lowest: seen.waiting,
                before: cubic,
                arrived: seen.arrived,
            });
        }
    }

    /// While looking: a packet met a queue that is all but empty.
    fn emptied(&mut self, sent_at: Instant, sample: Duration) {
        let Mode::Look(look) = self.mode else {
            return;
        };
        if sent_at < look.began_at || sample.saturating_sub(self.shortest.get()) > Self::LOW {
            return;
        }
        let took = sent_at.saturating_duration_since(look.began_at);
        let alone = (look.queue.saturating_sub(Self::LOW)) * 2;
        if took < alone.mul_f64(1.3) {
            self.set_rate(look.arrived * 0.9);
            self.mode = Mode::Yield(Yield::Free);
        } else {
            self.compete_again(look, sent_at);
        }
    }

    fn look(&mut self, now: Instant, mut look: Look, seen: Seen) {
        look.lowest = look.lowest.min(seen.waiting);
        self.mode = Mode::Look(look);
        if now < look.began_at + look.queue * 4 + self.round_trip * 2 {
            return;
        }
        // Half as much changed nothing. But where we are few beside others their queue hardly
        // notices us; only that of a path that is longer now never falls.
        if look.before.is_level(look.lowest) {
            self.shortest = Shortest::new(now);
            self.mode = Mode::Yield(Yield::Free);
        } else {
            self.compete_again(look, now);
        }
    }

    fn compete_again(&mut self, look: Look, now: Instant) {
        self.set_rate(look.before.window * 8.0 / self.round_trip.as_secs_f64());
        let mut cubic = look.before;
        cubic.looked(now);
        self.mode = Mode::Compete(cubic);
    }

    fn set_rate(&mut self, rate: f64) {
        self.rate = rate.clamp(self.limits.least.0 as f64, self.limits.most.0 as f64);
    }
}

/// One round, reckoned.
#[derive(Clone, Copy, Debug)]
struct Seen {
    waiting: Duration,
    /// Bits per second.
    arrived: f64,
    /// A share.
    lost: f64,
    held_back: bool,
}

impl Round {
    fn new(now: Instant) -> Self {
        Self {
            began_at: now,
            acked: 0,
            lost: 0,
            shortest: None,
            held_back: false,
        }
    }
}
