//! Rooms, participants and tracks in LiveKit's messages.

use media::{Codec, MediaKind};
use sfu::{
    Encryption, Muted, ParticipantInfo, Permission, RoomInfo, SimulcastCodec, Source, State,
    TrackInfo, VideoLayer, VideoQuality, Visibility,
};

use crate::signal::describe_data_track;
use crate::{proto, reason};

/// The names browsers give simulcast encodings, small to large.
const RIDS: [&str; 3] = ["q", "h", "f"];

pub(crate) fn room(room: &RoomInfo) -> proto::Room {
    proto::Room {
        sid: room.id.to_string(),
        name: room.name.to_string(),
        empty_timeout: room.empty_timeout_s,
        departure_timeout: room.departure_timeout_s,
        max_participants: room.max_participants,
        creation_time: room.created_at_ms / 1000,
        creation_time_ms: room.created_at_ms,
        enabled_codecs: enabled_codecs(),
        metadata: room.metadata.clone(),
        num_participants: room.participants,
        num_publishers: room.publishers,
        active_recording: room.active_recording,
        ..Default::default()
    }
}

/// Video first, VP8 first of all: clients take the first they can encode, and
/// Flutter wants video before audio.
pub(crate) fn enabled_codecs() -> Vec<proto::Codec> {
    Codec::ALL.into_iter().map(codec).collect()
}

pub(crate) fn codec(codec: Codec) -> proto::Codec {
    proto::Codec {
        mime: codec.mime().to_owned(),
        fmtp_line: String::new(),
    }
}

pub(crate) fn participant(participant: &ParticipantInfo) -> proto::ParticipantInfo {
    let (state, disconnect_reason) = match participant.state {
        State::Joining => (proto::participant_info::State::Joining, 0),
        State::Joined => (proto::participant_info::State::Joined, 0),
        State::Active => (proto::participant_info::State::Active, 0),
        State::Disconnected(why) => (
            proto::participant_info::State::Disconnected,
            reason::disconnect_reason(why),
        ),
    };
    proto::ParticipantInfo {
        sid: participant.id.to_string(),
        identity: participant.identity.0.to_string(),
        state: state.into(),
        tracks: participant.tracks.iter().map(|it| track(it)).collect(),
        metadata: participant.metadata.clone(),
        joined_at: participant.joined_at_ms / 1000,
        joined_at_ms: participant.joined_at_ms,
        name: participant.name.clone(),
        version: participant.version,
        permission: Some(permission(&participant.permission)),
        region: participant.region.clone(),
        is_publisher: participant.is_publisher(),
        kind: participant.kind,
        attributes: participant.attributes.clone().into_iter().collect(),
        disconnect_reason,
        kind_details: participant.kind_details.clone(),
        data_tracks: participant
            .data_tracks
            .iter()
            .map(|it| describe_data_track(it))
            .collect(),
        client_protocol: participant.client_protocol,
        capabilities: participant.capabilities.clone(),
    }
}

#[expect(deprecated, reason = "older clients read it only there")]
fn permission(permission: &Permission) -> proto::ParticipantPermission {
    proto::ParticipantPermission {
        can_subscribe: permission.can_subscribe,
        can_publish: permission.can_publish,
        can_publish_data: permission.can_publish_data,
        can_publish_sources: permission
            .can_publish_sources
            .iter()
            .map(|it| number(*it))
            .collect(),
        hidden: permission.visibility == Visibility::Hidden,
        recorder: permission.recorder,
        can_update_metadata: permission.can_update_metadata,
        can_subscribe_metrics: permission.can_subscribe_metrics,
        ..Default::default()
    }
}

#[expect(deprecated, reason = "older clients read it only there")]
pub(crate) fn track(track: &TrackInfo) -> proto::TrackInfo {
    let announced = track.codecs.first().and_then(|first| first.codec);
    proto::TrackInfo {
        sid: track.id.to_string(),
        r#type: match track.kind {
            MediaKind::Audio => proto::TrackType::Audio,
            MediaKind::Video => proto::TrackType::Video,
        }
        .into(),
        name: track.name.clone(),
        muted: track.muted == Muted::Yes,
        width: track.width,
        height: track.height,
        simulcast: track.simulcast,
        disable_dtx: track.disable_dtx,
        source: number(track.source),
        layers: layers(track),
        mime_type: mime(track.codec.or(announced)),
        mid: String::new(),
        codecs: codecs(track),
        stereo: track.stereo,
        disable_red: track.disable_red,
        encryption: match track.encryption {
            Encryption::None => proto::encryption::Type::None,
            Encryption::Gcm => proto::encryption::Type::Gcm,
            Encryption::Custom => proto::encryption::Type::Custom,
        }
        .into(),
        stream: track.stream.clone(),
        version: None,
        audio_features: track.audio_features.clone(),
        backup_codec_policy: track.backup_codec_policy,
        packet_trailer_features: Vec::new(),
    }
}

