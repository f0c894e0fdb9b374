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

/// A new ICE user fragment. It begins with the shard's number, so that whoever reads a
/// check knows which shard it is for; the rest is more random than the 24 bits that
/// RFC 8445 wants.
pub(crate) fn ufrag(shard: usize) -> String {
    format!("{shard:02x}{}", random_suffix())
}

/// The shard that a check for `ufrag` is for.
pub(crate) fn shard_of(ufrag: &str) -> Option<usize> {
    usize::from_str_radix(ufrag.get(..2)?, 16).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_fragment_tells_its_shard() {
        for shard in [0, 1, 127] {
            assert_eq!(shard_of(&ufrag(shard)), Some(shard));
        }
        for strange in ["", "0", "é1", "zz12", "+1ab"] {
            assert!(
                shard_of(strange).is_none_or(|shard| shard < 256),
                "{strange}"
            );
        }
        assert_eq!(shard_of("zz12"), None);
    }
}
