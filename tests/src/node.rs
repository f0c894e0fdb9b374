//! One edge worker in development mode, on ports of its own.
//!
//! It lives as long as its [`Node`]; what it printed last is shown when a test fails.

use std::{
    collections::VecDeque,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    http,
    metrics::Metrics,
    until::{PATIENCE, until},
};

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    child: Child,
    http: SocketAddr,
    admin: SocketAddr,
    shards: Vec<SocketAddr>,
    log: Log,
}

/// What a test may want to be different.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// How many shards, and so UDP ports.
    pub shards: u16,
    /// Further environment, such as a log filter.
    pub environment: Vec<(String, String)>,
    /// How many files and sockets it may have open.
    pub files: Option<u32>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            shards: 1,
            environment: Vec::new(),
            files: None,
        }
    }
}

/// The lines a process printed, newest last. Two reader threads write it and the test
/// reads it: there is no loop of ours that could own it.
type Log = Arc<Mutex<VecDeque<String>>>;

impl Node {
    /// A node with one shard.
    pub async fn start() -> Result<Self> {
        Self::start_with(NodeOptions::default()).await
    }

    /// Starts a node and waits until it is ready.
    pub async fn start_with(options: NodeOptions) -> Result<Self> {
        let http = free_tcp()?;
        let admin = free_tcp()?;
        let shards = free_udp(options.shards)?;
        let mut child = command(options.files)?
            .arg("dev")
            .env("EDGE_HTTP__PORT", http.port().to_string())
            .env("EDGE_ADMIN__PORT", admin.port().to_string())
            .env("EDGE_RTC__UDP_PORT", shards[0].port().to_string())
            // One port for both: the first byte tells them apart.
            .env("EDGE_RTC__TCP_PORT", http.port().to_string())
            .env("EDGE_RTC__SHARDS", options.shards.to_string())
            .envs(options.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("the edge worker does not start")?;
        let log = Log::default();
        read(child.stdout.take(), &log);
        read(child.stderr.take(), &log);
        let mut node = Self {
            child,
            http,
            admin,
            shards,
            log,
        };
        node.ready().await?;
        Ok(node)
    }

    async fn ready(&mut self) -> Result<()> {
        let admin = self.admin;
        let child = &mut self.child;
        let answer = until("/readyz to say 200", PATIENCE, || {
            let ended = child.try_wait().ok().flatten();
            async move {
                if ended.is_some() {
                    return Some(Err(ended));
                }
                let answer = http::get(admin, "/readyz").await.ok()?;
                (answer.status == 200).then_some(Ok(()))
            }
        })
        .await;
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ended)) => bail!("the edge worker ended: {ended:?}\n{}", self.tail()),
            Err(error) => Err(error.context(self.tail())),
        }
    }

    /// Where clients' HTTP and WebSockets go.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where `/readyz` and `/metrics` are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Each shard's UDP address.
    pub fn shards(&self) -> &[SocketAddr] {
        &self.shards
    }

    /// What a client's app calls the server's URL.
    pub fn url(&self) -> String {
        format!("ws://{}", self.http)
    }

    /// Reads `/metrics`.
    pub async fn metrics(&self) -> Result<Metrics> {
        let answer = http::get(self.admin, "/metrics").await?;
        ensure!(answer.status == 200, "/metrics says {}", answer.status);
        Ok(Metrics::parse(&answer.body))
    }

    /// Everything it printed so far, as far as that is kept.
    pub fn log(&self) -> Vec<String> {
        lock(&self.log).iter().cloned().collect()
    }

    /// Its last lines.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines = &log[log.len().saturating_sub(TAIL)..];
        format!(
            "--- the edge worker's last lines:\n{}\n---",
            lines.join("\n")
        )
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process, to look up in `/proc`.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> Result<()> {
        self.signal("-TERM")
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) -> Result<()> {
        self.signal("-HUP")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("kill")
            .arg(signal)
            .arg(self.child.id().to_string())
            .status()?;
        ensure!(sent.success(), "the edge worker can't be signalled");
        Ok(())
    }

    /// Waits for its end.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        until("the edge worker to end", limit, || {
            let ended = child.try_wait().ok().flatten();
            async move { ended }
        })
        .await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // An error here means that it has ended already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.tail());
        }
    }
}

/// The binary under test, with so many files at most.
fn command(files: Option<u32>) -> Result<Command> {
    let Some(files) = files else {
        return Ok(Command::new(binary()?));
    };
    // It becomes the binary, under the same process id.
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--nofile={files}:{files}"))
        .arg(binary()?);
    Ok(command)
}

/// The binary under test: `EDGE_WORKER`, or what was built beside this test.
pub fn binary() -> Result<PathBuf> {
    beside("EDGE_WORKER", "edge-worker")
}

/// The command that takes part in a call.
pub fn rust_peer() -> Result<PathBuf> {
    beside("RUST_PEER", "rust-peer")
}

fn beside(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Ok(path.into());
    }
    let test = env::current_exe()?;
    let found = test
        .ancestors()
        .skip(1)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!(
            "no `{name}` beside {}: cargo build --workspace --bins, or set {variable}",
            test.display()
        )
    })
}

fn free_tcp() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// `count` free ports in a row, below those the kernel gives away by itself.
pub(crate) fn free_udp(count: u16) -> Result<Vec<SocketAddr>> {
    for _ in 0..100 {
        let first = rand::random_range(12_000..30_000_u16);
        let row: Vec<SocketAddr> = (first..first + count)
            .map(|port| (Ipv4Addr::LOCALHOST, port).into())
            .collect();
        if row
            .iter()
            .map(UdpSocket::bind)
            .collect::<Result<Vec<_>, _>>()
            .is_ok()
        {
            return Ok(row);
        }
    }
    bail!("no {count} free UDP ports in a row")
}

fn read(output: Option<impl Read + Send + 'static>, log: &Log) {
    let Some(output) = output else { return };
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut log = lock(&log);
            if log.len() == KEPT {
                log.pop_front();
            }
            log.push_back(line);
        }
    });
}

fn lock(log: &Log) -> std::sync::MutexGuard<'_, VecDeque<String>> {
    // A reader that panicked leaves lines that are whole.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enough for a test at `debug`; a worker that logs without end must not fill the memory.
const KEPT: usize = 20_000;
const TAIL: usize = 60;
