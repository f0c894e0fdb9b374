//! A subscriber that asks for what it misses, and checks that what it got is one
//! unbroken stream of whole frames.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use media::{
    Codec, Delivery, Nack, Outgoing, ReceptionReport, Rtcp, SenderReport, SeqNo, SeqUnwrapper,
    Ssrc, Timestamp, Vp8Descriptor,
};

/// One packet on the subscriber's wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Got {
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) delivery: Delivery,
    pub(crate) codec: Codec,
    pub(crate) payload: Vec<u8>,
    pub(crate) dependencies: u8,
    pub(crate) repeats: u8,
}

impl Got {
    pub(crate) fn new(packet: &Outgoing<'_>) -> Self {
        Self {
            seq: packet.seq.0,
            timestamp: packet.timestamp.0,
            marker: packet.marker,
            delivery: packet.delivery,
            codec: packet.codec,
            payload: [packet.head, packet.body].concat(),
            dependencies: packet.dependencies,
            repeats: packet.repeats,
        }
    }

    /// Whether it is sound that no publisher of these tests makes.
    pub(crate) fn is_silence(&self) -> bool {
        self.codec == Codec::Opus && self.payload.starts_with(&[0xf8, 0xff, 0xfe])
    }

    /// Whether it is a picture that no publisher of these tests makes.
    pub(crate) fn is_black(&self) -> bool {
        !self.payload.is_empty() && self.payload.len() < SMALLEST
    }
}

#[derive(Debug, Default)]
pub(crate) struct Subscriber {
    unwrapper: SeqUnwrapper,
    pub(crate) got: BTreeMap<u64, Got>,
    pub(crate) arrived_at: BTreeMap<u64, Instant>,
    originals: BTreeSet<u64>,
    missing: BTreeMap<u64, Asked>,
    pub(crate) reports: Vec<(Instant, SenderReport)>,
    told_at: Option<Instant>,
    pub(crate) repairs: usize,
    /// Watches, and asks for a keyframe where nothing can be shown.
    pub(crate) watches: bool,
    /// Was paused or muted, which cuts frames.
    pub(crate) was_cut: bool,
}

#[derive(Debug)]
struct Asked {
    next_at: Instant,
    tries: u32,
}

/// What a viewer saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) expected: usize,
    pub(crate) lost: usize,
    pub(crate) frames: usize,
    /// Of them, decodable ones.
    pub(crate) shown: usize,
    /// Of those, black ones.
    pub(crate) black: usize,
    /// The layers shown, in order, without repetitions; with the time of their first packet.
    pub(crate) layers: Vec<(u8, Instant)>,
    /// The longest time between the first packets of frames shown.
    pub(crate) longest_pause: Duration,
    shown_at: Option<Instant>,
}

impl Subscriber {
    pub(crate) fn receive(&mut self, now: Instant, got: Got) {
        let newest = self.unwrapper.highest();
        let number = self.unwrapper.unwrap(SeqNo(got.seq));
        if let Some(newest) = newest {
            for number in newest + 1..number {
                let asked = Asked {
                    next_at: now + Duration::from_millis(10),
                    tries: 0,
                };
                self.missing.insert(number, asked);
            }
        }
        self.missing.remove(&number);
        match got.delivery {
            Delivery::Original => assert!(self.originals.insert(number), "{number} is used twice"),
            Delivery::Repair => self.repairs += 1,
        }
        self.arrived_at.entry(number).or_insert(now);
        match self.got.get(&number) {
            None => {
                self.got.insert(number, got);
            }
            Some(before) => {
                assert_eq!(
                    (before.timestamp, before.marker, &before.payload),
                    (got.timestamp, got.marker, &got.payload),
                    "the repair of {number} is the same packet"
                );
            }
        }
    }

    /// What it tells the forwarder.
    pub(crate) fn feedback(&mut self, now: Instant, ssrc: Ssrc) -> Vec<Rtcp> {
        let mut told = Vec::new();
        let mut lost = Vec::new();
        self.missing.retain(|number, asked| {
            if asked.next_at > now {
                return true;
            }
            asked.tries += 1;
            asked.next_at = now + Duration::from_millis(50);
            lost.push(SeqNo(*number as u16));
            asked.tries <= 12
        });
        if !lost.is_empty() {
            told.push(Rtcp::Nack(Nack { ssrc, lost }));
        }
        if self
            .told_at
            .is_none_or(|at| at + Duration::from_secs(1) <= now)
        {
            self.told_at = Some(now);
            told.push(Rtcp::ReceptionReport(self.reception(now, ssrc)));
            if self.watches && self.is_stuck(now) {
                told.push(Rtcp::KeyframeRequest { ssrc });
            }
        }
        told
    }

    fn is_stuck(&self, now: Instant) -> bool {
        let recent = |at: &Instant| now - *at < Duration::from_millis(400);
        let receives = self
            .arrived_at
            .last_key_value()
            .is_some_and(|(_, at)| recent(at));
        receives && !self.check().shown_at.as_ref().is_some_and(recent)
    }

    fn reception(&self, now: Instant, ssrc: Ssrc) -> ReceptionReport {
        let last = self.reports.last();
        ReceptionReport {
            ssrc,
            last_sender_report: last.map_or(0, |(_, report)| report.ntp.middle()),
            delay_since: last.map_or(0, |(at, _)| {
                ((now - *at).as_micros() * 65_536 / 1_000_000) as u32
            }),
            ..ReceptionReport::default()
        }
    }

