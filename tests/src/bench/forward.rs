//! `forward`: what a forwarded packet costs, beside what it must cost.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::Serialize;

use super::{
    CountAllocations,
    camera::Frame,
    clock,
    limit::Limit,
    median::median,
    stage::{Size, Stage},
};
use crate::load::client::inbox::Coalescing;

/// One case.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Who receives each packet.
    pub subscribers: usize,
    /// Of each packet as it leaves.
    pub bytes: usize,
    /// Packets of a frame, and so of a train.
    pub train: usize,
    /// Whether receivers let the kernel coalesce.
    pub gro: bool,
    /// Of the whole path, on the shard's thread, kernel included.
    pub ns_per_packet: f64,
    /// The same of sealing and sending alone.
    pub limit_ns_per_packet: f64,
    /// Of the two, in pairs measured one after the other.
    pub ratio: f64,
    /// On the shard's thread, in turns that forward.
    pub allocations_per_packet: f64,
    /// In those before, which see to reports and feedback.
    pub upkeep_allocations_per_packet: f64,
    /// Packets that never came, of both.
    pub lost: u64,
}

/// Packets of a measurement: some milliseconds of work.
const SAMPLE: usize = 3_200;
/// Pairs of measurements.
const RUNS: usize = 21;

/// All cases; each row is written to `table` as soon as it is there.
pub fn run(count: CountAllocations, table: &mut impl Write) -> Result<Vec<Row>> {
    writeln!(
        table,
        "{:>11} {:>5} {:>5} {:>4} {:>10} {:>9} {:>6} {:>11} {:>7} {:>5}",
        "subscribers",
        "bytes",
        "train",
        "gro",
        "ns/packet",
        "limit ns",
        "ratio",
        "allocations",
        "upkeep",
        "lost"
    )?;
    let mut rows = Vec::new();
    for coalescing in [Coalescing::Allowed, Coalescing::Off] {
        for subscribers in [50, 200] {
            let size = Size {
                subscribers,
                tracks: 1,
                coalescing,
            };
            let mut stage = Stage::set(size)?;
            for bytes in [1_200, 100] {
                for packets in [1, 4, 8] {
                    let row = measure(&mut stage, size, Frame { packets, bytes }, count)?;
                    writeln!(
                        table,
                        "{:>11} {:>5} {:>5} {:>4} {:>10.0} {:>9.0} {:>6.2} {:>11.5} {:>7.5} {:>5}",
                        row.subscribers,
                        row.bytes,
                        row.train,
                        if row.gro { "yes" } else { "no" },
                        row.ns_per_packet,
                        row.limit_ns_per_packet,
                        row.ratio,
                        row.allocations_per_packet,
                        row.upkeep_allocations_per_packet,
                        row.lost
                    )?;
                    rows.push(row);
                }
            }
        }
    }
    Ok(rows)
}

fn measure(stage: &mut Stage, size: Size, frame: Frame, count: CountAllocations) -> Result<Row> {
    let mut limit = Limit::new(&stage.addresses, frame)?;
    let per_frame = frame.packets * stage.subscribers();
    let frames = SAMPLE.div_ceil(per_frame).max(2);
    let sample = (frames * per_frame) as u64;
    let mut lost = 0;
    let (mut ours, mut limits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first pair warms up.
    for run in 0..=RUNS {
        let expected = stage.readers.received().0 + sample;
        let mut time = Duration::ZERO;
        for _ in 0..frames {
            time += stage.forward(frame)?;
        }
        lost += stage.readers.wait_for(expected);
        let ns = time.as_nanos() as f64 / sample as f64;

        let expected = stage.readers.received().0 + sample;
        let mut time = Duration::ZERO;
        for _ in 0..frames {
            time += clock::timed(|| {
                limit.forward();
            });
        }
        lost += stage.readers.wait_for(expected);
        let limit_ns = time.as_nanos() as f64 / sample as f64;
        if run > 0 {
            ours.push(ns);
            limits.push(limit_ns);
            ratios.push(ns / limit_ns);
        }
    }
    let before = stage.readers.received().0;
    let (mut allocations, mut upkeep) = (0, 0);
    for _ in 0..frames {
        upkeep += count(&mut || stage.clear());
        stage.send(frame)?;
        allocations += count(&mut || stage.take_turns());
    }
    stage.readers.wait_for(before + sample);
    Ok(Row {
        subscribers: size.subscribers,
        bytes: frame.bytes,
        train: frame.packets,
        gro: size.coalescing == Coalescing::Allowed,
        ns_per_packet: median(&mut ours),
        limit_ns_per_packet: median(&mut limits),
        ratio: median(&mut ratios),
        allocations_per_packet: allocations as f64 / sample as f64,
        upkeep_allocations_per_packet: upkeep as f64 / sample as f64,
        lost,
    })
}

/// Forwards without a pause, for a profiler to watch.
pub fn soak(size: Size, frame: Frame, length: Duration) -> Result<()> {
    let mut stage = Stage::set(size)?;
    let until = Instant::now() + length;
    while Instant::now() < until {
        let expected = stage.readers.received().0 + (frame.packets * stage.subscribers()) as u64;
        stage.forward(frame)?;
        stage.readers.wait_for(expected);
    }
    Ok(())
}
