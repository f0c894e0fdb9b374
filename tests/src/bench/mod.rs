//! Benchmarks of the packet path: a shard of a real node, driven by the calling thread
//! with a clock moved by hand, between light clients that joined by real signalling, ICE,
//! DTLS and SRTP over loopback.
//!
//! [`forward`] compares it with [the limit](limit); [`growth`] tells what more subscribers
//! and tracks cost; [`trains`] what the flush tick makes of the load scenarios. [`relay`] is about
//! links between nodes instead, and has processes of its own.

pub mod camera;
pub mod clock;
pub mod forward;
pub mod growth;
pub mod instructions;
pub mod limit;
pub mod median;
pub mod readers;
pub mod relay;
pub mod seat;
pub mod stage;
pub mod trains;

/// Calls what it is given and tells how often the calling thread allocated meanwhile. The
/// binary brings the allocator that can tell.
pub type CountAllocations = fn(&mut dyn FnMut()) -> u64;
