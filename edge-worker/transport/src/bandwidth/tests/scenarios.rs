//! Links steady and not, alone and shared. Names begin with the section of RFC 8867 where a
//! scenario is one of its.

use super::flows::{Constant, Pause, Source, Subscriber, Tcp};
use super::network::{MS, Path, SECOND, Time};
use super::{Flow, Lab, kilobits};
use crate::testing::start;

fn subscriber(source: Source, seed: u64) -> Flow {
    Flow::Subscriber {
        subscriber: Box::new(Subscriber::new(start(), source, seed)),
        delay: 0,
        from: 0,
    }
}

/// A subscriber that is sent whatever fits.
fn elastic(seed: u64) -> Flow {
    subscriber(Source::Elastic(kilobits(6_000)), seed)
}

/// One that is sent the highest layer that fits.
fn layered(seed: u64) -> Flow {
    subscriber(Source::layers([120, 400, 800, 1_700, 2_500]), seed)
}

/// One that comes at a time, over a way that is longer.
fn joining(seed: u64, from: Time, delay: Time) -> Flow {
    let source = Source::Elastic(kilobits(6_000));
    Flow::Subscriber {
        subscriber: Box::new(Subscriber::new(start(), source, seed)),
        delay,
        from,
    }
}

/// A subscriber of layers whose client tells what arrives of pictures alone, with the sound
/// beside it.
fn untold_sound(path: Path, seed: u64) -> Lab {
    let mut lab = Lab::new(path, seed);
    let source = Source::layers([120, 400, 800, 1_700, 2_500]);
    lab.add(Flow::Subscriber {
        subscriber: Box::new(Subscriber::new(start(), source, seed).without_sound()),
        delay: 0,
        from: 0,
    });
    lab.add(Flow::Constant(Constant::sound()));
    lab
}

/// A lab with one flow, after so many seconds.
fn ran(path: Path, flow: Flow, seconds: u64) -> Lab {
    let mut lab = Lab::new(path, 1);
    lab.add(flow);
    lab.run_until(seconds);
    lab
}

/// What several runs have in common: no run is like the other, and one proves little.
struct Runs(Vec<Lab>);

impl Runs {
    /// The same flow over the same path, alone, for so many seconds.
    fn new(path: Path, flow: fn(u64) -> Flow, seconds: u64) -> Self {
        Self::of(|seed| {
            let mut lab = Lab::new(path, seed);
            lab.add(flow(seed + 1));
            lab.run_until(seconds);
            lab
        })
    }

    fn of(run: impl Fn(u64) -> Lab) -> Self {
        Self((1..=5).map(run).collect())
    }

    fn mean(&self, of: impl Fn(&Lab) -> f64) -> f64 {
        self.0.iter().map(of).sum::<f64>() / self.0.len() as f64
    }

    fn draw(&self, name: &str) {
        self.0[0].draw(name);
    }
}

/// Rural EDGE: slow, far and lossy.
const RURAL: Path = Path {
    kilobits: 500,
    queue: 600 * MS,
    delay: 325 * MS,
    jitter: 30 * MS,
    loss_percent: 5,
    dead: false,
};

#[test]
fn steady_links_are_used_without_a_standing_queue() {
    for kilobits in [200, 500, 1_000, 3_000] {
        let path = Path {
            kilobits,
            ..Path::default()
        };
        let runs = Runs::new(path, elastic, 60);
        runs.draw(&format!("steady-{kilobits}"));
        let used = runs.mean(|lab| lab.used(0, 20, 60));
        let waited = |share: f64| runs.mean(|lab| lab.waited(20, 60, share));
        let (usually, at_times) = (waited(0.5), waited(0.05));
        let highest = runs.mean(|lab| lab.highest(0, 5, 60));
        assert!(used >= 0.9, "{kilobits}: {used}");
        assert!(usually < 60.0, "{kilobits}: {usually}");
        assert!(at_times < 200.0, "{kilobits}: {at_times}");
        assert!(highest < 1.2, "{kilobits}: {highest}");
    }
}

