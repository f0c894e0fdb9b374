//! The NAT that mobile networks put before their clients (RFC 4787), as far as it hurts calls: it
//! forgets its flows of UDP in mid-call. What the client sends then comes from another port, and
//! what is sent to the old one reaches nobody; neither end is told. All other packets pass as they are.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// One client's NAT. Until it forgets for the first time it leaves ports as they are.
#[derive(Debug, Default)]
pub struct Nat {
    /// How often it forgets, and when next.
    forgets: Option<(Duration, Instant)>,
    flows: Option<Flows>,
}

/// Both ways through; of IPv4 only, and by the client's port alone.
#[derive(Debug, Default)]
struct Flows {
    out: HashMap<u16, u16>,
    back: HashMap<u16, u16>,
    last: u16,
}

/// Whether a packet has a way to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Passage {
    /// It goes on.
    Open,
    /// No flow is known there.
    Unknown,
}

/// The first port it gives away.
const FIRST: u16 = 20_000;
/// More than a client has open; flows it forgot are gone, and their ports come again.
const PORTS: u16 = 40_000;

impl Nat {
    /// From now on it forgets each time so much has passed, or never.
    pub fn change(&mut self, now: Instant, every: Option<Duration>) {
        if every != self.every() {
            self.forgets = every.map(|every| (every, now + every));
        }
    }

    /// How often it forgets.
    pub fn every(&self) -> Option<Duration> {
        self.forgets.map(|(every, _)| every)
    }

    /// Lets a packet of the client's out.
    pub fn out(&mut self, now: Instant, packet: &mut [u8]) {
        self.forget(now);
        let (Some(flows), Some(udp)) = (&mut self.flows, Udp::find(packet)) else {
            return;
        };
        let port = flows.leave_by(udp.source(packet));
        udp.set_source(packet, port);
    }

    /// Takes a packet to the client, if there is a flow that it belongs to.
    pub fn back(&mut self, now: Instant, packet: &mut [u8]) -> Passage {
        self.forget(now);
        let (Some(flows), Some(udp)) = (&self.flows, Udp::find(packet)) else {
            return Passage::Open;
        };
        let Some(port) = flows.back.get(&udp.destination(packet)) else {
            return Passage::Unknown;
        };
        udp.set_destination(packet, *port);
        Passage::Open
    }

    fn forget(&mut self, now: Instant) {
        let Some((every, at)) = &mut self.forgets else {
            return;
        };
        if now < *at {
            return;
        }
        while *at <= now {
            *at += *every;
        }
        let last = self.flows.as_ref().map_or(0, |flows| flows.last);
        self.flows = Some(Flows {
            last,
            ..Flows::default()
        });
    }
}

impl Flows {
    fn leave_by(&mut self, inner: u16) -> u16 {
        if let Some(outer) = self.out.get(&inner) {
            return *outer;
        }
        let outer = FIRST + self.last;
        self.last = (self.last + 1) % PORTS;
        self.out.insert(inner, outer);
        self.back.insert(outer, inner);
        outer
    }
}

/// Where in a packet the header of UDP is.
#[derive(Clone, Copy)]
struct Udp(usize);

impl Udp {
    /// Of an IPv4 packet that is whole, or the first part of one.
    fn find(packet: &[u8]) -> Option<Self> {
        const UDP: u8 = 17;
        let at = usize::from(packet.first()? & 15) * 4;
        let first = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff == 0;
        let it_is = packet[0] >> 4 == 4 && *packet.get(9)? == UDP && first;
        (it_is && packet.len() >= at + 8).then_some(Self(at))
    }

    fn word(packet: &[u8], at: usize) -> u16 {
        u16::from_be_bytes([packet[at], packet[at + 1]])
    }

    fn source(self, packet: &[u8]) -> u16 {
        Self::word(packet, self.0)
    }

    fn destination(self, packet: &[u8]) -> u16 {
        Self::word(packet, self.0 + 2)
    }

    fn set_source(self, packet: &mut [u8], port: u16) {
        self.set(packet, self.0, port);
    }

    fn set_destination(self, packet: &mut [u8], port: u16) {
        self.set(packet, self.0 + 2, port);
    }

