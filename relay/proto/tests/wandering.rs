//! Nodes, links, tracks and wishes that come and go by chance, with news that overtake each other on
//! different links: whatever happened, when it is quiet everybody gets what it wants, once, and of
//! what nobody wants nothing is left.

mod map;

use std::collections::BTreeSet;

use map::{Dice, Map, key, track};
use media::Layer;
use relay_proto::control::Kind;
use relay_proto::{Cost, Handle, Keyframe, LinkId, Use, Wanted};

const HUBS: [&str; 3] = ["abuja", "jos", "owerri"];
const LEAVES: [&str; 4] = ["aba", "kano", "lagos", "uyo"];

#[test]
fn everybody_gets_what_it_wants_whatever_happened_before() {
    for seed in 0..100 {
        let mut world = World::new(seed);
        for round in 0..12 {
            for _ in 0..25 {
                world.something_happens();
            }
            world.calm_down();
            world.check(&format!("seed {seed}, round {round}"));
        }
        world.end(&format!("seed {seed}"));
    }
}

struct World {
    map: Map,
    dice: Dice,
    /// The number of the link between two nodes, as long as it is up.
    up: Vec<(&'static str, &'static str, u32)>,
    published: BTreeSet<&'static str>,
    /// Who wants whose track.
    wanted: BTreeSet<(&'static str, &'static str)>,
    epoch: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut map = Map::new(&["abuja*", "jos*", "owerri*", "aba", "kano", "lagos", "uyo"]);
        map.disorder = Some(Dice(seed + 1_000));
        // Every other time nobody says which nodes have the room: then all hear of all.
        if seed.is_multiple_of(2) {
            for leaf in LEAVES {
                map.publish(leaf, leaf, Kind::Host);
            }
        }
        Self {
            map,
            dice: Dice(seed),
            up: Vec::new(),
            published: BTreeSet::new(),
            wanted: BTreeSet::new(),
            epoch: 1,
        }
    }

    fn one_of(&mut self, names: &[&'static str]) -> &'static str {
        names[self.dice.roll(names.len())]
    }

    fn something_happens(&mut self) {
        let leaf = self.one_of(&LEAVES);
        let other = self.one_of(&LEAVES);
        let hub = self.one_of(&HUBS);
        match self.dice.roll(12) {
            0 | 1 => self.turn_link(leaf, hub),
            2 => {
                let second = self.one_of(&HUBS);
                self.turn_link(hub, second);
            }
            3 | 4 => self.turn_track(leaf),
            5..=7 => self.turn_wish(leaf, other),
            8 => self.turn_use(),
            9 => self.turn_cost(),
            10 => {
                self.map.feed(leaf, &mic(leaf), Layer::LOW, Keyframe::No);
            }
            _ => {
                let milliseconds = self.dice.roll(4_000) as u64;
                self.map.pass(milliseconds);
            }
        }
        // Now and then much is under way at once.
        if self.dice.roll(3) == 0 {
            self.map.deliver();
        }
    }

    fn turn_link(&mut self, one: &'static str, other: &'static str) {
        if one == other {
            return;
        }
        let (one, other) = (one.min(other), one.max(other));
        let now = self.map.now;
        let up = self
            .up
            .iter()
            .position(|link| (link.0, link.1) == (one, other));
        if let Some(index) = up {
            let (_, _, id) = self.up.swap_remove(index);
            for node in [one, other] {
                self.map.node(node).link_down(now, LinkId(id));
            }
            return;
        }
        let id = self.map.links.len() as u32;
        self.map.links.push((one, other));
        let cost = Cost(3_000 + self.dice.roll(60_000) as u32);
        for (node, there) in [(one, other), (other, one)] {
            let name = there.to_owned();
            self.map.node(node).link_up(now, LinkId(id), name, cost);
        }
        self.up.push((one, other, id));
    }

    fn turn_track(&mut self, leaf: &'static str) {
        let now = self.map.now;
        if self.published.remove(leaf) {
            self.map.node(leaf).unpublish(now, &track(&mic(leaf)));
        } else {
            self.epoch += 1;
            let epoch = self.epoch;
            let published = self
                .map
                .node(leaf)
                .publish(now, track(&mic(leaf)), Kind::Audio, epoch);
            published.expect("nobody else has it");
            self.published.insert(leaf);
        }
    }

    fn turn_wish(&mut self, leaf: &'static str, of: &'static str) {
        if leaf == of {
            return;
        }
        let now = self.map.now;
        let wanted = if self.wanted.remove(&(leaf, of)) {
            Wanted::No
        } else {
            self.wanted.insert((leaf, of));
            Wanted::Yes
        };
        let key = key(&mic(of), Layer::LOW);
        self.map.node(leaf).want(now, key, Handle(1), wanted);
    }

    fn turn_use(&mut self) {
        let use_it = [Use::Yes, Use::Avoid, Use::Leaving][self.dice.roll(3)];
        self.at_some_link(|exchange, now, link| exchange.set_use(now, link, use_it));
    }

    fn turn_cost(&mut self) {
        let cost = Cost(3_000 + self.dice.roll(100_000) as u32);
        self.at_some_link(|exchange, now, link| exchange.set_cost(now, link, cost));
    }

    fn at_some_link(
        &mut self,
        act: impl Fn(&mut relay_proto::Exchange, std::time::Instant, LinkId),
    ) {
        if self.up.is_empty() {
            return;
        }
        let (one, other, id) = self.up[self.dice.roll(self.up.len())];
        let node = if self.dice.roll(2) == 0 { one } else { other };
        let now = self.map.now;
        act(self.map.node(node), now, LinkId(id));
    }

    /// All that is up is good, all news have come, and what is to be tried again was.
    fn calm_down(&mut self) {
        for (one, other, id) in self.up.clone() {
            let now = self.map.now;
            for node in [one, other] {
                self.map.node(node).set_use(now, LinkId(id), Use::Yes);
            }
        }
        self.map.deliver();
        for _ in 0..8 {
            self.map.pass(700);
        }
    }

    fn check(&mut self, when: &str) {
        for publisher in LEAVES {
            let before = self.map.came.clone();
            for _ in 0..3 {
                self.map
                    .feed(publisher, &mic(publisher), Layer::LOW, Keyframe::No);
            }
            for node in LEAVES {
                let wants = self.wanted.contains(&(node, publisher));
                let gets = wants
                    && self.published.contains(publisher)
                    && self.are_connected(publisher, node);
                let came = self.map.came(node) - before.get(node).copied().unwrap_or(0);
                let expected = if gets { 3 } else { 0 };
                assert_eq!(came, expected, "{when}: from {publisher} to {node}");
            }
        }
    }

    /// Over hubs: leaves pass nothing on.
    fn are_connected(&self, from: &str, to: &str) -> bool {
        let mut reached = BTreeSet::from([from]);
        for _ in 0..LEAVES.len() + HUBS.len() {
            for (one, other, _) in &self.up {
                for (near, far) in [(*one, *other), (*other, *one)] {
                    let passes = near == from || HUBS.contains(&near);
                    if passes && reached.contains(near) {
                        reached.insert(far);
                    }
                }
            }
        }
        reached.contains(to)
    }

    /// Nobody wants anything any more.
    fn end(&mut self, when: &str) {
        for (leaf, of) in self.wanted.clone() {
            self.turn_wish(leaf, of);
        }
        // Each node on the way waits for a while whether it is wanted again.
        for _ in 0..4 {
            self.calm_down();
        }
        for node in HUBS.into_iter().chain(LEAVES) {
            for link in 0..self.map.links.len() as u32 {
                let left = self.map.node(node).layers(LinkId(link));
                assert_eq!(left, (0, 0), "{when}: {node}, link {link}");
            }
            assert_eq!(self.map.node(node).rooms(), 0, "{when}: {node}");
        }
    }
}

fn mic(leaf: &str) -> String {
    format!("mic of {leaf}")
}
