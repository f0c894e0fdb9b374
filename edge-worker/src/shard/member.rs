//! One participant on its shard: its one or two transports, and the negotiation
//! that keeps their m-lines in step with what it publishes and subscribes to.

use std::time::Instant;

use livekit::chat::Reader;
use livekit::join::Mode;
use livekit::negotiation::{OfferId, SectionRequests, Sections, ServerOffers, Verdict};
use livekit::signal::{Target, Told};
use media::{Mid, TrackId};
use rustc_hash::FxHashMap;
use sfu::{SubscriptionKey, TransportKey};
use transport::sdp::Description;
use transport::{NegotiationError, SenderId, Unplaced};

use super::RoomKey;
use super::inbox::{Signal, ToSignal};
use super::signalling::{Signalling, Unread};
use super::transports::Transports;
use crate::directory::Place;

/// One participant's connections.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) room: RoomKey,
    /// Keeps the room on this shard, and counts.
    pub(super) _place: Place,
    pub(super) signalling: Signalling,
    /// What happens when it comes back the next time, if it asked for a mishap.
    pub(super) on_resume: Option<Told>,
    /// What it sends comes in here; with one connection, everything goes out here too.
    pub(super) publisher: TransportKey,
    /// Carries data to it; its being up makes the participant active.
    pub(super) primary: TransportKey,
    /// What it writes to others, as far as it has come.
    pub(super) chat: Reader,
    /// When it is told next what its connections took, if it asked for that.
    pub(super) usage_at: Option<Instant>,
    downstream: Downstream,
    subscriptions: FxHashMap<SubscriptionKey, SenderId>,
}

/// How what it receives is negotiated.
#[derive(Debug)]
pub(super) enum Downstream {
    /// On the publisher's transport; the client offers, at our request.
    Single { requests: SectionRequests },
    /// On a transport of its own; we offer.
    Dual {
        subscriber: TransportKey,
        offers: ServerOffers,
    },
}

impl Member {
    /// With one transport, or with two: then what it receives goes out on `subscriber`.
    pub(super) fn new(
        room: RoomKey,
        place: Place,
        signal: Signal,
        (publisher, subscriber): (TransportKey, Option<TransportKey>),
        primary: Target,
    ) -> Self {
        let downstream = match subscriber {
            None => Downstream::Single {
                requests: SectionRequests::new(),
            },
            Some(subscriber) => Downstream::Dual {
                subscriber,
                offers: ServerOffers::new(),
            },
        };
        let primary = match (primary, subscriber) {
            (Target::Subscriber, Some(subscriber)) => subscriber,
            (Target::Subscriber, None) | (Target::Publisher, _) => publisher,
        };
        let subscriptions = FxHashMap::default();
        Self {
            room,
            _place: place,
            signalling: Signalling::Open(signal),
            on_resume: None,
            publisher,
            primary,
            chat: Reader::default(),
            usage_at: None,
            downstream,
            subscriptions,
        }
    }

    /// The transport that carries media to it.
    pub(super) fn subscriber(&self) -> TransportKey {
        match self.downstream {
            Downstream::Single { .. } => self.publisher,
            Downstream::Dual { subscriber, .. } => subscriber,
        }
    }

    /// All its transports.
    pub(super) fn transports(&self) -> impl Iterator<Item = TransportKey> + use<> {
        let subscriber = self.subscriber();
        std::iter::once(self.publisher).chain((subscriber != self.publisher).then_some(subscriber))
    }

    /// One connection or two.
    pub(super) fn mode(&self) -> Mode {
        match self.downstream {
            Downstream::Single { .. } => Mode::Single,
            Downstream::Dual { .. } => Mode::Dual,
        }
    }

    /// Queues something for its client.
    pub(super) fn tell(&mut self, message: ToSignal) -> Result<(), Unread> {
        self.signalling.tell(message)
    }

    /// Its WebSocket is gone, or shall go: what was being negotiated is off.
    pub(super) fn lose_signal(&mut self) {
        self.signalling.lose();
        match &mut self.downstream {
            Downstream::Single { requests } => requests.interrupted(),
            Downstream::Dual { offers, .. } => offers.interrupted(),
        }
    }

