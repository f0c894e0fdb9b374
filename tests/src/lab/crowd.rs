//! A whole crowd on thin lines against a node of this machine: scenarios of the platform's plan,
//! in minutes instead of hours. The crowd runs in a process of its own within its namespace; its
//! members are the light clients of the load generator.

use std::{env, io::Write, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{Lab, namespace::within, report::Row, wish::Wish};
use crate::{
    load::crowd::Attendance,
    node::{Node, NodeOptions},
};

/// Who comes to learn.
#[derive(Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    people: usize,
    /// Their networks, one after the other and from the front again.
    networks: &'static [&'static str],
}

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "rural",
        about: "Rural Connection: 100 people on EDGE that loses 5 %",
        people: 100,
        networks: &["rural-edge"],
    },
    Scenario {
        name: "peak",
        about: "Peak Hours, Lagos: 500 people, half on EDGE and half on 3G",
        people: 500,
        networks: &["edge", "3g"],
    },
];

/// How the process within the namespace is asked for.
pub const COMMAND: &str = "attend";
/// So many come in a second, of which few are ever in the same phase of joining.
const ARRIVALS_PER_SECOND: f64 = 8.0;

impl Scenario {
    /// The one of this name.
    pub fn named(name: &str) -> Result<&'static Self> {
        let found = ALL.iter().find(|scenario| scenario.name == name);
        let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
        found.with_context(|| format!("there is no crowd {name:?}; there are {}", names.join(", ")))
    }

    /// Plays it, with so many people if not as many as usual, and tells whether all its goals hold.
    pub async fn play(
        &self,
        people: Option<usize>,
        length: Duration,
        output: &mut impl Write,
    ) -> Result<bool> {
        let people = people.unwrap_or(self.people);
        let mut lab = Lab::start(1)?;
        let mut links = Vec::new();
        for network in self.networks.iter().cycle().take(people) {
            links.push(vec![Wish::read(&format!("network={network}"))?]);
        }
        let crowd = lab.gather("crowd", &links)?;
        let hub = crowd.hub.to_string();
        let environment = [
            ("EDGE_HTTP__BIND", "0.0.0.0".to_owned()),
            ("EDGE_RTC__BIND", "0.0.0.0".to_owned()),
            ("EDGE_RTC__ADVERTISE", format!("[\"{hub}\"]")),
            ("EDGE_LOG__LEVEL", "info".to_owned()),
        ];
        let node = Node::start_with(NodeOptions {
            environment: environment
                .map(|(key, value)| (key.to_owned(), value))
                .into(),
            ..NodeOptions::default()
        })
        .await?;
        let child = within(&crowd.namespace, env::current_exe()?)
            .arg(COMMAND)
            .args(["--url", &format!("ws://{hub}:{}", node.http().port())])
            .args(["--first", &crowd.first.to_string()])
            .args(["--people", &people.to_string()])
            .args([
                "--arriving",
                &(people as f64 / ARRIVALS_PER_SECOND).to_string(),
            ])
            .args(["--seconds", &length.as_secs_f64().to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("the crowd does not start")?;
        ensure!(
            child.status.success(),
            "the crowd ended with {}",
            child.status
        );
        let attendance: Attendance = serde_json::from_slice(&child.stdout)?;
        let rows = lab.report()?;
        let log = node.log();
        drop(node);
        lab.close()?;

        let (lost, late) = totals(&rows);
        writeln!(output, "{}, {people} here", self.about)?;
        write!(output, "{attendance}")?;
        writeln!(
            output,
            "  lines     lost {:.2} %; this machine added {late:.1} ms at worst (99 % of a line)",
            lost * 100.0
        )?;
        if !attendance.failures.is_empty() {
            // Why the node let somebody go.
            for line in log
                .iter()
                .filter(|line| line.contains("signal") && !line.contains(": joined "))
            {
                writeln!(output, "  {line}")?;
            }
        }
        let shortcomings = attendance.shortcomings();
        for shortcoming in &shortcomings {
            writeln!(output, "  FAILS     {shortcoming}")?;
        }
        Ok(shortcomings.is_empty())
    }
}

/// The share of all packets that was dropped, and how late the machine was.
fn totals(rows: &[Row]) -> (f64, f64) {
    let packets: u64 = rows.iter().map(|row| row.packets).sum();
    let dropped: u64 = rows.iter().flat_map(|row| row.dropped.values()).sum();
    let late = rows.iter().map(|row| row.late_p99_ms).fold(0.0, f64::max);
    (dropped as f64 / packets.max(1) as f64, late)
}
