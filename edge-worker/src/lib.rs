//! An edge node: SFU rooms for the people near it, in the LiveKit protocol.
//!
//! The shell around the pure crates: sockets, threads, signalling, configuration and
//! metrics. [`run`] is the whole command; [`assemble`] gives benchmarks a node whose
//! shards they drive themselves.

mod calling;
mod cascade;
mod cli;
mod config;
mod control;
mod directory;
mod errands;
mod facts;
mod http;
mod ids;
mod incoming;
mod journal;
mod logs;
mod metrics;
mod node;
mod opening;
mod pipe;
mod porch;
mod relaying;
mod revocations;
mod shard;
mod signal;
mod tls;
mod webhooks;
mod whip;

pub use cascade::Cascade;
pub use cli::run;
pub use config::{
    Config, ConfigError, Control, Fsync, JoinTokens, Log, LogFormat, NodeKey, Relay, Room, Rtc,
    Tls, Turn, Webhook,
};
pub use control::Control as Speaking;
pub use metrics::{ControlMetrics, Metrics, TlsMetrics};
pub use node::{Assembly, Node, assemble, serve};
pub use shard::Shard;
