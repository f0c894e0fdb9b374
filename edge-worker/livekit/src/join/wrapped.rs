//! The `join_request` parameter: base64 of a message that holds another one,
//! compressed or not.

use std::io::Read;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;
use prost::Message;

use super::{JoinError, JoinRequest, Mode, Reconnect, wanted};
use crate::proto::{self, wrapped_join_request::Compression};
use crate::signal::{AddTrack, Description, SyncState};
use crate::{Client, wire};

/// Largest request, decompressed: an offer with hundreds of sections fits, a
/// compression bomb does not.
pub const MAX_JOIN_REQUEST: usize = 1024 * 1024;

/// More announced tracks than a room lets wait are not even looked at.
const MAX_ADD_TRACKS: usize = 32;

/// An announcement with more bytes is left out: two bytes can decode to a hundred.
const MAX_ADD_TRACK: usize = 16 * 1024;

/// Reads the value of a `join_request` parameter.
pub fn decode_join_request(text: &str) -> Result<JoinRequest, JoinError> {
    if text.len() > MAX_JOIN_REQUEST * 2 {
        return Err(JoinError::TooLarge);
    }
    let outer = lenient_base64(text).ok_or(JoinError::Base64)?;
    let outer =
        proto::WrappedJoinRequest::decode(outer.as_slice()).map_err(|_| JoinError::Wrapped)?;
    let compression =
        Compression::try_from(outer.compression).map_err(|_| JoinError::Compression)?;
    let inner = match compression {
        Compression::None => outer.join_request,
        Compression::Gzip => gunzip(&outer.join_request)?,
    };
    if inner.len() > MAX_JOIN_REQUEST {
        return Err(JoinError::TooLarge);
    }
    let (inner, sync_state) = bounded(&inner).map_err(|_| JoinError::Message)?;
    let sync_state = sync_state
        .map(SyncState::read)
        .transpose()
        .map_err(|_| JoinError::Message)?;
    let message = proto::JoinRequest::decode(inner.as_slice()).map_err(|_| JoinError::Message)?;
    read(message, sync_state)
}

/// Leaves out what we would not use, before decoding makes it large, and puts apart what
/// is read by itself.
fn bounded(inner: &[u8]) -> Result<(Vec<u8>, Option<&[u8]>), wire::Malformed> {
    const ADD_TRACK: u32 = 5;
    const SYNC_STATE: u32 = 10;
    let mut kept = Vec::with_capacity(inner.len());
    let mut add_tracks = 0;
    let mut sync_state = None;
    for field in wire::fields(inner) {
        let field = field?;
        if field.number == ADD_TRACK {
            add_tracks += 1;
        }
        let keep = match field.number {
            ADD_TRACK => add_tracks <= MAX_ADD_TRACKS && field.content.len() <= MAX_ADD_TRACK,
            SYNC_STATE => {
                sync_state = Some(field.content);
                false
            }
            _ => true,
        };
        if keep {
            kept.extend_from_slice(field.whole);
        }
    }
    Ok((kept, sync_state))
}

fn read(
    message: proto::JoinRequest,
    sync_state: Option<SyncState>,
) -> Result<JoinRequest, JoinError> {
    // Absent settings are all false here, unlike in the older query.
    let settings = message.connection_settings.unwrap_or_default();
    let offer = message
        .publisher_offer
        .filter(|offer| !offer.sdp.is_empty());
    Ok(JoinRequest {
        mode: Mode::Single,
        client: message
            .client_info
            .map(Client::from_proto)
            .unwrap_or_default(),
        auto_subscribe: wanted(settings.auto_subscribe),
        auto_subscribe_data: wanted(settings.auto_subscribe_data_track.unwrap_or(false)),
        adaptive_stream: settings.adaptive_stream,
        allow_pause: settings.subscriber_allow_pause,
        reconnect: message.reconnect.then(|| Reconnect {
            participant: message.participant_sid.parse().ok(),
            reason: message.reconnect_reason,
        }),
        publish_only: None,
        metadata: Some(message.metadata).filter(|metadata| !metadata.is_empty()),
        attributes: message.participant_attributes.into_iter().collect(),
        add_tracks: message
            .add_track_requests
            .into_iter()
            .map(AddTrack::from_proto)
            .collect(),
        offer: offer
            .map(Description::offer_from_proto)
            .transpose()
            .map_err(|_| JoinError::Message)?,
        sync_state: sync_state.filter(|_| message.reconnect),
    })
}

