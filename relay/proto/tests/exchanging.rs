//! Nodes that publish and want: what crosses which link, how often, and what happens when a way is
//! lost or a better one found.

mod map;

use std::time::Duration;

use map::{Map, key, rtp, start};
use media::{Bitrate, Layer};
use relay_proto::control::{Kind, Message, Refusal, Refused, Subscribed};
use relay_proto::{
    Copy, FlowId, Handle, Keyframe, LinkId, LinkSeq, Media, Output, Place, Taken, Use, Wanted,
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

#[test]
fn what_overtakes_the_word_of_what_it_is_is_not_lost() {
    let mut map = Map::new(&["lagos", "kano"]);
    map.link("lagos", "kano", 10);
    map.publish("lagos", "mic", Kind::Audio);
    let now = map.now;
    let kano = map.node("kano");
    kano.want(now, key("mic", Layer::LOW), Handle(1), Wanted::Yes);
    let mut outputs = Vec::new();
    kano.take_outputs(&mut outputs);
    let [Output::Tell(link, Message::Subscribe(wish))] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    let (link, id) = (*link, wish.id);
    outputs.clear();
    let media = |flow, seq| Media {
        flow: FlowId::new(flow).unwrap(),
        seq: LinkSeq(seq),
        copy: Copy::Original,
        place: Place::default(),
        rtp: rtp(seq as u16),
    };
    assert_eq!(kano.media(now, link, media(1, 1)), Taken::Early);
    assert_eq!(kano.media(now, link, media(2, 2)), Taken::Early);
    let subscribed = Subscribed { id, flow: 1 };
    kano.message(now, link, Message::Subscribed(subscribed))
        .unwrap();
    kano.take_outputs(&mut outputs);
    assert!(
        matches!(&outputs[..], [Output::Deliver(Handle(1), ..)]),
        "{outputs:?}"
    );
    assert_eq!(kano.media(now, link, media(1, 3)), Taken::Passed);
    let later = now + Duration::from_secs(1);
    let looked = kano.look(later, link, Bitrate::kilobits(1_000));
    assert_eq!(looked.unmet, 1, "nobody told of the other flow");
}