/// The codec in use first. Where it is not the announced one, the announced ones
/// are no longer true.
fn codecs(track: &TrackInfo) -> Vec<proto::SimulcastCodecInfo> {
    let announced = track.codecs.iter().any(|it| it.codec == track.codec);
    let one;
    let list = match track.codec {
        Some(codec) if !announced => {
            let cid = track
                .codecs
                .first()
                .map(|it| it.cid.clone())
                .unwrap_or_default();
            one = [SimulcastCodec {
                codec: Some(codec),
                cid,
            }];
            &one[..]
        }
        Some(_) | None => &track.codecs,
    };
    let mode = |codec: Option<Codec>| match track.kind {
        MediaKind::Video if codec.is_some_and(Codec::is_layered) => {
            proto::video_layer::Mode::MultipleSpatialLayersPerStream
        }
        MediaKind::Video => proto::video_layer::Mode::OneSpatialLayerPerStream,
        MediaKind::Audio => proto::video_layer::Mode::Unused,
    };
    let entry = |it: &SimulcastCodec| proto::SimulcastCodecInfo {
        mime_type: mime(it.codec),
        cid: it.cid.clone(),
        layers: layers(track),
        video_layer_mode: mode(it.codec).into(),
        ..Default::default()
    };
    list.iter().map(entry).collect()
}

fn mime(codec: Option<Codec>) -> String {
    codec
        .map(|codec| codec.mime().to_owned())
        .unwrap_or_default()
}

fn layers(track: &TrackInfo) -> Vec<proto::VideoLayer> {
    let layer = |(index, layer): (usize, &VideoLayer)| proto::VideoLayer {
        quality: match layer.quality {
            VideoQuality::Low => proto::VideoQuality::Low,
            VideoQuality::Medium => proto::VideoQuality::Medium,
            VideoQuality::High => proto::VideoQuality::High,
        }
        .into(),
        width: layer.width,
        height: layer.height,
        bitrate: layer.bitrate,
        spatial_layer: i32::try_from(index).unwrap_or(i32::MAX),
        rid: match RIDS.get(index) {
            Some(rid) if track.simulcast => (*rid).to_owned(),
            Some(_) | None => String::new(),
        },
        ..Default::default()
    };
    track.layers.iter().enumerate().map(layer).collect()
}

/// As the app says it: what is not granted is not allowed, and the one list that
/// narrows stays as it is, unknown sources included.
#[expect(deprecated, reason = "recorders are still told by it")]
pub(crate) fn permission_from_proto(permission: &proto::ParticipantPermission) -> Permission {
    Permission {
        can_subscribe: permission.can_subscribe,
        can_publish: permission.can_publish,
        can_publish_data: permission.can_publish_data,
        can_publish_sources: permission
            .can_publish_sources
            .iter()
            .map(|number| source(*number))
            .collect(),
        can_update_metadata: permission.can_update_metadata,
        can_subscribe_metrics: permission.can_subscribe_metrics,
        visibility: if permission.hidden {
            Visibility::Hidden
        } else {
            Visibility::Visible
        },
        recorder: permission.recorder,
    }
}

/// `None` where it means no layer at all.
pub(crate) fn layer_from_proto(layer: &proto::VideoLayer) -> Option<VideoLayer> {
    let quality = match proto::VideoQuality::try_from(layer.quality).ok()? {
        proto::VideoQuality::Low => VideoQuality::Low,
        proto::VideoQuality::Medium => VideoQuality::Medium,
        proto::VideoQuality::High => VideoQuality::High,
        proto::VideoQuality::Off => return None,
    };
    Some(VideoLayer {
        quality,
        width: layer.width,
        height: layer.height,
        bitrate: layer.bitrate,
    })
}

pub(crate) fn source(number: i32) -> Source {
    match proto::TrackSource::try_from(number).unwrap_or_default() {
        proto::TrackSource::Unknown => Source::Unknown,
        proto::TrackSource::Camera => Source::Camera,
        proto::TrackSource::Microphone => Source::Microphone,
        proto::TrackSource::ScreenShare => Source::ScreenShare,
        proto::TrackSource::ScreenShareAudio => Source::ScreenShareAudio,
    }
}

fn number(source: Source) -> i32 {
    match source {
        Source::Unknown => proto::TrackSource::Unknown,
        Source::Camera => proto::TrackSource::Camera,
        Source::Microphone => proto::TrackSource::Microphone,
        Source::ScreenShare => proto::TrackSource::ScreenShare,
        Source::ScreenShareAudio => proto::TrackSource::ScreenShareAudio,
    }
    .into()
}

/// What we do not know is encrypted somehow: nobody may take it for plain.
pub(crate) fn encryption(number: i32) -> Encryption {
    match proto::encryption::Type::try_from(number) {
        Ok(proto::encryption::Type::None) => Encryption::None,
        Ok(proto::encryption::Type::Gcm) => Encryption::Gcm,
        Ok(proto::encryption::Type::Custom) | Err(_) => Encryption::Custom,
    }
}
