//! Layers that instances on this node feed to others: by a number each, so that a packet finds its
//! targets without names.

use media::{Layer, TrackId};
use relay_proto::LayerId;
use rustc_hash::FxHashMap;

use super::rooms::Instance;

/// A layer that is fed; never given to another one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct FeedId(pub(crate) u64);

/// Where its packets go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// To another instance on this node.
    Here(Instance),
    /// To other nodes.
    Elsewhere(LayerId),
}

/// All that are fed now.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    by_id: FxHashMap<FeedId, Feed>,
    by_layer: FxHashMap<(TrackId, Layer), FeedId>,
    last: u64,
}

#[derive(Debug)]
pub(super) struct Feed {
    pub(super) track: TrackId,
    pub(super) layer: Layer,
    pub(super) targets: Vec<Target>,
}

impl Feeds {
    /// Has a layer go to `targets` and nowhere else. Answers its number where that is news to
    /// whoever feeds it: it is wanted from now on, or (none) no more.
    pub(super) fn set(
        &mut self,
        track: TrackId,
        layer: Layer,
        targets: Vec<Target>,
    ) -> Option<Option<FeedId>> {
        let known = self.by_layer.get(&(track, layer)).copied();
        match known {
            Some(id) if targets.is_empty() => {
                self.by_layer.remove(&(track, layer));
                self.by_id.remove(&id);
                Some(None)
            }
            Some(id) => {
                if let Some(feed) = self.by_id.get_mut(&id) {
                    feed.targets = targets;
                }
                None
            }
            None if targets.is_empty() => None,
            None => {
                self.last += 1;
                let id = FeedId(self.last);
                self.by_layer.insert((track, layer), id);
                let feed = Feed {
                    track,
                    layer,
                    targets,
                };
                self.by_id.insert(id, feed);
                Some(Some(id))
            }
        }
    }

    /// What is fed as `id`; nothing any more, if it was in the air when that ended.
    pub(super) fn get(&self, id: FeedId) -> Option<&Feed> {
        self.by_id.get(&id)
    }
}
