//! The load generator: real signalling, real ICE, DTLS and SRTP, thousands of light clients
//! on one core, and what they find out about a server.
//!
//! A [run] plays a [scenario] on a [target]; its [participants](participant) signal on the
//! caller's runtime, and their media is carried by one [thread](media). It shares no code
//! with the packet path it measures but the crate that makes the system calls.

pub mod camera;
pub mod client;
pub mod clock;
pub mod confirm;
pub mod crowd;
pub mod gauge;
pub mod hearing;
pub mod histogram;
pub mod media;
pub mod part;
pub mod participant;
pub mod payload;
pub mod red;
pub mod report;
pub mod run;
pub mod scenario;
pub mod sdp;
pub mod speech;
pub mod statistics;
mod table;
pub mod target;
pub mod voice;
pub mod vp8;
