//! How a node meets others: dials the neighbours it should, lets in those it may, and owns the
//! tasks that do so. What becomes of those it met is the [`Node`](crate::node::Node)'s.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::{ClientConfig, Connection, Endpoint, Incoming};
use relay_proto::{Lane, Limits};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, info, warn};

use crate::access::{Access, AccessError, Neighbour};
use crate::close::Close;
use crate::identity::{Credentials, Identity};
use crate::lane::{GreetError, Greeted, greet, own_hello, welcome};
use crate::node::Input;
use crate::quic;
use crate::relay::Settings;

/// What the node tells it.
#[derive(Debug)]
pub(crate) enum Order {
    /// Whom to dial from now on.
    Neighbours(Vec<Neighbour>),
    /// Whom to let in from now on.
    Access(Access),
    /// With which certificate.
    Reload(Box<Credentials>),
    /// This node need not be dialled.
    Linked(String),
    /// Now it must be.
    Unlinked(String),
    /// Nobody any more: the node goes.
    Close,
}

/// The task's state.
pub(crate) struct Meeting {
    identity: Identity,
    instance: u64,
    limits: Limits,
    endpoint: Endpoint,
    inputs: mpsc::Sender<Input>,
    /// What those who dial and those who let in go by.
    rules: watch::Sender<Rules>,
    places: Arc<Semaphore>,
    handshakes: JoinSet<()>,
    dialling: HashMap<String, (Neighbour, AbortHandle)>,
    dialers: JoinSet<()>,
    open: Open,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    Yes,
    No,
}

#[derive(Clone, Debug)]
struct Rules {
    /// Those who are linked now.
    linked: BTreeSet<String>,
    neighbours: Vec<Neighbour>,
    access: Access,
    client: ClientConfig,
}

impl Meeting {
    /// Handshakes under way at once: each costs a signature and some memory.
    const AT_ONCE: usize = 64;
    /// From so many on, who comes must show that its address is its own.
    const BUSY: usize = 16;

    pub(crate) fn new(
        settings: &Settings,
        instance: u64,
        endpoint: Endpoint,
        client: ClientConfig,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        let rules = Rules {
            linked: BTreeSet::new(),
            neighbours: settings.neighbours.clone(),
            access: settings.access.clone(),
            client,
        };
        Self {
            identity: settings.credentials.identity.clone(),
            instance,
            limits: settings.limits,
            endpoint,
            inputs,
            rules: watch::Sender::new(rules),
            places: Arc::new(Semaphore::new(Self::AT_ONCE)),
            handshakes: JoinSet::new(),
            dialling: HashMap::new(),
            dialers: JoinSet::new(),
            open: Open::Yes,
        }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        self.dial();
        loop {
            tokio::select! {
                biased;
                // What is ordered holds for who comes next.
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) => self.let_in(incoming),
                    None => return,
                },
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Neighbours(neighbours) => {
                self.rules
                    .send_modify(|rules| rules.neighbours = neighbours);
                self.dial();
            }
            Order::Access(access) => self.rules.send_modify(|rules| rules.access = access),
            Order::Reload(credentials) => self.reload(&credentials),
            Order::Linked(node) => {
                self.rules.send_modify(|rules| {
                    rules.linked.insert(node);
                });
            }
            Order::Unlinked(node) => {
                self.rules.send_modify(|rules| {
                    rules.linked.remove(&node);
                });
            }
            Order::Close => {
                self.open = Open::No;
                self.dialers.abort_all();
                self.dialling.clear();
            }
        }
    }

    /// Who is met from now on sees the new certificate.
    fn reload(&mut self, credentials: &Credentials) {
        if credentials.identity != self.identity {
            let theirs = credentials.identity.to_string();
            warn!(
                theirs,
                "the new certificate is another node's: the old one stays"
            );
            return;
        }
        let made = quic::server(credentials, self.limits)
            .and_then(|server| Ok((server, quic::client(credentials, self.limits)?)));
        match made {
            Ok((server, client)) => {
                self.endpoint.set_server_config(Some(server));
                self.rules.send_modify(|rules| rules.client = client);
                info!("certificate reloaded");
            }
            Err(error) => warn!(%error, "the new certificate is of no use: the old one stays"),
        }
    }

    /// Begins to dial new neighbours, and ends to dial old ones.
    fn dial(&mut self) {
        if self.open == Open::No {
            return;
        }
        let wanted = self.rules.borrow().neighbours.clone();
        self.dialling.retain(|_, (neighbour, task)| {
            let stays = wanted.contains(neighbour);
            if !stays {
                task.abort();
            }
            stays
        });
        while self.dialers.try_join_next().is_some() {}
        for neighbour in wanted {
            if self.identity.node() == neighbour.node || self.dialling.contains_key(&neighbour.node)
            {
                continue;
            }
            let dialer = Dialer {
                host: self.host(),
                endpoint: self.endpoint.clone(),
                neighbour: neighbour.clone(),
            };
            let task = self.dialers.spawn(dialer.run());
            self.dialling
                .insert(neighbour.node.clone(), (neighbour, task));
        }
    }

    fn let_in(&mut self, incoming: Incoming) {
        while self.handshakes.try_join_next().is_some() {}
        let place = self.places.clone().try_acquire_owned();
        let (Ok(place), Open::Yes) = (place, self.open) else {
            incoming.refuse();
            return;
        };
        if !incoming.remote_address_validated()
            && self.places.available_permits() < Self::AT_ONCE - Self::BUSY
        {
            // It cannot be asked twice: it is not validated.
            let _ = incoming.retry();
            return;
        }
        let host = self.host();
        self.handshakes.spawn(async move {
            let address = incoming.remote_address();
            if let Err(error) = host.meet(incoming).await {
                info!(%address, %error, "not let in");
            }
            drop(place);
        });
    }

    fn host(&self) -> Host {
        Host {
            identity: self.identity.clone(),
            instance: self.instance,
            inputs: self.inputs.clone(),
            rules: self.rules.subscribe(),
        }
    }
}

