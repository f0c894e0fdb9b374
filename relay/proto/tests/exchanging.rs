//! Nodes that publish and want: what crosses which link, how often, and what happens when a way is
//! lost or a better one found.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use media::{Bitrate, Layer};
use relay_proto::control::{Kind, Message, Refusal, Refused, RoomMessage};
use relay_proto::{
    Copy, Cost, End, Exchange, Handle, Keyframe, LayerId, LayerKey, LinkId, LinkSeq, Load, Media,
    Output, Place, Queued, Reference, TrackKey, Transit, Use, Wanted,
};

#[test]
fn however_many_want_a_layer_it_crosses_a_link_once() {
    let mut map = Map::new(&["lagos", "abuja*", "kano", "jos"]);
    map.link("lagos", "abuja", 10);
    map.link("abuja", "kano", 10);
    map.link("abuja", "jos", 10);
    map.publish("lagos", "cam", Kind::Video);
    assert_eq!(
        map.fed,
        [] as [&str; 0],
        "nobody wants it: it is not even sent to the hub"
    );
    map.want("kano", "cam", Layer::HIGH);
    map.want("jos", "cam", Layer::HIGH);
    for _ in 0..10 {
        map.feed("lagos", "cam", Layer::HIGH, Keyframe::No);
    }
    assert_eq!(map.crossed("lagos", "abuja"), 10);
    assert_eq!(map.came("kano"), 10);
    assert_eq!(map.came("jos"), 10);
}

#[test]
fn who_comes_late_sees_what_came_since_the_last_keyframe() {
    let mut map = Map::new(&["lagos", "abuja*", "kano", "jos"]);
    map.link("lagos", "abuja", 10);
    map.link("abuja", "kano", 10);
    map.link("abuja", "jos", 10);
    map.publish("lagos", "cam", Kind::Video);
    map.want("kano", "cam", Layer::LOW);
    assert_eq!(map.keyframes_asked, 1, "for the first one");
    map.feed("lagos", "cam", Layer::LOW, Keyframe::Yes);
    map.feed("lagos", "cam", Layer::LOW, Keyframe::No);
    map.want("jos", "cam", Layer::LOW);
    assert_eq!(map.came("jos"), 2, "from the hub, at once");
    assert_eq!(map.keyframes_asked, 1, "the publisher was not asked again");
    assert_eq!(map.crossed("lagos", "abuja"), 2);
}

#[test]
fn wishes_for_keyframes_are_merged_on_their_way() {
    let mut map = Map::new(&["lagos", "abuja*", "kano", "jos"]);
    map.link("lagos", "abuja", 10);
    map.link("abuja", "kano", 10);
    map.link("abuja", "jos", 10);
    map.publish("lagos", "cam", Kind::Video);
    map.want("kano", "cam", Layer::LOW);
    map.want("jos", "cam", Layer::LOW);
    map.feed("lagos", "cam", Layer::LOW, Keyframe::Yes);
    map.pass(5_000);
    map.keyframes_asked = 0;
    for _ in 0..20 {
        map.want_keyframe("kano", "cam", Layer::LOW);
        map.want_keyframe("jos", "cam", Layer::LOW);
    }
    assert_eq!(map.keyframes_asked, 1);
}

#[test]
fn what_nobody_wants_any_more_ends_after_a_while() {
    let mut map = Map::new(&["lagos", "abuja*", "kano"]);
    map.link("lagos", "abuja", 10);
    map.link("abuja", "kano", 10);
    map.publish("lagos", "mic", Kind::Audio);
    map.want("kano", "mic", Layer::LOW);
    assert_eq!(map.fed, ["mic on"]);
    map.unwant("kano", "mic", Layer::LOW);
    map.pass(1_900);
    assert_eq!(map.fed, ["mic on"], "pages are turned to and fro");
    for _ in 0..3 {
        map.pass(2_100);
    }
    assert_eq!(map.fed, ["mic on", "mic off"]);
    assert_eq!(map.feed("lagos", "mic", Layer::LOW, Keyframe::No), 0);
}

#[test]
fn a_better_way_is_taken_without_a_gap_and_without_doubles() {
    let mut map = Map::new(&["lagos", "abuja*", "jos*", "kano"]);
    map.link("lagos", "abuja", 10);
    map.link("lagos", "jos", 10);
    map.link("abuja", "kano", 60);
    map.publish("lagos", "mic", Kind::Audio);
    map.want("kano", "mic", Layer::LOW);
    let before = map.feed_many("lagos", "mic", 50);
    map.link("jos", "kano", 10);
    for _ in 0..40 {
        map.pass(1_000);
        map.feed("lagos", "mic", Layer::LOW, Keyframe::No);
    }
    assert_eq!(map.came("kano"), before + 40);
    assert!(map.crossed("jos", "kano") > 5);
    let old = map.crossed("abuja", "kano");
    map.feed_many("lagos", "mic", 50);
    assert_eq!(
        map.crossed("abuja", "kano"),
        old,
        "the old way was given up"
    );
    assert_eq!(map.came("kano"), before + 90);
}

