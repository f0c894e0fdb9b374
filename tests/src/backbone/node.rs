//! A node of the relay as a process: does what it is told on standard input, and answers on
//! standard output. It ends with its input.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::Sender,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{Instant, interval_at},
};

use super::{
    fabric::{Fabric, Is, Notice, Notices},
    order::{Answer, LayerName, Nanos, Order, Part, Report, Seen, now},
    packet::Stamp,
    publisher::{self, Wish},
    rival,
    tally::Tally,
};
use crate::lab::carrier::hurry;

/// How a command of ours is told to be a node.
pub const COMMAND: &str = "relay-node";

/// Before what else this machine does: a node of a real backbone has one to itself. The network
/// goes before its nodes.
const PRIORITY: u8 = 5;

/// What the process does, with as many threads as a hub has.
pub fn run() -> Result<()> {
    hurry(PRIORITY);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(take_part())
}

async fn take_part() -> Result<()> {
    let mut lines = io::stdin().lock().lines();
    let first = lines.next().context("nobody said what to be")??;
    let part: Part = serde_json::from_str(&first)?;
    let (fabric, notices) = Fabric::start(&part)?;
    say(&Answer::Here(fabric.address()))?;
    drop(lines);
    let fabric = Arc::new(fabric);
    let node = Node {
        name: part.papers.node,
        publisher: publisher::start(fabric.clone())?,
        fabric,
        notices,
        layers: Vec::new(),
        seen: Seen::default(),
        tracks: BTreeSet::new(),
        feeds: BTreeSet::new(),
        pinging: None,
        pings_us: Vec::new(),
        pinged: 0,
        drained: Arc::new(AtomicU64::new(0)),
    };
    node.run(orders()).await
}

struct Node {
    name: String,
    fabric: Arc<Fabric>,
    notices: Notices,
    publisher: Sender<Wish>,
    /// By the numbers they were wanted by.
    layers: Vec<Tally>,
    seen: Seen,
    tracks: BTreeSet<(String, String)>,
    feeds: BTreeSet<LayerName>,
    pinging: Option<(String, Duration)>,
    pings_us: Vec<u32>,
    pinged: u32,
    drained: Arc<AtomicU64>,
}

/// Orders as they are read; a thread, for nothing else ends a blocking read but the process's end.
fn orders() -> mpsc::Receiver<String> {
    let (orders, inbox) = mpsc::channel(16);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if orders.blocking_send(line).is_err() {
                return;
            }
        }
    });
    inbox
}

fn say(answer: &Answer) -> Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, answer)?;
    writeln!(output)?;
    output.flush()?;
    Ok(())
}

impl Node {
    async fn run(mut self, mut orders: mpsc::Receiver<String>) -> Result<()> {
        let day = Duration::from_secs(86_400);
        let mut pings = interval_at(Instant::now() + day, day);
        loop {
            select! {
                // Media first: it is what is measured.
                biased;
                notice = self.notices.next() => match notice {
                    Some(notice) => self.heed(notice).await,
                    None => return Ok(()),
                },
                _ = pings.tick() => self.ping().await,
                order = orders.recv() => {
                    let Some(order) = order else { return Ok(()) };
                    let before = self.pinging.is_some();
                    let answer = match serde_json::from_str(&order) {
                        Ok(order) => self.obey(order).await,
                        Err(error) => Err(error.into()),
                    };
                    say(&answer.unwrap_or_else(|error| Answer::Failed(format!("{error:#}"))))?;
                    if let Some((_, every)) = &self.pinging && !before {
                        pings = interval_at(Instant::now(), *every);
                    }
                }
            }
        }
    }

    async fn heed(&mut self, notice: Notice) {
        match notice {
            Notice::Media(packets) => {
                let now = now();
                for (number, packet) in packets {
                    if let (Some(layer), Some(stamp)) =
                        (self.layers.get_mut(number), Stamp::read(&packet))
                    {
                        layer.came(now, stamp);
                        if layer.misses_keyframe(now) {
                            self.fabric.want_keyframe(layer.name()).await;
                        }
                    }
                }
            }
            Notice::Neighbour(node, Is::Yes) => self.seen.neighbours.push(node),
            Notice::Neighbour(node, Is::NoMore) => {
                self.seen.neighbours.retain(|known| *known != node);
            }
            Notice::Track(room, track, Is::Yes) => {
                self.tracks.insert((room, track));
            }
            Notice::Track(room, track, Is::NoMore) => {
                self.tracks.remove(&(room, track));
            }
            Notice::Feed(layer, feed, Is::Yes) => {
                self.feeds.insert(layer.clone());
                self.publish(Wish::Begin(layer, feed));
            }
            Notice::Feed(layer, _, Is::NoMore) => {
                self.feeds.remove(&layer);
                self.publish(Wish::End(layer));
            }
            Notice::Keyframe(layer) => self.publish(Wish::Keyframe(layer)),
            Notice::Said(room, from, said) => self.answer(&room, &from, &said).await,
        }
    }