/// What a task that meets others needs.
#[derive(Clone, Debug)]
struct Host {
    identity: Identity,
    instance: u64,
    inputs: mpsc::Sender<Input>,
    rules: watch::Receiver<Rules>,
}

impl Host {
    async fn meet(&self, incoming: Incoming) -> Result<(), GreetError> {
        let connection = incoming.await?;
        let ours = own_hello(&self.identity, self.instance, Lane::Control);
        let greeted = parting(&connection, welcome(connection.clone(), ours).await)?;
        self.hand_on(greeted).await
    }

    /// Whoever may be here is the node's business from here on.
    async fn hand_on(&self, greeted: Greeted) -> Result<(), GreetError> {
        let allowed = {
            let rules = self.rules.borrow();
            rules.access.check(&rules.neighbours, &greeted.identity)
        };
        let connection = greeted.connection.clone();
        parting(&connection, allowed.map_err(GreetError::from))?;
        // A node that stops lets nobody in.
        let _ = self.inputs.send(Input::Greeted(Box::new(greeted))).await;
        Ok(())
    }
}

/// Keeps one neighbour linked.
#[derive(Debug)]
struct Dialer {
    host: Host,
    endpoint: Endpoint,
    neighbour: Neighbour,
}

impl Dialer {
    /// How soon a lost neighbour is dialled again, and how late at most.
    const SOON: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(5);
    /// Of two nodes that know of each other the one whose name comes first dials, the other waits
    /// whether it does.
    const LET_GO_FIRST: Duration = Duration::from_millis(700);

    async fn run(mut self) {
        let mut wait = Duration::ZERO;
        loop {
            if self.host.identity.node() > self.neighbour.node.as_str() {
                wait = wait.max(Self::LET_GO_FIRST);
            }
            tokio::time::sleep(wait).await;
            let node = self.neighbour.node.clone();
            let unlinked = |rules: &Rules| !rules.linked.contains(&node);
            let waited = !unlinked(&self.host.rules.borrow());
            if waited {
                if self.host.rules.wait_for(unlinked).await.is_err() {
                    return;
                }
                wait = Self::SOON;
                continue;
            }
            wait = self.attempt(wait).await;
        }
    }

    /// Dials, and stays as long as that lasts. How long to wait before the next time.
    async fn attempt(&self, wait: Duration) -> Duration {
        let longer = (wait * 2).clamp(Self::SOON, Self::LATE);
        let (node, address) = (self.neighbour.node.as_str(), self.neighbour.address);
        let connection = match self.dial().await {
            Ok(connection) => connection,
            Err(error) => {
                info!(node, %address, %error, "cannot be reached");
                return longer;
            }
        };
        let began_at = Instant::now();
        let why = connection.closed().await;
        debug!(node, %why, "dialling again");
        if Close::is_lasting(&connection) {
            return Self::LATE;
        }
        if began_at.elapsed() > Self::LATE {
            Self::SOON
        } else {
            longer
        }
    }

    /// Both connections of a link; the first is told when it ends.
    async fn dial(&self) -> Result<Connection, DialError> {
        let mut control = None;
        let client = self.host.rules.borrow().client.clone();
        for lane in [Lane::Control, Lane::Video] {
            let Neighbour { node, address, .. } = &self.neighbour;
            let connection = self
                .endpoint
                .connect_with(client.clone(), *address, node)?
                .await
                .map_err(GreetError::from)?;
            let ours = own_hello(&self.host.identity, self.host.instance, lane);
            let greeted = parting(&connection, greet(connection.clone(), ours).await)?;
            self.host.hand_on(greeted).await?;
            control.get_or_insert(connection);
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
    let why = match error {
        GreetError::Version(_) => Close::Version,
        GreetError::Access(AccessError::Region { .. }) => Close::Region,
        GreetError::Access(AccessError::Denied(_) | AccessError::NotAllowed(_)) => Close::Denied,
        GreetError::Slow
        | GreetError::Connection(_)
        | GreetError::Read(_)
        | GreetError::Write(_)
        | GreetError::NoCertificate
        | GreetError::Identity(_)
        | GreetError::Impostor { .. }
        | GreetError::Rude => Close::Protocol,
    };
    why.close(connection);
    met
}
