//! A file of JSON lines that outlives the process: appended to, and now and then written
//! anew. What a crash cut off in the middle of a line is left out when it is read again.
//!
//! What the lines mean is left to who writes them. Calls here wait for the disk: not on the
//! runtime's threads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file of lines, ours alone.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    /// Held for as long as the file is ours.
    _lock: File,
    /// Bytes in the file.
    length: u64,
}

impl Journal {
    /// Opens `name` in `folder`, which is made if need be, and keeps other processes out.
    pub(crate) fn open(folder: &Path, name: &str) -> io::Result<Self> {
        make_folder(folder)?;
        let path = folder.join(name);
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
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file,
            path,
            _lock: lock,
            length,
        })
    }

    /// Every line that can be read, in order.
    pub(crate) fn read<L: DeserializeOwned>(
        &self,
    ) -> io::Result<impl Iterator<Item = io::Result<L>>> {
        let lines = BufReader::new(File::open(&self.path)?).split(b'\n');
        Ok(lines.filter_map(|line| match line {
            // What cannot be read was cut off by a crash, in the middle of writing it.
            Ok(line) => serde_json::from_slice(&line).ok().map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    /// Adds lines: all of them, or none. They survive the end of the process, and after
    /// [`sync`](Self::sync) a loss of power.
    pub(crate) fn append<L: Serialize>(
        &mut self,
        lines: impl IntoIterator<Item = L>,
    ) -> io::Result<()> {
        let text = text(lines)?;
        if let Err(error) = self.file.write_all(&text) {
            // Half a line would spoil the next one.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// Waits until all that was written is on the disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Writes `lines` into a new file, which takes the place of the old one at once.
    pub(crate) fn rewrite<L: Serialize>(
        &mut self,
        lines: impl IntoIterator<Item = L>,
    ) -> io::Result<()> {
        let text = text(lines)?;
        replace(&self.path, &text)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.length = text.len() as u64;
        Ok(())
    }

    /// Leaves nothing in it.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.length = 0;
        Ok(())
    }

    /// Bytes in the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

/// Makes a folder for what is personal, or secret.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Puts a whole new file at `path`, at once: who reads it finds the old one or the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn text<L: Serialize>(lines: impl IntoIterator<Item = L>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, &line)?;
        text.push(b'\n');
    }
    Ok(text)
}
