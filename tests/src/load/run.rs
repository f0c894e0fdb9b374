//! One run: everybody joins, the call settles, is measured, and ends.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{
    client::{Streams, handshake::Dtls, inbox::Coalescing},
    clock::Clock,
    confirm::{self, Confirming, Sight},
    histogram::Histogram,
    media::{ClientId, Media, Window},
    part::Part,
    participant::{Participant, Stage, told},
    report::{Joins, Phase, Report, Verdict},
    scenario::{Cast, Scenario},
    target::{Reading, Target},
};

/// What can be chosen of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What is played.
    pub scenario: Scenario,
    /// How many publish.
    pub publishers: usize,
    /// How many only receive.
    pub subscribers: usize,
    /// How long each while is that is measured.
    pub length: Duration,
    /// Independent participants.
    pub confirming: usize,
    /// How datagrams are received.
    pub coalescing: Coalescing,
    /// Joins per second while a call runs.
    pub churn: u32,
}

/// Handshakes at a time: enough to be quick, too few to starve the call.
const AT_ONCE: usize = 16;
/// How long a call may take to settle.
const SETTLE: Duration = Duration::from_secs(20);
/// Between the last stream and the first measurement.
const WARM: Duration = Duration::from_secs(1);
/// How long somebody stays who passes by.
const VISIT: Duration = Duration::from_secs(3);
/// The burst: so many a second, for so long.
const BURST: (u32, Duration) = (100, Duration::from_secs(5));

/// A run under way.
struct Run<'a> {
    plan: Plan,
    target: &'a Target,
    stage: Stage,
    cast: Cast,
    /// Everybody who joined and what became of them.
    stays: JoinSet<Result<Came>>,
    leave: watch::Sender<bool>,
    joined: Vec<(ClientId, Streams)>,
    times: Histogram,
    failures: Vec<String>,
    ended: Vec<String>,
    confirming: Vec<Confirming>,
    /// How many came to pass by.
    passed: usize,
}

/// What a task of a participant tells when it ends.
enum Came {
    /// It left as told.
    Left,
    /// It never came in.
    Refused(anyhow::Error),
    /// It passed by; joining took so long.
    Passed(Duration),
}

/// Both ends of a while.
struct Mark {
    reading: Reading,
    sights: Vec<Sight>,
}

/// Plays it.
pub async fn run(plan: Plan, target: &Target) -> Result<Report> {
    let clock = Clock::start();
    let stage = Stage {
        url: target.url.clone(),
        key: target.key.clone(),
        secret: target.secret.clone(),
        media: Media::start(clock)?,
        dtls: Dtls::new()?,
        coalescing: plan.coalescing,
        first: None,
    };
    let run = Run {
        plan,
        target,
        stage,
        cast: Cast::of(plan.scenario, plan.publishers, plan.subscribers),
        stays: JoinSet::new(),
        leave: watch::channel(false).0,
        joined: Vec::new(),
        times: Histogram::default(),
        failures: Vec::new(),
        ended: Vec::new(),
        confirming: Vec::new(),
        passed: 0,
    };
    run.play().await
}

