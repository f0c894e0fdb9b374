//! Data messages the server sends itself: on behalf of the app, with no participant as
//! their sender; and what clients answer to its calls of their methods.

use std::time::Duration;

use bytes::Bytes;
use media::ParticipantId;
use prost::Message as _;
use sfu::{Destinations, Identity, Message, Reliability};

use crate::data::MAX_DATA;
use crate::proto::{self, data_packet::Value};

/// A data message of the app.
#[derive(Clone, Debug)]
pub struct ServerMessage(Message);

/// A message is too large for the data channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("data messages have at most 65535 bytes, with topic and receivers")]
pub struct TooLarge;

impl ServerMessage {
    /// What `payload` is, is the app's. For everybody if nobody is named.
    #[expect(deprecated, reason = "older clients read it only there")]
    pub fn user(
        payload: Vec<u8>,
        reliability: Reliability,
        topic: Option<String>,
        destination_identities: Vec<String>,
        destination_sids: Vec<String>,
        nonce: &[u8],
    ) -> Result<Self, TooLarge> {
        let user = proto::UserPacket {
            payload,
            topic,
            destination_identities: destination_identities.clone(),
            destination_sids: destination_sids.clone(),
            nonce: nonce.to_vec(),
            ..Default::default()
        };
        Self::of(
            reliability,
            destination_identities,
            &destination_sids,
            Value::User(user),
        )
    }

    /// Ready for a room.
    pub fn into_message(self) -> Message {
        self.0
    }

    fn of(
        reliability: Reliability,
        destination_identities: Vec<String>,
        destination_sids: &[String],
        value: Value,
    ) -> Result<Self, TooLarge> {
        let packet = proto::DataPacket {
            destination_identities: destination_identities.clone(),
            value: Some(value),
            ..Default::default()
        };
        let packet = kind(packet, reliability);
        if packet.encoded_len() > MAX_DATA {
            return Err(TooLarge);
        }
        let mut identities: Vec<_> = destination_identities
            .into_iter()
            .map(|identity| Identity(identity.into()))
            .collect();
        let sids: Vec<_> = destination_sids
            .iter()
            .filter_map(|sid| sid.parse::<ParticipantId>().ok())
            .collect();
        // A message for nobody we could find must not become one for everybody.
        if !destination_sids.is_empty() && sids.is_empty() && identities.is_empty() {
            identities.push(Identity("".into()));
        }
        Ok(Self(Message {
            reliability,
            destinations: Destinations { identities, sids },
            // The server numbers nothing: nobody resumes at it.
            sequence: 0,
            payload: packet.encode_to_vec().into(),
        }))
    }
}

#[expect(deprecated, reason = "older clients read it only there")]
fn kind(mut packet: proto::DataPacket, reliability: Reliability) -> proto::DataPacket {
    packet.kind = match reliability {
        Reliability::Reliable => proto::data_packet::Kind::Reliable,
        Reliability::Lossy => proto::data_packet::Kind::Lossy,
    }
    .into();
    packet
}

/// A call of a participant's method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rpc {
    /// Whose method.
    pub identity: Identity,
    /// Which.
    pub method: String,
    /// What it is given.
    pub payload: String,
    /// How long its answer may take.
    pub limit: Duration,
}

impl Rpc {
    /// A client that is there acknowledges a call within this time.
    pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(7);

    /// The message that makes the call, under `id`.
    pub fn message(&self, id: &str) -> Result<ServerMessage, TooLarge> {
        let request = proto::RpcRequest {
            id: id.to_owned(),
            method: self.method.clone(),
            payload: self.payload.clone(),
            response_timeout_ms: self.limit.as_millis().try_into().unwrap_or(u32::MAX),
            version: 1,
            ..Default::default()
        };
        ServerMessage::of(
            Reliability::Reliable,
            vec![self.identity.0.to_string()],
            &[],
            Value::RpcRequest(request),
        )
    }
}

/// What a client says to a call of its method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RpcReply {
    /// Of the call.
    pub id: String,
    /// What it says.
    pub news: RpcNews,
}

/// How a call goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RpcNews {
    /// It has arrived.
    Acknowledged,
    /// The method returned.
    Returned(String),
    /// The method failed.
    Failed(RpcError),
}

/// Why a method failed, in the client's words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RpcError {
    /// LiveKit's number, or the app's.
    pub code: u32,
    /// For people.
    pub message: String,
    /// For programs.
    pub data: String,
}

