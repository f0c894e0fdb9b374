//! What a [`Peer`](crate::peer::Peer) has seen and heard so far.

use std::collections::BTreeMap;

use livekit_protocol::{LeaveRequest, ParticipantInfo, TrackInfo, participant_info};
use serde::Serialize;

use crate::{connection::Side, signal::Heard, tally::Tally};

/// Everything a test may ask a peer about. A snapshot: it does not change by itself.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Itself, as the server describes it.
    pub own: ParticipantInfo,
    /// The others that are there, by identity.
    pub others: BTreeMap<String, ParticipantInfo>,
    /// Identities of those that were there and left.
    pub gone: Vec<String>,
    /// The tracks that the server let it publish, by the client's own name for each.
    pub published: BTreeMap<String, TrackInfo>,
    /// The tracks that media arrives for, by track id.
    pub tracks: BTreeMap<String, Received>,
    /// What came by data channel.
    pub messages: Vec<DataMessage>,
    /// How often a keyframe was asked of it.
    pub keyframe_requests: u64,
    /// Packets it has sent.
    pub sent: u64,
    /// The state of its publishing connection.
    pub publisher: Link,
    /// The state of its subscribing connection.
    pub subscriber: Link,
    /// The labels of the channels it can send on.
    pub open_channels: Vec<String>,
    /// The token it was given last for coming back.
    pub token: String,
    /// The room it was taken to last, by name.
    pub moved_to: Option<String>,
    /// The farewell of the server.
    pub leave: Option<LeaveRequest>,
    /// How the signalling connection ended.
    pub end: Option<Heard>,
    /// What went wrong on the way; a test may want this to be empty.
    pub errors: Vec<String>,
}

/// A connection's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Link {
    /// There is none yet, or it is being made.
    #[default]
    New,
    /// ICE and DTLS are up.
    Up,
    /// It was up, and isn't.
    Down,
}

/// A track that arrives.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Received {
    /// `audio` or `video`.
    pub kind: String,
    /// The participant that the stream id names.
    pub participant: String,
    /// The count of its packets.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A message that came by data channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataMessage {
    /// Over which of its connections.
    pub by: Side,
    /// The channel's label.
    pub channel: String,
    /// The sender, as the server stamped it.
    pub identity: String,
    /// The sender's id, as the server stamped it.
    pub sid: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// About what.
    pub topic: String,
}

impl Seen {
    /// The tracks of one participant that media arrives for.
    pub fn tracks_of<'a>(&'a self, identity: &str) -> impl Iterator<Item = &'a Received> {
        let sid = self.others.get(identity).map(|other| other.sid.as_str());
        self.tracks
            .values()
            .filter(move |track| Some(track.participant.as_str()) == sid)
    }

    /// Whether `count` packets or more arrived of each kind from `identity`.
    pub fn sees_and_hears(&self, identity: &str, count: u64) -> bool {
        ["audio", "video"].iter().all(|kind| {
            self.tracks_of(identity)
                .any(|track| track.kind == *kind && track.tally.packets >= count)
        })
    }

    /// Packets missing, over all tracks.
    pub fn lost(&self) -> u64 {
        self.tracks.values().map(|track| track.tally.lost).sum()
    }

    /// Packets that arrived, over all tracks.
    pub fn packets(&self) -> u64 {
        self.tracks.values().map(|track| track.tally.packets).sum()
    }

    /// Whether somebody is there and active.
    pub fn is_active(&self, identity: &str) -> bool {
        let active = participant_info::State::Active as i32;
        self.others
            .get(identity)
            .is_some_and(|other| other.state == active)
    }

    /// Takes an update of the participants in.
    pub fn update(&mut self, participants: Vec<ParticipantInfo>) {
        for participant in participants {
            let identity = participant.identity.clone();
            let left = participant.state == participant_info::State::Disconnected as i32;
            if participant.sid == self.own.sid {
                self.own = participant;
            } else if !left {
                self.others.insert(identity, participant);
            } else if self
                .others
                .get(&identity)
                .is_some_and(|old| old.sid == participant.sid)
            {
                self.others.remove(&identity);
                // The crate does not tell when the other side ends a track.
                self.tracks
                    .retain(|_, track| track.participant != participant.sid);
                self.gone.push(identity);
            }
        }
    }
}
