//! What an operator can watch, in Prometheus' words. Counters here, scraped by the
//! admin listener. `received = forwarded or answered + dropped`, by kind.

use std::io::{self, ErrorKind};

use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use sfu::LeaveReason;

/// All counters of a node. Cloning is cheap and counts into the same.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Rooms open now.
    pub rooms: IntGauge,
    /// Participants in rooms now.
    pub participants: IntGauge,
    /// WebSockets open now.
    pub signal_connections: IntGauge,
    /// Joins, by what became of them.
    pub joins: IntCounterVec,
    /// Leaves, by why.
    pub leaves: IntCounterVec,
    /// Signal messages that made no sense, by what was wrong.
    pub signal_errors: IntCounterVec,
    /// Datagrams received.
    pub datagrams_received: IntCounter,
    /// Bytes received in datagrams.
    pub bytes_received: IntCounter,
    /// Datagrams sent.
    pub datagrams_sent: IntCounter,
    /// Bytes sent in datagrams.
    pub bytes_sent: IntCounter,
    /// Datagrams received and dropped, by why.
    pub datagrams_dropped: IntCounterVec,
    /// Datagrams that could not be sent, by why.
    pub send_failures: IntCounterVec,
    /// Receive calls that failed.
    pub receive_failures: IntCounter,
    /// Media packets accepted from publishers.
    pub packets_received: IntCounter,
    /// Media packets sent to subscribers.
    pub packets_forwarded: IntCounter,
    /// Media packets not sent to a subscriber that might have had them, by why.
    pub(crate) packets_dropped: IntCounterVec,
    /// Data messages dropped, by why.
    pub data_dropped: IntCounterVec,
    /// Connections that failed in our own code and were closed.
    pub connection_panics: IntCounter,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SendFailure {
    /// The kernel's buffer is full.
    Full,
    /// The client's port is closed.
    Refused,
    /// Anything else the kernel says.
    Other,
}

impl SendFailure {
    /// What `error` means.
    pub(crate) fn of(error: &io::Error) -> Self {
        if error.kind() == ErrorKind::WouldBlock {
            Self::Full
        } else if error.kind() == ErrorKind::ConnectionRefused {
            Self::Refused
        } else {
            Self::Other
        }
    }
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("the name is legal");
            registry
                .register(Box::new(counter.clone()))
                .expect("registered once");
            counter
        };
        let counters = |name: &str, help: &str, label: &str| {
            let counters =
                IntCounterVec::new(Opts::new(name, help), &[label]).expect("the name is legal");
            registry
                .register(Box::new(counters.clone()))
                .expect("registered once");
            counters
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("the name is legal");
            registry
                .register(Box::new(gauge.clone()))
                .expect("registered once");
            gauge
        };
        Self {
            rooms: gauge("edge_rooms", "Rooms open now"),
            participants: gauge("edge_participants", "Participants in rooms now"),
            signal_connections: gauge("edge_signal_connections", "WebSockets open now"),
            joins: counters("edge_joins_total", "Joins by outcome", "outcome"),
            leaves: counters("edge_leaves_total", "Leaves by reason", "reason"),
            signal_errors: counters(
                "edge_signal_errors_total",
                "Signal messages refused, by what was wrong",
                "reason",
            ),
            datagrams_received: counter("edge_datagrams_received_total", "Datagrams received"),
            bytes_received: counter("edge_received_bytes_total", "Bytes received in datagrams"),
            datagrams_sent: counter("edge_datagrams_sent_total", "Datagrams sent"),
            bytes_sent: counter("edge_sent_bytes_total", "Bytes sent in datagrams"),
            datagrams_dropped: counters(
                "edge_datagrams_dropped_total",
                "Datagrams received and dropped, by reason",
                "reason",
            ),
            send_failures: counters(
                "edge_send_failures_total",
                "Datagrams the kernel did not take, by reason",
                "reason",
            ),
            receive_failures: counter("edge_receive_failures_total", "Receive calls that failed"),
            packets_received: counter(
                "edge_packets_received_total",
                "Media packets accepted from publishers",
            ),
            packets_forwarded: counter(
                "edge_packets_forwarded_total",
                "Media packets sent to subscribers",
            ),
            packets_dropped: counters(
                "edge_packets_dropped_total",
                "Media packets left out for a subscriber or a track, by reason",
                "reason",
            ),
            data_dropped: counters(
                "edge_data_dropped_total",
                "Data messages dropped, by reason",
                "reason",
            ),
            connection_panics: counter(
                "edge_connection_panics_total",
                "Connections closed because our own code failed on them",
            ),
            registry,
        }
    }

    /// One datagram left.
    pub(crate) fn sent(&self, bytes: usize) {
        self.datagrams_sent.inc();
        self.bytes_sent.inc_by(bytes as u64);
    }

    /// One datagram did not leave.
    pub(crate) fn send_failed(&self, failure: SendFailure) {
        let reason = match failure {
            SendFailure::Full => "full",
            SendFailure::Refused => "refused",
            SendFailure::Other => "other",
        };
        self.send_failures.with_label_values(&[reason]).inc();
    }

    /// One receive call failed.
    pub(crate) fn receive_failed(&self) {
        self.receive_failures.inc();
    }

    /// One participant left.
    pub(crate) fn left(&self, reason: LeaveReason) {
        self.leaves
            .with_label_values(&[&format!("{reason:?}")])
            .inc();
    }

    /// The text Prometheus scrapes.
    pub(crate) fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("writing to memory does not fail");
        String::from_utf8(text).expect("the encoder writes text")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
