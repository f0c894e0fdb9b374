//! Nodes that tell each other where tracks are to be had: loops, ghosts, better ways, lost ones.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use relay_proto::control::{Announce, Kind};
use relay_proto::{Change, Cost, Disbelief, LinkId, Routes, TrackKey, Transit};

#[test]
fn a_track_comes_by_the_cheapest_way_and_never_in_a_circle() {
    let mut map = Map::new(&["lagos", "abuja*", "jos*", "kano"]);
    map.link("lagos", "abuja", 15);
    map.link("lagos", "jos", 60);
    map.link("abuja", "jos", 5);
    map.link("abuja", "kano", 40);
    map.link("jos", "kano", 5);
    map.publish("lagos", 1);
    map.pass(31);
    map.pass(31);
    assert_eq!(map.way("kano"), ["lagos", "abuja", "jos"]);
    assert_eq!(map.way("jos"), ["lagos", "abuja"]);
    map.unpublish("lagos");
    for node in ["abuja", "jos", "kano"] {
        assert_eq!(map.way(node), [""; 0], "{node} knows that it is gone");
    }
}

#[test]
fn who_is_no_hub_passes_nothing_on() {
    let mut map = Map::new(&["lagos", "ibadan", "kano"]);
    map.link("lagos", "ibadan", 2);
    map.link("ibadan", "kano", 15);
    map.publish("lagos", 1);
    assert_eq!(map.way("ibadan"), ["lagos"]);
    assert_eq!(map.way("kano"), [""; 0]);
}

#[test]
fn a_lost_way_is_replaced_at_once_and_a_better_one_after_a_while() {
    let mut map = Map::new(&["lagos", "abuja*", "jos*", "kano"]);
    map.link("lagos", "abuja", 15);
    map.link("lagos", "jos", 15);
    map.link("abuja", "kano", 10);
    map.link("jos", "kano", 40);
    map.publish("lagos", 1);
    assert_eq!(map.way("kano"), ["lagos", "abuja"]);
    map.cut("abuja", "kano");
    assert_eq!(map.way("kano"), ["lagos", "jos"], "without delay");
    map.link("abuja", "kano", 10);
    map.pass(9);
    assert_eq!(map.way("kano"), ["lagos", "jos"], "it may break again");
    map.pass(20);
    assert_eq!(map.way("kano"), ["lagos", "jos"], "it moved just now");
    map.pass(3);
    assert_eq!(map.way("kano"), ["lagos", "abuja"]);
}

#[test]
fn a_way_that_is_hardly_better_is_not_worth_a_move() {
    let mut map = Map::new(&["lagos", "abuja*", "jos*", "kano"]);
    map.link("lagos", "abuja", 15);
    map.link("lagos", "jos", 15);
    map.link("abuja", "kano", 15);
    map.publish("lagos", 1);
    map.link("jos", "kano", 8);
    map.pass(60);
    assert_eq!(map.way("kano"), ["lagos", "abuja"]);
}

#[test]
fn a_publisher_that_comes_anew_elsewhere_leaves_no_ghost() {
    let mut map = Map::new(&["lagos", "abuja*", "kano"]);
    map.link("lagos", "abuja", 15);
    map.link("abuja", "kano", 15);
    map.publish("lagos", 1);
    map.cut("lagos", "abuja");
    map.publish("kano", 2);
    assert_eq!(map.way("abuja"), ["kano"]);
    // The partition heals: Lagos still believes it has the publisher.
    map.link("lagos", "abuja", 15);
    assert_eq!(map.way("abuja"), ["kano"]);
    assert_eq!(map.way("lagos"), ["kano", "abuja"], "and learns better");
    assert!(map.refused.contains(&Disbelief::Ghost));
}

