//! Tokens that are refused although they are signed and not expired: those of somebody
//! who was removed, issued before that.
//!
//! Forgotten at a restart, and the oldest when there are too many: a token is good for
//! hours, and whoever has to stay out for longer is refused by the app, which signs.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use livekit::Claims;

/// Who is refused, and with tokens from before when.
#[derive(Default)]
pub(crate) struct Revocations(
    // Joins come from many tasks and so do removals: there is no one owner, and nobody
    // holds it longer than a look-up.
    Mutex<Revoked>,
);

#[derive(Default)]
struct Revoked {
    until: HashMap<Seat, u64>,
    oldest_first: BTreeSet<(u64, Seat)>,
}

/// An identity in a room.
type Seat = (String, String);

/// Removed people of many hours on a busy node, in a few megabytes.
const MOST: usize = 16_384;

impl Revocations {
    /// Refuses tokens for `identity` in `room` that were issued up to `until` (seconds
    /// since 1970).
    pub(crate) fn revoke(&self, room: &str, identity: &str, until: u64) {
        let mut revoked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = (room.to_owned(), identity.to_owned());
        if let Some(before) = revoked.until.get(&seat).copied() {
            if before >= until {
                return;
            }
            revoked.oldest_first.remove(&(before, seat.clone()));
        }
        revoked.until.insert(seat.clone(), until);
        revoked.oldest_first.insert((until, seat));
        if revoked.until.len() > MOST
            && let Some((_, seat)) = revoked.oldest_first.pop_first()
        {
            revoked.until.remove(&seat);
        }
    }

    /// Whether a token with these claims lets `identity` into `room`. One that does not
    /// say since when it holds might be of any time, so it does not.
    pub(crate) fn allow(&self, claims: &Claims, room: &str, identity: &str) -> bool {
        let revoked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = (room.to_owned(), identity.to_owned());
        let Some(until) = revoked.until.get(&seat) else {
            return true;
        };
        claims.nbf.is_some_and(|issued| issued > *until)
    }
}

impl fmt::Debug for Revocations {
    /// Names nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(at: Option<u64>) -> Claims {
        Claims {
            nbf: at,
            ..Claims::default()
        }
    }

    #[test]
    fn bad_t9_tokens_issued_up_to_the_removal_are_refused_and_later_ones_are_not() {
        let revocations = Revocations::default();
        revocations.revoke("physics", "ada", 1_000);
        for (at, room, identity, expected) in [
            (Some(999), "physics", "ada", false),
            (Some(1_000), "physics", "ada", false),
            (None, "physics", "ada", false),
            (Some(1_001), "physics", "ada", true),
            (Some(999), "physics", "grace", true),
            (Some(999), "chemistry", "ada", true),
        ] {
            let allowed = revocations.allow(&issued(at), room, identity);
            assert_eq!(allowed, expected, "{at:?} {room} {identity}");
        }
        revocations.revoke("physics", "ada", 500);
        assert!(
            !revocations.allow(&issued(Some(999)), "physics", "ada"),
            "an earlier one takes nothing back"
        );
        revocations.revoke("physics", "ada", 2_000);
        assert!(!revocations.allow(&issued(Some(2_000)), "physics", "ada"));
    }

    #[test]
    fn only_so_many_are_kept_and_the_oldest_go() {
        let revocations = Revocations::default();
        for number in 0..MOST as u64 + 10 {
            revocations.revoke("room", &format!("p{number}"), 1_000 + number);
        }
        let revoked = revocations.0.lock().unwrap();
        assert_eq!(
            (revoked.until.len(), revoked.oldest_first.len()),
            (MOST, MOST)
        );
        drop(revoked);
        assert!(revocations.allow(&issued(Some(1)), "room", "p9"));
        assert!(!revocations.allow(&issued(Some(1)), "room", "p10"));
    }
}
