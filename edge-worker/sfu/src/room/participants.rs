//! The participants of a room: found by their id, by their identity, and in the
//! order they came.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use media::ParticipantId;
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};

use super::allowance::Allowed;
use super::assessing::Connection;
use super::bandwidth::Reception;
use super::interests::Interests;
use super::linking::Arrived;
use super::publishing::Publishing;
use super::speaking::Voice;
use crate::{
    Identity, LinkKey, Membership, Origin, ParticipantInfo, Pausing, State, Streams, VideoQuality,
    Visibility, Wanted,
};

/// One participant within its room; never given to another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct ParticipantKey(u32);

/// All participants of a room.
#[derive(Debug, Default)]
pub(super) struct Participants {
    /// Ordered by arrival, so that everything told to everybody has one order.
    by_key: BTreeMap<ParticipantKey, Participant>,
    by_id: FxHashMap<ParticipantId, ParticipantKey>,
    by_identity: FxHashMap<Identity, ParticipantKey>,
    next: u32,
}

impl Participants {
    /// Takes somebody in. The identity must be free.
    pub(super) fn insert(&mut self, participant: Participant) -> ParticipantKey {
        let key = ParticipantKey(self.next);
        self.next += 1;
        self.by_id.insert(participant.info.id, key);
        self.by_identity
            .insert(participant.info.identity.clone(), key);
        self.by_key.insert(key, participant);
        key
    }

    /// Takes somebody out.
    pub(super) fn remove(&mut self, key: ParticipantKey) -> Option<Participant> {
        let participant = self.by_key.remove(&key)?;
        self.by_id.remove(&participant.info.id);
        self.by_identity.remove(&participant.info.identity);
        Some(participant)
    }

    pub(super) fn find(&self, key: ParticipantKey) -> Option<&Participant> {
        self.by_key.get(&key)
    }

    pub(super) fn find_mut(&mut self, key: ParticipantKey) -> Option<&mut Participant> {
        self.by_key.get_mut(&key)
    }

