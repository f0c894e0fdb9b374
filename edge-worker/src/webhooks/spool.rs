//! Events on disk until they are delivered: one file per URL, lines of JSON appended,
//! each an event or the word that one is done. What a crash cut off is left out.
//!
//! Without a folder nothing is kept. Calls here wait for the disk: not on the runtime's
//! threads.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::config::{self, Fsync};
use crate::journal::Journal;

/// The file of one URL.
#[derive(Debug)]
pub(super) struct Spool {
    file: Option<Log>,
    /// Left over from the last run, oldest first.
    left: Vec<Event>,
    /// Events may take this many bytes at a time.
    pub(super) most_bytes: u64,
}

#[derive(Debug)]
struct Log {
    journal: Journal,
    fsync: Fsync,
}

/// One line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Line {
    Event(Event),
    Done { done: String },
}

/// Below this, rewriting a file is not worth it.
const REWRITE_FROM: u64 = 1 << 20;

impl Spool {
    /// Opens the file of `url`, and reads what waits in it.
    pub(super) fn open(config: &config::Webhook, url: &str) -> io::Result<Self> {
        let most_bytes = config.spool_bytes;
        if config.spool.as_os_str().is_empty() {
            return Ok(Self {
                file: None,
                left: Vec::new(),
                most_bytes,
            });
        }
        let mut log = Log {
            journal: Journal::open(&config.spool, &file_name(url))?,
            fsync: config.fsync,
        };
        let left = log.waiting()?;
        log.journal.rewrite(&left)?;
        Ok(Self {
            file: Some(log),
            left,
            most_bytes,
        })
    }

    /// What was left over from the last run.
    pub(super) fn take_left(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.left)
    }

    /// Writes down that events came, and that some are done; `waiting` bytes of events
    /// are not.
    pub(super) fn write(
        &mut self,
        came: &[Arc<Event>],
        done: &[String],
        waiting: u64,
    ) -> io::Result<()> {
        let Some(log) = &mut self.file else {
            return Ok(());
        };
        let came = came.iter().map(|event| Line::Event(Event::clone(event)));
        let done = done.iter().cloned().map(|done| Line::Done { done });
        log.journal.append(came.chain(done))?;
        match log.fsync {
            Fsync::Each => log.journal.sync()?,
            Fsync::Never => {}
        }
        log.shrink(waiting)
    }
}

impl Log {
    /// Rewrites a file that is mostly about what is done.
    fn shrink(&mut self, waiting: u64) -> io::Result<()> {
        let length = self.journal.length();
        if waiting == 0 && length > 0 {
            self.journal.clear()?;
        } else if length > REWRITE_FROM && length > waiting * 3 {
            let left = self.waiting()?;
            self.journal.rewrite(&left)?;
        }
        Ok(())
    }

    /// The events that are not done, in order.
    fn waiting(&self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        let mut done = HashSet::new();
        for line in self.journal.read()? {
            match line? {
                Line::Event(event) => events.push(event),
                Line::Done { done: id } => {
                    done.insert(id);
                }
            }
        }
        events.retain(|event| !done.contains(&event.id));
        Ok(events)
    }
}

/// Reveals nothing of the URL, which may hold a secret.
fn file_name(url: &str) -> String {
    format!("{}.jsonl", livekit::webhook::fingerprint(url))
}

#[cfg(test)]
mod tests;
