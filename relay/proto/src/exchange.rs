//! One node's part in the relay: what its rooms publish goes to the neighbours that want it, what
//! they want comes from where it is had, and what a hub does not host itself passes through.
//!
//! It routes and orders. Ways are [`Routes`]' business, wishes [`Want`](crate::wants::Want)'s, what
//! passes here [`Layers`]', and what a link carries [`Allocation`](crate::Allocation)'s. Links
//! themselves, one per neighbour, are kept by the shell: [`Output`] tells it what to give to which.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use media::{Bitrate, Layer};

use crate::allocation::Turn;
use crate::control::{
    Kind, LayerState, Message, Refusal, Refused, RoomMessage, Subscribe, Subscribed, Unsubscribe,
    WantKeyframe,
};
use crate::frame::{FlowId, Media, Place};
use crate::layers::{LayerId, LayerKey, Layers, Paused, class};
use crate::neighbour::Neighbour;
use crate::routes::{Change, Cost, Disbelief, LinkId, Routes, Source, TrackKey, Transit, Use};
use crate::scheduler::{Load, Queued};
use crate::wants::{Due, Handle, Wanter};

/// One node among its neighbours.
#[derive(Debug)]
pub struct Exchange {
    node: Arc<str>,
    routes: Routes,
    links: HashMap<LinkId, Neighbour>,
    layers: Layers,
    outputs: Vec<Output>,
}

/// What the shell has to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Tell a neighbour, on its control stream.
    Tell(LinkId, Message),
    /// Give a packet to the link of a neighbour.
    Send(LinkId, Queued),
    /// A flow of a link ended: nothing of it need be remembered.
    Forget(LinkId, FlowId),
    /// A packet for the room on this node.
    Deliver(Handle, Place, Bytes),
    /// Somebody elsewhere wants a layer that is published here, or does no more.
    Feed(LayerKey, LayerId, Wanted),
    /// Somebody elsewhere needs a keyframe of a layer that is published here.
    Keyframe(LayerKey),
    /// The way to here cannot carry a layer that is wanted here, or can again.
    Paused(LayerKey, Paused),
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

/// What became of a packet that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// Whoever wants it has it.
    Passed,
    /// It came before, over another way.
    Double,
    /// Nobody asked for it, or nobody wants it any more.
    UnknownFlow,
}

impl Exchange {
    /// Names in one message, at most: they must fit beside what is said.
    const MOST_NAMED: usize = 128;

    /// `node` has no neighbours and no rooms yet.
    pub fn new(node: &str, transit: Transit) -> Self {
        Self {
            routes: Routes::new(node.into(), transit),
            node: node.into(),
            links: HashMap::new(),
            layers: Layers::default(),
            outputs: Vec::new(),
        }
    }

    /// Appends what is to be done, in order.
    pub fn take_outputs(&mut self, to: &mut Vec<Output>) {
        to.append(&mut self.outputs);
    }

    /// A link to the node `name` is up.
    pub fn link_up(&mut self, now: Instant, link: LinkId, name: String, cost: Cost) {
        self.links.insert(link, Neighbour::default());
        self.routes.link_up(link, name, cost);
        self.carry_out(now);
    }

    /// A link is down.
    pub fn link_down(&mut self, now: Instant, link: LinkId) {
        self.links.remove(&link);
        for id in self.layers.ids() {
            let Some(passing) = self.layers.get_mut(id) else {
                continue;
            };
            passing.want.end(now, Wanter::Link(link));
            passing.old = passing.old.filter(|old| *old != link);
            self.layers.schedule(now, id);
        }
        self.routes.link_down(now, link);
        self.carry_out(now);
    }

    /// A link was measured.
    pub fn set_cost(&mut self, now: Instant, link: LinkId, cost: Cost) {
        self.routes.set_cost(now, link, cost);
        self.carry_out(now);
    }

    /// A link fell silent, or speaks again, or the node at its other end goes.
    pub fn set_use(&mut self, now: Instant, link: LinkId, use_it: Use) {
        self.routes.set_use(now, link, use_it);
        self.carry_out(now);
    }

