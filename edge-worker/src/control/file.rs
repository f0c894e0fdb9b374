//! The ledger's lines on disk. Written as they come, so that the end of the process loses
//! nothing; on the disk itself before anything is told that rests on them, so that the loss of
//! power does not either.

use std::io;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tracing::error;

use super::ledger::{Ledger, Line};
use crate::config::Control;
use crate::journal::Journal;
use crate::metrics::Metrics;

/// The log's file, lent to a thread that may wait while it writes.
#[derive(Debug)]
pub(super) struct File {
    journal: Option<Journal>,
    /// Not all that was written is on the disk since then.
    dirty_since: Option<Instant>,
    /// The last try to write failed: what is in the file is not all there is.
    failing: bool,
    metrics: Metrics,
}

/// What happens in this time is put on the disk together.
const SYNC_WITHIN: Duration = Duration::from_millis(250);

/// Below this, rewriting the file is not worth it.
const REWRITE_FROM: u64 = 1 << 20;

impl File {
    /// Opens the log, and reads what is left from the last run.
    pub(super) fn open(
        config: &Control,
        stream: impl FnOnce() -> String,
        metrics: &Metrics,
    ) -> io::Result<(Self, Ledger)> {
        let mut journal = Journal::open(&config.folder, "log.jsonl")?;
        let lines = journal.read()?.collect::<io::Result<Vec<Line>>>()?;
        let ledger = Ledger::read(lines, config.log_bytes, stream);
        journal.rewrite(ledger.lines())?;
        let file = Self {
            journal: Some(journal),
            dirty_since: None,
            failing: false,
            metrics: metrics.clone(),
        };
        Ok((file, ledger))
    }

    /// Adds lines.
    pub(super) async fn write(&mut self, lines: Vec<Line>) {
        self.dirty_since.get_or_insert_with(Instant::now);
        self.with(move |journal| journal.append(&lines)).await;
    }

    /// Puts these in their place.
    pub(super) async fn rewrite(&mut self, lines: Vec<Line>) {
        let written = self.with(move |journal| journal.rewrite(&lines)).await;
        if written {
            self.dirty_since = None;
            self.failing = false;
        }
    }

    /// Waits until all is on the disk.
    pub(super) async fn sync(&mut self) {
        if self.dirty_since.take().is_some() {
            self.with(Journal::sync).await;
        }
    }

    /// When [`sync`](Self::sync) has something to do.
    pub(super) fn sync_at(&self) -> Option<Instant> {
        Some(self.dirty_since? + SYNC_WITHIN)
    }

    /// Whether the file should be written anew: little in it still waits, or it is not whole.
    pub(super) fn wants_rewrite(&self, waiting: u64) -> bool {
        let length = self.journal.as_ref().map_or(0, Journal::length);
        self.failing || (length > REWRITE_FROM && length > waiting * 3)
    }

    /// A disk that fails costs only what a crash would then lose: what is told comes from
    /// memory, and the file is written anew when it can be.
    async fn with(
        &mut self,
        work: impl FnOnce(&mut Journal) -> io::Result<()> + Send + 'static,
    ) -> bool {
        let Some(mut journal) = self.journal.take() else {
            return false;
        };
        let done = spawn_blocking(move || {
            let done = work(&mut journal);
            (journal, done)
        });
        let result = match done.await {
            Ok((journal, result)) => {
                self.journal = Some(journal);
                result
            }
            Err(panicked) => Err(io::Error::other(panicked)),
        };
        if let Err(why) = &result {
            self.metrics.control.unwritten.inc();
            if !self.failing {
                error!(
                    error = %why,
                    "the control plane's log cannot be written: a crash now would lose what waits; \
                     is the disk of control.folder full?"
                );
            }
            self.failing = true;
        }
        result.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{JoinTokens, NodeKey};
    use crate::control::wire::{Event, Happened};

    /// A folder of its own, gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let name = format!("edge-control-{}", crate::ids::random_suffix());
            Self(std::env::temp_dir().join(name))
        }

        fn open(&self) -> io::Result<(File, Ledger)> {
            let config = Control {
                url: String::new(),
                key: NodeKey([0; 32]),
                key_version: 1,
                public_url: String::new(),
                public_http_url: String::new(),
                relay: None,
                capacity: 1,
                folder: self.0.clone(),
                log_bytes: 1 << 20,
                tokens: JoinTokens::Any,
            };
            File::open(&config, || "stream".into(), &Metrics::new())
        }

        fn path(&self) -> PathBuf {
            self.0.join("log.jsonl")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn line(number: u64) -> Line {
        Line::Event(Box::new(Event {
            at: number,
            room: "physics".into(),
            happened: Happened::ChatSealed { count: number },
        }))
    }

    #[tokio::test]
    async fn a_log_cut_off_anywhere_gives_all_that_was_whole_and_goes_on() {
        let folder = Folder::new();
        let (mut file, _) = folder.open().unwrap();
        file.write((1..=3).map(line).collect()).await;
        file.sync().await;
        drop(file);
        let whole = std::fs::read(folder.path()).unwrap();
        let last = line(3);
        let last = serde_json::to_string(&last).unwrap().len();
        for cut in 1..=last {
            std::fs::write(folder.path(), &whole[..whole.len() - 1 - cut]).unwrap();
            let (mut file, ledger) = folder.open().unwrap();
            assert_eq!(ledger.len(), 2, "cut by {cut}");
            file.write(vec![line(9)]).await;
            drop(file);
            let (_, mut ledger) = folder.open().unwrap();
            let ats: Vec<_> = ledger.tell(9, u64::MAX).iter().map(|it| it.at).collect();
            assert_eq!(ats, [1, 2, 9]);
        }
    }

    #[tokio::test]
    async fn a_log_is_used_by_one_process_at_a_time() {
        let folder = Folder::new();
        let (file, _) = folder.open().unwrap();
        let second = folder.open();
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(file);
        folder.open().unwrap();
    }

    #[tokio::test]
    async fn a_log_shrinks_when_little_in_it_still_waits() {
        let folder = Folder::new();
        let (mut file, _) = folder.open().unwrap();
        let mut acked = 0;
        let mut largest = 0;
        for round in 0..300_u64 {
            let lines = (0..100).map(|number| line(round * 100 + number));
            acked += 100;
            file.write(lines.chain([Line::Acked(acked)]).collect())
                .await;
            if file.wants_rewrite(0) {
                let id = "stream".to_owned();
                file.rewrite(vec![Line::Stream { id, acked }]).await;
            }
            largest = largest.max(std::fs::metadata(folder.path()).unwrap().len());
        }
        assert!(largest < REWRITE_FROM + (1 << 16), "{largest}");
        drop(file);
        let (_, ledger) = folder.open().unwrap();
        assert_eq!((ledger.first(), ledger.len()), (acked + 1, 0));
    }
}
