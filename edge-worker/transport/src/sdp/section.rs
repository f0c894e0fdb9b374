//! One m-line and the lines that follow it.

use media::{Bitrate, Mid, Rid, Ssrc};

use super::TransportLines;

/// One m-line and the lines that follow it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Section {
    /// The first word of the m-line.
    pub kind: SectionKind,
    /// 0 rejects the section, unless it is `bundle_only`.
    pub port: u16,
    /// `UDP/TLS/RTP/SAVPF`, `UDP/DTLS/SCTP` ...
    pub protocol: String,
    /// Its name (RFC 5888).
    pub mid: Option<Mid>,
    /// Port 0 only says that there is no transport without the bundle (RFC 9143 section 6).
    pub bundle_only: bool,
    /// Who sends, as the describing side sees it.
    pub direction: Direction,
    /// What the other side may send in it (RFC 3890).
    pub bandwidth: Option<Bitrate>,
    /// Transport lines of this section.
    pub transport: TransportLines,
    /// RTP and RTCP share one transport (RFC 5761).
    pub rtcp_mux: bool,
    /// Feedback need not come in compound packets (RFC 5506).
    pub rtcp_rsize: bool,
    /// Codecs with an `rtpmap`, in the order of the m-line.
    pub codecs: Vec<CodecLine>,
    /// RTP header extensions (RFC 8285).
    pub extensions: Vec<Extension>,
    /// The names of stream and track (RFC 8830).
    pub msids: Vec<Msid>,
    /// Sources (RFC 5576), each once.
    pub ssrcs: Vec<SsrcLine>,
    /// How sources belong together.
    pub ssrc_groups: Vec<SsrcGroup>,
    /// Simulcast encodings (RFC 8851).
    pub rids: Vec<RidLine>,
    /// Which of them are used together (RFC 8853).
    pub simulcast: Option<Simulcast>,
    /// Candidate lines, without `a=`; see [`Candidate`](super::Candidate).
    pub candidates: Vec<String>,
    /// No more candidates will come (RFC 8840).
    pub end_of_candidates: bool,
    /// SCTP's port within DTLS (RFC 8841).
    pub sctp_port: Option<u16>,
    /// Longest message the side takes; 0 is any length.
    pub max_message_size: Option<u64>,
}

impl Section {
    /// Most codecs read.
    pub const MAX_CODECS: usize = 64;
    /// Most header extensions read.
    pub const MAX_EXTENSIONS: usize = 64;
    /// Most sources read.
    pub const MAX_SSRCS: usize = 64;
    /// Most simulcast encodings read.
    pub const MAX_RIDS: usize = 8;
    /// Most candidates read.
    pub const MAX_CANDIDATES: usize = 64;

    /// A section without lines.
    pub(crate) fn new(kind: SectionKind, protocol: String) -> Self {
        Self {
            kind,
            port: 9,
            protocol,
            mid: None,
            bundle_only: false,
            direction: Direction::SendRecv,
            bandwidth: None,
            transport: TransportLines::default(),
            rtcp_mux: false,
            rtcp_rsize: false,
            codecs: Vec::new(),
            extensions: Vec::new(),
            msids: Vec::new(),
            ssrcs: Vec::new(),
            ssrc_groups: Vec::new(),
            rids: Vec::new(),
            simulcast: None,
            candidates: Vec::new(),
            end_of_candidates: false,
            sctp_port: None,
            max_message_size: None,
        }
    }

    /// Whether the describing side refuses this section.
    pub fn is_rejected(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }
}

/// What an m-line is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SectionKind {
    /// Sound.
    Audio,
    /// A picture.
    Video,
    /// Data channels.
    Application,
    /// Anything else: kept in its place, never accepted.
    Other(String),
}

impl SectionKind {
    /// As written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Other(word) => word,
        }
    }
}

/// Who sends in a section, as the describing side sees it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// The describing side.
    SendOnly,
    /// The other side.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// Whether the describing side sends.
    pub fn sends(self) -> bool {
        match self {
            Self::SendRecv | Self::SendOnly => true,
            Self::RecvOnly | Self::Inactive => false,
        }
    }

    /// Whether the describing side receives.
    pub fn receives(self) -> bool {
        match self {
            Self::SendRecv | Self::RecvOnly => true,
            Self::SendOnly | Self::Inactive => false,
        }
    }

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// One payload type: `rtpmap`, `fmtp` and `rtcp-fb` together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodecLine {
    /// 0 to 127.
    pub payload_type: u8,
    /// The encoding name.
    pub name: String,
    /// In Hz.
    pub clock_rate: u32,
    /// Audio channels, where written.
    pub channels: Option<u8>,
    /// Format parameters as written, or empty.
    pub fmtp: String,
    /// Feedback the side can give and take: `nack pli` ...
    pub feedback: Vec<String>,
}

impl CodecLine {
    /// The value of one `key=value` among the format parameters.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.fmtp.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case(key).then(|| value.trim())
        })
    }
}

/// One RTP header extension and the number that stands for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extension {
    /// As written; which numbers can be used is not checked here.
    pub id: u16,
    /// Which direction it is for; both, where not written.
    pub direction: Option<Direction>,
    /// What it is.
    pub uri: String,
}

/// The names of a media stream and a track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Msid {
    /// Tracks of one stream are played in step; `-` is no stream.
    pub stream: String,
    /// Empty where not written.
    pub track: String,
}

/// One source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SsrcLine {
    /// Its number.
    pub ssrc: Ssrc,
    /// Sources of the same clock share it.
    pub cname: Option<String>,
    /// Its stream and track.
    pub msid: Option<Msid>,
}

/// Sources that belong together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SsrcGroup {
    /// How.
    pub kind: SsrcGroupKind,
    /// Which.
    pub ssrcs: Vec<Ssrc>,
}

/// How sources belong together (RFC 5576 section 4.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SsrcGroupKind {
    /// A stream and the stream that repairs it (RFC 4588).
    Fid,
    /// Encodings of one picture, small to large.
    Sim,
}

/// One simulcast encoding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RidLine {
    /// Its name.
    pub rid: Rid,
    /// Who sends it.
    pub direction: RidDirection,
    /// Restrictions as written, or empty.
    pub restrictions: String,
}

/// Who sends an encoding, as the describing side sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RidDirection {
    /// The describing side.
    Send,
    /// The other side.
    Recv,
}

/// Encodings used together. Of alternatives only the first is kept, and that an
/// encoding starts paused is left out: it starts when it starts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Simulcast {
    /// Sent by the describing side.
    pub send: Vec<Rid>,
    /// Sent by the other side.
    pub recv: Vec<Rid>,
}
