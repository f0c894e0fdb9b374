//! What an operator can watch of TLS with clients; there only where the node has a certificate.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// Counters of TLS with clients.
#[derive(Clone, Debug)]
pub struct TlsMetrics {
    /// When the certificate expires, in seconds since 1970.
    pub expires_at: IntGauge,
    /// Handshakes, by outcome.
    pub handshakes: IntCounterVec,
    /// Other certificates found in the files, by outcome.
    pub reloads: IntCounterVec,
}

impl TlsMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str| {
            let counters =
                IntCounterVec::new(Opts::new(name, help), &["outcome"]).expect("the name is legal");
            let registered = registry.register(Box::new(counters.clone()));
            registered.expect("registered once");
            counters
        };
        let expires_at = IntGauge::new(
            "edge_tls_certificate_expires_timestamp_seconds",
            "When the certificate for clients expires",
        )
        .expect("the name is legal");
        let registered = registry.register(Box::new(expires_at.clone()));
        registered.expect("registered once");
        Self {
            expires_at,
            handshakes: counters(
                "edge_tls_handshakes_total",
                "TLS handshakes with clients by outcome",
            ),
            reloads: counters(
                "edge_tls_reloads_total",
                "Certificates for clients that were read anew, by outcome",
            ),
        }
    }
}
