//! Who a node is on the relay: a name and a region, in the certificate that the private CA gave it.
//!
//! The name stands in the certificate twice: as its DNS name, which TLS checks when we dial, and
//! with the region in its URI (SPIFFE's form), which we check on both sides.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A node's name and where it is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Identity {
    node: String,
    region: String,
}

/// Why a name is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not a name: 1 to 63 of a-z, 0-9 and -, not at an end")]
pub struct NameError(String);

/// Why a certificate names nobody.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdentityError {
    /// No certificate, or not one that can be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It has no URI of the form `spiffe://tof-edge/relay/REGION/NODE`, or several.
    #[error("the certificate names no node: it needs one URI {SCHEME}REGION/NODE")]
    Nameless,
    /// As below.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What stands before region and node.
const SCHEME: &str = "spiffe://tof-edge/relay/";

impl Identity {
    /// `node` in `region`.
    pub fn new(region: &str, node: &str) -> Result<Self, NameError> {
        for name in [region, node] {
            let letters = name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            let ends = name.starts_with('-') || name.ends_with('-');
            if name.is_empty() || name.len() > 63 || !letters || ends {
                return Err(NameError(name.to_owned()));
            }
        }
        Ok(Self {
            node: node.to_owned(),
            region: region.to_owned(),
        })
    }

    /// Whom a certificate names. That the CA signed it is TLS's to check.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let certificate =
            webpki::EndEntityCert::try_from(certificate).map_err(|_| IdentityError::Unreadable)?;
        let mut names = certificate
            .valid_uri_names()
            .filter_map(|uri| uri.strip_prefix(SCHEME));
        let (Some(name), None) = (names.next(), names.next()) else {
            return Err(IdentityError::Nameless);
        };
        let (region, node) = name.split_once('/').ok_or(IdentityError::Nameless)?;
        Ok(Self::new(region, node)?)
    }

    /// Its name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Where it is.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// As it stands in a certificate.
    pub fn uri(&self) -> String {
        format!("{SCHEME}{}/{}", self.region, self.node)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.node, self.region)
    }
}

/// A node's certificate, its key, and the CA that others' certificates must be of.
#[derive(Debug)]
pub struct Credentials {
    /// Whom the certificate names.
    pub identity: Identity,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) roots: Arc<RootCertStore>,
}

/// Why files are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: String,
        /// Why.
        why: std::io::Error,
    },
    /// Not PEM, or not of that kind.
    #[error("the {part} is not PEM: {why}")]
    Pem {
        /// Which.
        part: &'static str,
        /// What is wrong with it.
        why: rustls::pki_types::pem::Error,
    },
    /// No certificate at all.
    #[error("the {0} holds no certificate")]
    Empty(&'static str),
    /// The CA's certificate is none.
    #[error("the authority is not a CA's certificate: {0}")]
    Authority(#[from] rustls::Error),
    /// The node's certificate names nobody.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl Credentials {
    /// Reads PEM files: the CA's certificate, the node's certificate (and what lies between), its key.
    pub fn read(
        authority: &Path,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, CredentialsError> {
        let file = |path: &Path| {
            std::fs::read(path).map_err(|why| CredentialsError::File {
                path: path.display().to_string(),
                why,
            })
        };
        Self::from_pem(&file(authority)?, &file(certificate)?, &file(key)?)
    }

    /// As [`read`](Self::read), of what the files hold.
    pub fn from_pem(
        authority: &[u8],
        certificate: &[u8],
        key: &[u8],
    ) -> Result<Self, CredentialsError> {
        let mut roots = RootCertStore::empty();
        for root in certificates("authority", authority)? {
            roots.add(root)?;
        }
        let chain = certificates("certificate", certificate)?;
        Ok(Self {
            identity: Identity::of_certificate(&chain[0])?,
            chain,
            key: PrivateKeyDer::from_pem_slice(key)
                .map_err(|why| CredentialsError::Pem { part: "key", why })?,
            roots: Arc::new(roots),
        })
    }

    /// When the certificate expires.
    pub fn expires(&self) -> Result<SystemTime, IdentityError> {
        expiry(&self.chain[0])
    }
}

/// When a certificate expires.
pub fn expiry(certificate: &CertificateDer<'_>) -> Result<SystemTime, IdentityError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate.as_ref()).map_err(|_| IdentityError::Unreadable)?;
    let seconds = parsed.validity().not_after.timestamp().try_into();
    // Before 1970: long ago.
    Ok(UNIX_EPOCH + Duration::from_secs(seconds.unwrap_or(0)))
}

fn certificates(
    part: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|why| CredentialsError::Pem { part, why })?;
    if read.is_empty() {
        return Err(CredentialsError::Empty(part));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        assert_eq!(
            Identity::new("lagos", "edge-1").unwrap().uri(),
            "spiffe://tof-edge/relay/lagos/edge-1"
        );
        let long = "a".repeat(64);
        for bad in ["", "Edge", "a/b", "a.b", "-a", "a-", "é", long.as_str()] {
            assert_eq!(Identity::new("lagos", bad), Err(NameError(bad.into())));
            assert!(Identity::new(bad, "edge-1").is_err());
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_name_nobody() {
        let junk = CertificateDer::from(vec![0x30, 0x80, 1, 2, 3]);
        assert_eq!(
            Identity::of_certificate(&junk),
            Err(IdentityError::Unreadable)
        );
    }
}
