//! The room as a pure state machine: who gets which packet, which layer, numbered
//! how. Told what happened and when, it answers with what to do.
//!
//! Connections are left to `transport`, LiveKit's messages to `livekit`, all I/O
//! to the shell that owns the room.

mod command;
mod description;
mod notice;
mod output;

pub use command::{Command, LeaveReason, Publication, TrackSettings, Wanted};
pub use description::{
    AudioFeature, Encryption, Identity, Membership, Muted, ParticipantInfo, Permission, RoomInfo,
    SimulcastCodec, Source, State, TrackInfo, VideoLayer, VideoQuality, Visibility,
};
pub use notice::{Notice, Refusal, RefusedWish, SubscriptionFailure};
pub use output::{
    OfferedSection, Opening, Outlet, Output, Reliability, SenderKey, Sink, SubscriptionKey,
    TrackKey, TransportKey,
};
