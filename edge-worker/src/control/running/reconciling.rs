//! Makes the node what the control plane wants it to be: the whole picture each time, twice
//! without harm.

use std::sync::Arc;

use livekit::room_service::{Answer, Request};
use relay::Neighbour;
use tracing::warn;

use super::Running;
use crate::cascade::ToCascade;
use crate::control::DESIRED;
use crate::control::policy::Policy;
use crate::control::wire::{Desired, Peer};
use crate::http::perform;
use crate::journal;
use crate::node::Node;

/// Nodes of one fleet: each is linked to all others.
const MOST_NEIGHBOURS: usize = 64;

impl Running {
    /// From now on it shall be like this; at the next start, too.
    pub(super) async fn take_over(&mut self, desired: Desired) {
        match serde_json::to_vec(&desired) {
            Ok(text) => {
                let path = self.config.folder.join(DESIRED);
                let kept = tokio::task::spawn_blocking(move || journal::replace(&path, &text));
                if let Ok(Err(error)) = kept.await {
                    warn!(%error, "the control plane's word cannot be kept for the next start");
                }
            }
            Err(error) => warn!(%error, "the control plane's word cannot be written"),
        }
        self.desired = desired;
        self.reconcile().await;
    }

    /// Compares, and corrects what differs.
    pub(super) async fn reconcile(&mut self) {
        self.publish();
        for revoked in &self.desired.revoked {
            let (room, identity) = (&revoked.room, &revoked.identity);
            self.node.revocations.revoke(room, identity, revoked.before);
        }
        let policy = Arc::clone(&self.policy.borrow());
        let node = Arc::clone(&self.node);
        self.reconciling
            .spawn(async move { correct_rooms(&node, &policy).await });
        self.link().await;
    }

    /// Has the relay be linked to all nodes of the fleet, and to those it is configured to.
    async fn link(&mut self) {
        let (Some(cascade), Some(relay)) = (&self.node.cascade, &self.node.config.relay) else {
            return;
        };
        let mut neighbours = relay.neighbours.clone();
        for peer in &self.desired.peers {
            let known = neighbours.iter().any(|one| one.node == peer.node);
            if known || peer.node == self.node.id || neighbours.len() >= MOST_NEIGHBOURS {
                continue;
            }
            match neighbour(peer).await {
                Ok(found) => neighbours.extend(found),
                // Kept as it was: a name server that fails must not cost a link.
                Err(error) => {
                    warn!(node = peer.node, %error, "the address of another node's relay cannot be found");
                    let before = self.neighbours.iter();
                    neighbours.extend(before.filter(|one| one.node == peer.node).cloned());
                }
            }
        }
        let configured = self.neighbours.is_empty() && neighbours == relay.neighbours;
        if configured || neighbours == self.neighbours {
            return;
        }
        let told = cascade.send(ToCascade::Neighbours(neighbours.clone()));
        if told.is_ok() {
            self.neighbours = neighbours;
        }
    }
}

/// Where another node's relay is; `None` if it has none.
async fn neighbour(peer: &Peer) -> std::io::Result<Option<Neighbour>> {
    let Some(relay) = &peer.relay else {
        return Ok(None);
    };
    let address = tokio::net::lookup_host(relay.as_str()).await?.next();
    Ok(address.map(|address| Neighbour {
        node: peer.node.clone(),
        address,
        region: Some(peer.region.clone()).filter(|region| !region.is_empty()),
    }))
}

/// Open rooms become what they are placed as.
async fn correct_rooms(node: &Node, policy: &Policy) {
    for name in policy.appointed() {
        if !node.directory.has(name) {
            continue;
        }
        let names = vec![name.to_owned()];
        let Ok(Answer::Rooms(rooms)) = perform(node, Request::ListRooms { names }).await else {
            continue;
        };
        for room in rooms {
            let Some(settings) = policy.correction(&room) else {
                continue;
            };
            let room = Arc::clone(&room.name);
            let changed = perform(node, Request::CreateRoom { room, settings }).await;
            if let Err(error) = changed {
                warn!(%error, "a room cannot be made what the control plane wants");
            }
        }
    }
}
