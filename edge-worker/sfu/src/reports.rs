//! Sender reports (RFC 3550 section 6.4.1): what a publisher's tell of its clocks, and
//! those made of them for each subscriber, so that sound and picture stay together.
//!
//! Reports on reception are made in [`reception`](crate::reception).

use std::time::{Duration, Instant};

use media::{NtpTime, ReceptionReport, SenderReport, Ssrc, Timestamp};

/// A publisher's clock and the media time of one layer, at the same moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    ntp: NtpTime,
    timestamp: Timestamp,
    /// When we were told.
    told_at: Instant,
}

impl Clock {
    pub(crate) fn new(now: Instant, report: &SenderReport) -> Self {
        Self {
            ntp: report.ntp,
            timestamp: report.timestamp,
            told_at: now,
        }
    }

    /// What the clock shows now.
    fn at(&self, now: Instant, rate: u32) -> (NtpTime, Timestamp) {
        let elapsed = now.saturating_duration_since(self.told_at);
        let timestamp = self.timestamp.plus(ticks(elapsed, rate) as u32);
        (self.ntp.plus(elapsed), timestamp)
    }

    /// The media time of `other`, of the same publisher, when this one's is `timestamp`.
    pub(crate) fn translate(&self, timestamp: Timestamp, other: &Self, rate: u32) -> Timestamp {
        let apart = self.ntp.0.wrapping_sub(other.ntp.0) as i64;
        let ticks = (i128::from(apart) * i128::from(rate)) >> 32;
        let since = timestamp.distance(self.timestamp);
        other.timestamp.plus(since as u32).plus(ticks as u32)
    }
}

/// How far a media clock moves.
pub(crate) fn ticks(elapsed: Duration, rate: u32) -> u64 {
    let rate = u64::from(rate);
    elapsed.as_secs() * rate + u64::from(elapsed.subsec_nanos()) * rate / 1_000_000_000
}

/// The reports for one subscriber.
#[derive(Debug, Default)]
pub(crate) struct SenderReports {
    packets: u32,
    octets: u32,
    /// Of these, those that were taken.
    taken: u32,
    made: u32,
    due_at: Option<Instant>,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    middle: u32,
    at: Instant,
}

impl SenderReports {
    /// Counts one packet forwarded.
    pub(crate) fn forwarded(&mut self, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
    }

    /// Bytes forwarded since this was asked last.
    pub(crate) fn take_octets(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.taken, self.octets);
        self.octets.wrapping_sub(before).into()
    }

    /// Makes a report as soon as may be: playing began, or its clock became known.
    pub(crate) fn start(&mut self, now: Instant) {
        self.due_at = Some(now);
    }

    /// Makes no more reports.
    pub(crate) fn stop(&mut self) {
        self.due_at = None;
    }

    /// Whether reports are made at all.
    pub(crate) fn started(&self) -> bool {
        self.due_at.is_some()
    }

    /// When the next one is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due_at
    }

    /// The report that is due, on a stream whose timestamps are `shift` ahead of `clock`'s.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        (clock, rate): (Option<&Clock>, u32),
        shift: u32,
    ) -> Option<SenderReport> {
        self.due_at.take_if(|at| *at <= now + TOGETHER)?;
        let (ntp, timestamp) = clock?.at(now, rate);
        self.made += 1;
        let interval = if self.made < EAGER_REPORTS {
            EAGER_INTERVAL
        } else {
            INTERVAL
        };
        self.due_at = Some(now + interval);
        self.last = Some(Last {
            middle: ntp.middle(),
            at: now,
        });
        Some(SenderReport {
            ssrc,
            ntp,
            timestamp: timestamp.plus(shift),
            packets: self.packets,
            octets: self.octets,
        })
    }

    /// The time a packet takes to the subscriber and back, if `report` tells.
    pub(crate) fn round_trip(&self, now: Instant, report: &ReceptionReport) -> Option<Duration> {
        let last = self.last.as_ref()?;
        if report.last_sender_report != last.middle {
            return None;
        }
        let held = Duration::from_secs(u64::from(report.delay_since)) / 65_536;
        now.saturating_duration_since(last.at).checked_sub(held)
    }
}

