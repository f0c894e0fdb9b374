//! `[tls]`: the certificate that clients see. Without one it is left to what stands in front of the
//! node.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, value};
use crate::tls::Credentials;

/// Two PEM files.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The node's certificate, and behind it those that vouch for it.
    pub certificate: PathBuf,
    /// The key that belongs to it.
    pub key: PathBuf,
}

impl Tls {
    /// None without certificate; with one, it has to be good for a start.
    pub(super) fn checked(self) -> Result<Option<Self>, ConfigError> {
        let missing = match (
            self.certificate.as_os_str().is_empty(),
            self.key.as_os_str().is_empty(),
        ) {
            (true, true) => return Ok(None),
            (true, false) => "tls.certificate",
            (false, true) => "tls.key",
            (false, false) => {
                return match Credentials::read(&self) {
                    Ok(_) => Ok(Some(self)),
                    Err(error) => Err(value("tls.certificate", &error.to_string(), GOOD)),
                };
            }
        };
        Err(value(
            missing,
            "",
            "a PEM file, as both: certificate and key",
        ))
    }
}

const GOOD: &str = "a PEM file with the node's certificate and those that vouch for it, and in tls.key the key of the first";
