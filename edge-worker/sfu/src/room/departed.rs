//! Who left lately: somebody whose signalling was broken meanwhile has to hear of them
//! when it comes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ParticipantInfo;

/// Those who left, oldest first, described in short.
#[derive(Debug, Default)]
pub(super) struct Departed {
    entries: VecDeque<(Instant, Arc<ParticipantInfo>)>,
}

/// A client that is away for longer than a few of its tries joins anew.
const KEEP_FOR: Duration = Duration::from_secs(300);

/// More than a crowd that leaves after a talk, while somebody drives through a tunnel.
const MOST: usize = 512;

impl Departed {
    /// Somebody left.
    pub(super) fn note(&mut self, now: Instant, participant: &ParticipantInfo) {
        self.forget(now);
        if self.entries.len() == MOST {
            self.entries.pop_front();
        }
        // Their texts are of no use any more, and can be large.
        let entry = ParticipantInfo {
            metadata: String::new(),
            attributes: std::collections::BTreeMap::new(),
            ..participant.clone()
        };
        self.entries.push_back((now, Arc::new(entry)));
    }

    /// All who left lately, oldest first.
    pub(super) fn lately(&mut self, now: Instant) -> impl Iterator<Item = &Arc<ParticipantInfo>> {
        self.forget(now);
        self.entries.iter().map(|(_, participant)| participant)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, _)) = self.entries.front()
            && now.saturating_duration_since(*at) > KEEP_FOR
        {
            self.entries.pop_front();
        }
    }
}
