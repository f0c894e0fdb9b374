//! The way to one client: its WebSocket, or the wait for another one. A participant
//! whose media goes on outlives its WebSocket.

use std::collections::VecDeque;

use sfu::Notice;

use super::inbox::{Signal, SignalKey, ToSignal};

/// How a client is told something.
#[derive(Debug)]
pub(super) enum Signalling {
    /// At once.
    Open(Signal),
    /// When it comes back.
    Lost {
        /// The WebSocket that is gone.
        last: SignalKey,
        /// What it shall hear then, oldest first.
        missed: VecDeque<ToSignal>,
    },
}

/// The client does not read what it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unread;

/// Kept for who comes back: answers to its own few wishes. Of the room it is told anew.
const MOST_MISSED: usize = 64;

impl Signalling {
    /// Whether the client can be told something now.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Open(_) => true,
            Self::Lost { .. } => false,
        }
    }

    /// Whether `signal` is the newest WebSocket, be it gone or not.
    pub(super) fn is_by(&self, signal: SignalKey) -> bool {
        match self {
            Self::Open(open) => open.key == signal,
            Self::Lost { last, .. } => *last == signal,
        }
    }

    /// Tells the client, now or when it comes back.
    pub(super) fn tell(&mut self, message: ToSignal) -> Result<(), Unread> {
        match self {
            Self::Open(signal) => signal.outbox.try_send(message).map_err(|_| Unread),
            Self::Lost { missed, .. } => {
                if is_kept(&message) {
                    if missed.len() == MOST_MISSED {
                        missed.pop_front();
                    }
                    missed.push_back(message);
                }
                Ok(())
            }
        }
    }

    /// The WebSocket closes, once what was told before is written.
    pub(super) fn lose(&mut self) {
        if let Self::Open(signal) = self {
            *self = Self::Lost {
                last: signal.key,
                missed: VecDeque::new(),
            };
        }
    }

    /// Goes on with another WebSocket, on which `first` is said before all that was missed.
    pub(super) fn open(&mut self, signal: Signal, first: ToSignal) -> Result<(), Unread> {
        let missed = match std::mem::replace(self, Self::Open(signal)) {
            Self::Open(_) => VecDeque::new(),
            Self::Lost { missed, .. } => missed,
        };
        self.tell(first)?;
        missed
            .into_iter()
            .try_for_each(|message| self.tell(message))
    }
}

/// Whether a message still means something later.
fn is_kept(message: &ToSignal) -> bool {
    match message {
        ToSignal::Notice(Notice::Participants(_) | Notice::Room(_) | Notice::Leave(_))
        | ToSignal::Broadcast(_) => false,
        ToSignal::Notice(_) => true,
        // Negotiation begins anew, and the rest is said only to who is there.
        ToSignal::Joined(_)
        | ToSignal::Refused(_)
        | ToSignal::Resumed(_)
        | ToSignal::Unknown
        | ToSignal::ComeBack(_)
        | ToSignal::LeaveForGood(_)
        | ToSignal::SentOver(..)
        | ToSignal::Moved(..)
        | ToSignal::Answer { .. }
        | ToSignal::Offer { .. }
        | ToSignal::Sections { .. } => false,
    }
}
