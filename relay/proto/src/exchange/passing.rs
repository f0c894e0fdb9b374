//! Packets on their way through: to everybody who wants them, once.

use std::time::Instant;

use bytes::Bytes;

use super::{Exchange, Output, Taken};
use crate::frame::Place;
use crate::layers::LayerId;
use crate::routes::LinkId;
use crate::scheduler::{Load, Queued};
use crate::wants::Wanter;

impl Exchange {
    /// Gives a packet to all who want it, if it did not come before.
    pub(super) fn pass(&mut self, now: Instant, id: LayerId, place: Place, rtp: Bytes) -> Taken {
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
    pub(super) fn send(&mut self, link: LinkId, id: LayerId, place: Place, rtp: Bytes) {
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
}
