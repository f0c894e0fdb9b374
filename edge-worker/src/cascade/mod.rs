//! Rooms over many shards and nodes: the task that stands between this node's shards and the relay.
//!
//! Who is told what is decided by [`Rooms`]; here it is carried. Ways, repair and the links between
//! nodes are the relay's, rooms themselves the shards'.

mod asking;
mod beginnings;
mod feeds;
mod parts;
mod places;
mod rendezvous;
mod rooms;
pub(crate) mod rtp;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use livekit::spanning::{self, Question, Telling};
use media::{Layer, TrackId};
use relay::{Command, Event, Neighbour, Observer, Relay, Watch};
use relay_proto::control::Kind;
use relay_proto::{Handle, NODES, Paused, Place, Wanted};
use sfu::{LayerSet, LinkNews, Streaming};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};
use tracing::warn;

use crate::config;
use crate::node::Node;
use crate::shard::{FarPacket, SpanMessage, ToShard};
use asking::Asking;
pub(crate) use asking::{Asked, Placing};
pub(crate) use beginnings::Beginnings;
pub(crate) use feeds::FeedId;
use feeds::Target;
use parts::Parts;
pub(crate) use places::Places;
pub(crate) use rooms::Instance;
use rooms::{Action, Rooms};

/// Something for the cascade to do.
#[derive(Debug)]
pub(crate) enum ToCascade {
    /// A room is open on a shard.
    Opened {
        /// There.
        at: Instance,
        /// As the app calls it.
        name: Arc<str>,
    },
    /// It is not any more.
    Closed {
        /// There.
        at: Instance,
    },
    /// An instance says something to the others.
    News {
        /// Which.
        at: Instance,
        /// What.
        news: Box<LinkNews>,
    },
    /// An instance wants layers of a track that is published elsewhere.
    Want {
        /// Which.
        at: Instance,
        /// Of this.
        track: TrackId,
        /// These and no others.
        layers: LayerSet,
    },
    /// An instance needs a keyframe.
    Ask {
        /// Which.
        at: Instance,
        /// Of this.
        track: TrackId,
        /// Of this layer.
        layer: Layer,
    },
    /// Packets that a shard feeds.
    Media(Vec<(FeedId, Place, Bytes)>),
    /// Somebody waits for another node.
    Asked(Box<Asked>),
    /// Whom to be linked to, from now on.
    Neighbours(Vec<Neighbour>),
}

/// The way to the cascade, from anywhere.
#[derive(Clone, Debug)]
pub(crate) struct CascadeInbox(mpsc::Sender<ToCascade>);

impl CascadeInbox {
    /// A second of a very busy node's news.
    const LEN: usize = 16_384;

    /// Both ends.
    pub(crate) fn new() -> (Self, mpsc::Receiver<ToCascade>) {
        let (sender, receiver) = mpsc::channel(Self::LEN);
        (Self(sender), receiver)
    }

    /// Hands `message` over without waiting, or back.
    pub(crate) fn send(&self, message: ToCascade) -> Result<(), ToCascade> {
        self.0.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(message)
            | mpsc::error::TrySendError::Closed(message) => message,
        })
    }
}

/// The cascade before it runs.
#[derive(Debug)]
pub struct Cascade {
    node: Arc<Node>,
    inbox: mpsc::Receiver<ToCascade>,
    relay: Option<Linked>,
}

/// This node's part in the relay, and what it tells.
#[derive(Debug)]
pub(crate) struct Linked {
    relay: Relay,
    events: mpsc::Receiver<Event>,
    /// Its name there.
    name: String,
    /// Another number at each start, larger than those before.
    epoch: u64,
    watch: Watch,
}

impl Linked {
    /// Begins to take part as `config` says.
    pub(crate) fn start(config: &config::Relay, metrics: relay::Metrics) -> anyhow::Result<Self> {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let epoch = epoch.unwrap_or_default().as_millis() as u64;
        let settings = config.settings(metrics).context("relay.certificate")?;
        let started = Relay::start(settings, epoch);
        let (relay, events) =
            started.context("relay.port (EDGE_RELAY__PORT) chooses another port")?;
        Ok(Self {
            relay,
            events,
            name: config.node().to_owned(),
            epoch,
            watch: config.files.clone().watch(),
        })
    }

    /// To look at it.
    pub(crate) fn observer(&self) -> Observer {
        self.relay.observer()
    }
}

