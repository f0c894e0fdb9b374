//! The form of what nodes tell each other. Fields are only ever added: nodes of neighbouring
//! versions talk to each other.

use bytes::Bytes;
use prost::{Message, Oneof};

use crate::proto;

/// One message.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Said {
    #[prost(oneof = "say::What", tags = "1, 2, 3, 4, 5, 7, 8")]
    pub(super) what: Option<say::What>,
    /// Of news that must be told in order; 0: any order will do.
    #[prost(uint64, tag = "6")]
    pub(super) number: u64,
}

/// Numbers of news, both ends included.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Missing {
    #[prost(uint64, tag = "1")]
    pub(super) first: u64,
    #[prost(uint64, tag = "2")]
    pub(super) last: u64,
}

pub(super) mod say {
    use super::{Missing, News, Oneof, Question, Reply, Retell, Revoked};

    #[derive(Clone, PartialEq, Oneof)]
    pub(in crate::spanning) enum What {
        #[prost(message, boxed, tag = "1")]
        News(Box<News>),
        #[prost(message, tag = "2")]
        Retell(Retell),
        #[prost(message, tag = "3")]
        Question(Question),
        #[prost(message, tag = "4")]
        Reply(Reply),
        #[prost(message, tag = "5")]
        Revoked(Revoked),
        #[prost(uint64, tag = "7")]
        Latest(u64),
        #[prost(message, tag = "8")]
        Missing(Missing),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Retell {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Revoked {
    #[prost(string, tag = "1")]
    pub(super) identity: String,
    #[prost(uint64, tag = "2")]
    pub(super) until: u64,
    #[prost(string, tag = "3")]
    pub(super) room: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Question {
    #[prost(fixed64, tag = "1")]
    pub(super) id: u64,
    #[prost(oneof = "question::What", tags = "2, 3, 4")]
    pub(super) what: Option<question::What>,
}

pub(super) mod question {
    use super::{Call, Oneof, WholeRoom};

    #[derive(Clone, PartialEq, Oneof)]
    pub(in crate::spanning) enum What {
        #[prost(string, tag = "2")]
        Room(String),
        #[prost(message, tag = "3")]
        Call(Call),
        #[prost(message, tag = "4")]
        Begin(WholeRoom),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Call {
    #[prost(string, tag = "1")]
    pub(super) method: String,
    #[prost(string, tag = "2")]
    pub(super) content_type: String,
    #[prost(string, tag = "3")]
    pub(super) authorization: String,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) body: Bytes,
    #[prost(uint32, tag = "5")]
    pub(super) hops: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Reply {
    #[prost(fixed64, tag = "1")]
    pub(super) id: u64,
    #[prost(oneof = "reply::What", tags = "2, 3")]
    pub(super) what: Option<reply::What>,
}

pub(super) mod reply {
    use super::{Called, Oneof, WholeRoom};

    #[derive(Clone, PartialEq, Oneof)]
    pub(in crate::spanning) enum What {
        #[prost(message, tag = "2")]
        Room(WholeRoom),
        #[prost(message, tag = "3")]
        Called(Called),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WholeRoom {
    #[prost(message, optional, tag = "1")]
    pub(super) room: Option<proto::Room>,
    #[prost(message, optional, tag = "2")]
    pub(super) playing: Option<Playing>,
}

/// How clients play what they receive: LiveKit's description of a room leaves it out.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Playing {
    #[prost(bool, tag = "1")]
    pub(super) together: bool,
    /// Milliseconds.
    #[prost(uint32, tag = "2")]
    pub(super) min_delay: u32,
    /// Milliseconds; 0: none is said.
    #[prost(uint32, tag = "3")]
    pub(super) max_delay: u32,
    /// By its name; empty: the highest.
    #[prost(string, tag = "4")]
    pub(super) profile: String,
    /// 0: all.
    #[prost(uint32, tag = "5")]
    pub(super) loudest: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Called {
    #[prost(uint32, tag = "1")]
    pub(super) status: u32,
    #[prost(string, tag = "2")]
    pub(super) content_type: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) body: Bytes,
}

/// What an instance says.
#[derive(Clone, PartialEq, Message)]
pub(super) struct News {
    #[prost(oneof = "news::What", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub(super) what: Option<news::What>,
}

pub(super) mod news {
    use super::{Closed, Data, Demand, Frame, Gone, Kept, Linked, Oneof, Quality, Setup, Supply};

    #[derive(Clone, PartialEq, Oneof)]
    pub(in crate::spanning) enum What {
        #[prost(message, boxed, tag = "1")]
        Changed(Box<Linked>),
        #[prost(message, tag = "2")]
        Gone(Gone),
        #[prost(message, tag = "3")]
        Supply(Supply),
        #[prost(message, tag = "4")]
        Quality(Quality),
        #[prost(message, tag = "5")]
        Demand(Demand),
        #[prost(message, tag = "6")]
        Data(Data),
        #[prost(message, tag = "7")]
        Frame(Frame),
        #[prost(message, boxed, tag = "8")]
        Setup(Box<Setup>),
        #[prost(message, tag = "9")]
        Closed(Closed),
        #[prost(message, tag = "10")]
        Kept(Kept),
        /// A track.
        #[prost(string, tag = "11")]
        Received(String),
        /// A track.
        #[prost(string, tag = "12")]
        Undecodable(String),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Linked {
    #[prost(message, optional, tag = "1")]
    pub(super) participant: Option<proto::ParticipantInfo>,
    #[prost(message, repeated, tag = "2")]
    pub(super) tracks: Vec<Track>,
    /// Whether only those listed may receive its tracks.
    #[prost(bool, tag = "3")]
    pub(super) restricted: bool,
    #[prost(message, repeated, tag = "4")]
    pub(super) shares: Vec<Share>,
    /// Of tracks, in another codec. Apart, so that who does not know them takes none for a
    /// track.
    #[prost(message, repeated, tag = "5")]
    pub(super) backups: Vec<Backup>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Backup {
    /// Under the sid of what it backs.
    #[prost(message, optional, tag = "1")]
    pub(super) track: Option<Track>,
    /// What links call it.
    #[prost(string, tag = "2")]
    pub(super) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Track {
    #[prost(message, optional, tag = "1")]
    pub(super) track: Option<proto::TrackInfo>,
    #[prost(string, repeated, tag = "2")]
    pub(super) rids: Vec<String>,
    #[prost(uint32, tag = "3")]
    pub(super) key: u32,
    /// Its codec, once it is negotiated; until then empty.
    #[prost(string, tag = "4")]
    pub(super) codec: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Share {
    /// One of these two.
    #[prost(string, tag = "1")]
    pub(super) identity: String,
    #[prost(string, tag = "2")]
    pub(super) participant: String,
    #[prost(bool, tag = "3")]
    pub(super) all: bool,
    #[prost(string, repeated, tag = "4")]
    pub(super) tracks: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Gone {
    #[prost(string, tag = "1")]
    pub(super) participant: String,
    /// LiveKit's number.
    #[prost(int32, tag = "2")]
    pub(super) reason: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Supply {
    #[prost(string, tag = "1")]
    pub(super) track: String,
    /// Layers that are sent.
    #[prost(uint32, repeated, tag = "2")]
    pub(super) live: Vec<u32>,
    /// bit/s of each layer, low to high; 0 if unknown.
    #[prost(uint64, repeated, tag = "3")]
    pub(super) rates: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Quality {
    #[prost(string, tag = "1")]
    pub(super) participant: String,
    /// LiveKit's number.
    #[prost(int32, tag = "2")]
    pub(super) quality: i32,
    #[prost(float, tag = "3")]
    pub(super) score: f32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Demand {
    #[prost(string, tag = "1")]
    pub(super) track: String,
    /// LiveKit's number.
    #[prost(int32, tag = "2")]
    pub(super) quality: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Data {
    /// Empty: the app.
    #[prost(string, tag = "1")]
    pub(super) from: String,
    #[prost(bool, tag = "2")]
    pub(super) lossy: bool,
    #[prost(string, repeated, tag = "3")]
    pub(super) identities: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(super) participants: Vec<String>,
    #[prost(uint32, tag = "5")]
    pub(super) sequence: u32,
    #[prost(bytes = "bytes", tag = "6")]
    pub(super) payload: Bytes,
    #[prost(bytes = "bytes", tag = "7")]
    pub(super) nonce: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Frame {
    #[prost(string, tag = "1")]
    pub(super) from: String,
    #[prost(uint32, tag = "2")]
    pub(super) handle: u32,
    #[prost(uint32, tag = "3")]
    pub(super) number: u32,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) bytes: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Setup {
    #[prost(uint64, tag = "1")]
    pub(super) edition: u64,
    #[prost(message, optional, tag = "2")]
    pub(super) room: Option<proto::Room>,
    #[prost(message, optional, tag = "3")]
    pub(super) playing: Option<Playing>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Kept {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Closed {
    /// LiveKit's number.
    #[prost(int32, tag = "1")]
    pub(super) reason: i32,
}
