//! One room: its participants, what they publish, and who receives what.
//!
//! This file routes and orders. Coming and going is in [`joining`], coming back in
//! [`resuming`], tracks in
//! [`publish`], subscriptions in [`subscribe`], data in [`message`]; media goes
//! straight to the track's [`Fanout`](crate::fanout::Fanout).

mod administering;
mod allowance;
mod assessing;
mod backups;
mod bandwidth;
mod data_pace;
mod data_tracks;
mod demands;
mod departed;
mod ending;
mod facts;
mod far_tracks;
mod heeding;
mod interests;
mod joining;
mod life;
mod linking;
mod message;
mod moving;
mod nonces;
mod outputs;
mod outros;
mod participants;
mod pretending;
mod profile;
mod publish;
mod publishing;
mod reliable;
mod resuming;
mod retouching;
mod rids;
mod rights;
mod rivals;
mod saving;
mod settings;
mod setup;
mod shortfalls;
mod spanning;
mod speaking;
mod streams;
mod subscribe;
mod subscriptions;
mod tracks;
mod updates;
mod voices;
mod wish;

use std::sync::Arc;
use std::time::Instant;

use media::{Packet, ParticipantId, Rtcp};

pub use administering::RoomChange;
pub use joining::{JoinRefusal, Joined};
pub use life::Beginning;
pub use message::{DataDrops, Destinations, Message, Passed};
pub use moving::{Luggage, Moved};
pub use nonces::Nonce;
pub use profile::{MAX_ATTRIBUTES, MAX_METADATA, MAX_NAME, ParticipantChange};
pub use resuming::{Resumed, Synced, UnknownTrack};

use crate::fanout::{DropCounts, Liveness};
use crate::speakers::Heard;
use crate::{
    Command, LeaveReason, Notice, Outlet, Output, ParticipantInfo, RoomInfo, SubscriptionFailure,
    SubscriptionKey, TrackInfo, TrackKey,
};
use data_tracks::DataTracks;
use departed::Departed;
use ending::Ending;
use life::Life;
use linking::Links;
use nonces::Nonces;
use outputs::Outputs;
use outros::Outros;
use participants::{ParticipantKey, Participants};
use pretending::Pretending;
use reliable::Reliable;
use rivals::Rivals;
use spanning::Spans;
use speaking::Speaking;
use subscriptions::Subscriptions;
use tracks::Tracks;
use updates::{Listeners, Updates, Urgency};
use voices::Voices;

/// A room on its shard.
///
/// Every call may leave [outputs](Self::poll); fetch them all before the next one,
/// and again call [`handle_timeout`](Self::handle_timeout) at the
/// [deadline](Self::deadline). What is told about somebody unknown is ignored:
/// transports and sockets may outlive a participant by a few packets.
#[derive(Debug)]
pub struct Room {
    info: Arc<RoomInfo>,
    life: Life,
    participants: Participants,
    tracks: Tracks,
    data_tracks: DataTracks,
    subscriptions: Subscriptions,
    outros: Outros,
    updates: Updates,
    speaking: Speaking,
    /// When to look at everybody's connection.
    assess_at: Option<Instant>,
    pretending: Pretending,
    outputs: Outputs,
    drops: DataDrops,
    nonces: Nonces,
    /// When links are divided anew; `None` while none is known to be limited.
    divide_at: Option<Instant>,
    opened_at: Instant,
    departed: Departed,
    reliable: Reliable,
    /// That begin here.
    links: Links,
    /// Of how it is set up; 0 for one that was not told yet.
    edition: u64,
    spans: Spans,
    rivals: Rivals,
    /// When to say again which tracks are wanted better than they are carried.
    shortfalls_at: Option<Instant>,
    /// Who may have more or less than it is sent.
    turned: Vec<ParticipantKey>,
    voices: Voices,
    unknown_profiles: u64,
    /// Nothing but media falls due before.
    chores_at: Option<Instant>,
}

impl Room {
    /// An empty room, or another instance of one. Its counts are kept by the room.
    pub fn new(now: Instant, mut info: RoomInfo, beginning: Beginning) -> Self {
        info.participants = 0;
        info.publishers = 0;
        info.active_recording = false;
        let life = Life::new(now, &info, beginning);
        let tracks = Tracks::new(&info);
        let mut room = Self {
            info: Arc::new(info),
            chores_at: life.deadline(),
            life,
            participants: Participants::default(),
            tracks,
            data_tracks: DataTracks::default(),
            subscriptions: Subscriptions::default(),
            outros: Outros::default(),
            updates: Updates::default(),
            speaking: Speaking::default(),
            assess_at: None,
            pretending: Pretending::default(),
            outputs: Outputs::default(),
            drops: DataDrops::default(),
            nonces: Nonces::default(),
            divide_at: None,
            opened_at: now,
            departed: Departed::default(),
            reliable: Reliable::default(),
            links: Links::default(),
            edition: 0,
            spans: Spans::default(),
            rivals: Rivals::default(),
            shortfalls_at: None,
            turned: Vec::new(),
            voices: Voices::default(),
            unknown_profiles: 0,
        };
        match beginning {
            Beginning::Anew => {
                room.edition = 1;
                room.started();
            }
            Beginning::Joined => {}
        }
        room
    }

