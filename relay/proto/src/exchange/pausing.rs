//! Layers that a link cannot carry: those who wait for them are told, down every hop.

use super::{Exchange, Output};
use crate::control::{LayerState, Message};
use crate::layers::{LayerId, Paused};
use crate::routes::{LinkId, Source};
use crate::wants::Wanter;

impl Exchange {
    /// The neighbour cannot send us a layer now, or can again: those we send it to are told.
    pub(super) fn layer_state(&mut self, link: LinkId, state: &LayerState) {
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

    pub(super) fn set_paused(&mut self, id: LayerId, paused: Paused) {
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
    pub(super) fn tell_state(&mut self, link: LinkId, id: LayerId) {
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
}
