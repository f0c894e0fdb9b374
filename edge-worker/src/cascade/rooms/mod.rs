//! Rooms that exist in several instances, on shards of this node and on other nodes: which instance
//! is told what, and which layers go from where to where.
//!
//! Decides only. Rooms themselves are on their shards, ways between nodes are the relay's, and
//! what instances say to each other is theirs: it is passed on unread but for who publishes what.

mod order;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit::spanning::Telling;
use media::{Layer, MediaKind, ParticipantId, TrackId};
use relay_proto::control::Kind;
use relay_proto::{Handle, LayerId, LayerKey, NODES, TrackKey, Wanted};
use rustc_hash::FxHashMap;
use sfu::{Identity, LayerSet, LinkNews, Linked, LinkedTrack, Streaming};

use super::feeds::{Feed, FeedId, Feeds, Target};
use crate::shard::RoomKey;
use order::{Heard, Spoken};

/// A room as it is on one shard of this node.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Instance {
    /// By its place among the node's shards.
    pub(crate) shard: usize,
    /// There.
    pub(crate) room: RoomKey,
}

/// All rooms of this node that may exist elsewhere too.
#[derive(Debug)]
pub(super) struct Rooms {
    node: String,
    /// Rises with every start: what an earlier life of this node announced is void.
    epoch: u64,
    rooms: HashMap<Arc<str>, Room>,
    names: HashMap<Instance, Arc<str>>,
    feeds: Feeds,
    /// What comes from other nodes, by the number we gave it.
    incoming: FxHashMap<Handle, Incoming>,
    last_handle: u64,
    /// Nodes that cannot be reached any more, and when they are taken for gone.
    lost: BTreeMap<(Arc<str>, String), Instant>,
    /// When something that is missed in a room is asked for or given up, at the earliest.
    orders_at: Option<Instant>,
    actions: Vec<Action>,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Tell an instance what another one says.
    Tell(Instance, LinkNews),
    /// Have an instance tell everything again: somebody new listens.
    Retell(Instance),
    /// Have a layer of a track fed under this number, or no more.
    Feed(Instance, TrackId, Layer, Option<FeedId>),
    /// Have a keyframe asked for.
    Ask(Instance, TrackId, Layer),
    /// A layer cannot come for now, or comes again.
    Flow(Instance, TrackId, Layer, Streaming),
    /// Somebody's node is gone.
    Lose(Instance, ParticipantId),
    /// Tell other nodes that have the room.
    Say(Arc<str>, Telling),
    /// Tell one of them.
    SayTo(Arc<str>, String, Telling),
    /// So many messages to a room are lost for good.
    CountLost(u64),
    /// Tell the relay that something can be had here.
    Publish(TrackKey, Kind, u64),
    /// It cannot any more.
    Unpublish(TrackKey),
    /// Have a layer come from elsewhere, or no more.
    Want(LayerKey, Handle, Wanted),
    /// Have its publisher send a keyframe.
    WantKeyframe(LayerKey),
}

/// Where a packet from another node goes.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) track: TrackId,
    pub(super) layer: Layer,
    pub(super) to: Vec<Instance>,
}

#[derive(Debug, Default)]
struct Room {
    instances: Vec<Instance>,
    /// Other nodes that have it.
    hosts: Vec<String>,
    people: HashMap<ParticipantId, Person>,
    tracks: HashMap<TrackId, Track>,
    spoken: Spoken,
    /// By the node that said it.
    heard: HashMap<String, Heard>,
}

/// Where somebody is connected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Home {
    Here(Instance),
    Node(String),
}

#[derive(Debug)]
struct Person {
    home: Home,
    identity: Identity,
    tracks: Vec<TrackId>,
}

/// A published track, and who wants which layers of it.
#[derive(Debug)]
struct Track {
    home: Home,
    wants: Vec<(Instance, LayerSet)>,
    /// From other nodes, if it is published here.
    relayed: [Option<LayerId>; Layer::COUNT],
    /// Where it comes from, if it is not.
    handles: [Option<Handle>; Layer::COUNT],
}

impl Rooms {
    /// Nodes that are lost may come back by another way: so long their people stay.
    const GRACE: Duration = Duration::from_secs(5);

