//! One presenter, and fifty at the far node that watch: how often it crosses the link.

use std::{thread, time::Duration};

use anyhow::{Context, Result};

use super::{FAR, NEAR, pair};
use crate::{
    backbone::{
        order::Order,
        row::{Goal, Row, Unit},
        sources::{presenter, voices},
        stage::{Show, Stage},
    },
    lab::wish::Way,
};

const LISTENERS: usize = 50;
const CONDITIONS: &str = "rate=100mbit delay=15ms";
const LENGTH: Duration = Duration::from_secs(10);
const WARM: Duration = Duration::from_secs(3);
/// Nothing is late on this line.
const IN_TIME: Duration = Duration::from_millis(250);

/// The wanted layer of the presenter.
const LAYER: u8 = 2;

/// Tries it.
pub fn run() -> Result<Vec<Row>> {
    let case = "one presenter, 50 listeners at the far node";
    let (mut stage, _) = pair(1, CONDITIONS)?;
    let show = Show {
        room: "lecture",
        from: NEAR,
        to: FAR,
        sources: [vec![presenter()], voices(1)].concat(),
    };
    begin(&mut stage, &show)?;
    thread::sleep(WARM);
    let (mut first, mut last) = (0, 0);
    let watched = stage.watch(
        std::slice::from_ref(&show),
        LENGTH,
        IN_TIME,
        &mut [
            (Duration::ZERO, &mut |stage| {
                first = crossed(stage)?;
                Ok(())
            }),
            (LENGTH, &mut |stage| {
                last = crossed(stage)?;
                Ok(())
            }),
        ],
    )?;
    let feeds = stage.node(NEAR)?.look()?.feeds;
    let figures = &watched[0].figures;
    let media = figures.pictures.bytes + figures.sound.bytes;
    let kbit = |bytes: u64| bytes as f64 * 8e-3 / LENGTH.as_secs_f64();
    let copies = figures.pictures.came as f64 / figures.pictures.sent.max(1) as f64;
    let doubles: u64 = watched[0].to.came.iter().map(|came| came.doubles).sum();
    Ok(vec![
        Goal::at_most("bytes on the link / bytes wanted", 1.12, Unit::Times).row_with(
            case,
            (last - first) as f64 / media as f64,
            &format!(
                "{:.0} of {:.0} kbit/s, layer and sound",
                kbit(last - first),
                kbit(media)
            ),
        ),
        Goal::at_most("layers that cross, of 2 wanted", 2.0, Unit::Times).row_with(
            case,
            feeds as f64,
            &format!("{:.3} copies came, {doubles} doubles", copies),
        ),
    ])
}

/// As a node with 50 subscribers does: each has its wish.
fn begin(stage: &mut Stage, show: &Show) -> Result<()> {
    for name in [NEAR, FAR] {
        stage.node(name)?.tell(&Order::Host(show.room.to_owned()))?;
    }
    stage.node(NEAR)?.tell(&Order::Publish {
        room: show.room.to_owned(),
        sources: show.sources.clone(),
    })?;
    let far = stage.node(FAR)?;
    far.until("both tracks are known", |seen| seen.tracks >= 2)?;
    let wanted = vec![show.layer("presenter", LAYER), show.layer("voice-0", 0)];
    far.tell(&Order::Want(wanted.clone()))?;
    for _ in 1..LISTENERS {
        far.tell(&Order::WantAgain(wanted.clone()))?;
    }
    far.until("both layers come", |seen| seen.coming == 2)?;
    Ok(())
}

/// Bytes that came into the link so far.
fn crossed(stage: &mut Stage) -> Result<u64> {
    let rows = stage.lab()?.report()?;
    let down = rows.iter().find(|row| row.way == Way::Down);
    Ok(down.context("the link is gone")?.bytes)
}