    pub(super) fn key_of(&self, id: ParticipantId) -> Option<ParticipantKey> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn key_of_identity(&self, identity: &Identity) -> Option<ParticipantKey> {
        self.by_identity.get(identity).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ParticipantKey, &Participant)> {
        self.by_key
            .iter()
            .map(|(key, participant)| (*key, participant))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (ParticipantKey, &mut Participant)> {
        self.by_key
            .iter_mut()
            .map(|(key, participant)| (*key, participant))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        self.by_key.values_mut()
    }

    /// Those connected here.
    pub(super) fn local(&self) -> impl Iterator<Item = (ParticipantKey, &Participant)> {
        self.iter()
            .filter(|(_, participant)| participant.is_local())
    }

    /// The keys of those connected here.
    pub(super) fn local_keys(&self) -> Vec<ParticipantKey> {
        self.local().map(|(key, _)| key).collect()
    }

    /// Somebody connected here.
    pub(super) fn local_key_of(&self, id: ParticipantId) -> Option<ParticipantKey> {
        let key = self.key_of(id)?;
        self.find(key)?.is_local().then_some(key)
    }

    pub(super) fn keys(&self) -> Vec<ParticipantKey> {
        self.by_key.keys().copied().collect()
    }

    /// The first, or the first after another one.
    pub(super) fn key_after(&self, before: Option<ParticipantKey>) -> Option<ParticipantKey> {
        let from = before.map_or(Bound::Unbounded, Bound::Excluded);
        let mut later = self.by_key.range((from, Bound::Unbounded));
        later.next().map(|(key, _)| *key)
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}

/// Somebody in the room.
#[derive(Debug)]
pub(super) struct Participant {
    /// As others see it; replaced as a whole, so that everybody told shares it.
    pub(super) info: Arc<ParticipantInfo>,
    /// The link over which it is told of, where it is connected elsewhere.
    pub(super) home: Option<LinkKey>,
    pub(super) seat: Seat,
    pub(super) protocol: i32,
    /// Whether it finds out whose tracks are streamed together.
    pub(super) streams: Streams,
    pub(super) auto_subscribe: Wanted,
    pub(super) auto_subscribe_data: Wanted,
    /// The layer it is sent before it says what it shows.
    pub(super) first_quality: VideoQuality,
    /// Where requests to it as a publisher go.
    pub(super) origin: Option<Origin>,
    /// Of those it publishes, what came over a link.
    pub(super) arrived: Vec<Arrived>,
    /// Until when its media has to be connected.
    pub(super) connect_by: Instant,
    /// Whether records say that it joined.
    pub(super) on_record: bool,
    pub(super) publishing: Publishing,
    /// Who may receive what it publishes.
    pub(super) allowed: Allowed,
    pub(super) interests: Interests,
    pub(super) reception: Reception,
    pub(super) voice: Voice,
    pub(super) connection: Connection,
    /// The number of its last reliable message.
    pub(super) last_sequence: u32,
}

/// Slow networks and permission dialogues included; a client that needs longer has
/// given up itself.
const CONNECT_WITHIN: Duration = Duration::from_secs(60);

impl Participant {
    pub(super) fn new(now: Instant, membership: Membership) -> Self {
        let Membership {
            mut participant,
            auto_subscribe,
            auto_subscribe_data,
            adaptive_stream,
            pausing,
            protocol,
            streams,
        } = membership;
        participant.state = State::Joined;
        participant.version = participant.version.saturating_add(1);
        participant.tracks.clear();
        participant.data_tracks.clear();
        Self {
            seat: Seat::of(&participant),
            info: Arc::new(participant),
            home: None,
            protocol,
            streams,
            auto_subscribe,
            auto_subscribe_data,
            first_quality: if adaptive_stream {
                VideoQuality::Low
            } else {
                VideoQuality::High
            },
            origin: None,
            arrived: Vec::new(),
            connect_by: now + CONNECT_WITHIN,
            on_record: false,
            publishing: Publishing::default(),
            allowed: Allowed::default(),
            interests: Interests::default(),
            reception: Reception::new(pausing),
            voice: Voice::default(),
            connection: Connection::default(),
            last_sequence: 0,
        }
    }

    /// Somebody who is connected elsewhere, as `told` over a link: it wants nothing here.
    pub(super) fn far(
        now: Instant,
        link: LinkKey,
        told: ParticipantInfo,
        allowed: Allowed,
    ) -> Self {
        let info = Arc::new(told);
        let membership = Membership {
            participant: (*info).clone(),
            auto_subscribe: Wanted::No,
            auto_subscribe_data: Wanted::No,
            adaptive_stream: false,
            pausing: Pausing::Allowed,
            protocol: 0,
            streams: Streams::Apart,
        };
        Self {
            info,
            home: Some(link),
            allowed,
            ..Self::new(now, membership)
        }
    }

    /// Whether it is connected here.
    pub(super) fn is_local(&self) -> bool {
        self.home.is_none()
    }

    /// Changes what others see, under a new version.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut ParticipantInfo)) {
        let info = Arc::make_mut(&mut self.info);
        change(info);
        info.version = info.version.saturating_add(1);
    }

    pub(super) fn is_active(&self) -> bool {
        self.info.state == State::Active
    }

    pub(super) fn is_hidden(&self) -> bool {
        match self.info.permission.visibility {
            Visibility::Visible => false,
            Visibility::Hidden => true,
        }
    }

    /// While it is there, the room is shown as being recorded.
    pub(super) fn is_recorder(&self) -> bool {
        self.info.permission.recorder || self.info.kind == EGRESS
    }

    pub(super) fn is_dependent(&self) -> bool {
        self.seat == Seat::Dependent
    }
}

/// Whether somebody came for a call of its own. Decided when it comes: a host who is
/// silenced or hidden for a while is still the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seat {
    /// Takes a place and keeps the room open.
    Own,
    /// Serves the others (agents, egress, recorders) and does neither.
    Dependent,
}

impl Seat {
    /// Apps also mark hosts as recorders, to have the room shown as recorded. Such a
    /// host shows itself and may publish, what no recorder does.
    pub(super) fn of(info: &ParticipantInfo) -> Self {
        let permission = &info.permission;
        let hosts = permission.can_publish && permission.visibility == Visibility::Visible;
        if matches!(info.kind, EGRESS | AGENT) || permission.recorder && !hosts {
            Self::Dependent
        } else {
            Self::Own
        }
    }
}

/// LiveKit's numbers of participant kinds.
const EGRESS: i32 = 2;
const AGENT: i32 = 4;
