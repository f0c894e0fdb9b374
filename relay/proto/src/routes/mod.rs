//! Which way a track comes: what the nodes around announce, what of it is believed, and over which
//! link it is taken.
//!
//! Announcements carry the path they came by (path vector, as BGP has it, RFC 4271): what has been
//! here is refused, so there are no loops. Each publisher's epoch rises when it comes anew: older
//! announcements are ghosts and are refused, so a partition heals to the living. The cheapest offer
//! is taken; a better one must stay better for a while, a lost one is replaced at once.

mod believing;
mod cost;
mod telling;
mod track;

pub use cost::Cost;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use crate::control::{Announce, Kind, Withdraw};
use track::{Held, Offer, Track};

/// Names one link of this node.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub u32);

/// One track of one room.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrackKey {
    /// The room.
    pub room: Arc<str>,
    /// The track's sid; of a host the node's name.
    pub track: Arc<str>,
}

/// All nodes that have rooms host a room of this name, and find each other by it. No app's room
/// is.
pub const NODES: &str = "\u{1}nodes";

/// Whether a node passes on what it does not host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transit {
    /// A hub does.
    Yes,
    /// A node tells only of its own publishers.
    No,
}

/// Where a track comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Its publisher is here.
    Here,
    /// Over this link.
    Link(LinkId),
    /// Nobody offers it.
    Nowhere,
}

/// What is to be had where, as this node knows it.
#[derive(Debug)]
pub struct Routes {
    node: Arc<str>,
    transit: Transit,
    links: BTreeMap<LinkId, Neighbour>,
    tracks: HashMap<TrackKey, Track>,
    rooms: HashMap<Arc<str>, Room>,
    /// Tracks whose publisher is here.
    own: usize,
    /// When tracks may move to a better way.
    due: BTreeSet<(Instant, TrackKey)>,
    changes: Vec<Change>,
}

/// What follows from news.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Take a track from elsewhere from now on.
    Moved {
        /// Which.
        track: TrackKey,
        /// What it is.
        kind: Kind,
        /// Where it came from until now.
        from: Source,
        /// Where it comes from.
        to: Source,
    },
    /// Tell the neighbour.
    Announce(LinkId, Announce),
    /// Tell the neighbour.
    Withdraw(LinkId, Withdraw),
}

/// Why an announcement is not believed; each variant is one metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Disbelief {
    /// It has been here before.
    #[error("the path leads back here")]
    Loop,
    /// The path is empty, or does not end where it came from.
    #[error("the path is not its sender's")]
    NotTheirs,
    /// More than [`Routes::MOST_HOPS`] nodes.
    #[error("the path is too long")]
    TooFar,
    /// A room, a track or a node with a name that none has.
    #[error("a name is empty or too long")]
    Name,
    /// The publisher has come anew since.
    #[error("an older epoch")]
    Ghost,
    /// This neighbour announces more than anybody needs.
    #[error("too many tracks")]
    TooMany,
    /// Nobody is there.
    #[error("no such link")]
    NoLink,
}

/// The tracks of one room, and which of them are hosts: nodes that have the room.
#[derive(Debug, Default)]
struct Room {
    tracks: BTreeSet<Arc<str>>,
    hosts: BTreeSet<Arc<str>>,
}

#[derive(Debug)]
struct Neighbour {
    name: String,
    cost: Cost,
    use_it: Use,
    offered: BTreeSet<TrackKey>,
}

/// Whether a link is good for anything now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    /// It is.
    Yes,
    /// Nothing comes over it: only if there is no other way.
    Avoid,
    /// The node at its other end goes soon: only if there is no other way.
    Leaving,
}

impl Routes {
    /// A way through more nodes is a mistake.
    pub const MOST_HOPS: usize = 4;
    /// Several thousand rooms of one neighbour.
    const MOST_TRACKS: usize = 20_000;
    /// Names of rooms and tracks are chosen by apps, who choose 256 bytes at most.
    pub const LONGEST_NAME: usize = 512;
    /// Names of nodes are DNS labels.
    const LONGEST_NODE: usize = 63;

    /// `node` knows of nothing yet.
    pub fn new(node: Arc<str>, transit: Transit) -> Self {
        Self {
            node,
            transit,
            links: BTreeMap::new(),
            tracks: HashMap::new(),
            rooms: HashMap::new(),
            own: 0,
            due: BTreeSet::new(),
            changes: Vec::new(),
        }
    }

    /// What follows from what was told since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// A link to the node `name` is up: it is told what there is.
    pub fn link_up(&mut self, link: LinkId, name: String, cost: Cost) {
        let neighbour = Neighbour {
            name,
            cost,
            use_it: Use::Yes,
            offered: BTreeSet::new(),
        };
        self.links.insert(link, neighbour);
        let mut keys: Vec<_> = self.tracks.keys().cloned().collect();
        keys.sort_unstable();
        for key in keys {
            self.tell(&key, Some(link));
        }
    }

