//! Subscriptions that ended while something played: their m-lines stay until that has
//! [ended](Outro) for the subscriber too.

use std::time::Instant;

use media::TrackId;

use super::Room;
use super::participants::ParticipantKey;
use crate::fanout::Outro;
use crate::{Outlet, Output, SubscriptionKey, TrackKey};

/// M-lines that are still sent something.
#[derive(Debug, Default)]
pub(super) struct Outros {
    list: Vec<Line>,
    /// The first deadline of all.
    due_at: Option<Instant>,
}

#[derive(Debug)]
struct Line {
    subscriber: ParticipantKey,
    subscription: SubscriptionKey,
    track: TrackId,
    outro: Outro,
}

impl Outros {
    /// The m-lines of somebody who has gone are gone.
    pub(super) fn forget(&mut self, subscriber: ParticipantKey) {
        self.list.retain(|line| line.subscriber != subscriber);
        self.find_deadline();
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due_at
    }

    fn find_deadline(&mut self) {
        let deadlines = self.list.iter().filter_map(|line| line.outro.deadline());
        self.due_at = deadlines.min();
    }
}

impl Room {
    /// The m-line of a subscription that was removed is free, once `outro` has been sent.
    pub(super) fn free_line(
        &mut self,
        subscriber: ParticipantKey,
        subscription: SubscriptionKey,
        outro: Option<(TrackId, Outro)>,
    ) {
        let Some((track, outro)) = outro else {
            return self.close_line(subscriber, subscription);
        };
        let outros = &mut self.outros;
        outros.due_at = outros.due_at.into_iter().chain(outro.deadline()).min();
        outros.list.push(Line {
            subscriber,
            subscription,
            track,
            outro,
        });
    }

    /// Sends what is due, and frees the m-lines that nothing more is due on.
    pub(super) fn play_outros(&mut self, now: Instant, out: &mut impl Outlet) {
        if self.outros.due_at.is_none_or(|at| at > now) {
            return;
        }
        for line in &mut self.outros.list {
            line.outro.handle_timeout(now, out);
        }
        self.free_lines(|line| line.outro.deadline().is_none());
    }

    /// Somebody takes its connections elsewhere.
    pub(super) fn cut_outros(&mut self, subscriber: ParticipantKey) {
        self.free_lines(|line| line.subscriber == subscriber);
    }

    /// Somebody gets a track again: it is not to be on two m-lines.
    pub(super) fn cut_outro(&mut self, subscriber: ParticipantKey, track: TrackKey) {
        let Some(track) = self.tracks.find(track).map(|track| track.info.id) else {
            return;
        };
        self.free_lines(|line| line.subscriber == subscriber && line.track == track);
    }

    fn free_lines(&mut self, which: impl Fn(&Line) -> bool) {
        let freed: Vec<_> = self
            .outros
            .list
            .extract_if(.., |line| which(line))
            .collect();
        self.outros.find_deadline();
        for line in freed {
            self.close_line(line.subscriber, line.subscription);
        }
    }

    fn close_line(&mut self, subscriber: ParticipantKey, subscription: SubscriptionKey) {
        let Some(subscriber) = self.participants.find(subscriber) else {
            return;
        };
        self.outputs.push(Output::Close {
            participant: subscriber.info.id,
            subscription,
        });
    }
}
