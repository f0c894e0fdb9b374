//! One subscription of a track: decides on each packet, numbers it, sends it, and
//! answers what the subscriber reports.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{
    Codec, CodecSet, Delivery, Layer, LayerFrame, MediaKind, Nack, Outgoing, ReceptionReport, Rtcp,
    SeqNo, Ssrc,
};

use crate::reports::SenderReports;
use crate::rewrite::{Numbers, OutOfOrder, Repetition, Rewrite, Taken, primary};
use crate::select::{Decision, Entry, LayerSet, Part, Scalable, Simulcast, Temporal};
use crate::{Outlet, Sink, SubscriptionKey};

use super::arrival::Arrival;
use super::drops::{DropCounts, DropReason};
use super::ending::{Ending, Frame};
use super::intake::Intake;
use super::repairs::Repairs;
use super::repeats::{Losses, Repeats, Wrapping};
use super::{Binding, Hearing, Layering, Wish};

/// The layers of a track that have been heard of.
pub(crate) type Intakes = [Option<Box<Intake>>; Layer::COUNT];

/// What forwarders share while they work.
#[derive(Debug)]
pub(crate) struct Passage<'a, O> {
    pub(crate) now: Instant,
    pub(crate) intakes: &'a Intakes,
    pub(crate) drops: &'a mut DropCounts,
    pub(crate) out: &'a mut O,
}

/// Decides and renumbers for one subscription.
#[derive(Debug)]
pub(crate) struct Forwarder {
    pub(crate) subscription: SubscriptionKey,
    sink: Sink,
    ssrc: Ssrc,
    codecs: CodecSet,
    rate: u32,
    wish: Wish,
    layering: Layering,
    simulcast: Simulcast,
    temporal: Temporal,
    /// Of one stream with several layers, what to play of the living ones ...
    reach: Layer,
    /// ... and how far that has come.
    scalable: Scalable,
    rewrite: Rewrite,
    reports: SenderReports,
    repairs: Repairs,
    pub(super) ending: Ending,
    subscriber: Subscriber,
    pub(super) hearing: Hearing,
    pub(super) repeats: Repeats,
    losses: Losses,
    pub(super) wrapping: Wrapping,
    /// The newest packet in order that was sent.
    sent: Option<u64>,
}

/// What the subscriber told.
#[derive(Debug, Default)]
struct Subscriber {
    /// Its newest report.
    reception: Option<ReceptionReport>,
    /// What of it was looked at already.
    seen: Option<ReceptionReport>,
    /// When it last asked for a keyframe and was heard.
    asked_at: Option<Instant>,
}

impl Forwarder {
    pub(crate) fn new(subscription: SubscriptionKey, binding: Binding, rate: u32) -> Self {
        let Binding { sink, ssrc, codecs } = binding;
        Self {
            subscription,
            sink,
            ssrc,
            codecs: codecs.into_iter().collect(),
            rate,
            wish: Wish::Paused,
            simulcast: Simulcast::default(),
            temporal: Temporal::default(),
            layering: Layering::Streams,
            reach: Layer::LOW,
            scalable: Scalable::default(),
            rewrite: Rewrite::new(rate),
            reports: SenderReports::default(),
            repairs: Repairs::default(),
            ending: Ending::default(),
            subscriber: Subscriber::default(),
            hearing: Hearing::This,
            repeats: Repeats::default(),
            losses: Losses::default(),
            wrapping: Wrapping::default(),
            sent: None,
        }
    }

    /// What the subscriber wants from now on, `live` being what there is.
    pub(crate) fn set_wish(&mut self, wish: Wish, live: LayerSet) {
        self.wish = wish;
        self.retarget(live);
    }

    /// Layers are found elsewhere than before, `live` being what there is.
    pub(crate) fn set_layering(&mut self, layering: Layering, live: LayerSet) {
        self.layering = layering;
        self.stop();
        self.retarget(live);
    }

