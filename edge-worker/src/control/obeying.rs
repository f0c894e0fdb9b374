//! Commands, carried out the way calls of the server APIs are.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use livekit::Claims;
use livekit::room_service::{Answer, Failure, Request, Task};
use livekit::server_data::ServerMessage;
use livekit::token::TokenError;
use media::TrackId;
use sfu::{
    Identity, Muted, ParticipantChange, ParticipantInfo, Permission, Reliability, Source,
    TrackInfo, Visibility,
};
use tracing::info;

use super::reporting::Coming;
use super::wire::{Ack, Command, Order, Permissions};
use crate::http::{perform, send_to};
use crate::node::Node;

/// Carries a command out; what became of it.
pub(super) async fn obey(node: &Node, command: Command) -> Ack {
    let Command { id, order, .. } = command;
    let word = order.word();
    let done = carry_out(node, order).await;
    info!(command = %id, what = word, ?done, "the control plane's command");
    Ack {
        id,
        ok: done.is_ok(),
        error: done.err().map(|failure| failure.to_string()),
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("the token for the other room does not let in: {0}")]
    Token(#[from] TokenError),
    #[error("the token is for another room, or for somebody else")]
    OtherToken,
}

async fn carry_out(node: &Node, order: Order) -> Result<(), Undone> {
    let request = match order {
        Order::CloseRoom { room, reason: _ } => {
            let closed = perform(node, Request::DeleteRoom { room: room.into() }).await;
            return match closed {
                // Another node of the room was told first, or everybody had left.
                Ok(_) | Err(Failure::RoomMissing) => Ok(()),
                Err(failure) => Err(failure.into()),
            };
        }
        Order::Remove {
            room,
            identity,
            revoke_tokens,
        } => in_room(
            room,
            Task::RemoveParticipant {
                identity: name(identity),
                // Since 1970 nobody's are.
                revoke_until: (!revoke_tokens).then_some(0),
            },
        ),
        Order::Mute {
            room,
            identity,
            track,
            source,
            muted,
        } => {
            let which = Which { track, source };
            return Ok(mute(node, room, name(identity), which, muted).await?);
        }
        Order::Permissions {
            room,
            identity,
            permission,
        } => {
            let identity = name(identity);
            let who = find(node, &room, &identity).await?;
            let permission = Some(permitted(&who.permission, &permission));
            let change = ParticipantChange {
                permission,
                ..ParticipantChange::default()
            };
            change_participant(room, identity, change)
        }
        Order::Attributes {
            room,
            identity,
            attributes,
        } => {
            let change = ParticipantChange {
                attributes,
                ..ParticipantChange::default()
            };
            change_participant(room, name(identity), change)
        }
        Order::Metadata { room, metadata } => in_room(room, Task::UpdateRoomMetadata(metadata)),
        Order::Move {
            room,
            identity,
            to,
            token,
        } => {
            let identity = name(identity);
            let pass = match token {
                Some(token) => Some(pass(node, &room, &identity, &to, &token).await?),
                None => None,
            };
            let moved = send_to(node, room.into(), identity, to.into(), pass).await;
            return Ok(moved.map(|_| ())?);
        }
        Order::Data {
            room,
            topic,
            text,
            to,
        } => {
            let topic = (!topic.is_empty()).then_some(topic);
            let payload = text.into_bytes();
            let reliable = Reliability::Reliable;
            let message = ServerMessage::user(payload, reliable, topic, to, Vec::new(), &[]);
            let message = message.map_err(|_| Failure::TooLong)?;
            let nonce = None;
            in_room(room, Task::SendData { message, nonce })
        }
        // The node's own business: see where commands are taken in.
        Order::Drain {} | Order::Undrain {} => return Ok(()),
    };
    Ok(perform(node, request).await.map(|_| ())?)
}

/// What lets somebody into another room, by a token for it; what the app calls what happens there
/// is told with its coming.
async fn pass(
    node: &Node,
    room: &str,
    identity: &Identity,
    to: &str,
    token: &str,
) -> Result<Arc<Claims>, Undone> {
    let control = node.control.as_ref().ok_or(Undone::OtherToken)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let claims = control.policy().verify(&node.keys, token, now)?;
    if claims.video.room != to || claims.identity() != &*identity.0 {
        return Err(Undone::OtherToken);
    }
    let who = find(node, room, identity).await?;
    control.coming(Coming::Over {
        id: who.id,
        room: to.into(),
        tof: claims.tof.clone(),
    });
    Ok(Arc::new(claims))
}

/// Which tracks are meant.
#[derive(Debug)]
struct Which {
    track: Option<String>,
    source: Option<String>,
}

impl Which {
    fn is_meant(&self, track: &TrackInfo) -> bool {
        let named = |name: &str| track.id.as_str() == name;
        let from = |word: &str| source_word(track.source) == word;
        self.track.as_deref().is_none_or(named) && self.source.as_deref().is_none_or(from)
    }
}

async fn mute(
    node: &Node,
    room: String,
    identity: Identity,
    which: Which,
    muted: bool,
) -> Result<(), Failure> {
    let muted = if muted { Muted::Yes } else { Muted::No };
    let who = find(node, &room, &identity).await?;
    let meant = who.tracks.iter().filter(|track| which.is_meant(track));
    let meant: Vec<TrackId> = meant.map(|track| track.id).collect();
    if meant.is_empty() && which.track.is_some() {
        return Err(Failure::TrackMissing);
    }
    for track in meant {
        let task = Task::MuteTrack {
            identity: identity.clone(),
            track,
            muted,
        };
        perform(node, in_room(room.clone(), task)).await?;
    }
    Ok(())
}

async fn find(
    node: &Node,
    room: &str,
    identity: &Identity,
) -> Result<Arc<ParticipantInfo>, Failure> {
    let task = Task::GetParticipant(identity.clone());
    match perform(node, in_room(room.to_owned(), task)).await? {
        Answer::Participant(who) => Ok(who),
        Answer::Done
        | Answer::Room(_)
        | Answer::Rooms(_)
        | Answer::Participants(_)
        | Answer::Track(_)
        | Answer::Returned(_) => Err(Failure::ParticipantMissing),
    }
}

/// What somebody may do from now on; what is not said stays.
fn permitted(now: &Permission, wish: &Permissions) -> Permission {
    let sources = wish.can_publish_sources.as_ref().map(|words| {
        let read = words.iter().map(|word| source(word));
        read.collect()
    });
    Permission {
        can_publish: wish.can_publish,
        can_subscribe: wish.can_subscribe,
        can_publish_data: wish.can_publish_data,
        can_publish_sources: sources.unwrap_or_else(|| now.can_publish_sources.clone()),
        visibility: match wish.hidden {
            Some(true) => Visibility::Hidden,
            Some(false) => Visibility::Visible,
            None => now.visibility,
        },
        can_update_metadata: wish.can_update_metadata.unwrap_or(now.can_update_metadata),
        ..now.clone()
    }
}

/// A word that is not known allows nothing, but is no empty list, which would allow all.
fn source(word: &str) -> Source {
    let all = [
        Source::Camera,
        Source::Microphone,
        Source::ScreenShare,
        Source::ScreenShareAudio,
    ];
    let known = all.into_iter().find(|source| source_word(*source) == word);
    known.unwrap_or(Source::Unknown)
}

fn source_word(source: Source) -> &'static str {
    match source {
        Source::Camera => "camera",
        Source::Microphone => "microphone",
        Source::ScreenShare => "screen_share",
        Source::ScreenShareAudio => "screen_share_audio",
        Source::Unknown => "unknown",
    }
}

fn change_participant(room: String, identity: Identity, change: ParticipantChange) -> Request {
    let change = Box::new(change);
    in_room(room, Task::UpdateParticipant { identity, change })
}

fn in_room(room: String, task: Task) -> Request {
    let room = room.into();
    Request::InRoom { room, task }
}

fn name(identity: String) -> Identity {
    Identity(identity.into())
}
