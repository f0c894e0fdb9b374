//! The RTP header extensions we read and write (RFC 8285), and their numbers.

use media::{Codec, MediaKind, PlayoutDelay};

use super::error::NegotiationError;
use crate::sdp::{CodecLine, Direction, Extension, Section, SectionKind};

/// The number of each extension; 0 where it is not negotiated. In a bundle a number
/// means the same in every m-line (RFC 9143 section 9.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ExtensionIds {
    /// Name of the m-line (RFC 9143 section 15).
    pub(crate) mid: u8,
    /// Name of the encoding (RFC 8852).
    pub(crate) rid: u8,
    /// Name of the encoding a repair belongs to (RFC 8852).
    pub(crate) repaired_rid: u8,
    /// Loudness (RFC 6464).
    pub(crate) audio_level: u8,
    /// Number on the transport, for its feedback.
    pub(crate) twcc: u8,
    /// How long pictures wait with whom they are sent to.
    pub(crate) playout: u8,
    /// What a frame depends on (AV1 RTP specification, appendix A).
    pub(crate) dependencies: u8,
}

impl ExtensionIds {
    /// Takes the numbers of one more section; they must fit those taken so far.
    pub(super) fn merge(&mut self, section: &Section) -> Result<(), NegotiationError> {
        for extension in &section.extensions {
            let (Some(kind), Some(id)) = (Kind::of(extension), usable_id(extension)) else {
                continue;
            };
            let mut others = Kind::ALL.into_iter().filter(|other| *other != kind);
            if others.any(|other| self.id(other) == id) {
                return Err(NegotiationError::ExtensionConflict(extension.id));
            }
            let known = self.id_mut(kind);
            if *known == 0 {
                *known = id;
            }
        }
        Ok(())
    }

    /// The lines of a section to echo, mirrored, whatever it carries now: a browser offers
    /// later only what was agreed before, and it may send in it then. What has another
    /// number than in the sections before it is left out.
    pub(super) fn echo(&self, offered: &[Extension]) -> Vec<Extension> {
        let keep = |extension: &&Extension| {
            Kind::of(extension).is_some_and(|kind| usable_id(extension) == Some(self.id(kind)))
        };
        let kept = offered.iter().filter(keep);
        kept.map(|extension| Extension {
            direction: extension.direction.map(mirrored),
            ..extension.clone()
        })
        .collect()
    }

    /// Does not agree to what nobody here has to say.
    pub(super) fn leave_playout_out(&mut self) {
        self.playout = 0;
    }

    fn id(&self, kind: Kind) -> u8 {
        match kind {
            Kind::Mid => self.mid,
            Kind::Rid => self.rid,
            Kind::RepairedRid => self.repaired_rid,
            Kind::AudioLevel => self.audio_level,
            Kind::Twcc => self.twcc,
            Kind::Playout => self.playout,
            Kind::Dependencies => self.dependencies,
        }
    }

    fn id_mut(&mut self, kind: Kind) -> &mut u8 {
        match kind {
            Kind::Mid => &mut self.mid,
            Kind::Rid => &mut self.rid,
            Kind::RepairedRid => &mut self.repaired_rid,
            Kind::AudioLevel => &mut self.audio_level,
            Kind::Twcc => &mut self.twcc,
            Kind::Playout => &mut self.playout,
            Kind::Dependencies => &mut self.dependencies,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Mid,
    Rid,
    RepairedRid,
    AudioLevel,
    Twcc,
    Playout,
    Dependencies,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::AudioLevel,
        Self::Twcc,
        Self::Playout,
        Self::Dependencies,
    ];

    fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::Twcc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::Playout => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::Dependencies => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
        }
    }

    fn of(extension: &Extension) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.uri() == extension.uri)
    }
}

/// The `extmap` lines of a section of our own offers, for a sender of `codec` if there is one.
pub(super) fn our_extensions(
    kind: MediaKind,
    codec: Option<Codec>,
    playout: Option<PlayoutDelay>,
) -> Vec<Extension> {
    let always = [(OUR_TWCC, Kind::Twcc), (OUR_MID, Kind::Mid)].into_iter();
    let playout = match (kind, playout) {
        (MediaKind::Video, Some(_)) => Some((OUR_PLAYOUT, Kind::Playout)),
        (MediaKind::Audio, _) | (MediaKind::Video, None) => None,
    };
    let dependencies = codec.filter(|codec| *codec == Codec::Av1);
    let dependencies = dependencies.map(|_| (OUR_DEPENDENCIES, Kind::Dependencies));
    let line = |(id, kind): (u8, Kind)| Extension {
        id: u16::from(id),
        direction: None,
        uri: kind.uri().into(),
    };
    always
        .chain(playout)
        .chain(dependencies)
        .map(line)
        .collect()
}

/// The number of the m-line's name in our own offers.
const OUR_MID: u8 = 4;
/// The number of the transport-wide number in our own offers.
const OUR_TWCC: u8 = 3;
/// The number of the playout delay in our own offers.
const OUR_PLAYOUT: u8 = 5;
/// The number of the dependency descriptor in our own offers.
const OUR_DEPENDENCIES: u8 = 6;

/// The number the `mid` extension has in a section, if it can be written.
pub(super) fn mid_id(extensions: &[Extension]) -> Option<u8> {
    id_of(Kind::Mid, extensions)
}

/// The number the dependency descriptor has in a section, if it can be written.
pub(super) fn dependencies_id(extensions: &[Extension]) -> Option<u8> {
    id_of(Kind::Dependencies, extensions)
}

fn id_of(kind: Kind, extensions: &[Extension]) -> Option<u8> {
    let found = extensions
        .iter()
        .find(|extension| Kind::of(extension) == Some(kind))?;
    usable_id(found)
}

/// The number the transport-wide number has in a section that carries it and whose feedback
/// tells of it.
pub(super) fn twcc_id(section: &Section) -> Option<u8> {
    let told = |line: &CodecLine| line.feedback.iter().any(|each| each == TRANSPORT_FEEDBACK);
    section.codecs.iter().find(|line| told(line))?;
    let twcc = section
        .extensions
        .iter()
        .find(|extension| Kind::of(extension) == Some(Kind::Twcc))?;
    usable_id(twcc)
}

/// The number the playout delay has in a section of pictures, if it can be written.
pub(super) fn playout_id(section: &Section) -> Option<u8> {
    if section.kind != SectionKind::Video {
        return None;
    }
    let playout = section
        .extensions
        .iter()
        .find(|extension| Kind::of(extension) == Some(Kind::Playout))?;
    usable_id(playout)
}

/// The feedback that tells of every packet of the transport.
pub(super) const TRANSPORT_FEEDBACK: &str = "transport-cc";

/// 0 is padding, 15 and what needs more than a byte cannot be written (RFC 8285
/// section 4.2), and an inactive extension is not sent.
fn usable_id(extension: &Extension) -> Option<u8> {
    let id = u8::try_from(extension.id).ok()?;
    let usable = !matches!(id, 0 | 15) && extension.direction != Some(Direction::Inactive);
    usable.then_some(id)
}

fn mirrored(direction: Direction) -> Direction {
    match direction {
        Direction::SendRecv | Direction::Inactive => direction,
        Direction::SendOnly => Direction::RecvOnly,
        Direction::RecvOnly => Direction::SendOnly,
    }
}
