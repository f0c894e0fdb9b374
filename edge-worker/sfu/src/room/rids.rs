//! Orders simulcast encodings from the smallest to the largest.

use media::{Layer, Rid};

/// The rids a track can use, low to high. SDKs use one of two naming schemes;
/// anything else is taken in the order of the offer.
pub(super) fn low_to_high(offered: &[Rid]) -> Vec<Rid> {
    let mut rids: Vec<Rid> = Vec::new();
    for rid in offered {
        if !rids.contains(rid) {
            rids.push(*rid);
        }
    }
    for scheme in [["q", "h", "f"], ["2", "1", "0"]] {
        let rank = |rid: &Rid| scheme.iter().position(|name| *name == rid.as_str());
        if rids.iter().all(|rid| rank(rid).is_some()) {
            rids.sort_by_key(rank);
        }
    }
    rids.truncate(Layer::COUNT);
    rids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_ordered_and_others_are_left_as_offered() {
        for (offered, expected) in [
            ("q h f", "q h f"),
            ("f h q", "q h f"),
            ("h q", "q h"),
            ("f", "f"),
            ("0 1 2", "2 1 0"),
            ("2 1 0", "2 1 0"),
            ("hi mid lo", "hi mid lo"),
            ("f x q", "f x q"),
            ("q q h", "q h"),
            ("a b c d", "a b c"),
            ("", ""),
        ] {
            let rids: Vec<Rid> = offered
                .split_whitespace()
                .map(|name| Rid::new(name.as_bytes()).unwrap())
                .collect();
            let ordered: Vec<String> = low_to_high(&rids).iter().map(Rid::to_string).collect();
            assert_eq!(ordered.join(" "), expected, "{offered}");
        }
    }
}
