//! Data tracks as clients see them: named channels of frames that are sent once.
//!
//! Each frame carries a number that says which track it is of: its publisher's number on
//! the way in, one of each subscriber's own on the way out. Where the number stands in a
//! frame is left to `livekit`.

use std::num::NonZeroU32;

use bytes::Bytes;
use media::{DataTrackId, ParticipantId};

use crate::{Encryption, Identity, Wanted};

/// A data track as clients see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataTrackInfo {
    /// For its whole life.
    pub id: DataTrackId,
    /// Its publisher's number for it.
    pub handle: u16,
    /// Unique among its publisher's.
    pub name: String,
    /// Between participants.
    pub encryption: Encryption,
    /// What its frames are made of, as its publisher wrote it; passed on.
    pub format: Bytes,
}

/// A data track announced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataPublication {
    /// As the client wrote it, in its range or not.
    pub handle: u32,
    /// As the client wrote it.
    pub name: String,
    /// Between participants.
    pub encryption: Encryption,
    /// Passed on.
    pub format: Bytes,
}

/// Whether somebody wants a data track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DataWish {
    /// Which.
    pub track: DataTrackId,
    /// From now on.
    pub wanted: Wanted,
    /// Frames per second at most; `None`: all of them.
    pub fps: Option<NonZeroU32>,
}

/// A packet of a data track, from its publisher.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataFrame {
    /// Its publisher's number for the track.
    pub handle: u16,
    /// The same in all packets of one frame.
    pub number: u16,
    /// As it came.
    pub bytes: Bytes,
}

/// The number under which somebody receives a data track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataHandle {
    /// In the frames that the subscriber gets.
    pub handle: u16,
    /// Whose track.
    pub publisher: ParticipantId,
    /// Whose track.
    pub identity: Identity,
    /// Which track.
    pub track: DataTrackId,
}
