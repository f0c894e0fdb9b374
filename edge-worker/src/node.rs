//! Starts a node's parts, keeps them together, and stops them in order. The only
//! place that starts threads and long-lived tasks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use livekit::token::Keys;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use transport::{Candidates, Identity};

use crate::cascade::{Beginnings, Cascade, CascadeInbox, Linked};
use crate::config::Config;
use crate::control::{self, Control, ControlInbox};
use crate::directory::Directory;
use crate::facts::Facts;
use crate::metrics::Metrics;
use crate::porch::Porch;
use crate::relaying::Relays;
use crate::revocations::Revocations;
use crate::shard::{Shard, Spanning, ToShard};
use crate::tls::{self, Renewal, Tls};
use crate::webhooks::{self, Webhooks};
use crate::whip::{self, Keeper, Resources};
use crate::{cli, http, ids, logs};

/// How a node was started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// On one's own machine; says how to join.
    Dev,
    /// By its configuration.
    Configured,
}

/// What every part of the shell may look at.
#[derive(Debug)]
pub struct Node {
    /// As checked.
    pub config: Config,
    /// Shown to clients.
    pub id: String,
    /// For tokens.
    pub keys: Keys,
    /// Where rooms live.
    pub(crate) directory: Directory,
    /// To rooms that are on other shards and nodes; none where there are none.
    pub(crate) cascade: Option<CascadeInbox>,
    /// Rooms that are about to be opened, here and on other nodes.
    pub(crate) beginnings: Beginnings,
    /// For who cannot reach the shards as others do; none where nobody is to.
    pub(crate) relays: Option<Relays>,
    /// To look at the links to other nodes.
    pub(crate) links: Option<relay::Observer>,
    /// To the conversation with the control plane; none where there is none.
    pub(crate) control: Option<ControlInbox>,
    /// Tokens refused before they expire.
    pub(crate) revocations: Revocations,
    /// Those who came by WHIP or WHEP.
    pub(crate) resources: Resources,
    /// To count into.
    pub metrics: Metrics,
    /// The certificate that clients see; none where the node speaks in the clear.
    pub(crate) tls: Option<Tls>,
    /// Of those who call over TCP.
    pub(crate) porch: Porch,
    /// One for each public connection that may be open.
    pub(crate) places: Arc<Semaphore>,
    /// One for each WebSocket that may be open.
    pub signal_slots: Arc<Semaphore>,
    /// Set once when the node stops.
    pub stopping: watch::Receiver<bool>,
}

/// WebSockets at a time: what the file descriptors of a common limit allow.
const SIGNAL_SLOTS: usize = 20_000;

/// Clients get this long to hear that the node stops.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A node put together, its shards not running yet.
#[derive(Debug)]
pub struct Assembly {
    /// What all parts share.
    pub node: Arc<Node>,
    /// To be run, each on a thread of its own.
    pub shards: Vec<Shard>,
    /// Tells the listeners to stop.
    pub stop: watch::Sender<bool>,
    /// To be run: tells the app's servers what happens in rooms.
    pub webhooks: Webhooks,
    /// To be run: those who came by WHIP or WHEP.
    pub(crate) keeper: Keeper,
    /// To be run: rooms on other shards and nodes.
    pub cascade: Option<Cascade>,
    /// To be run: the conversation with the control plane.
    pub control: Option<Control>,
    /// To be run: looks whether there is another certificate for clients.
    pub(crate) renewal: Option<Renewal>,
}

