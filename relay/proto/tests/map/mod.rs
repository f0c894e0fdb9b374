//! A map of nodes and links on which exchanges talk to each other.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use media::{Bitrate, Layer};
use relay_proto::control::{Kind, RoomMessage};
use relay_proto::{
    Copy, Cost, End, Exchange, Handle, Keyframe, LayerId, LayerKey, LinkId, LinkSeq, Load, Media,
    Output, Place, Queued, Reference, TrackKey, Transit, Use, Wanted,
};

/// Nodes and links; messages and packets arrive at once and in order.
pub(crate) struct Map {
    pub(crate) now: Instant,
    pub(crate) nodes: BTreeMap<&'static str, Exchange>,
    pub(crate) links: Vec<(&'static str, &'static str)>,
    pub(crate) waiting: VecDeque<(&'static str, Output)>,
    pub(crate) crossed: BTreeMap<(&'static str, &'static str), usize>,
    pub(crate) came: BTreeMap<&'static str, usize>,
    pub(crate) tracks: BTreeMap<&'static str, Vec<String>>,
    pub(crate) fed: Vec<String>,
    pub(crate) ids: BTreeMap<LayerKey, LayerId>,
    pub(crate) heard: Vec<String>,
    pub(crate) paused: Vec<String>,
    pub(crate) keyframes_asked: usize,
    pub(crate) sequence: u16,
    /// Links are in order, each for itself, and no more.
    pub(crate) disorder: Option<Dice>,
}

/// Chance, the same each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Less than `most`.
    pub(crate) fn roll(&mut self, most: usize) -> usize {
        // splitmix64 (Steele, Lea and Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % most as u64) as usize
    }
}

impl Map {
    /// A star marks a hub.
    pub(crate) fn new(names: &[&'static str]) -> Self {
        let node = |name: &&'static str| {
            let bare = name.trim_end_matches('*');
            let transit = if name.ends_with('*') {
                Transit::Yes
            } else {
                Transit::No
            };
            (bare, Exchange::new(bare, transit))
        };
        Self {
            now: start(),
            nodes: names.iter().map(node).collect(),
            links: Vec::new(),
            waiting: VecDeque::new(),
            crossed: BTreeMap::new(),
            came: BTreeMap::new(),
            tracks: BTreeMap::new(),
            fed: Vec::new(),
            ids: BTreeMap::new(),
            heard: Vec::new(),
            paused: Vec::new(),
            keyframes_asked: 0,
            sequence: 0,
            disorder: None,
        }
    }

    pub(crate) fn node(&mut self, name: &str) -> &mut Exchange {
        self.nodes.get_mut(name).expect("it is on the map")
    }

    pub(crate) fn link(&mut self, one: &'static str, other: &'static str, delay: u64) {
        let id = LinkId(self.links.len() as u32);
        self.links.push((one, other));
        let cost = Cost::of_link(Duration::from_millis(delay * 2), 0.0);
        let now = self.now;
        self.node(one).link_up(now, id, other.into(), cost);
        self.node(other).link_up(now, id, one.into(), cost);
        self.deliver();
    }

    pub(crate) fn cut(&mut self, one: &'static str, other: &'static str) {
        let index = self.links.iter().rposition(|link| *link == (one, other));
        let id = LinkId(index.expect("they are linked") as u32);
        let now = self.now;
        for node in [one, other] {
            self.node(node).link_down(now, id);
        }
        self.deliver();
    }

    pub(crate) fn publish(&mut self, node: &'static str, name: &str, kind: Kind) {
        let now = self.now;
        self.node(node)
            .publish(now, track(name), kind, 1)
            .expect("it is no ghost");
        self.deliver();
    }

    pub(crate) fn want(&mut self, node: &'static str, name: &str, layer: Layer) {
        let now = self.now;
        self.node(node)
            .want(now, key(name, layer), Handle(1), Wanted::Yes);
        self.deliver();
    }

    pub(crate) fn unwant(&mut self, node: &'static str, name: &str, layer: Layer) {
        let now = self.now;
        self.node(node)
            .want(now, key(name, layer), Handle(1), Wanted::No);
        self.deliver();
    }

    pub(crate) fn want_keyframe(&mut self, node: &'static str, name: &str, layer: Layer) {
        let now = self.now;
        self.node(node).want_keyframe(now, &key(name, layer));
        self.deliver();
    }

    /// One packet; how many nodes it came to.
    pub(crate) fn feed(
        &mut self,
        node: &'static str,
        name: &str,
        layer: Layer,
        keyframe: Keyframe,
    ) -> usize {
        let before: usize = self.came.values().sum();
        let place = Place {
            keyframe,
            end: End::Yes,
            reference: Reference::Yes,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let rtp = rtp(self.sequence);
        let now = self.now;
        if let Some(id) = self.ids.get(&key(name, layer)).copied() {
            self.node(node).feed(now, id, place, rtp);
        }
        self.deliver();
        self.came.values().sum::<usize>() - before
    }

    pub(crate) fn feed_many(&mut self, node: &'static str, name: &str, count: usize) -> usize {
        (0..count)
            .map(|_| self.feed(node, name, Layer::LOW, Keyframe::No))
            .sum()
    }

    pub(crate) fn feed_many_of(
        &mut self,
        node: &'static str,
        name: &str,
        layer: Layer,
        count: usize,
    ) -> usize {
        (0..count)
            .map(|_| self.feed(node, name, layer, Keyframe::No))
            .sum()
    }

    pub(crate) fn unpublish(&mut self, node: &'static str, name: &str) {
        let now = self.now;
        self.node(node).unpublish(now, &track(name));
        self.deliver();
    }

    pub(crate) fn look(&mut self, node: &'static str, link: u32, kilobits: u64) {
        let now = self.now;
        let rate = Bitrate::kilobits(kilobits);
        self.node(node).look(now, LinkId(link), rate);
        self.deliver();
    }

    pub(crate) fn set_use(&mut self, node: &'static str, link: u32, use_it: Use) {
        let now = self.now;
        self.node(node).set_use(now, LinkId(link), use_it);
        self.deliver();
    }

    pub(crate) fn say(&mut self, node: &'static str, said: &'static str) {
        self.node(node)
            .say("maths", Vec::new(), Bytes::from_static(said.as_bytes()));
        self.deliver();
    }

    pub(crate) fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        let now = self.now;
        for exchange in self.nodes.values_mut() {
            exchange.tick(now);
        }
        self.deliver();
    }

