//! The estimate itself: up by a share while congestion is far or unknown, by a packet at a
//! time near where it was met last, and down to below what arrives when a queue grows (the
//! idea of draft-ietf-rmcat-gcc-02 section 5.5).
//!
//! What nobody sends cannot be known to fit: the estimate never rises far above what
//! arrived of late. To see further is left to [`probe`](super::probe).

use std::time::{Duration, Instant};

use media::Bitrate;

use super::delay::Queue;

/// What one packet of feedback shows, put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) queue: Queue,
    /// How long packets wait on the path.
    pub(super) waiting: Duration,
    /// What arrived of late, and what of late was sent; `None` where too little was.
    pub(super) arrived: Option<Bitrate>,
    pub(super) offered: Option<Bitrate>,
    /// From a packet to what feedback says of it.
    pub(super) round_trip: Duration,
    /// How much of that what we sent at once does not explain.
    pub(super) standing: Duration,
    /// For how long packets have waited without a break.
    pub(super) waiting_for: Duration,
    /// A probe is under way: what it does to the queue, it will tell.
    pub(super) probed: bool,
    /// Losses ask not to send more.
    pub(super) hold: bool,
    /// Nothing can be sent to find out more.
    pub(super) blind: bool,
}

/// The estimate and what led to it.
#[derive(Debug)]
pub(super) struct Rate {
    estimate: f64,
    phase: Phase,
    stepped_at: Option<Instant>,
    lowered_at: Option<Instant>,
    wait: Wait,
    /// Where congestion was met.
    met: Option<Met>,
    evidence: Evidence,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// No congestion was met yet.
    Ramp,
    /// It was.
    Steady,
}

/// Whether packets wait, whatever is done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    /// They do not.
    None,
    /// They do; the estimate was this when it began.
    Ours(f64),
    /// Others fill the queue, who heed losses only.
    Others(f64),
}

impl Rate {
    /// Sound and one small picture; the ramp is quick.
    const START: f64 = 300_000.0;
    /// Sound alone, on the worst of paths.
    const LEAST: f64 = 30_000.0;
    /// No subscriber is sent more.
    const MOST: f64 = 100_000_000.0;
    /// What is kept of what arrives when a queue grows, a short one and a long one: the rest
    /// drains it.
    const KEPT: (f64, f64) = (0.93, 0.8);
    /// What is kept at least where too little was sent to know.
    const KEPT_UNTRIED: f64 = 0.85;
    /// ... and of what a probe has shown to fit, which left a short queue.
    const KEPT_FILLED: f64 = 0.95;
    /// Less than this share of the estimate is too little to try it.
    const TRIED: f64 = 0.75;
    /// Growth in a second while congestion is far, and before any was met.
    const GROWTH: (f64, f64) = (1.08, 1.5);
    /// How far above what arrived the estimate may rise.
    const REACH: f64 = 1.12;
    /// What is believed to fit is less than what does.
    const WIDER: f64 = 1.1;
    /// One packet.
    const STEP_BITS: f64 = 9_600.0;
    const LEAST_STEP: f64 = 4_000.0;
    /// On the way of feedback.
    const FEEDBACK_DELAY: Duration = Duration::from_millis(100);
    /// A queue this long is drained before more is sent.
    const LONG_QUEUE: Duration = Duration::from_millis(120);
    /// A queue that stands is given this time to drain before it is met again.
    const DRAINS_IN: Duration = Duration::from_millis(700);
    /// A queue that has stood for longer is not the doing of one probe.
    pub(super) const YOUNG: Duration = Duration::from_secs(1);
    /// Who gives way this far, ...
    const GIVEN_WAY: f64 = 0.6;
    /// ... and finds no empty queue for this long, is alone in giving way.
    const PATIENCE: Duration = Duration::from_secs(4);

    pub(super) fn new() -> Self {
        Self {
            estimate: Self::START,
            phase: Phase::Ramp,
            stepped_at: None,
            lowered_at: None,
            wait: Wait::None,
            met: None,
            evidence: Evidence::default(),
        }
    }

