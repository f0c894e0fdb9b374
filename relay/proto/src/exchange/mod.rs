//! One node's part in the relay: what its rooms publish goes to the neighbours that want it, what
//! they want comes from where it is had, and what a hub does not host itself passes through.
//!
//! It routes and orders. Ways are [`Routes`]' business, wishes [`Want`](crate::wants::Want)'s, what
//! passes here [`Layers`]', and what a link carries [`Allocation`](crate::Allocation)'s. Links
//! themselves, one per neighbour, are kept by the shell: [`Output`] tells it what to give to which.

mod moving;
mod passing;
mod pausing;
mod saying;
mod wishes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use media::Bitrate;

use crate::allocation::Turn;
use crate::control::{Kind, Message, RoomMessage};
use crate::frame::{FlowId, Media, Place};
use crate::layers::{LayerId, LayerKey, Layers, Paused};
use crate::neighbour::Neighbour;
use crate::routes::{Cost, Disbelief, LinkId, Routes, Source, TrackKey, Transit, Use};
use crate::scheduler::Queued;
use crate::wants::{Handle, Wanter};

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
    /// A flow of a link stops: nothing more of it is sent before a keyframe.
    Pause(LinkId, FlowId),
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

/// What a look at a link found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Looked {
    /// A layer waits for the link to carry more.
    pub wanting: bool,
    /// Packets that were kept for the word of what they are, which never came.
    pub unmet: u64,
}

/// What became of a packet that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// Whoever wants it has it.
    Passed,
    /// It came before, over another way.
    Double,
    /// It came before the word of what it is, and waits for that.
    Early,
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
                let id = self.begin(now, wanter, key);
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
                    let early = neighbour.subscribed(subscribed.id, flow);
                    for media in early {
                        self.media(now, link, media);
                    }
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
        let Some(neighbour) = self.links.get_mut(&link) else {
            return Taken::UnknownFlow;
        };
        let Some(id) = neighbour.incoming(media.flow) else {
            return match neighbour.keep(now, media) {
                true => Taken::Early,
                false => Taken::UnknownFlow,
            };
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

    /// What a link carries of pictures: decides which layers go over it. Whether one waits for the
    /// link to carry more, and how many packets were kept in vain for the word of what they are.
    pub fn look(&mut self, now: Instant, link: LinkId, rate: Bitrate) -> Looked {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return Looked::default();
        };
        neighbour.fade(now);
        let turns = neighbour.allocation.look(now, rate);
        let looked = Looked {
            wanting: neighbour.allocation.is_wanting(),
            unmet: neighbour.take_unmet(),
        };
        for turn in turns {
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
                Turn::Pause(flow) => self.outputs.push(Output::Pause(link, flow)),
                Turn::Resume(_) => self.keyframe_needed(now, id),
            }
        }
        looked
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
}
