//! Somebody at the door: what its shard needs to let it in, or to let it go on.

use std::sync::Arc;

use livekit::join::Reconnect;
use media::ParticipantId;
use transport::sdp::{Description, SdpKind};

use super::{Connection, unix_now};
use crate::control::{self, Coming};
use crate::directory::Place;
use crate::http::Guest;
use crate::ids;
use crate::node::Node;
use crate::opening::Opening;
use crate::shard::{Arrival, Return, ShardInbox, Signal};

/// What came with a request to join cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the offer is not SDP")]
pub(crate) struct Unreadable;

impl Guest {
    /// What the shard needs to let it in, and which shard.
    pub(crate) fn arrival(
        &self,
        region: &str,
        opening: Opening,
        participant: ParticipantId,
        signal: Signal,
    ) -> Result<(Arrival, ShardInbox), Unreadable> {
        let Self {
            request, admission, ..
        } = self;
        let now_ms = unix_now().as_millis() as i64;
        let membership = admission.membership(request, participant, now_ms, region);
        let offer = self.offer()?;
        let commands = request
            .add_tracks
            .iter()
            .filter_map(|track| track.publication(&ids::random_suffix()).ok())
            .map(|publication| sfu::Command::Publish(Box::new(publication)))
            .collect();
        let Opening { shard, place, room } = opening;
        let primary = request.primary(&admission.permission);
        let mode = request.mode;
        let arrival = Arrival {
            room,
            place,
            membership,
            mode,
            primary,
            commands,
            offer,
            signal,
        };
        Ok((arrival, shard))
    }

    /// Tells the control plane's part what it alone wants to know of somebody who comes.
    pub(crate) fn announce(&self, node: &Node, id: ParticipantId) {
        let Some(control) = &node.control else {
            return;
        };
        control.coming(Coming::In(control::Arrival {
            id,
            asked_at_ms: unix_now().as_millis() as u64,
            tof: self.claims.tof.clone(),
            client: self.request.client.clone(),
        }));
    }

    /// The offer that came with the request.
    fn offer(&self) -> Result<Option<(u32, Description)>, Unreadable> {
        let Some(offer) = &self.request.offer else {
            return Ok(None);
        };
        let description = Description::parse(SdpKind::Offer, &offer.sdp).map_err(|_| Unreadable)?;
        Ok(Some((offer.id, description)))
    }
}

impl Connection {
    /// What the shard needs to let somebody go on who was here before.
    pub(super) fn coming_back(
        &self,
        (shard, place): (ShardInbox, Place),
        reconnect: &Reconnect,
        signal: Signal,
    ) -> Result<(Return, ShardInbox), Unreadable> {
        let admission = &self.guest.admission;
        let room: Arc<str> = admission.room.as_str().into();
        let coming_back = Return {
            room,
            _place: place,
            identity: admission.identity.clone(),
            participant: reconnect.participant,
            mode: self.guest.request.mode,
            offer: self.guest.offer()?,
            sync_state: self.guest.request.sync_state.clone(),
            signal,
        };
        Ok((coming_back, shard))
    }
}
