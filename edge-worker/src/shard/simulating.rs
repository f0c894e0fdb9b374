//! Mishaps that a client asks for, to see that it gets over them. Each hurts it alone.

use std::time::Instant;

use livekit::ResumeReason;
use livekit::signal::Scenario;
use media::ParticipantId;
use sfu::LeaveReason;
use tracing::debug;

use super::Shard;
use super::inbox::ToSignal;

impl Shard {
    /// Lets something happen to a client.
    pub(super) fn simulate(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        scenario: Scenario,
    ) {
        debug!(%participant, ?scenario, "a mishap is asked for");
        match scenario {
            Scenario::Speaker { seconds } => self.speak(now, participant, seconds),
            // Whoever leaves for this reason is not told: its connections break.
            Scenario::NodeFailure => self.part(now, participant, LeaveReason::SignalClosed),
            // Nobody else can take it over, so it finds us again.
            Scenario::Migration => self.come_back(now, participant, ResumeReason::Migration),
            Scenario::ServerLeave => {
                let farewell = ToSignal::LeaveForGood(LeaveReason::ServerShutdown);
                self.tell(now, participant, farewell);
                self.part(now, participant, LeaveReason::ServerShutdown);
            }
            Scenario::DisconnectOnResume(told) => {
                if let Some(member) = self.members.get_mut(&participant) {
                    member.on_resume = Some(told);
                }
            }
            Scenario::FullReconnect => self.part(now, participant, LeaveReason::StateMismatch),
            // We are reached over UDP only: the client joins again, as it was told to.
            Scenario::CandidateProtocol => {}
            Scenario::SubscriberBandwidth(bitrate) => {
                self.impose_estimate(now, participant, bitrate);
            }
        }
    }

    fn speak(&mut self, now: Instant, participant: ParticipantId, seconds: u32) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        self.with_room(now, member.room, |room, _| {
            room.pretend_to_speak(now, participant, seconds)
        });
    }
}
