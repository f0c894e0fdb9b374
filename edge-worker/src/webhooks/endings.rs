//! Lets the end of a room be told last. A room may be on several shards, which tell what
//! happened each in its own order: one says that the room ended while others have still to
//! say who left.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu::{Fact, Happened};

use crate::facts::Told;

/// Ends of rooms that are not told yet.
#[derive(Debug, Default)]
pub(super) struct Endings {
    held: HashMap<Arc<str>, Held>,
    /// In the order they are due; some are told by then.
    due: VecDeque<(Instant, Arc<str>)>,
}

#[derive(Debug)]
struct Held {
    fact: Fact,
    due: Instant,
}

/// Shards hear within milliseconds that a room is over. One that does not may be left by
/// people for seconds, and its room's end is worth more than its order.
const PATIENCE: Duration = Duration::from_secs(2);

impl Endings {
    /// What is to be told, in this order, now that a shard told this.
    pub(super) fn take(&mut self, now: Instant, told: Told) -> impl Iterator<Item = Fact> + use<> {
        let [first, second] = match told {
            Told::LeftShards(room) => [self.release(&room), None],
            Told::Fact(fact) => match fact.happened {
                Happened::RoomFinished(_) => [self.hold(now, fact), None],
                // Of the next room of that name.
                Happened::RoomStarted => [self.release(&fact.room.name), Some(fact)],
                Happened::ParticipantJoined(_)
                | Happened::ParticipantLeft(_)
                | Happened::ParticipantAborted(_)
                | Happened::ParticipantChanged { .. }
                | Happened::ParticipantAssessed { .. }
                | Happened::TrackPublished { .. }
                | Happened::TrackUnpublished { .. } => [Some(fact), None],
            },
        };
        first.into_iter().chain(second)
    }

    /// The end of a room that has waited long enough.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Fact> {
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            let (at, room) = self.due.pop_front()?;
            if self.held.get(&room).is_some_and(|held| held.due == at) {
                return self.release(&room);
            }
        }
        None
    }

    /// When one may have waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    /// All of them.
    pub(super) fn into_rest(self) -> impl Iterator<Item = Fact> {
        self.held.into_values().map(|held| held.fact)
    }

    /// Answers the one that another one of its name takes the place of.
    fn hold(&mut self, now: Instant, fact: Fact) -> Option<Fact> {
        let (due, room) = (now + PATIENCE, Arc::clone(&fact.room.name));
        self.due.push_back((due, Arc::clone(&room)));
        let before = self.held.insert(room, Held { fact, due });
        before.map(|held| held.fact)
    }

    fn release(&mut self, room: &str) -> Option<Fact> {
        self.held.remove(room).map(|held| held.fact)
    }
}

#[cfg(test)]
mod tests {
    use livekit::join::{JoinRequest, authorize};
    use livekit::{Claims, VideoGrants, webhook};
    use sfu::{LeaveReason, ParticipantInfo, Playing, RoomInfo};

    use super::*;

    fn participant() -> Arc<ParticipantInfo> {
        let claims = Claims {
            sub: "ada".into(),
            video: VideoGrants {
                room_join: true,
                room: "maths".into(),
                ..VideoGrants::default()
            },
            ..Claims::default()
        };
        let request = JoinRequest::default();
        let admission = authorize(Some(&claims), &request).unwrap();
        let id = "PA_ada".parse().unwrap();
        Arc::new(admission.membership(&request, id, 0, "").participant)
    }

    /// `start`, `left` or `end` of a room, or that its shards are `gone` from it.
    fn told(word: &str, room: &str) -> Told {
        let happened = match word {
            "start" => Happened::RoomStarted,
            "left" => Happened::ParticipantLeft(participant()),
            "end" => Happened::RoomFinished(LeaveReason::RoomDeleted),
            "gone" => return Told::LeftShards(room.into()),
            _ => panic!("{word}"),
        };
        let room = RoomInfo {
            id: "RM_x".parse().unwrap(),
            name: room.into(),
            metadata: String::new(),
            created_at_ms: 0,
            empty_timeout_s: 300,
            departure_timeout_s: 20,
            max_participants: 0,
            playing: Playing::default(),
            participants: 0,
            publishers: 0,
            active_recording: false,
        };
        Told::Fact(Fact {
            room: Arc::new(room),
            happened,
        })
    }

    fn word(fact: &Fact) -> String {
        let word = match webhook::name(&fact.happened) {
            Some("room_started") => "start",
            Some("room_finished") => "end",
            Some(_) | None => "left",
        };
        format!("{word} {}", fact.room.name)
    }

    #[test]
    fn wh_6_the_end_of_a_room_is_told_after_the_last_word_of_its_last_shard() {
        let now = Instant::now();
        for (tells, expected) in [
            // One shard says that the room ends before another says who left.
            ("start end left left gone", "start left left end"),
            ("left end gone", "left end"),
            // A shard is left, and the room goes on on another one.
            ("left gone left end gone", "left left end"),
            ("end gone gone", "end"),
            // The next room of that name.
            ("end start left gone", "end start left"),
            ("end left end gone", "left end end"),
        ] {
            let mut endings = Endings::default();
            let mut heard = Vec::new();
            for tell in tells.split(' ') {
                let facts = endings.take(now, told(tell, "maths"));
                heard.extend(facts.map(|fact| word(&fact).replace(" maths", "")));
            }
            assert_eq!(heard.join(" "), expected, "{tells}");
        }
    }

    #[test]
    fn wh_6_rooms_do_not_wait_for_each_other() {
        let now = Instant::now();
        let mut endings = Endings::default();
        assert_eq!(endings.take(now, told("end", "maths")).count(), 0);
        let heard = endings.take(now, told("left", "music"));
        assert_eq!(
            heard.map(|fact| word(&fact)).collect::<Vec<_>>(),
            ["left music"]
        );
        assert_eq!(endings.take(now, told("gone", "music")).count(), 0);
        let heard = endings.take(now, told("gone", "maths"));
        assert_eq!(
            heard.map(|fact| word(&fact)).collect::<Vec<_>>(),
            ["end maths"]
        );
    }

    #[test]
    fn the_end_of_a_room_does_not_wait_for_ever() {
        let start = Instant::now();
        let mut endings = Endings::default();
        assert_eq!(endings.deadline(), None);
        assert_eq!(endings.take(start, told("end", "maths")).count(), 0);
        assert_eq!(endings.deadline(), Some(start + PATIENCE));
        // A second one waits for its own time.
        let later = start + PATIENCE / 2;
        assert_eq!(endings.take(later, told("end", "maths")).count(), 1);
        assert!(endings.overdue(start + PATIENCE).is_none());
        let last = endings.overdue(later + PATIENCE).map(|fact| word(&fact));
        assert_eq!(last.as_deref(), Some("end maths"));
        assert!(endings.overdue(later + PATIENCE).is_none());
        assert_eq!(endings.deadline(), None);

        assert_eq!(endings.take(later, told("end", "music")).count(), 0);
        let rest: Vec<_> = endings.into_rest().map(|fact| word(&fact)).collect();
        assert_eq!(rest, ["end music"]);
    }
}
