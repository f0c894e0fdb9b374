//! Spreads what comes at once over time, for a transport whose link is thin: a keyframe
//! of a large picture would fill its queues, and sound would wait behind it.
//!
//! Packets wait before they are numbered for the transport and sealed, so that estimates
//! do not take the wait for one of the link. Sound never waits. Who is behind is asked
//! for fewer frames by the [forwarder](crate::Fanout) long before anything is refused.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use media::{Bitrate, Codec, Delivery, MediaKind, Outgoing, SeqNo, Timestamp};

use crate::Sink;

/// What waits for one transport.
#[derive(Debug)]
pub struct Pacer {
    rate: Bitrate,
    /// Bytes that may be sent at once; negative after a packet that was larger.
    credit: i64,
    counted_at: Instant,
    /// Resends: somebody waits for them.
    repairs: VecDeque<Waiting>,
    originals: VecDeque<Waiting>,
    bytes: usize,
    /// The frame that did not fit: all of it is refused.
    refused: Option<(Sink, Timestamp)>,
    refusals: u64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// It may be sent now.
    Now,
    /// It waits; see [`Pacer::poll`].
    Later,
    /// Its frame comes too late to be of use, and is left out as a whole.
    Refused,
}

/// A packet that waited.
pub struct Waiting {
    /// Where it goes.
    pub sink: Sink,
    seq: SeqNo,
    timestamp: Timestamp,
    marker: bool,
    delivery: Delivery,
    codec: Codec,
    payload: Vec<u8>,
    dependencies: u8,
}

/// On a link this wide a keyframe passes before anybody waits for it.
const AMPLE: Bitrate = Bitrate::kilobits(5_000);

/// Faster than what is believed to fit on average, so that what waits gets less.
const HASTE: f64 = 1.5;

/// Sent at once after a silence: this much time's worth, and some packets at least.
const BURST: Duration = Duration::from_millis(40);
const LEAST_BURST: u64 = 4_000;

/// What waits longer is of no use.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Whatever the link, not more waits in memory.
const MOST_BYTES: usize = 1 << 20;

/// What a packet takes beside its payload.
const OVERHEAD: usize = 36;

impl Pacer {
    /// A pacer for a link with this `estimate`; `None` if nothing has to wait for it.
    pub fn new(now: Instant, estimate: Bitrate) -> Option<Self> {
        (estimate < AMPLE).then(|| Self {
            rate: estimate.scaled(HASTE),
            credit: LEAST_BURST as i64,
            counted_at: now,
            repairs: VecDeque::new(),
            originals: VecDeque::new(),
            bytes: 0,
            refused: None,
            refusals: 0,
        })
    }

    /// The link is believed to carry `estimate`. Whether that is so much, and so little
    /// waits, that the pacer is of no use any more.
    pub fn set_estimate(&mut self, now: Instant, estimate: Bitrate) -> bool {
        self.earn(now);
        self.rate = estimate.scaled(HASTE);
        estimate >= AMPLE && self.is_empty()
    }

    /// Decides on a packet, and keeps it if it has to wait.
    pub fn admit(&mut self, now: Instant, sink: Sink, packet: &Outgoing<'_>) -> Admission {
        self.earn(now);
        let len = packet.head.len() + packet.body.len();
        let sound = packet.codec.kind() == MediaKind::Audio;
        let cost = (len + OVERHEAD) as i64;
        if sound {
            // It takes what is there, and leaves no debt for pictures to wait for.
            self.credit = (self.credit - cost).max(self.credit.min(0));
            return Admission::Now;
        }
        if self.is_empty() && self.credit > 0 {
            self.credit -= cost;
            return Admission::Now;
        }
        let original = packet.delivery == Delivery::Original;
        let torn = original && self.refused == Some((sink, packet.timestamp));
        if torn || self.backlog() > LONGEST_WAIT || self.bytes + len > MOST_BYTES {
            if original {
                self.refused = Some((sink, packet.timestamp));
            }
            self.refusals += 1;
            return Admission::Refused;
        }
        let mut payload = Vec::with_capacity(len);
        payload.extend_from_slice(packet.head);
        payload.extend_from_slice(packet.body);
        self.bytes += len + OVERHEAD;
        let queue = match packet.delivery {
            Delivery::Original => &mut self.originals,
            Delivery::Repair => &mut self.repairs,
        };
        queue.push_back(Waiting {
            sink,
            seq: packet.seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            delivery: packet.delivery,
            codec: packet.codec,
            payload,
            dependencies: packet.dependencies,
        });
        Admission::Later
    }

    /// The next packet that has waited long enough, which counts as sent.
    pub fn poll(&mut self, now: Instant) -> Option<Waiting> {
        self.earn(now);
        if self.credit <= 0 {
            return None;
        }
        let waiting = self
            .repairs
            .pop_front()
            .or_else(|| self.originals.pop_front())?;
        let len = waiting.payload.len() + OVERHEAD;
        self.bytes -= len;
        self.credit -= len as i64;
        Some(waiting)
    }

    /// When to [`poll`](Self::poll) next.
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let owed = (1 - self.credit).max(0) as u64;
        let wait = owed * 8_000_000 / self.rate.0.max(1) + 1;
        Some(self.counted_at + Duration::from_micros(wait))
    }

    /// How many packets were refused since this was last asked.
    pub fn take_refusals(&mut self) -> u64 {
        std::mem::take(&mut self.refusals)
    }

    /// How long a packet would wait now.
    pub fn backlog(&self) -> Duration {
        Duration::from_micros(self.bytes as u64 * 8_000_000 / self.rate.0.max(1))
    }

    fn is_empty(&self) -> bool {
        self.originals.is_empty() && self.repairs.is_empty()
    }

    fn earn(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.counted_at);
        let earned = self.rate.bytes_in(elapsed);
        if earned == 0 {
            return;
        }
        self.counted_at = now;
        let most = self.rate.bytes_in(BURST).max(LEAST_BURST) as i64;
        self.credit = (self.credit + earned as i64).min(most);
    }
}

