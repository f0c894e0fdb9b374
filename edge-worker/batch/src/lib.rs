//! UDP for Linux in batches. Datagrams come in many per call (`recvmmsg`), those the
//! kernel coalesced (GRO) split again in place; they go out in [`Trains`], several
//! packets for one destination as one message (GSO), all destinations in one call
//! (`sendmmsg`). Nothing waits, and nothing allocates once warm.
//!
//! A kernel without one of these gets the plain calls instead, and the caller can ask
//! for them: what arrives is the same.
//!
//! This is the workspace's only crate with `unsafe` in it, all of it in `kernel`. When to
//! receive and when to send, and what to do about a failure, is left to the caller.

#[cfg(not(target_os = "linux"))]
compile_error!("batches are made with system calls that only Linux has");

mod kernel;
mod options;
mod receiver;
mod sent;
mod socket;
mod trains;

pub use options::{ArrivalTimes, Buffers, Calls, Capabilities, Offload, Options, Support};
pub use receiver::{Datagrams, ReceiveCounts, Received, Receiver};
pub use sent::{Failures, SendFailure, Sent};
pub use socket::Socket;
pub use trains::Trains;
