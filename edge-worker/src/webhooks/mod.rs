//! Tells the app's servers what happens in rooms: every fact becomes an event, kept on
//! disk until it is delivered, tried for an hour, in order for each room.
//!
//! Events and signatures are LiveKit's ([`livekit::webhook`]). Each URL has an
//! [`Endpoint`] of its own, so that one that is down holds up nobody else.

mod endings;
mod endpoint;
mod event;
mod post;
mod queue;
mod spool;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use livekit::token::Keys;
use livekit::webhook;
use sfu::Fact;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tracing::warn;

use crate::config;
use crate::facts::Told;
use crate::ids;
use crate::metrics::Metrics;
use endings::Endings;
use endpoint::Endpoint;
use event::Event;
use post::Post;
use spool::Spool;

/// Facts on their way from the shards: seconds of a very busy node.
const FACTS: usize = 16_384;

/// Events on their way to one endpoint, which writes them down first.
const EVENTS: usize = 1_024;

/// Why an event was not delivered; the word is the metric's label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dropped {
    /// Facts came faster than they could be written down.
    QueueFull,
    /// As many bytes as the spool may hold wait already.
    SpoolFull,
    /// It cannot be said in JSON.
    Unsayable,
    /// Tried for an hour.
    Expired,
    /// The receiver does not want it, now or ever.
    Refused,
}

impl Dropped {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::SpoolFull => "spool_full",
            Self::Unsayable => "unsayable",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn count(self, metrics: &Metrics) {
        metrics
            .webhooks_dropped
            .with_label_values(&[self.label()])
            .inc();
    }
}

/// Everything between the shards and the app's servers.
#[derive(Debug)]
pub struct Webhooks {
    told: mpsc::Receiver<Told>,
    endpoints: Vec<Endpoint>,
    metrics: Metrics,
}

/// Opens what was left over from the last run, and both ends of the queue of facts; no
/// beginning of it, where nobody wants to hear of them.
pub(crate) fn prepare(
    config: &config::Webhook,
    keys: &Keys,
    metrics: &Metrics,
) -> anyhow::Result<(Option<mpsc::Sender<Told>>, Webhooks)> {
    let (queue, told) = mpsc::channel(FACTS);
    let mut endpoints = Vec::new();
    if !config.urls.is_empty() {
        let post = Arc::new(Post::new(config, keys.clone())?);
        for url in &config.urls {
            let spool = Spool::open(config, url)
                .with_context(|| format!("cannot use {} for webhooks", config.spool.display()))?;
            endpoints.push(Endpoint::new(url.clone(), spool, post.clone(), metrics));
        }
    }
    let queue = (!endpoints.is_empty()).then_some(queue);
    let webhooks = Webhooks {
        told,
        endpoints,
        metrics: metrics.clone(),
    };
    Ok((queue, webhooks))
}

impl Webhooks {
    /// Until all shards have ended, and a moment longer for what they told last.
    pub(crate) async fn run(mut self) {
        let mut running = JoinSet::new();
        let mut inboxes = Vec::new();
        for endpoint in std::mem::take(&mut self.endpoints) {
            let (inbox, events) = mpsc::channel(EVENTS);
            inboxes.push(inbox);
            running.spawn(endpoint.run(events));
        }
        let mut endings = Endings::default();
        loop {
            let told = match endings.deadline() {
                None => Ok(self.told.recv().await),
                Some(at) => timeout_at(at.into(), self.told.recv()).await,
            };
            let now = Instant::now();
            match told {
                Ok(Some(told)) => {
                    for fact in endings.take(now, told) {
                        self.send(&fact, &inboxes).await;
                    }
                }
                Ok(None) => break,
                Err(_) => {}
            }
            while let Some(fact) = endings.overdue(now) {
                self.send(&fact, &inboxes).await;
            }
        }
        for fact in endings.into_rest() {
            self.send(&fact, &inboxes).await;
        }
        drop(inboxes);
        running.join_all().await;
    }

    async fn send(&self, fact: &Fact, inboxes: &[mpsc::Sender<Arc<Event>>]) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let id = format!("{}{}", webhook::ID_PREFIX, ids::random_suffix());
        let Some(body) = webhook::event(fact, &id, now.as_secs() as i64) else {
            warn!(what = ?webhook::name(&fact.happened), "cannot be said");
            return Dropped::Unsayable.count(&self.metrics);
        };
        let event = Event {
            id,
            room: fact.room.name.to_string(),
            at_ms: now.as_millis() as u64,
            body,
        };
        let event = Arc::new(event);
        for inbox in inboxes {
            // An endpoint ends after its inbox closes, so somebody takes it.
            let _ = inbox.send(Arc::clone(&event)).await;
        }
    }
}
