//! Data messages on their way from one participant to others: who sent them is
//! written by us, what they carry is left as it is.
//!
//! A message is read by its type but rewritten field by field, so that fields and
//! kinds of content newer than our types go through unchanged. Whom it reaches is
//! decided by the room, which also checks the permission to send.

use bytes::Bytes;
use media::ParticipantId;
use prost::Message;
use sfu::{Identity, Reliability, Visibility};

use crate::chat::Fragment;
use crate::proto::{self, data_packet::Value};
use crate::wire::{self, Malformed};

/// Largest message; SDKs cut theirs at 64,000 bytes.
pub const MAX_DATA: usize = 65_535;

/// More receivers named in one message than a room has.
const MAX_DESTINATIONS: usize = 1000;

/// Who sends.
#[derive(Clone, Debug)]
pub struct Sender {
    /// This membership.
    pub id: ParticipantId,
    /// Chosen by the app.
    pub identity: Identity,
    /// Hidden ones send without a name.
    pub visibility: Visibility,
    /// LiveKit's number; agents may speak for others.
    pub kind: i32,
}

/// A message ready to be forwarded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stamped {
    /// As it goes on the wire.
    pub payload: Bytes,
    /// The sender's number for it, rising by one per reliable message; 0 for none.
    /// It goes on unchanged: receivers compare it.
    pub sequence: u32,
    /// Who shall get it; with `destination_sids` empty too: everybody else.
    pub destination_identities: Vec<String>,
    /// The same, in the older way; each is a [`ParticipantId`].
    pub destination_sids: Vec<String>,
    /// What of it may belong to a chat.
    pub fragment: Option<Fragment>,
}

/// Why a message is not forwarded; each variant is one metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum DataDrop {
    /// Over 65,535 bytes.
    #[error("a data message is too large")]
    TooLarge,
    /// Not a data packet.
    #[error("a data message cannot be read")]
    Malformed,
    /// Names more receivers than a room has, or only such as cannot exist.
    #[error("a data message names receivers that cannot exist")]
    Destinations,
    /// Of a kind that this sender may not send, or that ends at the server.
    #[error("a data message is of a kind that is not forwarded")]
    NotForwarded,
}

/// Writes the sender into a message and reads whom it is for. What the message
/// said of its sender is not believed.
pub fn stamp(
    payload: &Bytes,
    sender: &Sender,
    reliability: Reliability,
) -> Result<Stamped, DataDrop> {
    if payload.len() > MAX_DATA {
        return Err(DataDrop::TooLarge);
    }
    let binary = from_json(payload)?;
    let wire = binary.as_deref().unwrap_or(payload);
    let packet = proto::DataPacket::decode(wire).map_err(|_| DataDrop::Malformed)?;
    check_kind(&packet, sender)?;
    let (destination_identities, destination_sids) = destinations(&packet)?;

    let stamp = Stamp {
        sid: sender.id.as_str(),
        identity: identity(&packet, sender),
        kind: match reliability {
            Reliability::Reliable => proto::data_packet::Kind::Reliable,
            Reliability::Lossy => proto::data_packet::Kind::Lossy,
        },
        identities: &destination_identities,
        sids: &destination_sids,
    };
    let payload = stamp.packet(wire).map_err(|_| DataDrop::Malformed)?;
    // The names of receivers may have been told once and be written twice.
    if payload.len() > MAX_DATA + MAX_STAMP {
        return Err(DataDrop::TooLarge);
    }
    Ok(Stamped {
        payload: payload.into(),
        sequence: packet.sequence,
        destination_identities,
        destination_sids,
        fragment: packet.value.and_then(Fragment::of),
    })
}

/// Bytes that stamping may add to the largest message.
const MAX_STAMP: usize = 2048;