/// Players align sound and picture by the first reports, so these come quickly.
const EAGER_REPORTS: u32 = 4;
const EAGER_INTERVAL: Duration = Duration::from_secs(1);

/// What is due so soon goes along with what is due now: a track with a thousand subscribers
/// is not to look at all of them a thousand times.
const TOGETHER: Duration = Duration::from_millis(50);

/// Enough to follow the drift of a clock.
const INTERVAL: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    const RATE: u32 = 90_000;

    #[test]
    fn clocks_of_two_layers_translate_into_each_other() {
        let now = start();
        let low = clock(now, 100 << 32, 5_000);
        // The other layer reported half a second later, and counts from elsewhere.
        let high = clock(now, (100 << 32) + (1 << 31), u32::MAX - 10);
        let there = high.translate(Timestamp(u32::MAX - 10), &low, RATE);
        assert_eq!(there, Timestamp(5_000 + RATE / 2));
        assert_eq!(low.translate(there, &high, RATE), Timestamp(u32::MAX - 10));
    }

    #[test]
    fn reports_start_quickly_and_tell_the_publishers_time() {
        let start = start();
        let clock = clock(start, 100 << 32, 5_000);
        let mut reports = SenderReports::default();
        let mut made = Vec::new();
        reports.forwarded(50);
        for millis in (0..9_000).step_by(100) {
            let now = start + Duration::from_millis(millis);
            if millis == 500 {
                reports.start(now);
            }
            if let Some(report) = reports.poll(now, Ssrc(1), (Some(&clock), RATE), 7) {
                assert_eq!((report.packets, report.octets), (1, 50));
                assert_eq!(report.timestamp.0 as u64, 5_007 + millis * 90);
                made.push(millis);
            }
        }
        assert_eq!(made, [500, 1500, 2500, 3500, 6500]);
    }

    #[test]
    fn what_is_due_soon_goes_along_and_what_is_due_later_waits() {
        let start = start();
        let clock = clock(start, 1 << 32, 0);
        for (late, expected) in [(0, true), (49, true), (51, false), (900, false)] {
            let mut reports = SenderReports::default();
            reports.start(start + Duration::from_millis(late));
            let made = reports.poll(start, Ssrc(1), (Some(&clock), RATE), 0);
            assert_eq!(made.is_some(), expected, "{late}");
        }
    }

    #[test]
    fn without_a_clock_reports_wait_for_one() {
        let now = start();
        let mut reports = SenderReports::default();
        reports.start(now);
        assert_eq!(reports.poll(now, Ssrc(1), (None, RATE), 0), None);
        assert!(!reports.started());
        reports.start(now);
        let clock = clock(now, 1 << 32, 0);
        assert!(
            reports
                .poll(now, Ssrc(1), (Some(&clock), RATE), 0)
                .is_some()
        );
    }

    #[test]
    fn the_round_trip_is_told_by_the_echo_of_our_report() {
        let start = start();
        let mut reports = SenderReports::default();
        reports.start(start);
        let clock = clock(start, 7 << 32, 0);
        let sent = reports
            .poll(start, Ssrc(1), (Some(&clock), RATE), 0)
            .unwrap();
        let report = ReceptionReport {
            last_sender_report: sent.ntp.middle(),
            delay_since: 65_536 / 2,
            ..ReceptionReport::default()
        };
        let now = start + Duration::from_millis(540);
        assert_eq!(
            reports.round_trip(now, &report),
            Some(Duration::from_millis(40))
        );
        // An echo of something else, or a delay that lies, tells nothing.
        let other = ReceptionReport {
            last_sender_report: 1,
            ..report
        };
        assert_eq!(reports.round_trip(now, &other), None);
        assert_eq!(reports.round_trip(start, &report), None);
    }

    fn clock(now: Instant, ntp: u64, timestamp: u32) -> Clock {
        let report = SenderReport {
            ssrc: Ssrc(9),
            ntp: NtpTime(ntp),
            timestamp: Timestamp(timestamp),
            packets: 0,
            octets: 0,
        };
        Clock::new(now, &report)
    }
}
