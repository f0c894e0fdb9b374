//! What the control plane wants, as the parts of the node look at it: whose tokens are
//! believed, which rooms are closed to whom, whether anybody new is taken.
//!
//! Made anew from each picture the control plane gives, and from the last one on disk at a
//! start: with the control plane out of reach it stays as it is.

use std::collections::HashMap;
use std::sync::Arc;

use livekit::Claims;
use livekit::join::{JoinRequest, RoomSettings};
use livekit::token::{Keys, TokenError};
use livekit::trust::Trust;
use media::RoomId;
use sfu::RoomInfo;

use super::wire::{AppointedRoom, Desired, ScheduledRoom, Tokens};
use crate::cascade::Placing;
use crate::config::JoinTokens;

/// What holds on this node now.
#[derive(Debug)]
pub(crate) struct Policy {
    trust: Trust,
    tokens: JoinTokens,
    appointed: HashMap<String, AppointedRoom>,
    scheduled: HashMap<String, ScheduledRoom>,
    /// Nodes that take nobody new.
    leaving: Vec<String>,
    draining: Draining,
}

/// Whether anybody new is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Draining {
    /// Nobody: those who are here stay.
    Yes,
    /// As many as fit.
    No,
}

/// Why somebody with a good token does not come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Closed {
    /// The node takes nobody new; others do.
    #[error("this node is being emptied; try another one")]
    Draining,
    /// The host has locked the room.
    #[error("the room is locked")]
    Locked,
    /// The room is open to those only who joined by the control plane.
    #[error("this room takes only tokens made by joining")]
    Foreign,
}

impl Closed {
    /// The HTTP status to answer with: with 503 clients look for another node.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Draining => 503,
            Self::Locked => 403,
            Self::Foreign => 401,
        }
    }

    /// Its label in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Locked => "locked",
            Self::Foreign => "unauthorised",
        }
    }
}

impl Policy {
    /// As wished. The node's own public key is believed in any case: it need not be told.
    pub(super) fn new(
        desired: &Desired,
        tokens: JoinTokens,
        own: (&str, &str),
        commanded: Draining,
    ) -> Self {
        let mut trust = Trust::default();
        for key in &desired.token_keys {
            trust.add_join_key(&key.kid, &key.key);
        }
        for peer in &desired.peers {
            trust.add_node(&peer.node, &peer.signing_key);
        }
        trust.add_node(own.0, own.1);
        let draining = if desired.draining {
            Draining::Yes
        } else {
            commanded
        };
        let leaving = desired.peers.iter().filter(|peer| peer.draining);
        let leaving = leaving.map(|peer| peer.node.as_str());
        let leaving = leaving.chain((draining == Draining::Yes).then_some(own.0));
        let appointed = desired.rooms.iter().cloned();
        let scheduled = desired.scheduled.iter().cloned();
        Self {
            trust,
            tokens,
            appointed: appointed.map(|it| (it.room.clone(), it)).collect(),
            scheduled: scheduled.map(|it| (it.room.clone(), it)).collect(),
            leaving: leaving.map(str::to_owned).collect(),
            draining,
        }
    }

    /// Checks a token of either kind at `now` (seconds since 1970), for joining.
    pub(crate) fn verify(&self, keys: &Keys, token: &str, now: u64) -> Result<Claims, TokenError> {
        if Trust::is_for(token) {
            return self.trust.verify(token, now);
        }
        match self.tokens {
            JoinTokens::Any => keys.verify(token, now),
            JoinTokens::Ours => Err(TokenError::Foreign),
        }
    }

    /// Whether the room takes who has these claims.
    pub(crate) fn admit(&self, claims: &Claims, request: &JoinRequest) -> Result<(), Closed> {
        // Who is in already is not new.
        let comes_back = request.reconnect.is_some();
        if self.draining == Draining::Yes && !comes_back {
            return Err(Closed::Draining);
        }
        let Some(room) = self.appointed.get(&claims.video.room) else {
            return Ok(());
        };
        if room.tokens == Tokens::Ours && claims.of.is_empty() {
            return Err(Closed::Foreign);
        }
        if room.locked && !comes_back && !claims.is_refreshed() && !claims.video.room_admin {
            return Err(Closed::Locked);
        }
        Ok(())
    }