#[test]
fn a_lost_way_is_replaced_at_once() {
    let mut map = Map::new(&["lagos", "abuja*", "jos*", "kano"]);
    map.link("lagos", "abuja", 10);
    map.link("lagos", "jos", 10);
    map.link("abuja", "kano", 10);
    map.link("jos", "kano", 30);
    map.publish("lagos", "mic", Kind::Audio);
    map.want("kano", "mic", Layer::LOW);
    map.feed_many("lagos", "mic", 10);
    map.cut("abuja", "kano");
    map.feed_many("lagos", "mic", 10);
    assert_eq!(map.came("kano"), 20);
    map.cut("jos", "kano");
    assert_eq!(
        map.tracks["kano"],
        ["mic on", "mic on", "mic gone"],
        "it came two ways, then none"
    );
}

#[test]
fn what_is_said_reaches_the_nodes_of_the_room_once() {
    let mut map = Map::new(&["lagos", "abuja*", "kano", "jos"]);
    map.link("lagos", "abuja", 10);
    map.link("abuja", "kano", 10);
    map.link("abuja", "jos", 10);
    for node in ["lagos", "kano"] {
        map.publish(node, node, Kind::Host);
    }
    map.say("lagos", "hello");
    assert_eq!(
        map.heard,
        ["kano: hello"],
        "the hub passes it on, Jos has no such room"
    );
}

#[test]
fn a_node_hears_only_of_tracks_in_rooms_it_has() {
    let mut map = Map::new(&["lagos", "abuja*", "kano", "jos"]);
    map.link("lagos", "abuja", 10);
    map.link("abuja", "kano", 10);
    map.link("abuja", "jos", 10);
    for node in ["lagos", "kano"] {
        map.publish(node, node, Kind::Host);
    }
    map.publish("lagos", "mic", Kind::Audio);
    assert_eq!(map.tracks["kano"], ["lagos on", "mic on"]);
    assert_eq!(
        map.tracks["jos"],
        ["lagos on", "kano on"],
        "who has it, no more"
    );
    map.publish("jos", "jos", Kind::Host);
    assert_eq!(map.tracks["jos"][2..], ["mic on"], "it has the room now");
    map.want("jos", "mic", Layer::LOW);
    assert_eq!(map.feed_many("lagos", "mic", 10), 10);
    map.unpublish("jos", "jos");
    assert_eq!(map.tracks["jos"][3..], ["mic gone"]);
    assert_eq!(map.feed_many("lagos", "mic", 10), 0);
}

#[test]
fn who_asks_for_what_is_not_there_is_told() {
    let mut map = Map::new(&["lagos", "kano"]);
    map.link("lagos", "kano", 10);
    let wish = relay_proto::control::Subscribe {
        id: 7,
        room: "maths".into(),
        track: "TR_none".into(),
        layer: 0,
        path: vec!["kano".into()],
        listeners: 1,
    };
    let lagos = map.node("lagos");
    lagos
        .message(start(), LinkId(0), Message::Subscribe(wish))
        .unwrap();
    let mut outputs = Vec::new();
    lagos.take_outputs(&mut outputs);
    assert!(
        matches!(&outputs[..], [Output::Tell(LinkId(0), Message::Refused(refused))] if refused.id == 7),
        "{outputs:?}"
    );
}

#[test]
fn a_wish_outlives_its_track_and_nothing_is_left_of_one_that_ended() {
    let mut map = Map::new(&["lagos", "abuja*", "kano"]);
    map.link("lagos", "abuja", 10);
    map.link("abuja", "kano", 10);
    map.want("kano", "mic", Layer::LOW);
    assert_eq!(map.fed, [] as [&str; 0], "there is no such track yet");
    for round in 1..=3 {
        map.publish("lagos", "mic", Kind::Audio);
        assert_eq!(map.feed_many("lagos", "mic", 10), 10, "round {round}");
        map.unpublish("lagos", "mic");
        assert_eq!(map.feed_many("lagos", "mic", 10), 0, "round {round}");
        for (node, link) in [("lagos", 0), ("abuja", 0), ("abuja", 1), ("kano", 1)] {
            assert_eq!(map.node(node).layers(LinkId(link)), (0, 0), "{node} {link}");
        }
    }
    let on_and_off = ["mic on", "mic off"];
    assert_eq!(map.fed, [on_and_off; 3].concat());
}

