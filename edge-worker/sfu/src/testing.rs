//! Descriptions for the tests beside the code, written short: `a:mic` is a sound
//! with the client id `mic`, `0:v:cam` an m-line `0` with a picture `cam`.

use std::time::Instant;

use media::{Codec, MediaKind, Mid};

use crate::{Encryption, Muted, OfferedSection, Publication, Source, TrackInfo};

/// The same moment, every time it is asked within one thread.
pub(crate) fn start() -> Instant {
    thread_local! {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        static START: Instant = Instant::now();
    }
    START.with(|start| *start)
}

pub(crate) fn publication(text: &str) -> Publication {
    let (kind, cid) = text.split_once(':').unwrap();
    Publication {
        cid: cid.to_owned(),
        track: TrackInfo {
            id: format!("TR_{cid}").parse().unwrap(),
            kind: self::kind(kind),
            name: cid.to_owned(),
            source: Source::Unknown,
            muted: Muted::No,
            width: 0,
            height: 0,
            layers: Vec::new(),
            simulcast: false,
            codec: None,
            stream: String::new(),
            encryption: Encryption::None,
            stereo: false,
            disable_red: false,
            disable_dtx: false,
            audio_features: Vec::new(),
            backup_codec_policy: 0,
            codecs: Vec::new(),
        },
        backup_of: None,
    }
}

pub(crate) fn section(text: &str) -> OfferedSection {
    let (mid, rest) = text.split_once(':').unwrap();
    let (kind, cid) = rest.split_once(':').unwrap();
    let kind = self::kind(kind);
    OfferedSection {
        mid: Mid::new(mid.as_bytes()).unwrap(),
        kind,
        cid: cid.to_owned(),
        rids: Vec::new(),
        codecs: match kind {
            MediaKind::Audio => vec![Codec::Opus, Codec::Red],
            MediaKind::Video => vec![Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1],
        },
    }
}

fn kind(text: &str) -> MediaKind {
    match text {
        "a" => MediaKind::Audio,
        "v" => MediaKind::Video,
        other => panic!("{other} is no kind"),
    }
}