    pub(super) fn new(node: String, epoch: u64) -> Self {
        Self {
            node,
            epoch,
            rooms: HashMap::new(),
            names: HashMap::new(),
            feeds: Feeds::default(),
            incoming: FxHashMap::default(),
            last_handle: 0,
            lost: BTreeMap::new(),
            orders_at: None,
            actions: Vec::new(),
        }
    }

    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// A room is open on a shard of this node.
    pub(super) fn opened(&mut self, at: Instance, name: &Arc<str>) {
        if **name == *NODES {
            return;
        }
        let room = self.rooms.entry(Arc::clone(name)).or_default();
        if room.instances.is_empty() {
            let host = host_key(name, &self.node);
            self.actions
                .push(Action::Publish(host, Kind::Host, self.epoch));
        }
        let others = room.instances.iter();
        self.actions
            .extend(others.map(|other| Action::Retell(*other)));
        if !room.instances.is_empty() && !room.hosts.is_empty() {
            // They told all they had to when the first instance opened.
            self.actions
                .push(Action::Say(Arc::clone(name), Telling::Retell));
        }
        room.instances.push(at);
        self.names.insert(at, Arc::clone(name));
    }

    /// It is not any more.
    pub(super) fn closed(&mut self, at: Instance) {
        let Some(name) = self.names.remove(&at) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        room.instances.retain(|instance| *instance != at);
        let here = |person: &Person| person.home == Home::Here(at);
        let people = room.people.iter().filter(|(_, it)| here(it));
        let people: Vec<_> = people.map(|(id, _)| *id).collect();
        for track in room.tracks.keys().copied().collect::<Vec<_>>() {
            self.wants(at, &name, track, LayerSet::default());
        }
        for person in people {
            self.gone(&name, person);
        }
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        if room.instances.is_empty() {
            self.actions
                .push(Action::Unpublish(host_key(&name, &self.node)));
            if room.hosts.is_empty() {
                self.rooms.remove(&name);
            }
        }
    }

    /// An instance here says something to the others.
    pub(super) fn said_here(&mut self, from: Instance, news: LinkNews) {
        let Some(name) = self.names.get(&from).cloned() else {
            return;
        };
        self.note(&name, &Home::Here(from), &news);
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        let others = room.instances.iter().filter(|instance| **instance != from);
        let tell = |instance: &Instance| Action::Tell(*instance, news.clone());
        self.actions.extend(others.map(tell));
        if !room.hosts.is_empty() {
            let telling = if order::is_ordered(&news) {
                let number = room.spoken.number(self.epoch, &news);
                Telling::Numbered { number, news }
            } else {
                Telling::News(news)
            };
            self.actions.push(Action::Say(name, telling));
        }
    }

    /// An instance on another node says something to the others.
    pub(super) fn said_elsewhere(&mut self, name: &Arc<str>, node: &str, news: LinkNews) {
        self.note(name, &Home::Node(node.to_owned()), &news);
        if let Some(room) = self.rooms.get(name) {
            let tell = |instance: &Instance| Action::Tell(*instance, news.clone());
            self.actions.extend(room.instances.iter().map(tell));
        }
    }

    /// An instance wants these layers of a track that is published elsewhere, and no others.
    pub(super) fn wanted_here(&mut self, at: Instance, track: TrackId, layers: LayerSet) {
        if let Some(name) = self.names.get(&at).cloned() {
            self.wants(at, &name, track, layers);
        }
    }

    /// An instance needs a keyframe of a layer that is published elsewhere.
    pub(super) fn asked_here(&mut self, at: Instance, id: TrackId, layer: Layer) {
        let Some(name) = self.names.get(&at).cloned() else {
            return;
        };
        let room = self.rooms.get(&name);
        let Some(track) = room.and_then(|room| room.tracks.get(&id)) else {
            return;
        };
        self.actions.push(match &track.home {
            Home::Here(home) => Action::Ask(*home, id, layer),
            Home::Node(_) => Action::WantKeyframe(layer_key(&name, id, layer)),
        });
    }