    pub(crate) fn crossed(&self, one: &'static str, other: &'static str) -> usize {
        self.crossed.get(&(one, other)).copied().unwrap_or(0)
    }

    pub(crate) fn came(&self, node: &str) -> usize {
        self.came.get(node).copied().unwrap_or(0)
    }

    pub(crate) fn deliver(&mut self) {
        for steps in 0.. {
            assert!(steps < 100_000, "news go in circles");
            for (node, exchange) in &mut self.nodes {
                let mut outputs = Vec::new();
                exchange.take_outputs(&mut outputs);
                self.waiting
                    .extend(outputs.into_iter().map(|output| (*node, output)));
            }
            let next = self.next_to_deliver();
            let Some((from, output)) = self.waiting.remove(next) else {
                return;
            };
            self.carry_out(from, output);
        }
    }

    /// The first that waits; in disorder the first of any link.
    fn next_to_deliver(&mut self) -> usize {
        let Some(dice) = &mut self.disorder else {
            return 0;
        };
        let Some(any) = self.waiting.get(dice.roll(self.waiting.len().max(1))) else {
            return 0;
        };
        let way = |waiting: &(&'static str, Output)| (waiting.0, link_of(&waiting.1));
        let chosen = way(any);
        let first = self.waiting.iter().position(|other| way(other) == chosen);
        first.unwrap_or(0)
    }

    pub(crate) fn carry_out(&mut self, from: &'static str, output: Output) {
        let now = self.now;
        match output {
            Output::Tell(link, message) => {
                let to = self.other_end(from, link);
                // What is refused has no effect; routing.rs shows why.
                let _ = self.node(to).message(now, link, message);
            }
            Output::Send(link, queued) => {
                let to = self.other_end(from, link);
                *self.crossed.entry((from, to)).or_default() += 1;
                self.node(to).media(now, link, on_the_wire(queued));
            }
            Output::Deliver(..) => *self.came.entry(from).or_default() += 1,
            Output::Feed(key, id, Wanted::Yes) => {
                self.fed.push(format!("{} on", key.track.track));
                self.ids.insert(key, id);
            }
            Output::Feed(key, _, Wanted::No) => {
                self.fed.push(format!("{} off", key.track.track));
                self.ids.remove(&key);
            }
            Output::Paused(key, paused) => {
                self.paused
                    .push(format!("{from}: {} {paused:?}", key.track.track));
            }
            Output::Pause(..) | Output::Forget(..) => {}
            Output::Keyframe(_) => self.keyframes_asked += 1,
            Output::Track(track, _, wanted) => {
                let word = match wanted {
                    Wanted::Yes => "on",
                    Wanted::No => "gone",
                };
                self.tracks
                    .entry(from)
                    .or_default()
                    .push(format!("{} {word}", track.track));
            }
            Output::Said(RoomMessage { said, .. }) => {
                self.heard
                    .push(format!("{from}: {}", String::from_utf8_lossy(&said)));
            }
        }
    }

    pub(crate) fn other_end(&self, from: &str, link: LinkId) -> &'static str {
        let (one, other) = self.links[link.0 as usize];
        if one == from { other } else { one }
    }
}

fn link_of(output: &Output) -> Option<LinkId> {
    match output {
        Output::Tell(link, _) | Output::Send(link, _) => Some(*link),
        Output::Pause(..)
        | Output::Forget(..)
        | Output::Deliver(..)
        | Output::Feed(..)
        | Output::Keyframe(_)
        | Output::Paused(..)
        | Output::Track(..)
        | Output::Said(_) => None,
    }
}

fn on_the_wire(queued: Queued) -> Media {
    let Load::Fresh { flow, place, rtp } = queued.load else {
        panic!("an exchange sends everything for the first time");
    };
    Media {
        flow,
        seq: LinkSeq(0),
        copy: Copy::Original,
        place,
        rtp,
    }
}

pub(crate) fn rtp(sequence: u16) -> Bytes {
    let mut rtp = BytesMut::new();
    rtp.put_u16(0x8000);
    rtp.put_u16(sequence);
    rtp.resize(40, 0);
    rtp.freeze()
}

pub(crate) fn track(name: &str) -> TrackKey {
    TrackKey {
        room: "maths".into(),
        track: name.into(),
    }
}

pub(crate) fn key(name: &str, layer: Layer) -> LayerKey {
    LayerKey {
        track: track(name),
        layer,
    }
}

pub(crate) fn start() -> Instant {
    thread_local! {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        static START: Instant = Instant::now();
    }
    START.with(|start| *start)
}
