//! One message to a client, and its form on the wire.

use bytes::Bytes;
use media::{Codec, Mid, ParticipantId, TrackId};
use prost::Message;
use sfu::{
    Access, CodecDemand, ConnectionQuality, LeaveReason, Loudness, Muted, ParticipantInfo, Quality,
    Refusal, RoomInfo, Speaker, StreamState, Streaming, TrackInfo, VideoQuality,
};

use super::{Candidate, Frame, FrameFormat, Target, Trickle};
use crate::info;
use crate::proto::{self, request_response, signal_response::Message as Wire};
use crate::reason::{self, Action, ResumeReason};

/// One message to a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Response(Box<proto::SignalResponse>);

impl Response {
    /// Answers the offer that came with `id`. `placed` names the tracks of others on
    /// a single connection; empty on one that only publishes.
    pub fn answer(
        id: u32,
        sdp: impl Into<String>,
        placed: impl IntoIterator<Item = (Mid, TrackId)>,
    ) -> Self {
        Self::of(Wire::Answer(description("answer", id, sdp.into(), placed)))
    }

    /// Offers the subscribing connection.
    pub fn offer(
        id: u32,
        sdp: impl Into<String>,
        placed: impl IntoIterator<Item = (Mid, TrackId)>,
    ) -> Self {
        Self::of(Wire::Offer(description("offer", id, sdp.into(), placed)))
    }

    /// A candidate of ours; `None` says that there are no more.
    pub fn trickle(target: Target, candidate: Option<Candidate>) -> Self {
        Self::of(Wire::Trickle(Trickle { target, candidate }.to_proto()))
    }

    /// Asks a client with a single connection to offer so many more receiving
    /// sections; none means: just offer again.
    pub fn media_sections_requirement(audios: u32, videos: u32) -> Self {
        Self::of(Wire::MediaSectionsRequirement(
            proto::MediaSectionsRequirement {
                num_audios: audios,
                num_videos: videos,
            },
        ))
    }

    /// The room changed.
    pub fn room_update(room: &RoomInfo) -> Self {
        let room = Some(info::room(room));
        Self::of(Wire::RoomUpdate(proto::RoomUpdate { room }))
    }

