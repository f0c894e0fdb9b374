//! What a process has used, read from `/proc`.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};

/// One reading.
#[derive(Debug, Clone, Default)]
pub struct Gauge {
    /// Seconds in its own code.
    pub user: f64,
    /// Seconds in the kernel for it.
    pub system: f64,
    /// Bytes of memory that are really there.
    pub resident: u64,
    /// Seconds by name of thread.
    pub threads: BTreeMap<String, f64>,
}

/// The kernel shows times in hundredths of a second to everybody (USER_HZ).
const TICKS: f64 = 100.0;

impl Gauge {
    /// Reads a process.
    pub fn read(process: u32) -> Result<Self> {
        let of = |name: &str| -> Result<String> {
            let path = format!("/proc/{process}/{name}");
            fs::read_to_string(&path).with_context(|| format!("{path} can't be read"))
        };
        let (user, system) = times(&of("stat")?).context("/proc shows no times")?;
        Ok(Self {
            user,
            system,
            resident: resident(&of("status")?).context("/proc shows no memory")?,
            threads: threads(process),
        })
    }

    /// What was used since an earlier reading; memory as it is now.
    pub fn since(&self, before: &Self) -> Self {
        let threads = self.threads.iter().map(|(name, seconds)| {
            let earlier = before.threads.get(name).copied().unwrap_or_default();
            (name.clone(), (seconds - earlier).max(0.0))
        });
        Self {
            user: self.user - before.user,
            system: self.system - before.system,
            resident: self.resident,
            threads: threads.collect(),
        }
    }

    /// Seconds in all.
    pub fn seconds(&self) -> f64 {
        self.user + self.system
    }
}

/// User and system time of a `stat` line; the name before them may hold anything.
fn times(stat: &str) -> Option<(f64, f64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace().skip(11);
    let mut seconds = || Some(words.next()?.parse::<f64>().ok()? / TICKS);
    Some((seconds()?, seconds()?))
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Exact, but only for threads that still run.
fn threads(process: u32) -> BTreeMap<String, f64> {
    let mut threads = BTreeMap::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
        return threads;
    };
    for task in tasks.flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let nanos = read("schedstat");
        let nanos: f64 = nanos
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or_default();
        *threads.entry(read("comm").trim().to_owned()).or_default() += nanos / 1e9;
    }
    threads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(times(stat), Some((2.5, 0.5)));
        assert_eq!(resident("Name:\tx\nVmRSS:\t   12 kB\n"), Some(12_288));
        assert_eq!(times(""), None);
    }

    #[test]
    fn a_process_can_read_itself() {
        let gauge = Gauge::read(std::process::id()).unwrap();
        assert!(gauge.resident > 0 && !gauge.threads.is_empty());
    }
}
