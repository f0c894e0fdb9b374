//! What nodes tell each other about a room that is on several of them, as bytes: people and
//! tracks in LiveKit's own messages, the rest in protobuf of ours.
//!
//! What follows from it is left to the rooms, the way from node to node to the relay.

mod form;
mod news;
mod people;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use bytes::Bytes;
use prost::Message;
use sfu::{LinkNews, RoomInfo};

use crate::info;
use form::{Said, say};
pub(crate) use people::room;

/// What one node tells another.
#[derive(Clone, Debug, PartialEq)]
pub enum Telling {
    /// Something an instance of a room says.
    News(LinkNews),
    /// The same, where it must be told in order whatever way it takes.
    Numbered {
        /// Without gaps in one life of the node, and larger in the next.
        number: u64,
        /// What.
        news: LinkNews,
    },
    /// The last number of what was said in a room.
    Latest(u64),
    /// These numbers did not come: say them again, here alone.
    Missing(RangeInclusive<u64>),
    /// Say all of it again: somebody has only come.
    Retell,
    /// Answer this.
    Question {
        /// Repeated in the reply.
        id: u64,
        /// What.
        question: Question,
    },
    /// This is the answer.
    Reply {
        /// Of the question.
        id: u64,
        /// What.
        reply: Reply,
    },
    /// Somebody was removed from a room: its tokens are refused everywhere.
    Revoked {
        /// By name.
        room: String,
        /// Whose.
        identity: String,
        /// Issued up to then, in seconds since 1970.
        until: u64,
    },
}

/// What one node asks another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// What a room of this name is like.
    Room(String),
    /// To do what an app asked.
    Call(Call),
    /// What a room that is about to be opened shall be like: so, unless somebody else was first.
    Begin(RoomInfo),
}

/// A call of a server API, as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// Of the RoomService.
    pub method: String,
    /// Of the body.
    pub content_type: String,
    /// The header of that name.
    pub authorization: String,
    /// Not read.
    pub body: Bytes,
    /// How often it was passed on.
    pub hops: u32,
}

/// What a node answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// The room, if it is there.
    Room(Option<RoomInfo>),
    /// What came of a call.
    Called(Called),
}

/// The answer to a call, as the app is to have it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Called {
    /// Of HTTP.
    pub status: u16,
    /// Of the body.
    pub content_type: String,
    /// As it is.
    pub body: Bytes,
}

/// Why bytes tell nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TellingError {
    /// No message at all.
    #[error("not a message between nodes: {0}")]
    Form(#[from] prost::DecodeError),
    /// A field is missing or says nothing.
    #[error("a message between nodes without {0}")]
    Missing(&'static str),
    /// A newer version's.
    #[error("a newer version says something this one has no word for")]
    Unknown,
}

/// As it goes to other nodes.
pub fn write(telling: &Telling) -> Vec<u8> {
    let number = match telling {
        Telling::Numbered { number, .. } => *number,
        Telling::News(_)
        | Telling::Latest(_)
        | Telling::Missing(_)
        | Telling::Retell
        | Telling::Question { .. }
        | Telling::Reply { .. }
        | Telling::Revoked { .. } => 0,
    };
    let say = match telling {
        Telling::News(news) | Telling::Numbered { news, .. } => {
            say::What::News(Box::new(news::write(news)))
        }
        Telling::Latest(number) => say::What::Latest(*number),
        Telling::Missing(numbers) => say::What::Missing(form::Missing {
            first: *numbers.start(),
            last: *numbers.end(),
        }),
        Telling::Retell => say::What::Retell(form::Retell {}),
        Telling::Question { id, question } => say::What::Question(form::Question {
            id: *id,
            what: Some(match question {
                Question::Room(name) => form::question::What::Room(name.clone()),
                Question::Begin(room) => form::question::What::Begin(write_whole(Some(room))),
                Question::Call(call) => form::question::What::Call(form::Call {
                    method: call.method.clone(),
                    content_type: call.content_type.clone(),
                    authorization: call.authorization.clone(),
                    body: call.body.clone(),
                    hops: call.hops,
                }),
            }),
        }),
        Telling::Reply { id, reply } => say::What::Reply(form::Reply {
            id: *id,
            what: Some(match reply {
                Reply::Room(room) => form::reply::What::Room(write_whole(room.as_ref())),
                Reply::Called(called) => form::reply::What::Called(form::Called {
                    status: called.status.into(),
                    content_type: called.content_type.clone(),
                    body: called.body.clone(),
                }),
            }),
        }),
        Telling::Revoked {
            room,
            identity,
            until,
        } => say::What::Revoked(form::Revoked {
            room: room.clone(),
            identity: identity.clone(),
            until: *until,
        }),
    };
    let what = Some(say);
    Said { what, number }.encode_to_vec()
}

fn write_whole(room: Option<&RoomInfo>) -> form::WholeRoom {
    form::WholeRoom {
        room: room.map(info::room),
        playing: room.map(|room| people::write_playing(room.playing)),
    }
}

/// What another node tells.
pub fn read(bytes: &Bytes) -> Result<Telling, TellingError> {
    let said = Said::decode(bytes.clone())?;
    Ok(match said.what.ok_or(TellingError::Unknown)? {
        say::What::News(news) => {
            let news = news::read(*news)?;
            match said.number {
                0 => Telling::News(news),
                number => Telling::Numbered { number, news },
            }
        }
        say::What::Latest(number) => Telling::Latest(number),
        say::What::Missing(form::Missing { first, last }) => Telling::Missing(first..=last),
        say::What::Retell(form::Retell {}) => Telling::Retell,
        say::What::Question(form::Question { id, what }) => Telling::Question {
            id,
            question: match what.ok_or(TellingError::Unknown)? {
                form::question::What::Room(name) => Question::Room(name),
                form::question::What::Begin(form::WholeRoom { room, playing }) => {
                    let room = room.ok_or(TellingError::Missing("room"))?;
                    Question::Begin(people::whole_room(&room, playing)?)
                }
                form::question::What::Call(call) => Question::Call(Call {
                    method: call.method,
                    content_type: call.content_type,
                    authorization: call.authorization,
                    body: call.body,
                    hops: call.hops,
                }),
            },
        },
        say::What::Reply(form::Reply { id, what }) => Telling::Reply {
            id,
            reply: match what.ok_or(TellingError::Unknown)? {
                form::reply::What::Room(form::WholeRoom { room, playing }) => {
                    let whole = |room| people::whole_room(&room, playing);
                    Reply::Room(room.map(whole).transpose()?)
                }
                form::reply::What::Called(called) => Reply::Called(Called {
                    status: u16::try_from(called.status)
                        .map_err(|_| TellingError::Missing("status"))?,
                    content_type: called.content_type,
                    body: called.body,
                }),
            },
        },
        say::What::Revoked(form::Revoked {
            identity,
            until,
            room,
        }) => Telling::Revoked {
            room,
            identity,
            until,
        },
    })
}
