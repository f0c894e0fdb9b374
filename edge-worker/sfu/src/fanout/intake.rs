//! One layer of a published track as it arrives: numbered, checked, kept for repair,
//! and reported on to its publisher.

use std::time::{Duration, Instant};

use media::{
    Codec, Delivery, Dependencies, MediaKind, Nack, NtpTime, Packet, Rtcp, SenderReport, Ssrc,
};

use crate::cache::Cache;
use crate::keyframes::KeyframeRequests;
use crate::reception::{Gap, Reception};
use crate::reports::Clock;

use super::arrival::{Arrival, Marks};
use super::drops::DropReason;
use super::meter::{Meter, Rates};
use super::sequence::{Order, Pictures, Sequence};
use super::strata::Strata;

/// The arrival of one layer.
#[derive(Debug)]
pub(crate) struct Intake {
    kind: MediaKind,
    ssrc: Ssrc,
    sequence: Sequence,
    pictures: Pictures,
    cache: Cache,
    reception: Reception,
    keyframes: KeyframeRequests,
    clock: Option<Clock>,
    presence: Presence,
    /// When the newest packet came, empty or not.
    arrived_at: Instant,
    meter: Meter,
    /// That ended since they were taken last.
    frames: u64,
    /// Of a stream that has several layers.
    strata: Option<Box<Strata>>,
    /// What AV1 told of its layers.
    dependencies: Option<Box<Dependencies>>,
}

/// Whether anybody would show a keyframe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Audience {
    /// Nobody wants the layer.
    Nobody,
    /// Somebody does.
    Somebody,
}

/// When something was last heard of a layer.
#[derive(Debug)]
struct Presence {
    heard_at: Instant,
    /// Frames of other layers since.
    frames_elsewhere: u32,
}

impl Intake {
    pub(crate) fn new(kind: MediaKind, now: Instant, packet: &Packet<'_>) -> Self {
        let first = Sequence::default()
            .place(packet.seq)
            .expect("the first number is far from no other");
        Self {
            kind,
            ssrc: packet.ssrc,
            sequence: Sequence::default(),
            pictures: Pictures::default(),
            cache: Cache::new(kind),
            reception: Reception::new(kind, now, first),
            keyframes: KeyframeRequests::default(),
            clock: None,
            presence: Presence {
                heard_at: now,
                frames_elsewhere: 0,
            },
            arrived_at: now,
            meter: Meter::new(now),
            frames: 0,
            strata: None,
            dependencies: None,
        }
    }

