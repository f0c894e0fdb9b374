//! The conversation's task: takes what the rest of the node tells to the [`core`](super::core)
//! and carries out what it answers.

mod reconciling;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relay::Neighbour;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tracing::{debug, error, info, warn};

use super::core::{Answer, Core, Input, Loss, News, Output};
use super::file::File;
use super::inbox::ControlInbox;
use super::ledger::{Disagreement, Dropped};
use super::policy::{Draining, Policy};
use super::post::Post;
use super::reporting::{Coming, Reporter};
use super::wire::{Ack, Command, Desired, Load, Order};
use super::{Control, now, obeying};
use crate::config;
use crate::facts::Report;
use crate::metrics::Metrics;
use crate::node::Node;

/// The task's state.
pub(super) struct Running {
    node: Arc<Node>,
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
    /// By a command; a new start forgets it.
    commanded: Draining,
    /// Whom the relay was told to be linked to last.
    neighbours: Vec<Neighbour>,
    asking: JoinSet<(u64, Answer)>,
    /// Commands that wait for the one under way; the core gives out only so many at a time.
    orders: VecDeque<Command>,
    obeying: JoinSet<Ack>,
    reconciling: JoinSet<()>,
    looks: u64,
    /// When the operator was told last that events are given up.
    told_of_drops: Option<Instant>,
}

/// Reports that one wake-up serves.
const BATCH: usize = 256;

/// How often the load is measured.
const LOOK: Duration = Duration::from_secs(1);

/// Looks between two counts of what only its receivers can read.
const LOOKS_PER_COUNT: u64 = 60;

/// A node that stops tries for so long to tell what happened last.
const FAREWELL: Duration = Duration::from_secs(2);

/// With so many lines to write the operator need not hear of each.
const TELL_OF_DROPS: Duration = Duration::from_secs(60);

impl Running {
    pub(super) fn new(control: Control, node: Arc<Node>) -> Self {
        let Control {
            core,
            file,
            post,
            reporter,
            desired,
            config,
            own_key,
            facts,
            arrivals,
            inbox,
            policy,
        } = control;
        Self {
            node,
            core,
            file,
            post,
            reporter,
            desired,
            config,
            own_key,
            facts,
            arrivals,
            inbox,
            policy,
            commanded: Draining::No,
            neighbours: Vec::new(),
            asking: JoinSet::new(),
            orders: VecDeque::new(),
            obeying: JoinSet::new(),
            reconciling: JoinSet::new(),
            looks: 0,
            told_of_drops: None,
        }
    }

    pub(super) async fn run(mut self) {
        info!(
            url = self.config.url,
            waiting = self.core.ledger().len(),
            "speaking with the control plane"
        );
        self.reconcile().await;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reports = Vec::with_capacity(BATCH);
        loop {
            let wake = self.wake_at();
            // Who arrives before what they do, and what is over before what begins.
            tokio::select! {
                biased;
                Some(coming) = self.arrivals.recv() => self.reporter.coming(coming),
                Some(answer) = self.asking.join_next() => self.answered(answer.ok()),
                Some(ack) = self.obeying.join_next() => self.obeyed(ack.ok()),
                Some(_) = self.reconciling.join_next() => {}
                count = self.facts.recv_many(&mut reports, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    for report in reports.drain(..) {
                        self.note(report);
                    }
                }
                () = self.inbox.poked() => self.core.handle(now(), Input::Poked),
                _ = looks.tick() => self.look(),
                () = sleep_until(wake.into()) => {}
            }
            self.carry_out().await;
        }
        self.say_farewell().await;
    }

    /// The shards have ended: what they told last is told now, or at the next start.
    async fn say_farewell(&mut self) {
        let end = Instant::now() + FAREWELL;
        self.count_sealed();
        self.core.handle(now(), Input::Poked);
        self.carry_out().await;
        while self.core.ledger().len() > 0 && Instant::now() < end {
            let wake = self.wake_at().min(end);
            tokio::select! {
                biased;
                Some(answer) = self.asking.join_next() => self.answered(answer.ok()),
                () = sleep_until(wake.into()) => {}
            }
            self.carry_out().await;
        }
        self.file.sync().await;
        let left = self.core.ledger().len();
        if left > 0 {
            info!(left, "events stay for the next start");
        }
    }

