//! What a client wishes: of its room, and of its connections.

use std::time::Instant;

use livekit::join::Mode;
use livekit::signal::SyncState;
use media::ParticipantId;
use sfu::{LeaveReason, OfferedSection, SoundWish, TrackInfo};
use tracing::info;
use transport::sdp::Description;
use transport::{Channels, Dtx, SoundRate};

use super::Shard;
use super::inbox::{SignalKey, ToSignal, Wish};
use super::member::{Member, placed_tracks};

impl Shard {
    pub(super) fn grant(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        signal: SignalKey,
        wish: Wish,
    ) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        if !member.signalling.is_by(signal) {
            // It has come back since by another WebSocket.
            return;
        }
        let room = member.room;
        match wish {
            Wish::Command(command) => {
                self.with_room(now, room, |room, wire| {
                    room.command(now, participant, command, wire)
                });
            }
            Wish::Offer { id, description } => self.answer(now, participant, id, &description),
            Wish::Answer { id, description } => {
                match member.answered(now, id, &description, &mut self.transports) {
                    Ok(()) => self.dirty_members.push(participant),
                    Err(error) => {
                        info!(%participant, %error, "the client's answer cannot be used");
                        self.part(now, participant, LeaveReason::StateMismatch);
                    }
                }
            }
            Wish::Sync(state) => match *state {
                SyncState::Claims(synced) => self.sync(now, participant, synced),
                SyncState::Impossible => self.part(now, participant, LeaveReason::StateMismatch),
            },
            Wish::Simulate(scenario) => self.simulate(now, participant, scenario),
            Wish::LoseSignal => self.lose_signal(now, participant),
            Wish::Leave(reason) => self.part(now, participant, reason),
        }
    }

    /// Answers a client's offer, and tells its room what it sends now.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        id: u32,
        offer: &Description,
    ) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let (key, room) = (member.publisher, member.room);
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        if let Err(error) = slot.transport.apply_offer(now, offer) {
            info!(%participant, %error, "the client's offer cannot be used");
            return self.part(now, participant, LeaveReason::StateMismatch);
        }
        member.offered(slot.transport.receiving());
        if slot.transport.is_restarted() {
            self.restart_ice(now, key);
        }
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        let sections: Vec<_> = slot
            .transport
            .offered()
            .into_iter()
            .map(|section| OfferedSection {
                mid: section.mid,
                kind: section.kind,
                cid: section.cid,
                rids: section.rids,
                codecs: section.codecs,
            })
            .collect();
        let received = self
            .with_room(now, room, |room, _| {
                room.offered(now, participant, &sections)
            })
            .unwrap_or_default();
        let open = self.rooms.get(&room);
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        slot.origins = received
            .iter()
            .map(|received| (received.mid, received.track))
            .collect();
        for received in received {
            if let Some(codec) = received.preferred {
                slot.transport.prefer(received.mid, codec);
            }
            let wish = open.map_or(SoundWish::Free, |open| open.room.sound_wish(received.track));
            let rate = match wish {
                SoundWish::Free => SoundRate::Free,
                SoundWish::Thin => SoundRate::Thin,
            };
            slot.transport.set_sound_rate(received.mid, rate);
            let track = open.and_then(|open| open.room.published(received.track));
            if let Some(track) = track {
                let (channels, dtx) = sound(track);
                slot.transport.set_sound(received.mid, channels, dtx);
            }
        }
        match slot.transport.answer() {
            Ok(description) => {
                let tracks = match self.members.get(&participant).map(Member::mode) {
                    Some(Mode::Single) => placed_tracks(key, &mut self.transports),
                    Some(Mode::Dual) | None => Vec::new(),
                };
                self.transports.touch(key);
                self.tell(
                    now,
                    participant,
                    ToSignal::Answer {
                        id,
                        description,
                        tracks,
                    },
                );
                self.dirty_members.push(participant);
            }
            Err(error) => {
                info!(%participant, %error, "the client's offer cannot be answered");
                self.part(now, participant, LeaveReason::StateMismatch);
            }
        }
    }
}

/// How the publisher of a track means to send its sound.
fn sound(track: &TrackInfo) -> (Channels, Dtx) {
    let channels = if track.stereo {
        Channels::Stereo
    } else {
        Channels::Mono
    };
    let dtx = if track.disable_dtx { Dtx::Off } else { Dtx::On };
    (channels, dtx)
}
