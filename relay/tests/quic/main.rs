//! Nodes over real QUIC on the loopback: media across a hub, what happens when links and nodes fail,
//! and what becomes of those who mean no good.

mod common;

mod crossing;
mod failing;
mod hostile;
mod renewing;
mod versions;
