//! Runs a benchmark and prints its table.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use e2e::bench::forward;
use serde::Serialize;

/// What a forwarded packet costs: measured on the shard's own thread, over real sockets.
#[derive(Debug, Parser)]
#[command(name = "tests/bench")]
struct Arguments {
    /// What to measure.
    name: Name,
    /// Also write the rows here.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    /// The whole path beside the limit: the same encryption and system calls alone.
    Forward,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut table = io::stdout().lock();
    match arguments.name {
        Name::Forward => {
            let rows = forward::run(count_allocations, &mut table)?;
            write_json(arguments.json, &rows)?;
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
