//! One place in the order of m-lines, and what it carries now.

use media::{Codec, MediaKind, Mid, Rid};

use super::codecs::{Carried, Dtx, SoundRate};
use super::sender::{Channels, SenderId};
use crate::sdp::{Extension, Section, SectionKind};

/// One place in the order of m-lines. Places are never taken away, only refilled
/// (RFC 9429 section 5.2.2), so whoever holds an index can keep it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) mid: Option<Mid>,
    pub(super) kind: SectionKind,
    pub(super) protocol: String,
    pub(super) load: Load,
    /// Carried a sender once: some clients do not notice the next one.
    pub(super) worn: bool,
    /// What the client offers or accepts here that we carry.
    pub(super) carried: Vec<Carried>,
    /// All header extensions as the client wrote them.
    pub(super) extensions: Vec<Extension>,
    /// The client asks for feedback outside compound packets.
    pub(super) rtcp_rsize: bool,
    /// How the client is asked to encode what it sends here.
    pub(super) wish: Wish,
}

/// What a place carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Load {
    /// Refused by a side; can be refilled under a new name.
    Rejected,
    /// Data channels.
    Data,
    /// Nothing now.
    Idle(Receptive),
    /// A stream of the client's.
    Receiving(Received),
    /// A sender.
    Sending(SenderId),
}

/// Whether the client would receive in an idle place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Receptive {
    /// It would.
    Yes,
    /// Not as it described it last.
    No,
}

/// A stream of the client's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Received {
    /// The client's name for the track.
    pub(super) cid: String,
    /// Its encodings, in its order; none if there is only one, without a name.
    pub(super) rids: Vec<Rid>,
}

/// How the client is asked to encode.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Wish {
    pub(super) codec: Option<Codec>,
    pub(super) channels: Channels,
    pub(super) dtx: Dtx,
    pub(super) rate: SoundRate,
}

impl Slot {
    /// An empty place like `section`.
    pub(super) fn like(section: &Section, load: Load) -> Self {
        Self {
            mid: section.mid,
            kind: section.kind.clone(),
            protocol: section.protocol.clone(),
            load,
            worn: false,
            carried: Vec::new(),
            extensions: Vec::new(),
            rtcp_rsize: section.rtcp_rsize,
            wish: Wish::default(),
        }
    }

    /// Sound or picture, where it is one of them.
    pub(super) fn media_kind(&self) -> Option<MediaKind> {
        media_kind(&self.kind)
    }

    /// The sender it carries.
    pub(super) fn sender(&self) -> Option<SenderId> {
        match self.load {
            Load::Sending(id) => Some(id),
            Load::Rejected | Load::Data | Load::Idle(_) | Load::Receiving(_) => None,
        }
    }

    /// Whether a sender of `kind` could be placed here.
    pub(super) fn is_free(&self, kind: MediaKind) -> bool {
        self.load == Load::Idle(Receptive::Yes) && self.media_kind() == Some(kind)
    }
}

/// Sound or picture, where it is one of them.
pub(super) fn media_kind(kind: &SectionKind) -> Option<MediaKind> {
    match kind {
        SectionKind::Audio => Some(MediaKind::Audio),
        SectionKind::Video => Some(MediaKind::Video),
        SectionKind::Application | SectionKind::Other(_) => None,
    }
}
