//! Rooms that begin: what was settled of each, for as long as other nodes may not have heard of it.
//!
//! A room's home settles it for all nodes, and each node for those who come to it at the same
//! time. Once the room is open somewhere, that node is asked; who is the home is decided in
//! [`rendezvous`](super::rendezvous).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::Entry;
use moka::ops::compute::Op;
use moka::sync::Cache;
use sfu::{Beginning, RoomInfo};

/// What rooms are going to be like that are about to be opened.
#[derive(Clone)]
pub(crate) struct Beginnings(Cache<Arc<str>, Begun>);

#[derive(Clone)]
struct Begun {
    /// The node whose wish it is.
    by: String,
    room: RoomInfo,
}

/// That a room is open is known on all nodes after a way from one city to the other; a lost packet
/// or two, and a node that is slow, are in it.
const SETTLED_FOR: Duration = Duration::from_secs(3);

/// More than a school opens in that time. Beyond them, nodes find out afterwards that they opened
/// the same room, as they do where the home is out of reach.
const MOST: u64 = 16_384;

impl Default for Beginnings {
    fn default() -> Self {
        let cache = Cache::builder()
            .time_to_live(SETTLED_FOR)
            .max_capacity(MOST);
        Self(cache.build())
    }
}

impl Beginnings {
    /// A room is about to be opened on another node, which wishes it so. What it shall be like: as
    /// who came first has wished. A node that comes with another wish than before has closed the
    /// room meanwhile.
    pub(crate) fn settle(&self, by: &str, wish: RoomInfo) -> RoomInfo {
        let begun = Begun {
            by: by.to_owned(),
            room: wish.clone(),
        };
        let entry = self.0.entry(Arc::clone(&wish.name));
        let settled = entry.and_compute_with(|known| match known.map(Entry::into_value) {
            Some(known) if known.by != begun.by || known.room.id == begun.room.id => Op::Nop,
            Some(_) | None => Op::Put(begun),
        });
        settled.into_entry().map_or(wish, |it| it.into_value().room)
    }

    /// The same for whoever comes to this node, `own`, where others may come at the same time: all
    /// get what the first is given.
    pub(crate) fn share(
        &self,
        name: &Arc<str>,
        own: &str,
        wish: impl FnOnce() -> RoomInfo,
    ) -> (RoomInfo, Beginning) {
        let begin = || Begun {
            by: own.to_owned(),
            room: wish(),
        };
        let entry = self.0.entry(Arc::clone(name)).or_insert_with(begin);
        let Begun { by, room } = entry.into_value();
        let beginning = if by == own {
            Beginning::Anew
        } else {
            Beginning::Joined
        };
        (room, beginning)
    }

    /// The room has closed on a node. If that is where it began, its next life is another one.
    pub(crate) fn closed(&self, name: &Arc<str>, on: &str) {
        let entry = self.0.entry(Arc::clone(name));
        entry.and_compute_with(|known| match known.map(Entry::into_value) {
            Some(known) if known.by == on => Op::Remove,
            Some(_) | None => Op::Nop,
        });
    }

    /// The room was closed: whoever comes next begins another life.
    pub(crate) fn forget(&self, name: &str) {
        self.0.invalidate(name);
    }
}

impl fmt::Debug for Beginnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beginnings").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(id: &str) -> RoomInfo {
        RoomInfo {
            id: id.parse().unwrap(),
            name: "physics".into(),
            metadata: String::new(),
            created_at_ms: 0,
            empty_timeout_s: 300,
            departure_timeout_s: 20,
            max_participants: 0,
            participants: 0,
            publishers: 0,
            active_recording: false,
            playing: sfu::Playing::default(),
        }
    }

    #[test]
    fn who_comes_first_settles_what_all_others_are_told() {
        let beginnings = Beginnings::default();
        for (by, id, expected, what) in [
            ("kano-1", "RM_k", "RM_k", "the first"),
            ("abuja-1", "RM_a", "RM_k", "another node"),
            ("kano-1", "RM_k", "RM_k", "somebody else comes there"),
            ("kano-1", "RM_l", "RM_l", "it closed there, and opens again"),
            ("abuja-1", "RM_a", "RM_l", "another node"),
        ] {
            let told = beginnings.settle(by, wish(id)).id;
            assert_eq!(told.as_str(), expected, "{what}");
        }
        let own = beginnings.share(&"physics".into(), "lagos-1", || wish("RM_own"));
        assert_eq!((own.0.id.as_str(), own.1), ("RM_l", Beginning::Joined));
    }

    #[test]
    fn who_comes_to_one_node_at_the_same_time_comes_to_one_room() {
        let beginnings = Beginnings::default();
        let come = |id: &str| {
            let (room, beginning) = beginnings.share(&"physics".into(), "lagos-1", || wish(id));
            (room.id.to_string(), beginning)
        };
        assert_eq!(come("RM_a"), ("RM_a".into(), Beginning::Anew));
        assert_eq!(come("RM_b"), ("RM_a".into(), Beginning::Anew));
        let other = beginnings.settle("kano-1", wish("RM_k"));
        assert_eq!(other.id.as_str(), "RM_a");
        beginnings.closed(&"physics".into(), "kano-1");
        assert_eq!(come("RM_c").0, "RM_a", "it is open where it began");
        beginnings.closed(&"physics".into(), "lagos-1");
        assert_eq!(come("RM_c"), ("RM_c".into(), Beginning::Anew));
        beginnings.forget("physics");
        assert_eq!(come("RM_d"), ("RM_d".into(), Beginning::Anew));
    }
}
