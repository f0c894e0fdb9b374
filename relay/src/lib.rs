//! The relay between nodes: rooms that span cities as one.
//!
//! What is said over a link, and when, is decided by `relay-proto`; here are the connections that
//! carry it: QUIC with certificates of a private CA on both sides. A [`Relay`] is one node's part.

mod endpoint;
mod identity;
mod lane;
mod node;
pub mod pki;
mod quic;

pub use endpoint::{Neighbour, Relay, Settings, StartError};
pub use identity::{Credentials, CredentialsError, Identity, IdentityError, NameError};
pub use node::{Command, Event, LinkStatus};
pub use quic::TlsError;
