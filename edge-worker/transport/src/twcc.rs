//! Tells a publisher when each of its packets arrived, by the numbers it gave them across
//! all its streams (draft-holmer-rmcat-transport-wide-cc-extensions-01). Browsers
//! estimate from that how much they may send.

use std::time::{Duration, Instant};

use media::{SeqNo, SeqUnwrapper, Ssrc};

use crate::rtcp::{Compounds, TRANSPORT_FEEDBACK, append};

/// When which packet arrived, until that has been told.
#[derive(Debug)]
pub(crate) struct ArrivalLog {
    /// Times are told as differences, from a moment shared by both ends in no way.
    epoch: Instant,
    unwrapper: SeqUnwrapper,
    /// The last [`MAX_SPAN`](Self::MAX_SPAN) numbers, each at its remainder; empty until
    /// one comes. Told ones are kept for a while: a late packet makes its neighbourhood
    /// be told again.
    arrived: Vec<Arrived>,
    /// The lowest number not told yet.
    first_untold: Option<u64>,
    /// When the oldest arrival not told yet happened.
    waiting_since: Option<Instant>,
    packets: u8,
}

/// One packet that arrived.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    number: u64,
    ticks: u64,
}

/// A quarter of a millisecond.
const TICK: Duration = Duration::from_micros(250);
/// Reference times count in 64 ms.
const TICKS_PER_REFERENCE: u64 = 256;

impl ArrivalLog {
    /// Between feedback packets. Browsers send theirs 50 to 250 ms apart.
    const INTERVAL: Duration = Duration::from_millis(100);
    /// How far behind the newest number one may be told of.
    const MEMORY: u64 = 512;
    /// How many numbers one interval may bring: 10,000 packets a second.
    const MAX_SPAN: u64 = 1024;

    pub(crate) fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            unwrapper: SeqUnwrapper::default(),
            arrived: Vec::new(),
            first_untold: None,
            waiting_since: None,
            packets: 0,
        }
    }

    /// Takes note of an authenticated packet.
    pub(crate) fn arrived(&mut self, now: Instant, number: SeqNo) {
        let number = self.unwrapper.unwrap(number);
        let highest = self.unwrapper.highest().unwrap_or(number);
        if number + Self::MEMORY <= highest || self.arrival(number).is_some() {
            return;
        }
        let ticks = now.saturating_duration_since(self.epoch).as_micros() / TICK.as_micros();
        self.note(Arrived {
            number,
            ticks: ticks as u64,
        });
        self.first_untold = Some(self.first_untold.map_or(number, |first| first.min(number)));
        self.waiting_since.get_or_insert(now);
        // A jump in the numbers is not worth telling of one by one.
        let oldest = (highest + 1).saturating_sub(Self::MAX_SPAN);
        self.first_untold = self.first_untold.map(|first| first.max(oldest));
    }

    /// When [`feedback`](Self::feedback) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting_since.map(|since| since + Self::INTERVAL)
    }

    /// Writes what is due, one feedback packet after another.
    pub(crate) fn feedback(
        &mut self,
        now: Instant,
        (from, about): (Ssrc, Ssrc),
        compounds: &mut Compounds,
    ) {
        let due = self.deadline().is_some_and(|at| at <= now);
        let (Some(mut next), true) = (self.first_untold, due) else {
            return;
        };
        while let Some(feedback) = self.fill(next) {
            compounds.add_alone(|out| feedback.write(out, (from, about), self.packets));
            self.packets = self.packets.wrapping_add(1);
            next = feedback.next;
        }
        self.told();
    }

    /// Tells of what arrived from `base` on, as far as one packet reaches.
    fn fill(&self, base: u64) -> Option<Feedback> {
        let highest = self.unwrapper.highest()?;
        let mut arrivals = (base..=highest).filter_map(|number| self.arrival(number));
        let mut feedback = Feedback::new(base, arrivals.next()?);
        for arrived in arrivals {
            if !feedback.add(arrived) {
                break;
            }
        }
        Some(feedback)
    }

    fn told(&mut self) {
        self.first_untold = None;
        self.waiting_since = None;
        let highest = self.unwrapper.highest().unwrap_or(0);
        // The next report begins where this one ended, so that losses in between are told.
        self.first_untold = Some(highest + 1);
    }

    fn note(&mut self, arrived: Arrived) {
        if self.arrived.is_empty() {
            // No packet has this number: they have 16 bits and their turns.
            let none = Arrived {
                number: u64::MAX,
                ticks: 0,
            };
            self.arrived.resize(Self::MAX_SPAN as usize, none);
        }
        self.arrived[(arrived.number % Self::MAX_SPAN) as usize] = arrived;
    }

    fn arrival(&self, number: u64) -> Option<Arrived> {
        let found = self.arrived.get((number % Self::MAX_SPAN) as usize);
        found.copied().filter(|arrived| arrived.number == number)
    }
}

