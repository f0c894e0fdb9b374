//! Messages that leave a room for a client.

use std::sync::Arc;

use crate::{
    Access, ConnectionQuality, DataHandle, DataTrackInfo, LeaveReason, Muted, ParticipantInfo,
    RoomInfo, Speaker, TrackInfo, VideoQuality,
};
use media::{Codec, ParticipantId, TrackId};

/// One message to one participant.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Participants came, changed or left. Everybody told of it shares one list.
    Participants(Arc<[Arc<ParticipantInfo>]>),
    /// The room changed.
    Room(Arc<RoomInfo>),
    /// Its track is announced.
    Published {
        /// As it asked.
        cid: String,
        /// As it will be shown.
        track: Arc<TrackInfo>,
    },
    /// Its track was taken back by the server.
    Unpublished {
        /// Its own track.
        track: TrackId,
    },
    /// Its track was muted by the server.
    Mute {
        /// Its own track.
        track: TrackId,
        /// From now on.
        muted: Muted,
    },
    /// Somebody receives its track for the first time.
    TrackSubscribed {
        /// Its own track.
        track: TrackId,
    },
    /// Speakers it receives, or it itself, became louder, quieter or silent.
    Speakers(Vec<Speaker>),
    /// Connections it hears of became better or worse.
    Qualities(Vec<ConnectionQuality>),
    /// A wanted track may be had again, or no more, as its publisher has it.
    Access {
        /// Whose.
        publisher: ParticipantId,
        /// Which.
        track: TrackId,
        /// From now on.
        access: Access,
    },
    /// A wanted track cannot be had.
    SubscriptionFailed {
        /// Of somebody else.
        track: TrackId,
        /// Why.
        failure: SubscriptionFailure,
    },
    /// Its data track is there.
    DataPublished(Arc<DataTrackInfo>),
    /// Its data track is gone, as it wished or not.
    DataUnpublished(Arc<DataTrackInfo>),
    /// All numbers under which it receives data tracks.
    DataHandles(Vec<DataHandle>),
    /// It shows itself as it wished.
    MetadataUpdated {
        /// As it asked.
        request_id: u32,
    },
    /// Somebody wants its track better than before, or nobody wants it that good any more.
    Demand {
        /// Its own track.
        track: TrackId,
        /// In each codec that it is or can be published in.
        codecs: Vec<CodecDemand>,
    },
    /// Pictures of others stop because its link does not carry them, or go on.
    StreamStates(Vec<StreamState>),
    /// A wish was not granted.
    Refused {
        /// Which wish.
        wish: RefusedWish,
        /// Why.
        refusal: Refusal,
    },
    /// It has to go.
    Leave(LeaveReason),
}

/// The best quality anybody wants of a track in one codec.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CodecDemand {
    /// Which codec.
    pub codec: Codec,
    /// `None` if nobody wants it.
    pub highest: Option<VideoQuality>,
}

/// Whether a picture that is wanted is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StreamState {
    /// Whose.
    pub publisher: ParticipantId,
    /// Which.
    pub track: TrackId,
    /// From now on.
    pub streaming: Streaming,
}

/// As what a picture that does not move is to be taken by who waits for it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Streaming {
    /// It is sent.
    Active,
    /// The link on its way does not carry it now.
    Paused,
}

/// The wish that was not granted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RefusedWish {
    /// Announcing a track.
    Publish {
        /// As it asked.
        cid: String,
    },
    /// Muting a track.
    Mute {
        /// As it asked.
        track: TrackId,
        /// As it asked.
        muted: Muted,
    },
    /// Describing its sound anew.
    UpdateAudioTrack {
        /// As it asked.
        track: TrackId,
    },
    /// Describing its picture anew.
    UpdateVideoTrack {
        /// As it asked.
        track: TrackId,
    },
    /// Announcing a data track.
    PublishData {
        /// As it asked.
        handle: u32,
        /// As it asked.
        name: String,
    },
    /// Ending a data track.
    UnpublishData {
        /// As it asked.
        handle: u32,
    },
    /// Showing itself differently.
    UpdateMetadata {
        /// As it asked.
        request_id: u32,
    },
}

/// Why a wish was not granted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// No permission.
    NotAllowed,
    /// No such thing.
    NotFound,
    /// Too many, or too long.
    LimitExceeded,
    /// Not a codec or kind of ours.
    Unsupported,
    /// The same is already under way; its answer follows later.
    Queued,
    /// The number of a data track is none.
    InvalidHandle,
    /// The name of a data track is none, or too long.
    InvalidName,
    /// Another data track of its has the number.
    DuplicateHandle,
    /// Another data track of its has the name.
    DuplicateName,
}

/// Why a wanted track cannot be had.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SubscriptionFailure {
    /// The subscriber cannot decode it.
    CodecUnsupported,
    /// It never appeared.
    TrackNotFound,
}
