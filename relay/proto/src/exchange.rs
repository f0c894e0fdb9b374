//! One node's part in the relay: what its rooms publish goes to the neighbours that want it, what
//! they want comes from where it is had, and what a hub does not host itself passes through.
//!
//! It routes and orders. Ways are [`Routes`]' business, wishes [`Wants`]', and what a link carries
//! is [`Allocation`]'s. Links themselves, one per neighbour, are kept by the shell: [`Output`] tells
//! it what to give to which.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Bitrate, Layer, SeqNo};

use crate::allocation::{Allocation, Turn};
use crate::control::{
    Announce, Kind, LayerState, Message, Refusal, Refused, RoomMessage, Subscribe, Subscribed,
    Unsubscribe, WantKeyframe,
};
use crate::doubles::Doubles;
use crate::frame::{FlowId, Keyframe, Media, Place};
use crate::keyframe_cache::KeyframeCache;
use crate::routes::{Change, Cost, Disbelief, LinkId, Routes, TrackKey, Transit, Use};
use crate::scheduler::{Class, Load, Queued, RoomKey};
use crate::wants::{LayerKey, Wanter, Wants, Wish};

/// One node among its neighbours.
#[derive(Debug)]
pub struct Exchange {
    node: String,
    routes: Routes,
    wants: Wants,
    links: HashMap<LinkId, Neighbour>,
    layers: HashMap<LayerKey, Passing>,
    rooms: HashMap<String, RoomKey>,
    outputs: Vec<Output>,
}

/// What the shell has to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Tell a neighbour, on its control stream.
    Tell(LinkId, Message),
    /// Give a packet to the link of a neighbour.
    Send(LinkId, Queued),
    /// A packet for the room on this node.
    Deliver(LayerKey, Place, Bytes),
    /// Somebody elsewhere wants a layer that is published here, or does no more.
    Feed(LayerKey, Wanted),
    /// Somebody elsewhere needs a keyframe of a layer that is published here.
    Keyframe(LayerKey),
    /// A track of a room on this node can be had, or no more.
    Track(TrackKey, Kind, Wanted),
    /// Another node tells something about a room.
    Said(RoomMessage),
}

/// Whether something is wanted or there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// It is.
    Yes,
    /// Not any more.
    No,
}

#[derive(Debug, Default)]
struct Neighbour {
    /// What it wants of us, by the number it gave its wish.
    wishes: HashMap<u32, (LayerKey, FlowId)>,
    /// What we send it.
    flows: HashMap<LayerKey, FlowId>,
    last_flow: u32,
    allocation: Allocation,
    /// What we want of it, by the number we gave.
    ours: HashMap<u32, LayerKey>,
    last_wish: u32,
    /// What it sends us.
    incoming: HashMap<FlowId, LayerKey>,
}

/// A layer on its way through this node.
#[derive(Debug, Default)]
struct Passing {
    cache: KeyframeCache,
    doubles: Doubles,
    /// The link it is asked for over, and the one it came by until then.
    parent: Option<LinkId>,
    old: Option<LinkId>,
}

impl Exchange {
    /// One neighbour has no use for more.
    const MOST_WISHES: usize = 5_000;
    /// Before it was measured.
    const GUESSED_ROUND_TRIP: Duration = Duration::from_millis(60);

    /// `node` has no neighbours and no rooms yet.
    pub fn new(node: String, transit: Transit) -> Self {
        Self {
            routes: Routes::new(node.clone(), transit),
            node,
            wants: Wants::default(),
            links: HashMap::new(),
            layers: HashMap::new(),
            rooms: HashMap::new(),
            outputs: Vec::new(),
        }
    }

    /// What is to be done, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// A link to the node `name` is up.
    pub fn link_up(&mut self, link: LinkId, name: String, cost: Cost) {
        self.links.insert(link, Neighbour::default());
        self.routes.link_up(link, name, cost);
        self.carry_out();
    }

    /// A link is down.
    pub fn link_down(&mut self, now: Instant, link: LinkId) {
        self.links.remove(&link);
        self.wants.forget(now, link);
        for passing in self.layers.values_mut() {
            passing.parent = passing.parent.filter(|parent| *parent != link);
            passing.old = passing.old.filter(|old| *old != link);
        }
        self.routes.link_down(now, link);
        self.carry_out();
    }

