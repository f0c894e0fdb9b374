//! `trains`: how many packets share a GSO buffer in the load scenarios, and how long they
//! wait for each other.

use std::{io::Write, time::Duration};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    http,
    load::{
        client::inbox::Coalescing,
        run::{Plan, run as play},
        scenario::Scenario,
        target::Target,
    },
    metrics::Metrics,
};

/// One scenario.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Which.
    pub scenario: Scenario,
    /// Packets per train, the middle of all.
    pub mean_train: f64,
    /// Trains by the most packets that they may have.
    pub trains: Vec<(String, u64)>,
    /// How long the first packet of a flush waited, in milliseconds.
    pub mean_wait_ms: f64,
    /// Flushes by the longest wait in seconds.
    pub waits: Vec<(String, u64)>,
}

const LENGTH: Duration = Duration::from_secs(5);

/// Livestream, meeting and audio room, each on a node of its own.
pub async fn run(table: &mut impl Write) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for scenario in [Scenario::Livestream, Scenario::Meeting, Scenario::AudioRoom] {
        let (publishers, subscribers) = scenario.usual();
        let plan = Plan {
            scenario,
            publishers,
            subscribers,
            length: LENGTH,
            confirming: 0,
            coalescing: Coalescing::Allowed,
            churn: 0,
        };
        let target = Target::start(1, None).await?;
        let report = play(plan, &target).await?;
        let admin = target.admin.context("a node without an address")?;
        let metrics = Metrics::parse(&http::get(admin, "/metrics").await?.body);
        let phase = report.phases.into_iter().next().context("no phase")?;
        let row = Row {
            scenario,
            mean_train: mean(&metrics, "edge_train_packets"),
            trains: phase.trains,
            mean_wait_ms: mean(&metrics, "edge_flush_wait_seconds") * 1e3,
            waits: buckets(&metrics, "edge_flush_wait_seconds_bucket"),
        };
        writeln!(
            table,
            "{scenario:?}: {publishers} publish, {subscribers} subscribe\n  \
             packets per train {:>5.1}   {}\n  \
             wait of a flush {:>5.2} ms   {}",
            row.mean_train,
            shares(&row.trains),
            row.mean_wait_ms,
            shares(&row.waits)
        )?;
        table.flush()?;
        rows.push(row);
    }
    Ok(rows)
}

fn mean(metrics: &Metrics, name: &str) -> f64 {
    let (sum, count) = (format!("{name}_sum"), format!("{name}_count"));
    metrics.total(&sum) / metrics.total(&count)
}

/// What fell into each bucket alone; each counts those below too.
fn buckets(metrics: &Metrics, name: &str) -> Vec<(String, u64)> {
    let mut below = 0;
    let samples = metrics.samples().iter().filter(|it| it.name == name);
    let bucket = samples.map(|sample| {
        let most = sample.labels.split('"').rev().nth(1).unwrap_or_default();
        let upto = sample.value as u64;
        let alone = upto.saturating_sub(below);
        below = upto;
        (most.to_owned(), alone)
    });
    bucket.collect()
}

fn shares(buckets: &[(String, u64)]) -> String {
    let all: u64 = buckets.iter().map(|(_, count)| count).sum();
    let share = |(most, count): &(String, u64)| {
        format!(
            "<={most}: {:.1} %",
            *count as f64 * 100.0 / all.max(1) as f64
        )
    };
    buckets.iter().map(share).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_told_apart() {
        let metrics = Metrics::parse(
            "wait_bucket{le=\"1\"} 3\nwait_bucket{le=\"+Inf\"} 4\nwait_sum 8\nwait_count 4\n",
        );
        let waits = buckets(&metrics, "wait_bucket");
        assert_eq!(waits, [("1".to_owned(), 3), ("+Inf".to_owned(), 1)]);
        assert_eq!(shares(&waits), "<=1: 75.0 %, <=+Inf: 25.0 %");
        assert_eq!(mean(&metrics, "wait"), 2.0);
    }
}
