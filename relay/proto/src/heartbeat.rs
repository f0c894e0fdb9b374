//! Whether the other end lives, how far away it is, and what gets lost on the way there.
//!
//! Both ends send a [`Heartbeat`] ten times a second on each lane, whatever else they send. Times
//! in it are microseconds of the sender's own clock: nobody's clocks need to agree.

use std::time::{Duration, Instant};

use crate::frame::{Heartbeat, LinkSeq};

/// How often one is sent.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// After so long without a word another path is taken: three heartbeats.
pub const SILENT_AFTER: Duration = Duration::from_millis(300);
/// After so long the link is taken down.
pub const DEAD_AFTER: Duration = Duration::from_secs(2);

/// One end's view of the other, on one lane.
#[derive(Debug)]
pub struct Pulse {
    began_at: Instant,
    send_at: Instant,
    heard_at: Instant,
    /// The last `sent_at` that came, and when.
    last: Option<(u32, Instant)>,
    round_trip: Option<Duration>,
    loss: Loss,
}

/// What one can say of the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// It spoke just now.
    Up,
    /// It has not spoken for [`SILENT_AFTER`]: use another path.
    Silent,
    /// It has not spoken for [`DEAD_AFTER`].
    Dead,
}

impl Pulse {
    /// A lane that begins at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            began_at: now,
            send_at: now,
            heard_at: now,
            last: None,
            round_trip: None,
            loss: Loss::default(),
        }
    }

    /// Anything came from the other end.
    pub fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// A heartbeat came. `sent` is the next number this end gives on the lane.
    pub fn receive(&mut self, now: Instant, heartbeat: &Heartbeat, sent: LinkSeq) {
        self.heard(now);
        self.last = Some((heartbeat.sent_at, now));
        self.loss.report(now, heartbeat, sent);
        if heartbeat.held == u32::MAX {
            return;
        }
        let whole = self.clock(now).wrapping_sub(heartbeat.echo);
        let Some(path) = whole
            .checked_sub(heartbeat.held)
            .filter(|path| *path < Self::BELIEVED)
        else {
            return;
        };
        let sample = Duration::from_micros(u64::from(path));
        self.round_trip = Some(
            self.round_trip
                .map_or(sample, |smooth| (smooth * 7 + sample) / 8),
        );
    }

    /// The heartbeat to send now, if one is due.
    pub fn poll(&mut self, now: Instant, next: LinkSeq, received: u32) -> Option<Heartbeat> {
        if now < self.send_at {
            return None;
        }
        self.send_at = (self.send_at + INTERVAL).max(now);
        let (echo, held) = self.last.map_or((0, u32::MAX), |(sent_at, came_at)| {
            (
                sent_at,
                now.saturating_duration_since(came_at).as_micros() as u32,
            )
        });
        Some(Heartbeat {
            sent_at: self.clock(now),
            echo,
            held,
            next,
            received,
        })
    }

    /// When the next one is due.
    pub fn deadline(&self) -> Instant {
        self.send_at
    }

    /// How the other end is.
    pub fn health(&self, now: Instant) -> Health {
        let silence = now.saturating_duration_since(self.heard_at);
        if silence >= DEAD_AFTER {
            Health::Dead
        } else if silence >= SILENT_AFTER {
            Health::Silent
        } else {
            Health::Up
        }
    }

    /// When [`health`](Self::health) says something else, if nothing comes before.
    pub fn health_until(&self, now: Instant) -> Instant {
        match self.health(now) {
            Health::Up => self.heard_at + SILENT_AFTER,
            Health::Silent | Health::Dead => self.heard_at + DEAD_AFTER,
        }
    }

    /// Smoothed; `None` before the first answer.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// The share of this end's packets that got lost of late.
    pub fn loss(&self) -> f64 {
        self.loss.share
    }

    /// More than a minute is no path but a lie.
    const BELIEVED: u32 = 60_000_000;

    fn clock(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.began_at).as_micros() as u32
    }
}

/// Loss as the other end's counts show it.
#[derive(Debug, Default)]
struct Loss {
    /// Where the counts stood when the span began.
    from: Option<(Instant, LinkSeq, u32)>,
    share: f64,
}

impl Loss {
    /// A share of fewer packets says little.
    const ENOUGH: i32 = 100;
    const SPAN: Duration = Duration::from_secs(1);

    fn report(&mut self, now: Instant, heartbeat: &Heartbeat, sent: LinkSeq) {
        let Some((began_at, next, received)) = self.from else {
            self.from = Some((now, heartbeat.next, heartbeat.received));
            return;
        };
        let passed = heartbeat.next.distance(next);
        // A count that goes back, or beyond what was sent, is a new start of the other end.
        if passed < 0 || sent.distance(heartbeat.next) < 0 {
            self.from = Some((now, heartbeat.next, heartbeat.received));
            return;
        }
        if passed < Self::ENOUGH || now.saturating_duration_since(began_at) < Self::SPAN {
            return;
        }
        let came = heartbeat.received.wrapping_sub(received);
        let share = (1.0 - f64::from(came) / f64::from(passed)).clamp(0.0, 1.0);
        self.share = (self.share + share) / 2.0;
        self.from = Some((now, heartbeat.next, heartbeat.received));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, start};

    #[test]
    fn the_round_trip_is_measured_without_common_clocks() {
        let mut near = Pulse::new(start());
        let mut far = Pulse::new(start() + ms(12_345));
        let begin = start() + ms(20_000);
        for beat in 0..20 {
            let now = begin + ms(beat * 100);
            let sent = near.poll(now, LinkSeq(0), 0).unwrap();
            far.receive(now + ms(15), &sent, LinkSeq(0));
            let answer = far.poll(now + ms(50), LinkSeq(0), 0).unwrap();
            near.receive(now + ms(65), &answer, LinkSeq(0));
        }
        assert_eq!(near.round_trip(), Some(ms(30)));
    }

    #[test]
    fn silence_has_two_steps() {
        let mut pulse = Pulse::new(start());
        pulse.heard(start() + ms(50));
        for (at, expected) in [
            (349, Health::Up),
            (350, Health::Silent),
            (2_049, Health::Silent),
            (2_050, Health::Dead),
        ] {
            assert_eq!(pulse.health(start() + ms(at)), expected, "{at}");
        }
    }

    #[test]
    fn loss_is_what_the_other_end_did_not_count() {
        let mut pulse = Pulse::new(start());
        let mut report = |at, next, received| {
            let heartbeat = Heartbeat {
                held: u32::MAX,
                next: LinkSeq(next),
                received,
                ..Heartbeat::default()
            };
            pulse.receive(start() + ms(at), &heartbeat, LinkSeq(10_000));
            (pulse.loss() * 1_000.0).round()
        };
        assert_eq!(report(0, 0, 0), 0.0, "per mille");
        assert_eq!(report(1_000, 1_000, 900), 50.0, "half of what is new");
        assert_eq!(report(1_500, 1_500, 900), 50.0, "not yet a second");
        assert_eq!(report(2_000, 2_000, 1_900), 25.0);
        assert_eq!(report(9_000, 20_000, 0), 25.0, "more than was sent");
    }
}