/// The Go SDK can be told to write JSON. No binary message begins with a brace:
/// it would be a group, which LiveKit's messages do not have.
fn from_json(payload: &[u8]) -> Result<Option<Vec<u8>>, DataDrop> {
    if payload.first() != Some(&b'{') {
        return Ok(None);
    }
    let packet: proto::DataPacket =
        serde_json::from_slice(payload).map_err(|_| DataDrop::Malformed)?;
    Ok(Some(packet.encode_to_vec()))
}

#[expect(deprecated, reason = "named to be refused")]
fn check_kind(packet: &proto::DataPacket, sender: &Sender) -> Result<(), DataDrop> {
    match &packet.value {
        Some(Value::Transcription(_)) if !is_agent(sender) => Err(DataDrop::NotForwarded),
        // Written by servers only, and gathered by servers only.
        Some(Value::Speaker(_) | Value::Metrics(_)) => Err(DataDrop::NotForwarded),
        Some(
            Value::User(_)
            | Value::SipDtmf(_)
            | Value::Transcription(_)
            | Value::ChatMessage(_)
            | Value::RpcRequest(_)
            | Value::RpcAck(_)
            | Value::RpcResponse(_)
            | Value::StreamHeader(_)
            | Value::StreamChunk(_)
            | Value::StreamTrailer(_)
            | Value::EncryptedPacket(_),
        )
        | None => Ok(()),
    }
}

/// Both places where identities may be told count.
#[expect(deprecated, reason = "older clients tell it only there")]
fn destinations(packet: &proto::DataPacket) -> Result<(Vec<String>, Vec<String>), DataDrop> {
    let mut identities = packet.destination_identities.clone();
    let mut sids = Vec::new();
    if let Some(Value::User(user)) = &packet.value {
        identities.extend_from_slice(&user.destination_identities);
        sids.clone_from(&user.destination_sids);
    }
    for list in [&mut identities, &mut sids] {
        list.sort_unstable();
        list.dedup();
        if list.len() > MAX_DESTINATIONS {
            return Err(DataDrop::Destinations);
        }
    }
    let named = !identities.is_empty() || !sids.is_empty();
    sids.retain(|sid| sid.parse::<ParticipantId>().is_ok());
    // A message for nobody we could find must not become one for everybody.
    if named && identities.is_empty() && sids.is_empty() {
        return Err(DataDrop::Destinations);
    }
    Ok((identities, sids))
}

/// Who is named as the sender. An agent may say whose words it wrote down.
fn identity<'a>(packet: &'a proto::DataPacket, sender: &'a Sender) -> &'a str {
    let written_down = matches!(&packet.value, Some(Value::Transcription(_)))
        || matches!(&packet.value, Some(Value::ChatMessage(chat)) if chat.generated);
    if written_down && is_agent(sender) && !packet.participant_identity.is_empty() {
        return &packet.participant_identity;
    }
    match sender.visibility {
        Visibility::Visible => &sender.identity.0,
        Visibility::Hidden => "",
    }
}

fn is_agent(sender: &Sender) -> bool {
    sender.kind == i32::from(proto::participant_info::Kind::Agent)
}

/// What is written into a message.
struct Stamp<'a> {
    sid: &'a str,
    identity: &'a str,
    kind: proto::data_packet::Kind,
    identities: &'a [String],
    sids: &'a [String],
}

/// Fields of `DataPacket`.
mod packet {
    pub(super) const KIND: u32 = 1;
    pub(super) const USER: u32 = 2;
    pub(super) const IDENTITY: u32 = 4;
    pub(super) const DESTINATION_IDENTITIES: u32 = 5;
    pub(super) const SID: u32 = 17;
}

/// Fields of `UserPacket`, where older clients look.
mod user {
    pub(super) const SID: u32 = 1;
    pub(super) const DESTINATION_SIDS: u32 = 3;
    pub(super) const IDENTITY: u32 = 5;
    pub(super) const DESTINATION_IDENTITIES: u32 = 6;
}

