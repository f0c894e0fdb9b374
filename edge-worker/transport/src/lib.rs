//! One client connection, sans-IO: ICE, DTLS, SRTP, SCTP and SDP; bytes in, packets out
//! and back. Sockets and the clock are left to the shell, rooms to `sfu`.

mod bandwidth;
mod drops;
mod dtls;
pub mod framing;
mod ice;
mod identity;
mod rtcp;
mod rtp;
mod rtx;
mod sctp;
pub mod sdp;
mod sections;
mod srtp;
mod stun;
#[cfg(test)]
mod testing;
mod transport;
pub mod turn;
mod twcc;
mod way;
pub mod wire;

pub use bandwidth::Wanted;
pub use drops::{DropReason, Drops};
pub use ice::{IceCredentials, stun_ufrag};
pub use identity::{Identity, IdentityError};
pub use sctp::{Channel, DataRefused};
pub use sections::{
    Candidates, Channels, Dtx, NegotiationError, Negotiator, Offered, Sender, SenderId, SoundRate,
    Unplaced,
};
pub use srtp::SealError;
pub use transport::{Event, FailReason, Incoming, Output, Setup, Transport};
pub use way::{ConnectionKey, Way};
