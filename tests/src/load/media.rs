//! The thread that carries all clients' media: waits for datagrams and for moments, and
//! does what is due. Everybody else talks to it through a [`Media`].

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs, io,
    sync::Arc,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use mio::{Events, Interest, Poll, Token, Waker};
use rand::Rng;
use tokio::sync::oneshot;

use super::{
    client::{
        Client, Streams,
        inbox::Inbox,
        sending::{Devices, Sending},
    },
    clock::Clock,
    hearing::Heard,
    statistics::Statistics,
};

/// The way to the thread. It ends when the last copy is dropped.
#[derive(Debug, Clone)]
pub struct Media {
    orders: Sender<Order>,
    waker: Arc<Waker>,
}

/// A client by its number in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId(usize);

/// What happened between two marks.
#[derive(Debug)]
pub struct Window {
    /// The counts.
    pub statistics: Statistics,
    /// How long it was, in nanoseconds.
    pub wall: u64,
    /// How long the thread ran in it.
    pub busy: u64,
}

enum Order {
    Add(Box<Client>, Option<Devices>, oneshot::Sender<ClientId>),
    Remove(ClientId),
    Mark(oneshot::Sender<Window>),
    Streams(oneshot::Sender<Vec<(ClientId, Streams)>>),
    Heard(oneshot::Sender<Vec<(ClientId, Heard)>>),
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Media,
    Report,
    Consent,
}

const WAKE: Token = Token(usize::MAX);
/// RFC 7675 section 5.1 proposes 5 s.
const CONSENT: u64 = 5_000_000_000;
const REPORT: u64 = 1_000_000_000;

impl Media {
    /// Starts the thread.
    pub fn start(clock: Clock) -> Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (orders, ordered) = channel();
        let carrier = Carrier {
            poll,
            clock,
            ordered,
            clients: Vec::new(),
            timers: BinaryHeap::new(),
            inbox: Inbox::default(),
            statistics: Statistics::default(),
            mark: (0, 0),
        };
        let thread = thread::Builder::new().name("load-media".to_owned());
        thread.spawn(move || carrier.run())?;
        Ok(Self { orders, waker })
    }

    /// Hands a client over, with what it publishes.
    pub async fn add(&self, client: Client, devices: Option<Devices>) -> Result<ClientId> {
        self.ask(|reply| Order::Add(Box::new(client), devices, reply))
            .await
    }

    /// Forgets a client and closes its socket.
    pub fn remove(&self, client: ClientId) {
        // A thread that has ended has closed it.
        let _ = self.tell(Order::Remove(client));
    }

    /// What was counted since the last mark; counting begins anew.
    pub async fn mark(&self) -> Result<Window> {
        self.ask(Order::Mark).await
    }

    /// What each client heard since it was asked last.
    pub async fn heard(&self) -> Result<Vec<(ClientId, Heard)>> {
        self.ask(Order::Heard).await
    }

    /// The streams of each client.
    pub async fn streams(&self) -> Result<Vec<(ClientId, Streams)>> {
        self.ask(Order::Streams).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(order(reply))?;
        answer.await.context("the media thread has ended")
    }

    fn tell(&self, order: Order) -> Result<()> {
        let sent = self.orders.send(order);
        sent.map_err(|_| anyhow!("the media thread has ended"))?;
        Ok(self.waker.wake()?)
    }
}

struct Carrier {
    poll: Poll,
    clock: Clock,
    ordered: Receiver<Order>,
    /// By number; those that left leave a hole.
    clients: Vec<Option<Client>>,
    timers: BinaryHeap<Reverse<(u64, usize, Timer)>>,
    inbox: Inbox,
    statistics: Statistics,
    /// When the last mark was, and how long the thread had run.
    mark: (u64, u64),
}

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    On,
    Over,
}

