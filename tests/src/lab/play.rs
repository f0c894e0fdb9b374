//! A lab's life: answers requests until its command ends, its input ends or somebody stops it.

use std::{
    future::pending,
    io::{self, Write},
    process::{Child, ExitStatus},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    time::{Interval, interval},
};

use super::{
    Lab,
    control::{Request, answer},
    report::Row,
    wish::Way,
};

/// Why a lab ended.
#[derive(Debug)]
pub enum Ended {
    /// The command that ran in it did.
    Command(ExitStatus),
    /// Nobody can ask anything any more.
    Input,
    /// By a signal.
    Stopped,
}

/// Plays until the end; `every` so often it tells how it goes.
pub async fn play(
    lab: &mut Lab,
    mut requests: mpsc::Receiver<Request>,
    command: Option<Child>,
    every: Option<Duration>,
) -> Result<Ended> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut command = command.map(waited);
    let mut ticks = every.map(interval);
    let mut progress = Progress::default();
    loop {
        // Ends before requests: a lab that is to end answers nobody any more.
        select! {
            biased;
            _ = terminate.recv() => return Ok(Ended::Stopped),
            _ = interrupt.recv() => return Ok(Ended::Stopped),
            ended = ended(&mut command) => return Ok(Ended::Command(ended?)),
            () = tick(&mut ticks) => progress.tell(&lab.report()?, every)?,
            request = requests.recv() => match request {
                None => return Ok(Ended::Input),
                Some((line, reply)) => {
                    // Whoever asked may be gone.
                    let _ = reply.send(answer(lab, &line));
                }
            },
        }
    }
}

/// A thread waits for it: nothing else can, without polling.
fn waited(mut child: Child) -> oneshot::Receiver<io::Result<ExitStatus>> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || tell.send(child.wait()));
    told
}

async fn ended(
    command: &mut Option<oneshot::Receiver<io::Result<ExitStatus>>>,
) -> Result<ExitStatus> {
    match command {
        Some(told) => Ok(told.await.context("nobody waits for the command")??),
        None => pending().await,
    }
}

async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => pending().await,
    }
}

/// What was told last, so that only news is told.
#[derive(Debug, Default)]
struct Progress {
    before: Vec<Row>,
}

impl Progress {
    /// One line for each link, on standard error: the output is the command's.
    fn tell(&mut self, rows: &[Row], every: Option<Duration>) -> io::Result<()> {
        let seconds = every.map_or(1.0, |every| every.as_secs_f64());
        let mut output = io::stderr().lock();
        for (row, before) in rows.iter().zip(&self.before) {
            if row.way == Way::Down {
                write!(output, "{:<12}", row.name)?;
            }
            let kbit = (row.delivered_bytes - before.delivered_bytes) as f64 * 8e-3 / seconds;
            let lost = row.dropped.values().sum::<u64>() - before.dropped.values().sum::<u64>();
            write!(
                output,
                "  {} {kbit:7.0} kbit/s, {lost:4} dropped",
                row.way.word()
            )?;
            if row.way == Way::Up {
                writeln!(output)?;
            }
        }
        self.before = rows.to_vec();
        Ok(())
    }
}
