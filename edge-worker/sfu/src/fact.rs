//! What happened in a room, for those who keep records: the app's webhooks, the
//! control plane.
//!
//! Facts leave a room in the order they happened, and each describes everything as it
//! was then. In what form they are told, and that they arrive, is left to the shell.

use std::sync::Arc;

use crate::{LeaveReason, ParticipantInfo, RoomInfo, Summary, TrackInfo};

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Fact {
    /// In this room.
    pub room: Arc<RoomInfo>,
    /// This.
    pub happened: Happened,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Happened {
    /// The room opened.
    RoomStarted,
    /// The room closed.
    RoomFinished(LeaveReason),
    /// Somebody's media is connected.
    ParticipantJoined(Arc<ParticipantInfo>),
    /// Somebody who had joined is gone.
    ParticipantLeft(Arc<ParticipantInfo>),
    /// Somebody is gone whose media never connected.
    ParticipantAborted(Arc<ParticipantInfo>),
    /// Somebody who is there shows otherwise, or may do other things.
    ParticipantChanged {
        /// As it was.
        before: Arc<ParticipantInfo>,
        /// As it is.
        after: Arc<ParticipantInfo>,
    },
    /// Somebody's connection was watched for a minute.
    ParticipantAssessed {
        /// Whose.
        participant: Arc<ParticipantInfo>,
        /// What it was like.
        summary: Summary,
    },
    /// Media of a track can come.
    TrackPublished {
        /// Whose.
        publisher: Arc<ParticipantInfo>,
        /// Which.
        track: Arc<TrackInfo>,
    },
    /// No more media of a track.
    TrackUnpublished {
        /// Whose.
        publisher: Arc<ParticipantInfo>,
        /// Which.
        track: Arc<TrackInfo>,
    },
}
