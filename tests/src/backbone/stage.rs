//! Starts nodes where they belong, and tells them what to do.

use std::{
    env,
    io::{BufRead, BufReader, Lines, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    fabric::Authority,
    figures::Figures,
    node,
    order::{Answer, LayerName, Nanos, Order, Part, Report, Role, Seen, Span, now},
    sources::Source,
};
use crate::lab::{Lab, namespace::within};

/// The nodes of one trial, and the network they are on.
#[derive(Debug)]
pub struct Stage {
    // Nodes end before their network.
    nodes: Vec<Node>,
    authority: Authority,
    lab: Option<Lab>,
}

/// One node, as it is to be.
#[derive(Debug)]
pub struct Cast {
    /// Its name: of two nodes that with the name that comes first dials.
    pub name: &'static str,
    /// In which network namespace; none: this machine's own.
    pub namespace: Option<String>,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Whom it dials.
    pub neighbours: Vec<(&'static str, SocketAddr)>,
    /// What it is for.
    pub role: Role,
    /// What its lines are taken for at first, in kbit/s.
    pub start: u64,
}

/// What lines are taken for where nobody says anything else, in kbit/s.
pub const START: u64 = 50_000;

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

/// A node's process that waits to be told what to be.
#[derive(Debug)]
pub struct Waiting {
    part: String,
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

/// Who publishes what, and who has it.
#[derive(Clone, Debug)]
pub struct Show {
    /// The room.
    pub room: &'static str,
    /// Who publishes.
    pub from: &'static str,
    /// Who listens.
    pub to: &'static str,
    /// What is published.
    pub sources: Vec<Source>,
}

/// Nothing in a trial takes longer to begin.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often one looks whether it has begun.
const LOOK: Duration = Duration::from_millis(20);
/// An answer is written at once, but a report is long.
const SETTLED: Duration = Duration::from_millis(300);

impl Stage {
    /// On this machine alone.
    pub fn on_loopback() -> Result<Self> {
        Ok(Self {
            nodes: Vec::new(),
            authority: Authority::new()?,
            lab: None,
        })
    }

    /// On a network whose chance begins with `seed`.
    pub fn in_lab(seed: u64) -> Result<Self> {
        Ok(Self {
            lab: Some(Lab::start(seed)?),
            ..Self::on_loopback()?
        })
    }

    /// The network.
    pub fn lab(&mut self) -> Result<&mut Lab> {
        self.lab.as_mut().context("this stage has no network")
    }

    /// Starts a node; those it dials must be there.
    pub fn start(&mut self, cast: Cast) -> Result<SocketAddr> {
        let node = self.prepare(cast)?.begin()?;
        let address = node.address;
        self.nodes.push(node);
        Ok(address)
    }

    /// Starts a node's process, which does not take part yet.
    pub fn prepare(&self, cast: Cast) -> Result<Waiting> {
        let program = env::current_exe()?;
        let mut command = match &cast.namespace {
            Some(namespace) => within(namespace, program),
            None => Command::new(program),
        };
        let neighbours = cast.neighbours.into_iter();
        let part = Part {
            papers: self.authority.papers(cast.name)?,
            bind: cast.bind,
            neighbours: neighbours.map(|(name, at)| (name.to_owned(), at)).collect(),
            role: cast.role,
            start: cast.start,
        };
        let mut child = command
            .arg(node::COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a node does not start")?;
        Ok(Waiting {
            part: serde_json::to_string(&part)?,
            name: cast.name,
            input: child.stdin.take().context("it is piped")?,
            output: child.stdout.take().context("it is piped")?,
            child,
        })
    }

    /// A node that was prepared takes part from now on.
    pub fn admit(&mut self, waiting: Waiting) -> Result<()> {
        self.nodes.push(waiting.begin()?);
        Ok(())
    }

    /// Ends a node as if it had crashed.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let index = self.nodes.iter().position(|node| node.name == name);
        let mut node = self
            .nodes
            .remove(index.with_context(|| format!("no {name}"))?);
        node.child.kill()?;
        Ok(())
    }

    /// A node by its name.
    pub fn node(&mut self, name: &str) -> Result<&mut Node> {
        let found = self.nodes.iter_mut().find(|node| node.name == name);
        found.with_context(|| format!("no node is called {name}"))
    }

    /// Changes the network, in the words of the lab.
    pub fn change(&mut self, changes: &str) -> Result<()> {
        let wishes = super::trial::wishes(changes)?;
        self.lab()?.change(wishes)
    }

    /// Begins a show, and waits until all of it comes.
    pub fn begin(&mut self, show: &Show) -> Result<()> {
        let room = || show.room.to_owned();
        for name in [show.from, show.to] {
            self.node(name)?.tell(&Order::Host(room()))?;
        }
        self.node(show.from)?.tell(&Order::Publish {
            room: room(),
            sources: show.sources.clone(),
        })?;
        let tracks = show.sources.len();
        self.node(show.to)?
            .until("the tracks are known", |seen| seen.tracks >= tracks)?;
        let layers = show.layers();
        self.node(show.to)?.tell(&Order::Want(layers.clone()))?;
        self.node(show.to)?
            .until("all layers come", |seen| seen.coming >= layers.len())?;
        Ok(())
    }

    /// Watches a show for `length`, from a moment on that has not come yet; meanwhile does what
    /// `acts` say, each so long after the beginning. What comes later than `in_time` is late.
    pub fn watch(
        &mut self,
        shows: &[Show],
        length: Duration,
        in_time: Duration,
        acts: &mut [(Duration, Act<'_>)],
    ) -> Result<Vec<Watched>> {
        let from = now() + nanos(SETTLED);
        let span = Span {
            from,
            until: from + nanos(length),
            in_time: nanos(in_time),
        };
        for node in &mut self.nodes {
            node.tell(&Order::Count(span))?;
        }
        for (after, act) in acts {
            sleep_until(span.from + nanos(*after));
            act(self)?;
        }
        sleep_until(span.until + nanos(in_time.min(PATIENCE)) + nanos(SETTLED));
        let of = |show: &Show| {
            let from = self.node(show.from)?.report()?;
            let to = self.node(show.to)?.report()?;
            Ok(Watched {
                figures: Figures::of(&show.sources, &from, &to),
                from,
                to,
            })
        };
        shows.iter().map(of).collect()
    }
}

/// Something that happens in a trial.
pub type Act<'a> = &'a mut dyn FnMut(&mut Stage) -> Result<()>;

/// What was seen of a show.
#[derive(Debug)]
pub struct Watched {
    /// Sent and come, together.
    pub figures: Figures,
    /// As who published has it.
    pub from: Report,
    /// As who listened has it.
    pub to: Report,
}

impl Show {
    /// All layers of all tracks.
    pub fn layers(&self) -> Vec<LayerName> {
        let of = |source: &Source| {
            let layers = 0..source.layers.len() as u8;
            let name = |layer| self.layer(&source.track, layer);
            layers.map(name).collect::<Vec<_>>()
        };
        self.sources.iter().flat_map(of).collect()
    }

    /// One layer of a track.
    pub fn layer(&self, track: &str, layer: u8) -> LayerName {
        LayerName {
            room: self.room.to_owned(),
            track: track.to_owned(),
            layer,
        }
    }
}

impl Waiting {
    /// Tells the process what to be, and waits until it is.
    fn begin(self) -> Result<Node> {
        let mut node = Node {
            name: self.name,
            address: SocketAddr::from(([0; 4], 0)),
            child: self.child,
            input: Some(self.input),
            output: BufReader::new(self.output).lines(),
        };
        let Answer::Here(address) = node.exchange(&self.part)? else {
            bail!("{} does not say where it is", self.name);
        };
        node.address = address;
        Ok(node)
    }
}

impl Node {
    /// Tells it something.
    pub fn tell(&mut self, order: &Order) -> Result<()> {
        let Answer::Done = self.ask(order)? else {
            bail!("{} answers something else", self.name);
        };
        Ok(())
    }

    /// What it sees.
    pub fn look(&mut self) -> Result<Seen> {
        let Answer::Seen(seen) = self.ask(&Order::Look)? else {
            bail!("{} answers something else", self.name);
        };
        Ok(seen)
    }

    /// What it counted.
    pub fn report(&mut self) -> Result<Report> {
        let Answer::Report(report) = self.ask(&Order::Report)? else {
            bail!("{} answers something else", self.name);
        };
        Ok(*report)
    }

    /// When each packet of these layers came.
    pub fn arrivals(&mut self, layers: Vec<LayerName>) -> Result<Vec<Vec<(u32, Nanos)>>> {
        let Answer::Arrivals(arrivals) = self.ask(&Order::Arrivals(layers))? else {
            bail!("{} answers something else", self.name);
        };
        Ok(arrivals)
    }

    /// Looks until `is_it`.
    pub fn until(&mut self, what: &str, is_it: impl Fn(&Seen) -> bool) -> Result<Seen> {
        let deadline = now() + nanos(PATIENCE);
        loop {
            let seen = self.look()?;
            if is_it(&seen) {
                return Ok(seen);
            }
            ensure!(
                now() < deadline,
                "{} waited in vain until {what}: {seen:?}",
                self.name
            );
            thread::sleep(LOOK);
        }
    }

    fn ask(&mut self, order: &Order) -> Result<Answer> {
        self.exchange(&serde_json::to_string(order)?)
    }

    fn exchange(&mut self, line: &str) -> Result<Answer> {
        let input = self.input.as_mut().context("it has ended")?;
        writeln!(input, "{line}").with_context(|| format!("{} is gone", self.name))?;
        let answer = self.output.next();
        let answer = answer.with_context(|| format!("{} is gone", self.name))??;
        let answer = serde_json::from_str(&answer)?;
        if let Answer::Failed(why) = &answer {
            bail!("{}: {why}", self.name);
        }
        Ok(answer)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It ends with its input; whoever was killed has ended already.
        self.input = None;
        let _ = self.child.wait();
    }
}

/// So many.
pub fn nanos(time: Duration) -> Nanos {
    time.as_nanos() as Nanos
}

/// Sleeps until then.
pub fn sleep_until(at: Nanos) {
    thread::sleep(Duration::from_nanos(at.saturating_sub(now())));
}
