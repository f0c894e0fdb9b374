//! How well one layer of a publisher arrives: what is missing is asked for, and once a
//! second the publisher is told (RFC 3550 sections 6.4 and A.8).

mod missing;

use std::time::{Duration, Instant};

use media::{Delivery, MediaKind, ReceptionReport, SenderReport, Ssrc, Timestamp};

use crate::reports::ticks;
pub(crate) use missing::Due;
use missing::Missing;

/// The reception of one layer.
#[derive(Debug)]
pub(crate) struct Reception {
    missing: Missing,
    /// The first packet of all, and when it came.
    first: u64,
    began_at: Instant,
    newest: u64,
    /// Packets that came by themselves, not as repairs.
    originals: u64,
    jitter: Jitter,
    reported: Reported,
    watched: Reported,
    /// `None` while nothing came since the last report.
    report_at: Option<Instant>,
    /// The publisher's last report, to be echoed.
    told: Option<(u32, Instant)>,
}

/// The counts at the time somebody was told last.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    expected: u64,
    originals: u64,
}

/// Whether what was jumped over can be repaired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gap {
    /// There is none, or it is asked for.
    Bearable,
    /// Too wide: a keyframe is needed.
    TooWide,
}

impl Reception {
    /// Begins with packet `first`.
    pub(crate) fn new(kind: MediaKind, now: Instant, first: u64) -> Self {
        Self {
            missing: Missing::new(kind),
            first,
            began_at: now,
            newest: first - 1,
            originals: 0,
            jitter: Jitter::default(),
            reported: Reported::default(),
            watched: Reported::default(),
            // Until a first report comes, some publishers repeat their ids in every packet.
            report_at: Some(now + FIRST_REPORT),
            told: None,
        }
    }

    /// A packet came that is no duplicate.
    pub(crate) fn received(&mut self, now: Instant, number: u64, delivery: Delivery) -> Gap {
        self.originals += u64::from(delivery == Delivery::Original);
        if self.report_at.is_none() {
            self.report_at = Some(now + REPORT_INTERVAL);
        }
        if number <= self.newest {
            self.missing.close(now, number);
            return Gap::Bearable;
        }
        let jumped_over = self.newest + 1..number;
        self.newest = number;
        if jumped_over.is_empty() || self.missing.open(now, jumped_over) {
            Gap::Bearable
        } else {
            Gap::TooWide
        }
    }

    /// A packet came that is of no use before another one that did not: both are asked for.
    pub(crate) fn unread(&mut self, now: Instant, number: u64) -> Gap {
        let lost = self.newest + 1..number + 1;
        self.newest = self.newest.max(number);
        if lost.is_empty() || self.missing.open(now, lost) {
            Gap::Bearable
        } else {
            Gap::TooWide
        }
    }

    /// The newest packet's media time, for the jitter.
    pub(crate) fn timed(&mut self, now: Instant, timestamp: Timestamp, rate: u32) {
        let clock = ticks(now.saturating_duration_since(self.began_at), rate) as u32;
        self.jitter.add(clock.wrapping_sub(timestamp.0));
    }

    /// The publisher told its clock.
    pub(crate) fn told(&mut self, now: Instant, report: &SenderReport) {
        self.told = Some((report.ntp.middle(), now));
    }

    /// What is to be asked for now.
    pub(crate) fn poll_missing(&mut self, now: Instant) -> Due {
        if self.missing.is_empty() {
            return Due::default();
        }
        self.missing.poll(now, self.newest)
    }

    /// The report, if it is time for it.
    pub(crate) fn poll_report(&mut self, now: Instant, ssrc: Ssrc) -> Option<ReceptionReport> {
        self.report_at.take_if(|at| *at <= now)?;
        let expected = self.newest + 1 - self.first;
        let newly_expected = expected - self.reported.expected;
        let newly_lost = newly_expected.saturating_sub(self.originals - self.reported.originals);
        self.reported = Reported {
            expected,
            originals: self.originals,
        };
        let fraction = (newly_lost * 256).checked_div(newly_expected).unwrap_or(0);
        let (last_sender_report, delay_since) = self.told.map_or((0, 0), |(middle, at)| {
            (
                middle,
                ticks(now.saturating_duration_since(at), 1 << 16) as u32,
            )
        });
        Some(ReceptionReport {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            total_lost: (expected as i64 - self.originals as i64).clamp(MIN_LOST, MAX_LOST) as i32,
            highest_seq: (self.newest - (self.first & !0xffff)) as u32,
            jitter: self.jitter.value(),
            last_sender_report,
            delay_since,
        })
    }

