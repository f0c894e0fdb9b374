//! People, tracks and rooms read back from LiveKit's messages. What makes no sense is refused
//! whole: it comes from a node of ours, or from nobody.

use bytes::Bytes;
use media::{Codec, MediaKind, PlayoutDelay, Rid};
use prost::Message;
use sfu::{
    Allowance, DataTrackInfo, Grantee, Identity, LeaveReason, Linked, LinkedTrack, Muted,
    ParticipantInfo, Playing, Profile, RoomInfo, Share, SimulcastCodec, State, Streams, TrackInfo,
    TrackKey,
};
use std::sync::Arc;

use super::TellingError;
use super::form;
use crate::info::{self, layer_from_proto, permission_from_proto};
use crate::proto::{self, participant_info};
use crate::reason;

/// Somebody, all of it.
pub(super) fn write(linked: &Linked) -> form::Linked {
    let participant = ParticipantInfo {
        // Told beside it, in full.
        tracks: Vec::new(),
        ..(*linked.participant).clone()
    };
    let (restricted, shares) = match &*linked.allowance {
        Allowance::Everybody => (false, Vec::new()),
        Allowance::Only(shares) => (true, shares.iter().map(write_share).collect()),
    };
    let shown = linked.tracks.iter().filter(|track| track.backup.is_none());
    let backups = linked.tracks.iter().filter_map(|track| {
        let id = track.backup?.to_string();
        let track = Some(write_track(track));
        Some(form::Backup { track, id })
    });
    form::Linked {
        participant: Some(info::participant(&participant)),
        tracks: shown.map(write_track).collect(),
        restricted,
        shares,
        backups: backups.collect(),
    }
}

pub(super) fn read(linked: form::Linked) -> Result<Linked, TellingError> {
    let participant = linked
        .participant
        .ok_or(TellingError::Missing("participant"))?;
    let mut tracks: Vec<_> = linked
        .tracks
        .into_iter()
        .map(read_track)
        .collect::<Result<_, _>>()?;
    let mut participant = read_participant(participant)?;
    participant.tracks = tracks.iter().map(|track| Arc::clone(&track.info)).collect();
    for form::Backup { track, id } in linked.backups {
        let id = id.parse();
        tracks.push(LinkedTrack {
            backup: Some(id.map_err(|_| TellingError::Missing("backup"))?),
            ..read_track(track.ok_or(TellingError::Missing("track"))?)?
        });
    }
    let allowance = if linked.restricted {
        let shares = linked.shares.into_iter().map(read_share);
        Allowance::Only(shares.collect::<Result<_, _>>()?)
    } else {
        Allowance::Everybody
    };
    Ok(Linked {
        participant: Arc::new(participant),
        tracks,
        allowance: Arc::new(allowance),
    })
}

/// What LiveKit's description of a room leaves out.
pub(super) fn write_playing(playing: Playing) -> form::Playing {
    form::Playing {
        together: playing.streams == Streams::Together,
        min_delay: playing.delay.map_or(0, PlayoutDelay::min_ms),
        max_delay: playing.delay.map_or(0, PlayoutDelay::max_ms),
        profile: playing.profile.label().to_owned(),
        loudest: playing.loudest,
    }
}

/// A room, and what its description leaves out.
pub(super) fn whole_room(
    described: &proto::Room,
    playing: Option<form::Playing>,
) -> Result<RoomInfo, TellingError> {
    let playing = playing.unwrap_or_default();
    Ok(RoomInfo {
        playing: Playing {
            streams: if playing.together {
                Streams::Together
            } else {
                Streams::Apart
            },
            delay: PlayoutDelay::from_ms(playing.min_delay, playing.max_delay),
            // A node of another release may know others.
            profile: Profile::named(&playing.profile).unwrap_or_default(),
            loudest: playing.loudest,
        },
        ..room(described)?
    })
}

/// A room. Its counts are each instance's own.
pub(crate) fn room(room: &proto::Room) -> Result<RoomInfo, TellingError> {
    Ok(RoomInfo {
        id: room
            .sid
            .parse()
            .map_err(|_| TellingError::Missing("room sid"))?,
        name: room.name.as_str().into(),
        metadata: room.metadata.clone(),
        created_at_ms: room.creation_time_ms,
        empty_timeout_s: room.empty_timeout,
        departure_timeout_s: room.departure_timeout,
        max_participants: room.max_participants,
        playing: Playing::default(),
        participants: room.num_participants,
        publishers: room.num_publishers,
        active_recording: room.active_recording,
    })
}

