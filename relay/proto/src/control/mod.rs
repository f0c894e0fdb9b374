//! What two nodes tell each other on the control stream of a link: who they are, what is to be had
//! where, who wants what, and that one of them goes.
//!
//! Messages are protobuf, each behind its length. A field or a message that a node does not know
//! is from a newer minor version and is passed over; another major version is refused in
//! [`Hello`]. What a room's nodes tell each other about its people is carried here as bytes
//! ([`RoomMessage`]): the relay does not look into it.

mod lengths;

pub use lengths::{Lengths, LengthsError};

use prost::Message as _;

/// The version of the protocol that other versions are refused for.
pub const MAJOR: u32 = 1;
/// The version that others are understood in spite of.
pub const MINOR: u32 = 0;

/// The most that can be said in one [`RoomMessage`].
pub const MOST_SAID: usize = 64 << 10;
/// The longest message: what can be said, and to whom. Longer lists are told in parts.
pub const MOST: usize = MOST_SAID + (16 << 10);

/// One message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Envelope {
    /// What it says; `None` if a newer version says something this one has no word for.
    #[prost(oneof = "Message", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")]
    pub message: Option<Message>,
}

/// What one node tells the other.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Message {
    /// The first message, from both.
    #[prost(message, tag = "1")]
    Hello(Hello),
    /// Here a track can be had.
    #[prost(message, tag = "2")]
    Announce(Announce),
    /// Here it can be had no more.
    #[prost(message, tag = "3")]
    Withdraw(Withdraw),
    /// Send me this layer of that track.
    #[prost(message, tag = "4")]
    Subscribe(Subscribe),
    /// It comes, under this number.
    #[prost(message, tag = "5")]
    Subscribed(Subscribed),
    /// It does not come.
    #[prost(message, tag = "6")]
    Refused(Refused),
    /// Send it no more.
    #[prost(message, tag = "7")]
    Unsubscribe(Unsubscribe),
    /// A picture that stands alone is needed.
    #[prost(message, tag = "8")]
    WantKeyframe(WantKeyframe),
    /// A layer stops or goes on, because of what the link carries.
    #[prost(message, tag = "9")]
    LayerState(LayerState),
    /// This node goes: take another way.
    #[prost(message, tag = "10")]
    Goaway(Goaway),
    /// Something about a room's people, for the same room on the other node.
    #[prost(message, tag = "11")]
    Room(RoomMessage),
}

/// Who speaks. Name and region must be those of its certificate.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Hello {
    /// Its [`MAJOR`].
    #[prost(uint32, tag = "1")]
    pub major: u32,
    /// Its [`MINOR`].
    #[prost(uint32, tag = "2")]
    pub minor: u32,
    /// Its name.
    #[prost(string, tag = "3")]
    pub node: String,
    /// Where it is.
    #[prost(string, tag = "4")]
    pub region: String,
    /// Another number after each start: what was before is gone.
    #[prost(fixed64, tag = "5")]
    pub instance: u64,
    /// Which of the link's connections this is.
    #[prost(enumeration = "HelloLane", tag = "6")]
    pub lane: i32,
}

/// The connections of a link.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, prost::Enumeration)]
#[repr(i32)]
pub enum HelloLane {
    /// The one with this stream, sound and heartbeats.
    Control = 0,
    /// The one with pictures.
    Video = 1,
}

/// A track can be had from here. Told again when the path or its cost changes.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Announce {
    /// In which room.
    #[prost(string, tag = "1")]
    pub room: String,
    /// Its sid.
    #[prost(string, tag = "2")]
    pub track: String,
    /// Rises whenever the publisher comes anew: an older one is a ghost.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// The nodes from its publisher's to this one, which is the last.
    #[prost(string, repeated, tag = "4")]
    pub path: Vec<String>,
    /// What the way from the publisher to here costs, in microseconds of delay and their like.
    #[prost(uint32, tag = "5")]
    pub cost: u32,
    /// What it is.
    #[prost(enumeration = "Kind", tag = "6")]
    pub kind: i32,
}

/// What is announced.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, prost::Enumeration)]
#[repr(i32)]
pub enum Kind {
    /// A newer version's.
    Unknown = 0,
    /// Sound: it goes first.
    Audio = 1,
    /// Pictures.
    Video = 2,
    /// No track: a node that hosts the room. Its `track` is the node's name.
    Host = 3,
}

