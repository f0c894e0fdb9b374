//! What one direction of a network is like, and how people write that: `rate=300kbit`,
//! `delay=200ms`, `loss=2%`, `burst=2%/8`, `reorder=1%/30ms`, `queue=500ms`, `largest=1280B`,
//! `udp=off`, `tcp=443`, `blackhole=on`.

use std::{fmt, time::Duration};

/// One direction of a network. The default is a wire: no limit, no delay, no loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Of the slowest hop, IP headers included; none: no limit.
    pub rate: Option<Rate>,
    /// What waits before the slowest hop.
    pub queue: Queue,
    /// From the slowest hop's end to the arrival.
    pub delay: Duration,
    /// How far that varies either way, evenly; no packet overtakes another for it.
    pub jitter: Duration,
    /// Of the packets, each alone.
    pub loss: Share,
    /// Further loss, in bursts.
    pub burst: Option<Burst>,
    /// Packets that do not keep their place.
    pub reorder: Option<Reorder>,
    /// Bytes of the largest packet that passes, IP headers included; none: any. What is larger is
    /// lost, and nobody is told, as where firewalls drop ICMP.
    pub largest: Option<usize>,
    /// Which packets a firewall lets through.
    pub firewall: Firewall,
    /// Whether there is a network at all.
    pub presence: Presence,
}

/// Bits per second; more than none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

/// A part of all packets, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(f64);

/// How much may wait before the slowest hop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Queue {
    /// As much as leaves in this time.
    Time(Duration),
    /// This many bytes.
    Bytes(usize),
}

impl Default for Queue {
    /// What a router at home has, roughly.
    fn default() -> Self {
        Self::Time(Duration::from_millis(300))
    }
}

/// Loss in bursts, by a chain of good and bad weather.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// Of all packets, lost in bursts.
    pub share: Share,
    /// Packets a burst lasts, on average.
    pub length: f64,
    /// Of the packets within a burst, lost.
    pub thickness: Share,
}

/// Packets that come late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reorder {
    /// How many.
    pub share: Share,
    /// How late.
    pub by: Duration,
}

/// Which packets pass.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Firewall {
    /// All.
    #[default]
    Open,
    /// All but UDP, of which only what asks for names passes.
    NoUdp,
    /// TCP to this port and from it, what asks for names, and nothing else.
    OnlyTcp(u16),
}

impl Firewall {
    /// Whether an IP packet passes.
    pub fn passes(self, packet: &[u8]) -> bool {
        match self {
            Self::Open => true,
            Self::NoUdp => ports(packet, UDP).is_none_or(|ports| ports.contains(&NAMES)),
            Self::OnlyTcp(port) => {
                ports(packet, TCP).is_some_and(|ports| ports.contains(&port))
                    || ports(packet, UDP).is_some_and(|ports| ports.contains(&NAMES))
            }
        }
    }

    fn read_tcp(text: &str) -> Option<Self> {
        match text {
            "any" => Some(Self::Open),
            port => port.parse().ok().map(Self::OnlyTcp),
        }
    }
}

/// Of DNS.
const NAMES: u16 = 53;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Both ports of a packet, if it is of `wanted`; 0 where they are in another fragment.
fn ports(packet: &[u8], wanted: u8) -> Option<[u16; 2]> {
    let (protocol, header) = match packet.first()? >> 4 {
        4 => (*packet.get(9)?, usize::from(packet[0] & 15) * 4),
        6 => (*packet.get(6)?, 40),
        _ => return None,
    };
    let port = |at: usize| {
        let bytes = packet.get(header + at..header + at + 2);
        bytes.map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    (protocol == wanted).then(|| [port(0), port(2)])
}

/// Whether the network is there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Presence {
    /// It is.
    #[default]
    Here,
    /// Everything sent or under way is lost, and nobody is told.
    Gone,
}

/// What is wrong with a condition that somebody wrote.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConditionError {
    /// No such word.
    #[error("there is no {0:?}; there are {keys}", keys = Conditions::KEYS.join(", "))]
    Key(String),
    /// A value that does not fit its word.
    #[error("{key} is {value:?}; it is written like {like}")]
    Value {
        /// The word.
        key: &'static str,
        /// As it was written.
        value: String,
        /// What would do.
        like: &'static str,
    },
}

impl Conditions {
    /// What can be set.
    pub const KEYS: [&'static str; 11] = [
        "rate",
        "queue",
        "delay",
        "jitter",
        "loss",
        "burst",
        "reorder",
        "largest",
        "udp",
        "tcp",
        "blackhole",
    ];

