//! One direction of an emulated link as a pure machine: packets go in with the time, and come out
//! when such a network would have delivered them, if it would have.
//!
//! A packet waits for the bottleneck ([`Bottleneck`]), then flies for delay and jitter. It may be
//! lost on the way, like on a radio, after it has used its share of the rate. Packets keep their
//! order, as behind a radio link that repeats what it lost; only those that are meant to be
//! reordered come late. How fast and how long is said by [`Conditions`], chance is drawn by
//! [`Luck`]; clock and devices are left to the [carrier](super::carrier).

pub mod bottleneck;
pub mod conditions;
pub mod luck;
pub mod nat;
pub mod tally;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::rngs::StdRng;

use self::{
    bottleneck::{Bottleneck, Left},
    conditions::{Conditions, Presence},
    luck::Luck,
    tally::{DropReason, Tally},
};

/// One direction of a link.
#[derive(Debug)]
pub struct Emulator {
    conditions: Conditions,
    luck: Luck,
    bottleneck: Bottleneck,
    /// What has left the bottleneck, by when it arrives; the number keeps equal times apart.
    flying: BTreeMap<(Instant, u64), Vec<u8>>,
    departed: u64,
    /// When the last packet in order arrives: nothing in order may come before it.
    latest: Option<Instant>,
    tally: Tally,
}

/// More than a gigabit flies in half a second; what comes on top is a runaway sender.
const MAX_FLYING: usize = 50_000;

impl Emulator {
    /// A network of these conditions; equal seeds have equal luck.
    pub fn new(conditions: Conditions, chance: StdRng) -> Self {
        Self {
            conditions,
            luck: Luck::new(chance),
            bottleneck: Bottleneck::default(),
            flying: BTreeMap::new(),
            departed: 0,
            latest: None,
            tally: Tally::default(),
        }
    }

    /// Changes the network. What flies already arrives as it would have; what waits meets the new one.
    pub fn change(&mut self, now: Instant, conditions: Conditions) {
        self.advance(now);
        self.bottleneck
            .change_rate(now, self.conditions.rate, conditions.rate);
        self.conditions = conditions;
        self.advance(now);
    }

    /// Gives it a packet.
    pub fn send(&mut self, now: Instant, packet: Vec<u8>) {
        self.advance(now);
        self.tally.sent(packet.len());
        if self.conditions.presence == Presence::Gone {
            return self.tally.dropped(DropReason::Blackhole);
        }
        if !self.conditions.firewall.passes(&packet) {
            return self.tally.dropped(DropReason::Firewall);
        }
        let largest = self.conditions.largest;
        if largest.is_some_and(|largest| packet.len() > largest) {
            return self.tally.dropped(DropReason::TooLarge);
        }
        let Conditions { rate, queue, .. } = self.conditions;
        if !self.bottleneck.offer(now, packet, rate, queue) {
            return self.tally.dropped(DropReason::QueueFull);
        }
        self.advance(now);
    }

