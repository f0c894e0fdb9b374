//! A node that hosts no rooms: passes on what others host. Runs until it is told to stop, and lets
//! its neighbours take other ways first.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use prometheus::Registry;
use relay_proto::Transit;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::admin;
use crate::command::{Command, Event};
use crate::config::Config;
use crate::files::Watch;
use crate::metrics::Metrics;
use crate::relay::{Relay, Settings};

/// How often certificates are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Runs the hub that `file` describes.
pub(crate) async fn run(config: Config, file: PathBuf) -> anyhow::Result<()> {
    let registry = Registry::new();
    let (relay, mut events) = start(&config, &registry)?;
    let mut servers = JoinSet::new();
    let listener = bind(config.admin).await?;
    let routes = admin::router(relay.observer()).merge(admin::health(relay.observer(), registry));
    servers.spawn(async move { axum::serve(listener, routes).await });
    info!(address = %relay.address(), admin = %config.admin, "ready");

    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hang_up = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let mut looks = tokio::time::interval(LOOK);
    let mut watch = config.files.clone().watch();
    loop {
        tokio::select! {
            biased;
            // To stop goes before all else.
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                reread(&relay, &file).await?;
                watch = renew(&relay, watch).await?;
            }
            _ = looks.tick() => watch = renew(&relay, watch).await?,
            event = events.recv() => anyhow::ensure!(event.is_some(), "the relay stopped by itself"),
            ended = servers.join_next() => {
                ended.context("the admin listener ended")???;
            }
        }
    }
    relay.tell(Command::Drain(config.drain)).await?;
    let stopped = async {
        until_over(&mut events).await;
        relay.stopped().await;
    };
    tokio::select! {
        () = stopped => {}
        // Told twice: at once.
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn start(config: &Config, registry: &Registry) -> anyhow::Result<(Relay, mpsc::Receiver<Event>)> {
    let credentials = config.files.read().context("tls")?;
    info!(
        node = credentials.identity.node(),
        region = credentials.identity.region(),
        "starting"
    );
    let mut settings = Settings::new(credentials, config.bind);
    settings.neighbours = config.neighbours.clone();
    settings.access = config.access.clone();
    settings.transit = Transit::Yes;
    settings.limits = config.limits;
    settings.metrics = Metrics::new(registry).context("metrics")?;
    let started = Relay::start(settings, rand::random());
    started.context("relay.port (RELAY_RELAY__PORT) chooses another port")
}

/// The neighbours and lists that the file names now.
async fn reread(relay: &Relay, file: &std::path::Path) -> anyhow::Result<()> {
    match Config::from_file(file) {
        Ok(config) => {
            relay.tell(Command::Access(config.access)).await?;
            relay.tell(Command::Neighbours(config.neighbours)).await?;
            info!("configuration read anew: neighbours and access");
        }
        Err(error) => warn!(%error, "the configuration is of no use: the old one stays"),
    }
    Ok(())
}

/// The certificate in the files, if there is another.
async fn renew(relay: &Relay, mut watch: Watch) -> anyhow::Result<Watch> {
    let looked = tokio::task::spawn_blocking(move || (watch.look(), watch));
    let (changed, watch) = looked.await.context("reading certificates failed")?;
    match changed {
        None => {}
        Some(Ok(credentials)) => relay.tell(Command::Reload(Box::new(credentials))).await?,
        Some(Err(error)) => warn!(%error, "the new certificate cannot be read: the old one stays"),
    }
    Ok(watch)
}

async fn until_over(events: &mut mpsc::Receiver<Event>) {
    while events.recv().await.is_some() {}
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| {
        format!("cannot listen on {address}; admin.port (RELAY_ADMIN__PORT) chooses another")
    })
}
