//! What the rooms of a node and its operator wish of it.

use std::time::{Duration, Instant};

use relay_proto::control::{Goaway, Message};
use tracing::{debug, info};

use super::{Drain, Node};
use crate::access::{AccessError, Neighbour};
use crate::close::Close;
use crate::command::Command;
use crate::line::Line;
use crate::meeting::Order;

impl Node {
    pub(super) fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Publish(key, kind, epoch) => {
                if let Err(why) = self.exchange.publish(now, key, kind, epoch) {
                    self.part.metrics.disbelieved(why);
                    debug!(%why, "not published");
                }
            }
            Command::Unpublish(key) => self.exchange.unpublish(now, &key),
            Command::Want(key, handle, wanted) => self.exchange.want(now, key, handle, wanted),
            Command::WantKeyframe(key) => self.exchange.want_keyframe(now, &key),
            Command::Feed(packets) => {
                for (layer, place, rtp) in packets {
                    self.exchange.feed(now, layer, place, rtp);
                }
            }
            Command::Say(room, to, said) => self.exchange.say(&room, to, said),
            Command::Neighbours(neighbours) => self.set_neighbours(now, neighbours),
            Command::Access(access) => {
                self.part.access = access.clone();
                self.order(Order::Access(access));
                self.check_access(now);
            }
            Command::Reload(credentials) => self.order(Order::Reload(credentials)),
            Command::Status(answer) => {
                // Who asked may have gone.
                let _ = answer.send(self.status(now));
            }
            Command::Drain(time) => self.drain(now, time),
            // It ends the task before it comes here.
            Command::Stop => {}
        }
    }

    pub(super) fn order(&self, order: Order) {
        // Who meets others ends with this task, not before it.
        let _ = self.orders.send(order);
    }

    pub(super) fn set_neighbours(&mut self, now: Instant, neighbours: Vec<Neighbour>) {
        let before = std::mem::replace(&mut self.part.neighbours, neighbours.clone());
        self.order(Order::Neighbours(neighbours));
        let listed = |list: &[Neighbour], node: &str| list.iter().any(|one| one.node == node);
        let gone = |line: &Line| {
            let node = line.identity.node();
            listed(&before, node) && !listed(&self.part.neighbours, node)
        };
        let lines = self.lines.iter().filter(|(_, (line, _))| gone(line));
        for token in lines.map(|(token, _)| *token).collect::<Vec<_>>() {
            self.down(now, token, Close::Removed);
        }
        self.check_access(now);
    }

    /// Lets go of those who may not be here any more.
    pub(super) fn check_access(&mut self, now: Instant) {
        let part = &self.part;
        let refused = self.lines.iter().filter_map(|(token, (line, _))| {
            let why = part.access.check(&part.neighbours, &line.identity).err()?;
            Some((*token, why))
        });
        for (token, why) in refused.collect::<Vec<_>>() {
            let close = match why {
                AccessError::Denied(_) | AccessError::NotAllowed(_) => Close::Denied,
                AccessError::Region { .. } => Close::Region,
            };
            self.down(now, token, close);
        }
    }

    /// Tells the neighbours to take other ways.
    pub(super) fn drain(&mut self, now: Instant, time: Duration) {
        self.drain = Some(Drain {
            since: now,
            until: now + time,
        });
        self.order(Order::Close);
        info!(?time, "draining");
        let deadline_ms = time.as_millis().try_into().unwrap_or(u32::MAX);
        for token in self.lines.keys().copied().collect::<Vec<_>>() {
            self.say(now, token, Message::Goaway(Goaway { deadline_ms }));
        }
    }
}
