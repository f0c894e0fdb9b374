//! Remembers which messages of the app came already: a call that is tried again must not
//! deliver twice.

use std::collections::VecDeque;

/// Chosen by the caller, the same on every try.
pub type Nonce = [u8; 16];

/// The newest nonces of a room.
#[derive(Debug, Default)]
pub(super) struct Nonces(VecDeque<Nonce>);

/// Retries follow within seconds; an app that sends hundreds of messages a second to one
/// room is still covered for some of them.
const REMEMBERED: usize = 1_024;

impl Nonces {
    /// Whether `nonce` is new. It is not from now on.
    pub(super) fn is_new(&mut self, nonce: Nonce) -> bool {
        if self.0.contains(&nonce) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(nonce);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rs_7_a_nonce_is_new_once_and_only_so_many_are_kept() {
        let mut nonces = Nonces::default();
        let nonce = |number: usize| {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            nonce
        };
        assert!(nonces.is_new(nonce(0)));
        assert!(!nonces.is_new(nonce(0)));
        for number in 1..=REMEMBERED {
            assert!(nonces.is_new(nonce(number)));
            assert!(!nonces.is_new(nonce(number)));
        }
        assert_eq!(nonces.0.len(), REMEMBERED);
        assert!(nonces.is_new(nonce(0)), "the oldest was forgotten");
    }
}
