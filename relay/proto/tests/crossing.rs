//! A link over paths that lose, delay and fill up, in virtual time: what comes, when, and at what
//! price.

mod network;

use std::time::{Duration, Instant};

use network::world::{Shape, World};
use relay_proto::{Active, Class, Limits};

#[test]
fn five_per_cent_of_loss_at_forty_milliseconds_is_not_noticed() {
    for (burst, seed) in [(1.0, 1), (1.0, 2), (4.0, 3)] {
        let path = Shape {
            burst,
            seed,
            ..Shape::new(ms(20), 0.05)
        };
        let mut world = meeting(path);
        world.run(ms(3_000));
        let before = world.near_link().counts();
        world.count_from_here();
        world.run(ms(20_000));
        world.settle();
        let after = world.near_link().counts();
        let seen = &world.seen;
        at_least(
            seen.within(Class::BaseLayer, ms(250)),
            0.999,
            "pictures within 250 ms",
        );
        at_most(seen.quantile(Class::BaseLayer, 0.99), ms(80), "pictures");
        at_least(
            seen.within(Class::Audio, ms(250)),
            0.999,
            "sound within 250 ms",
        );
        if burst == 1.0 {
            at_most(seen.quantile(Class::Audio, 0.99), ms(50), "sound");
        }
        let sent = (after.original_bytes - before.original_bytes) as f64;
        let repairs = (after.repair_bytes - before.repair_bytes) as f64 / sent;
        let repeated = (after.repeated_bytes - before.repeated_bytes) as f64 / sent;
        assert!(repairs <= 0.07, "{repairs:.3} of the bytes are repairs");
        assert!(
            repeated <= 0.03,
            "{repeated:.3} of the bytes are repeated sound"
        );
    }
}

#[test]
fn five_per_cent_of_loss_at_a_hundred_milliseconds() {
    let mut world = meeting(Shape::new(ms(50), 0.05));
    world.run(ms(3_000));
    world.count_from_here();
    world.run(ms(20_000));
    world.settle();
    let seen = &world.seen;
    at_least(
        seen.within(Class::BaseLayer, ms(400)),
        0.999,
        "pictures within 400 ms",
    );
    at_most(seen.quantile(Class::BaseLayer, 0.99), ms(180), "pictures");
    at_least(
        seen.within(Class::Audio, ms(400)),
        0.999,
        "sound within 400 ms",
    );
}

#[test]
fn a_line_that_loses_nothing_costs_nothing() {
    let mut world = meeting(Shape::new(ms(20), 0.0));
    // Twenty keyframes at once take their time.
    world.run(ms(1_000));
    world.count_from_here();
    world.run(ms(10_000));
    world.settle();
    assert_eq!(world.seen.within(Class::BaseLayer, ms(30)), 1.0);
    let counts = world.near_link().counts();
    assert_eq!((counts.repair_bytes, counts.repeated_bytes), (0, 0));
    assert_eq!(world.near_link().repeats(), Active::No);
}

#[test]
fn half_the_room_carries_all_of_the_sound_and_whole_pictures() {
    let mut world = meeting(Shape::new(ms(20), 0.0).bottleneck(20.0, ms(100)));
    world.run(ms(10_000));
    world.count_from_here();
    world.run(ms(20_000));
    world.settle();
    let seen = &world.seen;
    at_least(seen.within(Class::Audio, ms(250)), 0.995, "sound");
    at_most(seen.quantile(Class::Audio, 0.99), ms(100), "sound");
    at_least(
        seen.whole as f64 / seen.all_pictures as f64,
        0.5,
        "whole pictures",
    );
    at_least(
        seen.decodable as f64 / seen.all_pictures as f64,
        0.38,
        "pictures to be shown",
    );
    assert!(!world.is_competing(), "nobody else is there");
}

#[test]
fn a_download_beside_it_gets_its_share_and_no_more() {
    let path = Shape::new(ms(20), 0.0).bottleneck(20.0, ms(100));
    let mut world = meeting(path);
    world.run(ms(5_000));
    world.download();
    world.count_from_here();
    world.run(ms(60_000));
    let seen = &world.seen;
    let link = 20e6 / 8.0 * 60.0;
    at_least(seen.media_bytes as f64 / link, 0.3, "of the link for media");
    at_least(
        seen.file_bytes as f64 / link,
        0.3,
        "of the link for the download",
    );
    at_most(seen.quantile(Class::Audio, 0.99), ms(160), "sound");
    assert!(world.is_competing());

    world.end_download();
    world.run(ms(20_000));
    assert!(
        !world.is_competing(),
        "it is noticed that the download ended"
    );
    world.count_from_here();
    world.run(ms(10_000));
    at_most(
        world.seen.quantile(Class::Audio, 0.99),
        ms(100),
        "sound afterwards",
    );
}

