//! How a node meets others: dials the neighbours it should, lets in those it may, and owns the
//! tasks that do so. What becomes of those it met is the [`Node`](crate::node::Node)'s.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, Endpoint, Incoming};
use relay_proto::Limits;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{info, warn};

use crate::access::{Access, Neighbour};
use crate::dialer::Dialer;
use crate::host::Host;
use crate::identity::{Credentials, Identity};
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

/// What those who meet others go by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Those who are linked now.
    pub(crate) linked: BTreeSet<String>,
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) access: Access,
    pub(crate) client: ClientConfig,
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

    /// Runs until the node stops, and its last words have left.
    pub(crate) async fn run(mut self, orders: mpsc::UnboundedReceiver<Order>) {
        /// Who does not answer is not waited for.
        const LAST_WORDS: Duration = Duration::from_millis(500);
        self.meet(orders).await;
        self.dialers.shutdown().await;
        self.handshakes.shutdown().await;
        // It stops in any case.
        let _ = tokio::time::timeout(LAST_WORDS, self.endpoint.wait_idle()).await;
    }

    async fn meet(&mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
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
