//! Which way a track comes: what the nodes around announce, what of it is believed, and over which
//! link it is taken.
//!
//! Announcements carry the path they came by (path vector, as BGP has it, RFC 4271): what has been
//! here is refused, so there are no loops. Each publisher's epoch rises when it comes anew: older
//! announcements are ghosts and are refused, so a partition heals to the living. The cheapest offer
//! is taken; a better one must stay better for a while, a lost one is replaced at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::control::{Announce, Kind, Withdraw};

/// Names one link of this node.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub u32);

/// One track of one room.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrackKey {
    /// The room.
    pub room: String,
    /// The track's sid; of a host the node's name.
    pub track: String,
}

/// Whether a node passes on what it does not host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transit {
    /// A hub does.
    Yes,
    /// A node tells only of its own publishers.
    No,
}

/// What is to be had where, as this node knows it.
#[derive(Debug)]
pub struct Routes {
    node: String,
    transit: Transit,
    links: HashMap<LinkId, Neighbour>,
    tracks: HashMap<TrackKey, Track>,
    changes: Vec<Change>,
}

/// What follows from news.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Take the track over this link from now on; `None`: it is gone.
    Parent(TrackKey, Option<LinkId>),
    /// Tell the neighbour.
    Announce(LinkId, Announce),
    /// Tell the neighbour.
    Withdraw(LinkId, Withdraw),
}

/// Why an announcement is not believed; each variant is one metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
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

#[derive(Debug)]
struct Neighbour {
    name: String,
    cost: Cost,
    announced: usize,
    use_it: Use,
}

/// Whether a link is good for anything now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    /// It is.
    Yes,
    /// Nothing comes over it: only if there is no other way.
    Avoid,
}

#[derive(Debug)]
struct Track {
    epoch: u64,
    kind: Kind,
    source: Source,
    offers: HashMap<LinkId, Offer>,
    told: HashMap<LinkId, Said>,
    /// A cheaper offer, and since when it is.
    better: Option<(LinkId, Instant)>,
    moved_at: Option<Instant>,
}

/// Where a track comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    /// Its publisher is here.
    Here,
    /// Over this link.
    Link(LinkId),
    /// Nobody offers it.
    Nowhere,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Offer {
    path: Vec<String>,
    cost: Cost,
}

/// What a way costs: microseconds of delay, and what is worth as much.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Cost(pub u32);

impl Cost {
    /// Nothing comes that way.
    const NONE_WORSE: Self = Self(u32::MAX);

    /// A link with this round trip and loss. A lost packet costs a round trip and a bit, a node on
    /// the way a wake-up.
    pub fn of_link(round_trip: Duration, loss: f64) -> Self {
        const PER_HOP: f64 = 3_000.0;
        const PER_LOSS: f64 = 200_000.0;
        let delay = round_trip.as_secs_f64() * 1e6 / 2.0;
        Self((delay + loss.clamp(0.0, 1.0) * PER_LOSS + PER_HOP) as u32)
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Whether it is enough better than `other` to move for.
    fn is_worth_leaving(self, other: Self) -> bool {
        /// Moving costs a keyframe and may cost a gap.
        const AT_LEAST: u32 = 10_000;
        other.0.saturating_sub(self.0) > AT_LEAST.max(other.0 / 5)
    }
}

impl Routes {
    /// A way through more nodes is a mistake.
    pub const MOST_HOPS: usize = 4;
    /// Several thousand rooms of one neighbour.
    const MOST_TRACKS: usize = 20_000;
    /// A better way must stay better for so long.
    const STEADY: Duration = Duration::from_secs(10);
    /// A track moves no more often than this, as long as it comes at all.
    const REST: Duration = Duration::from_secs(30);

    /// `node` knows of nothing yet.
    pub fn new(node: String, transit: Transit) -> Self {
        Self {
            node,
            transit,
            links: HashMap::new(),
            tracks: HashMap::new(),
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
            announced: 0,
            use_it: Use::Yes,
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
        self.links.remove(&link);
        for key in self.offered_over(link) {
            self.drop_offer(now, &key, link);
        }
    }

    /// A link was measured.
    pub fn set_cost(&mut self, now: Instant, link: LinkId, cost: Cost) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        neighbour.cost = cost;
        for key in self.offered_over(link) {
            self.choose(now, &key);
        }
    }

    /// A link fell silent, or speaks again.
    pub fn set_use(&mut self, now: Instant, link: LinkId, use_it: Use) {
        let Some(neighbour) = self.links.get_mut(&link) else {
            return;
        };
        neighbour.use_it = use_it;
        for key in self.offered_over(link) {
            self.choose(now, &key);
        }
    }

