//! A client's announcement of a track, and the publication made of it.

use media::{Codec, MediaKind, TrackId};
use sfu::{Muted, Publication, Refusal, SimulcastCodec, Source, TrackInfo, VideoLayer};

use crate::{info, proto};

/// Bytes of a client's own ids, a track's name or a stream's name.
const MAX_TEXT: usize = 256;

/// Codecs of one track: the wanted one and a backup, with room to spare.
const MAX_CODECS: usize = 4;

/// Layers of one track; more than three are not told apart.
const MAX_LAYERS: usize = 3;

/// More properties of sound than exist.
pub(super) const MAX_FEATURES: usize = 16;

/// An announced track, not yet given an id.
#[derive(Clone, Debug, PartialEq)]
pub struct AddTrack(proto::AddTrackRequest);

/// A track as an offer shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DescribedTrack {
    /// As the offer names it.
    pub cid: String,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// How many encodings of it are sent, small to large.
    pub encodings: usize,
    /// Of sound.
    pub channels: u8,
}

impl AddTrack {
    pub(crate) fn from_proto(message: proto::AddTrackRequest) -> Self {
        Self(message)
    }

    /// One of somebody who announces nothing beside its offer (WHIP, RFC 9725).
    pub fn described(track: &DescribedTrack) -> Self {
        let (kind, source) = match track.kind {
            MediaKind::Audio => (proto::TrackType::Audio, proto::TrackSource::Microphone),
            MediaKind::Video => (proto::TrackType::Video, proto::TrackSource::Camera),
        };
        let layer = |index: usize| proto::VideoLayer {
            quality: index as i32,
            ..proto::VideoLayer::default()
        };
        let encodings = match track.kind {
            MediaKind::Audio => 0,
            MediaKind::Video => track.encodings.min(MAX_LAYERS),
        };
        let mut features = Vec::new();
        if track.channels > 1 {
            features.push(proto::AudioTrackFeature::TfStereo.into());
        }
        Self(proto::AddTrackRequest {
            cid: track.cid.clone(),
            r#type: kind.into(),
            source: source.into(),
            layers: (0..encodings).map(layer).collect(),
            audio_features: features,
            ..proto::AddTrackRequest::default()
        })
    }

    /// The client's id for it; names it in a refusal.
    pub fn cid(&self) -> &str {
        &self.0.cid
    }

    /// Where the track comes from.
    pub fn source(&self) -> Source {
        info::source(self.0.source)
    }

    /// Makes a publication of it, its id ending in `suffix`, which the shell draws
    /// at random: 12 letters and digits.
    pub fn publication(&self, suffix: &str) -> Result<Publication, Refusal> {
        let message = &self.0;
        // A second codec for a track that is there.
        let backup_of = match message.sid.as_str() {
            "" => None,
            sid => Some(sid.parse().map_err(|_| Refusal::NotFound)?),
        };
        let kind = match proto::TrackType::try_from(message.r#type) {
            Ok(proto::TrackType::Audio) => MediaKind::Audio,
            Ok(proto::TrackType::Video) => MediaKind::Video,
            Ok(proto::TrackType::Data) | Err(_) => return Err(Refusal::Unsupported),
        };
        if message.cid.is_empty() {
            return Err(Refusal::NotFound);
        }
        if [&message.cid, &message.name, &message.stream]
            .iter()
            .any(|it| it.len() > MAX_TEXT)
        {
            return Err(Refusal::LimitExceeded);
        }
        let source = self.source();
        let layers = self.layers(kind);
        let features: Vec<i32> = message
            .audio_features
            .iter()
            .copied()
            .take(MAX_FEATURES)
            .collect();
        let has = |feature: proto::AudioTrackFeature| features.contains(&i32::from(feature));
        #[expect(deprecated, reason = "older clients tell it only there")]
        let (stereo, disable_dtx) = (message.stereo, message.disable_dtx);
        Ok(Publication {
            cid: message.cid.clone(),
            backup_of,
            track: TrackInfo {
                id: track_id(kind, source, suffix).ok_or(Refusal::Unsupported)?,
                kind,
                name: message.name.clone(),
                source,
                muted: if message.muted { Muted::Yes } else { Muted::No },
                width: message.width,
                height: message.height,
                simulcast: layers.len() > 1,
                layers,
                codec: None,
                stream: message.stream.clone(),
                encryption: info::encryption(message.encryption),
                stereo: stereo || has(proto::AudioTrackFeature::TfStereo),
                disable_red: message.disable_red,
                disable_dtx: disable_dtx || has(proto::AudioTrackFeature::TfNoDtx),
                audio_features: features,
                backup_codec_policy: message.backup_codec_policy,
                codecs: self.codecs(kind),
            },
        })
    }

