//! What shards and signal tasks say to each other. Every queue is bounded: a shard
//! that is full refuses, a client that does not read is closed.

use std::sync::{Arc, OnceLock, mpsc};

use bytes::Bytes;
use livekit::ResumeReason;
use livekit::join::Mode;
use livekit::signal::{Response, Scenario, SyncState, Target};
use media::{Mid, ParticipantId, TrackId};
use sfu::{
    Command, Identity, JoinRefusal, Joined, LeaveReason, LinkKey, Membership, Notice,
    ParticipantInfo, Resumed, RoomInfo,
};
use transport::sdp::Description;

use super::RoomKey;
use super::administering::{Errand, Pass};
use super::link::{Extension, LinkMessage};
use super::linking::Forwarding;
use super::load::Load;
use super::spanning::{FarPacket, SpanMessage};
use crate::directory::Place;
use crate::opening::NewRoom;
use crate::porch::Caller;

/// Wishes waiting for one shard: a second of a very busy node's signalling.
const INBOX_LEN: usize = 8_192;

/// Notices waiting for one client, a few full room updates; more means it does not read.
pub(crate) const OUTBOX_LEN: usize = 1_024;

/// Something for a shard to do.
#[derive(Debug)]
pub(crate) enum ToShard {
    /// Somebody comes.
    Join(Box<Arrival>),
    /// Somebody calls over TCP.
    Call(Box<Caller>),
    /// Somebody comes back.
    Resume(Box<Return>),
    /// Somebody wants something.
    Wish {
        /// Who.
        participant: ParticipantId,
        /// By which WebSocket.
        signal: SignalKey,
        /// What.
        wish: Box<Wish>,
    },
    /// The app asks something.
    Administer(Box<Errand>),
    /// Somebody of a room here shall appear in another one too.
    Forward(Box<Forwarding>),
    /// Somebody of another room shall appear in one here.
    Extend(Box<Extension>),
    /// The other end of a link says something.
    Link {
        /// Which.
        link: LinkKey,
        /// What.
        message: LinkMessage,
    },
    /// The cascade tells an instance of a room something.
    Span(RoomKey, Box<SpanMessage>),
    /// Packets of other instances.
    FarMedia(Vec<FarPacket>),
    /// Send everybody away, then stop.
    Stop,
}

/// Somebody at the door, authorised.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The room, should it have to be made.
    pub room: NewRoom,
    /// Keeps the room on this shard.
    pub place: Place,
    /// Who, and with which rights.
    pub membership: Membership,
    /// One connection or two.
    pub mode: Mode,
    /// The connection that carries data to it and makes it active.
    pub primary: Target,
    /// Tracks announced with the join.
    pub commands: Vec<Command>,
    /// The offer that came with the join.
    pub offer: Option<(u32, Description)>,
    /// Where to answer.
    pub signal: Signal,
}

/// Somebody who was here before, authorised.
#[derive(Debug)]
pub(crate) struct Return {
    /// The name of its room.
    pub room: Arc<str>,
    /// Keeps the room on this shard meanwhile.
    pub _place: Place,
    /// Who.
    pub identity: Identity,
    /// The membership it means, if it says.
    pub participant: Option<ParticipantId>,
    /// One connection or two.
    pub mode: Mode,
    /// An offer that came along.
    pub offer: Option<(u32, Description)>,
    /// What it believes, if that came along.
    pub sync_state: Option<SyncState>,
    /// Where to answer.
    pub signal: Signal,
}

/// One WebSocket; a participant that comes back has another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SignalKey(u64);

impl SignalKey {
    /// As random as it takes never to be drawn twice.
    pub(crate) fn new() -> Self {
        Self(rand::random())
    }
}

/// The way to one client.
#[derive(Debug)]
pub(crate) struct Signal {
    /// Which WebSocket it is.
    pub key: SignalKey,
    /// What is to go out on it. Dropped, the socket closes without a word.
    pub outbox: Outbox,
}

/// What a participant wants.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Of its room.
    Command(Command),
    /// To negotiate what it sends (or everything, with one connection).
    Offer {
        /// Echoed in the answer.
        id: u32,
        /// Its side.
        description: Description,
    },
    /// To accept what we offered.
    Answer {
        /// Of our offer.
        id: u32,
        /// Its side.
        description: Description,
    },
    /// To go on from what it believes.
    Sync(Box<SyncState>),
    /// To see what happens.
    Simulate(Scenario),
    /// Nothing more: its WebSocket is gone. It may come back by another one.
    LoseSignal,
    /// To go.
    Leave(LeaveReason),
}