    /// A participant wishes something.
    pub fn command(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        command: Command,
        out: &mut impl Outlet,
    ) {
        let Some(key) = self.participants.local_key_of(participant) else {
            return;
        };
        match command {
            Command::Publish(publication) => self.publish(now, key, *publication),
            Command::Mute { track, muted } => self.mute(now, key, track, muted, out),
            Command::Subscribe { tracks, wanted } => {
                for track in tracks {
                    self.subscribe(now, key, track, wanted);
                }
            }
            Command::Settings { tracks, settings } => {
                for track in tracks {
                    self.set_settings(now, key, track, settings, out);
                }
            }
            Command::UpdateAudioTrack { track, features } => {
                self.update_audio_track(now, key, track, features);
            }
            Command::UpdateVideoTrack {
                track,
                width,
                height,
            } => self.update_video_track(now, key, track, (width, height), out),
            Command::Allow(allowance) => self.allow(key, allowance),
            Command::PublishData(publication) => self.publish_data(now, key, *publication),
            Command::UnpublishData { handle } => self.unpublish_data(now, key, handle),
            Command::SubscribeData(wishes) => self.subscribe_data(key, wishes),
            Command::UpdateMetadata { change, request_id } => {
                self.update_own_metadata(now, key, *change, request_id);
            }
        }
    }

