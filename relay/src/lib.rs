//! The relay between nodes: rooms that span cities as one.
//!
//! What is said over a link, and when, is decided by `relay-proto`; here are the connections that
//! carry it: QUIC with certificates of a private CA on both sides. A [`Relay`] is one node's part.

mod access;
pub mod admin;
mod allowance;
pub mod cli;
mod close;
mod command;
mod config;
mod dialer;
mod files;
mod host;
mod hub;
mod identity;
mod lane;
mod line;
mod logs;
mod meeting;
mod metrics;
mod node;
mod outbox;
pub mod pki;
mod quic;
mod refused;
mod relay;
mod status;
mod wire;

pub use access::{Access, AccessError, Neighbour};
pub use command::{Command, Event, TellError};
pub use files::{Files, Watch};
pub use identity::{Credentials, CredentialsError, Identity, IdentityError, NameError, expiry};
pub use metrics::Metrics;
pub use quic::TlsError;
pub use relay::{Observer, Relay, Settings, StartError};
pub use status::{LinkState, LinkStatus, NodeState, RoomStatus, Status};
