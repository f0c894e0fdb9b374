//! What shards tell, in the words of the control plane. Each fact is told once, by the node
//! that its participant is attached to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use livekit::Tof;
use livekit::chat::{Said, Text};
use livekit::disconnect_word;
use media::ParticipantId;
use sfu::{Fact, LeaveReason, ParticipantInfo, Picture, RoomInfo, State, Summary, TrackInfo};

use super::policy::Policy;
use super::wire::event::Figures;
use super::wire::{self, Client, Event, Happened};
use crate::facts::{News, Report};

/// Somebody who has been let in, before anything is told of it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Which membership.
    pub(crate) id: ParticipantId,
    /// When it asked.
    pub(crate) asked_at_ms: u64,
    /// What its token says beside LiveKit's claims.
    pub(crate) tof: Option<Tof>,
    /// What it runs on.
    pub(crate) client: livekit::Client,
}

/// Who will be told of as somebody who comes.
#[derive(Clone, Debug)]
pub(crate) enum Coming {
    /// From outside.
    In(Arrival),
    /// From one room to another, if nothing goes wrong.
    Over {
        /// Which membership.
        id: ParticipantId,
        /// To this one.
        room: Arc<str>,
        /// What its token for that room says.
        tof: Option<Tof>,
    },
}

/// Turns reports into events.
#[derive(Debug)]
pub(super) struct Reporter {
    region: String,
    /// People who are here, or about to be.
    arrivals: HashMap<ParticipantId, Arrival>,
    /// Those of them who are about to go to another room, and what they are there.
    moves: HashMap<ParticipantId, (Arc<str>, Option<Tof>)>,
    /// Messages nobody here can read, by room, since the last time they were told.
    sealed: HashMap<Arc<str>, u64>,
}

/// Everybody on a large node, and as many again who never came.
const MOST_ARRIVALS: usize = 65_536;

/// A whole node's people at once. Moves take a moment: so many are of some who never went.
const MOST_MOVES: usize = 16_384;

/// Somebody who has not come by then does not come.
const COMES_WITHIN_MS: u64 = 300_000;

/// An attribute by which participants raise a hand: any value but these means up.
pub(super) const HAND: &str = "tof.hand";
const DOWN: [&str; 4] = ["", "0", "false", "down"];

/// What of a participant's attributes is told: roles and the like, not pictures.
const MOST_ATTRIBUTES: usize = 32;
const LONGEST_ATTRIBUTE: usize = 256;

/// Receivers of one private message that are told.
const MOST_RECEIVERS: usize = 256;

impl Reporter {
    pub(super) fn new(region: String) -> Self {
        Self {
            region,
            arrivals: HashMap::new(),
            moves: HashMap::new(),
            sealed: HashMap::new(),
        }
    }

    /// Somebody is about to come.
    pub(super) fn coming(&mut self, coming: Coming) {
        match coming {
            Coming::In(arrival) => self.arriving(arrival),
            Coming::Over { id, room, tof } => {
                if self.moves.len() >= MOST_MOVES {
                    self.moves.clear();
                }
                self.moves.insert(id, (room, tof));
            }
        }
    }

    fn arriving(&mut self, arrival: Arrival) {
        if self.arrivals.len() >= MOST_ARRIVALS {
            let oldest_ms = arrival.asked_at_ms.saturating_sub(COMES_WITHIN_MS);
            self.arrivals.retain(|_, it| it.asked_at_ms > oldest_ms);
        }
        if self.arrivals.len() < MOST_ARRIVALS {
            self.arrivals.insert(arrival.id, arrival);
        }
    }

    /// The event that tells of it; none for what is told later, or not at all.
    pub(super) fn event(&mut self, report: Report, policy: &Policy) -> Option<Event> {
        let Report { at_ms, news } = report;
        let (room, happened) = match news {
            News::Fact(fact) => (Arc::clone(&fact.room), self.fact(at_ms, fact, policy)?),
            News::Said { room, by, said, to } => {
                let happened = self.said(at_ms, &room, &by, said, to, policy)?;
                (room, happened)
            }
        };
        Some(Event {
            at: at_ms,
            room: room.name.to_string(),
            happened,
        })
    }

    /// Messages that could only be counted since the last time.
    pub(super) fn sealed(&mut self, at_ms: u64) -> Vec<Event> {
        let counted = self.sealed.drain();
        let event = |(room, count): (Arc<str>, u64)| Event {
            at: at_ms,
            room: room.to_string(),
            happened: Happened::ChatSealed { count },
        };
        counted.map(event).collect()
    }