    /// A packet of a published track arrived. Answers when that track is due next, so
    /// that nobody has to look at all the others for every packet.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        track: TrackKey,
        packet: &Packet<'_>,
        out: &mut impl Outlet,
    ) -> Option<Instant> {
        self.hear_voice(now, track, packet);
        let published = self.tracks.at_packet(track)?;
        let other_codec = published.learn_codec(packet);
        let heard = published.hear(packet);
        let liveness = published.fanout.take_in(now, packet, out);
        let mut deadline = published.fanout.deadline();
        if heard == Heard::Sound {
            deadline = deadline.into_iter().chain(self.speaking.heard(now)).min();
        }
        if let Some(codec) = other_codec {
            self.correct_codec(now, track, codec);
        }
        if liveness == Liveness::Changed {
            self.supply_changed(track);
            self.backup_flows(track);
        }
        deadline
    }

    /// A subscriber said something about what it receives.
    pub fn handle_feedback(
        &mut self,
        now: Instant,
        subscription: SubscriptionKey,
        rtcp: &Rtcp,
        out: &mut impl Outlet,
    ) {
        let Some(found) = self.subscriptions.find(subscription) else {
            return;
        };
        if let Some(track) = self.tracks.find_mut(found.track) {
            track.fanout.handle_feedback(now, subscription, rtcp, out);
        }
    }

    /// A publisher said something about what it sends.
    pub fn handle_report(
        &mut self,
        now: Instant,
        track: TrackKey,
        rtcp: &Rtcp,
        out: &mut impl Outlet,
    ) {
        if let Some(track) = self.tracks.find_mut(track) {
            track.fanout.handle_report(now, rtcp, out);
        }
    }

    /// Whether [`poll`](Self::poll) has anything to answer.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty() || self.tracks.has_touched()
    }

    /// The next thing to do for this room.
    pub fn poll(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.settle_wants();
        }
        self.outputs.pop()
    }

    /// When [`Self::handle_timeout`] has to be called at the latest.
    pub fn deadline(&mut self) -> Option<Instant> {
        self.chores_at
            .into_iter()
            .chain(self.tracks.deadline())
            .chain(self.outros.deadline())
            .chain(self.speaking.deadline())
            .chain(self.assess_at)
            .min()
    }

    /// Time passed. A room that is over closes itself.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut impl Outlet) {
        self.tracks.handle_timeout(now, out);
        self.measure_speakers(now);
        self.assess(now);
        self.do_chores(now, out);
        // Of what the chores have ended too.
        self.play_outros(now, out);
    }

    fn do_chores(&mut self, now: Instant, out: &mut impl Outlet) {
        if self.chores_at.is_none_or(|at| at > now) {
            return;
        }
        if self.life.is_over(now) {
            self.end(now, LeaveReason::RoomClosed, Ending::Unneeded);
            return;
        }
        self.show_rivals(now);
        self.dismiss_unconnected(now);
        self.give_up(now);
        self.give_up_on_backups(now);
        self.heed_waiting(now, out);
        self.heed_profiles(now, out);
        self.review_voices(now);
        self.divide_due(now, out);
        self.lapse_demands(now);
        self.count_demands(now);
        self.tell_supplies(now);
        self.tell_shortfalls(now);
        self.stop_pretending(now);
        let changed = self.updates.due(now);
        self.tell(Listeners::All, &changed);
        if self.updates.counts_due(now).is_some() {
            self.tell_room();
        }
        self.chores_at = self.next_chore();
    }

    /// Whether nobody needs it any more; true for good once it was closed.
    pub fn is_over(&self, now: Instant) -> bool {
        self.life.is_over(now)
    }

    /// The room as clients see it.
    pub fn info(&self) -> &Arc<RoomInfo> {
        &self.info
    }

    /// Somebody as clients see them.
    pub fn participant(&self, id: ParticipantId) -> Option<&Arc<ParticipantInfo>> {
        let key = self.participants.key_of(id)?;
        self.participants.find(key).map(|found| &found.info)
    }

    /// Everybody in it, hidden ones too, in the order they came.
    pub fn participants(&self) -> impl Iterator<Item = &Arc<ParticipantInfo>> {
        self.participants.iter().map(|(_, found)| &found.info)
    }

    /// A published track as clients see it.
    pub fn published(&self, track: TrackKey) -> Option<&TrackInfo> {
        self.tracks.find(track).map(|found| &*found.info)
    }

    /// Packets left out since the room opened, by reason.
    pub fn packet_drops(&self) -> DropCounts {
        self.tracks.drops()
    }

    /// Data messages not delivered, by reason.
    pub fn data_drops(&self) -> DataDrops {
        self.drops
    }

    fn chore_by(&mut self, at: Instant) {
        self.chores_at = Some(self.chores_at.map_or(at, |before| before.min(at)));
    }

    /// Has the next timeout come as soon as may be.
    fn chore_soon(&mut self) {
        self.chore_by(self.opened_at);
    }

    fn next_chore(&self) -> Option<Instant> {
        let personal = self.participants.local().flat_map(|(_, participant)| {
            let connect_by = (!participant.is_active()).then_some(participant.connect_by);
            [
                connect_by,
                participant.publishing.deadline(),
                participant.interests.deadline(),
            ]
        });
        personal
            .chain([
                self.life.deadline(),
                self.updates.deadline(),
                self.divide_at,
                self.tracks.demand_deadline(),
                self.tracks.backup_deadline(),
                self.pretending.deadline(),
                self.spans.deadline(),
                self.shortfalls_at,
            ])
            .flatten()
            .min()
    }

    /// Ends waiting for what did not come in time.
    fn give_up(&mut self, now: Instant) {
        for participant in self.participants.values_mut() {
            let id = participant.info.id;
            for track in participant.publishing.give_up(now) {
                self.outputs.tell(id, Notice::Unpublished { track });
            }
            for track in participant.interests.give_up(now) {
                let failure = SubscriptionFailure::TrackNotFound;
                self.outputs
                    .tell(id, Notice::SubscriptionFailed { track, failure });
            }
        }
    }

    /// Tells others that somebody connected here changed, or only itself if it is hidden.
    fn announce(&mut self, now: Instant, key: ParticipantKey, urgency: Urgency) {
        self.tell_links(key);
        let Some(participant) = self.participants.find(key) else {
            return;
        };
        let info = Arc::clone(&participant.info);
        if participant.is_hidden() {
            self.outputs
                .tell(info.id, Notice::Participants([info].into()));
            return;
        }
        self.announce_info(now, key, info, urgency, Listeners::All);
    }

    /// Like [`announce`](Self::announce), and the participant itself, who waits for
    /// it, is told at once even in a crowd.
    fn announce_change(&mut self, now: Instant, key: ParticipantKey, urgency: Urgency) {
        self.announce(now, key, urgency);
        if self.updates.waits(key)
            && let Some(participant) = self.participants.find(key)
        {
            let info = Arc::clone(&participant.info);
            self.outputs
                .tell(info.id, Notice::Participants([info].into()));
        }
    }

    fn announce_info(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        info: Arc<ParticipantInfo>,
        urgency: Urgency,
        listeners: Listeners,
    ) {
        let room_size = self.participants.len();
        match self.updates.defer(now, key, &info, urgency, room_size) {
            Some(at) => self.chore_by(at),
            None => self.tell(listeners, &[info]),
        }
    }

    fn tell(&mut self, listeners: Listeners, changed: &[Arc<ParticipantInfo>]) {
        if changed.is_empty() {
            return;
        }
        let changed: Arc<[_]> = changed.into();
        for (key, participant) in self.participants.local() {
            if listeners == Listeners::But(key) {
                continue;
            }
            let notice = Notice::Participants(Arc::clone(&changed));
            self.outputs.tell(participant.info.id, notice);
        }
    }

    /// Counts again, and has everybody told if the numbers changed.
    fn count(&mut self, now: Instant) {
        let visible = || self.participants.iter().filter(|(_, p)| !p.is_hidden());
        let participants = visible().count() as u32;
        let publishers = visible().filter(|(_, p)| p.info.is_publisher()).count() as u32;
        let recording = self.participants.iter().any(|(_, p)| p.is_recorder());
        let before = &self.info;
        let counted = (before.participants, before.publishers) != (participants, publishers);
        let shown = before.active_recording != recording;
        if !counted && !shown {
            return;
        }
        let info = Arc::make_mut(&mut self.info);
        info.participants = participants;
        info.publishers = publishers;
        info.active_recording = recording;
        if shown {
            self.tell_room();
        }
        if counted {
            let at = self.updates.counts_changed(now);
            self.chore_by(at);
        }
    }
}
