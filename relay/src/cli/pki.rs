//! `pki`: makes the files that nodes know each other by.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use time::OffsetDateTime;

use crate::identity::Identity;
use crate::pki::{self, Pair};

/// What to make.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Make a CA that certifies nodes and nothing else: authority.pem, and authority.key to keep secret
    Authority {
        /// The folder to write to
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
    /// Make a node's certificate: NODE.pem, and NODE.key to keep secret
    Node {
        /// The folder that authority.pem and authority.key are in
        #[arg(long, default_value = ".")]
        authority: PathBuf,
        /// The node's name: 1 to 63 of a-z, 0-9 and -
        #[arg(long)]
        node: String,
        /// Where it is: as above
        #[arg(long)]
        region: String,
        /// For so many days
        #[arg(long, default_value_t = 90)]
        days: u16,
        /// The folder to write to; a certificate that is there is replaced, with its key
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
}

impl PkiCommand {
    /// Makes it. What was made, for people.
    ///
    /// # Errors
    ///
    /// A name that is none, a file that cannot be read or written.
    pub fn run(&self) -> anyhow::Result<String> {
        match self {
            Self::Authority { out } => {
                let pair = pki::authority(OffsetDateTime::now_utc())?;
                // Another CA in the place of one that nodes trust would end all links.
                for name in ["authority.pem", "authority.key"] {
                    let file = out.join(name);
                    anyhow::ensure!(!file.exists(), "{} is there already", file.display());
                }
                write(out, "authority", &pair)
            }
            Self::Node {
                authority,
                node,
                region,
                days,
                out,
            } => {
                let identity = Identity::new(region, node)?;
                let signed_by = Pair {
                    certificate: read(&authority.join("authority.pem"))?,
                    key: read(&authority.join("authority.key"))?,
                };
                let time = Duration::from_secs(u64::from((*days).max(1)) * 86_400);
                let pair = pki::node(&signed_by, &identity, OffsetDateTime::now_utc(), time)?;
                write(out, node, &pair)
            }
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

fn write(folder: &Path, name: &str, pair: &Pair) -> anyhow::Result<String> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let key = folder.join(format!("{name}.key"));
    let certificate = folder.join(format!("{name}.pem"));
    // Whole or not at all: a node may read them at any moment.
    replace(&key, &pair.key, 0o600)?;
    replace(&certificate, &pair.certificate, 0o644)?;
    Ok(format!("{}\n{}", certificate.display(), key.display()))
}

fn replace(file: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = || -> std::io::Result<()> {
        // One that was left over may be readable for others.
        if beside.exists() {
            fs::remove_file(&beside)?;
        }
        let mut options = OpenOptions::new();
        let mut open = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        open.write_all(text.as_bytes())?;
        open.sync_all()?;
        fs::rename(&beside, file)
    };
    written().with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::identity::Credentials;

    #[test]
    fn what_is_made_fits_together_and_keys_are_for_nobody_else() {
        let folder = std::env::temp_dir().join(format!("relay-pki-{}", std::process::id()));
        let authority = PkiCommand::Authority {
            out: folder.clone(),
        };
        authority.run().unwrap();
        assert!(authority.run().is_err(), "one that is trusted stays");
        let node = PkiCommand::Node {
            authority: folder.clone(),
            node: "edge-1".into(),
            region: "lagos".into(),
            days: 1,
            out: folder.clone(),
        };
        for _ in 0..2 {
            node.run().unwrap();
        }
        let read = Credentials::read(
            &folder.join("authority.pem"),
            &folder.join("edge-1.pem"),
            &folder.join("edge-1.key"),
        );
        assert_eq!(read.unwrap().identity.to_string(), "edge-1 (lagos)");
        for key in ["authority.key", "edge-1.key"] {
            let mode = fs::metadata(folder.join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