    /// How many packets should have come since this was asked last, how many of them did
    /// not, and the jitter on the media clock.
    pub(crate) fn take_counts(&mut self) -> (u64, u64, u32) {
        let expected = self.newest + 1 - self.first;
        let before = std::mem::replace(
            &mut self.watched,
            Reported {
                expected,
                originals: self.originals,
            },
        );
        let expected = expected - before.expected;
        let lost = expected.saturating_sub(self.originals - before.originals);
        (expected, lost, self.jitter.value())
    }

    /// When to poll next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.missing.deadline(), self.report_at]
            .into_iter()
            .flatten()
            .min()
    }
}

/// Within the 100 ms in which a publisher waits for a sign of life.
const FIRST_REPORT: Duration = Duration::from_millis(50);

/// Browsers adapt their bitrate to reports; they expect one a second at least.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The field has 24 bits.
const MAX_LOST: i64 = 0x7f_ffff;
const MIN_LOST: i64 = -0x80_0000;

/// Variation of the transit time (RFC 3550 section 6.4.1 and A.8).
#[derive(Debug, Default)]
struct Jitter {
    transit: Option<u32>,
    /// In sixteenths.
    scaled: u32,
}

impl Jitter {
    fn add(&mut self, transit: u32) {
        if let Some(before) = self.transit.replace(transit) {
            let change = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // What a jumping clock shows is not jitter.
            let change = change.min(MAX_CHANGE);
            self.scaled = self.scaled + change - ((self.scaled + 8) >> 4);
        }
    }

    fn value(&self) -> u32 {
        self.scaled >> 4
    }
}

/// Ten seconds of video.
const MAX_CHANGE: u32 = 900_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;
    use media::NtpTime;
    use media::SeqNo;

    const FIRST: u64 = (1 << 16) + 65_530;

    #[test]
    fn reports_tell_losses_and_go_on_across_the_wrap() {
        let start = start();
        let mut reception = Reception::new(MediaKind::Video, start, FIRST);
        for number in (0..20).filter(|number| number % 4 != 1) {
            reception.received(start, FIRST + number, Delivery::Original);
        }
        assert_eq!(reception.poll_report(start, Ssrc(1)), None);
        let now = start + FIRST_REPORT;
        let report = reception.poll_report(now, Ssrc(1)).unwrap();
        assert_eq!(report.fraction_lost, 64);
        assert_eq!(report.total_lost, 5);
        assert_eq!(report.highest_seq, (1 << 16) + 13);
        // Silence is not reported on, the next packets are.
        assert_eq!(reception.report_at, None);
        reception.received(now, FIRST + 20, Delivery::Original);
        let report = reception
            .poll_report(now + REPORT_INTERVAL, Ssrc(1))
            .unwrap();
        assert_eq!((report.fraction_lost, report.total_lost), (0, 5));
    }

    #[test]
    fn reports_echo_the_publishers() {
        let start = start();
        let mut reception = Reception::new(MediaKind::Audio, start, FIRST);
        let told = SenderReport {
            ssrc: Ssrc(1),
            ntp: NtpTime(0x0001_0002_0003_0004),
            timestamp: Timestamp(0),
            packets: 0,
            octets: 0,
        };
        reception.received(start, FIRST, Delivery::Original);
        reception.told(start, &told);
        let report = reception
            .poll_report(start + Duration::from_millis(500), Ssrc(1))
            .unwrap();
        assert_eq!(report.last_sender_report, 0x0002_0003);
        assert_eq!(report.delay_since, 32_768);
    }

    #[test]
    fn jitter_is_the_variation_of_transit() {
        let start = start();
        for (uneven, expected) in [(0, 0..=1), (10, 400..=500)] {
            let mut reception = Reception::new(MediaKind::Audio, start, FIRST);
            for number in 0..200_u64 {
                let late = if number % 2 == 0 { uneven } else { 0 };
                let now = start + Duration::from_millis(number * 20 + late);
                reception.timed(now, Timestamp(number as u32 * 960), 48_000);
            }
            let jitter = reception.jitter.value();
            assert!(expected.contains(&jitter), "{jitter} for {uneven} ms");
        }
    }

    #[test]
    fn what_is_missing_is_asked_for_once_it_came_late_enough() {
        let start = start();
        let mut reception = Reception::new(MediaKind::Video, start, FIRST);
        reception.received(start, FIRST, Delivery::Original);
        reception.received(start, FIRST + 2, Delivery::Original);
        assert_eq!(reception.poll_missing(start).ask, []);
        let now = reception.deadline().unwrap();
        assert_eq!(reception.poll_missing(now).ask, [SeqNo(65_531)]);
        assert_eq!(
            reception.received(now, FIRST + 4000, Delivery::Original),
            Gap::TooWide
        );
    }
}