#[test]
fn a_layer_that_a_link_cannot_carry_is_paused_down_every_hop() {
    let mut map = Map::new(&["lagos", "abuja*", "kano", "jos"]);
    map.link("lagos", "abuja", 10);
    map.link("abuja", "kano", 10);
    map.link("abuja", "jos", 10);
    map.publish("lagos", "cam", Kind::Video);
    map.want("kano", "cam", Layer::HIGH);
    map.feed_many_of("lagos", "cam", Layer::HIGH, 100);
    map.look("lagos", 0, 8_000);
    assert_eq!(map.paused, [] as [&str; 0]);
    map.pass(100);
    map.feed_many_of("lagos", "cam", Layer::HIGH, 100);
    map.look("lagos", 0, 100);
    assert_eq!(map.paused, ["kano: cam Yes"]);
    assert_eq!(map.feed_many_of("lagos", "cam", Layer::HIGH, 10), 0);
    map.want("jos", "cam", Layer::HIGH);
    assert_eq!(map.paused.last().unwrap(), "jos: cam Yes", "who comes late");
    map.keyframes_asked = 0;
    map.pass(2_500);
    map.look("lagos", 0, 8_000);
    assert_eq!(map.paused[2..], ["kano: cam No", "jos: cam No"]);
    assert_eq!(map.keyframes_asked, 1, "it begins with a keyframe");
}

#[test]
fn who_goes_is_left_before_its_way_is_lost() {
    let mut map = Map::new(&["lagos", "abuja*", "jos*", "kano"]);
    map.link("lagos", "abuja", 10);
    map.link("lagos", "jos", 10);
    map.link("abuja", "kano", 10);
    map.link("jos", "kano", 30);
    map.publish("lagos", "mic", Kind::Audio);
    map.want("kano", "mic", Layer::LOW);
    map.feed_many("lagos", "mic", 10);
    map.set_use("lagos", 0, Use::Leaving);
    map.set_use("kano", 2, Use::Leaving);
    map.feed_many("lagos", "mic", 10);
    assert_eq!(map.came("kano"), 20);
    let before = map.crossed("abuja", "kano");
    map.feed_many("lagos", "mic", 10);
    assert_eq!(
        map.crossed("abuja", "kano"),
        before,
        "nothing goes that way"
    );
    map.pass(3_000);
    assert!(map.node("abuja").is_idle(), "it may stop");
    map.cut("abuja", "kano");
    map.feed_many("lagos", "mic", 10);
    assert_eq!(map.came("kano"), 40);
}

#[test]
fn a_way_that_falls_silent_far_away_is_left_at_once() {
    let mut map = Map::new(&["lagos", "abuja*", "jos*", "owerri*", "kano"]);
    map.link("lagos", "abuja", 5);
    map.link("abuja", "jos", 5);
    map.link("jos", "kano", 5);
    map.link("lagos", "owerri", 40);
    map.link("owerri", "kano", 40);
    map.publish("lagos", "mic", Kind::Audio);
    // News of the longer way, which is the better one, came later.
    map.pass(31_000);
    map.pass(31_000);
    map.want("kano", "mic", Layer::LOW);
    map.feed_many("lagos", "mic", 10);
    assert_eq!(map.crossed("jos", "kano"), 10);
    map.set_use("abuja", 0, Use::Avoid);
    map.feed_many("lagos", "mic", 10);
    assert!(
        map.crossed("owerri", "kano") >= 10,
        "two links away from the loss"
    );
    assert_eq!(map.came("kano"), 20);
}

#[test]
fn a_wish_that_was_refused_is_told_again() {
    let mut map = Map::new(&["lagos", "kano"]);
    map.link("lagos", "kano", 10);
    map.publish("lagos", "mic", Kind::Audio);
    let now = map.now;
    // The answer to a wish that comes too early.
    let kano = map.node("kano");
    kano.want(now, key("mic", Layer::LOW), Handle(1), Wanted::Yes);
    let mut outputs = Vec::new();
    kano.take_outputs(&mut outputs);
    let [Output::Tell(link, Message::Subscribe(wish))] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    let refused = Refused {
        id: wish.id,
        why: Refusal::NotHere.into(),
    };
    kano.message(now, *link, Message::Refused(refused)).unwrap();
    map.deliver();
    assert_eq!(map.feed_many("lagos", "mic", 10), 0);
    map.pass(600);
    assert_eq!(map.feed_many("lagos", "mic", 10), 10);
}

