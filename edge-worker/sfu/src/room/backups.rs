//! The same picture in a second codec: asked of a publisher that announced one, once somebody
//! cannot decode the first. Each subscriber gets what it can decode; to everybody it is one
//! track. Inside and over links the backup is a track of its own that is not shown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Codec, MediaKind, TrackId};

use super::Room;
use super::participants::ParticipantKey;
use super::publishing::Match;
use super::subscriptions::Subscription;
use super::tracks::Track;
use crate::{
    CodecDemand, Encryption, LinkNews, Notice, Output, Publication, Received, Refusal,
    SubscriptionFailure, TrackInfo, TrackKey, VideoQuality, Wanted,
};

/// Whether a picture is to be had in a second codec.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Backup {
    /// Nobody needed it yet.
    #[default]
    None,
    /// Its publisher was asked for this one; who waits for it is told at that time that there
    /// is none.
    Asked(Codec, Option<Instant>),
    /// Another track of the room is it.
    There(TrackKey, Audience),
}

/// Who is sent a backup.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Audience {
    /// Those who cannot decode the first codec.
    InNeed,
    /// All who can decode it, so that its publisher need not send the other one too.
    Everybody,
}

/// Whether a wish for a backup may come true.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hope {
    Yes,
    No,
}

/// A client that publishes one begins within a few round trips, and its camera runs already.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

/// LiveKit's number of the policy that both codecs are sent as long as both are needed.
/// With the others, everybody is sent the backup once there is one.
const SIMULCAST: i32 = 1;

impl Backup {
    /// The track that is it.
    pub(super) fn track(self) -> Option<TrackKey> {
        match self {
            Self::There(track, _) => Some(track),
            Self::None | Self::Asked(..) => None,
        }
    }

    /// When those who wait for it are told that there is none.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Asked(_, until) => until,
            Self::None | Self::There(..) => None,
        }
    }
}

impl Room {
    /// In which of its codecs a subscriber is sent a track, and what track of the room that is.
    pub(super) fn decodable(
        &self,
        key: ParticipantKey,
        shown: TrackKey,
    ) -> Option<(TrackKey, Codec)> {
        let not = self
            .participants
            .find(key)?
            .interests
            .find(shown)
            .undecodable;
        let lead = self.tracks.find(shown)?;
        let in_codec = |key: TrackKey, track: &Track| {
            let codec = track.info.codec.filter(|codec| !not.contains(*codec))?;
            Some((key, codec))
        };
        let first = in_codec(shown, lead);
        let Backup::There(backup, audience) = lead.backup else {
            return first;
        };
        let second = self.tracks.find(backup);
        let second = second.and_then(|track| in_codec(backup, track));
        match audience {
            Audience::InNeed => first.or(second),
            Audience::Everybody => second.or(first),
        }
    }

    /// It turned out that a subscriber cannot decode a track in this codec.
    pub(super) fn found_undecodable(
        &mut self,
        now: Instant,
        found: Subscription,
        codec: Option<Codec>,
    ) {
        let shown = self.tracks.shown(found.track);
        let Some(subscriber) = self.participants.find_mut(found.subscriber) else {
            return;
        };
        let interest = subscriber.interests.of(shown);
        if let Some(codec) = codec {
            interest.undecodable.insert(codec);
        }
        self.open_subscription(found.subscriber, shown);
        let interest = self.participants.find(found.subscriber);
        let interest = interest.map(|subscriber| subscriber.interests.find(shown));
        if interest.is_some_and(|interest| interest.subscription.is_none())
            && self.ask_for_backup(now, shown) == Hope::No
        {
            self.tell_undecodable(found.subscriber, shown);
        }
    }

    /// Somebody elsewhere cannot decode a track of ours.
    pub(super) fn undecodable_far(&mut self, now: Instant, id: TrackId) {
        let own = |key: &TrackKey| self.tracks.find(*key).is_some_and(|it| !it.is_far());
        if let Some(key) = self.tracks.key_of(id).filter(own) {
            self.ask_for_backup(now, key);
        }
    }

