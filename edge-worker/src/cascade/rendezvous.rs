//! The home of a room that nobody has placed: all nodes that know of each other find the same one,
//! without asking. The control plane finds it so, too.

use ring::digest::{SHA256, digest};

/// Which of `nodes` is the home of `room`. When one goes, no room changes its home but those it
/// was the home of.
pub(super) fn home<'a>(room: &str, nodes: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |node: &&str| {
        let score = digest(&SHA256, format!("{room}\n{node}").as_bytes());
        score.as_ref().to_vec()
    };
    nodes.into_iter().max_by_key(score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Example {
        room: String,
        nodes: Vec<String>,
        /// The home, then the home if that one is gone, and so on.
        order: Vec<String>,
    }

    #[test]
    fn the_control_plane_finds_the_same_homes_whoever_is_gone() {
        // What both ends read.
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../convex/fixtures/wire/rendezvous.json"
        );
        let examples: Vec<Example> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(examples.len() > 20);
        for Example { room, nodes, order } in &examples {
            for turn in 0..nodes.len() {
                // Nobody need know of them in the same order.
                let mut known: Vec<_> = nodes.iter().map(String::as_str).collect();
                known.rotate_left(turn);
                for expected in order {
                    assert_eq!(
                        home(room, known.iter().copied()),
                        Some(&**expected),
                        "{room}"
                    );
                    known.retain(|node| node != expected);
                }
                assert_eq!(home(room, known), None);
            }
        }
    }
}
