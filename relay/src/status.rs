//! What a node and its links are like, for its operator: as `/links` shows it and `status` reads it.

use serde::{Deserialize, Serialize};

/// A node, its links and the rooms it knows of.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// Its name.
    pub node: String,
    /// Where it is.
    pub region: String,
    /// What it is doing.
    pub state: NodeState,
    /// Its links.
    pub links: Vec<LinkStatus>,
    /// The nodes elsewhere that have rooms: each the last of the nodes on the way there.
    #[serde(default)]
    pub nodes: Vec<Vec<String>>,
    /// How many rooms it knows of.
    pub room_count: usize,
    /// Some of them.
    pub rooms: Vec<RoomStatus>,
}

/// What a node is doing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It takes part.
    Running,
    /// It goes.
    Draining,
}

/// One link.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LinkStatus {
    /// Who is at its other end.
    pub node: String,
    /// Where that is.
    pub region: String,
    /// Its address.
    pub address: String,
    /// How it is.
    pub state: LinkState,
    /// For how long it has been up.
    pub up_s: u64,
    /// As heartbeats measure it.
    pub round_trip_ms: Option<f64>,
    /// The share of our packets that gets lost.
    pub loss: f64,
    /// What may be sent in a second.
    pub rate_bps: u64,
    /// Rooms that something is to be had of over it.
    pub rooms: usize,
    /// Layers that go over it.
    pub layers_out: usize,
    /// Layers that come over it.
    pub layers_in: usize,
    /// Packets that left, whatever their class.
    pub packets_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// Packets that came, each once.
    pub packets_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Packets sent again because they were asked for.
    pub repairs: u64,
    /// Packets that never came.
    pub given_up: u64,
    /// Packets left out, for whatever reason.
    pub shed: u64,
}

/// How a link is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Its other end speaks.
    Up,
    /// It does not, of late.
    Silent,
    /// It goes.
    Leaving,
}

/// A room, as a node knows it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RoomStatus {
    /// Its name.
    pub room: String,
    /// The nodes elsewhere that host it, as in [`Status::nodes`].
    pub ways: Vec<Vec<String>>,
}
