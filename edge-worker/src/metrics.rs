//! What an operator can watch, in Prometheus' words. Counters here, scraped by the
//! admin listener. `received = forwarded or answered + dropped`, by kind.

mod control;
mod tls;

use std::time::Instant;

use batch::Sent;
use prometheus::local::LocalHistogram;
use prometheus::{
    CounterVec, Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};
use sfu::LeaveReason;

pub use control::ControlMetrics;
pub use tls::TlsMetrics;

/// All counters of a node. Cloning is cheap and counts into the same.
#[derive(Clone, Debug)]
pub struct Metrics {
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
    /// Returns by another WebSocket, by outcome.
    pub resumes: IntCounterVec,
    /// Signal messages that made no sense, by what was wrong.
    pub signal_errors: IntCounterVec,
    /// HTTP connections closed before their time, by why.
    pub connections_closed: IntCounterVec,
    /// Clients' TCP connections for media that are open now.
    pub tcp_connections: IntGauge,
    /// Such connections closed, by why.
    pub tcp_closed: IntCounterVec,
    /// Datagrams not sent over such connections, by why.
    pub tcp_dropped: IntCounterVec,
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
    /// System calls made to send.
    pub send_calls: IntCounter,
    /// Datagrams per train.
    pub trains: Histogram,
    /// How long the first datagram of a flush waited for others.
    pub flush_wait: Histogram,
    /// What transports can send, each time they tell of it.
    pub estimates: Histogram,
    /// Packets that could not be encrypted for their subscriber.
    pub packets_unsealed: IntCounter,
    /// Clients that were found at another address by their media.
    pub clients_followed: IntCounter,
    /// Receive calls that failed.
    pub receive_failures: IntCounter,
    /// Media packets accepted from publishers.
    pub packets_received: IntCounter,
    /// Media packets sent to subscribers.
    pub packets_forwarded: IntCounter,
    /// Media packets not sent to a subscriber that might have had them, by why.
    pub packets_dropped: IntCounterVec,
    /// Profiles that participants asked for and that there are not.
    pub unknown_profiles: IntCounter,
    /// Data messages dropped, by why.
    pub data_dropped: IntCounterVec,
    /// Calls of server APIs, by outcome.
    pub api_calls: IntCounterVec,
    /// Allocations at the TURN servers now.
    pub turn_allocations: IntGauge,
    /// Requests to the TURN servers that were answered, by outcome.
    pub turn_answers: IntCounterVec,
    /// Events that wait for the app's servers.
    pub webhooks_queued: IntGauge,
    /// Events the app's servers took.
    pub webhooks_delivered: IntCounter,
    /// Tries that failed, by why.
    pub webhooks_failed_tries: IntCounterVec,
    /// Events given up, by why.
    pub webhooks_dropped: IntCounterVec,
    /// Times that events could not be written to disk.
    pub webhooks_unwritten: IntCounter,
    /// The conversation with the control plane.
    pub control: ControlMetrics,
    /// Connections that failed in our own code and were closed.
    pub connection_panics: IntCounter,
    /// Processor time of shards, in seconds, by their numbers.
    pub shard_busy: CounterVec,
}

