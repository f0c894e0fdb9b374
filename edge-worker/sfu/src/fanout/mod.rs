//! All layers of one published track, and the forwarders of its subscriptions: takes a
//! packet in once and hands it to whoever plays its layer.
//!
//! A parent: an [`Intake`] judges what arrives, a [`Forwarder`] what leaves. Who may
//! subscribe, and what layer is wished, is left to the room.

mod arrival;
mod drops;
mod ending;
mod far;
mod forwarder;
mod forwarders;
mod intake;
mod meter;
mod repairs;
mod repeats;
mod sequence;
mod strata;

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Codec, Layer, MediaKind, Packet, ReceptionReport, Rid, Rtcp, Ssrc};

use crate::quality::{Leg, missing_layers};
use crate::select::LayerSet;
use crate::{Carried, LinkKey, Muted, Origin, Outlet, Sink, SubscriptionKey, TrackKey};

pub(crate) use arrival::{Arrival, Marks, Vp8Marks};
pub use drops::{DropCounts, DropReason};
pub(crate) use ending::Outro;
use far::{Far, Settled};
use forwarder::{Forwarder, Intakes, Passage};
use forwarders::Forwarders;
use intake::{Audience, Intake};
pub(crate) use meter::Rates;
pub(crate) use repeats::Repeats;
use repeats::Wrapping;
use sequence::Order;

/// One published track on its way to its subscribers.
#[derive(Debug)]
pub struct Fanout {
    kind: MediaKind,
    /// Low to high; empty for a track with a single layer.
    rids: Vec<Rid>,
    layering: Layering,
    origin: Option<Origin>,
    /// Shows receivers of an encrypted track which frames come from us.
    trailer: Bytes,
    muted: Muted,
    intakes: Intakes,
    live: LayerSet,
    forwarders: Forwarders,
    taps: Vec<Tap>,
    /// Where it is published elsewhere in the room.
    far: Option<Box<Far>>,
    drops: DropCounts,
    wake_at: Option<Instant>,
}

/// Where the layers of a track are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Layering {
    /// Each is a stream.
    #[default]
    Streams,
    /// All are in one stream, which is taken in, repaired and carried over links as a whole.
    OneStream,
}

/// Whether a packet shows that other layers are alive than before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Liveness {
    Same,
    Changed,
}

/// Which of many microphones somebody hears.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Hearing {
    #[default]
    This,
    /// They are louder.
    Others,
}

/// An m-line ready to send.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Where packets go.
    pub sink: Sink,
    /// Under which name.
    pub ssrc: Ssrc,
    /// What the subscriber understands.
    pub codecs: Vec<Codec>,
}

/// A link that carries layers of the track, as published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    pub(crate) link: LinkKey,
    /// What both ends call the track.
    pub(crate) track: TrackKey,
    /// What is wanted at the far end.
    pub(crate) layers: LayerSet,
}

/// What a subscriber wants of a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wish {
    /// Nothing for now.
    Paused,
    /// The best living layer up to this one.
    Layer {
        /// Largest picture.
        spatial: Layer,
        /// Highest frame rate; 0 is the lowest.
        temporal: u8,
    },
}

impl Fanout {
    /// A track announced with `rids`, low to high; empty for a single layer.
    pub fn new(kind: MediaKind, rids: &[Rid]) -> Self {
        Self {
            kind,
            rids: rids.to_vec(),
            layering: Layering::Streams,
            origin: None,
            trailer: Bytes::new(),
            muted: Muted::No,
            intakes: Intakes::default(),
            live: LayerSet::default(),
            forwarders: Forwarders::default(),
            taps: Vec::new(),
            far: None,
            drops: DropCounts::default(),
            wake_at: None,
        }
    }

    /// The track was negotiated anew with `rids`.
    pub fn set_rids(&mut self, rids: &[Rid]) {
        if self.rids == rids {
            return;
        }
        self.rids = rids.to_vec();
        self.none_live();
        self.forwarders.each(|forwarder| forwarder.stop());
        if rids.len() > 1 {
            self.set_layering(Layering::Streams);
        }
    }

    /// The track is in `codec`, as far as is known.
    pub(crate) fn set_codec(&mut self, codec: Codec) {
        let layering = if codec.is_layered() && self.rids.len() < 2 {
            Layering::OneStream
        } else {
            Layering::Streams
        };
        self.set_layering(layering);
    }

    fn set_layering(&mut self, layering: Layering) {
        if std::mem::replace(&mut self.layering, layering) != layering {
            let live = self.live;
            self.forwarders
                .each(|forwarder| forwarder.set_layering(layering, live));
        }
    }

