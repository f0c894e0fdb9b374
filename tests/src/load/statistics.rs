//! What the clients of a run counted between two marks.

use super::{client::stream::Continuity, histogram::Histogram, payload::Stamp};

/// Whose packets are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Those the run is about.
    Call,
    /// Those that come and go beside it.
    Passing,
}

/// All counts.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Of those the run is about.
    pub call: Received,
    /// Of those that come and go.
    pub passing: Received,
    /// What publishers sent.
    pub sent: Sent,
    /// From the kernel having a datagram to our reading it: it is not in any delay.
    pub reading: Histogram,
    /// Packets that could not be opened.
    pub unauthentic: u64,
    /// Packets that are none of ours.
    pub foreign: u64,
}

/// What subscribers received.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Sound.
    pub audio: Lanes,
    /// Pictures.
    pub video: Lanes,
}

/// What subscribers received of a kind.
#[derive(Debug, Clone, Default)]
pub struct Lanes {
    /// Packets.
    pub packets: u64,
    /// Bytes of their UDP payload.
    pub bytes: u64,
    /// Numbers that never came.
    pub lost: u64,
    /// How often numbers were missing when the next came.
    pub gaps: u64,
    /// Packets that came after a later one.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets of the publisher left out without a gap in the numbers.
    pub skipped: u64,
    /// Packets per layer.
    pub layers: [u64; 3],
    /// From the publisher's call to send until the kernel had it for the subscriber.
    pub delay: Histogram,
}

/// What publishers sent and were told.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Bytes of their UDP payload.
    pub bytes: u64,
    /// Packets that the kernel did not take.
    pub failed: u64,
    /// From the planned moment to the sending: what a busy machine adds by itself.
    pub lateness: Histogram,
    /// Keyframes asked of them.
    pub keyframe_requests: u64,
    /// Packets asked of them again.
    pub nacked: u64,
}

impl Statistics {
    /// The counts of a group.
    pub fn of(&mut self, group: Group) -> &mut Received {
        match group {
            Group::Call => &mut self.call,
            Group::Passing => &mut self.passing,
        }
    }
}

impl Received {
    /// Both kinds together.
    pub fn all(&self) -> Lanes {
        let mut all = self.audio.clone();
        all.add(&self.video);
        all
    }
}

impl Lanes {
    /// Counts a packet; `skipped` are those of the publisher that should have come before.
    pub fn count(
        &mut self,
        stamp: Stamp,
        now: u64,
        bytes: usize,
        continuity: Continuity,
        skipped: u32,
    ) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.layers[stamp.lane.layer()] += 1;
        match continuity {
            Continuity::Next => self.skipped += u64::from(skipped),
            Continuity::Gap(missing) => {
                self.gaps += 1;
                self.lost += missing;
                self.skipped += u64::from(skipped).saturating_sub(missing);
            }
            Continuity::Late => {
                self.late += 1;
                // The gap may have been counted before the mark.
                self.lost = self.lost.saturating_sub(1);
            }
            Continuity::Duplicate => self.duplicates += 1,
        }
        self.delay.count(now.saturating_sub(stamp.sent_at));
    }

    /// Adds the counts of others.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.gaps += other.gaps;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.skipped += other.skipped;
        for (own, more) in self.layers.iter_mut().zip(other.layers) {
            *own += more;
        }
        self.delay.merge(&other.delay);
    }

    /// The share of the packets that never came.
    pub fn loss(&self) -> f64 {
        self.lost as f64 / (self.packets + self.lost).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::payload::Lane;

    #[test]
    fn what_the_server_left_out_is_no_loss_on_the_way() {
        let stamp = Stamp {
            publisher: 0,
            lane: Lane::Medium,
            counter: 0,
            sent_at: 1_000,
        };
        let mut lanes = Lanes::default();
        lanes.count(stamp, 3_000, 100, Continuity::Next, 2);
        lanes.count(stamp, 3_000, 100, Continuity::Gap(3), 3);
        lanes.count(stamp, 3_000, 100, Continuity::Late, 0);
        assert_eq!((lanes.lost, lanes.skipped, lanes.layers), (2, 2, [0, 3, 0]));
        assert_eq!(lanes.loss(), 0.4);
        assert_eq!(lanes.delay.max().as_nanos(), 2_000);
    }
}