impl Metrics {
    /// Where others register theirs.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All at zero.
    pub fn new() -> Self {
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
        let shard_busy = CounterVec::new(
            Opts::new(
                "edge_shard_busy_seconds_total",
                "Processor time of each shard's thread",
            ),
            &["shard"],
        )
        .expect("the name is legal");
        registry
            .register(Box::new(shard_busy.clone()))
            .expect("registered once");
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let histogram = Histogram::with_opts(options).expect("the name is legal");
            registry
                .register(Box::new(histogram.clone()))
                .expect("registered once");
            histogram
        };
        Self {
            rooms: gauge("edge_rooms", "Rooms open now"),
            participants: gauge("edge_participants", "Participants in rooms now"),
            signal_connections: gauge("edge_signal_connections", "WebSockets open now"),
            joins: counters("edge_joins_total", "Joins by outcome", "outcome"),
            leaves: counters("edge_leaves_total", "Leaves by reason", "reason"),
            resumes: counters("edge_resumes_total", "Returns by outcome", "outcome"),
            signal_errors: counters(
                "edge_signal_errors_total",
                "Signal messages refused, by what was wrong",
                "reason",
            ),
            connections_closed: counters(
                "edge_http_connections_closed_total",
                "HTTP connections closed before their time, by reason",
                "reason",
            ),
            tcp_connections: gauge(
                "edge_tcp_connections",
                "Clients' TCP connections for media open now",
            ),
            tcp_closed: counters(
                "edge_tcp_connections_closed_total",
                "TCP connections for media closed, by reason",
                "reason",
            ),
            tcp_dropped: counters(
                "edge_tcp_dropped_total",
                "Datagrams not sent over a TCP connection, by what they were and why",
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
            send_calls: counter(
                "edge_send_calls_total",
                "System calls made to send datagrams",
            ),
            trains: histogram(
                "edge_train_packets",
                "Datagrams the kernel took as one, by number",
                &[
                    1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0,
                ],
            ),
            estimates: histogram(
                "edge_estimate_bits_per_second",
                "What subscribers can be sent, each time that changes",
                &[
                    50e3, 100e3, 200e3, 400e3, 700e3, 1e6, 1.5e6, 2e6, 3e6, 5e6, 10e6, 20e6,
                ],
            ),
            flush_wait: histogram(
                "edge_flush_wait_seconds",
                "How long the first datagram of a flush waited for others",
                &[
                    0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.010, 0.020,
                ],
            ),
            packets_unsealed: counter(
                "edge_packets_unsealed_total",
                "Media packets not sent because their transport could not encrypt them (yet)",
            ),
            clients_followed: counter(
                "edge_clients_followed_total",
                "Clients found at another address by their media, before they checked it",
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
            unknown_profiles: counter(
                "edge_profiles_unknown_total",
                "Profiles asked for by attribute that there are not",
            ),
            data_dropped: counters(
                "edge_data_dropped_total",
                "Data messages dropped, by reason",
                "reason",
            ),
            api_calls: counters(
                "edge_api_calls_total",
                "Calls of server APIs by outcome",
                "outcome",
            ),
            turn_allocations: gauge("edge_turn_allocations", "Allocations of TURN clients now"),
            turn_answers: counters(
                "edge_turn_answers_total",
                "Requests of TURN clients that were answered, by outcome",
                "outcome",
            ),
            webhooks_queued: gauge(
                "edge_webhooks_queued",
                "Events that wait to be taken by the app's servers",
            ),
            webhooks_delivered: counter(
                "edge_webhooks_delivered_total",
                "Events the app's servers took",
            ),
            webhooks_failed_tries: counters(
                "edge_webhook_failed_tries_total",
                "Tries to deliver an event that failed, by reason",
                "reason",
            ),
            webhooks_dropped: counters(
                "edge_webhooks_dropped_total",
                "Events given up, by reason",
                "reason",
            ),
            webhooks_unwritten: counter(
                "edge_webhooks_unwritten_total",
                "Times that events could not be written to disk",
            ),
            control: ControlMetrics::new(&registry),
            connection_panics: counter(
                "edge_connection_panics_total",
                "Connections closed because our own code failed on them",
            ),
            shard_busy,
            registry,
        }
    }

    /// One receive call failed.
    pub fn receive_failed(&self) {
        self.receive_failures.inc();
    }

    /// Something for or through a TURN server was dropped.
    pub fn turn_dropped(&self, reason: transport::turn::Dropped) {
        self.datagrams_dropped
            .with_label_values(&[reason.label()])
            .inc();
    }

    /// One participant left.
    pub fn left(&self, reason: LeaveReason) {
        self.leaves
            .with_label_values(&[&format!("{reason:?}")])
            .inc();
    }

    /// The text Prometheus scrapes.
    pub fn text(&self) -> String {
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

/// What one shard counts between two reports, without touching what others count.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) packets_received: u64,
    pub(crate) packets_forwarded: u64,
    pub(crate) unsealed: u64,
    /// Pictures there was no time for.
    pub(crate) late: u64,
    pub(crate) unknown_source: u64,
    /// Clients found at another address by their media.
    pub(crate) followed: u64,
    /// Checks in the name of an address that another client uses.
    pub(crate) address_taken: u64,
    pub(crate) handshakes_full: u64,
    /// Packets of other instances of a room for tracks that are gone, and such as cannot be read.
    pub(crate) far_unknown: u64,
    pub(crate) far_unreadable: u64,
    pub(crate) sent: Sent,
    datagrams_received: u64,
    bytes_received: u64,
    /// Longer than any we accept: so far, and reported of them.
    cut: (u64, u64),
    trains: LocalHistogram,
    flush_wait: LocalHistogram,
}

impl Tally {
    /// All at zero, to be reported to `metrics`.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            packets_received: 0,
            packets_forwarded: 0,
            unsealed: 0,
            late: 0,
            unknown_source: 0,
            followed: 0,
            address_taken: 0,
            handshakes_full: 0,
            far_unknown: 0,
            far_unreadable: 0,
            sent: Sent::default(),
            datagrams_received: 0,
            bytes_received: 0,
            cut: (0, 0),
            trains: metrics.trains.local(),
            flush_wait: metrics.flush_wait.local(),
        }
    }

