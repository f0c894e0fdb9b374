//! Finds out whether more would fit than is sent: for a fraction of a second padding is added
//! up to what the next raise needs, and what of that arrives how fast is measured. As long as
//! all of it arrives the path is wider than anybody knew, and the next probe follows at once
//! and aims at twice as much, up to what it takes to send everything.
//!
//! A probe aims at no more than a fifth over what is wanted, and sends no more than a fifth of
//! a second's worth of the estimate on top of the estimate: should nothing more fit, no queue
//! grows longer than that. Failed probes come ever more seldom. Making the padding is left to
//! the transport.

use std::time::{Duration, Instant};

use media::Bitrate;

use super::Wanted;
use super::loss::LossGuard;
use super::sent::{Judged, Micros, SentLog};

/// Probes one path.
#[derive(Debug)]
pub(super) struct Prober {
    state: State,
    aim: Aim,
    not_before: Option<Instant>,
    wall: Option<Wall>,
}

/// What probes look for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Aim {
    /// Room for the next raise.
    NextRaise,
    /// Room for everything: the last probe found no end.
    Everything,
}

/// What did not fit.
#[derive(Clone, Copy, Debug)]
struct Wall {
    /// So much did.
    at: Bitrate,
    /// When to try again to get through, ...
    not_before: Instant,
    /// ... and how much later if that fails.
    patience: Duration,
}

#[derive(Debug)]
enum State {
    Idle,
    /// Until the given time.
    Sending(Cluster, Instant),
    /// Until the given time, or until all is told.
    Waiting(Cluster, Instant),
}

/// What one probe sent, media included, and what of it arrived.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    target: Bitrate,
    started_at: Instant,
    /// When padding is due next.
    due_at: Instant,
    /// Bytes the log had before.
    bytes_before: u64,
    /// The number of its first packet, and once it was sent the one after its last.
    first: u64,
    end: u64,
    seen: Option<Seen>,
}

/// The packets of a cluster that arrived.
#[derive(Clone, Copy, Debug)]
struct Seen {
    packets: u32,
    bytes: u64,
    sent: (Micros, Micros),
    arrived: (Micros, Micros),
    /// The longest time in which nothing arrived.
    gap: Micros,
    first_size: u32,
    last_size: u32,
}

/// What a probe has shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shown {
    /// So much fits.
    Fits(Bitrate),
    /// So much fits and no more: it arrived slower than it was sent.
    Fills(Bitrate),
    /// The client took nothing for a while, and then what had come: that says nothing.
    Stalled,
    /// Too little arrived to say anything.
    Nothing,
}

/// What a probe is considered with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) estimate: Bitrate,
    pub(super) wanted: Wanted,
    /// Once fitted, before a silence.
    pub(super) known: Option<Bitrate>,
}

impl Prober {
    /// How often padding is sent while a probe lasts.
    const TICK: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_millis(200);
    const SHORTEST: Duration = Duration::from_millis(80);
    /// Aims this much above what is needed: what arrives is never quite what was sent.
    const MARGIN: f64 = 1.2;
    /// So much of the estimate above what is needed calls for no probe.
    const ENOUGH: f64 = 1.1;
    /// A step may be this large ...
    const STEP: f64 = 2.0;
    /// ... and send, on top of the estimate, what the estimate sends in so many seconds.
    const EXCESS: f64 = 0.12;
    /// What comes this close to what was aimed at has reached it.
    const REACHED: f64 = 0.9;
    /// After a failure; doubled by each one after it ...
    const PATIENCE: Duration = Duration::from_secs(1);
    /// ... up to this: a path that became wider is found within it.
    const MOST_PATIENCE: Duration = Duration::from_secs(5);
    /// After success: lets what is made of it show.
    const PAUSE: Duration = Duration::from_millis(200);
    /// Nobody's next layer needs more.
    const MOST: Bitrate = Bitrate::kilobits(20_000);

    pub(super) fn new() -> Self {
        Self {
            state: State::Idle,
            aim: Aim::NextRaise,
            not_before: None,
            wall: None,
        }
    }

    /// Begins a probe, if one is due that helps.
    pub(super) fn consider(&mut self, now: Instant, need: &Need, sent: &SentLog) {
        if !matches!(self.state, State::Idle) || self.not_before.is_some_and(|at| now < at) {
            return;
        }
        let Some(target) = need.target(self.aim) else {
            return;
        };
        if self.wall.is_some_and(|wall| wall.stops(now, target)) {
            return;
        }
        let over = target.0.saturating_sub(need.estimate.0).max(1);
        let time = Self::EXCESS * need.estimate.0 as f64 / over as f64;
        let time = Duration::from_secs_f64(time.min(1.0)).clamp(Self::SHORTEST, Self::LONGEST);
        let cluster = Cluster {
            target,
            started_at: now,
            due_at: now,
            bytes_before: sent.bytes(),
            first: sent.next(),
            end: sent.next(),
            seen: None,
        };
        self.state = State::Sending(cluster, now + time);
    }