    fn wake_at(&self) -> Instant {
        let core = self.core.deadline();
        let wakes = [core, self.file.sync_at()].into_iter().flatten();
        wakes.min().unwrap_or_else(|| Instant::now() + LOOK)
    }

    fn note(&mut self, report: Report) {
        let policy = Arc::clone(&self.policy.borrow());
        if let Some(event) = self.reporter.event(report, &policy) {
            self.core.handle(now(), Input::Event(Box::new(event)));
        }
    }

    fn count_sealed(&mut self) {
        let now = now();
        for event in self.reporter.sealed(now.ms) {
            self.core.handle(now, Input::Event(Box::new(event)));
        }
    }

    fn answered(&mut self, answer: Option<(u64, Answer)>) {
        // A task that failed is one of ours; the next request goes when its time comes.
        let Some((number, answer)) = answer else {
            return;
        };
        let result = match &answer {
            Answer::Registered(_) => "registered",
            Answer::Synced(_) => "ok",
            Answer::Refused(refused) => known_word(&refused.error),
            Answer::Lost(loss) => loss_word(*loss),
        };
        let requests = &self.metrics().requests;
        requests.with_label_values(&[result]).inc();
        let before = self.core.ledger().first();
        self.core.handle(now(), Input::Answer(number, answer));
        let told = self.core.ledger().first().saturating_sub(before);
        self.metrics().told.inc_by(told);
        self.inbox.set_clock_offset(self.core.clock_offset_ms());
    }

    fn obeyed(&mut self, ack: Option<Ack>) {
        if let Some(ack) = ack {
            let result = if ack.ok { "done" } else { "failed" };
            let commands = &self.metrics().commands;
            commands.with_label_values(&[result]).inc();
            self.core.handle(now(), Input::Obeyed(ack));
        }
        self.obey_next();
    }

    /// Commands are carried out one after the other: a mute and its end must not change places.
    fn obey_next(&mut self) {
        if !self.obeying.is_empty() {
            return;
        }
        let Some(command) = self.orders.pop_front() else {
            return;
        };
        match command.order {
            Order::Drain {} => self.drain(Draining::Yes),
            Order::Undrain {} => self.drain(Draining::No),
            Order::CloseRoom { .. }
            | Order::Remove { .. }
            | Order::Mute { .. }
            | Order::Permissions { .. }
            | Order::Attributes { .. }
            | Order::Metadata { .. }
            | Order::Move { .. }
            | Order::Data { .. } => {}
        }
        let node = Arc::clone(&self.node);
        self.obeying
            .spawn(async move { obeying::obey(&node, command).await });
    }

    fn drain(&mut self, draining: Draining) {
        self.commanded = draining;
        self.publish();
        self.core.handle(now(), Input::Load(self.load()));
    }

    /// What holds from now on.
    fn publish(&self) {
        let own = (self.node.id.as_str(), self.own_key.as_str());
        let policy = Policy::new(&self.desired, self.config.tokens, own, self.commanded);
        self.policy.send_replace(Arc::new(policy));
    }

