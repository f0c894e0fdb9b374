//! The commands that an operator types.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use e2e::{
    node::{Node, binary},
    peer::{Peer, PeerOptions},
    signal::{Signal, V0},
};

/// Runs a command in an environment without settings.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary().unwrap());
    let settings = std::env::vars()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("EDGE_"));
    settings.for_each(|name| {
        command.env_remove(name);
    });
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A file of settings, gone when dropped.
struct Settings(PathBuf);

impl Settings {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("edge-{}-{name}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn check(&self, environment: &[(&str, &str)]) -> Output {
        check(&self.0, environment)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn check(path: &Path, environment: &[(&str, &str)]) -> Output {
    run(&["config", "check", path.to_str().unwrap()], environment)
}

const KEYS: &str = "[keys]\nAPIabc = \"0123456789abcdef0123456789abcdef\"\n";
/// Where others can reach the node.
const RTC: &str = "[rtc]\nadvertise = [\"203.0.113.7\"]\n";

#[test]
fn help_names_every_command() {
    let output = run(&["--help"], &[]);
    assert!(output.status.success());
    for command in ["dev", "run", "token", "keygen", "config"] {
        assert!(text(&output).contains(command), "{}", text(&output));
    }
    let nothing = run(&[], &[]);
    assert!(!nothing.status.success());
    assert!(text(&nothing).contains("Usage"), "{}", text(&nothing));
}

#[test]
fn an_unknown_command_is_refused_by_name() {
    let output = run(&["dance"], &[]);
    assert!(!output.status.success());
    assert!(text(&output).contains("dance"), "{}", text(&output));
}

#[tokio::test]
async fn a_token_of_the_command_lets_somebody_in() {
    let node = Node::start().await.unwrap();
    let output = run(
        &[
            "token",
            "--room",
            "parlour",
            "--identity",
            "ada",
            "--name",
            "Ada",
        ],
        &[],
    );
    assert!(output.status.success(), "{output:?}");
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let (_signal, join) = Signal::join(&node.url(), &token).await.unwrap();
    let ada = join.participant.unwrap();
    assert_eq!((ada.identity.as_str(), ada.name.as_str()), ("ada", "Ada"));
    assert_eq!(join.room.unwrap().name, "parlour");
}

#[tokio::test]
async fn bad_t11_a_token_to_listen_does_not_let_anybody_speak() {
    let node = Node::start().await.unwrap();
    let token = |identity: &str, more: &[&str]| {
        let arguments = [
            &["token", "--room", "parlour", "--identity", identity],
            more,
        ]
        .concat();
        String::from_utf8(run(&arguments, &[]).stdout)
            .unwrap()
            .trim()
            .to_owned()
    };
    let ada = token("ada", &["--listen-only"]);
    let bayo = token("bayo", &[]);
    let ada = Peer::join(&node.url(), &ada, PeerOptions::both())
        .await
        .unwrap();
    let bayo = Peer::join_call(&node.url(), &bayo).await.unwrap();
    ada.until("bayo", |seen| seen.sees_and_hears("bayo", 30))
        .await
        .unwrap();
    ada.send_data("_reliable", b"psst", &[]).unwrap();
    ada.until("more of bayo", |seen| seen.sees_and_hears("bayo", 90))
        .await
        .unwrap();
    let (ada, bayo) = (ada.seen(), bayo.seen());
    assert!(ada.published.is_empty(), "{:?}", ada.published);
    assert!(
        bayo.tracks.is_empty() && bayo.messages.is_empty(),
        "{bayo:?}"
    );
}

#[tokio::test]
async fn a_token_with_another_secret_lets_nobody_in() {
    let node = Node::start().await.unwrap();
    let output = run(
        &[
            "token",
            "--room",
            "r",
            "--identity",
            "i",
            "--secret",
            "other",
        ],
        &[],
    );
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let refused = Signal::open(&node.url(), V0, &token)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(refused.status, 401);
}

#[test]
fn keys_are_new_each_time_and_good_in_a_configuration() {
    let mut seen = HashSet::new();
    for round in 0..3 {
        let printed = text(&run(&["keygen"], &[]));
        let after = |word: &str| {
            let line = printed.lines().find_map(|line| line.strip_prefix(word));
            line.unwrap_or_else(|| panic!("no {word} in {printed}"))
                .trim()
                .to_owned()
        };
        let (key, secret) = (after("key"), after("secret"));
        assert!(secret.len() >= 32, "{secret}");
        let settings = format!("{RTC}[keys]\n{key} = \"{secret}\"\n");
        let settings = Settings::new(&format!("keygen-{round}"), &settings);
        let output = settings.check(&[]);
        assert!(output.status.success(), "{}", text(&output));
        assert!(!text(&output).contains(&secret), "a secret is shown");
        assert!(seen.insert(key) && seen.insert(secret));
    }
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let cases = [
        ("top", format!("frobnicate = 1\n{RTC}{KEYS}"), "frobnicate"),
        ("nested", format!("[http]\nprot = 80\n{RTC}{KEYS}"), "prot"),
        ("section", format!("{RTC}{KEYS}[relays]\nx = 1\n"), "relays"),
    ];
    for (name, settings, word) in cases {
        let output = Settings::new(name, &settings).check(&[]);
        assert!(!output.status.success(), "{name} is taken");
        assert!(text(&output).contains(word), "{name}: {}", text(&output));
    }
    let good = Settings::new("environment", &format!("{RTC}{KEYS}"));
    assert!(
        good.check(&[]).status.success(),
        "{}",
        text(&good.check(&[]))
    );
    for variable in ["EDGE_HTTP__PROT", "EDGE_FROBNICATE"] {
        let output = good.check(&[(variable, "1")]);
        assert!(!output.status.success(), "{variable} is taken");
        let last = variable.rsplit('_').next().unwrap().to_lowercase();
        assert!(
            text(&output).to_lowercase().contains(&last),
            "{}",
            text(&output)
        );
    }
}

#[test]
fn a_setting_out_of_range_is_refused_with_what_is_allowed() {
    for (name, settings, word) in [
        ("port", format!("[http]\nport = 99999\n{RTC}{KEYS}"), "port"),
        ("shards", format!("{RTC}shards = -1\n{KEYS}"), "shards"),
        (
            "type",
            format!("[http]\nport = \"often\"\n{RTC}{KEYS}"),
            "port",
        ),
        ("no TOML", "[[[".to_owned(), "TOML"),
        ("no keys", RTC.to_owned(), "keys"),
        (
            "the key of development",
            format!("{RTC}[keys]\ndevkey = \"secret\"\n"),
            "keys",
        ),
    ] {
        let output = Settings::new(name, &settings).check(&[]);
        assert!(
            !output.status.success(),
            "{name} is taken: {}",
            text(&output)
        );
        assert!(text(&output).contains(word), "{name}: {}", text(&output));
        assert!(
            !text(&output).contains("panicked"),
            "{name}: {}",
            text(&output)
        );
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let settings = Settings::new("override", &format!("[http]\nport = 7001\n{RTC}{KEYS}"));
    assert!(text(&settings.check(&[])).contains("7001"));
    let output = settings.check(&[("EDGE_HTTP__PORT", "7002")]);
    assert!(text(&output).contains("7002"), "{}", text(&output));
}

#[test]
fn a_missing_file_is_named() {
    let output = check(Path::new("/nowhere/edge.toml"), &[]);
    assert!(!output.status.success());
    assert!(
        text(&output).contains("/nowhere/edge.toml"),
        "{}",
        text(&output)
    );
}
