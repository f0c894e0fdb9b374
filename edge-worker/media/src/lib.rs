//! The nouns of the packet path: ids, packets, layers, wrapping numbers, payload
//! descriptors and RTCP as we speak of it.
//!
//! Everything here is plain data. Which packet goes where is [`sfu`]'s business;
//! how bytes become packets is [`transport`]'s.
//!
//! [`sfu`]: ../sfu/index.html
//! [`transport`]: ../transport/index.html

mod av1;
mod bitrate;
mod codec;
mod h264;
mod head;
mod ids;
mod layer;
mod layer_frame;
mod packet;
mod playout;
mod rtcp;
mod vp8;
mod vp9;
mod wrapping;

pub use av1::{Dependencies, av1_starts_keyframe};
pub use bitrate::Bitrate;
pub use codec::{Codec, CodecSet, MediaKind};
pub use h264::h264_starts_keyframe;
pub use head::Head;
pub use ids::{DataTrackId, ParseSidError, ParticipantId, RoomId, Sid, TrackId};
pub use layer::{Layer, Rid};
pub use layer_frame::LayerFrame;
pub use packet::{AudioLevel, Delivery, Mid, Outgoing, Packet, PayloadType, Ssrc};
pub use playout::PlayoutDelay;
pub use rtcp::{Nack, NtpTime, ReceptionReport, Rtcp, SenderReport};
pub use vp8::Vp8Descriptor;
pub use vp9::Vp9Descriptor;
pub use wrapping::{SeqNo, SeqUnwrapper, Timestamp};