    /// Changes one condition, both as people write them.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConditionError> {
        match key {
            "rate" => {
                let read = unless_none(value, Rate::read);
                self.rate = read.ok_or(wrong("rate", value, "300kbit, 1.2mbit or none"))?;
            }
            "queue" => {
                let read = Queue::read(value);
                self.queue = read.ok_or(wrong("queue", value, "300ms or 64kB"))?;
            }
            "delay" => {
                self.delay = duration(value).ok_or(wrong("delay", value, "200ms or 1.5s"))?;
            }
            "jitter" => {
                self.jitter = duration(value).ok_or(wrong("jitter", value, "50ms"))?;
            }
            "loss" => self.loss = Share::read(value).ok_or(wrong("loss", value, "2% or 0.5%"))?,
            "burst" => {
                let read = unless_none(value, Burst::read);
                let like =
                    "2%/8 (share lost, packets in a burst), 2%/8/50% (of a burst, lost) or none";
                self.burst = read.ok_or(wrong("burst", value, like))?;
            }
            "reorder" => {
                let read = unless_none(value, Reorder::read);
                let like = "1%/30ms (share, how late) or none";
                self.reorder = read.ok_or(wrong("reorder", value, like))?;
            }
            "largest" => {
                let read = unless_none(value, bytes);
                self.largest = read.ok_or(wrong("largest", value, "1280B or none"))?;
            }
            "udp" => {
                self.firewall = match value {
                    "on" => Firewall::Open,
                    "off" => Firewall::NoUdp,
                    _ => return Err(wrong("udp", value, "on or off")),
                }
            }
            "tcp" => {
                let read = Firewall::read_tcp(value);
                self.firewall = read.ok_or(wrong("tcp", value, "443 (and nothing else) or any"))?;
            }
            "blackhole" => {
                self.presence = match value {
                    "on" => Presence::Gone,
                    "off" => Presence::Here,
                    _ => return Err(wrong("blackhole", value, "on or off")),
                }
            }
            _ => return Err(ConditionError::Key(key.to_owned())),
        }
        Ok(())
    }
}

fn wrong(key: &'static str, value: &str, like: &'static str) -> ConditionError {
    ConditionError::Value {
        key,
        value: value.to_owned(),
        like,
    }
}

/// `none`, or what `read` makes of it.
fn unless_none<T>(value: &str, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match value {
        "none" => Some(None),
        _ => read(value).map(Some),
    }
}

impl Rate {
    /// In a second.
    pub fn bits(self) -> f64 {
        self.0
    }

    /// How long so many bytes take.
    pub fn time(self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 * 8.0 / self.0)
    }

    fn read(text: &str) -> Option<Self> {
        let bits = number(
            text,
            &[("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)],
        )?;
        // Slower than a telegraph, a packet takes longer than time is counted here.
        (bits >= 100.0).then_some(Self(bits))
    }
}

impl Share {
    /// 0 to 1.
    pub fn as_f64(self) -> f64 {
        self.0
    }

    fn read(text: &str) -> Option<Self> {
        let share = number(text, &[("%", 0.01)])?;
        (share <= 1.0).then_some(Self(share))
    }
}

impl Queue {
    /// Whether so many bytes, the sent one's included, may be there at this rate.
    pub fn holds(self, bytes: usize, rate: Option<Rate>) -> bool {
        match (self, rate) {
            (Self::Bytes(most), _) => bytes <= most,
            (Self::Time(most), Some(rate)) => rate.time(bytes) <= most,
            (Self::Time(_), None) => true,
        }
    }

    fn read(text: &str) -> Option<Self> {
        if let Some(time) = duration(text) {
            return Some(Self::Time(time));
        }
        bytes(text).map(Self::Bytes)
    }
}

fn bytes(text: &str) -> Option<usize> {
    number(text, &[("MB", 1e6), ("kB", 1e3), ("B", 1.0)]).map(|bytes| bytes as usize)
}

impl Burst {
    /// How likely good weather turns bad at a packet.
    pub fn enters(&self) -> f64 {
        let bad = self.share.0 / self.thickness.0;
        self.leaves() * bad / (1.0 - bad)
    }

    /// How likely bad weather turns good.
    pub fn leaves(&self) -> f64 {
        1.0 / self.length
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let share = Share::read(parts.next()?)?;
        let length = number(parts.next()?, &[("", 1.0)])?;
        let thickness = parts.next().map_or(Some(Share(1.0)), Share::read)?;
        let possible = length >= 1.0 && share.0 < thickness.0 && parts.next().is_none();
        let burst = Self {
            share,
            length,
            thickness,
        };
        (possible && burst.enters() <= 1.0).then_some(burst)
    }
}

impl Reorder {
    fn read(text: &str) -> Option<Self> {
        let (share, by) = text.split_once('/')?;
        Some(Self {
            share: Share::read(share)?,
            by: duration(by)?,
        })
    }
}

/// No network is further away than a minute.
const LONGEST: f64 = 60.0;

/// A time as people write it.
pub fn duration(text: &str) -> Option<Duration> {
    let seconds = number(text, &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0)])?;
    (seconds <= LONGEST).then(|| Duration::from_secs_f64(seconds))
}

/// A number with one of the units, the first that fits.
fn number(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = plain.then_some(digits)?.parse().ok()?;
    Some(number * factor).filter(|number| number.is_finite())
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bits if bits >= 1e6 => write!(f, "{}mbit", bits / 1e6),
            bits => write!(f, "{}kbit", bits / 1e3),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Hundredths of a percent are enough for anybody who reads it.
        write!(f, "{}%", (self.0 * 1e4).round() / 1e2)
    }
}