    /// A track is published here; or this node hosts the room ([`Kind::Host`], its own name). One
    /// that came anew elsewhere since is not believed.
    pub fn publish(
        &mut self,
        now: Instant,
        key: TrackKey,
        kind: Kind,
        epoch: u64,
    ) -> Result<(), Disbelief> {
        self.routes.publish(key, kind, epoch)?;
        self.carry_out(now);
        Ok(())
    }

    /// It is not any more.
    pub fn unpublish(&mut self, now: Instant, key: &TrackKey) {
        self.routes.unpublish(now, key);
        self.carry_out(now);
    }

    /// Subscribers on this node want a layer from elsewhere, or do no more. A wish outlives its
    /// track: it is asked for when it can be had.
    pub fn want(&mut self, now: Instant, key: LayerKey, handle: Handle, wanted: Wanted) {
        let wanter = Wanter::Here(handle);
        match wanted {
            Wanted::Yes => {
                let id = self.begin(now, wanter, key, Vec::new());
                if let Some(passing) = self.layers.get(id)
                    && passing.paused == Paused::Yes
                {
                    let key = passing.key.clone();
                    self.outputs.push(Output::Paused(key, Paused::Yes));
                }
            }
            Wanted::No => {
                if let Some(id) = self.layers.id(&key) {
                    self.end(now, wanter, id);
                }
            }
        }
    }

    /// Subscribers on this node need a keyframe.
    pub fn want_keyframe(&mut self, now: Instant, key: &LayerKey) {
        if let Some(id) = self.layers.id(key) {
            self.keyframe_needed(now, id);
        }
    }

