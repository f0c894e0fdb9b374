//! The server under load: one of our own that the run starts, or any other by its URL.

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::Result;

use super::gauge::Gauge;
use crate::{
    http,
    metrics::Metrics,
    node::{Node, NodeOptions},
    tokens,
};

/// The server.
#[derive(Debug)]
pub struct Target {
    /// Where clients go.
    pub url: String,
    /// The API key.
    pub key: String,
    /// Its secret.
    pub secret: String,
    process: Option<u32>,
    /// Where its metrics are.
    pub admin: Option<SocketAddr>,
    /// Ends with the run.
    node: Option<Node>,
}

/// One reading of everything the server shows.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What its process used, if we know which it is.
    pub gauge: Option<Gauge>,
    metrics: Option<Metrics>,
}

/// What the server's own counters say of a while.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// Packets that it forwarded.
    pub forwarded: u64,
    /// Trains by the most packets that they may have, not cumulated.
    pub trains: Vec<(String, u64)>,
    /// What it dropped or could not send, by counter and reason.
    pub dropped: BTreeMap<String, u64>,
}

impl Target {
    /// A server that runs.
    pub fn at(
        url: String,
        key: String,
        secret: String,
        process: Option<u32>,
        admin: Option<SocketAddr>,
    ) -> Self {
        Self {
            url,
            key,
            secret,
            process,
            admin,
            node: None,
        }
    }

    /// A node of our own, with so many shards. A room goes on on another one of them where one
    /// has `spread` of its people, or else as the node thinks fit.
    pub async fn start(shards: u16, spread: Option<u32>) -> Result<Self> {
        let mut environment = vec![("EDGE_LOG__LEVEL".to_owned(), "warn".to_owned())];
        if let Some(most) = spread {
            let key = "EDGE_RTC__SPREAD__AT_PARTICIPANTS".to_owned();
            environment.push((key, most.to_string()));
        }
        let node = Node::start_with(NodeOptions {
            shards,
            environment,
            ..NodeOptions::default()
        })
        .await?;
        Ok(Self {
            url: node.url(),
            key: tokens::KEY.to_owned(),
            secret: tokens::SECRET.to_owned(),
            process: Some(node.process()),
            admin: Some(node.admin()),
            node: Some(node),
        })
    }

    /// Reads what can be read.
    pub async fn read(&self) -> Result<Reading> {
        let gauge = self.process.map(Gauge::read).transpose()?;
        let metrics = match self.admin {
            Some(admin) => Some(Metrics::parse(&http::get(admin, "/metrics").await?.body)),
            None => None,
        };
        Ok(Reading { gauge, metrics })
    }

    /// What our own node complained about last, if it is ours.
    pub fn complaints(&self) -> Vec<String> {
        let mut lines = self.node.as_ref().map(Node::log).unwrap_or_default();
        lines.retain(|line| COMPLAINTS.iter().any(|word| line.contains(word)));
        lines.split_off(lines.len().saturating_sub(MOST))
    }
}

const COMPLAINTS: [&str; 3] = ["WARN", "ERROR", "panicked"];
/// More of the same tells nothing more.
const MOST: usize = 20;

impl Reading {
    /// What the process used since `before`.
    pub fn used(&self, before: &Self) -> Option<Gauge> {
        Some(self.gauge.as_ref()?.since(before.gauge.as_ref()?))
    }

    /// What was counted since `before`.
    pub fn counted(&self, before: &Self) -> Option<Counted> {
        let (now, before) = (self.metrics.as_ref()?, before.metrics.as_ref()?);
        let grown = |choose: &dyn Fn(&str, &str) -> bool| {
            let sum = |metrics: &Metrics| metrics.sum(|it| choose(&it.name, &it.labels));
            (sum(now) - sum(before)).max(0.0) as u64
        };
        let mut dropped = BTreeMap::new();
        let mut trains = Vec::new();
        let mut below = 0;
        for sample in now.samples() {
            let one = grown(&|name, labels| name == sample.name && labels == sample.labels);
            if sample.name == "edge_train_packets_bucket" {
                // Buckets come in order, each counting those below too.
                let most = sample.labels.split('"').rev().nth(1).unwrap_or_default();
                trains.push((most.to_owned(), one.saturating_sub(below)));
                below = one;
            }
            let bad = sample.name.contains("dropped") || sample.name.contains("failures");
            if bad && one > 0 {
                dropped.insert(format!("{} {}", sample.name, sample.labels), one);
            }
        }
        Some(Counted {
            forwarded: grown(&|name, _| name == "edge_packets_forwarded_total"),
            trains,
            dropped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> Reading {
        Reading {
            gauge: None,
            metrics: Some(Metrics::parse(text)),
        }
    }

    #[test]
    fn counters_are_told_as_they_grew() {
        let before =
            reading("edge_packets_forwarded_total 5\nedge_packets_dropped_total{reason=\"a\"} 1\n");
        let after = reading(
            "edge_packets_forwarded_total 25\nedge_packets_dropped_total{reason=\"a\"} 4\n\
             edge_train_packets_bucket{le=\"1\"} 3\nedge_train_packets_bucket{le=\"2\"} 10\n",
        );
        let counted = after.counted(&before).unwrap();
        assert_eq!(counted.forwarded, 20);
        assert_eq!(counted.trains, [("1".to_owned(), 3), ("2".to_owned(), 7)]);
        assert_eq!(
            counted.dropped["edge_packets_dropped_total reason=\"a\""],
            3
        );
        assert!(reading("").counted(&Reading::default()).is_none());
    }
}
