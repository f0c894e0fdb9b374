//! What nodes ask each other: about a room that is elsewhere, or to do what an app asked of a room
//! that is. Each question has a number, an answer, and a time after which nobody waits.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use livekit::spanning::{Question, Reply, Telling};
use sfu::{Identity, RoomInfo};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{CascadeInbox, ToCascade};
use crate::http;
use crate::node::Node;

/// What somebody on this node wants to know of others.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Which other node to ask about a room, or about somebody in it; none if this one
    /// has it, or nobody.
    Place {
        /// The room.
        room: Arc<str>,
        /// Somebody in it.
        identity: Option<Identity>,
        /// A node.
        reply: oneshot::Sender<Option<String>>,
    },
    /// All other nodes that have a room; none if this one has it.
    Hosts {
        /// The room.
        room: Arc<str>,
        /// Nodes.
        reply: oneshot::Sender<Vec<String>>,
    },
    /// Rooms that are on other nodes only, each with a node that has it.
    Elsewhere {
        /// All of them.
        reply: oneshot::Sender<Vec<(Arc<str>, String)>>,
    },
    /// To ask a node.
    Of {
        /// Which.
        node: String,
        /// What.
        question: Question,
        /// Dropped by who waits no longer.
        reply: oneshot::Sender<Result<Reply, AskError>>,
    },
    /// To have a room's home settle how it begins; dropped where this node is the home.
    Begin {
        /// As it would be here.
        wish: RoomInfo,
        /// What the control plane says.
        placing: Placing,
        /// What it shall be like.
        reply: oneshot::Sender<Result<Reply, AskError>>,
    },
    /// To tell all nodes that somebody's tokens are refused.
    Revoked {
        /// The room.
        room: Arc<str>,
        /// Whose.
        identity: String,
        /// Issued up to then, in seconds since 1970.
        until: u64,
    },
}

/// What the control plane said last of where a room belongs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Placing {
    /// Its home, if it is placed.
    pub(crate) home: Option<String>,
    /// Nodes that take nobody new, and no rooms.
    pub(crate) leaving: Vec<String>,
}

/// Why another node did not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AskError {
    /// In time.
    #[error("the other node did not answer in time")]
    Late,
    /// It is gone.
    #[error("the other node is gone")]
    Gone,
    /// Too many wait already.
    #[error("too many questions to other nodes wait")]
    TooMany,
}

impl CascadeInbox {
    /// Which other node has a room that this one has not, or is the home of somebody in it.
    pub(crate) async fn place_of(
        &self,
        room: &Arc<str>,
        identity: Option<Identity>,
    ) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        let room = Arc::clone(room);
        let asked = Asked::Place {
            room,
            identity,
            reply,
        };
        self.send(ToCascade::Asked(Box::new(asked))).ok()?;
        answer.await.ok()?
    }

    /// Rooms that are on other nodes only, each with a node that has it.
    pub(crate) async fn elsewhere(&self) -> Vec<(Arc<str>, String)> {
        let (reply, answer) = oneshot::channel();
        match self.send(ToCascade::Asked(Box::new(Asked::Elsewhere { reply }))) {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// Somebody was removed: other nodes refuse its tokens, too. Lost if the node is very busy.
    pub(crate) fn revoked(&self, room: &Arc<str>, identity: &Identity, until: u64) {
        let asked = Asked::Revoked {
            room: Arc::clone(room),
            identity: identity.0.to_string(),
            until,
        };
        let _ = self.send(ToCascade::Asked(Box::new(asked)));
    }

    /// Asks another node.
    pub(crate) async fn ask(
        &self,
        node: String,
        question: Question,
        limit: Duration,
    ) -> Result<Reply, AskError> {
        let answer = self.put(node, question)?;
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(AskError::Gone),
            Err(_) => Err(AskError::Late),
        }
    }

    /// A room as other nodes have it, if this one has it not. All that have it are asked: one may
    /// have died a moment ago.
    pub(crate) async fn find(&self, room: &Arc<str>) -> Option<RoomInfo> {
        /// A join waits so long; then the room opens as if it were new.
        const PATIENCE: Duration = Duration::from_millis(1_500);
        let mut answers: Vec<_> = self
            .hosts(room)
            .await
            .into_iter()
            .filter_map(|node| self.put(node, Question::Room(room.to_string())).ok())
            .collect();
        let first = poll_fn(|cx| {
            let mut found = None;
            answers.retain_mut(|answer| match Pin::new(answer).poll(cx) {
                Poll::Pending => true,
                Poll::Ready(answer) => {
                    if let Ok(Ok(Reply::Room(Some(room)))) = answer {
                        found = Some(room);
                    }
                    false
                }
            });
            if found.is_some() || answers.is_empty() {
                Poll::Ready(found)
            } else {
                Poll::Pending
            }
        });
        timeout(PATIENCE, first).await.ok()?
    }

    /// What a room that is open nowhere shall be like, by the word of its home. None if this node is
    /// the home, or the home does not answer.
    pub(crate) async fn begin(&self, wish: RoomInfo, placing: Placing) -> Option<RoomInfo> {
        /// There and back between any two cities, and once more: somebody waits to be let in.
        const PATIENCE: Duration = Duration::from_millis(300);
        let (reply, answer) = oneshot::channel();
        let asked = Asked::Begin {
            wish,
            placing,
            reply,
        };
        self.send(ToCascade::Asked(Box::new(asked))).ok()?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(Ok(Reply::Room(room)))) => room,
            Ok(Ok(Ok(Reply::Called(_)) | Err(_)) | Err(_)) | Err(_) => None,
        }
    }

    async fn hosts(&self, room: &Arc<str>) -> Vec<String> {
        let (reply, answer) = oneshot::channel();
        let room = Arc::clone(room);
        match self.send(ToCascade::Asked(Box::new(Asked::Hosts { room, reply }))) {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    fn put(&self, node: String, question: Question) -> Result<Answer, AskError> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked::Of {
            node,
            question,
            reply,
        };
        let sent = self.send(ToCascade::Asked(Box::new(asked)));
        sent.map(|()| answer).map_err(|_| AskError::TooMany)
    }
}