    /// Participants came, changed or left: several messages if one would be too
    /// large, none if there is nothing to tell.
    pub fn participants<'a>(
        participants: impl IntoIterator<Item = &'a ParticipantInfo>,
    ) -> Vec<Self> {
        let mut messages = Vec::new();
        let mut chunk: Vec<proto::ParticipantInfo> = Vec::new();
        let mut size = 0;
        for participant in participants {
            let participant = info::participant(participant);
            let bytes = participant.encoded_len();
            if !chunk.is_empty() && size + bytes > UPDATE_CHUNK {
                messages.push(std::mem::take(&mut chunk));
                size = 0;
            }
            size += bytes;
            chunk.push(participant);
        }
        if !chunk.is_empty() {
            messages.push(chunk);
        }
        let update = |participants| Wire::Update(proto::ParticipantUpdate { participants });
        messages
            .into_iter()
            .map(|chunk| Self::of(update(chunk)))
            .collect()
    }

    /// Acknowledges an announced track.
    pub fn track_published(cid: impl Into<String>, track: &TrackInfo) -> Self {
        Self::of(Wire::TrackPublished(proto::TrackPublishedResponse {
            cid: cid.into(),
            track: Some(info::track(track)),
        }))
    }

    /// Takes the client's own track back.
    pub fn track_unpublished(track: TrackId) -> Self {
        let track_sid = track.to_string();
        Self::of(Wire::TrackUnpublished(proto::TrackUnpublishedResponse {
            track_sid,
        }))
    }

    /// Somebody receives the client's own track for the first time.
    pub fn track_subscribed(track: TrackId) -> Self {
        let track_sid = track.to_string();
        Self::of(Wire::TrackSubscribed(proto::TrackSubscribed { track_sid }))
    }

    /// Mutes the client's own track, or asks to unmute it.
    pub fn mute(track: TrackId, muted: Muted) -> Self {
        Self::of(Wire::Mute(mute(track.as_str(), muted)))
    }

    /// Connections became better or worse.
    pub fn connection_quality(qualities: &[ConnectionQuality], protocol: i32) -> Self {
        let update = |it: &ConnectionQuality| proto::ConnectionQualityInfo {
            participant_sid: it.participant.to_string(),
            quality: match it.quality {
                Quality::Excellent => proto::ConnectionQuality::Excellent,
                Quality::Good => proto::ConnectionQuality::Good,
                // Older clients have no word for it.
                Quality::Lost if protocol > 10 => proto::ConnectionQuality::Lost,
                Quality::Poor | Quality::Lost => proto::ConnectionQuality::Poor,
            }
            .into(),
            score: it.score,
        };
        let updates = qualities.iter().map(update).collect();
        Self::of(Wire::ConnectionQuality(proto::ConnectionQualityUpdate {
            updates,
        }))
    }

    /// A wanted track may be had again, or no more.
    pub fn subscription_permission(
        publisher: ParticipantId,
        track: TrackId,
        access: Access,
    ) -> Self {
        Self::of(Wire::SubscriptionPermissionUpdate(
            proto::SubscriptionPermissionUpdate {
                participant_sid: publisher.to_string(),
                track_sid: track.to_string(),
                allowed: access == Access::Granted,
            },
        ))
    }

    /// Speakers became louder, quieter or silent.
    pub fn speakers_changed(speakers: &[Speaker]) -> Self {
        let speaker = |it: &Speaker| proto::SpeakerInfo {
            sid: it.participant.to_string(),
            level: it.loudness.fraction(),
            active: it.loudness > Loudness::SILENCE,
        };
        let speakers = speakers.iter().map(speaker).collect();
        Self::of(Wire::SpeakersChanged(proto::SpeakersChanged { speakers }))
    }

    /// A wanted track cannot be had.
    pub fn subscription_failed(track: TrackId, failure: sfu::SubscriptionFailure) -> Self {
        let err = match failure {
            sfu::SubscriptionFailure::CodecUnsupported => {
                proto::SubscriptionError::SeCodecUnsupported
            }
            sfu::SubscriptionFailure::TrackNotFound => proto::SubscriptionError::SeTrackNotfound,
        };
        Self::of(Wire::SubscriptionResponse(proto::SubscriptionResponse {
            track_sid: track.to_string(),
            err: err.into(),
        }))
    }

    /// The client belongs into another room now; `token` lets it join there. Who is
    /// there it hears when it has joined.
    pub fn room_to_join(room: &RoomInfo, token: impl Into<String>) -> Self {
        Self::of(Wire::RoomMoved(proto::RoomMovedResponse {
            room: Some(info::room(room)),
            token: token.into(),
            participant: None,
            other_participants: Vec::new(),
        }))
    }

    /// The client is in another room now, and goes on over its connections; `token` is
    /// for coming back there.
    pub fn room_moved(joined: &sfu::Joined, token: impl Into<String>) -> Self {
        let others = joined.others.iter();
        Self::of(Wire::RoomMoved(proto::RoomMovedResponse {
            room: Some(info::room(&joined.room)),
            token: token.into(),
            participant: Some(info::participant(&joined.participant)),
            other_participants: others.map(|other| info::participant(other)).collect(),
        }))
    }

    /// How good the client's own track is wanted, in each codec.
    #[expect(deprecated, reason = "older clients know of one codec only")]
    pub fn subscribed_quality(track: TrackId, codecs: &[CodecDemand]) -> Self {
        let subscribed_codecs: Vec<_> = codecs.iter().map(codec_demand).collect();
        let first = subscribed_codecs.first();
        let subscribed_qualities = first.map_or_else(Vec::new, |codec| codec.qualities.clone());
        Self::of(Wire::SubscribedQualityUpdate(
            proto::SubscribedQualityUpdate {
                track_sid: track.to_string(),
                subscribed_qualities,
                subscribed_codecs,
            },
        ))
    }

    /// Pictures of others stop or go on, as the client's link carries them.
    pub fn stream_states(states: &[StreamState]) -> Self {
        let stream_states = states
            .iter()
            .map(|state| proto::StreamStateInfo {
                participant_sid: state.publisher.to_string(),
                track_sid: state.track.to_string(),
                state: match state.streaming {
                    Streaming::Active => proto::StreamState::Active.into(),
                    Streaming::Paused => proto::StreamState::Paused.into(),
                },
            })
            .collect();
        Self::of(Wire::StreamStateUpdate(proto::StreamStateUpdate {
            stream_states,
        }))
    }

    /// A newer token for coming back later.
    pub fn refresh_token(token: impl Into<String>) -> Self {
        Self::of(Wire::RefreshToken(token.into()))
    }

    /// Answers [`Request::Ping`](super::Request::Ping): milliseconds since 1970.
    pub fn pong(now_ms: i64) -> Self {
        Self::of(Wire::Pong(now_ms))
    }

    /// Answers [`Request::PingReq`](super::Request::PingReq).
    pub fn pong_resp(timestamp: i64, now_ms: i64) -> Self {
        Self::of(Wire::PongResp(proto::Pong {
            last_ping_timestamp: timestamp,
            timestamp: now_ms,
        }))
    }

    /// Tells to go, why, and what to do next; the socket is closed after it. Older
    /// clients read `can_reconnect`, newer ones `action`.
    pub fn leave(why: LeaveReason) -> Self {
        Self::farewell(reason::action(why), reason::disconnect_reason(why))
    }

    /// Tells to go for good, whatever is usual for `why`.
    pub fn leave_for_good(why: LeaveReason) -> Self {
        Self::farewell(Action::Disconnect, reason::disconnect_reason(why))
    }

    /// Tells to come back by a new WebSocket, as the same participant.
    pub fn resume(why: ResumeReason) -> Self {
        Self::farewell(Action::Resume, why.number())
    }

    fn farewell(action: Action, reason: i32) -> Self {
        Self::of(Wire::Leave(proto::LeaveRequest {
            can_reconnect: action != Action::Disconnect,
            reason,
            action: action.to_proto().into(),
            regions: None,
        }))
    }

    /// What the client shall do after this goodbye; `None` if it is none.
    pub fn farewell_action(&self) -> Option<Action> {
        let Some(Wire::Leave(leave)) = &self.0.message else {
            return None;
        };
        Some(match leave.action() {
            proto::leave_request::Action::Disconnect => Action::Disconnect,
            proto::leave_request::Action::Resume => Action::Resume,
            proto::leave_request::Action::Reconnect => Action::Reconnect,
        })
    }

    /// Announcing a track was refused.
    pub fn refused_publish(cid: impl Into<String>, refusal: Refusal) -> Self {
        let copy = proto::AddTrackRequest {
            cid: cid.into(),
            ..Default::default()
        };
        Self::refused(refusal, request_response::Request::AddTrack(copy))
    }

    /// Muting a track was refused.
    pub fn refused_mute(track: &str, muted: Muted, refusal: Refusal) -> Self {
        Self::refused(
            refusal,
            request_response::Request::Mute(mute(&cut(track), muted)),
        )
    }

    /// Describing a sound anew was refused.
    pub fn refused_update_audio(track: &str, refusal: Refusal) -> Self {
        let copy = proto::UpdateLocalAudioTrack {
            track_sid: cut(track),
            ..Default::default()
        };
        Self::refused(refusal, request_response::Request::UpdateAudioTrack(copy))
    }

    /// Describing a picture anew was refused.
    pub fn refused_update_video(track: &str, refusal: Refusal) -> Self {
        let copy = proto::UpdateLocalVideoTrack {
            track_sid: cut(track),
            ..Default::default()
        };
        Self::refused(refusal, request_response::Request::UpdateVideoTrack(copy))
    }

    /// The client shows itself as it wished.
    pub fn metadata_updated(request_id: u32) -> Self {
        Self::request(proto::RequestResponse {
            request_id,
            reason: request_response::Reason::Ok.into(),
            message: String::new(),
            request: Some(update_metadata(request_id)),
        })
    }

    /// Showing itself differently was refused.
    pub fn refused_metadata(request_id: u32, refusal: Refusal) -> Self {
        Self::refused_as(request_id, refusal, update_metadata(request_id))
    }

    /// The message as most clients read it.
    pub fn binary(&self) -> Bytes {
        self.0.encode_to_vec().into()
    }

    /// The message as a frame of the form the client speaks. What JSON cannot say
    /// (numbers that LiveKit's enums do not have yet) goes out binary: every client
    /// that writes text reads both.
    pub fn frame(&self, format: FrameFormat) -> Frame {
        let text = match format {
            FrameFormat::Binary => None,
            FrameFormat::Text => serde_json::to_string(&self.0).ok(),
        };
        text.map_or_else(|| Frame::Binary(self.binary()), Frame::Text)
    }

    pub(super) fn of(message: Wire) -> Self {
        Self(Box::new(proto::SignalResponse {
            message: Some(message),
        }))
    }

    pub(super) fn request(answer: proto::RequestResponse) -> Self {
        Self::of(Wire::RequestResponse(answer))
    }

    pub(crate) fn wire(&self) -> &Wire {
        self.0.message.as_ref().expect("every constructor sets it")
    }

    pub(super) fn refused(refusal: Refusal, copy: request_response::Request) -> Self {
        Self::refused_as(0, refusal, copy)
    }

    fn refused_as(request_id: u32, refusal: Refusal, copy: request_response::Request) -> Self {
        let (reason, message) = match refusal {
            Refusal::NotAllowed => (request_response::Reason::NotAllowed, "not allowed"),
            Refusal::NotFound => (request_response::Reason::NotFound, "not found"),
            Refusal::LimitExceeded => (
                request_response::Reason::LimitExceeded,
                "too many or too long",
            ),
            Refusal::Unsupported => (request_response::Reason::UnsupportedType, "not supported"),
            Refusal::InvalidHandle => (request_response::Reason::InvalidHandle, "no such number"),
            Refusal::InvalidName => (request_response::Reason::InvalidName, "no such name"),
            Refusal::DuplicateHandle => (
                request_response::Reason::DuplicateHandle,
                "the number is in use",
            ),
            Refusal::DuplicateName => (
                request_response::Reason::DuplicateName,
                "the name is in use",
            ),
            Refusal::Queued => (request_response::Reason::Queued, "already under way"),
        };
        Self::request(proto::RequestResponse {
            request_id,
            reason: reason.into(),
            message: message.to_owned(),
            request: Some(copy),
        })
    }
}