impl Carrier {
    fn run(mut self) {
        let mut events = Events::with_capacity(512);
        loop {
            let wait = self.wait();
            match self.poll.poll(&mut events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
            for event in &events {
                if event.token() == WAKE {
                    if self.orders() == Step::Over {
                        return;
                    }
                } else if let Some(Some(client)) = self.clients.get_mut(event.token().0) {
                    client.receive(&mut self.inbox, self.clock, &mut self.statistics);
                }
            }
            self.due();
        }
    }

    fn wait(&self) -> Option<Duration> {
        let Reverse((at, ..)) = self.timers.peek()?;
        Some(Duration::from_nanos(at.saturating_sub(self.clock.now())))
    }

    fn due(&mut self) {
        loop {
            let now = self.clock.now();
            match self.timers.peek() {
                Some(Reverse((at, ..))) if *at <= now => {}
                Some(_) | None => return,
            }
            let Some(Reverse((at, number, timer))) = self.timers.pop() else {
                return;
            };
            let Some(Some(client)) = self.clients.get_mut(number) else {
                continue;
            };
            let next = match timer {
                Timer::Media => {
                    self.statistics.sent.lateness.count(now - at);
                    client.play(now, self.clock, &mut self.statistics);
                    client.media_at()
                }
                Timer::Report => {
                    client.report(now, self.clock);
                    at + REPORT
                }
                Timer::Consent => {
                    client.check();
                    at + CONSENT
                }
            };
            self.timers.push(Reverse((next, number, timer)));
        }
    }

    fn orders(&mut self) -> Step {
        loop {
            match self.ordered.try_recv() {
                Ok(order) => self.obey(order),
                Err(std::sync::mpsc::TryRecvError::Empty) => return Step::On,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Step::Over,
            }
        }
    }

    /// Whoever asked may have gone: then nobody misses the answer.
    fn obey(&mut self, order: Order) {
        match order {
            Order::Add(client, devices, reply) => {
                let _ = reply.send(self.add(*client, devices));
            }
            Order::Remove(ClientId(number)) => {
                if let Some(client) = self.clients.get_mut(number) {
                    *client = None;
                }
            }
            Order::Mark(reply) => {
                let (wall, busy) = (self.clock.now(), busy());
                let (wall_before, busy_before) = std::mem::replace(&mut self.mark, (wall, busy));
                let _ = reply.send(Window {
                    statistics: std::mem::take(&mut self.statistics),
                    wall: wall - wall_before,
                    busy: busy.saturating_sub(busy_before),
                });
            }
            Order::Streams(reply) => {
                let clients = self.clients.iter().enumerate();
                let streams = clients.filter_map(|(number, client)| {
                    Some((ClientId(number), client.as_ref()?.streams()))
                });
                let _ = reply.send(streams.collect());
            }
            Order::Heard(reply) => {
                let clients = self.clients.iter_mut().enumerate();
                let heard = clients.filter_map(|(number, client)| {
                    Some((ClientId(number), client.as_mut()?.heard()))
                });
                let _ = reply.send(heard.collect());
            }
        }
    }

    fn add(&mut self, mut client: Client, devices: Option<Devices>) -> ClientId {
        let number = self.clients.len();
        let now = self.clock.now();
        if let Some(devices) = devices {
            client.play_on(Sending::new(devices, now));
            self.timers
                .push(Reverse((client.media_at(), number, Timer::Media)));
        }
        // Spread, as they would be between machines.
        let phase = |interval| now + rand::rng().random_range(0..interval);
        for (timer, interval) in [(Timer::Report, REPORT), (Timer::Consent, CONSENT)] {
            self.timers.push(Reverse((phase(interval), number, timer)));
        }
        // One that can't be registered receives nothing, and is seen by that.
        let _ =
            self.poll
                .registry()
                .register(&mut client.socket, Token(number), Interest::READABLE);
        // What came before it was registered makes no event.
        client.receive(&mut self.inbox, self.clock, &mut self.statistics);
        self.clients.push(Some(client));
        ClientId(number)
    }
}

/// How long this thread has run, in nanoseconds.
fn busy() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_ascii_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or_default()
}
