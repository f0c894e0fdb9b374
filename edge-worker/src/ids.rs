//! Draws ids and secrets.

use media::{ParticipantId, RoomId};
use rand::Rng;
use rand::distr::Alphanumeric;

/// Characters after the prefix: 62^12 leaves no room for collisions.
const RANDOM_LEN: usize = 12;

/// `len` letters and digits.
pub(crate) fn random_text(len: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(len)
        .map(char::from)
        .collect()
}

/// The random part of an id.
pub(crate) fn random_suffix() -> String {
    random_text(RANDOM_LEN)
}

/// A new participant.
pub(crate) fn participant_id() -> ParticipantId {
    format!("{}{}", ParticipantId::PREFIX, random_suffix())
        .parse()
        .expect("made of its own alphabet")
}

/// A new life of a room.
pub(crate) fn room_id() -> RoomId {
    format!("{}{}", RoomId::PREFIX, random_suffix())
        .parse()
        .expect("made of its own alphabet")
}

/// A new node.
pub(crate) fn node_id() -> String {
    format!("ND_{}", random_suffix())
}
