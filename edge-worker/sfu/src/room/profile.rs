//! How participants and the room show: names, metadata, attributes. What a participant
//! may do is changed here too; what follows from that is left to
//! [`rights`](super::rights).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use media::ParticipantId;

use super::Room;
use super::participants::ParticipantKey;
use super::updates::Urgency;
use crate::{Notice, ParticipantInfo, Permission, Profile, Refusal, RefusedWish, RoomInfo};

/// Bytes of an identity, a room name or a display name.
pub const MAX_NAME: usize = 256;

/// Bytes of the metadata of a participant or a room.
pub const MAX_METADATA: usize = 512 * 1024;

/// Bytes of a participant's attributes, names and values together.
pub const MAX_ATTRIBUTES: usize = 64 * 1024;

/// What shall be different about a participant; what is not named stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ParticipantChange {
    /// Replaces its free text.
    pub metadata: Option<String>,
    /// Replaces its display name.
    pub name: Option<String>,
    /// Adds or replaces attributes; an empty value removes one.
    pub attributes: BTreeMap<String, String>,
    /// Replaces everything it may do.
    pub permission: Option<Permission>,
}

impl Room {
    /// The app changes a participant; everybody is told. Answers how it shows now.
    pub fn update_participant(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        change: ParticipantChange,
    ) -> Result<Arc<ParticipantInfo>, Refusal> {
        let key = self.participants.local_key_of(participant);
        self.change_participant(now, key.ok_or(Refusal::NotFound)?, change)
    }

    /// The app changes the room's free text; everybody is told.
    pub fn set_metadata(&mut self, _now: Instant, metadata: String) -> Arc<RoomInfo> {
        Arc::make_mut(&mut self.info).metadata = metadata;
        self.tell_room();
        self.tell_setup();
        Arc::clone(&self.info)
    }

    /// A participant changes how it shows itself.
    pub(super) fn update_own_metadata(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        change: ParticipantChange,
        request_id: u32,
    ) {
        let Some(participant) = self.participants.find(key) else {
            return;
        };
        let id = participant.info.id;
        let allowed = participant.info.permission.can_update_metadata;
        // Its permission is not its own to change.
        let change = ParticipantChange {
            permission: None,
            ..change
        };
        let granted = if allowed {
            self.check_change(key, &change)
        } else {
            Err(Refusal::NotAllowed)
        };
        // The answer comes before the news of it.
        match granted {
            Ok(()) => {
                self.outputs
                    .tell(id, Notice::MetadataUpdated { request_id });
                let changed = self.change_participant(now, key, change);
                debug_assert!(changed.is_ok(), "it was checked");
            }
            Err(refusal) => {
                let wish = RefusedWish::UpdateMetadata { request_id };
                self.outputs.tell(id, Notice::Refused { wish, refusal });
            }
        }
    }

    fn check_change(&self, key: ParticipantKey, change: &ParticipantChange) -> Result<(), Refusal> {
        let participant = self.participants.find(key).ok_or(Refusal::NotFound)?;
        let fits = |text: &Option<String>, most| text.as_ref().is_none_or(|it| it.len() <= most);
        let attributes = merged(&participant.info.attributes, &change.attributes);
        let bytes: usize = attributes
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if fits(&change.name, MAX_NAME)
            && fits(&change.metadata, MAX_METADATA)
            && bytes <= MAX_ATTRIBUTES
        {
            Ok(())
        } else {
            Err(Refusal::LimitExceeded)
        }
    }

    fn change_participant(
        &mut self,
        now: Instant,
        key: ParticipantKey,
        change: ParticipantChange,
    ) -> Result<Arc<ParticipantInfo>, Refusal> {
        self.check_change(key, &change)?;
        let participant = self.participants.find_mut(key).ok_or(Refusal::NotFound)?;
        let ParticipantChange {
            metadata,
            name,
            attributes,
            permission,
        } = change;
        let before = Arc::clone(&participant.info);
        participant.change(|info| {
            if let Some(metadata) = metadata {
                info.metadata = metadata;
            }
            if let Some(name) = name {
                info.name = name;
            }
            if !attributes.is_empty() {
                info.attributes = merged(&info.attributes, &attributes)
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
            }
            if let Some(permission) = permission {
                info.permission = permission;
            }
        });
        if participant.info.permission == before.permission {
            self.announce_change(now, key, Urgency::Soon);
        } else {
            self.permission_changed(now, key, &before.permission);
        }
        let asked = |info: &ParticipantInfo| info.attributes.get(Profile::ATTRIBUTE).cloned();
        if let Some(found) = self.participants.find(key) {
            let now_asked = asked(&found.info);
            if now_asked != asked(&before) {
                self.count_unknown_profile(now_asked.as_ref());
                self.note_profile(key);
            }
        }
        self.changed(key, before);
        let changed = self.participants.find(key).ok_or(Refusal::NotFound)?;
        Ok(Arc::clone(&changed.info))
    }

    /// Tells the room's participants how the room shows.
    pub(super) fn tell_room(&mut self) {
        for (_, participant) in self.participants.local() {
            let notice = Notice::Room(Arc::clone(&self.info));
            self.outputs.tell(participant.info.id, notice);
        }
    }
}

/// What `before` becomes by `changes`.
fn merged<'a>(
    before: &'a BTreeMap<String, String>,
    changes: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let kept = before
        .iter()
        .filter(|(name, _)| !changes.contains_key(*name));
    kept.chain(changes.iter().filter(|(_, value)| !value.is_empty()))
}
