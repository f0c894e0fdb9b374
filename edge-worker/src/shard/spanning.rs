//! Rooms of this shard that go on elsewhere: what they say to their other instances, and the media
//! in between, given to the cascade and taken from it. Who is told what is decided there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use media::{Layer, ParticipantId, SenderReport, TrackId};
use relay_proto::Place;
use rustc_hash::FxHashMap;
use sfu::{Carried, LayerSet, LeaveReason, LinkKey, LinkNews, Streaming, TrackKey};

use super::{RoomKey, Shard};
use crate::cascade::{CascadeInbox, FeedId, Instance, Places, ToCascade, rtp};

/// What the cascade tells an instance of a room.
#[derive(Debug)]
pub(crate) enum SpanMessage {
    /// What another instance says.
    News(Box<LinkNews>),
    /// Somebody new listens: tell everything again.
    Retell,
    /// Feed a layer under this number, or no more.
    Feed(TrackId, Layer, Option<FeedId>),
    /// A layer's keyframe is needed elsewhere.
    Ask(TrackId, Layer),
    /// A layer from elsewhere cannot come for now, or comes again.
    Flow(TrackId, Layer, Streaming),
    /// Whoever it is, their node is gone.
    Lose(ParticipantId),
}

/// A packet from another instance.
#[derive(Clone, Debug)]
pub(crate) struct FarPacket {
    /// For this room.
    pub(crate) room: RoomKey,
    /// Of this track.
    pub(crate) track: TrackId,
    /// Of this layer.
    pub(crate) layer: Layer,
    /// Written by [`rtp`].
    pub(crate) rtp: Bytes,
}

/// The way of this shard's rooms to their other instances.
#[derive(Debug)]
pub(crate) struct Spanning {
    shard: usize,
    cascade: CascadeInbox,
    spans: FxHashMap<LinkKey, Span>,
    links: FxHashMap<RoomKey, LinkKey>,
    /// Packets of this turn.
    fed: Vec<(FeedId, Place, Bytes)>,
    buffer: BytesMut,
    /// Keyframes that rooms asked for in this turn.
    asked: Vec<(RoomKey, TrackKey, Layer)>,
    /// What the cascade did not take, oldest first.
    unsent: VecDeque<ToCascade>,
    dropped: u64,
}

/// One room's.
#[derive(Debug)]
struct Span {
    room: RoomKey,
    feeds: FxHashMap<(TrackKey, Layer), Fed>,
}

/// A layer that is wanted elsewhere.
#[derive(Debug)]
struct Fed {
    id: FeedId,
    places: Places,
    /// Rides along with the next packet.
    report: Option<SenderReport>,
}

impl Spanning {
    /// Packets handed over at once.
    const BATCH: usize = 256;
    /// What waits for a cascade that is behind; a room that says more is cut short.
    const MOST_UNSENT: usize = 65_536;

