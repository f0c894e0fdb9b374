//! What shards have to tell those who keep records: the app's webhooks and the control plane.
//! Shards never wait for it; what does not fit is counted.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use livekit::chat::Said;
use livekit::webhook;
use sfu::{Fact, ParticipantInfo, RoomInfo};
use tokio::sync::mpsc;

use crate::control::Dropped;
use crate::metrics::Metrics;
use crate::webhooks;

/// Takes what shards have to tell.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// `None` where nobody wants to hear of them.
    webhooks: Option<mpsc::Sender<Told>>,
    /// `None` without a control plane.
    control: Option<mpsc::Sender<Report>>,
    metrics: Metrics,
}

/// Something for the app's webhooks.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something happened in a room.
    Fact(Fact),
    /// The room of this name was left by the last of its shards here, after all that they told.
    LeftShards(Arc<str>),
}

/// Something for the control plane, and when it happened.
#[derive(Debug)]
pub(crate) struct Report {
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// What.
    pub(crate) news: News,
}

/// What the control plane wants to hear of.
#[derive(Debug)]
pub(crate) enum News {
    /// Something happened in a room.
    Fact(Fact),
    /// Somebody wrote something there.
    Said {
        /// There.
        room: Arc<RoomInfo>,
        /// Who.
        by: Arc<ParticipantInfo>,
        /// What.
        said: Said,
        /// To whom; to everybody if empty.
        to: Vec<String>,
    },
}

impl Facts {
    pub(crate) fn new(
        webhooks: Option<mpsc::Sender<Told>>,
        control: Option<mpsc::Sender<Report>>,
        metrics: Metrics,
    ) -> Self {
        Self {
            webhooks,
            control,
            metrics,
        }
    }

    /// Whether anybody wants to hear what participants write.
    pub(crate) fn hear_chat(&self) -> bool {
        self.control.is_some()
    }

    /// Passes `fact` on, or counts that it could not.
    pub(crate) fn tell(&self, fact: Fact) {
        if let Some(queue) = &self.webhooks
            && webhook::name(&fact.happened).is_some()
            && queue.try_send(Told::Fact(fact.clone())).is_err()
        {
            webhooks::Dropped::QueueFull.count(&self.metrics);
        }
        self.report(News::Fact(fact));
    }

    /// A room was left by the last of its shards here.
    pub(crate) fn left_shards(&self, room: Arc<str>) {
        if let Some(queue) = &self.webhooks {
            // Without it the room's end is told a little later.
            let _ = queue.try_send(Told::LeftShards(room));
        }
    }

    /// The same for the control plane only.
    pub(crate) fn report(&self, news: News) {
        let Some(queue) = &self.control else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let at_ms = now.unwrap_or_default().as_millis() as u64;
        if queue.try_send(Report { at_ms, news }).is_err() {
            self.metrics.control.dropped(Dropped::QueueFull, 1);
        }
    }
}
