//! What one neighbour wants of this node, and this node of it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::allocation::Allocation;
use crate::early::Early;
use crate::frame::{FlowId, Media};
use crate::layers::{LayerId, Paused};

/// Both sides' wishes on one link.
#[derive(Debug, Default)]
pub(crate) struct Neighbour {
    /// What it wants of us, by the number it gave its wish.
    wishes: HashMap<u32, Wish>,
    /// The flow that each layer goes by.
    flows: HashMap<LayerId, FlowId>,
    /// The wish that each flow is for.
    met: HashMap<FlowId, u32>,
    last_flow: u32,
    pub(crate) allocation: Allocation,
    /// What we want of it, by the number we gave; and the other way round.
    ours: HashMap<u32, LayerId>,
    asked: HashMap<LayerId, Ours>,
    last_wish: u32,
    /// What it sends us.
    incoming: HashMap<FlowId, LayerId>,
    /// The newest of those flows. It numbers them in the order it begins them.
    newest: u32,
    early: Early,
    /// Packets of flows that it never told of, since that was asked last.
    unmet: u64,
    /// Flows that we gave up, and when what was under way has come.
    fading: VecDeque<(Instant, FlowId)>,
}

/// Something the neighbour wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) layer: LayerId,
    pub(crate) flow: FlowId,
    /// As it was told.
    told: Paused,
}

/// Something we want.
#[derive(Clone, Copy, Debug)]
struct Ours {
    id: u32,
    flow: Option<FlowId>,
}

impl Neighbour {
    /// One neighbour has no use for more.
    pub(crate) const MOST_WISHES: usize = 5_000;
    /// No path is so long that a packet on it comes later than this.
    const FADES: Duration = Duration::from_secs(1);

    /// It wants a layer.
    pub(crate) fn begin(&mut self, id: u32, layer: LayerId) -> FlowId {
        self.end(id);
        self.last_flow = self.last_flow.wrapping_add(1).max(1);
        let flow = FlowId::new(self.last_flow).expect("at least one");
        let wish = Wish {
            layer,
            flow,
            told: Paused::No,
        };
        self.wishes.insert(id, wish);
        self.met.insert(flow, id);
        self.flows.insert(layer, flow);
        flow
    }

    /// It wants it no more; the layer, if it did not ask for it anew meanwhile.
    pub(crate) fn end(&mut self, id: u32) -> Option<(FlowId, Option<LayerId>)> {
        let wish = self.wishes.remove(&id)?;
        self.met.remove(&wish.flow);
        self.allocation.end(wish.flow);
        if self.flows.get(&wish.layer) != Some(&wish.flow) {
            return Some((wish.flow, None));
        }
        self.flows.remove(&wish.layer);
        Some((wish.flow, Some(wish.layer)))
    }

    /// A layer does not pass any more: the flows that end.
    pub(crate) fn drop_layer(&mut self, layer: LayerId) -> Vec<FlowId> {
        let of_layer = self.wishes.iter().filter(|(_, wish)| wish.layer == layer);
        let ids: Vec<_> = of_layer.map(|(id, _)| *id).collect();
        let ended = ids.into_iter().filter_map(|id| self.end(id));
        ended.map(|(flow, _)| flow).collect()
    }

    /// A packet of a layer could be sent: the flow it goes by, if the link carries it.
    pub(crate) fn offer(&mut self, layer: LayerId, bytes: usize) -> Option<FlowId> {
        let flow = self.flow(layer)?;
        self.allocation.offer(flow, bytes).then_some(flow)
    }

    /// The flow that a layer goes by.
    pub(crate) fn flow(&self, layer: LayerId) -> Option<FlowId> {
        self.flows.get(&layer).copied()
    }

    /// What it asked for by that number.
    pub(crate) fn wish(&self, id: u32) -> Option<Wish> {
        self.wishes.get(&id).copied()
    }

    /// The layer that goes by a flow.
    pub(crate) fn layer(&self, flow: FlowId) -> Option<LayerId> {
        Some(self.wishes.get(self.met.get(&flow)?)?.layer)
    }