    /// The next packet that has arrived by now.
    pub fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.advance(now);
        loop {
            let first = self.flying.first_entry()?;
            let due = first.key().0;
            if due > now {
                return None;
            }
            let packet = first.remove();
            match self.conditions.presence {
                Presence::Here => {
                    self.tally
                        .delivered(packet.len(), now.saturating_duration_since(due));
                    return Some(packet);
                }
                Presence::Gone => self.tally.dropped(DropReason::Blackhole),
            }
        }
    }

    /// Counts a packet for which there is no way behind the NAT.
    pub fn lead_nowhere(&mut self, packet: &[u8]) {
        self.tally.sent(packet.len());
        self.tally.dropped(DropReason::Forgotten);
    }

    /// A packet that was received could not be handed on.
    pub fn refused(&mut self, packet: &[u8]) {
        self.tally.refused(packet.len());
    }

    /// When it should be asked again, if anything is under way.
    pub fn deadline(&self) -> Option<Instant> {
        let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
        [arrival, self.bottleneck.next_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The network as it is.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// What became of all packets so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn advance(&mut self, now: Instant) {
        while let Some(left) = self.bottleneck.leave(now, self.conditions.rate) {
            self.depart(left);
        }
    }

    fn depart(&mut self, Left { at, waited, packet }: Left) {
        self.tally.waited(waited);
        let fate = self.luck.draw(&self.conditions);
        if let Some(reason) = fate.lost {
            return self.tally.dropped(reason);
        }
        if self.flying.len() >= MAX_FLYING {
            return self.tally.dropped(DropReason::TooMany);
        }
        let delay = self.conditions.delay.as_secs_f64()
            + self.conditions.jitter.as_secs_f64() * fate.jitter;
        let arrival = at + Duration::from_secs_f64(delay.max(0.0));
        let arrival = match fate.late {
            Some(late) => arrival.max(self.latest.unwrap_or(at)) + late,
            None => {
                let arrival = arrival.max(self.latest.unwrap_or(at));
                self.latest = Some(arrival);
                arrival
            }
        };
        if fate.late.is_some() {
            self.tally.reordered();
        }
        self.flying.insert((arrival, self.departed), packet);
        self.departed += 1;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// What a flow of packets met.
    struct Flow {
        /// Number and delay of each packet, in the order they came.
        arrived: Vec<(u64, Duration)>,
        sent: u64,
        /// From the first arrival to the last.
        took: Duration,
        tally: Tally,
    }

    const SIZE: usize = 1_000;

    fn network(words: &[&str]) -> Conditions {
        let mut conditions = Conditions::default();
        for word in words {
            let (key, value) = word.split_once('=').unwrap();
            conditions.set(key, value).unwrap();
        }
        conditions
    }

    /// Sends `count` packets, one `every`, through a network, and changes it before some of them.
    fn flow_with(
        conditions: &[&str],
        seed: u64,
        count: u64,
        every: Duration,
        changes: &[(u64, &[&str])],
    ) -> Flow {
        let start = Instant::now();
        let mut words = conditions.to_vec();
        let mut emulator = Emulator::new(network(conditions), StdRng::seed_from_u64(seed));
        let mut arrived = Vec::new();
        let (mut first, mut last) = (None, start);
        let mut take = |emulator: &mut Emulator, now: Instant| {
            while let Some(packet) = emulator.receive(now) {
                let number = u64::from_be_bytes(packet[..8].try_into().unwrap());
                let sent_at = start + every * u32::try_from(number).unwrap();
                arrived.push((number, now - sent_at));
                first.get_or_insert(now);
                last = now;
            }
        };
        for number in 0..count {
            let now = start + every * u32::try_from(number).unwrap();
            while let Some(at) = emulator.deadline().filter(|at| *at < now) {
                take(&mut emulator, at);
            }
            for (_, change) in changes.iter().filter(|(before, _)| *before == number) {
                words.extend(*change);
                emulator.change(now, network(&words));
            }
            let mut packet = vec![0; SIZE];
            packet[..8].copy_from_slice(&number.to_be_bytes());
            emulator.send(now, packet);
            take(&mut emulator, now);
        }
        while let Some(at) = emulator.deadline() {
            take(&mut emulator, at);
        }
        Flow {
            arrived,
            sent: count,
            took: first.map_or(Duration::ZERO, |first| last - first),
            tally: emulator.tally().clone(),
        }
    }

    fn flow(conditions: &[&str], count: u64, every: Duration) -> Flow {
        flow_with(conditions, 7, count, every, &[])
    }

    impl Flow {
        fn delays(&self) -> Vec<f64> {
            let mut delays: Vec<_> = self
                .arrived
                .iter()
                .map(|(_, delay)| delay.as_secs_f64() * 1e3)
                .collect();
            delays.sort_by(f64::total_cmp);
            delays
        }

        fn mean_ms(&self) -> f64 {
            self.delays().iter().sum::<f64>() / self.arrived.len() as f64
        }

        fn lost(&self) -> f64 {
            1.0 - self.arrived.len() as f64 / self.sent as f64
        }

        fn rate(&self) -> f64 {
            (self.arrived.len() - 1) as f64 * SIZE as f64 * 8.0 / self.took.as_secs_f64()
        }

        fn out_of_order(&self) -> usize {
            let numbers: Vec<_> = self.arrived.iter().map(|(number, _)| *number).collect();
            let mut highest = 0;
            numbers
                .iter()
                .filter(|number| {
                    let late = **number < highest;
                    highest = highest.max(**number);
                    late
                })
                .count()
        }

        /// How many packets in a row are missing, each time some are.
        fn gaps(&self) -> Vec<u64> {
            self.arrived
                .windows(2)
                .map(|pair| pair[1].0.saturating_sub(pair[0].0 + 1))
                .filter(|missing| *missing > 0)
                .collect()
        }
    }

    fn near(found: f64, expected: f64, within: f64, what: &str) {
        assert!(
            (found - expected).abs() <= within,
            "{what}: {found}, expected {expected} +- {within}"
        );
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn without_conditions_everything_arrives_at_once() {
        let flow = flow(&[], 100, ms(1));
        assert_eq!(flow.arrived.len(), 100);
        assert!(flow.arrived.iter().all(|(_, delay)| delay.is_zero()));
    }

    #[test]
    fn what_is_too_large_does_not_pass() {
        for (largest, arrive) in [(SIZE, 10), (SIZE - 1, 0)] {
            let flow = flow(&[&format!("largest={largest}B")], 10, ms(1));
            assert_eq!(flow.arrived.len(), arrive);
            let dropped = flow.tally.drops(DropReason::TooLarge);
            assert_eq!(dropped, 10 - arrive as u64);
        }
    }

    #[test]
    fn each_packet_takes_the_delay() {
        for delay in [1, 200, 2_000] {
            let flow = flow(&[&format!("delay={delay}ms")], 100, ms(10));
            assert!(flow.arrived.iter().all(|(_, took)| *took == ms(delay)));
        }
    }

    #[test]
    fn jitter_spreads_around_the_delay_and_keeps_the_order() {
        // Far enough apart that no packet waits for the one before.
        let sparse = flow(&["delay=100ms", "jitter=40ms"], 2_000, ms(90));
        let delays = sparse.delays();
        near(sparse.mean_ms(), 100.0, 2.0, "mean");
        near(delays[0], 60.0, 1.0, "least");
        near(delays[delays.len() - 1], 140.0, 1.0, "most");
        let dense = flow(&["delay=100ms", "jitter=40ms"], 2_000, ms(2));
        assert_eq!(dense.out_of_order(), 0);
        assert!(dense.delays()[0] >= 60.0);
        assert!(dense.delays()[1_999] <= 140.0);
    }

    #[test]
    fn a_steady_overload_gets_the_rate_and_no_more() {
        for (rate, expected) in [("300kbit", 3e5), ("1.2mbit", 1.2e6), ("20mbit", 2e7)] {
            let every = Duration::from_secs_f64(SIZE as f64 * 8.0 / expected / 2.0);
            let flow = flow(
                &[&format!("rate={rate}"), "queue=20kB", "delay=10ms"],
                4_000,
                every,
            );
            near(flow.rate() / expected, 1.0, 0.01, rate);
            near(flow.lost(), 0.5, 0.02, "half of it finds the queue full");
            assert_eq!(
                flow.tally.drops(DropReason::QueueFull) + flow.arrived.len() as u64,
                4_000
            );
        }
    }

    #[test]
    fn a_queue_holds_what_it_may_and_drops_the_newest() {
        // (queue, how many of a burst of 100 packets of 1,000 bytes at 1 Mbit/s (8 ms each) arrive)
        for (queue, expected) in [
            ("80ms", 10),
            ("10kB", 10),
            ("4ms", 1),
            ("400ms", 50),
            ("1MB", 100),
        ] {
            let flow = flow(
                &["rate=1mbit", &format!("queue={queue}")],
                100,
                Duration::ZERO,
            );
            let numbers: Vec<_> = flow.arrived.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, (0..expected).collect::<Vec<_>>(), "queue={queue}");
            assert_eq!(
                flow.arrived.last().unwrap().1,
                ms(8 * expected),
                "queue={queue}"
            );
            let longest = flow.tally.queue_delay().quantile(1.0);
            assert_eq!(longest, ms(8 * expected), "queue={queue}");
        }
    }

    #[test]
    fn loss_is_as_often_as_asked_and_alone() {
        for (loss, expected) in [("0.5%", 0.005), ("2%", 0.02), ("20%", 0.2)] {
            let flow = flow(&[&format!("loss={loss}")], 50_000, ms(1));
            near(flow.lost() / expected, 1.0, 0.1, loss);
            assert_eq!(
                flow.tally.drops(DropReason::Loss) + flow.arrived.len() as u64,
                flow.sent
            );
        }
        let gaps = flow(&["loss=2%"], 50_000, ms(1)).gaps();
        let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
        near(mean, 1.02, 0.03, "packets lost in a row");
    }

    #[test]
    fn bursts_are_as_often_and_as_long_as_asked() {
        for (burst, share, length) in [("2%/8", 0.02, 8.0), ("5%/3", 0.05, 3.0)] {
            let flow = flow(&[&format!("burst={burst}")], 200_000, ms(1));
            near(flow.lost() / share, 1.0, 0.1, burst);
            let gaps = flow.gaps();
            let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
            near(mean / length, 1.0, 0.1, burst);
            assert_eq!(
                flow.tally.drops(DropReason::Burst) + flow.arrived.len() as u64,
                flow.sent
            );
        }
        // Two thirds of a burst get through: as much is lost, in more and shorter gaps.
        let thin = flow(&["burst=2%/10/33%"], 200_000, ms(1));
        near(thin.lost() / 0.02, 1.0, 0.1, "thin bursts");
        let gaps = thin.gaps();
        let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
        assert!(mean < 2.0, "{mean} in a row");
    }

    #[test]
    fn only_what_is_meant_to_be_reordered_is() {
        let flow = flow(&["delay=20ms", "reorder=3%/10ms"], 20_000, ms(1));
        assert_eq!(flow.lost(), 0.0);
        let late = flow.out_of_order();
        near(late as f64 / 20_000.0, 0.03, 0.005, "share reordered");
        assert_eq!(late as u64, flow.tally.reorderings());
        near(
            flow.delays()[19_999],
            30.0,
            0.001,
            "late ones come 10 ms late",
        );
    }

    #[test]
    fn equal_seeds_have_equal_luck_and_others_do_not() {
        let conditions = [
            "delay=50ms",
            "jitter=30ms",
            "loss=5%",
            "burst=2%/4",
            "reorder=2%/9ms",
        ];
        let run = |seed| flow_with(&conditions, seed, 1_000, ms(3), &[]).arrived;
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn the_same_packets_are_lost_whatever_else_is_asked() {
        let numbers = |conditions: &[&str]| -> Vec<u64> {
            flow(conditions, 5_000, ms(5))
                .arrived
                .iter()
                .map(|(number, _)| *number)
                .collect()
        };
        let alone = numbers(&["loss=3%"]);
        assert_eq!(alone, numbers(&["loss=3%", "delay=9ms", "jitter=2ms"]));
    }

    #[test]
    fn in_a_blackhole_everything_is_lost_that_is_sent_or_arrives() {
        let gone: &[&str] = &["blackhole=on"];
        let back: &[&str] = &["blackhole=off"];
        let flow = flow_with(&["delay=20ms"], 7, 100, ms(10), &[(50, gone), (70, back)]);
        let numbers: Vec<_> = flow.arrived.iter().map(|(number, _)| *number).collect();
        // The 48th and 49th were sent before, but still flying when the network went.
        assert_eq!(numbers, (0..48).chain(70..100).collect::<Vec<_>>());
        assert_eq!(
            flow.tally.drops(DropReason::Blackhole) + numbers.len() as u64,
            100
        );
    }

    #[test]
    fn a_new_rate_holds_from_the_middle_of_a_packet() {
        let start = Instant::now();
        let slow = network(&["rate=8kbit", "queue=10s"]);
        let mut emulator = Emulator::new(slow, StdRng::seed_from_u64(1));
        // 1,000 bytes at 8 kbit/s take a second; half of it is left when the link gets ten times as fast.
        emulator.send(start, vec![0; SIZE]);
        assert_eq!(emulator.deadline(), Some(start + ms(1_000)));
        emulator.change(start + ms(500), network(&["rate=80kbit", "queue=10s"]));
        assert_eq!(emulator.deadline(), Some(start + ms(550)));
        emulator.change(start + ms(525), network(&["rate=8kbit", "queue=10s"]));
        assert_eq!(emulator.deadline(), Some(start + ms(775)));
        emulator.change(start + ms(600), network(&[]));
        assert!(emulator.receive(start + ms(600)).is_some());
        assert_eq!(emulator.deadline(), None);
    }

    #[test]
    fn a_shorter_delay_does_not_let_packets_overtake() {
        let shorter: &[&str] = &["delay=10ms"];
        let flow = flow_with(&["delay=200ms"], 7, 100, ms(10), &[(50, shorter)]);
        assert_eq!(flow.out_of_order(), 0);
        assert_eq!(flow.arrived[49].1, ms(200));
        assert_eq!(flow.arrived[99].1, ms(10));
    }

    #[test]
    fn what_flies_is_bounded() {
        let flow = flow(&["delay=2s"], MAX_FLYING as u64 + 10, Duration::ZERO);
        assert_eq!(flow.tally.drops(DropReason::TooMany), 10);
    }
}