    async fn obey(&mut self, order: Order) -> Result<Answer> {
        match order {
            Order::Publish { room, sources } => {
                for source in sources {
                    self.publish(Wish::Publish(room.clone(), source.clone()));
                    self.fabric.publish(&room, &source.track, source.kind).await;
                }
            }
            Order::Want(layers) => {
                for layer in layers {
                    let number = self.layers.len();
                    self.layers.push(Tally::new(layer.clone()));
                    self.fabric.want(&layer, number).await;
                }
            }
            Order::WantAgain(layers) => {
                for layer in layers {
                    let number = self.layers.iter().position(|known| *known.name() == layer);
                    let number = number.context("it is not wanted yet")?;
                    self.fabric.want(&layer, number).await;
                }
            }
            Order::Refresh(layers) => {
                for layer in layers {
                    self.fabric.want_keyframe(&layer).await;
                }
            }
            Order::Host(room) => self.fabric.host(&room, &self.name).await,
            Order::Look => return Ok(Answer::Seen(self.look().await)),
            Order::Count(span) => {
                self.layers.iter_mut().for_each(|layer| layer.count(span));
                self.publish(Wish::Count(span));
                self.pings_us.clear();
                self.pinged = 0;
            }
            Order::Report => return Ok(Answer::Report(Box::new(self.report().await?))),
            Order::Arrivals(layers) => {
                let of = |name: &LayerName| self.layers.iter().find(|layer| layer.name() == name);
                let arrivals =
                    |name| of(name).map_or_else(Vec::new, |layer| layer.arrivals().to_vec());
                return Ok(Answer::Arrivals(layers.iter().map(arrivals).collect()));
            }
            Order::Ping { room, every_ms } => {
                self.pinging = Some((room, Duration::from_millis(every_ms.max(1))));
            }
            Order::Drain(at) => rival::drain(at, self.drained.clone())?,
            Order::Flood(to) => rival::flood(to)?,
        }
        Ok(Answer::Done)
    }

    async fn look(&self) -> Seen {
        let effort = clock_gettime(ClockId::ProcessCPUTime);
        Seen {
            neighbours: self.seen.neighbours.clone(),
            tracks: self.tracks.len(),
            feeds: self.feeds.len(),
            coming: self.layers.iter().filter(|layer| layer.is_coming()).count(),
            first_picture: self.layers.iter().filter_map(Tally::first_picture).min(),
            drained: self.drained.load(Relaxed),
            effort: effort.tv_sec as Nanos * 1_000_000_000 + effort.tv_nsec as Nanos,
            links: self.fabric.links().await,
            now: now(),
        }
    }

    async fn report(&self) -> Result<Report> {
        let (answer, answered) = oneshot::channel();
        self.publish(Wish::Report(answer));
        let (sent, refused) = answered.await.context("nobody publishes any more")?;
        Ok(Report {
            sent,
            came: self.layers.iter().map(Tally::report).collect(),
            pings_us: self.pings_us.clone(),
            pinged: self.pinged,
            refused,
        })
    }

    /// The thread lives as long as this does.
    fn publish(&self, wish: Wish) {
        let _ = self.publisher.send(wish);
    }

    async fn ping(&mut self) {
        if let Some((room, _)) = &self.pinging {
            self.pinged += 1;
            let question = format!("?{}", now());
            self.fabric.say(room, None, Bytes::from(question)).await;
        }
    }

    /// A question is sent back as an answer, an answer tells how long it took.
    async fn answer(&mut self, room: &str, from: &str, said: &[u8]) {
        let Ok(said) = std::str::from_utf8(said) else {
            return;
        };
        if let Some(question) = said.strip_prefix('?') {
            let answer = format!("!{question}");
            self.fabric.say(room, Some(from), Bytes::from(answer)).await;
        } else if let Some(Ok(sent)) = said.strip_prefix('!').map(str::parse::<Nanos>) {
            self.pings_us
                .push((now().saturating_sub(sent) / 1_000) as u32);
        }
    }
}