    /// How many wishes it has.
    pub(crate) fn wishes(&self) -> usize {
        self.wishes.len()
    }

    /// How many of ours it knows.
    pub(crate) fn ours(&self) -> usize {
        self.ours.len()
    }

    /// The number of the wish for `layer`, if it is to be told that this changed.
    pub(crate) fn tell(&mut self, layer: LayerId, upstream: Paused) -> Option<(u32, Paused)> {
        let flow = self.flow(layer)?;
        let id = *self.met.get(&flow)?;
        let now = if self.allocation.is_paused(flow) {
            Paused::Yes
        } else {
            upstream
        };
        let wish = self.wishes.get_mut(&id)?;
        (std::mem::replace(&mut wish.told, now) != now).then_some((id, now))
    }

    /// We ask it for a layer, by the number that is returned.
    pub(crate) fn ask(&mut self, layer: LayerId) -> u32 {
        self.last_wish = self.last_wish.wrapping_add(1);
        let id = self.last_wish;
        if let Some(before) = self.asked.insert(layer, Ours { id, flow: None }) {
            self.ours.remove(&before.id);
            self.forget(before.flow);
        }
        self.ours.insert(id, layer);
        id
    }

    /// It sends what we asked for: the packets of it that came before this word.
    pub(crate) fn subscribed(&mut self, id: u32, flow: FlowId) -> Vec<Media> {
        self.newest = self.newest.max(flow.number());
        let early = self.early.take(flow);
        let Some(layer) = self.ours.get(&id).copied() else {
            self.unmet += early.len() as u64;
            return Vec::new();
        };
        if let Some(ours) = self.asked.get_mut(&layer) {
            let before = ours.flow.replace(flow);
            self.forget(before);
            self.incoming.insert(flow, layer);
        }
        early
    }

    /// Keeps a packet of a flow that it may be about to tell of; `false` if that cannot be.
    pub(crate) fn keep(&mut self, now: Instant, media: Media) -> bool {
        !self.asked.is_empty() && media.flow.number() > self.newest && self.early.push(now, media)
    }

    /// Packets that were kept in vain, since this was asked last.
    pub(crate) fn take_unmet(&mut self) -> u64 {
        std::mem::take(&mut self.unmet)
    }

    /// It does not send it.
    pub(crate) fn refused(&mut self, id: u32) -> Option<LayerId> {
        let layer = self.ours.remove(&id)?;
        let ours = self.asked.remove(&layer);
        self.forget(ours.and_then(|ours| ours.flow));
        Some(layer)
    }

    /// We want a layer of it no more; the number of our wish. What is under way still comes.
    pub(crate) fn give_up(&mut self, now: Instant, layer: LayerId) -> Option<u32> {
        let ours = self.asked.remove(&layer)?;
        self.ours.remove(&ours.id);
        if let Some(flow) = ours.flow {
            self.fading.push_back((now + Self::FADES, flow));
        }
        Some(ours.id)
    }

    /// Forgets the flows that have faded, and packets that nobody told of.
    pub(crate) fn fade(&mut self, now: Instant) {
        while let Some((at, flow)) = self.fading.front()
            && *at <= now
        {
            self.incoming.remove(flow);
            self.fading.pop_front();
        }
        self.unmet += self.early.expire(now);
    }

    /// The number of our wish for a layer.
    pub(crate) fn our_wish(&self, layer: LayerId) -> Option<u32> {
        self.asked.get(&layer).map(|ours| ours.id)
    }

    /// What we asked for by that number.
    pub(crate) fn our_layer(&self, id: u32) -> Option<LayerId> {
        self.ours.get(&id).copied()
    }

    fn forget(&mut self, flow: Option<FlowId>) {
        if let Some(flow) = flow {
            self.incoming.remove(&flow);
        }
    }

    /// The layer that comes by a flow of theirs.
    pub(crate) fn incoming(&self, flow: FlowId) -> Option<LayerId> {
        self.incoming.get(&flow).copied()
    }
}
