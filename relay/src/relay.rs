//! A node's part in the relay, as its rooms hold it: what they tell it goes in here, what it tells
//! them comes out of the queue it is started with.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use relay_proto::control::MOST_SAID;
use relay_proto::{Limits, Routes, Transit};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::access::{Access, Neighbour};
use crate::command::{Command, Event, TellError};
use crate::identity::Credentials;
use crate::meeting::Meeting;
use crate::metrics::Metrics;
use crate::node::{Input, Node, Part};
use crate::quic::{self, TlsError};
use crate::status::Status;

/// How a node takes part in the relay.
#[derive(Debug)]
pub struct Settings {
    /// Who it is, and whose word it takes.
    pub credentials: Credentials,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Whom it should be linked to.
    pub neighbours: Vec<Neighbour>,
    /// Whom it lets in.
    pub access: Access,
    /// Whether it passes on what it does not host.
    pub transit: Transit,
    /// What its lines carry.
    pub limits: Limits,
    /// What to count into.
    pub metrics: Metrics,
}

/// A node's part in the relay; ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    inputs: mpsc::Sender<Input>,
    tasks: JoinSet<()>,
}

/// Why a node cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port cannot be had.
    #[error("cannot listen on {address}: {why}")]
    Bind {
        /// Where it should listen.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// The certificate is of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Settings {
    /// A node without neighbours, that lets in all whom the CA certified and is no hub.
    pub fn new(credentials: Credentials, bind: SocketAddr) -> Self {
        Self {
            credentials,
            bind,
            neighbours: Vec::new(),
            access: Access::default(),
            transit: Transit::No,
            limits: Limits::default(),
            metrics: Metrics::default(),
        }
    }
}

impl Relay {
    /// Inputs that wait for the node's task; readers wait with theirs then, and QUIC with its own.
    const INPUTS: usize = 1_024;
    /// Events that wait for the rooms.
    const EVENTS: usize = 4_096;

    /// Begins to take part; `instance` is another number at each start.
    pub fn start(
        settings: Settings,
        instance: u64,
    ) -> Result<(Self, mpsc::Receiver<Event>), StartError> {
        let server = quic::server(&settings.credentials, settings.limits)?;
        let client = quic::client(&settings.credentials, settings.limits)?;
        let bind = |why| StartError::Bind {
            address: settings.bind,
            why,
        };
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(server),
            socket(settings.bind).map_err(bind)?,
            Arc::new(TokioRuntime),
        )
        .map_err(bind)?;
        let address = endpoint.local_addr().map_err(bind)?;
        let (inputs, queue) = mpsc::channel(Self::INPUTS);
        let (events_to, events) = mpsc::channel(Self::EVENTS);
        let (orders_to, orders) = mpsc::unbounded_channel();
        let part = Part {
            identity: settings.credentials.identity.clone(),
            transit: settings.transit,
            limits: settings.limits,
            neighbours: settings.neighbours.clone(),
            access: settings.access.clone(),
            metrics: settings.metrics.clone(),
        };
        let meeting = Meeting::new(&settings, instance, endpoint, client, inputs.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(Node::new(part, queue, inputs.clone(), events_to, orders_to).run());
        tasks.spawn(meeting.run(orders));
        let relay = Self {
            address,
            inputs,
            tasks,
        };
        Ok((relay, events))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has stopped, of which its neighbours have heard then: told
    /// [`Stop`](Command::Stop), or [`Drain`](Command::Drain).
    pub async fn stopped(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// For those who only look.
    pub fn observer(&self) -> Observer {
        Observer(self.inputs.clone())
    }

    /// Tells it something. Waits while it is behind.
    pub async fn tell(&self, command: Command) -> Result<(), TellError> {
        let sent = self.inputs.send(Input::Command(check(command)?));
        sent.await.map_err(|_| TellError::Stopped)
    }

    /// As [`tell`](Self::tell) without waiting: media is dropped then.
    pub fn try_tell(&self, command: Command) -> Result<(), TellError> {
        use mpsc::error::TrySendError;
        let sent = self.inputs.try_send(Input::Command(check(command)?));
        sent.map_err(|error| match error {
            TrySendError::Full(_) => TellError::Busy,
            TrySendError::Closed(_) => TellError::Stopped,
        })
    }
}

/// Looks at a node's part in the relay; does not keep it from ending.
#[derive(Clone, Debug)]
pub struct Observer(mpsc::Sender<Input>);

impl Observer {
    /// What it is like now; `None` if it has stopped.
    pub async fn status(&self) -> Option<Status> {
        let (answer, status) = oneshot::channel();
        let asks = Input::Command(Command::Status(answer));
        self.0.send(asks).await.ok()?;
        status.await.ok()
    }
}

/// What cannot be told is refused to who would.
fn check(command: Command) -> Result<Command, TellError> {
    if let Command::Say(room, _, said) = &command {
        if said.len() > MOST_SAID {
            return Err(TellError::TooLong(said.len()));
        }
        if room.len() > Routes::LONGEST_NAME {
            return Err(TellError::RoomName(room.len()));
        }
    }
    Ok(command)
}

/// A socket with room for a burst of pictures of all neighbours.
fn socket(address: SocketAddr) -> std::io::Result<std::net::UdpSocket> {
    const BUFFER: usize = 4 << 20;
    let socket = std::net::UdpSocket::bind(address)?;
    let options = socket2::SockRef::from(&socket);
    // Less works, too: the kernel grants what it may.
    let _ = options.set_recv_buffer_size(BUFFER);
    let _ = options.set_send_buffer_size(BUFFER);
    Ok(socket)
}