#[test]
fn layers_that_fit_are_found_and_probes_overshoot_little() {
    for (kilobits, sent) in [(200, 150), (500, 350), (1_000, 800), (3_000, 2_400)] {
        let path = Path {
            kilobits,
            ..Path::default()
        };
        let runs = Runs::new(path, layered, 60);
        runs.draw(&format!("layers-{kilobits}"));
        let used = runs.mean(|lab| lab.used(0, 20, 60)) * kilobits as f64;
        let highest = runs.mean(|lab| lab.highest(0, 5, 60));
        let waited = runs.mean(|lab| lab.waited(20, 60, 0.05));
        assert!(used >= f64::from(sent), "{kilobits}: {used}");
        assert!(highest < 1.2, "{kilobits}: {highest}");
        assert!(waited < 180.0, "{kilobits}: {waited}");
    }
}

#[test]
fn probes_are_rare_once_nothing_more_fits() {
    let mut lab = ran(Path::default(), layered(2), 30);
    let before = lab.subscriber(0).padded;
    lab.run_until(90);
    let subscriber = lab.subscriber(0);
    let rate = (subscriber.padded - before) * 8 / 60;
    assert!(rate < 50_000, "{rate}");
}

#[test]
fn random_loss_does_not_collapse_the_estimate() {
    for kilobits in [200, 500, 1_000, 3_000] {
        let path = Path {
            kilobits,
            loss_percent: 5,
            ..Path::default()
        };
        let runs = Runs::new(path, elastic, 60);
        runs.draw(&format!("loss-{kilobits}"));
        let used = runs.mean(|lab| lab.used(0, 20, 60));
        assert!(used >= 0.8, "{kilobits}: {used}");
    }
}

#[test]
fn far_and_lossy_links_are_used() {
    for kilobits in [200, 500, 1_000] {
        let path = Path { kilobits, ..RURAL };
        let runs = Runs::new(path, elastic, 120);
        runs.draw(&format!("rural-{kilobits}"));
        let used = runs.mean(|lab| lab.used(0, 30, 120));
        let waited = runs.mean(|lab| lab.waited(30, 120, 0.05));
        assert!(used >= 0.75, "{kilobits}: {used}");
        assert!(waited < 180.0, "{kilobits}: {waited}");
        let runs = Runs::new(path, layered, 120);
        runs.draw(&format!("rural-layers-{kilobits}"));
        let believed = runs.mean(|lab| lab.believed(0, 30, 120));
        assert!(believed >= 0.75, "{kilobits}: {believed}");
    }
}

#[test]
fn a_link_that_widens_is_found_out_about() {
    let narrow = Path {
        kilobits: 300,
        delay: 200 * MS,
        jitter: 10 * MS,
        loss_percent: 2,
        ..Path::default()
    };
    for (name, flow) in [("layers", layered(2)), ("elastic", elastic(2))] {
        let mut lab = ran(narrow, flow, 40);
        lab.bottleneck.path.kilobits = 5_000;
        lab.run_until(80);
        lab.draw(&format!("widens-{name}"));
        let reached = lab.reaches(0, 40, 2_600.0);
        assert!(reached.is_some_and(|at| at < 57.0), "{name}: {reached:?}");
    }
}

#[test]
fn a_narrow_link_that_widens_carries_the_highest_layer_soon() {
    for seed in 1..=20 {
        let path = Path {
            kilobits: 300,
            delay: 200 * MS,
            loss_percent: 2,
            ..Path::default()
        };
        let mut lab = Lab::new(path, seed);
        lab.add(layered(seed));
        // Whenever it happens, as probes come ever more seldom.
        let widens = 20 + seed;
        lab.run_until(widens);
        assert!(lab.subscriber(0).source.height() <= 1, "{seed}");
        lab.bottleneck.path.kilobits = 5_000;
        while lab.subscriber(0).source.height() < 5 && lab.now < (widens + 30) * SECOND {
            lab.step();
        }
        let took = lab.now as f64 / SECOND as f64 - widens as f64;
        lab.run_until(widens + 30);
        if seed == 1 {
            lab.draw("widens-far");
        }
        assert!(took <= 12.0, "{seed}: {took} s");
        assert_eq!(lab.subscriber(0).source.height(), 5, "{seed}: and stays");
    }
}

