//! What is said of data tracks: announced, ended, wanted, and under which numbers they
//! are received.

use std::num::NonZeroU32;

use bytes::Bytes;
use prost::Message;
use sfu::{
    Command, DataHandle, DataPublication, DataTrackInfo, DataWish, Encryption, Refusal, Wanted,
};

use super::{Request, Response};
use crate::info;
use crate::proto::{self, request_response, signal_response::Message as Wire};

/// More data tracks than one message needs to name.
const MAX_UPDATES: usize = 4096;

/// More of a name than any we accept need not be returned.
const MAX_NAME: usize = 257;

pub(super) fn publish(message: proto::PublishDataTrackRequest) -> Request {
    let proto::PublishDataTrackRequest {
        pub_handle,
        name,
        encryption,
        frame_encoding,
        schema,
    } = message;
    let format = proto::DataTrackInfo {
        frame_encoding,
        schema,
        ..Default::default()
    };
    Request::Command(Command::PublishData(Box::new(DataPublication {
        handle: pub_handle,
        name,
        encryption: info::encryption(encryption),
        format: Bytes::from(format.encode_to_vec()),
    })))
}

pub(super) fn unpublish(message: proto::UnpublishDataTrackRequest) -> Request {
    let handle = message.pub_handle;
    Request::Command(Command::UnpublishData { handle })
}

pub(super) fn subscribe(message: &proto::UpdateDataSubscription) -> Request {
    Request::Command(Command::SubscribeData(wishes(message)))
}

/// What is no id of ours names nothing.
pub(super) fn wishes(message: &proto::UpdateDataSubscription) -> Vec<DataWish> {
    let updates = message.updates.iter().take(MAX_UPDATES);
    let wishes = updates.filter_map(|update| {
        let wanted = if update.subscribe {
            Wanted::Yes
        } else {
            Wanted::No
        };
        Some(DataWish {
            track: update.track_sid.parse().ok()?,
            wanted,
            fps: update
                .options
                .as_ref()
                .and_then(|options| NonZeroU32::new(options.target_fps?)),
        })
    });
    wishes.collect()
}

/// A data track as a client believes that it publishes it; what is none of ours it
/// cannot believe.
pub(super) fn believed(message: &proto::DataTrackInfo) -> Option<DataTrackInfo> {
    Some(DataTrackInfo {
        id: message.sid.parse().ok()?,
        handle: message.pub_handle.try_into().ok()?,
        name: message.name.chars().take(MAX_NAME).collect(),
        encryption: info::encryption(message.encryption),
        format: Bytes::new(),
    })
}

/// A data track as participants are shown with it.
pub(crate) fn describe(track: &DataTrackInfo) -> proto::DataTrackInfo {
    let format = proto::DataTrackInfo::decode(track.format.as_ref()).unwrap_or_default();
    proto::DataTrackInfo {
        pub_handle: track.handle.into(),
        sid: track.id.to_string(),
        name: track.name.clone(),
        encryption: match track.encryption {
            Encryption::None => proto::encryption::Type::None,
            Encryption::Gcm => proto::encryption::Type::Gcm,
            Encryption::Custom => proto::encryption::Type::Custom,
        }
        .into(),
        ..format
    }
}

impl Response {
    /// The client's data track is there.
    pub fn data_published(track: &DataTrackInfo) -> Self {
        let info = Some(describe(track));
        Self::of(Wire::PublishDataTrackResponse(
            proto::PublishDataTrackResponse { info },
        ))
    }

    /// The client's data track is gone.
    pub fn data_unpublished(track: &DataTrackInfo) -> Self {
        let info = Some(describe(track));
        Self::of(Wire::UnpublishDataTrackResponse(
            proto::UnpublishDataTrackResponse { info },
        ))
    }

    /// All numbers under which the client receives data tracks.
    pub fn data_handles(handles: &[DataHandle]) -> Self {
        let entry = |it: &DataHandle| {
            let track = proto::data_track_subscriber_handles::PublishedDataTrack {
                publisher_identity: it.identity.0.to_string(),
                publisher_sid: it.publisher.to_string(),
                track_sid: it.track.to_string(),
            };
            (it.handle.into(), track)
        };
        Self::of(Wire::DataTrackSubscriberHandles(
            proto::DataTrackSubscriberHandles {
                sub_handles: handles.iter().map(entry).collect(),
            },
        ))
    }