type Answer = oneshot::Receiver<Result<Reply, AskError>>;

/// Questions of this node that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Asking {
    waiting: HashMap<u64, Waiting>,
    unsent: Vec<(String, Telling)>,
}

#[derive(Debug)]
struct Waiting {
    node: String,
    until: Instant,
    reply: oneshot::Sender<Result<Reply, AskError>>,
}

impl Asking {
    /// Longer than any caller waits.
    const LIMIT: Duration = Duration::from_secs(65);
    const MOST: usize = 4_096;

    /// Asks; `id` is like no other.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        id: u64,
        node: String,
        question: Question,
        reply: oneshot::Sender<Result<Reply, AskError>>,
    ) {
        if self.waiting.len() >= Self::MOST {
            // Who waits no longer needs no place.
            self.waiting.retain(|_, waiting| !waiting.reply.is_closed());
        }
        if self.waiting.len() >= Self::MOST {
            let _ = reply.send(Err(AskError::TooMany));
            return;
        }
        let until = now + Self::LIMIT;
        let question = Telling::Question { id, question };
        self.unsent.push((node.clone(), question));
        let waiting = Waiting { node, until, reply };
        self.waiting.insert(id, waiting);
    }

    /// A node answers.
    pub(super) fn replied(&mut self, from: &str, id: u64, reply: Reply) {
        if self.waiting.get(&id).is_some_and(|it| it.node == from)
            && let Some(waiting) = self.waiting.remove(&id)
        {
            // Who asked may have given up.
            let _ = waiting.reply.send(Ok(reply));
        }
    }

    /// A node is gone.
    pub(super) fn lost(&mut self, node: &str) {
        for (_, waiting) in self.waiting.extract_if(|_, it| it.node == node) {
            let _ = waiting.reply.send(Err(AskError::Gone));
        }
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Instant) {
        self.waiting.retain(|_, waiting| waiting.until > now);
    }

    /// When to [`tick`](Self::tick).
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|it| it.until).min()
    }

    /// Questions to be sent.
    pub(super) fn take_unsent(&mut self) -> Vec<(String, Telling)> {
        std::mem::take(&mut self.unsent)
    }
}

/// What this node answers to a question of another one.
pub(super) async fn answer(node: &Node, from: &str, question: Question) -> Reply {
    match question {
        Question::Begin(wish) => Reply::Room(Some(node.settle(from, wish).await)),
        Question::Room(name) => Reply::Room(http::describe_room(node, &name).await),
        Question::Call(call) => Reply::Called(http::called_from_afar(node, call).await),
    }
}
