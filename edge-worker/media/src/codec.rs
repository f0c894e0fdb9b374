//! The codecs we carry.

/// What a stream is for the ear or the eye.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// A picture: camera or screen.
    Video,
}

/// How a stream is encoded.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Codec {
    /// RFC 6716, RFC 7587.
    Opus,
    /// Opus with the previous frames repeated (RFC 2198).
    Red,
    /// RFC 7741.
    Vp8,
    /// RFC 6184.
    H264,
    /// RFC 9628.
    Vp9,
    /// The RTP payload format of the Alliance for Open Media.
    Av1,
}

impl Codec {
    /// All codecs, the preferred one of each kind first.
    pub const ALL: [Self; 6] = [
        Self::Vp8,
        Self::H264,
        Self::Vp9,
        Self::Av1,
        Self::Opus,
        Self::Red,
    ];

    /// Sound or picture.
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::Red => MediaKind::Audio,
            Self::Vp8 | Self::H264 | Self::Vp9 | Self::Av1 => MediaKind::Video,
        }
    }

    /// Whether one stream of it may have pictures of several sizes, each drawn with the help
    /// of the smaller ones.
    pub fn is_layered(self) -> bool {
        match self {
            Self::Vp9 | Self::Av1 => true,
            Self::Opus | Self::Red | Self::Vp8 | Self::H264 => false,
        }
    }

    /// RTP clock in Hz.
    pub fn clock_rate(self) -> u32 {
        match self.kind() {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        }
    }

    /// The MIME type as LiveKit writes it.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Opus => "audio/opus",
            Self::Red => "audio/red",
            Self::Vp8 => "video/VP8",
            Self::H264 => "video/H264",
            Self::Vp9 => "video/VP9",
            Self::Av1 => "video/AV1",
        }
    }

    /// The encoding name in an `a=rtpmap` line.
    pub fn rtpmap_name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Red => "red",
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
        }
    }

    /// Reads a MIME type (`video/VP8`) or a bare name (`vp8`), in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let bare = name.rsplit('/').next().unwrap_or(name);
        Self::ALL
            .into_iter()
            .find(|codec| codec.rtpmap_name().eq_ignore_ascii_case(bare))
    }
}

/// Some codecs, a bit for each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CodecSet(u8);

impl CodecSet {
    /// Whether `codec` is one of them.
    pub fn contains(self, codec: Codec) -> bool {
        self.0 & 1 << codec as u8 != 0
    }

    /// From now on `codec` is one of them.
    pub fn insert(&mut self, codec: Codec) {
        self.0 |= 1 << codec as u8;
    }
}

impl FromIterator<Codec> for CodecSet {
    fn from_iter<T: IntoIterator<Item = Codec>>(codecs: T) -> Self {
        let mut set = Self::default();
        codecs.into_iter().for_each(|codec| set.insert(codec));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_form() {
        for (name, expected) in [
            ("vp8", Some(Codec::Vp8)),
            ("video/VP8", Some(Codec::Vp8)),
            ("VIDEO/h264", Some(Codec::H264)),
            ("audio/opus", Some(Codec::Opus)),
            ("red", Some(Codec::Red)),
            ("vp9", Some(Codec::Vp9)),
            ("video/AV1", Some(Codec::Av1)),
            ("video/vp10", None),
            ("", None),
        ] {
            assert_eq!(Codec::from_name(name), expected, "{name}");
        }
    }
}