    /// How many bytes are to be sent now.
    pub(super) fn owed(&mut self, now: Instant, sent: &SentLog, round_trip: Duration) -> u64 {
        let State::Sending(cluster, until) = &mut self.state else {
            return 0;
        };
        if now >= *until && cluster.is_short(sent) {
            *until = cluster.started_at + Self::LONGEST;
        }
        if now >= *until {
            self.end(now, sent, round_trip);
            return 0;
        }
        if now < cluster.due_at {
            return 0;
        }
        cluster.due_at = now + Self::TICK;
        let time = now.saturating_duration_since(cluster.started_at) + Self::TICK;
        let planned = cluster.target.bytes_in(time);
        planned.saturating_sub(sent.bytes() - cluster.bytes_before)
    }

    /// Takes a packet that arrived.
    pub(super) fn arrived(&mut self, packet: &Judged, arrived_at: Micros) {
        let (cluster, end) = match &mut self.state {
            State::Idle => return,
            State::Sending(cluster, _) => (cluster, u64::MAX),
            State::Waiting(cluster, _) => {
                let end = cluster.end;
                (cluster, end)
            }
        };
        if (cluster.first..end).contains(&packet.number) {
            cluster.note(packet, arrived_at);
        }
    }

    /// What the probe has shown, once all there is to know of it is known: everything up to
    /// but not `told` was told of.
    pub(super) fn result(
        &mut self,
        now: Instant,
        told: u64,
        round_trip: Duration,
        loss: &LossGuard,
    ) -> Option<Shown> {
        let State::Waiting(cluster, until) = &self.state else {
            return None;
        };
        if told < cluster.end && now < *until {
            return None;
        }
        let shown = cluster.result(loss);
        let target = cluster.target;
        self.state = State::Idle;
        match shown {
            Shown::Fits(fits) if fits >= target.scaled(Self::REACHED) => {
                self.aim = Aim::Everything;
                self.not_before = Some(now + Self::PAUSE);
                self.wall = self.wall.filter(|wall| fits <= wall.beyond());
            }
            Shown::Fits(fits) | Shown::Fills(fits) => self.fail(now + round_trip, fits),

            Shown::Stalled | Shown::Nothing => self.fail(now + round_trip, target),
        }
        Some(shown)
    }

    fn fail(&mut self, now: Instant, at: Bitrate) {
        let patience = self.wall.map_or(Self::PATIENCE, |wall| {
            (wall.patience * 2).min(Self::MOST_PATIENCE)
        });
        self.aim = Aim::NextRaise;
        self.not_before = Some(now + Self::PATIENCE);
        self.wall = Some(Wall {
            at,
            not_before: now + patience,
            patience,
        });
    }

    /// All is sent: what is left is to hear of it.
    fn end(&mut self, now: Instant, sent: &SentLog, round_trip: Duration) {
        if let State::Sending(cluster, _) = &mut self.state {
            let patience = round_trip + round_trip / 2 + Duration::from_secs(1);
            cluster.end = sent.next();
            self.state = State::Waiting(*cluster, now + patience);
        }
    }

    /// A queue grows, so nothing is added to it for a while. What of a probe was sent by now
    /// may still show what fits.
    pub(super) fn congested(&mut self, now: Instant, sent: &SentLog, round_trip: Duration) {
        self.end(now, sent, round_trip);
        self.aim = Aim::NextRaise;
        let at = now + Self::PATIENCE;
        self.not_before = Some(self.not_before.map_or(at, |before| before.max(at)));
    }

    /// Whatever was found out before, the path may be another one now.
    pub(super) fn restart(&mut self) {
        *self = Self::new();
    }

    /// Whether a queue that grows now may be the doing of a probe.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Sending(cluster, until) => Some(cluster.due_at.min(*until)),
            State::Waiting(_, until) => Some(*until),
        }
    }
}

impl Wall {
    /// Whoever gets this far has got through.
    fn beyond(self) -> Bitrate {
        self.at.scaled(1.1)
    }

    fn stops(self, now: Instant, target: Bitrate) -> bool {
        now < self.not_before && target > self.beyond()
    }
}

