//! What a room asks of the shell that owns it, and what it is told of media sections.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use media::{Codec, Layer, MediaKind, Mid, Outgoing, ParticipantId, Rid, Rtcp, TrackId};

use crate::{Carried, Fact, LayerSet, LinkKey, LinkNews, Load, Notice};

/// One transport of the shard.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TransportKey(pub u32);

/// One sending m-line of a transport.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SenderKey(pub u32);

/// Where the packets of one subscription leave the room.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sink {
    /// The subscriber's transport ...
    pub transport: TransportKey,
    /// ... and the m-line on it.
    pub sender: SenderKey,
}

/// One published track within its room.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrackKey(pub u32);

/// One subscription within its room.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SubscriptionKey(pub u32);

/// Takes media as the room produces it, without a queue in between.
pub trait Outlet {
    /// Sends one packet.
    fn packet(&mut self, sink: Sink, packet: &Outgoing<'_>);

    /// Sends one report or request; the transport batches them.
    fn rtcp(&mut self, transport: TransportKey, rtcp: Rtcp);

    /// How long a picture would wait on its way to `transport`.
    fn backlog(&self, transport: TransportKey) -> Duration {
        let _ = transport;
        Duration::ZERO
    }

    /// Sends media of one layer of a track of this room over a link, as published.
    fn carry(&mut self, link: LinkKey, track: TrackKey, layer: Layer, media: Carried<'_>) {
        let _ = (link, track, layer, media);
    }

    /// Asks at the other end of a link for a keyframe of one layer; `track` is what the
    /// room there calls it, or what this room does if it is the same one.
    fn ask(&mut self, link: LinkKey, track: TrackKey, layer: Layer) {
        let _ = (link, track, layer);
    }
}

/// What a room asks for, besides media.
#[derive(Debug)]
pub enum Output {
    /// Tell a participant.
    Notice {
        /// Whom.
        to: ParticipantId,
        /// What.
        notice: Notice,
    },
    /// Give a data message to a participant.
    Data {
        /// Whom.
        to: ParticipantId,
        /// On which channel.
        reliability: Reliability,
        /// As it goes on the wire.
        payload: Bytes,
    },
    /// Give a frame of a data track to a participant.
    Frame {
        /// Whom.
        to: ParticipantId,
        /// The participant's number for the track, to be written into the frame.
        handle: u16,
        /// As it came.
        frame: Bytes,
    },
    /// Find or make an m-line for a subscription, then bind it.
    Open(Box<Opening>),
    /// The m-line of a subscription is free again.
    Close {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        subscription: SubscriptionKey,
    },
    /// An m-line that was offered before its track was announced carries a track.
    Receive {
        /// On whose transport.
        participant: ParticipantId,
        /// Which.
        received: Received,
    },
    /// What a participant's link is given to carry has changed: to be tried out is
    /// whether it carries more.
    Load {
        /// Whose.
        participant: ParticipantId,
        /// How much.
        load: Load,
    },
    /// The participant is gone from the room; its transports and signalling go too,
    /// after what was told before.
    Gone {
        /// Who.
        participant: ParticipantId,
    },
    /// Say something over a link.
    Link {
        /// Which.
        link: LinkKey,
        /// What.
        news: LinkNews,
    },
    /// Other layers than before are wanted of a track that comes over a link.
    LinkWants {
        /// Which link.
        link: LinkKey,
        /// Which track.
        track: TrackId,
        /// These, and no others; empty if it is not wanted any more, or is gone.
        layers: LayerSet,
    },
    /// For those who keep records.
    Fact(Box<Fact>),
}

/// A subscription that needs an m-line.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Of whom.
    pub participant: ParticipantId,
    /// To be bound.
    pub subscription: SubscriptionKey,
    /// Sound or picture.
    pub kind: MediaKind,
    /// The codec it is published in.
    pub codec: Codec,
    /// Who publishes.
    pub publisher: ParticipantId,
    /// What.
    pub track: TrackId,
    /// First part of the msid.
    pub stream: StreamName,
    /// Two channels.
    pub stereo: bool,
}

/// Under which name a track is streamed to a subscriber.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamName {
    /// Its own; it tells publisher and track.
    pub own: String,
    /// That of all it is played in step with, if there may be others. It tells the publisher.
    pub shared: Option<String>,
}

/// How a data message travels.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reliability {
    /// In order, resent until received.
    Reliable,
    /// Once.
    Lossy,
}

/// An m-line on which a client sends, as its newest offer has it.
#[derive(Clone, Eq, PartialEq)]
pub struct OfferedSection {
    /// Which.
    pub mid: Mid,
    /// Sound or picture.
    pub kind: MediaKind,
    /// The client's id of the track on it; empty where the offer does not tell.
    pub cid: String,
    /// Simulcast encodings in the offer's order; empty for a single one.
    pub rids: Vec<Rid>,
    /// What it can be encoded with, the client's favourite first.
    pub codecs: Vec<Codec>,
}

/// An offered m-line that carries a published track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    /// The m-line.
    pub mid: Mid,
    /// Its packets are packets of this track.
    pub track: TrackKey,
    /// The codec the answer has to put first; `None` leaves it to the client.
    pub preferred: Option<Codec>,
    /// Sound may come with earlier frames repeated.
    pub red: bool,
}

impl fmt::Debug for OfferedSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mid,
            kind,
            cid,
            rids,
            codecs,
        } = self;
        write!(f, "{mid} {kind:?} {codecs:?} {cid:?} {rids:?}")
    }
}
