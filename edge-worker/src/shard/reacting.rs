//! What transports have to say, taken to their rooms.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use livekit::chat::Fragment;
use livekit::{data, data_track};
use media::ParticipantId;
use sfu::{
    Binding, Destinations, Identity, LeaveReason, Message, Passed, Reliability, TransportKey,
};
use tracing::{debug, info};
use transport::{Channel, Event, FailReason};

use super::transports::sink;
use super::{RoomKey, Shard};
use crate::facts::News;

impl Shard {
    /// What a transport has to say.
    pub(super) fn react(
        &mut self,
        now: Instant,
        key: TransportKey,
        owner: ParticipantId,
        event: Event,
    ) {
        let Some(member) = self.members.get(&owner) else {
            return;
        };
        let (room, primary) = (member.room, member.primary);
        match event {
            Event::Connected => {
                debug!(participant = %owner, "transport is up");
                if key == primary {
                    self.with_room(now, room, |room, _| room.activated(now, owner));
                }
            }
            Event::Failed(reason) => {
                info!(participant = %owner, ?reason, "transport failed");
                let reason = match reason {
                    // It left, or it is about to join again: there is nobody to tell.
                    FailReason::ClosedByClient => LeaveReason::ClientInitiated,
                    FailReason::ConsentExpired
                    | FailReason::HandshakeTimeout
                    | FailReason::HandshakeRefused
                    | FailReason::WrongCertificate
                    | FailReason::Crypto => LeaveReason::ConnectionTimeout,
                };
                self.part(now, owner, reason);
            }
            Event::Silent => {
                self.with_room(now, room, |room, _| room.fell_silent(now, owner));
                self.call_back(now, owner);
            }
            Event::AddressChanged => debug!(participant = %owner, "address changed"),
            Event::SenderReady { sender, codecs } => {
                let Some(sending) = self.sending(key, sender) else {
                    return;
                };
                let binding = Binding {
                    sink: sink(key, sender),
                    ssrc: sending.ssrc,
                    codecs,
                };
                self.with_room(now, room, |room, wire| {
                    room.bind(now, sending.subscription, binding, wire);
                });
            }
            Event::SenderRejected { sender } => {
                let Some(sending) = self.sending(key, sender) else {
                    return;
                };
                self.with_room(now, room, |room, _| room.reject(now, sending.subscription));
            }
            Event::ChannelOpen(channel) => debug!(participant = %owner, ?channel, "channel open"),
            Event::Data { channel, payload } => self.data(now, owner, room, channel, payload),
            Event::Feedback { sender, rtcp } => {
                let Some(sending) = sender.and_then(|sender| self.sending(key, sender)) else {
                    return;
                };
                self.with_room(now, room, |room, wire| {
                    room.handle_feedback(now, sending.subscription, &rtcp, wire);
                });
            }
            Event::Estimate(estimate) => self.estimated(now, key, owner, estimate),
            Event::Report { mid, rtcp } => {
                let track = self
                    .transports
                    .get_mut(key)
                    .and_then(|slot| slot.origin(mid));
                if let Some(track) = track {
                    self.with_room(now, room, |room, wire| {
                        room.handle_report(now, track, &rtcp, wire);
                    });
                }
            }
        }
    }

    /// Part of what somebody writes to others, which goes on record.
    fn overhear_chat(
        &mut self,
        now: Instant,
        from: ParticipantId,
        room: RoomKey,
        reliability: Reliability,
        fragment: Fragment,
        to: &Destinations,
    ) {
        // What may be lost is no chat: cursors and the like.
        if !self.facts.hear_chat() || reliability == Reliability::Lossy {
            return;
        }
        let Some(said) = self
            .members
            .get_mut(&from)
            .and_then(|member| member.chat.read(now, fragment))
        else {
            return;
        };
        let Some(open) = self.rooms.get(&room) else {
            return;
        };
        let Some(by) = open.room.participant(from) else {
            return;
        };
        let named = to.identities.iter().map(|name| name.0.to_string());
        // Who is not there any more is named by number: it must not seem to be for everybody.
        let by_number = to.sids.iter().map(|sid| match open.room.participant(*sid) {
            Some(found) => found.identity.0.to_string(),
            None => sid.to_string(),
        });
        self.facts.report(News::Said {
            room: Arc::clone(open.room.info()),
            by: Arc::clone(by),
            said,
            to: named.chain(by_number).collect(),
        });
    }

    /// A frame of a data track.
    fn frame(&mut self, now: Instant, from: ParticipantId, room: RoomKey, frame: &Bytes) {
        let Some(frame) = data_track::read(frame) else {
            let dropped = &self.metrics.data_dropped;
            dropped.with_label_values(&["frame"]).inc();
            return;
        };
        self.with_room(now, room, |room, _| room.handle_frame(now, from, &frame));
    }

    /// A data message from a client.
    pub(super) fn data(
        &mut self,
        now: Instant,
        from: ParticipantId,
        room: RoomKey,
        channel: Channel,
        payload: Bytes,
    ) {
        let reliability = match channel {
            Channel::Reliable => Reliability::Reliable,
            Channel::Lossy => Reliability::Lossy,
            Channel::DataTrack => {
                self.frame(now, from, room, &payload);
                return;
            }
            Channel::Other(_) => {
                self.metrics
                    .data_dropped
                    .with_label_values(&["channel"])
                    .inc();
                return;
            }
        };
        if self.calls.take(from, &payload) {
            return;
        }
        let Some(open) = self.rooms.get_mut(&room) else {
            return;
        };
        let Some(sender) = open.room.participant(from) else {
            return;
        };
        let sender = data::Sender {
            id: sender.id,
            identity: sender.identity.clone(),
            visibility: sender.permission.visibility,
            kind: sender.kind,
        };
        match data::stamp(&payload, &sender, reliability) {
            Ok(mut stamped) => {
                let fragment = stamped.fragment.take();
                let identities = stamped.destination_identities;
                let sids = stamped.destination_sids;
                let destinations = Destinations {
                    identities: identities
                        .into_iter()
                        .map(|name| Identity(name.into()))
                        .collect(),
                    // What is no id of ours names nobody.
                    sids: sids.iter().filter_map(|sid| sid.parse().ok()).collect(),
                };
                let (payload, sequence) = (stamped.payload, stamped.sequence);
                let message = Message {
                    reliability,
                    destinations,
                    sequence,
                    payload,
                };
                let to = message.destinations.clone();
                let passed =
                    self.with_room(now, room, |room, _| room.handle_data(now, from, message));
                if let (Some(Passed::On), Some(fragment)) = (passed, fragment) {
                    self.overhear_chat(now, from, room, reliability, fragment, &to);
                }
            }
            Err(reason) => {
                self.metrics
                    .data_dropped
                    .with_label_values(&[&format!("{reason:?}")])
                    .inc();
            }
        }
    }
}