/// A track can be had from here no more.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Withdraw {
    /// In which room.
    #[prost(string, tag = "1")]
    pub room: String,
    /// Its sid.
    #[prost(string, tag = "2")]
    pub track: String,
    /// As it was announced.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
}

/// One layer of one track is wanted.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Subscribe {
    /// Names this wish in answers.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// In which room.
    #[prost(string, tag = "2")]
    pub room: String,
    /// Its sid.
    #[prost(string, tag = "3")]
    pub track: String,
    /// Which layer, 0 is the lowest; of sound the only one.
    #[prost(uint32, tag = "4")]
    pub layer: u32,
    /// The nodes it is wanted for for sure, this one the last.
    #[prost(string, repeated, tag = "5")]
    pub path: Vec<String>,
    /// How many listen to it there.
    #[prost(uint32, tag = "6")]
    pub listeners: u32,
}

/// A wish is met.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Subscribed {
    /// Which.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// The flow it comes as.
    #[prost(uint32, tag = "2")]
    pub flow: u32,
}

/// A wish is not met.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Refused {
    /// Which.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Why.
    #[prost(enumeration = "Refusal", tag = "2")]
    pub why: i32,
}

/// Why a wish is not met.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, prost::Enumeration)]
#[repr(i32)]
pub enum Refusal {
    /// A newer version's reason.
    Unknown = 0,
    /// There is no such track here, now.
    NotHere = 1,
    /// The path comes back to where it was.
    Loop = 2,
    /// The path is longer than any should be.
    TooFar = 3,
    /// This link has as many wishes as it may.
    TooMany = 4,
}

/// A wish ends.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Unsubscribe {
    /// Which.
    #[prost(uint32, tag = "1")]
    pub id: u32,
}

/// A picture that stands alone is needed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct WantKeyframe {
    /// Of this wish.
    #[prost(uint32, tag = "1")]
    pub id: u32,
}

/// A layer stops or goes on.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct LayerState {
    /// Of this wish.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// It stops, for the link does not carry it.
    #[prost(bool, tag = "2")]
    pub paused: bool,
}

/// A node goes.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Goaway {
    /// After so many milliseconds nothing comes from it.
    #[prost(uint32, tag = "1")]
    pub deadline_ms: u32,
}

/// Something about a room's people.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RoomMessage {
    /// The room.
    #[prost(string, tag = "1")]
    pub room: String,
    /// The node that says it: hubs pass it on.
    #[prost(string, tag = "2")]
    pub from: String,
    /// The nodes it is for; none: all that have the room.
    #[prost(string, repeated, tag = "3")]
    pub to: Vec<String>,
    /// What it says.
    #[prost(bytes = "bytes", tag = "4")]
    pub said: bytes::Bytes,
}

/// Why bytes are no message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a message of the control stream: {0}")]
pub struct ControlError(prost::DecodeError);

impl Message {
    /// The message behind its length.
    pub fn write(self) -> Vec<u8> {
        let envelope = Envelope {
            message: Some(self),
        };
        envelope.encode_length_delimited_to_vec()
    }

    /// Reads one message without its length. `None`: a newer version's.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, ControlError> {
        Ok(Envelope::decode(bytes).map_err(ControlError)?.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let message = Message::Announce(Announce {
            room: "maths".into(),
            track: "TR_a".into(),
            epoch: 3,
            path: vec!["lagos-1".into(), "abuja-1".into()],
            cost: 12_000,
            kind: Kind::Video.into(),
        });
        let written = message.clone().write();
        let mut lengths = Lengths::default();
        lengths.push(&written).unwrap();
        let bytes = lengths.next_message().unwrap().unwrap();
        assert_eq!(Message::read(&bytes), Ok(Some(message)));
    }

    #[test]
    fn what_a_newer_version_says_is_passed_over() {
        // Field 99, and a field 7 inside a Goaway.
        assert_eq!(Message::read(&[0x9a, 0x06, 1, 5]), Ok(None));
        let goaway = Goaway { deadline_ms: 30 };
        assert_eq!(
            Message::read(&[0x52, 4, 0x08, 30, 0x38, 1]),
            Ok(Some(Message::Goaway(goaway)))
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&[0xff_u8; 20][..], &[0x0a, 200], &[0x0a, 2, 0x1a, 0xff]] {
            assert!(Message::read(bytes).is_err(), "{bytes:x?}");
        }
    }
}