impl fmt::Display for Conditions {
    /// All that is not as on a wire, in the words it is set with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if let Some(rate) = self.rate {
            let queue = match self.queue {
                Queue::Time(time) => format!("{time:?}"),
                Queue::Bytes(bytes) => format!("{bytes}B"),
            };
            words.push(format!("rate={rate} queue={queue}"));
        }
        if !self.delay.is_zero() {
            words.push(format!("delay={:?}", self.delay));
        }
        if !self.jitter.is_zero() {
            words.push(format!("jitter={:?}", self.jitter));
        }
        if self.loss.0 > 0.0 {
            words.push(format!("loss={}", self.loss));
        }
        if let Some(Burst {
            share,
            length,
            thickness,
        }) = self.burst
        {
            words.push(format!("burst={share}/{length}/{thickness}"));
        }
        if let Some(Reorder { share, by }) = self.reorder {
            words.push(format!("reorder={share}/{by:?}"));
        }
        if let Some(bytes) = self.largest {
            words.push(format!("largest={bytes}B"));
        }
        match self.firewall {
            Firewall::Open => {}
            Firewall::NoUdp => words.push("udp=off".to_owned()),
            Firewall::OnlyTcp(port) => words.push(format!("tcp={port}")),
        }
        if self.presence == Presence::Gone {
            words.push("blackhole=on".to_owned());
        }
        match words.as_slice() {
            [] => f.write_str("a wire"),
            words => f.write_str(&words.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_written_as_they_are_read() {
        for (written, read) in [
            ("rate=300kbit", "rate=300kbit queue=300ms"),
            ("rate=1200kbit", "rate=1.2mbit queue=300ms"),
            ("rate=none", "a wire"),
            ("delay=0.2s", "delay=200ms"),
            ("jitter=50ms", "jitter=50ms"),
            ("loss=0.5%", "loss=0.5%"),
            ("burst=2%/8", "burst=2%/8/100%"),
            ("burst=2%/8/50%", "burst=2%/8/50%"),
            ("reorder=1%/30ms", "reorder=1%/30ms"),
            ("largest=1280B", "largest=1280B"),
            ("largest=none", "a wire"),
            ("udp=off", "udp=off"),
            ("udp=on", "a wire"),
            ("tcp=443", "tcp=443"),
            ("tcp=any", "a wire"),
            ("blackhole=on", "blackhole=on"),
            ("blackhole=off", "a wire"),
        ] {
            let mut conditions = Conditions::default();
            let (key, value) = written.split_once('=').unwrap();
            conditions.set(key, value).unwrap();
            assert_eq!(conditions.to_string(), read);
        }
        let mut conditions = Conditions::default();
        for (value, queue) in [
            ("64kB", Queue::Bytes(64_000)),
            ("1s", Queue::Time(Duration::from_secs(1))),
        ] {
            conditions.set("queue", value).unwrap();
            assert_eq!(conditions.queue, queue);
        }
    }

    #[test]
    fn firewalls_know_protocols_and_ports() {
        let packet = |protocol: u8, ports: [u16; 2]| {
            let mut packet = vec![0; 28];
            packet[0] = 0x45;
            packet[9] = protocol;
            packet[20..22].copy_from_slice(&ports[0].to_be_bytes());
            packet[22..24].copy_from_slice(&ports[1].to_be_bytes());
            packet
        };
        for (packet, without_udp, only_443) in [
            (packet(17, [40_000, 7_882]), false, false),
            (packet(17, [40_000, 443]), false, false),
            (packet(17, [40_000, 53]), true, true),
            (packet(17, [53, 40_000]), true, true),
            (packet(6, [40_000, 7_881]), true, false),
            (packet(6, [40_000, 443]), true, true),
            (packet(6, [443, 40_000]), true, true),
            (packet(1, [0, 0]), true, false),
            (packet(17, [40_000, 7_882])[..20].to_vec(), false, false),
            (Vec::new(), true, false),
        ] {
            assert_eq!(Firewall::NoUdp.passes(&packet), without_udp, "{packet:?}");
            let passes = Firewall::OnlyTcp(443).passes(&packet);
            assert_eq!(passes, only_443, "{packet:?}");
            assert!(Firewall::Open.passes(&packet));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (key, value) in [
            ("rate", "fast"),
            ("rate", "0kbit"),
            ("rate", "-3kbit"),
            ("rate", "300"),
            ("rate", "nankbit"),
            ("delay", "2h"),
            ("delay", "999s"),
            ("delay", "1e3ms"),
            ("loss", "200%"),
            ("loss", "2"),
            ("burst", "2%"),
            ("burst", "2%/0.5"),
            ("burst", "50%/8/50%"),
            ("burst", "99%/1"),
            ("reorder", "2%"),
            ("queue", "%"),
            ("largest", "1280"),
            ("udp", "yes"),
            ("tcp", "https"),
            ("blackhole", "yes"),
            ("colour", "red"),
        ] {
            let mut conditions = Conditions::default();
            let error = conditions.set(key, value).unwrap_err().to_string();
            assert!(error.contains(key), "{key}={value}: {error}");
            assert_eq!(conditions, Conditions::default());
        }
    }
}
