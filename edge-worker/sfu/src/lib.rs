//! The room as a pure state machine: who gets which packet, which layer, numbered
//! how. Told what happened and when, it answers with what to do.
//!
//! A [`Room`] knows its participants, their tracks and their subscriptions. Each track
//! has a [`Fanout`], which picks and renumbers packets for the subscriptions of that
//! track. What the shell has to do comes out in two ways: media at once, through the
//! [`Outlet`] lent to a call, everything else as [`Output`]s, in order.
//!
//! Connections are left to `transport`, LiveKit's messages to `livekit`, all I/O
//! to the shell that owns the room.

mod allocator;
mod cache;
mod command;
mod data_track;
mod demand;
mod description;
mod fact;
mod fanout;
mod keyframes;
mod link;
mod loudest;
mod notice;
mod output;
mod pacer;
mod quality;
mod reception;
mod reports;
mod rewrite;
mod room;
mod saving;
mod select;
mod speakers;
#[cfg(test)]
mod testing;
mod timers;

pub use allocator::{Load, Pausing};
pub use command::{
    Access, Allowance, Command, Grantee, LeaveReason, Publication, Share, TrackSettings, Wanted,
};
pub use data_track::{DataFrame, DataHandle, DataPublication, DataTrackInfo, DataWish};
pub use description::{
    AudioFeature, Encryption, Identity, Membership, Muted, ParticipantInfo, Permission, Playing,
    RoomInfo, SimulcastCodec, Source, State, Streams, TrackInfo, VideoLayer, VideoQuality,
    Visibility,
};
pub use fact::{Fact, Happened};
pub use fanout::{Binding, DropCounts, DropReason, Fanout, Wish};
pub use link::{Carried, LinkKey, LinkNews, Linked, LinkedTrack, Origin, Setup, Supply};
pub use notice::{
    CodecDemand, Notice, Refusal, RefusedWish, StreamState, Streaming, SubscriptionFailure,
};
pub use output::{
    OfferedSection, Opening, Outlet, Output, Received, Reliability, SenderKey, Sink, StreamName,
    SubscriptionKey, TrackKey, TransportKey,
};
pub use pacer::{Admission, Pacer, Waiting};
pub use quality::{ConnectionQuality, Picture, Quality, Summary};
pub use room::{
    Beginning, DataDrops, Destinations, JoinRefusal, Joined, Luggage, MAX_ATTRIBUTES, MAX_METADATA,
    MAX_NAME, Message, Moved, Nonce, ParticipantChange, Passed, Resumed, Room, RoomChange, Synced,
    UnknownTrack,
};
pub use saving::{Because, Profile, Saving, SoundWish};
pub use select::LayerSet;
pub use speakers::{Loudness, Speaker};
pub use timers::Timers;
