//! The task that owns a node's part in the relay: its [`Exchange`], and one [`Line`] for each
//! neighbour. Everything that happens comes to it as an [`Input`]; what follows it does itself.

mod commanding;
mod linking;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use relay_proto::control::{Goaway, Message};
use relay_proto::{
    Exchange, Handle, Lane, Limits, LinkId, NODES, Output, Place, Received, Taken, Transit, Use,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use crate::access::{Access, Neighbour};
use crate::close::Close;
use crate::command::{Command, Event};
use crate::identity::Identity;
use crate::lane::{Dialled, Greeted, Standing};
use crate::line::{Line, Look};
use crate::meeting::Order;
use crate::metrics::{Metrics, Tally};
use crate::refused::Reason;
use crate::status::{NodeState, RoomStatus, Status};

/// Something that happened, or is wished.
#[derive(Debug)]
pub(crate) enum Input {
    /// A connection's ends know each other.
    Greeted(Box<Greeted>),
    /// Packets came.
    Datagrams {
        token: Token,
        lane: Lane,
        datagrams: Vec<Bytes>,
    },
    /// A message came.
    Message { token: Token, message: Message },
    /// A connection ended.
    Ended { token: Token, why: Close },
    /// The other end does not keep to the protocol.
    Broke { token: Token },
    /// A wish of this node's rooms.
    Command(Command),
}

/// Names one link as long as it lasts; the same neighbour's next link has another.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Token(pub(crate) u32);

/// How a node takes part.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) identity: Identity,
    pub(crate) transit: Transit,
    pub(crate) limits: Limits,
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) access: Access,
    pub(crate) metrics: Metrics,
}

/// The task's state.
pub(crate) struct Node {
    part: Part,
    exchange: Exchange,
    inputs: mpsc::Receiver<Input>,
    /// For the tasks that read links.
    inputs_from: mpsc::Sender<Input>,
    events: mpsc::Sender<Event>,
    /// Events that wait for the rooms; never media.
    waiting: VecDeque<Event>,
    /// For those who meet others.
    orders: mpsc::UnboundedSender<Order>,
    /// Links of which one connection is there.
    half: HashMap<(String, Dialled), (Instant, Greeted)>,
    lines: BTreeMap<Token, (Line, Tally)>,
    last_token: u32,
    tasks: JoinSet<()>,
    media: Vec<(Handle, Place, Bytes)>,
    outputs: Vec<Output>,
    serving: Vec<Token>,
    count_at: Instant,
    drain: Option<Drain>,
}

/// A node that goes.
#[derive(Clone, Copy, Debug)]
struct Drain {
    since: Instant,
    until: Instant,
}

impl Node {
    /// How often counts are added up, and what did not come to be a link is let go.
    const COUNT: Duration = Duration::from_secs(1);
    /// The second connection of a link comes soon after the first.
    const HALF: Duration = Duration::from_secs(10);
    /// Inputs that one wake-up serves.
    const BATCH: usize = 64;
    /// Tracks of many rooms come and go at once when a link does.
    const MOST_WAITING: usize = 200_000;
    /// Rooms that a look shows by name.
    const ROOMS_SHOWN: usize = 200;

    pub(crate) fn new(
        part: Part,
        inputs: mpsc::Receiver<Input>,
        inputs_from: mpsc::Sender<Input>,
        events: mpsc::Sender<Event>,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Self {
        Self {
            exchange: Exchange::new(part.identity.node(), part.transit),
            part,
            inputs,
            inputs_from,
            events,
            waiting: VecDeque::new(),
            orders,
            half: HashMap::new(),
            lines: BTreeMap::new(),
            last_token: 0,
            tasks: JoinSet::new(),
            media: Vec::new(),
            outputs: Vec::new(),
            serving: Vec::new(),
            count_at: Instant::now(),
            drain: None,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut inputs = Vec::with_capacity(Self::BATCH);
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                // What happened goes before what is due: the clock is read once for both.
                count = self.inputs.recv_many(&mut inputs, Self::BATCH) => if count == 0 { return },
                permit = self.events.reserve(), if !self.waiting.is_empty() => {
                    let Ok(permit) = permit else { return };
                    permit.send(self.waiting.pop_front().expect("there is one, as was asked"));
                }
                () = sleep_until(deadline.into()) => {}
            }
            let now = Instant::now();
            for input in inputs.drain(..) {
                if let Input::Command(Command::Stop) = input {
                    self.stop().await;
                    return;
                }
                self.handle(now, input);
            }
            if self.has_drained(now) {
                self.stop().await;
                return;
            }
            self.serve(now);
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Greeted(greeted) => self.greeted(now, *greeted),
            Input::Datagrams {
                token,
                lane,
                datagrams,
            } => {
                self.heard(token);
                self.datagrams(now, token, lane, datagrams);
            }
            Input::Message { token, message } => {
                self.heard(token);
                self.message(now, token, message);
            }
            Input::Ended { token, why } => self.down(now, token, why),
            Input::Broke { token } => self.down(now, token, Close::Protocol),
            Input::Command(command) => self.command(now, command),
        }
    }

