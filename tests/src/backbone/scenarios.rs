//! What happens to lines between Nigerian cities, and what a room is to make of it: B1 to B12.

use std::{io::Write, time::Duration};

use anyhow::{Result, ensure};

use super::{
    row::{Goal, Row, Unit},
    sources::voices,
    stage::Show,
    trial::{
        FAR, NEAR, busy_room, cut,
        line::{Figure, Line, narrow, repaired},
        pair, small_room,
    },
};

/// One of them.
#[derive(Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What happens.
    pub about: &'static str,
    run: fn(&Self) -> Result<Vec<Row>>,
}

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "B1",
        about: "a good line: 15 ms, 0.05 % loss",
        run: |this| {
            this.line(
                "delay=7.5ms loss=0.05%",
                USEFUL,
                &repaired(USEFUL, 60.0, 50.0),
            )
        },
    },
    Scenario {
        name: "B2",
        about: "transit: 40 ms, jitter 5 ms, 0.5 % loss",
        run: |this| {
            let goals = repaired(USEFUL, 80.0, 50.0);
            this.line("delay=20ms jitter=5ms loss=0.5%", USEFUL, &goals)
        },
    },
    Scenario {
        name: "B3",
        about: "a bad line: 60 ms, 2 % loss in bursts of 4",
        run: |this| {
            this.line(
                "delay=30ms burst=2%/4",
                USEFUL,
                &repaired(USEFUL, 120.0, 120.0),
            )
        },
    },
    Scenario {
        name: "B4",
        about: "a storm: 40 ms, 5 % loss",
        run: |this| this.line("delay=20ms loss=5%", USEFUL, &repaired(USEFUL, 80.0, 50.0)),
    },
    Scenario {
        name: "B5",
        about: "tromboned: 15 ms turn into 120 ms after half a minute",
        run: Scenario::tromboned,
    },
    Scenario {
        name: "B6",
        about: "the direct line is cut, a hub is 50 ms away",
        run: |_| cut::direct(3),
    },
    Scenario {
        name: "B7",
        about: "a line of 55 % of what is offered, 100 ms queue",
        run: |this| this.line("rate=20mbit queue=100ms delay=20ms", LATE, &narrow()),
    },
    Scenario {
        name: "B8",
        about: "by Europe: 110 ms, 1 % loss",
        run: |this| this.line("delay=55ms loss=1%", LATE, &repaired(LATE, 200.0, 200.0)),
    },
    Scenario {
        name: "B9",
        about: "the only line is gone for 2 s every 20 s",
        run: Scenario::flapping,
    },
    Scenario {
        name: "B10",
        about: "ten minutes with nobody to ask",
        run: Scenario::alone,
    },
    Scenario {
        name: "B11",
        about: "a path that carries 1,280 bytes, and tells nobody",
        run: |this| {
            this.line(
                "delay=20ms largest=1280B",
                USEFUL,
                &repaired(USEFUL, 80.0, 50.0),
            )
        },
    },
    Scenario {
        name: "B12",
        about: "all lines abroad are lost, a room at home goes on",
        run: |_| cut::abroad(),
    },
];

const USEFUL: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_millis(400);
const LENGTH: Duration = Duration::from_secs(20);

/// Runs those named, or all; writes each verdict as soon as it is there.
pub fn run(names: &[String], table: &mut impl Write) -> Result<Vec<Row>> {
    for name in names {
        ensure!(
            ALL.iter().any(|scenario| scenario.name == name),
            "there is no scenario {name:?}; there are B1 to B12"
        );
    }
    let mut rows = Vec::new();
    let wanted =
        |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    for scenario in ALL.iter().filter(wanted) {
        writeln!(table, "{}: {}", scenario.name, scenario.about)?;
        table.flush()?;
        let found = (scenario.run)(scenario)
            .unwrap_or_else(|error| vec![Row::failed(scenario.name, "it can be tried", &error)]);
        for row in &found {
            row.write(table)?;
        }
        let held = found.iter().all(|row| row.holds);
        let verdict = if held { "PASSED" } else { "FAILED" };
        writeln!(table, "{} {verdict}", scenario.name)?;
        table.flush()?;
        rows.extend(found);
    }
    Ok(rows)
}

impl Scenario {
    /// A line that stays as it is.
    fn line(
        &self,
        conditions: &str,
        in_time: Duration,
        goals: &[(Figure, Goal)],
    ) -> Result<Vec<Row>> {
        Line {
            case: self.name,
            conditions,
            show: busy_room(),
            length: LENGTH,
            in_time,
            changes: &[],
            goals,
        }
        .run()
    }

    fn tromboned(&self) -> Result<Vec<Row>> {
        Line {
            case: self.name,
            conditions: "delay=7.5ms loss=0.05%",
            show: busy_room(),
            length: Duration::from_secs(60),
            in_time: LATE,
            changes: &[(Duration::from_secs(30), "delay=60ms")],
            goals: &[
                (
                    Figure::InTime,
                    Goal::at_least("packets within 400 ms", 99.5, Unit::Percent),
                ),
                (
                    Figure::Silence,
                    Goal::at_most("longest silence", 500.0, Unit::Ms),
                ),
                (
                    Figure::Freeze,
                    Goal::at_most("longest freeze", 1_000.0, Unit::Ms),
                ),
            ],
        }
        .run()
    }

    fn flapping(&self) -> Result<Vec<Row>> {
        let mut changes = Vec::new();
        for start in [5, 25, 45] {
            changes.push((Duration::from_secs(start), "blackhole=on"));
            changes.push((Duration::from_secs(start + 2), "blackhole=off"));
        }
        Line {
            case: self.name,
            conditions: "delay=20ms loss=0.5%",
            show: small_room(),
            length: Duration::from_secs(65),
            in_time: LATE,
            changes: &changes,
            goals: &[
                // Two seconds are the line's.
                (
                    Figure::Silence,
                    Goal::at_most("longest silence", 3_000.0, Unit::Ms),
                ),
                (
                    Figure::Freeze,
                    Goal::at_most("longest freeze", 3_500.0, Unit::Ms),
                ),
            ],
        }
        .run()
    }

    /// The two nodes reach each other and nothing else: neither a control plane nor a name server.
    fn alone(&self) -> Result<Vec<Row>> {
        const MINUTES: usize = 10;
        const MINUTE: Duration = Duration::from_secs(60);
        let (mut stage, _) = pair(1, "delay=20ms loss=1%")?;
        let show = small_room();
        stage.begin(&show)?;
        let (mut worst, mut silence) = (100.0_f64, 0);
        for _ in 0..MINUTES {
            let watched = stage.watch(std::slice::from_ref(&show), MINUTE, LATE, &mut [])?;
            let figures = &watched[0].figures;
            worst = worst.min(figures.in_time());
            silence = silence.max(figures.sound.longest_silence);
        }
        // What is new is found without help, too.
        let late = Show {
            room: "late",
            from: FAR,
            to: NEAR,
            sources: voices(1),
        };
        stage.begin(&late)?;
        let seconds = Duration::from_secs(5);
        let watched = stage.watch(std::slice::from_ref(&late), seconds, LATE, &mut [])?;
        let goal = Goal::at_least("packets within 400 ms, worst minute", 99.9, Unit::Percent);
        Ok(vec![
            goal.row(self.name, worst),
            Goal::at_most("longest silence", 500.0, Unit::Ms).row(self.name, silence as f64 / 1e6),
            Goal::at_least(
                "of a room begun at the end, within 400 ms",
                99.0,
                Unit::Percent,
            )
            .row(self.name, watched[0].figures.in_time()),
        ])
    }
}
