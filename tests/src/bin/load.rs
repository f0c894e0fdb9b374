//! Puts a server under load and prints what it made of it.

use std::{
    env, fs,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use e2e::{
    load::{
        client::inbox::Coalescing,
        confirm,
        run::{Plan, run},
        scenario::Scenario,
        target::Target,
    },
    tokens,
};

/// Real signalling, ICE, DTLS and SRTP by thousands of light clients in one process; a few
/// participants on an independent implementation confirm what they find.
#[derive(Debug, Parser)]
#[command(name = "tests/load", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Hidden>,
    /// What to play.
    #[arg(required = true)]
    scenario: Option<Scenario>,
    /// How many publish.
    #[arg(long)]
    publishers: Option<usize>,
    /// How many only receive.
    #[arg(long)]
    subscribers: Option<usize>,
    /// A server that runs, such as ws://127.0.0.1:7880; a node of our own if not given.
    #[arg(long)]
    url: Option<String>,
    /// That server's API key.
    #[arg(long, default_value = tokens::KEY)]
    api_key: String,
    /// Its secret.
    #[arg(long, default_value = tokens::SECRET)]
    api_secret: String,
    /// The process whose CPU and memory to read.
    #[arg(long)]
    pid: Option<u32>,
    /// Where its /metrics is, such as 127.0.0.1:9090.
    #[arg(long)]
    admin: Option<SocketAddr>,
    /// How many shards our own node has.
    #[arg(long, default_value_t = 1)]
    shards: u16,
    /// People of a room on one of its shards from which it goes on on another one.
    #[arg(long, conflicts_with = "url")]
    spread: Option<u32>,
    /// How long to measure.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Independent participants that confirm the verdict.
    #[arg(long, default_value_t = 2)]
    confirm: usize,
    /// Joins per second while the call of `churn` runs.
    #[arg(long, default_value_t = 5)]
    churn: u32,
    /// Receive without GRO.
    #[arg(long)]
    no_gro: bool,
    /// Receive with GRO, which is the default.
    #[arg(long, conflicts_with = "no_gro")]
    gro: bool,
    /// Write the report there too, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Hidden {
    /// Takes part as one of the independent participants.
    #[command(hide = true)]
    Confirm {
        #[arg(long)]
        url: String,
        #[arg(long)]
        watch: usize,
    },
}

/// One thread for signalling; the media has another.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Hidden::Confirm { url, watch }) = arguments.command {
        let token = env::var(confirm::TOKEN).context("no token")?;
        confirm::take_part(&url, &token, watch).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let scenario = arguments.scenario.context("no scenario")?;
    let (publishers, subscribers) = scenario.usual();
    let plan = Plan {
        scenario,
        publishers: arguments.publishers.unwrap_or(publishers),
        subscribers: arguments.subscribers.unwrap_or(subscribers),
        length: Duration::from_secs(arguments.seconds),
        confirming: arguments.confirm,
        coalescing: if arguments.no_gro {
            Coalescing::Off
        } else {
            Coalescing::Allowed
        },
        churn: arguments.churn,
    };
    let target = match arguments.url {
        Some(url) => Target::at(
            url,
            arguments.api_key,
            arguments.api_secret,
            arguments.pid,
            arguments.admin,
        ),
        None => Target::start(arguments.shards, arguments.spread).await?,
    };
    let report = run(plan, &target).await?;
    let mut output = io::stdout().lock();
    write!(output, "{report}")?;
    for complaint in target.complaints() {
        writeln!(output, "  server's log   {complaint}")?;
    }
    if let Some(path) = arguments.json {
        let json = serde_json::to_string_pretty(&report)?;
        fs::write(&path, json + "\n")
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    let healthy = report.joins.failed == 0
        && report.streams_missing == 0
        && report.ended.is_empty()
        && report.confirmed.iter().all(|verdict| verdict.agrees);
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
