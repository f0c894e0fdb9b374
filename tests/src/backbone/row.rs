//! A figure, and what it should be.

use std::{fmt, io};

use serde::Serialize;

/// One line of a verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Under which conditions.
    pub case: String,
    /// What should be.
    pub goal: String,
    /// What is.
    pub measured: String,
    /// Whether it is as it should be.
    pub holds: bool,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    what: &'static str,
    limit: Limit,
    unit: Unit,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Of a hundred.
    Percent,
    /// In a second.
    PerSecond,
    /// So many times something.
    Times,
}

impl Goal {
    /// No more than `limit`.
    pub const fn at_most(what: &'static str, limit: f64, unit: Unit) -> Self {
        Self {
            what,
            limit: Limit::AtMost(limit),
            unit,
        }
    }

    /// No less than `limit`.
    pub const fn at_least(what: &'static str, limit: f64, unit: Unit) -> Self {
        Self {
            what,
            limit: Limit::AtLeast(limit),
            unit,
        }
    }

    /// The verdict on `value`; what could not be measured does not hold.
    pub fn row(self, case: &str, value: f64) -> Row {
        self.row_with(case, value, "")
    }

    /// The same, with a word on it.
    pub fn row_with(self, case: &str, value: f64, remark: &str) -> Row {
        let (sign, limit, holds) = match self.limit {
            Limit::AtMost(limit) => ("<=", limit, value <= limit),
            Limit::AtLeast(limit) => (">=", limit, value >= limit),
        };
        let gap = if remark.is_empty() { "" } else { "; " };
        Row {
            case: case.to_owned(),
            goal: format!("{} {sign} {}", self.what, Value(limit, self.unit)),
            measured: format!("{}{gap}{remark}", Value(value, self.unit)),
            holds,
        }
    }
}

/// As people read it.
struct Value(f64, Unit);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, unit) = self;
        match unit {
            _ if value.is_nan() => f.write_str("nothing measured"),
            Unit::Ms if *value < 10.0 => write!(f, "{value:.2} ms"),
            Unit::Ms => write!(f, "{value:.0} ms"),
            // What is all but everything is not everything.
            Unit::Percent if *value > 99.0 => write!(f, "{:.3} %", (value * 1e3).floor() / 1e3),
            Unit::Percent => write!(f, "{value:.1} %"),
            Unit::PerSecond => write!(f, "{value:.0}/s"),
            Unit::Times => write!(f, "{value:.3} x"),
        }
    }
}

impl Row {
    /// Of something that could not be measured, and why.
    pub fn failed(case: &str, goal: &str, why: &anyhow::Error) -> Self {
        Self {
            case: case.to_owned(),
            goal: goal.to_owned(),
            measured: format!("not measured: {why:#}"),
            holds: false,
        }
    }

    /// Writes it for people.
    pub fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        let verdict = if self.holds { "holds" } else { "FAILS" };
        writeln!(
            to,
            "{verdict}  {:<44} {:<46} {}",
            self.case, self.goal, self.measured
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_at_its_limit_and_not_by_nothing() {
        let delay = Goal::at_most("audio p99", 50.0, Unit::Ms);
        let share = Goal::at_least("in time", 99.9, Unit::Percent);
        for (goal, value, holds, measured) in [
            (delay, 50.0, true, "50 ms"),
            (delay, 50.6, false, "51 ms"),
            (delay, f64::NAN, false, "nothing measured"),
            (share, 99.9, true, "99.900 %"),
            (share, 99.8999, false, "99.899 %"),
            (share, 53.0, false, "53.0 %"),
        ] {
            let row = goal.row("a case", value);
            assert_eq!((row.holds, row.measured.as_str()), (holds, measured));
        }
        assert_eq!(delay.row("a case", 1.0).goal, "audio p99 <= 50 ms");
    }
}