/// Binds a node's sockets and puts its parts together.
pub fn assemble(config: Config) -> anyhow::Result<Assembly> {
    let metrics = Metrics::new();
    let identity = Arc::new(Identity::generate().context("cannot make a DTLS certificate")?);
    let keys: Keys = config
        .keys
        .iter()
        .map(|(key, secret)| (key.clone(), secret.clone()))
        .collect();
    let (told, webhooks) = webhooks::prepare(&config.webhook, &keys, &metrics)?;
    let prepared = control::prepare(&config, &metrics)?;
    let (reports, control, speaking) = match prepared {
        Some(it) => (Some(it.reports), Some(it.inbox), Some(it.control)),
        None => (None, None, None),
    };
    let facts = Facts::new(told, reports, metrics.clone());
    let linked = config.relay.as_ref().map(|config| {
        let metrics = relay::Metrics::new(metrics.registry()).context("metrics")?;
        Linked::start(config, metrics)
    });
    let linked = linked.transpose()?;
    let secured = config.tls.clone();
    let secured = secured.map(|files| tls::prepare(files, &metrics));
    let (tls, renewal) = secured.transpose()?.unzip();
    let spans = linked.is_some() || config.rtc.sockets.len() > 1;
    let (cascade, cascaded) = spans.then(CascadeInbox::new).unzip();
    let relays = Relays::new(&config, Instant::now());
    let mut shards = Vec::new();
    let mut inboxes = Vec::new();
    for (index, socket) in config.rtc.sockets.iter().enumerate() {
        let at = |port: u16| {
            let addresses = config.rtc.advertise.iter();
            addresses.map(move |ip| SocketAddr::new(*ip, port))
        };
        let advertised = Candidates {
            udp: at(socket.port()).collect(),
            tcp: config
                .rtc
                .tcp_public_ports
                .iter()
                .flat_map(|port| at(*port))
                .collect(),
        };
        let turn = relays
            .as_ref()
            .map(|relays| relays.server(index, &advertised.udp));
        let (mut shard, inbox) = Shard::new(
            index,
            *socket,
            advertised,
            identity.clone(),
            metrics.clone(),
            facts.clone(),
            cascade.clone().map(|cascade| Spanning::new(index, cascade)),
        )
        .with_context(|| {
            format!("cannot use UDP {socket}; rtc.udp_port (EDGE_RTC__UDP_PORT) chooses another")
        })?;
        if let Some(turn) = turn {
            shard.open_turn(turn);
        }
        shards.push(shard);
        inboxes.push(inbox);
    }
    let (stop, stopping) = watch::channel(false);
    let (resources, keeper) = whip::prepare();
    let node = Arc::new(Node {
        id: if config.node.id.is_empty() {
            ids::node_id()
        } else {
            config.node.id.clone()
        },
        keys,
        directory: Directory::new(inboxes, config.rtc.spread),
        cascade,
        beginnings: Beginnings::default(),
        relays,
        links: linked.as_ref().map(Linked::observer),
        control,
        revocations: Revocations::default(),
        resources,
        metrics,
        tls,
        porch: Porch::default(),
        places: Arc::new(Semaphore::new(http::places())),
        signal_slots: Arc::new(Semaphore::new(SIGNAL_SLOTS)),
        stopping,
        config,
    });
    Ok(Assembly {
        cascade: cascaded.map(|inbox| Cascade::new(Arc::clone(&node), inbox, linked)),
        node,
        shards,
        stop,
        webhooks,
        keeper,
        control: speaking,
        renewal,
    })
}

/// Starts the node's listeners.
pub async fn serve(node: &Arc<Node>) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let public = bind(node.config.http, "http").await?;
    let private = bind(node.config.admin, "admin").await?;
    let mut servers = JoinSet::new();
    servers.spawn(http::serve_public(public, node.clone()));
    servers.spawn(http::serve_admin(private, node.clone()));
    // On the port of HTTP callers are told by their first byte.
    if let Some(tcp) = node.config.rtc.tcp.filter(|tcp| *tcp != node.config.http) {
        let callers = TcpListener::bind(tcp).await.with_context(|| {
            format!(
                "cannot listen on {tcp}; rtc.tcp_port (EDGE_RTC__TCP_PORT) chooses another, 0 none"
            )
        })?;
        servers.spawn(http::serve_callers(callers, node.clone()));
    }
    Ok(servers)
}

/// Runs until told to stop by SIGTERM or SIGINT.
pub(crate) fn run(config: Config, mode: Mode) -> anyhow::Result<()> {
    logs::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(live(config, mode))
}

