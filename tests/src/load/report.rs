//! What a run found out, as JSON has it; `table` shows it to people.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    confirm::Sight,
    gauge::Gauge,
    histogram::Histogram,
    media::Window,
    scenario::Scenario,
    statistics::{Lanes, Received},
    target::Counted,
};

/// Everything of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was played.
    pub scenario: Scenario,
    /// To whom.
    pub url: String,
    /// How many publish.
    pub publishers: usize,
    /// How many only receive.
    pub subscribers: usize,
    /// Whether receivers let the kernel coalesce.
    pub gro: bool,
    /// How joining went.
    pub joins: Joins,
    /// Bytes of the server's memory per participant.
    pub resident_per_participant: Option<u64>,
    /// Share of a core per participant, where nothing is sent.
    pub idle_share: Option<f64>,
    /// Streams that never came.
    pub streams_missing: usize,
    /// The measured whiles, in order.
    pub phases: Vec<Phase>,
    /// The verdicts of the independent participants, over all phases.
    pub confirmed: Vec<Verdict>,
    /// What the server ended, and how.
    pub ended: Vec<String>,
}

/// How joining went.
#[derive(Debug, Default, Serialize)]
pub struct Joins {
    /// Joins that came to an end.
    pub done: u64,
    /// Joins that failed.
    pub failed: usize,
    /// Milliseconds from opening the WebSocket to the end of the handshake.
    pub p50_ms: f64,
    /// The same of the slowest hundredth.
    pub p99_ms: f64,
    /// The same of the slowest.
    pub max_ms: f64,
    /// Why the first failed.
    pub why: Option<String>,
}

/// What an independent participant saw.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Whether it saw all tracks without a gap.
    pub agrees: bool,
    /// The tracks it should see.
    pub expected_tracks: usize,
    /// What it saw.
    #[serde(flatten)]
    pub sight: Sight,
}

/// One measured while.
#[derive(Debug, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// Its length.
    pub seconds: f64,
    /// Packets that publishers sent, per second.
    pub packets_in_per_second: f64,
    /// Packets that were forwarded, per second.
    pub packets_out_per_second: f64,
    /// Of UDP payload that our subscribers received.
    pub megabits_out: f64,
    /// Packets that all subscribers received, the independent ones included.
    pub received: u64,
    /// The same by the server's counters, which may lag behind a little.
    pub forwarded_by_server: Option<u64>,
    /// The server's processor time.
    pub server: Option<Used>,
    /// Sound of the call.
    pub audio: Shown,
    /// Pictures of the call.
    pub video: Shown,
    /// All media of those that come and go.
    pub passing: Option<Shown>,
    /// Share of one core that our media thread was busy.
    pub generator_busy: f64,
    /// How late publishers sent, against their plan, in milliseconds: in no delay, as those
    /// begin at the sending, but it bunches packets.
    pub generator_late_p99_ms: f64,
    /// How late subscribers read what the kernel had for them, in milliseconds: in no delay.
    pub generator_reading_p99_ms: f64,
    /// Packets that publishers could not send.
    pub send_failures: u64,
    /// Keyframes asked of publishers.
    pub keyframe_requests: u64,
    /// Packets asked of publishers again.
    pub nacked: u64,
    /// Packets that could not be opened.
    pub unauthentic: u64,
    /// Packets without a stamp, such as padding.
    pub foreign: u64,
    /// GSO trains by the most packets that they may have.
    pub trains: Vec<(String, u64)>,
    /// What the server dropped, by counter and reason.
    pub dropped: BTreeMap<String, u64>,
}

/// The server's processor time.
#[derive(Debug, Serialize)]
pub struct Used {
    /// Seconds, in its code and in the kernel.
    pub seconds: f64,
    /// Seconds in the kernel.
    pub system_seconds: f64,
    /// Share of one core.
    pub share: f64,
    /// Seconds per million forwarded packets, which is microseconds per packet.
    pub seconds_per_million: Option<f64>,
    /// Seconds by name of thread.
    pub threads: BTreeMap<String, f64>,
    /// Bytes of memory at the end.
    pub resident: u64,
}