/// Takes both alphabets, padded or not, and the space that an unescaped `+` has
/// become.
pub(super) fn lenient_base64(text: &str) -> Option<Vec<u8>> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let standard: Vec<u8> = text
        .bytes()
        .map(|byte| match byte {
            b'-' | b' ' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    ENGINE.decode(standard).ok()
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, JoinError> {
    let mut inner = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(MAX_JOIN_REQUEST as u64 + 1)
        .read_to_end(&mut inner)
        .map_err(|_| JoinError::Compression)?;
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::prelude::{
        BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD,
    };
    use flate2::write::GzEncoder;
    use sfu::Wanted;

    use super::*;
    use crate::Sdk;
    use crate::join::Endpoint;

    /// A request as the JS SDK builds it, with its offer and one track inside.
    fn js_request() -> proto::JoinRequest {
        proto::JoinRequest {
            client_info: Some(proto::ClientInfo {
                sdk: 1,
                version: "2.23.0".into(),
                protocol: 17,
                client_protocol: 2,
                capabilities: vec![1, 2],
                browser: "Chrome".into(),
                os: "Linux".into(),
                ..Default::default()
            }),
            connection_settings: Some(proto::ConnectionSettings {
                auto_subscribe: true,
                adaptive_stream: true,
                ..Default::default()
            }),
            add_track_requests: vec![proto::AddTrackRequest {
                cid: "c-1".into(),
                ..Default::default()
            }],
            publisher_offer: Some(proto::SessionDescription {
                r#type: "offer".into(),
                sdp: "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n?>~\u{ff}".repeat(20),
                id: 1,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn wrap(compression: i32, join_request: Vec<u8>) -> Vec<u8> {
        proto::WrappedJoinRequest {
            compression,
            join_request,
        }
        .encode_to_vec()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn jr_2_every_alphabet_padding_and_compression_is_read() {
        let message = js_request().encode_to_vec();
        for wrapped in [wrap(0, message.clone()), wrap(1, gzip(&message))] {
            for text in [
                BASE64_URL_SAFE.encode(&wrapped),
                BASE64_URL_SAFE_NO_PAD.encode(&wrapped),
                BASE64_STANDARD.encode(&wrapped),
                BASE64_STANDARD_NO_PAD.encode(&wrapped),
                BASE64_STANDARD.encode(&wrapped).replace('+', " "),
            ] {
                let request = decode_join_request(&text).unwrap();
                assert_eq!(request.mode, Mode::Single);
                assert_eq!((request.client.sdk, request.client.protocol), (Sdk::Js, 17));
                assert_eq!(request.client.capabilities, [1, 2]);
                assert_eq!(request.auto_subscribe, Wanted::Yes);
                let offer = request.offer.unwrap();
                assert_eq!(
                    (offer.id, offer.sdp),
                    (1, js_request().publisher_offer.unwrap().sdp)
                );
                assert_eq!(request.add_tracks[0].cid(), "c-1");
            }
        }
    }

    #[test]
    fn jr_1_its_presence_means_one_connection_on_either_endpoint() {
        let text = BASE64_URL_SAFE.encode(wrap(1, gzip(&js_request().encode_to_vec())));
        let query = [("join_request".to_owned(), text)];
        for endpoint in [Endpoint::V0, Endpoint::V1] {
            let request = JoinRequest::from_query(endpoint, &query).unwrap();
            assert_eq!(request.mode, Mode::Single);
        }
    }

    #[test]
    fn jr_3_auto_subscribe_is_false_when_absent() {
        let text = BASE64_URL_SAFE.encode(wrap(0, proto::JoinRequest::default().encode_to_vec()));
        // The empty message is still there: its wrapper is empty, its text is not.
        assert_eq!(text, "");
        let settings = proto::JoinRequest {
            client_info: Some(proto::ClientInfo::default()),
            ..Default::default()
        };
        let text = BASE64_URL_SAFE.encode(wrap(0, settings.encode_to_vec()));
        assert_eq!(
            decode_join_request(&text).unwrap().auto_subscribe,
            Wanted::No
        );
    }

    #[test]
    fn jr_5_bad_w5_a_request_over_the_limit_is_refused_before_it_is_unpacked() {
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        for (wrapped, expected) in [
            (wrap(1, bomb), JoinError::TooLarge),
            (wrap(0, vec![0; MAX_JOIN_REQUEST + 1]), JoinError::TooLarge),
            (wrap(0, vec![0; MAX_JOIN_REQUEST * 4]), JoinError::TooLarge),
        ] {
            let error = decode_join_request(&BASE64_URL_SAFE.encode(wrapped)).unwrap_err();
            assert_eq!(error, expected);
            assert_eq!(
                (error.status(), error.to_string().as_str()),
                (400, "join request too large")
            );
        }
    }

    #[test]
    fn jr_6_what_cannot_be_read_is_a_400_with_its_text() {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE.encode(bytes);
        for (text, error, body) in [
            (
                "!!!".into(),
                JoinError::Base64,
                "cannot base64 decode wrapped join request",
            ),
            (
                "\u{e9}".into(),
                JoinError::Base64,
                "cannot base64 decode wrapped join request",
            ),
            (
                encode(&[0xff; 9]),
                JoinError::Wrapped,
                "cannot unmarshal wrapped join request",
            ),
            (
                encode(&wrap(1, vec![1, 2, 3])),
                JoinError::Compression,
                "cannot decompress join request",
            ),
            (
                encode(&wrap(7, vec![])),
                JoinError::Compression,
                "cannot decompress join request",
            ),
            (
                encode(&wrap(0, vec![0xff; 9])),
                JoinError::Message,
                "cannot unmarshal join request",
            ),
        ] {
            let seen = decode_join_request(&text).unwrap_err();
            assert_eq!((seen, seen.status()), (error, 400), "{text}");
            assert_eq!(seen.to_string(), body);
        }
    }

    #[test]
    fn cut_and_changed_requests_never_panic() {
        let wrapped = wrap(1, gzip(&js_request().encode_to_vec()));
        for end in 0..wrapped.len() {
            let _ = decode_join_request(&BASE64_URL_SAFE.encode(&wrapped[..end]));
            let mut changed = wrapped.clone();
            changed[end] ^= 0x55;
            let _ = decode_join_request(&BASE64_URL_SAFE.encode(changed));
        }
    }
}