    /// Changes a word, and the checksum with it (RFC 1624), where there is one.
    fn set(self, packet: &mut [u8], at: usize, port: u16) {
        let before = Self::word(packet, at);
        packet[at..at + 2].copy_from_slice(&port.to_be_bytes());
        let sum_at = self.0 + 6;
        let sum = Self::word(packet, sum_at);
        if sum == 0 {
            return;
        }
        let mut wide = u32::from(!sum) + u32::from(!before) + u32::from(port);
        wide = (wide & 0xffff) + (wide >> 16);
        wide = (wide & 0xffff) + (wide >> 16);
        // Zero would say that there is none (RFC 768).
        let sum = match !(wide as u16) {
            0 => u16::MAX,
            sum => sum,
        };
        packet[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A datagram of UDP from and to these ports, with its checksum.
    fn datagram(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        packet.extend((8 + payload.len() as u16).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(payload);
        let sum = !sum_of(&packet);
        packet[26..28].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// Of the pseudo header and what follows: all ones if the checksum is right.
    fn sum_of(packet: &[u8]) -> u16 {
        let mut bytes = packet[12..].to_vec();
        bytes.extend([0, 17]);
        bytes.extend((packet.len() as u16 - 20).to_be_bytes());
        let words = bytes.chunks(2);
        let sum = words.fold(0, |sum: u32, word| {
            sum + u32::from(word[0]) * 256 + u32::from(word.get(1).copied().unwrap_or(0))
        });
        let sum = (sum & 0xffff) + (sum >> 16);
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    fn ports(packet: &[u8]) -> [u16; 2] {
        [Udp::word(packet, 20), Udp::word(packet, 22)]
    }

    #[test]
    fn each_time_it_forgets_the_client_has_another_port_and_the_old_one_is_dead() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut nat = Nat::default();
        let seen = |nat: &mut Nat, at| {
            let mut packet = datagram([4_000, 7_882], b"odd");
            nat.out(after(at), &mut packet);
            assert_eq!(sum_of(&packet), u16::MAX);
            ports(&packet)[0]
        };
        let answered = |nat: &mut Nat, at, to| {
            let mut packet = datagram([7_882, to], b"even");
            let passage = nat.back(after(at), &mut packet);
            assert_eq!(sum_of(&packet), u16::MAX);
            (passage == Passage::Open).then(|| ports(&packet)[1])
        };
        assert_eq!(seen(&mut nat, 0), 4_000);
        nat.change(after(0), Some(Duration::from_secs(30)));
        assert_eq!(seen(&mut nat, 29), 4_000);
        assert_eq!(answered(&mut nat, 29, 4_000), Some(4_000));
        assert_eq!(answered(&mut nat, 30, 4_000), None, "forgotten");
        let second = seen(&mut nat, 30);
        assert_ne!(second, 4_000);
        assert_eq!(answered(&mut nat, 31, second), Some(4_000));
        assert_eq!(seen(&mut nat, 59), second, "it is the same flow");
        let third = seen(&mut nat, 125);
        assert!(third != second && third != 4_000);
        assert_eq!(answered(&mut nat, 125, second), None);
        assert_eq!(answered(&mut nat, 149, third), Some(4_000));
        nat.change(after(149), None);
        assert_eq!(seen(&mut nat, 999), third, "it forgets no more");
    }

    #[test]
    fn what_is_no_whole_datagram_of_udp_passes_as_it_is() {
        let now = Instant::now();
        let mut nat = Nat::default();
        nat.change(now, Some(Duration::from_millis(1)));
        let later = now + Duration::from_secs(1);
        let mut tcp = datagram([4_000, 80], b"1");
        tcp[9] = 6;
        let mut fragment = datagram([4_000, 80], b"1");
        fragment[7] = 9;
        let mut without_sum = datagram([4_000, 80], b"1");
        without_sum[26..28].fill(0);
        for packet in [tcp, fragment, vec![0x45; 12], vec![0x60; 48], Vec::new()] {
            let mut passed = packet.clone();
            nat.out(later, &mut passed);
            assert_eq!(passed, packet);
            assert_eq!(nat.back(later, &mut passed), Passage::Open);
            assert_eq!(passed, packet);
        }
        nat.out(later, &mut without_sum);
        assert_eq!(without_sum[26..28], [0, 0]);
        assert_ne!(ports(&without_sum)[0], 4_000);
    }
}
