//! Writes what a room has to tell somebody, as far as its protocol understands it.

use sfu::{Notice, RefusedWish};

use super::Response;
use crate::{Client, Sdk};

/// Who is told, as far as it decides what can be said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recipient {
    /// Signalling protocol.
    pub protocol: i32,
    /// Its LiveKit SDK.
    pub sdk: Sdk,
}

impl From<&Client> for Recipient {
    fn from(client: &Client) -> Self {
        Self {
            protocol: client.protocol,
            sdk: client.sdk,
        }
    }
}

impl Recipient {
    /// Clients of earlier protocols cannot be taken to another room.
    pub const MOVES_FROM_PROTOCOL: i32 = 16;

    /// Whether it understands `response`; what it does not may confuse it.
    pub fn understands(self, response: &Response) -> bool {
        use crate::proto::request_response::Reason;
        use crate::proto::signal_response::Message as Wire;
        let response = response.wire();
        if matches!(response, Wire::SpeakersChanged(_)) {
            return self.protocol > 2;
        }
        if matches!(response, Wire::ConnectionQuality(_)) {
            return self.protocol > 4;
        }
        if matches!(response, Wire::TrackUnpublished(_)) {
            return self.protocol > 6;
        }
        if matches!(response, Wire::RoomMoved(_)) {
            return self.protocol >= Self::MOVES_FROM_PROTOCOL;
        }
        if let Wire::RequestResponse(answer) = response
            && answer.reason == i32::from(Reason::Ok)
            && self.protocol <= 14
        {
            return false;
        }
        let late = matches!(
            response,
            Wire::TrackSubscribed(_) | Wire::RequestResponse(_)
        );
        !late || self.knows_request_responses()
    }

    /// The Rust SDK and those built on it stumbled over them at first.
    fn knows_request_responses(self) -> bool {
        let on_rust = match self.sdk {
            Sdk::Rust | Sdk::Python | Sdk::Node | Sdk::Cpp | Sdk::Unity | Sdk::Unreal => true,
            Sdk::Unknown
            | Sdk::Js
            | Sdk::Swift
            | Sdk::Android
            | Sdk::Flutter
            | Sdk::Go
            | Sdk::ReactNative
            | Sdk::UnityWeb
            | Sdk::Esp32
            | Sdk::Dotnet => false,
        };
        !on_rust || self.protocol >= 10
    }
}

/// The messages that tell `notice` to `recipient`, in order. None if there is nothing
/// it would understand; several if one would be too large.
pub fn notice(notice: &Notice, recipient: Recipient) -> Vec<Response> {
    let response = match notice {
        Notice::Participants(participants) => {
            return Response::participants(participants.iter().map(AsRef::as_ref));
        }
        Notice::Room(room) => Response::room_update(room),
        Notice::Published { cid, track } => Response::track_published(cid, track),
        Notice::Unpublished { track } => Response::track_unpublished(*track),
        Notice::Mute { track, muted } => Response::mute(*track, *muted),
        Notice::TrackSubscribed { track } => Response::track_subscribed(*track),
        Notice::Qualities(qualities) => Response::connection_quality(qualities, recipient.protocol),
        Notice::Access {
            publisher,
            track,
            access,
        } => Response::subscription_permission(*publisher, *track, *access),
        Notice::Speakers(speakers) => Response::speakers_changed(speakers),
        Notice::SubscriptionFailed { track, failure } => {
            Response::subscription_failed(*track, *failure)
        }
        Notice::DataPublished(track) => Response::data_published(track),
        Notice::DataUnpublished(track) => Response::data_unpublished(track),
        Notice::DataHandles(handles) => Response::data_handles(handles),
        Notice::Refused {
            wish: RefusedWish::PublishData { handle, name },
            refusal,
        } => Response::refused_data(*handle, name, *refusal),
        Notice::Refused {
            wish: RefusedWish::UnpublishData { handle },
            refusal,
        } => Response::refused_data_end(*handle, *refusal),
        Notice::MetadataUpdated { request_id } => Response::metadata_updated(*request_id),
        Notice::Refused {
            wish: RefusedWish::UpdateAudioTrack { track },
            refusal,
        } => Response::refused_update_audio(track.as_str(), *refusal),
        Notice::Refused {
            wish: RefusedWish::UpdateVideoTrack { track },
            refusal,
        } => Response::refused_update_video(track.as_str(), *refusal),
        Notice::Refused {
            wish: RefusedWish::UpdateMetadata { request_id },
            refusal,
        } => Response::refused_metadata(*request_id, *refusal),
        Notice::Demand { track, codecs } => Response::subscribed_quality(*track, codecs),
        Notice::StreamStates(states) => Response::stream_states(states),
        Notice::Refused {
            wish: RefusedWish::Publish { cid },
            refusal,
        } => Response::refused_publish(cid, *refusal),
        Notice::Refused {
            wish: RefusedWish::Mute { track, muted },
            refusal,
        } => Response::refused_mute(track.as_str(), *muted, *refusal),
        Notice::Leave(reason) => Response::leave(*reason),
    };
    Some(response)
        .filter(|response| recipient.understands(response))
        .into_iter()
        .collect()
}