    pub(super) fn estimate(&self) -> Bitrate {
        Bitrate(self.estimate as u64)
    }

    /// How wide the path may well be.
    pub(super) fn width(&self) -> Bitrate {
        let width = match &self.met {
            Some(met) => self.estimate.max(met.mean),
            None => self.estimate * Self::WIDER,
        };
        Bitrate(width as u64)
    }

    /// Goes on from what was seen last.
    pub(super) fn step(&mut self, now: Instant, sight: &Sight) {
        let since = self.stepped_at.replace(now);
        let since = since.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let since = since.min(Duration::from_secs(1));
        if let Some(arrived) = sight.arrived {
            self.evidence.note(now, arrived.0 as f64);
        }
        if self.is_crowded(sight) {
            if !sight.hold {
                self.grow(since, sight);
            }
            return;
        }
        match sight.queue {
            Queue::Growing if sight.probed && sight.waiting_for < Self::YOUNG => {}
            Queue::Growing => self.meet(now, Self::FEEDBACK_DELAY, sight),
            Queue::Steady if sight.standing > Self::LONG_QUEUE => {
                self.meet(now, Self::DRAINS_IN, sight);
            }
            Queue::Steady if sight.hold || sight.waiting > Self::LONG_QUEUE => {}
            Queue::Steady => self.grow(since, sight),
            Queue::Draining => {}
        }
    }

    /// Whether the queue stands although we gave way: others fill it. As long as they do
    /// nothing is won by giving way further. What we had is all that is taken back.
    fn is_crowded(&mut self, sight: &Sight) -> bool {
        let patient = sight.waiting_for <= Self::PATIENCE;
        self.wait = match self.wait {
            _ if sight.waiting_for.is_zero() => Wait::None,
            Wait::None => Wait::Ours(self.estimate),
            Wait::Ours(from) if self.estimate < from * Self::GIVEN_WAY && !patient => {
                Wait::Others(from)
            }
            Wait::Others(from) if self.estimate >= from => Wait::Ours(from),
            Wait::Ours(_) | Wait::Others(_) => self.wait,
        };
        matches!(self.wait, Wait::Others(_))
    }

    /// A queue grows, or does not go away; what was done against it shows `after` a round trip
    /// and this.
    fn meet(&mut self, now: Instant, after: Duration, sight: &Sight) {
        self.phase = Phase::Steady;
        let settled = self
            .lowered_at
            .is_none_or(|at| now.saturating_duration_since(at) > sight.round_trip + after);
        let arrived = sight.arrived.map(|arrived| arrived.0 as f64);
        let far = arrived.is_some_and(|arrived| arrived < self.estimate / 2.0);
        let tried = sight
            .offered
            .is_none_or(|offered| offered.0 as f64 > self.estimate * Self::TRIED);
        if !(settled || far && tried) {
            return;
        }
        let (most, least) = Self::KEPT;
        let length = sight.waiting.as_secs_f64() / Self::LONG_QUEUE.as_secs_f64();
        let kept = most - (most - least) * length.min(1.0);
        let mut lowered = arrived.map_or(self.estimate / 2.0, |arrived| arrived * kept);
        if tried {
            if let Some(arrived) = arrived {
                self.met.get_or_insert(Met::at(arrived)).note(arrived);
            }
        } else {
            lowered = lowered.max(self.estimate * Self::KEPT_UNTRIED);
        }
        if lowered < self.estimate {
            self.set(lowered);
        }
        self.lowered_at = Some(now);
    }

