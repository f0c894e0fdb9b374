//! Which shard a room lives on. A room keeps its shard while it is open or anybody
//! is on the way to it; new rooms go where the fewest are.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::shard::ShardInbox;

/// Room names to shards.
#[derive(Clone)]
pub(crate) struct Directory {
    shards: Arc<[ShardInbox]>,
    // Joins come from many tasks and are counted down from shards: there is no one
    // owner, and nobody holds it longer than a look-up.
    rooms: Arc<Mutex<HashMap<Arc<str>, Entry>>>,
}

/// How far two rooms are apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Distance {
    /// Connections can be carried from one to the other.
    SameShard,
    /// They have to be made anew.
    OtherShard,
}

struct Entry {
    shard: usize,
    /// Places given out and not yet dropped.
    places: usize,
}

impl Directory {
    /// Over `shards`, which are told of rooms from now on.
    pub(crate) fn new(shards: Vec<ShardInbox>) -> Self {
        Self {
            shards: shards.into(),
            rooms: Arc::default(),
        }
    }

    /// The shard of room `name`, held as long as the [`Place`] lives.
    pub(crate) fn place(&self, name: &Arc<str>) -> (ShardInbox, Place) {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let shard = match rooms.get_mut(name) {
            Some(entry) => {
                entry.places += 1;
                entry.shard
            }
            None => {
                let shard = self.emptiest(&rooms);
                rooms.insert(name.clone(), Entry { shard, places: 1 });
                shard
            }
        };
        (
            self.shards[shard].clone(),
            Place {
                directory: self.clone(),
                name: name.clone(),
            },
        )
    }

    /// The shard of room `name`; that of room `beside`, if it has to be opened. And whether
    /// both are on one.
    pub(crate) fn place_beside(
        &self,
        name: &Arc<str>,
        beside: &str,
    ) -> Option<(ShardInbox, Place, Distance)> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let near = rooms.get(beside)?.shard;
        let entry = rooms.entry(name.clone()).or_insert(Entry {
            shard: near,
            places: 0,
        });
        entry.places += 1;
        let distance = if entry.shard == near {
            Distance::SameShard
        } else {
            Distance::OtherShard
        };
        let place = Place {
            directory: self.clone(),
            name: name.clone(),
        };
        Some((self.shards[entry.shard].clone(), place, distance))
    }

    /// The shard of room `name`, as [`place`](Self::place) says it, if it is open or being
    /// opened.
    pub(crate) fn find(&self, name: &Arc<str>) -> Option<(ShardInbox, Place)> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = rooms.get_mut(name)?;
        entry.places += 1;
        let place = Place {
            directory: self.clone(),
            name: name.clone(),
        };
        Some((self.shards[entry.shard].clone(), place))
    }

    /// Whether room `name` is open or being opened.
    pub(crate) fn has(&self, name: &str) -> bool {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.contains_key(name)
    }

    /// Every shard.
    pub(crate) fn shards(&self) -> &[ShardInbox] {
        &self.shards
    }

    fn emptiest(&self, rooms: &HashMap<Arc<str>, Entry>) -> usize {
        let mut load = vec![0; self.shards.len()];
        for entry in rooms.values() {
            load[entry.shard] += entry.places;
        }
        (0..load.len())
            .min_by_key(|&shard| load[shard])
            .expect("a node has at least one shard")
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

/// Keeps a room on its shard until dropped.
pub(crate) struct Place {
    directory: Directory,
    name: Arc<str>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rooms = self
            .directory
            .rooms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = rooms.get_mut(&self.name) {
            entry.places -= 1;
            if entry.places == 0 {
                rooms.remove(&self.name);
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_stays_on_its_shard_while_anybody_holds_a_place() {
        let polls = [mio::Poll::new().unwrap(), mio::Poll::new().unwrap()];
        let inbox = |poll: &mio::Poll| {
            let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
            ShardInbox::new(waker).0
        };
        let inboxes = polls.iter().map(inbox).collect();
        let directory = Directory::new(inboxes);
        let shard_of = |name: &str| {
            directory
                .rooms
                .lock()
                .unwrap()
                .get(name)
                .map(|entry| entry.shard)
        };
        let (physics, chemistry) = (Arc::from("physics"), Arc::from("chemistry"));

        let (_, first) = directory.place(&physics);
        let (_, second) = directory.place(&physics);
        assert_eq!(shard_of("physics"), Some(0));
        let (_, _other) = directory.place(&chemistry);
        assert_eq!(
            shard_of("chemistry"),
            Some(1),
            "a new room goes where fewer are"
        );

        drop(first);
        assert_eq!(shard_of("physics"), Some(0));
        drop(second);
        assert_eq!(shard_of("physics"), None);
    }
}
