//! Removes what a lab made when the lab ends, however it ends.
//!
//! It is a process of its own, out of reach of what is sent to the lab's process group. It is told
//! each namespace before that is made, and works when its input ends: because the lab closed it,
//! or because the lab is dead.

use std::{
    env,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::namespace;

/// The lab's side of it.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    told: Option<ChildStdin>,
}

/// How the `lab` command is told to be a guard.
pub const COMMAND: &str = "guard";

impl Guard {
    /// Starts one.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("the guard does not start")?;
        let told = child.stdin.take();
        Ok(Self { child, told })
    }

    /// Has it remove a namespace at the end; to be said before the namespace is made.
    pub fn watch(&mut self, namespace: &str) -> Result<()> {
        let told = self.told.as_mut().context("the guard works already")?;
        writeln!(told, "{namespace}").context("the guard is gone")
    }

    /// Waits until all is removed.
    pub fn finish(&mut self) -> Result<()> {
        self.told = None;
        let status = self.child.wait()?;
        ensure!(status.success(), "the guard could not remove everything");
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // What it could not remove it has said itself.
        let _ = self.finish();
    }
}

/// What the guard's process does.
pub fn keep() -> Result<()> {
    let mut namespaces = Vec::new();
    for line in io::stdin().lock().lines() {
        namespaces.push(line?);
    }
    let mut verdict = Ok(());
    for namespace in namespaces {
        if let Err(error) = namespace::remove(&namespace) {
            verdict = Err(error.context(format!("{namespace} can't be removed")));
        }
    }
    verdict
}
