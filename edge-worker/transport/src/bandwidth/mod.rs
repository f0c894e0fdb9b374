//! How much a client can be sent: put together from what it tells of the packets it received.
//!
//! Each packet is numbered across all streams and noted in the [`SentLog`]; feedback tells
//! when which arrived. From that come the [`delay`] on the path, the [`throughput`] and
//! [`loss`], and from these the [`rate`]; where the room would send more if it fitted, a
//! [`probe`] finds out. Clients that do not number packets tell their own estimate (REMB); those
//! that agreed to tell what they receive and never do are judged by what they [report](reported)
//! lost.
//!
//! What to do with the estimate is left to the room's allocator.

mod delay;
mod feedback;
mod loss;
mod probe;
mod rate;
mod reported;
mod sent;
#[cfg(test)]
mod tests;
mod throughput;

use std::time::{Duration, Instant};

use media::Bitrate;

use delay::{Delays, Queue};
use loss::{Advice, LossGuard, Trial};
use probe::{Need, Prober, Shown};
use rate::{Rate, Sight};
use reported::Reported;
pub(crate) use sent::SentLog;
use sent::{Judged, Micros, Verdict};
use throughput::Throughput;

/// What a subscriber is to be sent, so that the transport knows when to look for more.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// All that is sent now.
    pub allocated: Bitrate,
    /// All that would be sent after the next raise; `None` if there is nothing to raise.
    pub next: Option<Bitrate>,
    /// All that would be sent if everything fitted.
    pub wished: Bitrate,
}

/// The estimate of one transport.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    evidence: Evidence,
    delays: Delays,
    loss: LossGuard,
    /// By the clock of the client, and what was sent by ours.
    arrived: Throughput,
    offered: Throughput,
    rate: Rate,
    prober: Prober,
    wanted: Wanted,
    padding: Padding,
    /// From sending a packet to hearing of it.
    round_trip: Duration,
    /// Of the newest feedback, unwrapped, in 64 ms.
    reference: Option<i64>,
    /// The number after the highest one told of.
    told_to: u64,
    /// When to look for silence, once there is something to hear.
    watch_at: Option<Instant>,
    silence: Option<Silence>,
    /// Fitted before a silence, until found out again.
    known: Option<Bitrate>,
    told: Option<(Instant, Bitrate)>,
    /// What the client believes.
    believed: Option<Bitrate>,
    /// When a client that has told nothing yet is believed to never do.
    mute_at: Option<Instant>,
}

/// Where the estimate comes from.
#[derive(Debug)]
enum Evidence {
    /// The client tells nothing.
    None,
    /// It tells what it received.
    Feedback,
    /// It tells what it believes.
    Limit(Bitrate),
    /// It only tells what was lost.
    Losses(Reported),
}

/// Whether a probe could be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Padding {
    Possible,
    Impossible,
}

/// Packets are sent and nothing is heard.
#[derive(Clone, Copy, Debug)]
struct Silence {
    before: Bitrate,
    /// The number of the next packet when it was last looked for.
    sent_to: u64,
}

/// Between hearings, as long as it takes to believe in silence; and two round trips more.
const SILENCE: Duration = Duration::from_secs(1);

impl Default for Bandwidth {
    fn default() -> Self {
        Self::new()
    }
}

impl Bandwidth {
    /// A compound has one feedback packet, or a few after a silence.
    const MAX_FEEDBACK: usize = 8;
    /// Nobody remembers more packets.
    const MAX_COUNT: u16 = 8192;
    /// Until the first feedback.
    const FIRST_ROUND_TRIP: Duration = Duration::from_millis(200);
    /// However long feedback takes, it does not show the path's delay beyond this.
    const MAX_ROUND_TRIP: Duration = Duration::from_secs(3);
    /// The least part of the estimate before that is left after a silence.
    const SILENT_SHARE: f64 = 1.0 / 8.0;
    /// Feedback comes several times a second, where it comes at all.
    const MUTE: Duration = Duration::from_secs(5);
    /// Changes as large as this are told at once, ...
    const NOTEWORTHY: f64 = 0.05;
    /// ... all others so often.
    const TELL_INTERVAL: Duration = Duration::from_millis(200);

    fn new() -> Self {
        Self {
            evidence: Evidence::None,
            delays: Delays::new(),
            loss: LossGuard::new(),
            arrived: Throughput::new(),
            offered: Throughput::new(),
            rate: Rate::new(),
            prober: Prober::new(),
            wanted: Wanted::default(),
            padding: Padding::Impossible,
            round_trip: Self::FIRST_ROUND_TRIP,
            reference: None,
            told_to: 0,
            watch_at: None,
            silence: None,
            known: None,
            told: None,
            believed: None,
            mute_at: None,
        }
    }

    /// The client agreed to tell what it receives.
    pub(crate) fn expect_feedback(&mut self, now: Instant) {
        if matches!(self.evidence, Evidence::None) {
            self.evidence = Evidence::Feedback;
            self.watch_at = Some(now + SILENCE);
        }
    }

    /// There is a stream that padding can be sent on.
    pub(crate) fn can_pad(&mut self) {
        self.padding = Padding::Possible;
    }