    /// How a room opens here; what its token says counts first.
    pub(crate) fn settle(&self, room: &str, settings: &mut RoomSettings) {
        if let Some(room) = self.appointed.get(room) {
            settings.empty_timeout_s = settings.empty_timeout_s.or(room.empty_timeout_s);
            settings.departure_timeout_s =
                settings.departure_timeout_s.or(room.departure_timeout_s);
            settings.max_participants = settings.max_participants.or(some(room.max_participants));
        } else if let Some(room) = self.scheduled.get(room) {
            settings.max_participants = settings.max_participants.or(some(room.max_participants));
        }
    }

    /// How an open room should be otherwise than it is.
    pub(super) fn correction(&self, room: &RoomInfo) -> Option<RoomSettings> {
        let wished = self.appointed.get(&*room.name)?;
        let differs = |wish: Option<u32>, is: u32| wish.filter(|wish| *wish != is);
        let settings = RoomSettings {
            empty_timeout_s: differs(wished.empty_timeout_s, room.empty_timeout_s),
            departure_timeout_s: differs(wished.departure_timeout_s, room.departure_timeout_s),
            max_participants: differs(Some(wished.max_participants), room.max_participants),
            ..RoomSettings::default()
        };
        (settings != RoomSettings::default()).then_some(settings)
    }

    /// Whether a room that nobody has opened may be opened by whoever joins: those of the
    /// control plane may, whatever the configuration says of others.
    pub(crate) fn knows(&self, room: &str) -> bool {
        self.appointed.contains_key(room) || self.scheduled.contains_key(room)
    }

    /// The id of a room's life that the control plane has begun.
    pub(super) fn life_of(&self, room: &str) -> Option<RoomId> {
        self.appointed.get(room)?.room_sid.parse().ok()
    }

    /// The version of a room's placement; 0 for one that is not placed.
    pub(super) fn generation(&self, room: &str) -> u64 {
        self.appointed.get(room).map_or(0, |room| room.generation)
    }

    /// Where a room belongs, as far as it was told.
    pub(crate) fn placing(&self, room: &str) -> Placing {
        let appointed = self.appointed.get(room).map(|room| &room.home);
        let scheduled = self.scheduled.get(room).map(|room| &room.home);
        let home = appointed.or(scheduled).filter(|home| !home.is_empty());
        Placing {
            home: home.cloned(),
            leaving: self.leaving.clone(),
        }
    }

    /// What the app calls what happens in a room.
    pub(super) fn meeting(&self, room: &str) -> Option<&str> {
        let appointed = self.appointed.get(room);
        let meeting = appointed.and_then(|room| room.meeting_id.as_deref());
        meeting.or_else(|| Some(self.scheduled.get(room)?.meeting_id.as_str()))
    }

    /// Rooms that the control plane has placed here.
    pub(super) fn appointed(&self) -> impl Iterator<Item = &str> {
        self.appointed.keys().map(String::as_str)
    }

    /// Whether anybody new is taken.
    pub(crate) fn draining(&self) -> Draining {
        self.draining
    }
}

fn some(most: u32) -> Option<u32> {
    (most > 0).then_some(most)
}

/// The picture that all parts look at: a new one takes the place of the old one.
pub(crate) type Picture = tokio::sync::watch::Receiver<Arc<Policy>>;

#[cfg(test)]
mod tests {
    use super::*;
    use livekit::VideoGrants;
    use livekit::join::Reconnect;

    fn policy(desired: &Desired, tokens: JoinTokens) -> Policy {
        Policy::new(desired, tokens, ("lagos-1", "key"), Draining::No)
    }

    fn claims(of: &str) -> Claims {
        Claims {
            of: of.into(),
            video: VideoGrants {
                room: "physics".into(),
                ..VideoGrants::default()
            },
            ..Claims::default()
        }
    }

