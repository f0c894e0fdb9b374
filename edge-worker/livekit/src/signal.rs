//! Signalling: what a client says over its WebSocket, and what it is told.
//!
//! [`decode`] reads one frame into a [`Request`]; [`Response`] is one message to the
//! client, written into a [`Frame`] of the form the client speaks. Which response is
//! due is decided by the room and the shell.

mod add_track;
mod candidate;
mod data_track;
mod frame;
mod joined;
mod notice;
mod request;
mod response;
mod scenario;
mod sync_state;
#[cfg(test)]
mod tests;
mod unsupported;

pub use add_track::{AddTrack, DescribedTrack};
pub use candidate::{Candidate, Trickle};
pub use frame::{Frame, FrameFormat, RawFrame};
pub use joined::{IceServer, JoinSettings, Joined, PING_INTERVAL, PING_TIMEOUT, PROTOCOL, VERSION};
pub use notice::{Recipient, notice};
pub use request::{DecodeError, MAX_MESSAGE, MAX_SMALL_MESSAGE, MAX_TEXT, Request, decode};
pub use response::Response;
pub use scenario::{LONGEST_SPEECH, Scenario, Told};
pub use sync_state::SyncState;
pub use unsupported::Unsupported;

pub(crate) use data_track::describe as describe_data_track;

use crate::proto;

/// Which of a client's connections is meant. With a single one it is always
/// [`Publisher`](Self::Publisher).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Target {
    /// The one the client offers.
    #[default]
    Publisher,
    /// The one we offer.
    Subscriber,
}

impl Target {
    fn from_proto(number: i32) -> Self {
        match proto::SignalTarget::try_from(number).unwrap_or_default() {
            proto::SignalTarget::Publisher => Self::Publisher,
            proto::SignalTarget::Subscriber => Self::Subscriber,
        }
    }

    fn to_proto(self) -> i32 {
        match self {
            Self::Publisher => proto::SignalTarget::Publisher,
            Self::Subscriber => proto::SignalTarget::Subscriber,
        }
        .into()
    }
}

/// An SDP description on its way, with the number that pairs offer and answer;
/// 0 where the client does not number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Description {
    /// Pairs an answer with its offer.
    pub id: u32,
    /// As text; parsed by `transport`.
    pub sdp: String,
}

impl Description {
    pub(crate) fn offer_from_proto(
        message: proto::SessionDescription,
    ) -> Result<Self, DecodeError> {
        Self::from_proto(message, "offer")
    }

    fn answer_from_proto(message: proto::SessionDescription) -> Result<Self, DecodeError> {
        Self::from_proto(message, "answer")
    }

    fn from_proto(message: proto::SessionDescription, expected: &str) -> Result<Self, DecodeError> {
        if message.r#type != expected {
            return Err(DecodeError::DescriptionType);
        }
        Ok(Self {
            id: message.id,
            sdp: message.sdp,
        })
    }
}
