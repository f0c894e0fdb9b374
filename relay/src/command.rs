//! What a node's rooms, and its operator, tell the relay, and what it tells them.

use std::time::Duration;

use bytes::Bytes;
use relay_proto::control::{Kind, RoomMessage};
use relay_proto::{Handle, LayerId, LayerKey, Paused, Place, TrackKey, Wanted};

use crate::access::{Access, Neighbour};
use crate::identity::{Credentials, Identity};
use crate::status::Status;

/// What the rooms of this node wish.
#[derive(Debug)]
pub enum Command {
    /// A track is published here; or the node hosts a room.
    Publish(TrackKey, Kind, u64),
    /// It is not any more.
    Unpublish(TrackKey),
    /// A layer from elsewhere is wanted here, or not any more, by a number of the caller's that
    /// comes back with its packets. A wish outlives its track: it is met when that can be had.
    Want(LayerKey, Handle, Wanted),
    /// A keyframe of it is needed.
    WantKeyframe(LayerKey),
    /// Packets of layers that are published here and wanted elsewhere ([`Event::Feed`]).
    Feed(Vec<(LayerId, Place, Bytes)>),
    /// Something for the nodes that host a room; an empty list: all of them. At most
    /// [`MOST_SAID`](relay_proto::control::MOST_SAID) bytes; in order, as long as the way is the same.
    Say(String, Vec<String>, Bytes),
    /// Whom to be linked to, from now on.
    Neighbours(Vec<Neighbour>),
    /// Whom to let in, from now on.
    Access(Access),
    /// Other certificates: links that are made from now on have them.
    Reload(Box<Credentials>),
    /// What the links are like now.
    Status(tokio::sync::oneshot::Sender<Status>),
    /// Go: neighbours are told to take other ways, and when nothing comes over this node any more,
    /// or at the latest after so long, it stops.
    Drain(Duration),
    /// Say goodbye, and stop.
    Stop,
}

/// What the rooms of this node are told.
#[derive(Debug)]
pub enum Event {
    /// A link to this node is up, or not any more.
    Neighbour(Identity, Wanted),
    /// A track can be had, or not any more; of a host ([`Kind::Host`]) its `track` is the node's
    /// name. Told again when its way changes: what was said to that host meanwhile may be lost.
    Track(TrackKey, Kind, Wanted),
    /// A layer that is published here is wanted elsewhere, or not any more: feed it by this number.
    Feed(LayerKey, LayerId, Wanted),
    /// A keyframe of it is needed.
    Keyframe(LayerKey),
    /// The way to here cannot carry a layer that is wanted here, or can again.
    Paused(LayerKey, Paused),
    /// Packets of layers that are wanted here.
    Media(Vec<(Handle, Place, Bytes)>),
    /// Another node says something about a room.
    Said(RoomMessage),
}

/// Why the relay was not told something.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TellError {
    /// It has stopped.
    #[error("the relay has stopped")]
    Stopped,
    /// It is behind, and one did not want to wait.
    #[error("the relay is behind")]
    Busy,
    /// What is said is longer than [`MOST_SAID`](relay_proto::control::MOST_SAID).
    #[error("{0} bytes are too much for one message")]
    TooLong(usize),
    /// The name of the room is longer than any is.
    #[error("the name of a room of {0} bytes is too long")]
    RoomName(usize),
}