#[test]
fn a_link_that_narrows_has_its_queue_drained_soon() {
    for (name, flow) in [("layers", layered(2)), ("elastic", elastic(2))] {
        let path = Path {
            kilobits: 3_000,
            ..Path::default()
        };
        let mut lab = ran(path, flow, 30);
        lab.bottleneck.path.kilobits = 500;
        lab.run_until(50);
        lab.draw(&format!("narrows-{name}"));
        assert!(lab.waited(34, 50, 0.05) < 200.0, "{name}");
        assert!(lab.highest(0, 33, 50) < 1.2, "{name}");
    }
}

#[test]
fn after_a_blackhole_the_estimate_is_soon_what_it_was() {
    let path = Path {
        kilobits: 2_000,
        ..Path::default()
    };
    for (name, flow) in [("layers", layered(2)), ("elastic", elastic(2))] {
        let mut lab = ran(path, flow, 20);
        lab.bottleneck.path.dead = true;
        lab.run_until(30);
        let lowest = lab.samples(0, 29, 30)[0].estimate;
        assert!(lowest < 600.0, "{name}: {lowest}");
        lab.bottleneck.path.dead = false;
        lab.run_until(60);
        lab.draw(&format!("blackhole-{name}"));
        let reached = lab.reaches(0, 30, 1_500.0);
        assert!(reached.is_some_and(|at| at < 33.0), "{name}: {reached:?}");
    }
}

/// The seconds it takes from now on until so many layers are sent; at most a minute.
fn takes(lab: &mut Lab, layers: usize) -> f64 {
    let from = lab.now;
    while lab.subscriber(0).source.height() < layers && lab.now < from + 60 * SECOND {
        lab.step();
    }
    (lab.now - from) as f64 / SECOND as f64
}

#[test]
fn pictures_come_back_after_congestion_though_nothing_is_told_of_sound() {
    for seed in 1..=20 {
        for kilobits in [40, 70, 100] {
            let wide = Path {
                kilobits: 3_000,
                ..Path::default()
            };
            let mut lab = untold_sound(wide, seed);
            lab.run_until(20);
            lab.bottleneck.path.kilobits = kilobits;
            lab.run_until(30);
            assert_eq!(lab.subscriber(0).source.height(), 0, "{seed}: {kilobits}");
            lab.bottleneck.path.kilobits = 3_000;
            let took = (takes(&mut lab, 1), takes(&mut lab, 5));
            if seed == 1 {
                lab.draw(&format!("untold-sound-{kilobits}"));
            }
            assert!(took.0 <= 10.0, "{seed}: {kilobits}: {took:?}");
            assert!(took.1 <= 15.0, "{seed}: {kilobits}: {took:?}");
        }
    }
}

#[test]
fn pictures_come_back_after_a_blackhole_though_nothing_is_told_of_sound() {
    for seed in 1..=20 {
        let narrow = Path {
            kilobits: 250,
            ..Path::default()
        };
        let mut lab = untold_sound(narrow, seed);
        lab.run_until(20);
        assert_eq!(lab.subscriber(0).source.height(), 1, "{seed}");
        lab.bottleneck.path.dead = true;
        lab.run_until(30);
        assert_eq!(lab.subscriber(0).source.height(), 0, "{seed}");
        lab.bottleneck.path.dead = false;
        let took = takes(&mut lab, 1);
        assert!(took <= 10.0, "{seed}: {took}");
    }
}

#[test]
fn sound_of_which_nothing_is_told_is_not_disturbed_where_no_picture_fits() {
    for kilobits in [80, 100, 150] {
        for seed in 1..=5 {
            let thin = Path {
                kilobits,
                ..Path::default()
            };
            let mut lab = untold_sound(thin, seed);
            lab.run_until(20);
            let dropped = lab.bottleneck.dropped;
            lab.run_until(120);
            if seed == 1 {
                lab.draw(&format!("untold-sound-alone-{kilobits}"));
            }
            let (at_times, seldom) = (lab.waited(20, 120, 0.05), lab.waited(20, 120, 0.01));
            assert_eq!(lab.bottleneck.dropped, dropped, "{seed}: {kilobits}");
            assert!(at_times < 120.0, "{seed}: {kilobits}: {at_times}");
            assert!(seldom < 250.0, "{seed}: {kilobits}: {seldom}");
        }
    }
}