impl Stamp<'_> {
    fn packet(&self, message: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::with_capacity(message.len() + 128);
        for field in wire::fields(message) {
            let field = field?;
            match field.number {
                packet::KIND | packet::IDENTITY | packet::DESTINATION_IDENTITIES | packet::SID => {}
                packet::USER => wire::put(packet::USER, &self.user(field.content)?, &mut out),
                _ => out.extend_from_slice(field.whole),
            }
        }
        let kind = i32::from(self.kind);
        if kind != 0 {
            wire::put_number(packet::KIND, kind.unsigned_abs().into(), &mut out);
        }
        put_text(packet::IDENTITY, self.identity, &mut out);
        put_list(packet::DESTINATION_IDENTITIES, self.identities, &mut out);
        put_text(packet::SID, self.sid, &mut out);
        Ok(out)
    }

    fn user(&self, message: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::with_capacity(message.len() + 64);
        for field in wire::fields(message) {
            let field = field?;
            match field.number {
                user::SID
                | user::DESTINATION_SIDS
                | user::IDENTITY
                | user::DESTINATION_IDENTITIES => {}
                _ => out.extend_from_slice(field.whole),
            }
        }
        put_text(user::SID, self.sid, &mut out);
        put_list(user::DESTINATION_SIDS, self.sids, &mut out);
        put_text(user::IDENTITY, self.identity, &mut out);
        put_list(user::DESTINATION_IDENTITIES, self.identities, &mut out);
        Ok(out)
    }
}

fn put_text(number: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        wire::put(number, text.as_bytes(), out);
    }
}

fn put_list(number: u32, list: &[String], out: &mut Vec<u8>) {
    for text in list {
        wire::put(number, text.as_bytes(), out);
    }
}

#[cfg(test)]
#[expect(deprecated, reason = "older clients use it")]
mod tests {
    use super::*;

    fn sender() -> Sender {
        Sender {
            id: "PA_sender".parse().unwrap(),
            identity: Identity("ada".into()),
            visibility: Visibility::Visible,
            kind: 0,
        }
    }

    fn agent() -> Sender {
        Sender {
            kind: proto::participant_info::Kind::Agent.into(),
            ..sender()
        }
    }

    fn user(user: proto::UserPacket) -> proto::DataPacket {
        proto::DataPacket {
            value: Some(Value::User(user)),
            ..Default::default()
        }
    }

    fn encoded(packet: &proto::DataPacket) -> Bytes {
        packet.encode_to_vec().into()
    }

    fn stamped(packet: &proto::DataPacket, sender: &Sender) -> (Stamped, proto::DataPacket) {
        let stamped = stamp(&encoded(packet), sender, Reliability::Reliable).unwrap();
        let read = proto::DataPacket::decode(stamped.payload.clone()).unwrap();
        (stamped, read)
    }

    #[test]
    fn dc_2_the_sender_is_ours_to_say() {
        let forged = proto::DataPacket {
            participant_identity: "grace".into(),
            participant_sid: "PA_other".into(),
            kind: 1,
            ..user(proto::UserPacket {
                participant_sid: "PA_other".into(),
                participant_identity: "grace".into(),
                payload: b"hello".to_vec(),
                topic: Some("t".into()),
                ..Default::default()
            })
        };
        for (sender, identity) in [
            (sender(), "ada"),
            (
                Sender {
                    visibility: Visibility::Hidden,
                    ..sender()
                },
                "",
            ),
            (agent(), "ada"),
        ] {
            let (_, read) = stamped(&forged, &sender);
            assert_eq!(
                (read.participant_identity.as_str(), read.kind),
                (identity, 0)
            );
            assert_eq!(read.participant_sid, "PA_sender");
            let Some(Value::User(user)) = read.value else {
                panic!("still a user packet")
            };
            assert_eq!(user.participant_identity, identity);
            assert_eq!(user.participant_sid, "PA_sender");
            assert_eq!(
                (user.payload.as_slice(), user.topic.as_deref()),
                (&b"hello"[..], Some("t"))
            );
        }
    }