async fn live(config: Config, mode: Mode) -> anyhow::Result<()> {
    let Assembly {
        node,
        shards,
        stop,
        webhooks,
        keeper,
        cascade,
        control,
        renewal,
    } = assemble(config)?;
    let mut servers = serve(&node).await?;
    let mut cascading = JoinSet::new();
    if let Some(cascade) = cascade {
        cascading.spawn(cascade.run());
    }
    let mut couriers = JoinSet::new();
    couriers.spawn(webhooks.run());
    // It ends with the node: there is nothing to finish.
    let mut keeping = JoinSet::new();
    keeping.spawn(keeper.run());
    if let Some(renewal) = renewal {
        keeping.spawn(renewal.run(tls::hang_ups()?));
    }
    if let Some(control) = control {
        couriers.spawn(control.run(Arc::clone(&node)));
    }
    let shard_ended = Arc::new(Notify::new());
    let threads = start(shards, &shard_ended)?;
    tracing::info!(
        node = node.id,
        region = node.config.node.region,
        http = node.config.http.port(),
        udp = node.config.rtc.sockets[0].port(),
        tcp = node.config.rtc.tcp.map(|tcp| tcp.port()),
        shards = threads.len(),
        "ready"
    );
    if mode == Mode::Dev {
        cli::say(&welcome(&node.config))?;
    }

    let failed = tokio::select! {
        told = until_told_to_stop() => told.map(|()| None)?,
        () = shard_ended.notified() => Some("a shard ended by itself"),
        Some(ended) = cascading.join_next() => {
            tracing::error!(?ended, "rooms on other nodes cannot be reached any more");
            Some("the cascade ended by itself")
        }
    };
    tracing::info!("stopping");
    for inbox in node.directory.shards() {
        // A shard that has stopped already has nobody to send away.
        let _ = inbox.send(ToShard::Stop);
    }
    let _ = stop.send(true);
    let orderly = tokio::time::timeout(STOP_LIMIT, async {
        while let Some(ended) = servers.join_next().await {
            ended.context("a listener failed")??;
        }
        while let Some(ended) = cascading.join_next().await {
            ended.context("the cascade failed")??;
        }
        // All slots back means that every client has been told.
        let _ = node.signal_slots.acquire_many(SIGNAL_SLOTS as u32).await;
        anyhow::Ok(())
    });
    match orderly.await {
        Ok(ended) => ended?,
        Err(_) => tracing::warn!("some clients did not close in time"),
    }
    tokio::task::spawn_blocking(move || threads.into_iter().for_each(join_thread))
        .await
        .context("cannot wait for the shards")?;
    // They have told all they knew. What is not delivered now is kept for the next start.
    couriers.join_all().await;
    if let Some(what) = failed {
        anyhow::bail!("{what}, so the node stopped: a bug of ours");
    }
    tracing::info!("stopped");
    Ok(())
}

fn start(shards: Vec<Shard>, ended: &Arc<Notify>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    for (index, shard) in shards.into_iter().enumerate() {
        let obituary = Obituary(ended.clone());
        let thread = std::thread::Builder::new()
            .name(format!("shard-{index}"))
            .spawn(move || {
                let _obituary = obituary;
                shard.run();
            })
            .context("cannot start a shard's thread")?;
        threads.push(thread);
    }
    Ok(threads)
}

/// Tells when a shard's thread ends, in whatever way.
struct Obituary(Arc<Notify>);

impl Drop for Obituary {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn bind(address: SocketAddr, section: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        let variable = format!("EDGE_{}__PORT", section.to_uppercase());
        format!("cannot listen on {address}; {section}.port ({variable}) chooses another")
    })
}

async fn until_told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn join_thread(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a shard ended by a panic; its rooms were lost");
    }
}

fn welcome(config: &Config) -> String {
    format!(
        "\n  Edge worker for this machine only\n\n    LIVEKIT_URL=ws://{}\n    LIVEKIT_API_KEY=devkey\n    LIVEKIT_API_SECRET=secret\n\n  \
         A token for room \"demo\":  edge-worker token --room demo --identity ada\n  \
         Health and metrics:       http://{}/metrics\n  Stop with Ctrl-C.\n",
        config.http, config.admin
    )
}
