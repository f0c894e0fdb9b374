//! Runs a benchmark and prints its table.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::exit,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use e2e::{
    backbone::node,
    bench::{camera::Frame, forward, growth, instructions, relay, stage::Size, trains},
    lab::guard,
    load::client::inbox::Coalescing,
};
use serde::Serialize;
use tokio::runtime::Runtime;

/// What a forwarded packet costs, measured on the shard's own thread, over real sockets; and what
/// links between nodes do to what crosses them.
#[derive(Debug, Parser)]
#[command(name = "tests/bench")]
struct Arguments {
    /// What to measure.
    name: Name,
    /// Also write the rows here.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Of `relay`: only this case.
    #[arg(long)]
    case: Option<String>,
    /// Of `soak`: who receives.
    #[arg(long, default_value_t = 200)]
    subscribers: usize,
    /// Of `soak`: how many publish.
    #[arg(long, default_value_t = 1)]
    tracks: usize,
    /// Of `soak`: the packets of a frame.
    #[arg(long, default_value_t = 8)]
    train: usize,
    /// Of `soak`: the bytes of a packet.
    #[arg(long, default_value_t = 1_200)]
    bytes: usize,
    /// Of `soak`: for how long.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    /// The whole path beside the limit: the same encryption and system calls alone.
    Forward,
    /// Packets per GSO buffer, and their wait for each other, in the load scenarios.
    Trains,
    /// Time and instructions as subscribers and tracks grow more.
    Growth,
    /// What crosses links between nodes, held against what must.
    Relay,
    /// Forwards without a pause, for a profiler to watch.
    Soak,
    /// What `growth` runs under a counter of instructions.
    #[value(hide = true)]
    Watched,
    /// A node of `relay`.
    #[value(hide = true, name = node::COMMAND)]
    Node,
    /// What removes the networks of `relay`.
    #[value(hide = true, name = guard::COMMAND)]
    Guard,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.name {
        Name::Node => return node::run(),
        Name::Guard => return guard::keep(),
        Name::Forward | Name::Trains | Name::Growth | Name::Relay | Name::Soak | Name::Watched => {}
    }
    let mut table = io::stdout().lock();
    match arguments.name {
        Name::Node | Name::Guard => {}
        Name::Relay => {
            let found = relay::run(arguments.case.as_deref(), &mut table)?;
            write_json(arguments.json, &found.rows)?;
            let held = found.rows.iter().filter(|row| row.holds).count();
            let (all, skipped) = (found.rows.len(), found.skipped);
            writeln!(table, "{held} of {all} hold, {skipped} cases skipped")?;
            if held < all {
                // After the table is out.
                table.flush()?;
                exit(1);
            }
        }
        Name::Forward => {
            let rows = forward::run(count_allocations, &mut table)?;
            write_json(arguments.json, &rows)?;
        }
        Name::Trains => {
            let rows = Runtime::new()?.block_on(trains::run(&mut table))?;
            write_json(arguments.json, &rows)?;
        }
        Name::Growth => {
            let rows = growth::run(&mut table)?;
            write_json(arguments.json, &rows)?;
        }
        Name::Soak => {
            let size = Size {
                subscribers: arguments.subscribers,
                tracks: arguments.tracks,
                coalescing: Coalescing::Allowed,
            };
            let frame = Frame {
                packets: arguments.train,
                bytes: arguments.bytes,
            };
            forward::soak(size, frame, Duration::from_secs(arguments.seconds))?;
        }
        Name::Watched => {
            let (subscribers, tracks) = (arguments.subscribers, arguments.tracks);
            let packets = growth::watched(subscribers, tracks, instructions::control)?;
            writeln!(table, "{packets}")?;
        }
    }
    table.flush()?;
    Ok(())
}

fn count_allocations(work: &mut dyn FnMut()) -> u64 {
    allocation_counter::measure(work).count_total
}

fn write_json<T: Serialize>(path: Option<PathBuf>, rows: &[T]) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let json = serde_json::to_string_pretty(rows)?;
    fs::write(&path, json + "\n").with_context(|| format!("{} can't be written", path.display()))
}
