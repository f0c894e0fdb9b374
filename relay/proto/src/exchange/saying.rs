//! What the nodes of a room tell each other: passed on to those it is for, once over each link.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Exchange, Output};
use crate::control::{Message, RoomMessage};
use crate::routes::{LinkId, Source, TrackKey};

impl Exchange {
    pub(super) fn said(&mut self, message: RoomMessage) {
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
    pub(super) fn pass_on(&mut self, room: &str, from: &str, to: Vec<String>, said: &Bytes) {
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
}