#[test]
fn a_small_room_keeps_its_part_of_a_line_that_a_download_fills() {
    for (cameras, queue) in [(1, 60), (2, 100), (2, 200), (4, 100), (4, 60)] {
        let path = Shape::new(ms(20), 0.0).bottleneck(20.0, ms(queue));
        let mut world = World::new(start(), path, Limits::default());
        world.publish(5, Class::Audio, ms(20), 1, 100);
        world.publish(cameras, Class::BaseLayer, PICTURE, 6, 1_150);
        world.run(ms(5_000));
        world.download();
        world.run(ms(10_000));
        world.count_from_here();
        world.run(ms(120_000));
        let seen = &world.seen;
        let what = format!("{cameras} cameras, {queue} ms");
        at_least(seen.within(Class::Audio, ms(400)), 0.99, &what);
        let whole = seen.whole as f64 / seen.all_pictures as f64;
        at_least(whole, 0.65, &what);
    }
}

#[test]
fn a_line_that_always_loses_much_is_used_all_the_same() {
    let mut world = meeting(Shape::new(ms(20), 0.15));
    world.run(ms(10_000));
    world.count_from_here();
    world.run(ms(30_000));
    world.settle();
    at_least(world.seen.within(Class::Audio, ms(250)), 0.99, "sound");
    at_least(
        world.seen.within(Class::BaseLayer, ms(400)),
        0.9,
        "pictures",
    );
}

#[test]
fn a_detour_is_not_taken_for_a_queue() {
    let mut world = meeting(Shape::new(ms(8), 0.001).bottleneck(50.0, ms(100)));
    world.run(ms(5_000));
    world.set_delay(ms(60));
    world.run(ms(20_000));
    world.count_from_here();
    world.run(ms(10_000));
    world.settle();
    at_least(
        world.seen.within(Class::BaseLayer, ms(250)),
        0.999,
        "pictures on the detour",
    );
}

#[test]
fn a_detour_is_no_reason_to_stop_a_picture() {
    for megabits in [0.0, 50.0, 200.0] {
        let mut world = meeting(Shape::new(ms(7), 0.0005).bottleneck(megabits, ms(100)));
        world.run(ms(10_000));
        world.count_from_here();
        world.set_delay(ms(60));
        world.run(ms(20_000));
        world.settle();
        let what = format!("{megabits} Mbit/s");
        let seen = &world.seen;
        at_least(seen.within(Class::Audio, ms(400)), 0.999, &what);
        at_least(seen.within(Class::BaseLayer, ms(400)), 0.99, &what);
        at_most(seen.freeze, ms(1_000), &what);
    }
}

#[test]
fn pictures_are_back_soon_after_a_line_was_gone() {
    for megabits in [0.0, 20.0] {
        let mut world = World::new(
            start(),
            Shape::new(ms(20), 0.005).bottleneck(megabits, ms(100)),
            Limits::default(),
        );
        world.publish(5, Class::Audio, ms(20), 1, 100);
        world.publish(5, Class::BaseLayer, PICTURE, 6, 1_150);
        world.run(ms(10_000));
        world.count_from_here();
        for _ in 0..3 {
            world.set_loss(1.0);
            world.run(ms(2_000));
            world.set_loss(0.005);
            world.run(ms(18_000));
        }
        at_most(world.seen.freeze, ms(3_000), &format!("{megabits} Mbit/s"));
    }
}

#[test]
fn pictures_are_back_soon_after_a_line_lost_half_of_everything() {
    for seed in 1..=4 {
        let path = Shape {
            seed,
            ..Shape::new(ms(20), 0.01)
        };
        let mut world = World::new(start(), path, Limits::default());
        world.publish(5, Class::Audio, ms(20), 1, 100);
        world.publish(5, Class::BaseLayer, PICTURE, 6, 1_150);
        world.run(ms(10_000));
        world.set_loss(0.5);
        world.run(ms(10_000));
        world.set_loss(0.01);
        world.run(ms(8_000));
        world.count_from_here();
        world.run(ms(10_000));
        world.settle();
        let within = world.seen.within(Class::BaseLayer, ms(400));
        at_least(within, 0.99, "pictures afterwards");
    }
}

/// 35 Mbit/s: twenty pictures of 1.66 Mbit/s and twenty voices in four rooms.
fn meeting(path: Shape) -> World {
    let mut world = World::new(start(), path, Limits::default());
    world.publish(20, Class::Audio, ms(20), 1, 100);
    world.publish(20, Class::BaseLayer, PICTURE, 6, 1_150);
    world
}

const PICTURE: Duration = Duration::from_micros(33_333);

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    Instant::now()
}

fn at_least(share: f64, least: f64, what: &str) {
    assert!(share >= least, "{what}: {share:.5}, not {least}");
}

fn at_most(delay: Duration, most: Duration, what: &str) {
    assert!(delay <= most, "{what}: p99 is {delay:?}, not {most:?}");
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
