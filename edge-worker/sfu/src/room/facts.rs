//! When what happens in a room becomes a fact: nothing is told of somebody before their
//! media is connected, and everything that was told to begin is told to end.

use std::sync::Arc;

use super::Room;
use super::participants::ParticipantKey;
use crate::{Fact, Happened, LeaveReason, Output, ParticipantInfo, TrackKey};

impl Room {
    pub(super) fn started(&mut self) {
        self.happened(Happened::RoomStarted);
    }

    pub(super) fn finished(&mut self, reason: LeaveReason) {
        self.happened(Happened::RoomFinished(reason));
    }

    /// Somebody's media is connected; what it had published before begins now too.
    pub(super) fn joined(&mut self, key: ParticipantKey) {
        let Some(participant) = self.participants.find(key) else {
            return;
        };
        let info = Arc::clone(&participant.info);
        let tracks = participant.publishing.tracks();
        self.happened(Happened::ParticipantJoined(info));
        for track in tracks {
            self.track_started(track);
        }
    }

    /// Somebody is about to go, described as it is afterwards.
    pub(super) fn departing(&mut self, key: ParticipantKey, afterwards: Arc<ParticipantInfo>) {
        let Some(participant) = self.participants.find(key) else {
            return;
        };
        if !participant.is_local() {
            return;
        }
        if !participant.on_record {
            return self.happened(Happened::ParticipantAborted(afterwards));
        }
        for track in participant.publishing.tracks() {
            self.track_ended(track);
        }
        self.happened(Happened::ParticipantLeft(afterwards));
    }

    /// Somebody shows otherwise than `before`, or may do other things.
    pub(super) fn changed(&mut self, key: ParticipantKey, before: Arc<ParticipantInfo>) {
        let Some(participant) = self.participants.find(key) else {
            return;
        };
        if participant.is_local() && participant.on_record {
            let after = Arc::clone(&participant.info);
            self.happened(Happened::ParticipantChanged { before, after });
        }
    }

    /// A track began, if its publisher did.
    pub(super) fn track_started(&mut self, track: TrackKey) {
        if let Some((publisher, track)) = self.told_of(track) {
            self.happened(Happened::TrackPublished { publisher, track });
        }
    }

    /// A track is about to end, if it was told to begin.
    pub(super) fn track_ended(&mut self, track: TrackKey) {
        if let Some((publisher, track)) = self.told_of(track) {
            self.happened(Happened::TrackUnpublished { publisher, track });
        }
    }

    fn told_of(&self, track: TrackKey) -> Option<(Arc<ParticipantInfo>, Arc<crate::TrackInfo>)> {
        let track = self.tracks.find(track).filter(|it| it.backs.is_none())?;
        let publisher = self.participants.find(track.publisher)?;
        publisher
            .on_record
            .then(|| (Arc::clone(&publisher.info), Arc::clone(&track.info)))
    }

    pub(super) fn happened(&mut self, happened: Happened) {
        let room = Arc::clone(&self.info);
        self.outputs
            .push(Output::Fact(Box::new(Fact { room, happened })));
    }
}
