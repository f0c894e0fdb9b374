//! The task that owns a node's part in the relay: its [`Exchange`], and one [`Link`] for each
//! neighbour. Everything that happens comes to it as an [`Input`]; what follows it does itself.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use media::Bitrate;
use quinn::Connection;
use relay_proto::control::{Goaway, Message};
use relay_proto::heartbeat::Health;
use relay_proto::{
    Cost, Exchange, Handle, Lane, Limits, Link, LinkId, Output, Place, Received, Transit, Use,
    Wanted,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use crate::command::{Command, Event};
use crate::identity::Identity;
use crate::lane::{Close, Greeted, read_control, read_datagrams, write_control};
use crate::meeting::Order;
use crate::quic::{DATAGRAM_BUFFER, Shared};
use crate::status::{LinkStatus, Status};

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
    Ended { token: Token },
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
}

/// The task's state.
pub(crate) struct Node {
    part: Part,
    exchange: Exchange,
    inputs: mpsc::Receiver<Input>,
    /// For the tasks that read links.
    inputs_from: mpsc::Sender<Input>,
    events: mpsc::Sender<Event>,
    /// For those who meet others.
    orders: mpsc::UnboundedSender<Order>,
    half: HashMap<String, Greeted>,
    links: BTreeMap<Token, Neighbour>,
    last_token: u32,
    tasks: JoinSet<()>,
    media: Vec<(Handle, Place, Bytes)>,
    outputs: Vec<Output>,
    drain: Option<Drain>,
    look_at: Instant,
    /// Packets that this node's rooms were too slow for.
    unheard: u64,
}

/// A node that goes.
#[derive(Clone, Copy, Debug)]
struct Drain {
    since: Instant,
    until: Instant,
}

/// A link and the connections that carry it.
struct Neighbour {
    identity: Identity,
    instance: u64,
    link: Link,
    control: Wire,
    video: Wire,
    messages: mpsc::Sender<Bytes>,
    health: Health,
}

/// One connection.
struct Wire {
    connection: Connection,
    congestion: Shared,
    /// Datagrams that QUIC did not take.
    refused: u64,
}

