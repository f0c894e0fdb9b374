//! Signatures by which a node and the control plane know each other: HMAC-SHA256 with keys
//! derived from the node's own, one for each direction, over all that says what is meant.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256};

use crate::config::NodeKey;

/// A message's signature stands in headers.
pub(crate) mod header {
    /// Who signs, or is meant.
    pub(crate) const NODE: &str = "x-edge-node";
    /// With which of its keys.
    pub(crate) const KEY_VERSION: &str = "x-edge-key-version";
    /// When.
    pub(crate) const TIMESTAMP: &str = "x-edge-timestamp";
    /// What makes it unlike any other.
    pub(crate) const NONCE: &str = "x-edge-nonce";
    /// The signature.
    pub(crate) const SIGNATURE: &str = "x-edge-signature";
}

/// Clocks may differ by this much.
pub(crate) const WINDOW_MS: u64 = 300_000;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// In capitals.
    pub(crate) method: &'a str,
    /// Without host and query.
    pub(crate) path: &'a str,
    /// Milliseconds since 1970.
    pub(crate) timestamp: u64,
    /// Letters, digits, `-` and `_`.
    pub(crate) nonce: &'a str,
    /// As it goes over the wire.
    pub(crate) body: &'a [u8],
}

/// One direction's key.
#[derive(Clone)]
pub(crate) struct Signer(hmac::Key);

impl Signer {
    /// For what a node tells.
    pub(crate) fn sync(key: &NodeKey) -> Self {
        Self::derived(key, "sync")
    }

    /// For what it is told.
    pub(crate) fn poke(key: &NodeKey) -> Self {
        Self::derived(key, "poke")
    }

    fn derived(key: &NodeKey, purpose: &str) -> Self {
        let key = hmac::Key::new(HMAC_SHA256, &key.0);
        let derived = hmac::sign(&key, purpose.as_bytes());
        Self(hmac::Key::new(HMAC_SHA256, derived.as_ref()))
    }

    /// The signature, in hexadecimal digits.
    pub(crate) fn sign(&self, signed: &Signed<'_>) -> String {
        hex(hmac::sign(&self.0, signed.text().as_bytes()).as_ref())
    }

    /// Whether a signature is ours; takes as long for a wrong one as for a right one.
    pub(crate) fn verify(&self, signed: &Signed<'_>, signature: &str) -> bool {
        let Some(NodeKey(signature)) = NodeKey::from_hex(signature) else {
            return false;
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(16..=64).contains(&signed.nonce.len()) || !signed.nonce.bytes().all(named) {
            return false;
        }
        hmac::verify(&self.0, signed.text().as_bytes(), &signature).is_ok()
    }
}

impl fmt::Debug for Signer {
    /// Does not tell the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signed<'_> {
    fn text(&self) -> String {
        format!(
            "v1\n{}\n{}\n{}\n{}\n{}",
            self.method,
            self.path,
            self.timestamp,
            self.nonce,
            hex(digest(&SHA256, self.body).as_ref())
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Example {
        name: String,
        purpose: String,
        node_key: String,
        method: String,
        path: String,
        timestamp: String,
        nonce: String,
        body: String,
        signature: String,
        verdict: String,
    }

    /// The examples that both ends read.
    #[test]
    fn every_example_has_the_signature_it_should() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../convex/fixtures/wire/signing.json"
        );
        let text = std::fs::read(path).unwrap();
        let examples: Vec<Example> = serde_json::from_slice(&text).unwrap();
        let mut genuine = 0;
        for example in &examples {
            let (Some(key), Ok(timestamp)) = (
                NodeKey::from_hex(&example.node_key),
                example.timestamp.parse(),
            ) else {
                assert_ne!(example.verdict, "genuine", "{}", example.name);
                continue;
            };
            let signer = match example.purpose.as_str() {
                "poke" => Signer::poke(&key),
                _ => Signer::sync(&key),
            };
            let signed = Signed {
                method: &example.method,
                path: &example.path,
                timestamp,
                nonce: &example.nonce,
                body: example.body.as_bytes(),
            };
            if example.verdict == "genuine" {
                genuine += 1;
                assert_eq!(signer.sign(&signed), example.signature, "{}", example.name);
                assert!(signer.verify(&signed, &example.signature));
            } else if example.verdict == "signature" {
                let verified = signer.verify(&signed, &example.signature);
                assert!(!verified, "{}", example.name);
            }
        }
        assert!(genuine >= 5, "{genuine}");
    }

    #[test]
    fn a_changed_message_has_another_signature() {
        let key = NodeKey([7; 32]);
        let signer = Signer::sync(&key);
        let message = Signed {
            method: "POST",
            path: "/edge/v1/sync",
            timestamp: 1_700_000_000_000,
            nonce: "abcdefghijklmnop",
            body: b"{}",
        };
        let signature = signer.sign(&message);
        assert!(signer.verify(&message, &signature));
        assert!(
            !Signer::poke(&key).verify(&message, &signature),
            "another purpose"
        );
        assert!(!Signer::sync(&NodeKey([8; 32])).verify(&message, &signature));
        for changed in [
            Signed {
                method: "GET",
                ..message
            },
            Signed {
                path: "/edge/v1/register",
                ..message
            },
            Signed {
                timestamp: message.timestamp + 1,
                ..message
            },
            Signed {
                nonce: "abcdefghijklmnoq",
                ..message
            },
            Signed {
                body: b"{ }",
                ..message
            },
        ] {
            assert!(!signer.verify(&changed, &signature), "{changed:?}");
        }
        for wrong in ["", "00", &signature[1..], "zz"] {
            assert!(!signer.verify(&message, wrong), "{wrong}");
        }
    }
}