    /// Where reports and requests to the publisher go.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    /// Its frames are encrypted: whatever else its receivers get ends with `trailer`.
    pub fn set_trailer(&mut self, trailer: Bytes) {
        self.trailer = trailer;
    }

    /// Forwards to a new subscription, or to an old one over a new m-line.
    pub fn add(
        &mut self,
        now: Instant,
        subscription: SubscriptionKey,
        binding: Binding,
        wish: Wish,
        out: &mut impl Outlet,
    ) {
        let rate = clock_rate(self.kind);
        self.forwarders.remove(subscription);
        let mut forwarder = Forwarder::new(subscription, binding, rate);
        forwarder.set_layering(self.layering, self.live);
        forwarder.wrapping = if self.trailer.is_empty() {
            Wrapping::Allowed
        } else {
            Wrapping::Forbidden
        };
        self.forwarders.add(forwarder);
        self.set_wish(now, subscription, wish, out);
    }

    /// Forwards no longer to `subscription`.
    pub fn remove(&mut self, subscription: SubscriptionKey) {
        self.forwarders.remove(subscription);
    }

    /// Forwards no longer to `subscription`. What is still to be sent to it, if anything is.
    pub(crate) fn end(&mut self, subscription: SubscriptionKey) -> Option<Outro> {
        let forwarder = self.forwarders.remove(subscription)?;
        Outro::new(forwarder, &self.trailer)
    }

    /// What `subscription` wants from now on.
    pub fn set_wish(
        &mut self,
        now: Instant,
        subscription: SubscriptionKey,
        wish: Wish,
        out: &mut impl Outlet,
    ) {
        let live = self.live;
        let ends = self.kind == MediaKind::Audio && wish == Wish::Paused;
        let due = self.forwarders.with(subscription, |forwarder| {
            forwarder.set_wish(wish, live);
            // A picture may stand still: it is paused for want of bandwidth too.
            if ends {
                forwarder.end(&self.trailer);
                forwarder.play_ending(now, out);
            }
            forwarder.deadline()
        });
        self.wake(due.flatten());
        self.ask_for_keyframes(now, out);
    }

    /// Whether a subscriber hears this microphone among many.
    pub(crate) fn set_hearing(&mut self, subscription: SubscriptionKey, hearing: Hearing) {
        self.forwarders
            .with(subscription, |forwarder| forwarder.hearing = hearing);
    }

    /// Whether a subscriber wants sound repeated.
    pub(crate) fn set_repeats(&mut self, subscription: SubscriptionKey, repeats: Repeats) {
        self.forwarders
            .with(subscription, |forwarder| forwarder.repeats = repeats);
    }

    /// Whether the publisher is silent on purpose. Forwarding resumes at a keyframe.
    pub fn set_muted(&mut self, muted: Muted) {
        if self.muted == muted {
            return;
        }
        self.muted = muted;
        self.none_live();
        self.forwarders.each(|forwarder| match muted {
            Muted::Yes => forwarder.end(&self.trailer),
            Muted::No => forwarder.stop(),
        });
        self.wake(self.forwarders.deadline());
    }

