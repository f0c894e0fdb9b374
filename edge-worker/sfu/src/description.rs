//! What is told of rooms, participants and tracks: plain descriptions, the words
//! clients see. Writing them in LiveKit's messages is left to `livekit`.

use std::collections::BTreeMap;
use std::sync::Arc;

use media::{Codec, MediaKind, ParticipantId, PlayoutDelay, RoomId, TrackId};

use crate::{DataTrackInfo, LeaveReason, Pausing, Profile, Wanted};

/// The name the app gave a participant; at most one per room at a time.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Identity(pub Arc<str>);

/// A room as clients see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomInfo {
    /// This life of the room.
    pub id: RoomId,
    /// The name the app gave it.
    pub name: Arc<str>,
    /// Free text of the app.
    pub metadata: String,
    /// Milliseconds since 1970.
    pub created_at_ms: i64,
    /// Seconds it stays open when nobody ever joined.
    pub empty_timeout_s: u32,
    /// Seconds it stays open after the last participant left.
    pub departure_timeout_s: u32,
    /// 0: no limit.
    pub max_participants: u32,
    /// How clients play what they receive.
    pub playing: Playing,
    /// Visible participants.
    pub participants: u32,
    /// Visible participants who publish.
    pub publishers: u32,
    /// Somebody records it.
    pub active_recording: bool,
}

/// How clients play what they receive in a room.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Playing {
    /// How tracks are grouped.
    pub streams: Streams,
    /// How long pictures wait; `None` leaves it to the client.
    pub delay: Option<PlayoutDelay>,
    /// What anybody in it is sent at most.
    pub profile: Profile,
    /// How many voices anybody hears at a time; 0: all.
    pub loudest: u32,
}

/// How tracks are grouped into the streams that clients play in step.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Streams {
    /// Each track is one.
    #[default]
    Apart,
    /// Sound and picture of one source are one.
    Together,
}

/// A participant as clients see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParticipantInfo {
    /// This membership.
    pub id: ParticipantId,
    /// Chosen by the app.
    pub identity: Identity,
    /// For display.
    pub name: String,
    /// Free text of the app.
    pub metadata: String,
    /// Free key-value pairs of the app.
    pub attributes: BTreeMap<String, String>,
    /// How far it has come.
    pub state: State,
    /// Milliseconds since 1970.
    pub joined_at_ms: i64,
    /// Rises with every change; receivers drop what is older.
    pub version: u32,
    /// What it may do.
    pub permission: Permission,
    /// Standard, agent, egress ...: LiveKit's number, passed on.
    pub kind: i32,
    /// LiveKit's numbers, passed on.
    pub kind_details: Vec<i32>,
    /// Where its node is.
    pub region: String,
    /// Features it has towards other participants: LiveKit's number, passed on.
    pub client_protocol: i32,
    /// LiveKit's numbers, passed on.
    pub capabilities: Vec<i32>,
    /// What it publishes.
    pub tracks: Vec<Arc<TrackInfo>>,
    /// What it publishes besides media.
    pub data_tracks: Vec<Arc<DataTrackInfo>>,
}

impl ParticipantInfo {
    /// Whether it publishes anything.
    pub fn is_publisher(&self) -> bool {
        !self.tracks.is_empty()
    }
}

/// How far a participant has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Admitted, nothing sent yet.
    Joining,
    /// Its join was answered.
    Joined,
    /// Its media connection is up.
    Active,
    /// Gone.
    Disconnected(LeaveReason),
}

/// Whether others are told of a participant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Visibility {
    /// Like anybody.
    #[default]
    Visible,
    /// Told to nobody; may listen.
    Hidden,
}

/// What a participant may do.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a list of independent permissions"
)]
pub struct Permission {
    /// Receive tracks.
    pub can_subscribe: bool,
    /// Publish tracks.
    pub can_publish: bool,
    /// Send data messages.
    pub can_publish_data: bool,
    /// Narrows `can_publish`; empty allows every source.
    pub can_publish_sources: Vec<Source>,
    /// Change its own name, metadata and attributes.
    pub can_update_metadata: bool,
    /// Receive metrics of others.
    pub can_subscribe_metrics: bool,
    /// Told to nobody.
    pub visibility: Visibility,
    /// Marks a recording in progress.
    pub recorder: bool,
}

impl Permission {
    /// Whether tracks of `source` may be published.
    pub fn may_publish(&self, source: Source) -> bool {
        // Nobody may be told of what somebody hidden publishes.
        self.visibility == Visibility::Visible
            && self.can_publish
            && (self.can_publish_sources.is_empty() || self.can_publish_sources.contains(&source))
    }
}

/// What somebody brings to a room.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Minted by the shell; `state` and `tracks` are overwritten, and `version` rises.
    pub participant: ParticipantInfo,
    /// Subscribe to every track, present and coming, without being asked.
    pub auto_subscribe: Wanted,
    /// The same of data tracks.
    pub auto_subscribe_data: Wanted,
    /// Start with the smallest layer and wait for wishes.
    pub adaptive_stream: bool,
    /// Whether pictures may stop where its link is too narrow.
    pub pausing: Pausing,
    /// LiveKit's signalling protocol number.
    pub protocol: i32,
    /// Whether its client finds out whose tracks are streamed together.
    pub streams: Streams,
}

/// Where a track comes from.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Source {
    /// Not told.
    #[default]
    Unknown,
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen.
    ScreenShare,
    /// The sound of a shared screen.
    ScreenShareAudio,
}

/// Whether a track's publisher sends nothing on purpose.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Muted {
    /// Sending.
    #[default]
    No,
    /// Silent on purpose.
    Yes,
}

/// How frames are encrypted between participants; we only pass it on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encryption {
    /// Not at all.
    #[default]
    None,
    /// AES-GCM of the SDKs.
    Gcm,
    /// Something of the app's.
    Custom,
}

/// Which layer is meant by a wish or a description.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum VideoQuality {
    /// Smallest.
    Low,
    /// In between.
    Medium,
    /// Largest.
    High,
}

/// One layer as its publisher announced it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VideoLayer {
    /// Its place.
    pub quality: VideoQuality,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// bit/s.
    pub bitrate: u32,
}

/// LiveKit's number for a property of sound, passed on.
pub type AudioFeature = i32;

/// One encoding of a track that may be published in several codecs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SimulcastCodec {
    /// The codec, if it is one of ours.
    pub codec: Option<Codec>,
    /// The client's track id for this encoding.
    pub cid: String,
}

/// A track as clients see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrackInfo {
    /// For its whole life.
    pub id: TrackId,
    /// Sound or picture.
    pub kind: MediaKind,
    /// For display.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// Silent on purpose.
    pub muted: Muted,
    /// Pixels of the largest layer.
    pub width: u32,
    /// Pixels of the largest layer.
    pub height: u32,
    /// Small to large.
    pub layers: Vec<VideoLayer>,
    /// Published in several layers.
    pub simulcast: bool,
    /// What it is encoded with; known once media is negotiated.
    pub codec: Option<Codec>,
    /// Tracks of one name belong together (lip sync); may be empty.
    pub stream: String,
    /// Between participants.
    pub encryption: Encryption,
    /// Two channels.
    pub stereo: bool,
    /// The publisher wants no RED.
    pub disable_red: bool,
    /// The publisher wants no DTX.
    pub disable_dtx: bool,
    /// LiveKit's numbers, passed on.
    pub audio_features: Vec<AudioFeature>,
    /// LiveKit's number, passed on.
    pub backup_codec_policy: i32,
    /// The client's own ids for it, the announced one first.
    pub codecs: Vec<SimulcastCodec>,
}