    /// Takes a packet in.
    pub(crate) fn accept<'a>(
        &mut self,
        now: Instant,
        packet: &Packet<'a>,
    ) -> Result<(Arrival<'a>, Order), DropReason> {
        let payload = packet.payload;
        if payload.len() > Cache::MAX_PAYLOAD {
            return Err(DropReason::Oversized);
        }
        let marks = Marks::read(packet).ok_or(DropReason::Malformed)?;
        self.follow_ssrc(packet)?;
        let before = self.sequence.newest();
        let pause = now.saturating_duration_since(self.arrived_at);
        let number = if pause < PAUSE || packet.delivery == Delivery::Repair {
            self.sequence.place(packet.seq)
        } else {
            self.sequence.place_after_pause(packet.seq)
        };
        let number = number.ok_or(DropReason::Stray)?;
        self.arrived_at = now;
        if self.cache.has_seen(number) {
            return Err(DropReason::Duplicate);
        }
        let order = match before {
            Some(newest) if number <= newest => Order::Late,
            Some(newest) if number - newest > RESTART => {
                self.reception = Reception::new(self.kind, now, number);
                Order::Next
            }
            Some(_) | None => Order::Next,
        };
        let mut arrival = Arrival {
            number,
            marks,
            payload,
        };
        if let Err(reason) = self.mark(&mut arrival, order) {
            self.unread(now, number, order);
            return Err(reason);
        }
        self.cache.insert(&arrival);
        self.observe(now, &arrival, order, packet.delivery);
        Ok((arrival, order))
    }

    /// Notes a report of the publisher.
    pub(crate) fn told(&mut self, now: Instant, report: &SenderReport) {
        // RFC 3550 section 6.4.1: of somebody without a clock. Kept, it would tear the
        // layers apart whose reports have one.
        if report.ntp != NtpTime(0) {
            self.clock = Some(Clock::new(now, report));
        }
        self.reception.told(now, report);
    }

    /// Somebody needs a keyframe.
    pub(crate) fn want_keyframe(&mut self) {
        if self.kind == MediaKind::Video {
            self.keyframes.want();
        }
    }

    /// A frame of another layer came.
    pub(crate) fn frame_elsewhere(&mut self) {
        self.presence.frames_elsewhere = self.presence.frames_elsewhere.saturating_add(1);
    }

    /// What is to be told to the publisher now.
    pub(crate) fn poll(&mut self, now: Instant, audience: Audience) -> Option<Rtcp> {
        let ssrc = self.ssrc;
        let due = self.reception.poll_missing(now);
        if due.given_up > 0 {
            self.want_keyframe();
        }
        if !due.ask.is_empty() {
            let lost = due.ask;
            return Some(Rtcp::Nack(Nack { ssrc, lost }));
        }
        if audience == Audience::Nobody {
            self.keyframes.forget();
        }
        if self.keyframes.poll(now) {
            return Some(Rtcp::KeyframeRequest { ssrc });
        }
        let report = self.reception.poll_report(now, ssrc)?;
        Some(Rtcp::ReceptionReport(report))
    }

    /// When to [`poll`](Self::poll) next.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        [self.reception.deadline(), self.keyframes.due_at(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// The layers that are sent inside it, if it has several.
    pub(super) fn strata(&self) -> Option<&Strata> {
        self.strata.as_deref()
    }

    /// What it takes at each frame rate, once that is known.
    pub(crate) fn rates(&self) -> Option<Rates> {
        self.meter.rates()
    }

    /// The publisher's name of it.
    pub(crate) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// How its packets came since this was asked last; see [`Reception::take_counts`].
    pub(crate) fn take_counts(&mut self) -> (u64, u64, u32) {
        self.reception.take_counts()
    }

    /// Bytes that came since this was asked last.
    pub(crate) fn take_bytes(&mut self) -> u64 {
        self.meter.take_bytes()
    }

    /// Frames that came since this was asked last.
    pub(crate) fn take_frames(&mut self) -> u64 {
        std::mem::take(&mut self.frames)
    }

    /// The newest packet's number.
    pub(crate) fn newest(&self) -> u64 {
        self.sequence.newest().unwrap_or(0)
    }

    /// A packet that came, if it is still kept.
    pub(crate) fn cached(&self, number: u64) -> Option<Arrival<'_>> {
        self.cache.get(number)
    }

    /// The publisher's clock, if it was told.
    pub(crate) fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    /// Others go on and this one does not: browsers stop upper layers without a word.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.presence.frames_elsewhere >= SILENT_FRAMES
            && now.saturating_duration_since(self.presence.heard_at) >= SILENCE
    }

    /// Whether anything came within `time`.
    pub(crate) fn heard_within(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.presence.heard_at) <= time
    }

    /// A layer whose SSRC changes begins anew; repairs of the old one are of no use.
    fn follow_ssrc(&mut self, packet: &Packet<'_>) -> Result<(), DropReason> {
        if packet.ssrc == self.ssrc {
            return Ok(());
        }
        if packet.delivery == Delivery::Repair {
            return Err(DropReason::Stray);
        }
        self.ssrc = packet.ssrc;
        self.clock = None;
        self.sequence.restart();
        Ok(())
    }

    fn mark(&mut self, arrival: &mut Arrival<'_>, order: Order) -> Result<(), DropReason> {
        if let Some(vp8) = &mut arrival.marks.vp8 {
            vp8.picture = self.pictures.place(&vp8.descriptor, arrival.payload, order);
        }
        if arrival.marks.codec == Codec::H264 && arrival.marks.entry {
            arrival.marks.entry = self.begins_frame(arrival);
        }
        if arrival.marks.dependencies > 0 {
            let descriptor = &arrival.payload[..usize::from(arrival.marks.dependencies)];
            let known = self.dependencies.get_or_insert_default();
            let frame = known.read(descriptor).ok_or(DropReason::Malformed)?;
            arrival.marks.entry = frame.keyframe;
            arrival.marks.layered = Some(frame);
        }
        Ok(())
    }

    /// A packet came that cannot be read: what tells how to may have been lost before it.
    fn unread(&mut self, now: Instant, number: u64, order: Order) {
        if order == Order::Late {
            return;
        }
        if self.dependencies.as_ref().is_none_or(|it| it.is_empty()) {
            // It was lost before anything that could tell so.
            self.reception = Reception::new(self.kind, now, number + 1);
            self.want_keyframe();
        } else if self.reception.unread(now, number) == Gap::TooWide {
            self.want_keyframe();
        }
    }

    /// H.264 has no mark for the start of a frame: what was before tells, or the
    /// parameter sets that browsers send ahead of each keyframe.
    fn begins_frame(&self, arrival: &Arrival<'_>) -> bool {
        const SPS: u8 = 7;
        const STAP_A: u8 = 24;
        match self.cache.get(arrival.number - 1) {
            Some(before) => before.marks.timestamp != arrival.marks.timestamp,
            None => matches!(arrival.payload[0] & 0x1f, SPS | STAP_A),
        }
    }

    fn observe(&mut self, now: Instant, arrival: &Arrival<'_>, order: Order, delivery: Delivery) {
        if self.reception.received(now, arrival.number, delivery) == Gap::TooWide {
            self.want_keyframe();
        }
        if arrival.marks.entry {
            self.keyframes.arrived();
        }
        if arrival.payload.is_empty() {
            return;
        }
        self.presence = Presence {
            heard_at: now,
            frames_elsewhere: 0,
        };
        self.frames += u64::from(arrival.marks.ends_frame());
        let bytes = arrival.payload.len();
        let vp8 = arrival.marks.vp8.as_ref();
        let mut temporal = vp8.and_then(|vp8| vp8.descriptor.temporal_layer);
        if let Some(frame) = &arrival.marks.layered {
            temporal = Some(frame.temporal);
            self.strata
                .get_or_insert_with(|| Box::new(Strata::new()))
                .count(now, frame, bytes);
        }
        self.meter.count(now, temporal.unwrap_or(0), bytes);
        if order == Order::Next {
            let rate = arrival.marks.codec.clock_rate();
            self.reception.timed(now, arrival.marks.timestamp, rate);
        }
    }
}

/// A wider jump comes from a new start, not from loss.
const RESTART: u64 = 1 << 14;

/// No packet is that late. What a link did not carry meanwhile is not counted by it.
const PAUSE: Duration = Duration::from_secs(2);

/// Longer than a frame at the lowest rate browsers encode a camera at, and less than a
/// viewer takes for a broken call ...
const SILENCE: Duration = Duration::from_millis(500);
/// ... but slow screens send a frame now and then on all layers.
const SILENT_FRAMES: u32 = 3;