    /// Forwards one packet.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet<'_>, out: &mut impl Outlet) {
        self.take_in(now, packet, out);
    }

    /// As [`handle_packet`](Self::handle_packet), and tells of layers that come and go.
    pub(crate) fn take_in(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        out: &mut impl Outlet,
    ) -> Liveness {
        let Some(layer) = self.layer_of(packet) else {
            self.drops.add(DropReason::UnknownLayer);
            return Liveness::Same;
        };
        self.take_in_layer(now, layer, packet, out)
    }

    /// As [`take_in`](Self::take_in), of a layer that is known.
    pub(crate) fn take_in_layer(
        &mut self,
        now: Instant,
        layer: Layer,
        packet: &Packet<'_>,
        out: &mut impl Outlet,
    ) -> Liveness {
        let intake = self.intakes[layer.index()]
            .get_or_insert_with(|| Box::new(Intake::new(self.kind, now, packet)));
        let (arrival, order) = match intake.accept(now, packet) {
            Ok(accepted) => accepted,
            Err(reason) => {
                self.drops.add(reason);
                self.tell_publisher(now, layer, out);
                return Liveness::Same;
            }
        };
        if arrival.marks.layered.is_some() && self.layering == Layering::Streams {
            self.set_codec(packet.codec);
        }
        let mut liveness = Liveness::Same;
        if self.muted == Muted::No {
            for tap in self.taps.iter().filter(|tap| tap.layers.contains(layer)) {
                out.carry(tap.link, tap.track, layer, Carried::Packet(packet));
            }
            let changed = self.follow_liveness(now, layer, &arrival);
            let starved = self.fan_out(now, layer, order, &arrival, out);
            if changed || starved {
                self.ask_for_keyframes(now, out);
            }
            if changed {
                liveness = Liveness::Changed;
            }
        } else {
            self.drops.add(DropReason::Muted);
        }
        self.tell_publisher(now, layer, out);
        liveness
    }

    /// Hears what a subscriber reports or asks for.
    pub fn handle_feedback(
        &mut self,
        now: Instant,
        subscription: SubscriptionKey,
        rtcp: &Rtcp,
        out: &mut impl Outlet,
    ) {
        let mut passage = Passage {
            now,
            intakes: &self.intakes,
            drops: &mut self.drops,
            out,
        };
        let asked = self.forwarders.with(subscription, |forwarder| {
            forwarder.handle_feedback(rtcp, &mut passage)
        });
        let Some(layer) = asked.flatten() else {
            return;
        };
        if let Some(intake) = &mut self.intakes[layer.index()] {
            intake.want_keyframe();
        }
        self.tell_publisher(now, layer, out);
    }

    /// Carries the track over a link too, or other layers of it than before.
    pub(crate) fn tap(&mut self, tap: Tap) {
        self.untap(tap.link);
        self.taps.push(tap);
    }

    /// Carries the track over a link no longer.
    pub(crate) fn untap(&mut self, link: LinkKey) {
        self.taps.retain(|tap| tap.link != link);
    }

    /// The layers of which a keyframe is needed at the far end of a link.
    pub(crate) fn asked(&mut self, now: Instant, layers: LayerSet, out: &mut impl Outlet) {
        for layer in layers.iter() {
            if let Some(intake) = &mut self.intakes[layer.index()] {
                intake.want_keyframe();
                self.tell_publisher(now, layer, out);
            }
        }
    }

    /// Hears what the publisher reports.
    pub fn handle_report(&mut self, now: Instant, rtcp: &Rtcp, out: &mut impl Outlet) {
        let Rtcp::SenderReport(report) = rtcp else {
            return;
        };
        for layer in Layer::ALL {
            let intake = self.intakes[layer.index()].as_mut();
            let Some(intake) = intake.filter(|intake| intake.ssrc() == report.ssrc) else {
                continue;
            };
            intake.told(now, report);
            for tap in self.taps.iter().filter(|tap| tap.layers.contains(layer)) {
                out.carry(tap.link, tap.track, layer, Carried::Report(report));
            }
            self.forwarders
                .each(|forwarder| forwarder.clock_told(now, layer));
            self.wake(Some(now));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut impl Outlet) {
        if self.wake_at.is_none_or(|at| now < at) {
            return;
        }
        self.wake_at = None;
        let mut passage = Passage {
            now,
            intakes: &self.intakes,
            drops: &mut self.drops,
            out,
        };
        self.forwarders
            .each(|forwarder| forwarder.handle_timeout(&mut passage));
        self.ask_for_keyframes(now, out);
        for layer in Layer::ALL {
            self.tell_publisher(now, layer, out);
        }
        self.wake(self.forwarders.deadline());
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn deadline(&self) -> Option<Instant> {
        self.wake_at
    }

    /// The layers the publisher is sending, low to high.
    pub fn live_layers(&self, now: Instant) -> impl Iterator<Item = Layer> {
        self.live.iter().filter(move |layer| {
            let stream = match self.layering {
                Layering::Streams => *layer,
                Layering::OneStream => Layer::LOW,
            };
            self.intakes[stream.index()]
                .as_ref()
                .is_some_and(|intake| intake.heard_within(HEARD, now))
        })
    }

    /// The layers that are alive, and what each takes, as far as that is known.
    pub(crate) fn supply(&self) -> (LayerSet, [Option<Rates>; Layer::COUNT]) {
        let rates = Layer::ALL.map(|layer| {
            let measured = match self.layering {
                Layering::Streams => {
                    let intake = self.intakes[layer.index()].as_ref();
                    intake.and_then(|intake| intake.rates())
                }
                Layering::OneStream => {
                    let intake = self.intakes[0].as_ref();
                    intake.and_then(|intake| intake.strata()?.rates(layer))
                }
            };
            match &self.far {
                Some(far) => far.rates(layer, measured),
                None => measured,
            }
        });
        (self.live, rates)
    }

    /// The layer `subscription` plays.
    pub fn playing(&self, subscription: SubscriptionKey) -> Option<Layer> {
        self.forwarders.get(subscription)?.playing(self.live)
    }

    /// What the subscriber last reported, and how far it is away, as far as it told.
    pub fn reception(
        &self,
        subscription: SubscriptionKey,
    ) -> (Option<ReceptionReport>, Option<Duration>) {
        self.forwarders
            .get(subscription)
            .map_or((None, None), |forwarder| forwarder.reception())
    }

    /// How the publisher's packets came since this was asked last.
    pub(crate) fn take_arrivals(&mut self) -> Leg {
        let mut leg = Leg {
            kind: self.kind,
            expected: 0,
            lost: 0,
            jitter: Duration::ZERO,
            missing_layers: self.unsent_layers(),
            bytes: 0,
        };
        for intake in self.intakes.iter_mut().flatten() {
            let (expected, lost, jitter) = intake.take_counts();
            leg.expected += expected;
            leg.lost += lost;
            leg.bytes += intake.take_bytes();
            leg.jitter = leg.jitter.max(clock_time(self.kind, jitter));
        }
        leg
    }

    /// The largest layer that was sent since this was asked last, and how many of its frames
    /// came. One that came or went meanwhile is not what was sent most of the time.
    pub(crate) fn take_frames(&mut self) -> Option<(Layer, u64)> {
        let mut frames = [0; Layer::COUNT];
        for (count, intake) in frames.iter_mut().zip(self.intakes.iter_mut()) {
            *count = intake.as_mut().map_or(0, |intake| intake.take_frames());
        }
        let most = frames.iter().max().copied().unwrap_or(0);
        let mut sent = Layer::ALL.into_iter().zip(frames);
        let (layer, count) = sent.rfind(|(_, count)| *count > 0 && *count * 2 >= most)?;
        Some(match self.layering {
            Layering::Streams => (layer, count),
            Layering::OneStream => (self.live.highest().unwrap_or(layer), count),
        })
    }

    /// How packets came at a subscriber that wants `wanted` since this was asked last, as
    /// far as it told, and how far it is away, once it is known.
    pub(crate) fn take_reception(
        &mut self,
        subscription: SubscriptionKey,
        wanted: Wish,
    ) -> Option<(Leg, Option<Duration>)> {
        let (kind, live) = (self.kind, self.live);
        self.forwarders.with(subscription, |forwarder| {
            let (expected, lost, jitter) = forwarder.take_counts().unwrap_or_default();
            let leg = Leg {
                kind,
                expected,
                lost,
                jitter: clock_time(kind, jitter),
                missing_layers: missing_layers(live, wanted, forwarder.aim()),
                bytes: forwarder.take_bytes(),
            };
            (leg, forwarder.reception().1)
        })
    }

    /// Layers somebody wishes that are above all the publisher sends.
    fn unsent_layers(&self) -> u8 {
        let top = self.rids.len().saturating_sub(1) as u8;
        let wished = self.forwarders.list.iter().filter_map(Forwarder::aim);
        let wished = wished.max().map_or(0, |layer| layer.0.min(top));
        let sent = self.live.iter().next_back();
        // Who sends nothing at all sends nothing on purpose.
        sent.map_or(0, |sent| wished.saturating_sub(sent.0))
    }

    /// How many packets were left out, and why.
    pub fn drops(&self) -> &DropCounts {
        &self.drops
    }

    fn none_live(&mut self) {
        self.live = LayerSet::default();
        if let Some(far) = &mut self.far {
            far.fell_silent();
        }
    }

    fn layer_of(&self, packet: &Packet<'_>) -> Option<Layer> {
        if self.rids.is_empty() {
            return Some(Layer::LOW);
        }
        if let Some(rid) = packet.rid {
            return Layer::of(rid, &self.rids);
        }
        // Publishers name the layer until they are reported on; then the SSRC tells.
        Layer::ALL.into_iter().find(|layer| {
            self.intakes[layer.index()]
                .as_ref()
                .is_some_and(|intake| intake.ssrc() == packet.ssrc)
        })
    }

    /// Notes that a layer lives, and which others do not. Whether that is news.
    fn follow_liveness(&mut self, now: Instant, layer: Layer, packet: &Arrival<'_>) -> bool {
        if packet.payload.is_empty() || self.far.is_some() {
            return false;
        }
        let before = self.live;
        let strata = self.intakes[layer.index()]
            .as_ref()
            .and_then(|intake| intake.strata());
        if let (Layering::OneStream, Some(strata)) = (self.layering, strata) {
            if packet.marks.layered.is_none_or(|frame| !frame.start) {
                return false;
            }
            self.live = strata.live(now);
        } else {
            self.live.insert(layer);
        }
        if self.layering == Layering::Streams && packet.marks.ends_frame() {
            for other in Layer::ALL.into_iter().filter(|other| *other != layer) {
                let Some(intake) = &mut self.intakes[other.index()] else {
                    continue;
                };
                intake.frame_elsewhere();
                if intake.is_silent(now) {
                    self.live.remove(other);
                }
            }
        }
        let live = self.live;
        if live != before {
            self.forwarders.each(|forwarder| forwarder.retarget(live));
        }
        live != before
    }

    /// Hands a packet to whoever may want it. Whether somebody needs a keyframe now who
    /// did not before.
    fn fan_out(
        &mut self,
        now: Instant,
        layer: Layer,
        order: Order,
        arrival: &Arrival<'_>,
        out: &mut impl Outlet,
    ) -> bool {
        let mut passage = Passage {
            now,
            intakes: &self.intakes,
            drops: &mut self.drops,
            out,
        };
        let (mut starved, mut changed) = (false, false);
        let (live, is_far) = (self.live, self.far.is_some());
        let mut wake_at = None;
        let Forwarders { list, wants, .. } = &mut self.forwarders;
        for (forwarder, wants) in list.iter_mut().zip(wants) {
            // Late packets may belong to what was played before a switch.
            if !wants.contains(layer) && order == Order::Next {
                continue;
            }
            let needed = is_far.then(|| forwarder.needs());
            forwarder.offer(layer, arrival, &mut passage);
            changed |= needed.is_some_and(|needed| needed != forwarder.needs());
            let wanted = std::mem::replace(wants, forwarder.wants());
            // It may have come too late for this one.
            let missed = arrival.marks.layered.is_some() && arrival.marks.entry;
            starved |= (missed || *wants != wanted) && forwarder.awaits(live).is_some();
            wake_at = earliest(wake_at, forwarder.deadline());
        }
        if let Some(far) = self.far.as_mut().filter(|_| changed) {
            far.wants = Settled::No;
        }
        self.wake(wake_at);
        starved
    }

    /// Wants a keyframe of each layer that somebody waits for, and asks where it is time.
    fn ask_for_keyframes(&mut self, now: Instant, out: &mut impl Outlet) {
        if self.kind == MediaKind::Audio || self.muted == Muted::Yes {
            return;
        }
        let awaited: LayerSet = self
            .forwarders
            .list
            .iter()
            .filter_map(|f| f.awaits(self.live))
            .collect();
        for layer in awaited.iter() {
            match (&mut self.intakes[layer.index()], &mut self.far) {
                (Some(intake), _) => intake.want_keyframe(),
                (None, Some(far)) if self.live.contains(layer) => {
                    far.requests[layer.index()].want();
                }
                (None, _) => {}
            }
            self.tell_publisher(now, layer, out);
        }
    }

    /// Sends the publisher what is due about one layer.
    fn tell_publisher(&mut self, now: Instant, layer: Layer, out: &mut impl Outlet) {
        let Some(intake) = &mut self.intakes[layer.index()] else {
            return self.ask_for_first(now, layer, out);
        };
        while intake.deadline(now).is_some_and(|at| at <= now) {
            let audience = if self.taps.iter().any(|tap| tap.layers.contains(layer)) {
                Audience::Somebody
            } else {
                self.forwarders.audience(layer)
            };
            let rtcp = intake.poll(now, audience);
            match (self.origin, rtcp) {
                (Some(Origin::Transport(transport)), Some(rtcp)) => out.rtcp(transport, rtcp),
                // What is lost before the link is repaired there, and reported on there.
                (Some(Origin::Link { link, track }), Some(Rtcp::KeyframeRequest { .. })) => {
                    out.ask(link, track, layer);
                }
                (Some(Origin::Link { .. }) | None, Some(_)) | (_, None) => {}
            }
        }
        let deadline = intake.deadline(now);
        self.wake(deadline);
    }

    fn wake(&mut self, at: Option<Instant>) {
        self.wake_at = earliest(self.wake_at, at);
    }
}

fn clock_time(kind: MediaKind, ticks: u32) -> Duration {
    Duration::from_secs(ticks.into()) / clock_rate(kind)
}

fn clock_rate(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => Codec::Opus.clock_rate(),
        MediaKind::Video => Codec::Vp8.clock_rate(),
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// A layer unheard for longer is not offered, even if no other one is heard.
const HEARD: Duration = Duration::from_secs(3);
