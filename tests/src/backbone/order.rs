//! What a node's process is told, and what it answers: one line of JSON each.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{fabric::Papers, sources::Source, tally::Came};
use crate::lab::measure::clock;

/// How a process takes part; it is told first, and answers with its address.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Part {
    /// Its certificate, which names it.
    pub papers: Papers,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Whom it is linked to: names and addresses.
    pub neighbours: Vec<(String, SocketAddr)>,
    /// Whether it passes on what others want.
    pub role: Role,
    /// What its lines are taken for at first, in kbit/s.
    pub start: u64,
}

/// What a node is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Role {
    /// It has rooms.
    Host,
    /// It passes on.
    Hub,
}

/// What a track is called, and which of its layers is meant.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct LayerName {
    /// The room.
    pub room: String,
    /// The track.
    pub track: String,
    /// 0 is the lowest, and that of sound.
    pub layer: u8,
}

/// A time that all processes here read alike: nanoseconds of the machine's steady clock.
pub type Nanos = u64;

/// That time.
pub fn now() -> Nanos {
    clock().unsigned_abs()
}

/// What is looked at: what is sent in this time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Span {
    /// From then on.
    pub from: Nanos,
    /// Until before then.
    pub until: Nanos,
    /// What comes later than this is late, in nanoseconds.
    pub in_time: Nanos,
}

/// A wish.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Order {
    /// Publish tracks of a room.
    Publish {
        /// The room.
        room: String,
        /// Its tracks.
        sources: Vec<Source>,
    },
    /// Want layers.
    Want(Vec<LayerName>),
    /// Want layers that are wanted already: as one more listener does.
    WantAgain(Vec<LayerName>),
    /// Ask for keyframes of wanted layers.
    Refresh(Vec<LayerName>),
    /// Take part in a room's talk.
    Host(String),
    /// What is there?
    Look,
    /// Count only what is sent in this time; forget what was counted.
    Count(Span),
    /// What was sent, and what came?
    Report,
    /// When did each packet of these layers come?
    Arrivals(Vec<LayerName>),
    /// Tell the other nodes of the room something, and measure the time to their answer.
    Ping {
        /// The room.
        room: String,
        /// How often.
        every_ms: u64,
    },
    /// Receive what comes over TCP.
    Drain(SocketAddr),
    /// Send as much as can be over TCP, with CUBIC.
    Flood(SocketAddr),
}

/// What a wish is answered with.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Answer {
    /// It takes part; where it listens.
    Here(SocketAddr),
    /// It is done.
    Done,
    /// See [`Order::Look`].
    Seen(Seen),
    /// See [`Order::Report`].
    Report(Box<Report>),
    /// See [`Order::Arrivals`]: number in its layer, and when, for each layer asked for.
    Arrivals(Vec<Vec<(u32, Nanos)>>),
    /// It is not done, and why.
    Failed(String),
}

/// What a node sees around it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Seen {
    /// Nodes it is linked to.
    pub neighbours: Vec<String>,
    /// Tracks that it can have.
    pub tracks: usize,
    /// Layers that others want of it.
    pub feeds: usize,
    /// Wanted layers of which something came.
    pub coming: usize,
    /// When the first whole picture was there, if one is.
    pub first_picture: Option<Nanos>,
    /// Bytes that came over TCP.
    pub drained: u64,
    /// What the process took of the processor, in nanoseconds.
    pub effort: Nanos,
    /// Its links.
    pub links: Vec<LinkSeen>,
    /// When it was asked.
    pub now: Nanos,
}

/// One link.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LinkSeen {
    /// To whom.
    pub node: String,
    /// Bits per second that it may carry.
    pub rate: u64,
    /// Bytes sent for the first time, over this link and those to the same node before.
    pub first: u64,
    /// Bytes of pictures sent again.
    pub pictures_again: u64,
    /// Bytes of sound sent again, asked for or not.
    pub sound_again: u64,
    /// Packets that came before it was known what they belong to, and were left out.
    pub unasked: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// Of each layer that was sent.
    pub sent: Vec<Sent>,
    /// Of each layer that was wanted.
    pub came: Vec<Came>,
    /// Answers to pings, microseconds.
    pub pings_us: Vec<u32>,
    /// Pings sent.
    pub pinged: u32,
    /// Packets that the node's own queue had no room for.
    pub refused: u64,
}

/// What was sent of a layer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sent {
    /// Which.
    pub layer: LayerName,
    /// Packets.
    pub packets: u64,
    /// Their bytes, RTP headers included.
    pub bytes: u64,
    /// Pictures; of sound one for each packet.
    pub pictures: u64,
    /// Pictures that stand alone.
    pub keyframes: u64,
}
