//! The relay between nodes: rooms that span cities as one.
//!
//! What is said over a link, and when, is decided by `relay-proto`; here are the connections that
//! carry it: QUIC with certificates of a private CA on both sides. A [`Relay`] is one node's part.

mod access;
mod command;
mod identity;
mod lane;
mod meeting;
mod node;
pub mod pki;
mod quic;
mod relay;
mod status;

pub use access::{Access, AccessError, Neighbour};
pub use command::{Command, Event, TellError};
pub use identity::{Credentials, CredentialsError, Identity, IdentityError, NameError};
pub use quic::TlsError;
pub use relay::{Relay, Settings, StartError};
pub use status::{LinkStatus, Status};
