//! Links of many widths, moved on in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::testing::start;

const ALL: u8 = u8::MAX;
const TICK: Duration = Duration::from_millis(200);
const SOUND: Bitrate = Bitrate::kilobits(40);

/// What a browser's three layers take at each frame rate.
const CAMERA: [[u64; 3]; 3] = [[60, 90, 150], [200, 300, 500], [680, 1020, 1700]];
const SCREEN: [[u64; 3]; 3] = [[100, 150, 200], [800, 800, 800], [800, 800, 800]];

/// One subscriber, what it wants, and a link whose estimate sways as estimates do.
struct Scene {
    allocator: Allocator,
    now: Instant,
    videos: Vec<Video>,
    shown: BTreeMap<u32, Wish>,
    /// When what changed: spatial layers and pauses.
    changes: Vec<(Instant, u32)>,
    load: Load,
    seed: u64,
}

fn video(number: u32, wish: u8, rates: [[u64; 3]; 3]) -> Video {
    let live = Layer::ALL.into_iter().collect();
    Video {
        subscription: SubscriptionKey(number),
        first: false,
        wished: Wished {
            layer: Layer(wish),
            temporal: ALL,
            priority: 0,
        },
        ladder: Ladder::new((Layer(wish), ALL), live, |layer| {
            rates[layer.index()].map(Bitrate::kilobits)
        }),
    }
}

fn screen(number: u32) -> Video {
    Video {
        first: true,
        ..video(number, 1, SCREEN)
    }
}

fn cameras(count: u32) -> Vec<Video> {
    (0..count).map(|number| video(number, 2, CAMERA)).collect()
}

impl Scene {
    fn new(videos: Vec<Video>) -> Self {
        Self {
            allocator: Allocator::new(Pausing::Allowed),
            now: start(),
            videos,
            shown: BTreeMap::new(),
            changes: Vec::new(),
            load: Load::default(),
            seed: 1,
        }
    }

    /// One decision, for a link of so many kbit/s.
    fn decide(&mut self, kilobits: u64) {
        let mut targets = Vec::new();
        let limit = Bitrate::kilobits(kilobits);
        let mut videos = self.videos.clone();
        let link = Share {
            limit,
            audio: SOUND,
            pictures: None,
        };
        self.load = self
            .allocator
            .allocate(self.now, link, &mut videos, &mut targets);
        for target in targets {
            let key = target.subscription.0;
            let before = self.shown.insert(key, target.wish);
            if before.is_some_and(|before| layer(before) != layer(target.wish)) {
                self.changes.push((self.now, key));
            }
        }
    }

    /// Some time on a link of so many kbit/s, its estimate up to a tenth below.
    fn run(&mut self, seconds: u64, kilobits: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.seed = self
                .seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let below = (self.seed >> 33) % (kilobits / 10);
            self.decide(kilobits - below);
            self.now += TICK;
        }
    }

    /// Layers as shown, `-` for a paused one, a dot after one with fewer frames.
    fn text(&self) -> String {
        let text = |wish: &Wish| match *wish {
            Wish::Paused => "-".to_owned(),
            Wish::Layer { spatial, temporal } if temporal == ALL => spatial.0.to_string(),
            Wish::Layer { spatial, .. } => format!("{}.", spatial.0),
        };
        self.shown.values().map(text).collect::<Vec<_>>().join(" ")
    }

    fn paused(&self) -> usize {
        let wishes = self.shown.values();
        wishes.filter(|wish| **wish == Wish::Paused).count()
    }
}

fn layer(wish: Wish) -> Option<u8> {
    match wish {
        Wish::Paused => None,
        Wish::Layer { spatial, .. } => Some(spatial.0),
    }
}