    pub(crate) fn new(shard: usize, cascade: CascadeInbox) -> Self {
        Self {
            shard,
            cascade,
            spans: FxHashMap::default(),
            links: FxHashMap::default(),
            fed: Vec::new(),
            buffer: BytesMut::new(),
            asked: Vec::new(),
            unsent: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Whether `link` is that of a room.
    pub(super) fn has(&self, link: LinkKey) -> bool {
        self.spans.contains_key(&link)
    }

    /// Takes in what a room carries over its link.
    pub(super) fn carry(
        &mut self,
        link: LinkKey,
        track: TrackKey,
        layer: Layer,
        media: Carried<'_>,
    ) {
        let span = self.spans.get_mut(&link);
        let Some(fed) = span.and_then(|span| span.feeds.get_mut(&(track, layer))) else {
            return;
        };
        match media {
            Carried::Report(report) => fed.report = Some(*report),
            Carried::Packet(packet) => {
                let place = fed.places.place(packet);
                let report = fed.report.take();
                let rtp = rtp::write(packet, report.as_ref(), &mut self.buffer);
                self.fed.push((fed.id, place, rtp));
                if self.fed.len() >= Self::BATCH {
                    self.flush();
                }
            }
        }
    }

    /// Hands over the packets of this turn.
    fn flush(&mut self) {
        if self.fed.is_empty() {
            return;
        }
        let packets = std::mem::take(&mut self.fed);
        let count = packets.len() as u64;
        if self.cascade.send(ToCascade::Media(packets)).is_err() {
            self.dropped += count;
        }
    }

    /// Asks the publisher of a track for a keyframe.
    pub(super) fn ask(&mut self, link: LinkKey, track: TrackKey, layer: Layer) {
        if let Some(span) = self.spans.get(&link)
            && self.asked.len() < Self::BATCH
        {
            self.asked.push((span.room, track, layer));
        }
    }

    /// Tells the other instances something.
    pub(super) fn say(&mut self, link: LinkKey, news: LinkNews) {
        if let Some(at) = self.instance(link) {
            let news = Box::new(news);
            self.tell(ToCascade::News { at, news });
        }
    }

    /// Wants these layers of a track that is published elsewhere.
    pub(super) fn want(&mut self, link: LinkKey, track: TrackId, layers: LayerSet) {
        if let Some(at) = self.instance(link) {
            self.tell(ToCascade::Want { at, track, layers });
        }
    }

    /// A room opens; its link.
    pub(super) fn opened(&mut self, room: RoomKey, name: Arc<str>) -> LinkKey {
        let link = LinkKey(rand::random());
        let feeds = FxHashMap::default();
        self.spans.insert(link, Span { room, feeds });
        self.links.insert(room, link);
        let at = self.at(room);
        self.tell(ToCascade::Opened { at, name });
        link
    }

    /// A room is no more.
    pub(super) fn closed(&mut self, room: RoomKey) {
        if let Some(link) = self.links.remove(&room) {
            self.spans.remove(&link);
            self.tell(ToCascade::Closed { at: self.at(room) });
        }
    }

    /// Says again what the cascade did not take.
    pub(super) fn retry(&mut self) {
        for message in std::mem::take(&mut self.unsent) {
            self.tell(message);
        }
    }

    /// Packets there was no room for since this was asked last.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Says something that must not be lost.
    fn tell(&mut self, message: ToCascade) {
        if !self.unsent.is_empty() {
            return self.keep(message);
        }
        if let Err(message) = self.cascade.send(message) {
            self.keep(message);
        }
    }

    fn keep(&mut self, message: ToCascade) {
        if self.unsent.len() < Self::MOST_UNSENT {
            self.unsent.push_back(message);
        } else {
            self.dropped += 1;
        }
    }

    fn at(&self, room: RoomKey) -> Instance {
        Instance {
            shard: self.shard,
            room,
        }
    }

    fn instance(&self, link: LinkKey) -> Option<Instance> {
        self.spans.get(&link).map(|span| self.at(span.room))
    }

    /// Feeds a layer, or no more; all layers of the track that are fed now.
    fn feed(
        &mut self,
        link: LinkKey,
        track: TrackKey,
        layer: Layer,
        feed: Option<FeedId>,
    ) -> LayerSet {
        let Some(span) = self.spans.get_mut(&link) else {
            return LayerSet::default();
        };
        match feed {
            Some(id) => {
                let fed = Fed {
                    id,
                    places: Places::default(),
                    report: None,
                };
                span.feeds.insert((track, layer), fed);
            }
            None => {
                span.feeds.remove(&(track, layer));
            }
        }
        let fed = Layer::ALL.into_iter();
        fed.filter(|layer| span.feeds.contains_key(&(track, *layer)))
            .collect()
    }
}

impl Shard {
    /// Hands over what this turn has for other instances.
    pub(super) fn flush_spans(&mut self) {
        let Some(spanning) = &mut self.links.spanning else {
            return;
        };
        for (room, track, layer) in std::mem::take(&mut spanning.asked) {
            let open = self.rooms.get(&room);
            if let Some(track) = open.and_then(|open| open.room.id_of(track)) {
                let at = spanning.at(room);
                // Lost, it is asked for again.
                let _ = spanning.cascade.send(ToCascade::Ask { at, track, layer });
            }
        }
        spanning.flush();
    }

    /// Does what the cascade tells an instance of a room.
    pub(super) fn heed_span(&mut self, now: Instant, room: RoomKey, message: SpanMessage) {
        let spanning = self.links.spanning.as_ref();
        let Some(link) = spanning.and_then(|it| it.links.get(&room)).copied() else {
            return;
        };
        match message {
            SpanMessage::News(news) => {
                self.with_room(now, room, |room, wire| room.heed(now, link, *news, wire));
            }
            SpanMessage::Retell => {
                self.with_room(now, room, |room, _| room.span(now, link));
            }
            SpanMessage::Feed(track, layer, feed) => {
                let open = self.rooms.get(&room);
                let Some(track) = open.and_then(|open| open.room.track_of(track)) else {
                    return;
                };
                if let Some(spanning) = &mut self.links.spanning {
                    let layers = spanning.feed(link, track, layer, feed);
                    self.with_room(now, room, |room, wire| {
                        room.link_feeds(now, link, track, layers, wire);
                    });
                }
            }
            SpanMessage::Ask(track, layer) => {
                self.with_room(now, room, |room, wire| {
                    if let Some(track) = room.track_of(track) {
                        room.link_asks(now, track, layer, wire);
                    }
                });
            }
            SpanMessage::Flow(track, layer, flow) => {
                self.with_room(now, room, |room, wire| {
                    room.layer_paused(now, track, layer, flow, wire);
                });
            }
            SpanMessage::Lose(participant) => {
                self.with_room(now, room, |room, _| {
                    room.leave(now, participant, LeaveReason::ConnectionTimeout);
                });
            }
        }
    }

    /// Hands to a room what another instance of it carried here.
    fn take_in(
        &mut self,
        now: Instant,
        room: RoomKey,
        track: TrackKey,
        layer: Layer,
        media: Carried<'_>,
    ) {
        let payload = match media {
            Carried::Packet(packet) => packet.payload,
            Carried::Report(_) => &[],
        };
        self.pass(now, room, payload, |room, wire| {
            room.handle_carried(now, track, layer, media, wire)
        });
    }

    /// Takes in what other instances publish.
    pub(super) fn hear_from_afar(&mut self, now: Instant, packets: Vec<FarPacket>) {
        for FarPacket {
            room,
            track,
            layer,
            rtp,
        } in packets
        {
            let open = self.rooms.get(&room);
            let Some(track) = open.and_then(|open| open.room.track_of(track)) else {
                self.tally.far_unknown += 1;
                continue;
            };
            let Ok(arrived) = rtp::read(&rtp) else {
                self.tally.far_unreadable += 1;
                continue;
            };
            if let Some(report) = &arrived.report {
                self.take_in(now, room, track, layer, Carried::Report(report));
            }
            self.take_in(now, room, track, layer, Carried::Packet(&arrived.packet));
        }
    }
}