    fn grow(&mut self, since: Duration, sight: &Sight) {
        let arrived = sight.arrived.map(|arrived| arrived.0 as f64);
        if let (Some(met), Some(arrived)) = (&self.met, arrived)
            && arrived > met.most()
        {
            self.met = None;
        }
        let seconds = since.as_secs_f64();
        let (far, unmet) = Self::GROWTH;
        let near = self
            .met
            .as_ref()
            .is_some_and(|met| met.is_near(self.estimate));
        let grown = match (self.phase, near) {
            (Phase::Ramp, _) => self.estimate * unmet.powf(seconds),
            (Phase::Steady, true) => {
                let response = sight.round_trip + Self::FEEDBACK_DELAY;
                let step = Self::STEP_BITS / response.as_secs_f64();
                self.estimate + step.max(Self::LEAST_STEP) * seconds
            }
            (Phase::Steady, false) => self.estimate * far.powf(seconds),
        };
        let limit = match sight.blind {
            true => f64::INFINITY,
            false => self.evidence.most() * Self::REACH,
        };
        if grown.min(limit) > self.estimate {
            self.set(grown.min(limit));
        }
    }

    /// A probe has shown that so much fits.
    pub(super) fn shown(&mut self, now: Instant, fits: Bitrate) {
        let fits = fits.0 as f64;
        if self.met.as_ref().is_some_and(|met| fits > met.most()) {
            self.met = None;
        }
        if fits > self.estimate {
            self.set(fits);
            self.stepped_at = Some(now);
        }
    }

    /// A probe has filled the path, and shown how wide that is.
    pub(super) fn filled(&mut self, now: Instant, fits: Bitrate) {
        let fits = fits.0 as f64;
        self.phase = Phase::Steady;
        self.met.get_or_insert(Met::at(fits)).note(fits);
        self.set(fits * Self::KEPT_FILLED);
        self.stepped_at = Some(now);
        self.lowered_at = Some(now);
    }

    /// Losses ask for less.
    pub(super) fn lower(&mut self, now: Instant, factor: f64) {
        self.phase = Phase::Steady;
        self.set(self.estimate * factor);
        self.lowered_at = Some(now);
    }

    /// Nothing is heard of what is sent.
    pub(super) fn halve(&mut self) {
        self.set(self.estimate / 2.0);
    }

    /// It was lowered for nothing.
    pub(super) fn restore(&mut self, before: Bitrate) {
        if before.0 as f64 > self.estimate {
            self.set(before.0 as f64);
        }
    }

    fn set(&mut self, estimate: f64) {
        self.estimate = estimate.clamp(Self::LEAST, Self::MOST);
    }
}

/// Where congestion was met: the mean of what arrived then, and how far that spreads.
#[derive(Debug)]
struct Met {
    mean: f64,
    /// Relative to the mean, squared.
    spread: f64,
}

impl Met {
    const WEIGHT: f64 = 0.1;
    const SPREADS: (f64, f64) = (0.000_4, 0.01);

    fn at(rate: f64) -> Self {
        Self {
            mean: rate,
            spread: 0.002,
        }
    }

    fn note(&mut self, rate: f64) {
        let off = (rate - self.mean) / self.mean.max(1.0);
        if off.abs() > 0.3 {
            // The path has changed.
            *self = Self::at(rate);
            return;
        }
        self.mean += Self::WEIGHT * (rate - self.mean);
        let (least, most) = Self::SPREADS;
        self.spread = (self.spread + Self::WEIGHT * (off * off - self.spread)).clamp(least, most);
    }

    fn most(&self) -> f64 {
        self.mean * (1.0 + 3.0 * self.spread.sqrt())
    }

    fn is_near(&self, rate: f64) -> bool {
        rate > self.mean * (1.0 - 3.0 * self.spread.sqrt())
    }
}

/// The most that arrived in the last one and a half to three seconds.
#[derive(Debug, Default)]
struct Evidence {
    turned_at: Option<Instant>,
    before: f64,
    now: f64,
}

impl Evidence {
    const TURN: Duration = Duration::from_millis(1_500);

    fn note(&mut self, now: Instant, arrived: f64) {
        let turned_at = *self.turned_at.get_or_insert(now);
        if now.saturating_duration_since(turned_at) > Self::TURN {
            self.turned_at = Some(now);
            self.before = std::mem::take(&mut self.now);
        }
        self.now = self.now.max(arrived);
    }

    fn most(&self) -> f64 {
        self.before.max(self.now)
    }
}
