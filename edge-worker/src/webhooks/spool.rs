//! Events on disk until they are delivered: one file per URL, lines of JSON appended,
//! each an event or the word that one is done. What a crash cut off is left out.
//!
//! Without a folder nothing is kept. Calls here wait for the disk: not on the runtime's
//! threads.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::config::{self, Fsync};

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
    file: File,
    path: PathBuf,
    /// Held for as long as the file is ours.
    _lock: File,
    fsync: Fsync,
    /// Bytes in the file, and of those what still waits: about.
    length: u64,
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
        // What is in it is personal.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.spool)?;
        let path = config.spool.join(file_name(url));
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.with_extension("lock"))?;
        lock.try_lock().map_err(|_| {
            let why = format!("{} is in use by another process", path.display());
            io::Error::new(io::ErrorKind::ResourceBusy, why)
        })?;
        let left = waiting(&path)?;
        let file = rewritten(&path, &left)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file: Some(Log {
                file,
                path,
                _lock: lock,
                fsync: config.fsync,
                length,
            }),
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
        let mut text = Vec::new();
        for event in came {
            put(&mut text, &Line::Event(Event::clone(event)))?;
        }
        for id in done {
            put(&mut text, &Line::Done { done: id.clone() })?;
        }
        log.file.write_all(&text)?;
        log.length += text.len() as u64;
        match log.fsync {
            Fsync::Each => log.file.sync_data()?,
            Fsync::Never => {}
        }
        log.shrink(waiting)
    }
}

impl Log {
    /// Rewrites a file that is mostly about what is done.
    fn shrink(&mut self, waiting: u64) -> io::Result<()> {
        if waiting == 0 && self.length > 0 {
            self.file.set_len(0)?;
            self.length = 0;
        } else if self.length > REWRITE_FROM && self.length > waiting * 3 {
            let left = self::waiting(&self.path)?;
            self.file = rewritten(&self.path, &left)?;
            self.length = self.file.metadata()?.len();
        }
        Ok(())
    }
}

/// Reveals nothing of the URL, which may hold a secret.
fn file_name(url: &str) -> String {
    format!("{}.jsonl", livekit::webhook::fingerprint(url))
}

/// The events of a file that are not done, in order.
fn waiting(path: &Path) -> io::Result<Vec<Event>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut events = Vec::new();
    let mut done = HashSet::new();
    for line in BufReader::new(file).split(b'\n') {
        match serde_json::from_slice(&line?) {
            Ok(Line::Event(event)) => events.push(event),
            Ok(Line::Done { done: id }) => {
                done.insert(id);
            }
            // Cut off by a crash, in the middle of writing it.
            Err(_) => {}
        }
    }
    events.retain(|event| !done.contains(&event.id));
    Ok(events)
}

/// Writes `events` into a new file, which takes the place of the old one at once.
fn rewritten(path: &Path, events: &[Event]) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut text = Vec::new();
    for event in events {
        put(&mut text, &Line::Event(event.clone()))?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    OpenOptions::new().append(true).open(path)
}

fn put(text: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests;