#[test]
fn cg_2_a_link_is_divided_by_screens_then_pictures_then_better_pictures_in_turn() {
    for (what, kilobits, videos, expected) in [
        ("nothing but sound", 40, cameras(1), "-"),
        ("one fits", 110, cameras(2), "0. -"),
        ("all fit a little", 200, cameras(2), "0. 0."),
        ("all in full", 550, cameras(3), "0 0 0"),
        ("one step each", 900, cameras(3), "1. 1. 0"),
        ("fair", 2_700, cameras(4), "1 1 1 1"),
        ("and better", 3_000, cameras(2), "2. 2."),
        ("as wished", 9_000, cameras(3), "2 2 2"),
        (
            "the screen first",
            1_100,
            vec![video(0, 2, CAMERA), screen(1), video(2, 2, CAMERA)],
            "0. 1 0.",
        ),
        (
            "the screen alone",
            190,
            vec![video(0, 2, CAMERA), screen(1)],
            "- 0.",
        ),
        (
            "no more than wished",
            9_000,
            vec![video(0, 1, CAMERA), video(1, 0, CAMERA)],
            "1 0",
        ),
    ] {
        let mut scene = Scene::new(videos);
        scene.decide(kilobits);
        assert_eq!(scene.text(), expected, "{what}");
    }
}

#[test]
fn su_2_who_has_priority_is_shown_first() {
    let mut videos = cameras(3);
    videos[2].wished.priority = 200;
    let mut scene = Scene::new(videos);
    scene.decide(110);
    assert_eq!(scene.text(), "- - 0.");
    let mut scene = Scene::new(scene.videos);
    scene.decide(40 + 600);
    assert_eq!(scene.text(), "0 0 0");
    let mut scene = Scene::new(scene.videos);
    scene.decide(40 + 750);
    assert_eq!(scene.text(), "0 0 1.");
}

#[test]
fn on_a_steady_link_pictures_hardly_change_and_the_link_is_used() {
    // The link, how many videos, how many may be paused, and what is used at least.
    for (kilobits, count, paused, used) in [
        (200, 1, 0, 100),
        (200, 4, 2, 120),
        (500, 1, 0, 240),
        (500, 4, 0, 300),
        (1_000, 1, 0, 500),
        (1_000, 4, 0, 600),
        (1_000, 9, 0, 600),
        (3_000, 1, 0, 1_700),
        (3_000, 4, 0, 2_000),
        (3_000, 9, 0, 1_500),
    ] {
        let mut scene = Scene::new(cameras(count));
        scene.run(10, kilobits);
        scene.changes.clear();
        scene.run(120, kilobits);
        let what = format!("{kilobits} kbit/s, {count}: {}", scene.text());
        assert_eq!(scene.paused(), paused, "{what}");
        let load = scene.load.allocated;
        assert!(load >= Bitrate::kilobits(used), "{what} uses {load}");
        assert!(load <= Bitrate::kilobits(kilobits), "{what} uses {load}");
        assert!(scene.changes.len() <= 2, "{what}: {}", scene.changes.len());
        never_twice_in_five_seconds(&scene);
        let least = scene.shown.values().copied().filter_map(layer).min();
        let most = scene.shown.values().copied().filter_map(layer).max();
        assert!(
            most.unwrap_or(0) - least.unwrap_or(0) <= 1,
            "unfair: {what}"
        );
    }
}

fn never_twice_in_five_seconds(scene: &Scene) {
    let mut last = BTreeMap::new();
    for (at, key) in &scene.changes {
        if let Some(before) = last.insert(*key, *at) {
            let apart = at.saturating_duration_since(before);
            assert!(apart >= Duration::from_secs(5), "{key} after {apart:?}");
        }
    }
}

#[test]
fn congestion_is_answered_at_once_and_a_wider_link_within_seconds() {
    let mut scene = Scene::new(cameras(2));
    scene.run(20, 3_600);
    assert_eq!(scene.text(), "2 2.");
    scene.decide(300);
    assert_eq!(scene.text(), "0 0.", "in the same moment");
    scene.run(30, 300);
    assert_eq!((scene.text(), scene.paused()), ("0 0.".to_owned(), 0));
    scene.run(12, 5_000);
    assert_eq!(scene.text(), "2 2", "wide again");
}