#[test]
fn a_client_that_is_short_of_time_goes_on_seeing_pictures() {
    for within in [50, 100, 200] {
        for seed in 1..=10 {
            let path = Path {
                kilobits: 20_000,
                ..Path::default()
            };
            let mut lab = ran(path, layered(seed), 15);
            lab.subscriber(0).looks_within = within * MS;
            let mut lowest = usize::MAX;
            while lab.now < 75 * SECOND {
                lab.step();
                lowest = lowest.min(lab.subscriber(0).source.height());
            }
            lab.subscriber(0).looks_within = 0;
            let took = takes(&mut lab, 5);
            if seed == 1 {
                lab.draw(&format!("short-of-time-{within}"));
            }
            assert!(lowest > 0, "{seed}: {within}");
            assert!(took <= 10.0, "{seed}: {within}: {took}");
        }
    }
}

#[test]
fn cross_traffic_is_made_room_for_and_its_room_taken_after() {
    let path = Path {
        kilobits: 2_000,
        ..Path::default()
    };
    let mut lab = Lab::new(path, 1);
    lab.add(elastic(2));
    let (on, off) = (15 * SECOND, 15 * SECOND);
    lab.add(Flow::Constant(Constant::new(1_000, on, off)));
    lab.run_until(90);
    lab.draw("cross-traffic");
    for busy in [5, 35, 65] {
        let used = lab.used(0, busy, busy + 10);
        assert!((0.3..0.56).contains(&used), "{busy}: {used}");
        assert!(lab.waited(busy, busy + 10, 0.1) < 250.0, "{busy}");
    }
    for free in [22, 52, 82] {
        let used = lab.used(0, free, free + 8);
        assert!(used > 0.75, "{free}: {used}");
    }
}

#[test]
fn rfc_8867_5_1_capacity_that_varies_is_followed() {
    let phases = [
        (0, 40, 1_000),
        (40, 60, 2_500),
        (60, 80, 600),
        (80, 100, 1_000),
    ];
    let runs = Runs::of(|seed| {
        let mut lab = Lab::new(Path::default(), seed);
        lab.add(elastic(seed + 1));
        for (_, until, kilobits) in phases {
            lab.bottleneck.path.kilobits = kilobits;
            lab.run_until(until);
        }
        lab
    });
    runs.draw("rfc-8867-5-1");
    for (from, until, kilobits) in phases {
        let used = runs.mean(|lab| lab.used(0, from + 10, until));
        let waited = runs.mean(|lab| lab.waited(from + 5, until, 0.05));
        assert!(used > 0.75, "{kilobits}: {used}");
        assert!(waited < 220.0, "{kilobits}: {waited}");
    }
}

#[test]
fn rfc_8867_5_2_capacity_that_varies_is_shared_by_two() {
    let phases = [
        (0, 25, 4_000),
        (25, 50, 2_000),
        (50, 75, 3_500),
        (75, 100, 1_000),
        (100, 125, 2_000),
    ];
    let runs = Runs::of(|seed| {
        let mut lab = Lab::new(Path::default(), seed);
        lab.add(elastic(10 * seed));
        lab.add(elastic(10 * seed + 1));
        for (_, until, kilobits) in phases {
            lab.bottleneck.path.kilobits = kilobits;
            lab.run_until(until);
        }
        lab
    });
    runs.draw("rfc-8867-5-2");
    for (from, until, kilobits) in phases {
        let shares = [0, 1].map(|flow| runs.mean(|lab| lab.used(flow, from + 10, until)));
        let waited = runs.mean(|lab| lab.waited(from + 5, until, 0.05));
        assert!(
            shares.iter().all(|share| *share > 0.25),
            "{kilobits}: {shares:?}"
        );
        assert!(shares.iter().sum::<f64>() > 0.75, "{kilobits}: {shares:?}");
        assert!(waited < 250.0, "{kilobits}: {waited}");
    }
}