impl Waiting {
    /// As it was given.
    pub fn packet(&self) -> Outgoing<'_> {
        Outgoing {
            seq: self.seq,
            timestamp: self.timestamp,
            marker: self.marker,
            delivery: self.delivery,
            codec: self.codec,
            head: &[],
            body: &self.payload,
            padding: 0,
            dependencies: self.dependencies,
            // Sound does not wait.
            repeats: 0,
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.seq, self.delivery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;
    use crate::{SenderKey, TransportKey};

    fn sink(sender: u32) -> Sink {
        Sink {
            transport: TransportKey(1),
            sender: SenderKey(sender),
        }
    }

    fn packet(seq: u16, frame: u32, codec: Codec, delivery: Delivery) -> Outgoing<'static> {
        Outgoing {
            seq: SeqNo(seq),
            timestamp: Timestamp(frame),
            marker: false,
            delivery,
            codec,
            head: &[1; 4],
            body: &[2; 1_160],
            padding: 0,
            dependencies: 0,
            repeats: 0,
        }
    }

    fn video(seq: u16, frame: u32) -> Outgoing<'static> {
        packet(seq, frame, Codec::Vp8, Delivery::Original)
    }

    #[test]
    fn a_keyframe_is_spread_over_time_in_order_and_sound_passes_by() {
        // 1,200 bytes are 16 ms at one and a half times 400 kbit/s.
        let start = start();
        let mut pacer = Pacer::new(start, Bitrate::kilobits(400)).unwrap();
        let mut sent = Vec::new();
        for seq in 0..40 {
            match pacer.admit(start, sink(1), &video(seq, 1)) {
                Admission::Now => sent.push((0, seq)),
                Admission::Later => {}
                Admission::Refused => panic!("it fits"),
            }
        }
        assert_eq!(sent.len(), 4);
        let sound = packet(7, 1, Codec::Opus, Delivery::Original);
        assert_eq!(pacer.admit(start, sink(2), &sound), Admission::Now);
        let lost = packet(3, 1, Codec::Vp8, Delivery::Repair);
        assert_eq!(pacer.admit(start, sink(1), &lost), Admission::Later);
        let mut repaired_at = None;
        while let Some(at) = pacer.deadline() {
            let mut some = false;
            while let Some(waiting) = pacer.poll(at) {
                some = true;
                let packet = waiting.packet();
                assert_eq!(packet.body[..5], [1, 1, 1, 1, 2]);
                let millis = (at - start).as_millis();
                match packet.delivery {
                    Delivery::Original => sent.push((millis, packet.seq.0)),
                    Delivery::Repair => repaired_at = Some(millis),
                }
            }
            assert!(some, "a deadline has its reason");
        }
        assert!(sent.iter().map(|(_, seq)| *seq).eq(0..40), "{sent:?}");
        assert!(repaired_at < Some(sent[4].0.max(60)), "{repaired_at:?}");
        let last = sent.last().unwrap().0;
        assert!((560..=680).contains(&last), "{last} ms");
    }

    #[test]
    fn what_comes_too_late_is_left_out_by_whole_frames() {
        let start = start();
        let mut pacer = Pacer::new(start, Bitrate::kilobits(100)).unwrap();
        let mut admitted = Vec::new();
        for frame in 0..30_u32 {
            let mut passed = 0;
            for part in 0..4 {
                let seq = frame as u16 * 4 + part;
                let admission = pacer.admit(start, sink(1), &video(seq, frame));
                passed += u32::from(admission != Admission::Refused);
            }
            admitted.push(passed);
            assert!(pacer.backlog() < LONGEST_WAIT + Duration::from_millis(200));
        }
        // Only the frame that crosses the line may be torn.
        let torn = admitted.iter().filter(|passed| ![0, 4].contains(*passed));
        assert!(torn.count() <= 1, "{admitted:?}");
        assert_eq!(admitted.last(), Some(&0));
    }

    #[test]
    fn sound_alone_does_not_keep_pictures_waiting_for_ever() {
        let start = start();
        let mut pacer = Pacer::new(start, Bitrate::kilobits(60)).unwrap();
        for seq in 0..20 {
            pacer.admit(start, sink(1), &video(seq, 1));
        }
        let mut released = 0;
        for step in 0..4_000_u64 {
            let now = start + Duration::from_millis(step);
            if step % 20 == 0 {
                // Far more than the link is believed to carry.
                let sound = packet(7, 1, Codec::Opus, Delivery::Original);
                assert_eq!(pacer.admit(now, sink(2), &sound), Admission::Now);
            }
            released += usize::from(pacer.poll(now).is_some());
        }
        assert!(released >= 10, "{released}");
    }

    #[test]
    fn wide_links_have_no_pacer() {
        let start = start();
        assert!(Pacer::new(start, AMPLE).is_none());
        let mut pacer = Pacer::new(start, Bitrate::kilobits(300)).unwrap();
        assert!(!pacer.set_estimate(start, Bitrate::kilobits(4_000)));
        assert!(pacer.set_estimate(start, AMPLE));
        for seq in 0..10 {
            pacer.admit(start, sink(1), &video(seq, 1));
        }
        assert!(!pacer.set_estimate(start, AMPLE), "while something waits");
    }
}