/// Something to tell a client.
#[derive(Debug)]
pub(crate) enum ToSignal {
    /// It is in.
    Joined(Box<Joined>),
    /// It is not.
    Refused(JoinRefusal),
    /// It is back.
    Resumed(Box<Resumed>),
    /// It is not back: nobody knows it.
    Unknown,
    /// It shall come back by another WebSocket.
    ComeBack(ResumeReason),
    /// It has to go, and to stay away.
    LeaveForGood(LeaveReason),
    /// News of its room.
    Notice(Notice),
    /// It belongs into another room now, and has to go there.
    SentOver(Arc<RoomInfo>, Pass),
    /// It is in another room now, over the same connections.
    Moved(Box<Joined>, Pass),
    /// News of participants, the same for many.
    Broadcast(Arc<Broadcast>),
    /// To its offer.
    Answer {
        /// Of its offer.
        id: u32,
        /// Our side.
        description: Description,
        /// Which m-line carries which track.
        tracks: Vec<(Mid, TrackId)>,
    },
    /// For its second connection.
    Offer {
        /// To be echoed.
        id: u32,
        /// Our side.
        description: Description,
        /// Which m-line carries which track.
        tracks: Vec<(Mid, TrackId)>,
    },
    /// It should offer again, with this many more sections.
    Sections {
        /// For sound.
        audio: u32,
        /// For pictures.
        video: u32,
    },
}

/// News of participants on their way to many clients: encoded by the first that needs
/// it, for all of them.
#[derive(Debug)]
pub(crate) struct Broadcast {
    participants: Arc<[Arc<ParticipantInfo>]>,
    frames: OnceLock<Vec<Bytes>>,
}

impl Broadcast {
    /// Not encoded yet.
    pub(crate) fn new(participants: Arc<[Arc<ParticipantInfo>]>) -> Self {
        Self {
            participants,
            frames: OnceLock::new(),
        }
    }

    /// Of whom.
    pub(crate) fn participants(&self) -> &[Arc<ParticipantInfo>] {
        &self.participants
    }

    /// Whether it is about the very same list.
    pub(crate) fn is_of(&self, participants: &Arc<[Arc<ParticipantInfo>]>) -> bool {
        Arc::ptr_eq(&self.participants, participants)
    }

    /// As a notice, for clients that read another form.
    pub(crate) fn notice(&self) -> Notice {
        Notice::Participants(Arc::clone(&self.participants))
    }

    /// The binary messages that tell it.
    pub(crate) fn frames(&self) -> &[Bytes] {
        self.frames.get_or_init(|| {
            let participants = self.participants.iter().map(AsRef::as_ref);
            let messages = Response::participants(participants);
            messages.iter().map(Response::binary).collect()
        })
    }
}

/// To one client.
pub(crate) type Outbox = tokio::sync::mpsc::Sender<ToSignal>;

/// To one shard, from anywhere.
#[derive(Clone, Debug)]
pub(crate) struct ShardInbox {
    queue: mpsc::SyncSender<ToShard>,
    waker: Arc<mio::Waker>,
    load: Arc<Load>,
}

/// The shard takes no more now.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the shard's inbox is full or the shard has stopped")]
pub(crate) struct InboxClosed;

impl ShardInbox {
    /// Both ends; `waker` wakes the shard's poll.
    pub(crate) fn new(waker: mio::Waker) -> (Self, mpsc::Receiver<ToShard>) {
        let (queue, inbox) = mpsc::sync_channel(INBOX_LEN);
        (
            Self {
                queue,
                waker: Arc::new(waker),
                load: Arc::default(),
            },
            inbox,
        )
    }

    /// How much the shard works.
    pub(crate) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Tells an instance of a room something, or hands it back.
    pub(crate) fn offer_span(
        &self,
        room: RoomKey,
        message: SpanMessage,
    ) -> Result<(), SpanMessage> {
        let message = ToShard::Span(room, Box::new(message));
        self.queue.try_send(message).map_err(|error| {
            let (mpsc::TrySendError::Full(message) | mpsc::TrySendError::Disconnected(message)) =
                error;
            let ToShard::Span(_, message) = message else {
                unreachable!("what was sent comes back");
            };
            *message
        })?;
        // A shard that cannot be woken looks into its inbox soon.
        let _ = self.waker.wake();
        Ok(())
    }

    /// Hands `message` over without waiting.
    pub(crate) fn send(&self, message: ToShard) -> Result<(), InboxClosed> {
        self.queue.try_send(message).map_err(|_| InboxClosed)?;
        self.waker.wake().map_err(|_| InboxClosed)
    }
}