    /// A publisher of this node has the track.
    pub fn publish(&mut self, key: TrackKey, kind: Kind, epoch: u64) {
        let track = self
            .tracks
            .entry(key.clone())
            .or_insert_with(|| Track::new(kind, epoch));
        if epoch > track.epoch {
            track.offers.clear();
        }
        track.epoch = track.epoch.max(epoch);
        track.source = Source::Here;
        self.tell(&key, None);
    }

    /// It has it no more.
    pub fn unpublish(&mut self, now: Instant, key: &TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        if track.source == Source::Here {
            track.source = Source::Nowhere;
            self.choose(now, key);
        }
    }

    /// The neighbour at `link` announces a track.
    pub fn announce(
        &mut self,
        now: Instant,
        link: LinkId,
        announce: Announce,
    ) -> Result<(), Disbelief> {
        let neighbour = self.links.get_mut(&link).ok_or(Disbelief::NoLink)?;
        if announce.path.last() != Some(&neighbour.name) {
            return Err(Disbelief::NotTheirs);
        }
        if announce.path.contains(&self.node) {
            return Err(Disbelief::Loop);
        }
        if announce.path.len() > Self::MOST_HOPS {
            return Err(Disbelief::TooFar);
        }
        let key = TrackKey {
            room: announce.room.clone(),
            track: announce.track.clone(),
        };
        let known = self.tracks.get(&key);
        if known.is_some_and(|track| announce.epoch < track.epoch) {
            return Err(Disbelief::Ghost);
        }
        let is_new = known.is_none_or(|track| !track.offers.contains_key(&link));
        if is_new && neighbour.announced >= Self::MOST_TRACKS {
            return Err(Disbelief::TooMany);
        }
        neighbour.announced += usize::from(is_new);
        let track = self
            .tracks
            .entry(key.clone())
            .or_insert_with(|| Track::new(announce.kind(), announce.epoch));
        let mut stale = Vec::new();
        if announce.epoch > track.epoch {
            track.epoch = announce.epoch;
            stale = track
                .offers
                .drain()
                .map(|(link, _)| link)
                .filter(|old| *old != link)
                .collect();
            // A publisher that came anew elsewhere is not here any more.
            track.source = Source::Nowhere;
        }
        let cost = Cost(announce.cost);
        track.offers.insert(
            link,
            Offer {
                path: announce.path,
                cost,
            },
        );
        for old in stale {
            self.count_down(old);
        }
        self.choose(now, &key);
        Ok(())
    }

    /// The neighbour at `link` has the track no more.
    pub fn withdraw(&mut self, now: Instant, link: LinkId, withdraw: Withdraw) {
        let key = TrackKey {
            room: withdraw.room,
            track: withdraw.track,
        };
        if self
            .tracks
            .get(&key)
            .is_some_and(|track| withdraw.epoch >= track.epoch)
        {
            self.drop_offer(now, &key, link);
        }
    }

    /// Looks whether a better way has been better for long enough.
    pub fn tick(&mut self, now: Instant) {
        let due: Vec<_> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.moves_at().is_some_and(|at| at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.choose(now, &key);
        }
    }

