//! `relay`: what crosses the links between nodes, held against what must. Each case has processes
//! of its own, real QUIC, and a network of the [lab] or plain loopback.

use std::{io::Write, time::Duration};

use anyhow::Result;

use crate::{
    backbone::{
        rival as tcp,
        row::{Goal, Row, Unit},
        trial::{
            busy_room, cold, crowd, cut, hub,
            line::{self, Figure, Line, repaired},
            rival,
        },
    },
    lab,
};

/// One case by its name.
struct Case {
    name: &'static str,
    needs: Needs,
    run: fn() -> Result<Vec<Row>>,
}

/// What a case cannot do without.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Needs {
    Loopback,
    Lab,
    LabAndCubic,
}

const CASES: &[Case] = &[
    Case {
        name: "crowd",
        needs: Needs::Lab,
        run: crowd::run,
    },
    Case {
        name: "hop",
        needs: Needs::Loopback,
        run: || hub::time(20_000),
    },
    Case {
        name: "hub",
        needs: Needs::Loopback,
        run: || hub::cost(50_000),
    },
    Case {
        name: "loss",
        needs: Needs::Lab,
        run: loss,
    },
    Case {
        name: "far-loss",
        needs: Needs::Lab,
        run: far_loss,
    },
    Case {
        name: "narrow",
        needs: Needs::Lab,
        run: narrow,
    },
    Case {
        name: "rival",
        needs: Needs::LabAndCubic,
        run: || rival::run(Duration::from_secs(60)),
    },
    Case {
        name: "cold",
        needs: Needs::Lab,
        run: || cold::run(ROUND_TRIP, cold::Link::Up),
    },
    Case {
        name: "cold-link",
        needs: Needs::Lab,
        run: || cold::run(ROUND_TRIP, cold::Link::ToDial),
    },
    Case {
        name: "cut",
        needs: Needs::Lab,
        run: || cut::direct(3),
    },
];

const ROUND_TRIP: Duration = Duration::from_millis(40);
const LENGTH: Duration = Duration::from_secs(20);
const PICTURE_IN_TIME: Duration = Duration::from_millis(400);

/// What a whole run found.
#[derive(Debug)]
pub struct Found {
    /// All verdicts.
    pub rows: Vec<Row>,
    /// Cases that could not be tried here.
    pub skipped: usize,
}

/// All cases, or only that of this name; each row is written to `table` as soon as it is there.
pub fn run(only: Option<&str>, table: &mut impl Write) -> Result<Found> {
    let cases: Vec<_> = CASES
        .iter()
        .filter(|case| only.is_none_or(|only| only == case.name))
        .collect();
    let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    anyhow::ensure!(
        !cases.is_empty(),
        "there is no such case; there are {}",
        names.join(", ")
    );
    let mut found = Found {
        rows: Vec::new(),
        skipped: 0,
    };
    for case in cases {
        if let Some(why) = case.needs.missing() {
            writeln!(table, "SKIP   {}: {why}", case.name)?;
            found.skipped += 1;
            continue;
        }
        let rows = (case.run)()
            .unwrap_or_else(|error| vec![Row::failed(case.name, "it can be measured", &error)]);
        for row in rows {
            row.write(table)?;
            found.rows.push(row);
        }
        table.flush()?;
    }
    Ok(found)
}

impl Needs {
    fn missing(self) -> Option<String> {
        match self {
            Self::Loopback => None,
            Self::Lab => lab::missing().map(str::to_owned),
            Self::LabAndCubic => lab::missing().map(str::to_owned).or_else(tcp::missing),
        }
    }
}

fn loss() -> Result<Vec<Row>> {
    let in_time = Duration::from_millis(250);
    let mut goals = repaired(in_time, 80.0, 50.0);
    goals.push((
        Figure::Resent,
        Goal::at_most("bytes sent again", 7.0, Unit::Percent),
    ));
    goals.push((
        Figure::Repeated,
        Goal::at_most("bytes of sound repeated", 3.0, Unit::Percent),
    ));
    Line {
        case: "5 % loss both ways, 40 ms, 35 Mbit/s",
        conditions: "delay=20ms loss=5%",
        show: busy_room(),
        length: LENGTH,
        in_time,
        changes: &[],
        goals: &goals,
    }
    .run()
}

fn far_loss() -> Result<Vec<Row>> {
    let goals = [
        (
            Figure::InTime,
            Goal::at_least("packets within 400 ms", 99.9, Unit::Percent),
        ),
        (Figure::P99, Goal::at_most("video p99", 180.0, Unit::Ms)),
    ];
    Line {
        case: "5 % loss both ways, 100 ms, 35 Mbit/s",
        conditions: "delay=50ms loss=5%",
        show: busy_room(),
        length: LENGTH,
        in_time: Duration::from_millis(400),
        changes: &[],
        goals: &goals,
    }
    .run()
}

fn narrow() -> Result<Vec<Row>> {
    Line {
        case: "a link of 55 % of what is offered, 40 ms",
        // 36.4 Mbit/s are offered, headers included.
        conditions: "rate=20mbit queue=100ms delay=20ms",
        show: busy_room(),
        length: LENGTH,
        in_time: PICTURE_IN_TIME,
        changes: &[],
        goals: &line::narrow(),
    }
    .run()
}