    /// Checks everything received, as video.
    pub(crate) fn check(&self) -> Seen {
        let mut seen = Seen::default();
        let mut frames: Vec<Frame<'_>> = Vec::new();
        for (number, got) in self.got.iter().filter(|(_, got)| !got.payload.is_empty()) {
            match frames.last_mut() {
                Some(frame) if frame.timestamp == got.timestamp => {
                    frame.packets.push((*number, got))
                }
                _ => frames.push(Frame {
                    timestamp: got.timestamp,
                    packets: vec![(*number, got)],
                }),
            }
        }
        let mut before: Option<Marks> = None;
        let mut decodes = false;
        for frame in &frames {
            let whole = self.is_whole(frame);
            let marks = Marks::of(frame.packets[0].1);
            for (_, got) in &frame.packets {
                let other = Marks::of(got);
                assert_eq!(
                    (other.layer, other.frame, other.picture, other.tl0),
                    (marks.layer, marks.frame, marks.picture, marks.tl0),
                    "packets of one frame are of one frame"
                );
            }
            if let Some(before) = &before {
                self.check_order(before, &marks, frame);
            } else {
                assert!(!whole || marks.keyframe, "the first frame is a keyframe");
            }
            decodes = whole && (marks.keyframe || decodes);
            if seen.frames == 0 && decodes {
                // Nobody can ask for what was lost before the first packet.
                (seen.expected, seen.lost) = self.count_from(frame.packets[0].0);
            }
            seen.frames += usize::from(decodes || seen.frames > 0);
            seen.shown += usize::from(decodes);
            seen.black += usize::from(marks.layer == BLACK);
            if decodes && marks.layer != BLACK {
                let at = self.arrived_at[&frame.packets[0].0];
                if let Some(shown_at) = seen.shown_at {
                    seen.longest_pause = seen
                        .longest_pause
                        .max(at.saturating_duration_since(shown_at));
                }
                seen.shown_at = Some(at);
                if seen
                    .layers
                    .last()
                    .is_none_or(|(layer, _)| *layer != marks.layer)
                {
                    seen.layers.push((marks.layer, at));
                }
            }
            before = Some(Marks {
                timestamp: frame.timestamp,
                ..marks
            });
        }
        seen
    }

    /// How many packets there should be from `first` on, and how many are missing.
    fn count_from(&self, first: u64) -> (usize, usize) {
        let last = *self.got.last_key_value().expect("something came").0;
        let expected = (last - first + 1) as usize;
        (expected, expected - self.got.range(first..).count())
    }

    /// Whether all packets of the frame are there, by what the publisher put into them.
    fn is_whole(&self, frame: &Frame<'_>) -> bool {
        if let [(_, got)] = frame.packets[..]
            && got.is_black()
        {
            return got.marker;
        }
        let count = usize::from(frame.packets[0].1.payload[9]);
        let indexes = frame
            .packets
            .iter()
            .map(|(_, got)| usize::from(got.payload[8]));
        let whole = indexes.eq(0..count);
        let first = frame.packets[0].0;
        let contiguous = frame
            .packets
            .iter()
            .enumerate()
            .all(|(index, (number, _))| *number == first + index as u64);
        if whole && contiguous {
            let markers = frame.packets.iter().filter(|(_, got)| got.marker).count();
            assert_eq!(markers, 1);
            assert!(frame.packets.last().expect("frames have packets").1.marker);
            return true;
        }
        // Only loss excuses: a number missing inside, before or after.
        let last = frame.packets.last().expect("frames have packets").0;
        let excused = (first - 1..=last + 1).any(|number| !self.got.contains_key(&number));
        assert!(
            excused || self.was_cut,
            "a broken frame at {first}..={last} without a loss"
        );
        false
    }

    fn check_order(&self, before: &Marks, marks: &Marks, frame: &Frame<'_>) {
        let ahead = Timestamp(marks.timestamp).distance(Timestamp(before.timestamp));
        assert!(ahead > 0, "timestamps go forward, not {ahead}");
        let first = frame.packets[0].0;
        let all_here = self.got.contains_key(&(first - 1));
        if marks.layer != before.layer && all_here {
            assert!(marks.keyframe, "layers change at keyframes");
        }
        if all_here {
            assert_eq!(
                marks.picture,
                (before.picture + 1) & 0x7fff,
                "picture ids run on"
            );
            let expected = before.tl0.wrapping_add(u8::from(marks.temporal == 0));
            assert_eq!(marks.tl0, expected, "base layer frames are counted on");
        }
    }
}

/// Of what the publisher sends.
const SMALLEST: usize = 600;

/// Stands for a layer.
const BLACK: u8 = u8::MAX;

struct Frame<'a> {
    timestamp: u32,
    packets: Vec<(u64, &'a Got)>,
}

/// What the publisher and the rewriting put into a packet.
#[derive(Debug)]
struct Marks {
    timestamp: u32,
    layer: u8,
    frame: u32,
    keyframe: bool,
    picture: u16,
    tl0: u8,
    temporal: u8,
}

impl Marks {
    fn of(got: &Got) -> Self {
        let descriptor = Vp8Descriptor::parse(&got.payload).expect("a whole descriptor");
        let is_black = got.is_black();
        Self {
            timestamp: got.timestamp,
            layer: if is_black { BLACK } else { got.payload[7] },
            frame: u32::from_be_bytes(got.payload[10..14].try_into().expect("four bytes")),
            keyframe: got.payload[6] & 1 == 0,
            picture: descriptor.picture_id.expect("numbered"),
            tl0: descriptor.tl0_picture_index.expect("counted"),
            temporal: descriptor.temporal_layer.expect("layered"),
        }
    }
}