    fn physics(change: impl FnOnce(&mut AppointedRoom)) -> Desired {
        let mut room = AppointedRoom {
            room: "physics".into(),
            ..AppointedRoom::default()
        };
        change(&mut room);
        Desired {
            rooms: vec![room],
            ..Desired::default()
        }
    }

    #[test]
    fn a_room_takes_whom_the_control_plane_says() {
        let free = physics(|_| ());
        let locked = physics(|room| room.locked = true);
        let ours = physics(|room| room.tokens = Tokens::Ours);
        let draining = Desired {
            draining: true,
            ..Desired::default()
        };
        let new = JoinRequest::default();
        let back = JoinRequest {
            reconnect: Some(Reconnect::default()),
            ..JoinRequest::default()
        };
        let mut host = claims("j");
        host.video.room_admin = true;
        let mut refreshed = claims("j");
        refreshed.mark_refreshed();
        for (desired, claims, request, expected) in [
            (&free, &claims(""), &new, Ok(())),
            (&locked, &claims("j"), &new, Err(Closed::Locked)),
            (&locked, &claims("j"), &back, Ok(())),
            (&locked, &refreshed, &new, Ok(())),
            (&locked, &host, &new, Ok(())),
            (&ours, &claims(""), &new, Err(Closed::Foreign)),
            (&ours, &claims(""), &back, Err(Closed::Foreign)),
            (&ours, &claims("j"), &new, Ok(())),
            (&draining, &claims("j"), &new, Err(Closed::Draining)),
            (&draining, &claims("j"), &back, Ok(())),
        ] {
            let verdict = policy(desired, JoinTokens::Any).admit(claims, request);
            assert_eq!(verdict, expected, "{desired:?}");
        }
    }

    #[test]
    fn apps_tokens_open_the_door_only_where_they_may() {
        let keys: Keys = [("app", "secret")].into_iter().collect();
        let token = keys
            .sign(
                &Claims {
                    iss: "app".into(),
                    ..claims("")
                },
                1_000,
                std::time::Duration::from_secs(60),
            )
            .unwrap();
        let desired = Desired::default();
        assert!(
            policy(&desired, JoinTokens::Any)
                .verify(&keys, &token, 1_000)
                .is_ok()
        );
        let refused = policy(&desired, JoinTokens::Ours).verify(&keys, &token, 1_000);
        assert_eq!(refused.unwrap_err(), TokenError::Foreign);
    }

    #[test]
    fn a_room_opens_as_it_is_placed_or_scheduled() {
        let mut desired = physics(|room| {
            room.empty_timeout_s = Some(60);
            room.max_participants = 30;
            room.meeting_id = Some("m1".into());
            room.generation = 3;
            room.home = "kano-1".into();
        });
        desired.scheduled.push(ScheduledRoom {
            room: "chemistry".into(),
            meeting_id: "m2".into(),
            max_participants: 40,
            ..ScheduledRoom::default()
        });
        let policy = policy(&desired, JoinTokens::Any);
        let settled = |room| {
            let mut settings = RoomSettings::default();
            policy.settle(room, &mut settings);
            (settings.empty_timeout_s, settings.max_participants)
        };
        assert_eq!(settled("physics"), (Some(60), Some(30)));
        assert_eq!(settled("chemistry"), (None, Some(40)));
        assert_eq!(settled("other"), (None, None));
        assert!(policy.knows("chemistry") && !policy.knows("other"));
        let home = |room| policy.placing(room).home;
        assert_eq!(home("physics").as_deref(), Some("kano-1"));
        assert_eq!((home("chemistry"), home("other")), (None, None));
        let (physics, chemistry) = (policy.meeting("physics"), policy.meeting("chemistry"));
        assert_eq!((physics, chemistry), (Some("m1"), Some("m2")));
        assert_eq!(
            (policy.generation("physics"), policy.generation("other")),
            (3, 0)
        );
    }
}
