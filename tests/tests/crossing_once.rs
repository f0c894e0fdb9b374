//! Two nodes of the relay as processes of their own, on either side of an emulated link: what many
//! want at the far node crosses it once.
//!
//! Where no lab can be had, the test says SKIP and why.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{env, fs, process::Command};

use e2e::lab::missing;
use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_bench");

#[test]
#[expect(
    clippy::print_stderr,
    reason = "a test that did nothing must not look passed"
)]
fn what_fifty_listeners_want_crosses_the_link_once() {
    if let Some(why) = missing() {
        eprintln!("SKIP: {why}");
        return;
    }
    let file = env::temp_dir().join(format!("crossing-once-{}.json", std::process::id()));
    let output = Command::new(BENCH)
        .args(["relay", "--case", "crowd", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    fs::remove_file(&file).unwrap();
    // Of the presenter's three layers one is wanted, and sound.
    assert_eq!(value(&rows, "layers that cross"), 2.0, "{table}");
    // How much less than two copies depends on the machine, and is the benchmark's to judge.
    let copies = value(&rows, "bytes on the link");
    assert!((1.0..2.0).contains(&copies), "{table}");
}

/// What was measured for the goal of this name: a number, and then words.
fn value(rows: &[Value], goal: &str) -> f64 {
    let row = rows
        .iter()
        .find(|row| row["goal"].as_str().unwrap().starts_with(goal))
        .unwrap_or_else(|| panic!("no {goal:?} in {rows:?}"));
    assert!(row["case"].is_string() && row["holds"].is_boolean());
    let measured = row["measured"].as_str().unwrap();
    let number = measured.split_whitespace().next().unwrap();
    number
        .parse()
        .unwrap_or_else(|_| panic!("{measured:?} is no number"))
}