    fn ask_for_backup(&mut self, now: Instant, shown: TrackKey) -> Hope {
        let Some(track) = self.tracks.find_mut(shown) else {
            return Hope::No;
        };
        match track.backup {
            Backup::Asked(_, Some(_)) => return Hope::Yes,
            Backup::Asked(_, None) | Backup::There(..) => return Hope::No,
            Backup::None => {}
        }
        let Some(codec) = announced(&track.info) else {
            return Hope::No;
        };
        let until = now + BEGIN_WITHIN;
        track.backup = Backup::Asked(codec, Some(until));
        let id = track.info.id;
        match track.home {
            Some(link) => {
                let news = LinkNews::Undecodable(id);
                self.outputs.push(Output::Link { link, news });
            }
            None => self.tell_demand(shown),
        }
        self.chore_by(until);
        Hope::Yes
    }

    /// What a publisher is told of its backup codec.
    pub(super) fn backup_demand(&self, lead: &Track) -> Option<CodecDemand> {
        match lead.backup {
            Backup::None => None,
            // In all sizes at first, as with any track.
            Backup::Asked(codec, _) => Some(CodecDemand {
                codec,
                highest: Some(VideoQuality::High),
            }),
            Backup::There(key, _) => {
                let backup = self.tracks.find(key)?;
                Some(CodecDemand {
                    codec: backup.info.codec?,
                    highest: backup.demand.told(),
                })
            }
        }
    }

    /// Tells those who wait for a backup that has not come that they cannot have the track.
    pub(super) fn give_up_on_backups(&mut self, now: Instant) {
        if self.tracks.backup_deadline().is_none_or(|at| at > now) {
            return;
        }
        for shown in self.tracks.keys() {
            let backup = self.tracks.find(shown).map(|track| track.backup);
            let Some(Backup::Asked(codec, Some(until))) = backup else {
                continue;
            };
            if until > now {
                continue;
            }
            if let Some(track) = self.tracks.at_packet(shown) {
                // It may come yet.
                track.backup = Backup::Asked(codec, None);
            }
            for key in self.participants.local_keys() {
                self.tell_undecodable(key, shown);
            }
        }
    }

    /// Tells somebody that it cannot have a track for its codec, if that is why it has it not.
    fn tell_undecodable(&mut self, key: ParticipantKey, shown: TrackKey) {
        let found = self.participants.find(key).zip(self.tracks.find(shown));
        let Some((subscriber, track)) = found else {
            return;
        };
        let interest = subscriber.interests.find(shown);
        let cannot = track.info.codec;
        let cannot = cannot.is_some_and(|codec| interest.undecodable.contains(codec));
        let wanted = interest.wanted.unwrap_or(subscriber.auto_subscribe);
        if cannot && interest.subscription.is_none() && wanted == Wanted::Yes {
            let notice = Notice::SubscriptionFailed {
                track: track.info.id,
                failure: SubscriptionFailure::CodecUnsupported,
            };
            self.outputs.tell(subscriber.info.id, notice);
        }
    }

    /// The track that a participant announces a backup of.
    pub(super) fn backed(
        &self,
        key: ParticipantKey,
        publication: &Publication,
        lead: TrackId,
    ) -> Result<Arc<TrackInfo>, Refusal> {
        let track = self
            .tracks
            .key_of(lead)
            .and_then(|key| self.tracks.find(key));
        let own = track.filter(|track| track.publisher == key && track.backs.is_none());
        let track = own.ok_or(Refusal::NotFound)?;
        if track.info.kind != publication.track.kind || track.backup.track().is_some() {
            return Err(Refusal::Unsupported);
        }
        Ok(Arc::clone(&track.info))
    }

