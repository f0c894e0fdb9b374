//! Makes the packets picked from several layers look like one stream: sequence numbers,
//! timestamps and picture numbers run on across switches and pauses, those of VP8 also
//! across frames left out.
//!
//! Which packets are picked is left to [`select`](crate::select).

mod numbering;
mod red;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media::{Codec, Head, Layer, LayerFrame, SeqNo, Timestamp, Vp8Descriptor};

use crate::fanout::{Arrival, Vp8Marks};
use crate::reports::ticks;
use crate::select::Entry;

use numbering::Numbering;
pub(crate) use red::{Repetition, primary};

/// The numbers of one subscriber's stream.
#[derive(Debug)]
pub(crate) struct Rewrite {
    /// Ticks per second of the media clock.
    rate: u32,
    packets: Numbering,
    pictures: Numbering,
    /// Oldest first.
    segments: VecDeque<Segment>,
    form: Option<Form>,
    last: Option<Last>,
}

/// What the packets of the publisher look like.
#[derive(Clone, Copy, Debug)]
struct Form {
    codec: Codec,
    vp8: Option<Vp8Descriptor>,
}

/// What was played of one layer without a switch.
#[derive(Debug)]
struct Segment {
    layer: Layer,
    /// Its first output number.
    output: u64,
    /// Added to timestamps.
    timestamps: u32,
    /// Added to VP8's and VP9's counter of base layer frames.
    tl0: u8,
    /// Added to the numbers of pictures, where differences between them tell what depends
    /// on what.
    pictures: u16,
    /// The publisher's timestamp of its newest frame.
    newest: Timestamp,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Playing,
    /// Newer frames are not part of it.
    Ended,
}

/// The newest packet sent.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: Instant,
    timestamp: Timestamp,
    /// So many ticks later something else can follow.
    length: u32,
    tl0: u8,
    /// Of its picture, where that is [added to](Segment::pictures).
    picture: Option<u16>,
}

/// The numbers one packet gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Numbers {
    /// The sequence number before it wraps.
    pub(crate) output: u64,
    pub(crate) timestamp: Timestamp,
    /// Replaces the beginning of the payload.
    pub(crate) head: Option<Head>,
}

/// A packet that comes after newer ones, or once more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OutOfOrder {
    /// It is part of what is being played.
    Packet(Numbers),
    /// It has a number, but is not wanted: an empty packet fills its place.
    Filler(Numbers),
}

impl Rewrite {
    pub(crate) fn new(rate: u32) -> Self {
        Self {
            rate,
            packets: Numbering::default(),
            pictures: Numbering::default(),
            segments: VecDeque::with_capacity(MAX_SEGMENTS),
            form: None,
            last: None,
        }
    }