    fn fact(&mut self, at_ms: u64, fact: Fact, policy: &Policy) -> Option<Happened> {
        let Fact { room, happened } = fact;
        let room_sid = || room.id.to_string();
        let generation = policy.generation(&room.name);
        Some(match happened {
            sfu::Happened::RoomStarted => Happened::RoomStarted {
                room_sid: room_sid(),
                generation,
            },
            sfu::Happened::RoomFinished(reason) => Happened::RoomEnded {
                room_sid: room_sid(),
                generation,
                reason: end_word(reason).to_owned(),
            },
            sfu::Happened::ParticipantJoined(who) => {
                self.move_over(who.id, &room.name);
                let arrival = self.arrivals.get(&who.id);
                let tof = arrival.and_then(|it| it.tof.clone()).unwrap_or_default();
                let asked_at_ms = arrival.map(|it| it.asked_at_ms);
                Happened::Joined {
                    room_sid: room_sid(),
                    sid: who.id.to_string(),
                    identity: who.identity.0.to_string(),
                    name: who.name.clone(),
                    user_id: tof.user,
                    meeting_id: tof.meeting,
                    region: self.region.clone(),
                    client: arrival.map(|it| client(&it.client)).unwrap_or_default(),
                    join_ms: asked_at_ms.map(|asked| at_ms.saturating_sub(asked)),
                    attributes: attributes(&who.attributes),
                }
            }
            sfu::Happened::ParticipantLeft(who) => {
                let reason = match who.state {
                    State::Disconnected(reason) => reason,
                    State::Joining | State::Joined | State::Active => LeaveReason::ClientInitiated,
                };
                if reason != LeaveReason::Moved {
                    self.forget(who.id);
                } else if let Some(arrival) = self.arrivals.get_mut(&who.id) {
                    // It goes on elsewhere on this shard, as who it is.
                    arrival.asked_at_ms = at_ms;
                }
                Happened::Left {
                    sid: who.id.to_string(),
                    identity: who.identity.0.to_string(),
                    reason: disconnect_word(reason).to_owned(),
                }
            }
            sfu::Happened::ParticipantAborted(who) => {
                self.forget(who.id);
                return None;
            }
            sfu::Happened::ParticipantChanged { before, after } => {
                let was = is_up(&before);
                let raised = is_up(&after);
                if was == raised {
                    return None;
                }
                Happened::Hand {
                    sid: after.id.to_string(),
                    identity: after.identity.0.to_string(),
                    raised,
                }
            }
            sfu::Happened::ParticipantAssessed {
                participant,
                summary,
            } => Happened::Quality {
                sid: participant.id.to_string(),
                figures: figures(at_ms, &summary),
            },
            sfu::Happened::TrackPublished { publisher, track } => Happened::TrackPublished {
                sid: publisher.id.to_string(),
                source: source(&track),
                kind: kind(&track),
                track: track.id.to_string(),
            },
            sfu::Happened::TrackUnpublished { publisher, track } => Happened::TrackUnpublished {
                sid: publisher.id.to_string(),
                source: source(&track),
                kind: kind(&track),
                track: track.id.to_string(),
            },
        })
    }

    /// Somebody is in this room now, perhaps by another token than the one it came with.
    fn move_over(&mut self, id: ParticipantId, room: &Arc<str>) {
        if self.moves.get(&id).is_some_and(|(to, _)| to == room)
            && let Some((_, tof)) = self.moves.remove(&id)
            && let Some(arrival) = self.arrivals.get_mut(&id)
        {
            arrival.tof = tof;
        }
    }

    fn forget(&mut self, id: ParticipantId) {
        self.arrivals.remove(&id);
        self.moves.remove(&id);
    }