    /// Another node has a room, or has it no more.
    pub(super) fn host(&mut self, now: Instant, room: &str, node: &str, has: Wanted) {
        if node == self.node || room == NODES {
            return;
        }
        let name: Arc<str> = room.into();
        let lost = (Arc::clone(&name), node.to_owned());
        match has {
            Wanted::Yes => {
                self.lost.remove(&lost);
                let room = self.rooms.entry(Arc::clone(&name)).or_default();
                if !room.hosts.iter().any(|host| host == node) {
                    room.hosts.push(node.to_owned());
                }
                if let Some(latest) = room.spoken.latest() {
                    // Some of it may have been lost on the way there was before.
                    let latest = Telling::Latest(latest);
                    self.actions
                        .push(Action::SayTo(Arc::clone(&name), node.to_owned(), latest));
                }
                self.retell(&name);
            }
            Wanted::No => {
                let known = self.rooms.get(&name);
                if known.is_some_and(|room| room.hosts.iter().any(|host| host == node)) {
                    self.lost.insert(lost, now + Self::GRACE);
                }
            }
        }
    }

    /// Other nodes want a layer that is published here, or do no more.
    pub(super) fn wanted_elsewhere(&mut self, key: &LayerKey, id: LayerId, wanted: Wanted) {
        let Ok(track) = key.track.track.parse() else {
            return;
        };
        let name = Arc::clone(&key.track.room);
        let room = self.rooms.get_mut(&name);
        let Some(found) = room.and_then(|room| room.tracks.get_mut(&track)) else {
            return;
        };
        found.relayed[key.layer.index()] = match wanted {
            Wanted::Yes => Some(id),
            Wanted::No => None,
        };
        self.route(&name, track);
    }

    /// Other nodes need a keyframe of a layer that is published here.
    pub(super) fn asked_elsewhere(&mut self, key: &LayerKey) {
        if let Some((track, Home::Here(home))) = self.track_of(key) {
            self.actions.push(Action::Ask(home, track, key.layer));
        }
    }

    /// A layer from elsewhere cannot come for now, or comes again.
    pub(super) fn paused(&mut self, key: &LayerKey, flow: Streaming) {
        let name: &str = &key.track.room;
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        if let Ok(track) = key.track.track.parse() {
            let pause = |at: &Instance| Action::Flow(*at, track, key.layer, flow);
            self.actions.extend(room.instances.iter().map(pause));
        }
    }

    /// Where packets go that came as `handle`.
    pub(super) fn incoming(&self, handle: Handle) -> Option<&Incoming> {
        self.incoming.get(&handle)
    }

    /// Where packets go that a room here feeds as `feed`.
    pub(super) fn feed(&self, feed: FeedId) -> Option<&Feed> {
        self.feeds.get(feed)
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some(due) = self.lost.iter().find(|(_, at)| **at <= now) {
            let (name, node) = due.0.clone();
            self.lost.remove(&(Arc::clone(&name), node.clone()));
            self.lose(&name, &node);
        }
        self.tick_orders(now);
    }

    /// When to [`tick`](Self::tick).
    pub(super) fn deadline(&self) -> Option<Instant> {
        let lost = self.lost.values().min().copied();
        lost.into_iter().chain(self.orders_at).min()
    }

    /// What a room is called that is open on a shard of this node.
    pub(super) fn name_of(&self, at: Instance) -> Option<&Arc<str>> {
        self.names.get(&at)
    }

    /// Whether any room is open on this node.
    pub(super) fn are_here(&self) -> bool {
        !self.names.is_empty()
    }

    /// Has other nodes find the way to this one, whatever rooms they have.
    pub(super) fn present(&mut self) {
        let host = host_key(NODES, &self.node);
        self.actions
            .push(Action::Publish(host, Kind::Host, self.epoch));
    }

    /// Rooms that are on other nodes and not here, with the first of these nodes.
    pub(super) fn elsewhere(&self) -> Vec<(Arc<str>, String)> {
        let only = self
            .rooms
            .iter()
            .filter(|(_, room)| room.instances.is_empty());
        only.filter_map(|(name, room)| Some((Arc::clone(name), room.hosts.iter().min()?.clone())))
            .collect()
    }