    #[test]
    fn dc_2_the_kind_is_that_of_the_channel() {
        for (reliability, kind) in [(Reliability::Reliable, 0), (Reliability::Lossy, 1)] {
            for told in [0, 1, 7] {
                let packet = proto::DataPacket {
                    kind: told,
                    ..user(Default::default())
                };
                let stamped = stamp(&encoded(&packet), &sender(), reliability).unwrap();
                assert_eq!(
                    proto::DataPacket::decode(stamped.payload).unwrap().kind,
                    kind
                );
            }
        }
    }

    #[test]
    fn dc_2_a_second_value_cannot_smuggle_a_sender() {
        let mut wire = user(proto::UserPacket {
            participant_identity: "grace".into(),
            ..Default::default()
        })
        .encode_to_vec();
        wire.extend(
            user(proto::UserPacket {
                payload: vec![1],
                ..Default::default()
            })
            .encode_to_vec(),
        );
        let stamped = stamp(&wire.into(), &sender(), Reliability::Reliable).unwrap();
        assert!(!stamped.payload.windows(5).any(|window| window == b"grace"));
    }

    #[test]
    fn dc_2_an_agent_may_say_whose_words_it_wrote_down() {
        let chat = |generated| proto::DataPacket {
            participant_identity: "grace".into(),
            value: Some(Value::ChatMessage(proto::ChatMessage {
                generated,
                ..Default::default()
            })),
            ..Default::default()
        };
        let transcription = proto::DataPacket {
            participant_identity: "grace".into(),
            value: Some(Value::Transcription(proto::Transcription::default())),
            ..Default::default()
        };
        for (packet, sender, expected) in [
            (chat(true), agent(), "grace"),
            (chat(false), agent(), "ada"),
            (chat(true), sender(), "ada"),
            (transcription.clone(), agent(), "grace"),
        ] {
            assert_eq!(stamped(&packet, &sender).1.participant_identity, expected);
        }
        let error = stamp(&encoded(&transcription), &sender(), Reliability::Reliable).unwrap_err();
        assert_eq!(error, DataDrop::NotForwarded);
    }

    #[test]
    fn dc_4_destinations_are_joined_and_told_in_both_places() {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let packet = proto::DataPacket {
            destination_identities: list(&["b", "a"]),
            ..user(proto::UserPacket {
                destination_identities: list(&["c", "a"]),
                destination_sids: list(&["PA_x"]),
                ..Default::default()
            })
        };
        let (stamped, read) = stamped(&packet, &sender());
        assert_eq!(stamped.destination_identities, ["a", "b", "c"]);
        assert_eq!(stamped.destination_sids, ["PA_x"]);
        assert_eq!(read.destination_identities, ["a", "b", "c"]);
        let Some(Value::User(user)) = read.value else {
            panic!("still a user packet")
        };
        assert_eq!(user.destination_identities, ["a", "b", "c"]);
        assert_eq!(user.destination_sids, ["PA_x"]);

        let crowd: Vec<_> = (0..=MAX_DESTINATIONS)
            .map(|index| index.to_string())
            .collect();
        let packet = proto::DataPacket {
            destination_identities: crowd,
            ..Default::default()
        };
        let error = stamp(&encoded(&packet), &sender(), Reliability::Reliable).unwrap_err();
        assert_eq!(error, DataDrop::Destinations);
    }

    #[test]
    fn dc_4_a_message_for_nobody_does_not_go_to_everybody() {
        let packet = |sids: &[&str]| {
            user(proto::UserPacket {
                destination_sids: sids.iter().map(|&sid| sid.to_owned()).collect(),
                ..Default::default()
            })
        };
        let only_junk = encoded(&packet(&["junk", ""]));
        let error = stamp(&only_junk, &sender(), Reliability::Reliable).unwrap_err();
        assert_eq!(error, DataDrop::Destinations);
        let (stamped, _) = stamped(&packet(&["junk", "PA_x"]), &sender());
        assert_eq!(stamped.destination_sids, ["PA_x"]);
    }