    /// Announcing a data track was refused.
    pub fn refused_data(handle: u32, name: &str, refusal: Refusal) -> Self {
        let copy = proto::PublishDataTrackRequest {
            pub_handle: handle,
            name: name.chars().take(MAX_NAME).collect(),
            ..Default::default()
        };
        Self::refused(refusal, request_response::Request::PublishDataTrack(copy))
    }

    /// Ending a data track was refused.
    pub fn refused_data_end(handle: u32, refusal: Refusal) -> Self {
        let copy = proto::UnpublishDataTrackRequest { pub_handle: handle };
        Self::refused(refusal, request_response::Request::UnpublishDataTrack(copy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frames_are_made_of_is_passed_on() {
        let asked = proto::PublishDataTrackRequest {
            pub_handle: 7,
            name: "position".into(),
            encryption: 1,
            frame_encoding: Some(proto::DataTrackFrameEncoding::default()),
            schema: Some(proto::DataTrackSchemaId {
                name: "point".into(),
                encoding: None,
            }),
        };
        let Request::Command(Command::PublishData(publication)) = publish(asked.clone()) else {
            panic!("announced")
        };
        assert_eq!(
            (publication.handle, publication.name.as_str()),
            (7, "position")
        );
        let shown = describe(&DataTrackInfo {
            id: "DTR_x".parse().unwrap(),
            handle: 7,
            name: publication.name,
            encryption: publication.encryption,
            format: publication.format,
        });
        let expected = proto::DataTrackInfo {
            pub_handle: 7,
            sid: "DTR_x".into(),
            name: asked.name,
            encryption: asked.encryption,
            frame_encoding: asked.frame_encoding,
            schema: asked.schema,
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_subscription_names_data_tracks_of_ours_and_how_often_frames_shall_come() {
        let update = |track_sid: &str, subscribe| proto::update_data_subscription::Update {
            track_sid: track_sid.into(),
            subscribe,
            options: None,
        };
        let at = |fps| proto::update_data_subscription::Update {
            options: Some(proto::DataTrackSubscriptionOptions {
                target_fps: Some(fps),
            }),
            ..update("DTR_a", true)
        };
        let message = proto::UpdateDataSubscription {
            updates: vec![
                update("DTR_a", true),
                update("TR_b", true),
                update("", true),
                update("DTR_c", false),
                at(10),
                at(0),
            ],
        };
        let wish = |track: &str, wanted, fps| DataWish {
            track: track.parse().unwrap(),
            wanted,
            fps,
        };
        let Request::Command(Command::SubscribeData(wishes)) = subscribe(&message) else {
            panic!("a wish")
        };
        assert_eq!(
            wishes,
            [
                wish("DTR_a", Wanted::Yes, None),
                wish("DTR_c", Wanted::No, None),
                wish("DTR_a", Wanted::Yes, NonZeroU32::new(10)),
                wish("DTR_a", Wanted::Yes, None),
            ]
        );
    }

    #[test]
    fn refusals_have_a_reason_of_their_own() {
        use request_response::Reason;
        for (refusal, expected) in [
            (Refusal::NotAllowed, Reason::NotAllowed),
            (Refusal::InvalidHandle, Reason::InvalidHandle),
            (Refusal::InvalidName, Reason::InvalidName),
            (Refusal::DuplicateHandle, Reason::DuplicateHandle),
            (Refusal::DuplicateName, Reason::DuplicateName),
            (Refusal::LimitExceeded, Reason::LimitExceeded),
        ] {
            let response = Response::refused_data(3, &"n".repeat(9_000), refusal);
            let Wire::RequestResponse(answer) = response.wire() else {
                panic!("an answer")
            };
            assert_eq!(answer.reason(), expected);
            let Some(request_response::Request::PublishDataTrack(copy)) = &answer.request else {
                panic!("a copy")
            };
            assert_eq!((copy.pub_handle, copy.name.len()), (3, MAX_NAME));
        }
    }
}
