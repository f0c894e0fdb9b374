//! What a client that came back believes, as it writes it.

use std::sync::Arc;

use media::ParticipantId;
use prost::Message;
use sfu::{Synced, Wanted};

use super::data_track;
use super::request::{DecodeError, MAX_SMALL_MESSAGE, MAX_TRACKS, track_ids};
use crate::proto;
use crate::wire;

/// What a client that came back believes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SyncState {
    /// To be compared with what the room knows.
    Claims(Synced),
    /// It publishes a track with an id that we never gave.
    Impossible,
}

/// More senders than a room has.
const MAX_SENDERS: usize = 4096;

impl SyncState {
    /// Reads the message of that name. The descriptions in it are left alone: the
    /// negotiation that follows on coming back replaces them.
    pub(crate) fn read(message: &[u8]) -> Result<Self, DecodeError> {
        const SUBSCRIPTION: u32 = 2;
        const PUBLISH_TRACKS: u32 = 3;
        const DISABLED: u32 = 6;
        const RECEIVED: u32 = 7;
        const PUBLISH_DATA_TRACKS: u32 = 8;
        const DATA_SUBSCRIPTION: u32 = 9;
        let mut used = Vec::new();
        for field in wire::fields(message) {
            let field = field.map_err(|_| DecodeError::Binary)?;
            if let SUBSCRIPTION | PUBLISH_TRACKS | DISABLED | RECEIVED | PUBLISH_DATA_TRACKS
            | DATA_SUBSCRIPTION = field.number
            {
                used.extend_from_slice(field.whole);
            }
        }
        if used.len() > MAX_SMALL_MESSAGE {
            return Err(DecodeError::TooLarge);
        }
        let state = proto::SyncState::decode(used.as_slice()).map_err(|_| DecodeError::Binary)?;
        Ok(Self::from_proto(state))
    }

    fn from_proto(state: proto::SyncState) -> Self {
        // A track that was asked for and not yet acknowledged has no id.
        let published = state.publish_tracks.iter().filter_map(|published| {
            let track = published.track.as_ref()?;
            (!track.sid.is_empty()).then_some(&track.sid)
        });
        let published: Result<Vec<_>, _> =
            published.take(MAX_TRACKS).map(|sid| sid.parse()).collect();
        let Ok(published) = published else {
            return Self::Impossible;
        };
        let subscription = state.subscription.unwrap_or_default();
        let nested = subscription.participant_tracks.iter();
        let nested = nested.flat_map(|tracks| &tracks.track_sids);
        let received = state.datachannel_receive_states.iter();
        let received = received.filter_map(|received| {
            let from: ParticipantId = received.publisher_sid.parse().ok()?;
            Some((from, received.last_seq))
        });
        let published_data = state.publish_data_tracks.iter();
        let published_data =
            published_data.filter_map(|published| data_track::believed(published.info.as_ref()?));
        let data = state.data_subscription.as_ref();
        Self::Claims(Synced {
            published,
            tracks: track_ids(subscription.track_sids.iter().chain(nested)),
            wanted: if subscription.subscribe {
                Wanted::Yes
            } else {
                Wanted::No
            },
            disabled: track_ids(state.track_sids_disabled.iter()),
            published_data: published_data.take(MAX_TRACKS).map(Arc::new).collect(),
            data: data.map(data_track::wishes).unwrap_or_default(),
            received: received.take(MAX_SENDERS).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sfu::{DataTrackInfo, DataWish, Encryption};

    fn published(sids: &[&str]) -> proto::SyncState {
        let track = |sid: &&str| proto::TrackPublishedResponse {
            cid: "mic".into(),
            track: Some(proto::TrackInfo {
                sid: (*sid).to_owned(),
                ..Default::default()
            }),
        };
        proto::SyncState {
            publish_tracks: sids.iter().map(track).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn everything_but_the_descriptions_is_read() {
        let data_track = |sid: &str| proto::PublishDataTrackResponse {
            info: Some(proto::DataTrackInfo {
                pub_handle: 3,
                sid: sid.into(),
                name: "position".into(),
                ..Default::default()
            }),
        };
        let state = proto::SyncState {
            answer: Some(proto::SessionDescription {
                sdp: "x".repeat(1_000_000),
                ..Default::default()
            }),
            subscription: Some(proto::UpdateSubscription {
                track_sids: vec!["TR_a".into(), "junk".into()],
                subscribe: false,
                ..Default::default()
            }),
            track_sids_disabled: vec!["TR_b".into()],
            datachannel_receive_states: vec![
                proto::DataChannelReceiveState {
                    publisher_sid: "PA_x".into(),
                    last_seq: 7,
                },
                proto::DataChannelReceiveState {
                    publisher_sid: "junk".into(),
                    last_seq: 7,
                },
            ],
            publish_data_tracks: ["DTR_x", "junk"].map(data_track).into(),
            data_subscription: Some(proto::UpdateDataSubscription {
                updates: vec![proto::update_data_subscription::Update {
                    track_sid: "DTR_y".into(),
                    subscribe: true,
                    options: None,
                }],
            }),
            ..published(&["TR_own", ""])
        };
        let expected = Synced {
            published: vec!["TR_own".parse().unwrap()],
            tracks: vec!["TR_a".parse().unwrap()],
            wanted: Wanted::No,
            disabled: vec!["TR_b".parse().unwrap()],
            received: vec![("PA_x".parse().unwrap(), 7)],
            published_data: vec![Arc::new(DataTrackInfo {
                id: "DTR_x".parse().unwrap(),
                handle: 3,
                name: "position".into(),
                encryption: Encryption::None,
                format: Bytes::new(),
            })],
            data: vec![DataWish {
                track: "DTR_y".parse().unwrap(),
                wanted: Wanted::Yes,
                fps: None,
            }],
        };
        let read = SyncState::read(&state.encode_to_vec()).unwrap();
        assert_eq!(read, SyncState::Claims(expected));
    }

    #[test]
    fn a_track_with_an_id_of_somebody_elses_making_is_impossible() {
        let state = published(&["TR_own", "nonsense"]);
        let read = SyncState::read(&state.encode_to_vec()).unwrap();
        assert_eq!(read, SyncState::Impossible);
    }

    #[test]
    fn lists_without_end_and_garbage_are_refused() {
        let long = proto::SyncState {
            track_sids_disabled: vec!["TR_b".into(); MAX_SMALL_MESSAGE / 6 + 1],
            ..Default::default()
        };
        for (bytes, expected) in [
            (long.encode_to_vec(), DecodeError::TooLarge),
            (vec![0xff; 9], DecodeError::Binary),
            (vec![0; 9], DecodeError::Binary),
        ] {
            assert_eq!(SyncState::read(&bytes), Err(expected));
        }
    }
}