    /// It is back by another WebSocket, and shall hear what it missed after `first`.
    /// Negotiation begins anew.
    pub(super) fn resume(&mut self, signal: Signal, first: ToSignal) -> Result<(), Unread> {
        self.lose_signal();
        self.signalling.open(signal, first)
    }

    /// `subscription` goes out as `sender`.
    pub(super) fn opened(&mut self, subscription: SubscriptionKey, sender: SenderId) {
        self.subscriptions.insert(subscription, sender);
    }

    /// `subscription` goes out no more; what it went out as.
    pub(super) fn closed(&mut self, subscription: SubscriptionKey) -> Option<SenderId> {
        self.subscriptions.remove(&subscription)
    }

    /// Brings m-lines in step with subscriptions, as far as may be done now.
    pub(super) fn negotiate(
        &mut self,
        now: Instant,
        transports: &mut Transports,
    ) -> Result<(), Unread> {
        if !self.signalling.is_open() {
            return Ok(());
        }
        let told = match &mut self.downstream {
            Downstream::Single { requests } => {
                let Some(slot) = transports.get_mut(self.publisher) else {
                    return Ok(());
                };
                let unplaced = sections(slot.transport.unplaced());
                if slot.transport.needs_offer() || unplaced != Sections::default() {
                    requests.changed(now);
                }
                let free = sections(slot.transport.free());
                let Some(more) = requests.due(now, unplaced, free) else {
                    return Ok(());
                };
                ToSignal::Sections {
                    audio: more.audio as u32,
                    video: more.video as u32,
                }
            }
            Downstream::Dual { subscriber, offers } => {
                let Some(slot) = transports.get_mut(*subscriber) else {
                    return Ok(());
                };
                // The first offer also carries the data channels of the primary connection.
                let wanted = self.primary == *subscriber || !slot.sinks.is_empty();
                if wanted && slot.transport.needs_offer() {
                    offers.changed(now);
                }
                let Some(OfferId(id)) = offers.offer_due(now) else {
                    return Ok(());
                };
                let description = slot
                    .transport
                    .offer()
                    .expect("ours to offer, and one at a time");
                let tracks = placed_tracks(*subscriber, transports);
                ToSignal::Offer {
                    id,
                    description,
                    tracks,
                }
            }
        };
        self.tell(told)
    }

    /// When [`negotiate`](Self::negotiate) has something to do again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.downstream {
            Downstream::Single { requests } => requests.deadline(),
            Downstream::Dual { offers, .. } => offers.deadline(),
        }
    }

    /// Whether the client left our offer unanswered for too long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        match &self.downstream {
            Downstream::Single { .. } => false,
            Downstream::Dual { offers, .. } => offers.timed_out(now),
        }
    }

    /// Applies the client's answer to our offer; a late one is left out.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        id: u32,
        answer: &Description,
        transports: &mut Transports,
    ) -> Result<(), NegotiationError> {
        let Downstream::Dual { subscriber, offers } = &mut self.downstream else {
            return Ok(());
        };
        match offers.answered(now, id) {
            Verdict::Accepted => {}
            Verdict::Stale => return Ok(()),
        }
        let Some(slot) = transports.get_mut(*subscriber) else {
            return Ok(());
        };
        slot.transport.apply_answer(now, answer)?;
        transports.touch(*subscriber);
        Ok(())
    }

    /// The client has offered: `receiving` sections are there to be filled.
    pub(super) fn offered(&mut self, receiving: Unplaced) {
        match &mut self.downstream {
            Downstream::Single { requests } => requests.offered(sections(receiving)),
            Downstream::Dual { .. } => {}
        }
    }
}

fn sections(counts: Unplaced) -> Sections {
    Sections {
        audio: counts.audio,
        video: counts.video,
    }
}

/// Which m-line of `transport` carries which track.
pub(super) fn placed_tracks(
    transport: TransportKey,
    transports: &mut Transports,
) -> Vec<(Mid, TrackId)> {
    let Some(slot) = transports.get_mut(transport) else {
        return Vec::new();
    };
    let placements = slot.transport.placements();
    let track = |(mid, sender)| slot.sinks.get(&sender).map(|sending| (mid, sending.track));
    placements.into_iter().filter_map(track).collect()
}