    /// Whether a node that goes has nothing left to wait for.
    fn has_drained(&self, now: Instant) -> bool {
        /// What neighbours need to take other ways, at least.
        const LEAST: Duration = Duration::from_secs(1);
        self.drain.is_some_and(|drain| {
            now >= drain.until || now >= drain.since + LEAST && self.exchange.is_idle()
        })
    }

    fn datagrams(&mut self, now: Instant, token: Token, lane: Lane, datagrams: Vec<Bytes>) {
        let Some((line, _)) = self.lines.get_mut(&token) else {
            return;
        };
        line.touch(now);
        for datagram in datagrams {
            if !line.datagrams.take(now, 1.0) {
                line.refused.count(Reason::Flood);
                continue;
            }
            let why = match line.link.receive(now, lane, datagram) {
                Ok(Received::Media(media)) => {
                    match self.exchange.media(now, LinkId(token.0), media) {
                        Taken::Passed | Taken::Early => continue,
                        Taken::Double => Reason::Double,
                        Taken::UnknownFlow => Reason::UnknownFlow,
                    }
                }
                Ok(Received::Own) => continue,
                Ok(Received::Double) => Reason::Double,
                Ok(Received::OutOfWindow) => Reason::OutOfWindow,
                Err(error) => error.into(),
            };
            line.refused.count(why);
        }
    }

    fn message(&mut self, now: Instant, token: Token, message: Message) {
        let link = LinkId(token.0);
        if let Message::Goaway(Goaway { deadline_ms }) = message {
            if let Some((line, _)) = self.lines.get_mut(&token) {
                info!(node = line.identity.node(), deadline_ms, "goes");
                let use_it = line.leaves();
                self.exchange.set_use(now, link, use_it);
            }
            return;
        }
        if let Err(why) = self.exchange.message(now, link, message) {
            self.part.metrics.disbelieved(why);
            debug!(%why, link = token.0, "not believed");
        }
    }

    /// Does what follows from what happened, and what is due by the clock.
    fn serve(&mut self, now: Instant) {
        self.exchange.tick(now);
        self.carry_out(now);
        let mut serving = std::mem::take(&mut self.serving);
        let due = self
            .lines
            .iter()
            .filter(|(_, (line, _))| line.due_at() <= now);
        serving.extend(due.map(|(token, _)| *token));
        for token in serving.drain(..) {
            self.look(now, token);
            self.pump(now, token);
        }
        self.serving = serving;
        // What a look led to: it is sent at the next wake-up, which is at once.
        self.carry_out(now);
        if now >= self.count_at {
            self.count_at = now + Self::COUNT;
            self.count(now);
        }
    }

    fn look(&mut self, now: Instant, token: Token) {
        let Some((line, _)) = self.lines.get_mut(&token) else {
            return;
        };
        let link = LinkId(token.0);
        match line.look(now) {
            None => {}
            Some(Look::Close(why)) => self.down(now, token, why),
            Some(Look::Good {
                use_it,
                cost,
                carries,
            }) => {
                if let Some(use_it) = use_it {
                    info!(node = line.identity.node(), ?use_it, "link");
                    self.exchange.set_use(now, link, use_it);
                }
                if use_it != Some(Use::Avoid) {
                    self.exchange.set_cost(now, link, cost);
                }
                let looked = self.exchange.look(now, link, carries);
                line.looked(looked);
            }
        }
    }

    fn pump(&mut self, now: Instant, token: Token) {
        if let Some((line, _)) = self.lines.get_mut(&token) {
            let broken = line.pump(now);
            self.exchange.broken(now, LinkId(token.0), &broken);
        }
    }