#[test]
fn rfc_8867_5_3_feedback_that_is_late_and_lost_is_enough() {
    let mut lab = Lab::new(Path::default(), 1);
    lab.add(elastic(2));
    lab.back.jitter = 300 * MS;
    lab.back.loss_percent = 20;
    lab.run_until(90);
    lab.draw("rfc-8867-5-3");
    let used = lab.used(0, 20, 90);
    assert!(used > 0.7, "{used}");
    assert!(lab.waited(20, 90, 0.05) < 200.0);
}

#[test]
fn rfc_8867_5_4_flows_that_join_get_their_share() {
    let path = Path {
        kilobits: 3_500,
        ..Path::default()
    };
    let runs = Runs::of(|seed| {
        let mut lab = Lab::new(path, seed);
        for i in 0..3 {
            lab.add(joining(10 * seed + i, i * 20 * SECOND, 0));
        }
        lab.run_until(120);
        lab
    });
    runs.draw("rfc-8867-5-4");
    let shares = [0, 1, 2].map(|flow| runs.mean(|lab| lab.used(flow, 70, 120)));
    let waited = runs.mean(|lab| lab.waited(70, 120, 0.05));
    assert!(shares.iter().all(|share| *share > 0.2), "{shares:?}");
    assert!(shares.iter().sum::<f64>() > 0.85, "{shares:?}");
    assert!(waited < 200.0, "{waited}");
}

#[test]
fn rfc_8867_5_5_flows_of_different_round_trips_all_get_some() {
    let path = Path {
        kilobits: 4_000,
        ..Path::default()
    };
    let runs = Runs::of(|seed| {
        let mut lab = Lab::new(path, seed);
        for (i, delay) in [0, 15, 40, 65, 115].into_iter().enumerate() {
            let i = i as u64;
            lab.add(joining(10 * seed + i, i * 10 * SECOND, delay * MS));
        }
        lab.run_until(150);
        lab
    });
    runs.draw("rfc-8867-5-5");
    let shares = [0, 1, 2, 3, 4].map(|flow| runs.mean(|lab| lab.used(flow, 70, 150)));
    assert!(shares.iter().all(|share| *share > 0.1), "{shares:?}");
    assert!(shares.iter().sum::<f64>() > 0.75, "{shares:?}");
}

#[test]
fn rfc_8867_5_6_a_long_transfer_starves_nobody() {
    let path = Path {
        kilobits: 2_000,
        ..Path::default()
    };
    let mut lab = Lab::new(path, 1);
    lab.add(elastic(2));
    lab.add(Flow::Tcp(Tcp::new(None, 1)));
    lab.run_until(120);
    lab.draw("rfc-8867-5-6");
    let (ours, others) = (lab.used(0, 30, 120), lab.used(1, 30, 120));
    assert!(ours > 0.08, "{ours}");
    assert!(others > 0.3, "{others}");
}

#[test]
fn rfc_8867_5_7_short_transfers_leave_most() {
    let path = Path {
        kilobits: 2_000,
        ..Path::default()
    };
    let mut lab = Lab::new(path, 1);
    lab.add(elastic(2));
    for seed in 0..5 {
        let pause = Pause {
            bytes: 100_000,
            most: 20 * SECOND,
        };
        lab.add(Flow::Tcp(Tcp::new(Some(pause), seed)));
    }
    lab.run_until(120);
    lab.draw("rfc-8867-5-7");
    let used = lab.used(0, 20, 120);
    assert!(used > 0.3, "{used}");
}

#[test]
fn rfc_8867_5_8_media_pauses_and_resumes() {
    let path = Path {
        kilobits: 3_500,
        ..Path::default()
    };
    let mut lab = Lab::new(path, 1);
    lab.add(elastic(2));
    lab.add(elastic(3));
    lab.run_until(40);
    lab.subscriber(1).source = Source::Silent;
    lab.run_until(60);
    lab.subscriber(1).source = Source::Elastic(kilobits(6_000));
    lab.run_until(120);
    lab.draw("rfc-8867-5-8");
    assert!(lab.used(0, 48, 60) > 0.75);
    let shares = [0, 1].map(|flow| lab.used(flow, 75, 120));
    assert!(shares.iter().all(|share| *share > 0.2), "{shares:?}");
    assert!(lab.waited(65, 120, 0.05) < 250.0);
}
