//! Two nodes with a line of their own and a hub that both are linked to as well: what happens when
//! a line is lost.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{FAR, NEAR, PORT, at, host, small_room, wishes};
use crate::{
    backbone::{
        order::Role,
        row::{Goal, Row, Unit},
        stage::{Cast, Stage},
    },
    bench::median::median,
    lab::wish::Way,
};

const HUB: &str = "m-abuja";
/// The line between the two, and the ways to the hub: 15 ms there and back, and 50 ms by the hub.
const LINES: &str = "direct.delay=7.5ms lagos.delay=12.5ms kano.delay=12.5ms";
const WARM: Duration = Duration::from_secs(2);
const LENGTH: Duration = Duration::from_secs(5);
const CUT_AT: Duration = Duration::from_secs(1);
const IN_TIME: Duration = Duration::from_millis(400);

/// What is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// The line between the two: the hub is left.
    Direct,
    /// All ways to the hub, which is abroad: the line between the two is left.
    Abroad,
}

/// Cuts the direct line some times; the middle counts.
pub fn direct(runs: usize) -> Result<Vec<Row>> {
    let case = "path lost, another exists";
    let (mut silences, mut freezes) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let (silence, freeze) = once(run as u64, Cut::Direct)?;
        silences.push(silence);
        freezes.push(freeze);
    }
    let row = |goal: Goal, all: &mut Vec<f64>| {
        let middle = median(all);
        let remark = format!("of {runs}: {:.0} to {:.0} ms", all[0], all[runs - 1]);
        goal.row_with(case, middle, &remark)
    };
    Ok(vec![
        row(
            Goal::at_most("audio back after", 500.0, Unit::Ms),
            &mut silences,
        ),
        row(
            Goal::at_most("video back after", 1_000.0, Unit::Ms),
            &mut freezes,
        ),
    ])
}

/// Cuts all that leads abroad; a room at home is not to notice.
pub fn abroad() -> Result<Vec<Row>> {
    let case = "all lines abroad lost";
    let (silence, freeze) = once(1, Cut::Abroad)?;
    Ok(vec![
        Goal::at_most("longest silence at home", 100.0, Unit::Ms).row(case, silence),
        Goal::at_most("longest freeze at home", 200.0, Unit::Ms).row(case, freeze),
    ])
}

/// The longest silence and the longest freeze, in milliseconds.
fn once(seed: u64, cut: Cut) -> Result<(f64, f64)> {
    let mut stage = set(seed)?;
    let show = small_room();
    stage.begin(&show)?;
    let before = direct_bytes(&mut stage)?;
    thread::sleep(WARM);
    let grown = direct_bytes(&mut stage)? - before;
    ensure!(grown > 1_000_000, "the room does not take the direct line");
    let mut act = |stage: &mut Stage| match cut {
        Cut::Direct => stage.change("direct.blackhole=on"),
        Cut::Abroad => stage.change("lagos.blackhole=on kano.blackhole=on"),
    };
    let watched = stage.watch(&[show], LENGTH, IN_TIME, &mut [(CUT_AT, &mut act)])?;
    let figures = &watched[0].figures;
    let ms = |nanos: u64| nanos as f64 / 1e6;
    Ok((
        ms(figures.sound.longest_silence),
        ms(figures.pictures.longest_freeze),
    ))
}

/// Lagos and Kano in places of their own; the hub is this machine's own namespace.
fn set(seed: u64) -> Result<Stage> {
    let mut stage = Stage::in_lab(seed)?;
    let lines = wishes(LINES)?;
    let lab = stage.lab()?;
    let lagos = lab.add("lagos", &lines)?;
    let kano = lab.add("kano", &lines)?;
    let direct = lab.connect("direct", ["lagos", "kano"], &lines)?;
    let hub = SocketAddr::from((lagos.hub, PORT));
    stage.start(Cast {
        role: Role::Hub,
        ..host(HUB, hub, Vec::new())
    })?;
    stage.start(at(&kano, FAR, vec![(HUB, hub)]))?;
    let far = SocketAddr::from((direct.addresses[1], PORT));
    stage.start(at(&lagos, NEAR, vec![(FAR, far), (HUB, hub)]))?;
    for name in [NEAR, FAR] {
        stage
            .node(name)?
            .until("both links are up", |seen| seen.neighbours.len() == 2)?;
    }
    Ok(stage)
}

/// Bytes that came out of the line between the two, towards Kano.
fn direct_bytes(stage: &mut Stage) -> Result<u64> {
    let rows = stage.lab()?.report()?;
    let direct = rows
        .iter()
        .find(|row| row.name == "direct" && row.way == Way::Down);
    Ok(direct.context("the line is gone")?.delivered_bytes)
}
