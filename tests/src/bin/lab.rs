//! The network lab as a command: programs, and whole calls, on networks as poor as one likes.

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::{Child, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use e2e::backbone::{node, scenarios};
use e2e::lab::{
    Lab,
    control::{self, Input},
    crowd::{self, Scenario},
    emulator::conditions::Conditions,
    guard,
    measure::{self, End, Flow},
    missing,
    namespace::within,
    network::Network,
    play::{Ended, play},
    report::Table,
    wish::{REBIND, Wish},
};
use e2e::load::crowd::{Plan, attend};
use serde::Serialize;

/// Clients in network namespaces of their own, on links that behave like networks we choose.
#[derive(Debug, Parser)]
#[command(name = "tests/lab")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs a command behind a link: tests/lab run --network 3g -- ping -c 5 198.18.0.1
    Run(Run),
    /// Makes clients as it is told, line by line: add NAME [CHANGE...], set CHANGE..., show
    Serve {
        /// Equal seeds have equal luck.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Changes links of a lab that runs: tests/lab set down.rate=5mbit blackhole=on
    Set {
        /// Which lab, if several run.
        #[arg(long)]
        lab: Option<u8>,
        /// `[NAME.][down.|up.]WHAT=VALUE`
        #[arg(required = true)]
        changes: Vec<String>,
    },
    /// Shows what became of the packets of a lab that runs.
    Show {
        /// Which lab, if several run.
        #[arg(long)]
        lab: Option<u8>,
    },
    /// Measures a link by a flow of datagrams each way.
    Measure(Measure),
    /// Has rooms cross lines between cities, as bad as they get: B1 to B12, or only those named.
    Backbone {
        /// Such as B4.
        names: Vec<String>,
        /// Says what there is.
        #[arg(long)]
        list: bool,
    },
    /// Has a crowd join lessons over thin lines: rural, peak, or both.
    Crowd {
        /// Such as rural.
        names: Vec<String>,
        /// Fewer than there would be, or more.
        #[arg(long)]
        people: Option<usize>,
        /// How long they listen.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Names the networks and what can be changed.
    Networks,
    /// Says whether a lab can be had here; exit status 3 if not.
    Check,
    #[command(name = guard::COMMAND, hide = true)]
    Guard,
    #[command(name = node::COMMAND, hide = true)]
    Node,
    #[command(name = crowd::COMMAND, hide = true)]
    Attend(Plan),
    #[command(name = measure::COMMAND, hide = true)]
    Flow {
        end: End,
        address: SocketAddr,
        flow: String,
    },
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    link: Link,
    /// What the client is called.
    #[arg(long, default_value = "client")]
    name: String,
    /// Tell on standard error how it goes, so often.
    #[arg(long, value_name = "SECONDS")]
    progress: Option<f64>,
    /// What to run. LAB_HUB is this machine's address, LAB_ADDRESS the client's.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(Debug, Args)]
struct Measure {
    #[command(flatten)]
    link: Link,
    /// Datagrams each way.
    #[arg(long, default_value_t = 500)]
    count: u32,
    /// Milliseconds from one to the next.
    #[arg(long, default_value_t = 10.0)]
    every: f64,
    /// Bytes of each, headers included.
    #[arg(long, default_value_t = 200)]
    size: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a link is; later options change what earlier ones, in this order, say.
#[derive(Debug, Args)]
struct Link {
    /// A network by its name; `tests/lab networks` has them.
    #[arg(long)]
    network: Option<String>,
    /// Rate towards the client, such as 300kbit.
    #[arg(long, value_name = "RATE")]
    down: Option<String>,
    /// Rate from the client.
    #[arg(long, value_name = "RATE")]
    up: Option<String>,
    /// Each way, such as 200ms.
    #[arg(long)]
    delay: Option<String>,
    /// How far the delay varies either way, such as 50ms.
    #[arg(long)]
    jitter: Option<String>,
    /// Such as 2%.
    #[arg(long)]
    loss: Option<String>,
    /// Share lost and packets in a burst, such as 2%/8.
    #[arg(long)]
    burst: Option<String>,
    /// Share and how late, such as 1%/30ms.
    #[arg(long)]
    reorder: Option<String>,
    /// What waits before the slowest hop, such as 300ms or 64kB.
    #[arg(long)]
    queue: Option<String>,
    /// Anything, as `tests/lab set` takes it, such as down.loss=5%.
    #[arg(long = "set", value_name = "CHANGE")]
    changes: Vec<String>,
    /// Equal seeds have equal luck.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Link {
    fn wishes(&self) -> Result<Vec<Wish>> {
        let options = [
            ("network", &self.network),
            ("down.rate", &self.down),
            ("up.rate", &self.up),
            ("delay", &self.delay),
            ("jitter", &self.jitter),
            ("loss", &self.loss),
            ("burst", &self.burst),
            ("reorder", &self.reorder),
            ("queue", &self.queue),
        ];
        let options = options
            .iter()
            .filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")));
        options
            .chain(self.changes.iter().cloned())
            .map(|change| Ok(Wish::read(&change)?))
            .collect()
    }
}

fn main() -> ExitCode {
    match start(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell if that fails.
            let _ = writeln!(io::stderr(), "tests/lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Nodes have a runtime as hubs have it; all else is one thread's work.
fn start(task: Task) -> Result<ExitCode> {
    if let Task::Node = task {
        return node::run().map(|()| ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(perform(task))
}

async fn perform(task: Task) -> Result<ExitCode> {
    match task {
        Task::Run(run) => run.run().await,
        Task::Serve { seed } => serve(seed).await,
        Task::Set { lab, changes } => {
            tell(&control::send(lab, &format!("set {}", changes.join(" ")))?)
        }
        Task::Show { lab } => tell(&control::send(lab, "show")?),
        Task::Measure(measure) => measure.run(),
        Task::Backbone { list: true, .. } => list_scenarios(),
        Task::Backbone { names, .. } => backbone(&names),
        Task::Crowd {
            names,
            people,
            seconds,
        } => gather(&names, people, Duration::from_secs(seconds)).await,
        Task::Attend(plan) => {
            let attendance = attend(&plan).await?;
            writeln!(io::stdout(), "{}", serde_json::to_string(&attendance)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Networks => networks(),
        Task::Check => match missing() {
            None => Ok(ExitCode::SUCCESS),
            Some(why) => {
                writeln!(io::stdout(), "{why}")?;
                Ok(ExitCode::from(SKIPPED))
            }
        },
        Task::Node => anyhow::bail!("a node has a runtime of its own"),
        Task::Guard => guard::keep().map(|()| ExitCode::SUCCESS),
        Task::Flow { end, address, flow } => {
            measure::take_part(end, address, &flow).map(|()| ExitCode::SUCCESS)
        }
    }
}

/// As `tests/run` understands it.
const SKIPPED: u8 = 3;
/// What a shell answers for a program that was stopped.
const STOPPED: u8 = 130;

impl Run {
    async fn run(self) -> Result<ExitCode> {
        let wishes = self.link.wishes()?;
        let mut lab = lab(self.link.seed)?;
        let client = lab.add(&self.name, &wishes)?;
        let (program, arguments) = self.command.split_first().context("no command")?;
        let child: Child = within(&client.namespace, program)
            .args(arguments)
            .env("LAB_HUB", client.hub.to_string())
            .env("LAB_ADDRESS", client.address.to_string())
            .spawn()
            .context("the command does not start")?;
        let requests = control::listen(&lab, Input::Others)?;
        let every = self
            .progress
            .map(|seconds| Duration::from_secs_f64(seconds.max(0.1)));
        let ended = play(&mut lab, requests, Some(child), every).await;
        let rows = lab.report()?;
        lab.close()?;
        write!(io::stderr(), "\n{}", Table(&rows))?;
        Ok(match ended? {
            Ended::Command(status) => {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                ExitCode::from(code.unwrap_or(STOPPED))
            }
            Ended::Input | Ended::Stopped => ExitCode::from(STOPPED),
        })
    }
}

/// What `serve` says first.
#[derive(Debug, Serialize)]
struct Greeting {
    lab: u8,
    hub: String,
}

async fn serve(seed: u64) -> Result<ExitCode> {
    let mut lab = lab(seed)?;
    let greeting = Greeting {
        lab: lab.number(),
        hub: lab.hub().to_string(),
    };
    writeln!(io::stdout(), "{}", serde_json::to_string(&greeting)?)?;
    let requests = control::listen(&lab, Input::Commands)?;
    let ended = play(&mut lab, requests, None, None).await;
    lab.close()?;
    ended.map(|_| ExitCode::SUCCESS)
}

impl Measure {
    fn run(self) -> Result<ExitCode> {
        let wishes = self.link.wishes()?;
        let mut lab = lab(self.link.seed)?;
        let client = lab.add("client", &wishes)?;
        let flow = Flow {
            count: self.count,
            every: self.every / 1e3,
            size: self.size,
        };
        let found = measure::measure(&client, flow)?;
        let rows = lab.report()?;
        lab.close()?;
        let mut output = io::stdout().lock();
        if self.json {
            writeln!(output, "{}", serde_json::to_string(&found)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        for (row, found) in rows.iter().zip([&found.down, &found.up]) {
            writeln!(
                output,
                "{:<5} {}\n      found {:.1} kbit/s, lost {:.2} % (at most {} in a row), delay {:.1} ms ({:.1} to {:.1}), {} out of order",
                row.way.word(),
                row.conditions,
                found.rate / 1e3,
                found.lost * 100.0,
                found.longest_gap,
                found.delay_ms.mean,
                found.delay_ms.least,
                found.delay_ms.most,
                found.out_of_order,
            )?;
        }
        write!(output, "\n{}", Table(&rows))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn lab(seed: u64) -> Result<Lab> {
    if let Some(why) = missing() {
        anyhow::bail!(why);
    }
    Lab::start(seed)
}

fn tell(answer: &str) -> Result<ExitCode> {
    io::stdout().write_all(answer.as_bytes())?;
    let refused = answer.starts_with("{\"error\"");
    Ok(ExitCode::from(u8::from(refused)))
}

fn backbone(names: &[String]) -> Result<ExitCode> {
    let mut output = io::stdout().lock();
    if let Some(why) = missing() {
        writeln!(output, "SKIP: {why}")?;
        return Ok(ExitCode::from(SKIPPED));
    }
    let rows = scenarios::run(names, &mut output)?;
    let held = rows.iter().filter(|row| row.holds).count();
    writeln!(output, "{held} of {} hold", rows.len())?;
    Ok(ExitCode::from(u8::from(held < rows.len())))
}

async fn gather(names: &[String], people: Option<usize>, length: Duration) -> Result<ExitCode> {
    let mut output = io::stdout().lock();
    if let Some(why) = missing() {
        writeln!(output, "SKIP: {why}")?;
        return Ok(ExitCode::from(SKIPPED));
    }
    let wanted = names.iter().map(|name| Scenario::named(name));
    let mut wanted = wanted.collect::<Result<Vec<_>>>()?;
    if wanted.is_empty() {
        wanted.extend(crowd::ALL);
    }
    let mut held = 0;
    for scenario in &wanted {
        held += usize::from(scenario.play(people, length, &mut output).await?);
    }
    writeln!(output, "{held} of {} hold", wanted.len())?;
    Ok(ExitCode::from(u8::from(held < wanted.len())))
}

fn list_scenarios() -> Result<ExitCode> {
    let mut output = io::stdout().lock();
    for scenario in scenarios::ALL {
        writeln!(output, "{:<4} {}", scenario.name, scenario.about)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn networks() -> Result<ExitCode> {
    let mut output = io::stdout().lock();
    for network in Network::all() {
        writeln!(output, "{:<11} {}", network.name, network.about)?;
    }
    writeln!(
        output,
        "\nto change, as in down.rate=5mbit: {}; of the link as a whole: network, {REBIND}",
        Conditions::KEYS.join(", ")
    )?;
    Ok(ExitCode::SUCCESS)
}
