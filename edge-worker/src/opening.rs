//! Where somebody finds a room: which instance of it, and what it is like should it have to be
//! opened there. All instances of a room begin like the first, on this node and elsewhere; of
//! nodes that open it at the same time, its home says which is the first.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use livekit::join::{RoomSettings, Undone};
use livekit::room_service::{Answer, Failure};
use sfu::{Beginning, Identity, Playing, RoomInfo};
use tracing::warn;

use crate::control::ControlInbox;
use crate::directory::{Found, Place};
use crate::errands::ask;
use crate::http::describe_room;
use crate::ids;
use crate::node::Node;
use crate::shard::{Order, ShardInbox};

/// A room that may have to be opened.
#[derive(Clone, Debug)]
pub(crate) struct NewRoom {
    /// As it will be.
    pub(crate) info: RoomInfo,
    /// Whether it is open elsewhere.
    pub(crate) beginning: Beginning,
}

/// A shard to go to, and the room there.
#[derive(Debug)]
pub(crate) struct Opening {
    /// Which.
    pub(crate) shard: ShardInbox,
    /// Keeps the room there.
    pub(crate) place: Place,
    /// Should it have to be opened.
    pub(crate) room: NewRoom,
}

/// A room that closes while it is looked for is looked for again so often: whoever comes last
/// opens it anew.
const TRIES: usize = 3;

/// Settings are asked for by a name that this node does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct UnknownPreset;

/// Says what is asked for in vain: apps made for LiveKit's cloud count on it.
pub(crate) fn warn_of(undone: &[Undone]) {
    for undone in undone {
        match undone {
            Undone::Agents => warn!("a room is to have agents; nothing here calls any"),
            Undone::Recording => warn!("a room is to be recorded; nothing here records"),
        }
    }
}

impl Node {
    /// Adds to the settings of a room what is kept under the name they give.
    pub(crate) fn fill_in(&self, settings: &mut RoomSettings) -> Result<(), UnknownPreset> {
        let Some(name) = &settings.preset else {
            return Ok(());
        };
        let preset = self.config.room.preset(name).ok_or(UnknownPreset)?;
        settings.fill_in(&preset);
        Ok(())
    }

    /// For somebody who comes.
    pub(crate) async fn seat(&self, name: &Arc<str>, settings: &RoomSettings) -> Opening {
        self.open(name, settings, || self.directory.seat(name))
            .await
    }

    /// For the app, which wants the room to be open.
    pub(crate) async fn open_room(&self, name: &Arc<str>, settings: &RoomSettings) -> Opening {
        let find = || self.directory.find_or_open(name);
        self.open(name, settings, find).await
    }

    /// For somebody who is to be taken over to a shard.
    pub(crate) async fn open_at(&self, name: &Arc<str>, found: Found) -> Opening {
        let settings = RoomSettings::default();
        match self.like_others(name, found).await {
            Ok(opening) => opening,
            Err(found) => self.anew(name, &settings, found).await,
        }
    }

    async fn open(
        &self,
        name: &Arc<str>,
        settings: &RoomSettings,
        find: impl Fn() -> Found,
    ) -> Opening {
        let mut found = find();
        for _ in 0..TRIES {
            if found.open.is_none() {
                break;
            }
            match self.like_others(name, found).await {
                Ok(opening) => return opening,
                Err(failed) => drop(failed),
            }
            found = find();
        }
        self.anew(name, settings, found).await
    }

    /// As the room is on other shards of this node.
    async fn like_others(&self, name: &Arc<str>, found: Found) -> Result<Opening, Found> {
        let Some(open) = &found.open else {
            return Err(found);
        };
        match ask(open, Order::Describe(Arc::clone(name))).await {
            Ok(Answer::Room(info)) => Ok(Opening {
                shard: found.shard,
                place: found.place,
                room: NewRoom {
                    info: (*info).clone(),
                    beginning: Beginning::Joined,
                },
            }),
            Ok(
                Answer::Done
                | Answer::Rooms(_)
                | Answer::Participant(_)
                | Answer::Participants(_)
                | Answer::Track(_)
                | Answer::Returned(_),
            )
            | Err(_) => Err(found),
        }
    }

