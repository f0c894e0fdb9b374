//! `growth`: what a forwarded packet costs as subscribers and tracks grow more. Tracks take
//! turns to send a frame, so only what is remembered grows, not what is sent.

use std::{io::Write, time::Duration};

use anyhow::Result;
use serde::Serialize;

use super::{
    camera::Frame,
    instructions,
    median::median,
    stage::{Size, Stage},
};
use crate::load::client::inbox::Coalescing;

/// One case.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Who receives each packet.
    pub subscribers: usize,
    /// That each of them is subscribed to.
    pub tracks: usize,
    /// Of the whole path, on the shard's thread, kernel included.
    pub ns_per_packet: f64,
    /// Of the shard's own code; none where nothing counts them.
    pub instructions_per_packet: Option<f64>,
    /// Of the instructions to those of the first row.
    pub growth: Option<f64>,
}

const FRAME: Frame = Frame {
    packets: 4,
    bytes: 1_200,
};
/// Packets of a measurement: some milliseconds of work.
const SAMPLE: usize = 3_200;
const RUNS: usize = 15;

/// All cases; each row is written to `table` as soon as it is there.
pub fn run(table: &mut impl Write) -> Result<Vec<Row>> {
    writeln!(
        table,
        "{:>11} {:>6} {:>10} {:>19} {:>6}",
        "subscribers", "tracks", "ns/packet", "instructions/packet", "growth"
    )?;
    let mut rows: Vec<Row> = Vec::new();
    for tracks in [1, 25, 100] {
        for subscribers in [10, 100, 1_000] {
            let size = size(subscribers, tracks);
            let ns_per_packet = measure(size)?;
            let instructions_per_packet = match instructions::count(size) {
                Ok(instructions) => Some(instructions),
                Err(error) => {
                    writeln!(table, "instructions are not available: {error:#}")?;
                    None
                }
            };
            let first = rows
                .first()
                .map_or(instructions_per_packet, |row| row.instructions_per_packet);
            let growth = instructions_per_packet
                .zip(first)
                .map(|(here, first)| here / first);
            let shown = |value: Option<f64>, digits| {
                value.map_or("not available".to_owned(), |it| format!("{it:.digits$}"))
            };
            writeln!(
                table,
                "{subscribers:>11} {tracks:>6} {ns_per_packet:>10.0} {:>19} {:>6}",
                shown(instructions_per_packet, 0),
                shown(growth, 2)
            )?;
            table.flush()?;
            rows.push(Row {
                subscribers,
                tracks,
                ns_per_packet,
                instructions_per_packet,
                growth,
            });
        }
    }
    Ok(rows)
}

fn size(subscribers: usize, tracks: usize) -> Size {
    Size {
        subscribers,
        tracks,
        coalescing: Coalescing::Allowed,
    }
}

fn measure(size: Size) -> Result<f64> {
    let mut stage = Stage::set(size)?;
    let per_frame = FRAME.packets * size.subscribers;
    let frames = SAMPLE.div_ceil(per_frame).max(2);
    let sample = frames * per_frame;
    let mut all = Vec::new();
    // The first warms up.
    for run in 0..=RUNS {
        let expected = stage.readers.received().0 + sample as u64;
        let mut time = Duration::ZERO;
        for _ in 0..frames {
            time += stage.forward(FRAME)?;
        }
        stage.readers.wait_for(expected);
        if run > 0 {
            all.push(time.as_nanos() as f64 / sample as f64);
        }
    }
    Ok(median(&mut all))
}

/// The case for a counter of instructions to watch: tells `counter` to begin when all is
/// warm, and to end; answers how many packets were forwarded meanwhile.
pub fn watched(
    subscribers: usize,
    tracks: usize,
    mut counter: impl FnMut(instructions::Counting) -> Result<()>,
) -> Result<usize> {
    let mut stage = Stage::set(size(subscribers, tracks))?;
    let per_frame = FRAME.packets * subscribers;
    // Untimed: callgrind and the thread's clock don't go together.
    for _ in 0..tracks + 10 {
        stage.clear();
        stage.send(FRAME)?;
        stage.take_turns();
    }
    let frames = (SAMPLE / per_frame).clamp(4, 20);
    counter(instructions::Counting::On)?;
    for _ in 0..frames {
        stage.clear();
        stage.send(FRAME)?;
        stage.take_turns();
    }
    counter(instructions::Counting::Off)?;
    Ok(frames * per_frame)
}