impl Need {
    /// What a probe aims at; `None` where none is needed.
    fn target(&self, aim: Aim) -> Option<Bitrate> {
        let next = self.wanted.next?;
        let looked_for = match aim {
            Aim::NextRaise => next,
            Aim::Everything => next.max(self.wanted.wished),
        };
        let looked_for = looked_for.min(Prober::MOST);
        if self.estimate >= looked_for.scaled(Prober::ENOUGH) {
            return None;
        }
        let step = self.estimate.scaled(Prober::STEP);
        let step = self.known.map_or(step, |known| step.max(known));
        Some(looked_for.scaled(Prober::MARGIN).min(step))
    }
}

impl Cluster {
    /// Too few say nothing, and so do those of too short a time.
    const LEAST_PACKETS: u32 = 5;
    const LEAST_TIME: Micros = 20_000;
    /// Packets that arrive slower than this share of how they were sent fill the path, ...
    const FILLED: f64 = 0.9;
    /// ... which then is known, and used up to here.
    const USED: f64 = 0.95;

    /// Whether too little was sent to say anything, should one packet be lost.
    fn is_short(&self, sent: &SentLog) -> bool {
        sent.next() - self.first <= u64::from(Self::LEAST_PACKETS)
    }

    fn note(&mut self, judged: &Judged, arrived_at: Micros) {
        let seen = self.seen.get_or_insert(Seen {
            packets: 0,
            bytes: 0,
            sent: (judged.sent_at, judged.sent_at),
            arrived: (arrived_at, arrived_at),
            gap: 0,
            first_size: judged.size,
            last_size: judged.size,
        });
        seen.packets += 1;
        seen.bytes += u64::from(judged.size);
        if judged.sent_at >= seen.sent.1 {
            seen.sent.1 = judged.sent_at;
            seen.last_size = judged.size;
        }
        if arrived_at < seen.arrived.0 {
            seen.arrived.0 = arrived_at;
            seen.first_size = judged.size;
        }
        seen.gap = seen.gap.max(arrived_at - seen.arrived.1);
        seen.arrived.1 = seen.arrived.1.max(arrived_at);
    }

    fn result(&self, loss: &LossGuard) -> Shown {
        let Some(seen) = self.seen else {
            return Shown::Nothing;
        };
        let sending = seen.sent.1 - seen.sent.0;
        let arriving = seen.arrived.1 - seen.arrived.0;
        if seen.packets < Self::LEAST_PACKETS || sending.min(arriving) < Self::LEAST_TIME {
            return Shown::Nothing;
        }
        let rate = |less: u32, time: Micros| {
            (seen.bytes - u64::from(less)) as f64 * 8_000_000.0 / time as f64
        };
        let sent = rate(seen.last_size, sending);
        let arrived = rate(seen.first_size, arriving);
        if arrived > sent * Self::FILLED {
            return Shown::Fits(loss.sent_for(Bitrate(arrived.min(sent) as u64)));
        }
        // A path that is full lets them through one by one, none of them after so long.
        if seen.gap > arriving / 2 {
            return Shown::Stalled;
        }
        Shown::Fills(loss.sent_for(Bitrate((arrived * Self::USED) as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bandwidth::sent::Verdict;
    use crate::testing::start;

    #[test]
    fn a_full_path_is_told_from_a_client_that_was_busy() {
        let evenly = |index: Micros| index * 10_000;
        let slowly = |index: Micros| index * 20_000;
        // The third of ten comes late, and all that came meanwhile with it.
        let at_once = |index: Micros| match index {
            0 | 1 => index * 10_000,
            _ => 200_000 + index * 100,
        };
        type Arriving = fn(Micros) -> Micros;
        for (arrives_at, how, expected) in [
            (
                evenly as Arriving,
                "as it was sent",
                Shown::Fits(Bitrate(800_000)),
            ),
            (slowly, "half as fast", Shown::Fills(Bitrate(380_000))),
            (at_once, "after a while", Shown::Stalled),
        ] {
            let mut cluster = Cluster {
                target: Bitrate::kilobits(800),
                started_at: start(),
                due_at: start(),
                bytes_before: 0,
                first: 0,
                end: 10,
                seen: None,
            };
            for index in 0..10 {
                let judged = Judged {
                    number: index as u64,
                    sent_at: index * 10_000,
                    size: 1_000,
                    verdict: Verdict::Arrived,
                };
                cluster.note(&judged, arrives_at(index));
            }
            assert_eq!(cluster.result(&LossGuard::new()), expected, "{how}");
        }
    }
}