/// Nodes and links; messages and packets arrive at once and in order.
struct Map {
    now: Instant,
    nodes: BTreeMap<&'static str, Exchange>,
    links: Vec<(&'static str, &'static str)>,
    waiting: VecDeque<(&'static str, Output)>,
    crossed: BTreeMap<(&'static str, &'static str), usize>,
    came: BTreeMap<&'static str, usize>,
    tracks: BTreeMap<&'static str, Vec<String>>,
    fed: Vec<String>,
    ids: BTreeMap<LayerKey, LayerId>,
    heard: Vec<String>,
    paused: Vec<String>,
    keyframes_asked: usize,
    sequence: u16,
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
        }
    }

    fn node(&mut self, name: &str) -> &mut Exchange {
        self.nodes.get_mut(name).expect("it is on the map")
    }

    fn link(&mut self, one: &'static str, other: &'static str, delay: u64) {
        let id = LinkId(self.links.len() as u32);
        self.links.push((one, other));
        let cost = Cost::of_link(Duration::from_millis(delay * 2), 0.0);
        let now = self.now;
        self.node(one).link_up(now, id, other.into(), cost);
        self.node(other).link_up(now, id, one.into(), cost);
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

    fn publish(&mut self, node: &'static str, name: &str, kind: Kind) {
        let now = self.now;
        self.node(node)
            .publish(now, track(name), kind, 1)
            .expect("it is no ghost");
        self.deliver();
    }

    fn want(&mut self, node: &'static str, name: &str, layer: Layer) {
        let now = self.now;
        self.node(node)
            .want(now, key(name, layer), Handle(1), Wanted::Yes);
        self.deliver();
    }

    fn unwant(&mut self, node: &'static str, name: &str, layer: Layer) {
        let now = self.now;
        self.node(node)
            .want(now, key(name, layer), Handle(1), Wanted::No);
        self.deliver();
    }

    fn want_keyframe(&mut self, node: &'static str, name: &str, layer: Layer) {
        let now = self.now;
        self.node(node).want_keyframe(now, &key(name, layer));
        self.deliver();
    }

    /// One packet; how many nodes it came to.
    fn feed(&mut self, node: &'static str, name: &str, layer: Layer, keyframe: Keyframe) -> usize {
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

    fn feed_many(&mut self, node: &'static str, name: &str, count: usize) -> usize {
        (0..count)
            .map(|_| self.feed(node, name, Layer::LOW, Keyframe::No))
            .sum()
    }

    fn feed_many_of(
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

    fn unpublish(&mut self, node: &'static str, name: &str) {
        let now = self.now;
        self.node(node).unpublish(now, &track(name));
        self.deliver();
    }

    fn look(&mut self, node: &'static str, link: u32, kilobits: u64) {
        let now = self.now;
        let rate = Bitrate::kilobits(kilobits);
        self.node(node).look(now, LinkId(link), rate, Bitrate::ZERO);
        self.deliver();
    }

    fn set_use(&mut self, node: &'static str, link: u32, use_it: Use) {
        let now = self.now;
        self.node(node).set_use(now, LinkId(link), use_it);
        self.deliver();
    }

    fn say(&mut self, node: &'static str, said: &'static str) {
        self.node(node)
            .say("maths", Vec::new(), Bytes::from_static(said.as_bytes()));
        self.deliver();
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        let now = self.now;
        for exchange in self.nodes.values_mut() {
            exchange.tick(now);
        }
        self.deliver();
    }

    fn crossed(&self, one: &'static str, other: &'static str) -> usize {
        self.crossed.get(&(one, other)).copied().unwrap_or(0)
    }

    fn came(&self, node: &str) -> usize {
        self.came.get(node).copied().unwrap_or(0)
    }

    fn deliver(&mut self) {
        for steps in 0.. {
            assert!(steps < 100_000, "news go in circles");
            for (node, exchange) in &mut self.nodes {
                let mut outputs = Vec::new();
                exchange.take_outputs(&mut outputs);
                self.waiting
                    .extend(outputs.into_iter().map(|output| (*node, output)));
            }
            let Some((from, output)) = self.waiting.pop_front() else {
                return;
            };
            self.carry_out(from, output);
        }
    }

    fn carry_out(&mut self, from: &'static str, output: Output) {
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
            Output::Forget(..) => {}
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

    fn other_end(&self, from: &str, link: LinkId) -> &'static str {
        let (one, other) = self.links[link.0 as usize];
        if one == from { other } else { one }
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

fn rtp(sequence: u16) -> Bytes {
    let mut rtp = BytesMut::new();
    rtp.put_u16(0x8000);
    rtp.put_u16(sequence);
    rtp.resize(40, 0);
    rtp.freeze()
}

fn track(name: &str) -> TrackKey {
    TrackKey {
        room: "maths".into(),
        track: name.into(),
    }
}

fn key(name: &str, layer: Layer) -> LayerKey {
    LayerKey {
        track: track(name),
        layer,
    }
}

fn start() -> Instant {
    thread_local! {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        static START: Instant = Instant::now();
    }
    START.with(|start| *start)
}