    /// What is to be sent, and what would be next.
    pub(crate) fn want(&mut self, now: Instant, wanted: Wanted, sent: &SentLog) {
        self.wanted = wanted;
        self.consider_probe(now, sent);
    }

    /// What the client can be sent; `None` if it tells nothing.
    pub(crate) fn estimate(&self) -> Option<Bitrate> {
        match &self.evidence {
            Evidence::None => None,
            Evidence::Feedback => Some(self.rate.estimate()),
            Evidence::Limit(limit) => Some(*limit),
            Evidence::Losses(reported) => Some(reported.estimate()),
        }
    }

    /// The estimate, if it is time to tell of it.
    pub(crate) fn news(&mut self, now: Instant) -> Option<Bitrate> {
        let estimate = self.estimate()?;
        if let Some((at, told)) = self.told {
            let change = estimate.0.abs_diff(told.0);
            let noteworthy = change as f64 > told.0 as f64 * Self::NOTEWORTHY;
            let due = now.saturating_duration_since(at) >= Self::TELL_INTERVAL;
            if change == 0 || !(noteworthy || due) {
                return None;
            }
        }
        self.told = Some((now, estimate));
        Some(estimate)
    }

    /// The client believes to be able to receive so much.
    pub(crate) fn limit(&mut self, limit: Bitrate) {
        self.believed = Some(limit);
        match self.evidence {
            Evidence::Feedback => {}
            Evidence::None | Evidence::Limit(_) | Evidence::Losses(_) => {
                self.evidence = Evidence::Limit(limit);
            }
        }
    }

    /// The client lost so much of a stream since it last told of that, in 1/256.
    pub(crate) fn lost(&mut self, now: Instant, fraction_lost: u8) {
        if let Evidence::Losses(reported) = &mut self.evidence {
            reported.hear(now, fraction_lost, &self.wanted);
        }
    }

    /// Takes a compound of the client's, whose framing was found to be true.
    pub(crate) fn hear(&mut self, now: Instant, compound: &[u8], sent: &mut SentLog) {
        let (mut arrived, mut lost) = (0, 0);
        let mut newest = None;
        for feedback in feedback::in_compound(compound).take(Self::MAX_FEEDBACK) {
            if feedback.count > Self::MAX_COUNT {
                continue;
            }
            let Some(base) = sent.unwrap(feedback.base) else {
                continue;
            };
            let mut ticks = self.unwrap_reference(feedback.reference) * TICKS_PER_REFERENCE;
            for (number, told) in (base..sent.next()).zip(feedback.told()) {
                ticks += told.map_or(0, i64::from);
                let Some(judged) = sent.judge(now, number, told.is_some()) else {
                    continue;
                };
                match judged.verdict {
                    Verdict::Lost => lost += 1,
                    Verdict::Arrived => arrived += 1,
                    Verdict::ArrivedAfterAll => self.loss.recovered(),
                }
                self.told_to = self.told_to.max(number + 1);
                newest = newest.max(Some(judged.sent_at));
                self.take(&judged, ticks * MICROS_PER_TICK);
            }
        }
        let Some(newest) = newest else {
            return;
        };
        self.evidence = Evidence::Feedback;
        self.loss.count(arrived, lost);
        if let Some(silence) = self.silence.take() {
            self.resume(silence);
        } else {
            self.time_round_trip(sent.micros(now) - newest);
        }
        self.watch_at = Some(now + self.patience());
        self.follow(now, sent);
        self.consider_probe(now, sent);
    }

    fn take(&mut self, judged: &Judged, arrived_at: Micros) {
        if judged.verdict != Verdict::ArrivedAfterAll {
            self.offered.arrived(judged.sent_at, judged.size);
        }
        if judged.verdict == Verdict::Lost {
            return;
        }
        self.arrived.arrived(arrived_at, judged.size);
        self.prober.arrived(judged, arrived_at);
        self.delays.arrived(judged, arrived_at, self.rate.width());
    }

    fn unwrap_reference(&mut self, reference: u32) -> i64 {
        let unwrapped = match self.reference {
            None => i64::from(reference),
            Some(last) => {
                let ahead = (reference.wrapping_sub(last as u32) << 8) as i32 >> 8;
                last + i64::from(ahead)
            }
        };
        self.reference = Some(unwrapped);
        unwrapped
    }

    fn time_round_trip(&mut self, micros: Micros) {
        let sample = Duration::from_micros(micros.unsigned_abs()).min(Self::MAX_ROUND_TRIP);
        self.round_trip = (self.round_trip * 7 + sample) / 8;
    }

    /// How long nothing may be heard.
    fn patience(&self) -> Duration {
        SILENCE + 2 * self.round_trip
    }

    /// Goes on after a silence: what was measured before it says nothing of now.
    fn resume(&mut self, silence: Silence) {
        self.delays.restart();
        self.loss.restart();
        self.prober.restart();
        self.known = Some(silence.before);
    }

