//! Who takes part in a run, and what each of them should receive.

use clap::ValueEnum;
use serde::Serialize;

use super::{
    client::Streams,
    part::{Device, Manner, Part, Watch},
    sdp::Repetition,
    statistics::Group,
};

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// One publishes sound and 720p, many watch.
    Livestream,
    /// All publish, each watches nine at 180 and 360 lines and hears all.
    Meeting,
    /// Some speak, many listen.
    AudioRoom,
    /// Others join and leave while a call runs: steadily, then 100 a second.
    Churn,
    /// All are connected and muted, in rooms of ten.
    Idle,
}

/// Everybody, publishers first.
#[derive(Debug, Clone)]
pub struct Cast {
    /// The parts.
    pub parts: Vec<Part>,
    /// How many of them publish.
    pub publishers: usize,
    /// What kind of call it is.
    pub scenario: Scenario,
}

/// Pictures in a meeting that somebody sees at a time.
const WATCHED: usize = 9;
/// Pictures that a confirming participant watches in a meeting: its library takes longer
/// for a packet than the whole server.
const CONFIRMED: usize = 2;
/// Participants of an idle room.
const IDLE_ROOM: usize = 10;

impl Scenario {
    /// Publishers and subscribers where nothing else is asked for.
    pub fn usual(self) -> (usize, usize) {
        match self {
            Self::Livestream => (1, 200),
            Self::Meeting => (30, 0),
            Self::AudioRoom => (10, 300),
            Self::Churn => (1, 20),
            Self::Idle => (100, 0),
        }
    }

    /// The name of its (first) room.
    pub fn room(self) -> String {
        format!("load-{self:?}-0").to_lowercase()
    }
}

impl Cast {
    /// Everybody of a scenario.
    pub fn of(scenario: Scenario, publishers: usize, subscribers: usize) -> Self {
        let all = publishers + subscribers;
        let parts = (0..all).map(|number| part(scenario, number, publishers));
        Self {
            parts: parts.collect(),
            publishers,
            scenario,
        }
    }

    /// Somebody who comes to watch while the call runs.
    pub fn passer(&self, number: usize) -> Part {
        let mut part = part(self.scenario, self.parts.len() + number, self.publishers);
        part.group = Group::Passing;
        part.identity = format!("passing-{number}");
        part
    }

    /// The streams that a part should receive in the end.
    pub fn expected(&self, part: &Part) -> Streams {
        let others = self.parts.iter().take(self.publishers);
        let mut others: Vec<&Part> = others.filter(|other| other.room == part.room).collect();
        others.retain(|other| other.number != part.number);
        let live = |device: fn(&Part) -> Device| {
            others
                .iter()
                .filter(|other| device(other) == Device::Live)
                .count()
        };
        let cameras = live(|part| part.camera);
        Streams {
            audio: live(|part| part.microphone),
            video: match part.watch {
                Watch::All => cameras,
                Watch::Next { count, .. } => count.min(cameras),
            },
        }
    }

    /// The publishers whose pictures a confirming participant watches.
    pub fn confirmed(&self) -> usize {
        match self.scenario {
            Scenario::Meeting => CONFIRMED.min(self.publishers),
            Scenario::Livestream | Scenario::Churn => self.publishers,
            Scenario::AudioRoom | Scenario::Idle => 0,
        }
    }

    /// The tracks that a confirming participant should receive.
    pub fn confirmed_tracks(&self) -> usize {
        match self.scenario {
            Scenario::Idle => 0,
            Scenario::Livestream | Scenario::Meeting | Scenario::AudioRoom | Scenario::Churn => {
                self.publishers + self.confirmed()
            }
        }
    }
}

fn part(scenario: Scenario, number: usize, publishers: usize) -> Part {
    let publishes = number < publishers;
    let others = publishers - usize::from(publishes);
    let on = |device| if publishes { device } else { Device::None };
    let (microphone, camera) = match scenario {
        Scenario::Livestream | Scenario::Meeting | Scenario::Churn => (Device::Live, Device::Live),
        Scenario::AudioRoom => (Device::Live, Device::None),
        Scenario::Idle => (Device::Muted, Device::None),
    };
    let (room, sections, watch) = match scenario {
        Scenario::Livestream | Scenario::Churn => (0, (others, others), Watch::All),
        Scenario::Meeting => {
            let watch = Watch::Next {
                count: WATCHED.min(others),
                of: publishers,
            };
            (0, (others, others), watch)
        }
        Scenario::AudioRoom => (0, (others, 0), Watch::All),
        Scenario::Idle => (number / IDLE_ROOM, (IDLE_ROOM - 1, 0), Watch::All),
    };
    let kind = if publishes { "publisher" } else { "subscriber" };
    Part {
        room: format!("load-{scenario:?}-{room}").to_lowercase(),
        number,
        identity: format!("{kind}-{number}"),
        group: Group::Call,
        microphone: on(microphone),
        camera: on(camera),
        manner: Manner::Spurts,
        repetition: Repetition::None,
        sections,
        watch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_expects_what_the_others_publish() {
        let streams = |audio, video| Streams { audio, video };
        for (scenario, publishers, subscribers, first, last) in [
            (Scenario::Livestream, 1, 5, streams(0, 0), streams(1, 1)),
            (Scenario::Meeting, 30, 0, streams(29, 9), streams(29, 9)),
            (Scenario::Meeting, 4, 0, streams(3, 3), streams(3, 3)),
            (Scenario::AudioRoom, 10, 3, streams(9, 0), streams(10, 0)),
            (Scenario::Idle, 25, 0, streams(0, 0), streams(0, 0)),
        ] {
            let cast = Cast::of(scenario, publishers, subscribers);
            let expected = |part: Option<&Part>| cast.expected(part.unwrap());
            assert_eq!(expected(cast.parts.first()), first, "{scenario:?}");
            assert_eq!(expected(cast.parts.last()), last, "{scenario:?}");
        }
    }
}