/// The task's state.
struct Running {
    node: Arc<Node>,
    /// Its name on the relay.
    name: String,
    /// The nodes there is a way to.
    reachable: BTreeSet<String>,
    rooms: Rooms,
    relay: Option<Relay>,
    parts: Parts,
    asking: Asking,
    /// For shards that are behind, oldest first.
    unsent: VecDeque<(Instance, SpanMessage)>,
    /// For other nodes.
    unsent_tellings: Vec<(Arc<str>, Vec<String>, Telling)>,
    /// Whom the relay is to be linked to, until it has been told.
    neighbours: Option<Vec<Neighbour>>,
    /// What other nodes asked.
    answering: JoinSet<()>,
    answers: mpsc::Sender<(String, Telling)>,
}

impl Cascade {
    pub(crate) fn new(
        node: Arc<Node>,
        inbox: mpsc::Receiver<ToCascade>,
        relay: Option<Linked>,
    ) -> Self {
        Self { node, inbox, relay }
    }

    /// Runs until the node stops.
    pub async fn run(mut self) -> anyhow::Result<()> {
        /// Messages that one wake-up serves.
        const BATCH: usize = 256;
        /// How often certificates are looked at.
        const LOOK: Duration = Duration::from_secs(10);
        let (relay, mut events, mut watch, name, epoch) = match self.relay {
            Some(it) => (Some(it.relay), it.events, Some(it.watch), it.name, it.epoch),
            None => (None, mpsc::channel(1).1, None, String::new(), 0),
        };
        let mut looks = tokio::time::interval(LOOK);
        let (answers, mut answered) = mpsc::channel(Running::MOST_ANSWERS);
        let mut running = Running {
            rooms: Rooms::new(name.clone(), epoch),
            node: Arc::clone(&self.node),
            name,
            reachable: BTreeSet::new(),
            relay,
            parts: Parts::default(),
            asking: Asking::default(),
            unsent: VecDeque::new(),
            unsent_tellings: Vec::new(),
            neighbours: None,
            answering: JoinSet::new(),
            answers,
        };
        if running.relay.is_some() {
            running.rooms.present();
        }
        let mut stopping = self.node.stopping.clone();
        let (mut messages, mut heard) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        loop {
            let deadline = running.deadline();
            tokio::select! {
                count = self.inbox.recv_many(&mut messages, BATCH) => if count == 0 { break },
                count = events.recv_many(&mut heard, BATCH), if running.relay.is_some() => {
                    anyhow::ensure!(count > 0, "the relay ended by itself: a bug of ours");
                }
                Some((to, telling)) = answered.recv() => {
                    running.unsent_tellings.push((NODES.into(), vec![to], telling));
                }
                () = sleep_until(deadline.into()) => {}
                _ = looks.tick(), if watch.is_some() => watch = running.renew(watch).await?,
                () = until_stopping(&mut stopping) => break,
            }
            let now = Instant::now();
            for message in messages.drain(..) {
                running.handle(now, message);
            }
            for event in heard.drain(..) {
                running.hear(now, event);
            }
            running.tick(now);
            if let Some(neighbours) = running.neighbours.take() {
                running.command(Command::Neighbours(neighbours)).await;
            }
            running.carry_out().await;
        }
        running.hear_out(&mut self.inbox).await;
        running.drain(events).await;
        Ok(())
    }
}