    /// All other nodes that have a room; none if this one has it.
    pub(super) fn hosts(&self, room: &str) -> Vec<String> {
        let room = self.rooms.get(room);
        let elsewhere = room.filter(|room| room.instances.is_empty());
        elsewhere.map_or_else(Vec::new, |room| room.hosts.clone())
    }

    /// Which other node has a room that this one has not, or is the home of somebody in it.
    pub(super) fn place_of(&self, room: &str, identity: Option<&Identity>) -> Option<String> {
        let room = self.rooms.get(room)?;
        let person = identity.and_then(|identity| {
            let mut people = room.people.values();
            people.find(|person| person.identity == *identity)
        });
        match person.map(|person| &person.home) {
            Some(Home::Node(node)) => Some(node.clone()),
            Some(Home::Here(_)) => None,
            None if !room.instances.is_empty() => None,
            None => room.hosts.iter().min().cloned(),
        }
    }

    /// What is said about who is there and publishes what.
    fn note(&mut self, name: &Arc<str>, home: &Home, news: &LinkNews) {
        match news {
            LinkNews::Changed(linked) => self.changed(name, home, linked),
            LinkNews::Gone(person, _) => {
                let room = self.rooms.get(name);
                let known = room.and_then(|room| room.people.get(person));
                if known.is_some_and(|known| known.home == *home) {
                    self.gone(name, *person);
                }
            }
            LinkNews::Supply(_)
            | LinkNews::Quality(_)
            | LinkNews::Demand { .. }
            | LinkNews::Data { .. }
            | LinkNews::Frame { .. }
            | LinkNews::Room(_)
            | LinkNews::Received(_)
            | LinkNews::Undecodable(_)
            | LinkNews::Kept
            | LinkNews::Closed(_) => {}
        }
    }

    fn changed(&mut self, name: &Arc<str>, home: &Home, linked: &Linked) {
        let room = self.rooms.entry(Arc::clone(name)).or_default();
        let id = linked.participant.id;
        if room
            .people
            .get(&id)
            .is_some_and(|known| known.home != *home)
        {
            // Nobody else speaks for who is connected there.
            return;
        }
        let news = linked.tracks.iter().map(LinkedTrack::id);
        let others = |id: &TrackId| room.tracks.get(id).is_some_and(|it| it.home != *home);
        let tracks: Vec<_> = news.filter(|id| !others(id)).collect();
        let person = room.people.entry(id).or_insert_with(|| Person {
            home: home.clone(),
            identity: linked.participant.identity.clone(),
            tracks: Vec::new(),
        });
        let before = std::mem::replace(&mut person.tracks, tracks.clone());
        for track in linked.tracks.iter().filter(|it| tracks.contains(&it.id())) {
            let known = room.tracks.contains_key(&track.id());
            room.tracks.entry(track.id()).or_insert_with(|| Track {
                home: home.clone(),
                wants: Vec::new(),
                relayed: [None; Layer::COUNT],
                handles: [None; Layer::COUNT],
            });
            if let (Home::Here(_), false) = (home, known) {
                let kind = match track.info.kind {
                    MediaKind::Audio => Kind::Audio,
                    MediaKind::Video => Kind::Video,
                };
                let key = track_key(name, track.id());
                self.actions.push(Action::Publish(key, kind, self.epoch));
            }
        }
        for track in before.into_iter().filter(|track| !tracks.contains(track)) {
            self.ended(name, track);
        }
    }

    fn gone(&mut self, name: &Arc<str>, person: ParticipantId) {
        let room = self.rooms.get_mut(name);
        let Some(person) = room.and_then(|room| room.people.remove(&person)) else {
            return;
        };
        for track in person.tracks {
            self.ended(name, track);
        }
    }

    fn ended(&mut self, name: &Arc<str>, id: TrackId) {
        let room = self.rooms.get_mut(name);
        let Some(track) = room.and_then(|room| room.tracks.get_mut(&id)) else {
            return;
        };
        track.wants.clear();
        track.relayed = [None; Layer::COUNT];
        let home = track.home.clone();
        self.route(name, id);
        if let Home::Here(_) = home {
            self.actions.push(Action::Unpublish(track_key(name, id)));
        }
        if let Some(room) = self.rooms.get_mut(name) {
            room.tracks.remove(&id);
        }
    }

