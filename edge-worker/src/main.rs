//! An edge node: SFU rooms for the people near it, in the LiveKit protocol.

mod cli;
mod config;
mod directory;
mod http;
mod ids;
mod logs;
mod metrics;
mod node;
mod shard;
mod signal;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