    /// A link is down: what came over it comes another way, or not.
    pub fn link_down(&mut self, now: Instant, link: LinkId) {
        let Some(neighbour) = self.links.remove(&link) else {
            return;
        };
        for track in self.tracks.values_mut() {
            track.told.remove(&link);
            track.offers.remove(&link);
        }
        for key in neighbour.offered {
            self.choose(now, &key, Held::Stays);
        }
    }

    /// A link was measured.
    pub fn set_cost(&mut self, now: Instant, link: LinkId, cost: Cost) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        if cost.is_about(neighbour.cost) {
            return;
        }
        neighbour.cost = cost;
        for key in neighbour.offered.clone() {
            self.choose(now, &key, Held::Stays);
        }
    }

    /// A link fell silent, or speaks again, or the node at its other end goes.
    pub fn set_use(&mut self, now: Instant, link: LinkId, use_it: Use) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        neighbour.use_it = use_it;
        for key in neighbour.offered.clone() {
            self.choose(now, &key, Held::Stays);
        }
    }

    /// Looks whether a better way has been better for long enough.
    pub fn tick(&mut self, now: Instant) {
        while let Some((at, _)) = self.due.first()
            && *at <= now
        {
            let (_, key) = self.due.pop_first().expect("looked at above");
            self.choose(now, &key, Held::Stays);
        }
    }

    /// When to [`tick`](Self::tick).
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The nodes a track comes by, its publisher's first, this one left out; `None` if it does not come.
    pub fn path(&self, key: &TrackKey) -> Option<&[String]> {
        let track = self.tracks.get(key)?;
        match track.source {
            Source::Here => Some(&[]),
            Source::Link(link) => track.offers.get(&link).map(|offer| offer.path.as_slice()),
            Source::Nowhere => None,
        }
    }

    /// What a track is, and where it comes from.
    pub fn source(&self, key: &TrackKey) -> (Kind, Source) {
        self.tracks
            .get(key)
            .map_or((Kind::Unknown, Source::Nowhere), |track| {
                (track.kind, track.source)
            })
    }

    /// The nodes that host `room`, but for this one.
    pub fn hosts(&self, room: &str) -> impl Iterator<Item = &str> {
        let hosts = self.rooms.get(room).into_iter();
        hosts
            .flat_map(|room| &room.hosts)
            .map(|node| &**node)
            .filter(|node| **node != *self.node)
    }

    /// Which nodes host which rooms, this one left out, and by which nodes they are reached.
    pub fn rooms(&self) -> impl Iterator<Item = (&str, Vec<&[String]>)> {
        let paths = |name: &Arc<str>, room: &Room| {
            let hosts = room.hosts.iter().filter(|node| **node != self.node);
            let keys = hosts.map(|node| TrackKey {
                room: name.clone(),
                track: node.clone(),
            });
            keys.filter_map(|key| self.path(&key)).collect::<Vec<_>>()
        };
        self.rooms
            .iter()
            .map(move |(name, room)| (&**name, paths(name, room)))
            .filter(|(_, paths)| !paths.is_empty())
    }

    /// How many rooms of apps have something to offer over a link.
    pub fn rooms_over(&self, link: LinkId) -> usize {
        let Some(neighbour) = self.links.get(&link) else {
            return 0;
        };
        let rooms = neighbour.offered.iter().map(|key| &*key.room);
        let rooms: BTreeSet<_> = rooms.filter(|room| *room != NODES).collect();
        rooms.len()
    }

    /// Whether anything is published here.
    pub fn publishes(&self) -> bool {
        self.own > 0
    }

    /// Takes the cheapest offer, if it is time to.
    fn choose(&mut self, now: Instant, key: &TrackKey, held: Held) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        let before = track.moves_at();
        let links = &self.links;
        let source = track.choose(now, held, |link, offer| whole(links, link, offer));
        let after = track.moves_at();
        if let Some(at) = before
            && after != before
        {
            self.due.remove(&(at, key.clone()));
        }
        if let Some(at) = after {
            self.due.insert((at, key.clone()));
        }
        self.settle(key, source, held);
    }
}

/// What an offer costs, the link it came over included.
fn whole(links: &BTreeMap<LinkId, Neighbour>, link: LinkId, offer: &Offer) -> Cost {
    match links.get(&link).map(|link| (link.use_it, link.cost)) {
        Some((Use::Yes, cost)) => offer.cost.plus(cost),
        Some((Use::Leaving, _)) => offer.cost.max(Cost::LEAVING),
        Some((Use::Avoid, _)) | None => Cost::SILENT,
    }
}