#[test]
fn lies_are_not_believed() {
    let now = start();
    let mut routes = Routes::new("kano".into(), Transit::Yes);
    routes.link_up(LinkId(1), "abuja".into(), Cost(1_000));
    let told = |path: &[&str]| Announce {
        room: "maths".into(),
        track: "TR_a".into(),
        epoch: 1,
        path: path.iter().map(ToString::to_string).collect(),
        cost: u32::MAX,
        kind: Kind::Audio.into(),
    };
    for (link, path, expected) in [
        (1, &["lagos", "kano", "abuja"][..], Disbelief::Loop),
        (1, &["lagos"], Disbelief::NotTheirs),
        (1, &[], Disbelief::NotTheirs),
        (1, &["a", "b", "c", "d", "abuja"], Disbelief::TooFar),
        (2, &["abuja"], Disbelief::NoLink),
    ] {
        assert_eq!(
            routes.announce(now, LinkId(link), told(path)),
            Err(expected),
            "{path:?}"
        );
    }
    assert!(routes.take_changes().is_empty());
    let believed = (0..30_000)
        .take_while(|number| {
            let announce = Announce {
                track: format!("TR_{number}"),
                ..told(&["abuja"])
            };
            routes.announce(now, LinkId(1), announce) != Err(Disbelief::TooMany)
        })
        .count();
    assert_eq!(believed, 20_000);
}

/// Nodes and links between them; messages arrive in order and at once.
struct Map {
    now: Instant,
    nodes: BTreeMap<&'static str, Routes>,
    links: Vec<(&'static str, &'static str)>,
    waiting: VecDeque<(&'static str, Change)>,
    refused: Vec<Disbelief>,
}

impl Map {
    /// A star marks a hub.
    fn new(names: &[&'static str]) -> Self {
        let node = |name: &&'static str| {
            let bare = name.trim_end_matches('*');
            let transit = if name.ends_with('*') {
                Transit::Yes
            } else {
                Transit::No
            };
            (bare, Routes::new(bare.into(), transit))
        };
        Self {
            now: start(),
            nodes: names.iter().map(node).collect(),
            links: Vec::new(),
            waiting: VecDeque::new(),
            refused: Vec::new(),
        }
    }

    fn node(&mut self, name: &str) -> &mut Routes {
        self.nodes.get_mut(name).expect("it is on the map")
    }

    fn link(&mut self, one: &'static str, other: &'static str, delay: u64) {
        let id = LinkId(self.links.len() as u32);
        self.links.push((one, other));
        let cost = Cost::of_link(Duration::from_millis(delay * 2), 0.0);
        self.node(one).link_up(id, other.into(), cost);
        self.node(other).link_up(id, one.into(), cost);
        self.deliver();
    }

    fn cut(&mut self, one: &'static str, other: &'static str) {
        let index = self.links.iter().rposition(|link| *link == (one, other));
        let id = LinkId(index.expect("they are linked") as u32);
        let now = self.now;
        for node in [one, other] {
            self.node(node).link_down(now, id);
        }
        self.deliver();
    }

    fn publish(&mut self, node: &'static str, epoch: u64) {
        self.node(node)
            .publish(key(), Kind::Video, epoch)
            .expect("it is no ghost");
        self.deliver();
    }

    fn unpublish(&mut self, node: &'static str) {
        let now = self.now;
        self.node(node).unpublish(now, &key());
        self.deliver();
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        for routes in self.nodes.values_mut() {
            routes.tick(self.now);
        }
        self.deliver();
    }

    fn way(&self, node: &str) -> Vec<String> {
        self.nodes[node].path(&key()).unwrap_or(&[]).to_vec()
    }

    fn deliver(&mut self) {
        for steps in 0.. {
            assert!(steps < 10_000, "news go in circles");
            for (node, routes) in &mut self.nodes {
                self.waiting.extend(
                    routes
                        .take_changes()
                        .into_iter()
                        .map(|change| (*node, change)),
                );
            }
            let Some((from, change)) = self.waiting.pop_front() else {
                return;
            };
            let link = match &change {
                Change::Moved { .. } => continue,
                Change::Announce(link, _) | Change::Withdraw(link, _) => *link,
            };
            let (one, other) = self.links[link.0 as usize];
            let now = self.now;
            let to = if one == from { other } else { one };
            match change {
                Change::Announce(_, announce) => {
                    let heard = self.node(to).announce(now, link, announce);
                    self.refused.extend(heard.err());
                }
                Change::Withdraw(_, withdraw) => self.node(to).withdraw(now, link, withdraw),
                Change::Moved { .. } => unreachable!("passed over above"),
            }
        }
    }
}

fn key() -> TrackKey {
    TrackKey {
        room: "maths".into(),
        track: "TR_a".into(),
    }
}

fn start() -> Instant {
    thread_local! {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        static START: Instant = Instant::now();
    }
    START.with(|start| *start)
}
