//! Messages of a room on their way between two nodes, over ways that change.

use std::collections::VecDeque;

use super::tests::{at, changed, name, person};
use super::*;

const HERE: Instance = at(0);

/// A node, with another one that has the room too.
fn rooms_of(node: &str, other: &str) -> Rooms {
    let mut rooms = Rooms::new(node.into(), 7);
    rooms.opened(HERE, &name());
    rooms.host(Instant::now(), &name(), other, Wanted::Yes);
    rooms.take_actions();
    rooms
}

/// A message for everybody.
fn written(text: &str) -> LinkNews {
    let message = sfu::Message {
        reliability: sfu::Reliability::Reliable,
        destinations: sfu::Destinations::default(),
        sequence: 0,
        payload: text.to_owned().into(),
    };
    LinkNews::Data {
        from: Some(person("ada")),
        message,
        nonce: None,
    }
}

fn text(news: &LinkNews) -> Option<String> {
    let LinkNews::Data { message, .. } = news else {
        return None;
    };
    String::from_utf8(message.payload.to_vec()).ok()
}

/// Two nodes that have a room, what is on its way to each, and what the second one heard.
struct Pair {
    now: Instant,
    nodes: [Rooms; 2],
    mail: [VecDeque<Telling>; 2],
    heard: Vec<String>,
    lost: u64,
}

const NAMES: [&str; 2] = ["lagos-1", "kano-1"];

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let nodes = [rooms_of(NAMES[0], NAMES[1]), rooms_of(NAMES[1], NAMES[0])];
        Self {
            now,
            nodes,
            mail: [VecDeque::new(), VecDeque::new()],
            heard: Vec::new(),
            lost: 0,
        }
    }

    fn say(&mut self, text: &str) {
        self.nodes[0].said_here(HERE, written(text));
        self.collect();
    }

    /// What was on the way is lost, and each hears that the other is reached otherwise.
    fn change_way(&mut self) {
        self.mail = [VecDeque::new(), VecDeque::new()];
        for node in 0..2 {
            let (name, other) = (name(), NAMES[1 - node]);
            self.nodes[node].host(self.now, &name, other, Wanted::Yes);
        }
        self.collect();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for node in &mut self.nodes {
            node.tick(self.now);
        }
        self.collect();
    }

    /// Everything arrives, and what follows from it.
    fn deliver(&mut self) {
        while self.deliver_one(0) || self.deliver_one(1) {}
    }

    fn deliver_one(&mut self, to: usize) -> bool {
        let Some(telling) = self.mail[to].pop_front() else {
            return false;
        };
        let (node, from) = (&mut self.nodes[to], NAMES[1 - to]);
        match telling {
            Telling::News(news) => node.said_elsewhere(&name(), from, news),
            Telling::Numbered { number, news } => {
                node.said_in_order(self.now, &name(), from, number, news);
            }
            Telling::Latest(number) => node.latest(self.now, &name(), from, number),
            Telling::Missing(numbers) => node.missed(&name(), from, numbers),
            Telling::Retell
            | Telling::Question { .. }
            | Telling::Reply { .. }
            | Telling::Revoked { .. } => {}
        }
        node.tick(self.now);
        self.collect();
        true
    }

    fn collect(&mut self) {
        for node in 0..2 {
            for action in self.nodes[node].take_actions() {
                if let Action::Say(_, telling) | Action::SayTo(_, _, telling) = action {
                    self.mail[1 - node].push_back(telling);
                } else if let Action::CountLost(count) = action {
                    self.lost += count;
                } else if let (Action::Tell(_, news), 1) = (action, node) {
                    self.heard.extend(text(&news));
                }
            }
        }
    }
}

#[test]
fn what_a_change_of_the_way_loses_is_said_again_in_its_order() {
    let mut pair = Pair::new();
    pair.say("one");
    pair.deliver();
    pair.say("two");
    pair.say("three");
    pair.change_way();
    pair.say("four");
    pair.deliver();
    assert_eq!(pair.heard, ["one", "two", "three", "four"]);
    // Nothing more follows.
    pair.pass(Duration::from_secs(10));
    pair.deliver();
    assert_eq!((pair.heard.len(), pair.lost), (4, 0));
}

#[test]
fn the_last_words_are_missed_too() {
    let mut pair = Pair::new();
    pair.say("one");
    pair.deliver();
    pair.say("two");
    pair.change_way();
    pair.deliver();
    assert_eq!(pair.heard, ["one", "two"]);
}

#[test]
fn whoever_comes_later_hears_nothing_of_what_was_said_before() {
    let mut pair = Pair::new();
    pair.say("one");
    pair.change_way();
    pair.deliver();
    pair.say("two");
    pair.deliver();
    assert_eq!(pair.heard, ["two"]);
}

#[test]
fn what_never_comes_is_counted_and_the_rest_goes_on() {
    let mut pair = Pair::new();
    pair.say("one");
    pair.deliver();
    pair.say("two");
    pair.mail[1].clear();
    pair.say("three");
    for _ in 0..40 {
        while pair.deliver_one(1) {}
        // Whatever is asked is not heard.
        pair.mail[0].clear();
        pair.pass(Duration::from_millis(100));
    }
    assert_eq!(pair.heard, ["one", "three"]);
    assert_eq!(pair.lost, 1);
    pair.say("four");
    pair.deliver();
    assert_eq!(pair.heard, ["one", "three", "four"]);
}

#[test]
fn a_node_that_starts_anew_is_heard_from_its_first_word() {
    let mut pair = Pair::new();
    pair.say("one");
    pair.deliver();
    pair.nodes[0] = rooms_of(NAMES[0], NAMES[1]);
    pair.nodes[0].epoch += 1;
    pair.say("two");
    pair.deliver();
    assert_eq!(pair.heard, ["one", "two"]);
}

#[test]
fn numbers_of_a_node_that_lies_do_no_harm() {
    let mut pair = Pair::new();
    for number in [0, u64::MAX, 1, u64::MAX - 1, 1 << 22, 5] {
        let news = written("x");
        pair.nodes[1].said_in_order(pair.now, &name(), NAMES[0], number, news);
        pair.nodes[1].latest(pair.now, &name(), NAMES[0], u64::MAX - number);
        pair.nodes[1].missed(&name(), NAMES[0], number..=u64::MAX);
        pair.pass(Duration::from_secs(5));
    }
    assert!(pair.heard.len() <= 6);
}

#[test]
fn over_ways_that_come_and_go_everything_arrives_once_and_in_order() {
    let mut pair = Pair::new();
    let mut seed = 11_u32;
    let mut roll = |sides: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % sides
    };
    pair.say("0");
    pair.deliver();
    for number in 1..2_000 {
        pair.say(&number.to_string());
        match roll(20) {
            0 => pair.change_way(),
            1..10 => pair.deliver(),
            _ => {
                pair.deliver_one(1);
            }
        }
        pair.pass(Duration::from_millis(20));
    }
    pair.change_way();
    pair.deliver();
    let all: Vec<_> = (0..2_000).map(|number| number.to_string()).collect();
    assert_eq!((pair.heard, pair.lost), (all, 0));
}

#[test]
fn only_what_must_be_in_order_is_numbered() {
    let mut rooms = rooms_of(NAMES[0], NAMES[1]);
    rooms.said_here(HERE, changed("ada", &[]));
    let said = rooms.take_actions();
    assert!(
        said.iter()
            .any(|it| matches!(it, Action::Say(_, Telling::News(_))))
    );
}