/// Reads a data message as the reply to a call; `None` if it is something else.
pub fn rpc_reply(payload: &Bytes) -> Option<RpcReply> {
    let packet = proto::DataPacket::decode(payload.as_ref()).ok()?;
    let value = packet.value?;
    if let Value::RpcAck(ack) = value {
        return Some(RpcReply {
            id: ack.request_id,
            news: RpcNews::Acknowledged,
        });
    }
    let Value::RpcResponse(response) = value else {
        return None;
    };
    Some(RpcReply {
        id: response.request_id,
        news: news(response.value),
    })
}

fn news(value: Option<proto::rpc_response::Value>) -> RpcNews {
    use proto::rpc_response::Value as Response;
    match value {
        Some(Response::Payload(payload)) => RpcNews::Returned(payload),
        Some(Response::Error(error)) => RpcNews::Failed(RpcError {
            code: error.code,
            message: error.message,
            data: error.data,
        }),
        None => RpcNews::Returned(String::new()),
        // Only asked for by those who can read it, which a version 1 call does not.
        Some(Response::CompressedPayload(_)) => RpcNews::Failed(RpcError {
            code: 1500,
            message: "the answer is compressed, which was not asked for".to_owned(),
            data: String::new(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(message: ServerMessage) -> (Message, proto::DataPacket) {
        let message = message.into_message();
        let packet = proto::DataPacket::decode(message.payload.as_ref()).unwrap();
        (message, packet)
    }

    #[test]
    fn a_message_of_the_app_has_no_sender() {
        let message = ServerMessage::user(
            b"hello".to_vec(),
            Reliability::Lossy,
            Some("greeting".into()),
            vec!["ada".into()],
            Vec::new(),
            &[7; 16],
        );
        let (message, packet) = decoded(message.unwrap());
        assert_eq!(message.destinations.identities, [Identity("ada".into())]);
        assert_eq!(packet.destination_identities, ["ada"]);
        assert!(packet.participant_identity.is_empty() && packet.participant_sid.is_empty());
        let Some(Value::User(user)) = packet.value else {
            panic!("{packet:?}");
        };
        assert_eq!(user.payload, b"hello");
        assert_eq!(user.topic.as_deref(), Some("greeting"));
        assert_eq!(user.nonce, [7; 16]);
    }

    #[test]
    fn a_message_for_nobody_is_not_one_for_everybody() {
        let sids = vec!["nobody".to_owned()];
        let message = ServerMessage::user(
            Vec::new(),
            Reliability::Reliable,
            None,
            Vec::new(),
            sids,
            &[],
        );
        let (message, _) = decoded(message.unwrap());
        assert_ne!(message.destinations, Destinations::default());
        let large = ServerMessage::user(
            vec![0; MAX_DATA],
            Reliability::Reliable,
            None,
            Vec::new(),
            Vec::new(),
            &[],
        );
        assert_eq!(large.unwrap_err(), TooLarge);
    }

    #[test]
    fn replies_to_calls_are_told_from_other_messages() {
        let reply = |value| {
            let packet = proto::DataPacket {
                value: Some(value),
                ..Default::default()
            };
            rpc_reply(&packet.encode_to_vec().into())
        };
        let id = || "call-1".to_owned();
        let answered = |value| {
            Value::RpcResponse(proto::RpcResponse {
                request_id: id(),
                value: Some(value),
            })
        };
        use proto::rpc_response::Value as Response;
        let error = RpcError {
            code: 1400,
            message: "no such method".into(),
            data: "x".into(),
        };
        for (value, expected) in [
            (
                Value::RpcAck(proto::RpcAck { request_id: id() }),
                Some(RpcNews::Acknowledged),
            ),
            (
                answered(Response::Payload("pong".into())),
                Some(RpcNews::Returned("pong".into())),
            ),
            (
                answered(Response::Error(proto::RpcError {
                    code: 1400,
                    message: "no such method".into(),
                    data: "x".into(),
                })),
                Some(RpcNews::Failed(error)),
            ),
            (Value::User(proto::UserPacket::default()), None),
            (Value::RpcRequest(proto::RpcRequest::default()), None),
        ] {
            let expected = expected.map(|news| RpcReply { id: id(), news });
            assert_eq!(reply(value.clone()), expected, "{value:?}");
        }
        assert_eq!(rpc_reply(&Bytes::from_static(b"\xff\xff")), None);
    }
}
