//! LiveKit messages to our commands and notices and back; tokens; reasons.
//!
//! Pure translation: bytes and text come in, our own types go out, and back. Which
//! notice is due is left to `sfu`, connections to `transport`, time, sockets and
//! randomness to the shell. Message types of LiveKit stay inside this crate.

pub mod chat;
mod claims;
mod client;
pub mod data;
pub mod data_track;
mod info;
pub mod join;
pub mod negotiation;
mod reason;
pub mod room_service;
pub mod server_data;
pub mod signal;
pub mod spanning;
pub mod token;
pub mod trust;
pub mod twirp;
pub mod usage;
pub mod webhook;
mod wire;

pub use claims::{Claims, Tof, VideoGrants};
pub use client::{Client, Sdk};
pub use reason::{Action, ResumeReason, action, disconnect_reason, disconnect_word, leave_reason};

use livekit_protocol as proto;
