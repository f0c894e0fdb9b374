//! Network namespaces and what is done to them with iproute2's `ip`.

use std::{
    ffi::OsStr,
    io,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Runs `ip` and answers with what it printed.
pub fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("`ip` does not start; it is in the package iproute2")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("ip {} failed: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command that runs within a namespace.
pub fn within(namespace: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

/// Ends everything that runs in a namespace of ours, and removes it. Twice does no harm.
pub fn remove(namespace: &str) -> Result<()> {
    if !exists(namespace)? {
        return Ok(());
    }
    for signal in [Signal::TERM, Signal::KILL] {
        let until = Instant::now() + PATIENCE;
        signal_all(namespace, signal)?;
        while !processes(namespace)?.is_empty() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
    }
    ip(&["netns", "delete", namespace])?;
    Ok(())
}

/// How long a program in a namespace may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

fn signal_all(namespace: &str, signal: Signal) -> Result<()> {
    for process in processes(namespace)? {
        match kill_process(process, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(io::Error::from(error)).context("can't end a program"),
        }
    }
    Ok(())
}

fn processes(namespace: &str) -> Result<Vec<Pid>> {
    let listed = ip(&["netns", "pids", namespace])?;
    let numbers = listed.split_whitespace().filter_map(|pid| pid.parse().ok());
    Ok(numbers.filter_map(Pid::from_raw).collect())
}

/// Whether there is a namespace of this name.
pub fn exists(namespace: &str) -> Result<bool> {
    let listed = ip(&["netns", "list"])?;
    let names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(names.into_iter().any(|name| name == namespace))
}
