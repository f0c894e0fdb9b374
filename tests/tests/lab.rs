//! The network lab on real devices: what a flow of datagrams meets is what was asked for, and
//! nothing of a lab is left when it ended, however it ended.
//!
//! Where no lab can be had, each test says SKIP and why.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use e2e::lab::{missing, namespace};
use serde_json::Value;

const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Whether there is no lab to test; says so where people look.
#[expect(
    clippy::print_stderr,
    reason = "a test that did nothing must not look passed"
)]
fn skipped() -> bool {
    let why = missing();
    if let Some(why) = &why {
        eprintln!("SKIP: {why}");
    }
    why.is_some()
}

/// What a flow is sent as, and what of it is looked at.
struct Case {
    options: &'static str,
    /// What should be found, and how far off it may be on a busy machine: of delays the lower
    /// bound is exact, and the machine adds to it.
    expected: &'static [(&'static str, f64, f64)],
}

const SPARSE: &str = "--count 300 --every 10 --size 100";

#[test]
fn a_real_flow_meets_what_was_asked_for() {
    if skipped() {
        return;
    }
    for Case { options, expected } in [
        Case {
            options: "",
            expected: &[("/down/lost", 0.0, 0.0), ("/up/delay_ms/mean", 2.5, 2.5)],
        },
        Case {
            options: "--delay 80ms --set up.delay=20ms",
            expected: &[
                ("/down/delay_ms/least", 80.5, 0.6),
                ("/down/delay_ms/mean", 84.0, 4.0),
                ("/up/delay_ms/least", 20.5, 0.6),
                ("/up/delay_ms/mean", 24.0, 4.0),
            ],
        },
        Case {
            // Far enough apart that none waits for the one before.
            options: "--delay 60ms --jitter 20ms --count 150 --every 45",
            expected: &[
                ("/down/delay_ms/least", 42.0, 2.5),
                ("/down/delay_ms/mean", 63.0, 5.0),
                ("/up/delay_ms/most", 95.0, 17.0),
                ("/up/out_of_order", 0.0, 0.0),
            ],
        },
        Case {
            options: "--loss 20% --set up.loss=0%",
            expected: &[("/down/lost", 0.2, 0.07), ("/up/lost", 0.0, 0.0)],
        },
        Case {
            options: "--burst 25%/10",
            expected: &[
                ("/down/lost", 0.25, 0.15),
                ("/down/longest_gap", 30.0, 22.0),
            ],
        },
        Case {
            options: "--delay 20ms --reorder 20%/35ms",
            expected: &[("/up/out_of_order", 60.0, 25.0), ("/up/lost", 0.0, 0.0)],
        },
        Case {
            options: "--set blackhole=on --count 20",
            expected: &[("/down/received", 0.0, 0.0), ("/up/received", 0.0, 0.0)],
        },
        // Each offers 800 kbit/s, more than the link has.
        Case {
            options: "--down 400kbit --up 200kbit --queue 100ms --count 400 --every 10 --size 1000",
            expected: &[
                ("/down/rate", 400e3, 20e3),
                ("/up/rate", 200e3, 10e3),
                ("/down/lost", 0.49, 0.04),
                ("/up/lost", 0.74, 0.04),
                ("/down/delay_ms/most", 115.0, 20.0),
            ],
        },
    ] {
        let mut wrong = String::new();
        let met = (0..ATTEMPTS).any(|_| {
            let found = measure(options);
            let misses = expected.iter().filter_map(|(what, value, within)| {
                let is = found.pointer(what).and_then(Value::as_f64).unwrap();
                let far = (is - value).abs() > *within;
                far.then(|| format!("{what} is {is}, not {value} +- {within}; "))
            });
            wrong = misses.collect();
            wrong.is_empty()
        });
        assert!(met, "{options:?}: {wrong}");
    }
}

/// A busy machine disturbs a flow now and then; a wrong emulator does so every time.
const ATTEMPTS: usize = 4;

fn measure(options: &str) -> Value {
    let flow = if options.contains("--count") && options.contains("--every") {
        ""
    } else if options.contains("--count") {
        "--every 10 --size 100"
    } else {
        SPARSE
    };
    let output = Command::new(LAB)
        .args(["measure", "--json"])
        .args(options.split_whitespace())
        .args(flow.split_whitespace())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A lab that does as it is told.
struct Served {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Served {
    fn start() -> Self {
        let mut child = Command::new(LAB)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let greeting: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        assert!(greeting["hub"].is_string(), "{greeting}");
        Self {
            child,
            input,
            output,
        }
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        serde_json::from_str(&self.output.next().unwrap().unwrap()).unwrap()
    }

    /// A client with a program in its namespace that would run on for long.
    fn client(&mut self, name: &str) -> (String, Child) {
        let added = self.ask(&format!("add {name} network=3g"));
        let namespace = added["added"]["namespace"].as_str().unwrap().to_owned();
        let program = namespace::within(&namespace, "sleep").arg("600").spawn();
        (namespace, program.unwrap())
    }
}

impl Served {
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

#[test]
fn a_lab_leaves_nothing_behind_however_it_ends() {
    if skipped() {
        return;
    }
    let ends = [
        ("its input ends", End::Input),
        ("it is terminated", End::Signal("-TERM")),
        ("it is killed", End::Signal("-KILL")),
    ];
    for (how, end) in ends {
        let mut lab = Served::start();
        let clients = ["ada", "bayo"].map(|name| lab.client(name));
        for (namespace, _) in &clients {
            assert!(namespace::exists(namespace).unwrap());
        }
        match end {
            End::Input => lab.input = None,
            End::Signal(signal) => lab.signal(signal),
        }
        for (namespace, mut program) in clients {
            soon(&format!("{namespace} gone when {how}"), || {
                !namespace::exists(&namespace).unwrap()
            });
            // What ran there ended before.
            assert!(program.try_wait().unwrap().is_some(), "{how}");
        }
    }
}

/// How a lab is ended.
enum End {
    Input,
    Signal(&'static str),
}

fn soon(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_lab_says_what_it_did_and_why_not() {
    if skipped() {
        return;
    }
    let mut lab = Served::start();
    lab.ask("add ada delay=9ms");
    for (line, expected) in [
        ("set ada.down.rate=5mbit", "\"done\""),
        ("set up.blackhole=on", "\"done\""),
        ("add ada", "ada is here already"),
        ("add Ada", "no name for a client"),
        ("add down", "no name for a client"),
        ("set chidi.delay=1ms", "nobody here is called"),
        ("set delay=soon", "written like 200ms"),
        ("dance", "there is no \\\"dance\\\""),
        ("", "nothing was asked"),
        ("show", "rate=5mbit queue=300ms delay=9ms"),
        ("show", "delay=9ms blackhole=on"),
    ] {
        let answer = lab.ask(line).to_string();
        assert!(answer.contains(expected), "{line}: {answer}");
    }
}

#[test]
fn a_command_runs_behind_its_link_and_its_status_is_handed_on() {
    if skipped() {
        return;
    }
    let output = Command::new(LAB)
        .args(["run", "--delay", "30ms", "--", "sh", "-c"])
        .arg("ip route get $LAB_HUB; exit 7")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("dev link0"), "{said}");
    assert_eq!(output.status.code(), Some(7));
    let table = String::from_utf8_lossy(&output.stderr);
    assert!(table.contains("client down"), "{table}");
}
