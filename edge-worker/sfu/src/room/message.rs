//! Data messages: who is given which.

use std::collections::BTreeSet;

use bytes::Bytes;
use media::ParticipantId;

use super::Room;
use super::participants::ParticipantKey;
use crate::{Identity, Output, Reliability};

/// One data message, stamped with its sender.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// How it travels.
    pub reliability: Reliability,
    /// For whom.
    pub destinations: Destinations,
    /// Its sender's number for it, rising by one per reliable message; 0 for none.
    pub sequence: u32,
    /// As it goes on the wire.
    pub payload: Bytes,
}

/// For whom a data message is: everybody named either way, or everybody but its
/// sender if nobody is named.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Destinations {
    /// By the app's names.
    pub identities: Vec<Identity>,
    /// By our ids.
    pub sids: Vec<ParticipantId>,
}

/// Whether a data message is passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Passed {
    /// To those for whom it is.
    On,
    /// Its sender may not send it, or has sent it before.
    No,
}

/// Data messages not delivered, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DataDrops {
    /// Its sender may not send data.
    pub not_allowed: u64,
    /// A frame of no data track that its sender publishes.
    pub unpublished: u64,
    /// It came before: its sender was not sure.
    pub repeated: u64,
    /// The shell does not fetch what is queued.
    pub queue_full: u64,
}

impl Room {
    /// A participant sent a data message. Whether it is passed on to those for whom it is.
    pub fn handle_data(
        &mut self,
        now: std::time::Instant,
        from: ParticipantId,
        message: Message,
    ) -> Passed {
        let Some(key) = self.participants.local_key_of(from) else {
            return Passed::No;
        };
        let Some(sender) = self.participants.find(key) else {
            return Passed::No;
        };
        if !sender.info.permission.can_publish_data {
            self.drops.not_allowed += 1;
            return Passed::No;
        }
        if !self.is_news(now, key, &message) {
            self.drops.repeated += 1;
            return Passed::No;
        }
        self.send_elsewhere(Some(key), &message, None);
        self.give(Some(key), &message);
        Passed::On
    }

    /// Gives a message to those connected here for whom it is.
    pub(super) fn give(&mut self, sender: Option<ParticipantKey>, message: &Message) {
        let receivers = self.receivers(sender, &message.destinations);
        if !self.outputs.has_room_for(receivers.len()) {
            self.drops.queue_full += 1;
            return;
        }
        for to in receivers {
            self.outputs.push(Output::Data {
                to,
                reliability: message.reliability,
                payload: message.payload.clone(),
            });
        }
    }

    /// Whether a message was not there before; then it is remembered.
    pub(super) fn is_news(
        &mut self,
        now: std::time::Instant,
        key: ParticipantKey,
        message: &Message,
    ) -> bool {
        match message.reliability {
            Reliability::Lossy => return true,
            Reliability::Reliable if message.sequence == 0 => return true,
            Reliability::Reliable => {}
        }
        let Some(sender) = self.participants.find_mut(key) else {
            return false;
        };
        if message.sequence <= sender.last_sequence {
            return false;
        }
        sender.last_sequence = message.sequence;
        self.reliable.keep(now, sender.info.id, message);
        true
    }

    /// Those connected here for whom a message is.
    pub(super) fn receivers(
        &self,
        sender: Option<ParticipantKey>,
        destinations: &Destinations,
    ) -> Vec<ParticipantId> {
        let Destinations { identities, sids } = destinations;
        if identities.is_empty() && sids.is_empty() {
            return self
                .participants
                .local()
                .filter(|(key, _)| Some(*key) != sender)
                .map(|(_, participant)| participant.info.id)
                .collect();
        }
        let named: BTreeSet<ParticipantKey> = identities
            .iter()
            .filter_map(|identity| self.participants.key_of_identity(identity))
            .chain(sids.iter().filter_map(|sid| self.participants.key_of(*sid)))
            .collect();
        named
            .into_iter()
            .filter_map(|key| self.participants.find(key))
            .filter(|participant| participant.is_local())
            .map(|participant| participant.info.id)
            .collect()
    }
}