    /// A packet of a layer that is published here, and wanted elsewhere.
    pub fn feed(&mut self, now: Instant, id: LayerId, place: Place, rtp: Bytes) {
        let Some(passing) = self.layers.get_mut(id) else {
            return;
        };
        if passing.source == Source::Here && rtp.len() >= Media::LEAST_RTP {
            self.pass(now, id, place, rtp);
        }
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
            Message::Announce(announce) => {
                self.routes.announce(now, link, announce)?;
                self.carry_out(now);
            }
            Message::Withdraw(withdraw) => {
                self.routes.withdraw(now, link, withdraw);
                self.carry_out(now);
            }
            Message::Subscribe(subscribe) => self.subscribe(now, link, subscribe),
            Message::Subscribed(subscribed) => {
                if let Some(flow) = FlowId::new(subscribed.flow)
                    && let Some(neighbour) = self.links.get_mut(&link)
                {
                    neighbour.subscribed(subscribed.id, flow);
                }
            }
            Message::Refused(refused) => self.refused(now, link, refused.id),
            Message::Unsubscribe(unsubscribe) => self.unsubscribe(now, link, unsubscribe.id),
            Message::WantKeyframe(want) => {
                let wish = self
                    .links
                    .get(&link)
                    .and_then(|neighbour| neighbour.wish(want.id));
                if let Some(wish) = wish {
                    self.keyframe_needed(now, wish.layer);
                }
            }
            Message::LayerState(state) => self.layer_state(link, &state),
            Message::Room(said) => self.said(said),
            // Hello and goodbye are the shell's.
            Message::Hello(_) | Message::Goaway(_) => {}
        }
        Ok(())
    }

    /// A packet came over `link`.
    pub fn media(&mut self, now: Instant, link: LinkId, media: Media) -> Taken {
        let Some(id) = self
            .links
            .get(&link)
            .and_then(|neighbour| neighbour.incoming(media.flow))
        else {
            return Taken::UnknownFlow;
        };
        let Some(passing) = self.layers.get_mut(id) else {
            return Taken::UnknownFlow;
        };
        if passing.source == Source::Link(link)
            && let Some(old) = passing.old.take()
        {
            // The new way carries: the old one has done its duty.
            self.give_up(now, old, id);
        }
        self.pass(now, id, media.place, media.rtp)
    }

    /// A link's rate, and what of it goes to sound: decides which layers it carries.
    pub fn look(&mut self, now: Instant, link: LinkId, rate: Bitrate, spent: Bitrate) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        neighbour.fade(now);
        for turn in neighbour.allocation.look(now, rate, spent) {
            let (Turn::Pause(flow) | Turn::Resume(flow)) = turn;
            let layer = self
                .links
                .get(&link)
                .and_then(|neighbour| neighbour.layer(flow));
            let Some(id) = layer else {
                continue;
            };
            self.tell_state(link, id);
            match turn {
                Turn::Pause(_) => {}
                Turn::Resume(_) => self.keyframe_needed(now, id),
            }
        }
    }

    /// Flows of `link` that were broken by what had to be left out.
    pub fn broken(&mut self, now: Instant, link: LinkId, flows: &[FlowId]) {
        for flow in flows {
            let layer = self
                .links
                .get(&link)
                .and_then(|neighbour| neighbour.layer(*flow));
            if let Some(id) = layer {
                self.keyframe_needed(now, id);
            }
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) {
        self.routes.tick(now);
        self.carry_out(now);
        self.carry_wishes(now);
    }

    /// When to [`tick`](Self::tick).
    pub fn deadline(&self) -> Option<Instant> {
        [self.routes.deadline(), self.layers.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether nothing is had from here or passes through: a node that goes may stop.
    pub fn is_idle(&self) -> bool {
        let wishes = self.links.values().map(Neighbour::wishes);
        !self.routes.publishes() && wishes.sum::<usize>() == 0
    }

    /// Rooms of which something passes here.
    pub fn rooms(&self) -> usize {
        self.layers.rooms()
    }

    /// Layers that go over a link, and those that come over it.
    pub fn layers(&self, link: LinkId) -> (usize, usize) {
        self.links
            .get(&link)
            .map_or((0, 0), |link| (link.wishes(), link.ours()))
    }

    /// The ways this node knows.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    fn subscribe(&mut self, now: Instant, link: LinkId, subscribe: Subscribe) {
        let key = LayerKey {
            track: TrackKey {
                room: subscribe.room.into(),
                track: subscribe.track.into(),
            },
            layer: Layer(subscribe.layer.min(u32::from(Layer::HIGH.0)) as u8),
        };
        let (kind, source) = self.routes.source(&key.track);
        let Some(neighbour) = self.links.get(&link) else {
            return;
        };
        let id = subscribe.id;
        let been_here = subscribe.path.iter().any(|node| **node == *self.node);
        let refusal = match source {
            Source::Nowhere => Some(Refusal::NotHere),
            Source::Link(parent) if parent == link => Some(Refusal::Loop),
            Source::Here | Source::Link(_) if been_here => Some(Refusal::Loop),
            Source::Here | Source::Link(_) if subscribe.path.len() > Routes::MOST_HOPS => {
                Some(Refusal::TooFar)
            }
            Source::Here | Source::Link(_) if neighbour.wishes() >= Neighbour::MOST_WISHES => {
                Some(Refusal::TooMany)
            }
            Source::Here | Source::Link(_) => None,
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
        let class = class(kind, key.layer);
        let layer = self.begin(now, Wanter::Link(link), key, subscribe.path);
        let neighbour = self.links.get_mut(&link).expect("looked at above");
        let flow = neighbour.begin(id, layer);
        neighbour.allocation.begin(flow, class, subscribe.listeners);
        let subscribed = Subscribed {
            id,
            flow: flow.number(),
        };
        self.outputs
            .push(Output::Tell(link, Message::Subscribed(subscribed)));
        self.tell_state(link, layer);
        if kind == Kind::Video {
            self.catch_up(now, link, layer);
        }
    }

    /// Shows a new subscriber what is there already.
    fn catch_up(&mut self, now: Instant, link: LinkId, id: LayerId) {
        let cached = self
            .layers
            .get(id)
            .map_or(&[][..], |passing| passing.cache.packets(now))
            .to_vec();
        if cached.is_empty() {
            self.keyframe_needed(now, id);
            return;
        }
        for (place, rtp) in cached {
            self.send(link, id, place, rtp);
        }
    }

    fn refused(&mut self, now: Instant, link: LinkId, wish: u32) {
        let layer = self
            .links
            .get_mut(&link)
            .and_then(|neighbour| neighbour.refused(wish));
        let Some(id) = layer else {
            return;
        };
        if let Some(passing) = self.layers.get_mut(id)
            && passing.source == Source::Link(link)
        {
            passing.want.refused(now);
            self.layers.schedule(now, id);
        }
    }

    fn unsubscribe(&mut self, now: Instant, link: LinkId, wish: u32) {
        let ended = self
            .links
            .get_mut(&link)
            .and_then(|neighbour| neighbour.end(wish));
        let Some((flow, layer)) = ended else {
            return;
        };
        self.outputs.push(Output::Forget(link, flow));
        if let Some(id) = layer {
            self.end(now, Wanter::Link(link), id);
        }
    }

    /// The neighbour cannot send us a layer now, or can again: those we send it to are told.
    fn layer_state(&mut self, link: LinkId, state: &LayerState) {
        let layer = self
            .links
            .get(&link)
            .and_then(|neighbour| neighbour.our_layer(state.id));
        let paused = if state.paused {
            Paused::Yes
        } else {
            Paused::No
        };
        if let Some(id) = layer
            && self
                .layers
                .get(id)
                .is_some_and(|passing| passing.source == Source::Link(link))
        {
            self.set_paused(id, paused);
        }
    }

    fn set_paused(&mut self, id: LayerId, paused: Paused) {
        let Some(passing) = self.layers.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut passing.paused, paused) == paused {
            return;
        }
        let mut here = false;
        for wanter in passing.want.wanters().to_vec() {
            match wanter {
                Wanter::Here(_) => here = true,
                Wanter::Link(link) => self.tell_state(link, id),
            }
        }
        if here && let Some(passing) = self.layers.get(id) {
            self.outputs
                .push(Output::Paused(passing.key.clone(), paused));
        }
    }

    /// Tells a neighbour whether a layer stands still, if it does not know.
    fn tell_state(&mut self, link: LinkId, id: LayerId) {
        let Some(passing) = self.layers.get(id) else {
            return;
        };
        let told = self
            .links
            .get_mut(&link)
            .and_then(|neighbour| neighbour.tell(id, passing.paused));
        if let Some((id, paused)) = told {
            let state = LayerState {
                id,
                paused: paused == Paused::Yes,
            };
            self.outputs
                .push(Output::Tell(link, Message::LayerState(state)));
        }
    }

    fn said(&mut self, message: RoomMessage) {
        if *message.from == *self.node {
            return;
        }
        let (here, elsewhere): (Vec<_>, Vec<_>) = message
            .to
            .iter()
            .cloned()
            .partition(|to| **to == *self.node);
        self.pass_on(&message.room, &message.from, elsewhere, &message.said);
        if !here.is_empty() {
            self.outputs.push(Output::Said(message));
        }
    }

    /// One message per neighbour, for all that are reached over it.
    fn pass_on(&mut self, room: &str, from: &str, to: Vec<String>, said: &Bytes) {
        let mut ways: BTreeMap<LinkId, Vec<String>> = BTreeMap::new();
        let room_name: Arc<str> = room.into();
        for node in to {
            let key = TrackKey {
                room: room_name.clone(),
                track: node.as_str().into(),
            };
            if let (_, Source::Link(link)) = self.routes.source(&key) {
                ways.entry(link).or_default().push(node);
            }
        }
        for (link, to) in ways {
            for to in to.chunks(Self::MOST_NAMED) {
                let message = RoomMessage {
                    room: room.to_owned(),
                    from: from.to_owned(),
                    to: to.to_vec(),
                    said: said.clone(),
                };
                self.outputs
                    .push(Output::Tell(link, Message::Room(message)));
            }
        }
    }

    /// `wanter` wants a layer; it is asked for if nobody wanted it before.
    fn begin(
        &mut self,
        now: Instant,
        wanter: Wanter,
        key: LayerKey,
        beyond: Vec<String>,
    ) -> LayerId {
        let known = self.layers.id(&key);
        let id = known.unwrap_or_else(|| self.layers.add(key));
        let passing = self.layers.get_mut(id).expect("found or added above");
        passing.want.begin(wanter);
        if known.is_none() {
            passing.beyond = beyond;
            self.ask(id);
        }
        self.layers.schedule(now, id);
        id
    }

    fn end(&mut self, now: Instant, wanter: Wanter, id: LayerId) {
        if let Some(passing) = self.layers.get_mut(id) {
            passing.want.end(now, wanter);
            self.layers.schedule(now, id);
        }
    }

    fn keyframe_needed(&mut self, now: Instant, id: LayerId) {
        if let Some(passing) = self.layers.get_mut(id) {
            passing.want.want_keyframe();
            self.layers.schedule(now, id);
            self.carry_wishes(now);
        }
    }

    /// Does what is due for the layers.
    fn carry_wishes(&mut self, now: Instant) {
        while let Some((id, due)) = self.layers.poll(now) {
            match due {
                Due::Ask => self.ask(id),
                Due::Keyframe => self.ask_keyframe(id),
                Due::End => self.drop_layer(now, id),
            }
        }
    }

    /// Asks for a layer where its track comes from.
    fn ask(&mut self, id: LayerId) {
        let Some(passing) = self.layers.get_mut(id) else {
            return;
        };
        let (kind, source) = self.routes.source(&passing.key.track);
        passing.class = class(kind, passing.key.layer);
        passing.source = source;
        passing.want.asked();
        let key = &passing.key;
        match source {
            Source::Here => self
                .outputs
                .push(Output::Feed(key.clone(), id, Wanted::Yes)),
            // It will be asked for when it is announced.
            Source::Nowhere => {}
            Source::Link(link) => {
                let Some(neighbour) = self.links.get_mut(&link) else {
                    return;
                };
                let mut path = passing.beyond.clone();
                path.push((*self.node).to_owned());
                let subscribe = Subscribe {
                    id: neighbour.ask(id),
                    room: (*key.track.room).to_owned(),
                    track: (*key.track.track).to_owned(),
                    layer: u32::from(key.layer.0),
                    path,
                    listeners: passing.want.wanters().len() as u32,
                };
                self.outputs
                    .push(Output::Tell(link, Message::Subscribe(subscribe)));
            }
        }
    }

    fn ask_keyframe(&mut self, id: LayerId) {
        let Some(passing) = self.layers.get(id) else {
            return;
        };
        match passing.source {
            Source::Here => self.outputs.push(Output::Keyframe(passing.key.clone())),
            Source::Nowhere => {}
            Source::Link(link) => {
                let wish = self
                    .links
                    .get(&link)
                    .and_then(|neighbour| neighbour.our_wish(id));
                if let Some(id) = wish {
                    let want = Message::WantKeyframe(WantKeyframe { id });
                    self.outputs.push(Output::Tell(link, want));
                }
            }
        }
    }

    /// Nobody wants a layer any more.
    fn drop_layer(&mut self, now: Instant, id: LayerId) {
        let Some(passing) = self.layers.remove(id) else {
            return;
        };
        match passing.source {
            Source::Here => self.outputs.push(Output::Feed(passing.key, id, Wanted::No)),
            Source::Link(link) => self.give_up(now, link, id),
            Source::Nowhere => {}
        }
        if let Some(old) = passing.old {
            self.give_up(now, old, id);
        }
        self.drop_wishes(id);
    }

    /// What neighbours wished of a layer is void.
    fn drop_wishes(&mut self, id: LayerId) {
        for (link, neighbour) in &mut self.links {
            for flow in neighbour.drop_layer(id) {
                self.outputs.push(Output::Forget(*link, flow));
            }
        }
    }

    /// Wants a layer of a neighbour no more.
    fn give_up(&mut self, now: Instant, link: LinkId, id: LayerId) {
        let wish = self
            .links
            .get_mut(&link)
            .and_then(|neighbour| neighbour.give_up(now, id));
        if let Some(id) = wish {
            let unsubscribe = Message::Unsubscribe(Unsubscribe { id });
            self.outputs.push(Output::Tell(link, unsubscribe));
        }
    }

    /// Gives a packet to all who want it, if it did not come before.
    fn pass(&mut self, now: Instant, id: LayerId, place: Place, rtp: Bytes) -> Taken {
        let Some(passing) = self.layers.get_mut(id) else {
            return Taken::UnknownFlow;
        };
        if !passing.take(now, place, &rtp) {
            return Taken::Double;
        }
        let (room, class) = (passing.room, passing.class);
        for wanter in passing.want.wanters() {
            match wanter {
                Wanter::Here(handle) => {
                    self.outputs
                        .push(Output::Deliver(*handle, place, rtp.clone()));
                }
                Wanter::Link(link) => {
                    let Some(neighbour) = self.links.get_mut(link) else {
                        continue;
                    };
                    if let Some(flow) = neighbour.offer(id, rtp.len()) {
                        let rtp = rtp.clone();
                        let load = Load::Fresh { flow, place, rtp };
                        self.outputs
                            .push(Output::Send(*link, Queued { room, class, load }));
                    }
                }
            }
        }
        Taken::Passed
    }

    /// Gives a packet to one neighbour.
    fn send(&mut self, link: LinkId, id: LayerId, place: Place, rtp: Bytes) {
        let (Some(passing), Some(neighbour)) = (self.layers.get(id), self.links.get_mut(&link))
        else {
            return;
        };
        if let Some(flow) = neighbour.offer(id, rtp.len()) {
            let queued = Queued {
                room: passing.room,
                class: passing.class,
                load: Load::Fresh { flow, place, rtp },
            };
            self.outputs.push(Output::Send(link, queued));
        }
    }

    /// Does what follows from news of the ways.
    fn carry_out(&mut self, now: Instant) {
        for change in self.routes.take_changes() {
            match change {
                Change::Announce(link, announce) => self
                    .outputs
                    .push(Output::Tell(link, Message::Announce(announce))),
                Change::Withdraw(link, withdraw) => self
                    .outputs
                    .push(Output::Tell(link, Message::Withdraw(withdraw))),
                Change::Moved {
                    track,
                    kind,
                    from,
                    to,
                } => {
                    for id in self.layers.of_track(&track) {
                        self.move_layer(now, id, to);
                    }
                    let wanted = match (from, to) {
                        (_, Source::Link(_)) => Wanted::Yes,
                        (Source::Link(_), Source::Here | Source::Nowhere) => Wanted::No,
                        (Source::Here | Source::Nowhere, Source::Here | Source::Nowhere) => {
                            continue;
                        }
                    };
                    self.outputs.push(Output::Track(track, kind, wanted));
                }
            }
        }
    }

    /// A layer comes from somewhere else from now on.
    fn move_layer(&mut self, now: Instant, id: LayerId, to: Source) {
        let Some(passing) = self.layers.get_mut(id) else {
            return;
        };
        let from = passing.source;
        let key = passing.key.clone();
        // Make before break: what comes the old way is good until something comes the new one.
        let old = passing.old.take();
        match (from, to) {
            (Source::Link(link), Source::Link(new)) if link != new => passing.old = Some(link),
            (Source::Link(_) | Source::Here | Source::Nowhere, _) => {}
        }
        if let Source::Link(parent) = to {
            // Whom it comes from cannot want it.
            passing.want.end(now, Wanter::Link(parent));
        }
        for given_up in [
            old.filter(|old| to != Source::Link(*old)),
            match (from, to) {
                (Source::Link(link), Source::Here | Source::Nowhere) => Some(link),
                (Source::Link(_) | Source::Here | Source::Nowhere, _) => None,
            },
        ]
        .into_iter()
        .flatten()
        {
            self.give_up(now, given_up, id);
        }
        if from == Source::Here && to != Source::Here {
            self.outputs.push(Output::Feed(key, id, Wanted::No));
        }
        self.set_paused(id, Paused::No);
        match to {
            Source::Here | Source::Link(_) => self.ask(id),
            Source::Nowhere => {
                self.drop_wishes(id);
                if let Some(passing) = self.layers.get_mut(id) {
                    passing.source = to;
                    passing.want.wait(now);
                }
            }
        }
        self.layers.schedule(now, id);
        self.carry_wishes(now);
    }
}
