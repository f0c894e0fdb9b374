//! Mishaps that a client asks the server to play, to see that it gets over them.

use media::Bitrate;

use crate::proto::{self, simulate_scenario::Scenario as Wire};

/// What shall happen to the client that asks, and to nobody else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scenario {
    /// It is shown as speaking for so many seconds.
    Speaker {
        /// At most [`LONGEST_SPEECH`].
        seconds: u32,
    },
    /// The server forgets it, and its connections break.
    NodeFailure,
    /// It is told to come back elsewhere.
    Migration,
    /// It is told that the server stops.
    ServerLeave,
    /// It shall be reached another way; needs nothing of a server that has only one.
    CandidateProtocol,
    /// It receives no more than that; `None` ends it.
    SubscriberBandwidth(Option<Bitrate>),
    /// When it comes back the next time, its signalling breaks again.
    DisconnectOnResume(Told),
    /// It is told to join again from the start.
    FullReconnect,
}

/// What a client hears before its signalling breaks again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// That it is back, and what it missed.
    Everything,
    /// Nothing.
    Nothing,
}

/// Seconds; a test looks for longer at nothing.
pub const LONGEST_SPEECH: u32 = 60;

impl Scenario {
    /// `None` if nothing is asked for, or something newer than we know.
    pub(super) fn from_proto(message: proto::SimulateScenario) -> Option<Self> {
        Some(match message.scenario? {
            Wire::SpeakerUpdate(seconds) => Self::Speaker {
                seconds: seconds.unsigned_abs().min(LONGEST_SPEECH),
            },
            Wire::NodeFailure(on) => on.then_some(Self::NodeFailure)?,
            Wire::Migration(on) => on.then_some(Self::Migration)?,
            Wire::ServerLeave(on) => on.then_some(Self::ServerLeave)?,
            Wire::SwitchCandidateProtocol(_) => Self::CandidateProtocol,
            Wire::SubscriberBandwidth(bits) => {
                let bits = u64::try_from(bits).unwrap_or_default();
                Self::SubscriberBandwidth((bits > 0).then_some(Bitrate(bits)))
            }
            Wire::DisconnectSignalOnResume(on) => {
                on.then_some(Self::DisconnectOnResume(Told::Everything))?
            }
            Wire::DisconnectSignalOnResumeNoMessages(on) => {
                on.then_some(Self::DisconnectOnResume(Told::Nothing))?
            }
            Wire::LeaveRequestFullReconnect(on) => on.then_some(Self::FullReconnect)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_read_and_what_is_not_asked_for_is_not_played() {
        for (asked, expected) in [
            (
                Wire::SpeakerUpdate(3),
                Some(Scenario::Speaker { seconds: 3 }),
            ),
            (
                Wire::SpeakerUpdate(i32::MIN),
                Some(Scenario::Speaker {
                    seconds: LONGEST_SPEECH,
                }),
            ),
            (Wire::NodeFailure(true), Some(Scenario::NodeFailure)),
            (Wire::NodeFailure(false), None),
            (Wire::Migration(true), Some(Scenario::Migration)),
            (Wire::ServerLeave(true), Some(Scenario::ServerLeave)),
            (
                Wire::SwitchCandidateProtocol(1),
                Some(Scenario::CandidateProtocol),
            ),
            (
                Wire::SubscriberBandwidth(64_000),
                Some(Scenario::SubscriberBandwidth(Some(Bitrate::kilobits(64)))),
            ),
            (
                Wire::SubscriberBandwidth(-1),
                Some(Scenario::SubscriberBandwidth(None)),
            ),
            (
                Wire::DisconnectSignalOnResume(true),
                Some(Scenario::DisconnectOnResume(Told::Everything)),
            ),
            (
                Wire::DisconnectSignalOnResumeNoMessages(true),
                Some(Scenario::DisconnectOnResume(Told::Nothing)),
            ),
            (
                Wire::LeaveRequestFullReconnect(true),
                Some(Scenario::FullReconnect),
            ),
        ] {
            let message = proto::SimulateScenario {
                scenario: Some(asked),
            };
            assert_eq!(Scenario::from_proto(message), expected);
        }
        let nothing = proto::SimulateScenario { scenario: None };
        assert_eq!(Scenario::from_proto(nothing), None);
    }
}
