//! What a node's links are like, for its operator.

use std::time::Duration;

use media::Bitrate;

use crate::identity::Identity;

/// A node and its links.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who it is.
    pub identity: Identity,
    /// Rooms of which something passes here.
    pub rooms: usize,
    /// Its links.
    pub links: Vec<LinkStatus>,
}

/// One link, as an operator sees it.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// Who is at its other end.
    pub identity: Identity,
    /// As heartbeats measure it.
    pub round_trip: Option<Duration>,
    /// The share of our packets that gets lost, with pictures and with sound.
    pub loss: f64,
    /// What may be sent in a second.
    pub rate: Bitrate,
    /// Packets sent, resent, and given up as they never came.
    pub sent: u64,
    /// As above.
    pub repairs: u64,
    /// As above.
    pub given_up: u64,
}
