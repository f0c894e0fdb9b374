//! What rooms ask for, carried out.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use livekit::data_track;
use media::{ParticipantId, Ssrc};
use sfu::{Notice, Opening, Output, ParticipantInfo, Reliability, SubscriptionKey};
use transport::{Channel, Channels, Sender};

use super::Shard;
use super::inbox::{Broadcast, ToSignal};
use super::transports::Sending;

impl Shard {
    /// What a room asks for.
    pub(super) fn carry_out(&mut self, now: Instant, output: Output) {
        match output {
            Output::Notice { to, notice } => {
                let Some(member) = self.members.get_mut(&to) else {
                    return self.overhear(to, &notice);
                };
                let message = if let Notice::Participants(list) = notice {
                    ToSignal::Broadcast(broadcast(&mut self.broadcast, list))
                } else {
                    ToSignal::Notice(notice)
                };
                if member.tell(message).is_err() {
                    self.lose_signal(now, to);
                }
            }
            Output::Data {
                to,
                reliability,
                payload,
            } => {
                let channel = match reliability {
                    Reliability::Reliable => Channel::Reliable,
                    Reliability::Lossy => Channel::Lossy,
                };
                self.deliver(to, &channel, payload);
            }
            Output::Frame { to, handle, frame } => {
                let frame = data_track::with_handle(&frame, handle);
                self.deliver(to, &Channel::DataTrack, frame);
            }
            Output::Open(opening) => self.open(*opening),
            Output::Close {
                participant,
                subscription,
            } => self.close(participant, subscription),
            Output::Receive {
                participant,
                received,
            } => {
                let publisher = self
                    .members
                    .get(&participant)
                    .map(|member| member.publisher);
                if let Some(slot) = publisher.and_then(|key| self.transports.get_mut(key)) {
                    slot.receive(received.mid, received.track);
                }
            }
            Output::Load { participant, load } => self.want(now, participant, load),
            Output::Gone { participant } => self.forget(now, participant),
            Output::Link { link, news } => self.tell_link(link, news),
            Output::LinkWants {
                link,
                track,
                layers,
            } => {
                if let Some(spanning) = &mut self.links.spanning {
                    spanning.want(link, track, layers);
                }
            }
            Output::Fact(fact) => self.facts.tell(*fact),
        }
    }

    pub(super) fn deliver(&mut self, to: ParticipantId, channel: &Channel, payload: Bytes) {
        let Some(key) = self.members.get(&to).map(|member| member.primary) else {
            return;
        };
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        if let Err(reason) = slot.transport.send_data(channel, payload) {
            let dropped = &self.metrics.data_dropped;
            dropped.with_label_values(&[&format!("{reason:?}")]).inc();
        }
        self.transports.touch(key);
    }

    pub(super) fn open(&mut self, opening: Opening) {
        let Some(member) = self.members.get_mut(&opening.participant) else {
            return;
        };
        let key = member.subscriber();
        let Some(slot) = self.transports.get_mut(key) else {
            return;
        };
        let sfu::StreamName { own, shared } = opening.stream;
        // Who has one connection is told in answers which m-line carries which track.
        let (stream, shared) = match (shared, member.publisher == key) {
            (Some(shared), true) => (shared, None),
            (shared, _) => (own, shared),
        };
        let (ssrc, rtx) = (Ssrc(rand::random()), Ssrc(rand::random()));
        let sender = slot.transport.add_sender(Sender {
            codec: opening.codec,
            stream,
            shared,
            track: opening.track.to_string(),
            cname: opening.publisher.to_string(),
            ssrc,
            rtx,
            channels: if opening.stereo {
                Channels::Stereo
            } else {
                Channels::Mono
            },
        });
        let sending = Sending {
            subscription: opening.subscription,
            track: opening.track,
            ssrc,
        };
        slot.sinks.insert(sender, sending);
        member.opened(opening.subscription, sender);
        self.dirty_members.push(opening.participant);
    }

    pub(super) fn close(&mut self, participant: ParticipantId, subscription: SubscriptionKey) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let Some(sender) = member.closed(subscription) else {
            return;
        };
        let Some(slot) = self.transports.get_mut(member.subscriber()) else {
            return;
        };
        slot.transport.remove_sender(sender);
        slot.sinks.remove(&sender);
        self.dirty_members.push(participant);
    }
}

/// The broadcast of `participants`: the last one, if it was about the same list.
fn broadcast(
    last: &mut Option<Arc<Broadcast>>,
    participants: Arc<[Arc<ParticipantInfo>]>,
) -> Arc<Broadcast> {
    match last {
        Some(last) if last.is_of(&participants) => Arc::clone(last),
        _ => Arc::clone(last.insert(Arc::new(Broadcast::new(participants)))),
    }
}
