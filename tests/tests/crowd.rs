//! A class on the thinnest lines: a small part of what `tests/lab crowd` plays at length, and too
//! little to judge the slowest and the unluckiest by.
//!
//! Where no lab can be had the test says SKIP and why.

use std::process::Command;

/// As `tests/run` understands it.
const SKIPPED: i32 = 3;
/// Half of all get in so soon, ...
const JOINED_S: f64 = 8.0;
/// ... and miss so little of the sound.
const MISSED_PERCENT: f64 = 3.0;

#[test]
#[expect(
    clippy::print_stderr,
    reason = "a test that did nothing must not look passed"
)]
fn twenty_on_edge_that_loses_5_percent_get_in_and_hear_what_is_said() {
    let played = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["crowd", "rural", "--people", "20", "--seconds", "8"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&played.stdout);
    let failed = String::from_utf8_lossy(&played.stderr);
    eprintln!("{said}{failed}");
    if played.status.code() == Some(SKIPPED) {
        return;
    }
    assert!(said.contains("joined    20 of 20"), "{said}{failed}");
    assert!(said.contains("of 19 listeners"), "{said}{failed}");
    let half = |before: &str| -> f64 {
        let (_, after) = said.split_once(before).unwrap();
        after.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(half("joined    20 of 20; after ") < JOINED_S, "{said}");
    assert!(half("missed    ") < MISSED_PERCENT, "{said}");
}
