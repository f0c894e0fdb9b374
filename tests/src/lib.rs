//! End-to-end tests: real sockets, real browsers, an independent WebRTC implementation.
//!
//! This library starts a [node], signs [tokens], speaks [signalling](signal) and
//! takes part in calls as a [`Peer`](peer::Peer) built on the `webrtc` crate, which shares
//! no code of ours. The tests stand in `tests/`, the browsers' in `browser/`.

pub mod backbone;
pub mod bench;
pub mod call;
pub mod connection;
pub mod fleet;
pub mod http;
pub mod lab;
pub mod load;
pub mod metrics;
pub mod node;
pub mod peer;
pub mod seen;
pub mod server_api;
pub mod signal;
pub mod synthetic;
pub mod tally;
pub mod tap;
pub mod tls;
pub mod tokens;
pub mod until;
