//! The hash of a certificate, as SDP carries it (RFC 8122 section 5).

use std::fmt;
use std::str::FromStr;

/// The hash of a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fingerprint {
    /// How it was made.
    pub algorithm: HashAlgorithm,
    /// The hash.
    pub digest: Vec<u8>,
}

/// Which hash a fingerprint is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HashAlgorithm {
    /// What browsers use.
    Sha256,
    /// Longer.
    Sha384,
    /// Longer still.
    Sha512,
    /// Too weak or unknown: proves nothing.
    Unusable,
}

impl HashAlgorithm {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
            Self::Unusable => "unusable",
        }
    }

    /// Length of its hashes in bytes; `None` where anything goes.
    fn len(self) -> Option<usize> {
        match self {
            Self::Sha256 => Some(32),
            Self::Sha384 => Some(48),
            Self::Sha512 => Some(64),
            Self::Unusable => None,
        }
    }
}

impl Fingerprint {
    /// A SHA-256 fingerprint.
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self {
            algorithm: HashAlgorithm::Sha256,
            digest: digest.to_vec(),
        }
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (name, hex) = text.trim().split_once(' ').ok_or(FingerprintError::Form)?;
        let algorithm = match name.to_ascii_lowercase().as_str() {
            "sha-256" => HashAlgorithm::Sha256,
            "sha-384" => HashAlgorithm::Sha384,
            "sha-512" => HashAlgorithm::Sha512,
            _ => HashAlgorithm::Unusable,
        };
        let digest = hex
            .trim()
            .split(':')
            .map(|pair| match pair.as_bytes() {
                [high, low] => Ok(nibble(*high)? << 4 | nibble(*low)?),
                _ => Err(FingerprintError::Form),
            })
            .collect::<Result<Vec<u8>, _>>()?;
        let longest = algorithm.len().unwrap_or(MAX_DIGEST);
        let shortest = algorithm.len().unwrap_or(1);
        if digest.len() < shortest || digest.len() > longest {
            return Err(FingerprintError::Length(digest.len()));
        }
        Ok(Self { algorithm, digest })
    }
}

/// No hash in use is longer.
const MAX_DIGEST: usize = 64;

fn nibble(digit: u8) -> Result<u8, FingerprintError> {
    char::from(digit)
        .to_digit(16)
        .map(|value| value as u8)
        .ok_or(FingerprintError::Form)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.as_str())?;
        for (index, byte) in self.digest.iter().enumerate() {
            let separator = if index == 0 { ' ' } else { ':' };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

/// Why a text is no fingerprint.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FingerprintError {
    /// Not a name and pairs of hexadecimal digits.
    #[error("a fingerprint is a name and pairs of hexadecimal digits between colons")]
    Form,
    /// Not as long as its hash.
    #[error("{0} bytes are not the length of that hash")]
    Length(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_survives_printing() {
        let print = Fingerprint::sha256([0xa5; 32]);
        assert_eq!(print.to_string().parse(), Ok(print));
    }

    #[test]
    fn what_is_no_fingerprint_is_refused_with_a_reason() {
        let weak = format!("sha-1 {}", ["AB"; 20].join(":"));
        let long = format!("sha-1 {}", ["AB"; 65].join(":"));
        for (text, expected) in [
            ("", Err(FingerprintError::Form)),
            ("sha-256", Err(FingerprintError::Form)),
            ("sha-256 ABC:0", Err(FingerprintError::Form)),
            ("sha-256 \u{e9}:00", Err(FingerprintError::Form)),
            ("sha-256 AB", Err(FingerprintError::Length(1))),
            (&long, Err(FingerprintError::Length(65))),
            (&weak, Ok(HashAlgorithm::Unusable)),
        ] {
            let read = text.parse::<Fingerprint>().map(|print| print.algorithm);
            assert_eq!(read, expected, "{text}");
        }
    }
}
