//! The files that a node's credentials are in, and whether they changed: certificates are renewed
//! while the node runs.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::identity::{Credentials, CredentialsError};

/// Three PEM files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    /// The CA's certificate.
    pub authority: PathBuf,
    /// The node's, and what lies between.
    pub certificate: PathBuf,
    /// The node's key.
    pub key: PathBuf,
}

/// Looks whether they changed.
#[derive(Debug)]
pub struct Watch {
    files: Files,
    seen: [Option<SystemTime>; 3],
}

impl Files {
    /// What they hold now.
    pub fn read(&self) -> Result<Credentials, CredentialsError> {
        Credentials::read(&self.authority, &self.certificate, &self.key)
    }

    /// Watches them from now on.
    pub fn watch(self) -> Watch {
        Watch {
            seen: self.written_at(),
            files: self,
        }
    }

    fn written_at(&self) -> [Option<SystemTime>; 3] {
        [&self.authority, &self.certificate, &self.key].map(|path| {
            std::fs::metadata(path)
                .and_then(|file| file.modified())
                .ok()
        })
    }
}

impl Watch {
    /// What they hold, if they changed since the last look and fit together. Files are written one
    /// after the other: while they do not fit, it is looked at again.
    pub fn look(&mut self) -> Option<Result<Credentials, CredentialsError>> {
        let now = self.files.written_at();
        if now == self.seen {
            return None;
        }
        let read = self.files.read();
        if read.is_ok() {
            self.seen = now;
        }
        Some(read)
    }
}
