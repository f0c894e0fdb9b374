//! The node's side of the control plane: tells it what happens, does what it says, and goes on
//! by its last word when it cannot be reached.
//!
//! What is said and when is decided by [`core`], on virtual time; what waits is in the
//! [`ledger`], on disk in its [`file`]; here they meet the network and the rest of the node,
//! which looks at the [`policy`].

mod core;
mod file;
mod inbox;
mod keys;
mod ledger;
mod obeying;
mod policy;
mod post;
mod reporting;
mod running;
mod sign;
mod wire;

pub(crate) use inbox::{ControlInbox, Poke, PokeError};
pub(crate) use ledger::Dropped;
pub(crate) use policy::{Closed, Draining, Policy};
pub(crate) use reporting::{Arrival, Coming};
pub(crate) use sign::header;
pub(crate) use wire::POKE;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rand::random;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::config::{self, Config};
use crate::facts::Report;
use crate::metrics::Metrics;
use crate::node::Node;
use core::{Core, Moment, stream_name};
use file::File;
use keys::SigningKey;
use post::Post;
use reporting::Reporter;
use running::Running;
use wire::{Desired, Register};

/// Facts on their way from the shards: a whole school that comes in while the disk is slow.
const FACTS: usize = 65_536;

/// People on their way in.
const ARRIVALS: usize = 16_384;

/// Where the last word of the control plane is kept.
const DESIRED: &str = "desired.json";

/// The conversation with the control plane, before it runs.
#[derive(Debug)]
pub struct Control {
    core: Core,
    file: File,
    post: Post,
    reporter: Reporter,
    desired: Desired,
    config: config::Control,
    own_key: String,
    facts: mpsc::Receiver<Report>,
    arrivals: mpsc::Receiver<Coming>,
    inbox: ControlInbox,
    policy: watch::Sender<Arc<Policy>>,
}

/// The control plane's part of a node: a queue for its shards, what everybody looks at, and
/// what is to be run.
pub(crate) struct Prepared {
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) inbox: ControlInbox,
    pub(crate) control: Control,
}

/// Opens what is left of the last run; `None` without a control plane.
pub(crate) fn prepare(config: &Config, metrics: &Metrics) -> anyhow::Result<Option<Prepared>> {
    let Some(control) = &config.control else {
        return Ok(None);
    };
    let folder = &control.folder;
    let unusable = || format!("control.folder: cannot use {}", folder.display());
    let stream = || stream_name(random());
    let (file, ledger) = File::open(control, stream, metrics).with_context(unusable)?;
    let node = config.node.id.as_str();
    let key = SigningKey::in_folder(folder, node).context("control.folder")?;
    let desired = last_word(folder);
    let policy = Policy::new(&desired, control.tokens, (node, &key.public), Draining::No);
    let (policy, picture) = watch::channel(Arc::new(policy));
    let (reports, facts) = mpsc::channel(FACTS);
    let (arriving, arrivals) = mpsc::channel(ARRIVALS);
    let inbox = ControlInbox::new(node, control, key.signer, picture, arriving);
    let now = now();
    let register = Register {
        node: node.to_owned(),
        region: config.node.region.clone(),
        url: control.public_url.clone(),
        http_url: control.public_http_url.clone(),
        relay: control.relay.clone(),
        capacity: control.capacity,
        build: env!("CARGO_PKG_VERSION").to_owned(),
        started_at_ms: now.ms,
        stream: String::new(),
        signing_key: key.public.clone(),
    };
    let core = Core::new(now, ledger, register, desired.hash.clone(), random());
    let control = Control {
        core,
        file,
        post: Post::new(control, node)?,
        reporter: Reporter::new(config.node.region.clone()),
        desired,
        config: control.clone(),
        own_key: key.public,
        facts,
        arrivals,
        inbox: inbox.clone(),
        policy,
    };
    Ok(Some(Prepared {
        reports,
        inbox,
        control,
    }))
}

impl Control {
    /// Runs until all shards have ended, and a moment longer for what they told last.
    pub async fn run(self, node: Arc<Node>) {
        Running::new(self, node).run().await;
    }
}

/// What the control plane said last, as far as it can be read.
fn last_word(folder: &Path) -> Desired {
    let path = folder.join(DESIRED);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
            warn!(%error, "the control plane's last word cannot be read; it will be asked for");
            Desired::default()
        }),
        // There is none yet.
        Err(_) => Desired::default(),
    }
}

fn now() -> Moment {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    Moment {
        at: Instant::now(),
        ms: unix.unwrap_or(Duration::ZERO).as_millis() as u64,
    }
}