    /// Does what the exchange says.
    fn carry_out(&mut self, now: Instant) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.exchange.take_outputs(&mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Send(link, packet) => {
                    if let Some((line, _)) = self.lines.get_mut(&Token(link.0)) {
                        line.link.push(now, packet);
                        line.touch(now);
                    }
                }
                Output::Tell(link, message) => self.say(now, Token(link.0), message),
                Output::Pause(link, flow) => {
                    if let Some((line, _)) = self.lines.get_mut(&Token(link.0)) {
                        line.link.pause(flow);
                    }
                }
                Output::Forget(link, flow) => {
                    if let Some((line, _)) = self.lines.get_mut(&Token(link.0)) {
                        line.link.forget(flow);
                    }
                }
                Output::Deliver(handle, place, rtp) => self.media.push((handle, place, rtp)),
                Output::Feed(key, layer, wanted) => self.tell(Event::Feed(key, layer, wanted)),
                Output::Keyframe(key) => self.tell(Event::Keyframe(key)),
                Output::Paused(key, paused) => self.tell(Event::Paused(key, paused)),
                Output::Track(key, kind, wanted) => self.tell(Event::Track(key, kind, wanted)),
                Output::Said(message) => self.tell(Event::Said(message)),
            }
        }
        self.outputs = outputs;
        if !self.media.is_empty() {
            let media = std::mem::take(&mut self.media);
            let count = media.len() as u64;
            // Media never waits for a room.
            if self.events.try_send(Event::Media(media)).is_err() {
                self.part.metrics.unheard(count);
            }
        }
    }

    fn say(&mut self, now: Instant, token: Token, message: Message) {
        let Some((line, _)) = self.lines.get(&token) else {
            return;
        };
        if line.say(message).is_err() {
            warn!(node = line.identity.node(), "takes no messages any more");
            self.down(now, token, Close::Slow);
        }
    }

    /// Tells the rooms of this node. What is no media waits for them.
    fn tell(&mut self, event: Event) {
        use mpsc::error::TrySendError;
        let event = if self.waiting.is_empty() {
            match self.events.try_send(event) {
                Ok(()) | Err(TrySendError::Closed(_)) => return,
                Err(TrySendError::Full(event)) => event,
            }
        } else {
            event
        };
        if self.waiting.len() < Self::MOST_WAITING {
            self.waiting.push_back(event);
        } else {
            self.part.metrics.unheard(1);
        }
    }

    fn count(&mut self, now: Instant) {
        let told = self.lines.values_mut();
        for (line, tally) in told.filter(|(line, _)| line.standing == Standing::In) {
            tally.add(&self.part.metrics, line);
        }
        self.part.metrics.set_rooms(self.exchange.rooms());
        self.half
            .retain(|_, (since, _)| now.saturating_duration_since(*since) < Self::HALF);
        while self.tasks.try_join_next().is_some() {}
    }

    fn status(&self, now: Instant) -> Status {
        let routes = self.exchange.routes();
        let lines = self.lines.iter();
        let told = lines.filter(|(_, (line, _))| line.standing == Standing::In);
        let links = told.map(|(token, (line, _))| {
            let link = LinkId(token.0);
            line.status(now, self.exchange.layers(link), routes.rooms_over(link))
        });
        let mut rooms: Vec<_> = routes
            .rooms()
            .map(|(room, ways)| RoomStatus {
                room: room.to_owned(),
                ways: ways.into_iter().map(<[String]>::to_vec).collect(),
            })
            .collect();
        let nodes = rooms.iter().position(|it: &RoomStatus| it.room == NODES);
        let nodes = nodes.map_or_else(Vec::new, |at| rooms.swap_remove(at).ways);
        rooms.sort_by(|one, other| one.room.cmp(&other.room));
        Status {
            node: self.part.identity.node().to_owned(),
            region: self.part.identity.region().to_owned(),
            state: match self.drain {
                None => NodeState::Running,
                Some(_) => NodeState::Draining,
            },
            links: links.collect(),
            nodes,
            room_count: rooms.len(),
            rooms: {
                rooms.truncate(Self::ROOMS_SHOWN);
                rooms
            },
        }
    }

    fn deadline(&self) -> Instant {
        let lines = self.lines.values().map(|(line, _)| line.due_at());
        let drains_at = self.drain.map(|drain| drain.until);
        lines
            .chain(self.exchange.deadline())
            .chain(drains_at)
            .fold(self.count_at, Instant::min)
    }

    async fn stop(&mut self) {
        info!("stopped");
        for (line, _) in self.lines.values() {
            line.close(Close::Stop);
        }
        self.tasks.shutdown().await;
    }
}
