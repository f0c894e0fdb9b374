//! Those who come by WHIP (RFC 9725) or WHEP: one offer, one answer, and nothing is signalled beside
//! them. To their room they are participants like all others, whose news nobody reads.
//!
//! HTTP is left to [`http`](crate::http).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use livekit::join::JoinRequest;
use media::ParticipantId;
use sfu::{Identity, LeaveReason, Notice};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::info;
use transport::sdp::Description;

use crate::http::Guest;
use crate::ids;
use crate::node::Node;
use crate::shard::{OUTBOX_LEN, ShardInbox, Signal, SignalKey, ToShard, ToSignal, Wish};

/// A shard answers in milliseconds, a room that is begun on another node in some hundreds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who comes to watch waits so long for something to see: tracks of other nodes take a moment.
const NOTHING_YET: Duration = Duration::from_secs(3);

/// Once nothing is told any more, its place may be kept for so long: it may end itself until then.
const KEPT: Duration = Duration::from_secs(30);

/// Those who come at once beyond what the keeper has taken on.
const COMING: usize = 256;

/// Those that are there, so that they can end what they began.
#[derive(Clone, Debug)]
pub(crate) struct Resources {
    // Requests come from many tasks, and nobody holds it longer than a look-up.
    begun: Arc<Mutex<HashMap<ParticipantId, Resource>>>,
    to_keeper: mpsc::Sender<Stay>,
}

/// Reads what they are told, for as long as they are there.
#[derive(Debug)]
pub(crate) struct Keeper {
    resources: Resources,
    coming: mpsc::Receiver<Stay>,
}

/// Somebody who is there.
#[derive(Debug)]
struct Stay {
    participant: ParticipantId,
    news: mpsc::Receiver<ToSignal>,
    /// Held for as long.
    _slot: OwnedSemaphorePermit,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    shard: ShardInbox,
    key: SignalKey,
    /// Only who has a token for both may change it.
    pub(crate) room: String,
    pub(crate) identity: Identity,
    /// Of its offer: another one would restart ICE.
    pub(crate) ufrag: String,
}

/// Why somebody is not in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NotIn {
    /// Its room does not take it.
    #[error("the room is full or closed")]
    Refused,
    /// Its offer has nothing that can be answered.
    #[error("the offer cannot be answered: it needs ICE, DTLS-SRTP and codecs that this node has")]
    Unanswerable,
    /// There is nothing to watch.
    #[error("nobody publishes anything here yet")]
    NothingToWatch,
    /// The node has too much to do.
    #[error("this node has too much to do; try again")]
    Overloaded,
}

/// Somebody on the way in.
#[derive(Debug)]
pub(crate) struct Visit {
    /// Who it is.
    pub(crate) participant: ParticipantId,
    shard: ShardInbox,
    key: SignalKey,
    news: mpsc::Receiver<ToSignal>,
}

/// Both, before anybody is there.
pub(crate) fn prepare() -> (Resources, Keeper) {
    let (to_keeper, coming) = mpsc::channel(COMING);
    let resources = Resources {
        begun: Arc::default(),
        to_keeper,
    };
    let keeper = Keeper {
        resources: resources.clone(),
        coming,
    };
    (resources, keeper)
}

impl Keeper {
    /// Until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut staying = JoinSet::new();
        loop {
            tokio::select! {
                Some(stay) = self.coming.recv() => staying.spawn(self.resources.clone().keep(stay)),
                Some(_) = staying.join_next() => continue,
                else => return,
            };
        }
    }
}

impl Resources {
    async fn keep(self, mut stay: Stay) {
        while let Some(news) = stay.news.recv().await {
            if is_farewell(&news) {
                break;
            }
        }
        // Its connection may be silent for a while and come back.
        sleep(KEPT).await;
        self.lock().remove(&stay.participant);
    }