    /// Other layers are alive than before.
    pub(crate) fn retarget(&mut self, live: LayerSet) {
        let mut target = match self.wish {
            Wish::Paused => None,
            Wish::Layer { spatial, .. } => Some(live.nearest(spatial)),
        };
        if self.layering == Layering::OneStream {
            self.reach = self.aim().unwrap_or(Layer::LOW);
            target = target.map(|_| Layer::LOW);
        }
        self.simulcast.set_target(target);
        self.set_frame_rate(Duration::ZERO);
        self.rest_reports();
    }

    /// Plays nothing until the next keyframe.
    pub(crate) fn stop(&mut self) {
        self.simulcast.stop();
        self.rest_reports();
    }

    /// Plays nothing until the next keyframe, and shows that: what it played
    /// [ends](Ending).
    pub(crate) fn end(&mut self, trailer: &Bytes) {
        self.stop();
        let Some((last_at, codec)) = self.rewrite.newest() else {
            return;
        };
        let codec = match codec {
            // There is nothing to repeat.
            Codec::Opus | Codec::Red => Codec::Opus,
            Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => codec,
        };
        let codec = self.codec_for(codec);
        if let Some(frame) = codec.and_then(|codec| Frame::new(codec, trailer)) {
            self.ending.start(last_at, frame);
        }
    }

    /// Takes what it wants of a packet of `layer`.
    pub(crate) fn offer(
        &mut self,
        layer: Layer,
        packet: &Arrival<'_>,
        passage: &mut Passage<'_, impl Outlet>,
    ) {
        match self.simulcast.select(passage.now, layer, packet) {
            Decision::Forward => self.play(packet, passage),
            Decision::Hold => {}
            Decision::Late => self.fill(layer, packet, DropReason::Late, passage),
            Decision::Drop(DropReason::Paused) => passage.drops.add(DropReason::Paused),
            // It may be the missing end of what was played before a switch.
            Decision::Drop(reason) => self.fill(layer, packet, reason, passage),
        }
        self.enter(passage);
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, passage: &mut Passage<'_, impl Outlet>) {
        self.enter(passage);
        self.play_ending(passage.now, passage.out);
        let playing = self.simulcast.playing();
        let clock = playing
            .and_then(|layer| passage.intakes[layer.index()].as_ref())
            .and_then(|intake| intake.clock());
        let shift = self.rewrite.shift();
        let clock = (clock, self.rate);
        if let Some(report) = self.reports.poll(passage.now, self.ssrc, clock, shift) {
            let transport = self.sink.transport;
            passage.out.rtcp(transport, Rtcp::SenderReport(report));
        }
    }

    /// Sends what is due of the [ending](Ending).
    pub(super) fn play_ending(&mut self, now: Instant, out: &mut impl Outlet) {
        while let Some((at, frame)) = self.ending.poll(now) {
            let Some(numbers) = self.rewrite.insert(at, frame.length) else {
                return;
            };
            let outgoing = Outgoing {
                seq: SeqNo(numbers.output as u16),
                timestamp: numbers.timestamp,
                // Of a frame's end, or of sound after silence.
                marker: frame.codec.kind() == MediaKind::Video,
                delivery: Delivery::Original,
                codec: frame.codec,
                head: numbers
                    .head
                    .as_ref()
                    .map_or(&[][..], |head| head.as_bytes()),
                body: &frame.payload,
                padding: 0,
                dependencies: 0,
                repeats: 0,
            };
            self.reports
                .forwarded(outgoing.head.len() + outgoing.body.len());
            out.packet(self.sink, &outgoing);
        }
    }

    /// Hears the subscriber. Returns the layer of which it needs a keyframe.
    pub(crate) fn handle_feedback(
        &mut self,
        rtcp: &Rtcp,
        passage: &mut Passage<'_, impl Outlet>,
    ) -> Option<Layer> {
        match rtcp {
            Rtcp::Nack(nack) => {
                self.repair(nack, passage);
                None
            }
            Rtcp::KeyframeRequest { .. } => self.keyframe_request(passage.now),
            Rtcp::ReceptionReport(report) => {
                if let Some(time) = self.reports.round_trip(passage.now, report) {
                    self.repairs.set_round_trip(time);
                }
                self.losses.hear(report);
                self.subscriber.reception = Some(*report);
                None
            }
            Rtcp::SenderReport(_) | Rtcp::BandwidthLimit { .. } | Rtcp::Bye { .. } => None,
        }
    }