    /// A link was measured.
    pub fn set_cost(&mut self, now: Instant, link: LinkId, cost: Cost) {
        self.routes.set_cost(now, link, cost);
        self.carry_out();
    }

    /// A link fell silent, or speaks again.
    pub fn set_use(&mut self, now: Instant, link: LinkId, use_it: Use) {
        self.routes.set_use(now, link, use_it);
        self.carry_out();
    }

    /// A track is published here; or this node hosts the room ([`Kind::Host`], its own name).
    pub fn publish(&mut self, key: TrackKey, kind: Kind, epoch: u64) {
        self.routes.publish(key, kind, epoch);
        self.carry_out();
    }

    /// It is not any more.
    pub fn unpublish(&mut self, now: Instant, key: &TrackKey) {
        self.routes.unpublish(now, key);
        self.carry_out();
    }

    /// Subscribers on this node want a layer from elsewhere, or do no more.
    pub fn want(&mut self, now: Instant, key: LayerKey, wanted: Wanted) {
        match wanted {
            Wanted::Yes => self.begin(now, Wanter::Here, key),
            Wanted::No => self.wants.end(now, Wanter::Here, &key),
        }
    }

    /// Subscribers on this node need a keyframe.
    pub fn want_keyframe(&mut self, now: Instant, key: &LayerKey) {
        self.wants.want_keyframe(key);
        self.tick(now);
    }

    /// A packet of a layer that is published here.
    pub fn feed(&mut self, now: Instant, key: &LayerKey, place: Place, rtp: Bytes) {
        if place.keyframe == Keyframe::Yes {
            self.wants.keyframe_came(key);
        }
        self.layers
            .entry(key.clone())
            .or_default()
            .cache
            .push(now, place, &rtp);
        self.spread(key, place, &rtp);
    }

    /// Tells the nodes `to` that host the room; none: all of them.
    pub fn say(&mut self, room: &str, to: Vec<String>, said: Bytes) {
        let to = if to.is_empty() {
            self.routes.hosts(room).map(str::to_owned).collect()
        } else {
            to
        };
        let from = self.node.clone();
        self.pass_on(room, &from, to, &said);
    }

    /// A message came on the control stream of `link`.
    pub fn message(
        &mut self,
        now: Instant,
        link: LinkId,
        message: Message,
    ) -> Result<(), Disbelief> {
        match message {
            Message::Announce(announce) => self.announced(now, link, announce)?,
            Message::Withdraw(withdraw) => {
                self.routes.withdraw(now, link, withdraw);
                self.carry_out();
            }
            Message::Subscribe(subscribe) => self.subscribe(now, link, subscribe),
            Message::Subscribed(subscribed) => self.subscribed(link, &subscribed),
            Message::Refused(refused) => {
                if let Some(neighbour) = self.links.get_mut(&link) {
                    neighbour.ours.remove(&refused.id);
                }
            }
            Message::Unsubscribe(unsubscribe) => self.unsubscribe(now, link, unsubscribe.id),
            Message::WantKeyframe(want) => {
                let wish = self
                    .links
                    .get(&link)
                    .and_then(|neighbour| neighbour.wishes.get(&want.id));
                if let Some((key, _)) = wish.cloned() {
                    self.keyframe_needed(now, &key);
                }
            }
            Message::Room(said) => self.said(said),
            // A layer that stops shows by its silence; hello and goodbye are the shell's.
            Message::LayerState(_) | Message::Hello(_) | Message::Goaway(_) => {}
        }
        Ok(())
    }

    /// A packet came over `link`.
    pub fn media(&mut self, now: Instant, link: LinkId, media: Media) {
        let Some(neighbour) = self.links.get(&link) else {
            return;
        };
        let Some(key) = neighbour.incoming.get(&media.flow).cloned() else {
            return;
        };
        let passing = self.layers.entry(key.clone()).or_default();
        if passing.parent == Some(link)
            && let Some(old) = passing.old.take()
        {
            // The new way carries: the old one has done its duty.
            self.give_up(old, &key);
        }
        let passing = self.layers.entry(key.clone()).or_default();
        let seq = SeqNo(u16::from_be_bytes([media.rtp[2], media.rtp[3]]));
        if !passing.doubles.is_new(seq) {
            return;
        }
        passing.cache.push(now, media.place, &media.rtp);
        if media.place.keyframe == Keyframe::Yes {
            self.wants.keyframe_came(&key);
        }
        self.spread(&key, media.place, &media.rtp);
    }