#[test]
fn a_link_that_grows_wider_and_wider_is_no_steady_one_and_each_step_is_used_at_once() {
    for count in [1, 3] {
        let mut scene = Scene::new(cameras(count));
        scene.run(30, 300);
        // As probes find it out.
        for kilobits in [600, 1_200, 2_400, 4_800, 7_000] {
            scene.run(1, kilobits);
        }
        assert!(
            !scene.text().contains(['0', '1', '-', '.']),
            "{}",
            scene.text()
        );
        // Nobody is held back later for having been quick.
        scene.decide(1_000);
        scene.run(6, 7_000);
        assert!(!scene.text().contains(['0', '-']), "{}", scene.text());
    }
}

#[test]
fn cg_3_a_picture_that_does_not_fit_stops_after_a_second_and_comes_back() {
    let mut scene = Scene::new(cameras(1));
    scene.run(10, 400);
    scene.decide(60);
    assert_eq!(scene.text(), "0.", "a link may be short for a moment");
    scene.run(2, 60);
    assert_eq!(scene.text(), "-");
    assert!(scene.load.next > Some(Bitrate::kilobits(100)));
    scene.run(10, 60);
    assert_eq!(scene.text(), "-");
    scene.run(7, 300);
    assert_eq!(scene.text(), "0");
}

#[test]
fn cg_3_where_pausing_is_not_allowed_the_least_is_always_sent() {
    let mut scene = Scene::new(cameras(2));
    scene.allocator = Allocator::new(Pausing::Never);
    scene.run(10, 60);
    assert_eq!(scene.text(), "0. 0.");
}

#[test]
fn a_raise_that_fails_is_tried_again_later_and_later() {
    // The estimate grows to 800 kbit/s while less is sent, and falls under the load.
    let mut scene = Scene::new(cameras(1));
    scene.decide(300);
    let mut raises = Vec::new();
    for _ in 0..5 * 200 {
        let before = layer(scene.shown[&0]);
        let limit = if before == Some(1) { 250 } else { 800 };
        scene.decide(limit);
        if layer(scene.shown[&0]) > before {
            raises.push(scene.now);
        }
        scene.now += TICK;
    }
    assert!((4..=8).contains(&raises.len()), "{}", raises.len());
    let waits: Vec<_> = raises.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.last() >= Some(&Duration::from_secs(39)), "{waits:?}");
    // A link that is truly wider is believed soon.
    scene.run(6, 3_000);
    assert_eq!(scene.text(), "2");
}

#[test]
fn somebody_new_takes_from_the_others() {
    let mut scene = Scene::new(cameras(1));
    scene.run(10, 1_000);
    assert_eq!(scene.text(), "1");
    scene.videos.push(video(7, 2, CAMERA));
    scene.videos.push(video(8, 2, CAMERA));
    scene.decide(600);
    assert_eq!(scene.text(), "0 0 0");
    scene.videos.remove(0);
    scene.allocator.forget(SubscriptionKey(0));
    scene.shown.remove(&0);
    scene.run(10, 1_200);
    assert_eq!(scene.text(), "1 1");
}

#[test]
fn a_new_wish_is_granted_at_once() {
    let mut scene = Scene::new(vec![video(0, 0, CAMERA)]);
    scene.run(10, 5_000);
    assert_eq!(scene.text(), "0");
    for wish in [2, 0, 1, 2] {
        scene.videos = vec![video(0, wish, CAMERA)];
        scene.decide(5_000);
        assert_eq!(scene.text(), format!("{wish}"));
        scene.now += TICK;
    }
    assert_eq!(scene.load.next, None);
}

#[test]
fn what_would_be_next_is_told_with_room_to_spare() {
    let mut scene = Scene::new(cameras(1));
    scene.decide(300);
    assert_eq!(scene.text(), "0");
    assert_eq!(scene.load.allocated, Bitrate::kilobits(190));
    // 300 kbit/s of better picture are nine tenths of what there must be, beside sound.
    assert_eq!(scene.load.next, Some(Bitrate(300_000 * 100 / 90 + 40_000)));
}
