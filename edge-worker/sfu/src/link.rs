//! What goes over a link: somebody of one room appears in another one, or everybody of a
//! room in the same room elsewhere, on this shard or on another node. Media goes over it
//! as it was published; which layer a subscriber is sent, and numbered how, is decided
//! once, in the room it is in.
//!
//! How a link's ends reach each other is left to the shell that owns them.

use std::sync::Arc;

use media::{Bitrate, Layer, Packet, ParticipantId, Rid, SenderReport, TrackId};

use crate::{
    Allowance, ConnectionQuality, DataFrame, LayerSet, LeaveReason, Message, Nonce,
    ParticipantInfo, RoomInfo, TrackInfo, TrackKey, TransportKey, VideoQuality,
};

/// One link, known under this number at both ends.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LinkKey(pub u64);

/// Where a track's packets enter a room, and requests to its publisher leave it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Its publisher's connection.
    Transport(TransportKey),
    /// Another room, or the same one elsewhere.
    Link {
        /// From there.
        link: LinkKey,
        /// As another room calls the track; of the same room elsewhere, as this one does.
        track: TrackKey,
    },
}

/// Somebody as a link shows them at its far end: the whole of it, every time.
#[derive(Clone, Debug, PartialEq)]
pub struct Linked {
    /// As the room it is in has it; its tracks are not read.
    pub participant: Arc<ParticipantInfo>,
    /// What it publishes.
    pub tracks: Vec<LinkedTrack>,
    /// Who may receive that.
    pub allowance: Arc<Allowance>,
}

/// A published track as it goes over a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkedTrack {
    /// As the room it comes from calls it. The same room elsewhere goes by its id.
    pub key: TrackKey,
    /// As clients see it.
    pub info: Arc<TrackInfo>,
    /// Low to high; empty for a single layer.
    pub rids: Vec<Rid>,
    /// Of the same picture in another codec, what links call it: `info` has the id of the
    /// track that clients see.
    pub backup: Option<TrackId>,
}

impl LinkedTrack {
    /// What links call it.
    pub fn id(&self) -> TrackId {
        self.backup.unwrap_or(self.info.id)
    }
}

/// What a room says over a link: of who appears at its far end, `Changed` and `Gone`; the
/// rest where all of the room does.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkNews {
    /// Somebody came, or has changed.
    Changed(Linked),
    /// Somebody is gone. With it goes a link that shows nobody else.
    Gone(ParticipantId, LeaveReason),
    /// What a publisher sends now.
    Supply(Supply),
    /// How good somebody's connection is.
    Quality(ConnectionQuality),
    /// A track that comes from there is wanted this good by somebody whose own link does
    /// not carry it now. Said again while that lasts.
    Demand {
        /// Which.
        track: TrackId,
        /// As its publisher calls it.
        quality: VideoQuality,
    },
    /// Somebody who shows receives a track that comes from there, for the first time.
    Received(TrackId),
    /// Somebody cannot decode a track that comes from there, and waits for it in the other
    /// codec that its publisher announced.
    Undecodable(TrackId),
    /// A data message for everybody, or for somebody who is not connected here.
    Data {
        /// `None`: the app.
        from: Option<ParticipantId>,
        /// As it was sent.
        message: Message,
        /// The same each time the app sends it again.
        nonce: Option<Nonce>,
    },
    /// A packet of a data track.
    Frame {
        /// Who publishes it.
        from: ParticipantId,
        /// As it came.
        frame: DataFrame,
    },
    /// The room has other settings, or another free text.
    Room(Setup),
    /// Nobody is left anywhere, and the room is kept here for those who may come back.
    Kept,
    /// The room is closed, everywhere.
    Closed(LeaveReason),
}

/// How a room is set up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setup {
    /// Rises with every change, on whichever instance; 0: not known.
    pub edition: u64,
    /// Of it count the free text, the timeouts, how many may be there and how clients play.
    pub room: Arc<RoomInfo>,
}

/// What the publisher of a track sends of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Supply {
    /// Which track.
    pub track: TrackId,
    /// Its layers that are sent.
    pub live: LayerSet,
    /// What each takes, as far as that is known.
    pub rates: [Option<Bitrate>; Layer::COUNT],
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