    fn said(
        &mut self,
        at_ms: u64,
        room: &RoomInfo,
        by: &ParticipantInfo,
        said: Said,
        mut to: Vec<String>,
        policy: &Policy,
    ) -> Option<Happened> {
        let identity = by.identity.0.to_string();
        Some(match said {
            Said::Wrote {
                id,
                text,
                sent_at_ms,
                reply_to,
            } => {
                let arrival = self.arrivals.get(&by.id);
                let tof = arrival.and_then(|it| it.tof.clone()).unwrap_or_default();
                let meeting = policy.meeting(&room.name).map(str::to_owned);
                let (text, truncated) = match text {
                    Text::Whole(text) => (text, false),
                    Text::Cut(text) => (text, true),
                };
                to.truncate(MOST_RECEIVERS);
                Happened::Chat {
                    sid: by.id.to_string(),
                    identity,
                    user_id: tof.user,
                    meeting_id: tof.meeting.or(meeting),
                    message_id: id,
                    text,
                    truncated,
                    sent_at: if sent_at_ms == 0 { at_ms } else { sent_at_ms },
                    to,
                    reply_to,
                }
            }
            Said::Edited { id, text } => {
                let (Text::Whole(text) | Text::Cut(text)) = text;
                Happened::ChatEdited {
                    message_id: id,
                    identity,
                    text,
                }
            }
            Said::Deleted { id } => Happened::ChatDeleted {
                message_id: id,
                identity,
            },
            Said::Sealed => {
                *self.sealed.entry(Arc::clone(&room.name)).or_default() += 1;
                return None;
            }
        })
    }
}

fn client(client: &livekit::Client) -> Client {
    let short = |text: &str| text.chars().take(64).collect::<String>();
    Client {
        os: short(&client.os),
        browser: short(&client.browser),
        device: short(&client.device_model),
        sdk: format!("{:?}", client.sdk).to_ascii_lowercase(),
        version: short(&client.version),
    }
}

fn attributes(all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let short = all.iter().filter(|(name, value)| {
        name.len() <= LONGEST_ATTRIBUTE && value.len() <= LONGEST_ATTRIBUTE
    });
    let some = short.take(MOST_ATTRIBUTES);
    some.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn is_up(participant: &ParticipantInfo) -> bool {
    let hand = participant.attributes.get(HAND);
    hand.is_some_and(|hand| !DOWN.contains(&hand.as_str()))
}

fn figures(at_ms: u64, summary: &Summary) -> Figures {
    let lasted_ms = summary.lasted.as_millis() as u64;
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let kbps = |bytes: u64| rounded(bytes as f64 * 8.0 / lasted_ms.max(1) as f64);
    let picture = summary.picture;
    // A rate without a size is of use, a size of 0 is not.
    let side = |side: fn(&Picture) -> u32| picture.as_ref().map(side).filter(|side| *side > 0);
    Figures {
        from_ms: at_ms.saturating_sub(lasted_ms),
        to_ms: at_ms,
        // 0 to 100 in five steps, as people are asked in surveys.
        score: rounded(1.0 + f64::from(summary.score) / 25.0),
        loss_percent: rounded(summary.loss_percent.into()),
        jitter_ms: rounded(millis(summary.jitter)),
        round_trip_ms: rounded(millis(summary.round_trip.unwrap_or_default())),
        sent_kbps: kbps(summary.sent),
        received_kbps: kbps(summary.received),
        width: side(|picture| picture.width),
        height: side(|picture| picture.height),
        frames_per_second: picture.map(|it| rounded(it.frames_per_second.into())),
        drops: summary.silences,
    }
}

/// More digits cost bytes and tell nothing.
fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

fn source(track: &TrackInfo) -> wire::Source {
    match track.source {
        sfu::Source::Camera => wire::Source::Camera,
        sfu::Source::Microphone => wire::Source::Microphone,
        sfu::Source::ScreenShare => wire::Source::ScreenShare,
        sfu::Source::ScreenShareAudio => wire::Source::ScreenShareAudio,
        sfu::Source::Unknown => wire::Source::Unknown,
    }
}

fn kind(track: &TrackInfo) -> wire::Kind {
    match track.kind {
        media::MediaKind::Audio => wire::Kind::Audio,
        media::MediaKind::Video => wire::Kind::Video,
    }
}

/// Why a room ended, in one word.
fn end_word(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::RoomDeleted => "deleted",
        LeaveReason::RoomClosed => "empty",
        LeaveReason::ServerShutdown => "shutdown",
        LeaveReason::StateMismatch => "failed",
        // Rooms end for the reasons above; the others are participants'.
        LeaveReason::ClientInitiated
        | LeaveReason::DuplicateIdentity
        | LeaveReason::ParticipantRemoved
        | LeaveReason::JoinFailure
        | LeaveReason::SignalClosed
        | LeaveReason::ConnectionTimeout
        | LeaveReason::Moved => "unknown",
    }
}

#[cfg(test)]
mod tests;
