//! The command line: what an operator types. `pki` and the table of links are an edge worker's, too.

mod pki;
mod table;

pub use pki::PkiCommand;
pub use table::LinksArgs;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::{hub, logs};

/// A hub of the relay between nodes: passes on rooms that it does not host.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run as configured; SIGTERM lets neighbours take other ways first, SIGHUP reads files anew
    Run {
        /// Settings in TOML; RELAY_* variables override them (RELAY_ADMIN__PORT is admin.port)
        #[arg(long)]
        config: PathBuf,
    },
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Show a node's links
    Status(LinksArgs),
    /// Make a private CA, and certificates for nodes
    Pki {
        #[command(subcommand)]
        command: PkiCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether a hub could start with this file and environment
    Check {
        /// Settings in TOML
        file: PathBuf,
    },
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run { config } => start(config),
        Command::Config {
            command: ConfigCommand::Check { file },
        } => check(&file).map(|summary| say(&summary)),
        Command::Status(args) => args.table().map(|table| say(&table)),
        Command::Pki { command } => command.run().map(|made| say(&made)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logging may not have started: this is the last word in any case.
            let _ = writeln!(std::io::stderr(), "relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(file: PathBuf) -> anyhow::Result<()> {
    let config = Config::from_file(&file)?;
    logs::start(&config.log)?;
    // Most of a hub's work is one task's: more threads only hand packets to and fro.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(hub::run(config, file))
}

fn check(file: &std::path::Path) -> anyhow::Result<String> {
    let config = Config::from_file(file)?;
    let credentials = config.files.read().context("tls")?;
    let neighbours: Vec<_> = config
        .neighbours
        .iter()
        .map(|neighbour| format!("{} at {}", neighbour.node, neighbour.address))
        .collect();
    Ok(format!(
        "good\n  node        {}\n  relay       {} (UDP)\n  admin       {} (TCP)\n  neighbours  {}",
        credentials.identity,
        config.bind,
        config.admin,
        if neighbours.is_empty() {
            "none: it waits for others".to_owned()
        } else {
            neighbours.join(", ")
        },
    ))
}

/// Prints for people and pipes; a closed pipe is not our error.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
