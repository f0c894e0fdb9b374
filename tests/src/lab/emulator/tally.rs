//! What became of the packets of one direction.
//!
//! `sent = delivered + dropped + refused + still under way`.

use std::time::Duration;

use serde::Serialize;

use crate::load::histogram::Histogram;

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The network was gone.
    Blackhole,
    /// A firewall does not let its kind through.
    Firewall,
    /// No room before the bottleneck.
    QueueFull,
    /// Larger than what passes.
    TooLarge,
    /// Lost alone.
    Loss,
    /// Lost in a burst.
    Burst,
    /// More under way than any network holds.
    TooMany,
    /// The NAT knows no such flow any more.
    Forgotten,
}

impl DropReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Blackhole,
        Self::Firewall,
        Self::QueueFull,
        Self::TooLarge,
        Self::Loss,
        Self::Burst,
        Self::TooMany,
        Self::Forgotten,
    ];

    /// The word for it in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blackhole => "blackhole",
            Self::Firewall => "firewall",
            Self::QueueFull => "queue full",
            Self::TooLarge => "too large",
            Self::Loss => "loss",
            Self::Burst => "burst",
            Self::TooMany => "too many",
            Self::Forgotten => "forgotten",
        }
    }
}

/// Counts of one direction.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    packets: u64,
    bytes: u64,
    delivered: u64,
    delivered_bytes: u64,
    dropped: [u64; DropReason::ALL.len()],
    refused: u64,
    reordered: u64,
    queue_delay: Histogram,
    late: Histogram,
}

impl Tally {
    pub(super) fn sent(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }

    pub(super) fn delivered(&mut self, bytes: usize, late: Duration) {
        self.late.count(nanos(late));
        self.delivered += 1;
        self.delivered_bytes += bytes as u64;
    }

    pub(super) fn refused(&mut self, bytes: usize) {
        self.delivered -= 1;
        self.delivered_bytes -= bytes as u64;
        self.refused += 1;
    }

    pub(super) fn dropped(&mut self, reason: DropReason) {
        self.dropped[reason as usize] += 1;
    }

    pub(super) fn reordered(&mut self) {
        self.reordered += 1;
    }

    pub(super) fn waited(&mut self, waited: Duration) {
        self.queue_delay.count(nanos(waited));
    }

    /// Packets that came in.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Packets that came out.
    pub fn deliveries(&self) -> u64 {
        self.delivered
    }

    /// Their bytes.
    pub fn delivered_bytes(&self) -> u64 {
        self.delivered_bytes
    }

    /// Packets dropped for one reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Packets that came out and the far device would not take.
    pub fn refusals(&self) -> u64 {
        self.refused
    }

    /// Packets that were made to come late.
    pub fn reorderings(&self) -> u64 {
        self.reordered
    }

    /// From a packet's coming to its last bit's leaving the bottleneck.
    pub fn queue_delay(&self) -> &Histogram {
        &self.queue_delay
    }

    /// How much later than due packets were fetched: what the machine added to the network.
    pub fn late(&self) -> &Histogram {
        &self.late
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