    /// The publisher told the clock of `layer`.
    pub(crate) fn clock_told(&mut self, now: Instant, layer: Layer) {
        if self.simulcast.playing() == Some(layer) && !self.reports.started() {
            self.reports.start(now);
        }
    }

    /// The stream a keyframe is needed of before more of what is `live` can be played.
    pub(crate) fn awaits(&self, live: LayerSet) -> Option<Layer> {
        let highest = live.highest().unwrap_or(Layer::LOW);
        let larger = || {
            let inside = self.layering == Layering::OneStream;
            let playing = self.simulcast.playing().filter(|_| inside)?;
            self.scalable.awaits(highest).then_some(playing)
        };
        self.simulcast.awaits().or_else(larger)
    }

    /// The layer being played, of those that are `live`.
    pub(crate) fn playing(&self, live: LayerSet) -> Option<Layer> {
        let playing = self.simulcast.playing()?;
        Some(match self.layering {
            Layering::Streams => playing,
            Layering::OneStream => self.scalable.playing(live.highest().unwrap_or(playing)),
        })
    }

    /// The layers whose packets can matter.
    pub(crate) fn wants(&self) -> LayerSet {
        self.simulcast.wants()
    }

    /// The layers that have to come for it: what it aims at, whether that is there or not,
    /// what it plays, and what it will play.
    pub(crate) fn needs(&self) -> LayerSet {
        match (self.aim(), self.layering) {
            (Some(aim), Layering::Streams) => {
                self.simulcast.needs().union([aim].into_iter().collect())
            }
            // The stream with all of them.
            (Some(_), Layering::OneStream) => [Layer::LOW].into_iter().collect(),
            (None, _) => LayerSet::default(),
        }
    }

    /// What the subscriber last reported, and how far it is away.
    pub(crate) fn reception(&self) -> (Option<ReceptionReport>, Option<Duration>) {
        (self.subscriber.reception, self.repairs.round_trip())
    }

    /// Packets that should have come at the subscriber since this was asked last, those
    /// that did not, and the jitter on the media clock, if it told anything new.
    pub(crate) fn take_counts(&mut self) -> Option<(u64, u64, u32)> {
        let now = self.subscriber.reception?;
        let before = self.subscriber.seen.replace(now)?;
        let expected = now.highest_seq.wrapping_sub(before.highest_seq);
        // A jump is a new start.
        let expected = u64::from(expected).min(MAX_COUNTED);
        let lost = i64::from(now.total_lost) - i64::from(before.total_lost);
        let lost = u64::try_from(lost).unwrap_or(0).min(expected);
        (expected > 0).then_some((expected, lost, now.jitter))
    }

    /// Bytes that were sent since this was asked last.
    pub(crate) fn take_bytes(&mut self) -> u64 {
        self.reports.take_octets()
    }

