//! A report as a table for people.

use std::fmt;

use super::{
    confirm::Sight,
    report::{Phase, Report, Shown},
};

/// Above this the generator may be what was measured.
const BUSY: f64 = 0.9;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (joins, gro) = (&self.joins, if self.gro { "with" } else { "without" });
        writeln!(
            f,
            "{:?}: {} publish, {} subscribe, receivers {gro} GRO",
            self.scenario, self.publishers, self.subscribers
        )?;
        writeln!(
            f,
            "  joined         {} ({} failed), p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            joins.done, joins.failed, joins.p50_ms, joins.p99_ms, joins.max_ms
        )?;
        if let Some(why) = &joins.why {
            writeln!(f, "                 first failure: {why}")?;
        }
        if self.streams_missing > 0 {
            writeln!(
                f,
                "  MISSING        {} streams never came",
                self.streams_missing
            )?;
        }
        if let Some(bytes) = self.resident_per_participant {
            writeln!(f, "  memory         {} KiB per participant", bytes / 1024)?;
        }
        if let Some(share) = self.idle_share {
            writeln!(
                f,
                "  idle           {:.4} % of a core per participant",
                share * 100.0
            )?;
        }
        for phase in &self.phases {
            write!(f, "{phase}")?;
        }
        for verdict in &self.confirmed {
            let Sight {
                tracks,
                packets,
                lost,
                gaps,
                duplicates,
                ..
            } = &verdict.sight;
            writeln!(
                f,
                "  independent    {}: {tracks} of {} tracks, {packets} packets, {lost} lost, {gaps} gaps, {duplicates} twice",
                if verdict.agrees {
                    "agrees"
                } else {
                    "DISAGREES"
                },
                verdict.expected_tracks,
            )?;
        }
        for end in self.ended.iter().take(5) {
            writeln!(f, "  ENDED          {end}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  --- {}, {:.1} s", self.name, self.seconds)?;
        writeln!(
            f,
            "  packets        {:.0}/s in, {:.0}/s out, {:.0} Mbit/s out; received {}, forwarded {}",
            self.packets_in_per_second,
            self.packets_out_per_second,
            self.megabits_out,
            self.received,
            self.forwarded_by_server
                .map_or("unknown".to_owned(), |count| count.to_string()),
        )?;
        if let Some(used) = &self.server {
            let each = used
                .seconds_per_million
                .map(|each| format!("{each:.2} s per million packets, "));
            writeln!(
                f,
                "  server CPU     {}{:.1} % of a core, {:.0} % of it in the kernel; RSS {} MiB",
                each.unwrap_or_default(),
                used.share * 100.0,
                used.system_seconds / used.seconds.max(1e-9) * 100.0,
                used.resident >> 20,
            )?;
            let busy = used.threads.iter().filter(|(_, seconds)| **seconds > 0.005);
            let threads: Vec<_> = busy
                .map(|(name, seconds)| format!("{name} {seconds:.2} s"))
                .collect();
            writeln!(f, "  its threads    {}", threads.join(", "))?;
        }
        let passing = self.passing.as_ref().map(|shown| ("passing", shown));
        let rows = [("audio", &self.audio), ("video", &self.video)]
            .into_iter()
            .chain(passing);
        for (name, shown) in rows.filter(|(_, shown)| shown.packets > 0) {
            writeln!(f, "  {name:<14} {shown}")?;
        }
        writeln!(
            f,
            "  publishers     {} keyframes asked, {} packets asked again, {} not sent",
            self.keyframe_requests, self.nacked, self.send_failures
        )?;
        if self.unauthentic + self.foreign > 0 {
            writeln!(
                f,
                "  strange        {} not authentic, {} without a stamp",
                self.unauthentic, self.foreign
            )?;
        }
        if !self.trains.is_empty() {
            let trains: Vec<_> = self
                .trains
                .iter()
                .map(|(most, count)| format!("<={most}: {count}"))
                .collect();
            writeln!(f, "  trains         {}", trains.join(", "))?;
        }
        for (counter, count) in &self.dropped {
            writeln!(f, "  server says    {counter}: {count}")?;
        }
        writeln!(
            f,
            "  generator      {:.0} % of a core, sends p99 {:.2} ms and reads p99 {:.2} ms late",
            self.generator_busy * 100.0,
            self.generator_late_p99_ms,
            self.generator_reading_p99_ms
        )?;
        if self.generator_busy > BUSY {
            writeln!(
                f,
                "  WARNING        the generator was the bottleneck: loss may be its own"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets, lost {} ({:.4} %) in {} gaps, late {}, twice {}, left out {}, layers {:?}; delay p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            self.packets,
            self.lost,
            self.loss * 100.0,
            self.gaps,
            self.late,
            self.duplicates,
            self.skipped,
            self.layers,
            self.p50_ms,
            self.p99_ms,
            self.max_ms,
        )
    }
}
