//! What connections take of networks, headers included, and telling it to those who ask.
//! How it is written is left to [`livekit::usage`].

use std::net::IpAddr;
use std::time::{Duration, Instant};

use livekit::usage::Usage;
use media::ParticipantId;
use transport::{Channel, Way};

use super::{COUNT_INTERVAL, Shard};

/// The bytes of one transport, from its client's eyes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter(Usage);

impl Meter {
    /// A datagram of the client's came.
    pub(super) fn received(&mut self, from: Way, len: usize) {
        self.0.sent += on_wire(from, len);
    }

    /// A datagram goes to the client.
    pub(super) fn sent(&mut self, to: Way, len: usize) {
        self.0.received += on_wire(to, len);
    }
}

/// Headers go with each datagram. A segment of TCP may carry several frames, mostly it is one.
fn on_wire(way: Way, len: usize) -> u64 {
    let ip = match way.address().ip().to_canonical() {
        IpAddr::V4(_) => 20,
        IpAddr::V6(_) => 40,
    };
    let carriage = match way {
        Way::Udp(_) => 8,
        // With timestamps (RFC 7323), and the length before each frame (RFC 4571).
        Way::Tcp(..) => 32 + 2,
        // In ChannelData (RFC 8656 section 12.4).
        Way::Relayed(_) => 8 + 4,
    };
    len as u64 + ip + carriage
}

/// How often who asks is told.
const INTERVAL: Duration = Duration::from_secs(5);

impl Shard {
    /// Tells those who ask and whose time it is; called each time counters are reported.
    pub(super) fn tell_usage(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (participant, member) in &mut self.members {
            let room = self.rooms.get(&member.room).map(|open| &open.room);
            let found = room.and_then(|room| room.participant(*participant));
            if found.is_none_or(|found| !Usage::is_asked_for(&found.attributes)) {
                member.usage_at = None;
                continue;
            }
            // It is looked at so often only.
            if member
                .usage_at
                .is_some_and(|at| at > now + COUNT_INTERVAL / 2)
            {
                continue;
            }
            member.usage_at = Some(now + INTERVAL);
            if let Some(saving) = room.and_then(|room| room.saving(*participant)) {
                due.push((*participant, saving));
            }
        }
        for (participant, saving) in due {
            let packet = self.usage(participant).packet(saving);
            self.deliver(participant, &Channel::Lossy, packet);
        }
    }

    /// What the connections of a participant took so far.
    fn usage(&mut self, participant: ParticipantId) -> Usage {
        let mut usage = Usage::default();
        let Some(member) = self.members.get(&participant) else {
            return usage;
        };
        for key in member.transports() {
            if let Some(slot) = self.transports.get_mut(key) {
                let Meter(part) = slot.meter;
                usage.sent += part.sent;
                usage.received += part.received;
            }
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_datagram_counts_with_the_headers_of_its_network() {
        let mut meter = Meter::default();
        meter.received(udp("192.0.2.1:9"), 100);
        meter.received(udp("[2001:db8::1]:9"), 100);
        meter.sent(udp("[::ffff:192.0.2.1]:9"), 1_000);
        let expected = Usage {
            sent: 128 + 148,
            received: 1_028,
        };
        assert_eq!(meter.0, expected);
    }

    fn udp(address: &str) -> Way {
        Way::Udp(address.parse().expect("it is one"))
    }
}
