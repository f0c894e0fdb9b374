//! What the room asks of its shell, in the order it was decided.
//!
//! The queue is emptied after every call, so one call's worth of outputs is all it
//! holds; only data messages, which clients send as fast as they like, are counted
//! and cut off.

use std::collections::VecDeque;

use media::ParticipantId;

use crate::{LinkNews, Notice, Output};

/// Outputs not yet fetched.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    queue: VecDeque<Output>,
    messages: usize,
}

/// Data messages waiting at most. A shell that polls after each call never gets
/// near it, even in a room of thousands.
const MOST_MESSAGES: usize = 16_384;

impl Outputs {
    /// Asks for something. For the delivery of data messages there has to be
    /// [room](Self::has_room_for).
    pub(super) fn push(&mut self, output: Output) {
        if is_message(&output) {
            self.messages += 1;
        }
        self.queue.push_back(output);
    }

    /// Tells a participant.
    pub(super) fn tell(&mut self, to: ParticipantId, notice: Notice) {
        self.push(Output::Notice { to, notice });
    }

    /// Whether `count` more data messages may be queued.
    pub(super) fn has_room_for(&self, count: usize) -> bool {
        self.messages + count <= MOST_MESSAGES
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next thing to do.
    pub(super) fn pop(&mut self) -> Option<Output> {
        let output = self.queue.pop_front()?;
        if is_message(&output) {
            self.messages -= 1;
        }
        Some(output)
    }
}

/// Whether clients decide how many of it there are.
fn is_message(output: &Output) -> bool {
    match output {
        Output::Data { .. } | Output::Frame { .. } => true,
        Output::Link { news, .. } => {
            matches!(news, LinkNews::Data { .. } | LinkNews::Frame { .. })
        }
        Output::Notice { .. }
        | Output::Open(_)
        | Output::Close { .. }
        | Output::Receive { .. }
        | Output::Load { .. }
        | Output::Gone { .. }
        | Output::LinkWants { .. }
        | Output::Fact(_) => false,
    }
}