    /// Goes on at `entry`, whose first packet is `packet`. `aligned` is what its timestamp
    /// would be on the layer played before, if the publisher told both clocks.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        entry: Entry,
        packet: &Arrival<'_>,
        align: impl FnOnce(Layer, Timestamp) -> Option<Timestamp>,
    ) {
        if let Some(end) = entry.old_layer_ends {
            self.packets.leave_open(end);
        }
        self.packets.begin(entry.layer, entry.number);
        let timestamps = self.timestamp_shift(now, entry.layer, packet.marks.timestamp, align);
        let mut tl0 = 0;
        if let Some(vp8) = &packet.marks.vp8 {
            if let Some(picture) = vp8.picture {
                self.pictures.begin(entry.layer, picture);
            }
            if let (Some(index), Some(last)) = (vp8.descriptor.tl0_picture_index, self.last) {
                tl0 = last.tl0.wrapping_add(1).wrapping_sub(index);
            }
        }
        let mut pictures = 0_u16;
        if let (Some(frame), Some(last)) = (&packet.marks.layered, self.last) {
            if let (Some(first), Some(newest)) = (frame.number, last.picture) {
                pictures = newest.wrapping_add(1).wrapping_sub(first);
            }
            if let Some(index) = frame.base_index {
                tl0 = last.tl0.wrapping_add(1).wrapping_sub(index);
            }
        }
        self.form = Some(Form {
            codec: packet.marks.codec,
            vp8: packet.marks.vp8.map(|vp8| vp8.descriptor),
        });
        if let Some(old) = self.segments.back_mut() {
            old.state = State::Ended;
        }
        if self.segments.len() == MAX_SEGMENTS {
            self.segments.pop_front();
        }
        self.segments.push_back(Segment {
            layer: entry.layer,
            output: self.packets.next(),
            timestamps,
            tl0,
            pictures,
            newest: packet.marks.timestamp,
            state: State::Playing,
        });
    }

    /// Numbers the next packet in order.
    pub(crate) fn take(&mut self, now: Instant, packet: &Arrival<'_>) -> Numbers {
        let output = self.packets.take(packet.number);
        let segment = self
            .segments
            .back_mut()
            .expect("packets follow a beginning");
        segment.newest = packet.marks.timestamp;
        let timestamp = packet.marks.timestamp.plus(segment.timestamps);
        let (layer, tl0) = (segment.layer, segment.tl0);
        let mut sent_tl0 = self.last.map_or(0, |last| last.tl0);
        let mut sent_picture = self.last.and_then(|last| last.picture);
        let mut head = None;
        if let Some(frame) = &packet.marks.layered {
            head = Some(segment.renumbered(frame, packet.payload));
            if let Some(index) = frame.base_index {
                sent_tl0 = index.wrapping_add(tl0);
            }
            if let Some(number) = frame.number {
                sent_picture = Some(number.wrapping_add(segment.pictures));
            }
        }
        let vp8 = packet.marks.vp8.as_ref().map(|vp8| {
            let index = vp8
                .descriptor
                .tl0_picture_index
                .unwrap_or(0)
                .wrapping_add(tl0);
            sent_tl0 = index;
            let picture = self.take_picture(layer, vp8).unwrap_or(0);
            vp8.descriptor
                .rewritten(packet.payload, picture as u16, index)
        });
        self.last = Some(Last {
            at: now,
            timestamp,
            length: 1,
            tl0: sent_tl0,
            picture: sent_picture,
        });
        Numbers {
            output,
            timestamp,
            head: head.or(vp8),
        }
    }

    /// Numbers a frame of our own, which is taken at `at`, is a keyframe in one packet and
    /// lasts for `length`. The publisher's go on after a [beginning](Self::begin).
    pub(crate) fn insert(&mut self, at: Instant, length: Duration) -> Option<Numbers> {
        let (form, last) = (self.form?, self.last?);
        if let Some(segment) = self.segments.back_mut() {
            segment.state = State::Ended;
        }
        let elapsed = ticks(at.saturating_duration_since(last.at), self.rate) as u32;
        let timestamp = last.timestamp.plus(elapsed.max(last.length));
        let tl0 = last.tl0.wrapping_add(1);
        let head = form.vp8.map(|vp8| {
            let picture = vp8.picture_id.map_or(0, |_| self.pictures.insert());
            vp8.of_keyframe(picture as u16, tl0)
        });
        self.last = Some(Last {
            at,
            timestamp,
            length: ticks(length, self.rate) as u32,
            tl0,
            picture: last.picture,
        });
        Some(Numbers {
            output: self.packets.insert(),
            timestamp,
            head,
        })
    }

    /// When something was sent last, and what the publisher encodes with; `None` until then.
    pub(crate) fn newest(&self) -> Option<(Instant, Codec)> {
        Some((self.last?.at, self.form?.codec))
    }

    /// Leaves the next packet in order out.
    pub(crate) fn skip(&mut self, packet: &Arrival<'_>) {
        self.packets.skip(packet.number);
        let picture = packet.marks.vp8.and_then(|vp8| vp8.picture);
        if let Some(picture) = picture.filter(|picture| *picture > self.pictures.newest()) {
            self.pictures.skip(picture);
        }
    }

    /// The sequence number that the next packet in order would get.
    pub(crate) fn peek(&self, number: u64) -> u64 {
        self.packets.peek(number)
    }

    /// Whether the next packet in order belongs to a picture that was decided on: it was
    /// taken, or left out.
    pub(crate) fn decided(&self, vp8: &Vp8Marks) -> Option<Taken> {
        let picture = vp8.picture?;
        if picture > self.pictures.newest() {
            return None;
        }
        let layer = self.segments.back()?.layer;
        Some(match self.pictures.find(layer, picture) {
            Some(_) => Taken::Yes,
            None => Taken::No,
        })
    }

    /// The numbers of a packet that is not the next in order, if one was left open for it.
    pub(crate) fn place(&self, layer: Layer, packet: &Arrival<'_>) -> Option<OutOfOrder> {
        let output = self.packets.find(layer, packet.number)?;
        let segment = self
            .segments
            .iter()
            .rfind(|segment| segment.output <= output)?;
        let playing = segment.state == State::Playing;
        let after_the_end = !playing && packet.marks.timestamp.distance(segment.newest) > 0;
        let mut numbers = Numbers {
            output,
            timestamp: packet.marks.timestamp.plus(segment.timestamps),
            head: None,
        };
        if after_the_end || packet.payload.is_empty() {
            return Some(OutOfOrder::Filler(numbers));
        }
        if let Some(frame) = &packet.marks.layered {
            numbers.head = Some(segment.renumbered(frame, packet.payload));
        }
        if let Some(vp8) = &packet.marks.vp8 {
            let picture = match vp8.picture {
                None => 0,
                // Not one packet of it came in order: its number is the one it will have.
                Some(picture) if playing && picture > self.pictures.newest() => {
                    self.pictures.peek(picture)
                }
                Some(picture) => match self.pictures.find(layer, picture) {
                    None => return Some(OutOfOrder::Filler(numbers)),
                    Some(picture) => picture,
                },
            };
            let index = vp8.descriptor.tl0_picture_index.unwrap_or(0);
            let index = index.wrapping_add(segment.tl0);
            let head = vp8
                .descriptor
                .rewritten(packet.payload, picture as u16, index);
            numbers.head = Some(head);
        }
        Some(OutOfOrder::Packet(numbers))
    }

    /// Which packet was sent as `seq`.
    pub(crate) fn origin(&self, seq: SeqNo) -> Option<(Layer, u64)> {
        let newest = self.packets.next().checked_sub(1)?;
        let behind = (newest as u16).wrapping_sub(seq.0);
        self.packets.origin(newest.checked_sub(u64::from(behind))?)
    }

    /// How far timestamps are ahead of the publisher's on the layer played.
    pub(crate) fn shift(&self) -> u32 {
        self.segments.back().map_or(0, |segment| segment.timestamps)
    }

    fn take_picture(&mut self, layer: Layer, vp8: &Vp8Marks) -> Option<u64> {
        let picture = vp8.picture?;
        let newest = self.pictures.newest();
        if picture <= newest {
            return self.pictures.find(layer, picture);
        }
        // An encoder began anew, or pictures began to be numbered at all.
        if picture > newest + MAX_PICTURE_GAP {
            self.pictures.begin(layer, picture);
        }
        Some(self.pictures.take(picture))
    }

    fn timestamp_shift(
        &self,
        now: Instant,
        layer: Layer,
        timestamp: Timestamp,
        align: impl FnOnce(Layer, Timestamp) -> Option<Timestamp>,
    ) -> u32 {
        let (Some(last), Some(segment)) = (self.last, self.segments.back()) else {
            return 0;
        };
        let elapsed = ticks(now.saturating_duration_since(last.at), self.rate);
        let expected = last.timestamp.plus(elapsed as u32);
        let told = if segment.layer == layer {
            Some(timestamp)
        } else {
            align(segment.layer, timestamp)
        };
        let off = told
            .map(|told| told.plus(segment.timestamps).distance(expected))
            .filter(|off| off.unsigned_abs() <= self.rate)
            .unwrap_or(0);
        let next = if elapsed as i64 + i64::from(off) >= i64::from(last.length) {
            expected.plus(off as u32)
        } else {
            last.timestamp.plus(last.length)
        };
        next.0.wrapping_sub(timestamp.0)
    }
}

impl Segment {
    /// The beginning of a payload with the numbers of this segment.
    fn renumbered(&self, frame: &LayerFrame, payload: &[u8]) -> Head {
        let index = frame.base_index.unwrap_or(0).wrapping_add(self.tl0);
        frame.renumbered(payload, self.pictures, index)
    }
}

/// Whether a picture is part of what is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    Yes,
    No,
}

/// Resends reach back a few seconds; nobody changes layers more often than this then.
const MAX_SEGMENTS: usize = 16;

/// As many pictures are never lost in a row: half a minute of them.
const MAX_PICTURE_GAP: u64 = 1024;
