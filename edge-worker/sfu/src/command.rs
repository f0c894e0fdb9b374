//! Wishes of participants that enter a room.

use media::{ParticipantId, TrackId};

use crate::{
    AudioFeature, DataPublication, DataWish, Identity, Muted, ParticipantChange, TrackInfo,
    VideoQuality,
};

/// A wish of one participant.
#[derive(Clone, Debug)]
pub enum Command {
    /// Announces a track; its media follows by offer.
    Publish(Box<Publication>),
    /// Falls silent on purpose, or speaks again.
    Mute {
        /// Its own track.
        track: TrackId,
        /// From now on.
        muted: Muted,
    },
    /// Wants tracks of others, or no longer.
    Subscribe {
        /// Known or not yet known.
        tracks: Vec<TrackId>,
        /// From now on.
        wanted: Wanted,
    },
    /// Says what it shows of tracks of others.
    Settings {
        /// Known or not yet known.
        tracks: Vec<TrackId>,
        /// Replaces earlier settings.
        settings: TrackSettings,
    },
    /// Describes its sound anew.
    UpdateAudioTrack {
        /// Its own track.
        track: TrackId,
        /// Replace earlier ones.
        features: Vec<AudioFeature>,
    },
    /// Describes its picture anew.
    UpdateVideoTrack {
        /// Its own track.
        track: TrackId,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// Says who may receive its tracks, present and coming.
    Allow(Allowance),
    /// Announces a data track.
    PublishData(Box<DataPublication>),
    /// Ends a data track.
    UnpublishData {
        /// Its own number for it.
        handle: u32,
    },
    /// Wants data tracks of others, or no longer.
    SubscribeData(Vec<DataWish>),
    /// Shows itself differently.
    UpdateMetadata {
        /// Its permission is not read.
        change: Box<ParticipantChange>,
        /// Repeated in the answer.
        request_id: u32,
    },
}

/// A track announced.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The client's id for it, found again in its offer.
    pub cid: String,
    /// As it will be shown; `id` minted by the shell, `codec` still open.
    pub track: TrackInfo,
    /// The track that it is the same picture as, in another codec. Then it is not shown, and
    /// its own id is what links call it.
    pub backup_of: Option<TrackId>,
}

/// A wish for or against.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wanted {
    /// For.
    #[default]
    Yes,
    /// Against.
    No,
}

/// Whom a publisher lets receive its tracks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Allowance {
    /// All of them.
    #[default]
    Everybody,
    /// Who is named what, and nobody else anything.
    Only(Vec<(Grantee, Share)>),
}

/// Somebody who may be there or not. What is said of an identity counts before what is
/// said of an id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Grantee {
    /// By the app's name.
    Identity(Identity),
    /// By our id.
    Id(ParticipantId),
}

/// Some of a publisher's tracks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Share {
    /// All, those to come too.
    All,
    /// These.
    Tracks(Vec<TrackId>),
}

/// Whether somebody may receive a track, as its publisher has it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Access {
    /// It may.
    #[default]
    Granted,
    /// It may not.
    Withheld,
}

/// What a subscriber shows of a track.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TrackSettings {
    /// Keep the subscription, send nothing.
    pub disabled: bool,
    /// The wished layer, where no size is given.
    pub quality: Option<VideoQuality>,
    /// Pixels shown; 0 if not told. Wins over `quality`.
    pub width: u32,
    /// Pixels shown; 0 if not told.
    pub height: u32,
    /// Frames per second at most; 0 if not told.
    pub fps: u32,
    /// Higher is served first.
    pub priority: u32,
}

/// Why somebody left, or has to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LeaveReason {
    /// Wanted to.
    ClientInitiated,
    /// The same identity joined again.
    DuplicateIdentity,
    /// This node stops.
    ServerShutdown,
    /// Removed by the app.
    ParticipantRemoved,
    /// The room was deleted by the app.
    RoomDeleted,
    /// The room ended.
    RoomClosed,
    /// Client and server disagree on what was said.
    StateMismatch,
    /// Media did not connect in time.
    JoinFailure,
    /// Signalling was lost and not resumed.
    SignalClosed,
    /// Media was lost.
    ConnectionTimeout,
    /// The app took it to another room.
    Moved,
}
