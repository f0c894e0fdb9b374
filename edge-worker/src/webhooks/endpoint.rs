//! One URL: writes events down as they come, tries them, and writes down what is done.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep_until;
use tracing::{debug, warn};

use super::Dropped;
use super::event::Event;
use super::post::{Failure, Post};
use super::queue::{Outcome, Queue, Verdict};
use super::spool::Spool;
use crate::metrics::Metrics;

/// One URL and what waits for it.
#[derive(Debug)]
pub(super) struct Endpoint {
    url: String,
    /// Lent to a thread that may wait while it writes.
    spool: Option<Spool>,
    /// Events may take this many bytes at a time.
    most_bytes: u64,
    post: Arc<Post>,
    queue: Queue,
    under_way: JoinSet<Tried>,
    metrics: Metrics,
}

/// What came of one try.
type Tried = (Arc<Event>, Result<(), Failure>);

/// As many rooms are served at a time.
const TRIES_AT_A_TIME: usize = 32;

/// As many events are written down together.
const WRITTEN_TOGETHER: usize = 256;

/// A node that stops tries for so long to deliver what happened last.
const FAREWELL: Duration = Duration::from_secs(2);

impl Endpoint {
    /// For `url`, with what was left over for it.
    pub(super) fn new(url: String, mut spool: Spool, post: Arc<Post>, metrics: &Metrics) -> Self {
        let mut queue = Queue::default();
        for event in spool.take_left() {
            queue.push(Instant::now(), Arc::new(event));
        }
        metrics.webhooks_queued.add(queue.len() as i64);
        Self {
            url,
            most_bytes: spool.most_bytes,
            spool: Some(spool),
            post,
            queue,
            under_way: JoinSet::new(),
            metrics: metrics.clone(),
        }
    }

    /// Until its inbox closes, and a moment longer.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Arc<Event>>) {
        let mut came = Vec::new();
        loop {
            self.begin_tries();
            let next_try = self.next_try();
            // What is done first: it makes room.
            tokio::select! {
                biased;
                Some(tried) = self.under_way.join_next() => {
                    if let Ok(tried) = tried {
                        self.judge_all(tried).await;
                    }
                }
                count = inbox.recv_many(&mut came, WRITTEN_TOGETHER) => {
                    if count == 0 {
                        break;
                    }
                    let came = std::mem::take(&mut came);
                    self.take(came).await;
                }
                () = sleep_until(next_try), if self.waits_for_time() => {}
            }
        }
        self.say_farewell().await;
    }

    /// Delivers what can be delivered quickly; the rest stays in the spool.
    async fn say_farewell(&mut self) {
        let end = tokio::time::Instant::now() + FAREWELL;
        while self.queue.len() > 0 {
            self.begin_tries();
            let next_try = self.next_try().min(end);
            tokio::select! {
                biased;
                Some(tried) = self.under_way.join_next() => {
                    if let Ok(tried) = tried {
                        self.judge_all(tried).await;
                    }
                }
                () = sleep_until(next_try) => {}
            }
            if tokio::time::Instant::now() >= end {
                debug!(left = self.queue.len(), "events stay for the next start");
                return;
            }
        }
    }

    fn begin_tries(&mut self) {
        let now = Instant::now();
        while self.under_way.len() < TRIES_AT_A_TIME {
            let Some(event) = self.queue.due(now) else {
                return;
            };
            let (post, url) = (Arc::clone(&self.post), self.url.clone());
            self.under_way.spawn(async move {
                let result = post.send(&url, Arc::clone(&event)).await;
                (event, result)
            });
        }
    }

    fn waits_for_time(&self) -> bool {
        self.under_way.len() < TRIES_AT_A_TIME && self.queue.next_at().is_some()
    }

    fn next_try(&self) -> tokio::time::Instant {
        let at = self.queue.next_at();
        at.map_or_else(
            || tokio::time::Instant::now() + FAREWELL,
            tokio::time::Instant::from_std,
        )
    }

    /// New events: written down, then queued.
    async fn take(&mut self, came: Vec<Arc<Event>>) {
        let mut bytes = self.queue.bytes();
        let mut fitting = Vec::with_capacity(came.len());
        for event in came {
            if bytes + event.size() > self.most_bytes {
                Dropped::SpoolFull.count(&self.metrics);
                continue;
            }
            bytes += event.size();
            fitting.push(event);
        }
        self.write(fitting.clone(), Vec::new(), bytes).await;
        let now = Instant::now();
        self.metrics.webhooks_queued.add(fitting.len() as i64);
        for event in fitting {
            self.queue.push(now, event);
        }
    }

    /// Looks at all tries that ended.
    async fn judge_all(&mut self, first: Tried) {
        let mut done = Vec::new();
        let mut next = Some(first);
        while let Some(tried) = next {
            done.extend(self.judge(&tried));
            next = self.under_way.try_join_next().and_then(Result::ok);
        }
        if !done.is_empty() {
            let waiting = self.queue.bytes();
            self.write(Vec::new(), done, waiting).await;
        }
    }

    /// The event's id, if nothing more is to be done about it.
    fn judge(&mut self, (event, result): &Tried) -> Option<String> {
        let outcome = match result {
            Ok(()) => Outcome::Delivered,
            Err(failure) => {
                debug!(event = %event.id, ?failure, "a webhook was not taken");
                let label = failure.label();
                self.metrics
                    .webhooks_failed_tries
                    .with_label_values(&[label])
                    .inc();
                failure.outcome()
            }
        };
        let happened = Duration::from_millis(event.at_ms);
        let age = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_sub(happened);
        let verdict = self
            .queue
            .tried(Instant::now(), &event.room, age, outcome)?;
        match verdict {
            Verdict::Again(_) => return None,
            Verdict::Delivered => self.metrics.webhooks_delivered.inc(),
            Verdict::Given(why) => {
                warn!(event = %event.id, why = why.label(), "a webhook is given up");
                why.count(&self.metrics);
            }
        }
        self.metrics.webhooks_queued.dec();
        Some(event.id.clone())
    }

    /// Writes down what came and what is done. A disk that fails costs only what a crash
    /// would then lose: delivery goes on from memory.
    async fn write(&mut self, came: Vec<Arc<Event>>, done: Vec<String>, waiting: u64) {
        let Some(mut spool) = self.spool.take() else {
            return;
        };
        let written = spawn_blocking(move || {
            let written: io::Result<()> = spool.write(&came, &done, waiting);
            (spool, written)
        });
        match written.await {
            Ok((spool, written)) => {
                self.spool = Some(spool);
                if let Err(error) = written {
                    self.metrics.webhooks_unwritten.inc();
                    warn!(%error, "webhooks cannot be written down");
                }
            }
            Err(error) => warn!(%error, "the spool of webhooks was lost"),
        }
    }
}