    /// What `participant` began.
    pub(crate) fn find(&self, participant: ParticipantId) -> Option<Resource> {
        self.lock().get(&participant).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ParticipantId, Resource>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resource {
    /// It goes.
    pub(crate) fn end(&self, participant: ParticipantId) -> Result<(), NotIn> {
        let message = ToShard::Wish {
            participant,
            signal: self.key,
            wish: Box::new(Wish::Leave(LeaveReason::ClientInitiated)),
        };
        self.shard.send(message).map_err(|_| NotIn::Overloaded)
    }
}

impl Visit {
    /// Asks the shard of its room to let `guest` in.
    pub(crate) async fn begin(node: &Arc<Node>, guest: &Guest) -> Result<Self, NotIn> {
        let (outbox, news) = mpsc::channel(OUTBOX_LEN);
        let key = SignalKey::new();
        let participant = ids::participant_id();
        let admission = &guest.admission;
        let room = admission.room.as_str().into();
        let opening = node.seat(&room, &admission.room_settings).await;
        let region = &node.config.node.region;
        let (arrival, shard) = guest
            .arrival(region, opening, participant, Signal { key, outbox })
            .map_err(|_| NotIn::Unanswerable)?;
        guest.announce(node, participant);
        let message = ToShard::Join(Box::new(arrival));
        shard.send(message).map_err(|_| NotIn::Overloaded)?;
        Ok(Self {
            participant,
            shard,
            key,
            news,
        })
    }

    /// Its offer is answered.
    pub(crate) async fn answer(&mut self) -> Result<Description, NotIn> {
        let answered = |news| {
            if let ToSignal::Answer { description, .. } = news {
                Some(description)
            } else {
                None
            }
        };
        self.until(PATIENCE, answered)
            .await?
            .ok_or(NotIn::Overloaded)
    }

    /// Offers, as soon as there is something to see or to hear.
    pub(crate) async fn offer(&mut self, description: Description) -> Result<(), NotIn> {
        let wanted = |news| matches!(news, ToSignal::Sections { .. }).then_some(());
        let found = self.until(NOTHING_YET, wanted).await?;
        found.ok_or(NotIn::NothingToWatch)?;
        self.wish(Wish::Offer {
            id: JoinRequest::ONLY_OFFER,
            description,
        })
    }

    /// It is in: from now on it is there until it ends that, or its connection does.
    pub(crate) async fn stay(
        self,
        node: &Node,
        guest: &Guest,
        ufrag: String,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), NotIn> {
        let participant = self.participant;
        let resource = Resource {
            shard: self.shard,
            key: self.key,
            room: guest.admission.room.clone(),
            identity: guest.admission.identity.clone(),
            ufrag,
        };
        node.resources.lock().insert(participant, resource);
        info!(%participant, "came without signalling");
        let stay = Stay {
            participant,
            news: self.news,
            _slot: slot,
        };
        let kept = node.resources.to_keeper.send(stay).await;
        kept.map_err(|_| NotIn::Overloaded)
    }

    /// What `pick` finds in the news within `patience`.
    async fn until<T>(
        &mut self,
        patience: Duration,
        pick: impl Fn(ToSignal) -> Option<T>,
    ) -> Result<Option<T>, NotIn> {
        let until = Instant::now() + patience;
        loop {
            let Ok(news) = timeout_at(until, self.news.recv()).await else {
                return Ok(None);
            };
            match news {
                None | Some(ToSignal::Refused(_) | ToSignal::LeaveForGood(_)) => {
                    return Err(NotIn::Refused);
                }
                Some(news) if is_farewell(&news) => return Err(NotIn::Unanswerable),
                Some(news) => {
                    if let Some(found) = pick(news) {
                        return Ok(Some(found));
                    }
                }
            }
        }
    }

    fn wish(&self, wish: Wish) -> Result<(), NotIn> {
        let message = ToShard::Wish {
            participant: self.participant,
            signal: self.key,
            wish: Box::new(wish),
        };
        self.shard.send(message).map_err(|_| NotIn::Overloaded)
    }
}

/// Whether it is told to go, or its room is elsewhere now, where it cannot follow.
fn is_farewell(news: &ToSignal) -> bool {
    match news {
        ToSignal::Refused(_)
        | ToSignal::Unknown
        | ToSignal::LeaveForGood(_)
        | ToSignal::SentOver(..)
        | ToSignal::Notice(Notice::Leave(_)) => true,
        ToSignal::Joined(_)
        | ToSignal::Resumed(_)
        | ToSignal::ComeBack(_)
        | ToSignal::Notice(_)
        | ToSignal::Moved(..)
        | ToSignal::Broadcast(_)
        | ToSignal::Answer { .. }
        | ToSignal::Offer { .. }
        | ToSignal::Sections { .. } => false,
    }
}