    /// Makes a track of a backup that was found in an offer, unless what it backs is gone.
    pub(super) fn start_backup(
        &mut self,
        publisher: ParticipantKey,
        lead: TrackId,
        found: Match,
    ) -> Option<Received> {
        let preferred = found.preferred();
        let codec = found.codec();
        let Match {
            publication,
            section,
        } = found;
        let backed = self.backed(publisher, &publication, lead).ok()?;
        let lead = self.tracks.key_of(lead)?;
        let announced = publication.track;
        let info = TrackInfo {
            layers: announced.layers,
            simulcast: announced.simulcast,
            codec,
            ..(*backed).clone()
        };
        let participant = self.participants.find_mut(publisher)?;
        let rids = super::rids::low_to_high(&section.rids);
        let track = Track::new(info, publisher, rids, participant.origin);
        let key = self.tracks.insert(track.backing(lead, announced.id));
        let received = Received {
            mid: section.mid,
            track: key,
            preferred,
            red: false,
        };
        participant.publishing.started(received, section.cid);
        self.backup_began(key);
        if let Some(track) = self.tracks.find_mut(lead) {
            let codecs = &mut Arc::make_mut(&mut track.info).codecs;
            if let Some(told) = codecs.iter_mut().find(|told| told.codec == codec) {
                told.cid = publication.cid;
            }
        }
        self.chore_soon();
        Some(received)
    }

    /// A track was added: if it is a backup, what it backs is to be had in its codec too.
    pub(super) fn backup_began(&mut self, key: TrackKey) {
        let lead = self.tracks.find(key).and_then(|track| track.backs);
        if let Some(track) = lead.and_then(|lead| self.tracks.find_mut(lead)) {
            track.backup = Backup::There(key, Audience::InNeed);
        }
    }

    /// Packets of a track come, or no longer: once a backup flows, it is what everybody is
    /// sent, unless its publisher means to send both.
    pub(super) fn backup_flows(&mut self, key: TrackKey) {
        let Some(backup) = self.tracks.find(key) else {
            return;
        };
        let (lives, lead) = (!backup.fanout.supply().0.is_empty(), backup.backs);
        let Some(lead) = lead.filter(|_| lives) else {
            return;
        };
        let Some(track) = self.tracks.find_mut(lead) else {
            return;
        };
        let alone = track.info.backup_codec_policy != SIMULCAST;
        if !alone || track.backup != Backup::There(key, Audience::InNeed) {
            return;
        }
        track.backup = Backup::There(key, Audience::Everybody);
        for subscription in track.subscriptions.clone() {
            let found = self.subscriptions.find(subscription).copied();
            let moves = found.is_some_and(|found| {
                let better = self.decodable(found.subscriber, lead);
                better.is_some_and(|(better, _)| better == key)
            });
            if moves {
                self.end_subscription(subscription);
            }
        }
        self.subscribe_everybody(lead);
    }

    /// A track is about to end, and what backs it ends before.
    pub(super) fn drop_backup(&mut self, lead: TrackKey) {
        let Some(track) = self.tracks.find_mut(lead) else {
            return;
        };
        let Some(backup) = std::mem::take(&mut track.backup).track() else {
            return;
        };
        if let Some(publisher) = self.participants.find_mut(track.publisher) {
            publisher.publishing.stopped(backup);
        }
        self.drop_track(backup);
    }

    /// What backed a track is gone, and it goes on without.
    pub(super) fn backup_ended(&mut self, lead: TrackKey, backup: TrackKey) {
        let Some(track) = self.tracks.find_mut(lead) else {
            return;
        };
        if track.backup.track() != Some(backup) {
            return;
        }
        track.backup = Backup::None;
        self.subscribe_everybody(lead);
        for key in self.participants.local_keys() {
            self.tell_undecodable(key, lead);
        }
    }
}

/// The codec that a picture may be had in besides the one that is used. What is encrypted is
/// in one codec only: clients publish no other.
fn announced(info: &TrackInfo) -> Option<Codec> {
    if info.encryption != Encryption::None || info.kind == MediaKind::Audio {
        return None;
    }
    let backups = info.codecs.iter().skip(1).filter_map(|told| told.codec);
    backups.into_iter().find(|codec| info.codec != Some(*codec))
}
