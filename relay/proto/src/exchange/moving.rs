//! Tracks that come another way: the new one is asked for before the old one is given up.

use std::time::Instant;

use super::{Exchange, Output, Wanted};
use crate::control::Message;
use crate::layers::{LayerId, Paused};
use crate::routes::{Change, Source};
use crate::wants::Wanter;

impl Exchange {
    /// Does what follows from news of the ways.
    pub(super) fn carry_out(&mut self, now: Instant) {
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
    pub(super) fn move_layer(&mut self, now: Instant, id: LayerId, to: Source) {
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
            Source::Here | Source::Link(_) => self.ask(now, id),
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