    /// The layer it is to play; `None` while it is paused.
    pub(crate) fn aim(&self) -> Option<Layer> {
        match self.wish {
            Wish::Layer { spatial, .. } => Some(spatial),
            Wish::Paused => None,
        }
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let Self {
            simulcast,
            reports,
            ending,
            ..
        } = self;
        [simulcast.deadline(), reports.deadline(), ending.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Starts on a layer that is ready, with what came of it so far.
    fn enter(&mut self, passage: &mut Passage<'_, impl Outlet>) {
        let Some(entry) = self.simulcast.enter(passage.now) else {
            return;
        };
        let intakes = passage.intakes;
        let Some(intake) = &intakes[entry.layer.index()] else {
            return self.stop();
        };
        let Some(first) = intake.cached(entry.number) else {
            return self.stop();
        };
        self.set_frame_rate(Duration::ZERO);
        self.ending = Ending::None;
        self.begin(entry, &first, passage);
        for number in entry.number..=intake.newest() {
            let Some(packet) = intake.cached(number) else {
                continue;
            };
            match self.simulcast.select(passage.now, entry.layer, &packet) {
                Decision::Forward => self.play(&packet, passage),
                Decision::Late | Decision::Hold | Decision::Drop(_) => {}
            }
        }
        self.reports.start(passage.now);
    }

    /// A larger picture than wanted, played only until the smaller one has a keyframe,
    /// takes as little as it can: the link may not carry it any more. So does a picture
    /// while others before it still wait for the link.
    fn set_frame_rate(&mut self, backlog: Duration) {
        let Wish::Layer { temporal, .. } = self.wish else {
            return;
        };
        let behind = self.simulcast.is_falling() || backlog > LATE;
        let temporal = if behind { 0 } else { temporal };
        self.temporal.set_wish(temporal);
        self.scalable.set_wish(self.reach, temporal);
    }

    fn begin<O>(&mut self, entry: Entry, first: &Arrival<'_>, passage: &Passage<'_, O>) {
        self.sent = None;
        let clock = |layer: Layer| passage.intakes[layer.index()].as_ref()?.clock();
        let rate = self.rate;
        let align = |old: Layer, timestamp| {
            Some(clock(entry.layer)?.translate(timestamp, clock(old)?, rate))
        };
        self.rewrite.begin(passage.now, entry, first, align);
    }

    /// Forwards the next packet in order, unless it is to be left out.
    fn play(&mut self, packet: &Arrival<'_>, passage: &mut Passage<'_, impl Outlet>) {
        match self.hearing {
            Hearing::This => {}
            Hearing::Others => {
                self.rewrite.skip(packet);
                return passage.drops.add(DropReason::Quieter);
            }
        }
        let body = match self.body(packet) {
            Ok(body) => body,
            Err(reason) => {
                self.rewrite.skip(packet);
                return passage.drops.add(reason);
            }
        };
        if let Some(vp8) = &packet.marks.vp8 {
            let kept = match self.rewrite.decided(vp8) {
                Some(Taken::Yes) => true,
                Some(Taken::No) => false,
                None => {
                    if vp8.descriptor.frame_start {
                        self.set_frame_rate(passage.out.backlog(self.sink.transport));
                    }
                    let output = self.rewrite.peek(packet.number);
                    self.temporal.keeps(&vp8.descriptor, output)
                }
            };
            if !kept {
                self.rewrite.skip(packet);
                return passage.drops.add(DropReason::FrameRate);
            }
        }
        let mut marker = packet.marks.marker;
        if let Some(frame) = &packet.marks.layered {
            match self.pick(frame, packet, passage.out) {
                Part::TooLarge => return self.leave_out(packet, DropReason::OtherLayer, passage),
                Part::TooFast => return self.leave_out(packet, DropReason::FrameRate, passage),
                Part::Inside => {}
                Part::Last => marker = true,
            }
        }
        let numbers = self.rewrite.take(passage.now, packet);
        let body = Body { marker, ..body };
        match self.repetition(body.codec, packet, passage) {
            Some(repetition) => self.send_repeating(&repetition, &numbers, body, passage.out),
            None => self.send(packet, &numbers, body, Delivery::Original, passage.out),
        }
        self.sent = Some(packet.number);
    }

    /// The frame before `packet`, to be sent with it once more; `None` unless that helps.
    fn repetition<O>(
        &self,
        codec: Codec,
        packet: &Arrival<'_>,
        passage: &Passage<'_, O>,
    ) -> Option<Repetition> {
        let worth = self.losses.matter() && codec == Codec::Opus;
        if !worth || !self.codecs.contains(Codec::Red) || self.wrapping == Wrapping::Forbidden {
            return None;
        }
        // The publisher's own repetition was left out, as it was too dear.
        if packet.marks.codec != Codec::Opus {
            return None;
        }
        let before = self.sent.filter(|sent| sent + 1 == packet.number)?;
        let intake = passage.intakes[Layer::LOW.index()].as_ref()?;
        let earlier = intake.cached(before)?;
        if earlier.marks.codec != Codec::Opus {
            return None;
        }
        let age = packet
            .marks
            .timestamp
            .0
            .wrapping_sub(earlier.marks.timestamp.0);
        Repetition::new(earlier.payload, age)
    }

    fn send_repeating(
        &mut self,
        repetition: &Repetition,
        numbers: &Numbers,
        body: Body<'_>,
        out: &mut impl Outlet,
    ) {
        let outgoing = Outgoing {
            seq: SeqNo(numbers.output as u16),
            timestamp: numbers.timestamp,
            marker: body.marker,
            delivery: Delivery::Original,
            codec: Codec::Red,
            head: repetition.as_bytes(),
            body: body.bytes,
            padding: 0,
            dependencies: 0,
            repeats: Repetition::COUNT,
        };
        self.reports
            .forwarded(outgoing.head.len() + outgoing.body.len());
        out.packet(self.sink, &outgoing);
    }

    /// Whether a packet is of the picture size and frame rate that are played.
    fn pick(&mut self, frame: &LayerFrame, packet: &Arrival<'_>, out: &impl Outlet) -> Part {
        if frame.start && frame.spatial == 0 {
            self.set_frame_rate(out.backlog(self.sink.transport));
        }
        self.scalable.pick(frame, packet.marks.timestamp)
    }

    /// Leaves out the next packet in order.
    fn leave_out<O>(
        &mut self,
        packet: &Arrival<'_>,
        reason: DropReason,
        passage: &mut Passage<'_, O>,
    ) {
        self.rewrite.skip(packet);
        passage.drops.add(reason);
    }

    /// Forwards a packet out of order, if a number was left open for it.
    fn fill(
        &mut self,
        layer: Layer,
        packet: &Arrival<'_>,
        otherwise: DropReason,
        passage: &mut Passage<'_, impl Outlet>,
    ) {
        if !self.send_again(layer, packet, Delivery::Original, passage.out) {
            passage.drops.add(otherwise);
        }
    }

    fn repair(&mut self, nack: &Nack, passage: &mut Passage<'_, impl Outlet>) {
        for (index, seq) in nack.lost.iter().enumerate() {
            if index >= MAX_REPAIRS {
                passage.drops.add(DropReason::RepairLimit);
                continue;
            }
            if let Err(reason) = self.repair_one(*seq, passage) {
                passage.drops.add(reason);
            }
        }
    }

    fn repair_one(
        &mut self,
        seq: SeqNo,
        passage: &mut Passage<'_, impl Outlet>,
    ) -> Result<(), DropReason> {
        if self.wish == Wish::Paused {
            return Err(DropReason::Paused);
        }
        let (layer, number) = self.rewrite.origin(seq).ok_or(DropReason::NotCached)?;
        let intake = passage.intakes[layer.index()].as_ref();
        let packet = intake
            .and_then(|intake| intake.cached(number))
            .ok_or(DropReason::NotCached)?;
        if !self.repairs.allow(passage.now, seq) {
            return Err(DropReason::RepairLimit);
        }
        if self.send_again(layer, &packet, Delivery::Repair, passage.out) {
            Ok(())
        } else {
            Err(DropReason::NotCached)
        }
    }

    fn send_again(
        &mut self,
        layer: Layer,
        packet: &Arrival<'_>,
        delivery: Delivery,
        out: &mut impl Outlet,
    ) -> bool {
        let Some(place) = self.rewrite.place(layer, packet) else {
            return false;
        };
        let (OutOfOrder::Packet(numbers) | OutOfOrder::Filler(numbers)) = place;
        let part = self.part_then(packet, numbers.output);
        match (place, self.body(packet), part) {
            (OutOfOrder::Packet(numbers), Ok(body), Part::Inside | Part::Last) => {
                let marker = body.marker || part == Part::Last;
                let body = Body { marker, ..body };
                self.send(packet, &numbers, body, delivery, out);
            }
            (OutOfOrder::Packet(numbers) | OutOfOrder::Filler(numbers), _, _) => {
                let filler = Numbers {
                    head: None,
                    ..numbers
                };
                let codec = self
                    .codec_for(packet.marks.codec)
                    .unwrap_or(packet.marks.codec);
                let body = Body {
                    codec,
                    bytes: &[],
                    marker: false,
                };
                self.send(packet, &filler, body, delivery, out);
            }
        }
        true
    }

    /// What a packet with the number `output` was of what was played then.
    fn part_then(&self, packet: &Arrival<'_>, output: u64) -> Part {
        if let Some(frame) = &packet.marks.layered {
            return self.scalable.picked(frame, packet.marks.timestamp);
        }
        match &packet.marks.vp8 {
            Some(vp8) if !self.temporal.kept(&vp8.descriptor, output) => Part::TooFast,
            Some(_) | None => Part::Inside,
        }
    }

    fn send(
        &mut self,
        packet: &Arrival<'_>,
        numbers: &Numbers,
        body: Body<'_>,
        delivery: Delivery,
        out: &mut impl Outlet,
    ) {
        let head = numbers
            .head
            .as_ref()
            .map_or(&[][..], |head| head.as_bytes());
        let outgoing = Outgoing {
            seq: SeqNo(numbers.output as u16),
            timestamp: numbers.timestamp,
            marker: body.marker && !body.bytes.is_empty(),
            delivery,
            codec: body.codec,
            head,
            body: body.bytes.get(head.len()..).unwrap_or(&[]),
            padding: 0,
            dependencies: if body.bytes.is_empty() {
                0
            } else {
                packet.marks.dependencies
            },
            repeats: 0,
        };
        if delivery == Delivery::Original {
            self.reports.forwarded(body.bytes.len());
        }
        out.packet(self.sink, &outgoing);
    }

    /// The payload as this subscriber understands it, its descriptor still in front.
    fn body<'a>(&self, packet: &Arrival<'a>) -> Result<Body<'a>, DropReason> {
        if packet.payload.is_empty() {
            return Err(DropReason::Padding);
        }
        let codec = self
            .codec_for(packet.marks.codec)
            .ok_or(DropReason::Codec)?;
        let bytes = if codec == packet.marks.codec {
            packet.payload
        } else {
            primary(packet.payload).ok_or(DropReason::Malformed)?
        };
        let marker = packet.marks.marker;
        Ok(Body {
            codec,
            bytes,
            marker,
        })
    }

