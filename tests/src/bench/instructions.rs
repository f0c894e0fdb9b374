//! Counts the instructions of a case by running it again under callgrind, which counts
//! only inside a shard's turn. Processors' own counters are hidden in virtual machines.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio, id},
};

use anyhow::{Context, Result, ensure};

use super::stage::Size;

/// Whether callgrind counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// It does.
    On,
    /// It doesn't.
    Off,
}

/// Instructions per forwarded packet.
pub fn count(size: Size) -> Result<f64> {
    let file = env::temp_dir().join(format!("bench-{}.callgrind", id()));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--instr-atstart=no", "--quiet"])
        // Else a thread that polls starves the others.
        .arg("--fair-sched=try")
        .arg("--toggle-collect=*shard*Shard*turn")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe()?)
        .args(["watched", "--subscribers", &size.subscribers.to_string()])
        .args(["--tracks", &size.tracks.to_string()])
        .stderr(Stdio::piped())
        .output()
        .context("valgrind can't be run")?;
    let said = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "under valgrind: {said}");
    let packets: usize = String::from_utf8_lossy(&run.stdout).trim().parse()?;
    let instructions = total(&file);
    // Left behind it would only take room.
    let _ = fs::remove_file(&file);
    Ok(instructions? as f64 / packets as f64)
}

/// Has callgrind, which runs this process, begin or end to count.
pub fn control(counting: Counting) -> Result<()> {
    let word = match counting {
        Counting::On => "on",
        Counting::Off => "off",
    };
    let done = Command::new("callgrind_control")
        .args(["-i", word, &id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("callgrind_control can't be run")?;
    ensure!(done.success(), "callgrind_control failed");
    Ok(())
}

fn total(file: &Path) -> Result<u64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().rev().find_map(|line| {
        line.strip_prefix("totals:")
            .or_else(|| line.strip_prefix("summary:"))
    });
    Ok(line.context("callgrind counted nothing")?.trim().parse()?)
}