async fn until_stopping(stopping: &mut watch::Receiver<bool>) {
    // An error means that the node is gone, which is as good.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

impl Running {
    /// Questions of other nodes under way at once.
    const MOST_ANSWERS: usize = 256;
    /// What a full shard did not take, at most.
    const MOST_UNSENT: usize = 65_536;
    /// When a full shard is tried again; and the longest sleep.
    const AGAIN: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(1);

    /// Takes over a certificate that was renewed.
    async fn renew(&self, watch: Option<Watch>) -> anyhow::Result<Option<Watch>> {
        let Some(mut watch) = watch else {
            return Ok(None);
        };
        let looked = tokio::task::spawn_blocking(move || (watch.look(), watch));
        let (changed, watch) = looked.await.context("reading certificates failed")?;
        match changed {
            None => {}
            Some(Ok(credentials)) => self.command(Command::Reload(Box::new(credentials))).await,
            Some(Err(error)) => {
                warn!(%error, "the new certificate cannot be read: the old one stays");
            }
        }
        Ok(Some(watch))
    }

    /// Hears the last words of the rooms, which close now.
    async fn hear_out(&mut self, inbox: &mut mpsc::Receiver<ToCascade>) {
        const LIMIT: Duration = Duration::from_secs(1);
        let until = tokio::time::Instant::now() + LIMIT;
        while self.rooms.are_here()
            && let Ok(Some(message)) = timeout_at(until, inbox.recv()).await
        {
            self.handle(Instant::now(), message);
            self.carry_out().await;
        }
    }

    /// Lets other nodes take other ways, and hear what was said last.
    async fn drain(&mut self, mut events: mpsc::Receiver<Event>) {
        /// Less than a node has to stop.
        const LIMIT: Duration = Duration::from_secs(3);
        if self.relay.is_some() {
            self.command(Command::Drain(LIMIT)).await;
            // It stops by itself.
            while events.recv().await.is_some() {}
        }
    }

    fn handle(&mut self, now: Instant, message: ToCascade) {
        match message {
            ToCascade::Opened { at, name } => self.rooms.opened(at, &name),
            ToCascade::Closed { at } => {
                if let Some(name) = self.rooms.name_of(at) {
                    self.node.beginnings.closed(name, &self.node.id);
                }
                self.rooms.closed(at);
            }
            ToCascade::News { at, news } => self.rooms.said_here(at, *news),
            ToCascade::Want { at, track, layers } => self.rooms.wanted_here(at, track, layers),
            ToCascade::Ask { at, track, layer } => self.rooms.asked_here(at, track, layer),
            ToCascade::Media(packets) => self.feed(packets),
            ToCascade::Asked(asked) => self.ask(now, *asked),
            ToCascade::Neighbours(neighbours) => self.neighbours = Some(neighbours),
        }
    }

    fn hear(&mut self, now: Instant, event: Event) {
        match event {
            Event::Track(key, Kind::Host, has) => {
                self.rooms.host(now, &key.room, &key.track, has);
                match has {
                    Wanted::Yes if *key.room == *NODES => {
                        if *key.track != *self.name {
                            self.reachable.insert(key.track.to_string());
                        }
                    }
                    Wanted::Yes => {}
                    Wanted::No if *key.room == *NODES => {
                        self.reachable.remove(&*key.track);
                        self.parts.forget(&key.track);
                        self.asking.lost(&key.track);
                    }
                    Wanted::No => self.node.beginnings.closed(&key.room, &key.track),
                }
            }
            Event::Feed(key, id, wanted) => self.rooms.wanted_elsewhere(&key, id, wanted),
            Event::Keyframe(key) => self.rooms.asked_elsewhere(&key),
            Event::Paused(key, paused) => {
                let flow = match paused {
                    Paused::Yes => Streaming::Paused,
                    Paused::No => Streaming::Active,
                };
                self.rooms.paused(&key, flow);
            }
            Event::Media(packets) => self.arrive(packets),
            Event::Said(message) => {
                let from = message.from;
                let Some(whole) = self.parts.join(&from, message.said) else {
                    return;
                };
                match spanning::read(&whole) {
                    Ok(telling) => self.told(now, &message.room.into(), &from, telling),
                    Err(error) => warn!(node = from, %error, "says what cannot be read"),
                }
            }
            // Tracks are known by what is told of people; links are the relay's to log.
            Event::Track(_, Kind::Audio | Kind::Video | Kind::Unknown, _)
            | Event::Neighbour(..) => {}
        }
    }

    fn told(&mut self, now: Instant, room: &Arc<str>, from: &str, telling: Telling) {
        match telling {
            Telling::News(news) => self.rooms.said_elsewhere(room, from, news),
            Telling::Numbered { number, news } => {
                self.rooms.said_in_order(now, room, from, number, news);
            }
            Telling::Latest(number) => self.rooms.latest(now, room, from, number),
            Telling::Missing(numbers) => self.rooms.missed(room, from, numbers),
            Telling::Retell => self.rooms.retell(room),
            Telling::Question { id, question } => self.answer(from.to_owned(), id, question),
            Telling::Reply { id, reply } => self.asking.replied(from, id, reply),
            Telling::Revoked {
                room,
                identity,
                until,
            } => {
                self.node.revocations.revoke(&room, &identity, until);
            }
        }
    }

    /// Answers another node, beside everything else.
    fn answer(&mut self, to: String, id: u64, question: Question) {
        while self.answering.try_join_next().is_some() {}
        if self.answering.len() >= Self::MOST_ANSWERS {
            warn!(node = to, "asks too much at once");
            return;
        }
        let (node, answers) = (Arc::clone(&self.node), self.answers.clone());
        self.answering.spawn(async move {
            let reply = asking::answer(&node, &to, question).await;
            // The node stops if nobody takes it.
            let _ = answers.send((to, Telling::Reply { id, reply })).await;
        });
    }

    fn ask(&mut self, now: Instant, asked: Asked) {
        // Whoever asks may have given up.
        match asked {
            Asked::Place {
                room,
                identity,
                reply,
            } => {
                let _ = reply.send(self.rooms.place_of(&room, identity.as_ref()));
            }
            Asked::Hosts { room, reply } => {
                let _ = reply.send(self.rooms.hosts(&room));
            }
            Asked::Elsewhere { reply } => {
                let _ = reply.send(self.rooms.elsewhere());
            }
            Asked::Of {
                node,
                question,
                reply,
            } => self
                .asking
                .begin(now, rand::random(), node, question, reply),
            Asked::Begin {
                wish,
                placing,
                reply,
            } => {
                // Nobody is told anything where this node is the home.
                if let Some(home) = self.home_elsewhere(&wish.name, &placing) {
                    let question = Question::Begin(wish);
                    self.asking
                        .begin(now, rand::random(), home, question, reply);
                }
            }
            Asked::Revoked {
                room,
                identity,
                until,
            } => {
                let room = room.to_string();
                let revoked = Telling::Revoked {
                    room,
                    identity,
                    until,
                };
                let everywhere = NODES.into();
                self.unsent_tellings.push((everywhere, Vec::new(), revoked));
            }
        }
    }

    /// The node that settles how a room begins, if it is not this one: as it is placed, or else as
    /// all find it who know of the same nodes.
    fn home_elsewhere(&self, room: &str, placing: &Placing) -> Option<String> {
        let known = self.reachable.iter().chain([&self.name]);
        let known: Vec<&str> = known.map(String::as_str).collect();
        let placed = placing.home.as_deref().filter(|it| known.contains(it));
        let home = placed.or_else(|| {
            let stays = |node: &&str| !placing.leaving.iter().any(|it| it == node);
            rendezvous::home(room, known.into_iter().filter(stays))
        })?;
        (home != self.name).then(|| home.to_owned())
    }

    /// Gives packets of rooms here to other shards and to the relay.
    fn feed(&mut self, packets: Vec<(FeedId, Place, Bytes)>) {
        let mut here: Vec<Vec<FarPacket>> = vec![Vec::new(); self.node.directory.shards().len()];
        let mut elsewhere = Vec::new();
        for (id, place, rtp) in packets {
            let Some(feed) = self.rooms.feed(id) else {
                continue;
            };
            for target in &feed.targets {
                match target {
                    Target::Here(at) => here[at.shard].push(FarPacket {
                        room: at.room,
                        track: feed.track,
                        layer: feed.layer,
                        rtp: rtp.clone(),
                    }),
                    Target::Elsewhere(layer) => elsewhere.push((*layer, place, rtp.clone())),
                }
            }
        }
        self.give(here);
        let count = elsewhere.len() as u64;
        if count > 0
            && let Some(relay) = &self.relay
            && relay.try_tell(Command::Feed(elsewhere)).is_err()
        {
            self.count_dropped(count);
        }
    }

    /// Gives packets from other nodes to the shards that want them.
    fn arrive(&mut self, packets: Vec<(Handle, Place, Bytes)>) {
        let mut here: Vec<Vec<FarPacket>> = vec![Vec::new(); self.node.directory.shards().len()];
        for (handle, _, rtp) in packets {
            let Some(incoming) = self.rooms.incoming(handle) else {
                continue;
            };
            for at in &incoming.to {
                here[at.shard].push(FarPacket {
                    room: at.room,
                    track: incoming.track,
                    layer: incoming.layer,
                    rtp: rtp.clone(),
                });
            }
        }
        self.give(here);
    }

    fn give(&mut self, packets: Vec<Vec<FarPacket>>) {
        for (shard, packets) in packets.into_iter().enumerate() {
            let count = packets.len() as u64;
            if count > 0
                && let Some(inbox) = self.node.directory.shards().get(shard)
                && inbox.send(ToShard::FarMedia(packets)).is_err()
            {
                self.count_dropped(count);
            }
        }
    }

    fn count_dropped(&self, count: u64) {
        let dropped = &self.node.metrics.packets_dropped;
        dropped.with_label_values(&["link_full"]).inc_by(count);
    }

    /// Does what the rooms ask for.
    async fn carry_out(&mut self) {
        for action in self.rooms.take_actions() {
            match action {
                Action::Tell(at, news) => self.tell(at, SpanMessage::News(Box::new(news))),
                Action::Retell(at) => self.tell(at, SpanMessage::Retell),
                Action::Feed(at, track, layer, feed) => {
                    self.tell(at, SpanMessage::Feed(track, layer, feed));
                }
                Action::Ask(at, track, layer) => self.tell(at, SpanMessage::Ask(track, layer)),
                Action::Flow(at, track, layer, flow) => {
                    self.tell(at, SpanMessage::Flow(track, layer, flow));
                }
                Action::Lose(at, participant) => self.tell(at, SpanMessage::Lose(participant)),
                Action::Say(room, telling) => self.say(&room, Vec::new(), &telling).await,
                Action::SayTo(room, node, telling) => {
                    self.say(&room, vec![node], &telling).await;
                }
                Action::CountLost(count) => {
                    let dropped = &self.node.metrics.data_dropped;
                    let lost = dropped.with_label_values(&["lost_between_nodes"]);
                    lost.inc_by(count);
                }
                Action::Publish(key, kind, epoch) => {
                    self.command(Command::Publish(key, kind, epoch)).await;
                }
                Action::Unpublish(key) => self.command(Command::Unpublish(key)).await,
                Action::Want(key, handle, wanted) => {
                    self.command(Command::Want(key, handle, wanted)).await;
                }
                Action::WantKeyframe(key) => self.command(Command::WantKeyframe(key)).await,
            }
        }
        for (room, to, telling) in std::mem::take(&mut self.unsent_tellings) {
            self.say(&room, to, &telling).await;
        }
        for (node, telling) in self.asking.take_unsent() {
            self.say(NODES, vec![node], &telling).await;
        }
    }

    async fn say(&self, room: &str, to: Vec<String>, telling: &Telling) {
        let message: Bytes = spanning::write(telling).into();
        if message.len() > parts::MOST {
            warn!(
                room,
                bytes = message.len(),
                "too much to be told to other nodes"
            );
            return;
        }
        for part in parts::cut(&message) {
            self.command(Command::Say(room.to_owned(), to.clone(), part))
                .await;
        }
    }

    async fn command(&self, command: Command) {
        if let Some(relay) = &self.relay
            && let Err(error) = relay.tell(command).await
        {
            warn!(%error, "other nodes are not told");
        }
    }

    /// Tells a shard something that must not be lost.
    fn tell(&mut self, at: Instance, message: SpanMessage) {
        if self.unsent.iter().any(|(waits, _)| waits.shard == at.shard) {
            return self.keep(at, message);
        }
        if let Err(message) = self.offer(at, message) {
            self.keep(at, message);
        }
    }

    fn offer(&self, at: Instance, message: SpanMessage) -> Result<(), SpanMessage> {
        match self.node.directory.shards().get(at.shard) {
            Some(inbox) => inbox.offer_span(at.room, message),
            None => Ok(()),
        }
    }

    fn keep(&mut self, at: Instance, message: SpanMessage) {
        if self.unsent.len() < Self::MOST_UNSENT {
            self.unsent.push_back((at, message));
        } else {
            warn!(
                at.shard,
                "is so far behind that what other nodes say is lost on it"
            );
        }
    }

    fn tick(&mut self, now: Instant) {
        self.rooms.tick(now);
        self.asking.tick(now);
        let mut behind = Vec::new();
        for (at, message) in std::mem::take(&mut self.unsent) {
            if behind.contains(&at.shard) {
                self.unsent.push_back((at, message));
            } else if let Err(message) = self.offer(at, message) {
                behind.push(at.shard);
                self.unsent.push_back((at, message));
            }
        }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        let again = (!self.unsent.is_empty()).then_some(now + Self::AGAIN);
        [again, self.rooms.deadline(), self.asking.deadline()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + Self::LONGEST)
    }
}