    /// Small to large, one per quality. Some clients tell them per codec only.
    fn layers(&self, kind: MediaKind) -> Vec<VideoLayer> {
        if kind == MediaKind::Audio {
            return Vec::new();
        }
        let told = match self.0.simulcast_codecs.first() {
            Some(codec) if self.0.layers.is_empty() => &codec.layers,
            Some(_) | None => &self.0.layers,
        };
        let mut layers: Vec<_> = Vec::with_capacity(MAX_LAYERS);
        for layer in told.iter().filter_map(info::layer_from_proto) {
            if !layers
                .iter()
                .any(|known: &VideoLayer| known.quality == layer.quality)
            {
                layers.push(layer);
            }
        }
        layers.sort_by_key(|layer| layer.quality);
        layers
    }

    /// The wished codec first. One we do not carry is replaced by VP8, which every
    /// client can encode and which JS changes to when it reads the acknowledgement.
    fn codecs(&self, kind: MediaKind) -> Vec<SimulcastCodec> {
        let mut codecs: Vec<SimulcastCodec> = Vec::new();
        for told in self.0.simulcast_codecs.iter().take(MAX_CODECS) {
            let known = Codec::from_name(&told.codec).filter(|codec| codec.kind() == kind);
            let fallback = match kind {
                MediaKind::Video if codecs.is_empty() && !told.codec.is_empty() => Some(Codec::Vp8),
                MediaKind::Video | MediaKind::Audio => None,
            };
            let Some(codec) = known.or(fallback) else {
                continue;
            };
            let repeated = codecs.iter().any(|other| other.codec == Some(codec));
            if !repeated && told.cid.len() <= MAX_TEXT {
                codecs.push(SimulcastCodec {
                    codec: Some(codec),
                    cid: told.cid.clone(),
                });
            }
        }
        codecs
    }
}

