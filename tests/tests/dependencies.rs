//! Versions of dependencies that are known to be unsafe below a bound. Stands in for an
//! advisory database, which a closed machine cannot fetch.

use std::path::Path;

/// A crate, the first version that is safe, and what was wrong before it.
const SAFE_SINCE: &[(&str, [u64; 3], &str)] = &[
    (
        "tungstenite",
        [0, 20, 1],
        "RUSTSEC-2023-0065: unbounded headers",
    ),
    (
        "quinn-proto",
        [0, 11, 17],
        "RUSTSEC-2026-0037, -0185: panic and memory from packets",
    ),
    (
        "sctp-proto",
        [0, 10, 8],
        "panic and stall from chunks whose lengths lie",
    ),
    ("rtc-rtp", [0, 21, 1], "RTX sent as RTP version 0"),
];

#[test]
fn no_dependency_is_older_than_its_first_safe_version() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for lock in ["Cargo.lock", "tests/fuzz/Cargo.lock"] {
        let text = std::fs::read_to_string(root.join(lock)).unwrap();
        let locked = packages(&text);
        assert!(locked.len() > 100, "{lock} was not understood");
        for (name, version) in locked {
            for (known, safe, why) in SAFE_SINCE {
                assert!(
                    name != *known || version >= *safe,
                    "{lock}: {name} {version:?}: {why}"
                );
            }
        }
    }
}

/// Name and version of each package in a lock file.
fn packages(lock: &str) -> Vec<(&str, [u64; 3])> {
    let value = |line: &str, key: &str| line.strip_prefix(key).map(|rest| line.len() - rest.len());
    let mut found = Vec::new();
    let mut name = None;
    for line in lock.lines() {
        if let Some(at) = value(line, "name = ") {
            name = Some(line[at..].trim_matches('"'));
        } else if let (Some(at), Some(name)) = (value(line, "version = "), name) {
            let plain = line[at..]
                .trim_matches('"')
                .split(['-', '+'])
                .next()
                .expect("a split has a first part");
            let mut numbers = plain
                .split('.')
                .map(|number| number.parse().expect("versions are numbers"));
            let version = std::array::from_fn(|_| numbers.next().expect("versions have three"));
            found.push((name, version));
        }
    }
    found
}