    /// What `codec` is sent as.
    fn codec_for(&self, codec: Codec) -> Option<Codec> {
        let dear = codec == Codec::Red
            && self.codecs.contains(Codec::Opus)
            && !self.losses.want(self.repeats);
        if self.codecs.contains(codec) && !dear {
            return Some(codec);
        }
        let unwrapped = codec == Codec::Red && self.codecs.contains(Codec::Opus);
        unwrapped.then_some(Codec::Opus)
    }

    fn keyframe_request(&mut self, now: Instant) -> Option<Layer> {
        let too_soon = self
            .subscriber
            .asked_at
            .is_some_and(|at| now.saturating_duration_since(at) < ASKING_INTERVAL);
        let layer = self.simulcast.playing().filter(|_| !too_soon)?;
        self.subscriber.asked_at = Some(now);
        Some(layer)
    }

    fn rest_reports(&mut self) {
        if self.simulcast.playing().is_none() {
            self.reports.stop();
        }
    }
}

/// What is sent of a payload.
#[derive(Clone, Copy, Debug)]
struct Body<'a> {
    codec: Codec,
    bytes: &'a [u8],
    /// The last packet of what is shown together.
    marker: bool,
}

/// More packets than come between two looks.
const MAX_COUNTED: u64 = 1 << 16;

/// Answered of one feedback message; who misses more needs a keyframe.
const MAX_REPAIRS: usize = 128;

/// Pictures that wait longer than this get fewer.
const LATE: Duration = Duration::from_millis(200);

/// One subscriber alone does not get more keyframes, which all others pay for.
const ASKING_INTERVAL: Duration = Duration::from_secs(1);
