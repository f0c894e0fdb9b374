//! What nodes say to each other over a relay link, and when: a pure machine. Told what came and
//! what time it is, it answers with what to send.
//!
//! QUIC itself, certificates, sockets and clocks are left to the shell that owns the connections;
//! what a room does with packets that come is left to `sfu`.

mod arrivals;
mod frame;
mod numbers;
mod ring;
mod scheduler;
#[cfg(test)]
mod testing;
mod varint;

pub use arrivals::{Arrival, Arrivals, Patience};
pub use frame::{
    Copy, End, FlowId, Frame, FrameError, Heartbeat, Keyframe, Lane, LinkSeq, Media, Missing, Place, Reference,
};
pub use ring::{Refusal, Ring};
pub use scheduler::{Class, Load, Queued, RoomKey, Scheduler, Shed};
