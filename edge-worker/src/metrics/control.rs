//! What an operator can watch of the conversation with the control plane.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::control::Dropped;

/// Counters of the conversation with the control plane.
#[derive(Clone, Debug)]
pub struct ControlMetrics {
    /// Events that wait to be told.
    pub waiting: IntGauge,
    /// Their bytes.
    pub waiting_bytes: IntGauge,
    /// How long ago the oldest of them happened.
    pub oldest_seconds: IntGauge,
    /// Whether the node may speak: 1 or 0.
    pub registered: IntGauge,
    /// How far this machine's clock is behind.
    pub clock_offset_ms: IntGauge,
    /// Requests, by what became of them.
    pub requests: IntCounterVec,
    /// Events the control plane has confirmed.
    pub told: IntCounter,
    /// Events that are not told, by why.
    pub dropped: IntCounterVec,
    /// Commands, by what became of them.
    pub commands: IntCounterVec,
    /// Times that the control plane asked to be asked, by what became of it.
    pub pokes: IntCounterVec,
    /// Times that the log could not be written.
    pub unwritten: IntCounter,
}

impl ControlMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("the name is legal");
            let registered = registry.register(Box::new(counter.clone()));
            registered.expect("registered once");
            counter
        };
        let counters = |name: &str, help: &str, label: &str| {
            let counters =
                IntCounterVec::new(Opts::new(name, help), &[label]).expect("the name is legal");
            let registered = registry.register(Box::new(counters.clone()));
            registered.expect("registered once");
            counters
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("the name is legal");
            let registered = registry.register(Box::new(gauge.clone()));
            registered.expect("registered once");
            gauge
        };
        Self {
            waiting: gauge(
                "edge_control_events_waiting",
                "Events the control plane has not confirmed",
            ),
            waiting_bytes: gauge("edge_control_waiting_bytes", "Bytes of these"),
            oldest_seconds: gauge(
                "edge_control_oldest_event_seconds",
                "How long ago the oldest of these happened",
            ),
            registered: gauge(
                "edge_control_registered",
                "Whether the control plane lets this node speak",
            ),
            clock_offset_ms: gauge(
                "edge_control_clock_offset_milliseconds",
                "How far this machine's clock is behind the control plane's",
            ),
            requests: counters(
                "edge_control_requests_total",
                "Requests to the control plane by result",
                "result",
            ),
            told: counter(
                "edge_control_events_told_total",
                "Events the control plane has confirmed",
            ),
            dropped: counters(
                "edge_control_events_dropped_total",
                "Events that are not told, by reason",
                "reason",
            ),
            commands: counters(
                "edge_control_commands_total",
                "Commands of the control plane by result",
                "result",
            ),
            pokes: counters(
                "edge_control_pokes_total",
                "Times that the control plane asked to be asked, by result",
                "result",
            ),
            unwritten: counter(
                "edge_control_log_failures_total",
                "Times that the log of events could not be written to disk",
            ),
        }
    }

    /// Counts what is not told.
    pub(crate) fn dropped(&self, reason: Dropped, count: u64) {
        self.dropped
            .with_label_values(&[reason.label()])
            .inc_by(count);
    }
}