/// Bytes of participants in one message: SDKs and proxies take messages of this
/// size without trouble, and a large room's roster is larger.
const UPDATE_CHUNK: usize = 128 * 1024;

fn description(
    kind: &str,
    id: u32,
    sdp: String,
    placed: impl IntoIterator<Item = (Mid, TrackId)>,
) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: kind.to_owned(),
        sdp,
        id,
        mid_to_track_id: placed
            .into_iter()
            .map(|(mid, track)| (mid.to_string(), track.to_string()))
            .collect(),
    }
}

/// What is longer than an id was none; returning it whole would serve nobody.
fn cut(track: &str) -> String {
    track.chars().take(64).collect()
}

/// The text itself is not repeated: the request's number says enough.
fn update_metadata(request_id: u32) -> request_response::Request {
    request_response::Request::UpdateMetadata(proto::UpdateParticipantMetadata {
        request_id,
        ..Default::default()
    })
}

fn codec_demand(demand: &CodecDemand) -> proto::SubscribedCodec {
    const QUALITIES: [(VideoQuality, proto::VideoQuality); 3] = [
        (VideoQuality::Low, proto::VideoQuality::Low),
        (VideoQuality::Medium, proto::VideoQuality::Medium),
        (VideoQuality::High, proto::VideoQuality::High),
    ];
    let qualities = QUALITIES.map(|(quality, wire)| proto::SubscribedQuality {
        quality: wire.into(),
        enabled: demand.highest >= Some(quality),
    });
    proto::SubscribedCodec {
        codec: codec_name(demand.codec).to_owned(),
        qualities: qualities.into(),
    }
}

/// As clients name codecs where they choose one.
fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus",
        Codec::Red => "red",
        Codec::Vp8 => "vp8",
        Codec::H264 => "h264",
        Codec::Vp9 => "vp9",
        Codec::Av1 => "av1",
    }
}

fn mute(track: &str, muted: Muted) -> proto::MuteTrackRequest {
    proto::MuteTrackRequest {
        sid: track.to_owned(),
        muted: muted == Muted::Yes,
    }
}