    /// A link's rate, and what of it goes to sound: decides which layers it carries.
    pub fn look(&mut self, now: Instant, link: LinkId, rate: Bitrate, spent: Bitrate) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        for turn in neighbour.allocation.look(now, rate, spent) {
            let (flow, paused) = match turn {
                Turn::Pause(flow) => (flow, true),
                Turn::Resume(flow) => (flow, false),
            };
            let Some((id, key)) = neighbour.wish_of(flow) else {
                continue;
            };
            let state = LayerState { id, paused };
            self.outputs
                .push(Output::Tell(link, Message::LayerState(state)));
            if !paused {
                self.outputs
                    .extend(Self::keyframe_wish(&self.routes, &mut self.wants, &key));
            }
        }
        self.tick(now);
    }

    /// Flows of `link` that were broken by what had to be left out.
    pub fn broken(&mut self, now: Instant, link: LinkId, flows: &[FlowId]) {
        for flow in flows {
            let wish = self
                .links
                .get(&link)
                .and_then(|neighbour| neighbour.wish_of(*flow));
            if let Some((_, key)) = wish {
                self.keyframe_needed(now, &key);
            }
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) {
        self.routes.tick(now);
        self.carry_out();
        for wish in self.wants.poll(now, Self::GUESSED_ROUND_TRIP) {
            self.wish(wish);
        }
    }

    /// When to [`tick`](Self::tick).
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let wants = self.wants.deadline(now, Self::GUESSED_ROUND_TRIP);
        [self.routes.deadline(), wants].into_iter().flatten().min()
    }

    fn announced(
        &mut self,
        now: Instant,
        link: LinkId,
        announce: Announce,
    ) -> Result<(), Disbelief> {
        self.routes.announce(now, link, announce)?;
        self.carry_out();
        Ok(())
    }

    fn subscribe(&mut self, now: Instant, link: LinkId, subscribe: Subscribe) {
        let key = LayerKey {
            track: TrackKey {
                room: subscribe.room,
                track: subscribe.track,
            },
            layer: Layer(subscribe.layer.min(u32::from(Layer::HIGH.0)) as u8),
        };
        let source = self.routes.source(&key.track);
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        let id = subscribe.id;
        let refusal = match source {
            None => Some(Refusal::NotHere),
            Some((_, Some(parent))) if parent == link => Some(Refusal::Loop),
            Some(_) if subscribe.path.contains(&self.node) => Some(Refusal::Loop),
            Some(_) if subscribe.path.len() > Routes::MOST_HOPS => Some(Refusal::TooFar),
            Some(_) if neighbour.wishes.len() >= Self::MOST_WISHES => Some(Refusal::TooMany),
            Some(_) => None,
        };
        if let Some(why) = refusal {
            let refused = Refused {
                id,
                why: why.into(),
            };
            self.outputs
                .push(Output::Tell(link, Message::Refused(refused)));
            return;
        }
        let kind = source.map_or(Kind::Unknown, |(kind, _)| kind);
        let flow = neighbour.next_flow();
        neighbour.wishes.insert(id, (key.clone(), flow));
        neighbour.flows.insert(key.clone(), flow);
        neighbour
            .allocation
            .begin(flow, class(kind, key.layer), subscribe.listeners);
        let subscribed = Subscribed {
            id,
            flow: flow.number(),
        };
        self.outputs
            .push(Output::Tell(link, Message::Subscribed(subscribed)));
        self.begin(now, Wanter::Link(link), key.clone());
        self.catch_up(now, link, &key);
    }

    /// Shows a new subscriber what is there already.
    fn catch_up(&mut self, now: Instant, link: LinkId, key: &LayerKey) {
        let Some((kind, _)) = self.routes.source(&key.track) else {
            return;
        };
        if kind != Kind::Video {
            return;
        }
        let cached = self
            .layers
            .get(key)
            .map_or(&[][..], |passing| passing.cache.packets(now));
        if cached.is_empty() {
            self.keyframe_needed(now, key);
            return;
        }
        for (place, rtp) in Vec::from(cached) {
            self.send(link, key, place, &rtp);
        }
    }

    fn subscribed(&mut self, link: LinkId, subscribed: &Subscribed) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        let Some(flow) = FlowId::new(subscribed.flow) else {
            return;
        };
        if let Some(key) = neighbour.ours.get(&subscribed.id) {
            neighbour.incoming.insert(flow, key.clone());
        }
    }

    fn unsubscribe(&mut self, now: Instant, link: LinkId, id: u32) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        let Some((key, flow)) = neighbour.wishes.remove(&id) else {
            return;
        };
        neighbour.allocation.end(flow);
        // It may have asked anew before it gave the old wish up.
        if neighbour.flows.get(&key) == Some(&flow) {
            neighbour.flows.remove(&key);
            self.wants.end(now, Wanter::Link(link), &key);
        }
    }

    fn said(&mut self, message: RoomMessage) {
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            message.to.iter().cloned().partition(|to| *to == self.node);
        if !here.is_empty() {
            self.outputs.push(Output::Said(message.clone()));
        }
        self.pass_on(&message.room, &message.from, elsewhere, &message.said);
    }

    /// One message per neighbour, for all that are reached over it.
    fn pass_on(&mut self, room: &str, from: &str, to: Vec<String>, said: &Bytes) {
        let mut ways: HashMap<LinkId, Vec<String>> = HashMap::new();
        for node in to {
            let key = TrackKey {
                room: room.to_owned(),
                track: node.clone(),
            };
            if let Some((_, Some(link))) = self.routes.source(&key) {
                ways.entry(link).or_default().push(node);
            }
        }
        for (link, to) in ways {
            let message = RoomMessage {
                room: room.to_owned(),
                from: from.to_owned(),
                to,
                said: said.clone(),
            };
            self.outputs
                .push(Output::Tell(link, Message::Room(message)));
        }
    }

    fn begin(&mut self, now: Instant, wanter: Wanter, key: LayerKey) {
        if let Some(wish) = self.wants.begin(wanter, key) {
            self.wish(wish);
        }
        self.tick(now);
    }

    fn keyframe_needed(&mut self, now: Instant, key: &LayerKey) {
        self.wants.want_keyframe(key);
        self.tick(now);
    }

    fn keyframe_wish(routes: &Routes, wants: &mut Wants, key: &LayerKey) -> Option<Output> {
        wants.want_keyframe(key);
        matches!(routes.source(&key.track), Some((_, None))).then(|| Output::Keyframe(key.clone()))
    }

    /// Turns a wish to where its track comes from.
    fn wish(&mut self, wish: Wish) {
        let source = self.routes.source(&wish.key().track);
        match (wish, source) {
            (Wish::Begin(key), Some((_, None))) => {
                self.outputs.push(Output::Feed(key, Wanted::Yes))
            }
            (Wish::End(key), Some((_, None))) => {
                self.layers.remove(&key);
                self.outputs.push(Output::Feed(key, Wanted::No));
            }
            (Wish::Keyframe(key), Some((_, None))) => self.outputs.push(Output::Keyframe(key)),
            (Wish::Begin(key), Some((_, Some(link)))) => self.ask(link, key),
            (Wish::End(key), _) => {
                let passing = self.layers.remove(&key).unwrap_or_default();
                for link in [passing.parent, passing.old].into_iter().flatten() {
                    self.give_up(link, &key);
                }
            }
            (Wish::Keyframe(key), Some((_, Some(link)))) => {
                let id = self
                    .links
                    .get(&link)
                    .and_then(|neighbour| neighbour.our_wish(&key));
                if let Some(id) = id {
                    self.outputs.push(Output::Tell(
                        link,
                        Message::WantKeyframe(WantKeyframe { id }),
                    ));
                }
            }
            // It will be asked for when it is announced.
            (Wish::Begin(_) | Wish::Keyframe(_), None) => {}
        }
    }

    /// Asks a neighbour for a layer.
    fn ask(&mut self, link: LinkId, key: LayerKey) {
        let listeners = self.wants.wanters(&key).count() as u32;
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        neighbour.last_wish += 1;
        let id = neighbour.last_wish;
        neighbour.ours.insert(id, key.clone());
        let passing = self.layers.entry(key.clone()).or_default();
        if passing.parent != Some(link) {
            passing.old = passing.parent;
            passing.parent = Some(link);
        }
        let subscribe = Subscribe {
            id,
            room: key.track.room,
            track: key.track.track,
            layer: u32::from(key.layer.0),
            path: vec![self.node.clone()],
            listeners,
        };
        self.outputs
            .push(Output::Tell(link, Message::Subscribe(subscribe)));
    }

    /// Wants a layer of a neighbour no more.
    fn give_up(&mut self, link: LinkId, key: &LayerKey) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        let Some(id) = neighbour.our_wish(key) else {
            return;
        };
        neighbour.ours.remove(&id);
        neighbour.incoming.retain(|_, incoming| incoming != key);
        let unsubscribe = Unsubscribe { id };
        self.outputs
            .push(Output::Tell(link, Message::Unsubscribe(unsubscribe)));
    }

    /// Gives a packet to all who want it.
    fn spread(&mut self, key: &LayerKey, place: Place, rtp: &Bytes) {
        let wanters: Vec<_> = self.wants.wanters(key).collect();
        for wanter in wanters {
            match wanter {
                Wanter::Here => self
                    .outputs
                    .push(Output::Deliver(key.clone(), place, rtp.clone())),
                Wanter::Link(link) => self.send(link, key, place, rtp),
            }
        }
    }

    fn send(&mut self, link: LinkId, key: &LayerKey, place: Place, rtp: &Bytes) {
        let Some((kind, _)) = self.routes.source(&key.track) else {
            return;
        };
        let count = self.rooms.len() as u32;
        let room = *self
            .rooms
            .entry(key.track.room.clone())
            .or_insert(RoomKey(count + 1));
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        let Some(flow) = neighbour.flows.get(key).copied() else {
            return;
        };
        if !neighbour.allocation.offer(flow, rtp.len()) {
            return;
        }
        let load = Load::Fresh {
            flow,
            place,
            rtp: rtp.clone(),
        };
        let class = class(kind, key.layer);
        self.outputs
            .push(Output::Send(link, Queued { room, class, load }));
    }

    /// Does what follows from news of the ways.
    fn carry_out(&mut self) {
        for change in self.routes.take_changes() {
            match change {
                Change::Announce(link, announce) => self
                    .outputs
                    .push(Output::Tell(link, Message::Announce(announce))),
                Change::Withdraw(link, withdraw) => self
                    .outputs
                    .push(Output::Tell(link, Message::Withdraw(withdraw))),
                Change::Parent(track, Some(link)) => {
                    for key in self.wants.of_track(&track) {
                        self.ask(link, key);
                    }
                    let kind = self
                        .routes
                        .source(&track)
                        .map_or(Kind::Unknown, |(kind, _)| kind);
                    self.outputs.push(Output::Track(track, kind, Wanted::Yes));
                }
                Change::Parent(track, None) => {
                    for key in self.wants.of_track(&track) {
                        self.layers.remove(&key);
                    }
                    self.wants.drop_track(&track);
                    self.outputs
                        .push(Output::Track(track, Kind::Unknown, Wanted::No));
                }
            }
        }
    }
}

impl Neighbour {
    fn next_flow(&mut self) -> FlowId {
        self.last_flow = self.last_flow.wrapping_add(1).max(1);
        FlowId::new(self.last_flow).expect("at least one")
    }

    fn wish_of(&self, flow: FlowId) -> Option<(u32, LayerKey)> {
        let wish = self.wishes.iter().find(|(_, (_, of))| *of == flow)?;
        Some((*wish.0, wish.1.0.clone()))
    }

    fn our_wish(&self, key: &LayerKey) -> Option<u32> {
        self.ours
            .iter()
            .find(|(_, ours)| *ours == key)
            .map(|(id, _)| *id)
    }
}

fn class(kind: Kind, layer: Layer) -> Class {
    match kind {
        Kind::Audio => Class::Audio,
        Kind::Video if layer > Layer::LOW => Class::Enhancement,
        Kind::Video | Kind::Host | Kind::Unknown => Class::BaseLayer,
    }
}
