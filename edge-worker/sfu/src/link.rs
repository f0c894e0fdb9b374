//! What goes over a link: somebody of one room appears in another one, on this shard or
//! elsewhere, with whole layers as it publishes them. Which layer a subscriber is sent,
//! and numbered how, is decided once, in the room it is in.
//!
//! How a link's ends reach each other is left to the shell that owns them.

use std::sync::Arc;

use media::{Packet, Rid, SenderReport};

use crate::{LeaveReason, ParticipantInfo, TrackInfo, TrackKey, TransportKey};

/// One link, known under this number at both ends.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LinkKey(pub u64);

/// Where a track's packets enter a room, and requests to its publisher leave it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Its publisher's connection.
    Transport(TransportKey),
    /// Another room.
    Link {
        /// From there.
        link: LinkKey,
        /// As that room calls the track.
        track: TrackKey,
    },
}

/// Somebody as a link shows them at its far end: the whole of it, every time.
#[derive(Clone, Debug)]
pub struct Linked {
    /// As the room it is in has it.
    pub participant: Arc<ParticipantInfo>,
    /// What it publishes.
    pub tracks: Vec<LinkedTrack>,
}

/// A published track as it goes over a link.
#[derive(Clone, Debug)]
pub struct LinkedTrack {
    /// As the room it comes from calls it.
    pub key: TrackKey,
    /// As clients see it.
    pub info: Arc<TrackInfo>,
    /// Low to high; empty for a single layer.
    pub rids: Vec<Rid>,
}

/// What a room says over a link.
#[derive(Clone, Debug)]
pub enum LinkNews {
    /// Who appears at the far end has changed.
    Changed(Linked),
    /// It is gone from here; so is the link.
    Gone(LeaveReason),
}

/// Media on its way over a link.
#[derive(Clone, Copy, Debug)]
pub enum Carried<'a> {
    /// A packet as it was published.
    Packet(&'a Packet<'a>),
    /// What the publisher says of its clocks, without which far subscribers could not
    /// keep sound and picture together.
    Report(&'a SenderReport),
}
