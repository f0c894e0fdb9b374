//! The socket of a node: dials the neighbours it should, lets in those it may, and owns the tasks
//! that do so.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint, EndpointConfig, Incoming, TokioRuntime};
use relay_proto::{Lane, Limits, Transit};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tracing::{debug, info};

use crate::identity::{Credentials, Identity};
use crate::lane::{Close, GreetError, greet, own_hello, welcome};
use crate::node::{Command, Event, Input, Node, Part};
use crate::quic::{self, TlsError};

/// How a node takes part in the relay.
#[derive(Debug)]
pub struct Settings {
    /// Who it is, and whose word it takes.
    pub credentials: Credentials,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Whom it should be linked to.
    pub neighbours: Vec<Neighbour>,
    /// Whom it never lets in, whatever their certificate: nodes by name.
    pub denied: HashSet<String>,
    /// Whether it passes on what it does not host.
    pub transit: Transit,
    /// What its lines carry.
    pub limits: Limits,
}

/// Another node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Neighbour {
    /// The name in its certificate.
    pub node: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A node's part in the relay; ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    inputs: mpsc::Sender<Input>,
    _tasks: JoinSet<()>,
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
        let socket = socket(settings.bind).map_err(bind)?;
        let mut endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(server),
            socket,
            Arc::new(TokioRuntime),
        )
        .map_err(bind)?;
        endpoint.set_default_client_config(client);
        let address = endpoint.local_addr().map_err(bind)?;
        let (inputs, queue) = mpsc::channel(Self::INPUTS);
        let (events_to, events) = mpsc::channel(Self::EVENTS);
        let identity = settings.credentials.identity.clone();
        let part = Part {
            identity: identity.clone(),
            transit: settings.transit,
            limits: settings.limits,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(Node::new(part, queue, inputs.clone(), events_to).run());
        let meeting = Arc::new(Meeting {
            identity,
            instance,
            denied: settings.denied,
            inputs: inputs.clone(),
        });
        tasks.spawn(meeting.clone().let_in(endpoint.clone()));
        for neighbour in settings.neighbours {
            // Of two nodes the one whose name comes first dials.
            if meeting.identity.node() < neighbour.node.as_str() {
                tasks.spawn(meeting.clone().keep_dialling(endpoint.clone(), neighbour));
            }
        }
        let relay = Self {
            address,
            inputs,
            _tasks: tasks,
        };
        Ok((relay, events))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it something. Waits while it is behind; `false` if it has stopped.
    pub async fn tell(&self, command: Command) -> bool {
        self.inputs.send(Input::Command(command)).await.is_ok()
    }

    /// As [`tell`](Self::tell) without waiting; `false` if that could not be: media is dropped then.
    pub fn try_tell(&self, command: Command) -> bool {
        self.inputs.try_send(Input::Command(command)).is_ok()
    }
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

/// How this node meets others.
#[derive(Debug)]
struct Meeting {
    identity: Identity,
    instance: u64,
    denied: HashSet<String>,
    inputs: mpsc::Sender<Input>,
}

impl Meeting {
    /// Handshakes under way at once: each costs a signature and some memory.
    const AT_ONCE: usize = 64;
    /// From so many on, who comes must show that its address is its own.
    const BUSY: usize = 16;
    /// How soon a lost neighbour is dialled again, and how late at most.
    const SOON: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(5);

    async fn let_in(self: Arc<Self>, endpoint: Endpoint) {
        let places = Arc::new(Semaphore::new(Self::AT_ONCE));
        let mut handshakes = JoinSet::new();
        while let Some(incoming) = endpoint.accept().await {
            while handshakes.try_join_next().is_some() {}
            let Ok(place) = places.clone().try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            if !incoming.remote_address_validated()
                && places.available_permits() < Self::AT_ONCE - Self::BUSY
            {
                // It cannot be asked twice: it is not validated.
                let _ = incoming.retry();
                continue;
            }
            let meeting = self.clone();
            handshakes.spawn(async move {
                let address = incoming.remote_address();
                if let Err(error) = meeting.meet(incoming).await {
                    info!(%address, %error, "not let in");
                }
                drop(place);
            });
        }
    }

    async fn meet(&self, incoming: Incoming) -> Result<(), GreetError> {
        let connection = incoming.await?;
        let ours = own_hello(&self.identity, self.instance, Lane::Control);
        let greeted = parting(&connection, welcome(connection.clone(), ours).await)?;
        if self.denied.contains(greeted.identity.node()) {
            return parting(&connection, Err(GreetError::Denied));
        }
        // A node that stops lets nobody in.
        let _ = self.inputs.send(Input::Greeted(Box::new(greeted))).await;
        Ok(())
    }

    async fn keep_dialling(self: Arc<Self>, endpoint: Endpoint, neighbour: Neighbour) {
        let mut wait = Self::SOON;
        loop {
            match self.dial(&endpoint, &neighbour).await {
                Ok(connection) => {
                    wait = Self::SOON;
                    let why = connection.closed().await;
                    debug!(node = neighbour.node, %why, "dialling again");
                }
                Err(error) => {
                    debug!(node = neighbour.node, address = %neighbour.address, %error, "cannot be reached");
                    wait = (wait * 2).min(Self::LATE);
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Both connections of a link; the first is told when it ends.
    async fn dial(
        &self,
        endpoint: &Endpoint,
        neighbour: &Neighbour,
    ) -> Result<Connection, DialError> {
        let mut control = None;
        for lane in [Lane::Control, Lane::Video] {
            let connection = endpoint
                .connect(neighbour.address, &neighbour.node)?
                .await
                .map_err(GreetError::from)?;
            let ours = own_hello(&self.identity, self.instance, lane);
            let greeted = parting(&connection, greet(connection.clone(), ours).await)?;
            control.get_or_insert(connection);
            if self
                .inputs
                .send(Input::Greeted(Box::new(greeted)))
                .await
                .is_err()
            {
                break;
            }
        }
        Ok(control.expect("the first lane is always dialled"))
    }
}

#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    #[error(transparent)]
    Greet(#[from] GreetError),
}

/// Tells the other end why, if this is the end.
fn parting<T>(connection: &Connection, met: Result<T, GreetError>) -> Result<T, GreetError> {
    let Err(error) = &met else {
        return met;
    };
    match error {
        GreetError::Version(_) => Close::Version.close(connection),
        GreetError::Denied => Close::Denied.close(connection),
        GreetError::Slow
        | GreetError::Connection(_)
        | GreetError::Read(_)
        | GreetError::Write(_)
        | GreetError::NoCertificate
        | GreetError::Identity(_)
        | GreetError::Impostor { .. }
        | GreetError::Rude => Close::Protocol.close(connection),
    }
    met
}
