//! The end of a room, or of one of its instances: who is told, and which instance of
//! several says that it was the last.

use std::sync::Arc;
use std::time::Instant;

use media::ParticipantId;

use super::Room;
use super::data_tracks::DataTracks;
use super::life::Need;
use super::outros::Outros;
use super::pretending::Pretending;
use super::rivals::Rivals;
use super::spanning::Spans;
use super::speaking::Speaking;
use super::subscriptions::Subscriptions;
use super::updates::Updates;
use crate::{LeaveReason, LinkNews, Notice, Output, State};

/// Why a room, or this instance of it, ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// Its app, or its node, says so.
    Decided,
    /// Another instance says so.
    Told,
    /// Nobody needs it any more.
    Unneeded,
}

impl Room {
    /// Everybody has to go, and nobody can come again. Deleted by the app, the room is
    /// closed elsewhere too.
    pub fn close(&mut self, now: Instant, reason: LeaveReason) {
        self.end(now, reason, Ending::Decided);
    }

    pub(super) fn end(&mut self, _now: Instant, reason: LeaveReason, ending: Ending) {
        if self.life.is_closed() {
            return;
        }
        // Whoever deletes it deletes all of it.
        let everywhere = ending == Ending::Decided && reason == LeaveReason::RoomDeleted;
        let finishes = everywhere || self.finishes(ending);
        self.life.close();
        if everywhere {
            self.tell_spans(&LinkNews::Closed(reason));
        }
        if everywhere || ending == Ending::Told {
            // There nobody is left who would have to be told of ours.
            self.spans = Spans::default();
        }
        for key in self.participants.local_keys() {
            if let Some(participant) = self.participants.find(key) {
                self.outputs
                    .tell(participant.info.id, Notice::Leave(reason));
            }
        }
        // Nobody stays who would have to be told of the others.
        for key in self.participants.local_keys() {
            if let Some(participant) = self.participants.find_mut(key) {
                participant.change(|info| {
                    info.state = State::Disconnected(reason);
                    info.tracks.clear();
                });
                let info = Arc::clone(&participant.info);
                let id = info.id;
                self.departing(key, info);
                self.end_links(key, id, reason);
            }
            if let Some(participant) = self.participants.remove(key) {
                let participant = participant.info.id;
                self.outputs.push(Output::Gone { participant });
            }
        }
        for key in self.tracks.keys() {
            self.unwant(key);
        }
        for key in self.participants.keys() {
            self.participants.remove(key);
        }
        let info = Arc::make_mut(&mut self.info);
        info.participants = 0;
        info.publishers = 0;
        info.active_recording = false;
        self.tracks.clear();
        self.data_tracks = DataTracks::default();
        self.subscriptions = Subscriptions::default();
        self.outros = Outros::default();
        self.updates = Updates::default();
        self.pretending = Pretending::default();
        self.speaking = Speaking::default();
        self.spans = Spans::default();
        self.rivals = Rivals::default();
        self.shortfalls_at = None;
        self.assess_at = None;
        self.chores_at = None;
        if finishes {
            self.finished(reason);
        }
    }

    /// Whether the room ends with this instance of it.
    fn finishes(&self, ending: Ending) -> bool {
        let newest = |local: bool| {
            let found = self.participants.iter();
            let found = found.filter(|(_, found)| found.is_local() == local);
            found.map(|(_, found)| found.info.id).max()
        };
        let (here, there) = (newest(true), newest(false));
        match ending {
            Ending::Decided => there.is_none(),
            Ending::Told => false,
            Ending::Unneeded if there.is_none() => self.life.is_last(),
            // Where only recorders and the like are left, all agree on one instance.
            Ending::Unneeded => here > there,
        }
    }

    /// Somebody came or left, here or elsewhere; who it was that `left` from here.
    pub(super) fn review_life(&mut self, now: Instant, left: Option<ParticipantId>) {
        let (mut here, mut keeps_here, mut there, mut keeps_there) = (false, false, false, false);
        for (_, found) in self.participants.iter() {
            let keeps = !found.is_dependent();
            if found.is_local() {
                here = true;
                keeps_here |= keeps;
            } else {
                there = true;
                keeps_there |= keeps;
            }
        }
        let need = if keeps_here || here && keeps_there {
            Need::Here
        } else if there && !here {
            Need::Elsewhere
        } else {
            Need::Nowhere
        };
        if self.life.review(now, &self.info, need, left) {
            self.tell_spans(&LinkNews::Kept);
        }
        if let Some(at) = self.life.deadline() {
            self.chore_by(at);
        }
    }
}