    /// Draws the conclusions.
    fn follow(&mut self, now: Instant, sent: &SentLog) {
        let queue = self.delays.queue();
        if queue == Queue::Growing {
            self.prober.congested(now, sent, self.round_trip);
        }
        self.conclude_probe(now);
        let trial = Trial {
            estimate: self.rate.estimate(),
            shows_after: self.round_trip + SHOWS_AFTER,
            offered: self.offered.over(WINDOW),
        };
        let advice = self.loss.advise(now, trial);
        match advice {
            Advice::Fine | Advice::Hold => {}
            Advice::Less(factor) => {
                self.rate.lower(now, factor);
                self.prober.congested(now, sent, self.round_trip);
            }
            Advice::Restore(before) => self.rate.restore(before),
        }
        let arrived = self.arrived.over(WINDOW);
        let sight = Sight {
            queue,
            waiting: milliseconds(self.delays.waiting()),
            standing: milliseconds(self.delays.standing()),
            waiting_for: milliseconds(self.delays.waiting_for()),
            arrived: arrived.map(|arrived| self.loss.sent_for(arrived)),
            offered: self.offered.over(WINDOW),
            round_trip: self.round_trip,
            probed: self.prober.is_under_way(),
            hold: advice == Advice::Hold,
            blind: self.padding == Padding::Impossible,
        };
        self.rate.step(now, &sight);
    }

    fn conclude_probe(&mut self, now: Instant) {
        let shown = self
            .prober
            .result(now, self.told_to, self.round_trip, &self.loss);
        let young = milliseconds(self.delays.waiting_for()) < Rate::YOUNG;
        match shown {
            Some(Shown::Fits(fits)) => self.rate.shown(now, fits),
            Some(Shown::Fills(fits)) if young => self.rate.filled(now, fits),
            Some(Shown::Fills(_) | Shown::Stalled | Shown::Nothing) | None => {}
        }
        if shown.is_some() {
            self.known = None;
        }
    }

    fn consider_probe(&mut self, now: Instant, sent: &SentLog) {
        let quiet = self.delays.queue() != Queue::Growing && self.delays.waiting() < QUIET;
        if quiet && self.silence.is_none() {
            self.probe(now, sent);
        }
    }

    fn probe(&mut self, now: Instant, sent: &SentLog) {
        let hears = matches!(self.evidence, Evidence::Feedback);
        if self.padding == Padding::Impossible || !hears {
            return;
        }
        let need = Need {
            estimate: self.rate.estimate(),
            wanted: self.wanted,
            known: self.known,
        };
        self.prober.consider(now, &need, sent);
    }

    /// How many bytes of padding are to be sent now.
    pub(crate) fn owed(&mut self, now: Instant, sent: &SentLog) -> u64 {
        self.prober.owed(now, sent, self.round_trip)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.watch_at, self.prober.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due; padding may be [`owed`](Self::owed) then.
    pub(crate) fn handle_timeout(&mut self, now: Instant, sent: &SentLog) {
        self.conclude_probe(now);
        if self.watch_at.is_none_or(|at| now < at) {
            return;
        }
        self.watch_at = Some(now + SILENCE);
        let waits_since = sent.untold_since(now, self.told_to);
        if self.reference.is_none() && waits_since.is_some() {
            self.suspect(now);
        }
        let is_silent = waits_since.is_some_and(|at| at + self.patience() <= now);
        if is_silent && self.reference.is_some() {
            self.fall_silent(now, sent);
        } else if self.silence.is_none() {
            // Where nothing is sent nothing is heard: what waited then has long arrived, and
            // probes find the way back.
            self.delays.restart();
            self.consider_probe(now, sent);
        }
    }

    /// Packets were sent, and nothing was ever told of any.
    fn suspect(&mut self, now: Instant) {
        let mute_at = *self.mute_at.get_or_insert(now + Self::MUTE);
        if now >= mute_at && matches!(self.evidence, Evidence::Feedback) {
            self.evidence = match self.believed {
                Some(believed) => Evidence::Limit(believed),
                None => Evidence::Losses(Reported::new(self.rate.estimate())),
            };
        }
    }

    fn fall_silent(&mut self, now: Instant, sent: &SentLog) {
        let sent_to = sent.next();
        if self
            .silence
            .is_some_and(|silence| silence.sent_to == sent_to)
        {
            // The last packets were lost, of which nobody tells: only newer ones end this.
            self.probe(now, sent);
            return;
        }
        let before = self.silence.map(|silence| silence.before);
        let before = before.unwrap_or_else(|| self.rate.estimate());
        self.silence = Some(Silence { before, sent_to });
        if self.rate.estimate() > before.scaled(Self::SILENT_SHARE) {
            self.rate.halve();
        }
    }
}

fn milliseconds(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1_000.0).unwrap_or_default()
}

/// Reference times count in 64 ms, differences in 250 us.
const TICKS_PER_REFERENCE: i64 = 256;
const MICROS_PER_TICK: i64 = 250;
/// In ms: rates are measured over the time of some frames.
const WINDOW: u32 = 500;
/// In ms: a longer queue is none to add a probe to.
const QUIET: f64 = 60.0;
/// What is changed shows in what is told of the packets sent after it, once as many were as
/// a measurement takes.
const SHOWS_AFTER: Duration = Duration::from_millis(100);