    #[test]
    fn rs_2_the_sequence_goes_through_unchanged() {
        let packet = proto::DataPacket {
            sequence: 4_000_000_000,
            ..user(Default::default())
        };
        let (stamped, read) = stamped(&packet, &sender());
        assert_eq!(
            (stamped.sequence, read.sequence),
            (4_000_000_000, 4_000_000_000)
        );
    }

    #[test]
    fn kinds_and_fields_of_the_future_go_through_unchanged() {
        let mut wire = Vec::new();
        wire::put(4, b"grace", &mut wire);
        wire::put(900, b"a value of the future", &mut wire);
        wire::put_number(901, 1 << 60, &mut wire);
        let stamped = stamp(&wire.clone().into(), &sender(), Reliability::Reliable).unwrap();
        let future = &wire[7..];
        assert_eq!(&stamped.payload[..future.len()], future);
        let read = proto::DataPacket::decode(stamped.payload).unwrap();
        assert_eq!(read.participant_identity, "ada");
    }

    #[test]
    fn text_streams_and_rpc_keep_every_byte() {
        for value in [
            Value::StreamHeader(proto::data_stream::Header {
                stream_id: "s".into(),
                topic: "lk.chat".into(),
                ..Default::default()
            }),
            Value::StreamChunk(proto::data_stream::Chunk {
                stream_id: "s".into(),
                content: vec![9; 15_000],
                ..Default::default()
            }),
            Value::RpcRequest(proto::RpcRequest {
                id: "r".into(),
                ..Default::default()
            }),
            Value::EncryptedPacket(proto::EncryptedPacket {
                encrypted_value: vec![7; 100],
                ..Default::default()
            }),
        ] {
            let packet = proto::DataPacket {
                value: Some(value),
                ..Default::default()
            };
            assert_eq!(stamped(&packet, &sender()).1.value, packet.value);
        }
    }

    #[test]
    fn dc_1_json_of_the_go_sdk_is_read_too() {
        let json = r#"{"user":{"payload":"aGVsbG8="},"destinationIdentities":["b"],"sequence":3}"#;
        let stamped = stamp(
            &Bytes::from_static(json.as_bytes()),
            &sender(),
            Reliability::Reliable,
        )
        .unwrap();
        assert_eq!(
            (stamped.sequence, stamped.destination_identities),
            (3, vec!["b".to_owned()])
        );
        let read = proto::DataPacket::decode(stamped.payload).unwrap();
        let Some(Value::User(user)) = read.value else {
            panic!("a user packet")
        };
        assert_eq!(user.payload, b"hello");
    }

    #[test]
    fn dc_1_what_is_too_large_or_no_packet_is_dropped_with_a_reason() {
        let metrics = proto::DataPacket {
            value: Some(Value::Metrics(Default::default())),
            ..Default::default()
        };
        let speaker = proto::DataPacket {
            value: Some(Value::Speaker(Default::default())),
            ..Default::default()
        };
        for (payload, expected) in [
            (vec![0; MAX_DATA + 1], DataDrop::TooLarge),
            (vec![0xff; 20], DataDrop::Malformed),
            (b"{".to_vec(), DataDrop::Malformed),
            (b"hello".to_vec(), DataDrop::Malformed),
            (metrics.encode_to_vec(), DataDrop::NotForwarded),
            (speaker.encode_to_vec(), DataDrop::NotForwarded),
        ] {
            let error = stamp(&payload.into(), &sender(), Reliability::Lossy).unwrap_err();
            assert_eq!(error, expected);
        }
        let largest = user(proto::UserPacket {
            payload: vec![1; 65_500],
            ..Default::default()
        });
        assert!(stamp(&encoded(&largest), &sender(), Reliability::Lossy).is_ok());
    }
}