fn read_participant(participant: proto::ParticipantInfo) -> Result<ParticipantInfo, TellingError> {
    let state = match participant_info::State::try_from(participant.state) {
        Ok(participant_info::State::Joining) => State::Joining,
        Ok(participant_info::State::Joined) => State::Joined,
        Ok(participant_info::State::Active) => State::Active,
        Ok(participant_info::State::Disconnected) => State::Disconnected(
            reason::leave_reason(participant.disconnect_reason)
                .unwrap_or(LeaveReason::ClientInitiated),
        ),
        Err(_) => return Err(TellingError::Missing("state")),
    };
    let permission = participant.permission.as_ref();
    let permission = permission.ok_or(TellingError::Missing("permission"))?;
    let data_tracks = participant.data_tracks.into_iter().map(read_data_track);
    Ok(ParticipantInfo {
        id: participant
            .sid
            .parse()
            .map_err(|_| TellingError::Missing("sid"))?,
        identity: Identity(participant.identity.into()),
        name: participant.name,
        metadata: participant.metadata,
        attributes: participant.attributes.into_iter().collect(),
        state,
        joined_at_ms: participant.joined_at_ms,
        version: participant.version,
        permission: permission_from_proto(permission),
        kind: participant.kind,
        kind_details: participant.kind_details,
        region: participant.region,
        client_protocol: participant.client_protocol,
        capabilities: participant.capabilities,
        tracks: Vec::new(),
        data_tracks: data_tracks.collect::<Result<_, _>>()?,
    })
}

fn read_data_track(track: proto::DataTrackInfo) -> Result<Arc<DataTrackInfo>, TellingError> {
    let format = proto::DataTrackInfo {
        frame_encoding: track.frame_encoding,
        schema: track.schema,
        ..Default::default()
    };
    let handle = u16::try_from(track.pub_handle);
    Ok(Arc::new(DataTrackInfo {
        id: track
            .sid
            .parse()
            .map_err(|_| TellingError::Missing("data track sid"))?,
        handle: handle.map_err(|_| TellingError::Missing("data track handle"))?,
        name: track.name,
        encryption: info::encryption(track.encryption),
        format: Bytes::from(format.encode_to_vec()),
    }))
}

fn write_track(track: &LinkedTrack) -> form::Track {
    form::Track {
        track: Some(info::track(&track.info)),
        rids: track.rids.iter().map(ToString::to_string).collect(),
        key: track.key.0,
        codec: track.info.codec.map_or("", Codec::mime).to_owned(),
    }
}

fn read_track(track: form::Track) -> Result<LinkedTrack, TellingError> {
    let form::Track {
        track,
        rids,
        key,
        codec,
    } = track;
    let track = track.ok_or(TellingError::Missing("track"))?;
    let rids = rids.iter().map(|rid| Rid::new(rid.as_bytes()));
    let rids: Option<Vec<_>> = rids.collect();
    let kind = match proto::TrackType::try_from(track.r#type) {
        Ok(proto::TrackType::Audio) => MediaKind::Audio,
        Ok(proto::TrackType::Video) => MediaKind::Video,
        Ok(proto::TrackType::Data) | Err(_) => return Err(TellingError::Missing("track kind")),
    };
    let codecs = track.codecs.into_iter().map(|it| SimulcastCodec {
        codec: Codec::from_name(&it.mime_type),
        cid: it.cid,
    });
    #[expect(deprecated, reason = "described as clients see it")]
    let described = TrackInfo {
        id: track
            .sid
            .parse()
            .map_err(|_| TellingError::Missing("track sid"))?,
        kind,
        name: track.name,
        source: info::source(track.source),
        muted: if track.muted { Muted::Yes } else { Muted::No },
        width: track.width,
        height: track.height,
        layers: track.layers.iter().filter_map(layer_from_proto).collect(),
        simulcast: track.simulcast,
        codec: Codec::from_name(&codec),
        stream: track.stream,
        encryption: info::encryption(track.encryption),
        stereo: track.stereo,
        disable_red: track.disable_red,
        disable_dtx: track.disable_dtx,
        audio_features: track.audio_features,
        backup_codec_policy: track.backup_codec_policy,
        codecs: codecs.collect(),
    };
    Ok(LinkedTrack {
        key: TrackKey(key),
        info: Arc::new(described),
        rids: rids.ok_or(TellingError::Missing("rid"))?,
        backup: None,
    })
}

fn write_share((grantee, share): &(Grantee, Share)) -> form::Share {
    let (identity, participant) = match grantee {
        Grantee::Identity(identity) => (identity.0.to_string(), String::new()),
        Grantee::Id(id) => (String::new(), id.to_string()),
    };
    let (all, tracks) = match share {
        Share::All => (true, Vec::new()),
        Share::Tracks(tracks) => (false, tracks.iter().map(ToString::to_string).collect()),
    };
    form::Share {
        identity,
        participant,
        all,
        tracks,
    }
}

fn read_share(share: form::Share) -> Result<(Grantee, Share), TellingError> {
    let grantee = if share.participant.is_empty() {
        Grantee::Identity(Identity(share.identity.into()))
    } else {
        let id = share.participant.parse();
        Grantee::Id(id.map_err(|_| TellingError::Missing("grantee"))?)
    };
    let what = if share.all {
        Share::All
    } else {
        let tracks = share.tracks.iter().map(|track| track.parse());
        let tracks: Result<_, _> = tracks.collect();
        Share::Tracks(tracks.map_err(|_| TellingError::Missing("shared track"))?)
    };
    Ok((grantee, what))
}
