//! What nodes say to each other over a relay link, and when: a pure machine. Told what came and
//! what time it is, it answers with what to send.
//!
//! QUIC itself, certificates, sockets and clocks are left to the shell that owns the connections;
//! what a room does with packets that come is left to `sfu`.

mod allocation;
mod arrivals;
mod congestion;
pub mod control;
mod doubles;
mod early;
mod exchange;
mod frame;
pub mod heartbeat;
mod keyframe_cache;
mod layers;
mod link;
mod neighbour;
mod numbers;
mod pacer;
mod repetition;
mod ring;
mod routes;
mod scheduler;
#[cfg(test)]
mod testing;
mod varint;
mod wants;

pub use allocation::{Allocation, Turn};
pub use arrivals::{Arrival, Arrivals, Patience};
pub use congestion::{Congestion, Limits};
pub use exchange::{Exchange, Looked, Output, Taken, Wanted};
pub use frame::{
    Copy, End, FlowId, Frame, FrameError, Heartbeat, Keyframe, Lane, LinkSeq, Media, Missing,
    Place, Reference,
};
pub use keyframe_cache::KeyframeCache;
pub use layers::{LayerId, LayerKey, Paused};
pub use link::{Counts, Crossed, Link, Received};
pub use pacer::Pacer;
pub use repetition::{Active, Repetition};
pub use ring::{Refusal, Ring};
pub use routes::{Change, Cost, Disbelief, LinkId, NODES, Routes, Source, TrackKey, Transit, Use};
pub use scheduler::{Class, Load, Queued, RoomKey, Scheduler, Shed};
pub use wants::Handle;