/// What subscribers received of a kind.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Packets.
    pub packets: u64,
    /// The share that never came.
    pub loss: f64,
    /// Packets that never came.
    pub lost: u64,
    /// How often numbers were missing.
    pub gaps: u64,
    /// Packets that came late.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets of the publisher left out without a gap.
    pub skipped: u64,
    /// Packets per layer.
    pub layers: [u64; 3],
    /// Of half of the packets, in milliseconds.
    pub p50_ms: f64,
    /// Of the slowest hundredth.
    pub p99_ms: f64,
    /// Of the slowest.
    pub max_ms: f64,
}

impl From<&Lanes> for Shown {
    fn from(lanes: &Lanes) -> Self {
        Self {
            packets: lanes.packets,
            loss: lanes.loss(),
            lost: lanes.lost,
            gaps: lanes.gaps,
            late: lanes.late,
            duplicates: lanes.duplicates,
            skipped: lanes.skipped,
            layers: lanes.layers,
            p50_ms: millis(lanes.delay.quantile(0.5)),
            p99_ms: millis(lanes.delay.quantile(0.99)),
            max_ms: millis(lanes.delay.max()),
        }
    }
}

impl Joins {
    /// Of those that joined, and why the others didn't.
    pub fn of(times: &Histogram, failures: &[String]) -> Self {
        Self {
            done: times.len(),
            failed: failures.len(),
            p50_ms: millis(times.quantile(0.5)),
            p99_ms: millis(times.quantile(0.99)),
            max_ms: millis(times.max()),
            why: failures.first().cloned(),
        }
    }
}

impl Report {
    /// The share of a core that each of those who are idle takes.
    pub fn idle_share(phases: &[Phase], participants: usize) -> Option<f64> {
        let used = phases.first()?.server.as_ref()?;
        Some(used.share / participants.max(1) as f64)
    }
}

impl Phase {
    /// Puts together what was read at both ends of a while; `beside` are the packets of
    /// the independent participants.
    pub fn new(
        name: &'static str,
        window: &Window,
        used: Option<Gauge>,
        counted: Option<Counted>,
        beside: u64,
    ) -> Self {
        let statistics = &window.statistics;
        let seconds = window.wall as f64 / 1e9;
        let (call, passing) = (statistics.call.all(), statistics.passing.all());
        let received = call.packets + passing.packets + beside;
        let forwarded = counted.as_ref().map(|counted| counted.forwarded);
        let Counted {
            trains, dropped, ..
        } = counted.unwrap_or_default();
        let Received { audio, video } = &statistics.call;
        Self {
            name,
            seconds,
            packets_in_per_second: statistics.sent.packets as f64 / seconds,
            packets_out_per_second: received as f64 / seconds,
            megabits_out: (call.bytes + passing.bytes) as f64 * 8e-6 / seconds,
            received,
            forwarded_by_server: forwarded,
            server: used.map(|used| Used::new(used, seconds, received)),
            audio: audio.into(),
            video: video.into(),
            passing: (passing.packets > 0).then(|| (&passing).into()),
            generator_busy: window.busy as f64 / window.wall as f64,
            generator_late_p99_ms: millis(statistics.sent.lateness.quantile(0.99)),
            generator_reading_p99_ms: millis(statistics.reading.quantile(0.99)),
            send_failures: statistics.sent.failed,
            keyframe_requests: statistics.sent.keyframe_requests,
            nacked: statistics.sent.nacked,
            unauthentic: statistics.unauthentic,
            foreign: statistics.foreign,
            trains,
            dropped,
        }
    }
}

impl Used {
    fn new(used: Gauge, seconds: f64, packets: u64) -> Self {
        Self {
            seconds: used.seconds(),
            system_seconds: used.system,
            share: used.seconds() / seconds,
            // Of a handful of packets it says nothing.
            seconds_per_million: (packets > 1_000).then(|| used.seconds() * 1e6 / packets as f64),
            resident: used.resident,
            threads: used.threads,
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