/// One feedback packet being filled.
#[derive(Debug)]
struct Feedback {
    base: u64,
    next: u64,
    reference: u64,
    last: u64,
    /// Of the numbers from `base` to `next`.
    statuses: [Status; Self::MAX_STATUSES],
    deltas: [u8; 2 * Self::MAX_STATUSES],
    deltas_len: usize,
}

/// As on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Status {
    Lost = 0,
    SmallDelta = 1,
    LargeDelta = 2,
}

impl Feedback {
    /// Keeps packets under the path's MTU.
    const MAX_STATUSES: usize = 600;
    const FORMAT: u8 = 15;

    /// Begins at `base`, with the first that arrived.
    fn new(base: u64, first: Arrived) -> Self {
        let reference = first.ticks / TICKS_PER_REFERENCE;
        // Losses before a long silence are too old to matter.
        let base = base.max(first.number.saturating_sub(Self::MAX_STATUSES as u64 / 2));
        let mut feedback = Self {
            base,
            next: base,
            reference,
            last: reference * TICKS_PER_REFERENCE,
            statuses: [Status::Lost; Self::MAX_STATUSES],
            deltas: [0; 2 * Self::MAX_STATUSES],
            deltas_len: 0,
        };
        let added = feedback.add(first);
        debug_assert!(added, "the first arrival fits");
        feedback
    }

    /// Adds an arrival and the losses before it; `false` if another packet is needed.
    fn add(&mut self, Arrived { number, ticks }: Arrived) -> bool {
        let Ok(delta) = i16::try_from(ticks as i64 - self.last as i64) else {
            return false;
        };
        let Some(status) = self.statuses.get_mut((number - self.base) as usize) else {
            return false;
        };
        let bytes = delta.to_be_bytes();
        let (size, bytes) = match u8::try_from(delta) {
            Ok(_) => (Status::SmallDelta, &bytes[1..]),
            Err(_) => (Status::LargeDelta, &bytes[..]),
        };
        *status = size;
        self.deltas[self.deltas_len..][..bytes.len()].copy_from_slice(bytes);
        self.deltas_len += bytes.len();
        self.last = ticks;
        self.next = number + 1;
        true
    }

    fn write(&self, out: &mut Vec<u8>, (from, about): (Ssrc, Ssrc), count: u8) {
        let start = out.len();
        let statuses = &self.statuses[..(self.next - self.base) as usize];
        let mut padding = 0;
        append(out, TRANSPORT_FEEDBACK, |out| {
            out.extend_from_slice(&from.0.to_be_bytes());
            out.extend_from_slice(&about.0.to_be_bytes());
            out.extend_from_slice(&(self.base as u16).to_be_bytes());
            out.extend_from_slice(&(statuses.len() as u16).to_be_bytes());
            out.extend_from_slice(&(self.reference as u32).to_be_bytes()[1..]);
            out.push(count);
            write_statuses(statuses, out);
            out.extend_from_slice(&self.deltas[..self.deltas_len]);
            let len = out.len() - start;
            padding = len.next_multiple_of(4) - len;
            out.resize(out.len() + padding, 0);
            Self::FORMAT
        });
        if padding > 0 {
            out[start] |= 0x20;
            *out.last_mut().expect("padding was added") = padding as u8;
        }
    }
}