/// LiveKit's form: the kind's letter, the source's, then the random part.
fn track_id(kind: MediaKind, source: Source, suffix: &str) -> Option<TrackId> {
    let kind = match kind {
        MediaKind::Audio => "A",
        MediaKind::Video => "V",
    };
    let source = match source {
        Source::Unknown => "",
        Source::Camera => "C",
        Source::Microphone => "M",
        Source::ScreenShare => "S",
        Source::ScreenShareAudio => "s",
    };
    format!("{}{kind}{source}{suffix}", TrackId::PREFIX)
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu::VideoQuality;

    const SUFFIX: &str = "abcdefghijkl";

    fn video() -> proto::AddTrackRequest {
        proto::AddTrackRequest {
            cid: "cam".into(),
            r#type: 1,
            source: 1,
            width: 1280,
            height: 720,
            ..Default::default()
        }
    }

    fn layer(quality: i32, width: u32) -> proto::VideoLayer {
        proto::VideoLayer {
            quality,
            width,
            height: width / 2,
            ..Default::default()
        }
    }

    fn codec(codec: &str, cid: &str) -> proto::SimulcastCodec {
        proto::SimulcastCodec {
            codec: codec.into(),
            cid: cid.into(),
            ..Default::default()
        }
    }

    #[test]
    fn at_4_the_sid_tells_kind_and_source() {
        for (kind, source, expected) in [
            (1, 1, "TR_VCabcdefghijkl"),
            (0, 2, "TR_AMabcdefghijkl"),
            (1, 3, "TR_VSabcdefghijkl"),
            (0, 4, "TR_Asabcdefghijkl"),
            (0, 0, "TR_Aabcdefghijkl"),
            (1, 99, "TR_Vabcdefghijkl"),
        ] {
            let message = proto::AddTrackRequest {
                r#type: kind,
                source,
                ..video()
            };
            let publication = AddTrack(message).publication(SUFFIX).unwrap();
            assert_eq!(publication.track.id.as_str(), expected);
        }
    }

    #[test]
    fn at_3_what_cannot_be_published_is_refused_with_a_reason() {
        let long = "x".repeat(257);
        for (message, expected) in [
            (
                proto::AddTrackRequest {
                    r#type: 2,
                    ..video()
                },
                Refusal::Unsupported,
            ),
            (
                proto::AddTrackRequest {
                    r#type: 9,
                    ..video()
                },
                Refusal::Unsupported,
            ),
            (
                proto::AddTrackRequest {
                    sid: "PA_x".into(),
                    ..video()
                },
                Refusal::NotFound,
            ),
            (
                proto::AddTrackRequest {
                    cid: String::new(),
                    ..video()
                },
                Refusal::NotFound,
            ),
            (
                proto::AddTrackRequest {
                    cid: long.clone(),
                    ..video()
                },
                Refusal::LimitExceeded,
            ),
            (
                proto::AddTrackRequest {
                    name: long.clone(),
                    ..video()
                },
                Refusal::LimitExceeded,
            ),
            (
                proto::AddTrackRequest {
                    stream: long,
                    ..video()
                },
                Refusal::LimitExceeded,
            ),
        ] {
            assert_eq!(AddTrack(message).publication(SUFFIX).unwrap_err(), expected);
        }
    }

    #[test]
    fn pb_6_layers_are_ordered_and_told_once_per_quality() {
        use VideoQuality::{High, Low, Medium};
        for (layers, expected, simulcast) in [
            (vec![], vec![], false),
            (vec![layer(2, 640)], vec![High], false),
            (
                vec![layer(2, 1280), layer(0, 320), layer(1, 640)],
                vec![Low, Medium, High],
                true,
            ),
            (
                vec![layer(0, 320), layer(0, 321), layer(3, 9), layer(7, 9)],
                vec![Low],
                false,
            ),
        ] {
            let message = proto::AddTrackRequest { layers, ..video() };
            let track = AddTrack(message).publication(SUFFIX).unwrap().track;
            let seen: Vec<_> = track.layers.iter().map(|layer| layer.quality).collect();
            assert_eq!((seen, track.simulcast), (expected, simulcast));
        }
        let per_codec = proto::SimulcastCodec {
            layers: vec![layer(1, 640)],
            ..codec("vp8", "c")
        };
        let message = proto::AddTrackRequest {
            simulcast_codecs: vec![per_codec],
            ..video()
        };
        let track = AddTrack(message).publication(SUFFIX).unwrap().track;
        assert_eq!(track.layers[0].width, 640);
    }

    #[test]
    fn a_codec_we_do_not_carry_becomes_vp8() {
        for (told, expected) in [
            (vec![], vec![]),
            (vec![codec("vp8", "c")], vec![(Codec::Vp8, "c")]),
            (vec![codec("video/H264", "c")], vec![(Codec::H264, "c")]),
            (
                vec![codec("vp9", "c"), codec("video/AV1", "d")],
                vec![(Codec::Vp9, "c"), (Codec::Av1, "d")],
            ),
            (
                vec![codec("h265", "c"), codec("vp8", "")],
                vec![(Codec::Vp8, "c")],
            ),
            (
                vec![codec("theora", "c"), codec("h264", "d")],
                vec![(Codec::Vp8, "c"), (Codec::H264, "d")],
            ),
            (vec![codec("", "c")], vec![]),
            (vec![codec("opus", "c")], vec![(Codec::Vp8, "c")]),
        ] {
            let message = proto::AddTrackRequest {
                simulcast_codecs: told,
                ..video()
            };
            let codecs = AddTrack(message).publication(SUFFIX).unwrap().track.codecs;
            let seen: Vec<_> = codecs
                .iter()
                .map(|it| (it.codec.unwrap(), it.cid.as_str()))
                .collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn pb_8_a_backup_names_the_track_that_it_backs_and_has_an_id_of_its_own() {
        let mut message = proto::AddTrackRequest {
            sid: "TR_VCfirst".into(),
            simulcast_codecs: vec![codec("vp8", "clone")],
            ..video()
        };
        let backup = AddTrack(message.clone()).publication(SUFFIX).unwrap();
        assert_eq!(backup.backup_of, Some("TR_VCfirst".parse().unwrap()));
        assert_eq!(backup.track.id.as_str(), "TR_VCabcdefghijkl");
        message.sid.clear();
        let track = AddTrack(message).publication(SUFFIX).unwrap();
        assert_eq!(track.backup_of, None);
    }

    #[test]
    #[expect(deprecated, reason = "older clients tell it only there")]
    fn sound_is_described_in_the_older_and_the_newer_way() {
        let audio = proto::AddTrackRequest {
            r#type: 0,
            source: 2,
            ..video()
        };
        for (message, stereo, no_dtx) in [
            (audio.clone(), false, false),
            (
                proto::AddTrackRequest {
                    stereo: true,
                    ..audio.clone()
                },
                true,
                false,
            ),
            (
                proto::AddTrackRequest {
                    disable_dtx: true,
                    ..audio.clone()
                },
                false,
                true,
            ),
            (
                proto::AddTrackRequest {
                    audio_features: vec![0, 1],
                    ..audio
                },
                true,
                true,
            ),
        ] {
            let track = AddTrack(message).publication(SUFFIX).unwrap().track;
            assert_eq!((track.stereo, track.disable_dtx), (stereo, no_dtx));
        }
    }
}
