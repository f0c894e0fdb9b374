//! The examples that both ends read.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../convex/fixtures/wire")
}

#[derive(Deserialize)]
struct Example {
    name: String,
    kind: String,
    json: Value,
    #[serde(default)]
    unreadable: Vec<usize>,
}

fn examples() -> Vec<Example> {
    let files = std::fs::read_dir(folder()).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read(path).unwrap());
    // Others hold lists of keys, tokens and signatures.
    texts
        .filter_map(|text| serde_json::from_slice(&text).ok())
        .collect()
}

/// Whether `ours` says all that `example` does, and nothing else than that by which
/// examples show what is not known.
fn check(name: &str, example: &Value, ours: &Value) {
    match (example, ours) {
        (Value::Object(example), Value::Object(ours)) => {
            for (key, value) in ours {
                match example.get(key) {
                    Some(expected) => check(&format!("{name}.{key}"), expected, value),
                    None => assert!(is_nothing(value), "{name}.{key} is {value}"),
                }
            }
        }
        (Value::Array(example), Value::Array(ours)) => {
            assert_eq!(example.len(), ours.len(), "{name}");
            for (at, (expected, value)) in example.iter().zip(ours).enumerate() {
                check(&format!("{name}[{at}]"), expected, value);
            }
        }
        (Value::Number(expected), Value::Number(number)) => {
            assert_eq!(expected.as_f64(), number.as_f64(), "{name}");
        }
        _ => assert_eq!(example, ours, "{name}"),
    }
}

/// What need not be said: the reader takes it so.
fn is_nothing(value: &Value) -> bool {
    [json!(null), json!(""), json!([]), json!(0), json!(false)].contains(value)
}

/// Reads and writes, and what is written says the same.
fn round_trip<T: Serialize + for<'de> Deserialize<'de>>(example: &Example) -> T {
    let Example { name, json, .. } = example;
    let read = T::deserialize(json).unwrap_or_else(|error| panic!("{name}: {error}"));
    check(name, json, &serde_json::to_value(&read).unwrap());
    read
}

#[test]
fn every_example_is_read_and_written_as_it_stands() {
    let mut kinds: Vec<String> = Vec::new();
    for example in examples() {
        match example.kind.as_str() {
            "register-request" => {
                let read: Register = round_trip(&example);
                assert_eq!(serde_json::to_value(read).unwrap(), example.json);
            }
            "register-response" => {
                let read: Registered = round_trip(&example);
                assert!(read.desired.is_some() && read.lease_ms > 0);
            }
            "sync-request" if example.unreadable.is_empty() => {
                round_trip::<Sync>(&example);
            }
            "sync-request" => assert!(Sync::deserialize(&example.json).is_err()),
            "sync-response" => {
                let read: Synced = round_trip(&example);
                for value in &read.commands {
                    match Command::read(value) {
                        Ok(command) => {
                            let ours = serde_json::to_value(&command).unwrap();
                            check(&command.id, value, &ours);
                        }
                        Err(Some((_, error))) => assert!(error.contains("paint"), "{error}"),
                        Err(None) => panic!("{value} has no id"),
                    }
                }
            }
            "error" => {
                let read: Refused = round_trip(&example);
                assert!(read.server_time_ms.is_some());
            }
            other => panic!("{} is of a kind that is not known: {other}", example.name),
        }
        kinds.push(example.kind);
    }
    for kind in [
        "register-request",
        "register-response",
        "sync-request",
        "sync-response",
        "error",
    ] {
        assert!(kinds.iter().any(|it| it == kind), "no example of a {kind}");
    }
}

#[test]
fn every_event_and_command_has_an_example() {
    let mut types = std::collections::BTreeSet::new();
    for example in examples() {
        for list in ["events", "commands"] {
            let list = example.json.get(list).and_then(Value::as_array);
            for one in list.into_iter().flatten() {
                types.extend(one.get("type").and_then(Value::as_str).map(str::to_owned));
            }
        }
    }
    for expected in [
        "room_started",
        "room_ended",
        "joined",
        "left",
        "track_published",
        "track_unpublished",
        "quality",
        "chat",
        "chat_edited",
        "chat_deleted",
        "chat_sealed",
        "hand",
        "close_room",
        "remove",
        "mute",
        "permissions",
        "attributes",
        "metadata",
        "move",
        "data",
        "drain",
        "undrain",
    ] {
        assert!(types.contains(expected), "{expected}");
    }
}

#[test]
fn what_is_newer_than_this_node_is_taken_as_narrower() {
    let room: AppointedRoom = serde_json::from_value(json!({ "tokens": "some" })).unwrap();
    assert_eq!(room.tokens, Tokens::Ours);
}