impl Run<'_> {
    async fn play(mut self) -> Result<Report> {
        let empty = self.target.read().await?;
        let parts = self.cast.parts.clone();
        let (publishers, subscribers) = parts.split_at(self.cast.publishers);
        self.join(publishers).await;
        self.join(subscribers).await;
        let streams_missing = self.settle().await?;
        let full = self.target.read().await?;
        let resident = full.gauge.zip(empty.gauge).map(|(full, empty)| {
            full.resident.saturating_sub(empty.resident) / self.joined.len().max(1) as u64
        });
        self.confirm()?;
        self.confirmed_settle().await;
        let begun = self.mark().await?.0;

        let mut phases = Vec::new();
        match self.plan.scenario {
            Scenario::Livestream | Scenario::Meeting | Scenario::AudioRoom | Scenario::Idle => {
                let (before, _) = self.mark().await?;
                sleep(self.plan.length).await;
                phases.push(self.phase("steady", &before).await?);
            }
            Scenario::Churn => {
                let (before, _) = self.mark().await?;
                self.visits(self.plan.churn, self.plan.length, Some(VISIT))
                    .await;
                phases.push(self.phase("joins and leaves", &before).await?);
                let (before, _) = self.mark().await?;
                self.visits(BURST.0, BURST.1, None).await;
                phases.push(self.phase("join burst", &before).await?);
            }
        }
        let confirmed = self.verdicts(&begun);
        self.end().await;
        Ok(Report {
            scenario: self.plan.scenario,
            url: self.target.url.clone(),
            publishers: self.plan.publishers,
            subscribers: self.plan.subscribers,
            gro: self.plan.coalescing == Coalescing::Allowed,
            joins: Joins::of(&self.times, &self.failures),
            resident_per_participant: resident,
            streams_missing,
            idle_share: (self.plan.scenario == Scenario::Idle)
                .then(|| Report::idle_share(&phases, self.joined.len()))
                .flatten(),
            phases,
            confirmed,
            ended: self.ended,
        })
    }

    /// Brings some in, several at a time.
    async fn join(&mut self, parts: &[Part]) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut joining = JoinSet::new();
        for part in parts.iter().cloned() {
            let (stage, places) = (self.stage.clone(), Arc::clone(&places));
            let expected = self.cast.expected(&part);
            joining.spawn(async move {
                let _place = places.acquire().await;
                (Participant::join(&stage, part).await, expected)
            });
        }
        while let Some(joined) = joining.join_next().await {
            match joined {
                Ok((Ok(participant), expected)) => {
                    self.times.count(participant.joined_in.as_nanos() as u64);
                    self.joined.push((participant.client(), expected));
                    let leave = self.leave.subscribe();
                    self.stays
                        .spawn(async move { participant.stay(leave).await.map(|()| Came::Left) });
                }
                Ok((Err(error), _)) => self.failures.push(format!("{error:#}")),
                Err(error) => self.failures.push(error.to_string()),
            }
        }
    }

    /// Waits until everybody receives what they should, and tells how many streams don't
    /// come.
    async fn settle(&self) -> Result<usize> {
        let end = Instant::now() + SETTLE;
        loop {
            let found: std::collections::HashMap<_, _> =
                self.stage.media.streams().await?.into_iter().collect();
            let missing = self.joined.iter().map(|(client, expected)| {
                let found = found.get(client).copied().unwrap_or_default();
                expected.audio.saturating_sub(found.audio)
                    + expected.video.saturating_sub(found.video)
            });
            let missing = missing.sum();
            if missing == 0 || Instant::now() >= end {
                sleep(WARM).await;
                return Ok(missing);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn confirm(&mut self) -> Result<()> {
        let room = self.plan.scenario.room();
        for number in 0..self.plan.confirming {
            let token = confirm::token(&room, number, &self.target.key, &self.target.secret)?;
            let confirming = Confirming::start(&self.target.url, &token, self.cast.confirmed())?;
            self.confirming.push(confirming);
        }
        Ok(())
    }

    /// Waits until the independent ones see everything too; a verdict tells if they don't.
    async fn confirmed_settle(&self) {
        let wanted = self.cast.confirmed_tracks();
        let end = Instant::now() + SETTLE;
        let short = |confirming: &Confirming| confirming.sight().tracks < wanted;
        while self.confirming.iter().any(short) && Instant::now() < end {
            sleep(Duration::from_millis(100)).await;
        }
        if !self.confirming.is_empty() {
            sleep(WARM).await;
        }
    }

    /// Others come, `rate` a second for `length`; they go after `visit`, or with all.
    async fn visits(&mut self, rate: u32, length: Duration, visit: Option<Duration>) {
        let end = Instant::now() + length;
        let mut tick = interval(Duration::from_secs(1) / rate.max(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while Instant::now() < end {
            tick.tick().await;
            let (stage, part) = (self.stage.clone(), self.cast.passer(self.passed));
            self.passed += 1;
            let mut all_leave = self.leave.subscribe();
            self.stays.spawn(async move {
                let participant = match Participant::join(&stage, part).await {
                    Ok(participant) => participant,
                    Err(error) => return Ok(Came::Refused(error)),
                };
                let (leave, left) = watch::channel(false);
                let took = participant.joined_in;
                let going = async {
                    match visit {
                        Some(visit) => sleep(visit).await,
                        None => told(&mut all_leave).await,
                    }
                    let _ = leave.send(true);
                };
                tokio::join!(participant.stay(left), going).0?;
                Ok(Came::Passed(took))
            });
        }
        // What a join sets off belongs to it: renegotiation, keyframes, announcements.
        sleep_until(end + WARM).await;
    }

    async fn mark(&self) -> Result<(Mark, Window)> {
        let window = self.stage.media.mark().await?;
        let mark = Mark {
            reading: self.target.read().await?,
            sights: self.confirming.iter().map(Confirming::sight).collect(),
        };
        Ok((mark, window))
    }

    async fn phase(&self, name: &'static str, before: &Mark) -> Result<Phase> {
        let (after, window) = self.mark().await?;
        let pairs = after.sights.iter().zip(&before.sights);
        let beside = pairs
            .map(|(after, before)| after.since(before).packets)
            .sum();
        let used = after.reading.used(&before.reading);
        let counted = after.reading.counted(&before.reading);
        Ok(Phase::new(name, &window, used, counted, beside))
    }

    fn verdicts(&self, begun: &Mark) -> Vec<Verdict> {
        let expected_tracks = self.cast.confirmed_tracks();
        let pairs = self.confirming.iter().zip(&begun.sights);
        let verdict = |(confirming, before): (&Confirming, &Sight)| {
            let sight = confirming.sight().since(before);
            Verdict {
                agrees: sight.agrees(expected_tracks),
                expected_tracks,
                sight,
            }
        };
        pairs.map(verdict).collect()
    }

    async fn end(&mut self) {
        self.confirming.clear();
        // Nobody listening means that all have left already.
        let _ = self.leave.send(true);
        while let Some(stay) = self.stays.join_next().await {
            match stay {
                Ok(Ok(Came::Left)) => {}
                Ok(Ok(Came::Passed(took))) => self.times.count(took.as_nanos() as u64),
                Ok(Ok(Came::Refused(error))) => self.failures.push(format!("{error:#}")),
                Ok(Err(error)) => self.ended.push(format!("{error:#}")),
                Err(error) => self.ended.push(error.to_string()),
            }
        }
    }
}