impl Node {
    /// What may wait in QUIC: less than is sent in a few milliseconds. What waits there can be
    /// neither reordered nor left out.
    const IN_QUIC: usize = 20 << 10;
    /// Messages for one neighbour; who is so slow is let go.
    const MESSAGES: usize = 1_024;
    /// Sound gives way to nobody: some hundred voices.
    const SOUND: Bitrate = Bitrate::kilobits(5_000);
    const LOOK: Duration = Duration::from_millis(100);
    /// When QUIC has no room, how soon to try again.
    const AGAIN: Duration = Duration::from_millis(1);
    /// Inputs that one wake-up serves.
    const BATCH: usize = 64;

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
            orders,
            half: HashMap::new(),
            links: BTreeMap::new(),
            last_token: 0,
            tasks: JoinSet::new(),
            media: Vec::new(),
            outputs: Vec::new(),
            drain: None,
            look_at: Instant::now(),
            unheard: 0,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut inputs = Vec::with_capacity(Self::BATCH);
        loop {
            let deadline = self.deadline(Instant::now());
            tokio::select! {
                biased;
                // What happened goes before what is due: the clock is read once for both.
                count = self.inputs.recv_many(&mut inputs, Self::BATCH) => if count == 0 { return },
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
            self.tick(now);
            self.carry_out(now);
            for token in self.links.keys().copied().collect::<Vec<_>>() {
                self.pump(now, token);
            }
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

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Greeted(greeted) => self.greeted(now, *greeted),
            Input::Datagrams {
                token,
                lane,
                datagrams,
            } => self.datagrams(now, token, lane, datagrams),
            Input::Message { token, message } => self.message(now, token, message),
            Input::Ended { token } => self.down(now, token, Close::Dead),
            Input::Broke { token } => self.down(now, token, Close::Protocol),
            Input::Command(command) => self.command(now, command),
        }
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Publish(key, kind, epoch) => {
                if let Err(disbelief) = self.exchange.publish(now, key, kind, epoch) {
                    debug!(%disbelief, "not published");
                }
            }
            Command::Unpublish(key) => self.exchange.unpublish(now, &key),
            Command::Want(key, handle, wanted) => self.exchange.want(now, key, handle, wanted),
            Command::WantKeyframe(key) => self.exchange.want_keyframe(now, &key),
            Command::Feed(packets) => {
                for (layer, place, rtp) in packets {
                    self.exchange.feed(now, layer, place, rtp);
                }
            }
            Command::Say(room, to, said) => self.exchange.say(&room, to, said),
            Command::Status(answer) => {
                // Who asked may have gone.
                let _ = answer.send(Status {
                    identity: self.part.identity.clone(),
                    rooms: self.exchange.rooms(),
                    links: self.links.values().map(Neighbour::status).collect(),
                });
            }
            Command::Neighbours(neighbours) => self.order(Order::Neighbours(neighbours)),
            Command::Access(access) => self.order(Order::Access(access)),
            Command::Reload(credentials) => self.order(Order::Reload(credentials)),
            Command::Drain(time) => self.drain(now, time),
            Command::Stop => {}
        }
    }

    fn order(&self, order: Order) {
        // Who meets others ends with this task, not before it.
        let _ = self.orders.send(order);
    }

    /// Tells the neighbours to take other ways.
    fn drain(&mut self, now: Instant, time: Duration) {
        let deadline_ms = time.as_millis().try_into().unwrap_or(u32::MAX);
        self.drain = Some(Drain {
            since: now,
            until: now + time,
        });
        self.order(Order::Close);
        info!(?time, "draining");
        for token in self.links.keys().copied().collect::<Vec<_>>() {
            self.say(now, token, Message::Goaway(Goaway { deadline_ms }));
        }
    }

    /// Both connections of a link are needed before it is one.
    fn greeted(&mut self, now: Instant, greeted: Greeted) {
        let name = greeted.identity.node().to_owned();
        let other = self.half.remove(&name);
        let Some(other) =
            other.filter(|other| other.instance == greeted.instance && other.lane != greeted.lane)
        else {
            self.half.insert(name, greeted);
            return;
        };
        let (control, video) = match greeted.lane {
            Lane::Control => (greeted, other),
            Lane::Video => (other, greeted),
        };
        let older = self
            .links
            .iter()
            .find(|(_, link)| link.identity == control.identity);
        if let Some(token) = older.map(|(token, _)| *token) {
            self.down(now, token, Close::Replaced);
        }
        self.up(now, control, video);
    }

    fn up(&mut self, now: Instant, control: Greeted, video: Greeted) {
        let (Some(one), Some(other)) = (
            Shared::of(&control.connection),
            Shared::of(&video.connection),
        ) else {
            warn!("a connection without our congestion controller is of no use");
            return;
        };
        one.set_least(Self::SOUND);
        self.last_token += 1;
        let token = Token(self.last_token);
        let (messages, queue) = mpsc::channel(Self::MESSAGES);
        for greeted in [&control, &video] {
            let connection = greeted.connection.clone();
            self.tasks.spawn(read_datagrams(
                connection,
                token,
                greeted.lane,
                self.inputs_from.clone(),
            ));
        }
        self.tasks.spawn(read_control(
            control.receive,
            token,
            self.inputs_from.clone(),
        ));
        self.tasks.spawn(write_control(control.send, queue));
        let identity = control.identity;
        let round_trip = control.connection.rtt();
        info!(
            node = identity.node(),
            region = identity.region(),
            ?round_trip,
            "link up"
        );
        let neighbour = Neighbour {
            identity: identity.clone(),
            instance: control.instance,
            link: Link::new(now, self.part.limits.start),
            control: Wire::new(control.connection, one),
            video: Wire::new(video.connection, other),
            messages,
            health: Health::Up,
        };
        self.links.insert(token, neighbour);
        let cost = Cost::of_link(round_trip, 0.0);
        self.exchange
            .link_up(now, LinkId(token.0), identity.node().to_owned(), cost);
        self.tell(Event::Neighbour(identity, Wanted::Yes));
    }

    fn down(&mut self, now: Instant, token: Token, why: Close) {
        let Some(neighbour) = self.links.remove(&token) else {
            return;
        };
        info!(
            node = neighbour.identity.node(),
            ?why,
            instance = neighbour.instance,
            "link down"
        );
        why.close(&neighbour.control.connection);
        why.close(&neighbour.video.connection);
        self.exchange.link_down(now, LinkId(token.0));
        self.tell(Event::Neighbour(neighbour.identity, Wanted::No));
    }

    fn datagrams(&mut self, now: Instant, token: Token, lane: Lane, datagrams: Vec<Bytes>) {
        for datagram in datagrams {
            let Some(neighbour) = self.links.get_mut(&token) else {
                return;
            };
            match neighbour.link.receive(now, lane, datagram) {
                Ok(Received::Media(media)) => self.exchange.media(now, LinkId(token.0), media),
                Ok(Received::Own | Received::Double | Received::OutOfWindow) => {}
                Err(error) => debug!(%error, "not a datagram of a link"),
            }
        }
    }

    fn message(&mut self, now: Instant, token: Token, message: Message) {
        if let Message::Goaway(_) = message {
            self.exchange.set_use(now, LinkId(token.0), Use::Leaving);
            return;
        }
        if let Err(disbelief) = self.exchange.message(now, LinkId(token.0), message) {
            debug!(%disbelief, link = token.0, "not believed");
        }
    }

    /// What is due by the clock.
    fn tick(&mut self, now: Instant) {
        self.exchange.tick(now);
        if now < self.look_at {
            return;
        }
        self.look_at = now + Self::LOOK;
        for token in self.links.keys().copied().collect::<Vec<_>>() {
            let neighbour = self.links.get_mut(&token).expect("listed above");
            let link = LinkId(token.0);
            let health = neighbour.link.health(now);
            let was = std::mem::replace(&mut neighbour.health, health);
            let loss = neighbour
                .link
                .loss(Lane::Video)
                .max(neighbour.link.loss(Lane::Control));
            let cost = Cost::of_link(neighbour.link.round_trip().unwrap_or_default(), loss);
            let rate = neighbour.video.congestion.rate(false);
            match (was, health) {
                (_, Health::Dead) => {
                    self.down(now, token, Close::Dead);
                    continue;
                }
                (Health::Up, Health::Silent) => self.exchange.set_use(now, link, Use::Avoid),
                (Health::Silent | Health::Dead, Health::Up) => {
                    self.exchange.set_use(now, link, Use::Yes)
                }
                (Health::Up, Health::Up) => self.exchange.set_cost(now, link, cost),
                (Health::Silent | Health::Dead, Health::Silent) => {}
            }
            self.exchange.look(now, link, rate, Bitrate::ZERO);
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Does what the exchange says.
    fn carry_out(&mut self, now: Instant) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.exchange.take_outputs(&mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Send(link, packet) => {
                    if let Some(neighbour) = self.links.get_mut(&Token(link.0)) {
                        neighbour.link.push(now, packet);
                    }
                }
                Output::Tell(link, message) => self.say(now, Token(link.0), message),
                Output::Forget(link, flow) => {
                    if let Some(neighbour) = self.links.get_mut(&Token(link.0)) {
                        neighbour.link.forget(flow);
                    }
                }
                Output::Deliver(handle, place, rtp) => self.media.push((handle, place, rtp)),
                Output::Feed(key, layer, wanted) => self.tell(Event::Feed(key, layer, wanted)),
                Output::Paused(key, paused) => self.tell(Event::Paused(key, paused)),
                Output::Keyframe(key) => self.tell(Event::Keyframe(key)),
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
                self.unheard += count;
            }
        }
    }

    fn say(&mut self, now: Instant, token: Token, message: Message) {
        let Some(neighbour) = self.links.get(&token) else {
            return;
        };
        if neighbour.messages.try_send(message.write().into()).is_err() {
            warn!(
                node = neighbour.identity.node(),
                "takes no messages any more"
            );
            self.down(now, token, Close::Dead);
        }
    }

    /// Tells the rooms of this node. They must keep up with what is not media.
    fn tell(&mut self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.unheard += 1;
        }
    }

    /// Gives QUIC what may leave.
    fn pump(&mut self, now: Instant, token: Token) {
        let Some(neighbour) = self.links.get_mut(&token) else {
            return;
        };
        for lane in [Lane::Control, Lane::Video] {
            let held_back = neighbour.link.take_held_back(lane);
            let wire = match lane {
                Lane::Control => &mut neighbour.control,
                Lane::Video => &mut neighbour.video,
            };
            let rate = wire.congestion.rate(held_back);
            neighbour.link.set_rate(now, lane, rate);
            let mut datagram = BytesMut::new();
            while wire.has_room() && neighbour.link.transmit(now, lane, &mut datagram) {
                wire.send(datagram.split().freeze());
            }
        }
        let broken = neighbour.link.take_broken();
        self.exchange.broken(now, LinkId(token.0), &broken);
    }

    fn deadline(&self, now: Instant) -> Instant {
        let mut at = self.look_at;
        if let Some(exchange_at) = self.exchange.deadline() {
            at = at.min(exchange_at);
        }
        for neighbour in self.links.values() {
            let due_at = neighbour.link.deadline();
            let full = !neighbour.control.has_room() || !neighbour.video.has_room();
            at = at.min(if full {
                due_at.max(now + Self::AGAIN)
            } else {
                due_at
            });
        }
        at
    }

    async fn stop(&mut self) {
        for neighbour in self.links.values() {
            Close::Stop.close(&neighbour.control.connection);
            Close::Stop.close(&neighbour.video.connection);
        }
        self.tasks.shutdown().await;
    }
}

impl Neighbour {
    fn status(&self) -> LinkStatus {
        let counts = self.link.counts();
        LinkStatus {
            identity: self.identity.clone(),
            round_trip: self.link.round_trip(),
            loss: self
                .link
                .loss(Lane::Video)
                .max(self.link.loss(Lane::Control)),
            rate: self.video.congestion.rate(false),
            sent: counts.originals,
            repairs: counts.repairs,
            given_up: self.link.given_up(),
        }
    }
}

impl Wire {
    fn new(connection: Connection, congestion: Shared) -> Self {
        Self {
            connection,
            congestion,
            refused: 0,
        }
    }

    fn has_room(&self) -> bool {
        self.connection.datagram_send_buffer_space() > DATAGRAM_BUFFER - Node::IN_QUIC
    }

    fn send(&mut self, datagram: Bytes) {
        if self.connection.send_datagram(datagram).is_err() {
            self.refused += 1;
        }
    }
}