    /// As other nodes have it, or else as its settings say and what they leave open as the node
    /// has it.
    async fn anew(&self, name: &Arc<str>, settings: &RoomSettings, found: Found) -> Opening {
        let elsewhere = match &self.cascade {
            Some(cascade) => cascade.find(name).await,
            None => None,
        };
        let room = match elsewhere {
            Some(info) => NewRoom {
                info,
                beginning: Beginning::Joined,
            },
            None => {
                warn_of(&settings.undone);
                self.begin(name, settings).await
            }
        };
        Opening {
            shard: found.shard,
            place: found.place,
            room,
        }
    }

    /// As its home settles it. Where that is out of reach the room begins here and now, and nodes
    /// that did so agree on one later.
    async fn begin(&self, name: &Arc<str>, settings: &RoomSettings) -> NewRoom {
        let wish = || self.first_room(Arc::clone(name), settings);
        let Some(cascade) = &self.cascade else {
            return NewRoom {
                info: wish(),
                beginning: Beginning::Anew,
            };
        };
        let (info, beginning) = self.beginnings.share(name, &self.id, wish);
        let policy = self.control.as_ref().map(ControlInbox::policy);
        let placing = policy.map(|policy| policy.placing(name));
        match cascade
            .begin(info.clone(), placing.unwrap_or_default())
            .await
        {
            Some(settled) if settled.id != info.id => NewRoom {
                info: settled,
                beginning: Beginning::Joined,
            },
            Some(_) | None => NewRoom { info, beginning },
        }
    }

    /// What a room shall be like that another node wants to open, this being its home.
    pub(crate) async fn settle(&self, by: &str, wish: RoomInfo) -> RoomInfo {
        match describe_room(self, &wish.name).await {
            Some(open) => open,
            None => self.beginnings.settle(by, wish),
        }
    }

    fn first_room(&self, name: Arc<str>, settings: &RoomSettings) -> RoomInfo {
        let defaults = &self.config.room;
        let playing = defaults.playing();
        let control = self.control.as_ref();
        let given = control.and_then(|control| control.life_of(&name));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        RoomInfo {
            id: given.unwrap_or_else(ids::room_id),
            name,
            metadata: settings.metadata.clone().unwrap_or_default(),
            created_at_ms: now.unwrap_or_default().as_millis() as i64,
            empty_timeout_s: settings.empty_timeout_s.unwrap_or(defaults.empty_timeout_s),
            departure_timeout_s: settings
                .departure_timeout_s
                .unwrap_or(defaults.departure_timeout_s),
            max_participants: settings
                .max_participants
                .unwrap_or(defaults.max_participants),
            playing: Playing {
                streams: settings.streams.unwrap_or(playing.streams),
                delay: settings.playout_delay().or(playing.delay),
                profile: settings.profile.unwrap_or(playing.profile),
                loudest: playing.loudest,
            },
            participants: 0,
            publishers: 0,
            active_recording: false,
        }
    }

    /// The shard somebody in a room is connected to; any of the room's if that is none here.
    pub(crate) async fn home_of(
        &self,
        name: &Arc<str>,
        identity: &Identity,
    ) -> Option<(ShardInbox, Place)> {
        let mut homes = self.directory.find_all(name);
        if homes.len() > 1 {
            for at in 0..homes.len() {
                let order = Order::Seek(Arc::clone(name), identity.clone());
                match ask(&homes[at].0, order).await {
                    Ok(_) => return Some(homes.swap_remove(at)),
                    // A room that closes has nobody.
                    Err(Failure::ParticipantMissing | Failure::RoomMissing) => {}
                    // It may be there: what is asked next fails as it should.
                    Err(_) => return Some(homes.swap_remove(at)),
                }
            }
        }
        homes.into_iter().next()
    }
}
