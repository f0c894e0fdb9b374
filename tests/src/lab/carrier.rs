//! Carries packets between the devices of each [line](super::line): the one thread that reads the clock and the devices. What to change comes by message, what was counted goes back so.

use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    thread::gettid,
};

use super::{
    line::{Lane, Line},
    report::Row,
    wish::Wish,
};

/// A handle; dropping it ends the thread.
#[derive(Debug)]
pub struct Carrier {
    orders: Sender<Order>,
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    Carry(Box<Line>),
    Change(Vec<Wish>, Sender<Result<()>>),
    Tell(Sender<Vec<Row>>),
    Stop,
}

impl Carrier {
    /// Starts the thread.
    pub fn start() -> Result<Self> {
        let (bell, rung) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        let (orders, inbox) = mpsc::channel();
        let rounds = Rounds {
            inbox,
            rung,
            lines: Vec::new(),
        };
        let thread = thread::Builder::new()
            .name("carrier".to_owned())
            .spawn(|| rounds.run())?;
        Ok(Self {
            orders,
            bell,
            thread: Some(thread),
        })
    }

    /// Takes on a link.
    pub fn carry(&self, line: Line) -> Result<()> {
        self.order(Order::Carry(Box::new(line)))
    }

    /// Changes links.
    pub fn change(&self, wishes: Vec<Wish>) -> Result<()> {
        let (answer, answered) = mpsc::channel();
        self.order(Order::Change(wishes, answer))?;
        answered.recv().context("the carrier is gone")?
    }

    /// What became of all packets, a row for each direction.
    pub fn tell(&self) -> Result<Vec<Row>> {
        let (answer, answered) = mpsc::channel();
        self.order(Order::Tell(answer))?;
        answered.recv().context("the carrier is gone")
    }

    fn order(&self, order: Order) -> Result<()> {
        self.orders
            .send(order)
            .map_err(|_| anyhow!("the carrier is gone"))?;
        // A full pipe has rung already.
        let _ = (&self.bell).write(&[0]);
        Ok(())
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let _ = self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Rounds {
    inbox: Receiver<Order>,
    rung: UnixStream,
    lines: Vec<Line>,
}

/// Ahead of everything that is measured through the links, which may keep every core busy.
const PRIORITY: u8 = 10;

#[derive(PartialEq)]
enum Next {
    Round,
    End,
}

impl Rounds {
    fn run(mut self) {
        hurry(PRIORITY);
        loop {
            if self.take_orders() == Next::End {
                return;
            }
            for line in &mut self.lines {
                line.carry();
            }
            if self.wait().is_err() {
                return;
            }
        }
    }

    fn take_orders(&mut self) -> Next {
        let mut rung = [0; 64];
        while matches!(io::Read::read(&mut self.rung, &mut rung), Ok(count) if count > 0) {}
        while let Ok(order) = self.inbox.try_recv() {
            // Whoever asked may have stopped waiting for the answer.
            match order {
                Order::Carry(line) => self.lines.push(*line),
                Order::Change(wishes, answer) => {
                    let _ = answer.send(self.change(&wishes));
                }
                Order::Tell(answer) => {
                    let lanes = self.lines.iter().flat_map(Line::lanes);
                    let _ = answer.send(lanes.flat_map(Lane::rows).collect());
                }
                Order::Stop => return Next::End,
            }
        }
        Next::Round
    }

    /// All of it or, if something names nobody, nothing.
    fn change(&mut self, wishes: &[Wish]) -> Result<()> {
        for whose in wishes.iter().filter_map(|wish| wish.whose.as_deref()) {
            let mut lanes = self.lines.iter().flat_map(Line::lanes);
            let known = lanes.any(|lane| lane.name == whose);
            known
                .then_some(())
                .with_context(|| format!("nobody here is called {whose:?}"))?;
        }
        let now = Instant::now();
        for line in &mut self.lines {
            line.change(now, |name, both| {
                let mut its = wishes.iter().filter(|wish| wish.is_for(name));
                its.try_for_each(|wish| wish.apply(both))
            })?;
        }
        Ok(())
    }

    /// Until a packet comes, one is due, or the bell rings. A link whose device somebody took away
    /// is given up: it would never be silent again.
    fn wait(&mut self) -> io::Result<()> {
        let deadline = self.lines.iter().filter_map(Line::deadline).min();
        let wait = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        let mut fds = vec![PollFd::new(&self.rung, PollFlags::IN)];
        for line in &self.lines {
            fds.push(PollFd::new(&line.hub.0, PollFlags::IN));
            fds.push(PollFd::new(&line.client.0, PollFlags::IN));
        }
        match poll(&mut fds, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let broken = |fd: &PollFd<'_>| fd.revents().intersects(PollFlags::ERR | PollFlags::NVAL);
        let lost: Vec<_> = fds[1..]
            .chunks(2)
            .map(|ends| ends.iter().any(broken))
            .collect();
        let mut lost = lost.into_iter();
        self.lines.retain(|_| lost.next() == Some(false));
        Ok(())
    }
}

/// Asks for this thread, and those it starts from now on, to run whenever they have something to
/// do; who has more of it goes first. Without, the machine adds more to the delay, and the report
/// says how much.
pub fn hurry(priority: u8) {
    let thread = gettid().as_raw_nonzero().to_string();
    let _ = Command::new("chrt")
        .args(["--fifo", "--pid", &priority.to_string(), &thread])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn timespec(wait: Duration) -> Timespec {
    Timespec::try_from(wait).unwrap_or(Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    })
}