    /// One datagram came.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.datagrams_received += 1;
        self.bytes_received += bytes as u64;
    }

    /// `total` datagrams were too long so far.
    pub(crate) fn cut(&mut self, total: u64) {
        self.cut.0 = total;
    }

    /// One train of `length` datagrams leaves.
    pub(crate) fn train(&self, length: usize) {
        self.trains.observe(length as f64);
    }

    /// What waited `since` leaves.
    pub(crate) fn waited(&self, since: Option<Instant>, now: Instant) {
        if let Some(since) = since {
            self.flush_wait
                .observe(now.saturating_duration_since(since).as_secs_f64());
        }
    }

    /// Adds everything to the node's counters and begins anew.
    pub(crate) fn report(&mut self, metrics: &Metrics) {
        let take = std::mem::take::<u64>;
        metrics
            .packets_received
            .inc_by(take(&mut self.packets_received));
        metrics
            .packets_forwarded
            .inc_by(take(&mut self.packets_forwarded));
        metrics.packets_unsealed.inc_by(take(&mut self.unsealed));
        for (reason, count) in [
            ("overload", take(&mut self.late)),
            ("far_unknown", take(&mut self.far_unknown)),
            ("far_unreadable", take(&mut self.far_unreadable)),
        ] {
            if count > 0 {
                let dropped = metrics.packets_dropped.with_label_values(&[reason]);
                dropped.inc_by(count);
            }
        }
        metrics.clients_followed.inc_by(take(&mut self.followed));
        metrics
            .datagrams_received
            .inc_by(take(&mut self.datagrams_received));
        metrics
            .bytes_received
            .inc_by(take(&mut self.bytes_received));
        for (reason, count) in [
            ("handshakes_full", take(&mut self.handshakes_full)),
            ("unknown_source", take(&mut self.unknown_source)),
            ("address_taken", take(&mut self.address_taken)),
        ] {
            if count > 0 {
                let dropped = metrics.datagrams_dropped.with_label_values(&[reason]);
                dropped.inc_by(count);
            }
        }
        let (cut, reported) = self.cut;
        if cut > reported {
            metrics
                .datagrams_dropped
                .with_label_values(&["too_long"])
                .inc_by(cut - reported);
            self.cut.1 = cut;
        }
        let sent = std::mem::take(&mut self.sent);
        metrics.send_calls.inc_by(sent.calls);
        metrics.datagrams_sent.inc_by(sent.datagrams);
        metrics.bytes_sent.inc_by(sent.bytes);
        for (failure, count) in sent.failed.iter().filter(|(_, count)| *count > 0) {
            metrics
                .send_failures
                .with_label_values(&[failure.label()])
                .inc_by(count);
        }
        self.trains.flush();
        self.flush_wait.flush();
    }
}
