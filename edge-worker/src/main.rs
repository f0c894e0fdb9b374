//! The `edge-worker` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    edge_worker::run()
}