    /// When to [`tick`](Self::tick).
    pub fn deadline(&self) -> Option<Instant> {
        self.tracks.values().filter_map(Track::moves_at).min()
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

    /// What a track is, and the link it comes over; `None` for that if it is this node's own.
    pub fn source(&self, key: &TrackKey) -> Option<(Kind, Option<LinkId>)> {
        let track = self.tracks.get(key)?;
        match track.source {
            Source::Here => Some((track.kind, None)),
            Source::Link(link) => Some((track.kind, Some(link))),
            Source::Nowhere => None,
        }
    }

    /// The nodes that host `room`, but for this one.
    pub fn hosts<'a>(&'a self, room: &'a str) -> impl Iterator<Item = &'a str> {
        let elsewhere =
            |track: &Track| track.kind == Kind::Host && matches!(track.source, Source::Link(_));
        let hosts = self
            .tracks
            .iter()
            .filter(move |(key, track)| key.room == room && elsewhere(track));
        hosts.map(|(key, _)| key.track.as_str())
    }

    fn offered_over(&self, link: LinkId) -> Vec<TrackKey> {
        let offered = self
            .tracks
            .iter()
            .filter(|(_, track)| track.offers.contains_key(&link));
        let mut keys: Vec<_> = offered.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    fn drop_offer(&mut self, now: Instant, key: &TrackKey, link: LinkId) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        if track.offers.remove(&link).is_none() {
            return;
        }
        self.count_down(link);
        self.choose(now, key);
    }

    fn count_down(&mut self, link: LinkId) {
        if let Some(neighbour) = self.links.get_mut(&link) {
            neighbour.announced = neighbour.announced.saturating_sub(1);
        }
    }

    /// Takes the cheapest offer, if it is time to.
    fn choose(&mut self, now: Instant, key: &TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        if track.source == Source::Here {
            return;
        }
        let links = &self.links;
        let whole = |link: &LinkId, offer: &Offer| match links.get(link) {
            Some(neighbour) if neighbour.use_it == Use::Yes => offer.cost.plus(neighbour.cost),
            Some(_) | None => Cost::NONE_WORSE,
        };
        let best = track
            .offers
            .iter()
            .map(|(link, offer)| (whole(link, offer), *link))
            .min();
        let held = match track.source {
            Source::Link(link) => track
                .offers
                .get(&link)
                .map(|offer| (whole(&link, offer), link)),
            Source::Here | Source::Nowhere => None,
        };
        let Some((best_cost, best)) = best else {
            self.lose(key);
            return;
        };
        if let Some((held_cost, held)) =
            held.filter(|(cost, held)| *cost < Cost::NONE_WORSE || *held == best)
        {
            if best == held || !best_cost.is_worth_leaving(held_cost) {
                track.better = None;
                self.tell(key, None);
                return;
            }
            if track.better.is_none_or(|(link, _)| link != best) {
                track.better = Some((best, now));
            }
            if track.moves_at().is_some_and(|at| now < at) {
                return;
            }
        }
        track.better = None;
        track.moved_at = Some(now);
        track.source = Source::Link(best);
        self.changes.push(Change::Parent(key.clone(), Some(best)));
        self.tell(key, None);
    }

    /// Nobody offers the track.
    fn lose(&mut self, key: &TrackKey) {
        let track = self.tracks.remove(key).expect("who loses it had it");
        if matches!(track.source, Source::Link(_)) {
            self.changes.push(Change::Parent(key.clone(), None));
        }
        let withdraw = Withdraw {
            room: key.room.clone(),
            track: key.track.clone(),
            epoch: track.epoch,
        };
        let mut told: Vec<_> = track.told.into_keys().collect();
        told.sort_unstable();
        for link in told {
            self.changes.push(Change::Withdraw(link, withdraw.clone()));
        }
    }

    /// Tells `only` one neighbour or all what there is now, if they may know and do not yet.
    fn tell(&mut self, key: &TrackKey, only: Option<LinkId>) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        let (path, cost, from) = match track.source {
            Source::Here => (Vec::new(), Cost::default(), None),
            Source::Link(link) => {
                let (Some(offer), Some(neighbour)) =
                    (track.offers.get(&link), self.links.get(&link))
                else {
                    return;
                };
                (
                    offer.path.clone(),
                    offer.cost.plus(neighbour.cost),
                    Some(link),
                )
            }
            Source::Nowhere => return,
        };
        if from.is_some() && self.transit == Transit::No {
            return;
        }
        let mut neighbours: Vec<_> = self.links.iter().collect();
        neighbours.sort_unstable_by_key(|(link, _)| **link);
        for (link, neighbour) in neighbours {
            if only.is_some_and(|only| only != *link) {
                continue;
            }
            let known = Some(*link) == from
                || path.contains(&neighbour.name)
                || path.len() + 1 > Self::MOST_HOPS;
            if known {
                // It has it without us; what it heard from us before would lead back to it.
                if track.told.remove(link).is_some() {
                    let withdraw = Withdraw {
                        room: key.room.clone(),
                        track: key.track.clone(),
                        epoch: track.epoch,
                    };
                    self.changes.push(Change::Withdraw(*link, withdraw));
                }
                continue;
            }
            let mut through = path.clone();
            through.push(self.node.clone());
            let said = Said {
                epoch: track.epoch,
                path: through.clone(),
                cost,
            };
            if only.is_none()
                && track
                    .told
                    .get(link)
                    .is_some_and(|told| told.is_about(&said))
            {
                continue;
            }
            track.told.insert(*link, said);
            self.changes.push(Change::Announce(
                *link,
                Announce {
                    room: key.room.clone(),
                    track: key.track.clone(),
                    epoch: track.epoch,
                    path: through,
                    cost: cost.0,
                    kind: track.kind.into(),
                },
            ));
        }
    }
}

impl Track {
    fn new(kind: Kind, epoch: u64) -> Self {
        Self {
            epoch,
            kind,
            source: Source::Nowhere,
            offers: HashMap::new(),
            told: HashMap::new(),
            better: None,
            moved_at: None,
        }
    }

    /// When it may move to the better way there is.
    fn moves_at(&self) -> Option<Instant> {
        let (_, since) = self.better?;
        let rested_at = self.moved_at.map_or(since, |at| at + Routes::REST);
        Some(rested_at.max(since + Routes::STEADY))
    }
}

/// What a neighbour was told.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Said {
    epoch: u64,
    path: Vec<String>,
    cost: Cost,
}

impl Said {
    /// The same, but for a cost that hardly changed.
    fn is_about(&self, other: &Self) -> bool {
        let change = self.cost.0.abs_diff(other.cost.0);
        self.epoch == other.epoch
            && self.path == other.path
            && change <= 2_000.max(self.cost.0 / 10)
    }
}
