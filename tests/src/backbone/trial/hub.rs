//! A hub on this machine's loopback, without a network between: what it adds to a packet's time,
//! and what a packet costs it.

use std::{collections::HashMap, net::SocketAddr, thread, time::Duration};

use anyhow::Result;

use super::{host, show};
use crate::backbone::{
    figures::quantile,
    order::{Nanos, Order, Role},
    row::{Goal, Row, Unit},
    sources::cameras,
    stage::{Cast, Show, Stage},
};

const FROM: &str = "a-lagos";
const HUB: &str = "m-abuja";
const TO: &str = "z-kano";

/// Fast cameras of 8 packets a picture: 250 packets a second each.
const PICTURE: Duration = Duration::from_millis(32);
const PACKETS: u16 = 8;
const EACH: u32 = 250;
/// Lines within a house.
const LINE: u64 = 2_000_000;
const WARM: Duration = Duration::from_secs(2);
const LENGTH: Duration = Duration::from_secs(8);
const IN_TIME: Duration = Duration::from_millis(250);

/// The time that a hub adds, packet by packet: from its coming to a node that listens at the hub
/// itself, to its coming at the node behind.
pub fn time(packets_per_second: u32) -> Result<Vec<Row>> {
    let case = format!("a hop at {packets_per_second} packets/s");
    let (mut stage, show) = set(packets_per_second)?;
    // A part of them is enough, and what the hub does for itself is not to weigh much.
    let heard: Vec<_> = show.layers().into_iter().step_by(8).collect();
    stage.node(HUB)?.tell(&Order::Want(heard.clone()))?;
    stage
        .node(HUB)?
        .until("it hears", |seen| seen.coming == heard.len())?;
    thread::sleep(WARM);
    let watched = stage.watch(std::slice::from_ref(&show), LENGTH, IN_TIME, &mut [])?;
    let at_hub = stage.node(HUB)?.arrivals(heard.clone())?;
    let behind = stage.node(TO)?.arrivals(heard)?;
    let mut added: Vec<f64> = Vec::new();
    for (hub, far) in at_hub.iter().zip(&behind) {
        let far: HashMap<u32, Nanos> = far.iter().copied().collect();
        let later = hub
            .iter()
            .filter_map(|(number, at)| Some((*far.get(number)? as f64 - *at as f64) / 1e6));
        added.extend(later);
    }
    added.sort_by(f64::total_cmp);
    let figures = &watched[0].figures;
    let whole = format!(
        "publisher to listener p50 {:.2} ms, p99 {:.1} ms; {:.3} % came",
        figures.pictures.delay_ms(0.5),
        figures.pictures.delay_ms(0.99),
        figures.in_time(),
    );
    Ok(vec![
        Goal::at_most("added p50", 0.5, Unit::Ms).row_with(&case, quantile(&added, 0.5), &whole),
        Goal::at_most("added p99", 5.0, Unit::Ms).row(&case, quantile(&added, 0.99)),
    ])
}

/// What a packet costs, in and out.
pub fn cost(packets_per_second: u32) -> Result<Vec<Row>> {
    let case = format!("a hub at {packets_per_second} packets/s");
    let (mut stage, show) = set(packets_per_second)?;
    thread::sleep(WARM);
    let mut efforts = Vec::new();
    let mut note = |stage: &mut Stage| {
        efforts.push(stage.node(HUB)?.look()?.effort);
        Ok(())
    };
    let mut end = Vec::new();
    let mut note_end = |stage: &mut Stage| {
        end.push(stage.node(HUB)?.look()?.effort);
        Ok(())
    };
    let watched = stage.watch(
        std::slice::from_ref(&show),
        LENGTH,
        IN_TIME,
        &mut [(Duration::ZERO, &mut note), (LENGTH, &mut note_end)],
    )?;
    let figures = &watched[0].figures;
    let effort = end[0].saturating_sub(efforts[0]) as f64;
    let each = effort / figures.pictures.came.max(1) as f64;
    Ok(vec![
        Goal::at_least("packets per core, in and out", 100_000.0, Unit::PerSecond).row_with(
            &case,
            1e9 / each,
            &format!(
                "{:.2} us each, {:.0} packets/s carried, {:.3} % came",
                each / 1e3,
                figures.pictures.came as f64 / LENGTH.as_secs_f64(),
                figures.in_time()
            ),
        ),
    ])
}

/// Who publishes, a hub, and who listens to everything.
fn set(packets_per_second: u32) -> Result<(Stage, Show)> {
    let mut stage = Stage::on_loopback()?;
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let fast = |cast: Cast| Cast {
        start: LINE,
        ..cast
    };
    let far = stage.start(fast(host(TO, anywhere, Vec::new())))?;
    let hub = stage.start(Cast {
        role: Role::Hub,
        ..fast(host(HUB, anywhere, vec![(TO, far)]))
    })?;
    stage.start(fast(host(FROM, anywhere, vec![(HUB, hub)])))?;
    let crowd = cameras(packets_per_second / EACH, PACKETS, PICTURE);
    let show = show(FROM, TO, crowd);
    stage.begin(&show)?;
    Ok((stage, show))
}
