//! How good everybody's connection is, and who is told: the participant itself, and
//! whoever receives it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use media::{MediaKind, ParticipantId};

use super::Room;
use super::participants::{Participant, ParticipantKey};
use super::subscriptions::SubscriptionState;
use super::tracks::Track;
use super::wish::size_of;
use crate::quality::{Assessor, Findings, Gathering, Shown, Subject, WINDOW, Way};
use crate::{ConnectionQuality, Happened, LinkNews, Muted, Notice, Quality, Source};

/// One participant's connection, and what it was told of connections.
#[derive(Debug, Default)]
pub(super) struct Connection {
    assessor: Assessor,
    findings: Findings,
    gathering: Gathering,
    /// Of somebody connected elsewhere, where it is assessed.
    elsewhere: Option<ConnectionQuality>,
    /// As last told to those elsewhere.
    shared: Option<Quality>,
    /// And when it would have been told last.
    told: BTreeMap<ParticipantKey, (Quality, Instant)>,
}

impl Connection {
    /// It was assessed elsewhere.
    pub(super) fn told_elsewhere(&mut self, told: ConnectionQuality) {
        self.elsewhere = Some(told);
    }
}

impl Participant {
    /// How good its connection is; nothing before it is there, or was told.
    pub(super) fn assessed(&self) -> Option<ConnectionQuality> {
        if !self.is_active() {
            return None;
        }
        if self.home.is_some() {
            return self.connection.elsewhere;
        }
        let assessor = &self.connection.assessor;
        Some(ConnectionQuality {
            participant: self.info.id,
            quality: assessor.quality(),
            score: assessor.score(),
        })
    }
}

impl Room {
    /// A participant's network does not answer any more.
    pub fn fell_silent(&mut self, now: Instant, participant: ParticipantId) {
        if let Some(found) = self.participant_mut(participant) {
            found.connection.assessor.fell_silent();
            found.connection.gathering.fell_silent();
            // That is worth telling before it is over.
            self.assess_at = self.assess_at.map(|at| at.min(now));
        }
    }

    /// A participant's network answers again.
    pub fn is_back(&mut self, participant: ParticipantId) {
        if let Some(found) = self.participant_mut(participant) {
            found.connection.assessor.is_back();
        }
    }

    fn participant_mut(&mut self, participant: ParticipantId) -> Option<&mut Participant> {
        let key = self.participants.local_key_of(participant)?;
        self.participants.find_mut(key)
    }

    /// Somebody came whose connection will be assessed.
    pub(super) fn assess_soon(&mut self, now: Instant) {
        self.assess_at.get_or_insert(now + WINDOW);
    }

    /// Assesses everybody's connection, where it is time to, and tells what changed.
    pub(super) fn assess(&mut self, now: Instant) {
        if self.assess_at.is_none_or(|at| at > now) {
            return;
        }
        self.assess_at = (self.participants.len() > 0).then_some(now + WINDOW);
        self.find_out();
        let mut summaries = Vec::new();
        for participant in self.participants.values_mut().filter(|it| it.is_local()) {
            let connection = &mut participant.connection;
            connection.assessor.assess(&connection.findings);
            if !participant.on_record {
                continue;
            }
            let score = connection.assessor.score();
            if let Some(summary) = connection.gathering.add(&connection.findings, score) {
                summaries.push((Arc::clone(&participant.info), summary));
            }
        }
        for (participant, summary) in summaries {
            self.happened(Happened::ParticipantAssessed {
                participant,
                summary,
            });
        }
        self.share_qualities();
        let mut next = self.participants.key_after(None);
        while let Some(key) = next {
            self.tell_qualities(now, key);
            next = self.participants.key_after(next);
        }
    }

    /// Tells those elsewhere whose connection is better or worse than before.
    fn share_qualities(&mut self) {
        if self.spans.is_empty() {
            return;
        }
        let mut news = Vec::new();
        for participant in self.participants.values_mut().filter(|it| it.is_local()) {
            let Some(found) = participant.assessed() else {
                continue;
            };
            if participant.connection.shared.replace(found.quality) != Some(found.quality) {
                news.push(LinkNews::Quality(found));
            }
        }
        for news in news {
            self.tell_spans(&news);
        }
    }

    /// Collects what happened on all streams since the last time.
    fn find_out(&mut self) {
        for participant in self.participants.values_mut() {
            participant.connection.findings = Findings::default();
        }
        for track in self.tracks.iter_mut() {
            let leg = track.fanout.take_arrivals();
            let picture = picture_of(track);
            if !track.is_far()
                && let Some(publisher) = self.participants.find_mut(track.publisher)
            {
                let findings = &mut publisher.connection.findings;
                findings.carried(Way::Sent, &leg);
                if track.info.muted == Muted::No {
                    findings.add(&leg);
                    if let Some(picture) = picture {
                        findings.show(picture);
                    }
                }
            }
        }
        for (key, subscription) in self.subscriptions.iter() {
            let Some(wanted) = self.wish_of(subscription.subscriber, subscription.track) else {
                continue;
            };
            let Some(track) = self.tracks.find_mut(subscription.track) else {
                continue;
            };
            let Some((leg, round_trip)) = track.fanout.take_reception(key, wanted) else {
                continue;
            };
            let Some(subscriber) = self.participants.find_mut(subscription.subscriber) else {
                continue;
            };
            let findings = &mut subscriber.connection.findings;
            findings.carried(Way::Received, &leg);
            if track.info.muted == Muted::No {
                findings.add(&leg);
            }
            if let Some(time) = round_trip {
                findings.add_round_trip(time);
            }
        }
    }

    /// Tells somebody of its own connection and those of whom it receives, where it was
    /// told something else before.
    fn tell_qualities(&mut self, now: Instant, key: ParticipantKey) {
        let Some(listener) = self.participants.find_mut(key).filter(|it| it.is_local()) else {
            return;
        };
        let id = listener.info.id;
        let mut told = std::mem::take(&mut listener.connection.told);
        let Some(listener) = self.participants.find(key) else {
            return;
        };
        let received = listener.interests.subscriptions().filter_map(|it| {
            let found = self.subscriptions.find(it)?;
            let bound = found.state == SubscriptionState::Bound;
            bound.then_some(self.tracks.find(found.track)?.publisher)
        });
        let mut news: Vec<ConnectionQuality> = Vec::new();
        for key in received.chain([key]) {
            let other = self.participants.find(key);
            let Some(found) = other.and_then(|other| other.assessed()) else {
                continue;
            };
            let before = told.insert(key, (found.quality, now));
            if before.is_none_or(|(before, _)| before != found.quality) {
                news.push(found);
            }
        }
        told.retain(|_, (_, at)| *at == now);
        if let Some(listener) = self.participants.find_mut(key) {
            listener.connection.told = told;
        }
        if !news.is_empty() {
            self.outputs.tell(id, Notice::Qualities(news));
        }
    }
}

/// What came of a track's pictures since the last time, if it has any.
fn picture_of(track: &mut Track) -> Option<Shown> {
    let (layer, frames) = track.fanout.take_frames()?;
    if track.info.kind != MediaKind::Video {
        return None;
    }
    let (width, height) = size_of(&track.info, track.layers(), layer);
    let of = match track.info.source {
        Source::ScreenShare => Subject::Screen,
        Source::Camera | Source::Microphone | Source::ScreenShareAudio | Source::Unknown => {
            Subject::Person
        }
    };
    Some(Shown {
        of,
        width,
        height,
        frames,
    })
}