    /// Measures, and tells operators.
    fn look(&mut self) {
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_PER_COUNT) {
            self.count_sealed();
        }
        let now = now();
        self.core.handle(now, Input::Load(self.load()));
        let ledger = self.core.ledger();
        let metrics = self.metrics();
        metrics.waiting.set(ledger.len() as i64);
        metrics.waiting_bytes.set(ledger.bytes() as i64);
        let age = ledger
            .oldest_at()
            .map_or(0, |at| self.core.time_there(now).saturating_sub(at));
        metrics.oldest_seconds.set((age / 1_000) as i64);
        metrics.registered.set(self.core.is_registered().into());
        metrics.clock_offset_ms.set(self.core.clock_offset_ms());
    }

    fn load(&self) -> Load {
        let metrics = &self.node.metrics;
        let shards = self.node.directory.shards();
        let shares = shards.iter().map(|shard| shard.load().measured().share);
        let busiest = shares.max().unwrap_or(0);
        let count = |gauge: &prometheus::IntGauge| u64::try_from(gauge.get()).unwrap_or(0);
        Load {
            participants: count(&metrics.participants),
            rooms: count(&metrics.rooms),
            // Of the shard that is the next to be full, in thousandths.
            busy_percent: f64::from(busiest) / 10.0,
            draining: self.policy.borrow().draining() == Draining::Yes,
        }
    }

    async fn carry_out(&mut self) {
        self.core.tick(now());
        while let Some(output) = self.core.poll() {
            match output {
                Output::Write(lines) => self.file.write(lines).await,
                Output::Rewrite(lines) => self.file.rewrite(lines).await,
                Output::Send(number, request) => {
                    self.file.sync().await;
                    let post = self.post.clone();
                    let timestamp = self.core.time_there(now());
                    self.asking
                        .spawn(async move { (number, post.ask(&request, timestamp).await) });
                }
                Output::Obey(command) => {
                    self.orders.push_back(command);
                    self.obey_next();
                }
                Output::PutOff => {
                    let commands = &self.metrics().commands;
                    commands.with_label_values(&["put_off"]).inc();
                }
                Output::Become(desired) => self.take_over(*desired).await,
                Output::Dropped(reason, count) => self.dropped(reason, count),
                Output::Tell(news) => self.tell(&news),
            }
        }
        let due = |at: Instant| at <= Instant::now();
        if self.file.sync_at().is_some_and(due) {
            self.file.sync().await;
        }
        if self.file.wants_rewrite(self.core.ledger().bytes()) {
            self.file.rewrite(self.core.ledger().lines()).await;
        }
    }

    fn dropped(&mut self, reason: Dropped, count: u64) {
        self.metrics().dropped(reason, count);
        let lately = |at: Instant| at.elapsed() < TELL_OF_DROPS;
        if !self.told_of_drops.is_some_and(lately) {
            self.told_of_drops = Some(Instant::now());
            warn!(
                reason = reason.label(),
                count,
                waiting_bytes = self.core.ledger().bytes(),
                "events for the control plane are given up; edge_control_events_dropped_total counts them"
            );
        }
    }

    fn tell(&self, news: &News) {
        match news {
            News::Registered { epoch, waiting } => {
                info!(epoch, waiting, "registered with the control plane");
            }
            News::Away(loss) => warn!(
                reason = loss_word(*loss),
                "the control plane cannot be reached; calls go on, and what happens is kept"
            ),
            News::Back { after } => info!(
                seconds = after.as_secs(),
                waiting = self.core.ledger().len(),
                "the control plane is back"
            ),
            News::Refused { word, advice } => error!(
                reason = word,
                advice, "the control plane does not take what this node says"
            ),
            News::ClockOff { by_ms } => warn!(
                by_ms,
                "this machine's clock differs from the control plane's; times are told by its"
            ),
            News::Disagreed(Disagreement::Behind) => warn!(
                "the control plane has forgotten what it had confirmed; what waits begins a new numbering"
            ),
            News::Disagreed(Disagreement::Ahead) => warn!(
                "the log on disk is older than what the control plane has heard; a new numbering begins"
            ),
        }
        debug!(?news, "control plane");
    }

    fn metrics(&self) -> &crate::metrics::ControlMetrics {
        let metrics: &Metrics = &self.node.metrics;
        &metrics.control
    }
}

/// One of a few labels, whatever the other end says.
fn known_word(word: &str) -> &'static str {
    const WORDS: [&str; 10] = [
        "clock",
        "signature",
        "node",
        "replayed",
        "revoked",
        "stale_epoch",
        "unknown_version",
        "malformed",
        "too_large",
        "busy",
    ];
    WORDS
        .into_iter()
        .find(|known| *known == word)
        .unwrap_or("refused")
}

fn loss_word(loss: Loss) -> &'static str {
    match loss {
        Loss::Connection => "connection",
        Loss::Timeout => "timeout",
        Loss::Unreadable => "unreadable",
    }
}
