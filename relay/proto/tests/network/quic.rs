//! What QUIC and TCP do with packets, as far as a link's timing depends on it: a window, a receipt
//! for every packet, losses found by later receipts (RFC 9002), probes when nothing comes back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Decides how much may be under way.
pub(crate) trait Control {
    fn acked(&mut self, now: Instant, sent_at: Instant, bytes: u64, round_trip: Duration);
    fn lost(&mut self, now: Instant, sent_at: Instant, bytes: u64, round_trip: Duration);
    fn nothing_arrived(&mut self, now: Instant);
    fn window(&self) -> u64;

    /// The window is full: whether one more may leave.
    fn tries(&mut self, _: Instant) -> bool {
        false
    }
}

/// The sending half of one connection.
#[derive(Debug)]
pub(crate) struct Sender<C> {
    pub(crate) control: C,
    next: u64,
    under_way: VecDeque<UnderWay>,
    bytes_under_way: u64,
    round_trip: Option<Duration>,
    probe_at: Option<Instant>,
    /// How often nothing came in time since something did.
    in_vain: u32,
    /// Packets that may leave although too much is under way: to learn whether anything arrives.
    probes: u32,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    sent_at: Instant,
    bytes: u64,
}

/// The receiving half: what it tells the sender.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    latest: VecDeque<u64>,
}

impl Receipts {
    /// Later receipts name what earlier ones did: a lost one does no harm.
    pub(crate) fn for_packet(&mut self, number: u64) -> Vec<u64> {
        self.latest.push_front(number);
        self.latest.truncate(24);
        self.latest.iter().copied().collect()
    }
}

impl<C: Control> Sender<C> {
    pub(crate) fn new(control: C) -> Self {
        Self {
            control,
            next: 0,
            under_way: VecDeque::new(),
            bytes_under_way: 0,
            round_trip: None,
            probe_at: None,
            in_vain: 0,
            probes: 0,
        }
    }

    pub(crate) fn has_room(&mut self, now: Instant) -> bool {
        self.probes > 0
            || self.bytes_under_way < self.control.window()
            || self.control.tries(now) && self.bytes_under_way < self.control.window()
    }

    /// The number of the packet that leaves.
    pub(crate) fn send(&mut self, now: Instant, bytes: usize) -> u64 {
        let number = self.next;
        self.next += 1;
        self.probes = self.probes.saturating_sub(1);
        let bytes = bytes as u64;
        self.under_way.push_back(UnderWay {
            number,
            sent_at: now,
            bytes,
        });
        self.bytes_under_way += bytes;
        self.probe_at.get_or_insert(now + self.patience());
        number
    }

    pub(crate) fn receipt(&mut self, now: Instant, numbers: &[u64]) {
        for number in numbers {
            let Ok(index) = self
                .under_way
                .binary_search_by_key(number, |packet| packet.number)
            else {
                continue;
            };
            let packet = self.under_way.remove(index).expect("found above");
            self.bytes_under_way -= packet.bytes;
            let sample = now - packet.sent_at;
            let smooth = self
                .round_trip
                .map_or(sample, |smooth| (smooth * 7 + sample) / 8);
            self.round_trip = Some(smooth);
            self.control
                .acked(now, packet.sent_at, packet.bytes, smooth);
        }
        self.in_vain = 0;
        let highest = numbers.iter().copied().max().unwrap_or(0);
        /// Packets that overtake each other by less are no loss (RFC 9002 section 6.1.1).
        const THRESHOLD: u64 = 3;
        let mut gap: Option<(Instant, Instant)> = None;
        let mut lost = Vec::new();
        while self
            .under_way
            .front()
            .is_some_and(|packet| packet.number + THRESHOLD <= highest)
        {
            let packet = self.under_way.pop_front().expect("looked at above");
            self.bytes_under_way -= packet.bytes;
            let (first, _) = gap.unwrap_or((packet.sent_at, packet.sent_at));
            gap = Some((first, packet.sent_at));
            lost.push(packet);
        }
        // RFC 9002 section 7.6: a time in which nothing arrived tells more than that it was lost.
        if gap.is_some_and(|(first, last)| last - first > self.patience() * 3) {
            self.control.nothing_arrived(now);
        } else {
            let round_trip = self.round_trip.unwrap_or_default();
            for packet in lost {
                self.control
                    .lost(now, packet.sent_at, packet.bytes, round_trip);
            }
        }
        self.probe_at = (!self.under_way.is_empty()).then(|| now + self.patience());
    }

    /// Lets something leave if nothing was heard of what did (RFC 9002 section 6.2).
    pub(crate) fn settle(&mut self, now: Instant) {
        if self.probe_at.is_none_or(|at| at > now) {
            return;
        }
        self.probes = 2;
        self.in_vain += 1;
        self.probe_at = Some(now + self.patience() * 2_u32.pow(self.in_vain.min(6)));
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.probe_at
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(20) + self.round_trip.unwrap_or_default() * 2
    }
}

impl Control for relay_proto::Congestion {
    fn acked(&mut self, now: Instant, sent_at: Instant, bytes: u64, round_trip: Duration) {
        Self::acked(self, now, sent_at, bytes, round_trip);
    }

    fn lost(&mut self, now: Instant, _: Instant, bytes: u64, _: Duration) {
        Self::lost(self, now, bytes);
    }

    fn nothing_arrived(&mut self, now: Instant) {
        Self::nothing_arrived(self, now);
    }

    fn window(&self) -> u64 {
        Self::window(self)
    }

    fn tries(&mut self, now: Instant) -> bool {
        Self::tries(self, now)
    }
}

/// A file over TCP: CUBIC as RFC 9438 has it, slow start included.
#[derive(Debug)]
pub(crate) struct Cubic {
    window: f64,
    threshold: f64,
    most: f64,
    epoch: Option<Instant>,
    lowered_at: Option<Instant>,
}

impl Cubic {
    const PACKET: f64 = 1_448.0;

    pub(crate) fn new() -> Self {
        Self {
            window: 10.0 * Self::PACKET,
            threshold: f64::MAX,
            most: 0.0,
            epoch: None,
            lowered_at: None,
        }
    }
}

impl Control for Cubic {
    fn acked(&mut self, now: Instant, _: Instant, bytes: u64, round_trip: Duration) {
        if self.window < self.threshold {
            self.window += bytes as f64;
            return;
        }
        let epoch = *self.epoch.get_or_insert(now);
        let most = self.most / Self::PACKET;
        let back = (most * 0.3 / 0.4).cbrt();
        let time = (now - epoch + round_trip).as_secs_f64();
        let target = ((0.4 * (time - back).powi(3) + most) * Self::PACKET)
            .clamp(self.window, self.window * 1.5);
        self.window += (target - self.window) * bytes as f64 / self.window;
    }

    fn lost(&mut self, now: Instant, sent_at: Instant, _: u64, _: Duration) {
        // One window is lowered once.
        if self.lowered_at.is_some_and(|at| sent_at <= at) {
            return;
        }
        self.most = if self.window < self.most {
            self.window * 0.85
        } else {
            self.window
        };
        self.window = (self.window * 0.7).max(2.0 * Self::PACKET);
        self.threshold = self.window;
        self.epoch = None;
        self.lowered_at = Some(now);
    }

    fn nothing_arrived(&mut self, _: Instant) {
        self.threshold = self.window / 2.0;
        self.window = 2.0 * Self::PACKET;
    }

    fn window(&self) -> u64 {
        self.window as u64
    }
}