/// Runs where they are longer than what a vector holds, vectors otherwise.
fn write_statuses(mut rest: &[Status], out: &mut Vec<u8>) {
    const VECTOR: usize = 7;
    const MAX_RUN: usize = 0x1fff;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|status| *status == first).count();
        let (chunk, taken) = if run > VECTOR || run == rest.len() {
            let run = run.min(MAX_RUN);
            ((*first as u16) << 13 | run as u16, run)
        } else {
            let taken = rest.len().min(VECTOR);
            let symbols = rest[..taken].iter().enumerate();
            let symbols = symbols.map(|(i, status)| (*status as u16) << (12 - 2 * i));
            (symbols.fold(0xc000, |chunk, symbol| chunk | symbol), taken)
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        rest = &rest[taken..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;
    use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
    };
    use rtc_shared::marshal::Unmarshal;

    /// What an independent reader makes of feedback: number and arrival in microseconds
    /// since the reference epoch, or `None` for a loss.
    fn read(packet: &[u8]) -> Vec<(u16, Option<i64>)> {
        let feedback = TransportLayerCc::unmarshal(&mut &packet[..]).unwrap();
        let mut symbols = Vec::new();
        for chunk in &feedback.packet_chunks {
            match chunk {
                PacketStatusChunk::RunLengthChunk(run) => {
                    let run_length = usize::from(run.run_length);
                    symbols.extend(std::iter::repeat_n(run.packet_status_symbol, run_length));
                }
                PacketStatusChunk::StatusVectorChunk(vector) => {
                    symbols.extend(vector.symbol_list.iter().copied());
                }
            }
        }
        symbols.truncate(usize::from(feedback.packet_status_count));
        let mut time = i64::from(feedback.reference_time) * 64_000;
        let mut deltas = feedback.recv_deltas.iter();
        let numbers = (0u16..).map(|i| feedback.base_sequence_number.wrapping_add(i));
        numbers
            .zip(symbols)
            .map(|(number, symbol)| {
                let arrived = symbol != SymbolTypeTcc::PacketNotReceived;
                let arrival = arrived.then(|| {
                    time += deltas.next().unwrap().delta;
                    time
                });
                (number, arrival)
            })
            .collect()
    }

    fn feedback(log: &mut ArrivalLog, now: Instant) -> Vec<Vec<(u16, Option<i64>)>> {
        written(log, now)
            .iter()
            .map(|packet| read(packet))
            .collect()
    }

    fn written(log: &mut ArrivalLog, now: Instant) -> Vec<Vec<u8>> {
        let mut compounds = Compounds::default();
        log.feedback(now, (Ssrc(1), Ssrc(2)), &mut compounds);
        std::iter::from_fn(|| compounds.pop().map(<[u8]>::to_vec)).collect()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn arrivals_losses_reordering_and_wraps_are_told() {
        let start = start();
        let mut log = ArrivalLog::new(start);
        assert_eq!(log.deadline(), None);
        for (at, number) in [(10, 65_534), (11, 65_535), (90, 1), (91, 3), (92, 2)] {
            log.arrived(start + ms(at), SeqNo(number));
        }
        assert_eq!(log.deadline(), Some(start + ms(110)));
        assert!(feedback(&mut log, start + ms(109)).is_empty());
        let told = feedback(&mut log, start + ms(110));
        let expected = vec![
            (65_534, Some(10_000)),
            (65_535, Some(11_000)),
            (0, None),
            (1, Some(90_000)),
            (2, Some(92_000)),
            (3, Some(91_000)),
        ];
        assert_eq!(told, [expected]);
        // Next time from where this ended, and what was late is told with its neighbours.
        log.arrived(start + ms(120), SeqNo(6));
        assert_eq!(
            feedback(&mut log, start + ms(220)),
            [vec![(4, None), (5, None), (6, Some(120_000))]]
        );
        log.arrived(start + ms(230), SeqNo(5));
        assert_eq!(
            feedback(&mut log, start + ms(330)),
            [vec![(5, Some(230_000)), (6, Some(120_000))]]
        );
        assert_eq!(log.deadline(), None);
    }

    #[test]
    fn long_silence_and_many_packets_take_several_feedback_packets() {
        let start = start();
        let mut log = ArrivalLog::new(start);
        for i in 0..1000u64 {
            log.arrived(start + Duration::from_micros(i * 50), SeqNo(i as u16));
        }
        log.arrived(start + ms(20_000), SeqNo(1000));
        let told: Vec<_> = feedback(&mut log, start + ms(20_001));
        assert_eq!(told.len(), 3);
        let told = told.concat();
        assert_eq!(told.len(), 1001);
        assert!(told.iter().all(|(_, arrival)| arrival.is_some()));
        assert!((19_999_000..=20_000_000).contains(&told[1000].1.unwrap()));
        // Reference times have 24 bits of 64 ms: two weeks.
        log.arrived(start + Duration::from_secs(3600), SeqNo(1001));
        let told = feedback(&mut log, start + Duration::from_secs(3601)).concat();
        assert_eq!(told, [(1001, Some(3_600_000_000))]);
    }

    #[test]
    fn nothing_a_publisher_numbers_makes_the_log_grow() {
        let start = start();
        let mut log = ArrivalLog::new(start);
        let (mut random, mut packets, mut bytes) = (5u64, 0, 0);
        for i in 0..200_000u64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let now = start + Duration::from_micros(i * 20);
            log.arrived(now, SeqNo((random >> 40) as u16));
            assert!(log.arrived.len() <= 1025 + 512, "{}", log.arrived.len());
            for packet in written(&mut log, now) {
                packets += 1;
                bytes += packet.len();
                assert!(packet.len() <= 1400);
            }
        }
        assert!(packets < 400 && bytes < 400_000, "{packets} {bytes}");
    }
}
