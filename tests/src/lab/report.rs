//! What became of the packets of each direction of each link, for people and for programs.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{
    emulator::{Emulator, tally::DropReason},
    wish::Way,
};
use crate::load::histogram::Histogram;

/// One direction of one link.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Whose link.
    pub name: String,
    /// Which direction.
    pub way: Way,
    /// The network as it is now.
    pub conditions: String,
    /// Packets and bytes that came in.
    pub packets: u64,
    /// See `packets`.
    pub bytes: u64,
    /// Packets and bytes that came out.
    pub delivered: u64,
    /// See `delivered`.
    pub delivered_bytes: u64,
    /// Packets dropped, by reason; only reasons there were.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Packets that the far device would not take.
    pub refused: u64,
    /// Packets made to come late.
    pub reordered: u64,
    /// Median time at the bottleneck.
    pub queue_p50_ms: f64,
    /// The time that one packet of a hundred took longer.
    pub queue_p99_ms: f64,
    /// How late the machine was with one packet of a hundred.
    pub late_p99_ms: f64,
}

impl Row {
    /// A direction as it is now.
    pub fn of(name: &str, way: Way, emulator: &Emulator) -> Self {
        let tally = emulator.tally();
        let dropped = DropReason::ALL
            .iter()
            .map(|reason| (reason.word(), tally.drops(*reason)))
            .filter(|(_, count)| *count > 0);
        let ms = |times: &Histogram, share| times.quantile(share).as_secs_f64() * 1e3;
        Self {
            name: name.to_owned(),
            way,
            conditions: emulator.conditions().to_string(),
            packets: tally.packets(),
            bytes: tally.bytes(),
            delivered: tally.deliveries(),
            delivered_bytes: tally.delivered_bytes(),
            dropped: dropped.collect(),
            refused: tally.refusals(),
            reordered: tally.reorderings(),
            queue_p50_ms: ms(tally.queue_delay(), 0.5),
            queue_p99_ms: ms(tally.queue_delay(), 0.99),
            late_p99_ms: ms(tally.late(), 0.99),
        }
    }
}

/// All rows as a table.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16} {:>9} {:>10} {:>9} {:>8} {:>8} {:>8}  dropped",
            "link", "packets", "delivered", "kB", "p50 ms", "p99 ms", "late ms"
        )?;
        for row in self.0 {
            let mut dropped: Vec<_> = row
                .dropped
                .iter()
                .map(|(reason, count)| format!("{reason} {count}"))
                .collect();
            if row.refused > 0 {
                dropped.push(format!("refused {}", row.refused));
            }
            if row.reordered > 0 {
                dropped.push(format!("(reordered {})", row.reordered));
            }
            writeln!(
                f,
                "{:<16} {:>9} {:>10} {:>9} {:>8.1} {:>8.1} {:>8.1}  {}",
                format!("{} {}", row.name, row.way.word()),
                row.packets,
                row.delivered,
                row.delivered_bytes / 1_000,
                row.queue_p50_ms,
                row.queue_p99_ms,
                row.late_p99_ms,
                if dropped.is_empty() {
                    "nothing".to_owned()
                } else {
                    dropped.join(", ")
                },
            )?;
        }
        writeln!(
            f,
            "p50 and p99: time at the bottleneck, waiting and being sent; late: what this machine added (p99)"
        )
    }
}
