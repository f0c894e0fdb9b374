//! Wishes for layers, of neighbours and of this node: merged, and turned to where the track is had.

use std::time::Instant;

use media::Layer;

use super::{Exchange, Output, Wanted};
use crate::control::{
    Kind, Message, Refusal, Refused, Subscribe, Subscribed, Unsubscribe, WantKeyframe,
};
use crate::layers::{LayerId, LayerKey, class};
use crate::neighbour::Neighbour;
use crate::routes::{LinkId, Routes, Source, TrackKey};
use crate::wants::{Due, Wanter};

impl Exchange {
    pub(super) fn subscribe(&mut self, now: Instant, link: LinkId, subscribe: Subscribe) {
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
        let layer = self.begin(now, Wanter::Link(link), key);
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
    pub(super) fn catch_up(&mut self, now: Instant, link: LinkId, id: LayerId) {
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

    pub(super) fn refused(&mut self, now: Instant, link: LinkId, wish: u32) {
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

    pub(super) fn unsubscribe(&mut self, now: Instant, link: LinkId, wish: u32) {
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

    /// `wanter` wants a layer; it is asked for if nobody wanted it before.
    pub(super) fn begin(&mut self, now: Instant, wanter: Wanter, key: LayerKey) -> LayerId {
        let known = self.layers.id(&key);
        let id = known.unwrap_or_else(|| self.layers.add(key));
        let passing = self.layers.get_mut(id).expect("found or added above");
        passing.want.begin(wanter);
        if known.is_none() {
            self.ask(now, id);
        }
        self.layers.schedule(now, id);
        id
    }

    pub(super) fn end(&mut self, now: Instant, wanter: Wanter, id: LayerId) {
        if let Some(passing) = self.layers.get_mut(id) {
            passing.want.end(now, wanter);
            self.layers.schedule(now, id);
        }
    }

    pub(super) fn keyframe_needed(&mut self, now: Instant, id: LayerId) {
        if let Some(passing) = self.layers.get_mut(id) {
            passing.want.want_keyframe();
            self.layers.schedule(now, id);
            self.carry_wishes(now);
        }
    }

    /// Does what is due for the layers.
    pub(super) fn carry_wishes(&mut self, now: Instant) {
        while let Some((id, due)) = self.layers.poll(now) {
            match due {
                Due::Ask => self.ask(now, id),
                Due::Keyframe => self.ask_keyframe(id),
                Due::End => self.drop_layer(now, id),
            }
        }
    }

    /// Asks for a layer where its track comes from.
    pub(super) fn ask(&mut self, now: Instant, id: LayerId) {
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
                // It came that way before, and that was not given up yet, or was in vain.
                let before = neighbour.give_up(now, id);
                let subscribe = Subscribe {
                    id: neighbour.ask(id),
                    room: (*key.track.room).to_owned(),
                    track: (*key.track.track).to_owned(),
                    layer: u32::from(key.layer.0),
                    // For whom else changes while it lasts: only who asks is sure.
                    path: vec![(*self.node).to_owned()],
                    listeners: passing.want.wanters().len() as u32,
                };
                self.outputs
                    .push(Output::Tell(link, Message::Subscribe(subscribe)));
                if let Some(id) = before {
                    let unsubscribe = Message::Unsubscribe(Unsubscribe { id });
                    self.outputs.push(Output::Tell(link, unsubscribe));
                }
            }
        }
    }

    pub(super) fn ask_keyframe(&mut self, id: LayerId) {
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
    pub(super) fn drop_layer(&mut self, now: Instant, id: LayerId) {
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
    pub(super) fn drop_wishes(&mut self, id: LayerId) {
        for (link, neighbour) in &mut self.links {
            for flow in neighbour.drop_layer(id) {
                self.outputs.push(Output::Forget(*link, flow));
            }
        }
    }

    /// Wants a layer of a neighbour no more.
    pub(super) fn give_up(&mut self, now: Instant, link: LinkId, id: LayerId) {
        let wish = self
            .links
            .get_mut(&link)
            .and_then(|neighbour| neighbour.give_up(now, id));
        if let Some(id) = wish {
            let unsubscribe = Message::Unsubscribe(Unsubscribe { id });
            self.outputs.push(Output::Tell(link, unsubscribe));
        }
    }
}
