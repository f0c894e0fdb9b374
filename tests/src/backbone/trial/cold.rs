//! The first picture at a node that has nothing of the room yet, while another watches already.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::{Context, Result};

use super::{PORT, at, host, show, wishes};
use crate::{
    backbone::{
        order::{LayerName, Nanos, Order, now},
        row::{Goal, Row, Unit},
        sources::cameras,
        stage::{Show, Stage, Waiting},
    },
    bench::median::median,
};

/// Whether the node is linked to the room's before it wants something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// It is.
    Up,
    /// It has to be dialled.
    ToDial,
}

const RUNS: usize = 5;
/// The node that is new dials.
const NEW: &str = "a-kano";
const ORIGIN: &str = "m-lagos";
const WATCHES: &str = "z-ikeja";
const PICTURE: Duration = Duration::from_micros(33_333);
/// What a keyframe takes from the camera to who watches already.
const FRESH: Duration = Duration::from_millis(150);

/// Tries it a few times; the middle counts.
pub fn run(round_trip: Duration, link: Link) -> Result<Vec<Row>> {
    let case = match link {
        Link::Up => format!("a cold node, {round_trip:?} round trip"),
        Link::ToDial => format!("a cold node and link, {round_trip:?} round trip"),
    };
    let mut all = Vec::new();
    for run in 0..RUNS {
        all.push(once(run as u64, round_trip, link)? as f64 / 1e6);
    }
    let limit = round_trip.as_secs_f64() * 2e3 + 60.0;
    let middle = median(&mut all);
    let remark = format!("of {RUNS}: {:.0} to {:.0} ms", all[0], all[RUNS - 1]);
    Ok(vec![
        Goal::at_most("first picture, cached keyframe", limit, Unit::Ms)
            .row_with(&case, middle, &remark),
    ])
}

fn once(seed: u64, round_trip: Duration, link: Link) -> Result<Nanos> {
    let mut stage = Stage::in_lab(seed)?;
    let conditions = format!("delay={}us", round_trip.as_micros() / 2);
    let client = stage.lab()?.add("kano", &wishes(&conditions)?)?;
    let watches = stage.start(host(WATCHES, (client.hub, 0).into(), Vec::new()))?;
    let origin = SocketAddr::from((client.hub, PORT));
    stage.start(host(ORIGIN, origin, vec![(WATCHES, watches)]))?;
    let new = stage.prepare(at(&client, NEW, vec![(ORIGIN, origin)]))?;
    let show = show(ORIGIN, WATCHES, cameras(1, 6, PICTURE));
    stage.begin(&show)?;
    let layer = show.layers();
    match link {
        Link::Up => {
            stage.admit(new)?;
            stage
                .node(NEW)?
                .until("its link is up", |seen| !seen.neighbours.is_empty())?;
            refresh(&mut stage, &layer)?;
            first_picture(&mut stage, &show, None)
        }
        Link::ToDial => {
            refresh(&mut stage, &layer)?;
            first_picture(&mut stage, &show, Some(new))
        }
    }
}

/// So that there is a keyframe to be had.
fn refresh(stage: &mut Stage, layer: &[LayerName]) -> Result<()> {
    stage.node(WATCHES)?.tell(&Order::Refresh(layer.to_vec()))?;
    thread::sleep(FRESH);
    Ok(())
}

/// From the first participant's coming to the room, or from the node's beginning, to the first
/// whole keyframe. The room itself is new to the node: it hears of the track first.
fn first_picture(stage: &mut Stage, show: &Show, new: Option<Waiting>) -> Result<Nanos> {
    let began_at = now();
    if let Some(new) = new {
        stage.admit(new)?;
    }
    stage.node(NEW)?.tell(&Order::Host(show.room.to_owned()))?;
    stage.node(NEW)?.tell(&Order::Want(show.layers()))?;
    let seen = stage
        .node(NEW)?
        .until("there is a picture", |seen| seen.first_picture.is_some())?;
    let shown_at = seen.first_picture.context("it was there just now")?;
    Ok(shown_at.saturating_sub(began_at))
}
