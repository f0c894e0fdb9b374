//! What we send to a client in one m-line: asked for, and as negotiated.

use media::{Codec, MediaKind, Mid, PayloadType, PlayoutDelay, Ssrc};

/// One stream towards the client, of one forwarder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sender {
    /// What the track is published in. Audio may be sent as RED or as Opus, whatever of
    /// the two this says.
    pub codec: Codec,
    /// First word of the `msid`.
    pub stream: String,
    /// First word of the `msid` instead, where others with it are to be played in step. By the
    /// second word alone a client knows only the first sender of an m-line, so that it is
    /// placed in a fresh one; if there is none any more, under `stream`.
    pub shared: Option<String>,
    /// Second word of the `msid`.
    pub track: String,
    /// Shared by streams of the same clock.
    pub cname: String,
    /// Of the stream itself.
    pub ssrc: Ssrc,
    /// Of its repairs, where they are negotiated.
    pub rtx: Ssrc,
    /// One channel or two; video has one.
    pub channels: Channels,
}

impl Sender {
    /// Sound or picture.
    pub fn kind(&self) -> MediaKind {
        self.codec.kind()
    }

    /// First word of the `msid`.
    pub(super) fn stream(&self) -> &str {
        self.shared.as_ref().unwrap_or(&self.stream)
    }
}

/// Audio channels.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Channels {
    /// One.
    #[default]
    Mono,
    /// Two.
    Stereo,
}

/// Names a sender within its transport; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SenderId(pub u32);

/// Senders that no m-line of the newest description carries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unplaced {
    /// Of sound.
    pub audio: usize,
    /// Of pictures.
    pub video: usize,
}

/// How packets of a sender are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Sending {
    /// Its m-line.
    pub(crate) mid: Mid,
    /// Of the stream itself.
    pub(crate) ssrc: Ssrc,
    /// Of its repairs; `None` where the client takes none.
    pub(crate) rtx_ssrc: Option<Ssrc>,
    /// At least one, best first.
    pub(crate) codecs: Vec<SendingCodec>,
    /// Number of the header extension that carries `mid`.
    pub(crate) mid_extension: Option<u8>,
    /// Number of the header extension that carries the number on the transport, where the
    /// client tells what it received by these.
    pub(crate) twcc_extension: Option<u8>,
    /// Number of the header extension that says how long pictures shall wait, and how long.
    pub(crate) playout: Option<(u8, PlayoutDelay)>,
    /// Number of the header extension that tells of layers.
    pub(crate) dependencies: Option<u8>,
}

impl Sending {
    /// How packets of `codec` are marked, if the client takes them.
    pub(crate) fn codec(&self, codec: Codec) -> Option<&SendingCodec> {
        self.codecs.iter().find(|each| each.codec == codec)
    }
}

/// One codec a client takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SendingCodec {
    /// The codec.
    pub(crate) codec: Codec,
    /// What stands for it.
    pub(crate) payload_type: PayloadType,
    /// What stands for its repairs (RFC 4588).
    pub(crate) rtx: Option<PayloadType>,
}
