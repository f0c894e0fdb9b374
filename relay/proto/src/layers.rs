//! The layers that pass through a node. Each has a number of the node's own: names are looked up
//! when a wish begins, numbers at each packet.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use media::{Layer, SeqNo};

use crate::control::Kind;
use crate::doubles::Doubles;
use crate::frame::{Keyframe, Place};
use crate::keyframe_cache::KeyframeCache;
use crate::routes::{LinkId, Source, TrackKey};
use crate::scheduler::{Class, RoomKey};
use crate::wants::{Due, Want};

/// One layer of one track.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LayerKey {
    /// The track.
    pub track: TrackKey,
    /// Its layer; of sound the lowest.
    pub layer: Layer,
}

/// A layer that passes through this node, as long as it does. Never given out twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LayerId(pub u32);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    ids: HashMap<LayerKey, LayerId>,
    passing: HashMap<LayerId, Passing>,
    due: BTreeSet<(Instant, LayerId)>,
    rooms: HashMap<Arc<str>, Room>,
    last_id: u32,
    last_room: u32,
}

/// A room that layers of it pass through here.
#[derive(Debug)]
struct Room {
    key: RoomKey,
    layers: usize,
}

/// A layer on its way through this node.
#[derive(Debug)]
pub(crate) struct Passing {
    pub(crate) key: LayerKey,
    pub(crate) room: RoomKey,
    pub(crate) class: Class,
    pub(crate) want: Want,
    /// Where it is asked for, and the link it came by until then.
    pub(crate) source: Source,
    pub(crate) old: Option<LinkId>,
    pub(crate) paused: Paused,
    pub(crate) cache: KeyframeCache,
    doubles: Doubles,
    /// As it stands in [`Layers::due`].
    due_at: Option<Instant>,
}

/// Whether the way to here carries a layer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Paused {
    /// It does.
    #[default]
    No,
    /// It cannot, now: a lower layer may come.
    Yes,
}

impl Layers {
    /// The layer's number, if it passes here.
    pub(crate) fn id(&self, key: &LayerKey) -> Option<LayerId> {
        self.ids.get(key).copied()
    }

    /// The layer, if it still passes here.
    pub(crate) fn get_mut(&mut self, id: LayerId) -> Option<&mut Passing> {
        self.passing.get_mut(&id)
    }

    /// As above, to look at.
    pub(crate) fn get(&self, id: LayerId) -> Option<&Passing> {
        self.passing.get(&id)
    }

    /// All that pass here.
    pub(crate) fn ids(&self) -> Vec<LayerId> {
        let mut ids: Vec<_> = self.passing.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Those of one track.
    pub(crate) fn of_track(&self, track: &TrackKey) -> Vec<LayerId> {
        let layers = (Layer::LOW.0..=Layer::HIGH.0).map(Layer);
        let keys = layers.map(|layer| LayerKey {
            track: track.clone(),
            layer,
        });
        keys.filter_map(|key| self.id(&key)).collect()
    }

    /// A layer begins to pass.
    pub(crate) fn add(&mut self, key: LayerKey) -> LayerId {
        self.last_id += 1;
        let id = LayerId(self.last_id);
        let last_room = &mut self.last_room;
        let room = self.rooms.entry(key.track.room.clone()).or_insert_with(|| {
            *last_room += 1;
            Room {
                key: RoomKey(*last_room),
                layers: 0,
            }
        });
        room.layers += 1;
        let passing = Passing {
            key: key.clone(),
            room: room.key,
            class: Class::BaseLayer,
            want: Want::default(),
            source: Source::Nowhere,
            old: None,
            paused: Paused::No,
            cache: KeyframeCache::default(),
            doubles: Doubles::default(),
            due_at: None,
        };
        self.ids.insert(key, id);
        self.passing.insert(id, passing);
        id
    }

    /// It does not pass any more.
    pub(crate) fn remove(&mut self, id: LayerId) -> Option<Passing> {
        let passing = self.passing.remove(&id)?;
        self.ids.remove(&passing.key);
        if let Some(at) = passing.due_at {
            self.due.remove(&(at, id));
        }
        let name = &passing.key.track.room;
        if let Some(room) = self.rooms.get_mut(name) {
            room.layers -= 1;
            if room.layers == 0 {
                self.rooms.remove(name);
            }
        }
        Some(passing)
    }

    /// The wishes for a layer changed: looks when something is due for it.
    pub(crate) fn schedule(&mut self, now: Instant, id: LayerId) {
        let Some(passing) = self.passing.get_mut(&id) else {
            return;
        };
        let due_at = passing.want.deadline(now);
        if due_at == passing.due_at {
            return;
        }
        if let Some(at) = passing.due_at {
            self.due.remove(&(at, id));
        }
        passing.due_at = due_at;
        if let Some(at) = due_at {
            self.due.insert((at, id));
        }
    }

    /// The next thing that is due.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(LayerId, Due)> {
        loop {
            let (at, id) = *self.due.first()?;
            if at > now {
                return None;
            }
            let due = self
                .passing
                .get_mut(&id)
                .and_then(|passing| passing.want.poll(now));
            match due {
                // Who ends it removes it.
                Some(Due::End) => return Some((id, Due::End)),
                Some(due @ (Due::Ask | Due::Keyframe)) => {
                    self.schedule(now, id);
                    return Some((id, due));
                }
                None => self.schedule(now, id),
            }
        }
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many rooms have something passing here.
    pub(crate) fn rooms(&self) -> usize {
        self.rooms.len()
    }
}

impl Passing {
    /// A packet came; `false` if it came before. A keyframe ends the wishes for one.
    pub(crate) fn take(&mut self, now: Instant, place: Place, rtp: &Bytes) -> bool {
        // Whoever made the datagram made sure of a header.
        let seq = SeqNo(u16::from_be_bytes([rtp[2], rtp[3]]));
        if !self.doubles.is_new(seq) {
            return false;
        }
        self.cache.push(now, place, rtp);
        if place.keyframe == Keyframe::Yes {
            self.want.keyframe_came();
        }
        true
    }
}

/// What packets of a layer are to those who wait for them.
pub(crate) fn class(kind: Kind, layer: Layer) -> Class {
    match kind {
        Kind::Audio => Class::Audio,
        Kind::Video if layer > Layer::LOW => Class::Enhancement,
        Kind::Video | Kind::Host | Kind::Unknown => Class::BaseLayer,
    }
}