    fn wants(&mut self, at: Instance, name: &Arc<str>, id: TrackId, layers: LayerSet) {
        let room = self.rooms.get_mut(name);
        let Some(track) = room.and_then(|room| room.tracks.get_mut(&id)) else {
            return;
        };
        track.wants.retain(|(instance, _)| *instance != at);
        if layers != LayerSet::default() {
            track.wants.push((at, layers));
        }
        self.route(name, id);
    }

    /// Has every layer of a track come and go as it is wanted now.
    fn route(&mut self, name: &Arc<str>, id: TrackId) {
        let room = self.rooms.get_mut(name);
        let Some(track) = room.and_then(|room| room.tracks.get_mut(&id)) else {
            return;
        };
        for layer in Layer::ALL {
            let wanting = track
                .wants
                .iter()
                .filter(|(_, layers)| layers.contains(layer));
            let wanting: Vec<Instance> = wanting.map(|(instance, _)| *instance).collect();
            match &track.home {
                Home::Here(home) => {
                    let here = wanting.into_iter().map(Target::Here);
                    let elsewhere = track.relayed[layer.index()].map(Target::Elsewhere);
                    let targets = here.chain(elsewhere).collect();
                    if let Some(feed) = self.feeds.set(id, layer, targets) {
                        self.actions.push(Action::Feed(*home, id, layer, feed));
                    }
                }
                Home::Node(_) => {
                    let handle = &mut track.handles[layer.index()];
                    let key = layer_key(name, id, layer);
                    match (*handle, wanting.is_empty()) {
                        (None, false) => {
                            self.last_handle += 1;
                            let number = Handle(self.last_handle);
                            let incoming = Incoming {
                                track: id,
                                layer,
                                to: wanting,
                            };
                            self.incoming.insert(number, incoming);
                            *handle = Some(number);
                            self.actions.push(Action::Want(key, number, Wanted::Yes));
                        }
                        (Some(known), false) => {
                            if let Some(incoming) = self.incoming.get_mut(&known) {
                                incoming.to = wanting;
                            }
                        }
                        (Some(known), true) => {
                            *handle = None;
                            self.incoming.remove(&known);
                            self.actions.push(Action::Want(key, known, Wanted::No));
                        }
                        (None, true) => {}
                    }
                }
            }
        }
    }

    /// Somebody new listens on another node.
    pub(super) fn retell(&mut self, name: &str) {
        if let Some(room) = self.rooms.get(name) {
            let instances = room.instances.iter();
            self.actions.extend(instances.map(|it| Action::Retell(*it)));
        }
    }

    /// A node that had a room is gone for good, and its people with it.
    fn lose(&mut self, name: &Arc<str>, node: &str) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        room.hosts.retain(|host| host != node);
        room.heard.remove(node);
        let home = Home::Node(node.to_owned());
        let people = room.people.iter().filter(|(_, person)| person.home == home);
        let people: Vec<_> = people.map(|(id, _)| *id).collect();
        for instance in room.instances.clone() {
            let lose = |person: &ParticipantId| Action::Lose(instance, *person);
            self.actions.extend(people.iter().map(lose));
        }
        for person in people {
            self.gone(name, person);
        }
        let deserted = |room: &Room| room.instances.is_empty() && room.hosts.is_empty();
        if self.rooms.get(name).is_some_and(deserted) {
            self.rooms.remove(name);
        }
    }

    fn track_of(&self, key: &LayerKey) -> Option<(TrackId, Home)> {
        let id = key.track.track.parse().ok()?;
        let room = self.rooms.get(&key.track.room)?;
        Some((id, room.tracks.get(&id)?.home.clone()))
    }
}

fn host_key(room: &str, node: &str) -> TrackKey {
    TrackKey {
        room: room.into(),
        track: node.into(),
    }
}

fn track_key(room: &str, track: TrackId) -> TrackKey {
    TrackKey {
        room: room.into(),
        track: track.as_str().into(),
    }
}

fn layer_key(room: &str, track: TrackId, layer: Layer) -> LayerKey {
    LayerKey {
        track: track_key(room, track),
        layer,
    }
}
